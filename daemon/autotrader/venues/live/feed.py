"""What live market data is read from, and what is declared about it: the seam to an exchange's client, and its bounds.

`Feed` is the part of a ccxt.pro exchange that is used here, by its own names, so that such an object fits unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from autotrader.core.clock import Clock
from autotrader.core.errors import AutotraderError, VenueUnavailable

Answer = TypeVar("Answer")

PAGE = 1_000
"""Rows asked for in one request, which the larger exchanges give at the most."""


class Feed(Protocol):
    """A client of one exchange: `watch_` waits for what a websocket tells next, `fetch_` asks by REST.

    `has` tells which of ccxt's unified methods the exchange offers.
    """

    @property
    def has(self) -> Mapping[str, Any]: ...

    async def watch_ohlcv(self, symbol: str, timeframe: str = "1m") -> Any:
        """Return the candles that changed, as rows of time, open, high, low, close, volume."""
        ...

    async def watch_trades(self, symbol: str) -> Any:
        """Return the trades that are new."""
        ...

    async def watch_bids_asks(self, symbols: list[str] | None = None) -> Any:
        """Return tickers by symbol."""
        ...

    async def watch_order_book(self, symbol: str, limit: int | None = None) -> Any:
        """Return the whole book."""
        ...

    async def un_watch_ohlcv(self, symbol: str, timeframe: str = "1m") -> Any:
        """End a subscription."""
        ...

    async def un_watch_trades(self, symbol: str) -> Any:
        """End a subscription."""
        ...

    async def un_watch_bids_asks(self, symbols: list[str] | None = None) -> Any:
        """End a subscription."""
        ...

    async def un_watch_order_book(self, symbol: str) -> Any:
        """End a subscription."""
        ...

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str = "1m", since: int | None = None, limit: int | None = None
    ) -> Any:
        """Return the first candles that open at or after `since`, oldest first."""
        ...

    async def fetch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] = ...,
    ) -> Any:
        """Return trades, oldest first: from `since` on, from where `params` say, or else the newest."""
        ...

    async def fetch_funding_rate_history(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] = ...,
    ) -> Any:
        """Return the funding rates settled at or after `since`, and at or before `until` of `params`."""
        ...

    async def fetch_order_book(self, symbol: str, limit: int | None = None) -> Any:
        """Return the whole book."""
        ...


def _stale() -> Mapping[str, int]:
    return {"bars": 60_000, "trades": 60_000, "quotes": 30_000, "book": 15_000}


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What is declared about one exchange's market data; times are in milliseconds.

    `wait_ms` bounds how long the bars of one close wait for those of other series; `grace_ms` is how long after its
    end a bar is left to the stream before REST is asked; `future_ms` how far ahead of the exchange's clock a time may
    lie; `stale_ms` how long each kind of stream (bars, trades, quotes, book) may be silent before REST is polled every
    `poll_ms`. `book_limit` is the depth to ask for, None where the exchange takes no wish. `from_id` names
    the parameter of a request for missed trades that takes the id to begin with, empty where there is none and time
    must do. `ids_count` says that trade ids count without holes, so that a hole is a gap.
    `rates_page` is how many funding rates one answer holds.
    """

    name: str
    market: Literal["spot", "swap"] = "spot"
    wait_ms: int = 3_000
    grace_ms: int = 1_500
    future_ms: int = 5_000
    stale_ms: Mapping[str, int] = field(default_factory=_stale)
    poll_ms: int = 5_000
    request_s: float = 10.0
    backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    max_queue: int = 10_000
    book_limit: int | None = None
    from_id: str = ""
    ids_count: bool = False
    rates_page: int = 100


class StreamStatus(NamedTuple):
    """How one stream is: `source` is what speaks now, `last_ms` when it last did (0: never), on the exchange's clock.

    `restarts` counts interruptions of the websocket, `errors` requests and messages that failed, `dropped` what came
    twice or too late to be told, `gaps` what was missed and could not be had again. `error` is the latest one's text.
    """

    symbol: str
    kind: str
    since_ms: int
    last_ms: int
    source: Literal["ws", "rest", "none"]
    restarts: int
    errors: int
    dropped: int
    gaps: int
    error: str


class Connection(NamedTuple):
    """What an open account lends: its client, and the price step of every symbol that it trades."""

    feed: Feed
    ticks: Mapping[str, Decimal]


class ExchangeClock:
    """The exchange's time, which whoever measures it tells; else the machine's."""

    def __init__(self, clock: Clock, now_ms: Callable[[], int] | None = None) -> None:
        self.wall, self._now_ms = clock, now_ms or clock.now_ms

    def now_ms(self) -> int:
        """Return the exchange's time in UTC milliseconds."""
        return self._now_ms()


async def within(clock: Clock, seconds: float, asked: Awaitable[Answer], what: str) -> Answer:
    """Return an answer. Raises VenueUnavailable when it takes longer than `seconds`; the request is then given up."""
    request, limit = asyncio.ensure_future(asked), asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((request, limit), return_when=asyncio.FIRST_COMPLETED)
        if request.done():
            return request.result()
        raise VenueUnavailable(f"{what}: no answer within {seconds:g} s; it is asked again")
    finally:
        request.cancel()
        limit.cancel()
        await asyncio.gather(request, limit, return_exceptions=True)


async def ask(clock: Clock, settings: LiveSettings, asked: Awaitable[Any], where: str) -> Any:
    """Return what a client's REST request answers. Raises VenueUnavailable where it fails or takes too long."""
    try:
        return await within(clock, settings.request_s, asked, where)
    except AutotraderError:
        raise
    except Exception as error:
        raise VenueUnavailable(f"{where}: {type(error).__name__}: {error}") from error


async def first_of(clock: Clock, seconds: float, waited: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until one of some futures is done or the time has passed; none of them is cancelled."""
    limit = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((*waited, limit), return_when=asyncio.FIRST_COMPLETED)
    finally:
        limit.cancel()
        await asyncio.gather(limit, return_exceptions=True)
