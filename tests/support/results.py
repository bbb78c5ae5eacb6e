"""Backtest results for tests, made without an engine: a random market, some trades in it, and curves that agree."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from autotrader.backtest.result import CASH, PORTFOLIO, REASONS, Curve, LegInfo, Result, StrategyRun, Trades, money
from autotrader.core.units import timeframe_ms
from autotrader.execution.orders import Reason
from autotrader.market.bars import Columns

START_MS = 1_704_067_200_000  # 2024-01-01
TICK, LOT = Decimal("0.01"), Decimal("1e-8")
UNIT = int(CASH / (TICK * LOT)) if CASH >= TICK * LOT else 1
STAKE = Decimal(10_000)
_EXITS = [REASONS.index(reason) for reason in (Reason.EXIT, Reason.STOP_LOSS, Reason.TAKE_PROFIT, Reason.TRAILING_STOP)]


def curve(equity, step_ms: int = 86_400_000, start_ms: int = START_MS) -> Curve:
    """Return a curve with a point every `step_ms`."""
    values = np.asarray(equity, dtype=np.float64)
    return Curve(start_ms + np.arange(len(values), dtype=np.int64) * step_ms, values)


def run(equity, *, name: str = "one", **keys) -> StrategyRun:
    """Return a run over a daily curve."""
    points = equity if isinstance(equity, Curve) else curve(equity)
    first, last = (points.equity[0], points.equity[-1]) if len(points.ts) else (1.0, 1.0)
    known = {
        "kind": "rules",
        "symbols": ("BTC/USDT",),
        "bars": len(points.ts),
        "start_equity": Decimal(repr(float(first))),
        "final_equity": Decimal(repr(float(last))),
        "fees": Decimal(0),
        "exposed": 0.5,
    }
    return StrategyRun(name=name, curve=points, **(known | keys))


def leg(strategy: str = "one", symbol: str = "BTC/USDT", timeframe: str = "1h") -> LegInfo:
    return LegInfo(strategy, "paper", symbol, timeframe, TICK, LOT)


def trades(rows=()) -> Trades:
    """Return trades from (leg, side, entry_ms, exit_ms, lots, entry ticks, exit ticks, fees, reason index) rows."""
    table = np.array(list(rows), dtype=np.int64).reshape(-1, 9)
    which, side, entry, leave, lots, enter, left, fees, reason = table.T
    gross = side * lots * (left - enter) // UNIT
    return Trades(
        which.astype(np.int32), side.astype(np.int8), entry, leave, lots, lots,
        enter, 0 * enter, left, 0 * left, fees, gross - fees, reason.astype(np.int8),
    )  # fmt: skip


def market(bars: int, seed: int, timeframe: str = "1h", price: float = 40_000.0) -> Columns:
    """Return a random walk with whole ticks and a few gaps."""
    rng = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(rng.normal(0.00004, 0.006, bars)))
    opened = np.concatenate(([price], close[:-1]))
    high = np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 0.002, bars)))
    low = np.minimum(opened, close) * (1 - np.abs(rng.normal(0, 0.002, bars)))
    ts = START_MS + np.arange(bars, dtype=np.int64) * timeframe_ms(timeframe)
    keep = np.ones(bars, dtype=bool)
    keep[bars // 3 : bars // 3 + 5] = False
    prices = (np.round(column[keep], 2) for column in (opened, high, low, close))
    return Columns(ts[keep], *prices, rng.exponential(20.0, bars)[keep])


def result(
    names=("trend", "reversion"), symbols=("BTC/USDT", "ETH/USDT"), bars: int = 8_000, seed: int = 7, every: int = 40
) -> Result:
    """Return a whole result: each strategy goes in and out of each symbol about every `every` bars."""
    rng = np.random.default_rng(seed)
    legs, rows, shown, gains = [], [], {}, []
    for name in names:
        for number, symbol in enumerate(symbols):
            columns = market(bars, seed + number, price=40_000.0 / 10**number)
            shown[len(legs)] = columns
            legs.append(leg(name, symbol))
            cuts = np.unique(rng.integers(1, len(columns.ts) - 1, 2 * bars // every))
            cuts = cuts[: len(cuts) // 2 * 2].reshape(-1, 2)
            for begin, end in cuts:
                enter, left = round(columns.open[begin] * 100), round(columns.open[end] * 100)
                lots = int(2_000 / columns.open[begin] * 1e8)
                side = 1 if rng.random() < 0.62 else -1
                fees = int((enter + left) * lots // UNIT * 0.0005)
                moments = int(columns.ts[begin]), int(columns.ts[end])
                rows.append((len(legs) - 1, side, *moments, lots, enter, left, fees, rng.choice(_EXITS)))
    rows.sort(key=lambda row: row[3])
    closed = trades(rows)
    runs = []
    for name in (*names, PORTFOLIO):
        owned = np.array([name in (one.strategy, PORTFOLIO) for one in legs])[closed.leg]
        mine = closed.at(owned)
        start = STAKE * (len(names) if name == PORTFOLIO else 1)
        gains = np.zeros(bars)
        np.add.at(gains, ((mine.exit_ms - START_MS) // 3_600_000), mine.pnl * 1e-8)
        noise = np.cumsum(rng.normal(0, 4.0, bars))
        equity = float(start) + np.cumsum(gains) + noise - noise[0] - np.linspace(0, noise[-1] - noise[0], bars)
        final = start + money(mine.pnl)
        points = Curve(START_MS + np.arange(bars, dtype=np.int64) * 3_600_000, equity)
        runs.append(StrategyRun(name, "rules", tuple(symbols), bars, start, final, points, money(mine.fees), 0.41))
    return Result(tuple(runs[:-1]), runs[-1], tuple(legs), closed, 0.0123, "d" * 64, "c" * 64, shown)
