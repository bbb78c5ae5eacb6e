"""Guards the positions of exchanges that keep no guards: every price is looked at, and what is touched is left at once.

Where the exchange takes stop orders one rests there for each position, so that it is protected while the daemon is
away. Take-profits, and whatever the exchange refuses, are watched here alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from autotrader.core.clock import Clock
from autotrader.core.events import Bar, BarClosed, BookChanged, QuoteChanged, Series, TradePrinted
from autotrader.core.units import FEEDS, timeframe_ms
from autotrader.execution.leg import Leg
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import Reason
from autotrader.execution.protect import Seen, covered, held_of, moment, stop_steps, touched
from autotrader.execution.reconcile import NOTHING, PROTECTIVE, URGENT
from autotrader.market import fills
from autotrader.market.bars import opening
from autotrader.market.events import as_bar
from autotrader.runtime.account import Account
from autotrader.runtime.sender import Sender
from autotrader.runtime.trader import Trader

PROTECT_S = 5.0
"""The deadline: a position whose guard was touched has an exit at the exchange so soon, or it is told that it has not.

It is also the longest pause before such an exit is tried again.
"""

GRACE_S = 2.0
"""How long a stop at the exchange that was touched, too, may take to end its position before ours is sent instead."""

AGAIN_S = 60.0
"""How long a stop that the exchange refused is not asked for again."""

MAX_MISSED = 2_000
"""Bound of the bars that are looked at after a downtime, for each position; the newest ones."""

MAX_MARKS = 16
"""Bars whose best price before them is remembered, for those that close late."""

MISSED = "1m"
"""The bars that are looked at after a downtime where a strategy decides on single events."""

log = structlog.get_logger("protect")


class Touched(NamedTuple):
    """A guard that was touched: since when, by the monotonic clock, and what it was."""

    since_s: float
    reason: Reason


@dataclass(slots=True)
class Watched:
    """What is remembered of one position while the daemon runs.

    `marks` holds the openings of the newest bars within which prices came, each with the best price before it.
    `waits` is a touch that a stop at the exchange may still answer, `left` one that an exit of ours does.
    """

    group: str
    marks: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=MAX_MARKS))
    waits: Touched | None = None
    left: Touched | None = None
    late: bool = False
    stop_id: str = ""
    stop_s: float = 0.0
    refused: bool = False


class Protector:
    """Watches and drafts; touched in the trading loop's turn only. `moved` are legs that the turn must write."""

    def __init__(self, trader: Trader, sender: Sender, clock: Clock) -> None:
        self._trader, self._desk, self._sender, self._clock = trader, trader.desk, sender, clock
        self._watched: dict[tuple[str, str, str], Watched] = {}
        self.moved: dict[tuple[str, str, str], Leg] = {}

    # what is guarded here

    def guarded(self, exchange: str) -> list[Leg]:
        """Return the legs whose open positions the daemon itself guards on an exchange."""
        if self._desk.venues[exchange].keeps_guards:
            return []
        legs = self._desk.accounts[exchange].legs.values()
        return [leg for leg in legs if leg.guarded]

    def series(self, exchange: str) -> Iterator[Series]:
        """Yield what must be streamed so that every guarded position sees the price that would end it."""
        for leg in self.guarded(exchange):
            yield Series(exchange, leg.symbol, "quotes")

    # what is seen

    def on_bar(self, account: Account, event: BarClosed) -> None:
        """Look at a closed bar of the length by which a position's fills are decided."""
        if self._desk.venues[account.name].keeps_guards:
            return
        for leg in account.trading(event.symbol).legs:
            if leg.resolution == event.timeframe and leg.guarded:
                self._look_at_bar(leg, event.bar, event.ts_ms)

    def on_event(self, account: Account, event: TradePrinted | QuoteChanged | BookChanged) -> bool:
        """Look at a trade, a quote or a book; True where the turn has something to write or to send."""
        if self._desk.venues[account.name].keeps_guards:
            return bool(self.moved)
        before, traded = len(self._desk.drafts), account.trading(event.symbol)
        guarded = [leg for leg in traded.legs if leg.guarded]
        if guarded and (bar := as_bar(event, traded.per_price)) is not None:
            for leg in guarded:
                self._mark(leg, event.ts_ms)
                price = bar.low if leg.position.amount > 0 else bar.high
                self._look(leg, moment(fills.in_ticks(price, traded.per_price)), leg.best, event.ts_ms)
        return len(self._desk.drafts) > before or bool(self.moved)

    async def look_back(self, exchange: str) -> None:
        """Look at the bars that closed while nobody watched. Raises VenueUnavailable where they cannot be had."""
        venue, account = self._desk.venues[exchange], self._desk.accounts[exchange]
        for leg in self.guarded(exchange):
            since_ms = max(leg.watched_ms, leg.position.opened_ms)
            timeframe = leg.timeframe if leg.resolution in FEEDS else leg.resolution
            series = Series(exchange, leg.symbol, MISSED if timeframe in FEEDS else timeframe)
            length_ms = timeframe_ms(series.timeframe)
            missed = min((account.market_ms - opening(since_ms, length_ms)) // length_ms, MAX_MISSED)
            if missed <= 0:
                continue
            for bar in await venue.bars(series, end_ms=account.market_ms, limit=missed):
                if bar.ts_ms + length_ms > since_ms:
                    self._look_at_bar(leg, bar, bar.ts_ms + length_ms)

    def _look_at_bar(self, leg: Leg, bar: Bar, closed_ms: int) -> None:
        """Look at a bar. What of it came before the position is not known, so of its first bar only the close counts.

        Nor is it known whether a low came before a high that was seen in the same bar: a trailing stop is held against
        the best price before the bar, and where that is not known it is left to the prices as they come.
        """
        per_price = float(1 / leg.instrument.tick)
        seen = Seen(*(fills.in_ticks(price, per_price) for price in bar[1:5]))
        if bar.ts_ms < leg.position.opened_ms:
            seen = moment(seen.close)
        self._look(leg, seen, self._best_before(leg, bar.ts_ms), closed_ms)

    def _look(self, leg: Leg, seen: Seen, best: float | None, now_ms: int) -> None:
        """End a position whose guard was touched; else remember how far it came."""
        held = held_of(leg, best)
        if held is None or _on_its_way(leg):
            return
        reason = touched(held if best is not None else held._replace(trail=0), seen)
        if reason is not None:
            self._touch(leg, reason, seen, now_ms)
            return
        moved = fills.moved_best(held.side, leg.best or held.entry, seen.high, seen.low)
        if moved != leg.best and leg.guard.trailing_stop is not None:
            self.moved[leg.key] = leg
        leg.best, leg.watched_ms = moved, max(leg.watched_ms, now_ms)

    def _mark(self, leg: Leg, ts_ms: int) -> None:
        """Remember the best price before the bar that a price falls into, where that is the bar's first."""
        if leg.resolution in FEEDS:
            return
        begin_ms, marks = opening(ts_ms, timeframe_ms(leg.resolution)), self._memory(leg).marks
        if not marks or marks[-1][0] < begin_ms:
            marks.append((begin_ms, leg.best))

    def _best_before(self, leg: Leg, begin_ms: int) -> float | None:
        """Return the best price before a bar; None where that is not known any more."""
        if leg.watched_ms <= begin_ms:
            return leg.best
        marks = self._memory(leg).marks
        later = [best for opened_ms, best in marks if opened_ms >= begin_ms]
        exact = any(opened_ms <= begin_ms for opened_ms, _ in marks)
        return later[0] if later and exact else None

    # what follows from it

    def _touch(self, leg: Leg, reason: Reason, seen: Seen, now_ms: int) -> None:
        memory = self._memory(leg)
        if reason is not Reason.TAKE_PROFIT and covered(leg, seen):
            memory.waits = memory.waits or Touched(self._clock.monotonic_s(), reason)
            return
        self._leave(leg, reason, now_ms)

    def _leave(self, leg: Leg, reason: Reason, now_ms: int) -> None:
        memory = self._memory(leg)
        since_s = memory.waits.since_s if memory.waits is not None else self._clock.monotonic_s()
        memory.waits, memory.left, memory.late = None, Touched(since_s, reason), False
        log.info("a guard was touched", strategy=leg.owner, symbol=leg.symbol, reason=str(reason))
        self._trader.leave(leg, reason, now_ms)

    def on_fill(self, leg: Leg, now_ms: int) -> None:
        """Have a stop rest at the exchange for what a fill brought; what else a market order brings is waited for."""
        if not any(order.type == "market" for order in leg.working("entry")):
            self.follow(leg, now_ms)

    def follow(self, leg: Leg, now_ms: int) -> None:
        """Draft what brings a leg's stop at the exchange to where it should be."""
        venue = self._desk.venues[leg.exchange]
        if venue.keeps_guards or not venue.keeps_stops or self._sender.waits(leg):
            return
        memory, now_s = self._memory(leg), self._clock.monotonic_s()
        steps = stop_steps(leg, now_ms, self._desk.ending(leg))
        if steps.place is not None and self._too_soon(leg, memory, now_s):
            return
        if steps == NOTHING:
            return
        order = self._desk.draft(leg, steps, now_ms, "protect", {"why": "the stop at the exchange"}).order
        if order is not None:
            memory.stop_id, memory.stop_s = order.client_id, now_s

    def _too_soon(self, leg: Leg, memory: Watched, now_s: float) -> bool:
        """Tell whether the last stop was refused, or ended by another hand, too lately to try again."""
        if not memory.stop_id or leg.working("stop"):
            return False
        last = self._desk.journal.find_order(memory.stop_id)
        if last is not None and last.state is OrderState.CANCELED and not last.venue_id:
            return False  # it was not sent: the one before it was not surely over
        refused = last is not None and last.state is OrderState.REJECTED
        if last is not None and refused and not memory.refused:
            memory.refused = True
            with self._desk.journal.write():
                message = f"{leg.symbol}: no stop rests at {leg.exchange}, it is watched here alone: {last.reason}"
                self._desk.journal.event(last.updated_ms, "error", "unprotected", leg.owner, message)
        return now_s - memory.stop_s < (AGAIN_S if refused else PROTECT_S)

    def tend(self, account: Account, now_ms: int) -> None:
        """Go on with what has its time: touches that the exchange's stop did not answer, stops to be moved, deadlines.

        Called once a second, with the time at the exchange: a market that is silent tells none.
        """
        now_s = self._clock.monotonic_s()
        if self._desk.venues[account.name].keeps_guards:
            return
        for leg in list(account.legs.values()):
            memory = self._watched.get(leg.key)
            if not leg.position.amount and not leg.orders:
                self._watched.pop(leg.key, None)
                continue
            if memory is not None and memory.waits is not None and now_s - memory.waits.since_s >= GRACE_S:
                if leg.position.amount and not _on_its_way(leg):
                    self._leave(leg, memory.waits.reason, now_ms)
                memory.waits = None
            if memory is not None and memory.left is not None:
                self._watch_deadline(leg, memory, now_s)
            self.follow(leg, now_ms)

    def _watch_deadline(self, leg: Leg, memory: Watched, now_s: float) -> None:
        """Tell, once, of an exit that did not reach the exchange in time; it is tried on."""
        assert memory.left is not None
        there = any(order.venue_id for order in leg.working("exit"))
        if not leg.position.amount or leg.exit_reason not in PROTECTIVE:
            memory.left = None
        elif not there and not memory.late and now_s - memory.left.since_s > PROTECT_S:
            memory.late = True
            what = f"{leg.symbol}: {memory.left.reason} was touched more than {PROTECT_S:g} s ago"
            message = f"{what} and its exit is not at {leg.exchange} yet; it is tried on"
            log.error("an exit is late", strategy=leg.owner, exchange=leg.exchange, symbol=leg.symbol)
            with self._desk.journal.write():
                now_ms = self._desk.accounts[leg.exchange].market_ms
                self._desk.journal.event(now_ms, "error", "late_exit", leg.owner, message)

    def _memory(self, leg: Leg) -> Watched:
        """Return what is remembered of a leg's position; nothing yet of a new one."""
        memory = self._watched.get(leg.key)
        if memory is None or memory.group != leg.group:
            memory = self._watched[leg.key] = Watched(leg.group)
        return memory


def _on_its_way(leg: Leg) -> bool:
    """Tell whether a leg leaves at the market already: nothing ends it sooner."""
    at_market = any(order.price is None for order in leg.working("exit"))
    return leg.exit_reason in URGENT or (bool(leg.exit_reason) and at_market)
