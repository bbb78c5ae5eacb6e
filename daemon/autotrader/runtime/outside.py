"""What strategies read besides the bars that are streamed to them: other exchanges, settled funding, daily metrics.

It is asked for at each close of a strategy's own bars, up to that moment of its own exchange's clock. So nothing comes
from the future, even where two replays have clocks of their own, and what was missed is made good at the next close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
import structlog

from autotrader.core.clock import DAY_MS
from autotrader.core.errors import HistoryError, VenueError
from autotrader.core.events import Bar, Series
from autotrader.core.units import timeframe_ms
from autotrader.features.graph import SeriesKey
from autotrader.features.program import MAX_HISTORY
from autotrader.market.metrics import Metrics
from autotrader.runtime.part import Part
from autotrader.strategies.contract import Leg
from autotrader.venues.protocol import Venue

SETTLED_EVERY_MS = DAY_MS // 24
"""The shortest time between two settlements of a swap."""

log = structlog.get_logger("outside")


class Outside:
    """Asks venues and files. `metrics` holds the metrics that a strategy on each exchange reads."""

    def __init__(self, venues: Mapping[str, Venue], metrics: Mapping[str, Metrics]) -> None:
        self._venues, self._metrics = venues, metrics
        self._failing: dict[SeriesKey, str] = {}

    async def check(self, leg: Leg, key: SeriesKey) -> None:
        """Raise HistoryError or VenueError where a leg reads what cannot be had, VenueUnavailable where nobody says."""
        exchange = key.source or leg.exchange
        if key.kind != "metric":
            if exchange not in self._venues:
                raise VenueError(f"exchange '{exchange}' does not exist")
            if key.kind == "funding" and self._venues[exchange].market == "spot":
                raise VenueError(f"funding is paid on swaps, and '{exchange}' is a spot market")
        await self.rows(leg, key, 0, 0, 1)

    async def rows(self, leg: Leg, key: SeriesKey, after_ms: int, until_ms: int, limit: int) -> Sequence[Bar]:
        """Return what became known after one moment and up to another, the last `limit` of it, oldest first.

        Raises what `check` raises.
        """
        if key.kind == "metric":
            return await self._metric(leg, key, after_ms, until_ms, limit)
        venue, symbol = self._venues[key.source or leg.exchange], key.symbol or leg.symbol
        length_ms = timeframe_ms(key.timeframe)
        if key.kind == "funding":
            rates = await venue.funding(symbol, end_ms=until_ms, limit=limit)
            found = [Bar(ts - length_ms, rate, rate, rate, rate, 0.0) for ts, rate in rates]
        else:
            found = list(await venue.bars(Series(venue.name, symbol, key.timeframe), end_ms=until_ms, limit=limit))
        return [bar for bar in found if bar.ts_ms + length_ms > after_ms]

    async def _metric(self, leg: Leg, key: SeriesKey, after_ms: int, until_ms: int, limit: int) -> Sequence[Bar]:
        metrics = self._metrics[leg.exchange]
        if metrics.changed(key.source, key.symbol):
            try:
                await asyncio.to_thread(metrics.load, key.source, key.symbol)
            except HistoryError as error:
                if not len(metrics.rows(key.source, key.symbol).ts):
                    raise
                log.warning("a metric cannot be read; the rows that were read before stay", error=str(error))
        rows = metrics.rows(key.source, key.symbol)
        closes = rows.ts + timeframe_ms(key.timeframe)
        first, stop = (int(np.searchsorted(closes, ms, side="right")) for ms in (after_ms, until_ms))
        return rows.part(max(first, stop - limit), stop).rows()

    async def bring(self, part: Part, exchange: str, now_ms: int) -> None:
        """Show a part what became known to its legs on an exchange since it last asked."""
        for leg, declared in enumerate(part.declared):
            if declared.exchange != exchange:
                continue
            for key in part.asked:
                await self._bring(part, leg, key, now_ms)

    async def _bring(self, part: Part, leg: int, key: SeriesKey, now_ms: int) -> None:
        seen_ms = part.seen.get((leg, key), 0)
        length_ms = timeframe_ms(key.timeframe)
        apart_ms = SETTLED_EVERY_MS if key.kind == "funding" else length_ms
        limit = min(MAX_HISTORY, (now_ms - seen_ms) // apart_ms) if seen_ms else part.program.warmup(key)
        if limit <= 0:
            return
        try:
            rows = await self.rows(part.declared[leg], key, seen_ms, now_ms, limit)
        except (VenueError, HistoryError) as error:
            if self._failing.get(key) != str(error):  # told once, not at each close
                self._failing[key] = str(error)
                log.warning("what a strategy reads cannot be had", strategy=part.strategy, error=str(error))
            return
        self._failing.pop(key, None)
        for bar in rows:
            part.arrive(leg, key, bar, bar.ts_ms + length_ms)
