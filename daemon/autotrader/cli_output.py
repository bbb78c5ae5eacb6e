"""What the commands answer with: tables for people, one JSON document for programs, a bar while long work goes on."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from autotrader.core.clock import iso
from autotrader.core.table import BOLD, PLAIN, table


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[..., None] | None]:
    """Give what shows how far long work is, 0 to 1, and what came of it so far; None where nobody sees a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share, news="": bar.update(task, completed=share, description=f"{what} {news}".rstrip())


def show(arguments: argparse.Namespace, rows: list[dict[str, Any]], document: Any = None, footing: str = "") -> None:
    """Print rows as a table, or as JSON (or another document in their place) where that is asked for."""
    if arguments.json:
        print_json(rows if document is None else document)
    else:
        print(table_of(rows))
        if footing:
            print(footing)


def time_of(ts_ms: int) -> str:
    """Return UTC milliseconds as people read them; a dash for none."""
    return iso(ts_ms) if ts_ms else "-"


def coloured() -> bool:
    """Colours are for terminals that want them: https://no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def bold(text: str) -> str:
    """Return text that stands out on a terminal."""
    return f"{BOLD}{text}{PLAIN}" if coloured() else text


def table_of(rows: list[dict[str, Any]]) -> str:
    """Return rows as a table."""
    return table(rows, colour=coloured())


def print_json(value: Any) -> None:
    """Print one JSON document."""
    import orjson

    sys.stdout.write(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")
