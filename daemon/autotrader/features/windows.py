"""Rings and smoothed means inside a kernel's flat state, shared by the families of features.

A state `s` is a list of floats (live) or a float64 array (compiled); fresh, it is all NaN. A ring of n values at
offset `at` takes n + 1 places: the next place to write, then the values. Sums run from the oldest value to the newest
over the difference to the oldest, so that a result depends on the window's contents alone: not on where history began,
not on anything that left the window, and a window of equal values has exactly that mean and no spread.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite, isnan

from autotrader.features.numeric import NAN

State = MutableSequence[float]


def push(s: State, at: int, n: int, x: float) -> int:
    """Write the newest value into the ring over the oldest; return where the oldest now lies (0 to n - 1)."""
    place = 0 if isnan(s[at]) else int(s[at])
    s[at + 1 + place] = x
    place += 1
    if place == n:
        place = 0
    s[at] = float(place)
    return place


def mean(s: State, at: int, n: int, oldest: int) -> float:
    """Return the mean of the ring; undefined while one of its values is."""
    first = at + 1
    base = s[first + oldest]
    if isnan(base):
        return NAN
    total = 0.0
    for i in range(first + oldest + 1, first + n):
        total += s[i] - base
    for i in range(first, first + oldest):
        total += s[i] - base
    return base + total / n


def variance(s: State, at: int, n: int, oldest: int, center: float) -> float:
    """Return the mean squared distance of the ring's values to `center` (over n, not n - 1)."""
    first = at + 1
    total = 0.0
    for i in range(first + oldest, first + n):
        total += (s[i] - center) * (s[i] - center)
    for i in range(first, first + oldest):
        total += (s[i] - center) * (s[i] - center)
    return total / n


def smooth(s: State, at: int, n: int, alpha: float, x: float) -> float:
    """Fold x into the exponential mean at `at` (two places: count, mean); return it, NaN before the n-th value.

    An undefined x leaves the mean as it is and gives NaN; an overflow starts it anew.
    """
    if not isfinite(x):
        return NAN
    count = s[at]
    if isnan(count):
        s[at] = 1.0
        s[at + 1] = x
    else:
        value = s[at + 1] + alpha * (x - s[at + 1])
        if not isfinite(value):
            s[at] = NAN
            return NAN
        s[at + 1] = value
        if count < n:
            s[at] = count + 1.0
    return s[at + 1] if s[at] >= n else NAN
