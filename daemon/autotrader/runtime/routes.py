"""Who hears of which bars and events: strategies' parts, and legs that are looked after at a close."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from autotrader.core.events import Series
from autotrader.execution.leg import Leg
from autotrader.features.graph import SeriesKey
from autotrader.runtime.part import Part
from autotrader.runtime.strategy import Strategy
from autotrader.strategies.contract import BAR, FILL, TIMER, WAKES

Stream = tuple[str, str, str]
"""An exchange, a symbol, and a timeframe or a feed; equal to the `Series` of the same three."""


class Route(NamedTuple):
    """Where a stream of bars goes: a strategy's part, the legs and program keys that it feeds there, whom it wakes."""

    strategy: Strategy
    part: Part
    feeds: tuple[tuple[int, SeriesKey], ...]
    wakes: tuple[int, ...]


class Ear(NamedTuple):
    """A leg that reads single events, whether they wake it, and how many ticks of its price make 1."""

    strategy: Strategy
    part: Part
    leg: int
    wakes: bool
    per_price: float


@dataclass(slots=True)
class Heard:
    """Who hears of one stream, in the order of the strategies' names, and the legs that are looked after with it."""

    bars: list[Route] = field(default_factory=list)
    events: list[Ear] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)


class Routes:
    """Made anew whenever strategies or legs come or go.

    `timers` and `fillers` are the parts that wake on those. `elsewhere` are, for each exchange, the bars of others that
    are read by whoever decides there.
    """

    def __init__(self, strategies: Mapping[str, Strategy], legs: Iterable[Leg]) -> None:
        self.streams: dict[Stream, Heard] = {}
        self.timers: list[tuple[Strategy, Part]] = []
        self.fillers: list[tuple[Strategy, Part]] = []
        self.elsewhere: dict[str, set[Series]] = {}
        for name in sorted(strategies):
            for part in strategies[name].parts:
                self._add(strategies[name], part)
        for leg in legs:
            self._of((leg.exchange, leg.symbol, leg.timeframe)).legs.append(leg)

    def _of(self, stream: Stream) -> Heard:
        return self.streams.setdefault(stream, Heard())

    def _add(self, strategy: Strategy, part: Part) -> None:
        if TIMER in part.wakes:
            self.timers.append((strategy, part))
        if FILL in part.wakes:
            self.fillers.append((strategy, part))
        for leg, declared in enumerate(part.declared):
            if declared.feed.kind != "bars":
                wakes = WAKES[declared.feed.kind] in part.wakes
                heard = self._of((declared.exchange, declared.symbol, declared.feed.kind))
                per_price = float(1 / part.legs[leg].instrument.tick)
                heard.events.append(Ear(strategy, part, leg, wakes, per_price))
        for exchange in {declared.exchange for declared in part.declared} if part.asked else ():
            others = {series for series in part.elsewhere() if series.exchange != exchange}
            self.elsewhere.setdefault(exchange, set()).update(others)
        for series, feeds in part.series().items():
            own = [leg for leg in range(len(part.declared)) if part.own_series(leg) == series]
            wakes_on = tuple(own) if BAR in part.wakes else ()
            self._of(series).bars.append(Route(strategy, part, tuple(feeds), wakes_on))
