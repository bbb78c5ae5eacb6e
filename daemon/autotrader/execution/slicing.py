"""How much of an entry or an exit works at once where its policy sends it in slices.

Plain scalar functions on whole lots that read the same in Python and in numba. Asked again with nothing changed, they
want nothing more; what was missed is caught up with, and the slices sum to the whole.
"""

from __future__ import annotations

from autotrader.core.whole import quotient
from autotrader.market.fills import RATE, mul_div, mul_div_up

WHOLE, ICEBERG, TWAP, VWAP = range(4)
"""Not sliced; one part shown after the other; parts spread over a time, evenly or as the volume usually is."""

SLICINGS = {"iceberg": ICEBERG, "twap": TWAP, "vwap": VWAP}
"""The slicing of each policy that has one."""

UNKNOWN = -1
"""How much is due by the usual volume where that is not known: then slices are equal."""

MAX_SHARES = 23
"""How many shares of a vwap are kept: it has one slice more."""


def shown_lots(whole: int, show: int) -> int:
    """Return how many lots of an iceberg are shown at once; `show` is a part of RATE. Rounded up: at least one."""
    return mul_div_up(whole, show, RATE)


def due_slices(passed_ms: int, over_ms: int, slices: int, step_ms: int) -> int:
    """Return how many of `slices` are to be on their way `passed_ms` after the beginning.

    Slice n is due n / `slices` of `over_ms` later, the first at once. Where one looks only each `step_ms` (0: all the
    time), those that fall due before the next look are sent together.
    """
    return min(quotient((passed_ms + max(step_ms - 1, 0)) * slices, over_ms) + 1, slices)


def due_lots(whole: int, passed_ms: int, over_ms: int, slices: int, step_ms: int) -> int:
    """Return how many lots of equal slices are to be on their way `passed_ms` after the beginning."""
    return mul_div(whole, due_slices(passed_ms, over_ms, slices, step_ms), slices)


def usual_part(share: float) -> int:
    """Return a share of the usual volume, 0 to 1, as parts of RATE; UNKNOWN where it is not known (NaN)."""
    return int(share * RATE) if 0.0 <= share <= 1.0 else UNKNOWN


def lots_now(
    slicing: int,
    whole: int,
    left: int,
    show: int,
    slices: int,
    passed_ms: int,
    over_ms: int,
    step_ms: int,
    part: int = UNKNOWN,
) -> int:
    """Return how many lots are to work now, of `whole` of which `left` have not filled.

    `part` is the share of the usual volume, in parts of RATE, of the slices that are due (see `due_slices`).
    """
    if slicing == ICEBERG:
        return min(left, shown_lots(whole, show))
    if slicing == VWAP and part != UNKNOWN:
        return max(min(left, mul_div(whole, part, RATE) - (whole - left)), 0)
    if slicing >= TWAP:
        return max(min(left, due_lots(whole, passed_ms, over_ms, slices, step_ms) - (whole - left)), 0)
    return left
