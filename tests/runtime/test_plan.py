"""The plan tells every consequence of a reload before it happens, and is good only for what it was made of."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from autotrader.runtime.plan import plain
from support.folders import folder, rules, write
from support.harness import Harness

ALWAYS = {"enter_long": "close > 0", "exit_long": "close < 0", "exits": "{stop_loss: 40%}"}
NEVER = {"enter_long": "close < 0", "exit_long": "close < 0", "exits": ""}
LIMIT = "{kind: limit, timeout: 300h}"


@pytest.fixture
async def harness(tmp_path: Path):
    made: list[Harness] = []

    async def start(strategies: dict[str, str], **files: str) -> Harness:
        one = Harness(folder(tmp_path, strategies, speed="1x", recorded=False, **files))
        made.append(one)
        await one.start()
        await one.bars(2)
        return one

    yield start
    for one in made:
        await one.stop()


def remove(one: Harness, name: str) -> None:
    (one.root / f"strategies.d/{name}.yaml").unlink()


async def fates(one: Harness) -> dict[tuple[str, str], str]:
    plan = await one.daemon.reloader.plan()
    return {(row["strategy"], row["symbol"]): row["fate"] for row in plan.positions}


async def test_where_nothing_changed_nothing_is_planned(harness) -> None:
    one = await harness({"a": rules(**ALWAYS)})
    plan = await one.daemon.reloader.plan()
    assert (plan.changes, plan.starts, plan.stops, plan.restarts, plan.positions, plan.confirm) == ([],) * 6


async def test_what_starts_stops_and_changes_is_named(harness) -> None:
    one = await harness({"a": rules(**NEVER), "b": rules(**NEVER), "c": rules(**NEVER)})
    remove(one, "a")
    write(
        one.root,
        {"strategies.d/b.yaml": rules(**(NEVER | {"capital": "9%"})), "strategies.d/d.yaml": rules(**NEVER)},
    )
    plan = await one.daemon.reloader.plan()
    assert (plan.starts, plan.stops, plan.restarts) == (["d"], ["a"], ["b"])
    assert plan.changes == [
        "strategies.d/d: added", "strategies.d/a: removed", "strategies.d/b: capital: 8% -> 9%",
    ]  # fmt: skip
    assert plan.exposure == {"capital_before": "24.00%", "capital_after": "25.00%", "loosened": ""}


@pytest.mark.parametrize(
    ("on_remove", "fate"),
    [("close", "closed"), ("hold", "held as removed:a"), ("adopt", "held as removed:a until adopted")],
)
async def test_a_removed_strategys_position_has_the_fate_that_it_declared(harness, on_remove, fate) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **(ALWAYS | {"on_remove": on_remove})), "b": rules(**NEVER)})
    remove(one, "a")
    assert await fates(one) == {("a", "BTC/USDT"): fate}


async def test_a_changed_strategy_keeps_the_positions_of_the_symbols_that_it_keeps(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT, ETH/USDT", **ALWAYS)})
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **ALWAYS)})
    assert await fates(one) == {("a", "BTC/USDT"): "kept", ("a", "ETH/USDT"): "closed"}
    outcome = await one.daemon.reloader.reload("test", "fewer symbols")
    assert outcome.ok
    await one.bars(2)
    held = {leg.symbol for leg in one.daemon.loop.desk.legs.values() if leg.position.amount}
    assert held == {"BTC/USDT"}


async def test_who_adopts_takes_only_what_it_trades(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT, ETH/USDT", **ALWAYS), "b": rules(**NEVER)})
    remove(one, "a")
    write(one.root, {"strategies.d/c.yaml": rules(symbols="BTC/USDT", **(NEVER | {"adopts": "a"}))})
    assert await fates(one) == {
        ("a", "BTC/USDT"): "adopted by c",
        ("a", "ETH/USDT"): "held as removed:a: c does not trade it",
    }
    outcome = await one.daemon.reloader.reload("test", "adopted")
    assert outcome.ok, outcome.message
    owners = {leg.symbol: leg.owner for leg in one.daemon.loop.desk.legs.values() if leg.position.amount}
    assert owners == {"BTC/USDT": "c", "ETH/USDT": "removed:a"}


async def test_what_was_held_is_taken_up_again_by_its_own_name_or_by_who_adopts_it(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **(ALWAYS | {"on_remove": "hold"})), "b": rules(**NEVER)})
    remove(one, "a")
    plan = await one.daemon.reloader.plan()
    await one.daemon.reloader.reload("test", "gone", plan.hash)
    await one.bars(1)
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **ALWAYS)})
    assert await fates(one) == {("removed:a", "BTC/USDT"): "taken up again by a"}
    remove(one, "a")
    write(one.root, {"strategies.d/c.yaml": rules(symbols="BTC/USDT", **(NEVER | {"adopts": "a"}))})
    assert await fates(one) == {("removed:a", "BTC/USDT"): "adopted by c"}


async def test_entries_that_would_be_canceled_and_stops_that_would_move_are_told(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS)})
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(ALWAYS | {"exits": "{stop_loss: 5%}"}))})
    plan = await one.daemon.reloader.plan()
    assert plan.stops_moved == [{"strategy": "a", "symbol": "BTC/USDT", "from": "stop_loss 40%", "to": "stop_loss 5%"}]
    assert plan.cancels == []


async def test_a_working_entry_of_a_changed_strategy_is_named(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **NEVER)})
    write(one.root, {"strategies.d/b.yaml": rules(symbols="ETH/USDT", **(ALWAYS | {"execution": LIMIT}))})
    await one.daemon.reloader.reload("test", "b comes")
    (leg,) = one.daemon.loop.strategies["b"].legs()
    await one.until(lambda: bool(leg.working("entry")))
    (order,) = leg.working("entry")
    write(one.root, {"strategies.d/b.yaml": rules(symbols="ETH/USDT", **(ALWAYS | {"capital": "9%"}))})
    plan = await one.daemon.reloader.plan()
    assert plan.cancels == [{"strategy": "b", "client_id": order.client_id, "symbol": "ETH/USDT"}]


async def test_the_same_plan_has_the_same_hash_and_any_other_consequence_another(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS), "b": rules(symbols="ETH/USDT", **NEVER)})
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(ALWAYS | {"capital": "9%"}))})
    first = await one.daemon.reloader.plan()
    assert (await one.daemon.reloader.plan()).hash == first.hash
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(ALWAYS | {"capital": "7%"}))})
    other = await one.daemon.reloader.plan()
    assert other.hash != first.hash
    await one.daemon.commands.handle("close", {"name": "a"})
    await one.daemon.commands.handle("pause", {})
    await one.bars(2)
    after = await one.daemon.reloader.plan()
    assert after.hash != other.hash
    stale = await one.daemon.reloader.reload("test", "confirmed", other.hash)
    assert "stale" in stale.message


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("autotrader.yaml", "dashboard", "timezone: Asia/Seoul\ndashboard", "'timezone' changes only by a restart"),
        ("exchanges.d/paper.yaml", "10000", "20000", "'balances.USDT' changes only by a restart"),
        ("exchanges.d/paper.yaml", "market: spot", "market: swap", "'market' changes only by a restart"),
    ],
)
async def test_what_only_a_restart_may_change_is_refused_by_name(harness, file, old, new, said) -> None:
    one = await harness({"a": rules(**NEVER)})
    path = one.root / file
    path.write_text(path.read_text().replace(old, new))
    (refused,) = (await one.daemon.reloader.plan()).refused
    assert refused == f"{file}: {said}"


@pytest.mark.parametrize("key", ["taker: 0.1%", "slippage: 2bps", "speed: 1x"])
async def test_fees_slippage_and_speed_may_change_while_it_runs(harness, key) -> None:
    one = await harness({"a": rules(**NEVER)})
    path = one.root / "exchanges.d/paper.yaml"
    path.write_text(path.read_text().replace(key, key.replace("1", "3").replace("2", "4")))
    plan = await one.daemon.reloader.plan()
    assert (plan.refused, len(plan.changes)) == ([], 1)


async def test_a_file_cannot_excuse_itself_from_the_confirmation_that_it_loosens(harness) -> None:
    files = {"autotrader.yaml": "reload: {confirm: loosening}\n", "risk.d/default.yaml": "max_order: 1000 USDT\n"}
    one = await harness({"a": rules(**NEVER)}, **files)
    write(one.root, {"autotrader.yaml": "reload: {confirm: never}\n", "risk.d/default.yaml": "max_order: 2000 USDT\n"})
    plan = await one.daemon.reloader.plan()
    assert plan.confirm == [
        "it loosens max_order",
        "it asks for less confirmation (reload.confirm: loosening -> never)",
    ]
    waits = await one.daemon.reloader.reload("test", "looser")
    assert waits.status == "needs_confirmation"


async def test_asking_for_more_confirmation_needs_none(harness) -> None:
    one = await harness({"a": rules(**NEVER)})
    write(one.root, {"autotrader.yaml": "dashboard: {port: 0}\nreload: {confirm: always}\n"})
    assert (await one.daemon.reloader.reload("test", "stricter")).status == "applied"
    write(one.root, {"strategies.d/a.yaml": rules(**(NEVER | {"capital": "7%"}))})
    assert (await one.daemon.reloader.reload("test", "edited")).status == "needs_confirmation"


async def test_a_plan_is_plain_json(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS)})
    remove(one, "a")
    plan = plain(await one.daemon.reloader.plan())
    assert orjson.loads(orjson.dumps(plan)) == plan
    assert list(plan) == [
        "hash", "generation", "changes", "starts", "stops", "restarts", "cancels", "stops_moved", "positions",
        "exposure", "confirm", "refused", "waiting",
    ]  # fmt: skip
