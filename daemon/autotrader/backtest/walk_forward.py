"""Walk-forward: search one stretch of history, trade the next one with what was best there, and so on through time.

Every stretch is as long as the others; a search looks at IN_PARTS of them, and the one after is new to it. What the
stretches after gave, joined, is what the whole procedure would have earned, searching included (Pardo, "The Evaluation
and Optimization of Trading Strategies", 2008). Borders lie between UTC days. Nothing has to be purged between the two:
a decision sees no later bar, and a position does not live on from one stretch into the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from autotrader.backtest.metrics import YEAR_DAYS, Drawdown, drawdown, sharpe
from autotrader.backtest.overfit import moments, probabilistic_sharpe
from autotrader.backtest.result import Curve
from autotrader.backtest.search import Found, Told, Trial, Wanted, search
from autotrader.backtest.trial import Bench, Span, Task, Tried
from autotrader.backtest.trials import Trials
from autotrader.backtest.workers import Evaluate
from autotrader.core.clock import DAY_MS
from autotrader.core.errors import AutotraderError
from autotrader.market.bars import Floats

IN_PARTS = 3
"""Stretches that a search looks at for each one that is then traded."""

MAX_FOLDS = 100


class Stretch(NamedTuple):
    """One fold's borders: searched in `inside`, traded in `outside`."""

    inside: Span
    outside: Span


@dataclass(frozen=True)
class Fold:
    """One fold: its borders, what its search found, the best there, and that one outside; None: nothing had a score."""

    stretch: Stretch
    found: Found
    best: Trial | None
    outside: Tried | None


@dataclass(frozen=True)
class Walked:
    """A walk: its folds, and the daily returns of all the stretches outside, one after the other.

    `efficiency` is the first objective's mean outside over its mean inside: 1 keeps all of it, 0 nothing. None where it
    means nothing (a mean inside of zero or less, or nothing to take it of).
    """

    folds: tuple[Fold, ...]
    daily: Floats
    efficiency: float | None

    @property
    def sharpe(self) -> float | None:
        """The yearly Sharpe ratio of the joined returns."""
        return sharpe(moments(self.daily))

    @property
    def probability(self) -> float | None:
        """The probability that it is above zero. Nothing was chosen by these days, so nothing is deflated."""
        of = moments(self.daily)
        return probabilistic_sharpe(of) if of else None

    @property
    def total_return(self) -> float:
        """What one unit of money gained, reinvested from day to day."""
        return float(np.prod(1.0 + self.daily)) - 1.0

    @property
    def growth(self) -> float | None:
        """The yearly growth; None for less than a day or everything lost."""
        days, end = len(self.daily), 1.0 + self.total_return
        return math.expm1(math.log(end) * YEAR_DAYS / days) if days and end > 0.0 else None

    @property
    def fall(self) -> Drawdown | None:
        """The deepest fall of the joined curve, from day to day."""
        return drawdown(Curve(np.arange(len(self.daily) + 1, dtype=np.int64) * DAY_MS, self.equity))

    @property
    def equity(self) -> Floats:
        """What one unit of money became, by day, the first before any."""
        grown: Floats = np.concatenate(([1.0], np.cumprod(1.0 + self.daily)))
        return grown


def stretches(start_ms: int, end_ms: int, folds: int) -> tuple[Stretch, ...]:
    """Return the folds between two moments. Raises AutotraderError where days are too few for them."""
    if not 1 <= folds <= MAX_FOLDS:
        raise AutotraderError(f"{folds} folds cannot be; give 1 to {MAX_FOLDS}")
    first, last = -(start_ms // -DAY_MS), end_ms // DAY_MS
    days = (last - first) // (folds + IN_PARTS)
    if days < 1:
        message = f"{max(0, last - first)} whole days are too few for {folds} folds; give at least {folds + IN_PARTS}"
        raise AutotraderError(message)
    first = last - days * (folds + IN_PARTS)  # the newest days are in it, the oldest may be left over

    def at(part: int) -> int:
        return (first + days * part) * DAY_MS

    return tuple(
        Stretch(Span(at(fold), at(fold + IN_PARTS)), Span(at(fold + IN_PARTS), at(fold + IN_PARTS + 1)))
        for fold in range(folds)
    )


def walk(
    bench: Bench, wanted: Wanted, folds: int, evaluate: Evaluate, trials: Trials, told: Told | None = None
) -> Walked:
    """Return what searching and trading through time gives; each fold makes the trials that `wanted` says.

    Raises AutotraderError as `search` and `stretches` do.
    """
    plan = bench.start
    made: list[Fold] = []
    for number, stretch in enumerate(stretches(plan.start_ms, plan.end_ms, folds)):
        part = _from(told, number * wanted.trials)
        found = search(bench, replace(wanted, span=stretch.inside), evaluate, trials, part)
        best = found.best[0] if found.best else None
        outside = next(iter(evaluate([Task(best.values, stretch.outside)]))) if best else None
        made.append(Fold(stretch, found, best, outside))
    daily = [_daily(fold) for fold in made]
    return Walked(tuple(made), np.concatenate(daily), _efficiency(made, wanted))


def _from(told: Told | None, done: int) -> Told | None:
    return None if told is None else lambda more, best: told(done + more, best)


def _daily(fold: Fold) -> Floats:
    """Return a fold's daily returns outside; where nothing was chosen, or nothing could be traded, money rests."""
    span = fold.stretch.outside
    if fold.outside is not None and len(fold.outside.daily):
        return fold.outside.daily
    return np.zeros(((span.to_ms or 0) - (span.from_ms or 0)) // DAY_MS)


def _efficiency(folds: Sequence[Fold], wanted: Wanted) -> float | None:
    first = wanted.objectives[0]
    pairs = [
        (first.value(fold.best.tried.figures), first.value(fold.outside.figures))
        for fold in folds
        if fold.best is not None and fold.outside is not None
    ]
    inside = [one for one, _ in pairs if one is not None]
    outside = [one for _, one in pairs if one is not None]
    if not inside or not outside or not sum(inside) > 0.0:
        return None
    return (sum(outside) / len(outside)) / (sum(inside) / len(inside))
