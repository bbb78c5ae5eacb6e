"""Rows of plain values as a table that people read on a terminal. Pure: text in, text out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from autotrader.core.clock import iso

MAX_WIDTH = 80
"""Of one cell; longer ones are cut."""

BOLD, DIM, RED, GREEN, YELLOW, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_TIMES = frozenset({"ts", "at", "opened"})
_SIGNED = frozenset({"pnl", "unrealized", "realized"})
_STATES = {"failed": RED, "killed": RED, "locked": RED, "paused": YELLOW, "in position": GREEN, "error": RED}
_STATES |= {"rejected": RED, "warning": YELLOW, "filled": GREEN}


def table(rows: Sequence[Mapping[str, Any]], *, colour: bool = False) -> str:
    """Return rows as aligned columns under their names: numbers to the right, times in UTC, words to the left."""
    if not rows:
        return "none"
    names = list(rows[0])
    cells = [[cell(name, row[name]) for name in names] for row in rows]
    columns = list(zip(*cells, strict=True))
    right = [all(_NUMBER.fullmatch(text) or text in {"", "-"} for text in column) for column in columns]
    widths = [max(len(name), *map(len, column)) for name, column in zip(names, columns, strict=True)]

    def line(texts: Sequence[str], paint: Sequence[str]) -> str:
        padded = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(texts, widths, right, strict=True)
        ]
        if not colour:
            return "  ".join(padded).rstrip()
        return "  ".join(f"{code}{text}{PLAIN}" if code else text for text, code in zip(padded, paint, strict=True))

    head = line([name.replace("_", " ") for name in names], [BOLD] * len(names))
    body = [line(row, [_paint(name, text) for name, text in zip(names, row, strict=True)]) for row in cells]
    return "\n".join([head, *body])


def cell(name: str, value: Any) -> str:
    """Return one value as people read it; `name` says what it is."""
    if value is None or value == "":
        return "-" if value is None else ""
    if name in _TIMES or name.endswith(("_ts", "_time")):
        return iso(value) if value else "-"
    if isinstance(value, Mapping):
        text = ", ".join(f"{key} {cell(str(key), one)}" for key, one in value.items())
    elif isinstance(value, (list, tuple)):
        text = "; ".join(map(str, value))
    else:
        text = number(str(value))
    first, *more = text.splitlines() or [""]
    cut = first if len(first) <= MAX_WIDTH else first[: MAX_WIDTH - 1] + "…"
    return f"{cut} …" if more and not cut.endswith("…") else cut


def number(text: str) -> str:
    """Return a decimal with at most 8 places and no zeros at its end; other text as it is."""
    if not _NUMBER.fullmatch(text) or "." not in text:
        return text
    whole, _, places = text.partition(".")
    if len(places) > 8:
        whole, _, places = f"{float(text):.8f}".partition(".") if len(whole) < 8 else (whole, "", places[:8])
    return f"{whole}.{places}".rstrip("0").rstrip(".")


def _paint(name: str, text: str) -> str:
    if name in _SIGNED and _NUMBER.fullmatch(text):
        return RED if text.startswith("-") else GREEN if text.strip("0.") else DIM
    if name in {"state", "level"}:
        return _STATES.get(text, "")
    return RED if name == "error" and text else ""
