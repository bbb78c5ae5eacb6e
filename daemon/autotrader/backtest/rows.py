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
