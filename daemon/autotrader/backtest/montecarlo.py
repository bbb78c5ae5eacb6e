"""What else could have come of the same trades: their order resampled or reshuffled, many times, from one seed.

A trade moves the account by its profit as a fraction of the equity just before it closed, and these fractions compound,
as they do where sizes are a share of equity; `compound=False` adds the money instead, as where sizes are fixed.
Resampling draws trades with replacement, so final equities differ. A reshuffle only changes the order: where fractions
compound every path ends alike, and only the drawdowns tell. Trades that overlap are taken one after the other by exit,
and dependence between neighbours is lost: streaks that have a cause are broken up.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from autotrader.backtest.result import Trades
from autotrader.market.bars import Floats, Ints

Method = Literal["resample", "reshuffle"]

PERCENTILES = (5, 25, 50, 75, 95)
MAX_DRAWS = 40_000_000
"""Trades drawn over all paths; beyond it there are fewer paths, but never fewer than MIN_PATHS."""

MIN_PATHS = 100
MAX_POINTS = 120
"""Moments at which the fan is known."""

CHUNK = 2_000_000
"""Floats that are held at once."""


class MonteCarlo(NamedTuple):
    """Paths from one start. Equity is in quote units, drawdowns are positive fractions, one value a path.

    `at` counts the trades done at each moment of the fan; `fan` holds one row a percentile of PERCENTILES.
    `loss` is the share of paths that end below the start, `ruin` of those that ever fell to `ruin_level` of it.
    """

    method: Method
    start: float
    final: Floats
    max_drawdown: Floats
    at: Ints
    fan: Floats
    loss: float
    ruin: float
    ruin_level: float

    def percentiles(self, values: Floats) -> dict[int, float]:
        """Return the percentiles of one value a path."""
        return dict(zip(PERCENTILES, np.percentile(values, PERCENTILES).tolist(), strict=True))


def monte_carlo(
    trades: Trades,
    start: float,
    *,
    method: Method = "resample",
    paths: int = 1_000,
    seed: int = 0,
    compound: bool = True,
    ruin_level: float = 0.5,
) -> MonteCarlo | None:
    """Return what the same trades could have given; None without a trade or without money to begin with.

    The same seed gives the same paths. Raises ValueError for less than one path or a level that is no fraction.
    """
    if paths < 1 or not 0.0 <= ruin_level < 1.0:
        raise ValueError(f"{paths} paths to a ruin at {ruin_level}: there is at least one path, and ruin is in 0 to 1")
    count = len(trades.pnl)
    if not count or not start > 0.0:
        return None
    steps = _steps(trades, start, compound=compound)
    paths = max(min(paths, MIN_PATHS), min(paths, MAX_DRAWS // count))
    at = np.unique(np.linspace(0, count, min(count + 1, MAX_POINTS)).astype(np.int64))
    random = np.random.default_rng(seed)
    size = max(1, CHUNK // count)
    parts = [
        _walk(_drawn(steps, min(size, paths - done), method, random), at, compound=compound)
        for done in range(0, paths, size)
    ]
    shown, final, deepest, lowest = (np.concatenate(column) for column in zip(*parts, strict=True))
    return MonteCarlo(
        method=method,
        start=start,
        final=final * start,
        max_drawdown=deepest,
        at=at,
        fan=np.percentile(shown, PERCENTILES, axis=0) * start,
        loss=float(np.mean(final < 1.0 - 1e-12)),  # a reshuffle's paths end alike but for their last bits
        ruin=float(np.mean(lowest <= ruin_level)),
        ruin_level=ruin_level,
    )


def _steps(trades: Trades, start: float, *, compound: bool) -> Floats:
    """Return what each trade adds: growth factors, or money as a fraction of the start."""
    gains = trades.pnl.astype(np.float64) * 1e-8
    if not compound:
        return gains / start
    before = start + np.concatenate(([0.0], np.cumsum(gains)[:-1]))
    grown: Floats = np.divide(gains, before, out=np.zeros(len(gains)), where=before > 0.0)
    return np.maximum(grown + 1.0, 0.0)


def _drawn(steps: Floats, paths: int, method: Method, random: np.random.Generator) -> Floats:
    if method == "resample":
        return steps[random.integers(0, len(steps), (paths, len(steps)))]
    many = np.tile(steps, (paths, 1))
    drawn: Floats = random.permuted(many, axis=1, out=many)
    return drawn


def _walk(steps: Floats, at: Ints, *, compound: bool) -> tuple[Floats, Floats, Floats, Floats]:
    """Return, for each path, the equity at some moments and at the end, the deepest fall and the lowest point."""
    equity = np.empty((len(steps), steps.shape[1] + 1))
    equity[:, 0] = 1.0
    if compound:
        np.cumprod(steps, axis=1, out=equity[:, 1:])
    else:
        np.cumsum(steps, axis=1, out=equity[:, 1:])
        equity[:, 1:] += 1.0
    peak = np.maximum.accumulate(equity, axis=1)
    fall = (1.0 - equity / peak).max(axis=1)
    return equity[:, at], equity[:, -1], fall, equity.min(axis=1)
