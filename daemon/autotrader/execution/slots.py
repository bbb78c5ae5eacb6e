"""Orders wanted by slot against those that were asked for: what changed, how each fares, and which only reduces.

What a slot wants is asked for once. Whatever becomes of its order, only another wish asks again.
"""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal
from typing import NamedTuple

from autotrader.execution.leg import Leg
from autotrader.execution.order_state import WORKING, OrderState
from autotrader.execution.orders import Order
from autotrader.market.instrument import Instrument
from autotrader.strategies.contract import FILLED, FREE, REFUSED, RESTING, SENT, Out

ZERO = Decimal(0)
LEAST_FEE = Decimal("1e-5")
"""The smallest fee, as a share, that counts as one: what money is rounded by is less."""


class Wish(NamedTuple):
    """What a slot of `Out` wants; see there."""

    leg: int
    side: int
    ticks: int
    lots: int
    post_only: int
    group: int


NO_WISH = Wish(0, 0, 0, 0, 0, 0)


class Slot(NamedTuple):
    """What a slot last asked for, and its order's client id; none where it was refused before it became an order."""

    wish: Wish = NO_WISH
    client_id: str = ""


class Fares(NamedTuple):
    """How a wanted order fares, as `View` tells it: its state, and lots filled and still working."""

    state: int
    filled: int
    remaining: int


_STATES = {OrderState.INTENT: SENT, OrderState.SENT: SENT, OrderState.OPEN: RESTING, OrderState.PARTIAL: RESTING}


def wishes(out: Out, legs: int) -> list[Wish]:
    """Return what each slot wants. Raises ValueError where one names a leg or a side that there is not."""
    columns = (out.slot_leg, out.slot_side, out.slot_ticks, out.slot_lots, out.slot_post_only, out.slot_group)
    wanted = [Wish(*row) if row[1] and row[3] else NO_WISH for row in zip(*columns, strict=True)]
    for slot, wish in enumerate(wanted):
        if not (0 <= wish.leg < legs and wish.side in {-1, 0, 1} and wish.ticks >= 0 and wish.lots >= 0):
            raise ValueError(f"slot {slot} wants {wish}, and there are {legs} legs; ticks and lots count from 0")
    return wanted


def fares(slot: Slot, order: Order | None, rules: Instrument) -> Fares:
    """Return how a slot's order fares; `order` is the one of its client id as it was last told."""
    if slot.wish == NO_WISH:
        return Fares(FREE, 0, 0)
    if order is None:
        return Fares(REFUSED, 0, 0)
    filled = rules.lots(order.filled)
    if order.state in WORKING:
        return Fares(_STATES[order.state], filled, rules.lots(order.remaining))
    return Fares(FILLED if order.state == OrderState.FILLED else REFUSED, filled, 0)


def reduces(leg: Leg, side: int, amount: Decimal, ending: Container[str]) -> bool:
    """Tell whether an order only reduces its leg's position, beside what other slots' orders already reduce of it.

    `ending` names orders that are being canceled.
    """
    return amount <= reducible(leg, side, ending)


def less_fee(leg: Leg, side: int, amount: Decimal, ending: Container[str]) -> Decimal:
    """Return an order's amount, or what is there of it in whole lots where fees in the base currency took the rest."""
    position, there = leg.position, reducible(leg, side, ending)
    if there <= ZERO or position.in_value > position.in_cost * (1 - LEAST_FEE):
        return amount
    left, rules = amount * position.in_value / position.in_cost, leg.instrument
    return min(amount, rules.amount(rules.lots(there))) if there >= left - rules.lot else amount


def reducible(leg: Leg, side: int, ending: Container[str]) -> Decimal:
    """Return how much an order of a side may reduce of a leg's position, beside other slots' orders that do."""
    if leg.position.side != -side:
        return ZERO
    others = (one for one in leg.working("slot_exit") if one.side == side and one.client_id not in ending)
    return abs(leg.position.amount) - sum((one.remaining for one in others), ZERO)
