"""Limits that a strategy has of its own: a replay refuses, locks and closes what the daemon did, and of nobody else."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from autotrader.app import replay_run
from autotrader.backtest import world as c
from autotrader.backtest.notes import notes
from autotrader.backtest.run import fills_of, refusals, result_of
from support.drawn import BASE_MS, BEGIN_MS, save
from support.folders import write
from support.lived import lived, outcome, told
from support.moments import every_moment, same

COUNT = 60
BUYER = "enter_long: close < open\nexit_long: close > open\nexits: {stop_loss: 0.4%}\n"
HOLDER = "enter_long: close >= close\nexits: {stop_loss: 50%}\n"


def market(root: Path, own: str, strategies: dict[str, str], kind: str = "spot", account: str = "") -> Path:
    """Write two symbols that rise and fall, and strategies of which `a` has limits of its own."""
    for number, symbol in enumerate(("BTC/USDT", "ETH/USDT")):
        closes = np.round(100 * (1 + 0.03 * np.sin(np.arange(COUNT) / 3 + number / 10)), 2)
        opens = np.concatenate(([100.0], closes[:-1]))
        times = BEGIN_MS + np.arange(COUNT) * BASE_MS
        highs, lows = np.maximum(opens, closes), np.minimum(opens, closes)
        save(root / "data", symbol, np.column_stack((times, opens, highs, lows, closes, np.ones(COUNT))))
    files = {
        "autotrader.yaml": "dashboard: {port: 0}\ndata: data\n",
        "exchanges.d/drawn.yaml": f"kind: simulated\nmarket: {kind}\nbalances: {{USDT: 10000}}\nlatency: 50ms\n"
        "replay: {data: data, exchange: drawn, speed: max}\n",
        "risk.d/own.yaml": own,
    }
    if account:
        files["risk.d/default.yaml"] = account
    for name, text in strategies.items():
        mine = "risk: own\n" if name == "a" else ""
        files[f"strategies.d/{name}.yaml"] = (
            f"kind: rules\nexchange: drawn\nsymbols: [BTC/USDT, ETH/USDT]\ntimeframe: 5m\ncapital: 40%\n"
            f"on_remove: hold\n{mine}{text}"
        )
    return write(root, files)


def refused(root: Path) -> list[tuple[str, int]]:
    """Return who was refused, and how often, as the journal of a run has it."""
    db = sqlite3.connect(root / "var" / "autotrader.db")
    query = "SELECT strategy, COUNT(*) FROM decisions WHERE kind = 'refused' GROUP BY strategy ORDER BY strategy"
    rows = db.execute(query).fetchall()
    db.close()
    return rows


@pytest.mark.parametrize("kind", ["spot", "swap"])
@pytest.mark.parametrize(
    "own",
    [
        "max_order: 1000 USDT\n",
        "max_order: 30%\n",
        "max_position: 30%\n",
        "max_exposure: 60%\n",
        "max_open_positions: 1\n",
        "max_orders_per_minute: 1\n",
        "cooldown: {losses: 1, within: 2h, pause: 40m}\n",
        "max_daily_loss: 0.5%\n",
        "max_drawdown: 1%\n",
        "max_drawdown: 1%\non_breach: close\n",
    ],
)
async def test_a_limit_of_its_own_refuses_the_same_in_a_replay(tmp_path, own, kind) -> None:
    root = market(tmp_path, own, {"a": BUYER, "b": HOLDER}, kind)
    daemon = told(await lived(root))
    ((who, count),) = refused(root)
    assert (who, count > 0) == ("a", True)
    ended = outcome(root)
    assert told(fills_of(ended)) == daemon
    assert sum(refusals(ended).values()) == count
    assert replay_run(root).differences == ()
    same(ended, every_moment(ended.plan))


async def test_a_loss_of_its_own_locks_it_alone(tmp_path) -> None:
    root = market(tmp_path, "max_drawdown: 1%\non_breach: close\n", {"a": HOLDER, "b": HOLDER})
    ended = outcome(root)
    w, first = ended.tables.w, ended.tables.w[c.RUN, c.FIRST_STRATEGY]
    assert [int(w[row, c.LOCKED]) for row in (c.RUN, first, first + 1)] == [0, 1, 0]
    lots = {ended.plan.strategies[leg.strategy].name: 0 for leg in ended.plan.legs}
    for number, leg in enumerate(ended.plan.legs):
        lots[ended.plan.strategies[leg.strategy].name] += int(w[w[c.RUN, c.FIRST_LEG] + number, c.LOTS])
    assert (lots["a"], lots["b"] > 0) == (0, True)
    (told,) = [line for line in notes(result_of(ended)) if "locked" in line]
    assert re.match(r"max_drawdown \(1%\) of its own locked a at 20\d\d-\d\d-\d\d .* UTC: it entered nothing", told)


@pytest.mark.parametrize("limit", ["max_drawdown: 1.3%", "max_daily_loss: 0.7%"])
def test_for_a_strategy_with_all_the_equity_its_own_limits_are_the_accounts(tmp_path, limit) -> None:
    alone = BUYER + "size: {kind: percent, percent: 90%}\n"
    folders = [tmp_path / name for name in ("own", "account")]
    own = market(folders[0], f"{limit}\non_breach: close\n", {"a": alone})
    account = market(folders[1], "max_order: 100%\n", {"b": alone}, account=f"{limit}\non_breach: close\n")
    for root, name in ((own, "a"), (account, "b")):
        path = root / f"strategies.d/{name}.yaml"
        path.write_text(path.read_text().replace("capital: 40%", "capital: 100%"))
    fills = [[{**row, "strategy": ""} for row in fills_of(outcome(root))] for root in (own, account)]
    assert len(fills[0]) > 2
    assert told(fills[0]) == told(fills[1])
