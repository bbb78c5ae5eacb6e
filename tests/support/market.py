"""Bars in memory as a backtest's history, and the shortest way to run strategies over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from autotrader.backtest.engine import Outcome, simulate
from autotrader.backtest.plan import Exchange, Plan, Simulated, make_plan
from autotrader.core.units import timeframe_ms
from autotrader.market.bars import Columns, Funding, aggregate
from autotrader.risk.limits import Limits
from autotrader.strategies import registry

D = Decimal
START_MS = 1_704_067_200_000
MINUTE_MS = 60_000


class Memory:
    """A history of one-minute bars in memory; longer ones are made of them. Ticks are cents."""

    def __init__(
        self, series: Mapping[str, Columns], base: str = "1m", rates: Sequence[tuple[int, float]] = ()
    ) -> None:
        self._series, self._base, self._rates = dict(series), base, rates

    @property
    def fingerprint(self) -> str:
        return "memory"

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._series))

    def tick(self, _symbol: str) -> Decimal:
        return D("0.01")

    def bars(self, symbol: str, timeframe: str) -> Columns:
        one = self._series[symbol]
        return one if timeframe == self._base else aggregate(one, self._base, timeframe)

    def begin_ms(self, symbol: str, timeframe: str) -> int:
        return int(self.bars(symbol, timeframe).ts[0])

    def after(self, symbol: str, timeframe: str, start_ms: int, limit: int) -> Columns:
        one = self.bars(symbol, timeframe)
        first = int(np.searchsorted(one.ts, start_ms))
        return one.part(first, min(first + limit, len(one.ts)))

    def before(self, symbol: str, timeframe: str, end_ms: int, limit: int) -> Columns:
        one = self.bars(symbol, timeframe)
        stop = int(np.searchsorted(one.ts, end_ms - timeframe_ms(timeframe), side="right"))
        return one.part(max(stop - limit, 0), stop)

    def funding(self, _symbol: str) -> Funding:
        ts, rates = zip(*self._rates, strict=True) if self._rates else ((), ())
        return Funding(np.array(ts, dtype=np.int64), np.array(rates, dtype=np.float64))


def candles(rows: Sequence[tuple[float, float, float, float]], minutes: Sequence[int] = ()) -> Columns:
    """Return one-minute bars of (open, high, low, close); `minutes` says at which minute each opens."""
    at = minutes or range(len(rows))
    prices = np.array(rows, dtype=np.float64)
    ts = START_MS + MINUTE_MS * np.array(at, dtype=np.int64)
    return Columns(ts, *(np.ascontiguousarray(prices[:, n]) for n in range(4)), np.ones(len(rows)))


def planned(
    series: Mapping[str, Columns] | Columns,
    strategies: Mapping[str, Mapping[str, Any]] | Mapping[str, Any],
    *,
    limits: Limits = Limits(),  # noqa: B008 - a NamedTuple cannot change
    rates: Sequence[tuple[int, float]] = (),
    **exchange: Any,
) -> Plan:
    """Return the plan of strategies (or one, as `a`) over bars (or those of X/USDT alone), for 10,000 USDT, no fees."""
    bars = {"X/USDT": series} if isinstance(series, Columns) else dict(series)
    named = {"a": strategies} if "enter_long" in strategies or "exposure" in strategies else strategies
    kind = registry.kinds()["rules"]
    usual = {
        "kind": "rules",
        "exchange": "sim",
        "symbols": ["X/USDT"],
        "timeframe": "1m",
        "capital": "100%",
        "size": {"kind": "fixed", "amount": 1},
        "on_remove": "hold",
    }
    simulated = [Simulated(name, kind, kind.Params.model_validate(usual | dict(one))) for name, one in named.items()]
    terms: dict[str, Any] = {
        "market": "spot",
        "cash": D(10_000),
        "maker": D(0),
        "taker": D(0),
        "slippage": D(0),
        "min_notional": D(0),
        "latency_ms": 0,
        "leverage": 1,
    } | exchange
    venue = Exchange(
        "sim",
        terms["market"],
        "USDT",
        terms["cash"],
        terms["cash"],
        terms["maker"],
        terms["taker"],
        terms["slippage"],
        terms["min_notional"],
        terms["latency_ms"],
        terms["leverage"],
        Memory(bars, rates=rates),
    )
    return make_plan([venue], simulated, limits)


def run(
    series: Mapping[str, Columns] | Columns,
    strategies: Mapping[str, Mapping[str, Any]] | Mapping[str, Any],
    *,
    compiled: bool = True,
    **more: Any,
) -> Outcome:
    """Run what `planned` takes."""
    return simulate(planned(series, strategies, **more), compiled=compiled)
