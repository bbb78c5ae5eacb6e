"""Reads an account's orders through ccxt: what an answer says of an order of ours, and asking for one by its ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotrader.core.errors import UnknownOrder, VenueError
from autotrader.execution.ids import short_id
from autotrader.venues.ccxt.answers import ToldOrder, mapping, told_order
from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.order_trades import dated, with_trades
from autotrader.venues.ccxt.quirks import (
    ASKED_PLAINLY,
    AT_MARKET,
    BY_CLIENT_ID,
    FETCH_ORDER,
    SHORT_IDS,
    TRADES_OF_ORDERS,
    WOULD_TAKE,
)
from autotrader.venues.ccxt.stops import STOPS, Stop, as_stop, own_id, waits
from autotrader.venues.ccxt.store import Sent

SETTLE_MS = 30_000
"""How long an order that the exchange does not know may still be on its way: what it says by then is believed."""


def stop_of(client: CcxtClient) -> Stop | None:
    """Return how stops rest at a client's exchange; None where they do not."""
    return STOPS.get((client.settings.id, client.settings.market))


def read_order(value: object, place: str, client: CcxtClient, symbol: str = "") -> ToldOrder:
    """Return what an answer or a stream says of an order. Raises VenueError for what cannot be.

    `symbol` is that of the order that was asked about, since an answer may leave it out.
    """
    row = dated(mapping(value, place), place, client.settings.id)
    if row.get("price") == AT_MARKET.get(client.settings.id):
        row = {**row, "price": None}
    told = told_order(row, place, client.symbol_of)
    if (size := client.size_of(told.symbol or symbol)) != 1:
        told = told._replace(amount=None if told.amount is None else told.amount * size, filled=told.filled * size)
    if client.settings.id in TRADES_OF_ORDERS:
        told = with_trades(told, row, place, client)
    return as_stop(row, _as_refused(row, told, client), stop_of(client))


def _as_refused(row: Mapping[str, Any], told: ToldOrder, client: CcxtClient) -> ToldOrder:
    """Return a post-only order that was accepted and then canceled since it would have taken as one that was refused.

    That is what it is elsewhere; where a policy persists, the next look tries again.
    """
    info, (key, said) = row.get("info"), WOULD_TAKE.get(client.settings.id, ("", ""))
    if told.status != "canceled" or not key or not isinstance(info, Mapping) or str(info.get(key)) != said:
        return told
    return told._replace(status="rejected", reason=f"post-only: it would have taken ({said})")


def name_of(client: CcxtClient, client_id: str) -> str:
    """Return an order's client id as its exchange knows it."""
    longest = SHORT_IDS.get(client.settings.id)
    return client_id if longest is None else short_id(client_id, longest)


def apart(client: CcxtClient, sent: Sent) -> dict[str, Any]:
    """Return what a question about an order must be told because it waits in a list apart; nothing of any other."""
    stop = stop_of(client)
    if stop is None or (sent.venue_id and not waits(sent.venue_id)) or sent.type != "stop":
        return {}
    return dict(stop.apart)


async def ask_order(client: CcxtClient, sent: Sent) -> ToldOrder | None:
    """Ask for an order of ours by its exchange's id, else by our own; None where it is not known there.

    Fit for one with an id, and for exchanges that can be asked by our own. Raises VenueUnavailable or VenueError.
    """
    place = f"{client.settings.name} fetch_order {sent.client_id}"
    waiting = apart(client, sent)
    params = dict(FETCH_ORDER.get(client.settings.id, {})) | waiting
    if not sent.venue_id:
        params[BY_CLIENT_ID[client.settings.id]] = name_of(client, sent.client_id)
    stop = stop_of(client)
    renamed = sent.type == "stop" and stop is not None and bool(stop.apart)  # what it becomes may have an id of its own

    def check(answer: object) -> ToldOrder:
        told = read_order(answer, place, client, sent.symbol)
        if not renamed and told.client_id not in {"", name_of(client, sent.client_id)}:
            raise VenueError(f"{place}: was told of {told.client_id} instead; nothing was taken from it")
        return told

    name, venue_id = client.ccxt_symbol(sent.symbol), own_id(sent.venue_id) or None
    plainly = None if venue_id else ASKED_PLAINLY.get(client.settings.id)
    told: ToldOrder
    try:
        if plainly is not None:
            told = await client.read(plainly, params, check=lambda raw: check(client.exchange.parse_order(raw)))
        else:
            told = await client.read("fetch_order", venue_id, name, check=check, params=params)
    except UnknownOrder:
        return None
    if waiting and not waits(told.venue_id):
        return await ask_order(client, sent._replace(venue_id=told.venue_id)) or told
    return told
