"""One symbol's order book: depth made up around the last price, less what the account took from it, and its own orders.

The same last price shows the same depth, level by level. What a taker takes stays away until the market's next trade.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from autotrader.venues.emulator.market import Traded
from autotrader.venues.emulator.orders import Order
from autotrader.venues.emulator.tape import Print

LEVELS = 100
SPREAD_PART = 20_000
"""The spread is the last price divided by this, one tick at the least; levels are as far apart."""

MARKET_SECONDS = 5
"""A level offers about what trades in so many seconds."""


class Shown(NamedTuple):
    """The book as it is told: lots by ticks, and the number of its last change."""

    bids: dict[int, int]
    asks: dict[int, int]
    update_id: int


class Book:
    """The depth and the live orders of one symbol."""

    def __init__(self, one: Traded, last: Print, mean_units: int) -> None:
        self.traded, self.last = one, last
        self.orders: dict[int, Order] = {}
        self._step = max(last.ticks // SPREAD_PART, 1)
        self._size = max(mean_units * MARKET_SECONDS // one.lot_units, 1)
        self._taken: dict[tuple[bool, int], int] = {}
        self._shown = Shown({}, {}, last.ts_ms)
        self._stale = True

    def turn(self, one: Print) -> None:
        """Take the market's next trade: the depth moves with it and is whole again."""
        self.last = one
        self._taken.clear()
        self._stale = True

    def changed(self) -> None:
        """Say that an order of the account changed what is shown."""
        self._stale = True

    def offers(self, bought: bool) -> Iterator[tuple[int, int]]:
        """Yield what a taker on that side meets of the market, best first: ticks and lots."""
        for ticks in self._ladder(asks=bought):
            lots = self._lots(ticks) - self._taken.get((bought, ticks), 0)
            if lots > 0:
                yield ticks, lots

    def take(self, bought: bool, ticks: int, lots: int) -> None:
        """Take lots from a level."""
        self._taken[bought, ticks] = self._taken.get((bought, ticks), 0) + lots
        self._stale = True

    def take_all(self, bought: bool, limit_ticks: int) -> None:
        """Take everything that a taker with this limit would meet."""
        for ticks, lots in list(self.offers(bought)):
            if crosses(bought, limit_ticks, ticks):
                self.take(bought, ticks, lots)

    def resting(self, bought: bool) -> list[Order]:
        """Return the working orders of a side, best price first, then the older one."""
        found = [one for one in self.orders.values() if one.bought == bought and not one.waiting and one.live]
        return sorted(found, key=lambda one: (-one.ticks if bought else one.ticks, one.id))

    def best(self) -> tuple[int, int]:
        """Return the best bid and ask that are shown, in ticks; 0 where a side is empty."""
        shown = self.shown()
        return max(shown.bids, default=0), min(shown.asks, default=0)

    def shown(self) -> Shown:
        """Return the book as it stands; its number grows whenever it differs from what was shown before."""
        if self._stale:
            sides = []
            for bids in (True, False):
                levels = dict(self.offers(not bids))
                for order in self.resting(bids):
                    levels[order.ticks] = levels.get(order.ticks, 0) + order.left
                sides.append(levels)
            before = self._shown
            changes = sum(len(set(old.items()) ^ set(new.items())) for old, new in zip(before[:2], sides, strict=True))
            self._shown = Shown(sides[0], sides[1], before.update_id + changes)
            self._stale = False
        return self._shown

    def _ladder(self, *, asks: bool) -> Iterator[int]:
        last, step = self.last.ticks, self._step
        if asks:
            best = last if self.last.bought else last + step
            yield best
            following = best - best % step + step
            yield from range(following, following + (LEVELS - 1) * step, step)
            return
        best = last - step if self.last.bought else last
        following = (best - 1) - (best - 1) % step
        yield from (ticks for ticks in (best, *range(following, following - (LEVELS - 1) * step, -step)) if ticks > 0)

    def _lots(self, ticks: int) -> int:
        mixed = (ticks * 2_654_435_761) & 0xFFFFFFFF
        mixed ^= mixed >> 15
        return max(self._size * (50 + mixed % 200) // 100, 1)


def crosses(bought: bool, limit_ticks: int, ticks: int) -> bool:
    """Tell whether an order with this limit would take from a level."""
    return ticks <= limit_ticks if bought else ticks >= limit_ticks
