"""The journal: the one writer of the daemon's SQLite file. What it says happened is durable before it is acted on."""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from autotrader.core.clock import Clock
from autotrader.core.errors import BrokenInvariant, StoreError
from autotrader.execution.ledger import Position, Trade, cash_flow
from autotrader.execution.order_state import DONE, OrderState
from autotrader.execution.orders import Fill, Order
from autotrader.store.schema import migrate

ORDER_COLUMNS = (
    "client_id, venue_id, strategy, exchange, symbol, side, type, price, amount, filled, average, state, reason, "
    "purpose, group_id, generation, decision, created_ms, updated_ms"
)

LEG_COLUMNS = "owner, exchange, symbol, " + ", ".join(Position._fields) + ", rest"


class Generation(NamedTuple):
    """One accepted set of declarations: its number, hash, the files' texts, who asked for it and why."""

    number: int
    at_ms: int
    who: str
    why: str
    hash: str
    texts: dict[str, str]
    changes: list[str]


class LegRow(NamedTuple):
    """One owner's position in one symbol, with the plain data that its runner needs besides."""

    owner: str
    exchange: str
    symbol: str
    position: Position
    rest: dict[str, Any]


class StateRow(NamedTuple):
    """A strategy part's State and Out after the event at `ts_ms`; `anchor_ms` is where its warm-up began.

    `slots` holds what each slot asked for and its order's client id, `stepped` by leg the moment and row of the last
    event of a feed that State has seen.
    """

    strategy: str
    part: int
    spec: str
    state: list[Any]
    out: list[list[float]]
    ts_ms: int
    anchor_ms: int
    slots: Sequence[Any] = ()
    stepped: Sequence[Any] = ()


class Progress(NamedTuple):
    """Market time dealt with, newest fill id and cash of an exchange; zeros and None before anything happened."""

    ts_ms: int
    fill_id: int
    cash: Decimal | None


class Journal:
    """Writes go through `write()`, one transaction each; reads see what was written.

    Raises StoreError when the file cannot be opened, migrated or written.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._synchronous = ""
        self._depth = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA wal_autocheckpoint=2000")
            migrate(self._db, path)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the store {path} cannot be opened: {error}; name a writable `store`") from error
        self.run = self._identity()

    def _identity(self) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE key = 'run'").fetchone()
        if row:
            return str(row[0])
        run = secrets.token_hex(8)
        with self.write():
            self._db.execute("INSERT INTO meta VALUES ('run', ?)", (run,))
        return run

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[None]:
        """One transaction. Durable ones are on the disk when it ends; the others may be lost with the power.

        An inner `write` joins the outer one; an inner durable one inside a lazy one is a bug.
        """
        if self._depth:
            if durable and self._synchronous != "FULL":
                raise BrokenInvariant("a durable write was asked for inside a lazy one")
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        wanted = "FULL" if durable else "NORMAL"
        try:
            if self._synchronous != wanted:
                self._db.execute(f"PRAGMA synchronous={wanted}")
                self._synchronous = wanted
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StoreError(f"the store {self.path} cannot be written: {error}") from error
        self._depth = 1
        try:
            yield
        except BaseException as error:
            self._depth = 0
            self._undo()
            if isinstance(error, sqlite3.Error):
                raise StoreError(f"the store {self.path} cannot be written: {error}") from error
            raise
        self._depth = 0
        self._commit()

    def _commit(self) -> None:
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise StoreError(f"the store {self.path} cannot be written: {error}") from error

    def _undo(self) -> None:
        if self._db.in_transaction:  # a full disk ends the transaction by itself
            self._db.execute("ROLLBACK")

    # decisions and orders

    def decision(
        self,
        ts_ms: int,
        generation: int,
        strategy: str,
        exchange: str,
        symbol: str,
        kind: str,
        entry_id: int,
        detail: dict[str, Any],
    ) -> int:
        """Write what a strategy (or a person) decided, and return its id."""
        cursor = self._db.execute(
            "INSERT INTO decisions (ts_ms, at_ms, generation, strategy, exchange, symbol, kind, entry_id, detail) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                ts_ms,
                self._clock.now_ms(),
                generation,
                strategy,
                exchange,
                symbol,
                kind,
                entry_id,
                orjson.dumps(detail, default=str).decode(),
            ),
        )
        return int(cursor.lastrowid or 0)

    def order(self, order: Order) -> None:
        """Write an order as it now stands."""
        self._db.execute(
            f"INSERT OR REPLACE INTO orders ({ORDER_COLUMNS}) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *order[:7],
                _text(order.price),
                _plain(order.amount),
                _plain(order.filled),
                _text(order.average),
                order.state.value,
                *order[12:],
            ),
        )

    def find_order(self, client_id: str) -> Order | None:
        """Return an order by its client id."""
        row = self._db.execute(
            f"SELECT {ORDER_COLUMNS} FROM orders WHERE client_id = ?",
            (client_id,),
        ).fetchone()
        return _order(row) if row else None

    def live_orders(self) -> list[Order]:
        """Return the orders that may still fill, armed guards included, oldest first."""
        done = ", ".join(f"'{state}'" for state in sorted(DONE))
        rows = self._db.execute(
            f"SELECT {ORDER_COLUMNS} FROM orders WHERE state NOT IN ({done}) ORDER BY created_ms, client_id"
        )
        return [_order(row) for row in rows]

    def newest_orders(self, within_ms: int) -> list[tuple[str, str, int]]:
        """Return exchange, owner and time of the last orders, oldest first: the newest, and those so near to it.

        Guards and the stops that rest at an exchange are left out: they count under no limit.
        """
        rows = self._db.execute(
            "SELECT exchange, strategy, created_ms FROM orders WHERE type NOT IN ('guard', 'stop') "
            "AND created_ms > (SELECT MAX(created_ms) FROM orders) - ? ORDER BY created_ms",
            (within_ms,),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    # fills, trades, positions

    def fill(self, fill: Fill, owner: str) -> bool:
        """Write a fill, and what it did to its exchange's cash where it is an owner's; False if it was already there.

        Both in one transaction: a crash after it finds a fill and a cash that know of each other.
        """
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                fill.exchange,
                fill.fill_id,
                fill.client_id,
                owner,
                fill.symbol,
                fill.side,
                _plain(fill.price),
                _plain(fill.amount),
                _plain(fill.cost),
                _plain(fill.fee),
                fill.fee_currency,
                fill.ts_ms,
                int(fill.maker),
                fill.reason,
                fill.group,
            ),
        )
        if cursor.rowcount == 0:
            return False
        cash = self.progress_of(fill.exchange).cash
        if cash is not None and owner:
            cash += cash_flow(fill)
        self._db.execute(
            "INSERT INTO progress VALUES (?, 0, ?, NULL) ON CONFLICT (exchange) "
            "DO UPDATE SET fill_id = MAX(fill_id, excluded.fill_id), cash = ?",
            (fill.exchange, fill.fill_id, _text(cash)),
        )
        return True

    def trade(self, trade: Trade, owner: str, exchange: str, symbol: str, group: str) -> None:
        """Write a closed round trip."""
        self._db.execute(
            "INSERT INTO trades (strategy, exchange, symbol, side, entry_ms, entry_price, exit_ms, exit_price, amount,"
            " fees, pnl, reason, group_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (owner, exchange, symbol, *(_plain(v) if isinstance(v, Decimal) else v for v in trade), group),
        )

    def profits(self, owner: str) -> list[Decimal]:
        """Return what each closed round trip of an owner made, oldest first, in quote units net of fees."""
        rows = self._db.execute("SELECT pnl FROM trades WHERE strategy = ? ORDER BY id", (owner,))
        return [Decimal(row[0]) for row in rows]

    def leg(self, row: LegRow) -> None:
        """Write one owner's position."""
        self._db.execute(
            f"INSERT OR REPLACE INTO legs ({LEG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.owner,
                row.exchange,
                row.symbol,
                *(_plain(value) for value in row.position[:-1]),
                row.position.opened_ms,
                orjson.dumps(row.rest).decode(),
            ),
        )

    def forget_leg(self, owner: str, exchange: str, symbol: str) -> None:
        """Remove a position that changed its owner or will not come back."""
        self._db.execute("DELETE FROM legs WHERE owner = ? AND exchange = ? AND symbol = ?", (owner, exchange, symbol))

    def legs(self) -> list[LegRow]:
        """Return every position, flat ones included."""
        return [
            LegRow(
                row[0],
                row[1],
                row[2],
                Position._make((*(Decimal(value) for value in row[3:13]), row[13])),
                orjson.loads(row[14]),
            )
            for row in self._db.execute(f"SELECT {LEG_COLUMNS} FROM legs ORDER BY owner, exchange, symbol")
        ]

    # strategy states and progress

    def state(self, row: StateRow) -> None:
        """Write a strategy part's State and Out."""
        self._db.execute(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.strategy,
                row.part,
                row.spec,
                orjson.dumps(row.state).decode(),
                orjson.dumps(row.out).decode(),
                row.ts_ms,
                row.anchor_ms,
                orjson.dumps(row.slots).decode(),
                orjson.dumps(row.stepped).decode(),
            ),
        )

    def forget_states(self, strategy: str) -> None:
        """Remove a strategy's States: it was removed, or starts anew."""
        self._db.execute("DELETE FROM states WHERE strategy = ?", (strategy,))

    def states(self) -> dict[tuple[str, int], StateRow]:
        """Return every State by strategy and part."""
        rows = self._db.execute("SELECT * FROM states")
        return {
            (row[0], row[1]): StateRow(
                row[0],
                row[1],
                row[2],
                orjson.loads(row[3]),
                orjson.loads(row[4]),
                row[5],
                row[6],
                orjson.loads(row[7]),
                orjson.loads(row[8]),
            )
            for row in rows
        }

    def progress(self, exchange: str, ts_ms: int, cash: Decimal) -> None:
        """Write how far in market time an exchange's events are dealt with, and its cash then."""
        self._db.execute(
            "INSERT INTO progress VALUES (?, ?, 0, ?) "
            "ON CONFLICT (exchange) DO UPDATE SET ts_ms = excluded.ts_ms, cash = excluded.cash",
            (exchange, ts_ms, _plain(cash)),
        )

    def progress_of(self, exchange: str) -> Progress:
        """Return how far an exchange's events are dealt with."""
        row = self._db.execute("SELECT ts_ms, fill_id, cash FROM progress WHERE exchange = ?", (exchange,)).fetchone()
        if row is None:
            return Progress(0, 0, None)
        return Progress(row[0], row[1], None if row[2] is None else Decimal(row[2]))

    # generations, flags, events, equity

    def generation(self, row: Generation) -> None:
        """Write an accepted generation."""
        self._db.execute(
            "INSERT INTO generations VALUES (?, ?, ?, ?, ?, ?)",
            (row.number, row.at_ms, row.who, row.why, row.hash, orjson.dumps(row.changes).decode()),
        )
        before = self._files(row.number - 1)
        now = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in row.texts.items()}
        changed = {path: digest for path, digest in now.items() if before.get(path) != digest}
        self._db.executemany(
            "INSERT OR IGNORE INTO texts VALUES (?, ?)",
            [(digest, row.texts[path]) for path, digest in changed.items()],
        )
        gone = dict.fromkeys(before.keys() - now.keys())
        self._db.executemany(
            "INSERT INTO generation_files VALUES (?, ?, ?)",
            [(row.number, path, digest) for path, digest in (changed | gone).items()],
        )

    def _files(self, number: int) -> dict[str, str]:
        """Return the hash of each file of a generation."""
        files: dict[str, str] = {}
        rows = self._db.execute("SELECT path, text FROM generation_files WHERE number <= ? ORDER BY number", (number,))
        for path, digest in rows:
            if digest is None:
                files.pop(path, None)
            else:
                files[path] = digest
        return files

    def generations(self, number: int | None = None, limit: int = 1) -> list[Generation]:
        """Return one generation, or the newest ones first, with their files' texts."""
        where, values = ("WHERE number = ?", (number,)) if number is not None else ("", ())
        rows = self._db.execute(
            f"SELECT * FROM generations {where} ORDER BY number DESC LIMIT ?",
            (*values, limit),
        ).fetchall()
        texts = dict(self._db.execute("SELECT hash, text FROM texts")) if rows else {}
        return [
            Generation(
                row[0],
                row[1],
                row[2],
                row[3],
                row[4],
                {path: texts[digest] for path, digest in self._files(row[0]).items()},
                orjson.loads(row[5]),
            )
            for row in rows
        ]

    def flag(self, name: str, value: Any) -> None:
        """Write something small that must survive a restart; None removes it."""
        if value is None:
            self._db.execute("DELETE FROM flags WHERE name = ?", (name,))
        else:
            self._db.execute("INSERT OR REPLACE INTO flags VALUES (?, ?)", (name, orjson.dumps(value).decode()))

    def flags(self) -> dict[str, Any]:
        """Return all flags by name."""
        return {name: orjson.loads(value) for name, value in self._db.execute("SELECT * FROM flags")}

    def event(self, ts_ms: int, level: str, kind: str, subject: str, message: str) -> None:
        """Write something that happened and that a person may ask about: a refusal, a reload, a repair."""
        self._db.execute(
            "INSERT INTO events (ts_ms, at_ms, level, kind, subject, message) VALUES (?, ?, ?, ?, ?, ?)",
            (ts_ms, self._clock.now_ms(), level, kind, subject, message),
        )

    def equity(self, ts_ms: int, rows: Iterable[tuple[str, Decimal, Decimal]]) -> None:
        """Write the equity and cash of each exchange at a market moment."""
        self._db.executemany(
            "INSERT OR REPLACE INTO equity VALUES (?, ?, ?, ?)",
            [(ts_ms, exchange, _plain(equity), _plain(cash)) for exchange, equity, cash in rows],
        )

    def prune(self, events: int = 100_000, equity: int = 500_000, decisions: int = 1_000_000) -> None:
        """Keep the newest rows of what only grows; orders, fills and trades are kept for good."""
        with self.write(durable=False):
            for table, kept in (("events", events), ("decisions", decisions)):
                self._db.execute(
                    f"DELETE FROM {table} WHERE id <= (SELECT MAX(id) FROM {table}) - ?",
                    (kept,),
                )
            self._db.execute(
                "DELETE FROM equity WHERE ts_ms <= (SELECT ts_ms FROM equity ORDER BY ts_ms DESC LIMIT 1 OFFSET ?)",
                (equity,),
            )


def _plain(value: Decimal) -> str:
    """Return the exact digits, for people too: `0.00000005`, never `5E-8`."""
    return f"{value:f}"


def _text(value: Decimal | None) -> str | None:
    return None if value is None else _plain(value)


def _order(row: tuple[Any, ...]) -> Order:
    return Order._make(
        (
            *row[:7],
            None if row[7] is None else Decimal(row[7]),
            Decimal(row[8]),
            Decimal(row[9]),
            None if row[10] is None else Decimal(row[10]),
            OrderState(row[11]),
            *row[12:],
        )
    )
