"""Jesse: W1 through `jesse.research.backtest`, averages computed once before its loop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import rules
from harness import Run, serve
from jesse.research import backtest
from jesse.strategies import Strategy
from workloads import FAST, FEE, SLOW, START_CASH, Outcome

import market

EXCHANGE, SYMBOL = "Sandbox", "BTC-USD"


class Cross(Strategy):
    """W1; an order at the price of the deciding close is a market order to it, and fills there."""

    enter: np.ndarray
    leave: np.ndarray

    def should_long(self):
        return self.enter[self.index]

    def go_long(self):
        self.buy = 1, self.price

    def update_position(self):
        if self.leave[self.index]:
            self.liquidate()

    def should_short(self):
        return False

    def should_cancel_entry(self):
        return True


def w1() -> Run:
    bars = market.bars()
    ts = market.START_MS + market.MINUTE_MS * np.arange(len(bars.ts))  # it takes no market with a minute missing
    candles = np.column_stack((ts, bars.open, bars.close, bars.high, bars.low, bars.volume)).astype(float)
    config = {
        "starting_balance": START_CASH,
        "fee": FEE,
        "type": "spot",
        "exchange": EXCHANGE,
        "warm_up_candles": 0,
    }
    routes = [{"exchange": EXCHANGE, "strategy": Cross, "symbol": SYMBOL, "timeframe": "1m"}]
    key = f"{EXCHANGE}-{SYMBOL}"

    def run() -> Outcome:
        close = pd.Series(bars.close)
        Cross.enter, Cross.leave = rules.crossings(rules.ema(close, FAST), rules.ema(close, SLOW))
        given = {key: {"exchange": EXCHANGE, "symbol": SYMBOL, "candles": candles}}
        metrics = backtest(config, routes, [], given, fast_mode=True)["metrics"]
        return Outcome(metrics["total"], metrics["finishing_balance"])

    return run


NOTES = {"W1": "a market order fills at the deciding close; the fee of a purchase is kept from the units bought"}

if __name__ == "__main__":
    serve("Jesse", {"W1": w1}, NOTES)
