"""Small parts of HTML that every panel is put together from. Pure; values are escaped where they enter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from autotrader.core import figures as fig
from autotrader.dashboard.words import Words

TONES: Mapping[str, str] = {
    "watching": "calm", "in position": "live", "paused": "warn", "locked": "bad", "failed": "bad", "killed": "bad",
    "held": "warn", "closing": "warn",
    "intent": "calm", "sent": "calm", "open": "live", "partial": "live", "filled": "good", "canceled": "calm",
    "rejected": "bad", "expired": "calm", "armed": "live",
    "info": "calm", "warning": "warn", "error": "bad",
    "applied": "good", "unchanged": "good", "needs_confirmation": "warn",
}  # fmt: skip


def table(
    words: Words, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], more: int = 0
) -> str:
    """Return a table of cells that are HTML already, or a quiet sentence where there is no row.

    A column is its heading's key and the classes of its cells: `num` aligns figures, `wider` and `wide` go, in this
    order, as the panel gets narrow. A row of one cell alone spans all columns and belongs to the row above it.
    """
    body = "".join(_row(columns, row) for row in rows)
    if not body:
        return f'<p class="none">{words(f"none.{name}")}</p>'
    top = "".join(f'<th scope="col" class="{kind}">{words(key)}</th>' for key, kind in columns)
    rest = f'<p class="none">{words("more", count=more)}</p>' if more else ""
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{rest}"


def _row(columns: Sequence[tuple[str, str]], row: Sequence[str]) -> str:
    if len(row) == 1:
        return f'<tr class="note"><td colspan="{len(columns)}">{row[0]}</td></tr>'
    cells = (f'<td class="{kind}">{cell}</td>' for (_, kind), cell in zip(columns, row, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def chip(text: str, tone: str) -> str:
    """Return a state as a small coloured word; the colour repeats the word, it never replaces it."""
    return f'<span class="chip {tone}">{escape(text)}</span>'


def gain(value: Any) -> str:
    """Return money with its sign, coloured by it."""
    return f'<span class="{fig.direction(value)}">{fig.signed(value)}</span>'


def held(symbol: str, held: str) -> str:
    return f"{fig.amount(held)} {dim(symbol.partition('/')[0])}"


def side_of(side: str, words: Words) -> str:
    tone = "up" if side in {"buy", "long"} else "down"
    return f'<span class="{tone}">{escape(words.of("side", side))}</span>'


def count(number: int) -> str:
    return str(number) if number else dim(fig.NOTHING)


def dim(text: str) -> str:
    return f'<span class="dim">{escape(text)}</span>'


def moment(ts_ms: int, zone: ZoneInfo) -> str:
    return f'<time title="{fig.moment(ts_ms, zone)}">{fig.short_moment(ts_ms, zone)}</time>'


def pairs(*pairs: tuple[str, str]) -> str:
    return "<dl>" + "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in pairs) + "</dl>"
