"""One folder lived through by the daemon and simulated by the backtest: the fills of both, to be compared."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

from autotrader.app import Loader, backtest_plan
from autotrader.backtest.engine import simulate
from autotrader.backtest.run import fills_of
from support.harness import Harness


def told(rows: list[dict], until_ms: int) -> list[tuple]:
    """Return fills before a moment as rows that can be compared."""
    keys = ("strategy", "symbol", "ts", "side", "price", "amount", "cost", "fee", "reason")
    return sorted(tuple(row[key] for key in keys) for row in rows if row["ts"] < until_ms)


async def lived(root: Path, until_ms: int) -> list[dict]:
    """Run the real daemon until a moment of the market, and return the fills of its journal."""
    harness = Harness(root)
    daemon = await harness.start()
    wanted = daemon.loop.wanted_series()
    accounts = [account for name, account in daemon.loop.accounts.items() if wanted[name]]
    for _ in range(400_000):
        if all(account.market_ms >= until_ms or account.idle for account in accounts):
            break
        await harness.clock.settle()
    await harness.stop()
    db = sqlite3.connect(root / "var" / "autotrader.db")
    rows = db.execute(
        "SELECT f.strategy, f.symbol, f.ts_ms, f.side, f.price, f.amount, f.cost, f.fee, f.reason FROM fills f"
    ).fetchall()
    db.close()
    names = ("strategy", "symbol", "ts", "side", "price", "amount", "cost", "fee", "reason")
    return [
        {
            name: Decimal(v) if name in {"price", "amount", "cost", "fee"} else v
            for name, v in zip(names, row, strict=True)
        }
        for row in rows
    ]


def simulated(root: Path, until_ms: int, *, compiled: bool = True) -> list[dict]:
    """Return the fills of a backtest of the same folder."""
    loaded = Loader(root)()
    assert loaded.declarations is not None, [problem.render() for problem in loaded.problems]
    plan = backtest_plan(root, loaded.declarations, to_ms=until_ms)
    return fills_of(simulate(plan, compiled=compiled))
