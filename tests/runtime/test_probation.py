"""A new generation on probation: what ends it, the way back by itself, and what a restart makes of it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autotrader.core.errors import ControlError
from autotrader.risk.limits import Cap, Limits
from autotrader.runtime.reload import Outcome
from autotrader.runtime.trial import MAX_REJECTS, Trial, plain_trial, trial_from, verdict
from autotrader.strategies import registry
from support.folders import folder, rules, write
from support.harness import Harness

D = Decimal
SETTINGS = "dashboard: {port: 0}\nreload: {probation: 30m}\n"
ALWAYS = {"symbols": "BTC/USDT", "enter_long": "close > 0", "exit_long": "close < 0", "exits": "{stop_loss: 40%}"}
NEVER = ALWAYS | {"enter_long": "close < 0"}
TURNS = 4_000


def failing_kind() -> Any:
    """Return a kind like `rules` whose step fails where its file says `capital: 7%`."""
    usual = registry.kinds()["rules"]

    def step(constants: Any, state: Any, view: Any, out: Any) -> Any:
        if 690 < view.budget[0] < 710:
            raise ZeroDivisionError("on purpose")
        return usual.step(constants, state, view, out)

    return SimpleNamespace(**{**vars(usual), "step": step})


@pytest.fixture
async def running(tmp_path: Path):
    made: list[Harness] = []

    async def start(strategies: dict[str, str], settings: str = SETTINGS, **files: str) -> Harness:
        root = folder(tmp_path, strategies, speed="1x", recorded=False, **{"autotrader.yaml": settings, **files})
        one = Harness(root, more_kinds={"rules": failing_kind()})
        made.append(one)
        await one.start()
        return one

    yield start
    for one in made:
        if not one.daemon.stopping.is_set():
            assert one.daemon.failure is None
            await one.stop()


async def changed(one: Harness, **files: str) -> Outcome:
    write(one.root, files)
    return await one.daemon.reloader.reload("test", "edited")


async def watched(one: Harness, generation: int) -> None:
    """Let the daemon take its time, in its own threads, until it has come to a generation."""
    for _ in range(TURNS):
        if one.daemon.reloader.generation == generation and events(one):
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"it stayed at generation {one.daemon.reloader.generation}: {one.daemon.reloader.last}")


def events(one: Harness) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(one.root / "var/autotrader.db")) as db:
        return db.execute("SELECT level, subject, message FROM events WHERE kind = 'probation' ORDER BY id").fetchall()


def probation(one: Harness) -> Any:
    return one.daemon.loop.trader.trial


async def test_a_strategy_of_the_new_generation_that_fails_brings_the_old_one_back(running) -> None:
    one = await running({"a": rules(**ALWAYS)})
    await one.bars(2)
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "7%"}))})).ok
    assert (probation(one).generation, probation(one).back) == (2, 1)
    await one.bars(1)
    await watched(one, 3)
    ((level, subject, message),) = events(one)
    assert (level, subject) == ("error", "2")
    assert message == "strategy a failed: ZeroDivisionError: on purpose; generation 1 runs again as 3"
    assert probation(one) is None
    assert one.daemon.reloader.current.strategies["a"].capital == D("0.08")
    (newest, *_) = one.daemon.journal.generations()
    assert (newest.who, newest.why) == (
        "probation",
        "rollback to 1: 2 failed its probation: strategy a failed: ZeroDivisionError: on purpose",
    )
    await one.bars(2)
    assert one.daemon.loop.strategies["a"].error == ""
    assert one.daemon.loop.strategies["a"].legs()[0].position.amount
    again = await one.daemon.reloader.reload("test", "looked")
    assert (again.status, again.message) == ("unchanged", "pinned by a rollback")


async def test_a_strategy_that_the_new_generation_left_alone_may_fail(running) -> None:
    one = await running({"a": rules(**(ALWAYS | {"capital": "7%"})), "b": rules(**NEVER)})
    assert (await changed(one, **{"strategies.d/b.yaml": rules(**(NEVER | {"capital": "9%"}))})).ok
    await one.bars(2)
    assert one.daemon.loop.strategies["a"].error
    assert (one.daemon.reloader.generation, probation(one).generation) == (2, 2)


async def test_orders_that_the_exchange_rejects_bring_the_old_generation_back(running) -> None:
    swap = "kind: simulated\nmarket: swap\nbalances: {USDT: 10000}\nlatency: 50ms\n"
    swap += "generate: {seed: 7, symbols: [BTC/USDT, ETH/USDT], speed: 1x}\n"
    one = await running({"a": rules(**ALWAYS), "b": rules(**NEVER)}, **{"exchanges.d/paper.yaml": swap})
    await one.bars(2)
    short = NEVER | {"enter_long": "", "exit_long": "", "enter_short": "close > 0"}
    assert (await changed(one, **{"strategies.d/b.yaml": rules(**short)})).ok
    for _ in range(MAX_REJECTS):
        assert one.daemon.reloader.generation == 2
        await one.bars(1)
    await watched(one, 3)
    assert events(one)[0][2].startswith(f"{MAX_REJECTS} of its orders were rejected by their exchange")


async def test_refusals_of_the_gate_are_no_rejects(running) -> None:
    one = await running({"a": rules(**NEVER)}, **{"risk.d/default.yaml": "max_order: 10 USDT\n"})
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**ALWAYS)})).ok
    await one.bars(4)
    assert (one.daemon.loop.desk.rejected, one.daemon.reloader.generation) == (0, 2)


async def test_losing_half_of_the_drawdown_brings_the_old_generation_back(running) -> None:
    one = await running({"a": rules(**NEVER)}, **{"risk.d/default.yaml": "max_drawdown: 0.02%\n"})
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**ALWAYS)})).ok
    await one.until(lambda: bool(probation(one) is None or probation(one).fell))
    await watched(one, 3)
    assert events(one)[0][2].startswith("equity fell by ")


async def test_time_ends_a_probation_well(running) -> None:
    one = await running({"a": rules(**ALWAYS)})
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "9%"}))})).ok
    await one.clock.advance(29 * 60)
    status = await one.daemon.commands.handle("status", {})
    assert status["reload"]["probation"]["generation"] == 2
    await one.clock.advance(61)
    status = await one.daemon.commands.handle("status", {})
    assert (status["reload"]["probation"], status["generation"]) == (None, 2)
    assert events(one) == [("info", "2", "passed its probation")]


async def test_a_restart_goes_on_with_the_probation_and_with_what_was_counted(running) -> None:
    one = await running({"a": rules(**ALWAYS)}, **{"risk.d/default.yaml": "max_drawdown: 50%\n"})
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "9%"}))})).ok
    one.daemon.loop.desk.rejected = MAX_REJECTS - 1
    await one.bars(1)
    before = probation(one)
    await one.die()
    await one.start()
    assert probation(one)._replace(breakers=before.breakers) == before
    assert one.daemon.loop.desk.rejected == MAX_REJECTS - 1
    one.daemon.loop.desk.rejected += 1
    await one.bars(1)
    await watched(one, 3)


async def test_a_restart_onto_other_files_ends_it(running) -> None:
    one = await running({"a": rules(**ALWAYS)})
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "9%"}))})).ok
    await one.stop()
    write(one.root, {"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "10%"}))})
    await one.start()
    assert probation(one) is None
    assert "probation" not in one.daemon.journal.flags()


async def test_the_way_back_leads_past_a_generation_that_is_on_probation_itself(running) -> None:
    one = await running({"a": rules(**ALWAYS)})
    for capital in ("9%", "7%"):
        assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": capital}))})).ok
    assert (probation(one).generation, probation(one).back) == (3, 1)
    await one.bars(1)
    await watched(one, 4)
    assert one.daemon.reloader.current.strategies["a"].capital == D("0.08")


async def test_where_the_old_generation_declares_the_same_there_is_nothing_to_go_back_to(running) -> None:
    one = await running({"a": rules(**(ALWAYS | {"capital": "7%"})), "b": rules(**NEVER)})
    for capital in ("9%", "7%"):
        assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": capital}))})).ok
    await one.bars(1)
    await watched(one, 3)
    assert events(one)[0][2].endswith("generation 1 declares the same: nothing is rolled back")
    assert probation(one) is None


async def test_a_generation_that_came_meanwhile_is_not_rolled_back(running) -> None:
    one = await running({"a": rules(**ALWAYS)})
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "9%"}))})).ok
    outcome = await one.daemon.roll_back(1, "probation", "late", 1)
    assert (outcome.status, outcome.generation, outcome.message) == ("unchanged", 2, "1 runs no more")
    assert probation(one).generation == 2


async def test_a_file_cannot_excuse_itself_from_its_probation(running) -> None:
    one = await running({"a": rules(**ALWAYS)})
    settings = {"autotrader.yaml": "dashboard: {port: 0}\n"}
    assert (await changed(one, **settings, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "9%"}))})).ok
    assert probation(one).generation == 2


async def test_without_a_declared_probation_there_is_none(running) -> None:
    one = await running({"a": rules(**ALWAYS)}, "dashboard: {port: 0}\n")
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "9%"}))})).ok
    assert probation(one) is None


async def test_a_rollback_by_hand_ends_it(running) -> None:
    one = await running({"a": rules(**ALWAYS)})
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "9%"}))})).ok
    assert (await one.daemon.commands.handle("rollback", {"generation": 1}))["ok"]
    assert probation(one) is None


@pytest.mark.parametrize("how", ["raises", "refuses"])
async def test_a_rollback_that_is_refused_is_said_and_stops_entries(running, monkeypatch, how: str) -> None:
    one = await running({"a": rules(**ALWAYS), "b": rules(**(ALWAYS | {"symbols": "ETH/USDT"}))})

    async def refused(*_: Any) -> Outcome:
        if how == "raises":
            raise ControlError("it is gone")
        return Outcome(False, "rejected", 2, "it is gone")

    monkeypatch.setattr(one.daemon, "roll_back", refused)
    assert (await changed(one, **{"strategies.d/a.yaml": rules(**(ALWAYS | {"capital": "7%"}))})).ok
    await one.bars(1)
    await watched(one, 2)
    ((level, subject, message),) = events(one)
    assert (level, subject) == ("error", "2")
    assert message == "strategy a failed: ZeroDivisionError: on purpose; the rollback to 1 was refused: it is gone"
    assert "cannot be rolled back: it is gone" in one.daemon.loop.trader.paused[""]
    await one.stop()
    await one.start()
    assert "cannot be rolled back" in one.daemon.loop.trader.paused[""]


# the verdict itself


def test_money_that_came_or_went_is_no_loss_of_a_probation() -> None:
    limits = Limits(max_drawdown=Cap(share=D("0.1"), currency="USDT"))
    trial = Trial(2, 1, 1_000).follows(limits, 1, D(1000)).after_money(D(-500), D(1000))
    assert trial.follows(limits, 2, D(500)).fell == ""
    assert trial.follows(limits, 2, D("475.01")).fell == ""
    assert trial.follows(limits, 2, D(475)).fell == "equity fell by 25.00 USDT, 25.00 USDT (5%) may be lost"


def test_half_of_a_bound_in_money_may_be_lost() -> None:
    limits = Limits(max_drawdown=Cap(amount=D(100), currency="USDT"))
    trial = Trial(2, 1, 1_000).follows(limits, 1, D(1000))
    assert trial.follows(limits, 2, D("950.01")).fell == ""
    assert trial.follows(limits, 2, D(950)).fell == "equity fell by 50.00 USDT, 50.00 USDT may be lost"


def test_without_a_drawdown_limit_no_loss_is_measured() -> None:
    trial = Trial(2, 1, 1_000)
    assert trial.follows(Limits(), 1, D(1)) is trial


@pytest.mark.parametrize(
    ("rejects", "failed", "why"),
    [
        (MAX_REJECTS - 1, {}, ""),
        (MAX_REJECTS, {}, f"{MAX_REJECTS} of its orders were rejected by their exchange"),
        (MAX_REJECTS, {"b": "two", "a": "one"}, "strategy a failed: one"),
    ],
)
def test_the_verdict_names_what_was_too_much(rejects: int, failed: dict[str, str], why: str) -> None:
    assert verdict(Trial(2, 1, 1_000), rejects, failed) == why


def test_what_the_journal_keeps_of_a_probation_is_all_of_it() -> None:
    limits = Limits(max_drawdown=Cap(share=D("0.1"), currency="USDT"))
    trial = Trial(2, 1, 1_000).follows(limits, 1, D(1000)).follows(limits, 2, D(900))
    assert trial.fell
    assert trial_from(plain_trial(trial, 3)) == (trial, 3)
