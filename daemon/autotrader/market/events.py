"""Trades and quotes as bars of one moment, so that everything that meets bars meets them too.

`high` is what a buyer pays at that moment and `low` what a seller gets, `close` (and `open`) the last price: of a trade
all are its price, of a quote they are the ask, the bid and the middle. `volume` is the amount traded, 0 for a quote.
Several events may share a millisecond; their order is that of the recording.
"""

from __future__ import annotations

from autotrader.core.events import Bar, BookChanged, QuoteChanged, TradePrinted
from autotrader.market.bars import Columns, Floats, Ints


def of_trades(ts: Ints, price: Floats, amount: Floats) -> Columns:
    """Return trades as columns; the four prices are one array."""
    return Columns(ts, price, price, price, price, amount)


def of_quotes(ts: Ints, bid: Floats, bid_size: Floats, ask: Floats, ask_size: Floats) -> Columns:
    """Return quotes as columns."""
    middle = (bid + ask) / 2
    return Columns(ts, middle, ask, bid, middle, 0 * (bid_size + ask_size))


def as_bar(event: TradePrinted | QuoteChanged | BookChanged) -> Bar | None:
    """Return an event as the bar of one moment that features see; None for a book with an empty side."""
    match event:
        case TradePrinted():
            return Bar(event.ts_ms, event.price, event.price, event.price, event.price, event.amount)
        case QuoteChanged():
            return _quote(event.ts_ms, event.bid, event.ask)
        case BookChanged() if event.bids and event.asks:
            return _quote(event.ts_ms, event.bids[0][0], event.asks[0][0])
    return None


def _quote(ts_ms: int, bid: float, ask: float) -> Bar:
    middle = (bid + ask) / 2
    return Bar(ts_ms, middle, ask, bid, middle, 0.0)
