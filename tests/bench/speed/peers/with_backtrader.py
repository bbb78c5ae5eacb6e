"""backtrader, in its fast mode (`runonce`, data preloaded)."""

from __future__ import annotations

import backtrader as bt
import pandas as pd
import rules
from harness import Run, serve
from workloads import FAST, FEE, SLOW, START_CASH, Outcome

import market


class Cross(bt.Strategy):
    """W1. Its own EMA is seeded with a simple mean, so the averages come as columns of the data."""

    def __init__(self):
        self.spread = self.data.quick - self.data.lazy
        self.closed = 0

    def next(self):
        before, now = self.spread[-1], self.spread[0]
        if not self.position:
            if before <= 0.0 < now:
                self.buy(size=1)
        elif before >= 0.0 > now:
            self.close()

    def notify_trade(self, trade):
        self.closed += trade.isclosed


class Feed(bt.feeds.PandasData):
    lines = ("quick", "lazy")
    params = (("quick", "quick"), ("lazy", "lazy"))


def w1() -> Run:
    bars = market.bars()
    frame = pd.DataFrame(bars._asdict(), pd.DatetimeIndex(bars.ts * 1_000_000)).drop(columns="ts")

    def run() -> Outcome:
        columns = frame.assign(quick=rules.ema(frame["close"], FAST), lazy=rules.ema(frame["close"], SLOW))
        engine = bt.Cerebro(stdstats=False)
        engine.adddata(Feed(dataname=columns))
        engine.addstrategy(Cross)
        engine.broker.setcash(START_CASH)
        engine.broker.setcommission(commission=FEE)
        strategy = engine.run()[0]
        return Outcome(strategy.closed, engine.broker.getvalue())

    return run


if __name__ == "__main__":
    serve("backtrader", {"W1": w1}, {"W1": "EMAs come as columns: its own is seeded with a simple mean"})
