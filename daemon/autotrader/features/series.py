"""Series: extremes, sums, earlier values, returns, z-scores and crossings of a series, and the prices of a bar."""

from __future__ import annotations

from math import isnan

from autotrader.features.feature import WINDOW, Feature, Param, define, same
from autotrader.features.moments import center, deviation, variance_size
from autotrader.features.numeric import NAN, divide, less_equal
from autotrader.features.windows import RING, State, greatest, push, total, total_size


def highest(s: State, n: int, x: float) -> float:
    """The greatest value of the window, this bar included."""
    return greatest(s, 0, n, x)


def lowest(s: State, n: int, x: float) -> float:
    """The least value of the window, this bar included."""
    return -greatest(s, 0, n, -x)


def prev(s: State, n: int, x: float) -> float:
    """The value n bars ago."""
    return push(s, 0, n, x)


def returns(s: State, n: int, x: float) -> float:
    """The relative change over n bars."""
    before = push(s, 0, n, x)
    return NAN if before == 0.0 else x / before - 1.0


def window_sum(s: State, n: int, x: float) -> float:
    """The sum of the window."""
    return total(s, 0, n, x)


def midpoint(s: State, n: int, x: float) -> float:
    """The middle between the greatest and the least value of the window."""
    return 0.5 * (greatest(s, 0, n, x) - greatest(s, n + 3, n, -x))


def midprice(s: State, n: int, high: float, low: float) -> float:
    """The middle between the highest high and the lowest low of the window."""
    return 0.5 * (greatest(s, 0, n, high) - greatest(s, n + 3, n, -low))


def median_price(s: State, high: float, low: float) -> float:  # noqa: ARG001 - it has no memory
    """The middle of the bar."""
    return 0.5 * (high + low)


def typical_price(s: State, high: float, low: float, close: float) -> float:  # noqa: ARG001 - it has no memory
    """The mean of high, low and close."""
    return (high + low + close) / 3.0


def weighted_price(s: State, high: float, low: float, close: float) -> float:  # noqa: ARG001 - it has no memory
    """The mean of high, low and twice the close."""
    return (high + low + 2.0 * close) / 4.0


def average_price(s: State, open_: float, high: float, low: float, close: float) -> float:  # noqa: ARG001 - no memory
    """The mean of the four prices."""
    return (open_ + high + low + close) / 4.0


def zscore(s: State, n: int, x: float) -> float:
    """The distance to the window's mean in its standard deviations; undefined where nothing moves."""
    spread = deviation(s, 0, n, x)
    return NAN if isnan(spread) else divide(x - center(s, 0, n, x), spread)


def crosses_above(s: State, a: float, b: float) -> float:
    """True at the bar where a passes above b."""
    before = s[0]
    s[0] = less_equal(a, b)
    return before * (1.0 - s[0])  # true at the bar before and false now; undefined if either is


def crosses_below(s: State, a: float, b: float) -> float:
    """True at the bar where a passes below b."""
    before = s[0]
    s[0] = less_equal(b, a)
    return before * (1.0 - s[0])


_BACK = Param("n", "Bars to look back.", low=1)


def _two() -> int:
    return 2


def _one() -> int:
    return 1


def _back(n: int) -> int:
    return n + 1


FEATURES: tuple[Feature, ...] = (
    define(
        highest,
        (WINDOW,),
        "max(x[0], ..., x[n-1])",
        "that of x",
        "`pandas.Series.rolling(n).max()`",
        size=lambda n: n + 3,
        warmup=same,
    ),
    define(
        lowest,
        (WINDOW,),
        "min(x[0], ..., x[n-1])",
        "that of x",
        "`pandas.Series.rolling(n).min()`",
        size=lambda n: n + 3,
        warmup=same,
    ),
    define(
        midpoint,
        (WINDOW,),
        "(highest(x, n) + lowest(x, n)) / 2",
        "that of x",
        "TA-Lib MIDPOINT",
        size=lambda n: 2 * n + 6,
        warmup=same,
    ),
    define(
        midprice,
        (WINDOW,),
        "(highest(high, n) + lowest(low, n)) / 2",
        "price",
        "TA-Lib MIDPRICE",
        size=lambda n: 2 * n + 6,
        warmup=same,
        inputs=(),
        reads=("high", "low"),
    ),
    define(
        window_sum,
        (WINDOW,),
        "x[0] + ... + x[n-1]",
        "that of x",
        "`pandas.Series.rolling(n).sum()`; TA-Lib SUM",
        size=total_size,
        warmup=same,
        scalars=RING,
    ),
    define(
        prev,
        (_BACK,),
        "x[n]",
        "that of x",
        "`pandas.Series.shift(n)`",
        size=_back,
        warmup=_back,
        scalars=1,
    ),
    define(
        returns,
        (_BACK,),
        "x[0] / x[n] - 1",
        "a fraction: 0.01 is 1 %",
        "`pandas.Series.pct_change(n)`; TA-Lib ROCP",
        size=_back,
        warmup=_back,
        scalars=1,
    ),
    define(
        zscore,
        (WINDOW,),
        "(x - sma(x, n)) / stdev(x, n)",
        "standard deviations",
        "the standard score, over n",
        size=variance_size,
        warmup=same,
    ),
    define(
        crosses_above,
        (),
        "a[1] <= b[1] and a[0] > b[0]",
        "condition",
        "a crossing, with the touch counted as before it",
        size=_one,
        warmup=_two,
        inputs=("a", "b"),
        result="condition",
    ),
    define(
        crosses_below,
        (),
        "a[1] >= b[1] and a[0] < b[0]",
        "condition",
        "a crossing, with the touch counted as before it",
        size=_one,
        warmup=_two,
        inputs=("a", "b"),
        result="condition",
    ),
    define(
        median_price,
        (),
        "(high + low) / 2",
        "price",
        "TA-Lib MEDPRICE",
        size=_one,
        warmup=_one,
        inputs=(),
        reads=("high", "low"),
    ),
    define(
        typical_price,
        (),
        "(high + low + close) / 3",
        "price",
        "TA-Lib TYPPRICE",
        size=_one,
        warmup=_one,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        weighted_price,
        (),
        "(high + low + 2 close) / 4",
        "price",
        "TA-Lib WCLPRICE",
        size=_one,
        warmup=_one,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        average_price,
        (),
        "(open + high + low + close) / 4",
        "price",
        "TA-Lib AVGPRICE",
        size=_one,
        warmup=_one,
        inputs=(),
        reads=("open", "high", "low", "close"),
    ),
)
