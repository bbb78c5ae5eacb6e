"""The parts of a report that are text and tables, as HTML. Pure; values are escaped where they enter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from autotrader.backtest.compare import Comparison
from autotrader.backtest.metrics import Metrics
from autotrader.backtest.montecarlo import PERCENTILES, MonteCarlo
from autotrader.backtest.report_data import Month
from autotrader.backtest.result import REASONS, LegInfo, Result, Trades, trade_returns
from autotrader.backtest.summary import percent, ratio
from autotrader.core import figures as fig
from autotrader.core.language import Dictionary

MAX_ROWS = 12
"""Of a table of groups; the rest is counted."""

FULL_HEAT = 0.15
"""A month's return at which its colour is full."""

Cells = Sequence[tuple[str, str]]
"""Cells as (class, HTML)."""


def tiles(words: Dictionary, metrics: Metrics, hold: float | None, trials: int) -> str:
    """Return the figures that are read first, each with a second line that puts it in proportion."""
    m = metrics
    start, final = fig.money(m.start_equity), fig.money(m.final_equity)
    sure = m.deflated_sharpe
    fee_share = float(m.fees / m.start_equity) if m.start_equity > 0 else None
    held = words("tile.hold", share=fig.share(hold)) if hold is not None else ""
    won = words("tile.wins", share=_percent(m.win_rate)) if m.trades else ""
    streak = words("tile.streak", count=m.losses_in_a_row) if m.trades else ""
    told = [
        ("total_return", fig.share(m.total_return), held, m.total_return),
        ("cagr", fig.share(m.cagr), words("tile.money", start=start, final=final), m.cagr),
        ("max_drawdown", _fall(m.max_drawdown), _longest(words, m), None),
        ("sharpe", _ratio(m.sharpe), words("tile.volatility", share=_percent(m.volatility)), None),
        ("sortino", _ratio(m.sortino), words("tile.downside"), None),
        ("calmar", _ratio(m.calmar), words("tile.per_drawdown"), None),
        ("trades", f"{m.trades:,}", won, None),
        ("profit_factor", _ratio(m.profit_factor), streak, None),
        ("average_trade", fig.share(m.average_trade), _extremes(words, m), m.average_trade),
        ("exposure", _percent(m.exposure), _holding(words, m), None),
        ("fees", fig.money(m.fees), words("tile.fee_share", share=_percent(fee_share)), None),
        ("deflated_sharpe", _percent(sure), _trials(words, trials), None),
    ]  # fmt: skip
    return "".join(_tile(words(key), value, note, toned) for key, value, note, toned in told)


def _tile(label: str, value: str, note: str, toned: float | None) -> str:
    return (
        f'<div class="tile"><span class="label">{escape(label)}</span>'
        f'<b class="{fig.direction(toned)}">{escape(value)}</b><small>{escape(note)}</small></div>'
    )


def _longest(words: Dictionary, m: Metrics) -> str:
    return "" if m.longest_drawdown_ms is None else words("tile.longest", time=_time(m.longest_drawdown_ms))


def _extremes(words: Dictionary, m: Metrics) -> str:
    if not m.trades:
        return ""
    return words("tile.extremes", best=fig.share(m.best_trade, 1), worst=fig.share(m.worst_trade, 1))


def _holding(words: Dictionary, m: Metrics) -> str:
    return "" if m.average_holding_ms is None else words("tile.holding", time=_time(m.average_holding_ms))


def _trials(words: Dictionary, trials: int) -> str:
    return words("tile.one_trial") if trials == 1 else words("tile.trials", count=f"{trials:,}")


def _time(length_ms: int) -> str:
    return fig.length(length_ms / 1000)


def _percent(value: float | None) -> str:
    return fig.NOTHING if value is None else percent(value).replace("-", fig.MINUS)


def _ratio(value: float | None) -> str:
    return fig.NOTHING if value is None else ratio(value).replace("-", fig.MINUS)


def _fall(value: float | None) -> str:
    return fig.share(None if value is None else -value)


def months(words: Dictionary, gains: Sequence[Month]) -> str:
    """Return the table of months by year, coloured by return, with each year's product."""
    if not gains:
        return f'<p class="none">{words("none.months")}</p>'
    known = {(one.year, one.month): one.gain for one in gains}
    head = "".join(f'<th scope="col">{number}</th>' for number in range(1, 13))
    rows = []
    for year in range(gains[0].year, gains[-1].year + 1):
        of_year = [known.get((year, month)) for month in range(1, 13)]
        total = float(np.prod([1.0 + gain for gain in of_year if gain is not None])) - 1.0
        cells = "".join(_heat(gain) for gain in of_year)
        rows.append(f'<tr><th scope="row">{year}</th>{cells}{_heat(total, 3 * FULL_HEAT, "whole")}</tr>')
    title = f'<th scope="col">{words("year")}</th>{head}<th scope="col">{words("whole_year")}</th>'
    return f'<div class="scroll"><table class="heat"><thead><tr>{title}</tr></thead>{"".join(rows)}</table></div>'


def _heat(gain: float | None, full: float = FULL_HEAT, kind: str = "") -> str:
    if gain is None:
        return '<td class="blank"></td>'
    strength = round(min(1.0, abs(gain) / full) * 62)
    tone = "down" if gain < 0 else "up"
    shown = fig.share(gain, 1).removesuffix("%")
    return f'<td class="{kind}" style="--tone: var(--{tone}); --strength: {strength}%">{shown}</td>'


def groups(words: Dictionary, legs: tuple[LegInfo, ...], trades: Trades) -> Mapping[str, str]:
    """Return tables of trades by reason, by symbol and by side."""
    symbols = sorted({leg.symbol for leg in legs})
    of_leg = np.array([symbols.index(leg.symbol) for leg in legs], dtype=np.int64)
    reasons = [words.of("reason", str(reason)) for reason in REASONS]
    sides = [words("side.short"), words("side.long")]
    return {
        "by_reason": _group(words, "col.reason", reasons, trades.reason.astype(np.int64), legs, trades),
        "by_side": _group(words, "col.side", sides, (trades.side > 0).astype(np.int64), legs, trades),
        "by_symbol": _group(words, "col.symbol", symbols, of_leg[trades.leg], legs, trades),
    }


def _group(
    words: Dictionary,
    title: str,
    names: Sequence[str],
    group: npt.NDArray[np.int64],
    legs: tuple[LegInfo, ...],
    trades: Trades,
) -> str:
    if not len(group):
        return f'<p class="none">{words("none.trades")}</p>'
    cash = np.array([float(leg.cash) for leg in legs])
    pnl = trades.pnl * cash[trades.leg]
    count, won, earned, gains = (
        np.bincount(group, weights=weights, minlength=len(names))
        for weights in (None, trades.pnl > 0, pnl, trade_returns(legs, trades))
    )
    order = sorted(np.flatnonzero(count).tolist(), key=lambda index: (-count[index], names[index]))
    rows = [
        [
            ("", escape(names[i])),
            ("num", f"{int(count[i]):,}"),
            ("num", f"{won[i] / count[i]:.0%}"),
            ("num wide", f'<span class="{fig.direction(gains[i])}">{fig.share(gains[i] / count[i])}</span>'),
            ("num", f'<span class="{fig.direction(earned[i])}">{fig.signed(earned[i])}</span>'),
        ]
        for i in order[:MAX_ROWS]
    ]
    heads = [
        ("", title), ("num", "trades"), ("num", "win_rate"), ("num wide", "average_trade"), ("num", "col.pnl"),
    ]  # fmt: skip
    more = len(order) - MAX_ROWS
    rest = f'<p class="none">{words("more", count=more)}</p>' if more > 0 else ""
    return _table([(kind, words(key)) for kind, key in heads], rows) + rest


def _table(heads: Cells, rows: Iterable[Cells]) -> str:
    top = "".join(f'<th scope="col" class="{kind}">{text}</th>' for kind, text in heads)
    body = "".join(
        "<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in cells) + "</tr>" for cells in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


_OF_STRATEGY: Sequence[tuple[str, str, Callable[[Metrics], str]]] = (
    ("trades", "num", lambda m: f"{m.trades:,}"),
    ("total_return", "num", lambda m: _toned(m.total_return)),
    ("cagr", "num wide", lambda m: _toned(m.cagr)),
    ("max_drawdown", "num", lambda m: _fall(m.max_drawdown)),
    ("sharpe", "num", lambda m: _ratio(m.sharpe)),
    ("sortino", "num wider", lambda m: _ratio(m.sortino)),
    ("calmar", "num wider", lambda m: _ratio(m.calmar)),
    ("win_rate", "num wide", lambda m: _percent(m.win_rate)),
    ("profit_factor", "num wide", lambda m: _ratio(m.profit_factor)),
    ("exposure", "num wider", lambda m: _percent(m.exposure)),
    ("fees", "num wider", lambda m: fig.money(m.fees)),
    ("deflated_sharpe", "num wider", lambda m: _percent(m.deflated_sharpe)),
)


def _toned(value: float | None) -> str:
    return f'<span class="{fig.direction(value)}">{fig.share(value)}</span>'


def strategies(words: Dictionary, result: Result, figures: Mapping[str, Metrics]) -> str:
    """Return the strategies side by side, the account as a whole below them."""
    heads = [("", words("col.strategy")), *((kind, words(key)) for key, kind, _ in _OF_STRATEGY)]
    rows = []
    for run in result.runs:
        whole = run is result.portfolio
        name = f"<b>{words('portfolio')}</b>" if whole else f"{escape(run.name)}<small>{escape(run.kind)}</small>"
        rows.append([("name", name), *((kind, show(figures[run.name])) for _, kind, show in _OF_STRATEGY)])
    return _table(heads, rows)


def likely(words: Dictionary, resampled: MonteCarlo, reshuffled: MonteCarlo) -> str:
    """Return the percentiles of final equity and drawdown, and the chances of a loss and of ruin."""
    final, fall = resampled.percentiles(resampled.final), resampled.percentiles(resampled.max_drawdown)
    order = reshuffled.percentiles(reshuffled.max_drawdown)
    heads = [
        ("", words("percentile")),
        ("num", words("final_equity")),
        ("num", words("max_drawdown")),
        ("num", f"{words('max_drawdown')}<small>{words('reshuffled')}</small>"),
    ]
    rows = [
        [
            ("", words("percentile_n", n=one)),
            ("num", fig.money(final[one])),
            ("num", _fall(fall[one])),
            ("num", _fall(order[one])),
        ]
        for one in PERCENTILES
    ]
    chances = (
        (words("loss_chance"), _percent(resampled.loss)),
        (words("ruin_chance", share=f"{1 - resampled.ruin_level:.0%}"), _percent(resampled.ruin)),
    )
    told = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in chances)
    return f"{_table(heads, rows)}<dl>{told}</dl>"


_ALL: Sequence[tuple[str, Callable[[Metrics], str]]] = (
    ("start_equity", lambda m: fig.money(m.start_equity)),
    ("final_equity", lambda m: fig.money(m.final_equity)),
    ("total_return", lambda m: fig.share(m.total_return)),
    ("cagr", lambda m: fig.share(m.cagr)),
    ("volatility", lambda m: _percent(m.volatility)),
    ("max_drawdown", lambda m: _fall(m.max_drawdown)),
    ("longest_drawdown_ms", lambda m: fig.NOTHING if m.longest_drawdown_ms is None else _time(m.longest_drawdown_ms)),
    ("sharpe", lambda m: _ratio(m.sharpe)),
    ("sortino", lambda m: _ratio(m.sortino)),
    ("calmar", lambda m: _ratio(m.calmar)),
    ("deflated_sharpe", lambda m: _percent(m.deflated_sharpe)),
    ("trades", lambda m: f"{m.trades:,}"),
    ("win_rate", lambda m: _percent(m.win_rate)),
    ("profit_factor", lambda m: _ratio(m.profit_factor)),
    ("average_trade", lambda m: fig.share(m.average_trade)),
    ("average_win", lambda m: fig.share(m.average_win)),
    ("average_loss", lambda m: fig.share(m.average_loss)),
    ("best_trade", lambda m: fig.share(m.best_trade)),
    ("worst_trade", lambda m: fig.share(m.worst_trade)),
    ("losses_in_a_row", lambda m: str(m.losses_in_a_row)),
    ("average_holding_ms", lambda m: fig.NOTHING if m.average_holding_ms is None else _time(m.average_holding_ms)),
    ("exposure", lambda m: _percent(m.exposure)),
    ("fees", lambda m: fig.money(m.fees)),
    ("bars", lambda m: f"{m.bars:,}"),
)


def details(words: Dictionary, metrics: Metrics) -> str:
    """Return every figure of the account as pairs."""
    pairs = "".join(f"<div><dt>{words(key)}</dt><dd>{show(metrics)}</dd></div>" for key, show in _ALL)
    return f'<dl class="many">{pairs}</dl>'


def definitions(words: Dictionary, *, whole: bool) -> str:
    """Return how figures are defined; `whole` for a report of one run, which has more of them."""
    keys = ["cagr", "max_drawdown", "sharpe", "sortino", "calmar", "profit_factor", "deflated_sharpe"]
    keys += ["hold", "monte_carlo"] if whole else []
    told = "".join(f"<div><dt>{words(key)}</dt><dd>{words(f'def.{key}')}</dd></div>" for key in keys)
    return f'<p>{words("def.returns")}</p><dl class="defined">{told}</dl>'


def compared(words: Dictionary, comparison: Comparison) -> str:
    """Return figures by run, the best of each row marked."""
    heads = [("", words("figure")), *(("num", escape(one.label)) for one in comparison.runs)]
    keys = [key for key, _ in _ALL if key not in {"bars", "start_equity"}]
    shows = dict(_ALL)
    rows = [
        [
            ("", words(key)),
            *(
                ("num best" if comparison.best.get(key) == one.label else "num", escape(shows[key](one.metrics)))
                for one in comparison.runs
            ),
        ]
        for key in keys
    ]
    return _table(heads, rows)
