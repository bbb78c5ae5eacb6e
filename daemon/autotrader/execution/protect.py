"""Protective exits that no exchange keeps for us: what touches them, and the stop that should rest at the exchange.

Where the levels wait, and which of them comes first, is defined in `market.fills`; here is no second definition.
"""

from __future__ import annotations

import math
from collections.abc import Container
from decimal import Decimal
from typing import NamedTuple

from autotrader.execution.leg import Leg
from autotrader.execution.orders import BUY, Order, Reason
from autotrader.execution.reconcile import NOTHING, Place, Steps
from autotrader.market import fills

REASONS = {
    fills.STOP_LOSS: Reason.STOP_LOSS,
    fills.TAKE_PROFIT: Reason.TAKE_PROFIT,
    fills.TRAILING_STOP: Reason.TRAILING_STOP,
}
"""The matcher's codes of protective exits, as reasons."""

MOVE_EVERY_MS = 5_000
"""How long a stop at an exchange stays where it is: each move costs a cancel, an order, and a moment without either."""

WORTH_MOVING = Decimal("0.001")
"""The part of its level by which a stop at an exchange must be off before it is moved."""


class Seen(NamedTuple):
    """What the market showed whoever would end a position, in ticks; of one moment all four are the same."""

    open: int
    high: int
    low: int
    close: int


def moment(ticks: int) -> Seen:
    """Return one price as what was seen."""
    return Seen(ticks, ticks, ticks, ticks)


def held_of(leg: Leg, best: float | None = None) -> fills.Held | None:
    """Return a leg's position as the matcher guards it; None where nothing is held or nothing guards it.

    `best` is the best price before what is looked at, in ticks: the leg's own where it is left out, the entry's where
    nothing was seen.
    """
    entry = leg.position.entry_price
    if entry is None or not leg.guarded:
        return None
    ticks = float(entry / leg.instrument.tick)
    stop, take, trail = (fills.scaled(fraction) for fraction in leg.guard)
    return fills.Held(leg.position.side, ticks, (leg.best if best is None else best) or ticks, stop, take, trail)


def touched(held: fills.Held, seen: Seen) -> Reason | None:
    """Return the protective exit that was touched; None where there was none."""
    code, _ = fills.protective_exit(held, seen.open, seen.high, seen.low)
    return REASONS.get(code)


def stop_place(leg: Leg) -> Place | None:
    """Return the order that should rest at the exchange for a leg: over whole lots, at the first tick that touches.

    None where nothing is held, no stop guards it, it is on its way out, or it is too little to be traded.
    """
    held = held_of(leg)
    if held is None or leg.exit_reason or leg.working("exit"):
        return None
    code, level = fills.stop_of(held)
    if code == fills.NO_EXIT:
        return None
    ticks = held.side * math.floor(held.side * level)  # below the level of a long, above that of a short
    price = leg.instrument.price(max(ticks, 1))
    amount = leg.instrument.tradable(abs(leg.position.amount), price)
    if not amount:
        return None
    return Place("stop", -held.side, amount, price, REASONS[code])


def stop_steps(leg: Leg, now_ms: int, ending: Container[str] = ()) -> Steps:
    """Return what brings the stop that rests at the exchange to where it should be.

    One that guards nothing any more goes at once; one that is off is moved when that is worth it and it has stood for
    MOVE_EVERY_MS. `ending` names orders that are being canceled already.
    """
    resting = [order for order in leg.working("stop") if order.client_id not in ending]
    wanted = stop_place(leg)
    if wanted is None:
        return Steps(tuple(order.client_id for order in resting))
    match resting:
        case []:
            return Steps(place=wanted)
        case [only] if not _off(only, wanted):
            return NOTHING
    if any(now_ms - order.created_ms < MOVE_EVERY_MS for order in resting):
        return NOTHING
    return Steps(tuple(order.client_id for order in resting), wanted)


def covered(leg: Leg, seen: Seen) -> bool:
    """Tell whether a stop that rests at the exchange was touched, too, so that it is on its way already."""
    return any(
        order.price is not None
        and fills.beaten(-order.side, seen.high if order.side == BUY else seen.low, leg.instrument.ticks(order.price))
        for order in leg.working("stop")
        if order.venue_id
    )


def _off(order: Order, wanted: Place) -> bool:
    assert order.price is not None
    assert wanted.price is not None
    return (
        order.remaining != wanted.amount
        or order.side != wanted.side
        or abs(wanted.price - order.price) >= WORTH_MOVING * order.price
    )
