"""A loss limit that closes everything in the very moment of an entry: the entry ends in a replay as it did in the run.

The daemon has decided on the entry before it looks at the loss: it sends it, and takes it back in the same turn.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from autotrader.app import replay_run
from autotrader.backtest.run import fills_of
from support.drawn import BASE_MS, BEGIN_MS, save
from support.folders import write
from support.lived import lived, outcome, told

COUNT, FALLS_AT = 40, 20
BREACH_MS = BEGIN_MS + (FALLS_AT + 1) * BASE_MS
HOLDER = "enter_long: close >= close\nexits: {stop_loss: 50%}\n"
BUYER = "enter_long: close < open\nexits: {stop_loss: 50%}\n"
SELLER = "enter_short: close < open\nexits: {stop_loss: 50%}\n"
ADDER = "exposure: if(close < open, 1, 0.5)\n"
PATIENT = "execution: {kind: limit}\n"


def falling(root: Path, market: str, latency: str, strategies: dict[str, str]) -> Path:
    """Write a market that falls by 5 % in one bar, and strategies that trade there until 2 % are lost."""
    closes = np.where(np.arange(COUNT) < FALLS_AT, 100.0, 95.0)
    opens = np.concatenate(([100.0], closes[:-1]))
    times = BEGIN_MS + np.arange(COUNT) * BASE_MS
    save(root / "data", "BTC/USDT", np.column_stack((times, opens, opens, closes, closes, np.ones(COUNT))))
    files = {
        "autotrader.yaml": "dashboard: {port: 0}\ndata: data\n",
        "exchanges.d/drawn.yaml": f"kind: simulated\nmarket: {market}\nbalances: {{USDT: 10000}}\nlatency: {latency}\n"
        "replay: {data: data, exchange: drawn, speed: max}\n",
        "risk.d/default.yaml": "max_drawdown: 2%\non_breach: close\n",
    }
    for name, text in strategies.items():
        files[f"strategies.d/{name}.yaml"] = (
            f"kind: rules\nexchange: drawn\nsymbols: [BTC/USDT]\ntimeframe: 5m\non_remove: hold\n{text}"
        )
    return write(root, files)


def journalled(root: Path, owner: str) -> list[tuple[str, str]]:
    """Return the purpose and the state of every order that a strategy sent at the breach, as the journal has them."""
    db = sqlite3.connect(root / "var" / "autotrader.db")
    query = "SELECT purpose, state FROM orders WHERE strategy = ? AND created_ms = ? ORDER BY rowid"
    rows = db.execute(query, (owner, BREACH_MS)).fetchall()
    db.close()
    return rows


@pytest.mark.parametrize("latency", ["50ms", "6m"])
@pytest.mark.parametrize(
    ("market", "strategies", "orders"),
    [
        pytest.param("spot", {"b": BUYER}, [("entry", "canceled"), ("guard", "canceled")], id="buys"),
        pytest.param("spot", {"b": BUYER + PATIENT}, [("entry", "canceled"), ("guard", "canceled")], id="by-limit"),
        pytest.param("swap", {"b": SELLER}, [("entry", "rejected"), ("guard", "canceled")], id="is-refused"),
        pytest.param("spot", {"b": ADDER}, [("entry", "canceled"), ("exit", "filled")], id="adds"),
    ],
)
async def test_an_entry_of_the_moment_of_a_breach_ends_alike(tmp_path, market, strategies, orders, latency) -> None:
    shared = {name: f"capital: 20%\n{text}" for name, text in strategies.items()}
    root = falling(tmp_path, market, latency, {"a": f"capital: 70%\n{HOLDER}", **shared})
    daemon = told(await lived(root))
    assert journalled(root, "b") == orders
    assert replay_run(root).differences == ()
    assert told(fills_of(outcome(root))) == daemon
