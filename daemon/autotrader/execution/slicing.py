"""How much of an entry or an exit works at once where its policy sends it in slices.

Plain scalar functions on whole lots that read the same in Python and in numba. Asked again with nothing changed, they
want nothing more; what was missed is caught up with, and the slices sum to the whole.
"""

from __future__ import annotations

from autotrader.core.whole import quotient
from autotrader.market.fills import RATE, mul_div, mul_div_up

WHOLE, ICEBERG, TWAP = range(3)
"""Not sliced; one part shown after the other; parts spread evenly over a time."""

SLICINGS = {"iceberg": ICEBERG, "twap": TWAP}
"""The slicing of each policy that has one."""


def shown_lots(whole: int, show: int) -> int:
    """Return how many lots of an iceberg are shown at once; `show` is a part of RATE. Rounded up: at least one."""
    return mul_div_up(whole, show, RATE)


def due_lots(whole: int, passed_ms: int, over_ms: int, slices: int, step_ms: int) -> int:
    """Return how many lots are to be on their way `passed_ms` after the beginning.

    Slice n of `slices` is due n / `slices` of `over_ms` later, the first at once. Where one looks only each `step_ms`
    (0: all the time), those that fall due before the next look are sent together.
    """
    due = quotient((passed_ms + max(step_ms - 1, 0)) * slices, over_ms) + 1
    return mul_div(whole, min(due, slices), slices)


def lots_now(
    slicing: int, whole: int, left: int, show: int, slices: int, passed_ms: int, over_ms: int, step_ms: int
) -> int:
    """Return how many lots are to work now, of `whole` of which `left` have not filled."""
    if slicing == ICEBERG:
        return min(left, shown_lots(whole, show))
    if slicing == TWAP:
        return max(min(left, due_lots(whole, passed_ms, over_ms, slices, step_ms) - (whole - left)), 0)
    return left
