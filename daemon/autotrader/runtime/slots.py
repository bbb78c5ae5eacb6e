"""From orders wanted by slot to drafts: what is not wanted any more is canceled, what is newly wanted let through.

An order that only reduces passes every limit and pause; any other stands before the gate as an entry does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from decimal import ROUND_CEILING, Decimal
from itertools import groupby

from autotrader.core.units import shown
from autotrader.execution.leg import Leg
from autotrader.execution.orders import Reason
from autotrader.execution.reconcile import NOTHING, Place, Steps
from autotrader.execution.slots import NO_WISH, Slot, Wish, less_fee, reduces
from autotrader.market.instrument import STEP
from autotrader.risk.limits import Refusal
from autotrader.runtime import together
from autotrader.runtime.part import Part
from autotrader.runtime.trader import Trader


def order_slots(trader: Trader, part: Part, now_ms: int) -> bool:
    """Draft what closes the difference between a part's slots and what they want; True where there was one.

    First every cancel, then every order that is newly wanted, both in the order of the slots.
    """
    changed = [slot for slot, wish in enumerate(part.wanted) if wish != part.slots[slot].wish]
    if not changed:
        return False
    together.leave(part, changed)
    before = {slot: part.slots[slot].client_id for slot in changed}
    going = []
    for slot in changed:
        leg = part.legs[part.slots[slot].wish.leg]
        leg.slots.pop(before[slot], None)
        if before[slot] in leg.orders:
            going.append((leg, before[slot]))
        part.slots[slot] = Slot(part.wanted[slot])
    for _, of_one in groupby(going, key=lambda one: id(one[0])):
        rows = list(of_one)
        cancel = tuple(identity for _, identity in rows)
        trader.desk.draft(rows[0][0], Steps(cancel), now_ms, "cancel", {"why": "another order is wanted"})
    for slot in changed:
        wish = part.wanted[slot]
        if wish != NO_WISH:
            placed = _place(trader, part.legs[wish.leg], slot, wish, before[slot], now_ms)
            part.slots[slot] = Slot(wish, placed)
    together.begin(trader, part, changed, now_ms)
    return True


def stop_adding(trader: Trader, owner: str, now_ms: int) -> None:
    """Draft the end of every slot order that adds, of one owner or of all; those that reduce go on."""
    for leg in trader.desk.legs.values():
        if (not owner or leg.owner == owner) and (adding := leg.working("slot")):
            ids = tuple(order.client_id for order in adding)
            trader.desk.draft(leg, Steps(ids), now_ms, "cancel", {"why": "paused"})


def _place(trader: Trader, leg: Leg, slot: int, wish: Wish, after: str, now_ms: int) -> str:
    """Draft a slot's order and return its client id; empty where it is refused."""
    rules = leg.instrument
    amount, price = rules.amount(wish.lots), rules.price(wish.ticks) if wish.ticks else None
    ending = trader.desk.ending(leg)
    amount = less_fee(leg, wish.side, amount, ending)
    reducing = not leg.exit_reason and reduces(leg, wish.side, amount, ending)
    refusal = None if reducing else _refusal(trader, leg, wish.side * amount, price, ending, now_ms)
    if refusal is not None:
        detail = refusal.told(wish.side * amount, price)
        trader.desk.draft(leg, NOTHING, now_ms, "refused", {**detail, "slot": slot})
        return ""
    purpose = "slot_exit" if reducing else "slot"
    place = Place(purpose, wish.side, amount, price, Reason.SLOT, bool(wish.post_only), after)
    order = trader.desk.draft(leg, Steps(place=place), now_ms, "slot", {"slot": slot}).order
    assert order is not None
    leg.slots[order.client_id] = order
    return order.client_id


def _refusal(
    trader: Trader, leg: Leg, amount: Decimal, limit: Decimal | None, ending: Collection[str], now_ms: int
) -> Refusal | None:
    """Return why an order of a signed amount that adds is not let through."""
    if leg.exit_reason:
        return Refusal("exit", "on its way out", leg.exit_reason)
    account = trader.accounts[leg.exchange]
    if account.market == "spot" and amount < 0:
        return Refusal("nothing to sell", shown(leg.position.amount), shown(-amount))
    price = limit if limit is not None else trader.price(leg)
    with trader.desk.taken_back(), _set_aside(leg, ending):
        refusal = (
            trader.blocked(leg, now_ms)
            or trader.below_minimum(leg, abs(amount), price)
            or trader.gate(leg, amount * price, price, now_ms)
        )
        available = account.available()
    notional = (abs(amount) * price).quantize(STEP, ROUND_CEILING)
    needed = notional + (notional * account.cost).quantize(STEP, ROUND_CEILING)
    if refusal is None and needed > available:
        refusal = Refusal("money", shown(available), shown(needed))
    return refusal


@contextmanager
def _set_aside(leg: Leg, ending: Collection[str]) -> Iterator[None]:
    """Count without the leg's orders that this turn cancels first: they take neither money nor room."""
    orders = leg.orders
    leg.orders = {identity: order for identity, order in orders.items() if identity not in ending}
    try:
        yield
    finally:
        leg.orders = orders
