"""One stream of candles: which bars are closed, what REST says where the stream cannot be sure, and what is past.

A bar is closed by a candle that follows it on an unbroken stream. Where the stream was interrupted, skipped an open, or
brought nothing newer by the end of the bar and a grace, REST decides: it gives every bar up to then before anything
newer is told. An exchange leaves out a bar in which nobody traded, and so do we. A client that loses the last change of
a candle without breaking its stream is not noticed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from autotrader.core.errors import HistoryError, VenueUnavailable
from autotrader.core.events import Bar, BarClosed, Series
from autotrader.core.units import timeframe_ms
from autotrader.market.bars import opening
from autotrader.venues.live import message
from autotrader.venues.live.feed import PAGE, ExchangeClock, Feed, LiveSettings, ask

MAX_KEPT = 2_048
"""Bars kept of a stream; older ones are asked for again."""

MAX_PAGES = 20
"""Requests of one refill; what is left is asked for in the next."""

MAX_BARS = 100_000
"""Bound of the bars in one answer."""

MAX_EMPTY = 3
"""Pages without a bar after which a history is taken to begin."""

MAX_LAG = 5
"""Answers in a row that lack a bar the stream told, before REST is believed."""


class CandleHistory:
    """Asks REST for the candles of one series."""

    def __init__(self, feed: Feed, settings: LiveSettings, clock: ExchangeClock, series: Series) -> None:
        self.series, self.length_ms = series, timeframe_ms(series.timeframe)
        self._feed, self._settings, self._clock = feed, settings, clock
        self.where = f"{series.exchange} {series.symbol} {series.timeframe}"

    def latest_ms(self) -> int:
        """Return the last moment that a message may name."""
        return self._clock.now_ms() + self._settings.future_ms

    def sure_ms(self) -> int:
        """Return the moment up to which bars are closed for sure: what ends there has had its grace."""
        return opening(self._clock.now_ms() - self._settings.grace_ms, self.length_ms)

    async def page(self, since_ms: int, limit: int) -> list[Bar]:
        """Return the first candles that open at or after a moment, an open one maybe among them."""
        series = self.series
        raw = await ask(
            self._clock.wall,
            self._settings,
            self._feed.fetch_ohlcv(series.symbol, series.timeframe, since_ms, limit),
            f"{self.where}: candles",
        )
        bars = message.candles(raw, self.where, self.length_ms, self.latest_ms())
        return [bar for bar in bars if bar.ts_ms >= since_ms]

    async def between(self, start_ms: int, stop_ms: int) -> tuple[list[Bar], int]:
        """Return the bars that open in [start_ms, stop_ms), and the moment up to which they are all of them."""
        found: list[Bar] = []
        for _ in range(MAX_PAGES):
            if start_ms >= stop_ms:
                break
            # one more than fits in between: what lies beyond says that there is no more within
            limit = min(PAGE, (stop_ms - start_ms) // self.length_ms + 1)
            page = await self.page(start_ms, limit)
            found += [bar for bar in page if bar.ts_ms < stop_ms]
            start_ms = page[-1].ts_ms + self.length_ms if page else start_ms + limit * self.length_ms
        return found, min(start_ms, stop_ms)

    async def before(self, stop_ms: int, limit: int) -> list[Bar]:
        """Return the last `limit` bars that open before a moment, oldest first. Raises HistoryError beyond a bound."""
        if limit > MAX_BARS:
            raise HistoryError(f"{self.where}: {limit} bars at once are more than {MAX_BARS}; ask for fewer")
        found: list[Bar] = []
        empty = 0
        while len(found) < limit and empty < MAX_EMPTY and stop_ms > 0:
            count = min(PAGE, limit - len(found))
            start_ms = max(stop_ms - count * self.length_ms, 0)
            page = [bar for bar in await self.page(start_ms, count) if bar.ts_ms < stop_ms]
            empty = 0 if page else empty + 1
            found = page + found
            stop_ms = start_ms
        return found[-limit:] if limit > 0 else []


class BarReader:
    """Makes closed bars of one stream of candles, each told once, in order."""

    def __init__(
        self,
        feed: Feed,
        settings: LiveSettings,
        clock: ExchangeClock,
        series: Series,
        tell: Callable[[Series, list[BarClosed], int], None],
    ) -> None:
        self.series = series
        self.dropped = self.gaps = 0
        self.history = CandleHistory(feed, settings, clock, series)
        self._feed, self._settings, self._tell = feed, settings, tell
        self._length_ms = self.history.length_ms
        self.settled_ms = self._kept_from_ms = self.history.sure_ms()
        self._kept: deque[Bar] = deque()
        self._held: Bar | None = None
        self._gap = True
        self._lag = 0

    async def watch(self) -> Any:
        return await self._feed.watch_ohlcv(self.series.symbol, self.series.timeframe)

    async def unwatch(self) -> None:
        await self._feed.un_watch_ohlcv(self.series.symbol, self.series.timeframe)

    def broken(self) -> None:
        self._gap, self._held = True, None

    def due_ms(self) -> int:
        if self._gap and self._held is not None and self._held.ts_ms > self.settled_ms:
            return 0
        return self.settled_ms + self._length_ms + self._settings.grace_ms

    async def take(self, raw: Any) -> None:
        history = self.history
        for bar in message.candles(raw, history.where, self._length_ms, history.latest_ms()):
            if bar.ts_ms < self.settled_ms or (self._held is not None and bar.ts_ms < self._held.ts_ms):
                self.dropped += 1
                continue
            before, self._held = self._held, bar
            if before is None:
                self._gap = self._gap or bar.ts_ms > self.settled_ms
            elif bar.ts_ms > before.ts_ms:
                self._gap = self._gap or bar.ts_ms != before.ts_ms + self._length_ms
                if not self._gap:
                    self._settle([before], bar.ts_ms)

    async def poll(self) -> bool:
        """Have REST say which bars closed since the last that is sure. Raises VenueUnavailable where it lags behind."""
        held = self._held
        stop_ms = max(self.history.sure_ms(), held.ts_ms if held is not None else 0)
        if stop_ms <= self.settled_ms:
            return False
        bars, until_ms = await self.history.between(self.settled_ms, stop_ms)
        if held is not None and held.ts_ms < until_ms and all(bar.ts_ms != held.ts_ms for bar in bars):
            self._lag += 1
            if self._lag < MAX_LAG:
                raise VenueUnavailable(
                    f"{self.history.where}: REST has no bar of {held.ts_ms} yet, which was streamed; it is asked again"
                )
            self.gaps += 1
        self._lag = 0
        self._settle(bars, until_ms)
        if until_ms == stop_ms:
            self._gap = False
            if held is not None and held.ts_ms < stop_ms:
                self._held = None
        return True

    async def past(self, end_ms: int, limit: int) -> list[Bar]:
        """Return the last `limit` bars that closed by a moment and are sure, oldest first."""
        stop_ms = min(opening(end_ms, self._length_ms), self.settled_ms)
        kept = [bar for bar in self._kept if bar.ts_ms < stop_ms][-limit:] if limit > 0 else []
        if len(kept) >= limit:
            return kept
        return await self.history.before(min(stop_ms, self._kept_from_ms), limit - len(kept)) + kept

    def _settle(self, bars: list[Bar], until_ms: int) -> None:
        """Tell what closed up to a moment: all there is of it."""
        self._kept.extend(bars)
        while len(self._kept) > MAX_KEPT:
            self._kept.popleft()
            self._kept_from_ms = self._kept[0].ts_ms
        self.settled_ms = until_ms
        length_ms = self._length_ms
        self._tell(self.series, [BarClosed(bar.ts_ms + length_ms, *self.series, bar) for bar in bars], until_ms)
