"""A search over a strategy's parameters: which trials are made, what they gave, and how far the best may be luck.

A space with no more points than trials is tried point by point. In a larger one Optuna's sampler (TPE: Bergstra et al.,
"Algorithms for Hyper-Parameter Optimization", 2011) chooses, in batches of a fixed size: what is tried next depends on
the seed and on the batches before, never on how many workers there are or which of them was first.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autotrader.backtest.objective import Objective, Values, front, values
from autotrader.backtest.overfit import MAX_BLOCKS, Overfitting, deflated_sharpe, moments, overfitting
from autotrader.backtest.space import Dimension, Point, points, size, written
from autotrader.backtest.trial import Bench, Span, Task, Tried
from autotrader.backtest.trials import Luck, Trials
from autotrader.backtest.workers import Evaluate
from autotrader.core.errors import AutotraderError

if TYPE_CHECKING:
    import optuna

BATCH = 16
"""Trials that are chosen at once. A sampler told of each result alone would wait for the slowest worker."""

POINTS_AT_ONCE = 256
"""Points of an enumerated space that are handed out at once."""

MAX_TRIALS = 100_000
PBO_BLOCKS = 16
PBO_TRIALS = 2_000
"""Trials whose returns are compared for overfitting: the first so many."""

Told = Callable[[int, "Trial | None"], None]
"""Is told how many trials are done, and the best of them."""


@dataclass(frozen=True)
class Trial:
    """One trial: its number from 0, what was tried, what it gave, and its scores (None: refused or undefined)."""

    number: int
    values: dict[str, str]
    tried: Tried
    scores: Values | None


@dataclass(frozen=True)
class Wanted:
    """What is searched, for what, how often, from which seed, and over which span."""

    space: tuple[Dimension, ...]
    objectives: tuple[Objective, ...]
    trials: int
    seed: int
    span: Span


@dataclass(frozen=True)
class Found:
    """What a search found. `best` are the trials that none beats (one, with one objective), best first.

    `luck` counts every strategy that was ever tried on this ground; `enumerated` says that all of the space was tried.
    """

    trials: tuple[Trial, ...]
    best: tuple[Trial, ...]
    luck: Luck
    enumerated: bool

    @property
    def refused(self) -> int:
        """How many trials were no valid strategy, or had no bars: they never ran and count nowhere else."""
        return sum(bool(one.tried.refused) for one in self.trials)

    @property
    def ranked(self) -> tuple[Trial, ...]:
        """The trials that have scores, best first by the first objective; of equal strategies the first."""
        first: dict[str, Trial] = {}
        for one in sorted((one for one in self.trials if one.scores is not None), key=_rank):
            first.setdefault(one.tried.form, one)
        return tuple(first.values())

    @property
    def deflated_sharpe(self) -> float | None:
        """The probability that the best trial is better than the best of as many without skill; None: undefined."""
        of = moments(self.best[0].tried.daily) if self.best else None
        return deflated_sharpe(of, *self.luck) if of else None

    @property
    def overfitting(self) -> Overfitting | None:
        """How often the best of one half of the days is below the median in the other; None: too little to tell."""
        each = {one.tried.form: one.tried.daily for one in self.trials if len(one.tried.daily)}
        days = max((len(daily) for daily in each.values()), default=0)
        columns = [daily for daily in each.values() if len(daily) == days][:PBO_TRIALS]
        blocks = min(PBO_BLOCKS, MAX_BLOCKS, days // 2 // 2 * 2)
        return overfitting(np.column_stack(columns), blocks) if len(columns) > 1 and blocks >= 2 else None


def _rank(one: Trial) -> tuple[Any, ...]:
    return (*(-score for score in one.scores or ()), one.number)


def search(bench: Bench, wanted: Wanted, evaluate: Evaluate, trials: Trials, told: Told | None = None) -> Found:
    """Return what a search finds; what `trials` knows already is not evaluated again. `bench` names each strategy.

    Raises AutotraderError where there is nothing to search, or every trial is refused.
    """
    if not 1 <= wanted.trials <= MAX_TRIALS:
        raise AutotraderError(f"{wanted.trials} trials cannot be; give 1 to {MAX_TRIALS}")
    count = size(wanted.space)
    every = count is not None and count <= wanted.trials
    made = _Made(bench, wanted, evaluate, trials, told)
    batches = _enumerated(wanted) if every else _sampled(wanted, made)
    for batch in batches:
        made.add(batch)
    if all(one.tried.refused for one in made.done):
        first = made.done[0]
        shown = ", ".join(f"{path} = {value}" for path, value in first.values.items())
        raise AutotraderError(
            f"none of {len(made.done)} trials is a valid strategy; with {shown}: {first.tried.refused}"
        )
    best = tuple(made.done[at] for at in front([one.scores for one in made.done]))
    return Found(tuple(made.done), best, trials.luck(made.ground), every)


class _Made:
    """The trials of a search so far."""

    def __init__(self, bench: Bench, wanted: Wanted, evaluate: Evaluate, trials: Trials, told: Told | None) -> None:
        self.done: list[Trial] = []
        self.ground = bench.ground(wanted.span)
        self._bench, self._wanted, self._evaluate, self._trials, self._told = bench, wanted, evaluate, trials, told
        self._known = trials.known(self.ground)
        self._best: Trial | None = None

    def add(self, batch: Sequence[Point]) -> None:
        """Make the trials of a batch, or look them up."""
        each = [written(self._wanted.space, point) for point in batch]
        named = [self._bench.named(one) for one in each]
        missing: dict[str, Task] = {}
        for one, tried in zip(each, named, strict=True):
            if not tried.refused and tried.form not in self._known:
                missing[tried.form] = Task(one, self._wanted.span)
        answers = self._evaluate(tuple(missing.values()))
        for at, (form, tried) in enumerate(zip(missing, answers, strict=True)):
            self._known[form] = tried
            self._trials.keep(self.ground, tried)
            self._tell(len(self.done) + at)
        for one, tried in zip(each, named, strict=True):
            self._take(one, tried if tried.refused else self._known[tried.form])
        self._tell(len(self.done))

    def _take(self, one: dict[str, str], tried: Tried) -> None:
        made = Trial(len(self.done), one, tried, values(self._wanted.objectives, tried.figures))
        self.done.append(made)
        if made.scores is not None and (self._best is None or _rank(made) < _rank(self._best)):
            self._best = made

    def _tell(self, done: int) -> None:
        if self._told is not None:
            self._told(done, self._best)


def _enumerated(wanted: Wanted) -> Iterator[list[Point]]:
    every = points(wanted.space)
    while batch := list(itertools.islice(every, POINTS_AT_ONCE)):
        yield batch


def _sampled(wanted: Wanted, made: _Made) -> Iterator[list[Point]]:
    """Yield batches that a sampler chooses, each after the one before was tried."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both options are marked experimental, and pinned with their version
        sampler = optuna.samplers.TPESampler(seed=wanted.seed, multivariate=True, constant_liar=True)
    study = optuna.create_study(sampler=sampler, directions=["maximize"] * len(wanted.objectives))
    while len(made.done) < wanted.trials:
        # Always a whole batch is asked for, so that more trials later go on as if they had been asked for at once.
        asked = [study.ask() for _ in range(BATCH)]
        batch: list[Point] = [{one.path: _chosen(trial, one) for one in wanted.space} for trial in asked]
        first = len(made.done)
        yield batch[: wanted.trials - first]
        for trial, one in zip(asked, made.done[first:], strict=False):
            if one.scores is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, list(one.scores))


def _chosen(trial: optuna.Trial, one: Dimension) -> int | float | str:
    if one.choices:
        return trial.suggest_categorical(one.path, one.choices)
    if one.many is not None:
        return trial.suggest_int(one.path, 0, one.many - 1)
    return trial.suggest_float(one.path, float(one.low), float(one.high))
