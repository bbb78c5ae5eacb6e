"""Trades, quotes and books as bars of one moment, so that everything that meets bars meets them too.

`high` is what a buyer pays at that moment and `low` what a seller gets, `close` (and `open`) the last price: of a trade
all are its price, of a quote they are the ask, the bid and the middle to the nearest tick, and so they are of a book's
best levels. `volume` is the amount traded, 0 for these two. Several events may share a millisecond; their order is that
of the recording.
"""

from __future__ import annotations

import math

import numpy as np

from autotrader.core.events import Bar, BookChanged, QuoteChanged, TradePrinted
from autotrader.market.bars import Columns, Floats, Ints


def of_trades(ts: Ints, price: Floats, amount: Floats) -> Columns:
    """Return trades as columns; the four prices are one array."""
    return Columns(ts, price, price, price, price, amount)


def of_quotes(ts: Ints, bid: Floats, ask: Floats, per_price: float) -> Columns:
    """Return quotes as columns; `per_price` is how many ticks make 1."""
    price = np.floor((bid + ask) / 2 * per_price + 0.5) / per_price
    return Columns(ts, price, ask, bid, price, np.zeros(len(ts)))


def middle(bid: float, ask: float, per_price: float) -> float:
    """Return the price of a quote: the middle to the nearest tick, half a tick up, as `of_quotes` has it."""
    return math.floor((bid + ask) / 2 * per_price + 0.5) / per_price


def as_bar(event: TradePrinted | QuoteChanged | BookChanged, per_price: float) -> Bar | None:
    """Return an event as the bar of one moment that features see; None for a book with an empty side."""
    match event:
        case TradePrinted():
            return Bar(event.ts_ms, event.price, event.price, event.price, event.price, event.amount)
        case QuoteChanged():
            return quote_bar(event.ts_ms, event.bid, event.ask, per_price)
        case BookChanged() if event.bids and event.asks:
            return quote_bar(event.ts_ms, event.bids[0][0], event.asks[0][0], per_price)
    return None


def quote_bar(ts_ms: int, bid: float, ask: float, per_price: float) -> Bar:
    """Return a quote as the bar of one moment."""
    price = middle(bid, ask, per_price)
    return Bar(ts_ms, price, ask, bid, price, 0.0)
