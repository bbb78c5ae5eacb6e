"""A venue that says what the test tells it to say, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from autotrader.core.errors import OrderUntold, UnknownOrder, VenueUnavailable
from autotrader.core.events import Bar, Series
from autotrader.core.units import timeframe_ms
from autotrader.execution.orders import Fill, Guard, OrderRequest, VenueOrder
from autotrader.market.instrument import Instrument
from autotrader.venues.protocol import Balance, FundingPaid, VenuePosition

D = Decimal


class ToldVenue:
    """The part of a venue that recovery asks; `down` makes every question fail."""

    remote = False
    keeps_guards = True
    keeps_stops = False

    def __init__(self, name: str = "paper", market: str = "spot") -> None:
        self.name, self.market = name, market
        self.down = False
        self.now_ms = 1_000_000
        self.told_fills: list[Fill] = []
        self.told_funding: list[FundingPaid] = []
        self.told_orders: dict[str, VenueOrder] = {}
        self.money: dict[str, Decimal] = {"USDT": D(10_000)}
        self.held: dict[str, VenuePosition] = {}
        self.guards: list[tuple[str, Guard | None]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[str] = []
        self.answers: list[Exception] = []
        self.untold = False
        self.streamed: set[Series] = set()
        self.past: list[Bar] = []
        self.requests: list[OrderRequest] = []

    def _ask(self) -> None:
        if self.down:
            raise VenueUnavailable("no answer")

    def market_ms(self) -> int:
        return self.now_ms

    async def instrument(self, symbol: str) -> Instrument:
        base, quote = symbol.split("/")
        return Instrument(self.name, symbol, base, quote, self.market, D("0.01"), D("1e-8"))

    async def fills(self, after_id: int) -> Sequence[Fill]:
        self._ask()
        return [fill for fill in self.told_fills if fill.fill_id > after_id]

    async def funding_paid(self, after_ms: int) -> Sequence[FundingPaid]:
        self._ask()
        return [event for event in self.told_funding if event.ts_ms > after_ms]

    async def balances(self) -> Mapping[str, Balance]:
        self._ask()
        return {name: Balance(amount, amount) for name, amount in self.money.items() if amount}

    async def positions(self) -> Mapping[str, VenuePosition]:
        self._ask()
        return self.held

    async def order(self, client_id: str) -> VenueOrder | None:
        self._ask()
        if self.untold:
            raise OrderUntold(client_id)
        return self.told_orders.get(client_id)

    async def open_orders(self) -> Sequence[VenueOrder]:
        self._ask()
        return [order for order in self.told_orders.values() if order.status == "open"]

    async def submit(self, request: OrderRequest) -> VenueOrder:
        """Take an order once `gate` is open, or raise the next of `answers`."""
        self.asked.append("submit")
        await self.gate.wait()
        self._ask()
        if self.answers:
            raise self.answers.pop(0)
        self.requests.append(request)
        number = f"v{len(self.told_orders) + 1}"
        order = VenueOrder(
            request.client_id, number, request.symbol, request.side, request.type, request.price, request.amount,
            D(0), None, "open", "", request.group, self.now_ms,
        )  # fmt: skip
        self.told_orders[request.client_id] = order
        return order

    async def cancel(self, client_id: str) -> VenueOrder:
        self.asked.append("cancel")
        await self.gate.wait()
        self._ask()
        if self.answers:
            raise self.answers.pop(0)
        if client_id not in self.told_orders:
            raise UnknownOrder(client_id)
        self.told_orders[client_id] = self.told_orders[client_id]._replace(status="canceled")
        return self.told_orders[client_id]

    async def subscribe(self, series: Collection[Series]) -> None:
        self._ask()
        self.streamed = set(series)

    async def bars(self, series: Series, *, end_ms: int, limit: int) -> Sequence[Bar]:
        self._ask()
        length_ms = timeframe_ms(series.timeframe)
        return [bar for bar in self.past if bar.ts_ms + length_ms <= end_ms][-limit:]

    async def guard(self, group: str, guard: Guard | None) -> None:
        self._ask()
        self.guards.append((group, guard))
