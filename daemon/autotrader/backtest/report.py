"""One backtest, or several compared, as one HTML file that needs no network: it can be mailed, archived and printed."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from autotrader.backtest import report_data as data
from autotrader.backtest import report_html as part
from autotrader.backtest.compare import Comparison, compare
from autotrader.backtest.echarts import script as charts_script
from autotrader.backtest.montecarlo import monte_carlo
from autotrader.backtest.notes import notes
from autotrader.backtest.report_words import TEXTS
from autotrader.backtest.result import REASONS, Result, StrategyRun, trade_returns
from autotrader.backtest.summary import measured
from autotrader.core import figures as fig
from autotrader.core.clock import DAY_MS, iso
from autotrader.core.language import Dictionary, Language
from autotrader.core.look import CHOSEN_TOKENS, ICON

if TYPE_CHECKING:
    from autotrader.backtest.report_search import Picture

ASSETS = Path(__file__).parent / "assets"
PATHS = 1_000
"""Of the Monte Carlo in a report."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; font-src data:"
"""The browser itself refuses whatever a report would want to load."""

_SCRIPT_WORDS = (
    "all", "drawdown", "whole_chart", "trade_number", "candle_width", "previous", "next", "page_of", "nothing_matches",
    "opened", "high", "low", "closed", "side.long", "side.short", "trades", "median", "band", "col.pnl", "col.gain",
    "col.reason", "col.entry", "col.exit", "trade_count", "winners", "losers", "search.refused", "search.undefined",
)  # fmt: skip


def write_report(
    result: Result,
    path: Path,
    language: Language = "en",
    *,
    trials: int = 1,
    variance: float = 0.0,
    seed: int = 0,
    compound: bool = True,
    search: Picture | None = None,
) -> None:
    """Write a result as a page. The same result gives the same bytes.

    `trials` and `variance` are what `metrics.measure` takes, `seed` and `compound` the Monte Carlo's; `search` is what
    the result was found by. Raises AutotraderError where the charts' program is missing, OSError where the file cannot
    be written.
    """
    page = report(result, language, trials=trials, variance=variance, seed=seed, compound=compound, search=search)
    path.write_text(page, encoding="utf-8")


def write_comparison(results: Mapping[str, Result], path: Path, language: Language = "en") -> None:
    """Write several results, by label, as one page. Raises as `write_report`, and ValueError for none."""
    path.write_text(comparison_page(compare(results), language), encoding="utf-8")


def report(
    result: Result,
    language: Language = "en",
    *,
    trials: int = 1,
    variance: float = 0.0,
    seed: int = 0,
    compound: bool = True,
    search: Picture | None = None,
) -> str:
    """Return the page of one result."""
    words = Dictionary(language, TEXTS)
    figures = measured(result, trials=trials, variance=variance)
    whole = figures[result.portfolio.name]
    names = {key: words(key) for key in ("equity", "portfolio", "hold")}
    lines = data.equity_lines(result, names)
    hold = next((line["y"][-1] / line["y"][0] - 1 for line in lines if line.get("hold")), None)
    grouped = part.groups(words, result.legs, result.trades)
    markets, listed = data.candles(result), data.trade_list(result)
    chance, chance_html = _chance(words, result, seed, compound=compound)
    several = len(result.strategies) > 1
    content = {
        "lines": lines,
        "falls": [data.line(words("drawdown"), data.underwater(result.portfolio.curve), whole=True)],
        "markets": markets,
        "trades": listed,
        "legs": data.legs(result),
        "reasons": data.reasons([words.of("reason", str(reason)) for reason in REASONS]),
        "histogram": data.histogram(trade_returns(result.legs, result.trades)),
        "fan": chance,
        "search": search and _told(words, search),
        "words": {key: TEXTS[key]._asdict()[language] for key in _SCRIPT_WORDS},
    }
    has_trades = listed["total"] > 0
    body = [
        *(f'<p class="banner warn">{escape(note)}</p>' for note in notes(result, language)),
        f'<section class="tiles">{part.tiles(words, whole, hold, trials)}</section>',
        _search(words, search) if search else "",
        _equity(words, several=several),
        _panel(words("by_strategy"), part.strategies(words, result, figures), "wide") if several else "",
        _panel(words("monthly"), part.months(words, data.monthly(result.portfolio.curve)), "wide", "%"),
        _candles(words) if markets and has_trades else "",
        _trade_list(words, listed) if has_trades else "",
        *_taken_apart(words, grouped, some=has_trades),
        chance_html,
        _panel(words("details"), part.details(words, whole), "wide"),
        _panel(words("definitions"), part.definitions(words, whole=True), "wide"),
    ]
    title = ", ".join(run.name for run in result.strategies[:3])
    title += f" +{len(result.strategies) - 3}" if len(result.strategies) > 3 else ""
    return _page(words, words("title"), title, _about(words, result), "".join(body), content, result)


def _taken_apart(words: Dictionary, grouped: Mapping[str, str], *, some: bool) -> tuple[str, ...]:
    """Return the panels that sum up trades, or one that says that there are none."""
    if not some:
        return (_panel(words("trade_list"), f'<p class="none">{words("none.trades")}</p>', "wide"),)
    chart = '<div class="chart small" id="distribution"></div>'
    tables = "".join(_panel(words(key), table) for key, table in grouped.items())
    note = words("distribution_note")
    return _panel(words("distribution"), chart, "half", note), f'<div class="half stack">{tables}</div>'


def comparison_page(comparison: Comparison, language: Language = "en") -> str:
    """Return the page of several results."""
    words = Dictionary(language, TEXTS)
    content = {
        "lines": [data.line(one.label, data.rebased(one.curve)) for one in comparison.runs[: data.MAX_LINES]],
        "falls": [data.line(one.label, data.underwater(one.curve)) for one in comparison.runs[: data.MAX_LINES]],
        "words": {key: TEXTS[key]._asdict()[language] for key in _SCRIPT_WORDS},
    }
    warned = "" if comparison.same_data else f'<p class="banner warn">{words("other_data")}</p>'
    body = (
        warned
        + _equity(words, several=True)
        + _panel(words("details"), part.compared(words, comparison), "wide", words("shown"))
        + _panel(words("definitions"), part.definitions(words, whole=False), "wide")
    )
    first = comparison.runs[0].result
    title = ", ".join(one.label for one in comparison.runs)
    return _page(words, words("comparison"), title, _about(words, first), body, content, first)


def _chance(words: Dictionary, result: Result, seed: int, *, compound: bool) -> tuple[dict[str, Any] | None, str]:
    start = float(result.portfolio.start_equity)
    drawn = monte_carlo(result.trades, start, paths=PATHS, seed=seed, compound=compound)
    mixed = monte_carlo(result.trades, start, paths=PATHS, seed=seed, compound=compound, method="reshuffle")
    if drawn is None or mixed is None:
        return None, ""
    note = words("monte_carlo_note", paths=f"{len(drawn.final):,}", seed=seed)
    told = part.likely(words, drawn, mixed)
    inside = f'<div class="split"><div class="chart small" id="fan"></div><div>{told}</div></div>'
    return data.fan(drawn), _panel(words("monte_carlo"), inside, "wide", note)


def _about(words: Dictionary, result: Result) -> list[str]:
    """Return what was tested, in a few words each."""
    run: StrategyRun = result.portfolio
    ts = run.curve.ts
    span = f"{iso(int(ts[0]))[:16]} {fig.NOTHING} {iso(int(ts[-1]))[:16]} UTC" if len(ts) else words("no_time")
    days = words("days", days=f"{(int(ts[-1]) - int(ts[0])) / DAY_MS:,.0f}") if len(ts) else ""
    symbols = sorted({leg.symbol for leg in result.legs})
    shown = ", ".join(symbols[:5]) + (f" {words('more', count=len(symbols) - 5)}" if len(symbols) > 5 else "")
    frames = sorted({f"{leg.exchange} {leg.timeframe}" for leg in result.legs})
    bars = words("bars_in", bars=f"{sum(one.bars for one in result.strategies):,}", seconds=f"{result.seconds:.3f}")
    return [text for text in (span, days, shown, ", ".join(frames[:4]), bars) if text]


def _equity(words: Dictionary, *, several: bool) -> str:
    choice = (
        '<div class="choice" role="group">'
        f'<button type="button" data-scale="value" aria-pressed="true">{words("linear")}</button>'
        f'<button type="button" data-scale="log" aria-pressed="false">{words("log")}</button></div>'
    )
    note = f"{words('from_100')}. {words('scroll_note')}" if several else words("scroll_note")
    return _panel(words("equity_drawdown"), '<div class="chart tall" id="equity"></div>', "wide", note, choice)


def _told(words: Dictionary, search: Picture) -> dict[str, Any]:
    """Return what the picture of a search draws, its objectives called as everywhere in the report."""
    named = [one | {"label": words(one["name"])} for one in search.content["objectives"]]
    return search.content | {"objectives": named}


def _search(words: Dictionary, search: Picture) -> str:
    """Return the picture of a search; several objectives are chosen from."""
    notes = [words("search.trials", count=f"{search.trials:,}")]
    cross = " (\N{MULTIPLICATION SIGN})" if search.axes < 3 else ""
    notes += [
        words(f"search.{key}_count", count=f"{count:,}") + cross
        for key, count in (("refused", search.refused), ("undefined", search.undefined))
        if count
    ]
    hidden = search.trials - search.refused - search.undefined - search.drawn
    notes += [words("search.drawn", count=f"{search.drawn:,}")] if hidden else []
    notes += [words("search.axes", count=search.axes, all=search.searched)] if search.axes < search.searched else []
    notes.append(words("search.best"))
    options = "".join(
        f'<option value="{place}">{words(one["name"])}</option>'
        for place, one in enumerate(search.content["objectives"])
    )
    label = words("search.objective")
    choice = f'<div class="choice"><select id="sought" aria-label="{label}">{options}</select></div>'
    several = len(search.content["objectives"]) > 1
    inside = '<div class="chart" id="search"></div>'
    return _panel(words("search"), inside, "wide", " · ".join(notes), choice if several else "")


def _candles(words: Dictionary) -> str:
    choice = (
        f'<div class="choice"><button type="button" id="whole" hidden>{words("whole_chart")}</button>'
        f'<select id="market" aria-label="{words("market")}"></select></div>'
    )
    inside = '<div class="chart" id="candles"></div>'
    return _panel(words("on_candles"), inside, "wide", '<span id="width"></span>', choice)


def _trade_list(words: Dictionary, listed: Mapping[str, Any]) -> str:
    heads = (
        ("num wide", "n", "#"), ("", "entry", words("col.entry")), ("wider", "strategy", words("col.strategy")),
        ("", "symbol", words("col.symbol")), ("", "side", words("col.side")),
        ("num wide", "entry_price", words("col.entry_price")), ("num wide", "exit_price", words("col.exit_price")),
        ("num wider", "amount", words("col.amount")), ("num", "pnl", words("col.pnl")),
        ("num", "gain", words("col.gain")), ("num wider", "held", words("col.held")),
        ("wide", "reason", words("col.reason")),
    )  # fmt: skip
    top = "".join(
        f'<th scope="col" class="{kind}"><button type="button" data-sort="{key}">{text}</button></th>'
        for kind, key, text in heads
    )
    choices = "".join(
        f'<select data-filter="{key}" aria-label="{words(label)}"></select>'
        for key, label in (
            ("strategy", "col.strategy"), ("symbol", "col.symbol"), ("side", "col.side"), ("reason", "col.reason"),
            ("result", "result"),
        )
    )  # fmt: skip
    shown, total = len(listed["n"]), listed["total"]
    some = words("newest_of", count=f"{shown:,}", total=f"{total:,}") + ". " if shown < total else ""
    pages = (
        f'<div class="pages"><span id="range"></span><button type="button" id="previous">{words("previous")}</button>'
        f'<button type="button" id="next">{words("next")}</button></div>'
    )
    inside = (
        f'<div class="filters">{choices}</div><div class="scroll"><table class="trades"><thead><tr>{top}</tr></thead>'
        f'<tbody id="trades"></tbody></table></div>{pages}'
    )
    return _panel(words("trade_list"), inside, "wide", some + words("click_trade"))


def _panel(title: str, inside: str, kind: str = "", note: str = "", choice: str = "") -> str:
    told = f'<span class="dim">{note}</span>' if note else ""
    return f'<section class="panel {kind}"><header><h2>{title}</h2>{told}{choice}</header>{inside}</section>'


def _page(
    words: Dictionary, kind: str, title: str, about: list[str], body: str, content: Mapping[str, Any], result: Result
) -> str:
    icon = f"data:image/svg+xml,{quote(ICON)}"
    facts = "".join(f"<span>{escape(fact)}</span>" for fact in about)
    hashes = "".join(
        f"<span>{words(key)} <code>{escape(getattr(result, key))}</code></span>" for key in ("data_hash", "config_hash")
    )
    style = (ASSETS / "report.css").read_text(encoding="utf-8")
    script = (ASSETS / "report.js").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="{words.language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · {kind}</title><link rel="icon" href="{icon}">'
        f"<style>{CHOSEN_TOKENS}{style}</style></head><body>"
        f'<header class="top"><div><div class="brand">{ICON}<span>autotrader</span><em>{kind}</em></div>'
        f'<button type="button" id="theme" aria-label="{words("theme")}" title="{words("theme")}">◐</button>'
        f'<h1>{escape(title)}</h1><p class="facts">{facts}</p></div></header>'
        f'<main>{body}</main><footer><p>{words("past")}</p><p class="facts">{hashes}</p></footer>'
        f'<script type="application/json" id="data">{_embedded(content)}</script>'
        f'<script type="module">{charts_script()}</script><script type="module">{script}</script></body></html>\n'
    )


def _embedded(content: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the element it stands in, whatever names the files chose."""
    text = orjson.dumps(content).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
