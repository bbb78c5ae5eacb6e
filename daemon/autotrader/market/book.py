"""Order books told as changes, replayed into what stood after each message: the best levels of both sides."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autotrader.core.units import BOOK_DEPTH
from autotrader.market.bars import Floats, Ints

Bools = npt.NDArray[np.bool_]
Level = tuple[float, float]

NO_LEVEL: Level = (math.nan, 0.0)
"""Stands where a side has no more levels."""


class Levels(NamedTuple):
    """What both sides offer at some events, at `ts` in UTC milliseconds.

    `bids` and `asks` are [event, level, (price, size)], the best level first.
    """

    ts: Ints
    bids: Floats
    asks: Floats

    def part(self, start: int, stop: int) -> Levels:
        """Return the events from index `start` up to `stop`; the arrays are views."""
        return Levels(self.ts[start:stop], self.bids[start:stop], self.asks[start:stop])


class Prints(NamedTuple):
    """The trades since the event before, for some events of a book: those of event i are `first[i]` to `first[i + 1]`.

    `taker` is 1 where a buyer took and -1 where a seller did.
    """

    first: Ints
    taker: Ints
    price: Floats
    amount: Floats

    def part(self, start: int, stop: int) -> Prints:
        """Return those of the events from index `start` up to `stop`."""
        first = self.first[start : stop + 1]
        rows = slice(int(first[0]), int(first[-1]))
        return Prints(first - first[0], self.taker[rows], self.price[rows], self.amount[rows])


def no_prints(events: int) -> Prints:
    """Return no trades beside some events."""
    none = np.empty(0, dtype=np.float64)
    return Prints(np.zeros(events + 1, dtype=np.int64), np.empty(0, dtype=np.int64), none, none)


class Changes(NamedTuple):
    """A recording, a row for each level that a message changed; an amount of 0 takes the level away.

    Rows of one message share `msg`. `final_id` is the last update that a message holds, -1 where nobody says.
    """

    ts: Ints
    msg: Ints
    is_snapshot: Bools
    is_bid: Bools
    price: Floats
    amount: Floats
    final_id: Ints


class _Side:
    """One side's levels, the best first: bids are kept under their price turned negative."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[float] = []
        self._amounts: dict[float, float] = {}

    def clear(self) -> None:
        self._keys.clear()
        self._amounts.clear()

    def put(self, price: float, amount: float) -> None:
        key = self._sign * price
        known = key in self._amounts
        if amount > 0:
            if not known:
                insort(self._keys, key)
            self._amounts[key] = amount
        elif known:
            del self._amounts[key]
            del self._keys[bisect_left(self._keys, key)]

    def best(self, depth: int) -> list[Level]:
        shown = [(self._sign * key, self._amounts[key]) for key in self._keys[:depth]]
        return shown + [NO_LEVEL] * (depth - len(shown))


def replay(changes: Changes, depth: int = BOOK_DEPTH) -> tuple[Levels, Ints]:
    """Return the book after each message from the first snapshot on, without those at which a side was empty.

    Beside it stands the first row of each of these messages.

    A snapshot replaces the book. Messages that it holds already are passed over; what came before it and goes beyond it
    is applied on it, as Binance's "How to manage a local order book correctly" asks for.
    """
    starts = np.flatnonzero(np.diff(changes.msg, prepend=changes.msg[:1] - 1))
    stops = [*starts[1:].tolist(), len(changes.msg)]
    first, final = starts.tolist(), changes.final_id[starts].tolist()
    snapshots = changes.is_snapshot[starts].tolist()
    is_bid, prices, amounts = changes.is_bid.tolist(), changes.price.tolist(), changes.amount.tolist()
    bids, asks = _Side(-1), _Side(1)

    def put(message: int) -> None:
        for row in range(first[message], stops[message]):
            (bids if is_bid[row] else asks).put(prices[row], amounts[row])

    shown: list[int] = []
    sides: tuple[list[list[Level]], list[list[Level]]] = [], []
    begun, held_id = False, -1
    for message, is_snapshot in enumerate(snapshots):
        if is_snapshot:
            bids.clear()
            asks.clear()
            begun, held_id = True, final[message]
            put(message)
            ahead = message
            while ahead and not snapshots[ahead - 1] and final[ahead - 1] > held_id:
                ahead -= 1
            for earlier in range(ahead, message):
                put(earlier)
        elif begun and (final[message] < 0 or final[message] > held_id):
            put(message)
        else:
            continue
        best_bids, best_asks = bids.best(depth), asks.best(depth)
        if best_bids[0][1] > 0 and best_asks[0][1] > 0:
            shown.append(first[message])
            sides[0].append(best_bids)
            sides[1].append(best_asks)
    shape = (len(shown), depth, 2)
    rows = np.array(shown, dtype=np.int64)
    return Levels(changes.ts[rows], np.array(sides[0]).reshape(shape), np.array(sides[1]).reshape(shape)), rows
