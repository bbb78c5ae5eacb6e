"""How bars and single events meet a paper account's orders: at the open, and by trading through them.

Orders go by their sequence and positions by their names, so that a restart changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from autotrader.core.events import Bar
from autotrader.core.units import timeframe_ms
from autotrader.execution.orders import BUY, Reason
from autotrader.execution.protect import REASONS
from autotrader.market import fills, queue
from autotrader.venues.paper.ledger import NOT_THERE, WOULD_TAKE, Ledger
from autotrader.venues.paper.state import FOK, IOC, POST_ONLY, RESTS, Group, Key, Order

EXIT_REASONS = {**REASONS, fills.LIQUIDATION: Reason.LIQUIDATION}


FLEETING = frozenset({IOC, FOK})
"""Terms of orders that do not rest."""


class Candle(NamedTuple):
    """One bar, or one event, in ticks; `ts_ms` is its open."""

    ts_ms: int
    open: int
    high: int
    low: int
    close: int


def candle_of(event: Bar, per_price: float) -> Candle:
    """Return an event as a bar of one moment in ticks, of which `per_price` make 1.

    `high` is what a buyer pays, `low` what a seller gets.
    """
    return Candle(event.ts_ms, *(fills.in_ticks(price, per_price) for price in event[1:5]))


class Shown(NamedTuple):
    """What an event of a book offers, and the trades since the one before (see `market.queue`)."""

    bids: list[float]
    asks: list[float]
    takers: list[int]
    prices: list[float]
    amounts: list[float]
    per_price: float

    def rests_on(self, side: int) -> list[float]:
        """Return the side of the book on which an order of a side rests; the other one is what it takes."""
        return self.bids if side > 0 else self.asks


def open_bars(ledger: Ledger, opened: dict[Key, Candle], ts_ms: int) -> None:
    """Let bars open: market orders fill there, limits that are bettered too, then passed exits.

    A post-only order that would take at the first open it meets ends; one that rests there takes at no later one. One
    that takes at once or ends takes at its limit too.
    Orders go in the sequence of their submission, whatever their symbol: the money that is there decides.
    """
    orders = [order for key in opened for order in ledger.working.get(key, {}).values() if order.from_ms <= ts_ms]
    for order in sorted(orders):
        if order.client_id not in ledger.orders:
            continue  # an order before it closed the position that it would have reduced
        price = opened[order.key].open
        if order.type == "market":
            ledger.execute(order, fills.slipped(price, order.side, ledger.rates.slippage), maker=False, ts_ms=ts_ms)
        elif order.terms == POST_ONLY and fills.limit_at_open(order.side, order.ticks, price):
            ledger.finish(order, "expired", WOULD_TAKE, ts_ms)
        elif order.terms == POST_ONLY:
            ledger.make_only(order)
        elif order.terms in FLEETING and not fills.crosses(order.side, order.ticks, price):
            ledger.finish(order, "expired", NOT_THERE, ts_ms)
        elif order.terms in FLEETING or (order.terms == RESTS and fills.limit_at_open(order.side, order.ticks, price)):
            ledger.execute(order, price, maker=False, ts_ms=ts_ms)
    for key in sorted(opened):
        price = opened[key].open
        for group in sorted(ledger.held.get(key, {}).values()):
            protect(ledger, group, (price, price, price), ts_ms)


def close_bar(ledger: Ledger, key: Key, bar: Candle, ts_ms: int) -> None:
    """Let a bar close: exits of positions that were held, then limits traded through, then exits of what they filled.

    A resting exit and a stop inside one bar: the stop comes first, as with every take-profit.
    """
    for group in sorted(ledger.held.get(key, {}).values()):
        protect(ledger, group, (bar.open, bar.high, bar.low), ts_ms)
    before = list(ledger.held.get(key, {}))
    for order in sorted(ledger.working.get(key, {}).values()):
        if order.type != "limit" or order.from_ms > bar.ts_ms or order.client_id not in ledger.orders:
            continue
        if not fills.limit_in_bar(order.side, order.ticks, bar.high, bar.low):
            continue
        ledger.execute(order, order.ticks, maker=True, ts_ms=ts_ms)
        entered = ledger.groups.get(order.group_name)
        if entered is None or entered.net * order.side < 0:
            continue
        rest = fills.rest_of_bar(order.side, order.ticks, bar.high, bar.low, bar.close)
        protect(ledger, entered, rest, ts_ms)
        if entered.name in ledger.groups and entered.name not in before:
            ledger.move_best(ledger.groups[entered.name], rest[1], rest[2])
    for name in before:
        if name in ledger.groups:
            ledger.move_best(ledger.groups[name], bar.high, bar.low)


def meet_event(ledger: Ledger, key: Key, event: Candle, shown: Shown | None, ts_ms: int) -> None:
    """Let an event meet what was there before it: who takes, then passed exits, then who is traded through.

    `high` is what a buyer pays and `low` what a seller gets; a position is worth what ends it. On a book, which is
    `shown`, who takes pays what stands there, and who rests has a place in the queue.
    """
    before = list(ledger.held.get(key, {}))
    _take(ledger, key, event, shown, ts_ms)
    for group in sorted(ledger.held.get(key, {}).values()):
        worth = _price(-group.side, event)
        protect(ledger, group, (worth, worth, worth), ts_ms, shown)
    _make(ledger, key, event, shown, ts_ms, before)
    for name in before:
        if name in ledger.groups:
            worth = _price(-ledger.groups[name].side, event)
            ledger.move_best(ledger.groups[name], worth, worth)


def _take(ledger: Ledger, key: Key, event: Candle, shown: Shown | None, ts_ms: int) -> None:
    """Fill market orders, and limits that crossed when they came in where they still do; else these rest."""
    for order in sorted(ledger.working.get(key, {}).values()):
        if order.from_ms > ts_ms or order.client_id not in ledger.orders:
            continue
        price = _price(order.side, event)
        if order.type == "market":
            ticks = fills.slipped(
                _paid(price, order.side, order.lots - order.filled, 0, shown), order.side, ledger.rates.slippage
            )
            ledger.execute(order, ticks, maker=False, ts_ms=ts_ms)
        elif order.terms in FLEETING and not fills.crosses(order.side, order.ticks, price):
            ledger.finish(order, "expired", NOT_THERE, ts_ms)
        elif (order.crossing or order.terms in FLEETING) and fills.crosses(order.side, order.ticks, price):
            ticks = _paid(price, order.side, order.lots - order.filled, order.ticks, shown)
            ledger.execute(order, ticks, maker=False, ts_ms=ts_ms)
        elif order.crossing:
            ledger.rest(order)


def _make(ledger: Ledger, key: Key, event: Candle, shown: Shown | None, ts_ms: int, before: list[str]) -> None:
    """Fill resting limits whose turn it is or that the event trades through, then exits of what they entered.

    The better prices come first. Of the others each joins the queue of its book, or moves up in it.
    """
    for order in sorted(ledger.working.get(key, {}).values(), key=_priority):
        if order.type != "limit" or order.from_ms > ts_ms or order.client_id not in ledger.orders:
            continue
        ahead = order.ahead if shown is None else _ahead(order, shown)
        through = (order.ticks - _price(order.side, event)) * order.side > 0
        if not through and (shown is None or ahead >= 0):
            ledger.queue(order, ahead)
            continue
        ledger.execute(order, order.ticks, maker=True, ts_ms=ts_ms)
        entered = ledger.groups.get(order.group_name)
        if entered is None or entered.net * order.side < 0:
            continue
        worth = _price(-order.side, event)
        rest = fills.rest_of_bar(order.side, order.ticks, worth, worth, worth)
        protect(ledger, entered, rest, ts_ms, shown)
        if entered.name in ledger.groups and entered.name not in before:
            ledger.move_best(ledger.groups[entered.name], rest[1], rest[2])


def _ahead(order: Order, shown: Shown) -> int:
    """Return how many lots an event leaves ahead of a resting order; below 0 where the trades before it fill it."""
    ahead = order.ahead
    if ahead != queue.NOT_JOINED:
        trades = shown.takers, shown.prices, shown.amounts
        ahead = queue.after_trades(ahead, order.side, order.ticks, shown.per_price, *trades, 0, len(shown.takers))
        if ahead < 0:
            return ahead
    return queue.after_event(ahead, shown.rests_on(order.side), 0, shown.per_price, order.side, order.ticks)


def _paid(price: int, side: int, lots: int, limit: int, shown: Shown | None) -> int:
    """Return the ticks at which an order takes: the best price, on a book the average of what it takes."""
    if shown is None:
        return price
    return queue.walked(shown.rests_on(-side), 0, shown.per_price, side, lots, limit)


def _price(side: int, event: Candle) -> int:
    """Return what an event offers whoever trades on a side."""
    return event.high if side > 0 else event.low


def _priority(order: Order) -> tuple[bool, int, int]:
    """Return the key of price-time priority: buys first, the better price first, then the older order."""
    return order.side != BUY, -order.side * order.ticks, order.seq


def protect(ledger: Ledger, group: Group, bar: tuple[int, int, int], ts_ms: int, shown: Shown | None = None) -> None:
    """End a position whose protective exit, or on a swap whose margin, a bar's (open, high, low) reaches."""
    if group.guarded:
        held = fills.Held(group.side, group.entry, group.best, group.stop, group.take, group.trail)
        code, price = fills.protective_exit(held, *bar)
        if code != fills.NO_EXIT:
            if shown is not None:
                price = float(_paid(0, -group.side, abs(group.net), fills.exit_limit(code, held), shown))
            ticks = fills.exit_ticks(code, price, -group.side, ledger.rates.slippage)
            order = ledger.orders[group.guard_id]
            ledger.execute(order, ticks, maker=False, ts_ms=ts_ms, reason=EXIT_REASONS[code])
            return
    if ledger.swap:
        level = fills.liquidation_level(group.side, group.entry, ledger.rates.leverage)
        code, price = fills.liquidation(group.side, level, *bar)
        if code != fills.NO_EXIT:
            ticks = fills.nearest(price, -group.side)
            ledger.liquidate(group, _paid(ticks, -group.side, abs(group.net), 0, shown), ts_ms)


def candle_order(key: Key) -> tuple[str, int]:
    """Return the key that orders bars which close together, as `core.events.order_key` does."""
    return key.symbol, -timeframe_ms(key.timeframe)
