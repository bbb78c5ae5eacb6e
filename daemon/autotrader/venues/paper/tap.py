"""Reads live market data one event at a time, and ahead of whoever is told where an order waits for a first quote.

Whoever leaves in the middle of a wait loses nothing: what was asked for goes on, and is there for the next who looks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from autotrader.core.clock import Clock
from autotrader.core.errors import VenueUnavailable
from autotrader.core.events import QuoteChanged
from autotrader.venues.protocol import MarketData, VenueEvent

MAX_AHEAD = 10_000
"""Bound of the events that were read and not dealt with."""


class Tap:
    """The one reader of a market's events. `ahead` holds what was read, oldest first, until it is dropped."""

    def __init__(self, name: str, market: MarketData, clock: Clock) -> None:
        self._name, self._market, self._clock = name, market, clock
        self._reader: AsyncIterator[VenueEvent] | None = None
        self._task: asyncio.Task[None] | None = None
        self.ahead: deque[VenueEvent] = deque()

    def first(self) -> VenueEvent | None:
        """Return the oldest event that was read; None where there is none. Raises, once, what ended the reading."""
        if self.ahead:
            return self.ahead[0]
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()
        return None

    def quote(self, symbol: str) -> QuoteChanged | None:
        """Return the newest quote of a symbol among what was read."""
        read = (event for event in reversed(self.ahead) if isinstance(event, QuoteChanged) and event.symbol == symbol)
        return next(read, None)

    def check(self) -> None:
        """Raise VenueUnavailable where no more can be read ahead."""
        if self._task is not None and self._task.done() and (error := self._task.exception()) is not None:
            raise VenueUnavailable(f"{self._name}: its market cannot be read: {error}") from error
        if len(self.ahead) >= MAX_AHEAD:
            raise VenueUnavailable(f"{self._name}: {MAX_AHEAD} events of the market wait to be dealt with")

    def taken_as_dealt_with(self, telling: VenueEvent | None) -> list[VenueEvent]:
        """Return what the market takes as dealt with though it is not, oldest first; `telling` is being told now.

        The market takes an event as dealt with once the next one is asked for.
        """
        read = [*([telling] if telling is not None else ()), *self.ahead]
        asking = self._task is not None and not self._task.done()
        return read if asking else read[:-1]

    async def more(self, seconds: float | None, woken: asyncio.Event) -> None:
        """Wait until one more event is read, the reading failed, `woken` is set or the time is over."""
        if self._task is None or (self._task.done() and self._task.exception() is None):
            self._task = asyncio.create_task(self._read(), name=f"{self._name} reads its market")
        task = self._task
        await asyncio.sleep(0)  # what is there already comes at once
        if task.done() or woken.is_set():
            return
        others: list[asyncio.Future[Any]] = [asyncio.ensure_future(woken.wait())]
        if seconds is not None:
            others.append(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait((task, *others), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for other in others:
                other.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def close(self) -> None:
        """Stop reading and let go of what was read."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        reader, self._reader = self._reader, None
        if isinstance(reader, AsyncGenerator):
            await reader.aclose()
        self.ahead.clear()

    async def _read(self) -> None:
        if self._reader is None:
            self._reader = self._market.events()
        try:
            event = await anext(self._reader)
        except StopAsyncIteration:
            self._reader = None
            raise VenueUnavailable(f"{self._name}: its market data ended; it is asked for again") from None
        except BaseException:
            self._reader = None
            raise
        self.ahead.append(event)
