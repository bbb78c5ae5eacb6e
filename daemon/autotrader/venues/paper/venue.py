"""The embedded exchange: replays a bar source in lock-step with its reader and trades against it.

At one moment of the market, in this order:

1. bars that close there meet the orders that they decide; settlements are paid; all of it is one transaction;
2. what happened is told, then the closed bars, longer ones first, and that they are complete;
3. when the reader asks for what comes after, bars that open there meet the orders, in one more transaction;
4. then the events of that millisecond, one by one by symbol, feed and row: each meets the orders that were
   there before it, then is told.

So a decision on a closed bar fills at the open that follows and one on a trade at the next trade, however long it took,
and a moment that was not asked past is told again after a crash. Fills at an open or an event carry its time, fills
inside a bar the time of its close, when they are known. A fill is told once, and after those of a step of the market
that they are complete; what a crash swallowed is found with `fills`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

from autotrader.core.clock import Clock
from autotrader.core.errors import HistoryError, OrderRejected, VenueError, VenueUnavailable
from autotrader.core.events import (
    Bar,
    BarClosed,
    BarsComplete,
    FillsComplete,
    MarketEvent,
    Series,
    order_key,
)
from autotrader.execution.orders import OrderRequest, VenueOrder
from autotrader.market.instrument import Instrument
from autotrader.venues.paper import matching
from autotrader.venues.paper.account import PaperAccount
from autotrader.venues.paper.admit import Admission
from autotrader.venues.paper.clock import Pace
from autotrader.venues.paper.market import Event, Market, key_of
from autotrader.venues.paper.state import CLOSED, OPENED, START, STEP, Key, Moment, PaperSettings, Traded
from autotrader.venues.protocol import (
    FundingPaid,
    FundingRate,
    Idle,
)

MAX_SERIES = 4096
"""Bound of the series subscribed to."""

QUOTED = frozenset({"quotes", "book"})
"""The feeds that tell bid and ask."""

MAX_BARS = 100_000
"""Bound of the bars in one answer."""


class PaperVenue(PaperAccount):
    """One simulated account on a market that is replayed."""

    remote = False

    def __init__(self, settings: PaperSettings, path: Path, clock: Clock) -> None:
        if not settings.speed > 0:
            raise ValueError(f"a replay's speed must be above zero, not {settings.speed}")
        super().__init__(settings, path)
        self._settings, self._wall = settings, clock
        self._pace = Pace(clock, settings.speed)
        self._warmed: set[Key] = set()
        self._symbols = frozenset(settings.source.symbols())
        self._market = self._fresh_market()
        self._joined = self._idle = False
        self._next_ms = 0

    def adjust(self, settings: PaperSettings) -> None:
        """Take over fees, slippage, latency, minimum and speed while the market runs; the rest is the account's own."""
        self._settings = settings
        self._pace = Pace(self._wall, settings.speed)
        if self._clock is not None:
            self._pace.anchor(self._clock.ms)
        self._take_rates(settings)

    async def open(self) -> None:
        self._open_store(self._settings.source.fingerprint, self._settings)

    async def close(self) -> None:
        self._close_store()

    def market_ms(self) -> int:
        if self._clock is None:
            return 0
        if self._clock.phase != OPENED or self._pending or not self._next_ms:
            return self._clock.ms
        return self._pace.now_ms(self._clock.ms, self._next_ms)

    async def instrument(self, symbol: str) -> Instrument:
        if symbol in self._symbols:
            await asyncio.to_thread(self._settings.source.tick, symbol)
        traded = self._trade(symbol)
        return Instrument(
            exchange=self.name,
            symbol=symbol,
            base=traded.base,
            quote=traded.quote,
            market=self.market,
            tick=traded.tick,
            lot=STEP,
            cash=STEP,
            min_notional=self._settings.min_notional,
        )

    async def subscribe(self, series: Collection[Series]) -> None:
        """Declare the whole set wanted. Raises HistoryError or VenueError, changing nothing, if one is not here."""
        keys = frozenset(self._key(one) for one in series)
        if len(keys) > MAX_SERIES:
            raise HistoryError(f"{self.name}: {len(keys)} series are more than {MAX_SERIES}; subscribe to fewer")
        await self._warm(keys)
        store = self._opened()
        if self._clock is None and keys:
            begin_ms = self._settings.start_ms
            if begin_ms is None:
                begin_ms = max(self._settings.source.begin_ms(*key) for key in keys)
            self._clock = Moment(begin_ms, START)
            store.commit(self._clock, self._ledger.changes(), durable=True)
        if not self._joined and self._clock is not None:
            self._joined = True
            self._tell_again(keys)
            self._pace.anchor(self._clock.ms)
        self._wanted, self._idle = keys, False
        self._market.keep(keys | self._active())
        self._wake.set()

    async def bars(self, series: Series, *, end_ms: int, limit: int) -> Sequence[Bar]:
        """Return bars as the protocol says; nothing that closes after the market's time, and none before it began."""
        if limit > MAX_BARS:
            raise HistoryError(f"{self.name}: {limit} bars at once are more than {MAX_BARS}; ask for fewer")
        key = self._key(series)
        await self._warm({key})
        moment = self._clock or Moment(0, START)
        return self._market.past(key, moment, end_ms, max(limit, 0), untold=self._untold(key))

    async def last(self, series: Series) -> MarketEvent | None:
        key = self._key(series)
        await self._warm({key})
        return self._market.last(self.name, key, self._clock or Moment(0, START), untold=self._untold(key))

    async def funding(self, symbol: str, *, end_ms: int, limit: int) -> Sequence[FundingRate]:
        """Return rates as the protocol says, by the asker's clock: who reads them may stream nothing from here."""
        self._trade(symbol)
        return self._market.settlement(symbol).before(end_ms, limit) if self.market == "swap" else ()

    async def submit(self, request: OrderRequest) -> VenueOrder:
        key = Key(request.symbol, request.resolution)
        try:
            await self._warm({key})
            traded, length_ms = self._trade(key.symbol), self._market.look(key)
        except VenueUnavailable:
            raise
        except (HistoryError, VenueError, ValueError) as error:
            raise OrderRejected(str(error)) from error
        if self._clock is None:
            raise OrderRejected("the market has not begun: subscribe to its bars first")
        admission = Admission(
            traded=traded,
            last_ticks=self._last(key, request.side, self._clock, length_ms),
            length_ms=length_ms,
            latency_ms=self._settings.latency_ms,
            moment=self._clock,
            quoted=key.timeframe in QUOTED,
        )
        return self._place(request, admission)

    async def _advance(self) -> None:
        if not self._joined or self._clock is None:
            await self._wake.wait()
        elif self._clock.phase != OPENED:
            self._open_bars(self._clock.ms)
        elif self._event() is not None:
            await asyncio.sleep(0)  # inside a millisecond too, everybody else has a turn
            if self._store is not None and not self._pending and (met := self._event()) is not None:
                self._meet(met)
        else:
            await self._pass_time(self._clock.ms)

    async def _pass_time(self, now_ms: int) -> None:
        """Wait until the market's next moment is due, and let it happen; less where something wakes this."""
        next_ms = self._next_moment(now_ms)
        if next_ms is None:
            self._next_ms = 0
            if self._wanted and not self._idle:
                self._idle = True
                self._pending.append(Idle(now_ms))
                return
            await self._wake.wait()
            self._pace.anchor(now_ms)
            return
        self._next_ms = next_ms
        wait_s = self._pace.wait_s(next_ms)
        if wait_s > 0 and await self._woken(wait_s):
            return
        await asyncio.sleep(0)  # at full speed too, everybody else has a turn
        if self._store is not None:
            self._close_bars(next_ms)

    async def _woken(self, seconds: float) -> bool:
        """Let wall time pass; tell whether something woke this before it was over."""
        tasks = (asyncio.ensure_future(self._wall.sleep(seconds)), asyncio.ensure_future(self._wake.wait()))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._wake.is_set()

    def _next_moment(self, now_ms: int) -> int | None:
        next_ms = self._market.next_moment(now_ms, self._wanted, self._active())
        if next_ms is None or self.market == "spot":
            return next_ms  # where no bar follows, no time passes, and nothing is settled
        settled = [self._market.settlement(symbol).after(now_ms) for symbol in self._symbols_held()]
        return min([next_ms, *(ms for ms in settled if ms is not None)])

    def _close_bars(self, ms: int) -> None:
        active = self._active()
        closed = self._market.closing(ms, self._wanted | active)
        for key in sorted(closed.keys() & active, key=matching.candle_order):
            matching.close_bar(self._ledger, key, self._market.candle(key, closed[key]), ms)
        if self.market == "swap":
            self._settle(ms)
        self._clock = Moment(ms, CLOSED)
        if self._ledger.dirty:
            self._write(durable=True)
        self._tell_bars(ms, {key: closed[key] for key in closed.keys() & self._wanted})

    def _open_bars(self, ms: int) -> None:
        matching.open_bars(self._ledger, self._market.opening(ms, self._active()), ms)
        self._clock = Moment(ms, OPENED)
        if self._ledger.dirty or self._event() is None:
            self._write(durable=self._ledger.dirty)  # else it is written with the event that follows

    def _event(self) -> Event | None:
        """Return the event of a feed that is next within this millisecond."""
        return self._market.event(self._clock, self._wanted | self._active()) if self._clock is not None else None

    def _meet(self, event: Event) -> None:
        """Let one event of a feed happen. It is written before it is told, so that no restart skips or repeats it."""
        ms = event.bar.ts_ms
        if event.key in self._active():
            matching.meet_event(self._ledger, event.key, *self._market.met(event), ms)
        self._clock = Moment(ms, OPENED, *event.key, event.row)
        self._write(durable=self._ledger.dirty)
        if event.key in self._wanted:
            self._pending.append(self._market.told(self.name, event))

    def _untold(self, key: Key) -> bool:
        """Tell whether a feed's event at which the moment stands is still to be told."""
        return any(key_of(event) == key and not isinstance(event, BarClosed) for event in self._pending)

    def _settle(self, ms: int) -> None:
        for symbol in sorted(self._symbols_held()):
            rate = self._market.settlement(symbol).rate(ms)
            if not rate:
                continue
            keys = (group.key for group in self._ledger.groups.values() if group.symbol == symbol)
            key = max(keys, key=matching.candle_order)  # the shortest bars know the latest close
            last = self._market.price(key, Moment(ms, CLOSED))
            if last is not None:
                self._ledger.settle(symbol, self._ledger.position(symbol), rate, last.close, ms)

    def _tell_again(self, keys: frozenset[Key]) -> None:
        """Tell what was not asked past before a restart: its settlements and closed bars, or its one event."""
        if self._clock is None or self._clock.phase == START:
            return
        ms = self._clock.ms
        if self._opened().filled(ms):
            self._pending.append(FillsComplete(ms, self.name))
        if self._clock.phase == OPENED:
            event = self._market.again(self._clock) if self._clock.key in keys else None
            if event is not None:
                self._pending.append(self._market.told(self.name, event))
            return
        self._pending.extend(
            FundingPaid(at, symbol, units * STEP) for at, symbol, units in self._opened().funding(ms - 1)
        )
        self._tell_bars(ms, self._market.closing(ms, keys))

    def _last(self, key: Key, side: int, clock: Moment, length_ms: int) -> int:
        """Return the last close in ticks, of an event what it offers that side; 0 before there is one."""
        last = self._market.price(key, clock)
        if last is None:
            return 0
        if length_ms:
            return last.close
        return last.high if side > 0 else last.low

    def _tell_bars(self, ms: int, closed: dict[Key, Bar]) -> None:
        told = [BarClosed(ms, self.name, key.symbol, key.timeframe, bar) for key, bar in closed.items()]
        told.sort(key=order_key)
        self._pending.extend(told)
        if told:
            self._pending.append(BarsComplete(ms, self.name))

    def _recovered(self) -> None:
        """Stand where the file says; bars are told again once they are subscribed to."""
        self._market = self._fresh_market()
        self._pending.clear()
        self._next_ms = 0
        if self._joined:
            self._tell_again(self._wanted)

    def _fresh_market(self) -> Market:
        return Market(self._settings.source, self._trade)

    async def _warm(self, keys: Collection[Key]) -> None:
        """Read what is not read yet off the event loop: the first look at a history takes its time."""
        source = self._settings.source
        for key in set(keys) - self._warmed:
            if key.symbol in self._symbols:
                await asyncio.to_thread(source.tick, key.symbol)
                await asyncio.to_thread(source.begin_ms, *key)
            self._trade(key.symbol)
            self._warmed.add(key)

    def _symbols_held(self) -> set[str]:
        return {group.symbol for group in self._ledger.groups.values()}

    def _trade(self, symbol: str) -> Traded:
        traded = self._traded.get(symbol)
        if traded is None:
            if symbol not in self._symbols:
                known = ", ".join(sorted(self._symbols)) or "nothing"
                raise VenueError(f"{self.name} does not trade {symbol}; it trades {known}")
            traded = self._precision(symbol, self._settings.source.tick(symbol))
            self._opened().put_tick(symbol, traded.tick)
            self._traded[symbol] = traded
        return traded
