"""Momentum: how far and how fast a price moves, on bounded scales and unbounded ones."""

from __future__ import annotations

from math import isfinite, isnan

from autotrader.features.feature import MAX_WINDOW, Feature, Param, define, forgotten_after, same
from autotrader.features.numeric import NAN, divide, log
from autotrader.features.windows import State, greatest, mean, push, total


def _gains(s: State, at: int, n: int, x: float) -> bool:
    """Fold a change into the means of rises and falls; four places: count, last x, mean rise, mean fall.

    Seeded as `ta` does: the first bar counts as a change of zero, and n bars in all give the first value.
    """
    if not isfinite(x):
        return False
    if isnan(s[at]):
        s[at] = 1.0
        s[at + 1] = x
        s[at + 2] = 0.0
        s[at + 3] = 0.0
        return n <= 1
    change = x - s[at + 1]
    s[at + 1] = x
    rise = max(0.0, change)
    fall = rise - change
    kept = 1.0 - 1.0 / n
    s[at + 2] = kept * s[at + 2] + (rise - kept * rise)
    s[at + 3] = kept * s[at + 3] + (fall - kept * fall)
    if s[at] < n:
        s[at] += 1.0
    return s[at] >= n


def strength(s: State, at: int, n: int, x: float) -> float:
    """Return the relative strength index, kept in four places from `at` on."""
    if not _gains(s, at, n, x):
        return NAN
    return 100.0 if s[at + 3] == 0.0 else 100.0 * (s[at + 2] / (s[at + 2] + s[at + 3]))


def rsi(s: State, n: int, x: float) -> float:
    """Relative strength index; 100 where nothing fell."""
    return strength(s, 0, n, x)


def cmo(s: State, n: int, x: float) -> float:
    """Chande's momentum oscillator, with Wilder's smoothing; 100 where nothing fell, 0 where nothing moved."""
    if not _gains(s, 0, n, x):
        return NAN
    both = s[2] + s[3]
    return 100.0 * ((s[2] - s[3]) / both) if both > 0.0 else 0.0


def mom(s: State, n: int, x: float) -> float:
    """The change over n bars."""
    return x - push(s, 0, n, x)


def roc(s: State, n: int, x: float) -> float:
    """Rate of change: the relative change over n bars in percent."""
    before = push(s, 0, n, x)
    return 100.0 * divide(x - before, before)


def rocr(s: State, n: int, x: float) -> float:
    """Rate of change as a ratio to the value n bars ago."""
    return divide(x, push(s, 0, n, x))


def log_return(s: State, n: int, x: float) -> float:
    """The logarithmic change over n bars."""
    return log(divide(x, push(s, 0, n, x)))


def cumulative_return(s: State, x: float) -> float:
    """The change since the first value that is loaded, in percent."""
    if isnan(s[0]) and isfinite(x):
        s[0] = x
    return 100.0 * divide(x - s[0], s[0])


def stoch(s: State, n: int, high: float, low: float, close: float) -> float:
    """The fast stochastic %K: where the close lies in the range of the window."""
    bottom = -greatest(s, 0, n, -low)
    return 100.0 * divide(close - bottom, greatest(s, n + 3, n, high) - bottom)


def stoch_signal(s: State, n: int, smooth: int, high: float, low: float, close: float) -> float:
    """The stochastic's signal: the average of %K (the fast %D, which is the slow %K)."""
    return mean(s, 2 * n + 6, smooth, stoch(s, n, high, low, close))


def stoch_slow(s: State, n: int, smooth: int, slow: int, high: float, low: float, close: float) -> float:
    """The slow stochastic %D: the average of the stochastic's signal."""
    return mean(s, 2 * n + smooth + 10, slow, stoch_signal(s, n, smooth, high, low, close))


def williams_r(s: State, n: int, high: float, low: float, close: float) -> float:
    """Williams %R: how far the close lies below the window's high, as a part of its range."""
    top = greatest(s, 0, n, high)
    return -100.0 * divide(top - close, top + greatest(s, n + 3, n, -low))


def stochrsi(s: State, n: int, x: float) -> float:
    """Where the relative strength index lies in its own range."""
    now = rsi(s, n, x)
    bottom = -greatest(s, 4, n, -now)
    return divide(now - bottom, greatest(s, n + 7, n, now) - bottom)


def stochrsi_k(s: State, n: int, k: int, x: float) -> float:
    """The average of the stochastic RSI."""
    return mean(s, 2 * n + 10, k, stochrsi(s, n, x))


def stochrsi_d(s: State, n: int, k: int, d: int, x: float) -> float:
    """The average of the average of the stochastic RSI."""
    return mean(s, 2 * n + k + 14, d, stochrsi_k(s, n, k, x))


def awesome_oscillator(s: State, fast: int, slow: int, high: float, low: float) -> float:
    """The awesome oscillator: the short average of the bars' middles less the long one."""
    middle = 0.5 * (high + low)
    return mean(s, 0, fast, middle) - mean(s, fast + 4, slow, middle)


def ultimate_oscillator(s: State, short: int, middle: int, long: int, high: float, low: float, close: float) -> float:
    """The ultimate oscillator: buying pressure over true range, in three windows."""
    before = s[0]
    s[0] = close
    floor = min(low, before) if isfinite(before) else NAN
    reach = max(high, before) - floor
    first = _pressure(s, 1, short, close - floor, reach)
    second = _pressure(s, 2 * short + 9, middle, close - floor, reach)
    third = _pressure(s, 2 * (short + middle) + 17, long, close - floor, reach)
    return 100.0 * (4.0 * first + 2.0 * second + third) / 7.0


def _pressure(s: State, at: int, n: int, gained: float, reach: float) -> float:
    gain = total(s, at, n, gained)
    return divide(gain, total(s, at + n + 4, n, reach))


def bop(s: State, open_: float, high: float, low: float, close: float) -> float:  # noqa: ARG001 - it has no memory
    """The balance of power: the way from open to close as a part of the range; 0 for a bar without range."""
    if not isfinite(high - low):
        return NAN
    return (close - open_) / (high - low) if high > low else 0.0


_BACK = Param("n", "Bars to look back.", low=1, default=10)
_N14 = Param("n", "Bars in the window.", default=14)
_SMOOTH = Param("smooth", "Bars of the signal's mean.", default=3)
_LANE = "Lane (1984); `ta.momentum.StochasticOscillator`"
_CHANDE = "Chande and Kroll, The New Technical Trader (1994); `ta.momentum.StochRSIIndicator`"
_RSI_N = Param("n", "Bars of Wilder's smoothing, and of the range.", default=14)


def gains_memory(n: int) -> int:
    """Return the values after which the means of rises and falls have forgotten where they began."""
    return n + forgotten_after(1.0 / n)


def _back(n: int) -> int:
    return n + 1


def _short_below_long(short: float, middle: float, long: float) -> str:
    return "" if short < middle < long else "the windows must grow: short < middle < long"


def _fast_below_slow(fast: float, slow: float) -> str:
    return "" if fast < slow else f"fast ({fast:g}) must be below slow ({slow:g})"


FEATURES: tuple[Feature, ...] = (
    define(
        rsi,
        (Param("n", "Bars of Wilder's smoothing.", default=14),),
        "100 * up / (up + down), the means of rises and falls smoothed by 1 / n",
        "0 to 100",
        "Wilder, New Concepts in Technical Trading Systems (1978); `ta.momentum.RSIIndicator`",
        size=lambda _n: 4,
        warmup=same,
        memory=gains_memory,
    ),
    define(
        cmo,
        (Param("n", "Bars of Wilder's smoothing.", default=14),),
        "100 (up - down) / (up + down), up and down as in rsi",
        "-100 to 100",
        "Chande and Kroll, The New Technical Trader (1994); TA-Lib CMO",
        size=lambda _n: 4,
        warmup=same,
        memory=gains_memory,
    ),
    define(
        mom,
        (_BACK,),
        "x[0] - x[n]",
        "that of x",
        "TA-Lib MOM",
        size=_back,
        warmup=_back,
        scalars=1,
    ),
    define(
        roc,
        (Param("n", "Bars to look back.", low=1, default=12),),
        "100 (x[0] - x[n]) / x[n]",
        "percent",
        "`ta.momentum.ROCIndicator`",
        size=_back,
        warmup=_back,
        scalars=1,
    ),
    define(
        rocr,
        (_BACK,),
        "x[0] / x[n]",
        "a ratio",
        "TA-Lib ROCR",
        size=_back,
        warmup=_back,
        scalars=1,
    ),
    define(
        log_return,
        (Param("n", "Bars to look back.", low=1, default=1),),
        "log(x[0] / x[n])",
        "a fraction: 0.01 is about 1 %",
        "`ta.others.DailyLogReturnIndicator`, which gives it in percent",
        size=_back,
        warmup=_back,
        scalars=1,
    ),
    define(
        cumulative_return,
        (),
        "100 (x / first x - 1)",
        "percent",
        "`ta.others.CumulativeReturnIndicator`",
        size=lambda: 1,
        warmup=lambda: 1,
        memory=lambda: MAX_WINDOW,
    ),
    define(
        stoch,
        (_N14,),
        "100 (close - lowest(low, n)) / (highest(high, n) - lowest(low, n))",
        "0 to 100",
        _LANE,
        size=lambda n: 2 * n + 6,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        stoch_signal,
        (_N14, _SMOOTH),
        "sma(stoch(n), smooth)",
        "0 to 100",
        _LANE,
        size=lambda n, smooth: 2 * n + smooth + 10,
        warmup=lambda n, smooth: n + smooth - 1,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        stoch_slow,
        (_N14, _SMOOTH, Param("slow", "Bars of the mean of the signal.", default=3)),
        "sma(stoch_signal(n, smooth), slow)",
        "0 to 100",
        "Lane (1984); TA-Lib STOCH",
        size=lambda n, smooth, slow: 2 * n + smooth + slow + 14,
        warmup=lambda n, smooth, slow: n + smooth + slow - 2,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        williams_r,
        (_N14,),
        "-100 (highest(high, n) - close) / (highest(high, n) - lowest(low, n))",
        "-100 to 0",
        "Williams (1979); `ta.momentum.WilliamsRIndicator`",
        size=lambda n: 2 * n + 6,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        stochrsi,
        (_RSI_N,),
        "(rsi(x, n) - lowest(rsi, n)) / (highest(rsi, n) - lowest(rsi, n))",
        "0 to 1",
        _CHANDE,
        size=lambda n: 2 * n + 10,
        warmup=lambda n: 2 * n - 1,
        memory=lambda n: n + gains_memory(n),
    ),
    define(
        stochrsi_k,
        (_RSI_N, Param("k", "Bars of the mean.", default=3)),
        "sma(stochrsi(x, n), k)",
        "0 to 1",
        _CHANDE,
        size=lambda n, k: 2 * n + k + 14,
        warmup=lambda n, k: 2 * n + k - 2,
        memory=lambda n, k: n + k + gains_memory(n),
    ),
    define(
        stochrsi_d,
        (_RSI_N, Param("k", "Bars of the first mean.", default=3), Param("d", "Bars of the second mean.", default=3)),
        "sma(stochrsi_k(x, n, k), d)",
        "0 to 1",
        _CHANDE,
        size=lambda n, k, d: 2 * n + k + d + 18,
        warmup=lambda n, k, d: 2 * n + k + d - 3,
        memory=lambda n, k, d: n + k + d + gains_memory(n),
    ),
    define(
        awesome_oscillator,
        (
            Param("fast", "Bars of the short average.", default=5),
            Param("slow", "Bars of the long average.", default=34),
        ),
        "sma((high + low) / 2, fast) - sma((high + low) / 2, slow)",
        "price",
        "Williams, New Trading Dimensions (1998); `ta.momentum.AwesomeOscillatorIndicator`",
        size=lambda fast, slow: fast + slow + 8,
        warmup=lambda _fast, slow: slow,
        conflict=_fast_below_slow,
        inputs=(),
        reads=("high", "low"),
    ),
    define(
        ultimate_oscillator,
        (
            Param("short", "Bars of the short window.", default=7),
            Param("middle", "Bars of the middle window.", default=14),
            Param("long", "Bars of the long window.", default=28),
        ),
        "100 (4 b(short) + 2 b(middle) + b(long)) / 7, b(n) = sum(close - min(low, close'), n) / sum(true range, n)",
        "0 to 100",
        "Williams (1985); `ta.momentum.UltimateOscillator`",
        size=lambda short, middle, long: 2 * (short + middle + long) + 25,
        warmup=lambda _short, _middle, long: long + 1,
        conflict=_short_below_long,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        bop,
        (),
        "(close - open) / (high - low)",
        "-1 to 1",
        "Livshin, Technical Analysis of Stocks & Commodities (2001); TA-Lib BOP",
        size=lambda: 1,
        warmup=lambda: 1,
        inputs=(),
        reads=("open", "high", "low", "close"),
    ),
)
