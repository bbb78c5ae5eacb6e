"""Composites: indicators that are made of several others."""

from __future__ import annotations

from math import isfinite, isnan

from autotrader.features.averages import wma
from autotrader.features.feature import Feature, Param, define, same, span_memory, wilder_memory
from autotrader.features.moments import deviation, variance_size
from autotrader.features.momentum import gains_memory, strength
from autotrader.features.numeric import NAN, divide, log
from autotrader.features.statistic import rank
from autotrader.features.volatility import atr
from autotrader.features.windows import State, greatest, push, smooth, total


def efficiency_ratio(s: State, n: int, x: float) -> float:
    """Kaufman's efficiency ratio: the distance that was covered over the way that was gone; 0 where nothing moved."""
    step = abs(x - s[0])
    s[0] = x
    way = total(s, 1, n, step)
    distance = abs(x - push(s, n + 5, n, x))
    if isnan(way) or isnan(distance):
        return NAN
    return distance / way if way > 0.0 else 0.0


def connors_rsi(s: State, n: int, streak: int, back: int, x: float) -> float:
    """Connors' RSI: the mean of a short RSI, of the RSI of the streak's length, and of the last return's rank.

    s is the last value and the streak, then the two strengths, then the returns.
    """
    before = s[0]
    if isfinite(x):
        s[0] = x
        if x > before:
            s[1] = s[1] + 1.0 if s[1] > 0.0 else 1.0
        elif x < before:
            s[1] = s[1] - 1.0 if s[1] < 0.0 else -1.0
        else:
            s[1] = 0.0
    first = strength(s, 2, n, x)
    second = strength(s, 6, streak, s[1] if isfinite(x) else NAN)
    return (first + second + rank(s, 10, back, divide(x - before, before))) / 3.0


def squeeze(s: State, n: int, k: float, width: float, high: float, low: float, close: float) -> float:
    """Whether the Bollinger bands lie inside a channel of average true ranges about the same mean."""
    spread = deviation(s, 3, n, close)
    reach = atr(s, n, high, low, close)
    if isnan(spread) or isnan(reach):
        return NAN
    return 1.0 if k * spread < width * reach else 0.0


def bull_power(s: State, n: int, high: float, close: float) -> float:
    """Elder's bull power: how far the high reaches above the exponential mean."""
    return high - smooth(s, 0, n, 2.0 / (n + 1.0), close)


def bear_power(s: State, n: int, low: float, close: float) -> float:
    """Elder's bear power: how far the low reaches below the exponential mean (below zero where it does)."""
    return low - smooth(s, 0, n, 2.0 / (n + 1.0), close)


def coppock(s: State, long: int, short: int, n: int, x: float) -> float:
    """The Coppock curve: the weighted average of two rates of change."""
    far = push(s, n + 7, long, x)
    near = push(s, n + long + 8, short, x)
    return wma(s, n, 100.0 * (divide(x - far, far) + divide(x - near, near)))


def fisher(s: State, n: int, high: float, low: float) -> float:
    """Ehlers' Fisher transform of where the bar's middle lies in its range.

    s is the place before, the value before, then the two extremes.
    """
    middle = 0.5 * (high + low)
    top = greatest(s, 2, n, middle)
    bottom = -greatest(s, n + 5, n, -middle)
    if isnan(top) or isnan(bottom):
        return NAN
    if isnan(s[0]):
        s[0] = 0.0
        s[1] = 0.0
    place = (middle - bottom) / (top - bottom) - 0.5 if top > bottom else 0.0
    s[0] = max(-0.999, min(0.999, 0.66 * place + 0.67 * s[0]))
    s[1] = 0.5 * log((1.0 + s[0]) / (1.0 - s[0])) + 0.5 * s[1]
    return s[1]


_POWER = Param("n", "Span of the exponential mean.", default=13)
_ELDER = "Elder, Trading for a Living (1993)"


def _connors_bars(n: int, streak: int, back: int) -> int:
    return max(n, streak, back + 2)


FEATURES: tuple[Feature, ...] = (
    define(
        efficiency_ratio,
        (Param("n", "Bars in the window.", default=10),),
        "|x[0] - x[n]| / sum(|x[i] - x[i+1]|, i < n)",
        "0 to 1",
        "Kaufman, Trading Systems and Methods (1998)",
        size=lambda n: 2 * n + 6,
        warmup=lambda n: n + 1,
    ),
    define(
        connors_rsi,
        (
            Param("n", "Bars of the price's RSI.", default=3),
            Param("streak", "Bars of the streak's RSI.", default=2),
            Param("back", "Returns that the last one is ranked in.", default=100),
        ),
        "(rsi(x, n) + rsi(streak of rises or falls, streak) + percent_rank(returns(x, 1), back)) / 3",
        "0 to 100",
        "Connors and Alvarez (2012)",
        size=lambda _n, _streak, back: back + 15,
        warmup=_connors_bars,
        memory=lambda n, streak, back: max(gains_memory(n), gains_memory(streak), back + 2) + 50,
    ),
    define(
        squeeze,
        (
            Param("n", "Bars in the windows.", default=20),
            Param("k", "Standard deviations of the bands.", low=0.01, high=100, default=2, whole=False),
            Param("width", "Average true ranges of the channel.", low=0.01, high=100, default=1.5, whole=False),
        ),
        "k stdev(close, n) < width atr(n)",
        "condition",
        "Carter, Mastering the Trade (2005)",
        size=lambda n, _k, _width: variance_size(n) + 3,
        warmup=lambda n, _k, _width: n,
        memory=lambda n, _k, _width: wilder_memory(n),
        result="condition",
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        bull_power,
        (_POWER,),
        "high - ema(close, n)",
        "price",
        _ELDER,
        size=lambda _n: 2,
        warmup=same,
        memory=span_memory,
        inputs=(),
        reads=("high", "close"),
    ),
    define(
        bear_power,
        (_POWER,),
        "low - ema(close, n)",
        "price",
        _ELDER,
        size=lambda _n: 2,
        warmup=same,
        memory=span_memory,
        inputs=(),
        reads=("low", "close"),
    ),
    define(
        coppock,
        (
            Param("long", "Bars of the long rate of change.", default=14),
            Param("short", "Bars of the short one.", default=11),
            Param("n", "Bars of the weighted average.", default=10),
        ),
        "wma(roc(x, long) + roc(x, short), n)",
        "percent, summed",
        "Coppock, Barron's (1962)",
        size=lambda long, short, n: n + long + short + 9,
        warmup=lambda long, short, n: max(long, short) + n,
    ),
    define(
        fisher,
        (Param("n", "Bars in the window.", default=9),),
        "f = log((1 + v) / (1 - v)) / 2 + f' / 2, v = 0.66 p + 0.67 v' kept within 0.999, "
        "p the middle's place in its range less 0.5",
        "about -4 to 4",
        "Ehlers, Cybernetic Analysis (2004)",
        size=lambda n: 2 * n + 8,
        warmup=same,
        memory=lambda n: n + 100,
        inputs=(),
        reads=("high", "low"),
    ),
)
