"""autotrader in the speed bench: YAML files, read and checked as a person's are, through the public engine.

Bars are in memory before the clock starts; plan, columns, simulation and every figure of the result lie inside.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
from harness import Run, serve
from workloads import (
    AVERAGES,
    FAST,
    FASTS,
    FEE,
    GRID_LEVELS,
    GRID_STEP,
    MAX_OPEN,
    RSI,
    RSI_BELOW,
    SLOW,
    SLOWS,
    STAKE,
    START_CASH,
    STOP,
    TAKE,
    TRAIL,
    WORKLOADS,
    Outcome,
)

from autotrader.app import declared
from autotrader.backtest.engine import simulate
from autotrader.backtest.grid import grid
from autotrader.backtest.plan import Plan, Simulated, make_plan
from autotrader.backtest.run import backtest, exchange_of, plan_of, result_of
from autotrader.backtest.summary import measured
from autotrader.backtest.world import FILL_COLUMNS
from autotrader.core.units import timeframe_ms
from autotrader.execution.declared import limits_of
from autotrader.market.bars import Columns, Funding
from autotrader.market.events import of_trades
from autotrader.market.history import decimals
from autotrader.strategies import registry
from market import Bars, bars, slices, trades

EXCHANGE = f"""
kind: simulated
market: spot
balances: {{CURRENCY: {START_CASH:.0f}}}
fees: {{maker: {FEE * 100:g}%, taker: {FEE * 100:g}%}}
slippage: 0bps
replay: REPLAY
"""
RULES = f"""
kind: rules
exchange: bench
symbols: [SYMBOLS]
timeframe: TIMEFRAME
capital: 100%
size: {{kind: fixed, amount: 1}}
let: {{fast: "ema(close, {FAST})", slow: "ema(close, {SLOW})"}}
enter_long: crosses_above(fast, slow)
exit_long: crosses_below(fast, slow)
on_remove: hold
"""
GUARDED = RULES.replace(
    "enter_long: crosses_above(fast, slow)",
    f"""\
enter_long: crosses_above(fast, slow) and rsi(close, {RSI}) < {RSI_BELOW:g}
exits: {{stop_loss: {STOP * 100:g}%, take_profit: {TAKE * 100:g}%, trailing_stop: {TRAIL * 100:g}%}}""",
)
MANY = RULES.replace("size: {kind: fixed, amount: 1}", f"size: {{kind: notional, amount: {STAKE:.0f} USD}}")
OTHERS = RULES.replace(f"ema(close, {FAST})", f"sma(close, {FAST})").replace(
    f"ema(close, {SLOW})", f"kama(close, {SLOW})"
)
GRID = f"""
kind: grid
exchange: bench
symbols: [SYMBOLS]
feed: trades
capital: 100%
size: {{kind: fixed, amount: 1}}
params: {{levels: {2 * GRID_LEVELS}, step: {GRID_STEP * 100:g}%}}
on_remove: hold
"""
LIMITS = "max_exposure: 100%\nmax_order: 100%\nprice_collar: 2%\n"
FEW = f"max_open_positions: {MAX_OPEN}\nmax_exposure: 100%\n"


class Memory:
    """Bars in memory as the engine takes them from any history."""

    def __init__(self, series: Mapping[str, Bars]) -> None:
        self._bars = {
            symbol: Columns(*(np.ascontiguousarray(column) for column in one)) for symbol, one in series.items()
        }
        self._bars = {symbol: one._replace(ts=one.ts.astype(np.int64)) for symbol, one in self._bars.items()}
        self._ticks = {symbol: Decimal(1).scaleb(-decimals(one)) for symbol, one in self._bars.items()}

    @property
    def fingerprint(self) -> str:
        return "memory"

    def symbols(self) -> tuple[str, ...]:
        return tuple(self._bars)

    def tick(self, symbol: str) -> Decimal:
        return self._ticks[symbol]

    def begin_ms(self, symbol: str, _timeframe: str) -> int:
        return int(self._bars[symbol].ts[0])

    def after(self, symbol: str, _timeframe: str, start_ms: int, limit: int) -> Columns:
        one = self._bars[symbol]
        first = int(np.searchsorted(one.ts, start_ms))
        return one.part(first, min(first + limit, len(one.ts)))

    def before(self, symbol: str, timeframe: str, end_ms: int, limit: int) -> Columns:
        one = self._bars[symbol]
        stop = int(np.searchsorted(one.ts, end_ms - timeframe_ms(timeframe), side="right"))
        return one.part(max(stop - limit, 0), stop)

    def funding(self, _symbol: str) -> Funding:
        return Funding(np.empty(0, np.int64), np.empty(0))


def files(strategy: str, limits: str, symbols: Sequence[str], timeframe: str) -> dict[str, str]:
    """Return a strategy and its limits as the files of a folder."""
    text = strategy.replace("SYMBOLS", ", ".join(symbols)).replace("TIMEFRAME", timeframe)
    return {"strategies.d/bench.yaml": text, "risk.d/default.yaml": limits or "{}\n"}


def written(root: Path, texts: Mapping[str, str], replay: str, currency: str) -> Path:
    """Write files and the exchange that they trade on, and return the folder."""
    exchange = EXCHANGE.replace("REPLAY", replay).replace("CURRENCY", currency)
    for name, text in {
        **texts,
        "autotrader.yaml": f"currency: {currency}\n",
        "exchanges.d/bench.yaml": exchange,
    }.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def prepared(strategy: str, limits: str, series: Callable[[], Mapping[str, Bars]]) -> Callable[[], Run]:
    """Return what prepares a run: files checked, bars in memory."""

    def prepare() -> Run:
        source = Memory({f"{symbol}/USD": one for symbol, one in series().items()})
        with tempfile.TemporaryDirectory() as folder:
            texts = files(strategy, limits, source.symbols(), "1m")
            declarations = declared(written(Path(folder), texts, "{exchange: bench}", "USD"))
        kinds = registry.kinds()

        def run() -> Outcome:
            result = backtest(plan_of(declarations, kinds, lambda _: (source, None)), declarations.hash)
            return Outcome(len(result.trades.pnl), float(result.portfolio.final_equity))

        return run

    return prepare


def resting() -> Run:
    """Prepare W5, whose trades are the fills of the grid's limit orders."""
    made = trades()
    source = Memory({"BTC/USD": of_trades(made.ts, made.price, np.ones(len(made.ts)))})
    with tempfile.TemporaryDirectory() as folder:
        texts = files(GRID, "max_exposure: 100%\n", source.symbols(), "1m")
        declarations = declared(written(Path(folder), texts, "{exchange: bench}", "USD"))
    kinds = registry.kinds()

    def run() -> Outcome:
        outcome = simulate(plan_of(declarations, kinds, lambda _: (source, None)))
        result = result_of(outcome)
        measured(result)
        rested = int((outcome.fills[:, FILL_COLUMNS.index("maker")] == 1).sum())
        return Outcome(rested, float(result.portfolio.final_equity))

    return run


def many() -> Run:
    """Prepare W3: every pair is a changed file, validated, planned and measured like any other."""
    source = Memory({"BTC/USD": bars(WORKLOADS["W3"].bars)})
    with tempfile.TemporaryDirectory() as folder:
        texts = files(RULES, LIMITS, source.symbols(), "1m")
        declarations = declared(written(Path(folder), texts, "{exchange: bench}", "USD"))
    kind = registry.kinds()["rules"]
    exchanges = [exchange_of("bench", declarations, lambda _: (source, None))]
    limits = limits_of(declarations)

    def plan(pair: tuple[int, int]) -> Plan:
        lets = dict(zip(("fast", "slow"), (f"ema(close, {span})" for span in pair), strict=True))
        params = declarations.strategies["bench"].model_copy(update={"let": lets})
        return make_plan(exchanges, [Simulated("bench", kind, params)], limits)

    def run() -> Outcome:
        trades, equity = 0, 0.0
        for result in grid(map(plan, itertools.product(FASTS, SLOWS)), 2):
            measured(result)
            trades += len(result.trades.pnl)
            equity += float(result.portfolio.final_equity)
        return Outcome(trades, equity / (len(FASTS) * len(SLOWS)))

    return run


def one() -> Mapping[str, Bars]:
    return {"BTC": bars()}


if __name__ == "__main__":
    serve(
        "autotrader",
        {
            "W1": prepared(RULES, LIMITS, one),
            AVERAGES: prepared(OTHERS, LIMITS, one),
            "W2": prepared(GUARDED, LIMITS, one),
            "W3": many,
            "W4": prepared(MANY, FEW, slices),
            "W5": resting,
        },
    )
