"""Trend: moving averages and MACD."""

from __future__ import annotations

from math import isnan

from autotrader.features.feature import WINDOW, Feature, Param, forgotten_after
from autotrader.features.numeric import NAN
from autotrader.features.windows import State, mean, smooth, total_size


def sma(s: State, n: int, x: float) -> float:
    """Return the mean of the last n values."""
    return mean(s, 0, n, x)


def ema(s: State, n: int, x: float) -> float:
    """Return the exponential mean of span n."""
    return smooth(s, 0, n, 2.0 / (n + 1.0), x)


def macd(s: State, fast: int, slow: int, signal: int, x: float) -> float:  # noqa: ARG001 - the three MACDs share a call
    """Return the fast exponential mean less the slow one."""
    quick = smooth(s, 0, fast, 2.0 / (fast + 1.0), x)
    return quick - smooth(s, 2, slow, 2.0 / (slow + 1.0), x)


def macd_signal(s: State, fast: int, slow: int, signal: int, x: float) -> float:
    """Return the exponential mean of the MACD line."""
    line = macd(s, fast, slow, signal, x)
    return smooth(s, 4, signal, 2.0 / (signal + 1.0), line)


def macd_hist(s: State, fast: int, slow: int, signal: int, x: float) -> float:
    """Return the MACD line less its signal."""
    line = macd(s, fast, slow, signal, x)
    smoothed = smooth(s, 4, signal, 2.0 / (signal + 1.0), line)
    return line - smoothed if not isnan(smoothed) else NAN


def _span_memory(n: int) -> int:
    return max(n, forgotten_after(2.0 / (n + 1.0)))


def _line_memory(_fast: int, slow: int, _signal: int) -> int:
    return _span_memory(slow)


def _signal_memory(_fast: int, slow: int, signal: int) -> int:
    return _span_memory(slow) + _span_memory(signal)


def _line_warmup(_fast: int, slow: int, _signal: int) -> int:
    return slow


def _signal_warmup(_fast: int, slow: int, signal: int) -> int:
    return slow + signal - 1


def _fast_below_slow(fast: float, slow: float, _signal: float) -> str:
    return "" if fast < slow else f"fast ({fast:g}) must be below slow ({slow:g})"


_MACD_PARAMS = (
    Param("fast", "Span of the fast mean, in bars.", default=12),
    Param("slow", "Span of the slow mean, in bars.", default=26),
    Param("signal", "Span of the signal's mean, in bars; the line itself does not depend on it.", default=9),
)
_MACD_SOURCE = "Appel, Technical Analysis (2005); `ta.trend.MACD`"


def _macd_state(_fast: int, _slow: int, _signal: int) -> int:
    return 6


FEATURES = (
    Feature(
        "sma",
        sma,
        ("x",),
        (WINDOW,),
        size=total_size,
        warmup=lambda n: n,
        memory=lambda n: n,
        summary="Simple moving average.",
        formula="(x[0] + ... + x[n-1]) / n, x[0] the newest",
        unit="that of x",
        source="`ta.trend.SMAIndicator`",
    ),
    Feature(
        "ema",
        ema,
        ("x",),
        (WINDOW,),
        size=lambda _n: 2,
        warmup=lambda n: n,
        memory=_span_memory,
        summary="Exponential moving average, started at the first value and shown from the n-th on.",
        formula="e = e' + 2 / (n + 1) * (x - e'), e' the value one bar before",
        unit="that of x",
        source="`ta.trend.EMAIndicator` (adjust=False)",
    ),
    Feature(
        "macd",
        macd,
        ("x",),
        _MACD_PARAMS,
        size=_macd_state,
        warmup=_line_warmup,
        memory=_line_memory,
        summary="The MACD line.",
        formula="ema(x, fast) - ema(x, slow)",
        unit="that of x",
        source=_MACD_SOURCE,
        conflict=_fast_below_slow,
    ),
    Feature(
        "macd_signal",
        macd_signal,
        ("x",),
        _MACD_PARAMS,
        size=_macd_state,
        warmup=_signal_warmup,
        memory=_signal_memory,
        summary="The signal of the MACD line.",
        formula="ema(macd(x, fast, slow, signal), signal)",
        unit="that of x",
        source=_MACD_SOURCE,
        conflict=_fast_below_slow,
    ),
    Feature(
        "macd_hist",
        macd_hist,
        ("x",),
        _MACD_PARAMS,
        size=_macd_state,
        warmup=_signal_warmup,
        memory=_signal_memory,
        summary="The MACD histogram.",
        formula="macd(x, fast, slow, signal) - macd_signal(x, fast, slow, signal)",
        unit="that of x",
        source=_MACD_SOURCE + " (macd_diff)",
        conflict=_fast_below_slow,
    ),
)
