"""backtesting.py, its strategy written as its documentation teaches."""

from __future__ import annotations

import warnings

import pandas as pd
import rules
from backtesting import Backtest, Strategy
from harness import Run, serve
from workloads import FAST, FEE, RSI_BELOW, SLOW, START_CASH, STOP, TAKE, TRAIL, Outcome

import market


class Cross(Strategy):
    """W1."""

    fast, slow = FAST, SLOW

    def init(self):
        close = self.data.Close.s
        self.quick = self.I(rules.ema, close, self.fast, overlay=True)
        self.lazy = self.I(rules.ema, close, self.slow, overlay=True)

    def next(self):
        before, now = self.quick[-2] - self.lazy[-2], self.quick[-1] - self.lazy[-1]
        if not self.position:
            if before <= 0.0 < now:
                self.enter()
        elif before >= 0.0 > now:
            self.position.close()

    def enter(self):
        self.buy(size=1)


class GuardedCross(Cross):
    """W2: its levels follow the fill, which is known at the entry bar's close; orders inside that bar do not exist."""

    def init(self):
        super().init()
        self.strength = self.I(rules.rsi, self.data.Close.s)
        self.best = 0.0

    def next(self):
        super().next()
        for trade in self.trades:
            fresh = trade.entry_bar == len(self.data) - 1
            self.best = max(trade.entry_price if fresh else self.best, self.data.High[-1])
            trade.sl = max(trade.entry_price * (1.0 - STOP), self.best * (1.0 - TRAIL))
            if fresh:
                trade.tp = trade.entry_price * (1.0 + TAKE)

    def enter(self):
        if self.strength[-1] < RSI_BELOW:
            self.buy(size=1)


def frame(bars: market.Bars) -> pd.DataFrame:
    index = pd.DatetimeIndex(bars.ts * 1_000_000)
    columns = {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume}
    return pd.DataFrame(columns, index)


def backtest(data: pd.DataFrame, strategy: type[Strategy]) -> pd.Series:
    """Return the statistics, `_trades` among them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a trade that is still open at the end
        return Backtest(data, strategy, cash=START_CASH, commission=FEE).run()


def prepare(strategy: type[Strategy]) -> Run:
    data = frame(market.bars())

    def run() -> Outcome:
        stats = backtest(data, strategy)
        return Outcome(stats["# Trades"], stats["Equity Final [$]"])

    return run


NOTES = {
    "W2": "variants.py to the last digit: the entry bar not guarded, a level before an exit due at the open",
}

if __name__ == "__main__":
    serve("backtesting.py", {"W1": lambda: prepare(Cross), "W2": lambda: prepare(GuardedCross)}, NOTES)
