"""Windows and smoothed means inside a kernel's flat state: each moves on by one bar in constant time.

A state `s` is a list of floats (live) or a float64 array (compiled); fresh, it is all NaN. The functions here take the
place `at` of their own part of it. An undefined value (NaN or infinite) makes the next n results of a window undefined
and leaves no trace after them; a smoothed mean passes over it.

How a running sum stays honest. The sum is kept as two floats, `sum` and `error`, whose exact total is the total of the
window: the value that enters, less the one that leaves, is added with Knuth's error-free transformation (TwoSum), and
what rounding took goes into `error`. A step that could not keep every bit notices that, and the window is added up
again. So the result is the exact total rounded once, whenever that total fits into the two floats (106 bits: prices of
53 bits leave 53 more for the length of the window and the spread of its values). It then depends on the window's
contents alone, not on where history began nor on anything that left. A window whose values differ by more is added up
at each bar, to a relative error of n / 2^105 of the total of the absolute values; a sum that overflows is undefined.
Source: Ogita, Rump, Oishi, Accurate Sum and Dot Product (2005). Only one addition waits for the bar before, which is
what the speed of a compiled loop hangs on.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite, isnan

from autotrader.core.jit import seldom
from autotrader.features.numeric import NAN

State = MutableSequence[float]

PLACE, RUN, SUM, ERROR, RING = 0, 1, 2, 3, 4
"""The parts of a `total`: where the next value goes, how many values in a row are defined (n where the sum is exact,
one more where the window is full but its sum is not), the sum, its error, and the ring of n values."""


def total_size(n: int) -> int:
    """Return the places that `total` and `mean` take."""
    return n + RING


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
    if s[at + RUN] == n:
        before = s[at + SUM]
        place = s[at]
        here = at + RING + int(place)
        leaving = s[here]
        change = x - leaving
        after = before + change
        part = after - before
        slip = (before - (after - part)) + (change - part)
        # A sum or a difference is exact where both ways back give its parts; NaN fails as well.
        if change + leaving != x or x - change != leaving:
            slip = _with_lost(x, leaving, change, slip)
        error = s[at + ERROR]
        corrected = error + slip
        if corrected - error == slip and corrected - slip == error:
            s[here] = x
            place += 1.0
            s[at] = place if place < n else 0.0
            s[at + SUM] = after
            s[at + ERROR] = corrected
            return after + corrected
    return _gather(s, at, n, x)


def mean(s: State, at: int, n: int, x: float) -> float:
    """Return the mean of the last n values; of equal values it is exactly that value."""
    value = total(s, at, n, x)
    return x if n * x == value else value / n


@seldom
def _with_lost(x: float, leaving: float, change: float, rounding: float) -> float:
    """Add to a rounding what the difference of two values has lost; NaN where that does not keep every bit."""
    part = change - x
    lost = (x - (change - part)) - (leaving + part)
    slip = lost + rounding
    return slip if slip - lost == rounding and slip - rounding == lost else NAN


@seldom
def _gather(s: State, at: int, n: int, x: float) -> float:
    """Take a value where the window is not full of defined ones, or where the sum has to be taken anew."""
    if isnan(s[at]):
        s[at] = 0.0
        s[at + RUN] = 0.0
    if not isfinite(x):
        s[at + RUN] = 0.0
        return NAN
    s[at + RING + int(s[at])] = x
    s[at] = s[at] + 1.0 if s[at] + 1.0 < n else 0.0
    if s[at + RUN] + 1.0 < n:
        s[at + RUN] += 1.0
        return NAN
    s[at + RUN] = float(n) if _add_up(s, at, n) else n + 1.0
    value = s[at + SUM] + s[at + ERROR]
    return value if isfinite(value) else NAN


@seldom
def _add_up(s: State, at: int, n: int) -> bool:
    """Add the ring up anew, from the oldest value on; return whether every bit was kept."""
    exact = True
    s[at + SUM] = 0.0
    s[at + ERROR] = 0.0
    oldest = int(s[at])
    for i in range(n):
        place = oldest + i
        if not add(s, at + SUM, s[at + RING + (place if place < n else place - n)]):
            exact = False
    return exact


def add(s: State, at: int, x: float) -> bool:
    """Add x to the compensated sum at `at` (two places: sum, error); return whether every bit of it was kept."""
    before = s[at]
    after = before + x
    part = after - before
    slip = (before - (after - part)) + (x - part)
    error = s[at + 1]
    corrected = error + slip
    s[at] = after
    s[at + 1] = corrected
    return corrected - error == slip and corrected - slip == error


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


def ages(s: State, at: int, n: int, x: float) -> float:
    """Return how many bars ago the greatest of the last n values came, the earliest of equals; takes n + 3 places.

    It moves on by one at each bar; only where the greatest value itself leaves, the window is searched.
    """
    if not isfinite(x):
        s[at] = NAN
        return NAN
    if isnan(s[at]):
        s[at] = 0.0
        s[at + 1] = 0.0
        s[at + 2] = 0.0
    here = int(s[at])
    age = s[at + 2] + 1.0
    best = x if s[at + 1] == 0.0 else s[at + 3 + (here - int(age)) % n]
    s[at + 3 + here] = x
    if s[at + 1] < n:
        s[at + 1] += 1.0
    s[at] = s[at] + 1.0 if s[at] + 1.0 < n else 0.0
    if age >= n:
        age = _search(s, at, n)
    elif x > best or s[at + 1] == 1.0:
        age = 0.0
    s[at + 2] = age
    return age if s[at + 1] >= n else NAN


def _search(s: State, at: int, n: int) -> float:
    """Return the age of the greatest value of a full ring, the earliest of equals."""
    oldest = int(s[at])
    found = oldest
    for i in range(1, n):
        place = (oldest + i) % n
        if s[at + 3 + place] > s[at + 3 + found]:
            found = place
    return float((oldest - 1 - found) % n)


def smooth(s: State, at: int, n: int, alpha: float, x: float) -> float:
    """Fold x into the exponential mean at `at` (two places: count, mean); return it, NaN before the n-th value.

    An undefined x leaves the mean as it is and gives NaN. The mean m becomes (1 - alpha) m + (x - (1 - alpha) x): two
    dependent operations, and a series of equal values keeps exactly that value, because x - (1 - alpha) x is exact
    where alpha is at most a half (Sterbenz' lemma); above that the two weights change places.
    """
    if s[at] >= n and isfinite(x):
        value = _blend(s[at + 1], alpha, x)
        s[at + 1] = value
        return value
    return _begin(s, at, n, alpha, x)


def _blend(mean_before: float, alpha: float, x: float) -> float:
    kept = 1.0 - alpha
    if kept >= 0.5:
        return kept * mean_before + (x - kept * x)
    return (mean_before - alpha * mean_before) + alpha * x


@seldom
def _begin(s: State, at: int, n: int, alpha: float, x: float) -> float:
    """Fold a value into an exponential mean that is not shown yet, or pass over an undefined one."""
    if not isfinite(x):
        return NAN
    if isnan(s[at]):
        s[at] = 1.0
        s[at + 1] = x
    else:
        s[at] += 1.0
        s[at + 1] = _blend(s[at + 1], alpha, x)
    return s[at + 1] if s[at] >= n else NAN


def wilder(s: State, at: int, n: int, x: float) -> float:
    """Fold x into Wilder's mean at `at` (two places): the plain mean of the first n values, then smoothed by 1 / n."""
    if not isfinite(x):
        return NAN
    count = s[at]
    if count >= n:
        kept = 1.0 - 1.0 / n
        value = kept * s[at + 1] + (x - kept * x)
        s[at + 1] = value
        return value
    if isnan(count):
        count = 0.0
        s[at + 1] = 0.0
    s[at] = count + 1.0
    s[at + 1] += x
    if s[at] < n:
        return NAN
    s[at + 1] /= n
    return s[at + 1]
