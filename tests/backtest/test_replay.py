"""A recorded run, run again: nothing differs, a planted difference is found, and what cannot be compared is said."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from autotrader import cli
from autotrader.app import replay_run
from autotrader.core.errors import AutotraderError
from support.feeds import books, replayed
from support.folders import folder, rules
from support.harness import Harness
from support.lived import lived

LIMIT = rules(3, 7, execution="{kind: limit, timeout: 20m}", exits="{stop_loss: 0.3%, take_profit: 0.4%}")
FILES = {"cross": rules(3, 8, capital="40%"), "limit": LIMIT, "slow": rules(5, 9, timeframe="15m", resolution="5m")}


def configured(root: Path, speed: str = "1x") -> Path:
    return folder(root, FILES, speed=speed, recorded=False)


def altered(root: Path, statement: str) -> None:
    db = sqlite3.connect(root / "var" / "autotrader.db")
    assert db.execute(statement).rowcount == 1
    db.commit()
    db.close()


def slot_orders(root: Path) -> int:
    """Return how many orders by slot a folder's journal holds."""
    with closing(sqlite3.connect(root / "var" / "autotrader.db")) as db:
        return db.execute("SELECT COUNT(*) FROM orders WHERE purpose LIKE 'slot%'").fetchone()[0]


async def recorded(root: Path, bars: int = 120) -> Harness:
    harness = Harness(root)
    await harness.start()
    await harness.bars(bars)
    return harness


async def test_a_recorded_run_is_the_same_to_the_last_digit(tmp_path) -> None:
    harness = await recorded(configured(tmp_path))
    await harness.stop()
    found = replay_run(tmp_path)
    assert found.differences == ()
    assert found.orders > 20
    assert found.fills > 10


async def test_a_run_on_a_book_with_trades_beside_it_is_the_same(tmp_path) -> None:
    rows = books(11, 400)
    trades = [(ms, next(iter(bids)), 0.5, "sell") for ms, bids, _ in rows[1:]]
    rule = "enter_long: close > ema(close, 8)\nexit_long: close < ema(close, 8)\n"
    text = f"kind: rules\nexchange: paper\nsymbols: [BTC/USDT]\nfeed: book\ncapital: 90%\non_remove: hold\n{rule}"
    limit = f"{text}execution: {{kind: limit, timeout: 60s}}\nexits: {{stop_loss: 0.05%, take_profit: 0.1%}}\n"
    await lived(replayed(tmp_path, {"a": limit, "b": text}, {"BTC/USDT": {"book": rows, "trades": trades}}))
    found = replay_run(tmp_path)
    assert found.differences == ()
    assert found.fills > 10


@pytest.mark.parametrize("clock", ["timeframe: 5m", "feed: book"])
async def test_a_run_of_a_grid_is_the_same(tmp_path, clock) -> None:
    common = f"exchange: paper\nsymbols: [BTC/USDT]\n{clock}\non_remove: hold\n"
    grid = f"kind: grid\n{common}capital: 50%\nparams: {{levels: 4, step: 0.05%, stop_outside: true}}\n"
    rule = f"kind: rules\n{common}capital: 80%\nenter_long: close > ema(close, 8)\nexit_long: close < ema(close, 8)\n"
    if clock == "feed: book":
        await lived(replayed(tmp_path, {"grid": grid, "rules": rule}, {"BTC/USDT": {"book": books(11, 400)}}))
    else:
        harness = await recorded(folder(tmp_path, {"grid": grid, "rules": rule}, recorded=False))
        await harness.stop()
    found = replay_run(tmp_path)
    assert found.differences == ()
    assert slot_orders(tmp_path) >= 5
    assert found.fills > 5


async def test_a_restart_in_the_middle_changes_nothing(tmp_path) -> None:
    harness = await recorded(configured(tmp_path), 70)
    await harness.stop()
    await harness.start()
    await harness.bars(60)
    await harness.stop()
    found = replay_run(tmp_path / "var" / "autotrader.db")
    assert found.differences == ()
    assert found.fills > 10


@pytest.mark.parametrize(
    ("statement", "what", "fact"),
    [
        ("UPDATE fills SET price = price + 1 WHERE fill_id = 3", "fill", "price"),
        ("UPDATE orders SET amount = '0.5' WHERE rowid = (SELECT MIN(rowid) FROM orders)", "order", "amount"),
        ("DELETE FROM fills WHERE fill_id = 2", "fill", "fill"),
        ("DELETE FROM orders WHERE rowid = (SELECT MIN(rowid) FROM orders)", "order", "order"),
    ],
)
async def test_a_planted_difference_is_found(tmp_path, statement, what, fact) -> None:
    harness = await recorded(configured(tmp_path))
    await harness.stop()
    altered(tmp_path, statement)
    (found,) = replay_run(tmp_path).differences
    assert (found["what"], found["fact"]) == (what, fact)


async def test_the_command_tells_what_is_the_same_and_fails_where_something_differs(tmp_path, capsys) -> None:
    harness = await recorded(configured(tmp_path), 60)
    await harness.stop()
    assert cli.main(["replay", str(tmp_path)]) == 0
    assert "fills are the same, from 2024-01-01" in capsys.readouterr().out
    altered(tmp_path, "UPDATE fills SET fee = fee + 1 WHERE fill_id = 2")
    assert cli.main(["replay", "-c", str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], found["differences"][0]["fact"]) == (False, "fee")


async def test_a_run_that_was_steered_is_compared_up_to_there(tmp_path) -> None:
    harness = await recorded(configured(tmp_path), 80)
    await harness.daemon.commands.handle("close", {"name": "cross"})
    await harness.bars(40)
    await harness.stop()
    found = replay_run(tmp_path)
    assert found.same
    assert "closed by hand" in found.notes[0]


async def test_a_generation_that_changes_nothing_that_trades_replays_through(tmp_path) -> None:
    harness = await recorded(configured(tmp_path), 60)
    path = tmp_path / "exchanges.d" / "paper.yaml"
    path.write_text(path.read_text().replace("speed: 1x", "speed: 2x"))
    assert (await harness.daemon.reloader.reload("test", "speed")).status == "applied"
    await harness.bars(60)
    await harness.stop()
    found = replay_run(tmp_path)
    assert (found.differences, found.notes) == ((), ())


async def test_a_generation_that_changes_a_strategy_ends_what_is_compared(tmp_path) -> None:
    harness = await recorded(configured(tmp_path), 60)
    (tmp_path / "strategies.d" / "cross.yaml").write_text(rules(4, 9))
    assert (await harness.daemon.reloader.reload("test", "changed")).status == "applied"
    await harness.bars(60)
    await harness.stop()
    found = replay_run(tmp_path)
    assert found.same
    assert "generation 2 changed what trades" in found.notes[0]


def test_a_folder_without_a_run_says_so(tmp_path) -> None:
    with pytest.raises(AutotraderError, match="there is no store"):
        replay_run(configured(tmp_path))
