"""Trades where an exchange tells them with their order only: read from the order, each with its part of the fee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from autotrader.core.clock import DAY_MS
from autotrader.core.errors import VenueError
from autotrader.venues.ccxt.answers import CURE, ZERO, ToldOrder, ToldTrade, mapping, maybe, rows, told_trade
from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.quirks import DATED

FEE_STEP = Decimal("1e-12")
"""What shares of a fee are rounded to; the last trade takes what is left."""


def dated(row: Mapping[str, Any], place: str, exchange: str) -> Mapping[str, Any]:
    """Return an order or a trade with the time that the exchange itself wrote, where ccxt misreads it.

    Raises VenueError for a time without its offset.
    """
    key, info = DATED.get(exchange), row.get("info")
    written = info.get(key) if key is not None and isinstance(info, Mapping) else None
    if written is None:
        return row
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError as error:
        raise VenueError(f"{place}: '{key}' is {str(written)[:40]!r}, no time; {CURE}") from error
    if moment.tzinfo is None:
        raise VenueError(f"{place}: '{key}' is {written!r}, without its offset; {CURE}")
    since = moment.astimezone(UTC) - datetime.fromtimestamp(0, UTC)
    return {**row, "timestamp": since.days * DAY_MS + since.seconds * 1_000 + since.microseconds // 1_000}


def read_trade(value: object, place: str, client: CcxtClient) -> ToldTrade:
    """Return what an answer or a stream says of a trade. Raises VenueError for what cannot be."""
    told = told_trade(dated(mapping(value, place), place, client.settings.id), place, client.symbol_of)
    if (size := client.size_of(told.symbol)) == 1:
        return told
    amount = told.amount * size
    return told._replace(amount=amount, cost=told.price * amount)


def with_trades(told: ToldOrder, row: Mapping[str, Any], place: str, client: CcxtClient) -> ToldOrder:
    """Return an order with the trades and the fee that its answer tells. Raises VenueError for what cannot be."""
    trades = []
    for number, one in enumerate(rows(row.get("trades") or [], f"{place} trades")):
        at = f"{place} trades[{number}]"
        trade = read_trade(one, at, client)
        if (trade.symbol, trade.side) != (told.symbol, told.side):
            raise VenueError(f"{at}: is of {trade.symbol} or of another side than its order; {CURE}")
        identity = f"{told.venue_id} {trade.trade_id}"  # both sides of a trade with ourselves may have the same
        trades.append(trade._replace(trade_id=identity, venue_id=told.venue_id, client_id=told.client_id))
    fee = mapping(row.get("fee") or {}, f"{place} fee")
    return told._replace(trades=tuple(trades), fee=maybe(fee, "cost", f"{place} fee", least=ZERO) or ZERO)


def shared(fresh: Sequence[ToldTrade], fee: Decimal, kept: Decimal) -> list[ToldTrade]:
    """Return new trades of one order, each with its fee: its own where it is told, else its part by cost of the rest.

    The rest is what the order paid, `fee`, less what is `kept` with its earlier trades: the fees of an order's trades
    sum to the order's own.
    """
    untold = [number for number, trade in enumerate(fresh) if not trade.fee]
    rest = max(fee - kept - sum((trade.fee for trade in fresh), ZERO), ZERO)
    cost = sum((fresh[number].cost for number in untold), ZERO)
    found = list(fresh)
    for number in untold:
        part = rest if number == untold[-1] or not cost else (rest * fresh[number].cost / cost).quantize(FEE_STEP)
        rest, cost = rest - part, cost - fresh[number].cost
        found[number] = fresh[number]._replace(fee=part)
    return found
