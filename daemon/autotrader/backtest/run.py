"""One backtest from declarations to figures: which exchanges and strategies it takes, and what its tables mean."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from types import FunctionType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from autotrader.backtest import world as c
from autotrader.backtest.engine import Outcome, Progress, prepare, simulate
from autotrader.backtest.plan import Exchange, Plan, Simulated, make_plan
from autotrader.backtest.result import (
    CASH,
    LOCK,
    MINIMUM,
    PORTFOLIO,
    REASONS,
    Curve,
    LegInfo,
    OwnLock,
    Result,
    StrategyRun,
    Trades,
)
from autotrader.backtest.summary import measured
from autotrader.config.exchanges import balance_of, currency_of, fees_of, least_of
from autotrader.config.load import Declarations
from autotrader.core import jit
from autotrader.core.errors import AutotraderError
from autotrader.execution.declared import limits_of, own_limits
from autotrader.market.bars import BarSource, Ints
from autotrader.market.fills import value
from autotrader.market.metrics import Metrics
from autotrader.risk.limits import NAMES
from autotrader.strategies.contract import Kind

SAMPLED = 1_000
"""Bars of a series whose prices go into the hash of a result's data, at least half as many."""

Source = Callable[[str], tuple[BarSource, int | None]]
"""Returns an exchange's bars and where its replay is declared to begin."""

MetricsOf = Callable[[str], Metrics]
"""Returns the metrics that strategies on an exchange read."""


def exchange_of(name: str, declarations: Declarations, source: Source, metrics: MetricsOf | None = None) -> Exchange:
    """Return a declared exchange as the engine takes it."""
    declared = declarations.exchanges[name]
    quote, fees = currency_of(name, declarations), fees_of(declared)
    balance = balance_of(declared, quote)
    bars, start_ms = source(name)
    return Exchange(
        name,
        declared.market,
        quote,
        declared.budget.amount if declared.budget else balance,
        balance,
        fees.maker,
        fees.taker,
        declared.slippage,
        least_of(declared),
        declared.latency,
        declared.leverage,
        bars,
        start_ms,
        metrics(name) if metrics is not None else None,
    )


def plan_of(
    declarations: Declarations,
    kinds: Mapping[str, Kind],
    source: Source,
    names: Sequence[str] = (),
    from_ms: int | None = None,
    to_ms: int | None = None,
    *,
    metrics: MetricsOf | None = None,
) -> Plan:
    """Return the plan of the named strategies, or of all. Raises AutotraderError for a name that is not declared."""
    unknown = [name for name in names if name not in declarations.strategies]
    if unknown:
        known = ", ".join(sorted(declarations.strategies)) or "none"
        raise AutotraderError(f"there is no strategy '{unknown[0]}'; declared are: {known}")
    chosen = list(dict.fromkeys(names)) or sorted(declarations.strategies)
    if not chosen:
        raise AutotraderError("no strategy is declared; write one into strategies.d")
    strategies = [simulated(name, declarations, kinds) for name in chosen]
    used = {each for one in strategies for _, each in one.params.exchanges()}
    used |= {read.name for one in strategies for read in one.params.reads() if read.kind == "exchange"}
    exchanges = [exchange_of(name, declarations, source, metrics) for name in sorted(used)]
    return make_plan(exchanges, strategies, limits_of(declarations), from_ms, to_ms)


def simulated(name: str, declarations: Declarations, kinds: Mapping[str, Kind]) -> Simulated:
    """Return a declared strategy as the engine takes it."""
    params = declarations.strategies[name]
    return Simulated(name, kinds[params.kind], params, own_limits(declarations, params))


def backtest(plan: Plan, config_hash: str = "", *, progress: Progress | None = None) -> Result:
    """Return the result of a plan. Its `seconds` are from bars in memory to metrics, without what is compiled once."""
    prepare(plan)
    began_s = time.perf_counter() - jit.COMPILING.seconds()
    outcome = simulate(plan, progress=progress)
    result = result_of(outcome, config_hash)
    measured(result)
    seconds = time.perf_counter() - jit.COMPILING.seconds() - began_s
    return Result(**{**result.__dict__, "seconds": seconds, "data_hash": data_hash(plan)})


def result_of(outcome: Outcome, config_hash: str = "") -> Result:
    """Return what an outcome's tables say, without the time it took and the hash of its data."""
    plan = outcome.plan
    legs = tuple(
        LegInfo(
            plan.strategies[leg.strategy].name,
            leg.declared.exchange,
            leg.declared.symbol,
            leg.own.timeframe,
            plan.ticks[leg.declared.exchange, leg.declared.symbol],
            CASH,
        )
        for leg in plan.legs
    )
    streams = {stream.key: stream.bars for stream in plan.streams}
    worth = _worth(outcome)
    strategies = tuple(_strategy(outcome, number, worth[number]) for number in range(len(plan.strategies)))
    return Result(
        strategies=strategies,
        portfolio=_portfolio(outcome, strategies, sum(worth)),
        legs=legs,
        trades=_trades(outcome),
        seconds=0.0,
        data_hash="",
        config_hash=config_hash,
        bars={number: streams[leg.own] for number, leg in enumerate(plan.legs)},
        refused=refusals(outcome),
        locked_ms=outcome.tables.w.item(c.RUN, c.LOCKED_AT_MS),
        locked_by=str(plan.limits.max_drawdown or ""),
        own_locks=_own_locks(outcome),
    )


def refusals(outcome: Outcome) -> dict[str, int]:
    """Return how many orders that would have added to a position were refused, by what refused them."""
    counts = outcome.tables.w[c.RUN, c.REFUSED_0 : c.REFUSED_BY_LOCK + 1].tolist()
    return {name: count for name, count in zip((MINIMUM, *NAMES[1:], LOCK), counts, strict=True) if count}


def _own_locks(outcome: Outcome) -> tuple[OwnLock, ...]:
    w, strategies = outcome.tables.w, outcome.plan.strategies
    first = w.item(c.RUN, c.FIRST_STRATEGY)
    times = w[first : first + len(strategies), c.LOCKED_AT_MS].tolist()
    return tuple(
        OwnLock(one.name, ms, str(one.limits.max_drawdown or ""))
        for one, ms in zip(strategies, times, strict=True)
        if ms
    )


def _trades(outcome: Outcome) -> Trades:
    count = len(outcome.trades)
    leg, (side, reason) = np.empty(count, np.int32), np.empty((2, count), np.int8)
    rest = np.empty((c.TRADE_WIDTH - 3, count), np.int64)
    _copy_trades()(outcome.trades, leg, side, rest, reason)  # the run's own list goes to the next run
    return Trades._make((leg, side, *rest, reason))


def _trades_copied(
    trades: Ints, leg: npt.NDArray[np.int32], side: npt.NDArray[np.int8], rest: Ints, reason: npt.NDArray[np.int8]
) -> None:
    for i in range(len(trades)):
        leg[i], side[i], reason[i] = trades[i, 0], trades[i, 1], trades[i, c.TRADE_WIDTH - 1]
        for column in range(c.TRADE_WIDTH - 3):
            rest[column, i] = trades[i, 2 + column]


@cache
def _copy_trades() -> Callable[..., None]:
    copy: Callable[..., None] = jit.outer(cast("FunctionType", _trades_copied), {}, "trades", brief=True)
    return copy


def _worth(outcome: Outcome) -> list[int]:
    """Return what each strategy has still open at the last closes, in steps of cash."""
    plan, w, f = outcome.plan, outcome.tables.w, outcome.tables.f
    found = [0] * len(plan.strategies)
    for row, leg in zip(w[w.item(c.RUN, c.FIRST_LEG) :], plan.legs, strict=False):
        lots = row.item(c.LOTS)
        if lots:
            instrument = row.item(c.INSTRUMENT)
            ticks = int(f[instrument, c.LAST_PRICE] * f[instrument, c.PER_PRICE] + 0.5)
            found[leg.strategy] += value(lots, ticks, w.item(instrument, c.UNIT))
    return found


def _strategy(outcome: Outcome, number: int, worth: int) -> StrategyRun:
    plan, w = outcome.plan, outcome.tables.w
    row, one = w[w.item(c.RUN, c.FIRST_STRATEGY) + number], plan.strategies[number]
    mine = [leg.declared for leg in plan.legs if leg.strategy == number]
    start = next(each.cash for each in plan.exchanges if each.name == mine[0].exchange)
    bars = row.item(c.BARS)
    return StrategyRun(
        name=one.name,
        kind=one.params.kind,
        symbols=tuple(dict.fromkeys(leg.symbol for leg in mine)),
        bars=bars,
        start_equity=start,
        final_equity=start + row.item(c.MONEY) * CASH + worth * CASH,
        curve=_curve(outcome, 1 + number, float(start)),
        fees=row.item(c.FEES_SUM) * CASH,
        exposed=row.item(c.EXPOSED_BARS) / bars if bars else 0.0,
        drawdown=_deepest(outcome, number),
    )


def _portfolio(outcome: Outcome, strategies: Sequence[StrategyRun], worth: int) -> StrategyRun:
    plan, w = outcome.plan, outcome.tables.w
    alone = len(strategies) == 1 and len(plan.exchanges) == 1
    first, count = w.item(c.RUN, c.FIRST_STRATEGY), len(plan.strategies)
    start = sum((one.cash for one in plan.exchanges), Decimal(0))
    money, fees, bars = (sum(w[first : first + count, sums].tolist()) for sums in (c.MONEY, c.FEES_SUM, c.BARS))
    moments = w.item(c.RUN, c.MOMENTS)
    return StrategyRun(
        name=PORTFOLIO,
        kind=PORTFOLIO,
        symbols=tuple(dict.fromkeys(symbol for _, symbol in plan.instruments)),
        bars=bars,
        start_equity=start,
        final_equity=start + money * CASH + worth * CASH,
        curve=strategies[0].curve if alone else _curve(outcome, 0, float(start)),
        fees=fees * CASH,
        exposed=w.item(c.RUN, c.EXPOSED_MOMENTS) / moments if moments else 0.0,
        drawdown=float(outcome.tables.f[c.RUN, c.DRAWDOWN]),
    )


def _deepest(outcome: Outcome, number: int) -> float:
    row = c.RUN if len(outcome.plan.strategies) == 1 else int(outcome.tables.w[c.RUN, c.FIRST_STRATEGY]) + number
    return float(outcome.tables.f[row, c.DRAWDOWN])


def _curve(outcome: Outcome, column: int, start: float) -> Curve:
    count = len(outcome.points_ms)
    ts, equity = np.empty(count + 1, np.int64), np.empty(count + 1)
    ts[0], equity[0] = outcome.plan.start_ms, start
    ts[1:], equity[1:] = outcome.points_ms, outcome.points[:, column]
    later = ts[1:] > ts[:-1]
    if np.count_nonzero(later) == count:
        return Curve(ts, equity)
    keep = np.append(later, True)  # of two points at one moment the later one
    return Curve(ts[keep], equity[keep])


def data_hash(plan: Plan) -> str:
    """Return a hash of the bars that a plan decides on: which they are, and a sample of their prices.

    Of quotes and books it covers all levels, of a book the trades beside it.
    """
    digest = hashlib.blake2b(digest_size=8)
    sources = {one.name: one.source for one in plan.exchanges}
    for stream in plan.streams:
        count = len(stream.bars.ts)
        digest.update(f"{stream.key} {count}".encode())
        if count:
            for column in stream.bars:
                digest.update(column[:: count // SAMPLED + 1].tobytes() + column[-1:].tobytes())
        if count and stream.key.timeframe in {"quotes", "book"}:
            asked = (stream.key.symbol, stream.key.timeframe, int(stream.bars.ts[0]), count)
            source = sources[stream.key.exchange]
            for column in (*source.levels(*asked)[1:], *source.prints(*asked)):
                digest.update(column[:: len(column) // SAMPLED + 1].tobytes() + column[-1:].tobytes())
    for leg in plan.legs:
        for key, rows in leg.bars.items():
            if key.asked:
                digest.update(f"{leg.own} {key} {len(rows.ts)}".encode())
                digest.update(rows.close[:: len(rows.ts) // SAMPLED + 1].tobytes())
    return digest.hexdigest()


def fills_of(outcome: Outcome) -> list[dict[str, Any]]:
    """Return every fill as plain values, oldest first, as a journal keeps them: only a guard's fill has a reason."""
    plan = outcome.plan
    found = []
    for row in outcome.fills.tolist():
        fill = dict(zip(c.FILL_COLUMNS, row, strict=True))
        leg = plan.legs[fill["leg"]]
        tick = plan.ticks[leg.declared.exchange, leg.declared.symbol]
        found.append(
            {
                "strategy": plan.strategies[leg.strategy].name,
                "exchange": leg.declared.exchange,
                "symbol": leg.declared.symbol,
                "side": fill["side"],
                "price": fill["ticks"] * tick,
                "amount": fill["lots"] * CASH,
                "cost": fill["cost"] * CASH,
                "fee": fill["fee"] * CASH,
                "ts": fill["ts_ms"],
                "maker": bool(fill["maker"]),
                "entry_id": fill["entry_id"],
                "reason": str(REASONS[fill["reason"]]) if fill["purpose"] == c.GUARD_ORDER else "",
            }
        )
    return found
