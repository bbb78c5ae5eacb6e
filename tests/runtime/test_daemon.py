"""The daemon end to end, in one process: it trades, reloads, is steered, dies and recovers."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from pathlib import Path

import pytest

from autotrader.core.errors import StoreError, VenueUnavailable
from autotrader.runtime.balances import take_balances
from autotrader.runtime.daemon import MAX_UNREADY_STARTS
from autotrader.runtime.status import status
from autotrader.venues.paper.venue import PaperVenue
from support.books import disagreements, fills
from support.clock import VirtualClock
from support.folders import folder, rules, write
from support.harness import Fuse, Harness

ALWAYS = {"enter_long": "close > 0", "exit_long": "close < 0", "exits": "{stop_loss: 40%}"}
NEVER = {"enter_long": "close < 0", "exit_long": "close < 0", "exits": ""}


@pytest.fixture(autouse=True)
def balanced(tmp_path: Path):
    """Compare the books once the daemon has stopped, whatever the test did."""
    yield
    assert disagreements(tmp_path / "var/autotrader.db", tmp_path / "var/paper-paper.db") == []


async def test_a_true_entry_condition_becomes_a_position_at_the_next_open(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS)})
    loop = one.daemon.loop
    await one.bars(1)
    (leg,) = loop.strategies["a"].legs()
    assert leg.position.amount > 0
    assert one.daemon.failure is None
    await one.bars(3)
    assert len(loop.journal.live_orders()) == 1  # the armed guard


async def test_an_edited_file_restarts_its_strategy_and_touches_no_other(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS), "b": rules(symbols="ETH/USDT", **ALWAYS)})
    await one.bars(2)
    loop = one.daemon.loop
    before = dict(loop.strategies)
    amounts = {name: strategy.legs()[0].position for name, strategy in before.items()}
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(ALWAYS | {"exits": "{stop_loss: 30%}"}))})
    outcome = await one.daemon.reloader.reload("test", "edited")
    assert (outcome.status, outcome.generation) == ("applied", 2)
    assert loop.strategies["b"] is before["b"]
    assert loop.strategies["a"] is not before["a"]
    assert {name: strategy.legs()[0].position for name, strategy in loop.strategies.items()} == amounts
    assert one.calls["submit"] == 2
    assert one.calls["guard"] == 1  # the moved stop
    await one.bars(2)
    assert {name: strategy.legs()[0].position for name, strategy in loop.strategies.items()} == amounts


async def test_a_broken_file_leaves_everything_as_it_was_and_calls_no_exchange(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS)})
    await one.bars(2)
    before, calls = dict(one.daemon.loop.strategies), one.calls.copy()
    write(one.root, {"strategies.d/a.yaml": "kind: rules\nsymbols: [BTC/US"})
    outcome = await one.daemon.reloader.reload("test", "broken")
    assert not outcome.ok
    assert "strategies.d/a.yaml:2" in outcome.message
    assert one.daemon.loop.strategies == before
    assert one.calls == calls


async def test_a_look_that_finds_nothing_new_hides_an_error_that_is_gone_and_not_what_was_taken_over(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **NEVER)})
    reloader, told = one.daemon.reloader, []
    for text in ({"capital": "9%"}, {"capital": "9%"}, {"kind": "none"}, {"capital": "9%"}):
        write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(NEVER | text))})
        outcome = await reloader.reload("test", "written")
        told.append((outcome.status, reloader.last.status, reloader.last.generation))
    assert told == [
        ("applied", "applied", 2),
        ("unchanged", "applied", 2),
        ("rejected", "rejected", 2),
        ("unchanged", "unchanged", 2),
    ]


async def test_one_removed_file_waits_thirty_seconds_and_is_then_closed(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS), "b": rules(symbols="ETH/USDT", **NEVER)})
    await one.bars(2)
    (one.root / "strategies.d/a.yaml").unlink()
    outcome = await one.daemon.reloader.reload("test", "gone")
    assert outcome.status == "unchanged"
    assert outcome.waiting
    await one.clock.advance(10)
    assert "a" in one.daemon.loop.strategies
    await one.clock.advance(21)
    await until_idle(one)
    assert "a" not in one.daemon.loop.strategies
    await one.bars(2)
    assert all(not leg.position.amount for leg in one.daemon.loop.desk.legs.values())


async def test_several_removed_files_wait_for_a_confirmation(harness) -> None:
    names = ("a", "b", "c")
    one = await harness({name: rules(symbols="BTC/USDT", **ALWAYS) for name in names})
    await one.bars(2)
    for name in ("a", "b"):
        (one.root / f"strategies.d/{name}.yaml").unlink()
    await one.daemon.reloader.reload("test", "gone")
    await one.clock.advance(100)
    assert set(one.daemon.loop.strategies) == set(names)
    plan = await one.daemon.reloader.plan()
    assert plan.stops == ["a", "b"]
    assert {position["fate"] for position in plan.positions} == {"closed"}
    outcome = await one.daemon.reloader.reload("test", "confirmed", plan.hash)
    assert outcome.status == "applied"
    assert set(one.daemon.loop.strategies) == {"c"}
    stale = await one.daemon.reloader.reload("test", "again", plan.hash)
    assert stale.status == "rejected"


async def test_a_held_position_keeps_its_stop_and_is_adopted_by_the_file_that_says_so(harness) -> None:
    held = ALWAYS | {"on_remove": "hold"}
    one = await harness({"a": rules(symbols="BTC/USDT", **held), "z": rules(symbols="ETH/USDT", **NEVER)})
    await one.bars(2)
    (one.root / "strategies.d/a.yaml").unlink()
    await one.daemon.reloader.reload("test", "gone")
    await one.clock.advance(31)
    await until_idle(one)
    ((owner, _, _),) = [leg.key for leg in one.daemon.loop.desk.legs.values() if leg.position.amount]
    assert owner == "removed:a"
    write(one.root, {"strategies.d/n.yaml": rules(symbols="BTC/USDT", **held, adopts="a")})
    outcome = await one.daemon.reloader.reload("test", "adopt")
    assert outcome.ok, outcome.message
    await one.bars(2)
    ((owner, _, _),) = [leg.key for leg in one.daemon.loop.desk.legs.values() if leg.position.amount]
    assert owner == "n"
    assert one.calls["submit"] == 1


async def test_kill_flattens_locks_and_survives_reload_and_restart(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS)})
    await one.bars(2)
    await one.daemon.commands.handle("kill", {})
    await one.bars(2)
    loop = one.daemon.loop
    assert all(not leg.position.amount for leg in loop.desk.legs.values())
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(ALWAYS | {"capital": "9%"}))})
    await one.daemon.reloader.reload("test", "edited")
    await one.die()
    await one.start()
    await one.bars(3)
    assert one.daemon.loop.trader.killed
    assert all(not leg.position.amount for leg in one.daemon.loop.desk.legs.values())
    await one.daemon.commands.handle("unlock", {})
    await one.bars(2)
    assert any(leg.position.amount for leg in one.daemon.loop.desk.legs.values())


async def test_a_rollback_pins_its_generation_until_the_files_change_again(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **NEVER)})
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(NEVER | {"capital": "9%"}))})
    await one.daemon.reloader.reload("test", "edited")
    answer = await one.daemon.commands.handle("rollback", {"generation": 1})
    assert answer["ok"], answer
    assert str(one.daemon.loop.strategies["a"].params.capital) == "0.08"
    again = await one.daemon.reloader.reload("test", "hint")
    assert again.status == "unchanged"
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(NEVER | {"capital": "7%"}))})
    assert (await one.daemon.reloader.reload("test", "edited")).status == "applied"
    assert str(one.daemon.loop.strategies["a"].params.capital) == "0.07"


async def test_a_restart_onto_invalid_files_runs_the_last_generation_with_exits_only(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS), "b": rules(symbols="ETH/USDT", **NEVER)})
    await one.bars(2)
    await one.die()
    write(one.root, {"strategies.d/b.yaml": "kind: rules"})
    await one.start()
    assert set(one.daemon.loop.strategies) == {"a", "b"}
    assert one.daemon.loop.trader.exits_only
    assert any(leg.position.amount for leg in one.daemon.loop.desk.legs.values())


async def test_pause_stops_entries_and_survives_a_restart(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS)})
    await one.daemon.commands.handle("pause", {"name": "a"})
    await one.bars(2)
    await one.die()
    await one.start()
    await one.bars(2)
    assert one.calls["submit"] == 0
    await one.daemon.commands.handle("resume", {"name": "a"})
    await one.bars(2)
    assert one.calls["submit"] == 1


async def test_a_restart_changes_no_state_and_sends_nothing(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT, ETH/USDT", **ALWAYS)})
    await one.bars(3)
    legs = {leg.key: (leg.position, leg.entry_id, leg.group) for leg in one.daemon.loop.desk.legs.values()}
    states = [part.plain() for part in one.daemon.loop.strategies["a"].parts]
    values = [part.live[0].values()[:] for part in one.daemon.loop.strategies["a"].parts]
    calls = one.calls["submit"]
    await one.die()
    await one.start()
    assert {leg.key: (leg.position, leg.entry_id, leg.group) for leg in one.daemon.loop.desk.legs.values()} == legs
    assert [part.plain() for part in one.daemon.loop.strategies["a"].parts] == states
    assert [part.live[0].values()[:] for part in one.daemon.loop.strategies["a"].parts] == values
    await one.bars(2)
    assert one.calls["submit"] == calls


async def until_idle(one: Harness) -> None:
    """Wait for reloads that run in threads."""
    import asyncio

    for _ in range(200):
        await asyncio.sleep(0.005)
        if not one.daemon.reloader._serial.locked() and one.daemon.reloader.next_check_s() is None:
            return


async def test_a_new_exchange_and_its_strategy_come_in_one_reload_and_go_again_when_flat(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **NEVER)})
    perp = (one.root / "exchanges.d/paper.yaml").read_text().replace("market: spot", "market: swap")
    short = {"enter_short": "close > 0", "exit_short": "close < 0", "enter_long": "", "exit_long": ""}
    write(
        one.root,
        {
            "exchanges.d/perp.yaml": perp,
            "strategies.d/s.yaml": rules(symbols="ETH/USDT", exchange="perp", **(short | {"exits": ""})),
        },
    )
    outcome = await one.daemon.reloader.reload("test", "added")
    assert outcome.status == "applied", outcome.message
    await one.clock.settle()
    await one.bars(2)
    (leg,) = one.daemon.loop.strategies["s"].legs()
    assert leg.position.amount < 0
    (one.root / "exchanges.d/perp.yaml").unlink()
    (one.root / "strategies.d/s.yaml").unlink()
    plan = await one.daemon.reloader.plan()
    refused = await one.daemon.reloader.reload("test", "gone", plan.hash)
    assert "positions are open there" in refused.message
    await one.daemon.commands.handle("close", {"name": "s"})
    await one.daemon.commands.handle("pause", {})
    await one.bars(2)
    plan = await one.daemon.reloader.plan()
    outcome = await one.daemon.reloader.reload("test", "gone", plan.hash)
    assert outcome.status == "applied", outcome.message
    assert set(one.daemon.loop.accounts) == {"paper"}


async def test_a_rollback_pin_survives_a_restart(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **NEVER)})
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(NEVER | {"capital": "9%"}))})
    await one.daemon.reloader.reload("test", "edited")
    await one.daemon.commands.handle("rollback", {"generation": 1})
    await one.die()
    await one.start()
    assert str(one.daemon.loop.strategies["a"].params.capital) == "0.08"


async def test_mended_files_lift_exits_only(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **NEVER)})
    await one.die()
    good = (one.root / "strategies.d/a.yaml").read_text()
    write(one.root, {"strategies.d/a.yaml": "kind: rules"})
    await one.start()
    assert one.daemon.loop.trader.exits_only
    write(one.root, {"strategies.d/a.yaml": good})
    await one.daemon.reloader.reload("test", "mended")
    assert not one.daemon.loop.trader.exits_only


async def test_a_changed_balance_needs_a_restart_and_a_changed_fee_does_not(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **NEVER)})
    path = one.root / "exchanges.d/paper.yaml"
    text = path.read_text()
    path.write_text(text.replace("10000", "20000"))
    refused = await one.daemon.reloader.reload("test", "balance")
    assert "'balances.USDT' changes only by a restart" in refused.message
    path.write_text(text.replace("taker: 0.1%", "taker: 0.2%"))
    assert (await one.daemon.reloader.reload("test", "fee")).status == "applied"


async def test_loosened_limits_wait_for_a_confirmation_and_tightened_ones_do_not(harness) -> None:
    files = {"autotrader.yaml": "reload: {confirm: loosening}\n", "risk.d/default.yaml": "max_order: 1000 USDT\n"}
    one = await harness({"a": rules(symbols="BTC/USDT", **NEVER)}, **files)
    write(one.root, {"risk.d/default.yaml": "max_order: 500 USDT\n"})
    assert (await one.daemon.reloader.reload("test", "tighter")).status == "applied"
    write(one.root, {"risk.d/default.yaml": "max_order: 2000 USDT\n"})
    waits = await one.daemon.reloader.reload("test", "looser")
    assert waits.status == "needs_confirmation"
    assert one.daemon.loop.trader.limits.max_order.amount == 500
    assert (await one.daemon.reloader.reload("test", "agreed", waits.plan)).status == "applied"
    assert one.daemon.loop.trader.limits.max_order.amount == 2000


async def test_a_strategy_that_cannot_start_does_not_stop_the_others(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS)})
    await one.die()
    write(one.root, {"strategies.d/b.yaml": rules(symbols="BTC/USDT", **ALWAYS, timeframe="90s")})
    await one.start()
    assert set(one.daemon.loop.strategies) == {"a"}
    states = {row["name"]: (row["state"], row["error"]) for row in status(one.daemon)["strategies"]}
    assert states["b"][0] == "failed"
    assert "90s" in states["b"][1]


async def test_a_deposit_is_no_gain(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS)})
    await one.bars(2)
    loop = one.daemon.loop
    loop.accounts["paper"].cash -= 100  # as if 100 USDT had come in since we looked
    below = loop.trader.equity() / loop.trader.breakers.peak
    await take_balances(loop, "paper")
    assert abs(loop.trader.equity() / loop.trader.breakers.peak - below) < Decimal("1e-20")
    assert loop.accounts["paper"].cash == (await loop.desk.venues["paper"].balances())["USDT"].total


async def test_a_full_disk_refuses_the_reload_and_leaves_everything_as_it_was(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS), "b": rules(symbols="ETH/USDT", **ALWAYS)})
    await one.bars(2)
    loop = one.daemon.loop
    before = dict(loop.strategies)
    legs = {leg.key: (leg.guard, leg.position, leg.owner) for leg in loop.desk.legs.values()}
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **(ALWAYS | {"exits": "{stop_loss: 30%}"}))})
    one.fuse.light(0, "commit", StoreError)
    outcome = await one.daemon.reloader.reload("test", "no room")
    assert one.fuse.out()
    assert (outcome.status, outcome.message) == ("rejected", "the disk is full")
    assert loop.strategies == before
    assert {leg.key: (leg.guard, leg.position, leg.owner) for leg in loop.desk.legs.values()} == legs
    assert (await one.daemon.reloader.reload("test", "room again")).status == "applied"


async def test_a_strategy_that_never_decided_keeps_its_features_to_the_last_bit_over_a_restart(harness) -> None:
    slow = {"enter_long": "close > 10 * ema(close, 7)", "exit_long": "close < ema(close, 7)", "exits": ""}
    one = await harness({"a": rules(symbols="BTC/USDT", **slow, more='let: {mean: "ema(close, 7)"}\n')})
    await one.bars(300)
    values = one.daemon.loop.strategies["a"].parts[0].live[0].values()[:]
    await one.die()
    await one.start()
    assert one.daemon.loop.strategies["a"].parts[0].live[0].values() == values


async def test_an_exchange_that_is_down_at_the_start_does_not_add_up_to_exits_only(harness, monkeypatch) -> None:
    one = await harness({"a": rules()})
    await one.stop()

    async def down(_self: PaperVenue) -> None:
        raise VenueUnavailable("nobody answers")

    with monkeypatch.context() as patch:
        patch.setattr(PaperVenue, "open", down)
        for _ in range(MAX_UNREADY_STARTS + 1):
            with pytest.raises(VenueUnavailable):
                await one.start()
            await one.die()
    one.fuse = Fuse()
    await one.start()
    assert one.daemon.loop.trader.exits_only == ""


async def test_a_stop_at_any_moment_takes_in_what_the_market_did_before_it(tmp_path: Path) -> None:
    class Slow(VirtualClock):
        """Time passes between any two looks, so that everybody else has a turn after each event."""

        def monotonic_s(self) -> float:
            self._now_ms += 10
            return super().monotonic_s()

    busy = {"enter_long": "close > ema(close, 3)", "exit_long": "close < ema(close, 3)"}
    one = Harness(folder(tmp_path, {"a": rules(**busy), "b": rules(**busy)}, speed="max", recorded=False), Slow())
    chance, booked = random.Random(5), 0
    for _ in range(20):
        daemon = await one.start()
        for _ in range(chance.randrange(100, 200)):
            await asyncio.sleep(0)
        await one.stop()
        assert daemon.failure is None
        assert disagreements(tmp_path / "var/autotrader.db", tmp_path / "var/paper-paper.db") == []
        booked, before = fills(tmp_path / "var/autotrader.db"), booked
        assert booked > before
