"""Volatility: ranges and spreads, and what is made of them."""

from __future__ import annotations

import math
from math import isfinite, isnan

from autotrader.features.feature import WINDOW, Feature, Param, define, same, wilder_memory
from autotrader.features.moments import deviation, variance, variance_size
from autotrader.features.numeric import LN_2, NAN, divide, log
from autotrader.features.windows import State, greatest, total, total_size, wilder


def reach(s: State, at: int, high: float, low: float, close: float) -> float:
    """Return the true range; `at` is the place of the last close. The first bar's is its own range."""
    before = s[at]
    value = high - low
    if not isfinite(value) or not isfinite(close):
        return NAN
    if not isnan(before):
        value = max(value, abs(high - before), abs(low - before))
    s[at] = close
    return value


def true_range(s: State, high: float, low: float, close: float) -> float:
    """The true range: the bar's range, the close before included."""
    return reach(s, 0, high, low, close)


def atr(s: State, n: int, high: float, low: float, close: float) -> float:
    """Average true range: the mean of the first n true ranges, then smoothed by 1 / n."""
    return wilder(s, 1, n, reach(s, 0, high, low, close))


def natr(s: State, n: int, high: float, low: float, close: float) -> float:
    """The average true range in percent of the close."""
    return 100.0 * divide(atr(s, n, high, low, close), close)


def stdev(s: State, n: int, x: float) -> float:
    """Standard deviation of the window (over n, as the Bollinger bands take it)."""
    return deviation(s, 0, n, x)


def var(s: State, n: int, x: float) -> float:
    """Variance of the window (over n)."""
    return variance(s, 0, n, x)


def ulcer_index(s: State, n: int, x: float) -> float:
    """The ulcer index: the root of the mean squared fall below the window's high, in percent."""
    top = greatest(s, 0, n, x)
    fall = 100.0 * divide(x - top, top)
    return math.sqrt(total(s, n + 3, n, fall * fall) / n)


def choppiness(s: State, n: int, high: float, low: float, close: float) -> float:
    """The choppiness index: the way that was gone over the range that it led to; high sideways, low in a trend."""
    way = total(s, 1, n, reach(s, 0, high, low, close))
    span = greatest(s, n + 5, n, high) + greatest(s, 2 * n + 8, n, -low)
    return 100.0 * log(divide(way, span)) / log(float(n))


def parkinson(s: State, n: int, high: float, low: float) -> float:
    """Parkinson's volatility a bar, from highs and lows."""
    width = log(divide(high, low))
    return math.sqrt(total(s, 0, n, width * width) / (4.0 * LN_2 * n))


def garman_klass(s: State, n: int, open_: float, high: float, low: float, close: float) -> float:
    """Garman and Klass' volatility a bar, from all four prices; undefined where they contradict one another."""
    width = log(divide(high, low))
    move = log(divide(close, open_))
    value = total(s, 0, n, 0.5 * width * width - (2.0 * LN_2 - 1.0) * move * move) / n
    return math.sqrt(value) if value >= 0.0 else NAN


_ATR = Param("n", "Bars of Wilder's smoothing.", default=14)
_N14 = Param("n", "Bars in the window.", default=14)


FEATURES: tuple[Feature, ...] = (
    define(
        true_range,
        (),
        "max(high - low, |high - close'|, |low - close'|)",
        "price",
        "Wilder, New Concepts in Technical Trading Systems (1978); TA-Lib TRANGE",
        size=lambda: 1,
        warmup=lambda: 1,
        memory=lambda: 2,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        atr,
        (_ATR,),
        "a = (a' * (n - 1) + max(high - low, |high - close'|, |low - close'|)) / n",
        "price",
        "Wilder, New Concepts in Technical Trading Systems (1978); `ta.volatility.AverageTrueRange`",
        size=lambda _n: 3,
        warmup=same,
        memory=wilder_memory,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        natr,
        (_ATR,),
        "100 atr(n) / close",
        "percent of the close",
        "Forman, Technical Analysis of Stocks & Commodities (2006); TA-Lib NATR",
        size=lambda _n: 3,
        warmup=same,
        memory=wilder_memory,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        stdev,
        (WINDOW,),
        "sqrt(mean((x - mean(x))^2))",
        "that of x",
        "`pandas.Series.rolling(n).std(ddof=0)`",
        size=variance_size,
        warmup=same,
    ),
    define(
        var,
        (WINDOW,),
        "mean((x - mean(x))^2)",
        "that of x, squared",
        "`pandas.Series.rolling(n).var(ddof=0)`; TA-Lib VAR",
        size=variance_size,
        warmup=same,
    ),
    define(
        ulcer_index,
        (_N14,),
        "sqrt(mean((100 (x - highest(x, n)) / highest(x, n))^2))",
        "percent",
        "Martin, The Investor's Guide to Fidelity Funds (1989); `ta.volatility.UlcerIndex`",
        size=lambda n: 2 * n + 7,
        warmup=lambda n: 2 * n - 1,
    ),
    define(
        choppiness,
        (_N14,),
        "100 log(sum(true_range, n) / (highest(high, n) - lowest(low, n))) / log(n)",
        "0 to 100",
        "Dreiss (1993)",
        size=lambda n: 3 * n + 11,
        warmup=same,
        memory=lambda n: n + 1,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        parkinson,
        (_N14,),
        "sqrt(mean(log(high / low)^2) / (4 log 2))",
        "a fraction a bar",
        "Parkinson, Journal of Business (1980)",
        size=total_size,
        warmup=same,
        inputs=(),
        reads=("high", "low"),
    ),
    define(
        garman_klass,
        (_N14,),
        "sqrt(mean(log(high / low)^2 / 2 - (2 log 2 - 1) log(close / open)^2))",
        "a fraction a bar",
        "Garman and Klass, Journal of Business (1980)",
        size=total_size,
        warmup=same,
        inputs=(),
        reads=("open", "high", "low", "close"),
    ),
)
