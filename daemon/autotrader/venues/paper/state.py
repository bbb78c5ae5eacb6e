"""What a paper venue remembers: orders, entry groups and settings as plain counted values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from autotrader.execution.orders import VenueOrder, VenueStatus
from autotrader.market.bars import BarSource
from autotrader.market.fills import average
from autotrader.market.queue import NOT_JOINED

STEP = Decimal("1e-8")
"""Amounts of every currency are whole counts of this."""

START, CLOSED, OPENED = range(3)
"""Where the market stands at its moment: a replay begins; its bars closed and are told; their successors opened."""


RESTS, POST_ONLY, IOC, FOK, MAKES = range(5)
"""An order's terms: none; never taking; what is not taken at its first open or event is dropped, or all of it where
not all is taken; and a post-only order that its first open has left resting.
"""

TERMS = {"gtc": RESTS, "ioc": IOC, "fok": FOK}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """What a simulated account is declared to be.

    Fees and slippage are fractions. Latency always moves an order to later events of a feed; to a later open only where
    it is longer than the bars that fill it: within a bar nothing is known. `min_notional` is in quote units.
    `leverage` is how many times its margin a swap position may be.
    """

    name: str
    market: Literal["spot", "swap"]
    balances: Mapping[str, Decimal]
    maker_fee: Decimal = Decimal(0)
    taker_fee: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)
    latency_ms: int = 0
    min_notional: Decimal = Decimal(0)
    leverage: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings(AccountSettings):
    """An account on a market that is replayed.

    `speed` is market time over wall time (infinity: as fast as it is read). `start_ms` None starts where every series
    has begun.
    """

    source: BarSource
    speed: float = 60.0
    start_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePaperSettings(AccountSettings):
    """An account on live data. `exchange` is ccxt's name of the exchange whose market it is."""

    exchange: str


class Moment(NamedTuple):
    """The market's time and where it stands there.

    Once its bars opened, the events of its millisecond come one by one: the last that was met is the `row`th (from 1)
    of a symbol's `feed`; none while `row` is 0.
    """

    ms: int
    phase: int
    symbol: str = ""
    feed: str = ""
    row: int = 0

    @property
    def key(self) -> Key:
        """The feed of the last event that was met."""
        return Key(self.symbol, self.feed)


class Key(NamedTuple):
    """What decides a fill: a symbol's bars of a timeframe, or one of its feeds."""

    symbol: str
    timeframe: str


class Traded(NamedTuple):
    """One symbol's precision; `unit` tick-lots are one step of cash.

    `lot` is what an exchange's amounts are multiples of, `min_lots` and `min_cost` the least that it takes, `min_exit`
    the least cost of an order that only reduces, all in steps; an account of its own has none but the step.
    """

    symbol: str
    base: str
    quote: str
    tick: Decimal
    unit: int
    lot: int = 1
    min_lots: int = 0
    min_cost: int = 0
    min_exit: int = 0


class Order(NamedTuple):
    """One order, dead or alive. `ticks` is 0 for a market order, `value` the sum of ticks x lots of its fills.

    It meets bars that open, and events, at `from_ms` or later. A `crossing` limit would have taken when it came in: it
    meets its first event as a market order does, and rests from then on. Its `terms` say what it may not do, RESTS
    being nothing. `reserved` counts the currency that it spends.
    The guard's fractions are parts of RATE. `seq` grows with submission. `ahead` is what stands before it in the queue
    of a book (see `market.queue`).
    """

    seq: int
    client_id: str
    symbol: str
    side: int
    type: Literal["market", "limit", "guard"]
    ticks: int
    lots: int
    reduce_only: bool
    group_name: str
    resolution: str
    from_ms: int
    stop: int
    take: int
    trail: int
    guard_id: str
    reserved: int
    filled: int
    value: int
    status: VenueStatus
    reason: str
    ts_ms: int
    crossing: bool = False
    ahead: int = NOT_JOINED
    terms: int = 0

    @property
    def key(self) -> Key:
        return Key(self.symbol, self.resolution)

    def view(self, tick: Decimal) -> VenueOrder:
        """Return the order as the protocol tells it."""
        return VenueOrder(
            client_id=self.client_id,
            venue_id=str(self.seq),
            symbol=self.symbol,
            side=self.side,
            type=self.type,
            price=self.ticks * tick if self.ticks else None,
            amount=self.lots * STEP,
            filled=self.filled * STEP,
            average=Decimal(self.value) * tick / self.filled if self.filled else None,
            status=self.status,
            reason=self.reason,
            group=self.group_name,
            ts_ms=self.ts_ms,
        )


class Group(NamedTuple):
    """One entry's open position and its protective exits.

    `net` counts signed lots, `cost` the cash that the open part was entered for; `entry_value` / `entry_lots` is the
    average entry fill price in ticks over all entries since it was flat, `best` the best price since (ticks).
    """

    name: str
    symbol: str
    resolution: str
    net: int
    cost: int
    entry_lots: int
    entry_value: int
    best: float
    stop: int
    take: int
    trail: int
    guard_id: str

    @property
    def key(self) -> Key:
        return Key(self.symbol, self.resolution)

    @property
    def side(self) -> int:
        return 1 if self.net > 0 else -1

    @property
    def entry(self) -> float:
        return average(self.entry_value, self.entry_lots)

    @property
    def guarded(self) -> bool:
        """Whether a protective exit watches the position."""
        return bool(self.net and self.guard_id and (self.stop or self.take or self.trail))
