"""From declarations to strategies that are ready to decide: compiled, their features warmed up on history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from autotrader.config.strategy import StrategyParams
from autotrader.core.events import Bar
from autotrader.core.units import timeframe_ms
from autotrader.execution.orders import Reason
from autotrader.market.instrument import Instrument
from autotrader.runtime.part import Part
from autotrader.runtime.strategy import Strategy, build_strategy
from autotrader.strategies.contract import BAR, Kind
from autotrader.venues.protocol import Venue

MAX_ANCHORED_BARS = 20_000
"""How far back a restart follows a strategy's first warm-up bar, so that its features are the same to the last bit."""


class Prepared(NamedTuple):
    """Strategies built beside the running ones, and the precision of what they trade."""

    strategies: dict[str, Strategy]
    instruments: dict[tuple[str, str], Instrument]


async def prepare(
    names: Iterable[str],
    declared: Mapping[str, StrategyParams],
    kinds: Mapping[str, Kind],
    venues: Mapping[str, Venue],
    generation: int,
) -> Prepared:
    """Return the named strategies compiled, with the instruments they trade. Raises ExpressionError and VenueError."""
    prepared = Prepared({}, {})
    for name in names:
        params = declared[name]
        strategy = build_strategy(name, kinds[params.kind], params, generation)
        for part in strategy.parts:
            for leg in part.declared:
                key = leg.exchange, leg.symbol
                if key not in prepared.instruments:
                    prepared.instruments[key] = await venues[leg.exchange].instrument(leg.symbol)
        prepared.strategies[name] = strategy
    return prepared


class _Fed(NamedTuple):
    closed_ms: int
    order: int
    leg: int
    key: tuple[str, str]
    bar: Bar


async def catch_up(part: Part, venues: Mapping[str, Venue], until: Mapping[str, int], *, fold: bool) -> None:
    """Feed a part every bar that closed up to `until` (by exchange) and that it has not seen.

    With `fold` each of those bars is stepped too, without orders: an exit that it causes is left to be done, an entry
    that it causes is dropped, for its moment has passed.
    """
    fed = await _missing(part, venues, until)
    fed.sort()
    for place, one in enumerate(fed):
        part.feed(one.leg, one.key, one.bar, one.closed_ms)
        last = place + 1 == len(fed) or fed[place + 1].closed_ms != one.closed_ms
        if fold and last and BAR in part.wakes and part.ts_ms < one.closed_ms:
            part.step(BAR, one.leg, one.closed_ms, [0.0] * len(part.legs))
            for leg, target, entry_id in zip(part.legs, part.out.target, part.out.entry, strict=True):
                if target == 0.0 and (leg.position.amount or leg.orders):
                    leg.exit_reason = leg.exit_reason or Reason.EXIT
                leg.entry_id = entry_id or leg.entry_id


async def _missing(part: Part, venues: Mapping[str, Venue], until: Mapping[str, int]) -> list[_Fed]:
    order = {tuple(key): place for place, key in enumerate(part.program.series)}
    fed: list[_Fed] = []
    for series, feeds in part.series().items():
        end_ms = until.get(series.exchange, 0)
        length_ms = timeframe_ms(series.timeframe)
        for leg, key in feeds:
            seen_ms = part.seen.get((leg, key), 0)
            limit = part.program.warmup(key)
            if seen_ms:
                limit = max(0, end_ms - seen_ms) // length_ms
            elif part.anchor_ms:
                limit = max(limit, min(MAX_ANCHORED_BARS, (end_ms - part.anchor_ms) // length_ms))
            if limit <= 0:
                continue
            bars = await venues[series.exchange].bars(series, end_ms=end_ms, limit=limit)
            fed.extend(
                _Fed(bar.ts_ms + length_ms, order[tuple(key)], leg, key, bar)
                for bar in bars
                if bar.ts_ms + length_ms > seen_ms
            )
            if bars and not part.anchor_ms and series == part.own_series(leg):
                part.anchor_ms = bars[0].ts_ms
    return fed
