"""Stops: lines that follow a trend and turn where it breaks."""

from __future__ import annotations

from math import isfinite, isnan

from autotrader.features.feature import Feature, Param, define, wilder_memory
from autotrader.features.numeric import NAN
from autotrader.features.volatility import atr
from autotrader.features.windows import State


def psar(s: State, step: float, most: float, high: float, low: float, close: float) -> float:
    """Parabolic stop and reverse.

    s is the number of bars (up to 2), direction, stop, acceleration, extreme, then the last two highs and lows. The
    first two bars only start it: rising, from the second close, with the first high as its extreme.
    """
    if not isfinite(high + low + close):
        return NAN
    if isnan(s[0]) or s[0] < 2.0:
        if isnan(s[0]):
            s[0] = 0.0
            s[1] = 1.0
            s[3] = step
            s[4] = high
        s[0] += 1.0
        s[2] = close
        _remember(s, high, low)
        return NAN
    stop = s[2] + s[3] * (s[4] - s[2])
    rising = s[1] > 0.0
    if low < stop if rising else high > stop:
        stop = s[4]
        s[1] = -s[1]
        s[3] = step
        s[4] = low if rising else high
    else:
        if high > s[4] if rising else low < s[4]:
            s[4] = high if rising else low
            s[3] = min(s[3] + step, most)
        stop = _held_off(s, rising, stop)
    s[2] = stop
    _remember(s, high, low)
    return stop


def _held_off(s: State, rising: bool, stop: float) -> float:
    """Return the stop kept outside of the last two bars: the one before the last is asked first."""
    if rising:
        if s[8] < stop:
            return s[8]
        return min(s[6], stop)
    if s[7] > stop:
        return s[7]
    return max(s[5], stop)


def _remember(s: State, high: float, low: float) -> None:
    s[7] = s[5]
    s[8] = s[6]
    s[5] = high
    s[6] = low


def psar_up(s: State, step: float, most: float, high: float, low: float, close: float) -> float:
    """The parabolic stop while it rises; undefined while it falls."""
    stop = psar(s, step, most, high, low, close)
    return stop if s[1] > 0.0 else NAN


def psar_down(s: State, step: float, most: float, high: float, low: float, close: float) -> float:
    """The parabolic stop while it falls; undefined while it rises."""
    stop = psar(s, step, most, high, low, close)
    return stop if s[1] < 0.0 else NAN


def supertrend(s: State, n: int, k: float, high: float, low: float, close: float) -> float:
    """The supertrend line: k average true ranges below the middle of a rising price, above that of a falling one.

    s is the average true range, then direction, lower and upper line, and the last close.
    """
    width = k * atr(s, n, high, low, close)
    if isnan(width):
        return NAN
    middle = 0.5 * (high + low)
    lower, upper = middle - width, middle + width
    if isnan(s[3]):
        s[3] = 1.0
    else:
        if lower < s[4] and s[6] >= s[4]:
            lower = s[4]
        if upper > s[5] and s[6] <= s[5]:
            upper = s[5]
        if s[3] > 0.0 and close < lower:
            s[3] = -1.0
        elif s[3] < 0.0 and close > upper:
            s[3] = 1.0
    s[4] = lower
    s[5] = upper
    s[6] = close
    return lower if s[3] > 0.0 else upper


def supertrend_direction(s: State, n: int, k: float, high: float, low: float, close: float) -> float:
    """Which way the supertrend goes: 1 up, -1 down."""
    line = supertrend(s, n, k, high, low, close)
    return NAN if isnan(line) else s[3]


_SAR = (
    Param("step", "What the acceleration begins with and grows by.", low=0.0001, high=1, default=0.02, whole=False),
    Param("most", "Where the acceleration ends.", low=0.0001, high=1, default=0.2, whole=False),
)
_TREND = (
    Param("n", "Bars of the average true range.", default=10),
    Param("k", "Average true ranges between the middle and a line.", low=0.01, high=100, default=3, whole=False),
)
TURNS = 1_000
"""Bars after which a line that turns has, for all practical purposes, turned where it would have anyway."""


def _step_below_most(step: float, most: float) -> str:
    return "" if step <= most else f"step ({step:g}) must not exceed most ({most:g})"


FEATURES: tuple[Feature, ...] = (
    define(
        psar,
        _SAR,
        "s = s' + a (extreme - s'), turned to the extreme where the price crosses it; "
        "a grows by step with each new extreme",
        "price",
        "Wilder, New Concepts in Technical Trading Systems (1978); `ta.trend.PSARIndicator`",
        size=lambda _step, _most: 9,
        warmup=lambda _step, _most: 3,
        memory=lambda _step, _most: TURNS,
        conflict=_step_below_most,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        psar_up,
        _SAR,
        "psar(step, most) while it lies below the price",
        "price",
        "Wilder, New Concepts in Technical Trading Systems (1978); `ta.trend.PSARIndicator`",
        size=lambda _step, _most: 9,
        warmup=lambda _step, _most: 3,
        memory=lambda _step, _most: TURNS,
        conflict=_step_below_most,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        psar_down,
        _SAR,
        "psar(step, most) while it lies above the price",
        "price",
        "Wilder, New Concepts in Technical Trading Systems (1978); `ta.trend.PSARIndicator`",
        size=lambda _step, _most: 9,
        warmup=lambda _step, _most: 3,
        memory=lambda _step, _most: TURNS,
        conflict=_step_below_most,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        supertrend,
        _TREND,
        "(high + low) / 2 -+ k atr(n), never moved away from the price while the trend holds",
        "price",
        "Seban (2008)",
        size=lambda _n, _k: 7,
        warmup=lambda n, _k: n,
        memory=lambda n, _k: TURNS + wilder_memory(n),
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        supertrend_direction,
        _TREND,
        "1 where supertrend(n, k) is the lower line, else -1",
        "1 or -1",
        "Seban (2008)",
        size=lambda _n, _k: 7,
        warmup=lambda n, _k: n,
        memory=lambda n, _k: TURNS + wilder_memory(n),
        inputs=(),
        reads=("high", "low", "close"),
    ),
)
