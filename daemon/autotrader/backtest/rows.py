"""The rows that a run's lists name. Where there is one of a kind it is that one, and compiled code need not look."""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c


def leg_at(w: Any, lists: Any, place: int) -> int:
    """Return the leg at a place of the lists."""
    return int(w[c.RUN, c.FIRST_LEG]) if w[c.RUN, c.LEGS] == 1 else int(lists[place])


def series_at(w: Any, lists: Any, place: int) -> int:
    """Return the series, or the clock, at a place of the lists."""
    return int(w[c.RUN, c.FIRST_SERIES]) if w[c.RUN, c.SERIES] == 1 else int(lists[place])


def part_at(w: Any, lists: Any, place: int) -> int:
    """Return the part at a place of the lists."""
    return int(w[c.RUN, c.FIRST_PART]) if w[c.RUN, c.PARTS] == 1 else int(lists[place])


def looked_up(w: Any) -> int:
    """List the legs that hold something, in their order, if there was a fill since; return how many they are."""
    if w[c.RUN, c.OPEN_SINCE] != w[c.RUN, c.FILLS]:
        count, first = 0, w[c.RUN, c.FIRST_LEG]
        for leg in range(first, first + w[c.RUN, c.LEGS]):
            if w[leg, c.LOTS] != 0:
                w[first + count, c.OPEN_LEG] = leg
                count += 1
        w[c.RUN, c.OPEN], w[c.RUN, c.OPEN_SINCE] = count, w[c.RUN, c.FILLS]
    return int(w[c.RUN, c.OPEN])


def open_leg(w: Any, place: int) -> int:
    """Return one of the legs that hold something."""
    return int(w[c.RUN, c.FIRST_LEG]) if w[c.RUN, c.LEGS] == 1 else int(w[w[c.RUN, c.FIRST_LEG] + place, c.OPEN_LEG])


def is_idle(w: Any) -> bool:
    """Tell whether nothing can be under way but what is held: no entry works, no order is staged, none is by slot."""
    return bool(w[c.RUN, c.WORKING_ENTRIES] == 0 and w[c.RUN, c.STAGED] == 0 and w[c.RUN, c.SLOTS] == 0)


def next_at(w: Any, series: int) -> int:
    """Return the place in the lists of when a series has something to tell."""
    return int(w[c.RUN, c.NEXT_MS] + series - w[c.RUN, c.FIRST_SERIES])
