"""Puts what arrives into order: bars wait for the others of their close, and one bounded queue holds what is untold."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Collection, Sequence
from itertools import count

from autotrader.core.errors import VenueUnavailable
from autotrader.core.events import (
    BarClosed,
    BarsComplete,
    BookChanged,
    FillsComplete,
    QuoteChanged,
    Series,
    TradePrinted,
    order_key,
)
from autotrader.core.units import timeframe_ms
from autotrader.market.bars import opening
from autotrader.venues.protocol import AccountEvent, FillHappened, FundingPaid, OrderChanged

FeedEvent = TradePrinted | QuoteChanged | BookChanged
Told = BarClosed | BarsComplete | FeedEvent

ACCOUNT, BARS, COMPLETE, EVENTS = range(4)

_OF_NO_SERIES = (BarsComplete, FillHappened, FillsComplete, OrderChanged, FundingPaid)

MAX_MOMENTS = 10_000
"""Bound of the closes that wait at one time."""


class Queue:
    """Untold events in order of market time.

    At one moment what became of the account's orders, bars, that they are complete, then the feeds by symbol.

    Meeting the bound empties it: what was lost is told by one VenueUnavailable, never by silence.
    """

    def __init__(self, name: str, bound: int) -> None:
        self._name, self._bound = name, bound
        self._heap: list[tuple[tuple[int, int, str, int, str], int, Told | AccountEvent]] = []
        self._numbers = count()
        self._lost = 0
        self._more = asyncio.Event()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, events: Collection[Told]) -> None:
        """Add events that belong together; where that meets the bound, all that waits is let go."""
        self._add([(_place(event), event) for event in events])

    def put_account(self, events: Collection[AccountEvent], ms: int) -> None:
        """Add what became of the account's orders, to be told at one moment in the order given."""
        self._add([((ms, ACCOUNT, "", 0, ""), event) for event in events])

    def _add(self, events: Sequence[tuple[tuple[int, int, str, int, str], Told | AccountEvent]]) -> None:
        if len(self._heap) + len(events) > self._bound:
            self._lost += len(self._heap) + len(events)
            self._heap.clear()
            self._more.set()
            return
        for place, event in events:
            heapq.heappush(self._heap, (place, next(self._numbers), event))
        self._more.set()

    def forget(self, wanted: Collection[Series]) -> None:
        """Let go of what belongs to a series that is not wanted any more."""
        self._heap = [
            entry for entry in self._heap if isinstance(entry[2], _OF_NO_SERIES) or series_of(entry[2]) in wanted
        ]
        heapq.heapify(self._heap)

    async def get(self) -> Told | AccountEvent | None:
        """Return the next event, waiting for one; None where it was only woken.

        Raises VenueUnavailable, once, where events were lost.
        """
        if not self._heap and not self._lost:
            self._more.clear()
            await self._more.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            raise VenueUnavailable(
                f"{self._name}: the reader fell behind and {lost} events of the market were let go; "
                f"more than {self._bound} may not wait, so read the truth again or subscribe to less"
            )
        return heapq.heappop(self._heap)[2] if self._heap else None

    def wake(self) -> None:
        """Have a waiting reader look again."""
        self._more.set()


class Moments:
    """Collects the bars of each close until every series has answered, or a bound is over.

    A series answers with its bar, or by being settled past the close without one. The bound counts from the close or
    from the first bar of it that arrives, whichever is later: after an outage all series are told together. A bar of
    a close that is not after the last one told is too late for a decision; it is counted and not told.
    """

    def __init__(self, exchange: str, wait_ms: int) -> None:
        self._exchange, self._wait_ms = exchange, wait_ms
        self._settled: dict[Series, int] = {}
        self._since: dict[Series, int] = {}
        self._held: dict[int, dict[Series, BarClosed]] = {}
        self._until: dict[int, int] = {}
        self.told_ms = 0
        self.late = 0

    def keep(self, series: Collection[Series], now_ms: int) -> None:
        """Take over the set of bar series that are waited for; a new one is waited for from the next close on."""
        self._since = {one: self._since.get(one, now_ms) for one in series}
        self._settled = {one: self._settled.get(one, 0) for one in series}
        for ms, held in list(self._held.items()):
            self._held[ms] = {one: event for one, event in held.items() if one in self._since}
            if not self._held[ms]:
                del self._held[ms], self._until[ms]

    def add(self, event: BarClosed, now_ms: int) -> None:
        """Take a bar in."""
        if event.series not in self._since:
            return
        if event.ts_ms <= self.told_ms:
            self.late += 1
            return
        if event.ts_ms not in self._held and len(self._held) >= MAX_MOMENTS:
            self.late += 1
            return
        self._held.setdefault(event.ts_ms, {})[event.series] = event
        self._until.setdefault(event.ts_ms, max(event.ts_ms, now_ms) + self._wait_ms)

    def settle(self, series: Series, ms: int) -> None:
        """Note that a series has nothing more to say about closes up to a moment."""
        if series in self._settled:
            self._settled[series] = max(self._settled[series], ms)

    def due_ms(self) -> int | None:
        """Return when the first waiting close has waited long enough; None where none waits."""
        return self._until[min(self._held)] if self._held else None

    def ready(self, now_ms: int) -> list[list[BarClosed | BarsComplete]]:
        """Return the closes that are complete or have waited long enough, in order; of each its bars, then that."""
        made: list[list[BarClosed | BarsComplete]] = []
        while self._held:
            ms = min(self._held)
            if now_ms < self._until[ms] and not self._complete(ms):
                break
            held = self._held.pop(ms)
            del self._until[ms]
            self.told_ms = ms
            made.append([*sorted(held.values(), key=order_key), BarsComplete(ms, self._exchange)])
        return made

    def _complete(self, ms: int) -> bool:
        held = self._held[ms]
        return all(
            one in held or self._settled[one] >= ms or since >= ms or opening(ms, timeframe_ms(one.timeframe)) != ms
            for one, since in self._since.items()
        )


def series_of(event: BarClosed | FeedEvent) -> Series:
    """Return the series that an event belongs to."""
    match event:
        case BarClosed():
            return event.series
        case TradePrinted():
            return Series(event.exchange, event.symbol, "trades")
        case QuoteChanged():
            return Series(event.exchange, event.symbol, "quotes")
    return Series(event.exchange, event.symbol, "book")


def _place(event: Told) -> tuple[int, int, str, int, str]:
    match event:
        case BarClosed():
            return event.ts_ms, BARS, event.symbol, -timeframe_ms(event.timeframe), ""
        case BarsComplete():
            return event.ts_ms, COMPLETE, "", 0, ""
    return event.ts_ms, EVENTS, event.symbol, 0, series_of(event).timeframe
