"""Reads recorded events forward, a window at a time: each row a moment of its own within its millisecond."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from autotrader.core.events import Bar
from autotrader.market.bars import BarSource, Floats
from autotrader.market.book import Level, Levels, Prints
from autotrader.venues.paper.matching import Candle, Shown, candle_of
from autotrader.venues.paper.state import Key, Traded

Side = tuple[Level, ...]

WINDOW = 2048
"""Events held of one feed; more only where one millisecond has more."""


class Tape:
    """One feed of a symbol. A row counts from 1 within its millisecond, in the order of the recording."""

    def __init__(self, source: BarSource, key: Key, traded: Traded) -> None:
        self._source, self._key = source, key
        self._per_price = float(1 / traded.tick)
        self._from_ms = 0
        self._ended = False
        self._ts: list[int] = []
        self._rows: list[Bar] = []
        self._levels: Levels | None = None  # of the same events, once somebody asks
        self._prints: Prints | None = None
        source.begin_ms(*key)  # says at once what it cannot give

    def after(self, ms: int) -> int | None:
        """Return the first moment after `ms` that has an event; None at the end."""
        self._seek(ms)
        at = bisect_right(self._ts, ms)
        return self._ts[at] if at < len(self._ts) else None

    def at(self, ms: int, row: int) -> Bar | None:
        """Return an event of a moment; None where it has fewer."""
        place = self._seek(ms) + row - 1
        return self._rows[place] if place < len(self._ts) and self._ts[place] == ms else None

    def levels(self, ms: int, row: int) -> tuple[Side, Side]:
        """Return the bids and asks at an event of quotes or books, the best first."""
        told = self._told(self._seek(ms) + row - 1)
        return _side(told.bids), _side(told.asks)

    def shown(self, ms: int, row: int) -> Shown:
        """Return what an event of a book offers, and the trades since the one before."""
        place = self._seek(ms) + row - 1
        told = self._told(place)
        if self._prints is None:
            self._prints = self._source.prints(*self._key, self._from_ms, len(self._ts))
        _, takers, prices, amounts = self._prints.part(place, place + 1)
        sides = told.bids.reshape(-1).tolist(), told.asks.reshape(-1).tolist()
        return Shown(*sides, takers.tolist(), prices.tolist(), amounts.tolist(), self._per_price)

    def _told(self, place: int) -> Levels:
        if self._levels is None:
            self._levels = self._source.levels(*self._key, self._from_ms, len(self._ts))
        return self._levels.part(place, place + 1)

    def last(self, ms: int, row: int) -> Bar | None:
        """Return the last event up to the given row of a moment; with row 0 the last one before the moment."""
        place = self._seek(ms) + row - 1
        if place >= 0:
            return self._rows[place]
        earlier = self._source.before(*self._key, ms - 1, 1).rows()
        return earlier[0] if earlier else None

    def past(self, ms: int, row: int, limit: int) -> list[Bar]:
        """Return the last `limit` events up to the given row of a moment, oldest first."""
        first = self._seek(ms)
        mine = self._rows[first : first + row][-limit:] if limit > 0 else []
        if len(mine) == limit:
            return mine
        return self._source.before(*self._key, ms - 1, limit - len(mine)).rows() + mine

    def candle(self, event: Bar) -> Candle:
        """Return an event in ticks: `high` is what a buyer pays, `low` what a seller gets."""
        return candle_of(event, self._per_price)

    def _seek(self, ms: int) -> int:
        """Return the place of the first event at or after a moment, all of whose events are then held."""
        if ms < self._from_ms or not (self._ended or (self._ts and self._ts[-1] > ms)):
            self._from_ms, size = ms, WINDOW
            while True:
                window = self._source.after(*self._key, ms, size)
                self._ended = len(window.ts) < size
                if self._ended or int(window.ts[-1]) > ms:
                    break
                size *= 2
            self._ts, self._rows, self._levels = window.ts.tolist(), window.rows(), None
            self._prints = None
        return bisect_left(self._ts, ms)


def _side(levels: Floats) -> Side:
    return tuple((price, amount) for price, amount in levels[0].tolist() if amount > 0)
