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
from autotrader.execution.sizing import Size
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

NO_GUARD = Guard()


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
        _, window = declared_size(one.params)
        if window:
            columns[ATR] = f"atr({window})"
        finer, lets = getattr(one.params, "resolution", None) or "", one.kind.lets(one.params)
        for declared in instruments:
            program = compile_program(columns, lets, declared[0].feed.timeframe)
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


def bare_tables(plan: Plan) -> Tables:
    """Return a plan's tables before the first moment, without what `write_params` writes."""
    counts = (1, len(plan.exchanges), len(plan.instruments), len(plan.streams), len(plan.strategies), len(plan.parts))
    slots = slots_of(plan)
    firsts = np.cumsum((*counts, len(plan.legs), sum(slots))).tolist()
    w = np.zeros((firsts[-1], c.WIDTH), dtype=np.int64)
    f = np.zeros((firsts[-1], c.FLOAT_WIDTH), dtype=np.float64)
    places = dict(zip(("exchange", "instrument", "series", "strategy", "part", "leg", "slot"), firsts, strict=False))
    _run_row(plan, w, places, sum(slots))
    names = [one.name for one in plan.exchanges]
    funding = _exchange_rows(plan, w, f, places)
    lists = _work_lists(plan, w, places, _series_rows(plan, w, places))
    for number in range(len(plan.strategies)):
        cash = plan.exchanges[names.index(plan.legs[_first_leg(plan, number)].declared.exchange)].cash
        f[places["strategy"] + number, [c.EQUITY, c.PEAK_EQUITY, c.START, c.DEEPEST]] = float(cash)
    records = _part_rows(plan, w, places, slots)
    for number, leg in enumerate(plan.legs):
        _leg_row(plan, w, f, places, number, leg)
    start = sum((one.cash for one in plan.exchanges), Decimal(0))
    f[c.RUN, [c.EQUITY, c.PEAK_EQUITY, c.START, c.DEEPEST]] = float(start)
    return Tables(w, f, lists, *records, funding)


def slots_of(plan: Plan) -> list[int]:
    """Return how many slots each part of a plan has."""
    strategies = (plan.strategies[number] for number, _, _ in plan.parts)
    return [one.kind.slots(one.params) for one in strategies]


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
        row[c.NEXT_MS] = c.MS_MAX
        if len(stream.bars.ts):
            row[c.OPENED] = int(stream.opened)
            row[c.NEXT_MS] = int(stream.bars.ts[0]) + (int(row[c.LENGTH_MS]) if stream.opened else 0)
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
    run[c.FIRST_OPEN] = run[c.FIRST_READY] + len(plan.parts)
    found = np.array([places["series"] + number for number in clocks], dtype=np.int64)
    room = np.zeros(len(plan.streams) + len(plan.parts) + len(plan.legs), dtype=np.int64)
    return np.concatenate((lists, found, room))


def _on_one_clock(one: Stream, other: Stream) -> bool:
    """Tell whether two series have their bars at the same times."""
    a, b, length_ms = one.bars.ts, other.bars.ts, timeframe_ms(one.key.timeframe)
    if one.key.timeframe != other.key.timeframe or one.opened != other.opened or len(a) != len(b):
        return False
    if not len(a) or a[0] != b[0] or a[-1] != b[-1]:
        return not len(a)
    return int(a[-1] - a[0]) == (len(a) - 1) * length_ms or bool(np.array_equal(a, b))


def _part_rows(plan: Plan, w: Ints, places: Mapping[str, int], slots: Sequence[int]) -> tuple[Any, Any, Any, Any]:
    many, wide, slot = len(plan.parts), widths(plan.kinds), places["slot"]
    whole, const_whole = np.zeros((many, wide.whole), np.int64), np.zeros((many, wide.const_whole), np.int64)
    floats, const_floats = np.zeros((many, wide.floats)), np.zeros((many, wide.const_floats))
    for number, (strategy, first, count) in enumerate(plan.parts):
        kind = plan.strategies[strategy].kind
        row = w[places["part"] + number]
        row[c.KIND], row[c.NUMBER] = plan.kinds.index(kind), number
        row[c.PART_FIRST_LEG], row[c.PART_LEGS] = places["leg"] + first, count
        row[c.PART_FIRST_SLOT], row[c.PART_SLOTS] = slot, slots[number]
        slot += slots[number]
        put(kind.State(), layout(kind.State), whole[number], floats[number])
    return whole, floats, const_whole, const_floats


def _leg_row(plan: Plan, w: Ints, f: Floats, places: Mapping[str, int], number: int, leg: LegPlan) -> None:
    row, floats = w[places["leg"] + number], f[places["leg"] + number]
    keys = [stream.key for stream in plan.streams]
    exchanges = [each.name for each in plan.exchanges]
    exchange = exchanges.index(leg.declared.exchange)
    instrument = plan.instruments.index((leg.declared.exchange, leg.declared.symbol))
    row[c.LEG_PART], row[c.STRATEGY] = places["part"] + leg.part, places["strategy"] + leg.strategy
    row[c.LEG_EXCHANGE], row[c.INSTRUMENT] = places["exchange"] + exchange, places["instrument"] + instrument
    row[c.OWN], row[c.MATCH] = places["series"] + keys.index(leg.own), places["series"] + keys.index(leg.match)
    row[c.SHARES] = sum(count for strategy, _, count in plan.parts if strategy == leg.strategy)
    row[c.MAY_SHORT] = int(plan.exchanges[exchange].market == "swap")
    floats[c.RESTS_BELOW], floats[c.RESTS_ABOVE] = -np.inf, np.inf
    floats[c.ENTRY_PRICE] = float("nan")
    floats[c.TICK] = float(plan.ticks[plan.instruments[instrument]])
    floats[c.LOT] = float(STEP)


def write_params(plan: Plan, tables: Tables) -> None:
    """Write what the parameters of a plan's strategies say."""
    w, run = tables.w, tables.w[c.RUN]
    sizes = [declared_size(one.params)[0] for one in plan.strategies]
    for row, size in zip(w[run[c.FIRST_STRATEGY] :], sizes, strict=False):
        if size.kelly is not None:
            row[c.KELLY_FRACTION : c.KELLY_LEAST + 1] = size.kelly.counted()
    parts = w[run[c.FIRST_PART] : run[c.FIRST_LEG]]
    for number, (strategy, first, _) in enumerate(plan.parts):
        one, row = plan.strategies[strategy], parts[number]
        wakes, event = one.kind.wakes(one.params), WAKES[plan.legs[first].declared.feed.kind]
        row[c.ON_BAR], row[c.ON_TIMER], row[c.ON_FILL] = int(BAR in wakes), int(TIMER in wakes), int(FILL in wakes)
        row[c.ON_EVENT] = event if event != BAR and event in wakes else 0
        constants = one.kind.constants(one.params)
        put(constants, layout(one.kind.Constants), tables.const_whole[number], tables.const_floats[number])
    for row, leg in zip(w[run[c.FIRST_LEG] :], plan.legs, strict=False):
        _write_leg(row, plan.strategies[leg.strategy].params, sizes[leg.strategy], leg.program.columns)
    _let_run_ahead(plan, w, parts)


def _write_leg(row: Ints, params: StrategyParams, size: Size, columns: Sequence[str]) -> None:
    row[c.SIZE_KIND], row[c.SIZE_VALUE] = size.code, steps(size.value)
    row[c.CAPITAL] = steps(params.capital)
    guard: Guard = declared_guard(params)
    guarded = guard != NO_GUARD
    row[c.STOP], row[c.TAKE], row[c.TRAIL] = (fills.scaled(fraction) for fraction in guard) if guarded else (0, 0, 0)
    row[c.GUARDED] = int(guarded)
    row[c.CAN_END] = int(guarded or row[c.MAY_SHORT])
    row[c.MAX_HOLDING_MS] = params.exits.max_holding or 0
    policy: Policy = declared_policy(params)
    row[c.BY_LIMIT], row[c.TIMEOUT_MS] = int(policy.kind == "limit"), policy.timeout_ms
    row[c.COLUMNS] = len(columns)
    row[c.ATR_COLUMN] = columns.index(ATR) if ATR in columns else -1


def _let_run_ahead(plan: Plan, w: Ints, parts: Ints) -> None:
    """Mark the series that depend on nothing but themselves while their legs are at rest (see `backtest.ahead`).

    One leg decides and is filled on such a series, alone in its part, and no other series tells its price. Its step
    sees no money, which moves with everybody's positions. A timer, or a breach that closes, may come at any moment.
    """
    run = w[c.RUN]
    run[c.TIMERS] = int(1 in parts[:, c.ON_TIMER].tolist())
    if run[c.TIMERS] or run[c.HAS_FEEDS] or (run[c.HAS_LOSS_BOUNDS] and run[c.CLOSE_ON_BREACH]):
        return
    series = w[run[c.FIRST_SERIES] : run[c.FIRST_STRATEGY]]
    told: list[int] = series[:, c.OF_INSTRUMENT].tolist()
    for stream, row, instrument in zip(plan.streams, series, told, strict=True):
        legs = [leg for leg in plan.legs if stream.key in (leg.own, leg.match)]
        alone = len(legs) <= 1 and told.count(instrument) == 1
        row[c.RUNS_AHEAD] = int(alone and all(_may_run_ahead(plan, leg, parts) for leg in legs))


def _may_run_ahead(plan: Plan, leg: LegPlan, parts: Ints) -> bool:
    part = parts[leg.part]
    kind = plan.strategies[leg.strategy].kind
    if leg.own != leg.match or sees_money(kind) or may_be_calm(kind):
        return False
    return bool(part[c.ON_BAR] == 1 and part[c.PART_LEGS] == 1 and part[c.PART_SLOTS] == 0 and part[c.ON_FILL] == 0)
