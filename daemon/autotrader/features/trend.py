"""Trend: how strong it is, where it turns, and the lines that follow it."""

from __future__ import annotations

from math import isfinite, isnan

from autotrader.features.feature import Feature, Param, define, same, span_memory, wilder_memory
from autotrader.features.numeric import NAN, divide
from autotrader.features.windows import State, ages, greatest, mean, push, smooth, total, wilder


def _directional(s: State, n: int, high: float, low: float, close: float) -> bool:
    """Fold a bar into the directional movements; return whether they are shown.

    s is high, low and close of the bar before, then Wilder's means of the true range, the rises and the falls.
    """
    up = high - s[0]
    down = s[1] - low
    reach = max(high - low, abs(high - s[2]), abs(low - s[2]))
    s[0] = high
    s[1] = low
    s[2] = close
    if not isfinite(up + down + reach):
        return False
    wilder(s, 3, n, reach)
    wilder(s, 5, n, up if up > down and up > 0.0 else 0.0)
    return not isnan(wilder(s, 7, n, down if down > up and down > 0.0 else 0.0))


def adx_pos(s: State, n: int, high: float, low: float, close: float) -> float:
    """The positive directional indicator, +DI: the share of the range that rose."""
    if not _directional(s, n, high, low, close):
        return NAN
    return 100.0 * s[6] / s[4] if s[4] > 0.0 else 0.0


def adx_neg(s: State, n: int, high: float, low: float, close: float) -> float:
    """The negative directional indicator, -DI: the share of the range that fell."""
    if not _directional(s, n, high, low, close):
        return NAN
    return 100.0 * s[8] / s[4] if s[4] > 0.0 else 0.0


def dx(s: State, n: int, high: float, low: float, close: float) -> float:
    """The directional movement index: how far rises and falls differ."""
    if not _directional(s, n, high, low, close):
        return NAN
    both = s[6] + s[8]
    return 100.0 * abs(s[6] - s[8]) / both if both > 0.0 else 0.0


def adx(s: State, n: int, high: float, low: float, close: float) -> float:
    """The average directional index: the strength of a trend, whichever way it goes."""
    return wilder(s, 9, n, dx(s, n, high, low, close))


def adxr(s: State, n: int, high: float, low: float, close: float) -> float:
    """The average directional index rating: the mean of ADX now and n - 1 bars ago."""
    now = adx(s, n, high, low, close)
    return 0.5 * (now + push(s, 11, n - 1, now))


def aroon_up(s: State, n: int, high: float) -> float:
    """How long ago the highest high of the window was: 100 is now, 0 is n bars ago."""
    return 100.0 * (n - ages(s, 0, n + 1, high)) / n


def aroon_down(s: State, n: int, low: float) -> float:
    """How long ago the lowest low of the window was: 100 is now, 0 is n bars ago."""
    return 100.0 * (n - ages(s, 0, n + 1, -low)) / n


def aroon(s: State, n: int, high: float, low: float) -> float:
    """The Aroon oscillator: how much newer the high is than the low."""
    return aroon_up(s, n, high) - 100.0 * (n - ages(s, n + 4, n + 1, -low)) / n


def _middle(s: State, at: int, n: int, high: float, low: float) -> float:
    return 0.5 * (greatest(s, at, n, high) - greatest(s, at + n + 3, n, -low))


def ichimoku_conversion(s: State, n: int, high: float, low: float) -> float:
    """Ichimoku's conversion line: the middle of the short window's range."""
    return _middle(s, 0, n, high, low)


def ichimoku_base(s: State, n: int, high: float, low: float) -> float:
    """Ichimoku's base line: the middle of the medium window's range."""
    return _middle(s, 0, n, high, low)


def ichimoku_a(s: State, conversion: int, base: int, high: float, low: float) -> float:
    """Ichimoku's leading span A where it is computed, not shifted ahead: between conversion and base line."""
    short = _middle(s, 0, conversion, high, low)
    return 0.5 * (short + _middle(s, 2 * conversion + 6, base, high, low))


def ichimoku_b(s: State, n: int, high: float, low: float) -> float:
    """Ichimoku's leading span B where it is computed, not shifted ahead: the middle of the long window's range."""
    return _middle(s, 0, n, high, low)


def vortex_pos(s: State, n: int, high: float, low: float, close: float) -> float:
    """The positive vortex: the ways from lows up to the next highs over the true ranges."""
    return _vortex(s, n, high, low, close, abs(high - s[1]))


def vortex_neg(s: State, n: int, high: float, low: float, close: float) -> float:
    """The negative vortex: the ways from highs down to the next lows over the true ranges."""
    return _vortex(s, n, high, low, close, abs(low - s[0]))


def _vortex(s: State, n: int, high: float, low: float, close: float, way: float) -> float:
    reach = max(high - low, abs(high - s[2]), abs(low - s[2])) if isfinite(s[2]) else NAN
    s[0] = high
    s[1] = low
    s[2] = close
    ways = total(s, 3, n, way)
    return divide(ways, total(s, n + 7, n, reach))


def mass_index(s: State, fast: int, slow: int, high: float, low: float) -> float:
    """The mass index: how the range widens against its own mean, summed up."""
    alpha = 2.0 / (fast + 1.0)
    once = smooth(s, 0, fast, alpha, high - low)
    return total(s, 4, slow, divide(once, smooth(s, 2, fast, alpha, once)))


def cci(s: State, n: int, high: float, low: float, close: float) -> float:
    """The commodity channel index: the distance of the typical price to its mean, in mean distances."""
    typical = (high + low + close) / 3.0
    middle = mean(s, 0, n, typical)
    if isnan(middle):
        return NAN
    size = 0.0
    for i in range(4, n + 4):
        size += abs(s[i] - middle)
    return divide(typical - middle, 0.015 * (size / n))


def dpo(s: State, n: int, x: float) -> float:
    """The detrended price: the value half a window ago less the window's mean."""
    middle = mean(s, 0, n, x)
    return push(s, n + 4, n // 2 + 1, x) - middle


def kst(s: State, signal: int, x: float) -> float:  # noqa: ARG001 - the two share a call
    """Pring's know sure thing: four rates of change, smoothed and weighted."""
    return 100.0 * (
        _rate(s, 0, 10, 10, x)
        + 2.0 * _rate(s, 25, 15, 10, x)
        + 3.0 * _rate(s, 55, 20, 10, x)
        + 4.0 * _rate(s, 90, 30, 15, x)
    )


def _rate(s: State, at: int, back: int, n: int, x: float) -> float:
    before = push(s, at, back, x)
    return mean(s, at + back + 1, n, divide(x - before, before))


def kst_signal(s: State, signal: int, x: float) -> float:
    """The signal of the know sure thing: its simple average."""
    return mean(s, 140, signal, kst(s, signal, x))


def stc(s: State, slow: int, fast: int, cycle: int, first: int, second: int, x: float) -> float:
    """Schaff's trend cycle: the MACD line's place in its range, smoothed, and that one's place again."""
    line = smooth(s, 0, fast, 2.0 / (fast + 1.0), x) - smooth(s, 2, slow, 2.0 / (slow + 1.0), x)
    once = smooth(s, 4, first, 2.0 / (first + 1.0), _place(s, 8, cycle, line))
    return smooth(s, 6, second, 2.0 / (second + 1.0), _place(s, 2 * cycle + 14, cycle, once))


def _place(s: State, at: int, n: int, x: float) -> float:
    top = greatest(s, at, n, x)
    bottom = -greatest(s, at + n + 3, n, -x)
    return 100.0 * divide(x - bottom, top - bottom)


_DI = Param("n", "Bars of Wilder's smoothing.", default=14)
_HLC = ("high", "low", "close")
_HL = ("high", "low")
_WILDER = "Wilder, New Concepts in Technical Trading Systems (1978)"


def _twice_wilder(n: int) -> int:
    return 1 + 2 * wilder_memory(n)


FEATURES: tuple[Feature, ...] = (
    define(
        adx,
        (_DI,),
        "rma(dx(n), n)",
        "0 to 100",
        _WILDER + "; `ta.trend.ADXIndicator`",
        size=lambda _n: 11,
        warmup=lambda n: 2 * n,
        memory=_twice_wilder,
        inputs=(),
        reads=_HLC,
    ),
    define(
        adx_pos,
        (_DI,),
        "100 rma(rise, n) / rma(true range, n), rise = max(high - high', 0) where it exceeds the fall, else 0",
        "0 to 100",
        _WILDER + "; `ta.trend.ADXIndicator`, TA-Lib PLUS_DI",
        size=lambda _n: 9,
        warmup=lambda n: n + 1,
        memory=lambda n: 1 + wilder_memory(n),
        inputs=(),
        reads=_HLC,
    ),
    define(
        adx_neg,
        (_DI,),
        "100 rma(fall, n) / rma(true range, n), fall = max(low' - low, 0) where it exceeds the rise, else 0",
        "0 to 100",
        _WILDER + "; `ta.trend.ADXIndicator`, TA-Lib MINUS_DI",
        size=lambda _n: 9,
        warmup=lambda n: n + 1,
        memory=lambda n: 1 + wilder_memory(n),
        inputs=(),
        reads=_HLC,
    ),
    define(
        dx,
        (_DI,),
        "100 |adx_pos - adx_neg| / (adx_pos + adx_neg)",
        "0 to 100",
        _WILDER + "; TA-Lib DX",
        size=lambda _n: 9,
        warmup=lambda n: n + 1,
        memory=lambda n: 1 + wilder_memory(n),
        inputs=(),
        reads=_HLC,
    ),
    define(
        adxr,
        (_DI,),
        "(adx(n) + adx(n)[n-1]) / 2",
        "0 to 100",
        _WILDER + "; TA-Lib ADXR",
        size=lambda n: n + 11,
        warmup=lambda n: 3 * n - 1,
        memory=lambda n: n + _twice_wilder(n),
        inputs=(),
        reads=_HLC,
    ),
    define(
        aroon_up,
        (Param("n", "Bars to look back.", default=25),),
        "100 (n - bars since the highest high of n + 1 bars) / n",
        "0 to 100",
        "Chande (1995); `ta.trend.AroonIndicator`",
        size=lambda n: n + 4,
        warmup=lambda n: n + 1,
        inputs=(),
        reads=("high",),
    ),
    define(
        aroon_down,
        (Param("n", "Bars to look back.", default=25),),
        "100 (n - bars since the lowest low of n + 1 bars) / n",
        "0 to 100",
        "Chande (1995); `ta.trend.AroonIndicator`",
        size=lambda n: n + 4,
        warmup=lambda n: n + 1,
        inputs=(),
        reads=("low",),
    ),
    define(
        aroon,
        (Param("n", "Bars to look back.", default=25),),
        "aroon_up(n) - aroon_down(n)",
        "-100 to 100",
        "Chande (1995); `ta.trend.AroonIndicator`, TA-Lib AROONOSC",
        size=lambda n: 2 * n + 8,
        warmup=lambda n: n + 1,
        inputs=(),
        reads=_HL,
    ),
    define(
        ichimoku_conversion,
        (Param("n", "Bars in the window.", default=9),),
        "(highest(high, n) + lowest(low, n)) / 2",
        "price",
        "Hosoda (1968); `ta.trend.IchimokuIndicator`",
        size=lambda n: 2 * n + 6,
        warmup=same,
        inputs=(),
        reads=_HL,
    ),
    define(
        ichimoku_base,
        (Param("n", "Bars in the window.", default=26),),
        "(highest(high, n) + lowest(low, n)) / 2",
        "price",
        "Hosoda (1968); `ta.trend.IchimokuIndicator`",
        size=lambda n: 2 * n + 6,
        warmup=same,
        inputs=(),
        reads=_HL,
    ),
    define(
        ichimoku_a,
        (
            Param("conversion", "Bars of the conversion line.", default=9),
            Param("base", "Bars of the base line.", default=26),
        ),
        "(ichimoku_conversion(conversion) + ichimoku_base(base)) / 2",
        "price",
        "Hosoda (1968); `ta.trend.IchimokuIndicator` (visual=False)",
        size=lambda conversion, base: 2 * (conversion + base) + 12,
        warmup=max,
        inputs=(),
        reads=_HL,
    ),
    define(
        ichimoku_b,
        (Param("n", "Bars in the window.", default=52),),
        "(highest(high, n) + lowest(low, n)) / 2",
        "price",
        "Hosoda (1968); `ta.trend.IchimokuIndicator` (visual=False)",
        size=lambda n: 2 * n + 6,
        warmup=same,
        inputs=(),
        reads=_HL,
    ),
    define(
        vortex_pos,
        (Param("n", "Bars in the window.", default=14),),
        "sum(|high - low'|, n) / sum(true range, n)",
        "1 is balance",
        "Botes and Siepman (2010); `ta.trend.VortexIndicator`",
        size=lambda n: 2 * n + 11,
        warmup=lambda n: n + 1,
        inputs=(),
        reads=_HLC,
    ),
    define(
        vortex_neg,
        (Param("n", "Bars in the window.", default=14),),
        "sum(|low - high'|, n) / sum(true range, n)",
        "1 is balance",
        "Botes and Siepman (2010); `ta.trend.VortexIndicator`",
        size=lambda n: 2 * n + 11,
        warmup=lambda n: n + 1,
        inputs=(),
        reads=_HLC,
    ),
    define(
        mass_index,
        (
            Param("fast", "Span of the two means, in bars.", default=9),
            Param("slow", "Bars that are summed up.", default=25),
        ),
        "sum(e1 / e2, slow), e1 = ema(high - low, fast), e2 = ema(e1, fast)",
        "the sum of slow ratios",
        "Dorsey (1992); `ta.trend.MassIndex`",
        size=lambda _fast, slow: slow + 8,
        warmup=lambda fast, slow: 2 * fast - 2 + slow,
        memory=lambda fast, slow: 2 * span_memory(fast) + slow,
        inputs=(),
        reads=_HL,
    ),
    define(
        cci,
        (Param("n", "Bars in the window.", default=20),),
        "(tp - sma(tp, n)) / (0.015 mean(|tp - sma(tp, n)|)), tp = (high + low + close) / 3",
        "100 is an unusual distance",
        "Lambert (1980); `ta.trend.CCIIndicator`",
        size=lambda n: n + 4,
        warmup=same,
        inputs=(),
        reads=_HLC,
    ),
    define(
        dpo,
        (Param("n", "Bars in the window.", default=20),),
        "x[floor(n / 2) + 1] - sma(x, n)",
        "that of x",
        "`ta.trend.DPOIndicator`",
        size=lambda n: n + 4 + n // 2 + 2,
        warmup=lambda n: max(n, n // 2 + 2),
    ),
    define(
        kst,
        (Param("signal", "Bars of the signal's mean; the line itself does not depend on it.", default=9),),
        "100 (sma(roc 10, 10) + 2 sma(roc 15, 10) + 3 sma(roc 20, 10) + 4 sma(roc 30, 15)), roc a fraction",
        "percent, summed",
        "Pring (1992); `ta.trend.KSTIndicator` after its first 45 bars",
        size=lambda signal: signal + 144,
        warmup=lambda _signal: 45,
    ),
    define(
        kst_signal,
        (Param("signal", "Bars of the signal's mean.", default=9),),
        "sma(kst(x), signal)",
        "percent, summed",
        "Pring (1992); `ta.trend.KSTIndicator` after its first 45 bars",
        size=lambda signal: signal + 144,
        warmup=lambda signal: signal + 44,
    ),
    define(
        stc,
        (
            Param("slow", "Span of the slow mean.", default=50),
            Param("fast", "Span of the fast mean.", default=23),
            Param("cycle", "Bars of the two ranges.", default=10),
            Param("first", "Span of the first smoothing.", default=3),
            Param("second", "Span of the second smoothing.", default=3),
        ),
        "ema(place(ema(place(ema(x, fast) - ema(x, slow)), first)), second), "
        "place(y) = 100 (y - lowest(y, cycle)) / (highest(y, cycle) - lowest(y, cycle))",
        "0 to 100",
        "Schaff (1999); `ta.trend.STCIndicator`",
        size=lambda _slow, _fast, cycle, _first, _second: 4 * cycle + 20,
        warmup=lambda slow, fast, cycle, first, second: max(slow, fast) + 2 * cycle + first + second - 4,
        memory=lambda slow, fast, cycle, first, second: (
            span_memory(max(slow, fast)) + 2 * cycle + span_memory(first) + span_memory(second)
        ),
    ),
)
