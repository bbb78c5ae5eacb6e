"""What is simulated: declarations and bars in memory, numbered and laid out as the rows of `backtest.world`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from autotrader.backtest import world as c
from autotrader.backtest.glue import layout, may_be_calm, put, sees_money, widths
from autotrader.backtest.outside import Elsewhere, Span, asked_for
from autotrader.config.strategy import StrategyParams
from autotrader.core.errors import HistoryError
from autotrader.core.units import timeframe_ms
from autotrader.execution.declared import ATR, declared_guard, declared_policy, declared_size
from autotrader.execution.leg import Policy
from autotrader.execution.orders import Guard
from autotrader.features.graph import SeriesKey
from autotrader.features.program import Program, compile_program
from autotrader.market import fills
from autotrader.market.bars import BarSource, Columns, Floats, Ints
from autotrader.market.instrument import STEP, steps
from autotrader.market.metrics import Metrics
from autotrader.risk.breakers import loss_bounds_of
from autotrader.risk.limits import Limits, bounds_of
from autotrader.strategies.contract import BAR, FILL, TIMER, WAKES, Kind
from autotrader.strategies.contract import Leg as DeclaredLeg

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
    """One strategy to simulate."""

    name: str
    kind: Kind
    params: StrategyParams


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
    used = tuple(one for one in exchanges if any(one.name in _exchanges_of(each) for each in ordered))
    kinds: list[Kind] = []
    legs: list[LegPlan] = []
    parts: list[tuple[int, int, int]] = []
    for number, one in enumerate(ordered):
        if one.kind not in kinds:
            kinds.append(one.kind)
        columns = dict(one.kind.features(one.params))
        _, window = declared_size(one.params)
        if window:
            columns[ATR] = f"atr({window})"
        finer = getattr(one.params, "resolution", None) or ""
        for declared in one.kind.instruments(one.params):
            program = compile_program(columns, one.kind.lets(one.params), declared[0].feed.timeframe)
            parts.append((number, len(legs), len(declared)))
            for leg in declared:
                own = Key(leg.exchange, leg.symbol, leg.feed.timeframe)
                match = own._replace(timeframe=finer) if finer else own
                legs.append(LegPlan(number, len(parts) - 1, leg, program, own, match))
    plan = Plan(used, ordered, limits, kinds, legs, parts, [], [], {}, 0, 0)
    _load(plan, from_ms, to_ms)
    _ask(plan, {one.name: Elsewhere(one.market, one.source, one.metrics) for one in exchanges})
    return plan


def _exchanges_of(one: Simulated) -> set[str]:
    return {leg.exchange for part in one.kind.instruments(one.params) for leg in part}


def _load(plan: Plan, from_ms: int | None, to_ms: int | None) -> None:
    """Read every series, and cut it to what the run needs."""
    keys: dict[Key, None] = {}
    for leg in plan.legs:
        streamed = (_named(leg, key) for key in leg.program.series if not key.asked)
        for key in (leg.own, leg.match, *streamed):
            keys[key] = None
    sources = {one.name: one for one in plan.exchanges}
    begins: dict[str, int] = {}
    for exchange in plan.exchanges:
        given = from_ms if from_ms is not None else exchange.start_ms
        firsts = [exchange.source.begin_ms(key.symbol, key.timeframe) for key in keys if key.exchange == exchange.name]
        begins[exchange.name] = given if given is not None else max(firsts)
    whole: dict[Key, Columns] = {}
    for key in keys:
        source = sources[key.exchange].source
        need = max(
            leg.program.history.get(_local(leg, key), 1) for leg in plan.legs if leg.declared.exchange == key.exchange
        )
        whole[key] = _span(source, key, begins[key.exchange], to_ms, need)
    for leg in plan.legs:
        leg.begin_ms = begins[leg.declared.exchange]
        _show(leg, whole)
    for key in sorted(keys, key=lambda one: (one.exchange, one.symbol, -timeframe_ms(one.timeframe), one.timeframe)):
        bars, length_ms, begin_ms = whole[key], timeframe_ms(key.timeframe), begins[key.exchange]
        first = over_by(bars, length_ms, begin_ms)
        rest = bars.part(first, len(bars.ts))
        plan.streams.append(Stream(key, rest, bool(len(rest.ts)) and int(rest.ts[0]) < begin_ms))
    own = [stream for stream in plan.streams if any(leg.own == stream.key for leg in plan.legs)]
    if not any(len(stream.bars.ts) for stream in own):
        raise HistoryError("there are no bars between --from and --to; `autotrader data list` shows what there is")
    plan.start_ms = min(begins.values())
    plan.end_ms = max(  # of all series: one that is only read may go on after the others
        int(stream.bars.ts[-1]) + timeframe_ms(stream.key.timeframe) for stream in plan.streams if len(stream.bars.ts)
    )
    plan.instruments = sorted({(leg.declared.exchange, leg.declared.symbol) for leg in plan.legs})
    plan.ticks = {key: sources[key[0]].source.tick(key[1]) for key in plan.instruments}


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
        return int(np.searchsorted(bars.ts, begin_ms, side="left"))
    return int(np.searchsorted(bars.ts, begin_ms - length_ms, side="right"))


def _show(leg: LegPlan, whole: Mapping[Key, Columns]) -> None:
    """Give a leg the bars of its columns, as many before the beginning as a daemon loads."""
    for key in leg.program.series:
        if key.asked:
            continue
        bars, length_ms = whole[_named(leg, key)], timeframe_ms(key.timeframe)
        closed = over_by(bars, length_ms, leg.begin_ms)
        start = max(0, closed - leg.program.warmup(key))
        leg.bars[key] = bars.part(start, len(bars.ts))
        if key == leg.program.own:
            leg.warm_rows = closed - start


def _ask(plan: Plan, exchanges: Mapping[str, Elsewhere]) -> None:
    """Give the legs what their columns are made of besides the bars of their own exchanges."""
    for leg in plan.legs:
        for key in leg.program.series:
            if key.asked:
                span = Span(leg.program.warmup(key), leg.begin_ms, plan.end_ms)
                leg.bars[key] = asked_for(leg.declared, key, span, exchanges)


class Tables(NamedTuple):
    """The memory of a run: see `backtest.world`."""

    w: Ints
    f: Floats
    lists: Ints
    whole: Ints
    floats: Floats
    const_whole: Ints
    const_floats: Floats
    funding: Ints


def make_tables(plan: Plan) -> Tables:
    """Return a plan's tables, before the first moment."""
    counts = (1, len(plan.exchanges), len(plan.instruments), len(plan.streams), len(plan.strategies), len(plan.parts))
    slots = [part.kind.slots(part.params) for part in (plan.strategies[number] for number, _, _ in plan.parts)]
    firsts = np.cumsum((*counts, len(plan.legs), sum(slots))).tolist()
    w = np.zeros((firsts[-1], c.WIDTH), dtype=np.int64)
    f = np.zeros((firsts[-1], c.FLOAT_WIDTH), dtype=np.float64)
    places = dict(zip(("exchange", "instrument", "series", "strategy", "part", "leg", "slot"), firsts, strict=False))
    _run_row(plan, w, places, sum(slots))
    names = [one.name for one in plan.exchanges]
    funding = _exchange_rows(plan, w, f, places)
    lists = _work_lists(plan, w, places, _series_rows(plan, w, places))
    for number, one in enumerate(plan.strategies):
        size, _ = declared_size(one.params)
        if size.kelly is not None:
            w[places["strategy"] + number, c.KELLY_FRACTION : c.KELLY_LEAST + 1] = size.kelly.counted()
        cash = plan.exchanges[names.index(plan.legs[_first_leg(plan, number)].declared.exchange)].cash
        f[places["strategy"] + number, [c.EQUITY, c.PEAK_EQUITY, c.START, c.DEEPEST]] = float(cash)
    whole, floats, const_whole, const_floats = _part_rows(plan, w, places, slots)
    for number, leg in enumerate(plan.legs):
        _leg_row(plan, w, f, places, number, leg)
    _let_run_ahead(plan, w, places)
    start = sum((one.cash for one in plan.exchanges), Decimal(0))
    f[c.RUN, [c.EQUITY, c.PEAK_EQUITY, c.START, c.DEEPEST]] = float(start)
    return Tables(w, f, lists, whole, floats, const_whole, const_floats, funding)


def _first_leg(plan: Plan, strategy: int) -> int:
    return next(first for number, first, _ in plan.parts if number == strategy)


def _run_row(plan: Plan, w: Ints, places: Mapping[str, int], slots: int) -> None:
    row = w[c.RUN]
    row[c.END_MS] = plan.end_ms
    limits = plan.limits
    row[c.BOUND_0 : c.BOUND_0 + c.BOUNDS] = bounds_of(limits)
    losses = loss_bounds_of(limits)
    row[c.LOSS_BOUND_0 : c.LOSS_BOUND_0 + c.LOSS_BOUNDS] = losses
    row[c.HAS_LOSS_BOUNDS] = int(any(bound >= 0 for bound in losses))
    row[c.CLOSE_ON_BREACH] = int(limits.on_breach == "close")
    if limits.cooldown is not None:
        row[c.COOLDOWN_LOSSES] = limits.cooldown.losses
        row[c.COOLDOWN_WITHIN_MS] = limits.cooldown.within_ms
        row[c.COOLDOWN_PAUSE_MS] = limits.cooldown.pause_ms
    blocks = (
        (c.FIRST_EXCHANGE, c.EXCHANGES, "exchange", len(plan.exchanges)),
        (c.FIRST_INSTRUMENT, c.INSTRUMENTS, "instrument", len(plan.instruments)),
        (c.FIRST_SERIES, c.SERIES, "series", len(plan.streams)),
        (c.FIRST_STRATEGY, c.STRATEGIES, "strategy", len(plan.strategies)),
        (c.FIRST_PART, c.PARTS, "part", len(plan.parts)),
        (c.FIRST_LEG, c.LEGS, "leg", len(plan.legs)),
        (c.FIRST_SLOT, c.SLOTS, "slot", slots),
    )
    for first, count, name, many in blocks:
        row[first], row[count] = places[name], many


def _exchange_rows(plan: Plan, w: Ints, f: Floats, places: Mapping[str, int]) -> Ints:
    """Write exchanges and instruments; return the settlements of all instruments, (ts, rate in parts of RATE)."""
    names = [one.name for one in plan.exchanges]
    for number, one in enumerate(plan.exchanges):
        row = w[places["exchange"] + number]
        row[c.CASH], row[c.BALANCE] = steps(one.cash), steps(one.balance)
        row[c.SWAP] = int(one.market == "swap")
        row[c.MAKER], row[c.TAKER] = fills.scaled(one.maker), fills.scaled(one.taker)
        row[c.SLIPPAGE] = fills.scaled(one.slippage)
        row[c.COST] = fills.scaled(one.taker + one.slippage)
        row[c.MIN_NOTIONAL], row[c.LATENCY_MS], row[c.LEVERAGE] = steps(one.min_notional), one.latency_ms, one.leverage
    settled: list[Ints] = []
    for number, (exchange, symbol) in enumerate(plan.instruments):
        row = w[places["instrument"] + number]
        tick = plan.ticks[exchange, symbol]
        row[c.EXCHANGE] = places["exchange"] + names.index(exchange)
        row[c.UNIT] = fills.cash_unit(tick, STEP, STEP)
        f[places["instrument"] + number, c.PER_PRICE] = float(1 / tick)
        row[c.FUNDING_AT] = sum(len(one) for one in settled)
        if plan.exchanges[names.index(exchange)].market == "swap":
            rates = plan.exchanges[names.index(exchange)].source.funding(symbol)
            parts = np.rint(rates.rate * fills.RATE).astype(np.int64)
            settled.append(np.column_stack((rates.ts, parts)))
        row[c.FUNDING_STOP] = sum(len(one) for one in settled)
    w[c.RUN, c.HAS_FEEDS] = int(any(timeframe_ms(stream.key.timeframe) == 0 for stream in plan.streams))
    w[c.RUN, c.HAS_FUNDING] = int(any(len(one) for one in settled))
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *settled])


def _series_rows(plan: Plan, w: Ints, places: Mapping[str, int]) -> Ints:
    """Write the series; return the legs as their bars are told, then by series those it matches and those it owns."""
    rows = {stream.key: places["series"] + number for number, stream in enumerate(plan.streams)}
    at_leg = places["leg"]
    told = sorted(range(len(plan.legs)), key=lambda number: rows[plan.legs[number].own])
    lists = [at_leg + number for number in told]
    for stream in plan.streams:
        row = w[rows[stream.key]]
        row[c.LENGTH_MS] = timeframe_ms(stream.key.timeframe)
        if len(stream.bars.ts):
            row[c.OPENED] = int(stream.opened)
        key = (stream.key.exchange, stream.key.symbol)
        # what nobody trades has no row of its own among the instruments, and keeps its price in its own
        traded = key in plan.instruments
        row[c.OF_INSTRUMENT] = places["instrument"] + plan.instruments.index(key) if traded else rows[stream.key]
        for first, count, which in ((c.FIRST_MATCHED, c.MATCHED, "match"), (c.FIRST_OWNED, c.OWNED, "own")):
            mine = [at_leg + number for number, leg in enumerate(plan.legs) if getattr(leg, which) == stream.key]
            row[first], row[count] = len(lists), len(mine)
            lists += mine
    return np.array(lists, dtype=np.int64)


def _work_lists(plan: Plan, w: Ints, places: Mapping[str, int], lists: Ints) -> Ints:
    """Find the clocks of the series; return the lists with these and with room for what each moment lists."""
    clocks: list[int] = []
    for number, stream in enumerate(plan.streams):
        row = w[places["series"] + number]
        row[c.CLOCK], row[c.MARK_MS] = places["series"] + number, c.MS_MAX
        if not row[c.LENGTH_MS]:
            continue  # each event of a feed is lived
        same = [one for one in clocks if _on_one_clock(plan.streams[one], stream)]
        clocks += [] if same else [number]
        row[c.CLOCK] = places["series"] + (same[0] if same else number)
        row[c.MARK_MS] = int(stream.bars.ts[0]) + int(row[c.LENGTH_MS]) if len(stream.bars.ts) else c.MS_MAX
    run = w[c.RUN]
    run[c.FIRST_CLOCK], run[c.CLOCKS] = len(lists), len(clocks)
    run[c.FIRST_DUE] = run[c.FIRST_CLOCK] + len(clocks)
    run[c.FIRST_READY] = run[c.FIRST_DUE] + len(plan.streams)
    run[c.NEXT_MS] = run[c.FIRST_READY] + len(plan.parts)
    found = np.array([places["series"] + number for number in clocks], dtype=np.int64)
    room = np.zeros(len(plan.streams) + len(plan.parts), dtype=np.int64)
    return np.concatenate((lists, found, room, np.array([_first_ms(stream) for stream in plan.streams])))


def _first_ms(stream: Stream) -> int:
    """Return when a series first has something to tell: its first bar opens, or closes if it is open already."""
    if not len(stream.bars.ts):
        return c.MS_MAX
    return int(stream.bars.ts[0]) + (timeframe_ms(stream.key.timeframe) if stream.opened else 0)


def _on_one_clock(one: Stream, other: Stream) -> bool:
    """Tell whether two series have their bars at the same times."""
    a, b, length_ms = one.bars.ts, other.bars.ts, timeframe_ms(one.key.timeframe)
    if one.key.timeframe != other.key.timeframe or one.opened != other.opened or len(a) != len(b):
        return False
    if not len(a) or a[0] != b[0] or a[-1] != b[-1]:
        return not len(a)
    return int(a[-1] - a[0]) == (len(a) - 1) * length_ms or bool(np.array_equal(a, b))


def _let_run_ahead(plan: Plan, w: Ints, places: Mapping[str, int]) -> None:
    """Mark the series that depend on nothing but themselves while their legs are at rest (see `backtest.ahead`).

    One leg decides and is filled on such a series, alone in its part, and no other series tells its price. Its step
    sees no money, which moves with everybody's positions. A timer, or a breach that closes, may come at any moment.
    """
    run = w[c.RUN]
    parts = w[places["part"] : places["part"] + len(plan.parts)]
    run[c.TIMERS] = int(parts[:, c.ON_TIMER].any())
    if run[c.TIMERS] or run[c.HAS_FEEDS] or (run[c.HAS_LOSS_BOUNDS] and run[c.CLOSE_ON_BREACH]):
        return
    series = w[places["series"] : places["series"] + len(plan.streams)]
    for stream, row in zip(plan.streams, series, strict=True):
        alone = np.count_nonzero(series[:, c.OF_INSTRUMENT] == row[c.OF_INSTRUMENT]) == 1
        legs = [leg for leg in plan.legs if stream.key in (leg.own, leg.match)]
        row[c.RUNS_AHEAD] = int(alone and len(legs) <= 1 and all(_may_run_ahead(plan, leg, parts) for leg in legs))


def _may_run_ahead(plan: Plan, leg: LegPlan, parts: Ints) -> bool:
    part = parts[leg.part]
    kind = plan.strategies[leg.strategy].kind
    steady = part[c.ON_BAR] == 1 and part[c.PART_LEGS] == 1 and part[c.PART_SLOTS] == 0 and part[c.ON_FILL] == 0
    return bool(leg.own == leg.match and steady and not sees_money(kind) and not may_be_calm(kind))


def _part_rows(plan: Plan, w: Ints, places: Mapping[str, int], slots: Sequence[int]) -> tuple[Any, Any, Any, Any]:
    states = [layout(kind.State) for kind in plan.kinds]
    constants = [layout(kind.Constants) for kind in plan.kinds]
    many = len(plan.parts)
    wide = widths(plan.kinds)
    whole, const_whole = np.zeros((many, wide.whole), np.int64), np.zeros((many, wide.const_whole), np.int64)
    floats, const_floats = np.zeros((many, wide.floats)), np.zeros((many, wide.const_floats))
    slot = places["slot"]
    for number, (strategy, first, count) in enumerate(plan.parts):
        one = plan.strategies[strategy]
        row = w[places["part"] + number]
        kind = plan.kinds.index(one.kind)
        row[c.KIND], row[c.NUMBER] = kind, number
        row[c.PART_FIRST_LEG], row[c.PART_LEGS] = places["leg"] + first, count
        row[c.PART_FIRST_SLOT], row[c.PART_SLOTS] = slot, slots[number]
        slot += slots[number]
        wakes = one.kind.wakes(one.params)
        row[c.ON_BAR], row[c.ON_TIMER], row[c.ON_FILL] = int(BAR in wakes), int(TIMER in wakes), int(FILL in wakes)
        event = WAKES[plan.legs[first].declared.feed.kind]
        row[c.ON_EVENT] = event if event != BAR and event in wakes else 0
        put(one.kind.State(), states[kind], whole[number], floats[number])
        put(one.kind.constants(one.params), constants[kind], const_whole[number], const_floats[number])
    return whole, floats, const_whole, const_floats


def _leg_row(plan: Plan, w: Ints, f: Floats, places: Mapping[str, int], number: int, leg: LegPlan) -> None:
    one = plan.strategies[leg.strategy]
    row, floats = w[places["leg"] + number], f[places["leg"] + number]
    keys = [stream.key for stream in plan.streams]
    exchanges = [each.name for each in plan.exchanges]
    exchange = exchanges.index(leg.declared.exchange)
    instrument = plan.instruments.index((leg.declared.exchange, leg.declared.symbol))
    row[c.LEG_PART], row[c.STRATEGY] = places["part"] + leg.part, places["strategy"] + leg.strategy
    row[c.LEG_EXCHANGE], row[c.INSTRUMENT] = places["exchange"] + exchange, places["instrument"] + instrument
    row[c.OWN], row[c.MATCH] = places["series"] + keys.index(leg.own), places["series"] + keys.index(leg.match)
    size, _ = declared_size(one.params)
    row[c.SIZE_KIND], row[c.SIZE_VALUE] = size.code, steps(size.value)
    row[c.CAPITAL] = steps(one.params.capital)
    row[c.SHARES] = sum(count for strategy, _, count in plan.parts if strategy == leg.strategy)
    row[c.MAY_SHORT] = int(plan.exchanges[exchange].market == "swap")
    guard: Guard = declared_guard(one.params)
    row[c.STOP], row[c.TAKE], row[c.TRAIL] = (fills.scaled(fraction) for fraction in guard)
    row[c.GUARDED] = int(any(fraction is not None for fraction in guard))
    row[c.CAN_END] = int(row[c.GUARDED] or row[c.MAY_SHORT])
    w[c.RUN, c.ANY_CAN_END] |= row[c.CAN_END]
    row[c.MAX_HOLDING_MS] = one.params.exits.max_holding or 0
    policy: Policy = declared_policy(one.params)
    row[c.BY_LIMIT], row[c.TIMEOUT_MS] = int(policy.kind == "limit"), policy.timeout_ms
    columns = leg.program.columns
    row[c.COLUMNS] = len(columns)
    row[c.ATR_COLUMN] = columns.index(ATR) if ATR in columns else -1
    floats[c.RESTS_BELOW], floats[c.RESTS_ABOVE] = -np.inf, np.inf
    floats[c.ENTRY_PRICE] = float("nan")
    floats[c.TICK] = float(plan.ticks[plan.instruments[instrument]])
    floats[c.LOT] = float(STEP)
