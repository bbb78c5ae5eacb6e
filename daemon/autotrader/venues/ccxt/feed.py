"""Market data of ccxt's client under our symbols and in coins: ccxt names a swap by what it settles in too, as
BTC/USDT:USDT, and counts its contracts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.quirks import RATES_BEFORE
from autotrader.venues.live.feed import Feed


class OwnNames:
    """The client of an open account as `live.feed.Feed`; what it answers is changed in symbols and amounts alone.

    Volumes of candles are as ccxt tells them, at some exchanges in contracts.
    """

    def __init__(self, client: CcxtClient) -> None:
        self._client = client

    @property
    def _feed(self) -> Feed:
        feed: Feed = self._client.exchange
        return feed

    @property
    def has(self) -> Mapping[str, Any]:
        return self._feed.has

    async def watch_ohlcv(self, symbol: str, timeframe: str = "1m") -> Any:
        return await self._feed.watch_ohlcv(self._client.ccxt_symbol(symbol), timeframe)

    async def watch_trades(self, symbol: str) -> Any:
        name = self._client.ccxt_symbol(symbol)
        return self._own(await self._feed.watch_trades(name), name, symbol)

    async def watch_bids_asks(self, symbols: list[str] | None = None) -> Any:
        own = {self._client.ccxt_symbol(symbol): symbol for symbol in symbols or ()}
        told = await self._feed.watch_bids_asks(list(own))
        if not isinstance(told, Mapping):
            return told
        return {
            own.get(name, name): self._own(one, name, own[name]) if name in own else one for name, one in told.items()
        }

    async def watch_order_book(self, symbol: str, limit: int | None = None) -> Any:
        name = self._client.ccxt_symbol(symbol)
        return self._own(await self._feed.watch_order_book(name, limit), name, symbol)

    async def un_watch_ohlcv(self, symbol: str, timeframe: str = "1m") -> Any:
        return await self._feed.un_watch_ohlcv(self._client.ccxt_symbol(symbol), timeframe)

    async def un_watch_trades(self, symbol: str) -> Any:
        return await self._feed.un_watch_trades(self._client.ccxt_symbol(symbol))

    async def un_watch_bids_asks(self, symbols: list[str] | None = None) -> Any:
        return await self._feed.un_watch_bids_asks([self._client.ccxt_symbol(symbol) for symbol in symbols or ()])

    async def un_watch_order_book(self, symbol: str) -> Any:
        return await self._feed.un_watch_order_book(self._client.ccxt_symbol(symbol))

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str = "1m", since: int | None = None, limit: int | None = None
    ) -> Any:
        return await self._feed.fetch_ohlcv(self._client.ccxt_symbol(symbol), timeframe, since, limit)

    async def fetch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] = {},
    ) -> Any:
        name = self._client.ccxt_symbol(symbol)
        return self._own(await self._feed.fetch_trades(name, since, limit, params), name, symbol)

    async def fetch_funding_rate_history(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, Any] = {},
    ) -> Any:
        name, before = self._client.ccxt_symbol(symbol), RATES_BEFORE.get(self._client.settings.id)
        if before is not None and "until" in params:
            since, params = None, {before: params["until"] + 1}
        return self._own(await self._feed.fetch_funding_rate_history(name, since, limit, params), name, symbol)

    async def fetch_order_book(self, symbol: str, limit: int | None = None) -> Any:
        name = self._client.ccxt_symbol(symbol)
        return self._own(await self._feed.fetch_order_book(name, limit), name, symbol)

    def _own(self, told: Any, name: str, symbol: str) -> Any:
        """Return an answer with our symbol for ccxt's; one of something else is left for its reader to refuse."""
        return told if name == symbol else _own(told, name, symbol, float(self._client.size_of(symbol)))


AMOUNTS = ("amount", "bidVolume", "askVolume")
SIDES = ("bids", "asks")


def _own(told: Any, name: str, symbol: str, size: float) -> Any:
    if isinstance(told, list):
        return [_own(row, name, symbol, size) for row in told]
    if not isinstance(told, Mapping) or told.get("symbol") != name:
        return told
    made = {**told, "symbol": symbol}
    if size != 1.0:
        made |= {key: made[key] * size for key in AMOUNTS if _counts(made.get(key))}
        made |= {key: [_level(row, size) for row in made[key]] for key in SIDES if isinstance(made.get(key), list)}
    return made


def _level(row: Any, size: float) -> Any:
    if isinstance(row, list | tuple) and len(row) > 1 and _counts(row[1]):
        return [row[0], row[1] * size, *row[2:]]
    return row


def _counts(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
