"""The journal's tables, as versioned migrations. A migration is never edited once released; a new one follows it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from autotrader.core.errors import StoreError

Migration = Callable[[sqlite3.Connection], None]


def _first(connection: sqlite3.Connection) -> None:
    """Create the tables of the first release. Money is decimal text, times UTC milliseconds."""
    import sqlite_utils

    db = sqlite_utils.Database(connection)
    db.create_table("meta", {"key": str, "value": str}, pk="key")
    db.create_table(
        "generations",
        {"number": int, "at_ms": int, "who": str, "why": str, "hash": str, "changes": str},
        pk="number",
        not_null={"at_ms", "hash"},
    )
    # A generation names only the files that differ from the one before, and each text is kept once: saving one file
    # among a thousand costs one row.
    db.create_table("generation_files", {"number": int, "path": str, "text": str}, pk=("number", "path"))
    db.create_table("texts", {"hash": str, "text": str}, pk="hash")
    db.create_table(
        "decisions",
        {
            "id": int,
            "ts_ms": int,
            "at_ms": int,
            "generation": int,
            "strategy": str,
            "exchange": str,
            "symbol": str,
            "kind": str,
            "entry_id": int,
            "detail": str,
        },
        pk="id",
        not_null={"ts_ms", "strategy", "kind"},
    )
    db.table("decisions").create_index(["strategy", "id"])
    db.create_table(
        "orders",
        {
            "client_id": str,
            "venue_id": str,
            "strategy": str,
            "exchange": str,
            "symbol": str,
            "side": int,
            "type": str,
            "price": str,
            "amount": str,
            "filled": str,
            "average": str,
            "state": str,
            "reason": str,
            "purpose": str,
            "group_id": str,
            "generation": int,
            "decision": int,
            "created_ms": int,
            "updated_ms": int,
        },
        pk="client_id",
        not_null={"strategy", "exchange", "symbol", "state", "amount"},
    )
    db.table("orders").create_index(["state"])
    db.table("orders").create_index(["group_id"])
    db.table("orders").create_index(["created_ms"])
    db.create_table(
        "fills",
        {
            "exchange": str,
            "fill_id": int,
            "client_id": str,
            "strategy": str,
            "symbol": str,
            "side": int,
            "price": str,
            "amount": str,
            "cost": str,
            "fee": str,
            "fee_currency": str,
            "ts_ms": int,
            "maker": int,
            "reason": str,
            "group_id": str,
        },
        pk=("exchange", "fill_id"),
        not_null={"client_id", "price", "amount", "cost", "fee"},
    )
    db.table("fills").create_index(["client_id"])
    db.table("fills").create_index(["ts_ms"])
    db.create_table(
        "trades",
        {
            "id": int,
            "strategy": str,
            "exchange": str,
            "symbol": str,
            "side": int,
            "entry_ms": int,
            "entry_price": str,
            "exit_ms": int,
            "exit_price": str,
            "amount": str,
            "fees": str,
            "pnl": str,
            "reason": str,
            "group_id": str,
        },
        pk="id",
    )
    db.table("trades").create_index(["strategy", "id"])
    db.create_table(
        "legs",
        {
            "owner": str,
            "exchange": str,
            "symbol": str,
            "amount": str,
            "in_amount": str,
            "in_cost": str,
            "out_amount": str,
            "out_cost": str,
            "fees": str,
            "realized": str,
            "in_value": str,
            "out_value": str,
            "opened_ms": int,
            "rest": str,
        },
        pk=("owner", "exchange", "symbol"),
    )
    db.create_table(
        "states",
        {"strategy": str, "part": int, "spec": str, "state": str, "out": str, "ts_ms": int, "anchor_ms": int},
        pk=("strategy", "part"),
    )
    db.create_table("progress", {"exchange": str, "ts_ms": int, "fill_id": int, "cash": str}, pk="exchange")
    db.create_table("equity", {"ts_ms": int, "exchange": str, "equity": str, "cash": str}, pk=("ts_ms", "exchange"))
    db.create_table(
        "events",
        {"id": int, "ts_ms": int, "at_ms": int, "level": str, "kind": str, "subject": str, "message": str},
        pk="id",
    )
    db.create_table("flags", {"name": str, "value": str}, pk="name")


def _open_cost(connection: sqlite3.Connection) -> None:
    """Keep what the open part of a position was entered for; until now it followed from what built it."""
    import sqlite_utils

    legs = sqlite_utils.Database(connection).table("legs")
    legs.add_column("open_cost", str, not_null_default="0")
    for row in list(legs.rows):
        amount, built = abs(Decimal(row["amount"])), Decimal(row["in_amount"])
        if amount:
            cost = (Decimal(row["in_cost"]) * amount / built).quantize(Decimal("1e-8"))
            legs.update((row["owner"], row["exchange"], row["symbol"]), {"open_cost": f"{cost:f}"})


def _slots(connection: sqlite3.Connection) -> None:
    """Keep with each State what its slots asked for, and the last event by leg that it stepped on."""
    import sqlite_utils

    states = sqlite_utils.Database(connection).table("states")
    for name in ("slots", "stepped"):
        states.add_column(name, str, not_null_default="[]")


MIGRATIONS: tuple[Migration, ...] = (_first, _open_cost, _slots)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a journal to today's version, each migration in a transaction of its own.

    Raises StoreError for a journal that a newer release wrote.
    """
    if _version(connection) > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer release (its version is {_version(connection)}, this one knows "
            f"{len(MIGRATIONS)}); install that release again, or name another `store` in autotrader.yaml"
        )
    while _version(connection) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            number = _version(connection)  # asked again: another process may have been faster
            if number < len(MIGRATIONS):
                MIGRATIONS[number](connection)
                connection.execute(f"PRAGMA user_version = {number + 1}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
