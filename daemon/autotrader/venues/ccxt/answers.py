"""What an exchange answered, read strictly: a wrong type, a missing key or an impossible number names its place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from autotrader.core.errors import VenueError
from autotrader.execution.orders import BUY, SELL, VenueStatus

ZERO = Decimal(0)
MAX_DIGITS = 40
MAX_EXPONENT = 18

_SIDES = {"buy": BUY, "sell": SELL}
_STATUS: Mapping[str, VenueStatus] = {
    "open": "open",
    "canceling": "open",
    "canceled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}


class ToldOrder(NamedTuple):
    """An order as ccxt tells it; what an exchange leaves out is None or empty.

    `ts_ms` is 0 where it is not told; `reason` says why an order ended, where that is known. `trades` are the order's
    own and `fee` what was paid for all of it, where an exchange tells trades with their order only.
    """

    venue_id: str
    client_id: str
    symbol: str
    side: int | None
    type: str
    price: Decimal | None
    amount: Decimal | None
    filled: Decimal
    average: Decimal | None
    status: VenueStatus
    ts_ms: int
    reason: str = ""
    trades: tuple[ToldTrade, ...] = ()
    fee: Decimal = ZERO


class ToldTrade(NamedTuple):
    """One trade of the account. `client_id` is empty where the exchange does not tell it with the trade."""

    trade_id: str
    venue_id: str
    client_id: str
    symbol: str
    side: int
    price: Decimal
    amount: Decimal
    cost: Decimal
    fee: Decimal
    fee_currency: str
    ts_ms: int
    maker: bool


class ToldFunding(NamedTuple):
    """One settlement of a swap: what it moved, signed (negative was paid), in the swap's own quote currency."""

    told_id: str
    symbol: str
    ts_ms: int
    amount: Decimal


def mapping(value: object, place: str) -> Mapping[str, Any]:
    """Return an answer that must be a mapping. Raises VenueError."""
    if not isinstance(value, Mapping):
        raise VenueError(f"{place}: the exchange answered {type(value).__name__}, not a mapping; {CURE}")
    return value


def rows(value: object, place: str) -> Sequence[Mapping[str, Any]]:
    """Return an answer that must be a list of mappings. Raises VenueError."""
    if not isinstance(value, list | tuple):
        raise VenueError(f"{place}: the exchange answered {type(value).__name__}, not a list; {CURE}")
    return [mapping(row, f"{place}[{number}]") for number, row in enumerate(value)]


def number(row: Mapping[str, Any], key: str, place: str, *, above: Decimal | None = None) -> Decimal:
    """Return a number that must be there, finite and, where `above` is given, larger than that. Raises VenueError."""
    value = maybe(row, key, place)
    if value is None:
        raise VenueError(f"{place}: '{key}' is missing; {CURE}")
    if above is not None and value <= above:
        raise VenueError(f"{place}: '{key}' is {value}, which is not above {above}; {CURE}")
    return value


def maybe(row: Mapping[str, Any], key: str, place: str, *, least: Decimal | None = None) -> Decimal | None:
    """Return a number that may be left out, None then. Raises VenueError for what is no finite number."""
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise VenueError(f"{place}: '{key}' is {type(value).__name__}, not a number; {CURE}")
    if isinstance(value, float) and not math.isfinite(value):
        raise VenueError(f"{place}: '{key}' is {value}, not a finite number; {CURE}")
    try:
        exact = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation as error:
        raise VenueError(f"{place}: '{key}' is {str(value)[:MAX_DIGITS]!r}, not a number; {CURE}") from error
    if not exact.is_finite() or len(exact.as_tuple().digits) > MAX_DIGITS or (exact and _size(exact) > MAX_EXPONENT):
        raise VenueError(f"{place}: '{key}' is {str(value)[:MAX_DIGITS]}, no sensible quantity; {CURE}")
    if least is not None and exact < least:
        raise VenueError(f"{place}: '{key}' is {exact}, less than {least}; {CURE}")
    return exact


def text(row: Mapping[str, Any], key: str, place: str) -> str:
    """Return a text that must be there and not empty; a whole number counts as one. Raises VenueError."""
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise VenueError(f"{place}: '{key}' is missing; {CURE}" if not value else f"{place}: '{key}' is no text")
    return value


def told_order(value: object, place: str, symbol_of: Mapping[str, str]) -> ToldOrder:
    """Return an order. `symbol_of` gives our symbol for ccxt's. Raises VenueError for what cannot be."""
    row = mapping(value, place)
    amount = maybe(row, "amount", place, least=ZERO)
    filled = maybe(row, "filled", place, least=ZERO) or ZERO
    if amount is not None and filled > amount:
        raise VenueError(f"{place}: 'filled' is {filled}, more than its amount {amount}; {CURE}")
    average = maybe(row, "average", place, least=ZERO)
    return ToldOrder(
        venue_id=text(row, "id", place),
        client_id=str(row.get("clientOrderId") or ""),
        symbol=_symbol(row, place, symbol_of),
        side=_SIDES.get(str(row.get("side"))),
        type="market" if row.get("type") == "market" else "limit",
        price=maybe(row, "price", place, least=ZERO) or None,
        amount=amount,
        filled=filled,
        average=average or None if filled else None,
        status=_status(row, place, amount, filled),
        ts_ms=int(maybe(row, "timestamp", place, least=ZERO) or 0),
    )


def told_trade(value: object, place: str, symbol_of: Mapping[str, str]) -> ToldTrade:
    """Return a trade of the account. Raises VenueError for what cannot be."""
    row = mapping(value, place)
    symbol = _symbol(row, place, symbol_of)
    if not symbol:
        raise VenueError(f"{place}: 'symbol' is missing; {CURE}")
    side = _SIDES.get(str(row.get("side")))
    if side is None:
        raise VenueError(f"{place}: 'side' is {row.get('side')!r}, neither buy nor sell; {CURE}")
    price, amount = number(row, "price", place, above=ZERO), number(row, "amount", place, above=ZERO)
    cost = maybe(row, "cost", place, least=ZERO)
    fee, currency = _fee(row, place)
    if currency == symbol.split("/")[0] and abs(fee) >= amount:
        raise VenueError(f"{place}: its fee is {fee} {currency}, as much as was traded; {CURE}")
    info = row.get("info")
    info = info if isinstance(info, Mapping) else {}
    return ToldTrade(
        trade_id=text(row, "id", place),
        venue_id=str(row.get("order") or ""),
        client_id=str(next((info[key] for key in _CLIENT_KEYS if info.get(key)), "")),
        symbol=symbol,
        side=side,
        price=price,
        amount=amount,
        cost=price * amount if cost is None else cost,
        fee=fee,
        fee_currency=currency or symbol.split("/")[1],
        ts_ms=int(number(row, "timestamp", place, above=ZERO)),
        maker=row.get("takerOrMaker") == "maker",
    )


def told_funding(value: object, place: str, symbol_of: Mapping[str, str]) -> ToldFunding:
    """Return a settlement of the account. Raises VenueError for what cannot be."""
    row = mapping(value, place)
    symbol = _symbol(row, place, symbol_of)
    if not symbol:
        raise VenueError(f"{place}: 'symbol' is missing; {CURE}")
    quote, currency = symbol.split("/")[-1].split(":")[0], text(row, "code", place)
    if currency != quote:
        raise VenueError(f"{place}: {symbol} was settled in {currency}, not in {quote}; {CURE}")
    ts_ms = int(number(row, "timestamp", place, above=ZERO))
    return ToldFunding(text(row, "id", place), symbol, ts_ms, number(row, "amount", place))


CURE = "nothing was taken from this answer"
_CLIENT_KEYS = ("clientOrderId", "clOrdId", "orderLinkId", "cl_ord_id", "client_order_id", "identifier")


def _size(value: Decimal) -> int:
    return abs(value.adjusted())


def _symbol(row: Mapping[str, Any], place: str, symbol_of: Mapping[str, str]) -> str:
    """Return our symbol, empty where none is told. Raises VenueError for one that the exchange does not list."""
    told = row.get("symbol")
    if told is None:
        return ""
    if not isinstance(told, str) or told not in symbol_of:
        raise VenueError(f"{place}: 'symbol' is {str(told)[:MAX_DIGITS]!r}, which is not traded here; {CURE}")
    return symbol_of[told]


def _status(row: Mapping[str, Any], place: str, amount: Decimal | None, filled: Decimal) -> VenueStatus:
    told = row.get("status")
    if told is None:  # many exchanges answer a new order with no more than its id
        return "filled" if amount and filled == amount else "open"
    if told == "closed":
        return "filled" if filled and (amount is None or filled >= amount) else "canceled"
    if told not in _STATUS:
        raise VenueError(f"{place}: 'status' is {str(told)[:MAX_DIGITS]!r}, which ccxt does not document; {CURE}")
    return _STATUS[told]


def _fee(row: Mapping[str, Any], place: str) -> tuple[Decimal, str]:
    """Return a trade's fee and its currency as the exchange took it, coins of the base included."""
    told = row.get("fees") or ([row["fee"]] if row.get("fee") else [])
    fees = [one for one in rows(told, f"{place} fees") if one.get("cost") is not None]
    total, currency = ZERO, ""
    for one in fees:
        name = text(one, "currency", f"{place} fees")
        if currency not in {"", name}:
            raise VenueError(f"{place}: its fee is in {currency} and {name}; one currency a trade can be kept")
        total, currency = total + number(one, "cost", f"{place} fees"), name
    return total, currency
