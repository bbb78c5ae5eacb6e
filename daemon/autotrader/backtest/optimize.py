"""`autotrader optimize`: one search from a strategy's file to what it found, as a document and as tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotrader.backtest.engine import prepare
from autotrader.backtest.objective import Objective
from autotrader.backtest.run import backtest
from autotrader.backtest.search import Found, Told, Trial, Wanted, search
from autotrader.backtest.space import as_yaml, check_paths
from autotrader.backtest.summary import percent, ratio
from autotrader.backtest.trial import Bench, Question, code
from autotrader.backtest.trials import remembered
from autotrader.backtest.walk_forward import Fold, Walked, walk
from autotrader.backtest.workers import opened
from autotrader.core.clock import iso
from autotrader.core.language import Language

SHOWN = 10
"""Trials in the table that people read."""

TABLE = ("trades", "total_return", "max_drawdown", "sharpe", "profit_factor")
_PERCENT = frozenset({"total_return", "cagr", "volatility", "max_drawdown", "win_rate", "exposure", "average_trade"})


@dataclass(frozen=True)
class How:
    """Where trials are made and remembered (`study` None: nowhere), and how many folds are walked (0: none)."""

    workers: int = 0
    ray: str = ""
    folds: int = 0
    study: Path | None = None


@dataclass(frozen=True)
class Optimized:
    """What came of a search: `walked` is None where nobody asked to walk forward."""

    question: Question
    wanted: Wanted
    found: Found
    walked: Walked | None
    seconds: float
    study: Path | None


def optimize(
    question: Question,
    wanted: Wanted,
    how: How,
    told: Told | None = None,
    compiling: Callable[[float], None] | None = None,
) -> Optimized:
    """Return what a search finds. Raises AutotraderError for a path, a value or a place that cannot be.

    `compiling` hears of what is compiled once after an installation (see `turns.compiled`).
    """
    began_s = time.perf_counter()
    bench = Bench(question)
    start = bench.params({})
    check_paths(wanted.space, question.tree, start.model_dump(by_alias=True))
    prepare(bench.start, compiling)
    with remembered(how.study, code()) as trials, opened(question, how.workers, how.ray) as evaluate:
        found = search(bench, wanted, evaluate, trials, told)
        after = None if told is None else lambda done, best: told(wanted.trials + done, best)
        walked = walk(bench, wanted, how.folds, evaluate, trials, after) if how.folds else None
    seconds = time.perf_counter() - began_s
    return Optimized(question, wanted, found, walked, seconds, how.study)


def said(wanted: Wanted, best: Trial | None) -> str:
    """Return how the best trial so far is told beside a progress bar."""
    first = wanted.objectives[0].name
    return f"best {first.replace('_', ' ')} {_shown(first, best.tried.figures)}" if best else ""


def write_report(one: Optimized, path: Path, language: Language) -> None:
    """Write the page of the best trial's backtest, all trials counted; of the file as it stands where none has a score.

    A picture shows the search itself. Raises as `report.write_report` does.
    """
    from autotrader.backtest import report
    from autotrader.backtest.report_search import picture

    bench = Bench(one.question)
    result = backtest(bench.plan(bench.params(one.found.best[0].values if one.found.best else {})))
    luck = one.found.luck
    seen = picture(one.wanted, one.found)
    report.write_report(result, path, language, trials=luck.trials, variance=luck.variance, search=seen)


def tables(one: Optimized) -> Iterator[tuple[list[dict[str, str]], str]]:
    """Yield the tables that people read, each with what stands below it."""
    yield rows(one), footing(one)
    if one.walked is not None:
        yield fold_rows(one), walk_footing(one.walked)


def document(one: Optimized) -> dict[str, Any]:
    """Return the document of `optimize --json`. `trials` ran or were known, `counted` are all on this ground, ever."""
    found, over = one.found, one.found.overfitting
    return {
        "strategy": one.question.name,
        "objectives": [("" if each.high else "-") + each.name for each in one.wanted.objectives],
        "trials": len(found.trials) - found.refused,
        "refused": found.refused,
        "counted": found.luck.trials,
        "enumerated": found.enumerated,
        "best": _trial(one.question, found.best[0]) if found.best else None,
        "pareto": [_trial(one.question, each) for each in found.best] if len(one.wanted.objectives) > 1 else [],
        "deflated_sharpe": found.deflated_sharpe,
        "pbo": over.probability if over else None,
        "walk_forward": _walked(one.walked, one.wanted.objectives[0]) if one.walked else None,
        "seconds": one.seconds,
        "seed": one.wanted.seed,
        "study": str(one.study) if one.study else None,
    }


def _trial(question: Question, one: Trial) -> dict[str, Any]:
    metrics = {key: value for key, value in one.tried.figures.items() if key != "deflated_sharpe"}
    return {"params": one.values, "yaml": as_yaml(question.tree, one.values), "metrics": metrics}


def _walked(walked: Walked, first: Objective) -> dict[str, Any]:
    fall = walked.fall
    return {
        "folds": [
            {
                "inside": list(fold.stretch.inside),
                "outside": list(fold.stretch.outside),
                "params": fold.best.values if fold.best else None,
                first.name: {"inside": _inside(fold, first), "outside": _outside(fold, first)},
                "trades": fold.outside.figures.get("trades") if fold.outside else None,
                "total_return": fold.outside.figures.get("total_return") if fold.outside else None,
            }
            for fold in walked.folds
        ],
        "efficiency": walked.efficiency,
        "total_return": walked.total_return,
        "cagr": walked.growth,
        "sharpe": walked.sharpe,
        "max_drawdown": fall.depth if fall else None,
        "probability": walked.probability,
        "daily_returns": walked.daily.tolist(),
    }


def _inside(fold: Fold, first: Objective) -> float | None:
    return first.value(fold.best.tried.figures) if fold.best else None


def _outside(fold: Fold, first: Objective) -> float | None:
    return first.value(fold.outside.figures) if fold.outside else None


def rows(one: Optimized, trials: Sequence[Trial] | None = None) -> list[dict[str, str]]:
    """Return the table of the best trials, or of some: what was tried, what was sought, and what else to know."""
    names = dict.fromkeys((*(each.name for each in one.wanted.objectives), *TABLE))
    shown = one.found.ranked[:SHOWN] if trials is None else trials
    return [each.values | {name: _shown(name, each.tried.figures) for name in names} for each in shown]


def _shown(name: str, figures: Mapping[str, Any]) -> str:
    value = figures.get(name)
    if value is None:
        return "-"
    if isinstance(value, float):
        return percent(value) if name in _PERCENT else ratio(value)
    return str(value)


def fold_rows(one: Optimized) -> list[dict[str, str]]:
    """Return the table of a walk: each fold's best, and its first objective inside and outside."""
    first = one.wanted.objectives[0]
    made = []
    for fold in one.walked.folds if one.walked else ():
        outside = fold.outside.figures if fold.outside else {}
        line = {"from": _day(fold.stretch.outside.from_ms), "to": _day(fold.stretch.outside.to_ms)}
        line |= fold.best.values if fold.best else dict.fromkeys((each.path for each in one.wanted.space), "-")
        inside = fold.best.tried.figures if fold.best else {}
        line |= {f"{first.name} inside": _shown(first.name, inside), "outside": _shown(first.name, outside)}
        made.append(line | {name: _shown(name, outside) for name in ("trades", "total_return", "max_drawdown")})
    return made


def _day(ts_ms: int | None) -> str:
    return iso(ts_ms or 0)[:10]


def footing(one: Optimized) -> str:
    """Return what stands below the table: how far the best may be luck, and the lines for the file."""
    found, over = one.found, one.found.overfitting
    tried = len(found.trials) - found.refused
    lines = [f"{tried} trials in {one.seconds:.1f} s, seed {one.wanted.seed}"]
    lines[0] += ", every point of the space" if found.enumerated else ""
    lines[0] += f"; {found.refused} were no valid strategy" if found.refused else ""
    luck = f"{found.luck.trials} strategies were ever tried on these bars: "
    luck += f"the best is skill with a probability of {percent(found.deflated_sharpe)} (deflated Sharpe ratio)"
    lines.append(luck)
    lines.append(f"probability of backtest overfitting {percent(over.probability if over else None)}")
    if found.best:
        lines += ["", f"into strategies.d/{one.question.name}.yaml:", as_yaml(one.question.tree, found.best[0].values)]
    return "\n".join(lines)


def walk_footing(walked: Walked) -> str:
    """Return what stands below the folds: what the whole procedure would have earned."""
    fall = walked.fall
    kept = "" if walked.efficiency is None else f"; {walked.efficiency:.0%} of what was found inside was kept"
    return (
        f"outside, joined: return {percent(walked.total_return)}, drawdown {percent(fall.depth if fall else None)}, "
        f"sharpe {ratio(walked.sharpe)} (above zero with a probability of {percent(walked.probability)}){kept}"
    )
