"""Spread, trend and common movement of windows: sums of squares and of weighted values, in constant time a bar.

Squares are summed about a base near the window's mean, so that a small spread of large prices keeps its digits. What a
window has seen before shows in the last digits only, below 1e-12 of the value; where nothing moves it is exactly zero.
A weighted sum is kept as exactly as the plain one of `windows`, and like it depends on the window's contents alone.
"""

from __future__ import annotations

import math
from math import isfinite, isnan

from autotrader.core.jit import seldom
from autotrader.features.numeric import NAN
from autotrader.features.windows import ERROR, PLACE, RING, RUN, SUM, State, add, total

BLUR = 4096.0
"""How far a sum of squares may exceed what is left of it before it is taken anew about the window's mean."""
CUT = 16385.0
"""2^14 + 1 splits off the leading 39 bits of a float (Veltkamp), whose product with a window's length is exact."""

BASE, SQUARES, PEAK, SAME, NEWEST = 0, 1, 3, 4, 5
"""The parts of a `variance` after its `total`: base, sum of squares about it (two places), the greatest that this sum
has been, how many of the newest values are equal, and the newest."""


def variance_size(n: int) -> int:
    """Return the places that `variance` and `deviation` take."""
    return n + RING + 6


def weighted_size(n: int) -> int:
    """Return the places that `weighted` takes."""
    return n + RING + 3


def pair_size(n: int) -> int:
    """Return the places that `pair` takes."""
    return 2 * (n + RING + 6) + 5


def leading(x: float) -> float:
    """Return the leading 39 bits of x."""
    scaled = CUT * x
    return scaled - (scaled - x)


def center(s: State, at: int, n: int, x: float) -> float:
    """Return the mean of a window whose total has just taken x and is defined."""
    value = s[at + SUM] + s[at + ERROR]
    return x if n * x == value else value / n


def variance(s: State, at: int, n: int, x: float) -> float:
    """Return the mean squared distance of the last n values to their mean (over n); of equal values exactly zero.

    The first places are those of `total`, and `center` gives the mean. With the base b and the mean m, the squares
    about the mean are the sum of (x - b)^2 less n (m - b)^2. Where that takes more than a factor of BLUR off the sum
    or its peak since the base was taken, a new base is taken and the squares are summed again, so the relative error
    stays below 2 BLUR / 2^53 = 1e-12. It takes a spread that fell by that factor, and so is paid for by its rise.
    """
    own = at + RING + n
    leaving = s[at + RING + int(s[at])] if s[at + RUN] >= n else NAN
    value = total(s, at, n, x)
    _count_equals(s, own, x)
    if isnan(value):
        return NAN
    if s[own + SAME] >= n:
        if s[own + SAME] == n:
            _rebase(s, at, n, own)
        return 0.0
    if not isnan(leaving):
        left = _replace(s, at, n, own, x, leaving)
        if left * BLUR >= s[own + PEAK]:
            return left / n
    _rebase(s, at, n, own)
    left = _about_mean(s, at, n, own)
    if not isfinite(left):
        return NAN
    return left / n if left > 0.0 else 0.0


def deviation(s: State, at: int, n: int, x: float) -> float:
    """Return the standard deviation of the last n values (over n)."""
    return math.sqrt(variance(s, at, n, x))


def _count_equals(s: State, own: int, x: float) -> None:
    s[own + SAME] = s[own + SAME] + 1.0 if x == s[own + NEWEST] else 1.0
    s[own + NEWEST] = x


def _replace(s: State, at: int, n: int, own: int, x: float, leaving: float) -> float:
    """Let a value enter the squares and another leave; return the squares about the mean."""
    entering = x - s[own]
    leaving = leaving - s[own]
    add(s, own + SQUARES, entering * entering)
    add(s, own + SQUARES, -leaving * leaving)
    s[own + PEAK] = max(s[own + PEAK], s[own + SQUARES])
    return _about_mean(s, at, n, own)


def _about_mean(s: State, at: int, n: int, own: int) -> float:
    """Return the sum of squares about the mean, from that about the base."""
    away = ((s[at + SUM] - n * s[own]) + s[at + ERROR]) / n
    return (s[own + SQUARES] + s[own + SQUARES + 1]) - n * away * away


@seldom
def _rebase(s: State, at: int, n: int, own: int) -> None:
    """Take a base at the mean, and sum the squared distances to it."""
    base = leading((s[at + SUM] + s[at + ERROR]) / n)
    s[own] = base
    s[own + SQUARES] = 0.0
    s[own + SQUARES + 1] = 0.0
    for i in range(at + RING, at + RING + n):
        add(s, own + SQUARES, (s[i] - base) * (s[i] - base))
    s[own + PEAK] = s[own + SQUARES]


def weighted(s: State, at: int, n: int, x: float) -> float:
    """Return the sum of the last n values, each weighted by its place: 1 for the oldest, n for the newest.

    The first places are those of `total`, then come sum and error, and whether they are exact. The newest value enters
    n times, and all that were there before lose one time each.
    """
    own = at + RING + n
    exact = s[at + RUN] == n and s[own + 2] == 1.0
    before = s[at + SUM]
    error = s[at + ERROR]
    value = total(s, at, n, x)
    if isnan(value):
        s[own + 2] = 0.0
        return NAN
    large = leading(x)
    if not (
        exact
        and add(s, own, n * large)
        and add(s, own, n * (x - large))
        and add(s, own, -before)
        and add(s, own, -error)
    ):
        s[own + 2] = 1.0 if _weigh(s, at, n, own) else 0.0
    value = s[own] + s[own + 1]
    return value if isfinite(value) else NAN


@seldom
def _weigh(s: State, at: int, n: int, own: int) -> bool:
    """Take the weighted sum anew, from the oldest value on; return whether every bit was kept."""
    s[own] = 0.0
    s[own + 1] = 0.0
    exact = True
    oldest = int(s[at + PLACE])
    for i in range(n):
        place = oldest + i
        x = s[at + RING + (place if place < n else place - n)]
        large = leading(x)
        kept = add(s, own, (i + 1) * large)
        if not add(s, own, (i + 1) * (x - large)) or not kept:
            exact = False
    return exact


def slope(s: State, at: int, n: int, x: float) -> float:
    """Return the slope of the least-squares line through the last n values, per bar; takes the places of `weighted`.

    With the weights 1 to n it is 12 (weighted - (n + 1) / 2 total) / (n (n^2 - 1)). The two terms nearly cancel, so the
    difference is taken of both halves of both sums.
    """
    if isnan(weighted(s, at, n, x)):
        return NAN
    own = at + RING + n
    half = 0.5 * (n + 1)
    value = s[at + SUM] + s[at + ERROR]
    rest = (s[at + SUM] - value) + s[at + ERROR]
    tilted = s[own] + s[own + 1]
    tilted_rest = (s[own] - tilted) + s[own + 1]
    large = leading(value)
    tilt = ((tilted - half * large) - half * (value - large)) + (tilted_rest - half * rest)
    return 12.0 * tilt / (n * (n * n - 1.0))


def pair(s: State, at: int, n: int, x: float, y: float) -> bool:
    """Take a pair into the window and return whether its moments are defined; `spread_of` and `together` give them.

    There are two `variance`s, of x and of y, and the sum of products about their bases. A pair counts as undefined
    where one of the two is.
    """
    second = at + variance_size(n)
    own = second + variance_size(n)
    if not (isfinite(x) and isfinite(y)):
        x = NAN
        y = NAN
    steady = s[at + RUN] >= n
    place = int(s[at]) if steady else 0
    left_x = s[at + RING + place]
    left_y = s[second + RING + place]
    base_x = s[at + RING + n]
    base_y = s[second + RING + n]
    s[own + 2] = variance(s, at, n, x)
    s[own + 3] = variance(s, second, n, y)
    if isnan(s[own + 2]) or isnan(s[own + 3]):
        return False
    if steady and base_x == s[at + RING + n] and base_y == s[second + RING + n]:
        add(s, own, (x - base_x) * (y - base_y))
        add(s, own, -(left_x - base_x) * (left_y - base_y))
    else:
        _rebase_pair(s, at, n, second, own)
    away_x = ((s[at + SUM] - n * s[at + RING + n]) + s[at + ERROR]) / n
    away_y = ((s[second + SUM] - n * s[second + RING + n]) + s[second + ERROR]) / n
    s[own + 4] = ((s[own] + s[own + 1]) - n * away_x * away_y) / n
    return isfinite(s[own + 4])


@seldom
def _rebase_pair(s: State, at: int, n: int, second: int, own: int) -> None:
    """Sum the products about the new bases."""
    s[own] = 0.0
    s[own + 1] = 0.0
    for i in range(n):
        add(s, own, (s[at + RING + i] - s[at + RING + n]) * (s[second + RING + i] - s[second + RING + n]))


def moment(s: State, at: int, n: int, which: int) -> float:
    """Return a moment of the window that `pair` has just found defined.

    0 is the variance of x, 1 that of y, 2 the covariance (all over n).
    """
    return s[at + 2 * variance_size(n) + 2 + which]
