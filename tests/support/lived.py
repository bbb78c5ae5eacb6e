"""What the real daemon does in a folder, and what the backtest does there: as rows that can be compared."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from autotrader.app import Loader, backtest_plan
from autotrader.backtest.engine import Outcome, simulate
from autotrader.backtest.plan import Plan
from autotrader.backtest.run import fills_of
from autotrader.strategies import registry
from support.harness import Harness

KEYS = ("strategy", "symbol", "ts", "side", "price", "amount", "cost", "fee", "reason")
MONEY = frozenset({"price", "amount", "cost", "fee"})
MOMENTS = 400_000
"""Bound of the moments that a daemon may live."""


def told(rows: list[dict[str, Any]], until_ms: int = 2**62) -> list[tuple[Any, ...]]:
    """Return fills as comparable rows, sorted."""
    return sorted(tuple(row[key] for key in KEYS) for row in rows if row["ts"] < until_ms)


async def lived(root: Path, until_ms: int = 2**62, more_kinds: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run the real daemon until a moment of the market, or to its end, and return the fills of its journal."""
    harness = Harness(root, more_kinds=more_kinds)
    daemon = await harness.start()
    wanted = daemon.loop.wanted_series()
    accounts = [account for name, account in daemon.loop.accounts.items() if wanted[name]]
    for _ in range(MOMENTS):
        if all(account.market_ms >= until_ms or account.idle for account in accounts):
            break
        await harness.clock.settle()
    assert daemon.failure is None, daemon.failure
    failed = {name: one.error for name, one in daemon.loop.strategies.items() if one.error}
    assert failed | daemon.loop.failed == {}
    await harness.stop()
    return journalled(root)


def journalled(root: Path) -> list[dict[str, Any]]:
    """Return the fills that a folder's journal holds."""
    db = sqlite3.connect(root / "var" / "autotrader.db")
    rows = db.execute("SELECT strategy, symbol, ts_ms, side, price, amount, cost, fee, reason FROM fills").fetchall()
    db.close()
    return [
        {key: Decimal(value) if key in MONEY else value for key, value in zip(KEYS, row, strict=True)} for row in rows
    ]


def plan_of(root: Path, to_ms: int | None = None, more_kinds: Mapping[str, Any] | None = None) -> Plan:
    """Return the plan of a folder's backtest."""
    kinds = {**registry.kinds(), **(more_kinds or {})}
    loaded = Loader(root, {name: kind.Params for name, kind in kinds.items()})()
    assert loaded.declarations is not None, [problem.render() for problem in loaded.problems]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "kinds", lambda: kinds)
        return backtest_plan(root, loaded.declarations, to_ms=to_ms)


def outcome(root: Path, *, compiled: bool = True, to_ms: int | None = None) -> Outcome:
    """Return what the backtest makes of a folder."""
    return simulate(plan_of(root, to_ms), compiled=compiled)


def simulated(root: Path, until_ms: int, *, compiled: bool = True) -> list[dict[str, Any]]:
    """Return the fills of a folder's backtest up to a moment."""
    return fills_of(outcome(root, compiled=compiled, to_ms=until_ms))


@contextmanager
def written(world: Any) -> Iterator[Path]:
    """Write a drawn world into a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="autotrader-") as folder:
        yield world.written(Path(folder))
