"""Windows and smoothed means inside a kernel's flat state: each moves on by one bar in constant time.

A state `s` is a list of floats (live) or a float64 array (compiled); fresh, it is all NaN. The functions here take the
place `at` of their own part of it. A value counts as undefined where it is NaN or beyond LIMIT in size: it makes the
next n results of a window undefined and leaves no trace after them; a smoothed mean passes over it.

How a running sum stays honest. The sum is kept as two floats, `sum` and `error`, whose exact total is the total of the
window: the value that enters, less the one that leaves, is added with Knuth's error-free transformation (TwoSum), and
what rounding took goes into `error`. A step that could not keep every bit notices that and adds the window up again.
So the result is the exact total rounded once, whenever the total of the window fits into two floats (106 bits; prices
of 53 bits leave n and their spread 53 bits together): it depends on the window's contents alone, not on where history
began nor on anything that left. A window whose values differ by more than that is added up at every bar, with a
relative error of n / 2^105 of the total of the absolute values. Source: Ogita, Rump, Oishi, Accurate Sum and Dot
Product (2005). Only one addition waits for the bar before, which is what a compiled loop's speed hangs on.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence
from math import isfinite, isnan

from autotrader.features.numeric import NAN

State = MutableSequence[float]

LIMIT = 1e300
"""Values of this size and beyond are undefined: so no sum of a window can overflow."""
BLUR = 4096.0
"""How far a sum of squares may exceed what is left of it before it is taken anew about the window's mean."""
CUT = 16385.0
"""2^14 + 1: splits off the leading 39 bits of a float (Veltkamp), whose product with a window's length is exact."""

PLACE, RUN, SUM, ERROR, SAME, NEWEST, RING = 0, 1, 2, 3, 4, 5, 6
"""The parts of a `total`: where the next value goes, how many values in a row are defined (up to n), sum and error,
how many of the newest are equal, the newest, and the ring of n values."""


def total_size(n: int) -> int:
    """Return the places that `total` and `mean` take."""
    return n + 6


def variance_size(n: int) -> int:
    """Return the places that `variance` takes."""
    return n + 10


def push(s: State, at: int, n: int, x: float) -> float:
    """Write x into a bare ring (n + 1 places: where the next goes, the values) and return the value n bars ago."""
    place = s[at]
    if isnan(place):
        place = 0.0
    here = at + 1 + int(place)
    before = s[here]
    s[here] = x
    place += 1.0
    s[at] = place if place < n else 0.0
    return before


def total(s: State, at: int, n: int, x: float) -> float:
    """Return the sum of the last n values."""
    if not (s[at + RUN] >= n and abs(x) < LIMIT):
        return _gather(s, at, n, x)
    place = s[at]
    here = at + RING + int(place)
    leaving = s[here]
    s[here] = x
    place += 1.0
    s[at] = place if place < n else 0.0
    s[at + SAME] = s[at + SAME] + 1.0 if x == s[at + NEWEST] else 1.0
    s[at + NEWEST] = x
    if not _slide(s, at + SUM, x, leaving):
        _add_up(s, at, n)
    return s[at + SUM] + s[at + ERROR]


def mean(s: State, at: int, n: int, x: float) -> float:
    """Return the mean of the last n values; of equal values it is exactly that value."""
    value = total(s, at, n, x) / n
    return x if s[at + SAME] >= n else value


def _slide(s: State, at: int, entering: float, leaving: float) -> bool:
    """Add a difference to the sum and error at `at`; return whether every bit of it was kept."""
    change = entering - leaving
    part = change - entering
    lost = (entering - (change - part)) - (leaving + part)
    before = s[at]
    after = before + change
    part = after - before
    rounding = (before - (after - part)) + (change - part)
    slip = lost + rounding
    error = s[at + 1]
    corrected = error + slip
    s[at] = after
    s[at + 1] = corrected
    return (
        slip - lost == rounding and slip - rounding == lost and corrected - error == slip and corrected - slip == error
    )


def _add(s: State, at: int, x: float) -> None:
    """Add one value to the sum and error at `at`."""
    before = s[at]
    after = before + x
    part = after - before
    s[at] = after
    s[at + 1] += (before - (after - part)) + (x - part)


def _gather(s: State, at: int, n: int, x: float) -> float:
    """Take a value into a window that is not full of defined ones, or an undefined value into any."""
    if isnan(s[at]):
        s[at] = 0.0
    if not abs(x) < LIMIT:
        s[at + RUN] = 0.0
        s[at + SAME] = 0.0
        s[at + NEWEST] = NAN
        return NAN
    s[at + RING + int(s[at])] = x
    s[at] = s[at] + 1.0 if s[at] + 1.0 < n else 0.0
    s[at + SAME] = s[at + SAME] + 1.0 if x == s[at + NEWEST] else 1.0
    s[at + NEWEST] = x
    s[at + RUN] = s[at + RUN] + 1.0 if s[at + RUN] >= 0.0 else 1.0
    if s[at + RUN] < n:
        return NAN
    _add_up(s, at, n)
    return s[at + SUM] + s[at + ERROR]


def _add_up(s: State, at: int, n: int) -> None:
    """Add the ring up anew, from the oldest value on."""
    s[at + SUM] = 0.0
    s[at + ERROR] = 0.0
    oldest = int(s[at])
    for i in range(oldest, n):
        _add(s, at + SUM, s[at + RING + i])
    for i in range(oldest):
        _add(s, at + SUM, s[at + RING + i])


def variance(s: State, at: int, n: int, x: float) -> float:
    """Return the mean squared distance of the last n values to their mean (over n); of equal values exactly zero.

    The first places are those of `total`: `center` gives the mean. After the ring stand a base near the mean, the
    compensated sum of the squared distances to it, and that sum's peak. What is left after the base's own distance is
    taken off must not be smaller than the peak by more than BLUR, else a new base is taken, about which the squares are
    summed again: so the relative error is below 2 BLUR / 2^53, about 1e-12, however the window came about. After a fall
    of the spread by more than that the squares are summed again once, which a window's own rise pays for.
    """
    steady = s[at + RUN] >= n
    leaving = s[at + RING + int(s[at])] if steady else NAN
    sum_x = total(s, at, n, x)
    if isnan(sum_x):
        return NAN
    base = at + RING + n
    if s[at + SAME] >= n:
        if s[at + SAME] == n:
            _rebase(s, at, n, base, x)
        return 0.0
    if steady:
        entering = x - s[base]
        leaving = leaving - s[base]
        _slide(s, base + 1, entering * entering, leaving * leaving)
        left = _about_mean(s, at, n, base)
        s[base + 3] = max(s[base + 3], s[base + 1])
        if left * BLUR >= s[base + 3]:
            return left / n
    _rebase(s, at, n, base, sum_x / n)
    left = _about_mean(s, at, n, base)
    if not left < LIMIT:
        return NAN
    return left / n if left > 0.0 else 0.0


def _about_mean(s: State, at: int, n: int, base: int) -> float:
    """Return the sum of squares about the mean, from that about the base."""
    away = ((s[at + SUM] - n * s[base]) + s[at + ERROR]) / n
    return (s[base + 1] + s[base + 2]) - n * away * away


def _rebase(s: State, at: int, n: int, base: int, center: float) -> None:
    """Take a base of 39 bits at the mean, and sum the squared distances to it."""
    scaled = CUT * center
    s[base] = scaled - (scaled - center)
    s[base + 1] = 0.0
    s[base + 2] = 0.0
    for i in range(at + RING, at + RING + n):
        _add(s, base + 1, (s[i] - s[base]) * (s[i] - s[base]))
    s[base + 3] = s[base + 1]


def center(s: State, at: int, n: int) -> float:
    """Return the mean of a window that `variance` or `total` has just moved on and found defined."""
    return s[at + NEWEST] if s[at + SAME] >= n else (s[at + SUM] + s[at + ERROR]) / n


def deviation(s: State, at: int, n: int, x: float) -> float:
    """Return the standard deviation of the last n values (over n)."""
    return math.sqrt(variance(s, at, n, x))


def greatest(s: State, at: int, n: int, x: float) -> float:
    """Return the greatest of the last n values; takes n + 3 places.

    The ring is filled in blocks of n. Of the block before, each place holds the greatest from there to that block's
    end; of the running one there is the greatest so far. The two together cover the last n bars at every place (van
    Herk, Gil and Werman, 1992). A maximum rounds nothing, so blocks leave no trace in it.
    """
    if not isfinite(x):
        s[at] = NAN
        return NAN
    if isnan(s[at]):
        s[at] = 0.0
        s[at + 1] = 0.0
    place = s[at]
    if place == 0.0:
        s[at + 2] = x
    best = s[at + 2]
    if x > best:
        best = x
        s[at + 2] = x
    here = at + 3 + int(place)
    s[here] = x
    place += 1.0
    if place < n:
        s[at] = place
        if s[at + 1] == 0.0:
            return NAN
        before = s[here + 1]
        return max(best, before)
    s[at] = 0.0
    s[at + 1] = 1.0
    for i in range(at + n + 1, at + 2, -1):
        s[i] = max(s[i], s[i + 1])
    return best


def smooth(s: State, at: int, n: int, alpha: float, x: float) -> float:
    """Fold x into the exponential mean at `at` (two places: count, mean); return it, NaN before the n-th value.

    An undefined x leaves the mean as it is and gives NaN. The mean m becomes (1 - alpha) m + (x - (1 - alpha) x): two
    dependent operations, and a series of equal values keeps exactly that value (x - (1 - alpha) x is exact then, by
    Sterbenz' lemma, where alpha is at most a half).
    """
    if s[at] >= n and abs(x) < LIMIT:
        kept = 1.0 - alpha
        value = kept * s[at + 1] + (x - kept * x) if kept >= 0.5 else (s[at + 1] - alpha * s[at + 1]) + alpha * x
        s[at + 1] = value
        return value
    return _begin(s, at, n, alpha, x)


def _begin(s: State, at: int, n: int, alpha: float, x: float) -> float:
    """Fold a value into an exponential mean that is not shown yet, or pass over an undefined one."""
    if not abs(x) < LIMIT:
        return NAN
    if isnan(s[at]):
        s[at] = 1.0
        s[at + 1] = x
    else:
        s[at] += 1.0
        kept = 1.0 - alpha
        s[at + 1] = kept * s[at + 1] + (x - kept * x) if kept >= 0.5 else (s[at + 1] - alpha * s[at + 1]) + alpha * x
    return s[at + 1] if s[at] >= n else NAN
