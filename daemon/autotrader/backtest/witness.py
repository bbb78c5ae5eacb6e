"""Watches the plain loop and writes down every order that it sends, as the daemon's journal would: ids, states, fills.

The loop itself keeps only fills, for it is made to be fast. Here the same functions are run as plain Python, and those
that begin, fill or end an order say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from types import FunctionType
from typing import Any, cast

import numpy as np

from autotrader.backtest import book, decide, loop, slots
from autotrader.backtest import glue as steps_of
from autotrader.backtest import world as c
from autotrader.backtest.engine import Outcome, Progress, simulate
from autotrader.backtest.plan import Plan
from autotrader.backtest.result import CASH, REASONS
from autotrader.core import jit
from autotrader.execution.ids import client_id, group_id, guard_id
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import Reason

LIQUIDATION = "liquidation"
"""The id under which a fill goes that no order of ours caused; exchanges number theirs as they like."""


@dataclass(slots=True)
class Seen:
    """One order as it fares; `ended_ms` is when it came to what it is."""

    client_id: str
    strategy: str
    exchange: str
    symbol: str
    side: int
    type: str
    price: Decimal | None
    amount: Decimal
    created_ms: int
    state: OrderState = OrderState.OPEN
    filled: Decimal = Decimal(0)
    ended_ms: int = 0


@dataclass(slots=True)
class SeenFill:
    """One fill; the journal keeps a reason for those of a guard alone."""

    client_id: str
    strategy: str
    exchange: str
    symbol: str
    side: int
    price: Decimal
    amount: Decimal
    cost: Decimal
    fee: Decimal
    ts_ms: int
    maker: bool
    reason: str


@dataclass(slots=True)
class _Leg:
    group: str = ""
    sent: int = 0
    staged: Seen | None = None
    entry: Seen | None = None
    exit: Seen | None = None
    guard: Seen | None = None
    slots: dict[int, Seen] = field(default_factory=dict)
    leaving: bool = False  # an order by slot is taken back in this very moment, and works until that is sent


@dataclass(slots=True)
class Witness:
    """What a run did: every order by its client id, and every fill, in their order."""

    plan: Plan
    run: str
    orders: dict[str, Seen] = field(default_factory=dict)
    fills: list[SeenFill] = field(default_factory=list)
    _legs: dict[int, _Leg] = field(default_factory=dict)
    _filling: bool = False
    _filling_slot: Seen | None = None
    _breached: Any = None

    def watch(self, progress: Progress | None = None) -> Outcome:
        """Run the plan in plain Python, and write down what it does."""
        names: dict[str, Any] = {}
        for function, hook in (
            (decide.stage, self._stage),
            (decide.leave_all, self._leave_all),
            (decide.go_out, self._go_out),
            (book.submit, self._submit),
            (book.end_entry, self._end_entry),
            (book.lapse, self._lapse),
            (book.fill_entry, self._fill_entry),
            (book.fill_exit, self._fill_exit),
            (book.record_fill, self._record_fill),
            (decide.send, self._send),
            (slots.order, self._order),
            (slots.take_back, self._take_back),
            (slots.end_slot, self._end_slot),
            (slots.fill_slot, self._fill_slot),
        ):
            names[function.__name__] = _Hook(hook, cast("FunctionType", function))
        for hook in names.values():
            hook.original = jit.linked(hook.original, names, compiled=False)
        names |= steps_of.steps(self.plan.kinds, compiled=False)
        enter = loop.enter
        assert isinstance(enter, FunctionType)
        return simulate(self.plan, loop=jit.linked(enter, names, compiled=False), progress=progress)

    def _leg(self, w: Any, leg: int) -> tuple[_Leg, Any]:
        number = int(leg - w[c.RUN, c.FIRST_LEG])
        return self._legs.setdefault(number, _Leg()), self.plan.legs[number]

    def _new(self, w: Any, leg: int, identity: str, kind: str, side: int, lots: int, ticks: int) -> Seen:
        declared = self._leg(w, leg)[1]
        place = declared.declared.exchange, declared.declared.symbol
        price = ticks * self.plan.ticks[place] if ticks else None
        order = Seen(
            identity, self.plan.strategies[declared.strategy].name, *place, int(side), kind, price, int(lots) * CASH,
            int(w[c.RUN, c.NOW_MS]),
        )  # fmt: skip
        self.orders[identity] = order
        return order

    def _stage(self, call: Callable[..., Any], w: Any, *rest: Any) -> None:
        leg, purpose, side, lots, ticks = rest[2:7]
        own, declared = self._leg(w, leg)
        if w[leg, c.N_SIDE] != 0:
            _end(own.staged, OrderState.CANCELED, w)  # this one goes in its place
        entry = purpose == c.ENTRY_ORDER
        if entry and _is_idle(own, w, leg):
            self._name_group(own, declared, int(w[leg, c.ENTRY_ID]))
            own.guard = None
            if w[leg, c.GUARDED] == 1:
                own.guard = self._new(w, leg, guard_id(own.group), "guard", -side, lots, 0)
                own.guard.state = OrderState.ARMED
        own.sent += 1
        identity = client_id(own.group, "e" if entry else "x", own.sent)
        own.staged = self._new(w, leg, identity, "limit" if ticks else "market", side, lots, ticks)
        call(w, *rest)

    def _name_group(self, own: _Leg, declared: Any, number: int) -> None:
        """Begin a leg's next position; where that has the name of the last one, its orders are counted on."""
        place = declared.declared.exchange, declared.declared.symbol
        name = group_id(self.run, self.plan.strategies[declared.strategy].name, *place, number)
        if name != own.group:
            own.group, own.sent = name, 0

    def _order(self, call: Callable[..., Any], w: Any, staged: Any, slot: int, leg: int, reduces: int) -> None:
        own, declared = self._leg(w, leg)
        if not reduces and _is_idle(own, w, leg):
            self._name_group(own, declared, -int(w[c.RUN, c.NOW_MS]))
        own.sent += 1
        side, lots, ticks = w[slot, c.W_SIDE], w[slot, c.W_LOTS], w[slot, c.W_TICKS]
        identity = client_id(own.group, "s", own.sent)
        own.slots[slot] = self._new(w, leg, identity, "limit" if ticks else "market", side, lots, ticks)
        call(w, staged, slot, leg, reduces)

    def _take_back(self, call: Callable[..., Any], w: Any, staged: Any, slot: int) -> None:
        own, _ = self._leg(w, w[slot, c.O_LEG])
        _end(own.slots.pop(slot), OrderState.CANCELED, w)
        own.leaving = True
        call(w, staged, slot)

    def _end_slot(self, call: Callable[..., Any], w: Any, slot: int, state: int) -> None:
        own, _ = self._leg(w, w[slot, c.O_LEG])
        order = own.slots.pop(slot)
        if order is not self._filling_slot:
            _end(order, OrderState.EXPIRED if w[slot, c.O_SENT] == 1 else OrderState.REJECTED, w)
        call(w, slot, state)

    def _fill_slot(
        self, call: Callable[..., Any], w: Any, f: Any, fills: Any, trades: Any, losses: Any, slot: int, *rest: Any
    ) -> None:
        own, _ = self._leg(w, w[slot, c.O_LEG])
        order = self._filling_slot = own.slots[slot]
        call(w, f, fills, trades, losses, slot, *rest)
        self._filling_slot = None
        _end(order, _state_of(order), w)

    def _send(self, call: Callable[..., Any], *arguments: Any) -> None:
        call(*arguments)
        for own in self._legs.values():
            own.leaving = False

    def _leave_all(self, call: Callable[..., Any], w: Any, *rest: Any) -> None:
        self._breached = w.copy()  # every entry of this moment is sent before the first of them is taken back
        call(w, *rest)
        self._breached = None

    def _go_out(self, call: Callable[..., Any], w: Any, f: Any, staged: Any, recent: Any, leg: int) -> None:
        own, _ = self._leg(w, leg)
        if own.staged is not None and w[leg, c.N_SIDE] != 0 and w[leg, c.N_PURPOSE] == c.ENTRY_ORDER:
            # The loop forgets an entry of this very moment; the daemon sends it, and takes it back in the same turn.
            before = w if self._breached is None else self._breached
            _end(own.staged, OrderState.CANCELED if _taken(before, f, staged, leg) else OrderState.REJECTED, w)
            own.staged = None
        call(w, f, staged, recent, leg)
        self._rest(w, leg)

    def _submit(self, call: Callable[..., Any], w: Any, f: Any, queue: Any, leg: int) -> None:
        own, _ = self._leg(w, leg)
        entry, before = w[leg, c.N_PURPOSE] == c.ENTRY_ORDER, int(w[c.RUN, c.SEQ])
        order, own.staged = own.staged, None
        call(w, f, queue, leg)
        if w[leg, c.E_SEQ if entry else c.X_SEQ] <= before:
            _end(order, OrderState.REJECTED, w)
        elif entry:
            own.entry = order
        else:
            _end(own.exit, OrderState.CANCELED, w)
            own.exit = order
        self._rest(w, leg)

    def _end_entry(self, call: Callable[..., Any], w: Any, leg: int) -> None:
        own, _ = self._leg(w, leg)
        if w[leg, c.E_SIDE] != 0 and not self._filling:
            _end(own.entry, OrderState.CANCELED, w)
            own.entry = None
        call(w, leg)
        self._rest(w, leg)

    def _lapse(self, call: Callable[..., Any], w: Any, leg: int, purpose: int) -> None:
        own, _ = self._leg(w, leg)
        if purpose == c.ENTRY_ORDER:
            _end(own.entry, OrderState.EXPIRED, w)
            own.entry = None
        else:
            _end(own.exit, OrderState.EXPIRED, w)
            own.exit = None
        call(w, leg, purpose)
        self._rest(w, leg)

    def _fill_entry(self, call: Callable[..., Any], w: Any, f: Any, fills: Any, leg: int, *rest: Any) -> None:
        own, _ = self._leg(w, leg)
        self._filling = True
        call(w, f, fills, leg, *rest)
        self._filling = False
        if own.entry is not None:
            _end(own.entry, _state_of(own.entry), w)
            own.entry = None
        if own.guard is not None and w[leg, c.LOTS] != 0:
            own.guard.state = OrderState.ARMED
        self._rest(w, leg)

    def _fill_exit(
        self, call: Callable[..., Any], w: Any, f: Any, fills: Any, trades: Any, losses: Any, *rest: Any
    ) -> None:
        leg, purpose = rest[0], rest[4]
        own, _ = self._leg(w, leg)
        call(w, f, fills, trades, losses, *rest)
        if purpose == c.EXIT_ORDER and own.exit is not None:
            _end(own.exit, _state_of(own.exit), w)
            own.exit = None
        if w[leg, c.LOTS] == 0:
            _end(own.exit, OrderState.EXPIRED, w)  # what it would have reduced is gone
            own.exit = None
            if purpose == c.GUARD_ORDER and own.guard is not None and own.guard.filled:
                _end(own.guard, OrderState.FILLED, w)
        self._rest(w, leg)

    def _rest(self, w: Any, leg: int) -> None:
        """End the guard of a leg that is flat and has no entry at work."""
        own, _ = self._leg(w, leg)
        idle = w[leg, c.LOTS] == 0 and own.entry is None and own.staged is None and w[leg, c.LEFT] == 0
        if idle and own.guard is not None and own.guard.state == OrderState.ARMED:
            _end(own.guard, OrderState.CANCELED, w)

    def _record_fill(self, call: Callable[..., Any], w: Any, fills: Any, leg: int, *rest: Any) -> None:
        side, ticks, lots, cash, charge, maker, purpose, reason, ts_ms = rest[:9]
        own, declared = self._leg(w, leg)
        order = (own.entry, own.exit, own.guard, self._filling_slot)[purpose]
        place = declared.declared.exchange, declared.declared.symbol
        if REASONS[reason] == Reason.LIQUIDATION:
            order = None  # the exchange's own
        if order is not None:
            order.filled += int(lots) * CASH
        self.fills.append(
            SeenFill(
                order.client_id if order is not None else LIQUIDATION,
                self.plan.strategies[declared.strategy].name,
                *place,
                int(side),
                int(ticks) * self.plan.ticks[place],
                int(lots) * CASH,
                int(cash) * CASH,
                int(charge) * CASH,
                int(ts_ms),
                bool(maker),
                str(REASONS[reason]) if purpose == c.GUARD_ORDER else "",
            )
        )
        call(w, fills, leg, *rest)


class _Hook:
    """Stands in the loop for one of its functions."""

    def __init__(self, hook: Callable[..., Any], original: FunctionType) -> None:
        self.hook = hook
        self.original = original

    def __call__(self, *arguments: Any) -> Any:
        return self.hook(self.original, *arguments)


def _is_idle(own: _Leg, w: Any, leg: int) -> bool:
    """Tell whether a leg holds nothing and no order works for it."""
    idle = w[leg, c.LOTS] == 0 and w[leg, c.E_SIDE] == 0 and w[leg, c.X_SIDE] == 0 and w[leg, c.N_SIDE] == 0
    return bool(idle and not own.slots and not own.leaving)


def _taken(w: Any, f: Any, staged: Any, leg: int) -> bool:
    """Tell whether the exchange takes a leg's staged entry: everything staged is sent, but in a copy of the account."""
    w = w.copy()
    before = int(w[c.RUN, c.SEQ])
    room = np.zeros((w[c.RUN, c.QUEUED] + w[c.RUN, c.STAGED], c.QUEUE_WIDTH), dtype=np.int64)
    decide.send(w, f.copy(), room, staged)
    return bool(w[leg, c.E_SIDE] != 0 and w[leg, c.E_SEQ] > before)


def _state_of(order: Seen) -> OrderState:
    return OrderState.FILLED if order.filled >= order.amount else OrderState.EXPIRED


def _end(order: Seen | None, state: OrderState, w: Any) -> None:
    if order is not None:
        order.state, order.ended_ms = state, int(w[c.RUN, c.NOW_MS])
