"""Where an order stands in a recorded order book: how much is ahead of it, and what one pays that takes from it.

Plain scalar functions that read the same in Python and in numba, as in `market.fills`. They read the recording itself:
a side of an event is BOOK_DEPTH levels from the cell `at` on, each a price and a size, the best first; the size is 0
where there is no more. Prices and sizes become whole ticks and lots as they are read (`per_price` ticks make 1), and
all that is counted is whole.
"""

from __future__ import annotations

import math
from typing import Any

from autotrader.core.units import BOOK_DEPTH
from autotrader.market.fills import SURELY_FITS, crosses, in_ticks
from autotrader.market.instrument import STEP

CELLS = 2 * BOOK_DEPTH
"""Of one side of an event."""

LOTS = float(1 / STEP)
"""Of one unit of an amount."""

MOST_LOTS = 2**60
"""Bound of what one level shows, and of what several show at one tick."""

NOT_JOINED = -1
"""What is ahead of an order that has met no event yet at which it could rest."""

UNKNOWN = 2**61
"""What is ahead of an order beyond the levels that are kept of the book: more than is ever traded."""


def in_lots(amount: float) -> int:
    """Return an amount of the market in whole lots, at most MOST_LOTS."""
    if amount * LOTS >= MOST_LOTS:
        return MOST_LOTS
    return math.floor(amount * LOTS + 0.5)


def shown_at(cells: Any, at: int, per_price: float, side: int, limit: int) -> int:
    """Return the lots that a side of an event shows at a price; `cells` is the side on which such an order rests.

    UNKNOWN where the price is worse than the last of BOOK_DEPTH levels: what stands there was not kept.
    """
    lots = 0
    level = 0
    ticks = limit
    while level < BOOK_DEPTH and cells[at + 2 * level + 1] > 0:
        ticks = in_ticks(cells[at + 2 * level], per_price)
        if ticks == limit:
            lots = min(lots + in_lots(cells[at + 2 * level + 1]), MOST_LOTS)
        level += 1
    if level == BOOK_DEPTH and (ticks - limit) * side > 0:
        return UNKNOWN
    return lots


def after_trade(ahead: int, side: int, limit: int, taker: int, ticks: int, lots: int) -> int:
    """Return what is ahead of a resting order after a trade; below 0 where the trade fills it.

    It does where it takes more than stood ahead at the order's price, or was made at a price beyond it.
    """
    if taker == side or (ticks - limit) * side > 0:
        return ahead
    return ahead - lots if ticks == limit else -1


def after_trades(
    ahead: int, side: int, limit: int, per_price: float, takers: Any, prices: Any, amounts: Any, first: int, stop: int
) -> int:
    """Return what is ahead of a resting order after the trades `first` up to `stop`; below 0 where they fill it."""
    for at in range(first, stop):
        ahead = after_trade(ahead, side, limit, takers[at], in_ticks(prices[at], per_price), in_lots(amounts[at]))
        if ahead < 0:
            return ahead
    return ahead


def after_event(ahead: int, cells: Any, at: int, per_price: float, side: int, limit: int) -> int:
    """Return what is ahead of an order that rests on after an event; one that has not joined yet joins there.

    Who left the queue is taken to have stood behind the order, as long as what is left shown allows it.
    """
    shown = shown_at(cells, at, per_price, side, limit)
    return shown if ahead == NOT_JOINED or shown < ahead else ahead


def walked(cells: Any, at: int, per_price: float, side: int, lots: int, limit: int) -> int:
    """Return the ticks that an order pays on average which takes what a side of an event offers, level by level.

    `cells` is the side that it takes. Levels beyond its limit (0: none) are not used: what they leave pays the limit.
    What goes beyond all that is shown pays the last level. A part of a tick goes against the order; where 64 bits might
    not hold the sum, all of it pays the last price that it reaches.
    """
    best = in_ticks(cells[at], per_price)
    ticks = worst = best
    left, beyond = lots, 0
    level = 0
    while left > 0 and level < BOOK_DEPTH and cells[at + 2 * level + 1] > 0:
        ticks = in_ticks(cells[at + 2 * level], per_price)
        if limit > 0 and not crosses(side, limit, ticks):
            break
        worst = ticks
        taken = min(left, in_lots(cells[at + 2 * level + 1]))
        if float(beyond) + float(taken) * abs(worst - best) >= SURELY_FITS:
            return worst
        beyond += taken * abs(worst - best)
        left -= taken
        level += 1
    if left > 0 and limit > 0:
        worst = limit
    if left == lots or float(beyond) + float(left) * abs(worst - best) >= SURELY_FITS:
        return worst
    return best + side * ((beyond + left * abs(worst - best) + lots - 1) // lots)
