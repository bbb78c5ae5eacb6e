"""Bars as columns, and longer bars folded from shorter ones. A bar is made only of bars that exist."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from autotrader.core.events import Bar
from autotrader.core.units import DURATION_MS, timeframe_ms

if TYPE_CHECKING:
    from autotrader.market.book import Levels, Prints

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WEEK_MS = DURATION_MS["w"]
FIRST_MONDAY_MS = 4 * DURATION_MS["d"]
"""1970-01-05: bars of whole weeks open on Mondays, as exchanges count them; all others at multiples from 1970-01-01."""


class Columns(NamedTuple):
    """Bars as six arrays of one length: `ts` int64 UTC milliseconds of the open, the rest float64."""

    ts: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def rows(self) -> list[Bar]:
        """Return the same as a list of bars."""
        return [Bar(*row) for row in zip(*(column.tolist() for column in self), strict=True)]

    def part(self, start: int, stop: int) -> Columns:
        """Return the bars from index `start` up to `stop`; the arrays are views."""
        return Columns(
            self.ts[start:stop],
            self.open[start:stop],
            self.high[start:stop],
            self.low[start:stop],
            self.close[start:stop],
            self.volume[start:stop],
        )


class Funding(NamedTuple):
    """Settlements of a swap: `ts` int64 UTC milliseconds, increasing; `rate` a fraction of the position's value."""

    ts: Ints
    rate: Floats


class BarSource(Protocol):
    """Where a simulated market's bars come from: recorded history, or a generated market.

    Every method but `symbols` raises HistoryError for a symbol or timeframe that it cannot give.
    """

    @property
    def fingerprint(self) -> str:
        """Return what tells this market from another one, across restarts."""
        ...

    def symbols(self) -> tuple[str, ...]:
        """Return what is traded here, sorted."""
        ...

    def tick(self, symbol: str) -> Decimal:
        """Return the price step, a power of ten."""
        ...

    def begin_ms(self, symbol: str, timeframe: str) -> int:
        """Return the opening time of the bar with which a replay begins if nobody says otherwise."""
        ...

    def after(self, symbol: str, timeframe: str, start_ms: int, limit: int) -> Columns:
        """Return the first `limit` bars that open at or after `start_ms`; fewer only at the end."""
        ...

    def before(self, symbol: str, timeframe: str, end_ms: int, limit: int) -> Columns:
        """Return the last `limit` bars that close at or before `end_ms`, oldest first."""
        ...

    def levels(self, symbol: str, feed: str, start_ms: int, limit: int) -> Levels:
        """Return what quotes (one level) or books (BOOK_DEPTH) offer at the events that `after` returns."""
        ...

    def prints(self, symbol: str, feed: str, start_ms: int, limit: int) -> Prints:
        """Return the trades recorded beside a book, by the events that `after` returns; of other feeds none."""
        ...

    def funding(self, symbol: str) -> Funding:
        """Return the symbol's settlements; none where none are known."""
        ...


def opening(ts_ms: int, length_ms: int) -> int:
    """Return the opening time of the bar of that length which a moment belongs to."""
    return ts_ms - (ts_ms - _offset(length_ms)) % length_ms


def divides(shorter: str, longer: str) -> bool:
    """Tell whether bars of one timeframe can be made from bars of another (or the same)."""
    short, long = timeframe_ms(shorter), timeframe_ms(longer)
    return long % short == 0 and (_offset(long) - _offset(short)) % short == 0


def empty() -> Columns:
    """Return no bars."""
    none = np.empty(0, dtype=np.float64)
    return Columns(np.empty(0, dtype=np.int64), none, none, none, none, none)


def aggregate(bars: Columns, shorter: str, longer: str) -> Columns:
    """Return the complete longer bars made of the shorter ones.

    The last is complete if a shorter bar reaches its end. Raises ValueError for timeframes that do not divide.
    """
    _demand_divides(shorter, longer)
    if not len(bars.ts):
        return bars
    short, long = timeframe_ms(shorter), timeframe_ms(longer)
    opens = bars.ts - (bars.ts - _offset(long)) % long
    first = np.flatnonzero(np.concatenate(([True], opens[1:] != opens[:-1])))
    last = np.concatenate((first[1:], [len(opens)])) - 1
    made = Columns(
        opens[first],
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        # one rounding after the other, as the stream adds, so that both give the same bits
        _sums(bars.volume, first, last),
    )
    complete = bars.ts[-1] + short >= made.ts[-1] + long
    return made if complete else made.part(0, len(made.ts) - 1)


class Aggregator:
    """Folds a stream of closed bars of one timeframe into closed bars of a longer one."""

    def __init__(self, shorter: str, longer: str) -> None:
        _demand_divides(shorter, longer)
        self._short_ms, self._long_ms = timeframe_ms(shorter), timeframe_ms(longer)
        self._open: Bar | None = None

    def add(self, bar: Bar) -> list[Bar]:
        """Take the next shorter bar and return the longer bars that it completes.

        One is complete when a shorter bar reaches its end, or when the first one past its end arrives after a gap, so
        there are none, one, or two.
        """
        start = opening(bar.ts_ms, self._long_ms)
        done: list[Bar] = []
        held = self._open
        if held is not None and held.ts_ms != start:
            done.append(held)
            held = None
        if held is None:
            held = bar._replace(ts_ms=start)
        else:
            held = Bar(
                start,
                held.open,
                max(held.high, bar.high),
                min(held.low, bar.low),
                bar.close,
                held.volume + bar.volume,
            )
        if bar.ts_ms + self._short_ms >= start + self._long_ms:
            done.append(held)
            held = None
        self._open = held
        return done


def _offset(length_ms: int) -> int:
    return 0 if length_ms % WEEK_MS else FIRST_MONDAY_MS


def _demand_divides(shorter: str, longer: str) -> None:
    if not divides(shorter, longer):
        raise ValueError(f"bars of {longer} cannot be made from bars of {shorter}")


def _sums(values: Floats, first: Ints, last: Ints) -> Floats:
    """Return the sums of values[first[i]] .. values[last[i]], added from left to right."""
    total = values[first].copy()
    lengths = last - first
    for step in range(1, int(lengths.max()) + 1):
        longer = lengths >= step
        total[longer] += values[first[longer] + step]
    return total
