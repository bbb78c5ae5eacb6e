"""Functions of a series as such: extremes, earlier values, returns, z-scores and crossings."""

from __future__ import annotations

import math
from math import isfinite, isnan

from autotrader.features.feature import WINDOW, Feature, Param
from autotrader.features.numeric import NAN
from autotrader.features.windows import State, mean, push, variance


def highest(s: State, n: int, x: float) -> float:
    """Return the greatest of the last n values; s is the maximum, then the ring."""
    leaving = _oldest(s, 1)
    oldest = push(s, 1, n, x)
    if isnan(s[0]) or isnan(x) or leaving == s[0]:
        s[0] = _extreme(s, 1, n, oldest, 1.0)
    elif x > s[0]:
        s[0] = x
    return s[0]


def lowest(s: State, n: int, x: float) -> float:
    """Return the least of the last n values; s is the minimum, then the ring."""
    leaving = _oldest(s, 1)
    oldest = push(s, 1, n, x)
    if isnan(s[0]) or isnan(x) or leaving == s[0]:
        s[0] = _extreme(s, 1, n, oldest, -1.0)
    elif x < s[0]:
        s[0] = x
    return s[0]


def _oldest(s: State, at: int) -> float:
    place = 0 if isnan(s[at]) else int(s[at])
    return s[at + 1 + place]


def _extreme(s: State, at: int, n: int, oldest: int, sign: float) -> float:
    # Scans from the oldest value on, so that a window still filling up ends at its first step.
    first = at + 1
    best = s[first + oldest]
    if isnan(best):
        return NAN
    for i in range(1, n):
        place = oldest + i
        value = s[first + (place if place < n else place - n)]
        if isnan(value):
            return NAN
        if (value - best) * sign > 0.0:
            best = value
    return best


def prev(s: State, n: int, x: float) -> float:
    """Return the value n bars ago."""
    before = _oldest(s, 0)
    push(s, 0, n, x)
    return before


def returns(s: State, n: int, x: float) -> float:
    """Return the relative change over n bars; undefined where the earlier value is zero."""
    before = _oldest(s, 0)
    push(s, 0, n, x)
    if before == 0.0:
        return NAN
    return x / before - 1.0


def zscore(s: State, n: int, x: float) -> float:
    """Return how many standard deviations x lies from the window's mean; undefined where nothing moves."""
    oldest = push(s, 0, n, x)
    center = mean(s, 0, n, oldest)
    if isnan(center):
        return NAN
    spread = math.sqrt(variance(s, 0, n, oldest, center))
    if spread == 0.0 or not isfinite(spread):
        return NAN
    return (x - center) / spread


def crosses_above(s: State, a: float, b: float) -> float:
    """Return whether a was at most b one bar before and is above b now."""
    before_a, before_b = s[0], s[1]
    s[0] = a
    s[1] = b
    if isnan(before_a) or isnan(before_b) or isnan(a) or isnan(b):
        return NAN
    return 1.0 if before_a <= before_b and a > b else 0.0


def crosses_below(s: State, a: float, b: float) -> float:
    """Return whether a was at least b one bar before and is below b now."""
    before_a, before_b = s[0], s[1]
    s[0] = a
    s[1] = b
    if isnan(before_a) or isnan(before_b) or isnan(a) or isnan(b):
        return NAN
    return 1.0 if before_a >= before_b and a < b else 0.0


_BACK = Param("n", "Bars to look back.", low=1)


def _two() -> int:
    return 2


FEATURES = (
    Feature(
        "highest",
        highest,
        ("x",),
        (WINDOW,),
        size=lambda n: n + 2,
        warmup=lambda n: n,
        memory=lambda n: n,
        summary="The greatest value of the window, this bar included.",
        formula="max(x[0], ..., x[n-1])",
        unit="that of x",
        source="`pandas.Series.rolling(n).max()`",
    ),
    Feature(
        "lowest",
        lowest,
        ("x",),
        (WINDOW,),
        size=lambda n: n + 2,
        warmup=lambda n: n,
        memory=lambda n: n,
        summary="The least value of the window, this bar included.",
        formula="min(x[0], ..., x[n-1])",
        unit="that of x",
        source="`pandas.Series.rolling(n).min()`",
    ),
    Feature(
        "prev",
        prev,
        ("x",),
        (_BACK,),
        size=lambda n: n + 1,
        warmup=lambda n: n + 1,
        memory=lambda n: n + 1,
        summary="The value n bars ago.",
        formula="x[n]",
        unit="that of x",
        source="`pandas.Series.shift(n)`",
    ),
    Feature(
        "returns",
        returns,
        ("x",),
        (_BACK,),
        size=lambda n: n + 1,
        warmup=lambda n: n + 1,
        memory=lambda n: n + 1,
        summary="The relative change over n bars.",
        formula="x[0] / x[n] - 1",
        unit="a fraction: 0.01 is 1 %",
        source="`pandas.Series.pct_change(n)`",
    ),
    Feature(
        "zscore",
        zscore,
        ("x",),
        (WINDOW,),
        size=lambda n: n + 1,
        warmup=lambda n: n,
        memory=lambda n: n,
        summary="The distance to the window's mean in its standard deviations.",
        formula="(x - sma(x, n)) / stdev(x, n)",
        unit="standard deviations",
        source="the standard score, over n",
    ),
    Feature(
        "crosses_above",
        crosses_above,
        ("a", "b"),
        (),
        size=_two,
        warmup=_two,
        memory=_two,
        summary="True at the bar where a passes above b.",
        formula="a[1] <= b[1] and a[0] > b[0]",
        unit="condition",
        source="a crossing, with the touch counted as before it",
        result="condition",
    ),
    Feature(
        "crosses_below",
        crosses_below,
        ("a", "b"),
        (),
        size=_two,
        warmup=_two,
        memory=_two,
        summary="True at the bar where a passes below b.",
        formula="a[1] >= b[1] and a[0] < b[0]",
        unit="condition",
        source="a crossing, with the touch counted as before it",
        result="condition",
    ),
)
