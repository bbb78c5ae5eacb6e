"""Statistics of windows: lines through them, ranks in them, and how two series move together."""

from __future__ import annotations

import math
from math import isfinite, isnan

from autotrader.features.feature import WINDOW, Feature, Param, define, same
from autotrader.features.moments import center, moment, pair, pair_size, slope, weighted_size
from autotrader.features.numeric import NAN, arctan, divide
from autotrader.features.windows import RING, RUN, State, total


def linreg(s: State, n: int, x: float) -> float:
    """The end of the least-squares line through the window."""
    rise = slope(s, 0, n, x)
    return NAN if isnan(rise) else center(s, 0, n, x) + rise * (0.5 * (n - 1))


def linreg_slope(s: State, n: int, x: float) -> float:
    """The slope of the least-squares line through the window."""
    return slope(s, 0, n, x)


def linreg_intercept(s: State, n: int, x: float) -> float:
    """The beginning of the least-squares line through the window."""
    rise = slope(s, 0, n, x)
    return NAN if isnan(rise) else center(s, 0, n, x) - rise * (0.5 * (n - 1))


def linreg_angle(s: State, n: int, x: float) -> float:
    """The angle of the least-squares line through the window."""
    return arctan(slope(s, 0, n, x)) * 57.29577951308232


def linreg_forecast(s: State, n: int, x: float) -> float:
    """Where the least-squares line through the window is one bar later."""
    rise = slope(s, 0, n, x)
    return NAN if isnan(rise) else center(s, 0, n, x) + rise * (0.5 * (n + 1))


def rank(s: State, at: int, n: int, x: float) -> float:
    """Return how many of the n values before are below x, in percent; takes the places of a `total` of n + 1."""
    if isnan(total(s, at, n + 1, x)):
        return NAN
    below = 0
    for i in range(at + RING, at + RING + n + 1):
        if s[i] < x:
            below += 1
    return 100.0 * below / n


def percent_rank(s: State, n: int, x: float) -> float:
    """How many of the n values before are below this one, in percent."""
    return rank(s, 0, n, x)


def median(s: State, n: int, x: float) -> float:
    """The middle value of the window; of an even number, between the two in the middle.

    s is a `total`, then the same values sorted: one leaves, one enters, and those between move by one place.
    """
    full = s[RUN] >= n
    leaving = s[RING + int(s[0])] if full else NAN
    if isnan(total(s, 0, n, x)):
        if not isfinite(x):
            s[n + RING] = NAN
        return NAN
    first = n + RING
    if full and not isnan(s[first]):
        _exchange(s, first, n, leaving, x)
    else:
        _sort(s, first, n)
    half = first + n // 2
    return s[half] if n % 2 == 1 else 0.5 * (s[half - 1] + s[half])


def _exchange(s: State, first: int, n: int, leaving: float, x: float) -> None:
    """Take a value out of the sorted places and put another in."""
    low = 0
    high = n - 1
    while low < high:
        middle = (low + high) // 2
        if s[first + middle] < leaving:
            low = middle + 1
        else:
            high = middle
    while low + 1 < n and s[first + low + 1] < x:
        s[first + low] = s[first + low + 1]
        low += 1
    while low > 0 and s[first + low - 1] > x:
        s[first + low] = s[first + low - 1]
        low -= 1
    s[first + low] = x


def _sort(s: State, first: int, n: int) -> None:
    """Sort the ring into the places from `first` on, by insertion."""
    for i in range(n):
        x = s[RING + i]
        place = i
        while place > 0 and s[first + place - 1] > x:
            s[first + place] = s[first + place - 1]
            place -= 1
        s[first + place] = x


def correl(s: State, n: int, a: float, b: float) -> float:
    """Pearson's correlation of two series in the window; undefined where one does not move."""
    if not pair(s, 0, n, a, b):
        return NAN
    size = math.sqrt(moment(s, 0, n, 0)) * math.sqrt(moment(s, 0, n, 1))
    return max(-1.0, min(1.0, moment(s, 0, n, 2) / size)) if size > 0.0 else NAN


def covariance(s: State, n: int, a: float, b: float) -> float:
    """The covariance of two series in the window (over n)."""
    return moment(s, 0, n, 2) if pair(s, 0, n, a, b) else NAN


def beta(s: State, n: int, a: float, b: float) -> float:
    """How the returns of a follow those of b: their covariance over the variance of b's."""
    change_a = divide(a - s[0], s[0])
    change_b = divide(b - s[1], s[1])
    s[0] = a
    s[1] = b
    if not pair(s, 2, n, change_a, change_b):
        return NAN
    return divide(moment(s, 2, n, 2), moment(s, 2, n, 1))


_N14 = Param("n", "Bars in the window.", default=14)


FEATURES: tuple[Feature, ...] = (
    define(
        linreg,
        (_N14,),
        "mean(x) + slope (n - 1) / 2",
        "that of x",
        "least squares; TA-Lib LINEARREG",
        size=weighted_size,
        warmup=same,
    ),
    define(
        linreg_slope,
        (_N14,),
        "sum((i - mean(i)) x[i]) / sum((i - mean(i))^2), i counting the bars",
        "that of x, a bar",
        "least squares; TA-Lib LINEARREG_SLOPE",
        size=weighted_size,
        warmup=same,
    ),
    define(
        linreg_intercept,
        (_N14,),
        "mean(x) - slope (n - 1) / 2",
        "that of x",
        "least squares; TA-Lib LINEARREG_INTERCEPT",
        size=weighted_size,
        warmup=same,
    ),
    define(
        linreg_angle,
        (_N14,),
        "arctan(linreg_slope(x, n))",
        "degrees, one unit of x a bar being 45",
        "least squares; TA-Lib LINEARREG_ANGLE",
        size=weighted_size,
        warmup=same,
    ),
    define(
        linreg_forecast,
        (_N14,),
        "mean(x) + slope (n + 1) / 2",
        "that of x",
        "least squares; TA-Lib TSF",
        size=weighted_size,
        warmup=same,
    ),
    define(
        percent_rank,
        (WINDOW,),
        "100 (how many of x[1] ... x[n] are below x[0]) / n",
        "0 to 100",
        "Connors and Alvarez (2012)",
        size=lambda n: n + 5,
        warmup=lambda n: n + 1,
    ),
    define(
        median,
        (WINDOW,),
        "the middle of x[0] ... x[n-1] in order",
        "that of x",
        "`pandas.Series.rolling(n).median()`",
        size=lambda n: 2 * n + 4,
        warmup=same,
    ),
    define(
        correl,
        (Param("n", "Bars in the window.", default=30),),
        "covariance(a, b, n) / (stdev(a, n) stdev(b, n))",
        "-1 to 1",
        "`pandas.Series.rolling(n).corr`; TA-Lib CORREL",
        size=pair_size,
        warmup=same,
        inputs=("a", "b"),
    ),
    define(
        covariance,
        (Param("n", "Bars in the window.", default=30),),
        "mean((a - mean(a)) (b - mean(b)))",
        "that of a times that of b",
        "`pandas.Series.rolling(n).cov(ddof=0)`",
        size=pair_size,
        warmup=same,
        inputs=("a", "b"),
    ),
    define(
        beta,
        (Param("n", "Returns in the window.", default=30),),
        "covariance(ra, rb, n) / var(rb, n), ra = a / a' - 1, rb = b / b' - 1",
        "a ratio",
        "Sharpe, Journal of Finance (1964); TA-Lib BETA with its arguments exchanged",
        size=lambda n: pair_size(n) + 2,
        warmup=lambda n: n + 1,
        inputs=("a", "b"),
    ),
)
