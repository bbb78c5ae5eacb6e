"""Checks what an exchange's client tells before anything is made of it.

Every function takes a message whole or raises VenueError, which says where and what was wrong. Nothing of a bad message
is used. `latest_ms` is the last moment that a time may name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from autotrader.core.clock import HOUR_MS
from autotrader.core.errors import VenueError
from autotrader.core.events import Bar
from autotrader.core.units import BOOK_DEPTH
from autotrader.market.bars import opening
from autotrader.venues.protocol import FundingRate

Side = tuple[tuple[float, float], ...]

FIRST_MS = 1_000_000_000_000
"""2001: a time before it is in seconds, or none."""

MAX_ROWS = 100_000
"""Bound of the rows of one message."""

MAX_RATE = 0.25
"""Bound of one funding rate: exchanges let a settlement take a few hundredths of a position at the most."""

MOMENT_MS = 60_000
"""A settlement that is dated less than this after a whole hour was settled at that hour."""

SIDES = {"buy": 1, "sell": -1, None: 0}


class Trade(NamedTuple):
    """One trade as an exchange tells it; `id` is its text, empty where it has none."""

    ts_ms: int
    id: str
    price: float
    amount: float
    side: int


class Quote(NamedTuple):
    """Best bid and ask; `ts_ms` is 0 where the exchange does not say when."""

    ts_ms: int
    bid: float
    bid_size: float
    ask: float
    ask_size: float


class Book(NamedTuple):
    """The order book, best levels first; `ts_ms` is 0 where the exchange does not say when."""

    ts_ms: int
    bids: Side
    asks: Side


def candles(raw: Any, where: str, length_ms: int, latest_ms: int) -> list[Bar]:
    """Return candles in order of time, of those with one time the last."""
    made: dict[int, Bar] = {}
    for row in _rows(raw, where, "candles"):
        cells = _rows(row, where, "a candle")
        if len(cells) < 6:
            raise VenueError(f"{where}: a candle of {len(cells)} values; it has 6: time, four prices and volume")
        ts_ms = _time(cells[0], where, latest_ms)
        if opening(ts_ms, length_ms) != ts_ms:
            raise VenueError(f"{where}: a candle opens at {ts_ms}, where none of {length_ms} ms does")
        open_, high, low, close = (_price(cell, where, "a candle's price") for cell in cells[1:5])
        bar = Bar(ts_ms, open_, high, low, close, _amount(cells[5], where, "a candle's volume"))
        if not low <= min(open_, close) <= max(open_, close) <= high:
            raise VenueError(f"{where}: a candle at {ts_ms} whose prices lie outside its high {high} and low {low}")
        made[ts_ms] = bar
    return [made[ts_ms] for ts_ms in sorted(made)]


def trades(raw: Any, where: str, symbol: str, latest_ms: int) -> list[Trade]:
    """Return trades in the order told."""
    made = []
    for row in _rows(raw, where, "trades"):
        one = _fields(row, where, "a trade", symbol)
        side = one.get("side")
        if side not in ("buy", "sell", None):
            raise VenueError(f"{where}: a trade's side is {side!r}; it is buy or sell")
        name = one.get("id")
        price = _price(one.get("price"), where, "a trade's price")
        amount = _price(one.get("amount"), where, "a trade's amount")
        ts_ms = _time(one.get("timestamp"), where, latest_ms)
        made.append(Trade(ts_ms, "" if name is None else str(name), price, amount, SIDES[side]))
    return made


def quote(raw: Any, where: str, symbol: str, latest_ms: int) -> Quote | None:
    """Return one symbol's best bid and ask from tickers by symbol; None where the message is of others."""
    tickers = _fields(raw, where, "tickers", None)
    if symbol not in tickers:
        return None
    one = _fields(tickers[symbol], where, "a ticker", symbol)
    bid, ask = _price(one.get("bid"), where, "a bid"), _price(one.get("ask"), where, "an ask")
    _uncrossed(bid, ask, where)
    sizes = [_amount(one.get(name) or 0.0, where, f"a ticker's {name}") for name in ("bidVolume", "askVolume")]
    return Quote(_moment(one, where, latest_ms), bid, sizes[0], ask, sizes[1])


def book(raw: Any, where: str, symbol: str, latest_ms: int) -> Book:
    """Return a book, cut to BOOK_DEPTH levels of each side."""
    one = _fields(raw, where, "a book", symbol)
    bids, asks = _levels(one.get("bids"), where, "bids", -1), _levels(one.get("asks"), where, "asks", 1)
    _uncrossed(bids[0][0], asks[0][0], where)
    return Book(_moment(one, where, latest_ms), bids, asks)


def rates(raw: Any, where: str, symbol: str, latest_ms: int) -> list[FundingRate]:
    """Return settled funding rates in order of time, at the whole hour those that are dated just after it."""
    made: dict[int, float] = {}
    for number, row in enumerate(_rows(raw, where, "funding rates"), 1):
        place = f"{where}: row {number}"
        one = _fields(row, place, "a funding rate", symbol)
        ts_ms = _time(one.get("timestamp"), place, latest_ms)
        rate = _number(one.get("fundingRate"), place, "a funding rate")
        if abs(rate) > MAX_RATE:
            raise VenueError(f"{place}: a funding rate is {rate}; none is beyond {MAX_RATE}")
        if ts_ms % HOUR_MS < MOMENT_MS:
            ts_ms -= ts_ms % HOUR_MS
        if made.setdefault(ts_ms, rate) != rate:
            raise VenueError(f"{place}: a funding rate of {ts_ms} is {rate}, and in a row before it {made[ts_ms]}")
    return [FundingRate(ts_ms, made[ts_ms]) for ts_ms in sorted(made)]


def _levels(raw: Any, where: str, what: str, sign: int) -> Side:
    made = []
    for row in _rows(raw, where, what)[:BOOK_DEPTH]:
        cells = _rows(row, where, f"a level of {what}")
        if len(cells) < 2:
            raise VenueError(f"{where}: a level of {what} without price and amount")
        made.append((_price(cells[0], where, f"a price of {what}"), _price(cells[1], where, f"an amount of {what}")))
    if not made:
        raise VenueError(f"{where}: a book without {what}; it is subscribed to anew")
    if any(sign * (worse[0] - better[0]) <= 0 for better, worse in pairwise(made)):
        raise VenueError(f"{where}: the {what} of a book are not in order, the best first")
    return tuple(made)


def _uncrossed(bid: float, ask: float, where: str) -> None:
    if bid >= ask:
        raise VenueError(f"{where}: a bid of {bid} at or above an ask of {ask}; it is subscribed to anew")


def _rows(raw: Any, where: str, what: str) -> Sequence[Any]:
    if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
        raise VenueError(f"{where}: {what} came as {type(raw).__name__}, not as a list")
    if len(raw) > MAX_ROWS:
        raise VenueError(f"{where}: {len(raw)} rows of {what} at once are more than {MAX_ROWS}")
    return raw


def _fields(raw: Any, where: str, what: str, symbol: str | None) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise VenueError(f"{where}: {what} came as {type(raw).__name__}, not as fields by name")
    if symbol is not None and raw.get("symbol") not in (symbol, None):
        raise VenueError(f"{where}: {what} of {raw.get('symbol')!r}, which nobody asked for here")
    return raw


def _number(value: Any, where: str, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise VenueError(f"{where}: {what} came as {type(value).__name__}, not as a number")
    number = float(value)
    if not math.isfinite(number):
        raise VenueError(f"{where}: {what} is {number}")
    return number


def _price(value: Any, where: str, what: str) -> float:
    number = _number(value, where, what)
    if number <= 0:
        raise VenueError(f"{where}: {what} is {number}; it must be above zero")
    return number


def _amount(value: Any, where: str, what: str) -> float:
    number = _number(value, where, what)
    if number < 0:
        raise VenueError(f"{where}: {what} is {number}; it must not be below zero")
    return number


def _time(value: Any, where: str, latest_ms: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise VenueError(f"{where}: a time is {value!r}, not whole milliseconds")
    if not FIRST_MS <= value <= latest_ms:
        raise VenueError(f"{where}: a time of {value} ms lies before 2001 or later than {latest_ms}, the clock's bound")
    return int(value)


def _moment(one: Mapping[str, Any], where: str, latest_ms: int) -> int:
    ts_ms = one.get("timestamp")
    return 0 if ts_ms is None else _time(ts_ms, where, latest_ms)
