"""Limits that a strategy has of its own: measured on its own trading, locking it alone, kept over restarts."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from autotrader.core.errors import ControlError
from support.folders import folder, rules, write
from support.harness import Harness

ALWAYS = {"symbols": "BTC/USDT", "enter_long": "close > 0", "exit_long": "close < 0", "exits": "{stop_loss: 40%}"}
LOSES = "max_drawdown: 0.01%\non_breach: close\n"


@pytest.fixture
async def trading(tmp_path: Path):
    made: list[Harness] = []

    async def start(own: str, strategies: dict[str, str] | None = None, **files: str) -> Harness:
        strategies = strategies or {"a": rules(risk="tight", **ALWAYS), "b": rules(**ALWAYS)}
        written = {"risk.d/tight.yaml": own, **files}
        one = Harness(folder(tmp_path, strategies, speed="1x", recorded=False, **written))
        made.append(one)
        await one.start()
        return one

    yield start
    for one in made:
        assert one.daemon.failure is None
        await one.stop()


def held(one: Harness, name: str) -> Decimal:
    return one.daemon.loop.strategies[name].legs()[0].position.amount


def own(one: Harness, name: str = "a") -> Any:
    return one.daemon.loop.trader.own[name]


def refused(one: Harness) -> list[tuple[str, dict[str, Any]]]:
    query = "SELECT strategy, detail FROM decisions WHERE kind = 'refused' ORDER BY id"
    return [(name, json.loads(detail)) for name, detail in one.daemon.journal._db.execute(query)]


async def locked(one: Harness) -> None:
    await one.until(lambda: own(one).breakers.drawdown_locked)
    await one.bars(2)


@pytest.mark.parametrize(
    "limit",
    ["max_order: 100 USDT", "max_order: 40%", "max_position: 40%", "max_exposure: 40%", "max_orders_per_minute: 1"],
)
async def test_a_limit_of_its_own_refuses_its_orders_and_nobody_elses(trading, limit: str) -> None:
    both = {"symbols": "BTC/USDT, ETH/USDT", "size": "{kind: percent, percent: 200%}"}
    one = await trading(f"{limit}\n", {name: rules(**(ALWAYS | both), **more) for name, more in MINE})
    await one.bars(1)
    assert {name for name, _ in refused(one)} == {"a"}
    _, detail = refused(one)[0]
    assert (detail["limit"], detail["of"]) == (limit.partition(":")[0], "a")
    assert held(one, "b")


MINE = (("a", {"risk": "tight"}), ("b", {}))


async def test_a_share_is_of_what_the_strategy_may_use(trading) -> None:
    one = await trading("max_order: 50%\n")
    await one.bars(1)
    (_, detail), *_ = refused(one)
    assert detail["bound"] == "400.00 USDT (50%)"
    assert detail["side"] == "buy"
    assert abs(Decimal(detail["amount"]) * one.daemon.loop.accounts["paper"].prices["BTC/USDT"] - 800) < 1


async def test_its_open_positions_are_counted_alone(trading) -> None:
    one = await trading("max_open_positions: 1\n", {n: rules(**(ALWAYS | BOTH), **more) for n, more in MINE})
    await one.bars(2)
    assert [(name, row["limit"]) for name, row in refused(one)][:1] == [("a", "max_open_positions")]
    assert [len([leg for leg in one.daemon.loop.strategies[n].legs() if leg.position.amount]) for n in "ab"] == [1, 2]


BOTH = {"symbols": "BTC/USDT, ETH/USDT"}


async def test_a_breach_closes_and_locks_its_strategy_alone_and_survives_a_restart(trading) -> None:
    one = await trading(LOSES)
    await locked(one)
    assert (held(one, "a"), held(one, "b") > 0) == (0, True)
    assert not one.daemon.loop.trader.breakers.drawdown_locked
    await one.die()
    await one.start()
    await one.bars(2)
    assert (held(one, "a"), held(one, "b") > 0) == (0, True)
    assert refused(one)[-1][1]["limit"] == "max_drawdown"
    assert refused(one)[-1][1]["of"] == "a"
    breach = one.daemon.journal._db.execute("SELECT subject, message FROM events WHERE kind = 'breach'").fetchall()
    assert [row[0] for row in breach] == ["a"]
    assert breach[0][1].startswith("max_drawdown of a is ")


async def test_unlock_lifts_the_locks_of_one_or_of_all(trading) -> None:
    one = await trading(LOSES)
    await locked(one)
    with pytest.raises(ControlError, match="'b' has no limits of its own"):
        await one.daemon.commands.handle("unlock", {"name": "b"})
    await one.daemon.commands.handle("unlock", {"name": "a"})
    await one.bars(1)
    assert held(one, "a")
    await locked(one)
    await one.daemon.commands.handle("unlock", {})
    assert not own(one).breakers.drawdown_locked


async def test_the_status_shows_what_its_own_limits_stand_at(trading) -> None:
    one = await trading(LOSES + "max_exposure: 200%\n")
    await locked(one)
    status = await one.daemon.commands.handle("status", {})
    mine = status["risk"]["own"]["a"]
    assert mine["locked"] == "locked until unlock (max_drawdown)"
    assert Decimal(mine["profit"]) < 0
    assert mine["used"]["max_drawdown"]["bound"] is not None
    assert {row["name"]: row["state"] for row in status["strategies"]} == {"a": "locked", "b": "in position"}


async def test_a_cooldown_of_its_own_rests_it_alone(trading) -> None:
    churns = ALWAYS | {"exits": "{max_holding: 5m}"}
    one = await trading(
        "cooldown: {losses: 2, within: 10h, pause: 5h}\n", {n: rules(**churns, **more) for n, more in MINE}
    )
    await one.until(lambda: own(one).breakers.cooldown_until_ms > 0)
    await one.bars(2)
    assert refused(one)[-1][0] == "a"
    assert refused(one)[-1][1]["limit"] == "cooldown"
    assert "b" not in {name for name, _ in refused(one)}


async def test_loosening_its_own_limits_or_taking_them_away_needs_the_confirmation(trading) -> None:
    settings = {"autotrader.yaml": "dashboard: {port: 0}\nreload: {confirm: loosening}\n"}
    one = await trading("max_order: 100 USDT\n", **settings)
    write(one.root, {"risk.d/tight.yaml": "max_order: 200 USDT\n"})
    assert (await one.daemon.reloader.plan()).confirm == ["it loosens max_order of a"]
    write(one.root, {"risk.d/tight.yaml": "max_order: 90 USDT\n"})
    assert (await one.daemon.reloader.reload("test", "tighter")).status == "applied"
    assert own(one).limits.max_order.amount == 90
    write(one.root, {"strategies.d/a.yaml": rules(**ALWAYS)})
    outcome = await one.daemon.reloader.reload("test", "none")
    assert (outcome.status, outcome.message.partition(":")[0]) == ("needs_confirmation", "it loosens max_order of a")


async def test_other_limits_are_followed_while_the_strategy_goes_on_untouched(trading) -> None:
    one = await trading("max_order: 100 USDT\n")
    await one.bars(1)
    before = one.daemon.loop.strategies["a"]
    write(one.root, {"risk.d/tight.yaml": "max_order: 1000 USDT\n"})
    assert (await one.daemon.reloader.reload("test", "edited")).status == "applied"
    assert one.daemon.loop.strategies["a"] is before
    write(one.root, {"risk.d/tight.yaml": "max_order: 0.5 USD\n"})
    assert (await one.daemon.reloader.reload("test", "edited")).status == "rejected"
    assert own(one).limits.max_order.amount == 1000


async def test_taking_limits_away_and_giving_them_back_lifts_no_lock(trading) -> None:
    one = await trading(LOSES)
    await locked(one)
    write(one.root, {"strategies.d/a.yaml": rules(**ALWAYS)})
    assert (await one.daemon.reloader.reload("test", "none")).status == "applied"
    assert "a" not in one.daemon.loop.trader.own
    write(one.root, {"strategies.d/a.yaml": rules(risk="tight", **ALWAYS)})
    assert (await one.daemon.reloader.reload("test", "back")).status == "applied"
    assert own(one).breakers.drawdown_locked


async def test_first_limits_count_from_what_the_strategy_has_brought_so_far(trading) -> None:
    one = await trading("max_drawdown: 50%\n", {"a": rules(**ALWAYS)})
    await one.until(lambda: one.daemon.loop.trader.profits().get("a", 0) < -2)
    write(one.root, {"strategies.d/a.yaml": rules(risk="tight", **ALWAYS)})
    assert (await one.daemon.reloader.reload("test", "first")).status == "applied"
    profit = one.daemon.loop.trader.profits()["a"]
    assert (own(one).breakers.peak, own(one).breakers.drawdown_locked) == (profit, False)


async def test_an_adopted_position_brings_its_new_owner_neither_gain_nor_loss(trading) -> None:
    held_on = ALWAYS | {"on_remove": "adopt"}
    one = await trading("max_drawdown: 50%\n", {"a": rules(**held_on)})
    await one.until(lambda: one.daemon.loop.trader.profits().get("a", 0) < -2)
    (one.root / "strategies.d/a.yaml").unlink()
    write(one.root, {"strategies.d/c.yaml": rules(risk="tight", adopts="a", **(ALWAYS | NEVER))})
    assert (await one.daemon.reloader.reload("test", "adopts")).status == "applied"
    assert held(one, "c")
    state = own(one, "c").breakers
    assert state.peak - one.daemon.loop.trader.profits()["c"] < Decimal("0.01")


NEVER = {"enter_long": "close < 0"}


async def test_a_profile_that_does_not_exist_is_refused_with_a_hint(trading) -> None:
    one = await trading(LOSES)
    write(one.root, {"strategies.d/a.yaml": rules(risk="thigt", **ALWAYS)})
    outcome = await one.daemon.reloader.reload("test", "edited")
    assert outcome.status == "rejected"
    assert "risk profile 'thigt' does not exist; did you mean 'tight'?" in outcome.message
