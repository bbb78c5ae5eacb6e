"""Several backtests side by side: their figures in one table, their curves from one start over the time they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from autotrader.backtest.metrics import Metrics, measure
from autotrader.backtest.result import Curve, Result
from autotrader.backtest.summary import percent, ratio

HIGHER: Final = (
    "total_return", "cagr", "sharpe", "sortino", "calmar", "win_rate", "profit_factor", "average_trade",
    "deflated_sharpe",
)  # fmt: skip
LOWER: Final = ("max_drawdown", "volatility", "fees", "longest_drawdown_ms")
"""Figures of which more, and of which less, is better; of the others neither."""

_PERCENT: Final = frozenset(
    {"total_return", "cagr", "volatility", "max_drawdown", "win_rate", "exposure", "average_trade", "deflated_sharpe"}
)
_ROWS: Final = (
    "total_return", "cagr", "volatility", "max_drawdown", "sharpe", "sortino", "calmar", "trades", "win_rate",
    "profit_factor", "average_trade", "exposure", "fees", "final_equity", "deflated_sharpe",
)  # fmt: skip


class Compared(NamedTuple):
    """One run among others. `curve` begins at 1 where all of them have begun; empty if they share no time."""

    label: str
    result: Result
    metrics: Metrics
    curve: Curve


class Comparison(NamedTuple):
    """Runs in the order they were given. `best` names, for each figure that has one, the label of the best run.

    `same_data` is false where the runs saw other bars, so that figures compare markets as much as strategies.
    """

    runs: tuple[Compared, ...]
    best: Mapping[str, str]
    same_data: bool


def compare(results: Mapping[str, Result]) -> Comparison:
    """Return the runs of several results, by label; a run is the account as a whole. Raises ValueError for none.

    Figures are of each run's own whole time; only the curves are cut to the time that all share.
    """
    if not results:
        raise ValueError("there is nothing to compare: give at least one result")
    curves = shared([result.portfolio.curve for result in results.values()])
    runs = tuple(
        Compared(label, result, measure(result.portfolio, result.trades, result.legs), curve)
        for (label, result), curve in zip(results.items(), curves, strict=True)
    )
    best = {key: label for key in (*HIGHER, *LOWER) if (label := _best(runs, key)) is not None}
    return Comparison(runs, best, len({one.result.data_hash for one in runs}) == 1)


def shared(curves: list[Curve]) -> list[Curve]:
    """Return curves over the time that all have, each divided by its equity at the beginning of it."""
    if not all(len(curve.ts) for curve in curves):
        return [curve._replace(ts=curve.ts[:0], equity=curve.equity[:0]) for curve in curves]
    since = max(int(curve.ts[0]) for curve in curves)
    until = min(int(curve.ts[-1]) for curve in curves)
    if since > until:
        return shared([Curve(curve.ts[:0], curve.equity[:0]) for curve in curves])
    return [_rebased(curve, since, until) for curve in curves]


def _rebased(curve: Curve, since: int, until: int) -> Curve:
    begin = max(0, int(np.searchsorted(curve.ts, since, side="right")) - 1)  # what it had then, known at or before
    end = int(np.searchsorted(curve.ts, until, side="right"))
    base = curve.equity[begin] if begin < end else 0.0
    if not base > 0.0:
        return Curve(curve.ts[:0], curve.equity[:0])
    return Curve(np.maximum(curve.ts[begin:end], since), curve.equity[begin:end] / base)


def _best(runs: tuple[Compared, ...], key: str) -> str | None:
    known = [(float(value), one.label) for one in runs if (value := getattr(one.metrics, key)) is not None]
    if len(known) < 2 or len({value for value, _ in known}) == 1:
        return None
    return max(known)[1] if key in HIGHER else min(known)[1]


def rows(comparison: Comparison) -> list[dict[str, str]]:
    """Return the table that people read, for `core.table.table`: a row a figure, a column a run; `*` is the best."""
    return [
        {"figure": key.replace("_", " "), **{one.label: _cell(comparison, one, key) for one in comparison.runs}}
        for key in _ROWS
    ]


def _cell(comparison: Comparison, one: Compared, key: str) -> str:
    text = figure(key, one.metrics)
    return f"{text} *" if comparison.best.get(key) == one.label else text


def figure(key: str, metrics: Metrics) -> str:
    """Return one figure as people read it."""
    value = getattr(metrics, key)
    if key == "trades":
        return str(value)
    return percent(value) if key in _PERCENT else ratio(value)
