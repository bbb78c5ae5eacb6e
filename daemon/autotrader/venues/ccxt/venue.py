"""A real exchange whole: the account half and the market half, each knowing nothing of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from autotrader.core.errors import BrokenInvariant
from autotrader.core.events import Bar, MarketEvent, Series
from autotrader.execution.orders import Fill, Guard, OrderRequest, VenueOrder
from autotrader.market.instrument import Instrument
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.timer import CancelTimer
from autotrader.venues.ccxt.watch import AccountWatch
from autotrader.venues.protocol import Balance, FundingPaid, FundingRate, MarketData, VenueEvent, VenuePosition


class CcxtVenue:
    """One real account with its market; see `venues.protocol.Venue` for what its methods promise."""

    def __init__(self, account: CcxtAccount, data: MarketData) -> None:
        self.name: str = account.name
        self.market: str = account.market
        self.remote = True
        self.keeps_guards = False
        self.keeps_stops = account.keeps_stops
        self._account, self._data = account, data
        self._watch: AccountWatch | None = None
        self._timer: CancelTimer | None = None
        self._watching: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        await self._account.open()
        try:
            await self._data.open()
        except BaseException:
            await self._account.close()
            raise
        self._watch = self._account.watch(self._data.tell)
        self._timer = self._account.timer()
        self._watching = [asyncio.create_task(self._watch.run(), name=f"{self.name} account")]
        if self._timer is not None:
            self._watching.append(asyncio.create_task(self._timer.run(), name=f"{self.name} timer"))
        if (funding := self._account.funding()) is not None:
            self._watching.append(asyncio.create_task(funding.run(self._data.tell), name=f"{self.name} funding"))
        for task in self._watching:
            self._data.follow(task)

    async def stand_down(self) -> None:
        await self._unwatch()
        if self._timer is not None:
            await self._timer.stop()

    async def _unwatch(self) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._watch, self._watching = None, []

    async def close(self) -> None:
        await self._unwatch()
        self._timer = None
        try:
            await self._data.close()
        finally:
            await self._account.close()

    def market_ms(self) -> int:
        return self._data.market_ms()

    async def instrument(self, symbol: str) -> Instrument:
        return await self._account.instrument(symbol)

    async def subscribe(self, series: Collection[Series]) -> None:
        await self._data.subscribe(series)

    async def bars(self, series: Series, *, end_ms: int, limit: int) -> Sequence[Bar]:
        return await self._data.bars(series, end_ms=end_ms, limit=limit)

    async def last(self, series: Series) -> MarketEvent | None:
        return await self._data.last(series)

    async def funding(self, symbol: str, *, end_ms: int, limit: int) -> Sequence[FundingRate]:
        return await self._data.funding(symbol, end_ms=end_ms, limit=limit)

    async def balances(self) -> Mapping[str, Balance]:
        return await self._account.balances()

    async def positions(self) -> Mapping[str, VenuePosition]:
        return await self._account.positions()

    async def open_orders(self) -> Sequence[VenueOrder]:
        return await self._account.open_orders()

    async def order(self, client_id: str) -> VenueOrder | None:
        return await self._account.order(client_id)

    async def fills(self, after_id: int) -> Sequence[Fill]:
        return await self._account.fills(after_id)

    async def funding_paid(self, after_ms: int) -> Sequence[FundingPaid]:
        return await self._account.funding_paid(after_ms)

    async def submit(self, request: OrderRequest) -> VenueOrder:
        try:
            return await self._account.submit(request)
        finally:
            if self._watch is not None:
                self._watch.sent()

    async def cancel(self, client_id: str) -> VenueOrder:
        return await self._account.cancel(client_id)

    async def guard(self, group: str, guard: Guard | None) -> None:
        raise BrokenInvariant(f"{self.name} keeps no guards, and was asked for {guard} of {group}")

    def events(self) -> AsyncIterator[VenueEvent]:
        """Yield what the market and the account's orders do, by the time at which it happened."""
        return self._data.events()
