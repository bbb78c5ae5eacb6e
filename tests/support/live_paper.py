"""A paper account on a market that the test tells: quotes as they come, bars of what is past, and the listed limits."""

from __future__ import annotations

import asyncio
from collections import deque
from decimal import Decimal

from autotrader.core.errors import VenueError, VenueUnavailable
from autotrader.core.events import Bar, QuoteChanged, Series
from autotrader.market.instrument import Instrument
from autotrader.venues.paper.live import LivePaperVenue
from autotrader.venues.paper.state import LivePaperSettings
from autotrader.venues.protocol import FundingRate
from support.clock import VirtualClock
from support.fake_feed import Listener

D = Decimal
BEGIN = 1_700_000_040_000
MINUTE = 60_000
BTC, ETH = "BTC/USDT", "ETH/USDT"


class TalkingMarket:
    """Tells what it is told to say, of subscribed series alone; the same again where a reader leaves in the middle."""

    def __init__(self, clock):
        self.clock = clock
        self.streamed = set()
        self.said = deque()
        self.past = {}
        self.opened = False
        self.down = None
        self.dealt = []
        self.rates, self.late_ms, self.rates_down, self.asked = {}, 0, None, 0
        self._told = None
        self._more = asyncio.Event()

    async def open(self):
        self.opened = True

    async def close(self):
        self.opened = False
        self._more.set()

    def market_ms(self):
        return self.clock.now_ms()

    async def subscribe(self, series):
        for one in series:
            if one.symbol not in {BTC, ETH}:
                raise VenueError(f"{one.symbol} is not traded")
        self.streamed = set(series)

    async def bars(self, series, *, end_ms, limit):
        if self.down:
            raise self.down
        if series.timeframe == "quotes":
            told = [one for one in self.dealt if one.symbol == series.symbol and one.ts_ms <= end_ms]
            return [Bar(one.ts_ms, one.bid, one.ask, one.bid, one.bid, 0.0) for one in told][-limit:]
        bars = [bar for bar in self.past.get(series.symbol, []) if bar.ts_ms + MINUTE <= end_ms]
        return bars[-limit:]

    async def last(self, series):  # noqa: ARG002 - as a market has it
        raise AssertionError("what was dealt with is known to whoever tells it")

    async def funding(self, symbol, *, end_ms, limit):
        self.asked += 1
        if self.rates_down:
            raise self.rates_down
        until_ms = min(end_ms, self.clock.now_ms() - self.late_ms)
        return [FundingRate(*one) for one in sorted(self.rates.get(symbol, {}).items()) if one[0] <= until_ms][-limit:]

    def follow(self, task):
        self.followed = task

    def say(self, *events):
        self.said.extend(events)
        self._more.set()

    def fail(self, error):
        self.say(error)

    async def events(self):
        while self.opened:
            if self._told is None:
                if not self.said:
                    self._more.clear()
                    await self._more.wait()
                    continue
                self._told = self.said.popleft()
            event = self._told
            if isinstance(event, Exception):
                self._told = None
                raise event
            if isinstance(event, QuoteChanged) and Series("live", event.symbol, "quotes") not in self.streamed:
                self._told = None
                continue
            yield event
            self.dealt.append(event)
            self._told = None


class Listed:
    """An exchange's client as far as it lists instruments."""

    def __init__(self, **limits):
        self.limits = {"tick": D("0.01"), "lot": D("1e-8"), **limits}
        self.gone = set()
        self.opened = 0

    async def open(self):
        self.opened += 1

    async def close(self):
        self.opened -= 1

    def instrument(self, symbol):
        if symbol not in {BTC, ETH} or symbol in self.gone:
            raise VenueError(f"live does not list {symbol} as spot")
        base, quote = symbol.split("/")
        return Instrument("declared", symbol, base, quote, "spot", **self.limits)


class Live:
    """A venue with its market and a listener; what is made again with one folder is the same account."""

    def __init__(self, folder, *, clock=None, heard_ms=None, limits=None, **settings):
        self.folder, self.clock = folder, clock or VirtualClock(BEGIN)
        self.data, self.listed = TalkingMarket(self.clock), Listed(**(limits or {}))
        fields = {"market": "spot", "balances": {"USDT": D(10_000)}, "exchange": "binance", **settings}
        self.declared = LivePaperSettings(name="live", **fields)
        self.venue = LivePaperVenue(
            self.declared, folder / "paper-live.db", self.clock, self.listed, self.data, heard_ms
        )
        self.listener = None

    async def open(self, *series, listen=True):
        await self.venue.open()
        await self.venue.subscribe(series)
        if listen:
            self.listen()
        await self.clock.settle()
        return self

    def listen(self):
        self.listener = Listener(self.venue)

    async def close(self):
        await self.venue.close()
        if self.listener is not None:
            await self.listener.close()

    async def quote(self, bid, ask, *, ms=0, symbol=BTC, row=1):
        """Have a quote come, so many ms after the begin; time goes on to it."""
        if BEGIN + ms > self.clock.now_ms():
            await self.clock.advance((BEGIN + ms - self.clock.now_ms()) / 1000)
        self.data.say(QuoteChanged(BEGIN + ms, "live", symbol, float(bid), 1.0, float(ask), 1.0, row))
        await self.clock.settle()

    async def fills(self):
        return [
            (one.client_id, one.ts_ms - BEGIN, float(one.price), one.maker, one.reason)
            for one in await self.venue.fills(0)
        ]


QUOTES = Series("live", BTC, "quotes")
UNAVAILABLE = VenueUnavailable("live: the reader fell behind")
