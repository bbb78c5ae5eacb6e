"""Orders, fills and guards as the program and its venues exchange them. Money is Decimal, time UTC milliseconds."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple

from autotrader.execution.order_state import OrderState

BUY, SELL = 1, -1
ZERO = Decimal(0)

ADDING = frozenset({"entry", "slot"})
"""The purposes of orders that may add to a position: they take money and room under the limits while they work."""


TimeInForce = Literal["gtc", "ioc", "fok"]


def side_of(amount: Decimal) -> int:
    """Return the side of a signed amount: BUY above zero, SELL below, 0 for nothing."""
    return (amount > 0) - (amount < 0)


class Guard(NamedTuple):
    """Protective exits of one entry, each a fraction of its fill price (0.02 is 2 %), or None."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None


class Reason(StrEnum):
    """Why an order was sent, or why a fill happened."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    MAX_HOLDING = "max_holding"
    CLOSE = "close"
    KILL = "kill"
    REMOVED = "removed"
    LIQUIDATION = "liquidation"
    BREACH = "breach"
    SLOT = "slot"


class OrderRequest(NamedTuple):
    """One order as it is sent to a venue.

    `group` names the entry that the order belongs to. An entry order may carry a `guard`: the venue then watches the
    group's position from its first fill on and reports the guard's exit under the client id `guard_id`.
    `decided_ms` is the market time of the decision; `resolution` the timeframe of the bars, or the feed, that decides
    the fill where the venue simulates. `price` is None for a market order. A `post_only` order is refused where it
    would take. A limit order whose `time_in_force` is ioc takes what is there at once and drops the rest; fok takes all
    of it or nothing. One with a `stop_price` waits at the venue until the market touches that, and is sent only then.
    """

    client_id: str
    symbol: str
    side: int
    type: Literal["market", "limit"]
    amount: Decimal
    price: Decimal | None
    reduce_only: bool
    group: str
    decided_ms: int
    resolution: str
    post_only: bool = False
    time_in_force: TimeInForce = "gtc"
    guard: Guard | None = None
    guard_id: str = ""
    stop_price: Decimal | None = None


VenueStatus = Literal["open", "filled", "canceled", "rejected", "expired"]


class VenueOrder(NamedTuple):
    """An order as its venue sees it now. `average` is None until something filled."""

    client_id: str
    venue_id: str
    symbol: str
    side: int
    type: Literal["market", "limit", "guard"]
    price: Decimal | None
    amount: Decimal
    filled: Decimal
    average: Decimal | None
    status: VenueStatus
    reason: str
    group: str
    ts_ms: int


class Fill(NamedTuple):
    """Something was bought or sold.

    `fill_id` is unique on its venue and grows; `cost` is the exact quote money moved, without `fee`. A fee may be taken
    in the base currency, which changes what is owned, or in a third one, which changes neither.
    """

    fill_id: int
    client_id: str
    exchange: str
    symbol: str
    side: int
    price: Decimal
    amount: Decimal
    cost: Decimal
    fee: Decimal
    fee_currency: str
    ts_ms: int
    maker: bool
    reason: str
    group: str

    @property
    def moved(self) -> Decimal:
        """How much of the base currency was gained or given away, a fee in it included."""
        if self.fee and self.symbol.startswith(f"{self.fee_currency}/"):
            return self.amount - self.side * self.fee
        return self.amount

    @property
    def quote_fee(self) -> Decimal:
        """The fee where it was taken in the quote currency; else zero."""
        return self.fee if self.fee and self.symbol.endswith(f"/{self.fee_currency}") else ZERO


class Order(NamedTuple):
    """An order as the journal knows it: the request, what caused it, and how it fares.

    `purpose` is entry, exit, guard, stop (one that rests at a real exchange), slot or slot_exit (a slot's order that
    only reduces); `reason` why it was sent, or what a venue said when it refused. The `price` of a stop is where it
    waits.
    """

    client_id: str
    venue_id: str
    strategy: str
    exchange: str
    symbol: str
    side: int
    type: Literal["market", "limit", "guard", "stop"]
    price: Decimal | None
    amount: Decimal
    filled: Decimal
    average: Decimal | None
    state: OrderState
    reason: str
    purpose: str
    group: str
    generation: int
    decision: int
    created_ms: int
    updated_ms: int

    @property
    def remaining(self) -> Decimal:
        """What may still fill, in base units."""
        return self.amount - self.filled
