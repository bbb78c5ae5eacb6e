"""Momentum: the relative strength index."""

from __future__ import annotations

from math import isfinite, isnan

from autotrader.features.feature import Feature, Param, forgotten_after
from autotrader.features.numeric import NAN
from autotrader.features.windows import State


def rsi(s: State, n: int, x: float) -> float:
    """Return the relative strength index; s is count, last x, mean rise, mean fall.

    Seeded as `ta` does: the first bar counts as a change of zero, and n bars in all give the first value.
    """
    if not isfinite(x):
        return NAN
    if isnan(s[0]):
        s[0] = 1.0
        s[1] = x
        s[2] = 0.0
        s[3] = 0.0
        return NAN
    change = x - s[1]
    s[1] = x
    s[2] += ((max(0.0, change)) - s[2]) / n
    s[3] += ((-change if change < 0.0 else 0.0) - s[3]) / n
    total = s[2] + s[3]
    if not isfinite(total):
        s[0] = NAN
        return NAN
    if s[0] < n:
        s[0] += 1.0
        if s[0] < n:
            return NAN
    return 100.0 if s[3] == 0.0 else 100.0 * (s[2] / total)


FEATURES = (
    Feature(
        "rsi",
        rsi,
        ("x",),
        (Param("n", "Bars of Wilder's smoothing.", default=14),),
        size=lambda _n: 4,
        warmup=lambda n: n,
        memory=lambda n: n + forgotten_after(1.0 / n),
        summary="Relative strength index; 100 where nothing fell.",
        formula="100 * up / (up + down), the means of rises and falls smoothed by 1 / n",
        unit="0 to 100",
        source="Wilder, New Concepts in Technical Trading Systems (1978); `ta.momentum.RSIIndicator`",
    ),
)
