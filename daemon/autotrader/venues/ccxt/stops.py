"""Stops that rest at an exchange: where ccxt can place one that reduces only what is held, and how it is found again.

At some exchanges a waiting order is an order as any other. At others it is of a list apart, with ids of its own, and
what is sent once its price was touched is another order under another id. Such an order carries the id `trigger-ID`
here for as long as it waits, then the id of what it became, so that an id names one order whatever list it is of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from autotrader.venues.ccxt.answers import ZERO, ToldOrder

TRIGGER = "trigger-"
"""Begins the id of an order that waits in a list apart."""


class Stop(NamedTuple):
    """How a market order that waits for a price is asked for.

    `price` is the parameter of `create_order` that says the price, `name` the one that says our id. Where such orders
    are a list apart, `apart` is what every question about them must be told, `ids` the keys of the exchange's own
    answer that hold the waiting order's id, and `became` those that hold the id of the order that it became. An answer
    with the key `sent` is about that order, though ccxt may tell it under the id of the one that waited.
    """

    price: str
    name: str = "clientOrderId"
    apart: Mapping[str, Any] = {}
    ids: tuple[str, ...] = ()
    became: tuple[str, ...] = ()
    sent: str = ""


_ALGO = Stop("stopLossPrice", apart={"trigger": True}, ids=("algoId", "aid"), became=("actualOrderId", "ai"))
"""Binance USD-M: an algo order, whose answers (`algoId`) and stream (`aid`) name the order that it became."""

_TRIGGER = Stop("triggerPrice", "algoClOrdId", {"trigger": True}, ids=("algoId",), became=("ordId",), sent="accFillSz")
"""OKX: a trigger order; the order that it became names both, and ccxt tells it under the trigger order's id."""

STOPS: Mapping[tuple[str, str], Stop] = {
    ("binance", "spot"): Stop("stopLossPrice"),
    ("binance", "swap"): _ALGO,
    ("binanceusdm", "swap"): _ALGO,
    ("bybit", "swap"): Stop("stopLossPrice"),
    ("kraken", "spot"): Stop("stopLossPrice"),
    ("okx", "spot"): _TRIGGER,
}
"""Exchanges and markets where stops rest, by ccxt's id. On a swap they only reduce; on spot they reserve the coins.

Not here: Bybit spot (a waiting order is canceled and filled under rules of its own), Coinbase (no market order may
wait), Upbit and Bithumb (nothing waits).
"""


def waits(venue_id: str) -> bool:
    """Tell whether an id is that of an order that waits in a list apart."""
    return venue_id.startswith(TRIGGER)


def own_id(venue_id: str) -> str:
    """Return an id as the exchange knows it."""
    return venue_id.removeprefix(TRIGGER)


def as_stop(row: Mapping[str, Any], told: ToldOrder, stop: Stop | None) -> ToldOrder:
    """Return what was told of an order, under the id that names it here.

    Of one of a list apart that was sent, what became of it is told by the order that it became: it is open until then.
    """
    info = row.get("info")
    if stop is None or not isinstance(info, Mapping) or told.venue_id not in {str(info.get(key)) for key in stop.ids}:
        return told
    if stop.sent and info.get(stop.sent) is not None:
        return told._replace(venue_id=str(info[stop.became[0]]))
    became = next((str(info[key]) for key in stop.became if info.get(key)), "")
    if became:
        return told._replace(venue_id=became, filled=ZERO, average=None, status="open")
    status = "open" if row.get("status") == "closed" else told.status
    return told._replace(venue_id=f"{TRIGGER}{told.venue_id}", status=status)
