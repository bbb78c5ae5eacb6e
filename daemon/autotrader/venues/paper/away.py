"""What a paper account on live data missed: the minutes that closed while no quotes came meet its orders and exits.

Only minutes that lie wholly in between count: the one in which the quotes ended was met by them up to then, and the one
in which they go on is met by those to come. Of both nothing is known in between. Bars are made of trades, so the spread
between bid and ask, which quotes would have shown, is not paid here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import structlog

from autotrader.core.clock import DAY_MS, iso
from autotrader.core.errors import HistoryError, VenueError, VenueUnavailable
from autotrader.core.events import Bar, Series
from autotrader.core.units import timeframe_ms
from autotrader.venues.paper import matching
from autotrader.venues.paper.ledger import Ledger
from autotrader.venues.paper.matching import Candle
from autotrader.venues.paper.state import Key
from autotrader.venues.protocol import MarketData

TIMEFRAME = "1m"
LENGTH_MS = timeframe_ms(TIMEFRAME)

MAX_AWAY_MS = 3 * DAY_MS
"""How far back missed minutes are asked for; what lies before is told to be missed."""

log = structlog.get_logger("paper")


class Step(NamedTuple):
    """One moment of what was missed: the bars that closed there and those that opened, by what they decide."""

    ms: int
    closed: Mapping[Key, Candle]
    opened: Mapping[Key, Candle]

    def meet(self, ledger: Ledger) -> None:
        """Let the bars meet the orders: first those that close."""
        for key in sorted(self.closed):
            matching.close_bar(ledger, key, self.closed[key], self.ms)
        matching.open_bars(ledger, dict(self.opened), self.ms)


async def missed(
    market: MarketData, exchange: str, symbols: Collection[str], from_ms: int, until_ms: int
) -> Mapping[str, Sequence[Bar]]:
    """Return the minutes of some symbols that open and close between two moments, the last MAX_AWAY_MS at the most.

    A symbol that the exchange does not have any more misses nothing. Raises VenueUnavailable where bars cannot be had.
    """
    since_ms = max(from_ms, until_ms - MAX_AWAY_MS)
    if since_ms > from_ms:
        log.warning(
            "orders and exits did not meet what happened before the time that is looked back at",
            exchange=exchange, watched_until=iso(from_ms), looked_back_to=iso(since_ms),
        )  # fmt: skip
    limit = max(until_ms - since_ms, 0) // LENGTH_MS
    found: dict[str, Sequence[Bar]] = {}
    for symbol in sorted(symbols) if limit else ():
        try:
            bars = await market.bars(Series(exchange, symbol, TIMEFRAME), end_ms=until_ms, limit=limit)
        except VenueUnavailable:
            raise
        except (VenueError, HistoryError) as error:
            log.warning("what happened meanwhile is not known", exchange=exchange, symbol=symbol, error=str(error))
            continue
        found[symbol] = [bar for bar in bars if bar.ts_ms >= since_ms]
    return found


def steps(candles: Mapping[Key, Sequence[Candle]]) -> Iterator[Step]:
    """Yield the moments of some minutes in order."""
    by_open = {key: {one.ts_ms: one for one in those} for key, those in candles.items()}
    opens = {ms for those in by_open.values() for ms in those}
    for ms in sorted(opens | {ms + LENGTH_MS for ms in opens}):
        closed = {key: those[ms - LENGTH_MS] for key, those in by_open.items() if ms - LENGTH_MS in those}
        yield Step(ms, closed, {key: those[ms] for key, those in by_open.items() if ms in those})
