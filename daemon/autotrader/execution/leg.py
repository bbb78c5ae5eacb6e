"""A leg: one owner's dealings in one symbol of one exchange. What it wants, what it holds, which orders work for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from autotrader.execution.ledger import Position
from autotrader.execution.order_state import WORKING as WORKING_STATES
from autotrader.execution.orders import Guard, Order, Reason, TimeInForce
from autotrader.execution.slicing import SLICINGS, UNKNOWN, VWAP, WHOLE, due_slices, lots_now
from autotrader.market.fills import RATE
from autotrader.market.instrument import Instrument
from autotrader.strategies.contract import (
    BY_COMMAND,
    BY_MAX_HOLDING,
    BY_STOP_LOSS,
    BY_TAKE_PROFIT,
    BY_TARGET,
    BY_TRAILING_STOP,
    ENDED,
    HELD,
    NO_ENTRY,
    NOT_LEFT,
    WORKING,
)

ZERO = Decimal(0)
REMOVED = "removed:"
"""What the owner of a position is called when its strategy's file is gone."""


NO_BOUND = -1
"""Of how often an entry may be moved."""


class Policy(NamedTuple):
    """How a leg's orders are sent: `kind` market, limit, iceberg, twap or vwap.

    `timeout_ms` is the time until an unfilled one ends (0: never).
    `chase` is how often at most an entry is moved to a new price. `force` is gtc, ioc or fok. Of an iceberg `show`, a
    part of RATE, works at once; a twap or a vwap is sent in so many `slices` over its timeout.
    """

    kind: str = "market"
    timeout_ms: int = 0
    post_only: bool = False
    chase: int = NO_BOUND
    force: TimeInForce = "gtc"
    show: int = 0
    slices: int = 0

    @property
    def slicing(self) -> int:
        """How it is sliced, in the words of `execution.slicing`."""
        return SLICINGS.get(self.kind, WHOLE)

    @property
    def rests(self) -> bool:
        """Whether its orders have a price at which they rest."""
        return self.kind in {"limit", "iceberg"}

    @property
    def persists(self) -> bool:
        """Whether an entry goes on while no order works for it: the next look sends another."""
        return self.post_only or self.slicing != WHOLE


@dataclass(slots=True)
class Leg:
    """Mutable, and touched by the trading loop alone.

    `target` is the signed amount that the current entry was sized to, `exposure` the share it was sized from. `group`
    names the entry, or the slots' position, from flat to flat, `sent` counts its orders. `first_sent_ms` is when the
    entry, or later the exit, began to be tried; `exit_reason` is set while the leg is on its way out. `left` is the
    signed amount that an entry still tries to get where its policy persists, `chases` how often it was moved; `whole`
    is the size of the entry, or later the exit, that is sent in slices, looked at each `look_ms` (0: all the time);
    `shares` are the shares of the usual volume, in parts of RATE, up to the end of each slice of a vwap but the last.
    `slots` holds the orders that slots asked for, working or not, as they were last told. `filled` is the newest fill
    that no step has been woken by, 0 for none. `best` is the best price, in ticks, that the position has seen up to
    `watched_ms`, the market's time: kept where the daemon itself guards it, 0 before anything was seen.
    """

    owner: str
    exchange: str
    symbol: str
    timeframe: str
    resolution: str
    instrument: Instrument
    guard: Guard = Guard()
    max_holding_ms: int = 0
    policy: Policy = Policy()
    on_remove: str = "hold"
    position: Position = Position()
    group: str = ""
    entry_id: int = 0
    exposure: float = 0.0
    target: Decimal = ZERO
    left: Decimal = ZERO
    whole: Decimal = ZERO
    chases: int = 0
    look_ms: int = 0
    shares: tuple[int, ...] = ()
    sent: int = 0
    first_sent_ms: int = 0
    exit_reason: str = ""
    last_exit: int = NOT_LEFT
    locked: str = ""
    filled: int = 0
    best: float = 0.0
    watched_ms: int = 0
    orders: dict[str, Order] = field(default_factory=dict)
    slots: dict[str, Order] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells legs apart."""
        return self.owner, self.exchange, self.symbol

    @property
    def entry_state(self) -> int:
        """How the entry under `entry_id` fares, in the words of the strategy contract."""
        if self.enters:
            return WORKING
        if self.position.amount:
            return HELD
        return ENDED if self.entry_id else NO_ENTRY

    @property
    def guarded(self) -> bool:
        """Whether a position is held that protective exits guard: what slots built has none."""
        return bool(self.position.amount and self.entry_id and self.guard != Guard())

    @property
    def enters(self) -> bool:
        """Whether an entry is under way: an order works for it, or the next look sends one."""
        if self.left or not self.orders:
            return bool(self.left)
        return any(order.purpose == "entry" for order in self.orders.values())

    @property
    def idle(self) -> bool:
        """Whether nothing is held, works or is on its way out."""
        return not (self.orders or self.left or self.exit_reason or self.position.amount)

    def now(self, left: Decimal, now_ms: int) -> Decimal:
        """Return how much of an unsigned amount that has not filled is to work now, of slices in whole lots."""
        rules = self.instrument
        if self.policy.slicing == WHOLE:
            return left
        return self._slice(rules.lots(max(self.whole, left)), rules.lots(left), now_ms - self.first_sent_ms)

    def first_slice(self, whole: Decimal) -> Decimal:
        """Return how much of an unsigned amount is sent at first."""
        rules = self.instrument
        if self.policy.slicing == WHOLE:
            return whole
        return self._slice(rules.lots(whole), rules.lots(whole), 0)

    def _slice(self, whole: int, left: int, passed_ms: int) -> Decimal:
        policy, times = self.policy, (passed_ms, self.policy.timeout_ms, self.look_ms)
        part = self._part(passed_ms) if policy.slicing == VWAP else UNKNOWN
        lots = lots_now(policy.slicing, whole, left, policy.show, policy.slices, *times, part)
        return self.instrument.amount(lots)

    def _part(self, passed_ms: int) -> int:
        """Return the share of the usual volume of a vwap's slices that are due."""
        slices = self.policy.slices
        due = due_slices(passed_ms, self.policy.timeout_ms, slices, self.look_ms)
        if due >= slices:
            return RATE
        return self.shares[due - 1] if len(self.shares) == slices - 1 else UNKNOWN

    def working(self, purpose: str) -> list[Order]:
        """Return the orders of a purpose that may still fill."""
        return [order for order in self.orders.values() if order.purpose == purpose]

    def slotted(self) -> list[Order]:
        """Return the orders of slots that may still fill."""
        return [order for order in self.orders.values() if order.purpose in {"slot", "slot_exit"}]

    def keep(self, order: Order) -> None:
        """Remember an order while it may still fill, or a slot asks how it fares; forget it otherwise."""
        if order.client_id in self.slots:
            self.slots[order.client_id] = order
        if order.purpose != "guard" and order.state in WORKING_STATES:
            self.orders[order.client_id] = order
        else:
            self.orders.pop(order.client_id, None)

    def plain(self) -> dict[str, Any]:
        """Return what the journal keeps besides the position."""
        return {
            "timeframe": self.timeframe,
            "resolution": self.resolution,
            "guard": [None if value is None else str(value) for value in self.guard],
            "max_holding_ms": self.max_holding_ms,
            "policy": list(self.policy),
            "on_remove": self.on_remove,
            "group": self.group,
            "entry_id": self.entry_id,
            "exposure": self.exposure,
            "target": str(self.target),
            "left": str(self.left),
            "whole": str(self.whole),
            "chases": self.chases,
            "look_ms": self.look_ms,
            "shares": list(self.shares),
            "sent": self.sent,
            "first_sent_ms": self.first_sent_ms,
            "exit_reason": self.exit_reason,
            "last_exit": self.last_exit,
            "locked": self.locked,
            "filled": self.filled,
            "best": self.best,
            "watched_ms": self.watched_ms,
        }

    @classmethod
    def restore(
        cls, owner: str, exchange: str, symbol: str, instrument: Instrument, position: Position, rest: dict[str, Any]
    ) -> Leg:
        """Return the leg that `plain` and its position describe."""
        values = dict(rest)
        guard = Guard._make(None if value is None else Decimal(value) for value in values.pop("guard"))
        policy = Policy(*values.pop("policy"))
        target, left = Decimal(values.pop("target")), Decimal(values.pop("left", 0))
        whole, shares = Decimal(values.pop("whole", 0)), tuple(values.pop("shares", ()))
        return cls(
            owner=owner,
            exchange=exchange,
            symbol=symbol,
            instrument=instrument,
            position=position,
            guard=guard,
            policy=policy,
            target=target,
            left=left,
            whole=whole,
            shares=shares,
            **values,
        )


_CODES: dict[str, int] = {
    Reason.EXIT: BY_TARGET,
    Reason.SLOT: BY_TARGET,
    Reason.STOP_LOSS: BY_STOP_LOSS,
    Reason.TAKE_PROFIT: BY_TAKE_PROFIT,
    Reason.TRAILING_STOP: BY_TRAILING_STOP,
    Reason.MAX_HOLDING: BY_MAX_HOLDING,
}


def exit_code(reason: str) -> int:
    """Return the strategy contract's code of an exit reason; what no strategy caused counts as a command."""
    return _CODES.get(reason, BY_COMMAND)
