"""What an exchange remembers when its process ends: balances, orders and trades in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from autotrader.core.errors import StoreError
from autotrader.venues.emulator.account import Holding
from autotrader.venues.emulator.exchange import MAX_ORDERS, MAX_TRADES, Exchange, Told
from autotrader.venues.emulator.orders import Order, Trade

_TABLES = """
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS balance (asset TEXT PRIMARY KEY, free TEXT NOT NULL, locked TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trade (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, body TEXT NOT NULL);
"""
_MONEY = frozenset({"spendable", "value", "locked", "price", "quantity", "fee"})


class State:
    """One file. What changed is gathered, and written at once, so that a crash leaves the one or the other."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises StoreError where it cannot be used."""
        self._path = path
        self._changed: dict[int, Order] = {}
        self._traded: list[Trade] = []
        try:
            self._file = sqlite3.connect(path, isolation_level=None)
            self._file.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _TABLES)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: cannot keep the emulator's state: {error}; name another file") from None

    def shift_ms(self) -> int | None:
        """Return how far the history was shifted when the file was made; None in a new one."""
        return self._note("shift_ms")

    def restore(self, exchange: Exchange) -> None:
        """Give an exchange what it had. Raises StoreError where the file does not fit its market."""
        seen_ms = self._note("seen_ms")
        if seen_ms is None:
            self._write(exchange, (), ())
            return
        try:
            self._prune()
            held = {
                asset: Holding(Decimal(free), Decimal(locked))
                for asset, free, locked in self._file.execute("SELECT asset, free, locked FROM balance")
            }
            orders = [_order(body) for (body,) in self._file.execute("SELECT body FROM orders ORDER BY id")]
            trades = [_trade(body) for (body,) in self._file.execute("SELECT body FROM trade ORDER BY id")]
            exchange.restore(held, orders, trades, seen_ms)
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self._path}: the state does not fit this market ({error}); remove the file to start anew"
            ) from None

    def note(self, told: Told) -> None:
        """Remember that an order changed; `save` writes it."""
        self._changed[told.order.id] = told.order
        if told.trade is not None:
            self._traded.append(told.trade)

    def save(self, exchange: Exchange) -> None:
        """Write what changed since the last time. Raises StoreError where the disk refuses."""
        if not self._changed:
            return
        self._write(exchange, self._changed.values(), self._traded)
        self._changed, self._traded = {}, []

    def close(self, exchange: Exchange) -> None:
        """Write where the market stands, and close the file."""
        self._write(exchange, self._changed.values(), self._traded)
        self._file.close()

    def _note(self, name: str) -> int | None:
        found = self._file.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return None if found is None else int(found[0])

    def _prune(self) -> None:
        """Forget what an exchange would not remember either, so that the file does not grow for ever."""
        self._file.execute(
            "DELETE FROM orders WHERE id <= (SELECT max(id) FROM orders) - ? "
            "AND json_extract(body, '$.status') NOT IN ('NEW', 'PARTIALLY_FILLED')",
            (MAX_ORDERS,),
        )
        self._file.execute("DELETE FROM trade WHERE id <= (SELECT max(id) FROM trade) - ?", (MAX_TRADES,))

    def _write(self, exchange: Exchange, orders: Iterable[Order], trades: Iterable[Trade]) -> None:
        notes = {"shift_ms": exchange.market.shift_ms, "seen_ms": exchange.seen_ms}
        holdings = exchange.account.holdings().items()
        try:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", notes.items())
            self._file.executemany(
                "INSERT OR REPLACE INTO balance VALUES (?, ?, ?)",
                [(asset, str(one.free), str(one.locked)) for asset, one in holdings],
            )
            self._file.executemany(
                "INSERT OR REPLACE INTO orders VALUES (?, ?)", [(one.id, _body(one)) for one in orders]
            )
            self._file.executemany(
                "INSERT OR REPLACE INTO trade VALUES (?, ?, ?)",
                [(one.id, one.order_id, json.dumps(one._asdict(), default=str)) for one in trades],
            )
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: cannot write the emulator's state: {error}") from None


def _body(order: Order) -> str:
    kept = {one.name: getattr(order, one.name) for one in fields(order) if one.name != "trades"}
    return json.dumps(kept, default=str)


def _read(body: str) -> dict[str, Any]:
    return {name: Decimal(value) if name in _MONEY else value for name, value in json.loads(body).items()}


def _order(body: str) -> Order:
    return Order(**_read(body))


def _trade(body: str) -> Trade:
    return Trade(**_read(body))
