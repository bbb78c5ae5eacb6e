"""The page's tables as HTML text: strategies, positions, orders, fills, trades, events. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from autotrader.core import figures as fig
from autotrader.dashboard.markup import TONES, chip, count, dim, gain, held, moment, side_of, table
from autotrader.dashboard.view import Row, View
from autotrader.dashboard.words import Words

_DECISION = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (\w+) (\S+)")


def strategies(view: View, words: Words, zone: ZoneInfo) -> str:
    """Return the strategies, one a row; an error has a row of its own below, so that no screen is too narrow for it."""
    columns = (
        ("col.name", ""), ("col.kind", "wide"), ("col.state", ""), ("col.symbols", "wide"), ("col.position", "num"),
        ("col.open_orders", "num wider"), ("col.pnl", "num"), ("col.last_decision", "wider"),
    )  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for row in view.strategies:
        rows.append(
            (
                f"<b>{escape(row['name'])}</b>",
                escape(row["kind"]),
                chip(words.of("state", row["state"]), TONES.get(row["state"], "calm")),
                escape(", ".join(row["symbols"])),
                "<br>".join(held(symbol, amount) for symbol, amount in row["position"].items()) or dim(fig.NOTHING),
                count(row["open_orders"]),
                gain(row["pnl"]),
                dim(_decision(row["last_decision"], words, zone)),
            )
        )
        if row["error"]:
            rows.append((f'<span class="trouble">{words("col.error")}: {escape(row["error"])}</span>',))
    return table(words, "strategies", columns, rows, view.more_strategies)


def positions(view: View, words: Words, zone: ZoneInfo) -> str:
    """Return the open positions."""
    columns = (
        ("col.strategy", ""), ("col.exchange", "wider"), ("col.symbol", ""), ("col.amount", "num"),
        ("col.entry_price", "num"), ("col.last_price", "num wide"), ("col.unrealized", "num"),
        ("col.realized", "num wider"), ("col.stop", "num wide"), ("col.take", "num wide"), ("col.opened", "wider"),
    )  # fmt: skip
    rows = (
        (
            f"<b>{escape(row['strategy'])}</b>" + (f" {chip(row['locked'], 'bad')}" if row.get("locked") else ""),
            escape(row["exchange"]),
            escape(row["symbol"]),
            fig.amount(row["amount"]),
            fig.price(row["entry_price"]),
            fig.price(row["last_price"]),
            gain(row["unrealized"]),
            gain(row["realized"]),
            fig.price(row["stop"]),
            fig.price(row["take"]),
            moment(row["opened"], zone),
        )
        for row in view.positions
    )
    return table(words, "positions", columns, rows, view.more_positions)


def orders(found: Iterable[Row], words: Words, zone: ZoneInfo) -> str:
    """Return the newest orders."""
    columns = (
        ("col.time", ""), ("col.strategy", "wide"), ("col.symbol", ""), ("col.side", ""), ("col.type", "wider"),
        ("col.price", "num"), ("col.amount", "num wide"), ("col.filled", "num wider"), ("col.state", ""),
        ("col.reason", "wide"),
    )  # fmt: skip
    rows = (
        (
            moment(row["created_ts"], zone),
            escape(row["strategy"]),
            escape(row["symbol"]),
            side_of(row["side"], words),
            escape(words.of("type", row["type"])),
            fig.price(row["price"] or row["average"]),
            fig.amount(row["amount"]),
            fig.amount(row["filled"]),
            chip(words.of("order", row["state"]), TONES.get(row["state"], "calm")),
            dim(words.of("reason", row["reason"] or "")),
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
            moment(row["ts"], zone),
            escape(row["strategy"]),
            escape(row["symbol"]),
            side_of(row["side"], words),
            fig.price(row["price"]),
            fig.amount(row["amount"]),
            fig.fee(row["fee"]) + _unless_quote(row["fee_currency"], row["symbol"]),
            dim(words.of("reason", row["reason"] or "")),
        )
        for row in found
    )
    return table(words, "fills", columns, rows)


def trades(found: Iterable[Row], words: Words, zone: ZoneInfo) -> str:
    """Return the newest closed round trips."""
    columns = (
        ("col.time", ""), ("col.strategy", "wide"), ("col.symbol", ""), ("col.side", ""), ("col.amount", "num wider"),
        ("col.entry_price", "num wide"), ("col.exit_price", "num"), ("col.fees", "num wider"), ("col.pnl", "num"),
        ("col.reason", "wide"),
    )  # fmt: skip
    rows = (
        (
            moment(row["exit_ts"], zone),
            escape(row["strategy"]),
            escape(row["symbol"]),
            side_of(row["side"], words),
            fig.amount(row["amount"]),
            fig.price(row["entry_price"]),
            fig.price(row["exit_price"]),
            fig.money(row["fees"]),
            gain(row["pnl"]),
            dim(words.of("reason", row["reason"] or "")),
        )
        for row in found
    )
    return table(words, "trades", columns, rows)


def events(found: Iterable[Row], words: Words, zone: ZoneInfo) -> str:
    """Return the newest events, by the machine's clock: some happen while the market's stands still."""
    columns = (
        ("col.clock", ""),
        ("col.state", ""),
        ("col.kind", "wide"),
        ("col.subject", "wide"),
        ("col.message", "text"),
    )
    rows = (
        (
            moment(row["at"], zone),
            chip(words.of("level", row["level"]), TONES.get(row["level"], "calm")),
            dim(row["kind"]),
            escape(row["subject"]),
            escape(row["message"]),
        )
        for row in found
    )
    return table(words, "events", columns, rows)


def _unless_quote(currency: str, symbol: str) -> str:
    """Return a fee's currency where it is not the one that the prices are in."""
    return "" if currency == symbol.partition("/")[2].partition(":")[0] else f" {dim(currency)}"


def _decision(text: str, words: Words, zone: ZoneInfo) -> str:
    """Return a decision, which the status tells as `2024-11-30 14:35:00 long BTC/USDT` in UTC, in the declared zone."""
    match = _DECISION.fullmatch(text)
    if match is None:
        return text
    moment_ms = int(datetime.fromisoformat(f"{match[1]}+00:00").timestamp() * 1000)
    return f"{fig.short_moment(moment_ms, zone)} {words.of('side', match[2])} {match[3]}"
