"""autotrader in the speed bench: YAML files, read and checked as a person's are, through the public engine.

Bars are in memory before the clock starts; plan, columns, simulation and every figure of the result lie inside.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import numpy as np
from harness import Run, serve
from workloads import FAST, FEE, MAX_OPEN, RSI, RSI_BELOW, SLOW, STAKE, START_CASH, STOP, TAKE, TRAIL, Outcome

from autotrader.app import declared
from autotrader.backtest.run import backtest, plan_of
from autotrader.market.bars import Columns, Funding
from autotrader.market.history import decimals
from autotrader.strategies import registry
from market import Bars, bars, slices

EXCHANGE = f"""
kind: simulated
market: spot
balances: {{USD: {START_CASH:.0f}}}
fees: {{maker: {FEE * 100:g}%, taker: {FEE * 100:g}%}}
slippage: 0bps
replay: {{exchange: bench}}
"""
RULES = f"""
kind: rules
exchange: bench
symbols: [SYMBOLS]
timeframe: 1m
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
AVERAGES = RULES.replace(f"ema(close, {FAST})", f"sma(close, {FAST})").replace(
    f"ema(close, {SLOW})", f"kama(close, {SLOW})"
)
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

    def before(self, symbol: str, _timeframe: str, end_ms: int, limit: int) -> Columns:
        one = self._bars[symbol]
        stop = int(np.searchsorted(one.ts, end_ms - 60_000, side="right"))
        return one.part(max(stop - limit, 0), stop)

    def funding(self, _symbol: str) -> Funding:
        return Funding(np.empty(0, np.int64), np.empty(0))


def prepared(strategy: str, limits: str, series: Callable[[], Mapping[str, Bars]]) -> Callable[[], Run]:
    """Return what prepares a run: files checked, bars in memory."""

    def prepare() -> Run:
        source = Memory({f"{symbol}/USD": one for symbol, one in series().items()})
        text = strategy.replace("SYMBOLS", ", ".join(source.symbols()))
        files = {
            "autotrader.yaml": "currency: USD\n",
            "exchanges.d/bench.yaml": EXCHANGE,
            "risk.d/default.yaml": limits,
        }
        with tempfile.TemporaryDirectory() as folder:
            for name, content in {**files, "strategies.d/bench.yaml": text}.items():
                path = Path(folder) / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(content, encoding="utf-8")
            declarations = declared(Path(folder))
        kinds = registry.kinds()

        def run() -> Outcome:
            result = backtest(plan_of(declarations, kinds, lambda _: (source, None)), declarations.hash)
            return Outcome(len(result.trades.pnl), float(result.portfolio.final_equity))

        return run

    return prepare


def one() -> Mapping[str, Bars]:
    return {"BTC": bars()}


if __name__ == "__main__":
    serve(
        "autotrader",
        {
            "W1": prepared(RULES, LIMITS, one),
            "W2": prepared(GUARDED, LIMITS, one),
            "W4": prepared(MANY, FEW, slices),
        },
    )
