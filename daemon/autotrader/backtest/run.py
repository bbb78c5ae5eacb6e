"""One backtest from declarations to figures: which exchanges and strategies it takes, and what its tables mean."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from autotrader.backtest import world as c
from autotrader.backtest.engine import Outcome, Progress, prepare, simulate
from autotrader.backtest.plan import Exchange, Plan, Simulated, make_plan
from autotrader.backtest.result import CASH, PORTFOLIO, REASONS, Curve, LegInfo, Result, StrategyRun, Trades
from autotrader.backtest.summary import measured
from autotrader.config.load import Declarations
from autotrader.config.references import account_currency
from autotrader.config.strategy import StrategyParams
from autotrader.core.clock import iso
from autotrader.core.errors import AutotraderError
from autotrader.execution.declared import limits_of
from autotrader.market.bars import BarSource
from autotrader.market.fills import value
from autotrader.market.metrics import Metrics
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
    quote = account_currency(declarations.daemon, [declared])
    balance = declared.balances.get(quote, Decimal(0))
    bars, start_ms = source(name)
    return Exchange(
        name,
        declared.market,
        quote,
        declared.budget.amount if declared.budget else balance,
        balance,
        declared.fees.maker,
        declared.fees.taker,
        declared.slippage,
        declared.min_notional.amount if declared.min_notional else Decimal(0),
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
    strategies = [simulated(name, declarations.strategies[name], kinds) for name in chosen]
    used = {each for one in strategies for _, each in one.params.exchanges()}
    used |= {read.name for one in strategies for read in one.params.reads() if read.kind == "exchange"}
    exchanges = [exchange_of(name, declarations, source, metrics) for name in sorted(used)]
    return make_plan(exchanges, strategies, limits_of(declarations), from_ms, to_ms)


def simulated(name: str, params: StrategyParams, kinds: Mapping[str, Kind]) -> Simulated:
    """Return a declared strategy as the engine takes it."""
    return Simulated(name, kinds[params.kind], params)


def backtest(plan: Plan, config_hash: str = "", *, progress: Progress | None = None) -> Result:
    """Return the result of a plan. Its `seconds` are from bars in memory to metrics, without what is compiled once."""
    prepare(plan)
    began_s = time.perf_counter()
    outcome = simulate(plan, progress=progress)
    result = result_of(outcome, config_hash)
    measured(result)
    seconds = time.perf_counter() - began_s
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
    strategies = tuple(_strategy(outcome, number) for number in range(len(plan.strategies)))
    return Result(
        strategies=strategies,
        portfolio=_portfolio(outcome, strategies),
        legs=legs,
        trades=_trades(outcome),
        seconds=0.0,
        data_hash="",
        config_hash=config_hash,
        bars={number: streams[leg.own] for number, leg in enumerate(plan.legs)},
        notes=_notes(outcome),
    )


def _notes(outcome: Outcome) -> tuple[str, ...]:
    locked_ms = int(outcome.tables.w[c.RUN, c.LOCKED_AT_MS])
    if not locked_ms:
        return ()
    limit = outcome.plan.limits.max_drawdown
    return (f"max_drawdown ({limit}) locked the account at {iso(locked_ms)} UTC: nothing was entered after that",)


def _trades(outcome: Outcome) -> Trades:
    columns = outcome.trades.T.copy()  # the run's own list goes to the next run
    kinds = (np.int32, np.int8, *[np.int64] * 10, np.int8)
    return Trades._make(np.ascontiguousarray(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True))


def _worth(outcome: Outcome, strategy: int | None) -> Decimal:
    """Return what is still open at the last closes, in quote units; of one strategy, or of all."""
    w, f = outcome.tables.w, outcome.tables.f
    first = int(w[c.RUN, c.FIRST_LEG])
    total = 0
    for number, leg in enumerate(outcome.plan.legs):
        row = w[first + number]
        if int(row[c.LOTS]) and strategy in (None, leg.strategy):
            instrument = int(row[c.INSTRUMENT])
            ticks = int(f[instrument, c.LAST_PRICE] * f[instrument, c.PER_PRICE] + 0.5)
            total += value(int(row[c.LOTS]), ticks, int(w[instrument, c.UNIT]))
    return total * CASH


def _strategy(outcome: Outcome, number: int) -> StrategyRun:
    plan, row = outcome.plan, outcome.tables.w[int(outcome.tables.w[c.RUN, c.FIRST_STRATEGY]) + number]
    one = plan.strategies[number]
    mine = [leg for leg in plan.legs if leg.strategy == number]
    start = next(each.cash for each in plan.exchanges if each.name == mine[0].declared.exchange)
    bars = int(row[c.BARS])
    return StrategyRun(
        name=one.name,
        kind=one.params.kind,
        symbols=tuple(dict.fromkeys(leg.declared.symbol for leg in mine)),
        bars=bars,
        start_equity=start,
        final_equity=start + int(row[c.MONEY]) * CASH + _worth(outcome, number),
        curve=_curve(outcome, 1 + number, float(start)),
        fees=int(row[c.FEES_SUM]) * CASH,
        exposed=int(row[c.EXPOSED_BARS]) / bars if bars else 0.0,
        drawdown=_deepest(outcome, number),
    )


def _portfolio(outcome: Outcome, strategies: Sequence[StrategyRun]) -> StrategyRun:
    plan, w = outcome.plan, outcome.tables.w
    alone = len(strategies) == 1 and len(plan.exchanges) == 1
    first, count = int(w[c.RUN, c.FIRST_STRATEGY]), len(plan.strategies)
    start = sum((one.cash for one in plan.exchanges), Decimal(0))
    money = sum(int(each) for each in w[first : first + count, c.MONEY]) * CASH
    fees = sum(int(each) for each in w[first : first + count, c.FEES_SUM]) * CASH
    moments = int(w[c.RUN, c.MOMENTS])
    return StrategyRun(
        name=PORTFOLIO,
        kind=PORTFOLIO,
        symbols=tuple(dict.fromkeys(symbol for _, symbol in plan.instruments)),
        bars=sum(int(each) for each in w[first : first + count, c.BARS]),
        start_equity=start,
        final_equity=start + money + _worth(outcome, None),
        curve=strategies[0].curve if alone else _curve(outcome, 0, float(start)),
        fees=fees,
        exposed=int(w[c.RUN, c.EXPOSED_MOMENTS]) / moments if moments else 0.0,
        drawdown=float(outcome.tables.f[c.RUN, c.DRAWDOWN]),
    )


def _deepest(outcome: Outcome, number: int) -> float:
    row = c.RUN if len(outcome.plan.strategies) == 1 else int(outcome.tables.w[c.RUN, c.FIRST_STRATEGY]) + number
    return float(outcome.tables.f[row, c.DRAWDOWN])


def _curve(outcome: Outcome, column: int, start: float) -> Curve:
    ts = np.concatenate(([outcome.plan.start_ms], outcome.points_ms))
    equity = np.concatenate(([start], outcome.points[:, column]))
    keep = np.concatenate((ts[1:] > ts[:-1], [True]))  # of two points at one moment the later one
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
