"""A real account's venue that asks for fills and ends of orders every few seconds, between the market's events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from autotrader.core.clock import Clock
from autotrader.core.errors import VenueUnavailable
from autotrader.core.events import FillsComplete
from autotrader.venues.ccxt_venue import CcxtVenue
from autotrader.venues.protocol import FillHappened, OrderChanged, VenueEvent

EVERY_S = 7.0


class PolledVenue(CcxtVenue):
    """Tells of what the account did as well. `daemon` gives the one whose journal says what is known."""

    def __init__(self, account: Any, data: Any, daemon: Callable[[], Any], clock: Clock) -> None:
        super().__init__(account, data)
        self._daemon, self._clock = daemon, clock

    async def events(self) -> AsyncIterator[VenueEvent]:
        market = super().events()
        coming: asyncio.Future[VenueEvent] | None = None
        timer = asyncio.ensure_future(self._clock.sleep(EVERY_S))
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(market))
                await asyncio.wait((coming, timer), return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    event = coming.result()
                    coming = None
                    yield event
                if timer.done():
                    timer = asyncio.ensure_future(self._clock.sleep(EVERY_S))
                    for event in await self._news():
                        yield event
        except StopAsyncIteration:
            return
        finally:
            timer.cancel()
            if coming is not None:
                coming.cancel()
            await asyncio.gather(timer, *([coming] if coming else []), return_exceptions=True)
            await market.aclose()

    async def _news(self) -> list[VenueEvent]:
        """Return what is new of fills and of orders that ended; nothing where that cannot be had now."""
        loop = self._daemon().loop
        now_ms = self.market_ms()
        try:
            fills = await self.fills(loop.journal.progress_of(self.name).fill_id)
            news: list[VenueEvent] = [FillHappened(now_ms, fill) for fill in fills]
            if fills:
                news.append(FillsComplete(now_ms, self.name))
            for order in list(loop.desk.working()):
                if order.client_id in loop.desk.unsettled:
                    continue
                told = await self.order(order.client_id)
                if told is not None and told.status not in {"open", "filled"}:
                    news.append(OrderChanged(now_ms, told))
        except VenueUnavailable:
            return []
        return news
