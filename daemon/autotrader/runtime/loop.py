"""The trading loop: one event at a time, from what the market did to the orders that follow.

A turn is atomic: features, steps, sizes and gate are computed, then written in one transaction, then sent. Commands and
reloads take turns of their own, so nothing changes under a decision.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

import structlog

from autotrader.core.clock import Clock, day_of, iso
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
from autotrader.market.bars import opening
from autotrader.market.events import as_bar
from autotrader.market.metrics import Metrics
from autotrader.risk.breakers import Breakers
from autotrader.runtime import together
from autotrader.runtime.account import Account
from autotrader.runtime.balances import book_funding
from autotrader.runtime.desk import Desk
from autotrader.runtime.outside import Outside
from autotrader.runtime.part import Part
from autotrader.runtime.protect import PROTECT_S, Protector
from autotrader.runtime.routes import Heard, Routes
from autotrader.runtime.sender import Sender
from autotrader.runtime.slots import order_slots
from autotrader.runtime.strategy import Strategy
from autotrader.runtime.trader import Trader
from autotrader.runtime.trial import verdict
from autotrader.runtime.turn import Turn
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

MARKET_EVENTS = (QuoteChanged, TradePrinted, BookChanged, BarClosed, BarsComplete)

NO_BUDGET: tuple[float, ...] = ()
"""What a step is told that does not look at it."""

FEED_OF = {TradePrinted: "trades", QuoteChanged: "quotes", BookChanged: "book"}
UNHEARD = Heard()
"""Of a stream that nobody hears of."""

log = structlog.get_logger("loop")


class TradingLoop:
    """Everything that trades. All methods are called inside `turn`, except where they say otherwise."""

    def __init__(self, journal: Journal, desk: Desk, clock: Clock) -> None:
        self.journal = journal
        self.desk = desk
        self.clock = clock
        self.turn = Turn()
        self.accounts: dict[str, Account] = desk.accounts
        self.strategies: dict[str, Strategy] = {}
        self.failed: dict[str, str] = {}
        self.trader = Trader(journal, desk)
        self.sender = Sender(desk, self.turn, clock)
        self.protector = Protector(self.trader, self.sender, clock)
        self.metrics: dict[str, Metrics] = {}
        self.outside = Outside(desk.venues, self.metrics)
        self.routes = Routes({}, ())
        self._woken: list[Leg] = []
        self._due: dict[str, list[tuple[Strategy, Part, int]]] = {}
        self._closed: dict[str, list[Leg]] = {}
        self._arrived: dict[str, dict[Part, None]] = {}
        self._exits: dict[tuple[str, str, str], tuple[int, float]] = {}  # tries that came to nothing, and the last one
        self._subscribed: dict[str, set[Series]] = {}
        self._moved = asyncio.Event()
        self.trial_moved = asyncio.Event()
        self._dirty: list[tuple[Strategy, Part]] = []
        self._progress_s: dict[str, float] = {}
        self._sampled_ms = 0
        self._sampled_s = 0.0
        self._locks_written = self.trader.locks()
        self._compared: Breakers | None = None
        self._last_turn = 0
        self._watched_day = 0

    # routing

    def rewire(self) -> None:
        """Rebuild who hears of which bars and events, in the order of the strategies' names."""
        self.routes = Routes(self.strategies, self.desk.legs.values())

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
        if exchange in self.routes.elsewhere and isinstance(event, BarsComplete | TradePrinted | QuoteChanged):
            await self._abreast(exchange, event.ts_ms)
        async with self.turn:
            account = self.accounts[exchange]
            account.market_ms = max(account.market_ms, event.ts_ms)
            self._moved.set()
            if isinstance(event, MARKET_EVENTS):  # a union would be made anew for each event
                await self._on_market(account, event)
            else:
                await self._on_account(account, event)

    async def _on_market(
        self, account: Account, event: QuoteChanged | TradePrinted | BookChanged | BarClosed | BarsComplete
    ) -> None:
        """Take what the market tells. Where nothing else had a turn since it last did, only prices moved."""
        if self.turn.taken != self._last_turn + 1 or self.desk.unsettled:
            self.trader.still = False
            for one in self.accounts.values():
                one.uncounted = None
        self._last_turn = self.turn.taken
        for one in self.accounts.values():
            one.followed = True
        try:
            match event:
                case BarClosed():
                    self._on_bar(account, event)
                case BarsComplete():
                    await self._on_moment(account, event.ts_ms)
                case _:
                    await self._on_tick(account, event)
        finally:
            for one in self.accounts.values():
                one.followed = False

    async def _on_account(self, account: Account, event: VenueEvent) -> None:
        match event:
            case FillsComplete():
                await self._on_fills(account, event.ts_ms)
            case FillHappened():
                await self._on_fill(event)
            case OrderChanged():
                self.desk.on_order(event.order)
            case FundingPaid():
                book_funding(self, account.name, [event])
            case Idle():
                account.idle = True
                log.info("the replay reached its end", exchange=account.name, market_time=iso(event.ts_ms))

    async def _abreast(self, exchange: str, now_ms: int) -> None:
        """Wait a moment for the exchanges that are read here and about to close the same bar; then go on without."""
        if not any(self._behind(series, now_ms) for series in self.routes.elsewhere[exchange]):
            return
        waited = asyncio.ensure_future(self.clock.sleep(ABREAST_S))
        try:
            while not waited.done() and any(self._behind(series, now_ms) for series in self.routes.elsewhere[exchange]):
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
        self._take_price(account, event.symbol, event.bar.close)
        account.due_ms[event.symbol, event.timeframe] = event.ts_ms + timeframe_ms(event.timeframe)
        self.protector.on_bar(account, event)
        heard = self.routes.streams.get((event.exchange, event.symbol, event.timeframe))
        if heard is None:
            return
        arrived = self._arrived.setdefault(account.name, {})
        for strategy, part, feeds, own in heard.bars:
            arrived[part] = None
            for leg, key in feeds:
                part.arrive(leg, key, event.bar, event.ts_ms)
            for leg in own:
                if part.due(leg, event.ts_ms):
                    self._due.setdefault(account.name, []).append((strategy, part, leg))
        self._closed.setdefault(account.name, []).extend(heard.legs)

    def _watch(self, now_ms: int) -> None:
        """Have the equity watched where it moved, another day began, or a generation is on probation."""
        if not self.trader.still or self.trader.trial is not None or day_of(now_ms) != self._watched_day:
            self._watched_day, self.trader.still = day_of(now_ms), True
            self.trader.equities.clear()
            self.trader.watch_equity(now_ms)

    def _take_price(self, account: Account, symbol: str, price: float) -> None:
        account.prices.tell(symbol, price)
        if account.holds(symbol):
            account.recount(symbol)
            self.trader.still = False

    async def _on_moment(self, account: Account, now_ms: int) -> None:
        if self.desk.unsettled and not self.desk.venues[account.name].remote:
            await self.sender.settle(account.name)
        if not self.trader.still:
            self.trader.equities.clear()
        for part in self._arrived.pop(account.name, {}):
            if part.asked:
                await self.outside.bring(part, account.name, now_ms)
            part.settle(account.name)
        due = [one for one in self._due.pop(account.name, ()) if not one[1].is_spared(one[2])]
        due += self._timed(account.name, now_ms)
        due.sort(key=lambda one: (one[0].name, one[1].number, one[2]))
        for strategy, part, leg in due:
            if leg == NO_LEG or not part.is_all_calm():
                self._step(strategy, part, TIMER if leg == NO_LEG else BAR, max(leg, 0), now_ms)
        for one in self._closed.pop(account.name, ()):
            if (not one.idle or one.owner.startswith(REMOVED)) and self.desk.legs.get(one.key) is one:
                self._look_after(one, now_ms)
        self._watch(now_ms)
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
        due = [leg for leg in legs if self._is_due(leg, now_s) and not self.sender.waits(leg)]
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
                    self._exits[leg.key] = tries + 1, now_s
                if self.desk.legs.get(leg.key) is leg:
                    self._look_after(leg, self._now_ms(account))
            if self.desk.drafts or self._dirty:
                await self.finish(account.market_ms, account)

    def _is_due(self, leg: Leg, now_s: float) -> bool:
        """Tell whether a leg may be looked after now: its exit is tried at once, then after pauses that double."""
        tries, tried_s = self._exits.get(leg.key, (0, 0.0))
        longest_s = PROTECT_S if leg.exit_reason in PROTECTIVE else MAX_EXIT_PAUSE_S
        return not tries or now_s - tried_s >= min(2.0 ** min(tries - 1, 16), longest_s)

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

    def _timed(self, exchange: str, now_ms: int) -> list[tuple[Strategy, Part, int]]:
        """Return the parts whose wake-up time has come, each with no leg that it concerns, and take it from them."""
        return [
            (strategy, part, NO_LEG)
            for strategy, part in self.routes.timers
            if part.declared[0].exchange == exchange and part.wake(now_ms)
        ]

    async def _on_tick(self, account: Account, event: TradePrinted | QuoteChanged | BookChanged) -> None:
        """Take a trade, a quote or a book to the legs that read it: a moment of its own, complete as it comes."""
        venue, feed, now_ms = self.desk.venues[account.name], FEED_OF[type(event)], event.ts_ms
        if self.desk.unsettled and not venue.remote:
            await self.sender.settle(account.name)
        guarding = self.protector.on_event(account, event)
        heard = self.routes.streams.get((event.exchange, event.symbol, feed), UNHEARD)
        if heard is UNHEARD and not venue.keeps_guards:
            if guarding:  # nobody decides on it, it is streamed for the positions that are guarded here
                await self.finish(now_ms, account)
            return
        traded = account.trading(event.symbol)
        bar = as_bar(event, traded.per_price) if traded.legs else None
        if bar is not None:
            self._take_price(account, event.symbol, bar.close)
        account.due_ms[event.symbol, feed] = now_ms
        if not self.trader.still:
            self.trader.equities.clear()
        due = self._timed(account.name, now_ms)
        timed = bool(due)
        for strategy, part, leg, wakes, per_price in heard.events:
            part.tell(leg, event, bar if per_price == traded.per_price else as_bar(event, per_price))
            if part.asked:
                await self.outside.bring(part, account.name, now_ms)
                part.settle(account.name)
            if wakes and part.fresh(leg, event) and not part.is_calm(leg) and not part.is_spared(leg):
                due.append((strategy, part, leg))
        if timed:
            due.sort(key=lambda one: (one[0].name, one[1].number, one[2]))
        for strategy, part, leg in due:
            self._step(strategy, part, TIMER if leg == NO_LEG else WAKES[feed], max(leg, 0), now_ms)
        if not venue.remote:  # a real exchange is asked for something once a second at most
            for one in heard.legs:
                if not one.idle or one.owner.startswith(REMOVED):
                    self._look_after(one, now_ms)
        self._watch(now_ms)
        await self.finish(now_ms, account)

    async def _on_fills(self, account: Account, now_ms: int) -> None:
        """Wake who wakes on fills, once however many there were, before the moment that filled them is shown."""
        if not any(leg.filled for leg in account.legs.values()):
            return
        self.trader.equities.clear()
        for strategy, part in self.routes.fillers:
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
            budget = [self.trader.budget(strategy, one) for one in part.legs] if part.sees_money else NO_BUDGET
            changed = part.step(event, leg, now_ms, budget)
        except Exception as error:  # noqa: BLE001 - one strategy's fault must not stop the others
            self._fail(strategy, f"{type(error).__name__}: {error}", now_ms)
            return
        if changed:
            for index, one in enumerate(part.legs):
                self.trader.consider(strategy, part, index, one, now_ms)
        # a step that changes nothing may still follow a start that folded missed bars without orders
        ordered = bool(part.slots) and order_slots(self.trader, part, now_ms)
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
        durable = bool(self.desk.drafts) or self._locks_moved()
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
        if self.desk.drafts:
            self.trader.still = False
            await self.sender.send()
        if self.trader.trial is not None and self.judged():
            self.trial_moved.set()

    def _locks_moved(self) -> bool:
        """Tell whether the breakers hold a lock, or let one go, that the journal does not know of."""
        trader = self.trader
        if trader.own or trader.breakers is not self._compared:
            self._compared = None
            if trader.locks() == self._locks_written:
                self._compared = trader.breakers
                return False
        return self._compared is None

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
