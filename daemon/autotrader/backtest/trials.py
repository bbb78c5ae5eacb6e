"""The memory of a strategy's searches: every trial that was ever made of it, in one SQLite file.

A result is kept under the strategy that was tried (`form`), the bars, exchanges, limits and span that it was tried in
(`ground`) and the program that made it (`code`). A search that is asked again therefore goes on where it stopped,
whatever stopped it, and a trial that another search has made is not made again; nor is it forgotten when good luck is
counted: the deflated Sharpe ratio takes every strategy that was ever tried on the same ground.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autotrader.backtest.overfit import moments
from autotrader.backtest.trial import Tried
from autotrader.core.errors import AutotraderError

SCHEMA = 1
FLUSH_S = 1.0
"""Results wait so long for one commit: more are not lost when a machine dies; Ctrl-C loses none."""

_TABLE = """
CREATE TABLE IF NOT EXISTS trial (
  ground TEXT NOT NULL, form TEXT NOT NULL, code TEXT NOT NULL,
  figures BLOB NOT NULL, daily BLOB NOT NULL, sharpe REAL NOT NULL,
  PRIMARY KEY (ground, form, code)
) WITHOUT ROWID
"""


class Luck(NamedTuple):
    """How many strategies were tried on one ground, and the variance of their Sharpe ratios of one day."""

    trials: int
    variance: float


class Trials:
    """The trials of one file. Close it to keep what still waits."""

    def __init__(self, connection: sqlite3.Connection, code: str) -> None:
        self._connection, self._code = connection, code
        self._waiting: list[tuple[str, Tried]] = []
        self._flushed_s = time.monotonic()

    def known(self, ground: str) -> dict[str, Tried]:
        """Return what is known on a ground, by form."""
        import orjson

        self.flush()
        found = self._connection.execute(
            "SELECT form, figures, daily FROM trial WHERE ground = ? AND code = ?", (ground, self._code)
        )
        return {
            form: Tried(form, orjson.loads(figures), np.frombuffer(daily, dtype=np.float64))
            for form, figures, daily in found
        }

    def keep(self, ground: str, tried: Tried) -> None:
        """Remember a trial; one that was refused never ran and is not kept."""
        if not tried.refused:
            self._waiting.append((ground, tried))
        if time.monotonic() - self._flushed_s > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one commit."""
        import orjson

        rows = [
            (ground, one.form, self._code, orjson.dumps(dict(one.figures)), one.daily.tobytes(), daily_sharpe(one))
            for ground, one in self._waiting
        ]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO trial VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._waiting.clear()
        self._flushed_s = time.monotonic()

    def luck(self, ground: str) -> Luck:
        """Return how many strategies were ever tried on a ground, by any program, and how far they lie apart."""
        self.flush()
        rows = self._connection.execute("SELECT form, MAX(sharpe) FROM trial WHERE ground = ? GROUP BY form", (ground,))
        ratios = [ratio for _, ratio in rows]
        return Luck(max(1, len(ratios)), float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0)


def daily_sharpe(one: Tried) -> float:
    """Return the Sharpe ratio of one day; 0 where returns do not vary: nothing was gained by that choice."""
    of = moments(one.daily)
    return (of.sharpe or 0.0) if of else 0.0


@contextmanager
def remembered(path: Path | None, code: str) -> Iterator[Trials]:
    """Open the trials of a file, made where it is not there; None keeps them in memory alone.

    Raises AutotraderError for a file that cannot be read, written, or is not one of these.
    """
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path or ":memory:", timeout=30.0)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA):
                raise AutotraderError(f"{path} was written by a newer autotrader; name another file with --study")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            trials = Trials(connection, code)
            try:
                yield trials
            finally:
                trials.flush()
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        raise AutotraderError(f"{path}: the trials of a search cannot be kept there: {error}") from error
