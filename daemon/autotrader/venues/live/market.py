"""The market half of a venue on live data: what is subscribed to, in order of market time, from one exchange's client.

At one moment bars come first, longer ones before shorter, then that they are complete, then the events of that
millisecond by symbol, feed and row: in that order among what has arrived. What arrives after something later was told
is told next, but bars of a close that was told are not (see `live.moments`).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import NamedTuple

from autotrader.core.errors import HistoryError, VenueError, VenueUnavailable
from autotrader.core.events import Bar, BarClosed, BookChanged, MarketEvent, QuoteChanged, Series, TradePrinted
from autotrader.core.units import FEEDS, timeframe_ms
from autotrader.market.bars import opening
from autotrader.market.events import as_bar
from autotrader.venues.live.bars import BarReader, CandleHistory
from autotrader.venues.live.feed import Connection, ExchangeClock, LiveSettings, StreamStatus, first_of
from autotrader.venues.live.funding import FundingHistory
from autotrader.venues.live.moments import FeedEvent, Moments, Queue, Told, series_of
from autotrader.venues.live.stream import Stream
from autotrader.venues.live.ticks import BookReader, QuoteReader, TradeReader
from autotrader.venues.protocol import AccountEvent, FundingRate

MAX_SERIES = 1_024
"""Bound of the series subscribed to."""

MAX_PAST = 2_048
"""Events kept of each feed once they were dealt with."""

IDLE_S = 3_600.0
"""How long nobody looks at the closes when none waits and nothing wakes the task."""

AnyReader = BarReader | TradeReader | QuoteReader | BookReader


class Running(NamedTuple):
    """One stream at work."""

    reader: AnyReader
    stream: Stream
    task: asyncio.Task[None]


class LiveMarket:
    """One exchange's live bars, trades, quotes and books, read through the connection that `connect` lends.

    `chance` gives numbers in [0, 1), which spread the pauses between tries.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        settings: LiveSettings,
        clock: ExchangeClock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = settings.name
        self._connect, self._settings, self._clock, self._chance = connect, settings, clock, chance
        self._connection: Connection | None = None
        self._queue = Queue(settings.name, settings.max_queue)
        self._moments = Moments(settings.name, settings.wait_ms)
        self._running: dict[Series, Running] = {}
        self._past: dict[Series, deque[FeedEvent]] = {}
        self._rates: dict[str, FundingHistory] = {}
        self._told: Told | AccountEvent | None = None
        self._moved = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None

    async def open(self) -> None:
        """Take over the connection, which must be open. What was subscribed to before is to be declared anew."""
        self._connection, self._rates = self._connect(), {}
        self._queue = Queue(self.name, self._settings.max_queue)
        self._moments = Moments(self.name, self._settings.wait_ms)
        self._told = self._fault = self._watch = None

    def market_ms(self) -> int:
        """Return the exchange's time; 0 before it is open."""
        return self._clock.now_ms() if self._connection is not None else 0

    def status(self) -> list[StreamStatus]:
        """Return how each stream is, by symbol and kind."""
        return sorted(one.stream.status() for one in self._running.values())

    def heard_ms(self, series: Series) -> int:
        """Return when a stream last spoke, or REST in its place; 0 before that, and for one that is not there."""
        running = self._running.get(series)
        return running.stream.status().last_ms if running is not None else 0

    @property
    def late_bars(self) -> int:
        """How many bars came after their close was told, and were told to nobody."""
        return self._moments.late

    def tell(self, events: Sequence[AccountEvent], ms: int) -> None:
        """Have what became of the account's orders told among the events of the market, at its place in time."""
        self._queue.put_account(events, ms)

    def follow(self, task: asyncio.Task[None]) -> None:
        """Have the reader of events see what ends a task that works for the account."""
        task.add_done_callback(self._ended)

    async def subscribe(self, series: Collection[Series]) -> None:
        """Declare the whole set wanted: what is new starts, what is missing stops, the rest is left alone.

        Raises VenueError or HistoryError, changing nothing, where one of them cannot be had here.
        """
        wanted = set(series)
        for one in wanted:
            self._demand(one)
        if len(wanted) > MAX_SERIES:
            raise HistoryError(f"{self.name}: {len(wanted)} series are more than {MAX_SERIES}; subscribe to fewer")
        gone = [self._running.pop(one) for one in sorted(self._running.keys() - wanted)]
        self._past = {one: kept for one, kept in self._past.items() if one in wanted}
        self._queue.forget(wanted)
        self._moments.keep([one for one in wanted if one.timeframe not in FEEDS], self._clock.now_ms())
        for one in sorted(wanted - self._running.keys()):
            self._start(one)
        if self._watch is None:
            self._watch = asyncio.create_task(self._watch_moments(), name=f"{self.name} closes")
            self._watch.add_done_callback(self._ended)
        self._look()
        if gone:  # whoever declares a set does not wait for the exchange; a request's time bounds it
            leaving = asyncio.create_task(self._end(gone), name=f"{self.name} unsubscribes")
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            leaving.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop every stream; a reader of `events` comes to its end."""
        self._connection = None
        gone, self._running = list(self._running.values()), {}
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        self._queue.wake()
        await self._end(gone)
        await asyncio.gather(*self._leaving)

    async def bars(self, series: Series, *, end_ms: int, limit: int) -> Sequence[Bar]:
        """Return the last `limit` complete bars that closed by `end_ms`, oldest first.

        Of a feed: the events that were dealt with since it was subscribed to, as bars of one moment, at most MAX_PAST.
        Raises VenueUnavailable where REST does not answer, HistoryError beyond the bound of one answer.
        """
        self._demand(series)
        if series.timeframe in FEEDS:
            per_price = float(1 / self._opened().ticks[series.symbol])
            made = [as_bar(event, per_price) for event in self._past.get(series, ()) if event.ts_ms <= end_ms]
            return [bar for bar in made if bar is not None][-limit:] if limit > 0 else []
        running = self._running.get(series)
        if running is not None and isinstance(running.reader, BarReader):
            return await running.reader.past(end_ms, limit)
        history = CandleHistory(self._opened().feed, self._settings, self._clock, series)
        return await history.before(min(opening(end_ms, history.length_ms), history.sure_ms()), limit)

    async def last(self, series: Series) -> MarketEvent | None:
        """Return the last event of a feed that was dealt with; None before there is one, and for bars."""
        self._demand(series)
        kept = self._past.get(series)
        return kept[-1] if kept else None

    async def funding(self, symbol: str, *, end_ms: int, limit: int) -> Sequence[FundingRate]:
        """Return the last `limit` rates settled at or before `end_ms`, oldest first; none of spot, which has none.

        Raises VenueError where they cannot be read from this exchange, else what `bars` raises.
        """
        if self._settings.market == "spot":
            return ()
        self._demand_symbol(symbol)
        if symbol not in self._rates:
            self._rates[symbol] = FundingHistory(self._opened().feed, self._settings, self._clock, symbol)
        return await self._rates[symbol].before(end_ms, limit)

    async def events(self) -> AsyncIterator[Told | AccountEvent]:
        """Yield what happens; one reader at a time. One that leaves in the middle is told the same event again.

        Raises VenueUnavailable where the reader fell behind and events were lost; ask again and go on.
        """
        while self._connection is not None:
            if self._fault is not None:
                raise self._fault
            if self._told is None:
                self._told = await self._queue.get()
                if self._told is None:
                    continue
            event = self._told
            yield event
            if self._told is event:
                self._told = None
                self._deal_with(event)

    def _deal_with(self, event: Told | AccountEvent) -> None:
        if (
            isinstance(event, TradePrinted | QuoteChanged | BookChanged)
            and (series := series_of(event)) in self._running
        ):
            self._past.setdefault(series, deque(maxlen=MAX_PAST)).append(event)

    def _opened(self) -> Connection:
        if self._connection is None:
            raise VenueUnavailable(f"{self.name} is not open")
        return self._connection

    def _demand(self, series: Series) -> None:
        if series.exchange != self.name:
            raise HistoryError(f"{self.name} has no bars of {series.exchange}; ask the venue of that name")
        self._demand_symbol(series.symbol)
        try:
            timeframe_ms(series.timeframe)
        except ValueError as error:
            raise VenueError(f"{self.name} {series.symbol}: {error}") from error

    def _demand_symbol(self, symbol: str) -> None:
        ticks = self._opened().ticks
        if symbol not in ticks:
            known = ", ".join(sorted(ticks)[:5]) or "nothing"
            raise VenueError(f"{self.name} does not trade {symbol}; it trades {known}, {len(ticks)} in all")

    def _start(self, series: Series) -> None:
        reader = self._reader(series)
        stream = Stream(reader, self._settings, self._clock, self._chance)
        task = asyncio.create_task(stream.run(), name=f"{self.name} {series.symbol} {series.timeframe}")
        task.add_done_callback(self._ended)
        self._running[series] = Running(reader, stream, task)

    def _reader(self, series: Series) -> AnyReader:
        own = (self._opened().feed, self._settings, self._clock, series)
        match series.timeframe:
            case "trades":
                return TradeReader(*own, self._tell)
            case "quotes":
                return QuoteReader(*own, self._tell)
            case "book":
                return BookReader(*own, self._tell)
        return BarReader(*own, self._tell_bars)

    async def _end(self, gone: Collection[Running]) -> None:
        try:
            await asyncio.gather(*(one.stream.end() for one in gone))
        finally:
            for one in gone:
                one.task.cancel()
            await asyncio.gather(*(one.task for one in gone), return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Have the reader of events see what ended a task: only a broken invariant does."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = error
            self._queue.wake()

    def _tell(self, event: FeedEvent) -> None:
        if series_of(event) in self._running:
            self._queue.put([event])

    def _tell_bars(self, series: Series, closed: list[BarClosed], until_ms: int) -> None:
        now_ms = self._clock.now_ms()
        for event in closed:
            self._moments.add(event, now_ms)
        self._moments.settle(series, until_ms)
        self._look()

    def _look(self) -> None:
        """Tell the closes that are complete or have waited long enough."""
        for close in self._moments.ready(self._clock.now_ms()):
            self._queue.put(close)
        self._moved.set()

    async def _watch_moments(self) -> None:
        while True:
            self._moved.clear()
            due_ms, now_ms = self._moments.due_ms(), self._clock.now_ms()
            wait_s = IDLE_S if due_ms is None else max(due_ms - now_ms, 1) / 1000
            moved = asyncio.ensure_future(self._moved.wait())
            try:
                await first_of(self._clock.wall, wait_s, (moved,))
            finally:
                moved.cancel()
                await asyncio.gather(moved, return_exceptions=True)
            if not self._moved.is_set():
                self._look()
