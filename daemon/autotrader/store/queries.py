"""What people ask the journal, read only: it never blocks the daemon and needs nothing of it."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from autotrader.core.errors import StoreError
from autotrader.core.units import shown
from autotrader.execution.ledger import Position

MAX_ROWS = 10_000

_SIDE = "CASE side WHEN 1 THEN 'buy' ELSE 'sell' END AS side"

ORDERS = (
    f"SELECT client_id, venue_id, strategy, exchange, symbol, {_SIDE}, type, price, amount, filled, average, state, "
    "reason, generation, created_ms AS created_ts, updated_ms AS updated_ts FROM orders "
    "ORDER BY created_ms DESC, client_id LIMIT ?"
)
FILLS = (
    f"SELECT client_id, strategy, exchange, symbol, {_SIDE}, price, amount, fee, fee_currency, ts_ms AS ts, reason "
    "FROM fills ORDER BY ts_ms DESC, fill_id DESC LIMIT ?"
)
TRADES = (
    "SELECT strategy, symbol, CASE side WHEN 1 THEN 'long' ELSE 'short' END AS side, entry_ms AS entry_ts, "
    "entry_price, exit_ms AS exit_ts, exit_price, amount, fees, pnl, reason FROM trades ORDER BY id DESC LIMIT ?"
)
LOGS = "SELECT at_ms AS at, ts_ms AS ts, level, kind, subject, message FROM events ORDER BY id DESC LIMIT ?"
DECISIONS = (
    "SELECT id, ts_ms AS ts, at_ms AS at, generation, strategy, exchange, symbol, kind, entry_id, detail "
    "FROM decisions ORDER BY id DESC LIMIT ?"
)
HISTORY = "SELECT number, at_ms AS at, who, why, hash, changes FROM generations ORDER BY number DESC LIMIT ?"
EQUITY = (
    "SELECT ts, equity FROM (SELECT ts_ms AS ts, SUM(CAST(equity AS REAL)) AS equity FROM equity "
    "GROUP BY ts_ms ORDER BY ts_ms DESC LIMIT ?) ORDER BY ts"
)
EQUITY_CURVE = (  # the whole history in a bounded number of points: the last moment of each of N equal stretches
    "WITH span AS (SELECT MIN(ts_ms) AS since, MAX(ts_ms) - MIN(ts_ms) + 1 AS length FROM equity), "
    "shown AS (SELECT MAX(ts_ms) AS ts_ms FROM equity, span GROUP BY (ts_ms - since) * ? / length) "
    "SELECT ts_ms AS ts, SUM(CAST(equity AS REAL)) AS equity FROM equity JOIN shown USING (ts_ms) "
    "GROUP BY ts_ms ORDER BY ts_ms"
)


_JSON = frozenset({"changes", "detail"})
"""Columns that hold JSON text."""


class Reader:
    """A read-only connection to a journal. Raises StoreError where there is none, or where it cannot be read."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise StoreError(f"there is no store at {path} yet; `autotrader run` makes it")
        try:
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StoreError(f"the store {path} cannot be opened: {error}") from error
        self._path = path
        self._db.row_factory = sqlite3.Row

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def rows(self, query: str, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest rows of one of this module's queries as plain objects, at most MAX_ROWS."""
        return [
            {key: orjson.loads(row[key]) if key in _JSON else row[key] for key in row.keys()}  # noqa: SIM118 - a Row
            for row in self.all(query, (max(0, min(limit, MAX_ROWS)),))
        ]

    def positions(self) -> list[dict[str, Any]]:
        """Return the open positions as the journal has them; prices are the daemon's business."""
        rows = self.all("SELECT * FROM legs WHERE CAST(amount AS REAL) != 0 ORDER BY owner, exchange, symbol")
        return [_position(row) for row in rows]

    def all(self, query: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Return every row of a query."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the store {self._path} cannot be read: {error}") from error


def _position(row: sqlite3.Row) -> dict[str, Any]:
    money = Position._fields[:-1]
    position = Position._make((*(Decimal(row[name]) for name in money), row["opened_ms"]))
    entry, side = position.entry_price or Decimal(0), 1 if position.amount > 0 else -1
    rest = orjson.loads(row["rest"])
    stop, take, _ = (None if value is None else Decimal(value) for value in rest["guard"])
    return {
        "strategy": row["owner"],
        "exchange": row["exchange"],
        "symbol": row["symbol"],
        "amount": shown(position.amount),
        "entry_price": shown(entry),
        "last_price": None,
        "unrealized": None,
        "realized": shown(position.banked()),
        "stop": shown(entry * (1 - side * stop)) if stop else None,
        "take": shown(entry * (1 + side * take)) if take else None,
        "opened": position.opened_ms,
        "locked": rest["locked"],
    }
