"""What a request asks for, checked as Binance checks it: parameters, signatures, filters."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from autotrader.venues.emulator.account import ZERO
from autotrader.venues.emulator.exchange import Asked
from autotrader.venues.emulator.market import Traded
from autotrader.venues.emulator.orders import PRICED, STOPPED, TIMES_IN_FORCE, TYPES, Refusal

Params = Mapping[str, str]

DEFAULT_WINDOW_MS, MAX_WINDOW_MS = 5000, 60_000
AHEAD_MS = 1000
MAX_QUANTITY = Decimal(10**9)
_CLIENT_ID = re.compile(r"[a-zA-Z0-9-_]{1,36}")
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


def check_signed(params: Params, key: str, now_ms: int) -> None:
    """Check that a request is signed and of now. Any key and any signature will do. Raises Refusal."""
    if not key:
        raise Refusal(-2014, "API-key format invalid.", 401)
    for name in ("timestamp", "signature"):
        if not params.get(name):
            raise missing(name)
    sent, window = whole(params, "timestamp", 0), whole(params, "recvWindow", DEFAULT_WINDOW_MS)
    if window > MAX_WINDOW_MS:
        raise Refusal(-1131, "recvWindow must be less than 60000.")
    if sent >= now_ms + AHEAD_MS:
        raise Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent > window:
        raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")


def missing(name: str) -> Refusal:
    """Return the refusal of a request that lacks a parameter."""
    return Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def whole(params: Params, name: str, default: int) -> int:
    """Return a whole number. Raises Refusal for anything else."""
    text = params.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)


def decimal(params: Params, name: str) -> Decimal | None:
    """Return a number that is not below zero; None where it is not given. Raises Refusal for anything else."""
    text = params.get(name, "")
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise Refusal(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.",
        )
    try:
        return Decimal(text)
    except InvalidOperation:
        raise missing(name) from None


def client_id(params: Params, name: str) -> str:
    """Return a client order id, a new one where none is given. Raises Refusal for a malformed one."""
    text = params.get(name) or uuid.uuid4().hex[:22]
    if not _CLIENT_ID.fullmatch(text):
        raise Refusal(
            -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[a-zA-Z0-9-_]{{1,36}}$'."
        )
    return text


def new_order(params: Params, one: Traded, last_ticks: int) -> Asked:
    """Return the order that a request asks for. Raises Refusal where a parameter or a filter forbids it."""
    kind, side = params.get("type", ""), params.get("side", "")
    for name, text, known, code, word in (
        ("side", side, ("BUY", "SELL"), -1117, "Invalid side."),
        ("type", kind, TYPES, -1116, "Invalid orderType."),
    ):
        if not text:
            raise missing(name)
        if text not in known:
            raise Refusal(code, word)
    force = params.get("timeInForce", "")
    if kind in PRICED and kind != "LIMIT_MAKER":
        if not force:
            raise missing("timeInForce")
        if force not in TIMES_IN_FORCE:
            raise Refusal(-1115, "Invalid timeInForce.")
    elif force:
        raise Refusal(-1106, "Parameter 'timeInForce' sent when not required.")
    price, stop = decimal(params, "price"), decimal(params, "stopPrice")
    quantity, spendable = decimal(params, "quantity"), decimal(params, "quoteOrderQty")
    if kind in PRICED and price is None:
        raise missing("price")
    if kind in STOPPED and stop is None:
        raise missing("stopPrice")
    if quantity is None and (kind != "MARKET" or spendable is None):
        raise missing("quantity")
    if quantity is not None and spendable is not None:
        raise Refusal(-1106, "Parameter 'quoteOrderQty' sent when not required.")
    ticks = _ticks(price, one) if kind in PRICED and price is not None else 0
    stop_ticks = _ticks(stop, one) if kind in STOPPED and stop is not None else 0
    lots = _lots(quantity, one) if quantity is not None else 0
    value = one.price(ticks or stop_ticks or last_ticks) * one.quantity(lots) if lots else spendable or ZERO
    if value < one.min_notional:
        raise Refusal(-1013, "Filter failure: NOTIONAL")
    return Asked(
        one,
        client_id(params, "newClientOrderId"),
        side == "BUY",
        kind,
        force or "GTC",
        ticks,
        lots,
        stop_ticks,
        spendable or ZERO,
    )


def _ticks(price: Decimal, one: Traded) -> int:
    _precise(price)
    count = price / one.tick
    if count != int(count) or not 1 <= count <= 10**10:
        raise Refusal(-1013, "Filter failure: PRICE_FILTER")
    return int(count)


def _lots(quantity: Decimal, one: Traded) -> int:
    _precise(quantity)
    count = quantity / one.lot
    if count != int(count) or count < 1 or quantity > MAX_QUANTITY:
        raise Refusal(-1013, "Filter failure: LOT_SIZE")
    return int(count)


def _precise(number: Decimal) -> None:
    if number != round(number, 8):
        raise Refusal(-1111, "Parameter has too much precision.")
