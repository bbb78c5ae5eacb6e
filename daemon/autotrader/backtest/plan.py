"""What is simulated: declarations and bars in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from autotrader.backtest.outside import Elsewhere, Span, asked_for
from autotrader.config.strategy import StrategyParams
from autotrader.core.errors import HistoryError
from autotrader.core.units import timeframe_ms
from autotrader.execution.declared import order_columns
from autotrader.features.graph import SeriesKey
from autotrader.features.program import Program, compile_program
from autotrader.market.bars import BarSource, Columns
from autotrader.market.metrics import Metrics
from autotrader.risk.limits import Limits
from autotrader.strategies.contract import Kind
from autotrader.strategies.contract import Leg as DeclaredLeg

NO_LIMITS = Limits()

MAX_BARS = 20_000_000
"""Bound of one series."""


class Exchange(NamedTuple):
    """A simulated exchange: its market, what it costs, the money on it (`cash` is what may be used), and its bars."""

    name: str
    market: str
    quote: str
    cash: Decimal
    balance: Decimal
    maker: Decimal
    taker: Decimal
    slippage: Decimal
    min_notional: Decimal
    latency_ms: int
    leverage: int
    source: BarSource
    start_ms: int | None = None
    metrics: Metrics | None = None


@dataclass(frozen=True)
class Simulated:
    """One strategy to simulate, with the limits that it has of its own."""

    name: str
    kind: Kind
    params: StrategyParams
    limits: Limits = NO_LIMITS


class Key(NamedTuple):
    """A stream of bars."""

    exchange: str
    symbol: str
    timeframe: str


@dataclass(slots=True)
class LegPlan:
    """One leg: what it trades, its columns and the bars that they are made of, from where they begin to warm up."""

    strategy: int
    part: int
    declared: DeclaredLeg
    program: Program
    own: Key
    match: Key
    bars: dict[SeriesKey, Columns] = field(default_factory=dict)
    warm_rows: int = 0
    begin_ms: int = 0


@dataclass(slots=True)
class Stream:
    """One series in time: its bars from the first that closes after the start, and whether that one is open there."""

    key: Key
    bars: Columns
    opened: bool


@dataclass(slots=True)
class Plan:
    """Everything that a run needs, in the order of its rows."""

    exchanges: tuple[Exchange, ...]
    strategies: tuple[Simulated, ...]
    limits: Limits
    kinds: list[Kind]
    legs: list[LegPlan]
    parts: list[tuple[int, int, int]]
    streams: list[Stream]
    instruments: list[tuple[str, str]]
    ticks: dict[tuple[str, str], Decimal]
    start_ms: int
    end_ms: int


def make_plan(
    exchanges: Sequence[Exchange],
    strategies: Sequence[Simulated],
    limits: Limits,
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> Plan:
    """Return the plan of some strategies over their exchanges' bars between two moments.

    `exchanges` are those that are traded, whose money counts, and those that expressions read.
    An exchange begins where every series that is read there has bars, or at `from_ms`; earlier bars warm up. Raises
    HistoryError where bars cannot be had, or none lie between.
    """
    ordered = tuple(sorted(strategies, key=lambda one: one.name))
    each = [one.kind.instruments(one.params) for one in ordered]
    traded = {leg.exchange for declared in each for part in declared for leg in part}
    used = tuple(one for one in exchanges if one.name in traded)
    kinds: list[Kind] = []
    legs: list[LegPlan] = []
    parts: list[tuple[int, int, int]] = []
    for number, (one, instruments) in enumerate(zip(ordered, each, strict=True)):
        if one.kind not in kinds:
            kinds.append(one.kind)
        columns = dict(one.kind.features(one.params))
        finer, lets = getattr(one.params, "resolution", None) or "", one.kind.lets(one.params)
        for declared in instruments:
            timeframe = declared[0].feed.timeframe
            program = compile_program(columns | order_columns(one.params, timeframe), lets, timeframe)
            parts.append((number, len(legs), len(declared)))
            for leg in declared:
                own = Key(leg.exchange, leg.symbol, leg.feed.timeframe)
                match = own._replace(timeframe=finer) if finer else own
                legs.append(LegPlan(number, len(parts) - 1, leg, program, own, match))
    plan = Plan(used, ordered, limits, kinds, legs, parts, [], [], {}, 0, 0)
    _load(plan, from_ms, to_ms)
    _ask(plan, {one.name: Elsewhere(one.market, one.source, one.metrics) for one in exchanges})
    return plan


def _load(plan: Plan, from_ms: int | None, to_ms: int | None) -> None:
    """Read every series, and cut it to what the run needs."""
    readers: dict[Key, list[LegPlan]] = {}
    for leg in plan.legs:
        streamed = (_named(leg, key) for key in leg.program.series if not key.asked)
        for key in dict.fromkeys((leg.own, leg.match, *streamed)):
            readers.setdefault(key, []).append(leg)
    sources = {one.name: one.source for one in plan.exchanges}
    begins: dict[str, int] = {}
    for exchange in plan.exchanges:
        given = from_ms if from_ms is not None else exchange.start_ms
        mine = (key for key in readers if key.exchange == exchange.name)
        firsts = [exchange.source.begin_ms(key.symbol, key.timeframe) for key in mine]
        begins[exchange.name] = given if given is not None else max(firsts)
    whole: dict[Key, Columns] = {}
    closed: dict[Key, int] = {}
    for key, legs in readers.items():
        need = max([1, *(leg.program.history.get(_local(leg, key), 1) for leg in legs)])
        begin_ms = begins[key.exchange]
        whole[key] = _span(sources[key.exchange], key, begin_ms, to_ms, need)
        closed[key] = over_by(whole[key], timeframe_ms(key.timeframe), begin_ms)
    for leg in plan.legs:
        leg.begin_ms = begins[leg.declared.exchange]
        _show(leg, whole, closed)
    for key in sorted(readers, key=lambda one: (one.exchange, one.symbol, -timeframe_ms(one.timeframe), one.timeframe)):
        rest = _rest(whole[key], closed[key])
        plan.streams.append(Stream(key, rest, bool(len(rest.ts)) and int(rest.ts[0]) < begins[key.exchange]))
    own = {leg.own for leg in plan.legs}
    if not any(len(stream.bars.ts) for stream in plan.streams if stream.key in own):
        raise HistoryError("there are no bars between --from and --to; `autotrader data list` shows what there is")
    plan.start_ms = min(begins.values())
    plan.end_ms = max(  # of all series: one that is only read may go on after the others
        int(stream.bars.ts[-1]) + timeframe_ms(stream.key.timeframe) for stream in plan.streams if len(stream.bars.ts)
    )
    plan.instruments = sorted({(leg.declared.exchange, leg.declared.symbol) for leg in plan.legs})
    plan.ticks = {key: sources[key[0]].tick(key[1]) for key in plan.instruments}


def _named(leg: LegPlan, key: SeriesKey) -> Key:
    return Key(leg.declared.exchange, key.symbol or leg.declared.symbol, key.timeframe)


def _local(leg: LegPlan, key: Key) -> SeriesKey:
    """Return a series as a leg's program names it."""
    local = SeriesKey("" if key.symbol == leg.declared.symbol else key.symbol, key.timeframe)
    return local if local in leg.program.history else SeriesKey(key.symbol, key.timeframe)


def _span(source: BarSource, key: Key, begin_ms: int, to_ms: int | None, need: int) -> Columns:
    """Return a series from `need` bars before the beginning to the end."""
    before = source.before(key.symbol, key.timeframe, begin_ms - (timeframe_ms(key.timeframe) == 0), need)
    first_ms = int(before.ts[0]) if len(before.ts) else begin_ms - max(timeframe_ms(key.timeframe) - 1, 0)
    length_ms = timeframe_ms(key.timeframe)
    limit = MAX_BARS if to_ms is None or not length_ms else min(MAX_BARS, max(0, (to_ms - first_ms) // length_ms + 1))
    bars = source.after(key.symbol, key.timeframe, first_ms, limit)
    if to_ms is not None:
        bars = bars.part(0, int(np.searchsorted(bars.ts, to_ms - length_ms, side="right")))
    return bars


def over_by(bars: Columns, length_ms: int, begin_ms: int) -> int:
    """Return how many bars have closed by the beginning; an event at that very moment is still to come."""
    if length_ms == 0:
        return int(bars.ts.searchsorted(begin_ms, side="left"))
    return int(bars.ts.searchsorted(begin_ms - length_ms, side="right"))


def _show(leg: LegPlan, whole: Mapping[Key, Columns], closed: Mapping[Key, int]) -> None:
    """Give a leg the bars of its columns, as many before the beginning as a daemon loads."""
    for key in leg.program.series:
        if key.asked:
            continue
        named = _named(leg, key)
        start = max(0, closed[named] - leg.program.warmup(key))
        leg.bars[key] = _rest(whole[named], start)
        if key == leg.program.own:
            leg.warm_rows = closed[named] - start


def _rest(bars: Columns, start: int) -> Columns:
    return bars.part(start, len(bars.ts)) if start else bars


def _ask(plan: Plan, exchanges: Mapping[str, Elsewhere]) -> None:
    """Give the legs what their columns are made of besides the bars of their own exchanges."""
    for leg in plan.legs:
        for key in leg.program.series:
            if key.asked:
                span = Span(leg.program.warmup(key), leg.begin_ms, plan.end_ms)
                leg.bars[key] = asked_for(leg.declared, key, span, exchanges)
