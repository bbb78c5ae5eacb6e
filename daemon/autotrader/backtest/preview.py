"""A reload before it happens, over recent history: each strategy as it runs beside what its file says now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from autotrader.backtest.summary import document, percent
from autotrader.config.diff import diff
from autotrader.config.load import Declarations
from autotrader.core.clock import iso
from autotrader.core.errors import AutotraderError
from autotrader.core.units import timeframe_ms

MAX_BARS = 50_000
"""Bars of one strategy's own timeframe that a preview looks at, the newest."""

LIMIT_S = 5.0
"""How long a preview takes before it leaves out what is left."""

FIGURES = ("total_return", "max_drawdown", "sharpe", "trades")

Backtest = Callable[[Declarations, str, int, Callable[[float], None]], Any]
"""Returns the result of one declared strategy alone, from a moment on; told the share of its work that is done."""


class Overdue(AutotraderError):
    """The time for a preview is over."""


class Preview(NamedTuple):
    """`strategies` holds one entry a strategy that the reload touches; `error` says why there is none, or not all."""

    strategies: list[dict[str, Any]]
    from_ms: int
    until_ms: int
    error: str


def preview(
    old: Declarations, new: Declarations, until_ms: int, span_ms: int, backtest: Backtest, clock_s: Callable[[], float]
) -> Preview:
    """Return what the touched strategies would have done before `until_ms`, each alone with the whole account."""
    began_s = 0.0

    def in_time(_: float) -> None:
        nonlocal began_s
        began_s = began_s or clock_s()  # compiling what was never run before is no part of it
        if clock_s() > began_s + LIMIT_S:
            raise Overdue(f"only what {LIMIT_S:.0f} s were enough for is shown")

    found: list[dict[str, Any]] = []
    error = ""
    for name, change in _touched(old, new):
        sides: dict[str, Any] = {}
        for side, declared in (("old", old), ("new", new)):
            if name not in declared.strategies:
                sides[side] = None
                continue
            try:
                if began_s:
                    in_time(0.0)
                result = backtest(declared, name, _from(declared, name, until_ms, span_ms), in_time)
            except AutotraderError as problem:
                sides[side] = None
                error = error or f"{name}, {side}: {problem}"
                continue
            figures = document(result)["strategies"][0]
            sides[side] = {key: figures[key] for key in FIGURES}
        found.append({"strategy": name, "change": change, **sides, "difference": _difference(sides)})
    return Preview(found, until_ms - span_ms, until_ms, error)


def _touched(old: Declarations, new: Declarations) -> Iterator[tuple[str, str]]:
    """Yield every strategy that is added, changed or removed."""
    touched = diff(old, new).strategies
    named = dict.fromkeys(touched.added, "added") | dict.fromkeys(touched.removed, "removed")
    yield from sorted((named | dict.fromkeys(touched.changed, "changed")).items())


def _from(declared: Declarations, name: str, until_ms: int, span_ms: int) -> int:
    timeframe = getattr(declared.strategies[name], "timeframe", "1m")
    return until_ms - min(span_ms, MAX_BARS * timeframe_ms(timeframe))


def _difference(sides: dict[str, Any]) -> dict[str, Any] | None:
    old, new = sides["old"], sides["new"]
    if old is None or new is None:
        return None
    return {key: None if None in (old[key], new[key]) else new[key] - old[key] for key in FIGURES}


def heading(made: Preview) -> str:
    """Return what a preview is of, and what is missing in it."""
    span = f", {iso(made.from_ms)} to {iso(made.until_ms)} UTC, each alone" if made.strategies else ""
    return f"preview{span}:" + (f" {made.error}" if made.error else "")


def rows(made: Preview) -> list[dict[str, str]]:
    """Return the table that people read: old, new and the difference of each figure."""
    return [
        {
            "strategy": one["strategy"],
            "change": one["change"],
            **{name: _shown(one, key, show) for name, (key, show) in COLUMNS.items()},
        }
        for one in made.strategies
    ]


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "return": ("total_return", percent),
    "drawdown": ("max_drawdown", percent),
    "sharpe": ("sharpe", _ratio),
    "trades": ("trades", _count),
}


def _shown(one: dict[str, Any], key: str, show: Callable[[Any], str]) -> str:
    old, new = ("-" if one[side] is None else show(one[side][key]) for side in ("old", "new"))
    change = one["difference"] and one["difference"][key]
    signed = f" ({'+' if change > 0 else ''}{show(change)})" if change else ""
    return f"{old} -> {new}{signed}"
