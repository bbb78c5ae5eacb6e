"""Volume: what is traded with which move."""

from __future__ import annotations

from math import isfinite, isnan

from autotrader.features.feature import MAX_WINDOW, Feature, Param, define, same, span_memory
from autotrader.features.numeric import NAN, divide
from autotrader.features.windows import State, add, mean, smooth, total


def _accumulate(s: State, at: int, x: float) -> float:
    """Add x to a running total (two places) and return it; an undefined x is passed over."""
    if not isfinite(x):
        return NAN
    if isnan(s[at]):
        s[at] = 0.0
        s[at + 1] = 0.0
    add(s, at, x)
    return s[at] + s[at + 1]


def _flow(high: float, low: float, close: float, volume: float) -> float:
    """Return the volume times where the close lies in its bar, -1 to 1; nothing for a bar without range."""
    width = high - low
    return volume * (((close - low) - (high - close)) / width) if width != 0.0 else 0.0 * volume


def obv(s: State, close: float, volume: float) -> float:
    """On-balance volume: what was traded in bars that did not fall, less what was in those that did, so far."""
    fell = close < s[2]
    if isfinite(close) and isfinite(volume):
        s[2] = close
    return _accumulate(s, 0, -volume if fell else volume + 0.0 * close)


def adi(s: State, high: float, low: float, close: float, volume: float) -> float:
    """The accumulation and distribution index: volume times where the close lies in its bar, so far."""
    return _accumulate(s, 0, _flow(high, low, close, volume))


def adosc(s: State, fast: int, slow: int, high: float, low: float, close: float, volume: float) -> float:
    """Chaikin's oscillator: the fast mean of accumulation and distribution less the slow one."""
    line = adi(s, high, low, close, volume)
    quick = smooth(s, 2, fast, 2.0 / (fast + 1.0), line)
    return quick - smooth(s, 4, slow, 2.0 / (slow + 1.0), line)


def cmf(s: State, n: int, high: float, low: float, close: float, volume: float) -> float:
    """Chaikin's money flow: where closes lie in their bars, weighted by volume."""
    flow = total(s, 0, n, _flow(high, low, close, volume))
    return divide(flow, total(s, n + 4, n, volume))


def force_index(s: State, n: int, close: float, volume: float) -> float:
    """The force index: the smoothed product of change and volume."""
    change = close - s[2]
    if isfinite(close):
        s[2] = close
    return smooth(s, 0, n, 2.0 / (n + 1.0), change * volume)


def ease_of_movement(s: State, high: float, low: float, volume: float) -> float:
    """The ease of movement: how far the price goes for its volume; undefined where nothing was traded."""
    moved = (high - s[0]) + (low - s[1])
    s[0] = high
    s[1] = low
    return 1e8 * divide(moved * (high - low), 2.0 * volume)


def ease_of_movement_signal(s: State, n: int, high: float, low: float, volume: float) -> float:
    """The average of the ease of movement."""
    return mean(s, 2, n, ease_of_movement(s, high, low, volume))


def vpt(s: State, close: float, volume: float) -> float:
    """The volume price trend: volume times the relative change, so far."""
    before = s[2]
    if isfinite(close):
        s[2] = close
    return _accumulate(s, 0, divide(close - before, before) * volume)


def nvi(s: State, close: float, volume: float) -> float:
    """The negative volume index: the price's changes in bars that traded less than the one before, from 1000 on."""
    return _follow(s, close, volume, volume < s[2])


def pvi(s: State, close: float, volume: float) -> float:
    """The positive volume index: the price's changes in bars that traded more than the one before, from 1000 on."""
    return _follow(s, close, volume, volume > s[2])


def _follow(s: State, close: float, volume: float, counts: bool) -> float:
    # s is the index, the last close and the last volume.
    if not isfinite(close) or not isfinite(volume):
        return NAN
    if isnan(s[0]):
        s[0] = 1000.0
    elif counts and s[1] != 0.0:
        s[0] = s[0] + s[0] * ((close - s[1]) / s[1])
    s[1] = close
    s[2] = volume
    return s[0]


def mfi(s: State, n: int, high: float, low: float, close: float, volume: float) -> float:
    """The money flow index: the money of the bars that rose in percent of all that moved."""
    typical = (high + low + close) / 3.0
    money = typical * volume
    rise = money if typical > s[0] else 0.0 * money
    fall = money if typical < s[0] else 0.0 * money
    s[0] = typical
    rises = total(s, 1, n, rise)
    return 100.0 * divide(rises, rises + total(s, n + 5, n, fall))


def vwap(s: State, n: int, high: float, low: float, close: float, volume: float) -> float:
    """The volume-weighted average price of the window; undefined where nothing was traded."""
    money = total(s, 0, n, (high + low + close) / 3.0 * volume)
    return divide(money, total(s, n + 4, n, volume))


_N14 = Param("n", "Bars in the window.", default=14)


def _endless(*_params: int) -> int:
    return MAX_WINDOW


def _fast_below_slow(fast: float, slow: float) -> str:
    return "" if fast < slow else f"fast ({fast:g}) must be below slow ({slow:g})"


FEATURES: tuple[Feature, ...] = (
    define(
        obv,
        (),
        "the sum so far of volume where close >= close', of -volume where close < close'",
        "base units",
        "Granville (1963); `ta.volume.OnBalanceVolumeIndicator`",
        size=lambda: 3,
        warmup=lambda: 1,
        memory=_endless,
        inputs=(),
        reads=("close", "volume"),
    ),
    define(
        adi,
        (),
        "the sum so far of volume ((close - low) - (high - close)) / (high - low)",
        "base units",
        "Chaikin; `ta.volume.AccDistIndexIndicator`, TA-Lib AD",
        size=lambda: 2,
        warmup=lambda: 1,
        memory=_endless,
        inputs=(),
        reads=("high", "low", "close", "volume"),
    ),
    define(
        adosc,
        (Param("fast", "Span of the fast mean.", default=3), Param("slow", "Span of the slow mean.", default=10)),
        "ema(adi, fast) - ema(adi, slow)",
        "base units",
        "Chaikin; TA-Lib ADOSC",
        size=lambda _fast, _slow: 6,
        warmup=lambda _fast, slow: slow,
        memory=lambda _fast, slow: span_memory(slow),
        conflict=_fast_below_slow,
        inputs=(),
        reads=("high", "low", "close", "volume"),
    ),
    define(
        cmf,
        (Param("n", "Bars in the window.", default=20),),
        "sum(volume ((close - low) - (high - close)) / (high - low), n) / sum(volume, n)",
        "-1 to 1",
        "Chaikin; `ta.volume.ChaikinMoneyFlowIndicator`",
        size=lambda n: 2 * n + 8,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close", "volume"),
    ),
    define(
        force_index,
        (Param("n", "Span of the mean.", default=13),),
        "ema((close - close') volume, n)",
        "price times base units",
        "Elder, Trading for a Living (1993); `ta.volume.ForceIndexIndicator`",
        size=lambda _n: 3,
        warmup=lambda n: n + 1,
        memory=lambda n: 1 + span_memory(n),
        inputs=(),
        reads=("close", "volume"),
    ),
    define(
        ease_of_movement,
        (),
        "1e8 ((high - high') + (low - low')) (high - low) / (2 volume)",
        "price squared by base units, times 1e8",
        "Arms (1996); `ta.volume.EaseOfMovementIndicator`",
        size=lambda: 2,
        warmup=lambda: 2,
        inputs=(),
        reads=("high", "low", "volume"),
    ),
    define(
        ease_of_movement_signal,
        (_N14,),
        "sma(ease_of_movement, n)",
        "price squared by base units, times 1e8",
        "Arms (1996); `ta.volume.EaseOfMovementIndicator`",
        size=lambda n: n + 6,
        warmup=lambda n: n + 1,
        inputs=(),
        reads=("high", "low", "volume"),
    ),
    define(
        vpt,
        (),
        "the sum so far of volume (close / close' - 1)",
        "base units",
        "`ta.volume.VolumePriceTrendIndicator`",
        size=lambda: 3,
        warmup=lambda: 2,
        memory=_endless,
        inputs=(),
        reads=("close", "volume"),
    ),
    define(
        nvi,
        (),
        "v = v' close / close' where volume < volume', else v'; from 1000 on",
        "an index",
        "Fosback, Stock Market Logic (1976); `ta.volume.NegativeVolumeIndexIndicator`",
        size=lambda: 3,
        warmup=lambda: 1,
        memory=_endless,
        inputs=(),
        reads=("close", "volume"),
    ),
    define(
        pvi,
        (),
        "v = v' close / close' where volume > volume', else v'; from 1000 on",
        "an index",
        "Fosback, Stock Market Logic (1976)",
        size=lambda: 3,
        warmup=lambda: 1,
        memory=_endless,
        inputs=(),
        reads=("close", "volume"),
    ),
    define(
        mfi,
        (_N14,),
        "100 up / (up + down), the sums over n bars of tp volume where tp rose and where it fell, "
        "tp = (high + low + close) / 3",
        "0 to 100",
        "Quong and Soudack (1989); `ta.volume.MFIIndicator`",
        size=lambda n: 2 * n + 9,
        warmup=same,
        memory=lambda n: n + 1,
        inputs=(),
        reads=("high", "low", "close", "volume"),
    ),
    define(
        vwap,
        (_N14,),
        "sum(tp volume, n) / sum(volume, n), tp = (high + low + close) / 3",
        "price",
        "`ta.volume.VolumeWeightedAveragePrice`",
        size=lambda n: 2 * n + 8,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close", "volume"),
    ),
)
