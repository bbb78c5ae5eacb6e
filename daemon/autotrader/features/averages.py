"""Averages: the moving averages, from the simple one to Kaufman's."""

from __future__ import annotations

import math
from math import isfinite, isnan

from autotrader.features.feature import (
    WINDOW,
    Feature,
    Param,
    define,
    forgotten_after,
    same,
    span_memory,
    wilder_memory,
)
from autotrader.features.moments import weighted, weighted_size
from autotrader.features.numeric import NAN, divide
from autotrader.features.windows import RING, RUN, State, mean, push, smooth, total, total_size, wilder


def sma(s: State, n: int, x: float) -> float:
    """Simple moving average."""
    return mean(s, 0, n, x)


def ema(s: State, n: int, x: float) -> float:
    """Exponential moving average, started at the first value and shown from the n-th on."""
    return smooth(s, 0, n, 2.0 / (n + 1.0), x)


def rma(s: State, n: int, x: float) -> float:
    """Wilder's moving average: the mean of the first n values, then smoothed by 1 / n."""
    return wilder(s, 0, n, x)


def wma(s: State, n: int, x: float) -> float:
    """Weighted moving average: the newest value counts n times, the oldest once."""
    return _weighted_mean(s, 0, n, x)


def _weighted_mean(s: State, at: int, n: int, x: float) -> float:
    value = weighted(s, at, n, x)
    weights = 0.5 * n * (n + 1.0)
    return x if weights * x == value else value / weights


def dema(s: State, n: int, x: float) -> float:
    """Double exponential moving average."""
    once = ema(s, n, x)
    return 2.0 * once - smooth(s, 2, n, 2.0 / (n + 1.0), once)


def tema(s: State, n: int, x: float) -> float:
    """Triple exponential moving average."""
    alpha = 2.0 / (n + 1.0)
    once = smooth(s, 0, n, alpha, x)
    twice = smooth(s, 2, n, alpha, once)
    thrice = smooth(s, 4, n, alpha, twice)
    return 3.0 * (once - twice) + thrice


def t3(s: State, n: int, v: float, x: float) -> float:
    """Tillson's T3: six exponential means in a row, their lag taken off by the volume factor v."""
    alpha = 2.0 / (n + 1.0)
    twice = smooth(s, 2, n, alpha, smooth(s, 0, n, alpha, x))
    third = smooth(s, 4, n, alpha, twice)
    fourth = smooth(s, 6, n, alpha, third)
    fifth = smooth(s, 8, n, alpha, fourth)
    sixth = smooth(s, 10, n, alpha, fifth)
    square = v * v
    cube = square * v
    return (
        -cube * sixth
        + (3.0 * square + 3.0 * cube) * fifth
        + (-6.0 * square - 3.0 * v - 3.0 * cube) * fourth
        + (1.0 + 3.0 * v + cube + 3.0 * square) * third
    )


def trima(s: State, n: int, x: float) -> float:
    """Triangular moving average: the simple average of a simple average, heaviest in its middle."""
    first = n // 2 + 1
    second = n + 1 - first
    return mean(s, first + 4, second, mean(s, 0, first, x))


def hma(s: State, n: int, x: float) -> float:
    """Hull moving average: twice the weighted average of half the window less that of the whole, smoothed again."""
    half = n // 2
    root = int(math.sqrt(n))
    quick = _weighted_mean(s, 0, half, x)
    slow = _weighted_mean(s, half + 7, n, x)
    return _weighted_mean(s, half + n + 14, root, 2.0 * quick - slow)


def zlema(s: State, n: int, x: float) -> float:
    """Zero-lag exponential moving average: of the value and what it gained over half the window."""
    lag = (n - 1) // 2
    before = push(s, 2, lag, x) if lag > 0 else x
    return smooth(s, 0, n, 2.0 / (n + 1.0), x + (x - before))


def vwma(s: State, n: int, x: float, volume: float) -> float:
    """Volume-weighted moving average; undefined where nothing was traded."""
    value = total(s, 0, n, x * volume)
    return divide(value, total(s, n + 4, n, volume))


def kama(s: State, n: int, fast: int, slow: int, x: float) -> float:
    """Kaufman's adaptive moving average, started at the n-th value: quick where prices go straight, slow in noise."""
    if not isfinite(x):
        s[0] = NAN
        s[2] = NAN
        s[3 + RUN] = 0.0
        return NAN
    if isnan(s[0]):
        s[0] = 0.0
    travelled = total(s, 3, n, abs(x - s[2]))
    s[2] = x
    before = push(s, n + 7, n, x)
    if s[0] < n:
        s[0] += 1.0
        s[1] = x
        return x if s[0] >= n else NAN
    straight = abs(x - before) / travelled if travelled > 0.0 else 0.0
    slowest = 2.0 / (slow + 1.0)
    rate = straight * (2.0 / (fast + 1.0) - slowest) + slowest
    kept = 1.0 - rate * rate
    s[1] = kept * s[1] + (x - kept * x)
    return s[1]


def _triangle_size(n: int) -> int:
    return n + 9


def _hull_size(n: int) -> int:
    return weighted_size(n // 2) + weighted_size(n) + weighted_size(int(math.sqrt(n)))


def _hull_bars(n: int) -> int:
    return n + int(math.sqrt(n)) - 1


def _kama_memory(n: int, _fast: int, slow: int) -> int:
    return n + forgotten_after((2.0 / (slow + 1.0)) ** 2)


def _kama_conflict(_n: float, fast: float, slow: float) -> str:
    return "" if fast < slow else f"fast ({fast:g}) must be below slow ({slow:g})"


FEATURES: tuple[Feature, ...] = (
    define(
        sma,
        (WINDOW,),
        "(x[0] + ... + x[n-1]) / n, x[0] the newest",
        "that of x",
        "`ta.trend.SMAIndicator`",
        size=total_size,
        warmup=same,
        scalars=RING,
    ),
    define(
        ema,
        (WINDOW,),
        "e = e' + 2 / (n + 1) * (x - e'), e' the value one bar before",
        "that of x",
        "`ta.trend.EMAIndicator` (adjust=False)",
        size=lambda _n: 2,
        warmup=same,
        memory=span_memory,
    ),
    define(
        rma,
        (WINDOW,),
        "r = r' + (x - r') / n, started at sma(x, n)",
        "that of x",
        "Wilder, New Concepts in Technical Trading Systems (1978)",
        size=lambda _n: 2,
        warmup=same,
        memory=wilder_memory,
    ),
    define(
        wma,
        (WINDOW,),
        "(n x[0] + (n-1) x[1] + ... + x[n-1]) / (n (n+1) / 2)",
        "that of x",
        "`ta.trend.WMAIndicator`",
        size=weighted_size,
        warmup=same,
    ),
    define(
        dema,
        (WINDOW,),
        "2 e1 - e2, e1 = ema(x, n), e2 = ema(e1, n)",
        "that of x",
        "Mulloy, Technical Analysis of Stocks & Commodities (1994); TA-Lib DEMA",
        size=lambda _n: 4,
        warmup=lambda n: 2 * n - 1,
        memory=lambda n: 2 * span_memory(n),
    ),
    define(
        tema,
        (WINDOW,),
        "3 e1 - 3 e2 + e3, each the ema of the one before",
        "that of x",
        "Mulloy, Technical Analysis of Stocks & Commodities (1994); TA-Lib TEMA",
        size=lambda _n: 6,
        warmup=lambda n: 3 * n - 2,
        memory=lambda n: 3 * span_memory(n),
    ),
    define(
        t3,
        (WINDOW, Param("v", "Volume factor: 0 is the third exponential mean, 1 the sharpest.", 0, 1, 0.7, whole=False)),
        "c1 e6 + c2 e5 + c3 e4 + c4 e3, c1 = -v^3, c2 = 3 v^2 + 3 v^3, c3 = -6 v^2 - 3 v - 3 v^3, c4 = (1 + v)^3",
        "that of x",
        "Tillson, Technical Analysis of Stocks & Commodities (1998); TA-Lib T3",
        size=lambda _n, _v: 12,
        warmup=lambda n, _v: 6 * n - 5,
        memory=lambda n, _v: 6 * span_memory(n),
    ),
    define(
        trima,
        (WINDOW,),
        "sma(sma(x, m), n + 1 - m), m = floor(n / 2) + 1",
        "that of x",
        "TA-Lib TRIMA",
        size=_triangle_size,
        warmup=same,
    ),
    define(
        hma,
        (WINDOW,),
        "wma(2 wma(x, floor(n / 2)) - wma(x, n), floor(sqrt(n)))",
        "that of x",
        "Hull, alanhull.com (2005)",
        size=_hull_size,
        warmup=_hull_bars,
    ),
    define(
        zlema,
        (WINDOW,),
        "ema(2 x[0] - x[floor((n-1) / 2)], n)",
        "that of x",
        "Ehlers and Way, Zero Lag (2010)",
        size=lambda n: (n - 1) // 2 + 3,
        warmup=lambda n: n + (n - 1) // 2,
        memory=lambda n: n + span_memory(n),
    ),
    define(
        vwma,
        (WINDOW,),
        "sum(x volume) / sum(volume) over the window",
        "that of x",
        "Arms, Volume Cycles in the Stock Market (1983)",
        size=lambda n: 2 * total_size(n),
        warmup=same,
        reads=("volume",),
    ),
    define(
        kama,
        (
            Param("n", "Bars over which the way is compared with the distance.", default=10),
            Param("fast", "Span of the quickest mean.", default=2),
            Param("slow", "Span of the slowest mean.", default=30),
        ),
        "k = k' + c^2 (x - k'), c = er (2 / (fast + 1) - 2 / (slow + 1)) + 2 / (slow + 1), "
        "er = |x[0] - x[n]| / sum(|x[i] - x[i+1]|, i < n)",
        "that of x",
        "Kaufman, Trading Systems and Methods (1998); `ta.momentum.KAMAIndicator`",
        size=lambda n, _fast, _slow: 2 * n + 8,
        warmup=lambda n, _fast, _slow: n,
        memory=_kama_memory,
        conflict=_kama_conflict,
        scalars=3 + RING,
    ),
)
