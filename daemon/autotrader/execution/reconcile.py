"""What is wanted against what is: the orders to cancel and to send so that a leg gets where it should be.

Pure and level-triggered: asked again with nothing changed, it wants nothing new.
"""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal
from typing import NamedTuple

from autotrader.execution.leg import NO_BOUND, Leg, Policy
from autotrader.execution.orders import Reason, TimeInForce, side_of
from autotrader.execution.slicing import ICEBERG, TWAP, VWAP, WHOLE

ZERO = Decimal(0)


class Place(NamedTuple):
    """An order to send. `price` None is a market order; `after` is an order that must have been canceled first."""

    purpose: str
    side: int
    amount: Decimal
    price: Decimal | None
    reason: str
    post_only: bool = False
    after: str = ""
    force: TimeInForce = "gtc"


class Steps(NamedTuple):
    """What closes the difference: cancel these client ids first, then place this. `ends`: the entry is over."""

    cancel: tuple[str, ...] = ()
    place: Place | None = None
    ends: bool = False


NOTHING = Steps()

PROTECTIVE = frozenset({Reason.STOP_LOSS, Reason.TAKE_PROFIT, Reason.TRAILING_STOP})
"""Exits that guard a position."""

URGENT = PROTECTIVE | {Reason.CLOSE, Reason.KILL, Reason.REMOVED, Reason.MAX_HOLDING, Reason.BREACH}
"""Exits that ignore the execution policy."""


def leave(leg: Leg, close: Decimal, now_ms: int, ending: Container[str] = ()) -> Steps:
    """Return what takes a leg flat: all else canceled, and one order over all that it holds instead.

    What else works may be entries, orders by slot, and a stop that rests at the exchange: there it reserves the coins.

    An exit is never abandoned: under a limit policy it is repriced at each close and becomes a market order after its
    timeout; one in slices ends so too. What is too little to be traded stays. `ending` names orders that are being
    canceled already.
    """
    held = leg.position.amount
    amount = leg.instrument.tradable(abs(held), close)
    entries = tuple(order.client_id for order in leg.working("entry"))
    entries += tuple(order.client_id for order in leg.slotted() if order.client_id not in ending)
    entries += tuple(order.client_id for order in leg.working("stop") if order.client_id not in ending)
    exits = [order for order in leg.working("exit") if order.client_id not in ending]
    if not amount:
        return Steps(entries + tuple(order.client_id for order in exits))
    urgent = leg.exit_reason in URGENT or leg.policy.kind == "market" or _timed_out(leg, now_ms)
    price = None if urgent or not leg.policy.rests else leg.instrument.price(leg.instrument.ticks(close))
    if not urgent and leg.policy.slicing != WHOLE:
        amount = leg.instrument.tradable(leg.now(abs(held), now_ms), close)
        if not amount:
            return Steps(entries)  # no slice is due
    if sum((order.remaining for order in exits if order.price == price), ZERO) >= amount:
        return Steps(entries + tuple(order.client_id for order in exits if order.price != price))
    place = under(leg.policy, Place("exit", -leg.position.side, amount, price, leg.exit_reason))
    return Steps(entries + tuple(order.client_id for order in exits), place)


def under(policy: Policy, place: Place) -> Place:
    """Return an order as a policy sends it; a market order has no terms."""
    if place.price is None:
        return place
    return place._replace(post_only=policy.post_only, force=policy.force)


def chase(leg: Leg, close: Decimal, now_ms: int) -> Steps:
    """Return what an entry needs at a look: to end with its time, to move to the new price, or its next slice.

    It moves as often as its policy lets it. A post-only order that was refused moves too, whatever the price; one that
    may not move again ends.
    """
    orders, policy = leg.working("entry"), leg.policy
    if policy.kind == "market" or not leg.enters:
        return NOTHING
    cancel = tuple(order.client_id for order in orders)
    if _timed_out(leg, now_ms):
        return Steps(cancel, ends=True)
    working = sum((order.side * order.remaining for order in orders), ZERO)
    if policy.slicing in {TWAP, VWAP}:
        return _next_slice(leg, abs(working), cancel, close, now_ms)
    price = leg.instrument.price(leg.instrument.ticks(close))
    if orders and all(order.price == price for order in orders):
        return NOTHING
    if NO_BOUND < policy.chase <= leg.chases:
        return NOTHING if orders else Steps(ends=True)
    missing = working or leg.left
    amount = leg.now(abs(leg.left), now_ms) if policy.slicing == ICEBERG else abs(missing)
    return Steps(cancel, under(policy, Place("entry", side_of(missing), amount, price, Reason.ENTRY)))


def _next_slice(leg: Leg, working: Decimal, cancel: tuple[str, ...], close: Decimal, now_ms: int) -> Steps:
    """Return the market order that a schedule calls for; what is less than an exchange takes waits for more."""
    amount, rules = leg.now(abs(leg.left), now_ms), leg.instrument
    if amount <= working or amount < rules.min_amount or amount * close < rules.min_notional:
        return NOTHING
    return Steps(cancel, Place("entry", side_of(leg.left), amount, None, Reason.ENTRY))


def _timed_out(leg: Leg, now_ms: int) -> bool:
    return bool(leg.policy.timeout_ms) and now_ms - leg.first_sent_ms >= leg.policy.timeout_ms
