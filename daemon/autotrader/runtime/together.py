"""Trades of several legs while they are under way: sent together, then completed or given back.

Slots of one group that are wanted in one step are one trade. Where the gate refuses a leg none is sent; where it
refuses what completes one, the others are given back. A trade that only reduces is completed whatever the price, as
every exit is. What is decided about a trade that is under way is `execution.together`; here its orders are counted and
drafted. Only trades of which a leg lies on a real exchange are looked after: in a simulation all legs of a step fill at
the same moment.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog

from autotrader.execution.leg import Leg
from autotrader.execution.orders import Reason
from autotrader.execution.reconcile import NOTHING, Place, Steps
from autotrader.execution.slots import Slot, reducible
from autotrader.execution.together import Answer, Move, Terms, next_move
from autotrader.execution.together import Part as Share
from autotrader.risk.limits import Refusal
from autotrader.runtime.part import Part
from autotrader.runtime.strategy import Strategy
from autotrader.runtime.trader import Trader

ZERO = Decimal(0)

ANYHOW = Terms(completes=True, bound=Decimal("Infinity"), deadline_ms=sys.maxsize)
"""The terms of a trade that only reduces."""

LONGEST_PAUSE_MS = 5_000
"""Between an order that came to nothing and the next one."""

log = structlog.get_logger("together")


@dataclass(slots=True)
class Trade:
    """One trade under way, by leg: slot, place, side, price and amount decided, orders that build and give back.

    `reduces` says that all of it only reduces what is owned, `leaving` that it is given back. `tries` counts the orders
    that followed the first ones, and `again_ms` is when there may be another.
    """

    slots: list[int]
    places: list[int]
    sides: list[int]
    began_ms: int
    decided: list[Decimal]
    amounts: list[Decimal]
    built: list[list[str]]
    back: list[list[str]] = field(default_factory=list)
    leaving: bool = False
    reduces: bool = False
    tries: int = 0
    again_ms: int = 0

    def plain(self) -> list[Any]:
        """Return what the journal keeps."""
        prices, amounts = ([str(one) for one in column] for column in (self.decided, self.amounts))
        where = [self.slots, self.places, self.sides]
        return [where, self.began_ms, prices, amounts, self.built, self.back, self.leaving, self.reduces]


def trade_of(plain: Sequence[Any]) -> Trade:
    """Return the trade that `plain` describes."""
    (slots, places, sides), began_ms, decided, amounts, built, back, leaving, *more = plain
    prices, wanted = [*map(Decimal, decided)], [*map(Decimal, amounts)]
    return Trade(slots, places, sides, began_ms, prices, wanted, built, back, leaving, bool(more and more[0]))


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
        built, back = [[name] for name in names], [list[str]() for _ in names]
        reduces = all(order.purpose == "slot_exit" for order in orders)
        if (unfinished := part.trades.pop(group, None)) is not None:  # another of the same name is not done yet
            part.trades[_spare(part)] = unfinished
        part.trades[group] = Trade(slots, places, sides, now_ms, decided, amounts, built, back, reduces=reduces)


def leave(part: Part, slots: Iterable[int]) -> None:
    """Note that legs of trades under way are not wanted any more: what the others have beyond them is given back."""
    changed = set(slots)
    for trade in part.trades.values():
        trade.leaving = trade.leaving or (not trade.reduces and not changed.isdisjoint(trade.slots))


def tend(trader: Trader, part: Part, terms: Terms, now_ms: int) -> bool:
    """Draft what a part's trades need now; tell whether any of them changed."""
    changed = False
    for group, trade in list(part.trades.items()):
        legs = [part.legs[place] for place in trade.places]
        if any(leg.exit_reason for leg in legs):  # all of it is on its way out, each leg by itself
            _end(part, group, trade, legs)
            changed = True
            continue
        shares = tuple(_share(trader, part, trade, place, leg) for place, leg in enumerate(legs))
        move = _move(trader, trade, legs, shares, terms, now_ms)
        if move.answer is Answer.WAIT or _gives_back(trade, legs):
            continue
        if move.answer is Answer.CANCEL:
            changed |= _cancel(trader, trade, legs, now_ms)
        elif move.answer is Answer.DONE or not any(move.amounts):
            _end(part, group, trade, legs)
            changed = True
        elif now_ms >= trade.again_ms:
            trade.leaving = trade.leaving or move.answer is Answer.UNWIND
            trade.again_ms = now_ms + min(1_000 << trade.tries, LONGEST_PAUSE_MS)
            trade.tries = min(trade.tries + 1, 10)
            _place(trader, trade, legs, shares, move, terms, now_ms)
            changed = True
    return changed


def _move(
    trader: Trader, trade: Trade, legs: Sequence[Leg], shares: tuple[Share, ...], terms: Terms, now_ms: int
) -> Move:
    """Return what a trade needs now, its amounts as they can be traded; what the gate refuses is not completed."""
    terms = ANYHOW if trade.reduces else terms
    move = next_move(shares, terms, trade.began_ms, now_ms, leaving=trade.leaving)
    if move.answer is Answer.COMPLETE and not trade.reduces:
        for leg, share, amount in zip(legs, shares, move.amounts, strict=True):
            refusal = _refusal(trader, leg, share, amount, now_ms) if amount else None
            if refusal is not None:
                detail = refusal.told(share.side * amount, share.price) | {"why": "a leg cannot be completed"}
                trader.desk.draft(leg, NOTHING, now_ms, "refused", detail)
                trade.leaving = True
        if trade.leaving:
            move = next_move(shares, terms, trade.began_ms, now_ms, leaving=True)
    if move.answer in {Answer.COMPLETE, Answer.UNWIND}:
        reduces = trade.reduces or move.answer is Answer.UNWIND
        amounts = (
            leg.instrument.tradable(_at_most(leg, amount) if reduces else amount, trader.price(leg))
            for leg, amount in zip(legs, move.amounts, strict=True)
        )
        move = move._replace(amounts=tuple(amounts))
    return move


def _at_most(leg: Leg, amount: Decimal) -> Decimal:
    """Return an amount that reduces a leg's position, or what is there of it that no other order reduces yet."""
    return max(min(amount, reducible(leg, -leg.position.side, ())), ZERO)


def _refusal(trader: Trader, leg: Leg, share: Share, amount: Decimal, now_ms: int) -> Refusal | None:
    """Return why an order that completes a leg is not let through."""
    price = share.price or share.decided
    refusal = trader.blocked(leg, now_ms) or trader.below_minimum(leg, amount, price)
    return refusal or trader.gate(leg, share.side * amount * price, price, now_ms)


def restore(trader: Trader, part: Part, kept: dict[str, Any]) -> None:
    """Give a part its trades back, as the journal kept them, and their orders."""
    for group, plain in kept.items():
        trade = part.trades[int(group)] = trade_of(plain)
        _give_orders(trader, part, trade)


def _give_orders(trader: Trader, part: Part, trade: Trade) -> None:
    """Have the legs of a trade know its orders: they work for somebody."""
    for place, seat in enumerate(trade.places):
        for name in (*trade.built[place], *trade.back[place]):
            if (order := trader.journal.find_order(name)) is not None:
                part.legs[seat].slots[name] = order


def carry(trader: Trader, name: str, parts: Sequence[Part]) -> None:
    """Give a strategy that begins anew the trades that it had under way: what their legs have too much is given back.

    Their orders say which legs they were of, whatever the declaration was then.
    """
    journal = trader.journal
    for flag, kept in sorted(journal.flags().items()):
        if not flag.startswith(f"together {name} ") or not kept:
            continue
        journal.flag(flag, None)
        for plain in kept.values():
            trade = trade_of(plain)
            firsts = [journal.find_order(names[0]) for names in trade.built]
            symbols = [(order.exchange, order.symbol) for order in firsts if order is not None]
            for part in parts:
                seats = {(leg.exchange, leg.symbol): place for place, leg in enumerate(part.legs)}
                if len(symbols) == len(trade.places) and seats.keys() >= set(symbols):
                    trade.places, trade.slots = [seats[symbol] for symbol in symbols], []
                    trade.leaving = not trade.reduces
                    part.trades[_spare(part)] = trade
                    part.trades_kept = True
                    _give_orders(trader, part, trade)
                    break


def _spare(part: Part) -> int:
    """Return the name of a trade that no strategy gives: theirs are above 0."""
    return min((0, *part.trades)) - 1


def halves(strategy: Strategy) -> set[tuple[str, str, str]]:
    """Return the legs of trades that are under way, by their keys: what they hold may be half of something."""
    return {part.legs[place].key for part in strategy.parts for trade in part.trades.values() for place in trade.places}


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
    decided, lot = trade.decided[place], leg.instrument.lot
    price = decided if trade.reduces else _offered(trader, part, trade.places[place], leg, side)
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


def _cancel(trader: Trader, trade: Trade, legs: Sequence[Leg], now_ms: int) -> bool:
    """Draft the end of what works and is not being canceled yet; tell whether anything was."""
    drafted = False
    for leg, names in zip(legs, trade.built, strict=True):
        ending = trader.desk.ending(leg)
        if working := tuple(name for name in names if name in leg.orders and name not in ending):
            trader.desk.draft(leg, Steps(working), now_ms, "cancel", {"why": "another leg failed"})
            drafted = True
    return drafted


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
        if trade.reduces:
            step, names = Place("slot_exit", share.side, amount, None, Reason.SLOT), trade.built[place]
        elif move.answer is Answer.COMPLETE:
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
