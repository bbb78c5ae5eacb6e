"""What a real account needs to remember: whose orders are ours, and our growing numbers of its trades. SQLite.

An order is written before its request leaves. A trade gets its number in the transaction that keeps it, in order of
arrival; the same trade is kept once, whoever reads it again. A crash between any two writes therefore loses and
doubles nothing: what was read and not written is read again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from autotrader.core.errors import VenueError, VenueUnavailable
from autotrader.execution.ids import short_id
from autotrader.execution.orders import Fill, OrderRequest
from autotrader.venues.ccxt.answers import ToldFunding, ToldTrade
from autotrader.venues.ccxt.stops import TRIGGER
from autotrader.venues.protocol import FundingPaid

VERSION = 2
MAX_FILLS = 100_000
"""Bound of the fills in one answer; the rest comes with the next question."""

NEVER_ARRIVED = "never arrived"
"""Why an order is taken to be nowhere though no exchange refused it; a trade may prove that wrong."""

_SCHEMA = """
CREATE TABLE identity (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE orders (
  client_id TEXT PRIMARY KEY, symbol TEXT NOT NULL, side INTEGER NOT NULL, type TEXT NOT NULL, price TEXT,
  amount TEXT NOT NULL, group_name TEXT NOT NULL, sent_ms INTEGER NOT NULL, venue_id TEXT NOT NULL DEFAULT '',
  refused TEXT NOT NULL DEFAULT '', ended_ms INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX orders_by_venue_id ON orders (symbol, venue_id) WHERE venue_id != '';
CREATE INDEX orders_live ON orders (sent_ms) WHERE ended_ms = 0 AND refused = '';
CREATE INDEX orders_ended ON orders (symbol, ended_ms) WHERE ended_ms > 0;
CREATE INDEX orders_unknown ON orders (symbol, refused) WHERE venue_id = '';
CREATE TABLE strangers (symbol TEXT NOT NULL, venue_id TEXT NOT NULL, client_id TEXT NOT NULL,
  PRIMARY KEY (symbol, venue_id)) WITHOUT ROWID;
CREATE TABLE cursors (symbol TEXT PRIMARY KEY, ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE fills (
  fill_id INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT NOT NULL, symbol TEXT NOT NULL, side INTEGER NOT NULL,
  price TEXT NOT NULL, amount TEXT NOT NULL, cost TEXT NOT NULL, fee TEXT NOT NULL, fee_currency TEXT NOT NULL,
  ts_ms INTEGER NOT NULL, maker INTEGER NOT NULL, group_name TEXT NOT NULL, trade_id TEXT NOT NULL,
  UNIQUE (symbol, trade_id)
);
CREATE INDEX fills_by_order ON fills (client_id);
"""

_SECOND = """
CREATE TABLE funding (symbol TEXT NOT NULL, told_id TEXT NOT NULL, ts_ms INTEGER NOT NULL, amount TEXT NOT NULL,
  PRIMARY KEY (symbol, told_id)) WITHOUT ROWID;
CREATE INDEX funding_by_time ON funding (ts_ms);
CREATE TABLE settled (id INTEGER PRIMARY KEY CHECK (id = 1), until_ms INTEGER NOT NULL);
"""
"""What the second version added: what funding moved, and until when it was read."""

_PUT_FILL = """
INSERT INTO fills (client_id, symbol, side, price, amount, cost, fee, fee_currency, ts_ms, maker, group_name, trade_id)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (symbol, trade_id) DO NOTHING
"""
_FILLS = """
SELECT fill_id, client_id, symbol, side, price, amount, cost, fee, fee_currency, ts_ms, maker, group_name
FROM fills WHERE fill_id > ? ORDER BY fill_id LIMIT ?
"""


class Sent(NamedTuple):
    """An order that we meant to send. `venue_id`, `refused` and `ended_ms` are empty until the exchange said so.

    `type` is market, limit, or stop: a market order that waits for a price.
    """

    client_id: str
    symbol: str
    side: int
    type: str
    price: Decimal | None
    amount: Decimal
    group: str
    sent_ms: int
    venue_id: str
    refused: str
    ended_ms: int


class CcxtStore:
    """The open file. Every method raises VenueUnavailable where the file cannot be read or written."""

    def __init__(self, path: Path, exchange: str) -> None:
        self._path, self._exchange = path, exchange
        try:
            path.touch(mode=0o600)  # what an account trades is its owner's business
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        except (sqlite3.Error, OSError) as error:
            raise self._broken("open", error) from error

    def identify(self, identity: dict[str, str]) -> None:
        """Make the file this account's, or prove that it is. Raises VenueError where it belongs to another one."""
        version = self._rows("PRAGMA user_version", ())[0][0]
        if version > VERSION:
            raise VenueError(f"{self._path}: is of version {version}, this program writes {VERSION}; move it away")
        if version < VERSION:
            whole = f"{_SCHEMA} {_SECOND}" if version == 0 else _SECOND
            try:
                self._db.executescript(f"BEGIN IMMEDIATE; {whole} PRAGMA user_version = {VERSION};")
                if version == 0:
                    self._db.executemany("INSERT INTO identity VALUES (?, ?)", identity.items())
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._broken("write", error) from error
        held = dict(self._rows("SELECT name, value FROM identity", ()))
        for name, value in identity.items():
            if held.get(name) != value:
                raise VenueError(
                    f"{self._path}: holds an account of {name} {held.get(name)}, not {value}; "
                    "move the file away to begin a new one, or go back to what it was"
                )

    def intend(self, request: OrderRequest, sent_ms: int) -> bool:
        """Keep an order before its request leaves; its symbol's trades are read from then on. False if it is known."""
        price = None if request.price is None else str(request.price)
        kind = request.type if request.stop_price is None else "stop"
        row = (request.client_id, request.symbol, request.side, kind, price, str(request.amount))
        with self._transaction() as db:
            added = db.execute(
                "INSERT OR IGNORE INTO orders (client_id, symbol, side, type, price, amount, group_name, sent_ms) "
                "VALUES (?,?,?,?,?,?,?,?)",
                (*row, request.group, sent_ms),
            ).rowcount
            db.execute("INSERT OR IGNORE INTO cursors VALUES (?, ?)", (request.symbol, sent_ms))
        return added == 1

    def accepted(self, client_id: str, venue_id: str) -> None:
        """Keep the exchange's own id of an order of ours. What it became is never taken back by an older answer."""
        self._run(
            "UPDATE orders SET venue_id = ?1, refused = '' WHERE client_id = ?2 "
            "AND (?1 NOT LIKE ?3 OR venue_id = '' OR venue_id LIKE ?3)",
            (venue_id, client_id, f"{TRIGGER}%"),
        )

    def refused(self, client_id: str, reason: str) -> None:
        """Keep that the exchange surely has no such order."""
        self._run(
            "UPDATE orders SET refused = ? WHERE client_id = ? AND venue_id = ''", (reason or "refused", client_id)
        )

    def ended(self, client_id: str, ms: int) -> None:
        """Keep that an order of ours is over, since the given moment."""
        self._run("UPDATE orders SET ended_ms = ? WHERE client_id = ? AND ended_ms = 0", (ms, client_id))

    def live(self) -> list[Sent]:
        """Return the orders of ours that may still fill as far as we know, oldest first."""
        query = "SELECT * FROM orders WHERE ended_ms = 0 AND refused = '' ORDER BY sent_ms, client_id"
        return [_sent(row) for row in self._rows(query, ())]

    def sent(self, client_id: str) -> Sent | None:
        """Return an order of ours by its client id."""
        rows = self._rows("SELECT * FROM orders WHERE client_id = ?", (client_id,))
        return _sent(rows[0]) if rows else None

    def told(self, identity: str, longest: int = 0) -> Sent | None:
        """Return an order of ours by its client id as the exchange tells it: at most `longest` characters, 0 for all.

        By a short one it is found until it has ended; then the exchange's own id of it is known.
        """
        sent = self.sent(identity)
        if sent is not None or not longest or len(identity) != longest:
            return sent
        query = "SELECT * FROM orders WHERE ended_ms = 0 AND refused IN ('', ?)"
        rows = self._rows(query, (NEVER_ARRIVED,))
        return next((_sent(row) for row in rows if short_id(row[0], longest) == identity), None)

    def owner(self, symbol: str, venue_id: str) -> Sent | None:
        """Return an order of ours by the exchange's own id."""
        rows = self._rows("SELECT * FROM orders WHERE symbol = ? AND venue_id = ? LIMIT 1", (symbol, venue_id))
        return _sent(rows[0]) if rows and venue_id else None

    def unknown(self, symbol: str) -> bool:
        """Tell whether there are orders of a symbol whose answer never came, those believed not to have arrived too."""
        query = "SELECT 1 FROM orders WHERE symbol = ? AND venue_id = '' AND refused IN ('', ?) LIMIT 1"
        return bool(self._rows(query, (symbol, NEVER_ARRIVED)))

    def waiting(self, symbol: str, side: int) -> list[Sent]:
        """Return the stops of a symbol and side that wait in a list apart, or whose answer never came."""
        query = (
            "SELECT * FROM orders WHERE ended_ms = 0 AND symbol = ? AND side = ? AND type = 'stop' "
            "AND (venue_id LIKE ? OR (venue_id = '' AND refused IN ('', ?))) ORDER BY sent_ms, client_id"
        )
        return [_sent(row) for row in self._rows(query, (symbol, side, f"{TRIGGER}%", NEVER_ARRIVED))]

    def unread(self, symbol: str, after_ms: int) -> list[Sent]:
        """Return the orders of a symbol that may have trades we do not know, oldest first.

        Those that may still fill; of those that ended, or are believed not to have arrived, the ones after a moment.
        """
        query = (
            "SELECT * FROM orders WHERE ended_ms = 0 AND refused = '' AND symbol = ?1 "
            "UNION SELECT * FROM orders WHERE symbol = ?1 AND ended_ms > 0 AND ended_ms > ?2 "
            "UNION SELECT * FROM orders WHERE venue_id = '' AND symbol = ?1 AND refused = ?3 AND sent_ms > ?2 "
            "ORDER BY sent_ms, client_id"
        )
        return [_sent(row) for row in self._rows(query, (symbol, after_ms, NEVER_ARRIVED))]

    def stranger(self, symbol: str, venue_id: str) -> str | None:
        """Return the client id of an order that is known to be foreign; None where nothing is known of it."""
        rows = self._rows("SELECT client_id FROM strangers WHERE symbol = ? AND venue_id = ?", (symbol, venue_id))
        return rows[0][0] if rows else None

    def estrange(self, symbol: str, venue_id: str, client_id: str) -> None:
        """Keep that an order is foreign, so that it is asked for once."""
        self._run("INSERT OR REPLACE INTO strangers VALUES (?, ?, ?)", (symbol, venue_id, client_id))

    def cursors(self) -> dict[str, int]:
        """Return by symbol the moment up to which trades were read, in the exchange's milliseconds."""
        return dict(self._rows("SELECT symbol, ms FROM cursors ORDER BY symbol", ()))

    def move(self, symbol: str, ms: int) -> None:
        """Say that a symbol's trades were read up to a moment; back is allowed, to read them again."""
        self._run("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (symbol, ms))

    def new(self, trades: Iterable[ToldTrade]) -> list[ToldTrade]:
        """Return the trades that have no number yet, each once, in their order."""
        found: dict[tuple[str, str], ToldTrade] = {}
        for trade in trades:
            key = (trade.symbol, trade.trade_id)
            if not self._rows("SELECT 1 FROM fills WHERE symbol = ? AND trade_id = ?", key):
                found.setdefault(key, trade)
        return list(found.values())

    def keep(self, trades: Iterable[tuple[ToldTrade, str, str]]) -> int:
        """Number trades, each with its order's client id and group, all or none; return how many were new."""
        with self._transaction() as db:
            before = db.total_changes
            db.executemany(_PUT_FILL, [_row(*one) for one in trades])
            return db.total_changes - before

    def fills(self, after_id: int) -> list[Fill]:
        """Return the fills with a larger id, oldest first, at most MAX_FILLS."""
        return [self._fill(row) for row in self._rows(_FILLS, (after_id, MAX_FILLS))]

    def last_fill(self) -> int:
        """Return the largest number of a trade; 0 before there is one."""
        return int(self._rows("SELECT COALESCE(MAX(fill_id), 0) FROM fills", ())[0][0])

    def filled(self, client_id: str) -> Decimal:
        """Return how much of an order is covered by the trades that are kept."""
        rows = self._rows("SELECT amount FROM fills WHERE client_id = ?", (client_id,))
        return sum((Decimal(row[0]) for row in rows), Decimal(0))

    def fees(self, client_id: str) -> Decimal:
        """Return the fees of the trades of an order that are kept, in whatever currency they were taken."""
        rows = self._rows("SELECT fee FROM fills WHERE client_id = ?", (client_id,))
        return sum((Decimal(row[0]) for row in rows), Decimal(0))

    def keep_funding(self, told: Iterable[ToldFunding]) -> int:
        """Keep settlements, each once; return how many were new."""
        with self._transaction() as db:
            before = db.total_changes
            db.executemany(
                "INSERT OR IGNORE INTO funding VALUES (?, ?, ?, ?)",
                [(one.symbol, one.told_id, one.ts_ms, str(one.amount)) for one in told],
            )
            return db.total_changes - before

    def funding(self, after_ms: int) -> list[FundingPaid]:
        """Return what was settled after a moment, oldest first, one for each symbol and moment."""
        found: dict[tuple[int, str], Decimal] = {}
        query = "SELECT ts_ms, symbol, amount FROM funding WHERE ts_ms > ? ORDER BY ts_ms, symbol"
        for ts_ms, symbol, amount in self._rows(query, (after_ms,)):
            found[ts_ms, symbol] = found.get((ts_ms, symbol), Decimal(0)) + Decimal(amount)
        return [FundingPaid(ts_ms, symbol, amount) for (ts_ms, symbol), amount in found.items()]

    def settled_until(self) -> int:
        """Return the moment up to which settlements were read; 0 before they were."""
        return int(self._rows("SELECT COALESCE(MAX(until_ms), 0) FROM settled", ())[0][0])

    def settle_until(self, ms: int) -> None:
        """Say that settlements were read up to a moment."""
        self._run("INSERT OR REPLACE INTO settled VALUES (1, ?)", (ms,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _fill(self, row: Any) -> Fill:
        number, client_id, symbol, side, price, amount, cost, fee, currency, ts_ms, maker, group = row
        return Fill(
            fill_id=number,
            client_id=client_id,
            exchange=self._exchange,
            symbol=symbol,
            side=side,
            price=Decimal(price),
            amount=Decimal(amount),
            cost=Decimal(cost),
            fee=Decimal(fee),
            fee_currency=currency,
            ts_ms=ts_ms,
            maker=bool(maker),
            reason="",
            group=group,
        )

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db, self._broken)

    def _run(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._broken("write", error) from error

    def _rows(self, query: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._broken("read", error) from error

    def _broken(self, what: str, error: BaseException) -> VenueUnavailable:
        return VenueUnavailable(f"cannot {what} the account's file {self._path}: {error}; nothing has changed in it")


class _Transaction:
    """Everything inside is written together or not at all."""

    def __init__(self, db: sqlite3.Connection, broken: Any) -> None:
        self._db, self._broken = db, broken

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._broken("write", error) from error
        return self._db

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self._db.execute("COMMIT" if error is None else "ROLLBACK")
        except sqlite3.Error as failed:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._broken("write", failed) from failed
        if isinstance(error, sqlite3.Error):
            raise self._broken("write", error) from error


def _sent(row: Any) -> Sent:
    sent = Sent(*row)
    return sent._replace(price=None if row[4] is None else Decimal(row[4]), amount=Decimal(row[5]))


def _row(trade: ToldTrade, client_id: str, group: str) -> tuple[object, ...]:
    money = (trade.price, trade.amount, trade.cost, trade.fee)
    return (
        client_id,
        trade.symbol,
        trade.side,
        *(str(one) for one in money),
        trade.fee_currency,
        trade.ts_ms,
        trade.maker,
        group,
        trade.trade_id,
    )
