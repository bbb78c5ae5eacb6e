"""Reads a bar source forward, a window at a time: what closes and what opens at a moment."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from decimal import Decimal

import numpy as np

from autotrader.core.clock import DAY_MS
from autotrader.core.events import Bar
from autotrader.core.units import timeframe_ms
from autotrader.market.bars import BarSource, Columns
from autotrader.venues.paper.matching import Candle
from autotrader.venues.paper.state import Key
from autotrader.venues.protocol import FundingRate

WINDOW_MS = 14 * DAY_MS
MIN_WINDOW, MAX_WINDOW = 16, 2048
"""Bars held of one series: two weeks of them, within bounds."""


class Cursor:
    """One series, asked about moments that never go back."""

    def __init__(self, source: BarSource, key: Key, tick: Decimal) -> None:
        self._source, self._key = source, key
        self.length_ms = timeframe_ms(key.timeframe)
        self._window = min(max(WINDOW_MS // self.length_ms, MIN_WINDOW), MAX_WINDOW)
        self._per_price = float(1 / tick)
        self._from_ms = 0
        self._ended = False
        self._opens: list[int] = []
        self._bars: list[Bar] = []
        source.begin_ms(*key)  # says at once what it cannot give

    def opening(self, ms: int) -> Bar | None:
        """Return the bar that opens at a moment."""
        at = self._seek(ms)
        return self._bars[at] if at < len(self._opens) and self._opens[at] == ms else None

    def closing(self, ms: int) -> Bar | None:
        """Return the bar that closes at a moment."""
        return self.opening(ms - self.length_ms)

    def open_after(self, ms: int) -> int | None:
        """Return the first moment after `ms` at which a bar opens; None at the end."""
        at = self._seek(ms + 1)
        return self._opens[at] if at < len(self._opens) else None

    def close_after(self, ms: int) -> int | None:
        """Return the first moment after `ms` at which a bar closes; None at the end."""
        opened = self.open_after(ms - self.length_ms)
        return None if opened is None else opened + self.length_ms

    def close_before(self, ms: int) -> float | None:
        """Return the price of the last bar that closed at or before a moment."""
        bars = self._source.before(*self._key, ms, 1)
        return float(bars.close[0]) if len(bars.ts) else None

    def candle(self, bar: Bar) -> Candle:
        """Return a bar in ticks."""
        return Candle(bar.ts_ms, self.ticks(bar.open), self.ticks(bar.high), self.ticks(bar.low), self.ticks(bar.close))

    def ticks(self, price: float) -> int:
        """Return a price of the market in ticks, at least one."""
        return max(round(price * self._per_price), 1)

    def _seek(self, ms: int) -> int:
        """Return the index of the first bar that opens at or after a moment, reading on where it lies further."""
        if ms < self._from_ms or not (self._ended or (self._opens and self._opens[-1] >= ms)):
            # from one bar before, since the same moment is asked for what closes and for what opens
            self._from_ms = ms - self.length_ms
            window: Columns = self._source.after(*self._key, self._from_ms, self._window)
            self._opens = window.ts.tolist()
            self._bars = window.rows()
            self._ended = len(self._opens) < self._window
        return bisect_left(self._opens, ms)


class Settlements:
    """The funding rates of one swap, in parts of RATE, asked about moments."""

    def __init__(self, source: BarSource, symbol: str, rate_scale: int) -> None:
        funding = source.funding(symbol)
        self._ts: list[int] = funding.ts.tolist()
        self._rates: list[int] = np.rint(funding.rate * rate_scale).astype(np.int64).tolist()
        self._exact: list[float] = funding.rate.tolist()

    def before(self, ms: int, limit: int) -> list[FundingRate]:
        """Return the last settlements at or before a moment, oldest first."""
        stop = bisect_right(self._ts, ms)
        first = max(0, stop - limit)
        return [FundingRate(*one) for one in zip(self._ts[first:stop], self._exact[first:stop], strict=True)]

    def after(self, ms: int) -> int | None:
        """Return the first settlement after a moment."""
        at = bisect_left(self._ts, ms + 1)
        return self._ts[at] if at < len(self._ts) else None

    def rate(self, ms: int) -> int:
        """Return the rate that is settled at a moment; 0 if none."""
        at = bisect_left(self._ts, ms)
        return self._rates[at] if at < len(self._ts) and self._ts[at] == ms else 0
