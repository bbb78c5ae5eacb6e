"""What happens in a market, as immutable messages ordered by market time.

Times are UTC milliseconds of the market's clock. Prices and amounts of market data are floats as the venue gave them;
money that moves (fills, balances) is Decimal.
"""

from __future__ import annotations

from typing import NamedTuple

from autotrader.core.units import timeframe_ms


class Bar(NamedTuple):
    """One candle. `ts_ms` is its opening time; volume counts base units."""

    ts_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Series(NamedTuple):
    """One stream of bars: an exchange's name, a symbol and a timeframe."""

    exchange: str
    symbol: str
    timeframe: str


class BarClosed(NamedTuple):
    """A bar is complete. `ts_ms` is the moment it closed."""

    ts_ms: int
    exchange: str
    symbol: str
    timeframe: str
    bar: Bar

    @property
    def series(self) -> Series:
        return Series(self.exchange, self.symbol, self.timeframe)


class BarsComplete(NamedTuple):
    """Every bar that closed at `ts_ms` on an exchange has been told, as far as the exchange's bound let us wait.

    Decisions are made here, so that one that reads several symbols or timeframes sees all of that moment, and those
    that compete for the same money go in the order of their names.
    """

    ts_ms: int
    exchange: str


class FillsComplete(NamedTuple):
    """Every fill of our orders that a moment of the market brought has been told, and nothing else of that moment yet.

    Decisions that wake on fills are made here, once however many there were. Told again after a restart.
    """

    ts_ms: int
    exchange: str


class TradePrinted(NamedTuple):
    """Somebody traded. `side` is the taker's: +1 a buy, -1 a sell, 0 where nobody says.

    `row` tells trades of one millisecond apart that may be told twice: they count from 1; 0 is none of them.
    """

    ts_ms: int
    exchange: str
    symbol: str
    price: float
    amount: float
    side: int
    row: int = 0


class QuoteChanged(NamedTuple):
    """The best bid or ask changed. Sizes are 0 where nobody says; `row` is as a trade's."""

    ts_ms: int
    exchange: str
    symbol: str
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    row: int = 0


class BookChanged(NamedTuple):
    """The order book to the depth asked for; each level is (price, amount), best first; `row` is as a trade's."""

    ts_ms: int
    exchange: str
    symbol: str
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    row: int = 0


MarketEvent = BarClosed | TradePrinted | QuoteChanged | BookChanged


def order_key(event: MarketEvent) -> tuple[int, str, str, int]:
    """Return the key that orders events: market time, venue, symbol, then longer bars first.

    A longer bar that closes with a shorter one comes before it, so that a decision on the shorter one sees it.
    """
    length_ms = timeframe_ms(event.timeframe) if isinstance(event, BarClosed) else 0
    return event.ts_ms, event.exchange, event.symbol, -length_ms
