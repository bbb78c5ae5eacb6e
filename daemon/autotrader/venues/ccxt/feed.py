"""Market data of ccxt's client under our symbols: ccxt names a swap by what it settles in too, as BTC/USDT:USDT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.quirks import RATES_BEFORE
from autotrader.venues.live.feed import Feed


class OwnNames:
    """The client of an open account as `live.feed.Feed`; what it answers is changed in nothing but symbols."""

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
        return _renamed(await self._feed.watch_trades(name), name, symbol)

    async def watch_bids_asks(self, symbols: list[str] | None = None) -> Any:
        own = {self._client.ccxt_symbol(symbol): symbol for symbol in symbols or ()}
        told = await self._feed.watch_bids_asks(list(own))
        if not isinstance(told, Mapping):
            return told
        return {
            own.get(name, name): _renamed(one, name, own[name]) if name in own else one for name, one in told.items()
        }

    async def watch_order_book(self, symbol: str, limit: int | None = None) -> Any:
        name = self._client.ccxt_symbol(symbol)
        return _renamed(await self._feed.watch_order_book(name, limit), name, symbol)

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
        return _renamed(await self._feed.fetch_trades(name, since, limit, params), name, symbol)

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
        return _renamed(await self._feed.fetch_funding_rate_history(name, since, limit, params), name, symbol)

    async def fetch_order_book(self, symbol: str, limit: int | None = None) -> Any:
        name = self._client.ccxt_symbol(symbol)
        return _renamed(await self._feed.fetch_order_book(name, limit), name, symbol)


def _renamed(told: Any, name: str, symbol: str) -> Any:
    """Return an answer with our symbol for ccxt's; one that is of something else is left for its reader to refuse."""
    if name == symbol:
        return told
    if isinstance(told, list):
        return [_renamed(row, name, symbol) for row in told]
    return {**told, "symbol": symbol} if isinstance(told, Mapping) and told.get("symbol") == name else told
