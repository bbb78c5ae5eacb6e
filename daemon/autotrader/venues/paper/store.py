"""A paper venue's own SQLite file: what it recovers from, and nothing else.

A transaction that holds an order, a fill or a balance is synchronous FULL. A mere step of the clock is NORMAL: it
survives the end of the process, and after a power cut the market stands a little earlier, with the same account.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from autotrader.core.errors import VenueError, VenueUnavailable
from autotrader.execution.orders import Fill
from autotrader.venues.paper.ledger import Changes
from autotrader.venues.paper.state import STEP, Group, Moment, Order

VERSION = 5

_SECOND = """
ALTER TABLE clock ADD COLUMN symbol TEXT NOT NULL DEFAULT '';
ALTER TABLE clock ADD COLUMN feed TEXT NOT NULL DEFAULT '';
ALTER TABLE clock ADD COLUMN row INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN crossing INTEGER NOT NULL DEFAULT 0;
"""
"""What the second version added: where the market stands among the events of a millisecond, and limits that cross."""

_THIRD = "ALTER TABLE orders ADD COLUMN ahead INTEGER NOT NULL DEFAULT -1;"
"""What the third version added: the place of an order in the queue of a book; one of before joins it anew."""

_FOURTH = "ALTER TABLE orders ADD COLUMN terms INTEGER NOT NULL DEFAULT 0;"
"""What the fourth version added: orders that never take, and those that do at once or end."""

_FIFTH = """
CREATE TABLE settled (symbol TEXT PRIMARY KEY, ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX fills_of ON fills (symbol, ts_ms);
INSERT INTO settled SELECT DISTINCT fills.symbol, clock.ms FROM fills, clock;
"""
"""What the fifth version added: up to when a live market's funding is dealt with; accounts of before paid none."""

# value and entry_value count ticks x lots, which may pass 64 bits: they are text
_SCHEMA = """
CREATE TABLE identity (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), ms INTEGER NOT NULL, phase INTEGER NOT NULL);
CREATE TABLE instruments (symbol TEXT PRIMARY KEY, tick TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE balances (currency TEXT PRIMARY KEY, units INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE orders (
  seq INTEGER PRIMARY KEY, client_id TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL, side INTEGER NOT NULL,
  type TEXT NOT NULL, ticks INTEGER NOT NULL, lots INTEGER NOT NULL, reduce_only INTEGER NOT NULL,
  group_name TEXT NOT NULL, resolution TEXT NOT NULL, from_ms INTEGER NOT NULL, stop INTEGER NOT NULL,
  take INTEGER NOT NULL, trail INTEGER NOT NULL, guard_id TEXT NOT NULL, reserved INTEGER NOT NULL,
  filled INTEGER NOT NULL, value TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, ts_ms INTEGER NOT NULL
);
CREATE INDEX open_orders ON orders (status) WHERE status = 'open';
CREATE TABLE groups (
  name TEXT PRIMARY KEY, symbol TEXT NOT NULL, resolution TEXT NOT NULL, net INTEGER NOT NULL, cost INTEGER NOT NULL,
  entry_lots INTEGER NOT NULL, entry_value TEXT NOT NULL, best REAL NOT NULL, stop INTEGER NOT NULL,
  take INTEGER NOT NULL, trail INTEGER NOT NULL, guard_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE fills (
  fill_id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, exchange TEXT NOT NULL, symbol TEXT NOT NULL,
  side INTEGER NOT NULL, price TEXT NOT NULL, amount TEXT NOT NULL, cost TEXT NOT NULL, fee TEXT NOT NULL,
  fee_currency TEXT NOT NULL, ts_ms INTEGER NOT NULL, maker INTEGER NOT NULL, reason TEXT NOT NULL,
  group_name TEXT NOT NULL
);
CREATE TABLE funding (ts_ms INTEGER NOT NULL, symbol TEXT NOT NULL, units INTEGER NOT NULL,
  PRIMARY KEY (ts_ms, symbol)) WITHOUT ROWID;
"""

_PUT_ORDER = "INSERT OR REPLACE INTO orders VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_PUT_GROUP = "INSERT OR REPLACE INTO groups VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
_PUT_FILL = "INSERT INTO fills VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"


class Saved(NamedTuple):
    """All that is needed to go on. `clock` is None before the market began."""

    clock: Moment | None
    balances: dict[str, int]
    orders: tuple[Order, ...]
    groups: tuple[Group, ...]
    ticks: dict[str, Decimal]
    last_seq: int
    last_fill: int


class PaperStore:
    """The open file. Every method raises VenueUnavailable where the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = self._connect()
        self._full = True

    def _connect(self) -> sqlite3.Connection:
        try:
            self._path.touch(mode=0o600)  # what an account holds is its owner's business
            db = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        except (sqlite3.Error, OSError) as error:
            raise self._broken("open", error) from error
        return db

    def identify(self, identity: dict[str, str], balances: dict[str, int]) -> None:
        """Make the file this market's, or prove that it is. Raises VenueError where it belongs to another one."""
        try:
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._create(identity, balances)
                return
            if version in {1, 2, 3, 4}:
                missing = " ".join((_SECOND, _THIRD, _FOURTH, _FIFTH)[version - 1 :])
                self._db.executescript(f"BEGIN IMMEDIATE; {missing} PRAGMA user_version = {VERSION}; COMMIT;")
                version = VERSION
            held = dict(self._db.execute("SELECT name, value FROM identity"))
        except sqlite3.Error as error:
            raise self._broken("read", error) from error
        if version != VERSION:
            raise VenueError(f"{self._path}: is of version {version}, this program writes {VERSION}; move it away")
        for name, value in identity.items():
            if held.get(name) != value:
                raise VenueError(
                    f"{self._path}: holds an account of {name} {held.get(name)}, not {value}; "
                    "move the file away to begin a new one, or go back to what it was"
                )

    def load(self) -> Saved:
        """Return what the file holds."""
        try:
            clock = self._db.execute("SELECT ms, phase, symbol, feed, row FROM clock").fetchone()
            return Saved(
                Moment(*clock) if clock else None,
                dict(self._db.execute("SELECT currency, units FROM balances")),
                tuple(_order(row) for row in self._db.execute("SELECT * FROM orders WHERE status = 'open'")),
                tuple(_group(row) for row in self._db.execute("SELECT * FROM groups")),
                {symbol: Decimal(tick) for symbol, tick in self._db.execute("SELECT symbol, tick FROM instruments")},
                self._db.execute("SELECT coalesce(max(seq), 0) FROM orders").fetchone()[0],
                self._db.execute("SELECT coalesce(max(fill_id), 0) FROM fills").fetchone()[0],
            )
        except sqlite3.Error as error:
            raise self._broken("read", error) from error

    def commit(self, clock: Moment | None, changes: Changes, *, durable: bool) -> None:
        """Write one step of the market, whole or not at all."""
        try:
            if durable != self._full:
                self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._full = durable
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._write(clock, changes)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._broken("write", error) from error

    def put_tick(self, symbol: str, tick: Decimal) -> None:
        """Remember a symbol's price step: ticks counted once keep their meaning."""
        try:
            self._db.execute("INSERT OR IGNORE INTO instruments VALUES (?, ?)", (symbol, str(tick)))
        except sqlite3.Error as error:
            raise self._broken("write", error) from error

    def order(self, client_id: str) -> Order | None:
        """Return an order by its client id, dead or alive."""
        rows = self._rows("SELECT * FROM orders WHERE client_id = ?", (client_id,))
        return _order(rows[0]) if rows else None

    def fills(self, after_id: int) -> list[Fill]:
        """Return the fills with a larger id, oldest first."""
        return [_fill(row) for row in self._rows("SELECT * FROM fills WHERE fill_id > ? ORDER BY fill_id", (after_id,))]

    def filled(self, ts_ms: int) -> bool:
        """Tell whether the newest fill happened at a moment."""
        rows = self._rows("SELECT ts_ms FROM fills ORDER BY fill_id DESC LIMIT 1", ())
        return bool(rows) and rows[0][0] == ts_ms

    def funding(self, after_ms: int) -> list[tuple[int, str, int]]:
        """Return what was settled after a moment, oldest first: its time, symbol and steps of cash."""
        return self._rows("SELECT * FROM funding WHERE ts_ms > ? ORDER BY ts_ms, symbol", (after_ms,))

    def symbols(self) -> list[str]:
        """Return the symbols that the account has counted in, sorted."""
        return [row[0] for row in self._rows("SELECT symbol FROM instruments ORDER BY symbol", ())]

    def settled_ms(self, symbol: str) -> int:
        """Return the last settlement of a live market that was dealt with; 0 before there is one."""
        rows = self._rows("SELECT ms FROM settled WHERE symbol = ?", (symbol,))
        return rows[0][0] if rows else 0

    def moves(self, symbol: str, from_ms: int) -> list[tuple[int, int, bool]]:
        """Return a symbol's fills at or after a moment: time, signed lots, whether a bar that closed then decided it.

        A fill at an open takes and has no reason of its own; a guard's may be at an open too, and counts as inside.
        """
        query = "SELECT ts_ms, side, amount, maker OR reason != '' FROM fills WHERE symbol = ? AND ts_ms >= ?"
        rows = self._rows(f"{query} ORDER BY fill_id", (symbol, from_ms))
        return [(row[0], row[1] * int(Decimal(row[2]) / STEP), bool(row[3])) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _create(self, identity: dict[str, str], balances: dict[str, int]) -> None:
        whole = f"{_SCHEMA} {_SECOND} {_THIRD} {_FOURTH} {_FIFTH}"
        self._db.executescript(f"BEGIN IMMEDIATE; {whole} PRAGMA user_version = {VERSION};")
        self._db.executemany("INSERT INTO identity VALUES (?, ?)", identity.items())
        self._db.executemany("INSERT INTO balances VALUES (?, ?)", balances.items())
        self._db.execute("COMMIT")

    def _write(self, clock: Moment | None, changes: Changes) -> None:
        run = self._db.executemany
        if clock is not None:
            self._db.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?, ?, ?)", clock)
        if changes.orders:
            run(_PUT_ORDER, [_replaced(order, "value") for order in changes.orders])
        for name, group in changes.groups:
            if group is None:
                self._db.execute("DELETE FROM groups WHERE name = ?", (name,))
            else:
                self._db.execute(_PUT_GROUP, _replaced(group, "entry_value"))
        if changes.balances:
            run("INSERT OR REPLACE INTO balances VALUES (?, ?)", changes.balances)
        if changes.fills:
            run(_PUT_FILL, [_texts(fill) for fill in changes.fills])
        if changes.funding:
            run("INSERT INTO funding VALUES (?, ?, ?)", changes.funding)
        if changes.settled:
            run("INSERT OR REPLACE INTO settled VALUES (?, ?)", changes.settled)

    def _rows(self, query: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._broken("read", error) from error

    def _broken(self, what: str, error: sqlite3.Error | OSError) -> VenueUnavailable:
        return VenueUnavailable(f"cannot {what} the paper account {self._path}: {error}; nothing has changed in it")


def _order(row: Iterable[Any]) -> Order:
    order = Order(*row)
    return order._replace(value=int(order.value), reduce_only=bool(order.reduce_only), crossing=bool(order.crossing))


def _group(row: Iterable[Any]) -> Group:
    group = Group(*row)
    return group._replace(entry_value=int(group.entry_value))


def _fill(row: Iterable[Any]) -> Fill:
    fill = Fill(*row)
    return fill._replace(
        price=Decimal(fill.price),
        amount=Decimal(fill.amount),
        cost=Decimal(fill.cost),
        fee=Decimal(fill.fee),
        maker=bool(fill.maker),
    )


def _replaced(row: Order | Group, wide: str) -> list[object]:
    return [str(value) if name == wide else value for name, value in zip(row._fields, row, strict=True)]


def _texts(fill: Fill) -> list[object]:
    return [str(value) if isinstance(value, Decimal) else value for value in fill]
