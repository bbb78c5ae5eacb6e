"""Channels: the bands of Bollinger, Keltner and Donchian about a price."""

from __future__ import annotations

from math import isnan

from autotrader.features.feature import Feature, Param, define, same
from autotrader.features.moments import center, deviation, variance_size
from autotrader.features.numeric import NAN, divide
from autotrader.features.windows import RING, State, greatest, mean, total_size


def bollinger_mid(s: State, n: int, k: float, x: float) -> float:  # noqa: ARG001 - the five bands share a call
    """The middle Bollinger band."""
    return mean(s, 0, n, x)


def bollinger_upper(s: State, n: int, k: float, x: float) -> float:
    """The upper Bollinger band."""
    spread = deviation(s, 0, n, x)
    return NAN if isnan(spread) else center(s, 0, n, x) + k * spread


def bollinger_lower(s: State, n: int, k: float, x: float) -> float:
    """The lower Bollinger band."""
    return bollinger_upper(s, n, -k, x)


def bollinger_width(s: State, n: int, k: float, x: float) -> float:
    """The distance between the Bollinger bands, relative to the middle one."""
    spread = deviation(s, 0, n, x)
    return NAN if isnan(spread) else divide(200.0 * k * spread, center(s, 0, n, x))


def bollinger_pct(s: State, n: int, k: float, x: float) -> float:
    """Where x lies between the Bollinger bands: 0 on the lower, 1 on the upper."""
    half = k * deviation(s, 0, n, x)
    return NAN if isnan(half) else divide(x - center(s, 0, n, x) + half, 2.0 * half)


def keltner_mid(s: State, n: int, high: float, low: float, close: float) -> float:
    """The middle of Keltner's channel: the average typical price."""
    return mean(s, 0, n, (high + low + close) / 3.0)


def keltner_upper(s: State, n: int, high: float, low: float, close: float) -> float:
    """The upper line of Keltner's channel: the average range above the middle."""
    return mean(s, 0, n, (4.0 * high - 2.0 * low + close) / 3.0)


def keltner_lower(s: State, n: int, high: float, low: float, close: float) -> float:
    """The lower line of Keltner's channel: the average range below the middle."""
    return mean(s, 0, n, (4.0 * low - 2.0 * high + close) / 3.0)


def keltner_width(s: State, n: int, high: float, low: float, close: float) -> float:
    """The distance between the lines of Keltner's channel, relative to its middle."""
    width = 2.0 * mean(s, 0, n, high - low)
    return 100.0 * divide(width, mean(s, n + 4, n, (high + low + close) / 3.0))


def keltner_pct(s: State, n: int, high: float, low: float, close: float) -> float:
    """Where the close lies in Keltner's channel: 0 on the lower line, 1 on the upper."""
    half = mean(s, 0, n, high - low)
    middle = mean(s, n + 4, n, (high + low + close) / 3.0)
    return divide(close - middle + half, 2.0 * half)


def donchian_high(s: State, n: int, high: float) -> float:
    """The upper line of Donchian's channel: the highest high."""
    return greatest(s, 0, n, high)


def donchian_low(s: State, n: int, low: float) -> float:
    """The lower line of Donchian's channel: the lowest low."""
    return -greatest(s, 0, n, -low)


def donchian_mid(s: State, n: int, high: float, low: float) -> float:
    """The middle of Donchian's channel."""
    bottom = -greatest(s, 0, n, -low)
    return bottom + 0.5 * (greatest(s, n + 3, n, high) - bottom)


def donchian_width(s: State, n: int, high: float, low: float, close: float) -> float:
    """The height of Donchian's channel in percent of the average close."""
    height = greatest(s, 0, n, high) + greatest(s, n + 3, n, -low)
    return 100.0 * divide(height, mean(s, 2 * n + 6, n, close))


def donchian_pct(s: State, n: int, high: float, low: float, close: float) -> float:
    """Where the close lies in Donchian's channel: 0 at the lowest low, 1 at the highest high."""
    bottom = -greatest(s, 0, n, -low)
    return divide(close - bottom, greatest(s, n + 3, n, high) - bottom)


_BAND_PARAMS = (
    Param("n", "Bars in the window.", default=20),
    Param("k", "Standard deviations between the middle and a band.", low=0.01, high=100, default=2, whole=False),
)
_BAND_SOURCE = "Bollinger, Bollinger on Bollinger Bands (2001); `ta.volatility.BollingerBands` (ddof=0)"
_N20 = Param("n", "Bars in the window.", default=20)
_KELTNER = "Keltner, How to Make Money in Commodities (1960); `ta.volatility.KeltnerChannel`"
_DONCHIAN = "Donchian; `ta.volatility.DonchianChannel`"


FEATURES: tuple[Feature, ...] = (
    define(
        bollinger_mid,
        _BAND_PARAMS,
        "sma(x, n)",
        "that of x",
        _BAND_SOURCE,
        size=lambda n, _k: total_size(n),
        warmup=lambda n, _k: n,
        scalars=RING,
    ),
    define(
        bollinger_upper,
        _BAND_PARAMS,
        "sma(x, n) + k stdev(x, n)",
        "that of x",
        _BAND_SOURCE,
        size=lambda n, _k: variance_size(n),
        warmup=lambda n, _k: n,
    ),
    define(
        bollinger_lower,
        _BAND_PARAMS,
        "sma(x, n) - k stdev(x, n)",
        "that of x",
        _BAND_SOURCE,
        size=lambda n, _k: variance_size(n),
        warmup=lambda n, _k: n,
    ),
    define(
        bollinger_width,
        _BAND_PARAMS,
        "100 * (upper - lower) / mid",
        "percent of the middle band",
        _BAND_SOURCE,
        size=lambda n, _k: variance_size(n),
        warmup=lambda n, _k: n,
    ),
    define(
        bollinger_pct,
        _BAND_PARAMS,
        "(x - lower) / (upper - lower)",
        "1 is the distance of the bands",
        _BAND_SOURCE,
        size=lambda n, _k: variance_size(n),
        warmup=lambda n, _k: n,
    ),
    define(
        keltner_mid,
        (_N20,),
        "sma((high + low + close) / 3, n)",
        "price",
        _KELTNER,
        size=total_size,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        keltner_upper,
        (_N20,),
        "keltner_mid(n) + sma(high - low, n)",
        "price",
        _KELTNER,
        size=total_size,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        keltner_lower,
        (_N20,),
        "keltner_mid(n) - sma(high - low, n)",
        "price",
        _KELTNER,
        size=total_size,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        keltner_width,
        (_N20,),
        "200 sma(high - low, n) / keltner_mid(n)",
        "percent of the middle",
        _KELTNER,
        size=lambda n: 2 * n + 8,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        keltner_pct,
        (_N20,),
        "(close - keltner_lower(n)) / (keltner_upper(n) - keltner_lower(n))",
        "1 is the height of the channel",
        _KELTNER,
        size=lambda n: 2 * n + 8,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        donchian_high,
        (_N20,),
        "highest(high, n)",
        "price",
        _DONCHIAN,
        size=lambda n: n + 3,
        warmup=same,
        inputs=(),
        reads=("high",),
    ),
    define(
        donchian_low,
        (_N20,),
        "lowest(low, n)",
        "price",
        _DONCHIAN,
        size=lambda n: n + 3,
        warmup=same,
        inputs=(),
        reads=("low",),
    ),
    define(
        donchian_mid,
        (_N20,),
        "(donchian_high(n) + donchian_low(n)) / 2",
        "price",
        _DONCHIAN,
        size=lambda n: 2 * n + 6,
        warmup=same,
        inputs=(),
        reads=("high", "low"),
    ),
    define(
        donchian_width,
        (_N20,),
        "100 (donchian_high(n) - donchian_low(n)) / sma(close, n)",
        "percent",
        _DONCHIAN,
        size=lambda n: 3 * n + 10,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close"),
    ),
    define(
        donchian_pct,
        (_N20,),
        "(close - donchian_low(n)) / (donchian_high(n) - donchian_low(n))",
        "1 is the height of the channel",
        _DONCHIAN,
        size=lambda n: 2 * n + 6,
        warmup=same,
        inputs=(),
        reads=("high", "low", "close"),
    ),
)
