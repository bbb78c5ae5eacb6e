"""Migrations: one transaction each, in order, and never backwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

from autotrader.core.clock import ManualClock
from autotrader.core.errors import StoreError
from autotrader.store import schema
from autotrader.store.journal import Journal


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def test_an_empty_file_comes_to_todays_version(tmp_path) -> None:
    path = tmp_path / "a.db"
    with closing(connect(path)) as db:
        schema.migrate(db, path)
    assert version(path) == len(schema.MIGRATIONS)
    assert {"orders", "fills", "trades", "legs", "states", "generations", "decisions", "events", "equity"} <= tables(
        path
    )


def test_a_file_of_today_is_left_as_it_is(tmp_path) -> None:
    path = tmp_path / "a.db"
    with closing(connect(path)) as db:
        schema.migrate(db, path)
        db.execute("INSERT INTO meta VALUES ('run', 'x')")
        schema.migrate(db, path)
        assert db.execute("SELECT value FROM meta").fetchall() == [("x",)]


def test_a_migration_that_dies_in_the_middle_leaves_the_file_as_it_was_and_the_next_start_goes_on(
    tmp_path, monkeypatch
) -> None:
    path = tmp_path / "a.db"

    def dies(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (a)")
        connection.execute("DROP TABLE events")
        raise KeyboardInterrupt

    with closing(connect(path)) as db:
        schema.migrate(db, path)
    before, today = tables(path), len(schema.MIGRATIONS)
    with monkeypatch.context() as patch, closing(connect(path)) as db:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, dies))
        with pytest.raises(KeyboardInterrupt):
            schema.migrate(db, path)
    assert (tables(path), version(path)) == (before, today)
    Journal(path, ManualClock()).close()


def test_the_first_migration_dying_half_way_leaves_an_empty_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.db"
    first = schema.MIGRATIONS[0]

    def dies(connection: sqlite3.Connection) -> None:
        first(connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, closing(connect(path)) as db:
        patch.setattr(schema, "MIGRATIONS", (dies,))
        with pytest.raises(KeyboardInterrupt):
            schema.migrate(db, path)
    assert (tables(path), version(path)) == (set(), 0)


def test_a_later_migration_follows_the_first_and_keeps_what_is_there(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.db"
    journal = Journal(path, ManualClock())
    run = journal.run
    journal.close()
    later = (*schema.MIGRATIONS, lambda db: db.execute("ALTER TABLE trades ADD COLUMN note TEXT"))
    monkeypatch.setattr(schema, "MIGRATIONS", later)
    journal = Journal(path, ManualClock())
    assert journal.run == run
    journal.close()
    assert version(path) == len(later)


def test_another_process_that_was_faster_is_not_repeated(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.db"
    asked = []
    real = schema._version

    def told(connection: sqlite3.Connection) -> int:
        asked.append(None)
        if len(asked) == 3:  # inside our transaction: as if the other had finished just before it began
            return len(schema.MIGRATIONS)
        return 0 if len(asked) < 3 else len(schema.MIGRATIONS)

    monkeypatch.setattr(schema, "_version", told)
    with closing(connect(path)) as db:
        schema.migrate(db, path)
        assert real(db) == 0
    assert tables(path) == set()


def test_a_file_of_a_newer_release_is_refused_with_words_and_left_alone(path, clock) -> None:
    Journal(path, clock).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    with pytest.raises(StoreError, match=r"was written by a newer release .*install that release again"):
        Journal(path, clock)
    assert version(path) == len(schema.MIGRATIONS) + 1


def test_a_position_of_an_older_journal_learns_what_its_open_part_was_entered_for() -> None:
    with closing(sqlite3.connect(":memory:")) as old:
        schema.MIGRATIONS[0](old)
        values = {"owner": "a", "exchange": "paper", "symbol": "BTC/USDT", "amount": "-2", "in_amount": "3"}
        sqlite_utils.Database(old)["legs"].insert({**values, "in_cost": "100", "rest": "{}"})
        schema.MIGRATIONS[1](old)
        assert old.execute("SELECT open_cost FROM legs").fetchall() == [("66.66666667",)]


def test_a_state_of_an_older_journal_asked_for_nothing_by_slot() -> None:
    with closing(sqlite3.connect(":memory:")) as old:
        schema.MIGRATIONS[0](old)
        sqlite_utils.Database(old)["states"].insert({"strategy": "a", "part": 0, "spec": "x", "state": "[]"})
        schema.MIGRATIONS[2](old)
        assert old.execute("SELECT strategy, slots, stepped FROM states").fetchall() == [("a", "[]", "[]")]
