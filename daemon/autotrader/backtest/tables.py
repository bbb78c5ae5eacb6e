"""The tables of a plan: its things numbered and laid out as the rows of `backtest.world`, before the first moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from autotrader.backtest import world as c
from autotrader.backtest.glue import layout, put, widths
from autotrader.backtest.plan import LegPlan, Plan, Stream
from autotrader.config.strategy import StrategyParams
from autotrader.core.units import timeframe_ms
from autotrader.execution.declared import ATR, SHARE, declared_guard, declared_policy, declared_size
from autotrader.execution.leg import Policy
from autotrader.execution.orders import Guard
from autotrader.execution.sizing import Size
from autotrader.market import fills
from autotrader.market.bars import Floats, Ints
from autotrader.market.instrument import STEP, steps
from autotrader.risk.breakers import loss_bounds_of
from autotrader.risk.limits import NONE, Bounds, Limits, bounds_of
from autotrader.strategies.contract import BAR, FILL, TIMER, WAKES
from autotrader.strategies.reads import may_be_calm, sees_money

NO_GUARD = Guard()
ORDERS_PER_MINUTE = Bounds._fields.index("orders_per_minute")
FORCES = ("gtc", "ioc", "fok")
QUOTED = frozenset({"quotes", "book"})


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
    _limit_rows(plan, w, places["strategy"])
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


def losses_of(plan: Plan) -> int:
    """Return the room that the losing trades take which the cooldowns of a plan remember."""
    return sum(_kept(limits) for limits in (plan.limits, *(one.limits for one in plan.strategies)))


def _kept(limits: Limits) -> int:
    return limits.cooldown.losses + 1 if limits.cooldown else 0


def _limit_rows(plan: Plan, w: Ints, first: int) -> None:
    """Write the limits of the run, and of the strategies that have their own."""
    at = 0
    rows = w[first : first + len(plan.strategies)]
    for row, limits in zip((w[c.RUN], *rows), (plan.limits, *(one.limits for one in plan.strategies)), strict=True):
        row[c.BOUND_0 : c.BOUND_0 + c.BOUNDS] = bounds_of(limits)
        losses = loss_bounds_of(limits)
        row[c.LOSS_BOUND_0 : c.LOSS_BOUND_0 + c.LOSS_BOUNDS] = losses
        row[c.HAS_LIMITS] = int(limits != Limits())
        row[c.HAS_LOSS_BOUNDS] = int(any(bound >= 0 for bound in losses))
        row[c.CLOSE_ON_BREACH] = int(limits.on_breach == "close")
        row[c.LOSSES_AT] = at
        at += _kept(limits)
        if limits.cooldown is not None:
            row[c.COOLDOWN_LOSSES] = limits.cooldown.losses
            row[c.COOLDOWN_WITHIN_MS] = limits.cooldown.within_ms
            row[c.COOLDOWN_PAUSE_MS] = limits.cooldown.pause_ms
    run = w[c.RUN]
    run[c.OWN_LIMITS] = rows[:, c.HAS_LIMITS].max()
    run[c.OWN_LOSS_BOUNDS] = rows[:, c.HAS_LOSS_BOUNDS].max()
    run[c.OWN_ORDER_BOUNDS] = int((rows[:, c.BOUND_0 + ORDERS_PER_MINUTE] != NONE).any())
    run[c.WATCHED] = max(run[c.HAS_LOSS_BOUNDS], run[c.OWN_LOSS_BOUNDS])


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
        row[c.LENGTH_MS], row[c.QUOTED] = timeframe_ms(stream.key.timeframe), int(stream.key.timeframe in QUOTED)
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
        run[c.ANY_CAN_END] |= row[c.CAN_END]
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
    row[c.BY_LIMIT], row[c.TIMEOUT_MS] = int(policy.rests), policy.timeout_ms
    row[c.SLICING], row[c.SHOW], row[c.SLICES] = policy.slicing, policy.show, policy.slices
    row[c.PERSISTS], row[c.POST_ONLY] = int(policy.persists), int(policy.post_only)
    row[c.CHASE], row[c.FORCE] = policy.chase, FORCES.index(policy.force)
    row[c.COLUMNS] = len(columns)
    row[c.ATR_COLUMN] = columns.index(ATR) if ATR in columns else -1
    row[c.SHARE_COLUMN] = columns.index(f"{SHARE}1") if f"{SHARE}1" in columns else -1


def _let_run_ahead(plan: Plan, w: Ints, parts: Ints) -> None:
    """Mark the series that depend on nothing but themselves while their legs are at rest (see `backtest.ahead`).

    One leg decides and is filled on such a series, alone in its part, and no other series tells its price. Its step
    sees no money, which moves with everybody's positions. A timer, or a breach that closes, may come at any moment; who
    wakes on fills does so before the prices of that moment are told.
    """
    run = w[c.RUN]
    run[c.TIMERS] = int(1 in parts[:, c.ON_TIMER].tolist())
    limited = np.vstack((run, w[run[c.FIRST_STRATEGY] : run[c.FIRST_PART]]))
    closes = bool((limited[:, c.HAS_LOSS_BOUNDS] & limited[:, c.CLOSE_ON_BREACH]).any())
    anytime = run[c.TIMERS] or 1 in parts[:, c.ON_FILL].tolist() or closes
    if anytime or run[c.HAS_FEEDS]:
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
