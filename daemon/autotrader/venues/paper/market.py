"""What a paper venue's bar source brings at each moment: bars that close and open, settlements, single events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, overload

from autotrader.core.events import Bar, BarClosed, BookChanged, QuoteChanged, TradePrinted
from autotrader.core.units import FEEDS
from autotrader.market import fills
from autotrader.market.bars import BarSource
from autotrader.venues.paper.feed import Cursor, Settlements
from autotrader.venues.paper.matching import Candle, Shown
from autotrader.venues.paper.state import OPENED, Key, Moment, Traded
from autotrader.venues.paper.tape import Tape
from autotrader.venues.protocol import VenueEvent

FeedEvent = TradePrinted | QuoteChanged | BookChanged


class Event(NamedTuple):
    """One event of a feed, as a bar of one moment; `row` counts from 1 within its millisecond."""

    key: Key
    row: int
    bar: Bar


class Market:
    """One source's series, read as they are asked for, at moments that never go back."""

    def __init__(self, source: BarSource, traded: Callable[[str], Traded]) -> None:
        self._source, self._traded = source, traded
        self._cursors: dict[Key, Cursor] = {}
        self._tapes: dict[Key, Tape] = {}
        self._settlements: dict[str, Settlements] = {}

    def look(self, key: Key) -> int:
        """Open a series and return the length of its bars, 0 for a feed. Raises HistoryError where it is not here."""
        if key.timeframe in FEEDS:
            self._tape(key)
            return 0
        return self._cursor(key).length_ms

    def keep(self, needed: Collection[Key]) -> None:
        """Let go of every series that is not needed any more."""
        self._cursors = {key: cursor for key, cursor in self._cursors.items() if key in needed}
        self._tapes = {key: tape for key, tape in self._tapes.items() if key in needed}

    def next_moment(self, now_ms: int, wanted: Collection[Key], active: Collection[Key]) -> int | None:
        """Return when next something happens: a wanted or active bar or event, an active bar's open; None at the end.

        `active` series have orders or positions.
        """
        feeds, bars = _apart({*wanted, *active})
        moments = [self._tape(key).after(now_ms) for key in feeds]
        moments += [self._cursor(key).close_after(now_ms) for key in bars]
        moments += [self._cursor(key).open_after(now_ms) for key in _apart(active)[1]]
        return min((ms for ms in moments if ms is not None), default=None)

    def settlement(self, symbol: str) -> Settlements:
        """Return a swap's settlements."""
        if symbol not in self._settlements:
            self._settlements[symbol] = Settlements(self._source, symbol, fills.RATE)
        return self._settlements[symbol]

    def closing(self, ms: int, keys: Iterable[Key]) -> dict[Key, Bar]:
        """Return the bars that close at a moment."""
        return {key: bar for key in _apart(keys)[1] if (bar := self._cursor(key).closing(ms)) is not None}

    def opening(self, ms: int, keys: Iterable[Key]) -> dict[Key, Candle]:
        """Return the bars that open at a moment, in ticks."""
        opened = {key: self._cursor(key).opening(ms) for key in _apart(keys)[1]}
        return {key: self.candle(key, bar) for key, bar in opened.items() if bar is not None}

    def event(self, moment: Moment, keys: Iterable[Key]) -> Event | None:
        """Return the event that follows within a millisecond, by symbol, feed and row; None after the last."""
        for key in sorted(_apart(keys)[0]):
            if key >= moment.key:
                row = moment.row + 1 if key == moment.key else 1
                bar = self._tape(key).at(moment.ms, row)
                if bar is not None:
                    return Event(key, row, bar)
        return None

    def again(self, moment: Moment) -> Event | None:
        """Return the event at which a moment stands; None where it stands at none, or its recording is gone."""
        bar = self._tape(moment.key).at(moment.ms, moment.row) if moment.row else None
        return Event(moment.key, moment.row, bar) if bar is not None else None

    def told(self, exchange: str, event: Event) -> FeedEvent:
        """Return an event as the protocol tells it. Of a trade nothing is kept of who took it."""
        ts_ms, symbol, bar = event.bar.ts_ms, event.key.symbol, event.bar
        if event.key.timeframe == "trades":
            return TradePrinted(ts_ms, exchange, symbol, bar.close, bar.volume, 0, event.row)
        bids, asks = self._tape(event.key).levels(ts_ms, event.row)
        if event.key.timeframe == "quotes":
            return QuoteChanged(ts_ms, exchange, symbol, *bids[0], *asks[0], event.row)
        return BookChanged(ts_ms, exchange, symbol, bids, asks, event.row)

    def candle(self, key: Key, bar: Bar) -> Candle:
        """Return a bar, or an event, in ticks."""
        return self._tape(key).candle(bar) if key.timeframe in FEEDS else self._cursor(key).candle(bar)

    def met(self, event: Event) -> tuple[Candle, Shown | None]:
        """Return an event as it meets orders: in ticks, and of a book what it shows."""
        tape = self._tape(event.key)
        shown = tape.shown(event.bar.ts_ms, event.row) if event.key.timeframe == "book" else None
        return tape.candle(event.bar), shown

    def price(self, key: Key, moment: Moment) -> Candle | None:
        """Return the last bar that closed by a moment, or the last event, in ticks; None before there is one."""
        if key.timeframe in FEEDS:
            bar = self._tape(key).last(moment.ms, self._done(key, moment))
        else:
            bar = next(iter(self._source.before(*key, moment.ms, 1).rows()), None)
        return self.candle(key, bar) if bar is not None else None

    def past(self, key: Key, moment: Moment, end_ms: int, limit: int, *, untold: bool) -> list[Bar]:
        """Return the last bars that closed by `end_ms` and the moment, oldest first.

        Of a feed: what was told; the event at which the moment stands is left out where it is `untold`.
        """
        if key.timeframe in FEEDS and end_ms >= moment.ms:
            return self._tape(key).past(moment.ms, self._done(key, moment) - untold, limit)
        return self._source.before(*key, min(end_ms, moment.ms), limit).rows()

    def last(self, exchange: str, key: Key, moment: Moment, *, untold: bool) -> FeedEvent | None:
        """Return the last event of a feed that was told; the one at which the moment stands is not where `untold`."""
        if key.timeframe not in FEEDS:
            return None
        tape, ms, row = self._tape(key), moment.ms, self._done(key, moment) - untold
        if row < 1:
            earlier = self._source.before(*key, ms - 1, 1).rows()
            if not earlier:
                return None
            ms, row = earlier[0].ts_ms, 1
            while tape.at(ms, row + 1) is not None:
                row += 1
        bar = tape.at(ms, row)
        return self.told(exchange, Event(key, row, bar)) if bar is not None else None

    def _done(self, key: Key, moment: Moment) -> int:
        """Return how many events of a feed's millisecond have been met."""
        if moment.phase != OPENED or key > moment.key:
            return 0
        if key == moment.key:
            return moment.row
        done = 0
        while self._tape(key).at(moment.ms, done + 1) is not None:
            done += 1
        return done

    def _cursor(self, key: Key) -> Cursor:
        cursor = self._cursors.get(key)
        if cursor is None:
            cursor = self._cursors[key] = Cursor(self._source, key, self._traded(key.symbol).tick)
        return cursor

    def _tape(self, key: Key) -> Tape:
        tape = self._tapes.get(key)
        if tape is None:
            tape = self._tapes[key] = Tape(self._source, key, self._traded(key.symbol))
        return tape


@overload
def key_of(event: FeedEvent) -> Key: ...
@overload
def key_of(event: VenueEvent) -> Key | None: ...
def key_of(event: VenueEvent) -> Key | None:
    """Return the series that an event of the market belongs to; None for what is told whoever listens."""
    match event:
        case BarClosed():
            return Key(event.symbol, event.timeframe)
        case TradePrinted():
            return Key(event.symbol, "trades")
        case QuoteChanged():
            return Key(event.symbol, "quotes")
        case BookChanged():
            return Key(event.symbol, "book")
    return None


def _apart(keys: Iterable[Key]) -> tuple[list[Key], list[Key]]:
    """Return the feeds and the series of bars among some keys."""
    feeds: list[Key] = []
    bars: list[Key] = []
    for key in keys:
        (feeds if key.timeframe in FEEDS else bars).append(key)
    return feeds, bars
