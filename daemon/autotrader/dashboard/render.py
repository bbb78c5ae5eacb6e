"""The page's panels as HTML text, made from a view: header, banners, risk, reload, and the tables. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from autotrader.core import figures as fig
from autotrader.dashboard.markup import TONES, chip, pairs
from autotrader.dashboard.tables import events, fills, orders, positions, strategies, trades
from autotrader.dashboard.view import Gauge, Reload, Risk, View
from autotrader.dashboard.words import Words

NEAR_LIMIT = 0.8


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
        strategies=strategies(view, words, zone),
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
    html = "".join(
        f'<div class="banner {tone}" role="alert"><b>{escape(text)}</b>'
        f"{f'<span>{escape(more)}</span>' if more else ''}</div>"
        for tone, text, more in found
    )
    if view.reload.rejected:  # its errors point at columns: they get the whole width
        html += (
            f'<div class="banner warn" role="alert"><b>{words("banner.reload")}</b>'
            f'<pre tabindex="0">{escape(view.reload.message)}</pre></div>'
        )
    return html


# risk and reload


def risk(now: Risk, words: Words, zone: ZoneInfo) -> str:
    """Return what stops entries, and each limit as a bar."""
    if now.blocked or now.all_paused:
        entries = chip(words("risk.paused" if now.all_paused and not now.blocked else "risk.blocked"), "warn")
    elif now.paused:
        entries = chip(words("risk.paused_some", names=", ".join(sorted(now.paused))), "warn")
    else:
        entries = chip(words("risk.allowed"), "good")
    locks = _locks(now, words, zone)
    for name, one in sorted(now.own.items()):
        locks += [f"{name}: {text}" for text in _locks(one, words, zone)]
    switch = chip(words("risk.on"), "bad") if now.killed else chip(words("risk.off"), "calm")
    state = pairs(
        (words("risk.entries"), entries),
        (words("risk.kill_switch"), switch),
        (
            words("risk.locks"),
            " ".join(chip(text, "bad") for text in locks) if locks else chip(words("risk.no_locks"), "calm"),
        ),
    )
    bars = "".join(bar(gauge, words) for gauge in now.gauges if gauge.bound is not None)
    return state + (bars or f'<p class="none">{words("risk.no_limits")}</p>')


def _locks(now: Risk, words: Words, zone: ZoneInfo) -> list[str]:
    return [
        text
        for held, text in (
            (now.drawdown_locked, words("risk.lock_drawdown")),
            (now.daily_locked, words("risk.lock_daily")),
            (now.cooldown_until_ms, words("risk.lock_cooldown", time=fig.moment(now.cooldown_until_ms, zone))),
        )
        if held
    ]


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
    """Return how the last reload ended and what waits; the errors of a rejected one stand in the banner."""
    if not last.status:
        return f'<p class="none">{fig.NOTHING}</p>'
    outcome = chip(words.of("reload", last.status), TONES.get(last.status, "bad"))
    parts = [f'<p class="outcome">{outcome}<span class="dim">{fig.moment(last.at_ms, zone)}</span></p>']
    if last.status == "needs_confirmation":
        parts.append(f"<p>{escape(last.message)}</p>")
    elif not last.rejected:
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in last.message.split("; ")) + "</ul>")
    if last.probation is not None:
        told = {"generation": last.probation.generation, "back": last.probation.back}
        until = fig.moment(last.probation.until_ms, zone)
        parts.append(f'<p class="dim">{words("reload.probation", until=until, **told)}</p>')
    if last.waiting:
        lines = "".join(f"<li>{escape(line)}</li>" for line in last.waiting)
        parts.append(f"<h3>{words('reload.waiting')}</h3><ul>{lines}</ul>")
    if last.plan and last.status == "needs_confirmation":
        parts.append(pairs((words("reload.plan"), f"<code>{escape(last.plan)}</code>")))
    return "".join(parts)


def plan(document: Mapping[str, Any], words: Words) -> str:
    """Return a reload's plan as the daemon tells it, without what is empty."""
    keys = (
        "refused", "confirm", "changes", "starts", "stops", "restarts", "positions", "cancels", "stops_moved",
        "waiting",
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
