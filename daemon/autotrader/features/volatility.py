"""Volatility: average true range, standard deviation and Bollinger bands."""

from __future__ import annotations

from math import isfinite, isnan

from autotrader.features.feature import WINDOW, Feature, Param, forgotten_after
from autotrader.features.numeric import NAN, divide
from autotrader.features.windows import State, center, deviation, mean, variance_size


def atr(s: State, n: int, high: float, low: float, close: float) -> float:
    """Return the average true range; s is count, last close, the sum of the first n ranges and then their mean."""
    reach = high - low
    if not isfinite(reach) or not isfinite(close):
        return NAN
    if isnan(s[0]):
        s[0] = 0.0
        s[2] = 0.0
    else:
        reach = max(reach, abs(high - s[1]), abs(low - s[1]))
    s[1] = close
    if s[0] < n:
        s[0] += 1.0
        s[2] += reach
        if s[0] < n:
            return NAN
        s[2] /= n
    else:
        s[2] = (s[2] * (n - 1.0) + reach) / n
    if not isfinite(s[2]):
        s[0] = NAN
        return NAN
    return s[2]


def stdev(s: State, n: int, x: float) -> float:
    """Return the standard deviation of the last n values (over n)."""
    return deviation(s, 0, n, x)


def bollinger_mid(s: State, n: int, k: float, x: float) -> float:  # noqa: ARG001 - the five bands share a call
    """Return the middle band."""
    return mean(s, 0, n, x)


def bollinger_upper(s: State, n: int, k: float, x: float) -> float:
    """Return the upper band."""
    spread = deviation(s, 0, n, x)
    return NAN if isnan(spread) else center(s, 0, n) + k * spread


def bollinger_lower(s: State, n: int, k: float, x: float) -> float:
    """Return the lower band."""
    return bollinger_upper(s, n, -k, x)


def bollinger_width(s: State, n: int, k: float, x: float) -> float:
    """Return the distance of the bands in percent of the middle one; undefined where that is zero."""
    spread = deviation(s, 0, n, x)
    return NAN if isnan(spread) else divide(200.0 * k * spread, center(s, 0, n))


def bollinger_pct(s: State, n: int, k: float, x: float) -> float:
    """Return where x lies between the bands; undefined where they touch."""
    half = k * deviation(s, 0, n, x)
    return NAN if isnan(half) else divide(x - center(s, 0, n) + half, 2.0 * half)


_BAND_PARAMS = (
    Param("n", "Bars in the window.", default=20),
    Param("k", "Standard deviations between the middle and a band.", low=0.01, high=100, default=2, whole=False),
)
_BAND_SOURCE = "Bollinger, Bollinger on Bollinger Bands (2001); `ta.volatility.BollingerBands` (ddof=0)"


def _band(name: str, kernel: object, summary: str, formula: str, unit: str) -> Feature:
    assert callable(kernel)
    return Feature(
        name,
        kernel,
        ("x",),
        _BAND_PARAMS,
        size=lambda n, _k: variance_size(n),
        warmup=lambda n, _k: n,
        memory=lambda n, _k: n,
        summary=summary,
        formula=formula,
        unit=unit,
        source=_BAND_SOURCE,
    )


FEATURES = (
    Feature(
        "atr",
        atr,
        (),
        (Param("n", "Bars of Wilder's smoothing.", default=14),),
        size=lambda _n: 3,
        warmup=lambda n: n,
        memory=lambda n: n + forgotten_after(1.0 / n),
        summary="Average true range: the mean of the first n true ranges, then smoothed by 1 / n.",
        formula="a = (a' * (n - 1) + max(high - low, |high - close'|, |low - close'|)) / n",
        unit="price",
        source="Wilder, New Concepts in Technical Trading Systems (1978); `ta.volatility.AverageTrueRange`",
        reads=("high", "low", "close"),
    ),
    Feature(
        "stdev",
        stdev,
        ("x",),
        (WINDOW,),
        size=variance_size,
        warmup=lambda n: n,
        memory=lambda n: n,
        summary="Standard deviation of the window (over n, as the Bollinger bands take it).",
        formula="sqrt(mean((x - mean(x))^2))",
        unit="that of x",
        source="`pandas.Series.rolling(n).std(ddof=0)`",
    ),
    _band("bollinger_mid", bollinger_mid, "The middle Bollinger band.", "sma(x, n)", "that of x"),
    _band("bollinger_upper", bollinger_upper, "The upper Bollinger band.", "sma(x, n) + k stdev(x, n)", "that of x"),
    _band("bollinger_lower", bollinger_lower, "The lower Bollinger band.", "sma(x, n) - k stdev(x, n)", "that of x"),
    _band(
        "bollinger_width",
        bollinger_width,
        "The distance between the Bollinger bands, relative to the middle one.",
        "100 * (upper - lower) / mid",
        "percent of the middle band",
    ),
    _band(
        "bollinger_pct",
        bollinger_pct,
        "Where x lies between the Bollinger bands: 0 on the lower, 1 on the upper.",
        "(x - lower) / (upper - lower)",
        "1 is the distance of the bands",
    ),
)
