"""A simulated account on an exchange's live market: nothing is ever sent, all that decides a fill is the real thing.

Every order, whatever resolution it names, meets the exchange's best bid and ask. So the quotes of every symbol that
has orders or a position are streamed beside what is subscribed to; they meet the orders, but are only told to whoever
asked for them. An order of a symbol without quotes starts their stream and waits for the first one.

- An order fills at the first quote at or after its latency, a market order worse by the slippage; a limit is made when
  a quote trades through it; an exit triggers at touch of what ends its position, the bid of a long and the ask of a
  short. All as `matching.meet_event` has it, and bit for bit as a replay of the same quotes.
- In a quiet market no quote may come: QUIET_MS after its latency an order meets the one that stands, unless the
  exchange has been silent for STALE_MS. Exits, and limits that rest, wait for the next quote.
- Time is the exchange's. A fill carries the time of the quote that it met; the account's moment never goes back, so a
  quote that was met before, or comes again after a restart, meets nothing.
- Fills are told before the quote that they met, then that they are complete.
- Where no quotes came for a while, because nobody watched or the exchange could not be reached, the minutes that
  closed meanwhile meet the orders and exits first, see `away`.
- The exchange's steps and minimums are demanded of every order, of one that only reduces those that it has for such.
  Where money buys less than was asked for, it buys whole lots. Fees are paid in quote money.
- A swap pays funding as in a replay, as soon as a rate is known that settled, see `funding`. Positions are liquidated
  as in one.
- An end never comes, so `Idle` is never told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import structlog

from autotrader.core.clock import Clock
from autotrader.core.errors import HistoryError, OrderRejected, VenueError, VenueUnavailable
from autotrader.core.events import Bar, BookChanged, FillsComplete, MarketEvent, QuoteChanged, Series, TradePrinted
from autotrader.core.units import FEEDS, plain
from autotrader.execution.orders import OrderRequest, VenueOrder
from autotrader.market.events import as_bar, quote_bar
from autotrader.market.instrument import STEP, Instrument, steps
from autotrader.venues.paper import away, matching
from autotrader.venues.paper.account import PaperAccount
from autotrader.venues.paper.admit import Admission
from autotrader.venues.paper.funding import Funding
from autotrader.venues.paper.market import FeedEvent, key_of
from autotrader.venues.paper.matching import Candle, candle_of
from autotrader.venues.paper.state import OPENED, Key, LivePaperSettings, Moment, Order, Traded
from autotrader.venues.paper.store import Saved
from autotrader.venues.paper.tap import Tap
from autotrader.venues.protocol import FundingRate, MarketData, VenueEvent

QUOTES = "quotes"
"""The feed that decides every fill."""

QUIET_MS = 1_000
"""How long an order waits after its latency for a quote of its own before it meets the one that stands."""

STALE_MS = 60_000
"""How long an exchange may be silent about a symbol before its last quote says nothing about the price any more."""

MIN_GAP_MS = 120_000
"""How far apart two quotes of a symbol are where the minutes between them are asked for: one at least is whole."""

FIRST_QUOTE_S = 5.0
"""How long an order waits for the first quote of its symbol."""

ANY_ROW = 2**62
"""After every event of a millisecond."""

log = structlog.get_logger("paper")


class Client(Protocol):
    """What is needed of an exchange's client beside its market data; it needs no credentials."""

    async def open(self) -> None:
        """Connect and learn the instruments."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...

    def instrument(self, symbol: str) -> Instrument:
        """Return a symbol's precision and minimums. Raises VenueError for a symbol that is not traded."""
        ...


class LivePaperVenue(PaperAccount):
    """One simulated account on live data. It opens and closes the client, then the market that reads through it.

    `heard_ms` tells when the exchange last said something about a series of quotes; without it that is the last quote.
    """

    remote = True

    def __init__(
        self,
        settings: LivePaperSettings,
        path: Path,
        clock: Clock,
        client: Client,
        data: MarketData,
        heard_ms: Callable[[Series], int] | None = None,
    ) -> None:
        super().__init__(settings, path)
        self._settings, self._wall, self._client, self._data = settings, clock, client, data
        self._heard_ms = heard_ms or (lambda _series: 0)
        self._tap = Tap(self.name, data, clock)
        self._funding = Funding(self.name, data, clock, lambda: (self._opened(), self._ledger), self._wake)
        self._closing = asyncio.Event()
        self._declaring = asyncio.Lock()
        self._kept: set[str] = set()
        self._quotes: dict[str, QuoteChanged] = {}
        self._met: dict[str, tuple[int, int]] = {}
        self._after = (0, 0)
        self._stood_ms: dict[str, int] = {}
        self._again_ms: dict[str, int] = {}
        self._telling: FeedEvent | None = None
        self._last: dict[Key, FeedEvent] = {}

    def adjust(self, settings: LivePaperSettings) -> None:
        """Take over fees, slippage, latency and minimum while the market runs; the rest is the account's own."""
        self._settings = settings
        self._take_rates(settings)

    async def open(self) -> None:
        """Open client, market and account, then let the account meet what it missed. Closes all where one fails."""
        self._closing.clear()
        for kept in (self._quotes, self._met, self._stood_ms, self._again_ms, self._last, self._pending, self._kept):
            kept.clear()
        self._telling, self._wanted = None, frozenset()
        try:
            await self._client.open()
            await self._data.open()
            self._open_store(f"ccxt {self._settings.exchange} {self.market}", self._settings)
            await self._catch_up()
            await self._declare()
            if self.market == "swap":
                self._funding.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._funding.close()
        self._close_store()
        self._closing.set()
        await self._tap.close()
        try:
            await self._data.close()
        finally:
            await self._client.close()

    def market_ms(self) -> int:
        return max(self._data.market_ms(), self._clock.ms if self._clock is not None else 0)

    async def instrument(self, symbol: str) -> Instrument:
        listed, traded = self._client.instrument(symbol), self._trade(symbol)
        least = max(listed.min_notional, self._settings.min_notional)
        # an account that began with a coarser price step goes on counting in it
        return replace(listed, exchange=self.name, tick=max(listed.tick, traded.tick), cash=STEP, min_notional=least)

    async def subscribe(self, series: Collection[Series]) -> None:
        """Declare the whole set wanted. Raises HistoryError or VenueError, changing nothing, if one is not here."""
        self._opened()
        await self._declare(frozenset(self._key(one) for one in series))
        self._wake.set()

    async def bars(self, series: Series, *, end_ms: int, limit: int) -> Sequence[Bar]:
        if series.timeframe not in FEEDS:
            return await self._data.bars(series, end_ms=end_ms, limit=limit)
        key, per_price = self._key(series), float(1 / self._trade(series.symbol).tick)
        hidden = 0
        for event in self._tap.taken_as_dealt_with(self._untold()):
            if isinstance(event, TradePrinted | QuoteChanged | BookChanged) and key_of(event) == key:
                hidden += event.ts_ms <= end_ms and as_bar(event, per_price) is not None
        told = await self._data.bars(series, end_ms=end_ms, limit=limit + hidden)
        return told[: len(told) - hidden][-limit:] if limit > 0 else []

    async def last(self, series: Series) -> MarketEvent | None:
        return self._last.get(self._key(series))

    async def funding(self, symbol: str, *, end_ms: int, limit: int) -> Sequence[FundingRate]:
        return await self._data.funding(symbol, end_ms=end_ms, limit=limit)

    async def submit(self, request: OrderRequest) -> VenueOrder:
        """Place an order. Raises OrderRejected, or VenueUnavailable where no quote of its symbol came in time.

        Then nothing is wrong with the order, and an exit that is refused would be taken as the exchange's word: it is
        as if the exchange could not be reached, and the order was not sent.
        """
        self._opened()
        came_ms = self.market_ms()
        try:
            instrument = await self.instrument(request.symbol)
            quote = await self._first_quote(request.symbol)
        except VenueUnavailable:
            raise
        except (HistoryError, VenueError) as error:
            raise OrderRejected(str(error)) from error
        ticks = (request.price or 0) / instrument.tick
        if ticks != ticks.to_integral_value():
            raise OrderRejected(f"price {request.price} is finer than {plain(instrument.tick)}")
        traded, offered = self._trade(request.symbol), self._in_ticks(quote)
        if self._clock is None or self._clock.ms < came_ms:
            self._clock = Moment(came_ms, OPENED)
        admission = Admission(
            traded=traded,
            last_ticks=offered.high if request.side > 0 else offered.low,
            length_ms=0,
            latency_ms=self._settings.latency_ms,
            moment=Moment(came_ms, OPENED),
            quoted=True,
        )
        return self._place(request._replace(resolution=QUOTES), admission)

    async def _first_quote(self, symbol: str) -> QuoteChanged:
        """Return the newest quote of a symbol, waiting for one where none is streamed yet."""
        if symbol not in self._kept:
            await self._declare(more=symbol)
        until_s = self._wall.monotonic_s() + FIRST_QUOTE_S
        while (quote := self._tap.quote(symbol) or self._quotes.get(symbol)) is None:
            left_s = until_s - self._wall.monotonic_s()
            if left_s <= 0:
                raise VenueUnavailable(
                    f"{self.name} told no quote of {symbol} within {FIRST_QUOTE_S:g} s; the order was not placed"
                )
            self._tap.check()
            await self._tap.more(left_s, self._closing)
            self._opened()
        return quote

    async def _declare(self, wanted: frozenset[Key] | None = None, more: str = "") -> None:
        """Stream what is wanted and the quotes that orders need: of who has them or had them, and of one more symbol.

        Changes nothing where that cannot be had.
        """
        async with self._declaring:
            if wanted is None:
                wanted, kept = self._wanted, self._kept | ({more} if more else set())
            else:
                kept = self._kept & {key.symbol for key in wanted}
            active = {key.symbol for key in self._active()}
            streamed = wanted | {Key(one, QUOTES) for one in kept | {one for one in active if self._lists(one)}}
            await self._data.subscribe([Series(self.name, *key) for key in sorted(streamed)])
            self._wanted, self._kept = wanted, kept
            self._last = {key: event for key, event in self._last.items() if key in streamed}
            self._quotes = {one: quote for one, quote in self._quotes.items() if Key(one, QUOTES) in streamed}

    async def _advance(self) -> None:
        if self._telling is not None:
            self._last[key_of(self._telling)] = self._telling
            self._telling = None
        if self._funding.pay(lambda: self._write(durable=True)):
            return
        event = self._tap.first()
        if event is not None:
            if isinstance(event, QuoteChanged):
                await self._bridge(event)
                if self._store is None:
                    return
                self._meet(event)
            self._tap.ahead.popleft()
            if isinstance(event, TradePrinted | QuoteChanged | BookChanged):
                self._telling = event
            self._pending.append(event)
            return
        due, now_ms = self._due(), self.market_ms()
        if due is not None and due[0] <= now_ms:
            self._stand(due[1], now_ms)
            return
        await self._tap.more(None if due is None else max(due[0] - now_ms, 1) / 1000, self._wake)

    def _untold(self) -> VenueEvent | None:
        """Return the event of the market that is being told, or is still to be."""
        return next((event for event in self._pending if event is self._telling), None)

    def _meet(self, quote: QuoteChanged) -> None:
        """Let a quote meet the orders that were there before it. It is written before it is told."""
        symbol, place = quote.symbol, (quote.ts_ms, quote.row)
        if place > self._met.get(symbol, self._after):
            self._match(quote, quote.ts_ms, quote.row)
            self._met[symbol] = place
        self._quotes[symbol] = quote
        self._again_ms.pop(symbol, None)

    def _match(self, quote: QuoteChanged, ms: int, row: int) -> None:
        key = Key(quote.symbol, QUOTES)
        active = key in self._ledger.working or key in self._ledger.held
        if active:
            matching.meet_event(self._ledger, key, self._in_ticks(quote), None, ms)
        if self._clock is None or ms >= self._clock.ms:
            self._clock = Moment(ms, OPENED, *key, row) if row else Moment(ms, OPENED)
        if active:
            self._write(durable=self._ledger.dirty)

    def _due(self) -> tuple[int, str] | None:
        """Return when, and of which symbol, the quote that stands meets orders for which none came.

        At once where it came after the order should have met it, while that waited for this first quote.
        """
        dues = []
        for key, orders in self._ledger.working.items():
            quote, again_ms = self._quotes.get(key.symbol), self._again_ms.get(key.symbol, 0)
            if quote is None:
                continue
            for order in orders.values():
                if self._waits(order):
                    quiet_ms = 0 if quote.ts_ms > order.from_ms else QUIET_MS
                    dues.append((max(order.from_ms + quiet_ms, again_ms), key.symbol))
        return min(dues, default=None)

    def _waits(self, order: Order) -> bool:
        """Tell whether an order met nothing yet: whoever takes is gone, or rests, once it did."""
        return order.type == "market" or order.crossing or order.from_ms > self._seen_ms(order.symbol)

    def _seen_ms(self, symbol: str) -> int:
        """Return the time of the last quote or minute that orders of a symbol could meet."""
        return max(self._met.get(symbol, self._after)[0], self._stood_ms.get(symbol, 0))

    def _stand(self, symbol: str, now_ms: int) -> None:
        """Let the quote that stands meet orders, unless nobody knows whether it still does."""
        quote = self._quotes[symbol]
        if now_ms - max(quote.ts_ms, self._heard_ms(Series(self.name, symbol, QUOTES))) > STALE_MS:
            if symbol not in self._again_ms:
                log.warning("orders wait for a quote: the last one is stale", exchange=self.name, symbol=symbol)
            self._again_ms[symbol] = now_ms + QUIET_MS
            return
        self._match(quote, now_ms, 0)
        self._stood_ms[symbol] = now_ms

    async def _catch_up(self) -> None:
        """Let what closed since the account was last watched meet its orders and exits."""
        if self._clock is None:
            return
        if self._opened().filled(self._clock.ms):
            self._pending.append(FillsComplete(self._clock.ms, self.name))
        active = {key.symbol for key in self._active()}
        await self._meet_minutes(active, self._clock.ms, self._data.market_ms())
        self._after = (self._clock.ms, ANY_ROW)

    async def _bridge(self, quote: QuoteChanged) -> None:
        """Let what closed since the quote before this one meet the orders and exits that were there."""
        key = Key(quote.symbol, QUOTES)
        working = self._ledger.working.get(key, {}).values()
        from_ms = self._seen_ms(quote.symbol)
        if key not in self._ledger.held:
            from_ms = max(from_ms, min((order.from_ms for order in working), default=quote.ts_ms))
        if quote.ts_ms - from_ms >= MIN_GAP_MS:
            await self._meet_minutes([quote.symbol], from_ms, quote.ts_ms)

    async def _meet_minutes(self, symbols: Collection[str], from_ms: int, until_ms: int) -> None:
        """Let the minutes between two moments meet orders and exits; what is met is noted as it is written."""
        bars = await away.missed(self._data, self.name, symbols, from_ms, until_ms)
        ended_ms = 0
        candles = {}
        for symbol, those in bars.items():
            per_price = float(1 / self._trade(symbol).tick)
            candles[Key(symbol, QUOTES)] = [candle_of(bar, per_price) for bar in those]
        for step in away.steps(candles):
            step.meet(self._ledger)
            ended_ms = step.ms
            if self._clock is None or self._clock.ms < step.ms:
                self._clock = Moment(step.ms, OPENED)
            if self._ledger.dirty:
                self._write(durable=True)
                self._stood_ms.update(dict.fromkeys(bars, ended_ms))
        if ended_ms:
            self._write(durable=False)
            self._stood_ms.update(dict.fromkeys(bars, ended_ms))

    def _recovered(self) -> None:
        """What is known of the market stays, and what is untold is in the file."""

    def _in_ticks(self, quote: QuoteChanged) -> Candle:
        per_price = float(1 / self._trade(quote.symbol).tick)
        return candle_of(quote_bar(quote.ts_ms, quote.bid, quote.ask, per_price), per_price)

    def _lists(self, symbol: str) -> bool:
        """Tell whether the exchange still trades a symbol; orders and positions of others meet nothing."""
        try:
            self._client.instrument(symbol)
        except VenueUnavailable:
            raise
        except VenueError as error:
            log.warning("orders and positions meet no quotes", exchange=self.name, symbol=symbol, error=str(error))
            return False
        return True

    def _trade(self, symbol: str) -> Traded:
        traded = self._traded.get(symbol)
        if traded is None:
            listed = self._client.instrument(symbol)
            traded = self._limited(listed, listed.tick)
            self._opened().put_tick(symbol, traded.tick)
            self._traded[symbol] = traded
        return traded

    def _known(self, saved: Saved) -> dict[str, Traded]:
        known = super()._known(saved)
        for symbol, traded in known.items():
            if self._lists(symbol):
                known[symbol] = self._limited(self._client.instrument(symbol), traded.tick)
        return known

    def _limited(self, listed: Instrument, tick: Decimal) -> Traded:
        """Return a precision with the exchange's limits. Raises VenueError where they cannot be counted."""
        if listed.lot % STEP:
            raise VenueError(f"{self.name} {listed.symbol}: amounts in {listed.lot} are finer than {STEP} counts them")
        try:
            traded = self._precision(listed.symbol, tick)
        except ValueError as error:
            raise VenueError(f"{self.name} {listed.symbol}: {error}") from error
        return traded._replace(
            lot=steps(listed.lot),
            min_lots=steps(listed.min_amount),
            min_cost=steps(listed.min_notional),
            min_exit=steps(listed.min_exit),
        )
