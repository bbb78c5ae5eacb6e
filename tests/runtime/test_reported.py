"""Faults of the trading path that a reading found, each kept away by the shortest run that had it."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest

from autotrader.core.errors import VenueUnavailable
from autotrader.risk.breakers import Breakers, moved, on_equity
from autotrader.risk.limits import Cap, Limits
from autotrader.runtime.status import status
from support.folders import rules, write
from support.harness import Crash

D = Decimal
ALWAYS = {"enter_long": "close > 0", "exit_long": "close < 0", "exits": "{stop_loss: 40%}"}
NEVER = {"enter_long": "close < 0", "exit_long": "close < 0", "exits": ""}
BY_EXPOSURE = {"enter_long": "", "exit_long": "", "exits": ""}


async def test_a_stop_may_be_added_to_a_position_that_was_entered_without_one(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **(ALWAYS | {"exits": "{max_holding: 300h}"}))})
    await one.bars(2)
    write(one.root, {"strategies.d/a.yaml": rules(symbols="BTC/USDT", **ALWAYS)})
    outcome = await one.daemon.reloader.reload("test", "a stop was added")
    assert outcome.status == "applied", outcome.message
    venue = one.daemon.loop.desk.venues["paper"]
    assert [order.type for order in await venue.open_orders()] == ["guard"]


async def test_a_smaller_exposure_is_taken_while_entries_are_paused(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", exposure="if(close > prev(close, 1), 1, 0.5)", **BY_EXPOSURE)})
    (leg,) = one.daemon.loop.strategies["a"].legs()
    await one.until(lambda: leg.exposure == 1.0 and leg.position.amount > 0 and not leg.orders)
    held = leg.position.amount
    await one.daemon.commands.handle("pause", {})
    await one.until(lambda: leg.exposure == 0.5)
    await one.bars(1)
    assert leg.position.amount < held * D("0.6")


async def test_a_kill_that_a_crash_cut_short_is_carried_on_at_the_next_start(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS)})
    await one.bars(2)
    one.fuse.light(2)  # the kill switch is written; what follows from it is not
    with pytest.raises(Crash):
        await one.daemon.commands.handle("kill", {})
    await one.die()
    await one.start()
    assert status(one.daemon)["risk"]["killed"]
    await one.bars(2)
    assert not any(leg.position.amount for leg in one.daemon.loop.desk.legs.values())


async def test_an_exchange_that_fails_in_the_middle_of_a_turn_loses_no_later_order(harness) -> None:
    limit = ALWAYS | {"execution": "{kind: limit, timeout: 300h}"}
    one = await harness({"a": rules(symbols="BTC/USDT", **limit), "b": rules(symbols="ETH/USDT", **ALWAYS)})
    loop = one.daemon.loop
    (held,) = loop.strategies["b"].legs()
    await one.until(lambda: bool(held.position.amount and loop.strategies["a"].legs()[0].working("entry")))
    inner = loop.desk.venues["paper"].inner

    async def fails(_: str) -> None:
        del inner.cancel
        raise VenueUnavailable("not now")

    inner.cancel = fails
    with contextlib.suppress(VenueUnavailable):
        await one.daemon.commands.handle("kill", {})
    await one.bars(4)
    assert not held.position.amount


async def test_a_paper_account_that_was_deleted_is_told_and_not_traded_on(harness) -> None:
    one = await harness({"a": rules(symbols="BTC/USDT", **ALWAYS), "b": rules(symbols="ETH/USDT", **NEVER)})
    await one.bars(2)
    await one.die()
    for path in one.root.glob("var/paper-paper.db*"):
        path.unlink()
    await one.start()
    await one.bars(3)
    (leg,) = one.daemon.loop.strategies["a"].legs()
    assert one.daemon.failure is None
    assert leg.locked
    assert await one.daemon.loop.desk.venues["paper"].fills(0) == []


def test_a_withdrawal_while_in_a_drawdown_trips_nothing() -> None:
    # 5 % below the peak stays 5 % below the peak, whatever comes in or goes out
    state = moved(Breakers(day=1, day_start=D(10_000), peak=D(10_000)), D(-9_000), D(9_500))
    _, breaches = on_equity(state, Limits(max_drawdown=Cap(share=D("0.12"))), 86_400_000, D(500))
    assert breaches == ()
