"""The trading loop: one event at a time, from what the market did to the orders that follow.

A turn is atomic: features, steps, sizes and gate are computed, then written in one transaction, then sent. Commands and
reloads take turns of their own, so nothing changes under a decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import structlog

from autotrader.core.clock import Clock, iso
from autotrader.core.events import BarClosed, BarsComplete, BookChanged, QuoteChanged, Series, TradePrinted
from autotrader.core.units import timeframe_ms
from autotrader.execution.leg import REMOVED, Leg
from autotrader.execution.orders import BUY, SELL, Fill, Reason
from autotrader.execution.reconcile import NOTHING, Place, Steps, chase, leave
from autotrader.execution.sizing import Room, entry_amount
from autotrader.risk import breakers as brk
from autotrader.risk import limits as lim
from autotrader.runtime.account import Account
from autotrader.runtime.balances import take_balances
from autotrader.runtime.desk import Desk
from autotrader.runtime.part import Part
from autotrader.runtime.strategy import Strategy
from autotrader.store.journal import Journal, StateRow
from autotrader.strategies.contract import BAR, TIMER
from autotrader.venues.protocol import FillHappened, FundingPaid, Idle, OrderChanged, VenueEvent

ZERO = Decimal(0)
SAMPLE_MARKET_MS = 60_000
SAMPLE_WALL_S = 0.2
NO_LEG = -1
"""The leg that a timer concerns."""

log = structlog.get_logger("loop")


class Route(NamedTuple):
    """Where a stream of bars goes: a strategy's part, and the legs and program keys that it feeds there."""

    strategy: Strategy
    part: Part
    feeds: tuple[tuple[int, tuple[str, str]], ...]


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
        self.limits = lim.Limits()
        self.breakers = brk.Breakers()
        self.paused: dict[str, str] = {}
        self.killed = ""
        self.exits_only = ""
        self.routes: dict[Series, list[Route]] = {}
        self.ticks: dict[tuple[str, str], list[tuple[Strategy, Part, int]]] = {}
        self.upkeep: dict[tuple[str, str, str], list[Leg]] = {}
        self.turns = 0
        self.beat_s = clock.monotonic_s()
        self._equities: dict[str, Decimal] = {}  # of this moment: nothing fills while it is decided
        self._timers: list[tuple[Strategy, Part]] = []
        self._due: dict[str, list[tuple[Strategy, Part, int]]] = {}
        self._closed: list[Leg] = []
        self._dirty: list[tuple[Strategy, Part]] = []
        self._sampled_ms = 0
        self._sampled_s = 0.0
        self._breakers_written = self.breakers

    # routing

    def rewire(self) -> None:
        """Rebuild who hears of which bars, in the order of the strategies' names."""
        self.routes, self.ticks, self._timers = {}, {}, []
        for name in sorted(self.strategies):
            strategy = self.strategies[name]
            for part in strategy.parts:
                if TIMER in part.wakes:
                    self._timers.append((strategy, part))
                for leg, declared in enumerate(part.declared):
                    if declared.feed.kind != "bars":
                        self.ticks.setdefault((declared.exchange, declared.symbol), []).append((strategy, part, leg))
                for series, feeds in part.series().items():
                    self.routes.setdefault(series, []).append(Route(strategy, part, tuple(feeds)))
        self.upkeep = {}
        for one in self.desk.legs.values():
            self.upkeep.setdefault((one.exchange, one.symbol, one.timeframe), []).append(one)

    def wanted_series(self) -> dict[str, set[Series]]:
        """Return the bars that each exchange must stream: what strategies read and what open positions need."""
        wanted: dict[str, set[Series]] = {name: set() for name in self.accounts}
        for strategy in self.strategies.values():
            for series in strategy.series():
                wanted[series.exchange].add(series)
        for leg in self.desk.legs.values():
            if leg.position.amount or leg.orders:
                wanted[leg.exchange].add(Series(leg.exchange, leg.symbol, leg.timeframe))
                wanted[leg.exchange].add(Series(leg.exchange, leg.symbol, leg.resolution))
        return wanted

    # events

    async def handle(self, exchange: str, event: VenueEvent) -> None:
        """Take one event through a whole turn. Called by the exchange's own task, outside `turn`."""
        async with self.turn:
            account = self.accounts[exchange]
            account.market_ms = max(account.market_ms, event.ts_ms)
            match event:
                case BarClosed():
                    self._on_bar(account, event)
                case TradePrinted() | QuoteChanged() | BookChanged():
                    await self._on_tick(account, event)
                case BarsComplete():
                    await self._on_moment(account, event.ts_ms)
                case FillHappened():
                    await self._on_fill(event)
                case OrderChanged():
                    self.desk.on_order(event.order)
                case FundingPaid():
                    await take_balances(self, exchange, explained=True)
                    with self.journal.write(durable=False):
                        self.journal.event(
                            event.ts_ms, "info", "funding", exchange, f"{event.symbol}: {event.amount} {account.quote}"
                        )
                case Idle():
                    account.idle = True
                    log.info("the replay reached its end", exchange=exchange, market_time=iso(event.ts_ms))
            self.turns += 1
            self.beat_s = self.clock.monotonic_s()

    def _on_bar(self, account: Account, event: BarClosed) -> None:
        """Show a bar to every feature that reads it; what is decided on it waits for the moment to be complete."""
        account.prices[event.symbol] = Decimal(repr(event.bar.close))
        account.due_ms[event.symbol, event.timeframe] = event.ts_ms + timeframe_ms(event.timeframe)
        for route in self.routes.get(event.series, ()):
            part = route.part
            for leg, key in route.feeds:
                part.feed(leg, key, event.bar, event.ts_ms)
            for leg in range(len(part.declared)):
                if part.due(leg, event):
                    self._due.setdefault(account.name, []).append((route.strategy, part, leg))
        self._closed.extend(self.upkeep.get((event.exchange, event.symbol, event.timeframe), ()))

    async def _on_moment(self, account: Account, now_ms: int) -> None:
        if self.desk.unsettled:
            await self.desk.settle()
        self._equities.clear()
        due = self._due.pop(account.name, [])
        due += [(strategy, part, NO_LEG) for strategy, part in self._timed(account.name, now_ms)]
        due.sort(key=lambda one: (one[0].name, one[1].number, one[2]))
        for strategy, part, leg in due:
            self._step(strategy, part, TIMER if leg == NO_LEG else BAR, max(leg, 0), now_ms)
        closed, self._closed = self._closed, []
        for one in closed:
            if self.desk.legs.get(one.key) is one:
                self._look_after(one, now_ms)
        self._watch_equity(now_ms)
        await self.finish(now_ms, account)

    def _timed(self, exchange: str, now_ms: int) -> Iterator[tuple[Strategy, Part]]:
        """Yield the parts whose wake-up time has come, and take it from them."""
        for strategy, part in self._timers:
            if 0 < part.out.wake_ms[0] <= now_ms and part.declared[0].exchange == exchange:
                part.out.wake_ms[0] = 0
                yield strategy, part

    async def _on_tick(self, account: Account, event: TradePrinted | QuoteChanged | BookChanged) -> None:
        """Take a trade, a quote or a book to the legs that read it; who wakes on it decides at once."""
        if (price := _price_of(event)) is not None:
            account.prices[event.symbol] = price
        self._equities.clear()
        for strategy, part, leg in self.ticks.get((event.exchange, event.symbol), ()):
            account.due_ms[event.symbol, part.declared[leg].feed.timeframe] = event.ts_ms
            kind = part.tell(leg, event)
            if kind in part.wakes:
                self._step(strategy, part, kind, leg, event.ts_ms)
        if self.desk.drafts or self._dirty:
            self._watch_equity(event.ts_ms)
            await self.finish(event.ts_ms, account)

    def _step(self, strategy: Strategy, part: Part, event: int, leg: int, now_ms: int) -> None:
        if strategy.error or self.strategies.get(strategy.name) is not strategy:
            return  # a reload came between the bar and the end of its moment
        try:
            changed = part.step(event, leg, now_ms, [float(self.share(strategy, one)) for one in part.legs])
        except Exception as error:  # noqa: BLE001 - one strategy's fault must not stop the others
            self._fail(strategy, f"{type(error).__name__}: {error}", now_ms)
            return
        if not changed:
            return
        self.remember(strategy, part)
        for index, one in enumerate(part.legs):
            self.consider(strategy, part, index, one, now_ms)

    def remember(self, strategy: Strategy, part: Part) -> None:
        """Have a part's State written with this turn."""
        self._dirty.append((strategy, part))

    def _fail(self, strategy: Strategy, message: str, now_ms: int) -> None:
        strategy.error = message
        log.error("a strategy failed and stops deciding; its stops stay", strategy=strategy.name, error=message)
        with self.journal.write(durable=False):
            self.journal.event(now_ms, "error", "strategy_failed", strategy.name, message)

    # from wants to orders

    def consider(self, strategy: Strategy, part: Part, index: int, leg: Leg, now_ms: int) -> None:
        """Compare what a step wants of a leg with what the leg has, and draft the difference."""
        target, entry_id = part.out.target[index], part.out.entry[index]
        if target == 0.0:
            if (leg.position.amount or leg.working("entry")) and not leg.exit_reason:
                self.leave(leg, Reason.EXIT, now_ms)
            return
        if entry_id == leg.entry_id:
            return
        self._enter(strategy, part, index, leg, now_ms)

    def leave(self, leg: Leg, reason: str, now_ms: int) -> None:
        """Draft the way out of a leg's position and entry."""
        if not leg.exit_reason:
            leg.first_sent_ms = now_ms
        leg.exit_reason = reason
        steps = leave(leg, self._price(leg), now_ms)
        if steps != NOTHING:
            self.desk.draft(leg, steps, now_ms, "exit", {"why": reason, "holds": str(leg.position.amount)})

    def _enter(self, strategy: Strategy, part: Part, index: int, leg: Leg, now_ms: int) -> None:
        target, entry_id = part.out.target[index], part.out.entry[index]
        account = self.accounts[leg.exchange]
        price = self._price(leg)
        leg.entry_id, leg.exposure = entry_id, target
        strategy.last_decision = f"{iso(now_ms)} {'long' if target > 0 else 'short'} {leg.symbol}"
        refusal = self.blocked(leg, now_ms)
        if refusal is not None:
            self._refuse(leg, refusal, now_ms)
            return
        share = self.share(strategy, leg)
        room = Room(share, account.available() + self._freed(leg, price), account.cost)
        atr = part.atr(index)
        amount = entry_amount(
            strategy.size,
            target,
            room,
            price,
            leg.instrument,
            Decimal(repr(atr)) if atr == atr else None,  # noqa: PLR0124 - NaN
        )
        wanted = amount if target > 0 else -amount
        change = wanted - leg.position.amount
        if leg.position.amount and (change > 0) != (leg.position.amount > 0):
            self._reduce_to(leg, wanted, now_ms)
            return
        leg.target = wanted
        side = BUY if change > 0 else SELL
        limit = leg.instrument.price(leg.instrument.ticks(price)) if leg.policy.kind == "limit" else None
        notional = abs(change) * price
        if not change or notional < leg.instrument.min_notional or abs(change) < leg.instrument.min_amount:
            rules = leg.instrument
            bound = f"{rules.min_notional} {rules.quote}, {rules.min_amount} {rules.base}"
            self._refuse(leg, lim.Refusal("minimum", bound, f"{abs(change)} {rules.base}"), now_ms)
            return
        refusal = self._gate(leg, side * notional, limit or price, now_ms)
        if refusal is not None:
            self._refuse(leg, refusal, now_ms)
            return
        cancel = tuple(order.client_id for order in leg.working("entry"))
        place = Place("entry", side, abs(change), limit, Reason.ENTRY)
        self.desk.draft(leg, Steps(cancel, place), now_ms, "enter", {"exposure": target, "share": str(share)})

    def share(self, strategy: Strategy, leg: Leg) -> Decimal:
        """Return the quote money that a strategy may use for one leg: its share of the exchange's equity, split."""
        equity = self._equities.get(leg.exchange)
        if equity is None:
            equity = self._equities[leg.exchange] = self.accounts[leg.exchange].equity()
        return strategy.params.capital * equity / strategy.width

    def _reduce_to(self, leg: Leg, wanted: Decimal, now_ms: int) -> None:
        """Shrink a position to a smaller target, or leave it where the new target is on the other side."""
        same_side = wanted and (wanted > 0) == (leg.position.amount > 0)
        amount = abs(leg.position.amount) - (abs(wanted) if same_side else ZERO)
        if not same_side:
            self.leave(leg, Reason.EXIT, now_ms)
        elif amount:
            leg.target = wanted
            side = SELL if leg.position.amount > 0 else BUY
            place = Place("exit", side, amount, None, Reason.EXIT)
            self.desk.draft(leg, Steps((), place), now_ms, "reduce", {"to": str(wanted)})

    def _freed(self, leg: Leg, price: Decimal) -> Decimal:
        """Return the money that the leg's own position already took: a new size may use it again."""
        return abs(leg.position.amount) * price

    def _price(self, leg: Leg) -> Decimal:
        return self.accounts[leg.exchange].prices.get(leg.symbol, leg.position.entry_price or ZERO)

    def blocked(self, leg: Leg, now_ms: int) -> lim.Refusal | None:
        """Return why no entry is allowed on a leg now, whatever its size."""
        if self.killed:
            return lim.Refusal("kill", "locked", f"killed: {self.killed}")
        if self.exits_only:
            return lim.Refusal("exits_only", "locked", self.exits_only)
        for name in ("", leg.owner):
            if name in self.paused:
                return lim.Refusal("pause", "paused", self.paused[name] or "paused")
        if leg.locked:
            return lim.Refusal("holdings", "locked", leg.locked)
        return brk.closed(self.breakers, now_ms)

    def _gate(self, leg: Leg, notional: Decimal, price: Decimal, now_ms: int) -> lim.Refusal | None:
        account = self.accounts[leg.exchange]
        nets = {name: one.exposures() for name, one in self.accounts.items()}
        held = frozenset((name, symbol) for name, symbols in nets.items() for symbol in symbols)
        due_ms = account.due_ms.get((leg.symbol, leg.timeframe), now_ms)
        seen = lim.Account(
            self.equity(),
            nets[leg.exchange].get(leg.symbol, ZERO),
            sum((one.gross() for one in self.accounts.values()), ZERO),
            held,
            self.desk.recent_orders(now_ms),
            self._price(leg),
            due_ms,
            max(now_ms, account.market_ms),
        )
        return lim.check(self.limits, lim.Entry(leg.exchange, leg.symbol, notional, price), seen)

    def _refuse(self, leg: Leg, refusal: lim.Refusal, now_ms: int) -> None:
        """Draft nothing, but write why: the limit, its bound, the value and the order that was refused."""
        detail = {"limit": refusal.limit, "bound": refusal.bound, "value": refusal.value, "exposure": leg.exposure}
        leg.exposure = 0.0 if not leg.position.amount else leg.exposure
        self.desk.draft(leg, NOTHING, now_ms, "refused", detail)

    # what goes on while nothing is decided

    def _look_after(self, leg: Leg, now_ms: int) -> None:
        if leg.owner.startswith(REMOVED) and not leg.position.amount and not leg.orders:
            with self.journal.write(durable=False):
                self.desk.drop(leg)
            self.rewire()
        elif leg.exit_reason:
            steps = leave(leg, self._price(leg), now_ms)
            if steps != NOTHING:
                self.desk.draft(leg, steps, now_ms, "exit", {"why": leg.exit_reason, "again": True})
        elif leg.max_holding_ms and leg.position.amount and now_ms - leg.position.opened_ms >= leg.max_holding_ms:
            self.leave(leg, Reason.MAX_HOLDING, now_ms)
        elif leg.orders and all(order.created_ms < now_ms for order in leg.orders.values()):
            self._chase(leg, now_ms)

    def _chase(self, leg: Leg, now_ms: int) -> None:
        steps = chase(leg, self._price(leg), now_ms)
        if steps == NOTHING:
            return
        if steps.place is not None:
            moved = steps.place
            working = leg.working("entry")
            for order in working:
                leg.orders.pop(order.client_id)
            price = moved.price or self._price(leg)
            refusal = self.blocked(leg, now_ms) or self._gate(leg, moved.side * moved.amount * price, price, now_ms)
            for order in working:
                leg.orders[order.client_id] = order
            if refusal is not None:
                self.desk.draft(leg, Steps(steps.cancel), now_ms, "refused", refusal._asdict())
                return
        self.desk.draft(leg, steps, now_ms, "reprice" if steps.place else "timeout", {})

    # money

    def equity(self) -> Decimal:
        """Return the equity of all exchanges."""
        return sum((account.equity() for account in self.accounts.values()), ZERO)

    def money_moved(self, exchange: str, amount: Decimal) -> None:
        """Take in a deposit or withdrawal: no loss baseline takes it for a gain or a loss."""
        self.breakers = brk.moved(self.breakers, amount)
        account = self.accounts[exchange]
        with self.journal.write():
            self.journal.event(
                account.market_ms,
                "info",
                "money_moved",
                exchange,
                f"{amount:+f} {account.quote} without a fill of ours",
            )

    def _watch_equity(self, now_ms: int) -> None:
        self.breakers, breaches = brk.on_equity(self.breakers, self.limits, now_ms, self.equity())
        self._tripped(breaches, now_ms)

    def _tripped(self, breaches: Iterable[brk.Breach], now_ms: int) -> None:
        for breach in breaches:
            message = f"{breach.limit} is {breach.bound}, it came to {breach.value}"
            log.warning("a breaker tripped", limit=breach.limit, bound=breach.bound, value=breach.value)
            with self.journal.write(durable=False):
                self.journal.event(now_ms, "warning", "breach", breach.limit, message)
            if self.limits.on_breach == "close" and breach.limit != "cooldown":
                self.leave_all(Reason.BREACH, now_ms)

    def leave_all(self, reason: str, now_ms: int, owner: str = "") -> int:
        """Draft the way out of every position and entry, or of one owner's; return how many."""
        count = 0
        for leg in self.desk.legs.values():
            if (not owner or leg.owner in {owner, REMOVED + owner}) and (leg.position.amount or leg.orders):
                self.leave(leg, reason, now_ms)
                count += 1
        return count

    async def _on_fill(self, event: FillHappened) -> None:
        self.book(event.fill)
        await self.finish(event.ts_ms, self.accounts[event.fill.exchange])

    def book(self, fill: Fill) -> None:
        """Apply a fill and what follows from it: the closed trade's place in the breakers, a line in the log."""
        applied = self.desk.on_fill(fill)
        if applied.trade is not None:
            self.breakers, breaches = brk.on_trade(self.breakers, self.limits, fill.ts_ms, applied.trade.pnl)
            self._tripped(breaches, fill.ts_ms)
        if applied.leg is not None:
            log.info(
                "fill",
                strategy=applied.leg.owner,
                symbol=fill.symbol,
                side="buy" if fill.side > 0 else "sell",
                amount=str(fill.amount),
                price=str(fill.price),
                reason=fill.reason,
            )

    async def finish(self, now_ms: int, account: Account | None) -> None:
        """Write the turn in one transaction, then send what it drafted. Ends every turn that may have drafted."""
        durable = bool(self.desk.drafts) or brk.locks(self.breakers) != brk.locks(self._breakers_written)
        if durable or account is not None or self._dirty:
            with self.journal.write(durable=durable):
                self.desk.write(now_ms)
                self._write_states()
                if account is not None:
                    self.journal.progress(account.name, now_ms, account.cash)
                self._sample(now_ms)
                if self.breakers != self._breakers_written:
                    self.journal.flag("breakers", _plain(self.breakers))
                    self._breakers_written = self.breakers
        await self.desk.send()

    def _write_states(self) -> None:
        dirty, self._dirty = self._dirty, []
        for strategy, part in dirty:
            state, out = part.plain()
            self.journal.state(
                StateRow(strategy.name, part.number, strategy.spec, state, out, part.ts_ms, part.anchor_ms)
            )

    def _sample(self, now_ms: int) -> None:
        wall_s = self.clock.monotonic_s()
        if now_ms - self._sampled_ms < SAMPLE_MARKET_MS or wall_s - self._sampled_s < SAMPLE_WALL_S:
            return
        self._sampled_ms, self._sampled_s = now_ms, wall_s
        self.journal.equity(now_ms, [(one.name, one.equity(), one.cash) for one in self.accounts.values()])


def _price_of(event: TradePrinted | QuoteChanged | BookChanged) -> Decimal | None:
    """Return the price that an event tells: the trade's, or the middle of bid and ask where both are there."""
    match event:
        case TradePrinted():
            return Decimal(repr(event.price))
        case QuoteChanged():
            return Decimal(repr((event.bid + event.ask) / 2))
        case BookChanged() if event.bids and event.asks:
            return Decimal(repr((event.bids[0][0] + event.asks[0][0]) / 2))
    return None


def _plain(state: brk.Breakers) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Decimal) else value for key, value in state._asdict().items()}


def breakers_from(plain: dict[str, Any]) -> brk.Breakers:
    """Return the breakers that the journal kept."""
    values = dict(plain)
    for key in ("day_start", "peak"):
        values[key] = Decimal(values[key])
    values["losses_ms"] = tuple(values["losses_ms"])
    return brk.Breakers(**values)
