"""The page's panels as HTML text, made from a view. Pure; every value that comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from autotrader.dashboard import figures as fig
from autotrader.dashboard.view import Gauge, Reload, Risk, Row, View
from autotrader.dashboard.words import Words

NEAR_LIMIT = 0.8
TONES: Mapping[str, str] = {
    "watching": "calm", "in position": "live", "paused": "warn", "locked": "bad", "failed": "bad", "killed": "bad",
    "held": "warn", "closing": "warn",
    "intent": "calm", "sent": "calm", "open": "live", "partial": "live", "filled": "good", "canceled": "calm",
    "rejected": "bad", "expired": "calm", "armed": "live",
    "info": "calm", "warning": "warn", "error": "bad",
    "applied": "good", "unchanged": "good", "needs_confirmation": "warn",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Panels:
    """Every panel's HTML, ready to be shown."""

    figures: str
    banners: str
    strategies: str
    positions: str
    orders: str
    fills: str
    trades: str
    events: str
    risk: str
    reload: str


def panels(view: View, words: Words, zone: ZoneInfo) -> Panels:
    """Return the whole page."""
    return Panels(
        figures=head(view, words, zone),
        banners=banners(view, words),
        strategies=strategies(view, words),
        positions=positions(view, words, zone),
        orders=orders(view.orders, words, zone),
        fills=fills(view.fills, words, zone),
        trades=trades(view.trades, words, zone),
        events=events(view.events, words, zone),
        risk=risk(view.risk, words, zone),
        reload=reload(view.reload, words, zone),
    )


# the top of the page


def head(view: View, words: Words, zone: ZoneInfo) -> str:
    """Return mode, generation, equity, today's change, market time and connection."""
    top = view.head
    state, tone = {
        None: ("waiting_first", "calm"),
        True: ("connected", "good"),
        False: ("disconnected", "bad"),
    }[top.connected]
    generation = words("generation", number=top.generation) if top.generation is not None else ""
    uptime = words("uptime", time=fig.length(top.uptime_s)) if top.uptime_s is not None else ""
    mode = f'<span class="mode">{escape(words.of("mode", top.mode))}</span>' if top.mode else ""
    today = f"{fig.signed(top.today)} <small>{fig.share(top.today_share)}</small>"
    return (
        f'<div class="brand"><span class="name">{words("title")}</span>{mode}'
        f'<span class="dim">{escape(generation)}</span></div>'
        + _figure(words("equity"), f"{fig.money(top.equity)} <small>{escape(top.currency)}</small>", "big")
        + _figure(words("today"), today, fig.direction(top.today))
        + _figure(words("market_time"), fig.moment(top.market_ms, zone))
        + f'<div class="connection" role="status">{chip(words(state), tone)}<span class="dim">{uptime}</span></div>'
    )


def _figure(label: str, value: str, tone: str = "") -> str:
    return f'<div class="figure"><span class="label">{label}</span><span class="value {tone}">{value}</span></div>'


def banners(view: View, words: Words) -> str:
    """Return what a person must see before anything else; empty on a good day."""
    found = []
    if view.trouble:
        found.append(("bad", words("unreachable"), view.trouble))
    if view.store_trouble:
        found.append(("bad", words("no_journal"), view.store_trouble))
    if view.risk.killed:
        found.append(("bad", words("banner.killed", reason=view.risk.killed), ""))
    if view.risk.exits_only:
        found.append(("warn", words("banner.exits_only", reason=view.risk.exits_only), ""))
    if view.reload.rejected:
        found.append(("warn", words("banner.reload"), ""))
    return "".join(
        f'<div class="banner {tone}" role="alert"><b>{escape(text)}</b>'
        f"{f'<span>{escape(more)}</span>' if more else ''}</div>"
        for tone, text, more in found
    )


# tables


def strategies(view: View, words: Words) -> str:
    """Return the strategies, one a row."""
    columns = (
        ("col.name", ""), ("col.kind", "wide"), ("col.state", ""), ("col.symbols", "wide"), ("col.position", "num"),
        ("col.open_orders", "num wide"), ("col.pnl", "num"), ("col.last_decision", "wide"), ("col.error", "wide"),
    )  # fmt: skip
    rows = (
        (
            f"<b>{escape(row['name'])}</b>",
            escape(row["kind"]),
            chip(words.of("state", row["state"]), TONES.get(row["state"], "calm")),
            escape(", ".join(row["symbols"])),
            "<br>".join(_held(symbol, held) for symbol, held in row["position"].items()) or _dim(fig.NOTHING),
            _count(row["open_orders"]),
            gain(row["pnl"]),
            _dim(row["last_decision"]),
            f'<span class="trouble">{escape(row["error"])}</span>' if row["error"] else "",
        )
        for row in view.strategies
    )
    return table(words, "strategies", columns, rows, view.more_strategies)


def positions(view: View, words: Words, zone: ZoneInfo) -> str:
    """Return the open positions."""
    columns = (
        ("col.strategy", ""), ("col.exchange", "wide"), ("col.symbol", ""), ("col.amount", "num"),
        ("col.entry_price", "num"), ("col.last_price", "num wide"), ("col.unrealized", "num"),
        ("col.realized", "num wide"), ("col.stop", "num wide"), ("col.take", "num wide"), ("col.opened", "wide"),
    )  # fmt: skip
    rows = (
        (
            f"<b>{escape(row['strategy'])}</b>" + (f' {chip(row["locked"], "bad")}' if row.get("locked") else ""),
            escape(row["exchange"]),
            escape(row["symbol"]),
            fig.amount(row["amount"]),
            fig.price(row["entry_price"]),
            fig.price(row["last_price"]),
            gain(row["unrealized"]),
            gain(row["realized"]),
            fig.price(row["stop"]),
            fig.price(row["take"]),
            _moment(row["opened"], zone),
        )
        for row in view.positions
    )
    return table(words, "positions", columns, rows, view.more_positions)


def orders(found: Iterable[Row], words: Words, zone: ZoneInfo) -> str:
    """Return the newest orders."""
    columns = (
        ("col.time", ""), ("col.strategy", "wide"), ("col.symbol", ""), ("col.side", ""), ("col.type", "wide"),
        ("col.price", "num wide"), ("col.amount", "num"), ("col.filled", "num wide"), ("col.state", ""),
        ("col.reason", "wide"),
    )  # fmt: skip
    rows = (
        (
            _moment(row["created_ts"], zone),
            escape(row["strategy"]),
            escape(row["symbol"]),
            _side(row["side"], words),
            escape(words.of("type", row["type"])),
            fig.price(row["price"] or row["average"]),
            fig.amount(row["amount"]),
            fig.amount(row["filled"]),
            chip(words.of("order", row["state"]), TONES.get(row["state"], "calm")),
            _dim(words.of("reason", row["reason"] or "")),
        )
        for row in found
    )
    return table(words, "orders", columns, rows)


def fills(found: Iterable[Row], words: Words, zone: ZoneInfo) -> str:
    """Return the newest fills."""
    columns = (
        ("col.time", ""), ("col.strategy", "wide"), ("col.symbol", ""), ("col.side", ""), ("col.price", "num"),
        ("col.amount", "num"), ("col.fee", "num wide"), ("col.reason", "wide"),
    )  # fmt: skip
    rows = (
        (
            _moment(row["ts"], zone),
            escape(row["strategy"]),
            escape(row["symbol"]),
            _side(row["side"], words),
            fig.price(row["price"]),
            fig.amount(row["amount"]),
            f"{fig.price(row['fee'])} {_dim(row['fee_currency'])}",
            _dim(words.of("reason", row["reason"] or "")),
        )
        for row in found
    )
    return table(words, "fills", columns, rows)


def trades(found: Iterable[Row], words: Words, zone: ZoneInfo) -> str:
    """Return the newest closed round trips."""
    columns = (
        ("col.time", ""), ("col.strategy", "wide"), ("col.symbol", ""), ("col.side", ""), ("col.amount", "num wide"),
        ("col.entry_price", "num wide"), ("col.exit_price", "num"), ("col.fees", "num wide"), ("col.pnl", "num"),
        ("col.reason", "wide"),
    )  # fmt: skip
    rows = (
        (
            _moment(row["exit_ts"], zone),
            escape(row["strategy"]),
            escape(row["symbol"]),
            _side(row["side"], words),
            fig.amount(row["amount"]),
            fig.price(row["entry_price"]),
            fig.price(row["exit_price"]),
            fig.money(row["fees"]),
            gain(row["pnl"]),
            _dim(words.of("reason", row["reason"] or "")),
        )
        for row in found
    )
    return table(words, "trades", columns, rows)


def events(found: Iterable[Row], words: Words, zone: ZoneInfo) -> str:
    """Return the newest events, by the machine's clock: some happen while the market's stands still."""
    columns = (("col.clock", ""), ("col.state", ""), ("col.kind", "wide"), ("col.subject", "wide"), ("col.message", "text"))
    rows = (
        (
            _moment(row["at"], zone),
            chip(words.of("level", row["level"]), TONES.get(row["level"], "calm")),
            _dim(row["kind"]),
            escape(row["subject"]),
            escape(row["message"]),
        )
        for row in found
    )
    return table(words, "events", columns, rows)


def table(
    words: Words, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], more: int = 0
) -> str:
    """Return a table of cells that are HTML already, or a quiet sentence where there is no row.

    A column is its heading's key and the classes of its cells: `num` aligns figures, `wide` goes on a narrow screen.
    """
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{cell}</td>' for (_, kind), cell in zip(columns, row, strict=True))
        + "</tr>"
        for row in rows
    )
    if not body:
        return f'<p class="none">{words(f"none.{name}")}</p>'
    top = "".join(f'<th scope="col" class="{kind}">{words(key)}</th>' for key, kind in columns)
    rest = f'<p class="none">{words("more", count=more)}</p>' if more else ""
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{rest}"


# risk and reload


def risk(now: Risk, words: Words, zone: ZoneInfo) -> str:
    """Return what stops entries, and each limit as a bar."""
    if now.killed or now.locked or now.all_paused:
        entries = chip(words("risk.paused" if now.all_paused and not now.locked else "risk.blocked"), "warn")
    elif now.paused:
        entries = chip(words("risk.paused_some", names=", ".join(sorted(now.paused))), "warn")
    else:
        entries = chip(words("risk.allowed"), "good")
    locks = [
        text
        for held, text in (
            (now.drawdown_locked, words("risk.lock_drawdown")),
            (now.daily_locked, words("risk.lock_daily")),
            (now.cooldown_until_ms, words("risk.lock_cooldown", time=fig.moment(now.cooldown_until_ms, zone))),
        )
        if held
    ]
    switch = chip(words("risk.on"), "bad") if now.killed else chip(words("risk.off"), "calm")
    state = _pairs(
        (words("risk.entries"), entries),
        (words("risk.kill_switch"), switch),
        (
            words("risk.locks"),
            " ".join(chip(text, "bad") for text in locks) if locks else chip(words("risk.no_locks"), "calm"),
        ),
    )
    bars = "".join(bar(gauge, words) for gauge in now.gauges if gauge.bound is not None)
    return state + (bars or f'<p class="none">{words("risk.no_limits")}</p>')


def bar(gauge: Gauge, words: Words) -> str:
    """Return a limit as a bar: how much of it is used, in figures and in length."""
    figure: Callable[[Any], str] = fig.amount if gauge.key == "max_open_positions" else fig.money
    tone = "bad" if gauge.share >= 1 else "warn" if gauge.share >= NEAR_LIMIT else ""
    name, percent = words.of("limit", gauge.key), f"{gauge.share:.0%}"
    return (
        f'<div class="gauge {tone}"><span class="label">{escape(name)}</span>'
        f'<span class="used">{figure(gauge.value)} <span class="dim">/ {figure(gauge.bound)}</span></span>'
        f'<div class="track" role="meter" aria-label="{escape(name)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{gauge.share * 100:.0f}" title="{words("limit.used", share=percent)}">'
        f'<div style="width:{gauge.share * 100:.1f}%"></div></div></div>'
    )


def reload(last: Reload, words: Words, zone: ZoneInfo) -> str:
    """Return how the last reload ended: a rejection with every error in its place, else what changed."""
    if not last.status:
        return f'<p class="none">{fig.NOTHING}</p>'
    parts = [
        f'<p class="outcome">{chip(words.of("reload", last.status), TONES.get(last.status, "bad"))}'
        f'<span class="dim">{fig.moment(last.at_ms, zone)}</span></p>'
    ]
    if last.status in {"rejected", "needs_confirmation"}:
        parts.append(f'<pre class="errors" tabindex="0">{escape(last.message)}</pre>')
    else:
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in last.message.split("; ")) + "</ul>")
    if last.waiting:
        lines = "".join(f"<li>{escape(line)}</li>" for line in last.waiting)
        parts.append(f"<h3>{words('reload.waiting')}</h3><ul>{lines}</ul>")
    if last.plan and last.status == "needs_confirmation":
        parts.append(_pairs((words("reload.plan"), f"<code>{escape(last.plan)}</code>")))
    return "".join(parts)


def plan(document: Mapping[str, Any], words: Words) -> str:
    """Return a reload's plan as the daemon tells it, without what is empty."""
    keys = (
        "refused", "confirm", "changes", "starts", "stops", "restarts", "positions", "cancels", "stops_moved", "waiting",
    )  # fmt: skip
    parts = []
    for key in keys:
        if document[key]:
            lines = "".join(f"<li>{escape(_line(entry))}</li>" for entry in document[key])
            parts.append(f"<h3>{words(f'plan.{key}')}</h3><ul>{lines}</ul>")
    if not parts:
        return f'<p class="none">{words("plan.nothing")}</p>'
    before, after = (str(document["exposure"][key]) for key in ("capital_before", "capital_after"))
    if before != after:
        parts.append(f"<h3>{words('plan.exposure')}</h3><p>{escape(before)} → {escape(after)}</p>")
    return "".join(parts)


def _line(entry: Any) -> str:
    return " · ".join(str(value) for value in entry.values()) if isinstance(entry, Mapping) else str(entry)


# small parts


def chip(text: str, tone: str) -> str:
    """Return a state as a small coloured word; the colour repeats the word, it never replaces it."""
    return f'<span class="chip {tone}">{escape(text)}</span>'


def gain(value: Any) -> str:
    """Return money with its sign, coloured by it."""
    return f'<span class="{fig.direction(value)}">{fig.signed(value)}</span>'


def _held(symbol: str, held: str) -> str:
    return f"{fig.amount(held)} {_dim(symbol.partition('/')[0])}"


def _side(side: str, words: Words) -> str:
    tone = "up" if side in {"buy", "long"} else "down"
    return f'<span class="{tone}">{escape(words.of("side", side))}</span>'


def _count(number: int) -> str:
    return str(number) if number else _dim(fig.NOTHING)


def _dim(text: str) -> str:
    return f'<span class="dim">{escape(text)}</span>'


def _moment(ts_ms: int, zone: ZoneInfo) -> str:
    return f'<time title="{fig.moment(ts_ms, zone)}">{fig.short_moment(ts_ms, zone)}</time>'


def _pairs(*pairs: tuple[str, str]) -> str:
    return "<dl>" + "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in pairs) + "</dl>"
