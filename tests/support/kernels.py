"""Kernels of the catalogue for tests: parameters to try, columns to feed, and their fold over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from autotrader.features.feature import PRICES, Feature

SHORT = {"fast": 3, "slow": 5, "short": 2, "middle": 4, "long": 7, "signal": 2}
"""Small values of the parameters that must differ from one another."""


def given(feature: Feature, values: Iterable[float]) -> tuple[float, ...]:
    return tuple(int(v) if p.whole else float(v) for p, v in zip(feature.params, values, strict=True))


def defaults(feature: Feature) -> tuple[float, ...]:
    return given(feature, (20 if p.default is None else p.default for p in feature.params))


def shorts(feature: Feature) -> tuple[float, ...]:
    """Parameters near their lower ends: where the windows' edges lie."""
    if feature.name == "coppock":
        return (4, 3, 2)
    return given(
        feature, (SHORT.get(p.name, max(p.low, 2)) if p.whole else (p.default or 1.0) / 2 for p in feature.params)
    )


def variants(feature: Feature) -> list[tuple[float, ...]]:
    return sorted({defaults(feature), shorts(feature)})


def inputs_of(feature: Feature, bars: np.ndarray) -> list[np.ndarray]:
    """Columns for a feature's inputs: close, a line that it crosses and a rate; then the prices that it reads."""
    close = bars[:, 4]
    slow = np.concatenate([[close[0]], close[:-1] * 0.5 + close[1:] * 0.5])
    columns = [close, slow, 1.0 + bars[:, 5] / 1e4][: len(feature.inputs)]
    return [*columns, *(bars[:, 1 + PRICES.index(name)] for name in feature.reads)]


def fold(
    feature: Feature,
    params: Sequence[float],
    columns: Sequence[np.ndarray],
    kernel: Callable[..., float] | None = None,
) -> np.ndarray:
    """Return a kernel's column as a program shows it: finite or NaN. A compiled kernel gets an array for its state."""
    size = feature.size(*params)
    state = [math.nan] * size if kernel is None else np.full(size, np.nan)
    step = kernel or feature.kernel
    lists = [column.tolist() for column in columns]
    values = np.array([step(state, *params, *row) for row in zip(*lists, strict=True)])
    return np.where(np.isfinite(values), values, np.nan)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.array_equal(a, b, equal_nan=True))
