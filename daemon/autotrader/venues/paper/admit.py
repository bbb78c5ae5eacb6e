"""What a paper venue takes and what it refuses: an order request is checked whole before anything changes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from autotrader.core.errors import OrderRejected, WouldTake
from autotrader.core.units import plain
from autotrader.execution.orders import BUY, SELL, Guard, OrderRequest
from autotrader.market import fills
from autotrader.venues.paper.ledger import NO_MONEY, OPPOSITE, WOULD_TAKE, Ledger
from autotrader.venues.paper.state import OPENED, POST_ONLY, RESTS, STEP, TERMS, Moment, Order, Traded

MAX_OPEN_ORDERS = 10_000
"""Bound of the orders that may still fill, guards included."""


class Admission(NamedTuple):
    """What the market knows when an order comes in; `length_ms` is 0 where events decide its fill.

    `last_ticks` is the last close, of quotes the ask for a buyer and the bid for a seller; 0 before there is one.
    `quoted` says that it is an ask or a bid.
    """

    traded: Traded
    last_ticks: int
    length_ms: int
    latency_ms: int
    moment: Moment
    quoted: bool


def admit(request: OrderRequest, ledger: Ledger, market: Admission, known: Callable[[str], Order | None]) -> Order:
    """Return the order that a request becomes. Raises OrderRejected; nothing has changed then.

    Its cost is reserved: a limit order's at its limit, a market order's at the last close with slippage, both with the
    taker's fee. An order whose bare notional is there is taken even where fee and slippage are not: it then fills what
    the money buys. Reducing orders reserve nothing and need no least notional but an exchange's own.
    """
    _demand(not known(request.client_id), "duplicate client order id")
    _demand(bool(request.client_id and request.group), "an order needs a client id and a group")
    _demand(request.side in {BUY, SELL}, f"a side is {BUY} or {SELL}, not {request.side}")
    _demand((request.price is not None) == (request.type == "limit"), "a limit order has a price, a market order none")
    _demand(len(ledger.orders) < MAX_OPEN_ORDERS, f"{MAX_OPEN_ORDERS} orders are open already")
    _demand(request.stop_price is None, "stop orders are not kept here; a guard is")
    _check_group(request, ledger)
    stop, take, trail = _check_guard(request, known)
    lots = _whole(request.amount, STEP * market.traded.lot, "amount") * market.traded.lot
    limit = _whole(request.price, market.traded.tick, "price") if request.price is not None else 0
    _demand(bool(limit or market.last_ticks), "there is no price yet: no bar has closed")
    crossing = bool(limit and market.last_ticks) and fills.crosses(request.side, limit, market.last_ticks)
    terms = _terms(request, market, limit)
    expected = limit or fills.slipped(float(market.last_ticks), request.side, ledger.rates.slippage)
    _demand(fills.fits(lots, expected, market.traded.unit), "amount or price are too large to count")
    _check_least(request, market.traded, lots, limit or market.last_ticks)
    reserved = 0 if request.reduce_only else _check_money(request, ledger, market, lots, expected)
    return Order(
        seq=ledger.last_seq + 1,
        client_id=request.client_id,
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        ticks=limit,
        lots=lots,
        reduce_only=request.reduce_only,
        group_name=request.group,
        resolution=request.resolution,
        from_ms=_first_open(market),
        stop=stop,
        take=take,
        trail=trail,
        guard_id=request.guard_id,
        reserved=reserved,
        filled=0,
        value=0,
        status="open",
        reason="",
        ts_ms=market.moment.ms,
        crossing=crossing and market.length_ms == 0 and not request.post_only,
        terms=terms,
    )


def _terms(request: OrderRequest, market: Admission, limit: int) -> int:
    """Return an order's terms. Raises WouldTake for a post-only order that would."""
    terms = TERMS.get(request.time_in_force)
    if terms is None:
        raise OrderRejected(f"a time in force is {', '.join(TERMS)}, not {request.time_in_force}")
    _demand(bool(limit) or (terms == RESTS and not request.post_only), "a market order has no terms: it takes")
    if not request.post_only:
        return terms
    _demand(terms == RESTS, f"post only and {request.time_in_force} exclude each other")
    if market.last_ticks and fills.would_take(request.side, limit, market.last_ticks, market.quoted):
        raise WouldTake(WOULD_TAKE)
    return POST_ONLY


def guard_fractions(guard: Guard | None) -> tuple[int, int, int]:
    """Return a guard's fractions in parts of RATE. Raises OrderRejected for one that cannot be."""
    if guard is None:
        return 0, 0, 0
    try:
        parts = fills.scaled(guard.stop_loss), fills.scaled(guard.take_profit), fills.scaled(guard.trailing_stop)
    except ValueError as error:
        raise OrderRejected(f"guard: {error}") from error
    _demand(parts[0] < fills.RATE and parts[2] < fills.RATE, "guard: a stop is below 100 %")
    return parts


def _check_group(request: OrderRequest, ledger: Ledger) -> None:
    group = ledger.groups.get(request.group)
    if group is not None:
        _demand(group.symbol == request.symbol, f"group {request.group} is one of {group.symbol}")
    if request.reduce_only:
        _demand(group is not None and group.net * request.side < 0, "reduce only: nothing to reduce")
    elif ledger.swap:
        _demand(ledger.position(request.symbol, request.group) * request.side >= 0, OPPOSITE)


def _check_guard(request: OrderRequest, known: Callable[[str], Order | None]) -> tuple[int, int, int]:
    fractions = guard_fractions(request.guard)
    if request.reduce_only:
        _demand(not any(fractions), "a reducing order carries no guard")
        return fractions
    _demand(bool(request.guard_id) or not any(fractions), "a guard needs a guard_id for its exit")
    if request.guard_id:
        held = known(request.guard_id)
        mine = held is None or (held.type == "guard" and held.group_name == request.group)
        _demand(mine and request.guard_id != request.client_id, "duplicate client order id of the guard")
    return fractions


def _check_least(request: OrderRequest, traded: Traded, lots: int, price: int) -> None:
    """Refuse what is less than the exchange takes."""
    _demand(
        lots >= traded.min_lots,
        f"amount {plain(request.amount)} is below the minimum of {plain(traded.min_lots * STEP)} {traded.base}",
    )
    bare, least = fills.cost(lots, price, traded.unit, request.side), traded.min_cost
    if request.reduce_only:
        least = traded.min_exit
    _demand(
        bare >= least, f"notional {plain(bare * STEP)} is below the minimum of {plain(least * STEP)} {traded.quote}"
    )


def _check_money(request: OrderRequest, ledger: Ledger, market: Admission, lots: int, expected: int) -> int:
    """Return what the order reserves: base units for a sale on spot, else cash."""
    traded = market.traded
    price = market.last_ticks if request.price is None else expected
    bare = fills.cost(lots, price, traded.unit, request.side)
    least = ledger.rates.min_notional
    _demand(
        bare >= least, f"notional {plain(bare * STEP)} is below the minimum of {plain(least * STEP)} {traded.quote}"
    )
    if not ledger.swap and request.side == SELL:
        _demand(lots <= ledger.free(traded.base), NO_MONEY)
        return lots
    free = ledger.free(traded.quote)
    leverage = ledger.rates.leverage if ledger.swap else 1
    _demand(fills.margin(bare, leverage) <= free, NO_MONEY)
    full = fills.cost(lots, expected, traded.unit, BUY)
    return min(fills.margin(full, leverage) + fills.fee(full, ledger.rates.taker), free)


def _first_open(market: Admission) -> int:
    """Return the first moment whose opening bars, or events, the order meets.

    Events that were met before it came in are over; others of the same millisecond are not. On bars an order that comes
    while its moment's bars are closed meets their successors; later it is in the middle of a bar and waits for the
    next. A latency shorter than the bars makes no difference that bars could show.
    """
    ms, phase = market.moment.ms, market.moment.phase
    if market.length_ms == 0:
        return ms + market.latency_ms
    latency_ms = market.latency_ms if market.latency_ms >= market.length_ms else 0
    return max(ms + 1 if phase == OPENED else ms, ms + latency_ms)


def _whole(value: Decimal, step: Decimal, what: str) -> int:
    _demand(value.is_finite() and value > 0, f"{what} {value} is not above zero")
    count = value / step
    _demand(count == count.to_integral_value(), f"{what} {value} is finer than {plain(step)}")
    return int(count)


def _demand(holds: bool, reason: str) -> None:
    if not holds:
        raise OrderRejected(reason)
