"""Trades of several legs while they are under way: sent together, then completed or given back.

Slots of one group that are wanted in one step are one trade. Where the gate refuses a leg none is sent. What is decided
about a trade that is under way is `execution.together`; here its orders are counted and drafted. Only trades of which a
leg lies on a real exchange are looked after: in a simulation all legs of a step fill at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog

from autotrader.execution.leg import Leg
from autotrader.execution.orders import Reason
from autotrader.execution.reconcile import Place, Steps
from autotrader.execution.slots import Slot
from autotrader.execution.together import Answer, Move, Terms, next_move
from autotrader.execution.together import Part as Share
from autotrader.runtime.part import Part
from autotrader.runtime.trader import Trader

ZERO = Decimal(0)

log = structlog.get_logger("together")


@dataclass(slots=True)
class Trade:
    """One trade under way, by leg: slot, place, side, price and amount decided, orders that build and give back."""

    slots: list[int]
    places: list[int]
    sides: list[int]
    began_ms: int
    decided: list[Decimal]
    amounts: list[Decimal]
    built: list[list[str]]
    back: list[list[str]] = field(default_factory=list)
    leaving: bool = False

    def plain(self) -> list[Any]:
        """Return what the journal keeps."""
        prices, amounts = ([str(one) for one in column] for column in (self.decided, self.amounts))
        where = [self.slots, self.places, self.sides]
        return [where, self.began_ms, prices, amounts, self.built, self.back, self.leaving]


def trade_of(plain: Sequence[Any]) -> Trade:
    """Return the trade that `plain` describes."""
    (slots, places, sides), began_ms, decided, amounts, built, back, leaving = plain
    return Trade(
        slots, places, sides, began_ms, [*map(Decimal, decided)], [*map(Decimal, amounts)], built, back, leaving
    )


def begin(trader: Trader, part: Part, placed: Iterable[int], now_ms: int) -> None:
    """Note the trades of several legs that a turn has drafted; one of which a leg was refused is taken back whole."""
    groups: dict[int, list[int]] = {}
    for slot in placed:
        if group := part.slots[slot].wish.group:
            groups.setdefault(group, []).append(slot)
    for group, slots in groups.items():
        if len(slots) < 2 or not _is_real(trader, part, slots):
            continue
        names = [part.slots[slot].client_id for slot in slots]
        if not all(names):
            for slot, name in zip(slots, names, strict=True):
                if name:
                    trader.desk.withdraw(_leg(part, slot), name)
                    part.slots[slot] = Slot(part.slots[slot].wish)
            continue
        legs = [_leg(part, slot) for slot in slots]
        orders = [leg.orders[name] for leg, name in zip(legs, names, strict=True)]
        decided = [order.price or trader.price(leg) for order, leg in zip(orders, legs, strict=True)]
        amounts = [order.amount for order in orders]
        places, sides = [part.slots[slot].wish.leg for slot in slots], [order.side for order in orders]
        part.trades[group] = Trade(
            slots, places, sides, now_ms, decided, amounts, [[name] for name in names], [[] for _ in names]
        )


def leave(part: Part, slots: Iterable[int]) -> None:
    """Note that legs of trades under way are not wanted any more: what the others have beyond them is given back."""
    changed = set(slots)
    for trade in part.trades.values():
        trade.leaving = trade.leaving or not changed.isdisjoint(trade.slots)


def tend(trader: Trader, part: Part, terms: Terms, now_ms: int) -> bool:
    """Draft what a part's trades need now; tell whether any of them changed."""
    changed = False
    for group, trade in list(part.trades.items()):
        legs = [part.legs[place] for place in trade.places]
        shares = tuple(_share(trader, part, trade, place, leg) for place, leg in enumerate(legs))
        move = next_move(shares, terms, trade.began_ms, now_ms, leaving=trade.leaving)
        if move.answer is Answer.WAIT or _gives_back(trade, legs):
            continue
        changed = True
        if move.answer is Answer.DONE:
            _end(part, group, trade, legs)
        elif move.answer is Answer.CANCEL:
            _cancel(trader, trade, legs, now_ms)
        else:
            trade.leaving = trade.leaving or move.answer is Answer.UNWIND
            _place(trader, trade, legs, shares, move, terms, now_ms)
    return changed


def restore(trader: Trader, part: Part, kept: dict[str, Any]) -> None:
    """Give a part its trades back, as the journal kept them, and their orders."""
    for group, plain in kept.items():
        trade = part.trades[int(group)] = trade_of(plain)
        for place, seat in enumerate(trade.places):
            leg = part.legs[seat]
            for name in (*trade.built[place], *trade.back[place]):
                if (order := trader.journal.find_order(name)) is not None:
                    leg.slots[name] = order


def _leg(part: Part, slot: int) -> Leg:
    return part.legs[part.slots[slot].wish.leg]


def _is_real(trader: Trader, part: Part, slots: Iterable[int]) -> bool:
    return any(trader.desk.venues[_leg(part, slot).exchange].remote for slot in slots)


def _share(trader: Trader, part: Part, trade: Trade, place: int, leg: Leg) -> Share:
    built = [order for name in trade.built[place] if (order := trader.journal.find_order(name)) is not None]
    back = [order for name in trade.back[place] if (order := trader.journal.find_order(name)) is not None]
    held = sum((order.filled for order in built), ZERO) - sum((order.filled for order in back), ZERO)
    working = sum((leg.orders[name].remaining for name in trade.built[place] if name in leg.orders), ZERO)
    side = trade.sides[place]
    price = _offered(trader, part, trade.places[place], leg, side)
    decided, lot = trade.decided[place], leg.instrument.lot
    return Share(side, trade.amounts[place], max(held, ZERO), working, decided, price, lot)


def _offered(trader: Trader, part: Part, place: int, leg: Leg, side: int) -> Decimal | None:
    """Return what completing a leg pays now: the other side's best price where quotes are read, else the last one."""
    levels = (part.asks if side > 0 else part.bids)[place]
    if levels and levels[0][1] > 0:
        return Decimal(repr(float(levels[0][0])))
    return trader.accounts[leg.exchange].prices.get(leg.symbol)


def _gives_back(trade: Trade, legs: Sequence[Leg]) -> bool:
    """Tell whether something that gives back still works: it is waited for."""
    return any(name in leg.orders for leg, names in zip(legs, trade.back, strict=True) for name in names)


def _cancel(trader: Trader, trade: Trade, legs: Sequence[Leg], now_ms: int) -> None:
    for leg, names in zip(legs, trade.built, strict=True):
        ending = trader.desk.ending(leg)
        if working := tuple(name for name in names if name in leg.orders and name not in ending):
            trader.desk.draft(leg, Steps(working), now_ms, "cancel", {"why": "another leg failed"})


def _place(
    trader: Trader,
    trade: Trade,
    legs: Sequence[Leg],
    shares: Sequence[Share],
    move: Move,
    terms: Terms,
    now_ms: int,
) -> None:
    """Draft what completes the legs that are short, at their bound at the worst, or what gives back the excess."""
    for place, (leg, share, amount) in enumerate(zip(legs, shares, move.amounts, strict=True)):
        if not amount:
            continue
        if move.answer is Answer.COMPLETE:
            worst = share.decided * (1 + share.side * terms.bound)
            price = leg.instrument.price(leg.instrument.ticks(worst))
            step, names = Place("slot", share.side, amount, price, Reason.SLOT), trade.built[place]
        else:
            step, names = Place("slot_exit", -share.side, amount, None, Reason.SLOT), trade.back[place]
        detail = {"why": move.answer.value, "decided": str(share.decided), "price": str(share.price)}
        order = trader.desk.draft(leg, Steps(place=step), now_ms, move.answer.value, detail).order
        assert order is not None
        leg.slots[order.client_id] = order
        names.append(order.client_id)
        log.warning(
            "a leg failed: the trade is completed" if move.answer is Answer.COMPLETE else "a leg failed: given back",
            strategy=leg.owner,
            symbol=leg.symbol,
            amount=str(amount),
        )


def _end(part: Part, group: int, trade: Trade, legs: Sequence[Leg]) -> None:
    """Forget a trade that is done; the slots keep the orders that they asked for."""
    del part.trades[group]
    own = {slot.client_id for slot in part.slots}
    for leg, built, back in zip(legs, trade.built, trade.back, strict=True):
        for name in (*built, *back):
            if name not in own:
                leg.slots.pop(name, None)
