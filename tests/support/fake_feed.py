"""An exchange's client as live data is read from it, told by the test what it says and when it fails."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict


class Dropped(Exception):
    """What a client raises when its connection ends."""


class Channel:
    """One subscription: what is said while nobody is connected is lost, as it is with a websocket."""

    def __init__(self):
        self.up = False
        self.said = asyncio.Queue()

    async def watch(self):
        self.up = True
        said = await self.said.get()
        if isinstance(said, BaseException):
            raise said
        return said

    def say(self, message):
        if self.up:
            self.said.put_nowait(message)

    def drop(self):
        """End the connection: what was not heard yet is lost with it."""
        if self.up:
            self.up = False
            while not self.said.empty():
                self.said.get_nowait()
            self.said.put_nowait(Dropped("the connection ended"))


class FakeFeed:
    """Gives candles and trades of a known truth by REST, and by websocket what the test says."""

    def __init__(self, clock):
        self.clock = clock
        self.channels = defaultdict(Channel)
        self.candles = defaultdict(list)
        self.prints = defaultdict(list)
        self.books = {}
        self.rates = {}
        self.has = {"fetchFundingRateHistory": True}
        self.asked = Counter()
        self.ended = Counter()
        self.out = False
        self.lag_ms = 0

    def channel(self, symbol, kind):
        return self.channels[symbol, kind]

    async def watch_ohlcv(self, symbol, timeframe="1m"):
        return await self.channel(symbol, timeframe).watch()

    async def watch_trades(self, symbol):
        return await self.channel(symbol, "trades").watch()

    async def watch_bids_asks(self, symbols=None):
        return await self.channel(symbols[0], "quotes").watch()

    async def watch_order_book(self, symbol, limit=None):  # noqa: ARG002 - a client's own signature
        return await self.channel(symbol, "book").watch()

    async def un_watch_ohlcv(self, symbol, timeframe="1m"):
        self.ended[symbol, timeframe] += 1

    async def un_watch_trades(self, symbol):
        self.ended[symbol, "trades"] += 1

    async def un_watch_bids_asks(self, symbols=None):
        self.ended[symbols[0], "quotes"] += 1

    async def un_watch_order_book(self, symbol):
        self.ended[symbol, "book"] += 1

    async def fetch_ohlcv(self, symbol, timeframe="1m", since=None, limit=None):
        self._ask("candles")
        now_ms = self.clock.now_ms() - self.lag_ms
        return [list(bar) for bar in self.candles[symbol, timeframe] if since <= bar.ts_ms <= now_ms][:limit]

    async def fetch_trades(self, symbol, since=None, limit=None, params=None):
        self._ask("trades")
        first = (params or {}).get("fromId")
        now_ms = self.clock.now_ms()
        told = [one for one in self.prints[symbol] if one["timestamp"] <= now_ms]
        if first is not None:
            return [one for one in told if int(one["id"]) >= first][:limit]
        return [one for one in told if one["timestamp"] >= since][:limit]

    async def fetch_funding_rate_history(self, symbol, since=None, limit=None, params=None):
        self._ask("rates")
        until_ms = min((params or {}).get("until", self.clock.now_ms()), self.clock.now_ms())
        rows = sorted(self.rates.get(symbol, {}).items())
        told = [
            {"symbol": symbol, "timestamp": ts, "fundingRate": rate} for ts, rate in rows if since <= ts <= until_ms
        ]
        return told[:limit]

    async def fetch_order_book(self, symbol, limit=None):  # noqa: ARG002 - a client's own signature
        self._ask("book")
        return self.books[symbol]

    def _ask(self, what):
        self.asked[what] += 1
        if self.out:
            raise Dropped("the exchange does not answer")


class Listener:
    """Reads a market's events as they come; errors that it meets are kept, and it goes on."""

    def __init__(self, market):
        self.market, self.events, self.errors = market, [], []
        self._task = asyncio.ensure_future(self._listen())

    async def _listen(self):
        while True:
            try:
                async for event in self.market.events():
                    self.events.append(event)
            except Exception as error:  # noqa: BLE001 - the test looks at what was raised
                self.errors.append(error)
            else:
                return

    async def close(self):
        await self.market.close()
        await self._task

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]
