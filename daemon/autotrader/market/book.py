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

    Rows of one message share `msg`. `first_id` and `final_id` are the first and the last update that a message holds,
    `prev_id` is the last one of the message before; -1 where nobody says.
    """

    ts: Ints
    msg: Ints
    is_snapshot: Bools
    is_bid: Bools
    price: Floats
    amount: Floats
    first_id: Ints
    final_id: Ints
    prev_id: Ints


class Replayed(NamedTuple):
    """The book at each event, and the first row of its message.

    `gap` is the first message that does not follow the one before it, where no later snapshot mends that; else -1.
    """

    levels: Levels
    rows: Ints
    gap: int


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


def replay(changes: Changes, depth: int = BOOK_DEPTH) -> Replayed:
    """Return the book after each message from the first snapshot on, without those at which a side was empty.

    A snapshot replaces the book. Messages that it holds already are passed over; what came before it and goes beyond it
    is applied on it, as Binance's "How to manage a local order book correctly" asks for. After a message that does not
    follow the one before it nothing is shown up to the next snapshot.
    """
    starts = np.flatnonzero(np.diff(changes.msg, prepend=changes.msg[:1] - 1))
    stops = [*starts[1:].tolist(), len(changes.msg)]
    first, snapshots = starts.tolist(), changes.is_snapshot[starts].tolist()
    ids = (one[starts].tolist() for one in (changes.first_id, changes.final_id, changes.prev_id))
    chain, final = _Chain(*ids), changes.final_id[starts].tolist()
    is_bid, prices, amounts = changes.is_bid.tolist(), changes.price.tolist(), changes.amount.tolist()
    bids, asks = _Side(-1), _Side(1)

    def put(message: int) -> None:
        for row in range(first[message], stops[message]):
            (bids if is_bid[row] else asks).put(prices[row], amounts[row])

    shown: list[int] = []
    sides: tuple[list[list[Level]], list[list[Level]]] = [], []
    begun, gap = False, -1
    for message, is_snapshot in enumerate(snapshots):
        told = [message]
        if is_snapshot:
            bids.clear()
            asks.clear()
            begun, gap = True, -1
            put(message)
            chain.begin(message)
            ahead = message
            while ahead and not snapshots[ahead - 1] and final[ahead - 1] > final[message]:
                ahead -= 1
            told = list(range(ahead, message))
        elif not begun or not chain.goes_on(message):
            continue
        for one in told:
            if begun and not chain.follows(one):
                begun, gap = False, int(changes.msg[first[one]])
            put(one)
        best_bids, best_asks = bids.best(depth), asks.best(depth)
        if begun and best_bids[0][1] > 0 and best_asks[0][1] > 0:
            shown.append(first[message])
            sides[0].append(best_bids)
            sides[1].append(best_asks)
    shape = (len(shown), depth, 2)
    rows = np.array(shown, dtype=np.int64)
    levels = Levels(changes.ts[rows], np.array(sides[0]).reshape(shape), np.array(sides[1]).reshape(shape))
    return Replayed(levels, rows, gap)


class _Chain:
    """The updates that a book holds, by their numbers: which messages go beyond it, and which leave one out."""

    def __init__(self, first: list[int], final: list[int], prev: list[int]) -> None:
        self._first, self._final, self._prev = first, final, prev
        self._snapshot = self._last = -1
        self._fresh = True

    def begin(self, snapshot: int) -> None:
        """Take a snapshot for what the book holds."""
        self._snapshot = self._last = self._final[snapshot]
        self._fresh = True

    def goes_on(self, message: int) -> bool:
        """Tell whether a message holds what the snapshot does not."""
        return self._final[message] < 0 or self._final[message] > self._snapshot

    def follows(self, message: int) -> bool:
        """Tell whether nothing is missing before a message, as far as the numbers say, and go on with it.

        The first one after a snapshot may hold a part of it; after that a message names the last update before it
        (`prev_id`, futures), or begins with the next one (`first_id`, spot).
        """
        first, prev, last = self._first[message], self._prev[message], self._last
        fresh, self._fresh, self._last = self._fresh, False, self._final[message]
        if last < 0 or (first < 0 and prev < 0):
            return True
        before, held = (prev, last) if prev >= 0 else (first, last + 1)
        return before <= held if fresh else before == held
