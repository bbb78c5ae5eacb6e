"""MACD and its kin: differences of averages, in percent of the price or of the volume too."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan

from autotrader.features.feature import Feature, Param, define, span_memory
from autotrader.features.numeric import NAN, divide
from autotrader.features.windows import State, mean, smooth


def macd(s: State, fast: int, slow: int, signal: int, x: float) -> float:  # noqa: ARG001 - the three MACDs share a call
    """The MACD line."""
    quick = smooth(s, 0, fast, 2.0 / (fast + 1.0), x)
    return quick - smooth(s, 2, slow, 2.0 / (slow + 1.0), x)


def macd_signal(s: State, fast: int, slow: int, signal: int, x: float) -> float:
    """The signal of the MACD line."""
    line = macd(s, fast, slow, signal, x)
    return smooth(s, 4, signal, 2.0 / (signal + 1.0), line)


def macd_hist(s: State, fast: int, slow: int, signal: int, x: float) -> float:
    """The MACD histogram."""
    line = macd(s, fast, slow, signal, x)
    smoothed = smooth(s, 4, signal, 2.0 / (signal + 1.0), line)
    return line - smoothed if not isnan(smoothed) else NAN


def ppo(s: State, fast: int, slow: int, signal: int, x: float) -> float:  # noqa: ARG001 - the three share a call
    """The percentage price oscillator: the MACD line in percent of the slow mean."""
    quick = smooth(s, 0, fast, 2.0 / (fast + 1.0), x)
    steady = smooth(s, 2, slow, 2.0 / (slow + 1.0), x)
    return 100.0 * divide(quick - steady, steady)


def ppo_signal(s: State, fast: int, slow: int, signal: int, x: float) -> float:
    """The signal of the percentage price oscillator."""
    return smooth(s, 4, signal, 2.0 / (signal + 1.0), ppo(s, fast, slow, signal, x))


def ppo_hist(s: State, fast: int, slow: int, signal: int, x: float) -> float:
    """The histogram of the percentage price oscillator."""
    line = ppo(s, fast, slow, signal, x)
    return line - smooth(s, 4, signal, 2.0 / (signal + 1.0), line)


def pvo(s: State, fast: int, slow: int, signal: int, volume: float) -> float:
    """The percentage volume oscillator: the fast mean of volume over the slow one."""
    return ppo(s, fast, slow, signal, volume)


def pvo_signal(s: State, fast: int, slow: int, signal: int, volume: float) -> float:
    """The signal of the percentage volume oscillator."""
    return ppo_signal(s, fast, slow, signal, volume)


def pvo_hist(s: State, fast: int, slow: int, signal: int, volume: float) -> float:
    """The histogram of the percentage volume oscillator."""
    return ppo_hist(s, fast, slow, signal, volume)


def apo(s: State, fast: int, slow: int, x: float) -> float:
    """The absolute price oscillator: the difference of two simple averages."""
    return mean(s, 0, fast, x) - mean(s, fast + 4, slow, x)


def trix(s: State, n: int, x: float) -> float:
    """The change of a triply smoothed value from one bar to the next."""
    alpha = 2.0 / (n + 1.0)
    third = smooth(s, 4, n, alpha, smooth(s, 2, n, alpha, smooth(s, 0, n, alpha, x)))
    before = s[6]
    if isnan(third):
        return NAN
    s[6] = third
    return 100.0 * divide(third - before, before)


def tsi(s: State, slow: int, fast: int, x: float) -> float:
    """The true strength index: the doubly smoothed change over the doubly smoothed size of the change."""
    change = x - s[8]
    s[8] = x
    quick, steady = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    moved = smooth(s, 2, fast, quick, smooth(s, 0, slow, steady, change))
    size = smooth(s, 6, fast, quick, smooth(s, 4, slow, steady, abs(change)))
    return 100.0 * divide(moved, size)


def _line_memory(_fast: int, slow: int, _signal: int) -> int:
    return span_memory(slow)


def _signal_memory(_fast: int, slow: int, signal: int) -> int:
    return span_memory(slow) + span_memory(signal)


def _line_warmup(_fast: int, slow: int, _signal: int) -> int:
    return slow


def _signal_warmup(_fast: int, slow: int, signal: int) -> int:
    return slow + signal - 1


def _fast_below_slow(fast: float, slow: float, *_more: float) -> str:
    return "" if fast < slow else f"fast ({fast:g}) must be below slow ({slow:g})"


def _slow_above_fast(slow: float, fast: float) -> str:
    return _fast_below_slow(fast, slow)


FAST = Param("fast", "Bars of the fast mean.", default=12)
SLOW = Param("slow", "Bars of the slow mean.", default=26)
_SIGNAL = Param("signal", "Span of the signal's mean, in bars; the line itself does not depend on it.", default=9)
_MACD_SOURCE = "Appel, Technical Analysis (2005); `ta.trend.MACD`"


def _line(kernel: Callable[..., float], formula: str, unit: str, source: str, *, volume: bool = False) -> Feature:
    signal = not kernel.__name__.endswith(("macd", "ppo", "pvo"))
    return define(
        kernel,
        (FAST, SLOW, _SIGNAL),
        formula,
        unit,
        source,
        size=lambda _fast, _slow, _signal: 6,
        warmup=_signal_warmup if signal else _line_warmup,
        memory=_signal_memory if signal else _line_memory,
        inputs=() if volume else ("x",),
        reads=("volume",) if volume else (),
        conflict=_fast_below_slow,
    )


FEATURES: tuple[Feature, ...] = (
    _line(macd, "ema(x, fast) - ema(x, slow)", "that of x", _MACD_SOURCE),
    _line(macd_signal, "ema(macd(x, fast, slow, signal), signal)", "that of x", _MACD_SOURCE),
    _line(
        macd_hist,
        "macd(x, fast, slow, signal) - macd_signal(x, fast, slow, signal)",
        "that of x",
        _MACD_SOURCE + " (macd_diff)",
    ),
    _line(
        ppo,
        "100 (ema(x, fast) - ema(x, slow)) / ema(x, slow)",
        "percent",
        "`ta.momentum.PercentagePriceOscillator`",
    ),
    _line(ppo_signal, "ema(ppo, signal)", "percent", "`ta.momentum.PercentagePriceOscillator`"),
    _line(ppo_hist, "ppo - ppo_signal", "percent", "`ta.momentum.PercentagePriceOscillator`"),
    _line(pvo, "ppo(volume, fast, slow)", "percent", "`ta.momentum.PercentageVolumeOscillator`", volume=True),
    _line(pvo_signal, "ema(pvo, signal)", "percent", "`ta.momentum.PercentageVolumeOscillator`", volume=True),
    _line(pvo_hist, "pvo - pvo_signal", "percent", "`ta.momentum.PercentageVolumeOscillator`", volume=True),
    define(
        apo,
        (FAST, SLOW),
        "sma(x, fast) - sma(x, slow)",
        "that of x",
        "TA-Lib APO",
        size=lambda fast, slow: fast + slow + 8,
        warmup=lambda _fast, slow: slow,
        conflict=_fast_below_slow,
    ),
    define(
        trix,
        (Param("n", "Span of each of the three means, in bars.", default=15),),
        "100 (e3 / e3' - 1), e3 = ema(ema(ema(x, n), n), n)",
        "percent",
        "Hutson, Technical Analysis of Stocks & Commodities (1983); `ta.trend.TRIXIndicator`",
        size=lambda _n: 7,
        warmup=lambda n: 3 * n - 1,
        memory=lambda n: 3 * span_memory(n),
    ),
    define(
        tsi,
        (
            Param("slow", "Span of the first smoothing, in bars.", default=25),
            Param("fast", "Span of the second smoothing, in bars.", default=13),
        ),
        "100 ema(ema(d, slow), fast) / ema(ema(|d|, slow), fast), d = x[0] - x[1]",
        "-100 to 100",
        "Blau, Momentum, Direction, and Divergence (1995); `ta.momentum.TSIIndicator`",
        size=lambda _slow, _fast: 9,
        warmup=lambda slow, fast: slow + fast,
        memory=lambda slow, fast: 1 + span_memory(slow) + span_memory(fast),
        conflict=_slow_above_fast,
    ),
)
