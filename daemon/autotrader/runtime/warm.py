"""From declarations to strategies that are ready to decide: compiled, their features warmed up on history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autotrader.core.errors import HistoryError, VenueError, VenueUnavailable
from autotrader.core.events import Bar, MarketEvent, Series
from autotrader.core.units import timeframe_ms
from autotrader.execution.orders import Reason
from autotrader.features.graph import SeriesKey
from autotrader.market.instrument import Instrument
from autotrader.runtime.outside import SETTLED_EVERY_MS, Outside
from autotrader.runtime.part import Part
from autotrader.runtime.strategy import Strategy
from autotrader.strategies.contract import BAR, levels_of
from autotrader.venues.protocol import Venue

MAX_ANCHORED_BARS = 20_000
"""How far back a restart follows a strategy's first warm-up bar, so that its features are the same to the last bit."""


class Prepared(NamedTuple):
    """Strategies built beside the running ones, the precision of what they trade, and why others could not be built."""

    strategies: dict[str, Strategy]
    instruments: dict[tuple[str, str], Instrument]
    failed: dict[str, str]


async def prepare(built: Mapping[str, Strategy], venues: Mapping[str, Venue], outside: Outside) -> Prepared:
    """Return strategies with the precision of what they trade.

    A strategy whose market cannot be had (a symbol that is not traded, bars that cannot be made, a metric without a
    file) is told in `failed`. Raises VenueUnavailable where a venue does not answer.
    """
    prepared = Prepared({}, {}, {})
    probed: set[Series] = set()
    for name, strategy in built.items():
        try:
            for part in strategy.parts:
                for leg in part.declared:
                    key = leg.exchange, leg.symbol
                    if key not in prepared.instruments:
                        prepared.instruments[key] = await venues[leg.exchange].instrument(leg.symbol)
                    for one in part.asked:
                        await outside.check(leg, one)
            for series in strategy.series() - probed:
                await venues[series.exchange].bars(series, end_ms=0, limit=1)
                probed.add(series)
        except VenueUnavailable:
            raise
        except (VenueError, HistoryError) as error:
            prepared.failed[name] = str(error)
        else:
            prepared.strategies[name] = strategy
    return prepared


class Window:
    """Bars up to one moment of each exchange, asked for once however many strategies read them."""

    def __init__(self, venues: Mapping[str, Venue], until: Mapping[str, int], outside: Outside) -> None:
        self._venues = venues
        self._until = until
        self.outside = outside
        self._known: dict[Series, tuple[int, Sequence[Bar]]] = {}

    def end_ms(self, exchange: str) -> int:
        """Return the moment up to which an exchange's bars are shown."""
        return self._until.get(exchange, 0)

    async def bars(self, series: Series, limit: int) -> Sequence[Bar]:
        """Return the last `limit` bars that closed by then, oldest first."""
        asked, known = self._known.get(series, (0, ()))
        if asked < limit:
            known = await self._venues[series.exchange].bars(series, end_ms=self.end_ms(series.exchange), limit=limit)
            self._known[series] = limit, known
        return known[max(0, len(known) - limit) :]

    async def last(self, series: Series) -> MarketEvent | None:
        """Return the last event of a feed that its exchange has told."""
        return await self._venues[series.exchange].last(series)


class _Feed(NamedTuple):
    """Bars of one series that a leg's program has not seen; `order` is their place among those that close together."""

    order: int
    leg: int
    key: SeriesKey
    length_ms: int
    bars: Sequence[Bar]


async def catch_up(part: Part, window: Window, *, fold: bool) -> None:
    """Feed a part every bar of the window that it has not seen.

    With `fold` each of those bars is stepped too, without orders: an exit that it causes is left to be done, an entry
    that it causes is dropped, for its moment has passed.
    """
    if any(declared.feed.kind != "bars" for declared in part.declared):
        part.renew()
    for leg, declared in enumerate(part.declared):
        if levels_of(declared.feed) and (event := await window.last(part.own_series(leg))) is not None:
            part.show(leg, event)
    feeds = await _missing(part, window)
    if len(feeds) == 1 and not fold:
        (one,) = feeds
        part.feed_all(one.leg, one.key, one.bars, one.length_ms)
        return
    rows = [
        (bar.ts_ms + one.length_ms, one.order, one.leg, number, one.key, bar)
        for one in feeds
        for number, bar in enumerate(one.bars)
    ]
    rows.sort()
    for place, (closed_ms, _, leg, _, key, bar) in enumerate(rows):
        part.feed(leg, key, bar, closed_ms)
        last = place + 1 == len(rows) or rows[place + 1][0] != closed_ms
        if fold and last and part.ts_ms < closed_ms:
            _fold(part, leg, closed_ms)


def _fold(part: Part, leg: int, closed_ms: int) -> None:
    if BAR not in part.wakes:
        return
    part.step(BAR, leg, closed_ms, [0.0] * len(part.legs))
    for one, target, entry_id in zip(part.legs, part.out.target, part.out.entry, strict=True):
        if target == 0.0 and (entry_id or not part.slots) and (one.position.amount or one.orders):
            one.exit_reason = one.exit_reason or Reason.EXIT
        one.entry_id = entry_id or one.entry_id


async def _missing(part: Part, window: Window) -> list[_Feed]:
    order = {key: place for place, key in enumerate(part.program.series)}
    found: list[_Feed] = []
    for series, feeds in part.series().items():
        for leg, key in feeds:
            end_ms, length_ms = window.end_ms(series.exchange), timeframe_ms(key.timeframe)
            limit = _limit(part, leg, key, end_ms) if length_ms else 0
            bars = await window.bars(series, limit) if limit > 0 else ()
            if not length_ms:
                bars = await _events(window, series, part.program.warmup(key), part.anchor_ms)
            elif seen_ms := part.seen.get((leg, key), 0):
                bars = [bar for bar in bars if bar.ts_ms + length_ms > seen_ms]
            if not bars:
                continue
            found.append(_Feed(order[key], leg, key, length_ms, bars))
            if not part.anchor_ms and series == part.own_series(leg):
                part.anchor_ms = bars[0].ts_ms
    for leg, declared in enumerate(part.declared):
        for key in part.asked:
            end_ms, seen_ms = window.end_ms(declared.exchange), part.seen.get((leg, key), 0)
            limit = _limit(part, leg, key, end_ms)
            rows = await window.outside.rows(declared, key, seen_ms, end_ms, limit) if limit > 0 else ()
            if rows:
                found.append(_Feed(order[key], leg, key, timeframe_ms(key.timeframe), rows))
    return found


async def _events(window: Window, series: Series, limit: int, anchor_ms: int) -> Sequence[Bar]:
    """Return the last events of a feed, from the whole of the millisecond on with which its first warm-up began.

    So a restart begins with the same event as far as MAX_ANCHORED_BARS allow.
    """
    rows = await window.bars(series, limit)
    begin_ms = anchor_ms or (rows[0].ts_ms if rows else 0)
    while len(rows) == limit < MAX_ANCHORED_BARS and rows[0].ts_ms >= begin_ms:
        limit = min(4 * limit, MAX_ANCHORED_BARS)
        rows = await window.bars(series, limit)
    return [row for row in rows if row.ts_ms >= begin_ms]


def _limit(part: Part, leg: int, key: SeriesKey, end_ms: int) -> int:
    """Return how many bars of a series a leg wants to see up to a moment."""
    length_ms = timeframe_ms(key.timeframe)
    seen_ms, limit = part.seen.get((leg, key), 0), part.program.warmup(key)
    if seen_ms:
        return max(0, end_ms - seen_ms) // (SETTLED_EVERY_MS if key.kind == "funding" else length_ms)
    if part.anchor_ms:
        return max(limit, min(MAX_ANCHORED_BARS, (end_ms - part.anchor_ms) // length_ms))
    return limit
