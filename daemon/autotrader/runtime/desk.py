"""The order desk: writes intents ahead, and turns what venues tell into positions.

Nothing leaves before its intent is durable. A fill is applied once, whoever reports it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import structlog

from autotrader.core.clock import Clock
from autotrader.core.errors import OrderRejected
from autotrader.execution.ids import client_id, group_id, guard_id
from autotrader.execution.ledger import Position, Trade, apply_fill, cash_flow, swept
from autotrader.execution.leg import REMOVED, Leg, exit_code
from autotrader.execution.order_state import DONE, OrderEvent, OrderState, advance
from autotrader.execution.orders import ADDING, Fill, Guard, Order, Reason, TimeInForce, VenueOrder
from autotrader.execution.reconcile import PROTECTIVE, Steps
from autotrader.runtime.account import Account
from autotrader.store.journal import Journal, LegRow
from autotrader.venues.protocol import Venue

ZERO = Decimal(0)
NO_GUARD = Guard()
MINUTE_MS = 60_000
MAX_RECENT = 10_000
_LETTERS = {"entry": "e", "exit": "x", "slot": "s", "slot_exit": "s", "stop": "p"}

log = structlog.get_logger("desk")


@dataclass(slots=True)
class Draft:
    """One leg's next step: what to cancel, what to send, and the decision it comes from.

    `filled` is how far each order to cancel had filled when that was decided: what filled since is not counted in it.
    `behind` are orders that the turn cancels before: what reduces was decided as if they were over.
    """

    leg: Leg
    kind: str
    detail: dict[str, Any]
    cancel: tuple[str, ...] = ()
    order: Order | None = None
    guard_order: Order | None = None
    post_only: bool = False
    after: str = ""
    force: TimeInForce = "gtc"
    filled: dict[str, Decimal] = field(default_factory=dict)
    behind: frozenset[str] = frozenset()


class Applied(NamedTuple):
    """What a fill did: the leg it belongs to (None for a foreign one), and the trade that it closed."""

    leg: Leg | None
    trade: Trade | None


@dataclass(slots=True)
class Desk:
    """Owns every leg and every order. Its methods run in the trading loop's turn only.

    `rejected` counts the orders of the running generation that their exchange rejected.
    """

    journal: Journal
    venues: dict[str, Venue]
    accounts: dict[str, Account]
    clock: Clock
    generation: int = 0
    legs: dict[tuple[str, str, str], Leg] = field(default_factory=dict)
    groups: dict[str, Leg] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)
    unsettled: dict[str, Order] = field(default_factory=dict)
    recent: dict[tuple[str, str], deque[int]] = field(default_factory=dict)
    strangers: set[tuple[str, str]] = field(default_factory=set)
    rejected: int = 0

    # legs

    def add(self, leg: Leg) -> None:
        """Take a leg on."""
        self.legs[leg.key] = leg
        self.accounts[leg.exchange].take_on(leg)
        if leg.group:
            self.groups[leg.group] = leg

    def drop(self, leg: Leg) -> None:
        """Forget a leg that is flat and has nothing working."""
        self.legs.pop(leg.key, None)
        self.accounts[leg.exchange].let_go(leg)
        self.groups.pop(leg.group, None)
        self.journal.forget_leg(*leg.key)

    def rename(self, leg: Leg, owner: str) -> None:
        """Give a leg another owner; its group, orders and guard stay."""
        self.journal.forget_leg(*leg.key)
        self.legs.pop(leg.key, None)
        self.accounts[leg.exchange].let_go(leg)
        leg.owner = owner
        self.add(leg)
        self.save(leg)

    def save(self, leg: Leg) -> None:
        """Write a leg as it stands."""
        self.journal.leg(LegRow(*leg.key, leg.position, leg.plain()))

    # drafting

    def draft(self, leg: Leg, steps: Steps, now_ms: int, kind: str, detail: dict[str, Any]) -> Draft:
        """Stage a leg's next steps; they are written and sent with the turn."""
        staged = Draft(leg, kind, detail, steps.cancel)
        staged.filled = {one: leg.orders[one].filled for one in steps.cancel if one in leg.orders}
        place = steps.place
        if place is not None:
            if place.purpose not in ADDING:
                staged.behind = self.ending(leg)
            if place.purpose in ADDING and not leg.position.amount and len(leg.orders) == len(leg.working("stop")):
                # a slot's position has no entry id: it is named by its moment, which lies on the other side of zero
                self._name_group(leg, leg.entry_id if place.purpose == "entry" else -now_ms)
                if place.purpose == "entry":
                    staged.guard_order = self.guard_order(leg, place.side, place.amount, now_ms)
            leg.sent += 1
            sent_ms = self.counted_ms(leg.exchange, now_ms)
            staged.post_only, staged.after, staged.force = place.post_only, place.after, place.force
            staged.order = Order(
                client_id(leg.group, _LETTERS[place.purpose], leg.sent),
                "",
                leg.owner,
                leg.exchange,
                leg.symbol,
                place.side,
                "stop" if place.purpose == "stop" else "market" if place.price is None else "limit",
                place.price,
                place.amount,
                ZERO,
                None,
                OrderState.INTENT,
                place.reason,
                place.purpose,
                leg.group,
                self.generation,
                0,
                sent_ms,
                sent_ms,
            )
            leg.keep(staged.order)
            if place.purpose != "stop":  # it guards, as what a venue keeps itself does
                self.recent.setdefault((leg.exchange, leg.owner), deque(maxlen=MAX_RECENT)).append(sent_ms)
        self.drafts.append(staged)
        return staged

    def withdraw(self, leg: Leg, identity: str) -> None:
        """Take back an order that this turn has drafted, as if it had not been wanted."""
        self.drafts = [staged for staged in self.drafts if staged.order is None or staged.order.client_id != identity]
        leg.orders.pop(identity, None)
        leg.slots.pop(identity, None)
        if times := self.recent.get((leg.exchange, leg.owner)):
            times.pop()

    def _name_group(self, leg: Leg, number: int) -> None:
        """Begin a leg's next position. Where that has the name of the last one, its orders are counted on."""
        name = group_id(self.journal.run, leg.owner, leg.exchange, leg.symbol, number)
        if name == leg.group:
            return
        self.groups.pop(leg.group, None)
        leg.group, leg.sent = name, 0
        self.groups[name] = leg

    def ending(self, leg: Leg) -> frozenset[str]:
        """Return the orders of a leg that this turn has decided to cancel."""
        return frozenset(identity for staged in self.drafts if staged.leg is leg for identity in staged.cancel)

    @contextmanager
    def taken_back(self) -> Iterator[None]:
        """Count without the orders by slot, of all legs, that this turn has decided to cancel: they take no money.

        On a real exchange they do until it took the cancel: other legs' orders are sent beside it, not after it.
        """
        before = {
            id(draft.leg): (draft.leg, draft.leg.orders)
            for draft in self.drafts
            if draft.cancel and not self.venues[draft.leg.exchange].remote
        }
        for leg, orders in before.values():
            ending = self.ending(leg)
            leg.orders = {
                name: order for name, order in orders.items() if order.purpose != "slot" or name not in ending
            }
        try:
            yield
        finally:
            for leg, orders in before.values():
                leg.orders = orders

    def guard_order(self, leg: Leg, entry_side: int, amount: Decimal, now_ms: int) -> Order | None:
        """Return the row under which a leg's protective exits are journalled; None where it has none."""
        if leg.guard == NO_GUARD:
            return None
        return Order(
            guard_id(leg.group), "", leg.owner, leg.exchange, leg.symbol, -entry_side, "guard", None, amount, ZERO,
            None, OrderState.ARMED, "", "guard", leg.group, self.generation, 0, now_ms, now_ms,
        )  # fmt: skip

    def venues_order(self, leg: Leg, fill: Fill) -> Order:
        """Return the row under which an order is journalled that the venue made itself, to end a leg's position."""
        return Order(
            fill.client_id, "", leg.owner, leg.exchange, leg.symbol, fill.side, "market", None, fill.amount, ZERO, None,
            OrderState.OPEN, fill.reason, "exit", leg.group, self.generation, 0, fill.ts_ms, fill.ts_ms,
        )  # fmt: skip

    def counted_ms(self, exchange: str, now_ms: int) -> int:
        """Return the time that an order gets: of a real exchange what it is there now, whatever is decided on."""
        venue = self.venues[exchange]
        return self.accounts[exchange].count_ms(max(now_ms, venue.market_ms())) if venue.remote else now_ms

    def recall(self) -> None:
        """Count the orders of the last minute again that the journal knows: a restart lifts no limit."""
        self.recent.clear()
        for exchange, owner, created_ms in self.journal.newest_orders(MINUTE_MS):
            self.recent.setdefault((exchange, owner), deque(maxlen=MAX_RECENT)).append(created_ms)

    def recent_orders(self, now_ms: int, owner: str = "") -> int:
        """Return how many orders were sent in the last minute of market time, of everybody or of one owner."""
        count = 0
        for (exchange, one), times in self.recent.items():
            until_ms = max(now_ms, self.accounts[exchange].counted_ms) - MINUTE_MS
            while times and times[0] <= until_ms:
                times.popleft()
            count += len(times) if not owner or one == owner else 0
        self.recent = {key: times for key, times in self.recent.items() if times}
        return count

    def write(self, now_ms: int) -> None:
        """Write every draft's decision and intent. Runs inside the turn's durable transaction."""
        for staged in self.drafts:
            leg = staged.leg
            decision = self.journal.decision(
                now_ms, self.generation, leg.owner, leg.exchange, leg.symbol, staged.kind, leg.entry_id, staged.detail
            )
            if staged.order is not None:
                staged.order = staged.order._replace(decision=decision)
                leg.keep(staged.order)
                self.journal.order(staged.order)
            if staged.guard_order is not None:
                self.journal.order(staged.guard_order._replace(decision=decision))
            self.save(leg)

    async def move_guard(self, leg: Leg, guard: Guard) -> None:
        """Journal new protective exits of a position that is open, and tell its venue where that keeps them."""
        with self.journal.write():
            row = self.journal.find_order(guard_id(leg.group))
            side = 1 if leg.position.amount > 0 else -1
            if guard == NO_GUARD and row is not None and row.state not in DONE:
                self.journal.order(row._replace(state=OrderState.CANCELED))
            elif guard != NO_GUARD and (row is None or row.state in DONE):
                now_ms = self.accounts[leg.exchange].market_ms
                row = self.guard_order(leg, side, abs(leg.position.amount), now_ms)
                if row is not None:
                    self.journal.order(row)
        if refused := await self._tell_guard(leg, guard):
            with self.journal.write():
                if row is not None:
                    self.journal.order(row._replace(state=OrderState.CANCELED))
                self.journal.event(row.updated_ms if row else 0, "warning", "unprotected", leg.owner, refused)

    async def _tell_guard(self, leg: Leg, guard: Guard) -> str:
        """Tell a venue that keeps guards of a new one; return why a position has none: it is the slots'."""
        venue = self.venues[leg.exchange]
        if not venue.keeps_guards:
            return "" if leg.entry_id or guard == NO_GUARD else "the position is the slots', which carry no guard"
        try:
            await venue.guard(leg.group, None if guard == NO_GUARD else guard)
        except OrderRejected as error:
            return error.reason
        return ""

    # what venues tell

    def on_order(self, told: VenueOrder) -> None:
        """Take in an order's standing as its venue tells it; fills come as fills, never from here."""
        order = self.journal.find_order(told.client_id)
        if order is None:
            return
        self.unsettled.pop(told.client_id, None)
        leg = self.leg_of(told.group, order)
        event = {
            "open": OrderEvent.ACK,
            "canceled": OrderEvent.CANCEL,
            "rejected": OrderEvent.REJECT,
            "expired": OrderEvent.EXPIRE,
            "filled": OrderEvent.ACK,
        }[told.status]
        state = advance(order.state, event)
        if state == order.state and told.venue_id == order.venue_id:
            return
        self._count_reject(order, state)
        reason = told.reason or order.reason
        changed = order._replace(state=state, venue_id=told.venue_id, reason=reason, updated_ms=told.ts_ms)
        with self.journal.write():
            self.journal.order(changed)
            if leg is not None:
                leg.keep(changed)
                self._rest(leg)
                self.save(leg)

    def on_fill(self, fill: Fill) -> Applied:
        """Apply a fill: its order, its leg's position, the account's cash, the closed trade. Once."""
        order = self.journal.find_order(fill.client_id)
        leg = self.leg_of(fill.group, order)
        if order is None and leg is not None and fill.client_id == guard_id(leg.group):
            side = 1 if leg.position.amount > 0 else -1
            order = self.guard_order(leg, side, abs(leg.position.amount), fill.ts_ms)
        elif order is None and leg is not None and fill.reason == Reason.LIQUIDATION:
            order = self.venues_order(leg, fill)
        if order is None or leg is None:
            with self.journal.write():
                if self.journal.fill(fill, ""):
                    self.journal.event(
                        fill.ts_ms,
                        "warning",
                        "foreign_fill",
                        fill.exchange,
                        f"{fill.client_id} is not ours; left alone",
                    )
            return Applied(None, None)
        with self.journal.write():
            if not self.journal.fill(fill, leg.owner):
                return Applied(None, None)
            reason = fill.reason or order.reason
            before = leg.position.amount
            leg.position, trade = apply_fill(leg.position, fill._replace(reason=reason))
            leg.filled = fill.fill_id
            if leg.position.amount and before * leg.position.amount <= 0:
                leg.best, leg.watched_ms = float(fill.price / leg.instrument.tick), fill.ts_ms
            if order.purpose == "stop" and order.group == leg.group:
                leg.exit_reason = leg.exit_reason or reason
            leg.left = _after_fill(leg.left, order, fill)
            self._record(leg, order, fill)
            self._rearm(leg, order)
            if trade is None and leg.position.out_amount and not leg.instrument.lots(abs(leg.position.amount)):
                leg.position, trade = self._swept(leg, fill.ts_ms, reason)
            if trade is not None:
                self._close(leg, trade)
            self._rest(leg)
            self.save(leg)
        self.accounts[leg.exchange].cash += cash_flow(fill)
        return Applied(leg, trade)

    def _close(self, leg: Leg, trade: Trade) -> None:
        """Write a closed trade, and end what is left of its entry."""
        self.journal.trade(trade, leg.owner, leg.exchange, leg.symbol, leg.group)
        leg.last_exit, leg.left = exit_code(trade.reason), ZERO
        if rest := tuple(order.client_id for order in leg.working("entry")):
            self.drafts.append(Draft(leg, "exit", {"why": f"the entry ended: {trade.reason}"}, rest))

    def _swept(self, leg: Leg, ts_ms: int, reason: str) -> tuple[Position, Trade | None]:
        """Give up the rest of a leg's position, which is too little to be traded, and say so."""
        left = f"{leg.position.amount:f} {leg.instrument.base} is too little to be traded; it stays there, nobody's"
        self.journal.event(ts_ms, "info", "dust", leg.owner, left)
        if not leg.position.out_amount:  # nothing was sold of it: all of it is lost to the owner
            lost = leg.position.open_cost + leg.position.fees
            return Position(realized=leg.position.realized - lost), None
        return swept(leg.position, ts_ms, reason)

    def sweep(self, leg: Leg, ts_ms: int) -> Trade | None:
        """Give up what is left of a leg on its way out where it is too little to be traded; return the closed trade."""
        with self.journal.write():
            leg.position, trade = self._swept(leg, ts_ms, leg.exit_reason)
            if trade is not None:
                self._close(leg, trade)
            self._rest(leg)
            self.save(leg)
        return trade

    def _rearm(self, leg: Leg, order: Order) -> None:
        """Wake a group's guard again where an entry filled after it had ended: inside one bar both may happen."""
        if order.purpose == "entry" and leg.guard != NO_GUARD and leg.position.amount:
            row = self.journal.find_order(guard_id(leg.group))
            if row is not None and row.state in DONE:
                self.journal.order(row._replace(state=OrderState.ARMED))

    def leg_of(self, group: str, order: Order | None) -> Leg | None:
        """Return whose order it was: by its group, or by its strategy where a late fill meets a newer group."""
        leg = self.groups.get(group) if group else None
        if leg is None and order is not None:
            place = (order.exchange, order.symbol)
            leg = self.groups.get(order.group) or self.legs.get((order.strategy, *place))
            leg = leg or self.legs.get((REMOVED + order.strategy, *place))
        return leg

    def _record(self, leg: Leg, order: Order, fill: Fill) -> None:
        filled = order.filled + fill.amount
        paid = (order.average or ZERO) * order.filled + fill.price * fill.amount
        whole = not leg.position.amount if order.type == "guard" else filled >= order.amount
        event = OrderEvent.FILL_ALL if whole else OrderEvent.FILL_PART
        changed = order._replace(
            filled=filled,
            average=paid / filled,
            state=advance(order.state, event),
            reason=fill.reason or order.reason,
            updated_ms=fill.ts_ms,
        )
        self.journal.order(changed)
        leg.keep(changed)

    def _rest(self, leg: Leg) -> None:
        """Bring a leg to rest where it is flat: the entry is over, and so is its guard."""
        if leg.position.amount or leg.enters:
            return
        ended, (leg.target, leg.exposure, leg.exit_reason) = leg.exit_reason, (ZERO, 0.0, "")
        row = self.journal.find_order(guard_id(leg.group)) if leg.group else None
        if row is not None and row.state not in DONE:
            reason = ended if ended in PROTECTIVE else row.reason
            self.journal.order(row._replace(state=OrderState.CANCELED, reason=reason))

    def come_to_rest(self, leg: Leg) -> None:
        """Bring a leg to rest that is flat and for which nothing works any more; it is saved with its draft."""
        if not leg.orders and not leg.position.amount:
            with self.journal.write(durable=False):
                self._rest(leg)

    def conclude(self, leg: Leg, order: Order, event: OrderEvent, reason: str, *, again: bool = False) -> None:
        """Take in what a venue answered to an order; what became known of it meanwhile stays.

        An entry that is refused is over, but with `again` where its policy persists: then the next look tries anew.
        """
        known = self.journal.find_order(order.client_id) or order
        venue_id = order.venue_id or known.venue_id
        changed = known._replace(state=advance(known.state, event), venue_id=venue_id, reason=reason)
        if event is OrderEvent.REJECT:
            self._count_reject(known, changed.state)
        self.unsettled.pop(order.client_id, None)
        refused = event in {OrderEvent.REJECT, OrderEvent.ABSENT}
        if refused and order.purpose == "entry" and not again:
            leg.left = ZERO
        with self.journal.write(durable=refused):
            self.journal.order(changed)
            leg.keep(changed)
            if refused:
                self.journal.event(
                    changed.updated_ms, "warning", "order_refused", leg.owner, f"{order.client_id}: {reason}"
                )
            self._rest(leg)
            self.save(leg)

    def _count_reject(self, order: Order, state: OrderState) -> None:
        anew = state is OrderState.REJECTED and order.state is not OrderState.REJECTED
        self.rejected += int(anew and order.generation == self.generation)

    def leave_unsettled(self, leg: Leg, order: Order) -> None:
        """Note that an order was sent and not answered; it is asked for until its venue tells."""
        known = self.journal.find_order(order.client_id) or order
        if known.state is OrderState.INTENT:
            self.unsettled[order.client_id] = known._replace(state=OrderState.SENT)
            leg.keep(known._replace(state=OrderState.SENT))

    def absent(self, leg: Leg, order: Order) -> None:
        """Settle an order that its venue never got."""
        self.conclude(leg, order, OrderEvent.ABSENT, "the venue never got it")

    def working(self) -> Iterable[Order]:
        """Return every order that may still fill."""
        for leg in self.legs.values():
            yield from leg.orders.values()


def _after_fill(left: Decimal, order: Order, fill: Fill) -> Decimal:
    """Return what an entry still tries to get once one of its orders filled."""
    after = left - fill.side * fill.amount if order.purpose == "entry" else left
    return after if after * left > 0 else ZERO
