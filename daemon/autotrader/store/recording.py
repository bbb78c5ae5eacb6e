"""A whole recorded run as a journal holds it, read only: what was declared, what was ordered, filled and steered."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from autotrader.core.errors import StoreError
from autotrader.store.queries import Reader

ORDERS = (
    "SELECT client_id, strategy, exchange, symbol, side, type, price, amount, filled, state, generation, created_ms, "
    "updated_ms FROM orders ORDER BY created_ms, client_id"
)
FILLS = (
    "SELECT client_id, strategy, exchange, symbol, side, price, amount, cost, fee, ts_ms, maker, reason FROM fills "
    "ORDER BY ts_ms, exchange, fill_id"
)
EVENTS = "SELECT id, ts_ms, kind, subject, message FROM events ORDER BY id"
GENERATIONS = "SELECT number FROM generations ORDER BY number"
FILES = "SELECT number, path, text FROM generation_files ORDER BY number"


class Declared(NamedTuple):
    """One generation: its number and its files' texts."""

    number: int
    texts: dict[str, str]


@dataclass(frozen=True)
class Recording:
    """One journal. Rows are as SQLite holds them: money is text, times are UTC milliseconds of the market.

    `until_ms` says, by exchange, how far the run came; `forgotten` whether its first events were pruned.
    """

    path: Path
    run: str
    generations: tuple[Declared, ...]
    orders: tuple[dict[str, Any], ...]
    fills: tuple[dict[str, Any], ...]
    events: tuple[dict[str, Any], ...]
    until_ms: dict[str, int]
    forgotten: bool


def read(path: Path) -> Recording:
    """Return what a journal holds. Raises StoreError where it cannot be read, or holds no generation."""
    reader = Reader(path)
    try:
        meta = reader.all("SELECT value FROM meta WHERE key = 'run'")
        generations = _generations(reader)
        if not meta or not generations:
            raise StoreError(f"the store {path} holds no run: no generation was ever accepted")
        events = _plain(reader.all(EVENTS))
        return Recording(
            path=path,
            run=str(meta[0][0]),
            generations=generations,
            orders=_plain(reader.all(ORDERS)),
            fills=_plain(reader.all(FILLS)),
            events=events,
            until_ms={row["exchange"]: row["ts_ms"] for row in reader.all("SELECT exchange, ts_ms FROM progress")},
            forgotten=bool(events) and events[0]["id"] > 1,
        )
    finally:
        reader.close()


def generations(path: Path) -> tuple[Declared, ...]:
    """Return every accepted generation of a journal, oldest first. Raises StoreError where there is none."""
    reader = Reader(path)
    try:
        found = _generations(reader)
    finally:
        reader.close()
    if not found:
        raise StoreError(f"the store {path} holds no generation yet")
    return found


def _generations(reader: Reader) -> tuple[Declared, ...]:
    texts = {row["hash"]: row["text"] for row in reader.all("SELECT hash, text FROM texts")}
    files = reader.all(FILES)
    found, at, now = [], 0, dict[str, str]()
    for row in reader.all(GENERATIONS):
        while at < len(files) and files[at]["number"] <= row["number"]:
            path, digest = files[at]["path"], files[at]["text"]
            now.pop(path, None)
            if digest is not None:
                now[path] = texts[digest]
            at += 1
        found.append(Declared(row["number"], dict(now)))
    return tuple(found)


def _plain(rows: list[sqlite3.Row]) -> tuple[dict[str, Any], ...]:
    return tuple(dict(row) for row in rows)
