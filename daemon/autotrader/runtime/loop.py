"""The trading loop: one event at a time, from what the market did to the orders that follow.

A turn is atomic: features, steps, sizes and gate are computed, then written in one transaction, then sent. Commands and
reloads take turns of their own, so nothing changes under a decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import structlog

from autotrader.core.clock import Clock, iso
from autotrader.core.errors import VenueError
from autotrader.core.events import (
    BarClosed,
    BarsComplete,
    BookChanged,
    FillsComplete,
    QuoteChanged,
    Series,
    TradePrinted,
)
from autotrader.core.units import timeframe_ms
from autotrader.execution.leg import REMOVED, Leg
from autotrader.execution.reconcile import PROTECTIVE
from autotrader.features.graph import SeriesKey
from autotrader.market.bars import opening
from autotrader.market.events import as_bar
from autotrader.market.metrics import Metrics
from autotrader.runtime import together
from autotrader.runtime.account import Account
from autotrader.runtime.balances import book_funding, take_balances
from autotrader.runtime.desk import Desk
from autotrader.runtime.outside import Outside
from autotrader.runtime.part import Part
from autotrader.runtime.protect import PROTECT_S, Protector
from autotrader.runtime.sender import Sender
from autotrader.runtime.slots import order_slots
from autotrader.runtime.strategy import Strategy
from autotrader.runtime.trader import Trader
from autotrader.runtime.trial import verdict
from autotrader.store.journal import Journal, StateRow
from autotrader.strategies.contract import BAR, FILL, TIMER, WAKES
from autotrader.venues.protocol import FillHappened, FundingPaid, Idle, OrderChanged, VenueEvent

ZERO = Decimal(0)
SAMPLE_MARKET_MS = 60_000
SAMPLE_WALL_S = 0.2
ABREAST_S = 2.0
"""How long a decision that reads another exchange waits for that one's bar of the same close."""
PROGRESS_S = 1.0
MAX_EXIT_PAUSE_S = 60.0
"""The longest pause before an exit that came to nothing is tried again."""
NO_LEG = -1
"""The leg that a timer concerns."""

log = structlog.get_logger("loop")


class Route(NamedTuple):
    """Where a stream of bars goes: a strategy's part, and the legs and program keys that it feeds there."""

    strategy: Strategy
    part: Part
    feeds: tuple[tuple[int, SeriesKey], ...]


class TradingLoop:
    """Everything that trades. All methods are called inside `turn`, except where they say otherwise."""

    def __init__(self, journal: Journal, desk: Desk, clock: Clock) -> None:
        self.journal = journal
        self.desk = desk
        self.clock = clock
        self.turn = asyncio.Lock()
        self.accounts: dict[str, Account] = desk.accounts
        self.strategies: dict[str, Strategy] = {}
        self.failed: dict[str, str] = {}
        self.trader = Trader(journal, desk)
        self.sender = Sender(desk, self.turn, clock)
        self.protector = Protector(self.trader, self.sender, clock)
        self.metrics: dict[str, Metrics] = {}
        self.outside = Outside(desk.venues, self.metrics)
        self.routes: dict[Series, list[Route]] = {}
        self.ticks: dict[tuple[str, str, str], list[tuple[Strategy, Part, int]]] = {}
        self.upkeep: dict[tuple[str, str, str], list[Leg]] = {}
        self._timers: list[tuple[Strategy, Part]] = []
        self._fillers: list[tuple[Strategy, Part]] = []
        self._woken: list[Leg] = []
        self._due: dict[str, list[tuple[Strategy, Part, int]]] = {}
        self._closed: dict[str, list[Leg]] = {}
        self._arrived: dict[str, dict[Part, None]] = {}
        self._elsewhere: dict[str, set[Series]] = {}
        self._exits: dict[tuple[str, str, str], tuple[int, float]] = {}
        self._subscribed: dict[str, set[Series]] = {}
        self._moved = asyncio.Event()
        self.trial_moved = asyncio.Event()
        self._dirty: list[tuple[Strategy, Part]] = []
        self._progress_s: dict[str, float] = {}
        self._sampled_ms = 0
        self._sampled_s = 0.0
        self._locks_written = self.trader.locks()

    # routing

    def rewire(self) -> None:
        """Rebuild who hears of which bars and events, in the order of the strategies' names."""
        self.routes, self.ticks, self._timers, self._fillers, self._elsewhere = {}, {}, [], [], {}
        for name in sorted(self.strategies):
            strategy = self.strategies[name]
            for part in strategy.parts:
                if TIMER in part.wakes:
                    self._timers.append((strategy, part))
                if FILL in part.wakes:
                    self._fillers.append((strategy, part))
                for leg, declared in enumerate(part.declared):
                    if declared.feed.kind != "bars":
                        key = (declared.exchange, declared.symbol, declared.feed.kind)
                        self.ticks.setdefault(key, []).append((strategy, part, leg))
                for exchange in {declared.exchange for declared in part.declared} if part.asked else ():
                    others = {series for series in part.elsewhere() if series.exchange != exchange}
                    self._elsewhere.setdefault(exchange, set()).update(others)
                for series, feeds in part.series().items():
                    self.routes.setdefault(series, []).append(Route(strategy, part, tuple(feeds)))
        self.upkeep = {}
        for one in self.desk.legs.values():
            self.upkeep.setdefault((one.exchange, one.symbol, one.timeframe), []).append(one)

    def wanted_series(self) -> dict[str, set[Series]]:
        """Return what each exchange must stream: bars and feeds that strategies read and open positions need."""
        wanted: dict[str, set[Series]] = {name: set() for name in self.accounts}
        for strategy in self.strategies.values():
            for series in strategy.series():
                wanted[series.exchange].add(series)
        for leg in self.desk.legs.values():
            if leg.position.amount or leg.orders:
                wanted[leg.exchange].add(Series(leg.exchange, leg.symbol, leg.timeframe))
                wanted[leg.exchange].add(Series(leg.exchange, leg.symbol, leg.resolution))
        for name, own in wanted.items():
            own.update(self.protector.series(name))
        return wanted

    # events

    async def handle(self, exchange: str, event: VenueEvent) -> None:
        """Take one event through a whole turn. Called by the exchange's own task, outside `turn`."""
        if isinstance(event, BarsComplete | TradePrinted | QuoteChanged) and exchange in self._elsewhere:
            await self._abreast(exchange, event.ts_ms)
        async with self.turn:
            account = self.accounts[exchange]
            account.market_ms = max(account.market_ms, event.ts_ms)
            self._moved.set()
            match event:
                case BarClosed():
                    self._on_bar(account, event)
                case TradePrinted() | QuoteChanged() | BookChanged():
                    await self._on_tick(account, event)
                case BarsComplete():
                    await self._on_moment(account, event.ts_ms)
                case FillsComplete():
                    await self._on_fills(account, event.ts_ms)
                case FillHappened():
                    await self._on_fill(event)
                case OrderChanged():
                    self.desk.on_order(event.order)
                case FundingPaid():
                    book_funding(self, event, exchange)
                    self.trader.settle(exchange, event)
                    await take_balances(self, exchange, explained=True)
                    with self.journal.write(durable=False):
                        self.journal.event(
                            event.ts_ms, "info", "funding", exchange, f"{event.symbol}: {event.amount} {account.quote}"
                        )
                case Idle():
                    account.idle = True
                    log.info("the replay reached its end", exchange=exchange, market_time=iso(event.ts_ms))

    async def _abreast(self, exchange: str, now_ms: int) -> None:
        """Wait a moment for the exchanges that are read here and about to close the same bar; then go on without."""
        if not any(self._behind(series, now_ms) for series in self._elsewhere[exchange]):
            return
        waited = asyncio.ensure_future(self.clock.sleep(ABREAST_S))
        try:
            while not waited.done() and any(self._behind(series, now_ms) for series in self._elsewhere[exchange]):
                self._moved.clear()
                moved = asyncio.ensure_future(self._moved.wait())
                await asyncio.wait((waited, moved), return_when=asyncio.FIRST_COMPLETED)
                moved.cancel()
        finally:
            waited.cancel()

    def _behind(self, series: Series, now_ms: int) -> bool:
        """Tell whether a bar of another exchange closes by now that its clock has not come to, but does next."""
        account, length_ms = self.accounts.get(series.exchange), timeframe_ms(series.timeframe)
        if account is None or account.idle:
            return False
        return account.market_ms < opening(now_ms, length_ms) <= account.market_ms + length_ms

    def _on_bar(self, account: Account, event: BarClosed) -> None:
        """Hand a bar to whoever reads it; it is shown, and decided on, when the moment is complete."""
        account.prices[event.symbol] = Decimal(repr(event.bar.close))
        account.due_ms[event.symbol, event.timeframe] = event.ts_ms + timeframe_ms(event.timeframe)
        self.protector.on_bar(account, event)
        for route in self.routes.get(event.series, ()):
            part = route.part
            self._arrived.setdefault(account.name, {})[part] = None
            for leg, key in route.feeds:
                part.arrive(leg, key, event.bar, event.ts_ms)
            for leg in range(len(part.declared)):
                if part.due(leg, event):
                    self._due.setdefault(account.name, []).append((route.strategy, part, leg))
        legs = self.upkeep.get((event.exchange, event.symbol, event.timeframe), ())
        self._closed.setdefault(account.name, []).extend(legs)

    async def _on_moment(self, account: Account, now_ms: int) -> None:
        if self.desk.unsettled and not self.desk.venues[account.name].remote:
            await self.sender.settle(account.name)
        self.trader.equities.clear()
        for part in self._arrived.pop(account.name, {}):
            if part.asked:
                await self.outside.bring(part, account.name, now_ms)
            part.settle(account.name)
        due = self._due.pop(account.name, [])
        due += [(strategy, part, NO_LEG) for strategy, part in self._timed(account.name, now_ms)]
        due.sort(key=lambda one: (one[0].name, one[1].number, one[2]))
        for strategy, part, leg in due:
            if leg == NO_LEG or not all(part.is_calm(one) for one in range(len(part.declared))):
                self._step(strategy, part, TIMER if leg == NO_LEG else BAR, max(leg, 0), now_ms)
        for one in self._closed.pop(account.name, []):
            if self.desk.legs.get(one.key) is one:
                self._look_after(one, now_ms)
        self.trader.watch_equity(now_ms)
        await self.finish(now_ms, account)

    def _look_after(self, leg: Leg, now_ms: int) -> None:
        """See to a leg at a close of its bars; one whose strategy is gone is forgotten once it is flat."""
        if leg.owner.startswith(REMOVED) and not leg.position.amount and not leg.orders:
            with self.journal.write(durable=False):
                self.desk.drop(leg)
            self.rewire()
        else:
            self.trader.look_after(leg, now_ms)

    async def tend(self, exchange: str) -> None:
        """Go on with what a real exchange's legs have under way, each second. Called outside `turn`; asks nobody.

        An exit that was refused or could not be sent is tried again, after pauses that double.
        """
        account, now_s = self.accounts[exchange], self.clock.monotonic_s()
        legs = [
            leg
            for leg in account.legs.values()
            if leg.position.amount or leg.orders or leg.left or leg.exit_reason or leg.owner.startswith(REMOVED)
        ]
        self._exits = {key: one for key, one in self._exits.items() if key in self.desk.legs}
        due = [leg for leg in legs if self._exits.get(leg.key, (0, 0.0))[1] <= now_s and not self.sender.waits(leg)]
        trades = [(strategy, part) for strategy in self.strategies.values() for part in strategy.parts if part.trades]
        if not due and not trades:
            return
        async with self.turn:
            self.trader.equities.clear()
            for strategy, part in trades:
                if together.tend(self.trader, part, strategy.terms, max(self._now_ms(account), part.ts_ms)):
                    self.remember(strategy, part)
            for leg in due:
                stuck = bool(leg.exit_reason) and not leg.working("exit") and not leg.policy.slices
                tries = self._exits.pop(leg.key, (0, 0.0))[0]
                if stuck:
                    longest_s = PROTECT_S if leg.exit_reason in PROTECTIVE else MAX_EXIT_PAUSE_S
                    self._exits[leg.key] = tries + 1, now_s + min(2.0**tries, longest_s)
                if self.desk.legs.get(leg.key) is leg:
                    self._look_after(leg, self._now_ms(account))
            if self.desk.drafts or self._dirty:
                await self.finish(account.market_ms, account)

    def _now_ms(self, account: Account) -> int:
        """Return the time at a real exchange, which goes on while its market is silent."""
        return max(account.market_ms, self.desk.venues[account.name].market_ms())

    async def protect(self, exchange: str) -> None:
        """Go on guarding the positions of an exchange that keeps no guards, once a second. Called outside `turn`."""
        venue = self.desk.venues[exchange]
        if venue.keeps_guards:
            return
        async with self.turn:
            account = self.accounts[exchange]
            self.protector.tend(account, self._now_ms(account))
            if self.desk.drafts:
                await self.finish(account.market_ms, account)
        wanted = self.wanted_series()[exchange]
        if wanted != self._subscribed.get(exchange):
            try:
                await venue.subscribe(wanted)
            except VenueError as error:
                log.warning("what open positions need is not streamed", exchange=exchange, error=str(error))
            else:
                self._subscribed[exchange] = wanted

    def _timed(self, exchange: str, now_ms: int) -> Iterator[tuple[Strategy, Part]]:
        """Yield the parts whose wake-up time has come, and take it from them."""
        for strategy, part in self._timers:
            if 0 < part.out.wake_ms[0] <= now_ms and part.declared[0].exchange == exchange:
                part.out.wake_ms[0] = 0
                yield strategy, part

    async def _on_tick(self, account: Account, event: TradePrinted | QuoteChanged | BookChanged) -> None:
        """Take a trade, a quote or a book to the legs that read it: a moment of its own, complete as it comes."""
        if self.desk.unsettled and not self.desk.venues[account.name].remote:
            await self.sender.settle(account.name)
        feed, now_ms = _feed_of(event), event.ts_ms
        guarding, key = self.protector.on_event(account, event), (event.exchange, event.symbol, feed)
        if key not in self.ticks and key not in self.upkeep and not self.desk.venues[account.name].keeps_guards:
            if guarding:  # nobody decides on it, it is streamed for the positions that are guarded here
                await self.finish(now_ms, account)
            return
        if (price := self._price_of(account, event)) is not None:
            account.prices[event.symbol] = price
        account.due_ms[event.symbol, feed] = now_ms
        self.trader.equities.clear()
        due = [(strategy, part, NO_LEG) for strategy, part in self._timed(account.name, now_ms)]
        for strategy, part, leg in self.ticks.get(key, ()):
            part.tell(leg, event)
            if part.asked:
                await self.outside.bring(part, account.name, now_ms)
                part.settle(account.name)
            if WAKES[feed] in part.wakes and part.fresh(leg, event) and not part.is_calm(leg):
                due.append((strategy, part, leg))
        due.sort(key=lambda one: (one[0].name, one[1].number, one[2]))
        for strategy, part, leg in due:
            self._step(strategy, part, TIMER if leg == NO_LEG else WAKES[feed], max(leg, 0), now_ms)
        if not self.desk.venues[account.name].remote:  # a real exchange is asked for something once a second at most
            for one in list(self.upkeep.get(key, ())):
                self._look_after(one, now_ms)
        self.trader.watch_equity(now_ms)
        await self.finish(now_ms, account)

    def _price_of(self, account: Account, event: TradePrinted | QuoteChanged | BookChanged) -> Decimal | None:
        """Return the price that an event tells, where anybody here trades it; None for a book with an empty side."""
        tick = next((leg.instrument.tick for leg in account.legs.values() if leg.symbol == event.symbol), None)
        bar = as_bar(event, float(1 / tick)) if tick is not None else None
        return Decimal(repr(bar.close)) if bar is not None else None

    async def _on_fills(self, account: Account, now_ms: int) -> None:
        """Wake who wakes on fills, once however many there were, before the moment that filled them is shown."""
        if not any(leg.filled for leg in account.legs.values()):
            return
        self.trader.equities.clear()
        for strategy, part in self._fillers:
            filled = [(one.filled, leg) for leg, one in enumerate(part.legs) if one.exchange == account.name]
            newest, leg = max(filled, default=(0, 0))
            if newest:
                self._woken += [one for one in part.legs if one.exchange == account.name]
                self._step(strategy, part, FILL, leg, now_ms)
        for one in account.legs.values():
            one.filled = 0
        await self.finish(now_ms, account)

    def _step(self, strategy: Strategy, part: Part, event: int, leg: int, now_ms: int) -> None:
        if strategy.error or self.strategies.get(strategy.name) is not strategy:
            return  # a reload came between the bar and the end of its moment
        try:
            changed = part.step(event, leg, now_ms, [self.trader.budget(strategy, one) for one in part.legs])
        except Exception as error:  # noqa: BLE001 - one strategy's fault must not stop the others
            self._fail(strategy, f"{type(error).__name__}: {error}", now_ms)
            return
        if changed:
            for index, one in enumerate(part.legs):
                self.trader.consider(strategy, part, index, one, now_ms)
        # a step that changes nothing may still follow a start that folded missed bars without orders
        ordered = order_slots(self.trader, part, now_ms)
        if changed or ordered or event == TIMER:
            self.remember(strategy, part)

    def remember(self, strategy: Strategy, part: Part) -> None:
        """Have a part's State written with this turn."""
        self._dirty.append((strategy, part))

    def _fail(self, strategy: Strategy, message: str, now_ms: int) -> None:
        strategy.error = message
        log.error("a strategy failed and stops deciding; its stops stay", strategy=strategy.name, error=message)
        with self.journal.write(durable=False):
            self.journal.event(now_ms, "error", "strategy_failed", strategy.name, message)

    async def _on_fill(self, event: FillHappened) -> None:
        self.trader.book(event.fill)
        leg = self.desk.leg_of(event.fill.group, None)
        if leg is not None:
            self.protector.on_fill(leg, event.ts_ms)
        await self.finish(event.ts_ms, self.accounts[event.fill.exchange])

    async def finish(self, now_ms: int, account: Account | None) -> None:
        """Write the turn in one transaction, then send what it drafted. Ends every turn that may have drafted."""
        durable = bool(self.desk.drafts) or self.trader.locks() != self._locks_written
        told = bool(self._dirty or self._woken or self.protector.moved)
        if durable or told or (account is not None and self._behind_journal(account)):
            with self.journal.write(durable=durable):
                self.desk.write(now_ms)
                for leg in (*self._woken, *self.protector.moved.values()):
                    self.desk.save(leg)
                self._woken, self.protector.moved = [], {}
                self._write_states()
                if account is not None:
                    self.journal.progress(account.name, now_ms, account.cash)
                self._sample(now_ms)
                self.trader.keep_breakers()
                self._locks_written = self.trader.locks()
        await self.sender.send()
        if self.trader.trial is not None and self.judged():
            self.trial_moved.set()

    def judged(self) -> str:
        """Return why the generation on probation has failed; empty where none has."""
        trial = self.trader.trial
        if trial is None:
            return ""
        started = (one for one in self.strategies.values() if one.generation == trial.generation)
        return verdict(trial, self.desk.rejected, {one.name: one.error for one in started if one.error})

    def _behind_journal(self, account: Account) -> bool:
        """Tell whether the journal must learn how far an account is: of a real exchange once a second is enough.

        Its events come by themselves and are not asked for again from where the journal stands.
        """
        if not self.desk.venues[account.name].remote:
            return True
        now_s = self.clock.monotonic_s()
        if now_s - self._progress_s.get(account.name, -PROGRESS_S) < PROGRESS_S:
            return False
        self._progress_s[account.name] = now_s
        return True

    def _write_states(self) -> None:
        dirty, self._dirty = self._dirty, []
        for strategy, part in dirty:
            state, out = part.plain()
            own = (strategy.name, part.number, strategy.spec)
            self.journal.state(StateRow(*own, state, out, part.ts_ms, part.anchor_ms, part.asked_for(), part.stepped))
            if part.trades or part.trades_kept:
                kept = {str(group): trade.plain() for group, trade in part.trades.items()}
                self.journal.flag(f"together {strategy.name} {part.number}", kept or None)
                part.trades_kept = bool(kept)

    def _sample(self, now_ms: int) -> None:
        wall_s = self.clock.monotonic_s()
        if now_ms - self._sampled_ms < SAMPLE_MARKET_MS or wall_s - self._sampled_s < SAMPLE_WALL_S:
            return
        self._sampled_ms, self._sampled_s = now_ms, wall_s
        self.journal.equity(
            now_ms, [(one.name, one.worth(one.equity()), one.worth(one.cash)) for one in self.accounts.values()]
        )


def _feed_of(event: TradePrinted | QuoteChanged | BookChanged) -> str:
    match event:
        case TradePrinted():
            return "trades"
        case QuoteChanged():
            return "quotes"
    return "book"
