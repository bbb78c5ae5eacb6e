"""What a person tells the daemon: refused in words, journalled; a fault of the core is not answered and forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autotrader.core.errors import BrokenInvariant, ControlError, StoreError
from autotrader.store import queries
from autotrader.store.queries import Reader
from support.folders import folder, rules
from support.harness import Harness

ALWAYS = {"enter_long": "close > 0", "exit_long": "close < 0", "exits": "{stop_loss: 40%}"}


@pytest.fixture
async def one(tmp_path: Path):
    harness = Harness(folder(tmp_path, {"a": rules(symbols="BTC/USDT", **ALWAYS)}, speed="1x", recorded=False))
    await harness.start()
    await harness.bars(2)
    yield harness
    await harness.stop()


async def test_a_command_that_is_not_known_is_refused_with_those_that_are(one: Harness) -> None:
    with pytest.raises(ControlError, match=r"'fly' is not a command of this daemon; it knows .*status"):
        await one.daemon.commands.handle("fly", {})


@pytest.mark.parametrize("number", [None, "1", 0, -1, 7, 2**70, 1.0, [1]], ids=str)
async def test_a_generation_that_never_was_is_refused(one: Harness, number: Any) -> None:
    with pytest.raises(ControlError, match="there is no generation"):
        await one.daemon.commands.handle("rollback", {"generation": number})


@pytest.mark.parametrize("error", [BrokenInvariant("a bug"), StoreError("the disk is gone")], ids=["bug", "disk"])
async def test_a_fault_of_the_core_in_a_command_ends_the_daemon(one: Harness, monkeypatch, error) -> None:
    async def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(one.daemon.loop, "finish", fails)
    with pytest.raises(type(error)):
        await one.daemon.commands.handle("close", {})
    assert one.daemon.failure is error
    assert one.daemon.stopping.is_set()


async def test_a_refusal_ends_nothing(one: Harness) -> None:
    with pytest.raises(ControlError):
        await one.daemon.commands.handle("close", {"name": "nobody"})
    assert one.daemon.failure is None
    assert not one.daemon.stopping.is_set()


@pytest.mark.parametrize("command", ["pause", "resume", "close", "kill", "unlock"])
async def test_who_told_what_is_journalled(one: Harness, command: str) -> None:
    await one.daemon.commands.handle(command, {"who": "somebody"})
    reader = Reader(one.daemon.journal.path)
    rows = reader.rows(queries.LOGS)
    reader.close()
    assert [row["kind"] for row in rows if row["subject"] == "somebody"] == [command]


async def test_a_close_is_done_while_everything_is_paused(one: Harness) -> None:
    await one.daemon.commands.handle("pause", {})
    assert await one.daemon.commands.handle("close", {}) == {"closing": 1}
    await one.bars(2)
    assert not any(leg.position.amount for leg in one.daemon.loop.desk.legs.values())


async def test_after_a_kill_nothing_enters_until_it_is_unlocked(one: Harness) -> None:
    await one.daemon.commands.handle("kill", {})
    await one.bars(4)
    (leg,) = one.daemon.loop.desk.legs.values()
    assert leg.position.amount == 0
    await one.daemon.commands.handle("unlock", {})
    await one.bars(3)
    assert leg.position.amount > 0
