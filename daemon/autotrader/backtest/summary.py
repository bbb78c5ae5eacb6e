"""What `autotrader backtest` prints and writes of a result: the JSON document, the table, the trades as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, Final

from autotrader.backtest.metrics import Metrics, Shape, Tally, measure, shape, tally
from autotrader.backtest.result import REASONS, LegInfo, Result, Trades
from autotrader.core.clock import iso
from autotrader.core.units import plain, shown

FIGURES: Final = (
    "bars", "trades", "start_equity", "final_equity", "total_return", "cagr", "max_drawdown", "sharpe", "sortino",
    "calmar", "win_rate", "profit_factor", "exposure", "fees", "seconds", "deflated_sharpe",
)  # fmt: skip
"""What the JSON document tells of each run, after `name` and `symbols`."""

TRADE_COLUMNS: Final = (
    "strategy", "symbol", "side", "entry_ts", "entry_price", "exit_ts", "exit_price", "amount", "fees", "pnl", "reason",
)  # fmt: skip

PRICE_DIGITS = 12
"""Places to which an average price that never ends is cut."""


def measured(result: Result, *, trials: int = 1, variance: float = 0.0) -> dict[str, Metrics]:
    """Return the figures of every run by name, the portfolio last; the trials are as `metrics.measure` takes them."""
    shapes: dict[int, Shape] = {}  # a single strategy's curve is the portfolio's too,
    tallies: dict[int, tuple[Trades, Tally]] = {}  # and so are its trades
    figures = {}
    for run in result.runs:
        curve, trades = id(run.curve), result.trades_of(run.name)
        if curve not in shapes:
            shapes[curve] = shape(run.curve)
        if id(trades) not in tallies:
            tallies[id(trades)] = trades, tally(trades, result.legs)
        known, (_, tallied) = shapes[curve], tallies[id(trades)]
        figures[run.name] = measure(
            run, trades, result.legs, trials=trials, variance=variance, known=known, tallied=tallied
        )
    return figures


def document(result: Result, figures: Mapping[str, Metrics] | None = None) -> dict[str, Any]:
    """Return the document of `backtest --json`. Money is text, exact; fractions are numbers; null is undefined."""
    figures = figures or measured(result)
    runs = [
        {"name": run.name, "symbols": list(run.symbols), **_figures(figures[run.name], result.seconds)}
        for run in result.runs
    ]
    return {
        "strategies": runs[:-1],
        "portfolio": runs[-1],
        "data_hash": result.data_hash,
        "config_hash": result.config_hash,
    }


def _figures(metrics: Metrics, seconds: float) -> dict[str, Any]:
    known = metrics._asdict() | {"seconds": seconds}
    return {key: shown(known[key]) if isinstance(known[key], Decimal) else known[key] for key in FIGURES}


def rows(result: Result, figures: Mapping[str, Metrics] | None = None) -> list[dict[str, str]]:
    """Return the table that people read, for `core.table.table`: one row a run, the portfolio last where there are two.

    Fractions are percentages here, ratios have two places, an undefined figure is a dash.
    """
    figures = figures or measured(result)
    runs = result.runs if len(result.strategies) > 1 else result.strategies or result.runs
    return [{"name": run.name, **{title: show(figures[run.name]) for title, show in _COLUMNS.items()}} for run in runs]


def percent(value: float | None) -> str:
    """Return `12.34%`, or a dash for what is undefined."""
    return "-" if value is None else f"{value:.2%}"


def ratio(value: float | None) -> str:
    """Return `1.23`, or a dash for what is undefined."""
    return "-" if value is None else f"{value:.2f}"


_COLUMNS: Final[Mapping[str, Callable[[Metrics], str]]] = {
    "trades": lambda m: str(m.trades),
    "final_equity": lambda m: f"{m.final_equity:.2f}",
    "return": lambda m: percent(m.total_return),
    "cagr": lambda m: percent(m.cagr),
    "drawdown": lambda m: percent(m.max_drawdown),
    "sharpe": lambda m: ratio(m.sharpe),
    "sortino": lambda m: ratio(m.sortino),
    "calmar": lambda m: ratio(m.calmar),
    "win_rate": lambda m: percent(m.win_rate),
    "profit_factor": lambda m: ratio(m.profit_factor),
    "exposure": lambda m: percent(m.exposure),
    "fees": lambda m: f"{m.fees:.2f}",
    "deflated_sharpe": lambda m: percent(m.deflated_sharpe),
}


def footing(result: Result) -> str:
    """Return the line below the table: what was measured, and what to quote to have it again."""
    ts = result.portfolio.curve.ts
    span = f"{iso(int(ts[0]))} to {iso(int(ts[-1]))} UTC, " if len(ts) else ""
    bars = sum(run.bars for run in result.strategies)
    hashes = f"data {result.data_hash[:12]}, config {result.config_hash[:12]}"
    return f"{span}{bars} bars in {result.seconds:.3f} s; {hashes}"


def trade_rows(result: Result, trades: Trades | None = None) -> Iterator[tuple[str | int, ...]]:
    """Yield trades in order of exit as TRADE_COLUMNS; moments are UTC milliseconds, money, prices and amounts exact."""
    table = result.trades if trades is None else trades
    with localcontext(prec=60):
        for row in zip(*(column.tolist() for column in table), strict=True):
            yield _trade(result.legs[row[0]], Trades._make(row))


def _trade(leg: LegInfo, one: Any) -> tuple[str | int, ...]:
    """Return one trade; `one` holds the numbers of one row of `Trades`."""
    return (
        leg.strategy,
        leg.symbol,
        "long" if one.side > 0 else "short",
        one.entry_ms,
        price(leg, one.in_ticks * one.in_lots + one.in_rest, one.in_lots),
        one.exit_ms,
        price(leg, one.out_ticks * one.out_lots + one.out_rest, one.out_lots),
        plain(one.in_lots * leg.lot),
        plain(one.fees * leg.cash),
        plain(one.pnl * leg.cash),
        str(REASONS[one.reason]),
    )


def price(leg: LegInfo, value: int, lots: int) -> str:
    """Return the average price of fills; exact where it ends, else to PRICE_DIGITS places beyond the tick's."""
    if not lots:
        return "0"
    whole, rest = divmod(value, lots)
    if not rest:
        return plain(whole * leg.tick)
    return plain(round(Decimal(value) / lots, PRICE_DIGITS) * leg.tick)


def write_trades(result: Result, path: Path) -> None:
    """Write the trades of a result as CSV with a heading."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(TRADE_COLUMNS)
        writer.writerows(trade_rows(result))
