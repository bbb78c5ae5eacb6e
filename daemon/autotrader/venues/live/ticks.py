"""Streams of single events: trades told once and without holes, quotes and books when they change.

Times of one stream never go back: a trade whose time does carries the time of the one before it, a quote or book that
comes late is dropped. `row` counts from 1 within a millisecond.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

from autotrader.core.errors import VenueError, VenueUnavailable
from autotrader.core.events import BookChanged, QuoteChanged, Series, TradePrinted
from autotrader.venues.live import message
from autotrader.venues.live.feed import PAGE, ExchangeClock, Feed, LiveSettings, ask
from autotrader.venues.live.message import Book, Quote, Trade
from autotrader.venues.live.moments import FeedEvent

MAX_SEEN = 10_000
"""Trade ids kept to know what comes twice."""

MAX_WAITING = 10_000
"""Trades that wait for missed ones before them; beyond it the missed ones are given up and counted as a gap."""

MAX_PAGES = 10
"""Requests of one refill."""

MAX_TRIES = 3
"""Refills that may find nothing before the missed trades are given up and counted as a gap."""

Tell = Callable[[FeedEvent], None]


class _Ticks:
    """What the three kinds share: where they ask, and the place of an event within its millisecond."""

    def __init__(self, feed: Feed, settings: LiveSettings, clock: ExchangeClock, series: Series, tell: Tell) -> None:
        self.series = series
        self.dropped = self.gaps = 0
        self._feed, self._settings, self._clock, self._tell = feed, settings, clock, tell
        self._where = f"{series.exchange} {series.symbol} {series.timeframe}"
        self._last_ms = self._row = 0

    def latest_ms(self) -> int:
        """Return the last moment that a message may name."""
        return self._clock.now_ms() + self._settings.future_ms

    def _place(self, ts_ms: int) -> tuple[int, int]:
        """Return time and row of the next event."""
        ts_ms = max(ts_ms, self._last_ms)
        self._row = self._row + 1 if ts_ms == self._last_ms else 1
        self._last_ms = ts_ms
        return ts_ms, self._row

    async def _ask_book(self) -> Book:
        symbol = self.series.symbol
        asked = self._feed.fetch_order_book(symbol, self._settings.book_limit)
        raw = await ask(self._clock.wall, self._settings, asked, f"{self._where}: the book")
        return message.book(raw, self._where, symbol, self.latest_ms())


class TradeReader(_Ticks):
    """Tells every trade once, in the exchange's order; what was missed is asked for before anything newer is told.

    Where ids count without holes, a hole is what was missed; elsewhere it is all since the last trade whenever the
    stream was interrupted, and a trade without an id is only known by its time.
    """

    def __init__(self, feed: Feed, settings: LiveSettings, clock: ExchangeClock, series: Series, tell: Tell) -> None:
        super().__init__(feed, settings, clock, series, tell)
        self._begin_ms = clock.now_ms()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._last_id: int | None = None
        self._waiting: list[Trade] = []
        self._missed = False
        self._tries = 0

    async def watch(self) -> Any:
        return await self._feed.watch_trades(self.series.symbol)

    async def unwatch(self) -> None:
        await self._feed.un_watch_trades(self.series.symbol)

    def broken(self) -> None:
        self._missed = bool(self._last_ms) and not self._settings.ids_count

    def due_ms(self) -> int | None:
        return 0 if self._waiting else None

    async def take(self, raw: Any) -> None:
        fresh = self._fresh(message.trades(raw, self._where, self.series.symbol, self.latest_ms()))
        waiting = {one.id for one in self._waiting if one.id}
        self.dropped += sum(one.id in waiting for one in fresh)
        self._wait([*self._waiting, *(one for one in fresh if one.id not in waiting)])
        if not self._missed:
            self._flush()
        if len(self._waiting) > MAX_WAITING:
            self._give_up()

    async def poll(self) -> bool:
        """Ask for what was missed. Raises VenueUnavailable while REST does not have it; a few times at the most."""
        hole = self._settings.ids_count and self._last_id is not None
        for _ in range(MAX_PAGES):
            fresh = self._fresh(await self._page(by_id=hole))
            self._wait([*fresh, *self._not_among(fresh)])
            if hole or not self._missed:
                # asked for by id, what REST gives follows what was told, whatever ids it leaves out
                self._flush({one.id for one in fresh} if hole and self._settings.from_id else frozenset())
            if not fresh or not hole or not self._waiting:
                break
        if not hole:
            self._missed = False
            self._flush()
        if not self._waiting:
            self._tries = 0
            return True
        self._tries += 1
        if self._tries < MAX_TRIES:
            raise VenueUnavailable(
                f"{self._where}: REST does not give the trades after id {self._last_id}; asked again"
            )
        self._give_up()
        return True

    async def _page(self, *, by_id: bool) -> list[Trade]:
        settings, symbol = self._settings, self.series.symbol
        params: dict[str, Any] = {}
        since_ms: int | None = self._last_ms or self._begin_ms
        if by_id and settings.from_id and self._last_id is not None:
            params[settings.from_id] = self._last_id + 1
            since_ms = None
        asked = self._feed.fetch_trades(symbol, since_ms, PAGE, params)
        raw = await ask(self._clock.wall, settings, asked, f"{self._where}: trades")
        told = message.trades(raw, self._where, symbol, self.latest_ms())
        if not by_id and len(told) >= PAGE and self._missed:
            self.gaps += 1  # a whole page may not be all of it
        first_ms = 0 if by_id else max(self._begin_ms, self._last_ms)
        return [one for one in told if one.ts_ms >= first_ms and (one.id or one.ts_ms > self._last_ms)]

    def _fresh(self, told: list[Trade]) -> list[Trade]:
        """Return the trades that were not told, each once. Raises VenueError for an id that does not count."""
        here: set[str] = set()
        fresh = []
        for one in told:
            if self._settings.ids_count and not (one.id.isascii() and one.id.isdecimal()):
                raise VenueError(f"{self._where}: a trade's id is '{one.id[:40]}', where ids are declared to count")
            old = self._settings.ids_count and self._last_id is not None and int(one.id) <= self._last_id
            if old or (one.id and (one.id in self._seen or one.id in here)):
                self.dropped += 1
                continue
            here.add(one.id)
            fresh.append(one)
        return fresh

    def _not_among(self, asked: list[Trade]) -> list[Trade]:
        """Return what waits and REST did not give; of trades without an id, what is later than all it gave."""
        ids, last_ms = {one.id for one in asked if one.id}, asked[-1].ts_ms if asked else 0
        return [one for one in self._waiting if (one.id not in ids if one.id else one.ts_ms > last_ms)]

    def _wait(self, waiting: list[Trade]) -> None:
        """Have trades wait in order; of one millisecond, where ids do not count, in the order given."""
        self._waiting = sorted(waiting, key=lambda one: int(one.id) if self._settings.ids_count else one.ts_ms)

    def _flush(self, sure: Collection[str] = frozenset()) -> None:
        """Tell what waits, up to the first hole; nothing is missing before the ids that are `sure`."""
        told = 0
        for one in self._waiting:
            if self._settings.ids_count:
                number = int(one.id)
                if self._last_id is not None and number != self._last_id + 1 and one.id not in sure:
                    break
                self._last_id = number
            told += 1
            self._say(one)
        del self._waiting[:told]

    def _give_up(self) -> None:
        """Count what was missed as lost and tell what waits."""
        self._tries, self._missed = 0, False
        while self._waiting:
            self.gaps += 1
            if self._settings.ids_count:
                self._last_id = int(self._waiting[0].id) - 1
            self._flush()

    def _say(self, one: Trade) -> None:
        if one.id:
            self._seen[one.id] = None
            if len(self._seen) > MAX_SEEN:
                self._seen.popitem(last=False)
        ts_ms, row = self._place(one.ts_ms)
        series = self.series
        self._tell(TradePrinted(ts_ms, series.exchange, series.symbol, one.price, one.amount, one.side, row))


class QuoteReader(_Ticks):
    """Tells the best bid and ask whenever either or its size changed."""

    _quote: tuple[float, float, float, float] | None = None

    async def watch(self) -> Any:
        return await self._feed.watch_bids_asks([self.series.symbol])

    async def unwatch(self) -> None:
        await self._feed.un_watch_bids_asks([self.series.symbol])

    def broken(self) -> None:
        """Nothing to note: the next quote is all there is to know."""

    def due_ms(self) -> int | None:
        return None

    async def take(self, raw: Any) -> None:
        told = message.quote(raw, self._where, self.series.symbol, self.latest_ms())
        if told is not None:
            self._say(told)

    async def poll(self) -> bool:
        """Ask for the book and tell its best levels."""
        book = await self._ask_book()
        self._say(Quote(book.ts_ms, *book.bids[0], *book.asks[0]))
        return True

    def _say(self, told: Quote) -> None:
        if told[1:] == self._quote:
            return
        ts_ms = told.ts_ms or self._clock.now_ms()
        if told.ts_ms and ts_ms < self._last_ms:
            self.dropped += 1
            return
        self._quote = told[1:]
        ts_ms, row = self._place(ts_ms)
        self._tell(QuoteChanged(ts_ms, self.series.exchange, self.series.symbol, *told[1:], row))


class BookReader(_Ticks):
    """Tells the book, to the depth that is kept, whenever it changed."""

    _book: tuple[message.Side, message.Side] | None = None

    async def watch(self) -> Any:
        return await self._feed.watch_order_book(self.series.symbol, self._settings.book_limit)

    async def unwatch(self) -> None:
        await self._feed.un_watch_order_book(self.series.symbol)

    def broken(self) -> None:
        """Nothing to note: the next book is whole."""

    def due_ms(self) -> int | None:
        return None

    async def take(self, raw: Any) -> None:
        self._say(message.book(raw, self._where, self.series.symbol, self.latest_ms()))

    async def poll(self) -> bool:
        """Ask for the book."""
        self._say(await self._ask_book())
        return True

    def _say(self, told: Book) -> None:
        if (told.bids, told.asks) == self._book:
            return
        if told.ts_ms and told.ts_ms < self._last_ms:
            self.dropped += 1
            return
        self._book = (told.bids, told.asks)
        ts_ms, row = self._place(told.ts_ms or self._clock.now_ms())
        self._tell(BookChanged(ts_ms, self.series.exchange, self.series.symbol, told.bids, told.asks, row))
