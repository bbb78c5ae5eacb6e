"""The funding rates that one swap settled, as REST tells them: read once, and again only when a new one may be there.

Rates settle on whole hours. The first question of an hour is asked when somebody wants its rate; one that is not there
yet is asked for again every AGAIN_MS, until it may not come any more. One that comes still later is found in a later
hour. Exchanges cut a long answer at either end, so a full page may leave something out and is asked for again over a
shorter time.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from itertools import pairwise

from autotrader.core.clock import HOUR_MS
from autotrader.core.errors import HistoryError, VenueError
from autotrader.market.bars import opening
from autotrader.venues.live import message
from autotrader.venues.live.feed import ExchangeClock, Feed, LiveSettings, ask
from autotrader.venues.live.message import MOMENT_MS
from autotrader.venues.protocol import RATE_LATE_MS, FundingRate

MAX_RATES = 10_000
"""Bound of the rates in one answer, and of those kept of a symbol."""

USUAL_MS = 8 * HOUR_MS
"""How far apart rates are taken to be before any was read."""

MIN_APART_MS = 60_000
"""Rates nearer to each other than this are no settlements."""

AGAIN_MS = 10_000
"""How long nothing is asked after an answer without the rate that was wanted, or after none."""

METHOD = "fetchFundingRateHistory"
"""What ccxt calls the question."""


class FundingHistory:
    """Asks REST for the funding rates of one swap and keeps them."""

    def __init__(self, feed: Feed, settings: LiveSettings, clock: ExchangeClock, symbol: str) -> None:
        self._feed, self._settings, self._clock, self._symbol = feed, settings, clock, symbol
        self._where = f"{settings.name} {symbol}: funding rates"
        self._rates: list[FundingRate] = []
        self._from_ms = self._until_ms = self._again_ms = 0
        self._begun = False
        self._failure: VenueError | None = None
        self._apart_ms = USUAL_MS
        self._turn = asyncio.Lock()

    async def before(self, end_ms: int, limit: int) -> list[FundingRate]:
        """Return the last `limit` rates settled at or before a moment, oldest first; all there are where they are less.

        Raises VenueUnavailable where REST does not answer, VenueError where it answers nonsense or ccxt cannot ask it,
        HistoryError beyond the bound of one answer. A failed question is not repeated within AGAIN_MS.
        """
        if not self._feed.has.get(METHOD):
            raise VenueError(f"{self._where} cannot be read there: ccxt has no {METHOD} of it; read its bars alone")
        if limit > MAX_RATES:
            raise HistoryError(f"{self._where}: {limit} at once are more than {MAX_RATES}; ask for fewer")
        if limit <= 0 or end_ms < message.FIRST_MS:
            return []
        async with self._turn:
            return await self._read(end_ms, limit, self._clock.now_ms())

    async def _read(self, end_ms: int, limit: int, now_ms: int) -> list[FundingRate]:
        if self._due(end_ms, now_ms):
            await self._refresh(now_ms)
        while True:
            stop = bisect_right(self._rates, end_ms, key=lambda rate: rate.ts_ms)
            if stop >= limit or self._begun or len(self._rates) >= MAX_RATES:
                return self._rates[max(0, stop - limit) : stop]
            self._from_ms, page = await self._page(0, self._from_ms, now_ms)
            self._rates = page + self._rates
            self._begun = not page

    def _due(self, end_ms: int, now_ms: int) -> bool:
        """Tell whether a rate that is not known may have settled by a moment, and may be asked for now."""
        if opening(min(end_ms, now_ms), HOUR_MS) < self._until_ms:
            return False
        return now_ms >= self._again_ms or now_ms >= self._until_ms + RATE_LATE_MS

    async def _refresh(self, now_ms: int) -> None:
        """Read what settled since; where that is more than a page, what was read before it is let go."""
        since_ms = self._rates[-1].ts_ms + 1 if self._rates else self._from_ms
        start_ms, page = await self._page(since_ms, opening(now_ms, HOUR_MS) + HOUR_MS, now_ms)
        if start_ms > since_ms:
            self._rates, self._from_ms, self._begun = [], start_ms, not page
        self._rates = (self._rates + page)[-MAX_RATES:]
        if len(self._rates) == MAX_RATES:
            self._from_ms, self._begun = self._rates[0].ts_ms, False
        told_ms = opening(self._rates[-1].ts_ms, HOUR_MS) if self._rates else 0
        self._until_ms = max(told_ms, opening(now_ms - RATE_LATE_MS, HOUR_MS)) + HOUR_MS
        self._again_ms = now_ms + AGAIN_MS

    async def _page(self, since_ms: int, stop_ms: int, now_ms: int) -> tuple[int, list[FundingRate]]:
        """Return a page of the rates that settled before `stop_ms`, since a moment at the earliest, and its begin."""
        size = self._settings.rates_page
        while True:
            start_ms = max(since_ms, stop_ms - (size - 2) * self._apart_ms)
            until_ms = min(stop_ms + MOMENT_MS - 1, now_ms)
            read = await self._ask(start_ms, size, until_ms, now_ms)
            page = [rate for rate in read if start_ms <= rate.ts_ms < stop_ms]
            if len(page) < size:
                return start_ms, page
            nearest_ms = min(after.ts_ms - before.ts_ms for before, after in pairwise(page))
            self._apart_ms = min(nearest_ms, self._apart_ms // 2)
            if self._apart_ms < MIN_APART_MS:
                raise VenueError(f"{self._where}: {len(page)} of them lie {nearest_ms} ms apart, which none settles")

    async def _ask(self, since_ms: int, limit: int, until_ms: int, now_ms: int) -> list[FundingRate]:
        if self._failure is not None and now_ms < self._again_ms:
            raise type(self._failure)(str(self._failure)) from self._failure
        asked = self._feed.fetch_funding_rate_history(self._symbol, since_ms, limit, {"until": until_ms})
        try:
            raw = await ask(self._clock.wall, self._settings, asked, self._where)
            read = message.rates(raw, self._where, self._symbol, self._clock.now_ms() + self._settings.future_ms)
        except VenueError as error:
            self._failure, self._again_ms = error, now_ms + AGAIN_MS
            raise
        self._failure = None
        return read
