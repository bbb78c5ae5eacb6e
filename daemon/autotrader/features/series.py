"""Functions of a series as such: extremes, earlier values, returns, z-scores and crossings."""

from __future__ import annotations

from math import isnan

from autotrader.features.feature import WINDOW, Feature, Param
from autotrader.features.numeric import NAN, divide
from autotrader.features.windows import State, center, deviation, greatest, push, variance_size


def highest(s: State, n: int, x: float) -> float:
    """Return the greatest of the last n values."""
    return greatest(s, 0, n, x)


def lowest(s: State, n: int, x: float) -> float:
    """Return the least of the last n values."""
    return -greatest(s, 0, n, -x)


def prev(s: State, n: int, x: float) -> float:
    """Return the value n bars ago."""
    return push(s, 0, n, x)


def returns(s: State, n: int, x: float) -> float:
    """Return the relative change over n bars; undefined where the earlier value is zero."""
    before = push(s, 0, n, x)
    if before == 0.0:
        return NAN
    return x / before - 1.0


def zscore(s: State, n: int, x: float) -> float:
    """Return how many standard deviations x lies from the window's mean; undefined where nothing moves."""
    spread = deviation(s, 0, n, x)
    return NAN if isnan(spread) else divide(x - center(s, 0, n), spread)


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
        size=lambda n: n + 3,
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
        size=lambda n: n + 3,
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
        size=variance_size,
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
