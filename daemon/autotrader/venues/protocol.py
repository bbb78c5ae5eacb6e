"""What every exchange offers, real or embedded.

The daemon knows a venue's orders, fills and balances only through this.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol, runtime_checkable

from autotrader.core.events import Bar, BarsComplete, FillsComplete, MarketEvent, Series
from autotrader.execution.orders import Fill, Guard, OrderRequest, VenueOrder
from autotrader.market.instrument import Instrument

RATE_LATE_MS = 120_000
"""How long after its moment a settled funding rate may still be told for the first time."""


class Balance(NamedTuple):
    """Money of one currency: all of it, and what no order reserves."""

    total: Decimal
    free: Decimal


class FundingRate(NamedTuple):
    """What a swap settled: the moment, and the rate as a fraction of a position's value."""

    ts_ms: int
    rate: float


class VenuePosition(NamedTuple):
    """A swap position: signed base amount and its average entry price."""

    amount: Decimal
    entry_price: Decimal


class OrderChanged(NamedTuple):
    """An order changed at its venue for another reason than a fill (canceled, rejected, expired)."""

    ts_ms: int
    order: VenueOrder


class FillHappened(NamedTuple):
    """A fill, as it is streamed. The same fill may come again; `fill_id` tells."""

    ts_ms: int
    fill: Fill


class FundingPaid(NamedTuple):
    """Funding moved money on a swap: negative was paid, positive received. Its moment tells whether it is known."""

    ts_ms: int
    symbol: str
    amount: Decimal


class Idle(NamedTuple):
    """A replay reached its end; nothing more will come."""

    ts_ms: int


AccountEvent = FillHappened | FillsComplete | OrderChanged | FundingPaid
VenueEvent = MarketEvent | BarsComplete | FillsComplete | OrderChanged | FillHappened | FundingPaid | Idle


@runtime_checkable
class Timed(Protocol):
    """A venue that may cancel what is open there once nobody tends it."""

    async def stand_down(self) -> None:
        """Have open orders stay, though nobody will tend them; `close` comes next. What fails is told, not raised."""
        ...


@runtime_checkable
class Simulated(Protocol):
    """A venue where orders are met only while its events are asked for, so that it can be brought to a stand."""

    def halt(self) -> None:
        """Have nothing more happen; what did is still told, then `events` ends. `close` comes next."""
        ...


class Venue(Protocol):
    """One exchange account.

    `remote` is true where asking takes time: then nothing is asked within a turn of the trading loop. `keeps_guards`
    is true where the venue itself watches the guards of positions; elsewhere it is told of none, and `guard` is never
    called. `keeps_stops` is true where orders with a stop price may rest, from `open` on.

    Every method may raise VenueUnavailable. `events` yields in order of market time; asking for the next event says
    that the one before is dealt with, so a replay never runs ahead of its reader.
    """

    name: str
    market: str
    remote: bool
    keeps_guards: bool
    keeps_stops: bool

    async def open(self) -> None:
        """Connect, recover own state, learn the instruments."""
        ...

    async def close(self) -> None:
        """Let go of everything; what is durable stays."""
        ...

    def market_ms(self) -> int:
        """Return the market's time; 0 before anything is known."""
        ...

    async def instrument(self, symbol: str) -> Instrument:
        """Return a symbol's precision and minimums. Raises VenueError for a symbol that is not traded."""
        ...

    async def subscribe(self, series: Collection[Series]) -> None:
        """Declare the whole set of series wanted, bars and feeds; what is new starts now, what is missing stops."""
        ...

    async def bars(self, series: Series, *, end_ms: int, limit: int) -> Sequence[Bar]:
        """Return the last `limit` complete bars that closed at or before `end_ms`, oldest first.

        Of a feed: the events that were told and dealt with, as bars of one moment; one that is still to come is not
        among them, though it be of the same millisecond.
        """
        ...

    async def last(self, series: Series) -> MarketEvent | None:
        """Return the last event of a feed that was told and dealt with; None before there is one, and for bars."""
        ...

    async def funding(self, symbol: str, *, end_ms: int, limit: int) -> Sequence[FundingRate]:
        """Return the last `limit` funding rates settled at or before `end_ms`, oldest first; none on spot.

        Asked at each close of whoever reads them. A real exchange may tell a rate up to RATE_LATE_MS after its moment.
        """
        ...

    async def balances(self) -> Mapping[str, Balance]:
        """Return every currency that is not zero."""
        ...

    async def positions(self) -> Mapping[str, VenuePosition]:
        """Return open swap positions by symbol; empty on spot."""
        ...

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Return the orders that may still fill, armed guards included."""
        ...

    async def order(self, client_id: str) -> VenueOrder | None:
        """Return an order by its client id, dead or alive; None where the venue never got it."""
        ...

    async def fills(self, after_id: int) -> Sequence[Fill]:
        """Return the fills with a larger id, oldest first."""
        ...

    async def funding_paid(self, after_ms: int) -> Sequence[FundingPaid]:
        """Return what was settled after a moment, oldest first; none on spot."""
        ...

    async def submit(self, request: OrderRequest) -> VenueOrder:
        """Place an order. Raises OrderRejected, or AmbiguousSubmit when no answer came."""
        ...

    async def cancel(self, client_id: str) -> VenueOrder:
        """Cancel an order and return what became of it. Raises UnknownOrder."""
        ...

    async def guard(self, group: str, guard: Guard | None) -> None:
        """Replace the protective exits of a group's open position, measured from its entry; None lifts them."""
        ...

    def events(self) -> AsyncIterator[VenueEvent]:
        """Yield what happens, in order of market time."""
        ...


class MarketData(Protocol):
    """What a real exchange's market half offers, as `Venue` promises each.

    Opened after the account, whose connections it shares, and closed before it.
    """

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def market_ms(self) -> int: ...

    async def subscribe(self, series: Collection[Series]) -> None: ...

    async def bars(self, series: Series, *, end_ms: int, limit: int) -> Sequence[Bar]: ...

    async def last(self, series: Series) -> MarketEvent | None: ...

    async def funding(self, symbol: str, *, end_ms: int, limit: int) -> Sequence[FundingRate]: ...

    def tell(self, events: Sequence[AccountEvent], ms: int) -> None: ...

    def follow(self, task: asyncio.Task[None]) -> None: ...

    def events(self) -> AsyncIterator[VenueEvent]: ...
