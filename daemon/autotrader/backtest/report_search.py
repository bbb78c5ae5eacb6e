"""The picture of a search: every trial's values and what came of it, as a report's chart draws them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from autotrader.backtest.search import Found, Trial, Wanted
from autotrader.backtest.space import Dimension
from autotrader.market.bars import Floats, Ints

MAX_DRAWN = 10_000
"""Trials with a score in one picture, the best by the first objective; the others are counted."""

MAX_AXES = 8
"""Searched values side by side; of more those that the objective depends on most."""

GROUPS = 8
"""Parts of an axis between which the objective is compared."""

OUTLIERS = 0.05
"""Of the trials, the share of the worst that are all drawn in one colour, so that they do not take up the scale."""

_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?")


class Picture(NamedTuple):
    """What the chart draws (`content`, plain data), and what has to be said of what it does not draw."""

    content: dict[str, Any]
    trials: int
    refused: int
    undefined: int
    drawn: int
    axes: int
    searched: int


def picture(wanted: Wanted, found: Found) -> Picture:
    """Return what a search tried and found, in columns: `at` counts an axis' values, `scores` are by objective.

    Trials of one strategy (`ema(close, 12)` tried twice) are one; those that were no valid strategy or whose figure is
    undefined keep their values and have no score.
    """
    trials = _once(found.trials)
    scored = [one for one in trials if one.scores is not None]
    drawn = sorted(scored, key=lambda one: (tuple(-score for score in one.scores or ()), one.number))[:MAX_DRAWN]
    others = [one for one in trials if one.scores is None][: MAX_DRAWN - len(drawn)]
    scores = np.array([one.scores for one in drawn], dtype=np.float64).reshape(len(drawn), len(wanted.objectives))
    signs = np.array([1.0 if one.high else -1.0 for one in wanted.objectives])
    axes = [_axis(one, [*drawn, *others]) for one in wanted.space]
    kept = _telling([at[: len(drawn)] for _, at in axes], scores[:, 0])
    content = {
        "axes": [axes[one][0] for one in kept],
        "at": [axes[one][1].tolist() for one in kept],
        "scores": [_column(scores[:, place] * signs[place]) for place in range(len(wanted.objectives))],
        "worst": [_worst(scores[:, place]) * float(signs[place]) for place in range(len(wanted.objectives))],
        "objectives": [{"name": one.name, "high": one.high} for one in wanted.objectives],
        "refused": [int(bool(one.tried.refused)) for one in others],
    }
    refused = sum(bool(one.tried.refused) for one in trials)
    undefined = len(trials) - len(scored) - refused
    return Picture(content, len(trials), refused, undefined, len(drawn), len(kept), len(axes))


def _once(trials: Sequence[Trial]) -> list[Trial]:
    """Return the first trial of each point of the space."""
    first: dict[tuple[str, ...], Trial] = {}
    for one in trials:
        first.setdefault(tuple(one.values.values()), one)
    return list(first.values())


def _axis(one: Dimension, trials: Sequence[Trial]) -> tuple[dict[str, Any], Ints]:
    """Return an axis, its values in order and as texts, and each trial's place among them."""
    texts = {trial.values[one.path] for trial in trials}
    values = [text for text in one.choices if text in texts] if one.choices else sorted(texts, key=_number)
    places = {text: place for place, text in enumerate(values)}
    at = np.array([places[trial.values[one.path]] for trial in trials], dtype=np.int64)
    numbers = None if one.choices else [float(_number(text)) for text in values]
    return {"name": one.path, "unit": one.unit, "values": values, "numbers": numbers}, at


def _number(text: str) -> Decimal:
    match = _NUMBER.match(text)
    assert match is not None  # a range writes numbers, with its unit behind them
    return Decimal(match[0])


def _telling(columns: Sequence[Ints], score: Floats) -> list[int]:
    """Return the places of at most MAX_AXES columns, in their order: those that explain most of the score's variance.

    Measured by the correlation ratio over GROUPS parts of a column (Fisher, Statistical Methods for Research Workers).
    """
    if len(columns) <= MAX_AXES:
        return list(range(len(columns)))
    explained = [_explained(column, score) for column in columns]
    return sorted(sorted(range(len(columns)), key=lambda place: (-explained[place], place))[:MAX_AXES])


def _explained(column: Ints, score: Floats) -> float:
    if not len(score):
        return 0.0
    order = np.unique(column, return_inverse=True)[1]
    group = order * GROUPS // (int(order.max()) + 1)
    counts, sums = np.bincount(group), np.bincount(group, weights=score)
    some = counts > 0
    means = sums[some] / counts[some]
    return float(
        np.sum(counts[some] * (means - score.mean()) ** 2) / max(float(np.sum((score - score.mean()) ** 2)), 1e-300)
    )


def _worst(score: Floats) -> float:
    """Return where the scale begins: the worst score but for outliers, where there are enough to call some that."""
    return float(np.quantile(score, OUTLIERS)) if len(score) else 0.0


def _column(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]
