"""Start-up is recovery: whatever happened while nobody looked is made good before anything trades, and only once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from autotrader.core.errors import VenueUnavailable
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import Guard
from autotrader.runtime.recovery import recover
from autotrader.strategies.contract import ENDED, HELD

D = Decimal


async def test_fills_that_were_missed_become_positions_and_cash(world) -> None:
    one = world()
    await recover(one.loop, "paper")
    leg = one.leg(entry_id=7)
    order = one.order(leg)
    one.told(order, "filled", "2")
    one.filled(order, "0.5", 1)
    one.filled(order, "1.5", 2)
    one.restart()
    await recover(one.loop, "paper")
    (leg,) = one.loop.desk.legs.values()
    assert (leg.position.amount, leg.orders, leg.entry_state) == (D(2), {}, HELD)
    assert one.journal.find_order("at1").state is OrderState.FILLED
    assert one.account.cash == D("10000") - 200 - D("0.2")
    assert one.events("money_moved") == []
    assert one.events("recovered") == ["2 fills and 0 orders were settled with the venue"]


async def test_recovering_again_finds_nothing_to_do(world) -> None:
    one = world()
    leg = one.leg(entry_id=7)
    one.filled(one.order(leg), "1", 1)
    one.told(one.journal.find_order("at1"), "open", "1")
    for _ in range(3):
        one.restart()
        await recover(one.loop, "paper")
    (leg,) = one.loop.desk.legs.values()
    assert leg.position.amount == 1
    assert [order.remaining for order in leg.orders.values()] == [D(1)]
    assert len(one.events("recovered")) == 1


@pytest.mark.parametrize("state", [OrderState.INTENT, OrderState.SENT])
async def test_an_order_that_never_arrived_is_over_and_so_is_its_entry(world, state) -> None:
    one = world()
    leg = one.leg(entry_id=7, exposure=1.0, target=D(2))
    one.order(leg, state=state)
    one.restart()
    await recover(one.loop, "paper")
    (leg,) = one.loop.desk.legs.values()
    assert one.journal.find_order("at1").state is OrderState.REJECTED
    assert (leg.orders, leg.entry_state, leg.target) == ({}, ENDED, D(0))


@pytest.mark.parametrize("state", [OrderState.OPEN, OrderState.PARTIAL])
async def test_an_order_that_its_venue_forgot_is_over_without_stopping_the_start(world, state) -> None:
    one = world()
    one.order(one.leg(entry_id=7), state=state, filled=D(1) if state is OrderState.PARTIAL else D(0))
    one.restart()
    await recover(one.loop, "paper")
    assert one.journal.find_order("at1").state is OrderState.CANCELED


@pytest.mark.parametrize(
    ("told", "state"),
    [("open", OrderState.OPEN), ("canceled", OrderState.CANCELED), ("expired", OrderState.EXPIRED),
     ("rejected", OrderState.REJECTED)],
)  # fmt: skip
async def test_an_intent_takes_the_standing_that_its_venue_tells(world, told, state) -> None:
    one = world()
    order = one.order(one.leg(entry_id=7), state=OrderState.INTENT)
    one.told(order, told)
    one.restart()
    await recover(one.loop, "paper")
    assert one.journal.find_order("at1").state is state
    assert one.journal.find_order("at1").venue_id == "v1"
    (leg,) = one.loop.desk.legs.values()
    assert bool(leg.orders) is (told == "open")


async def test_an_order_that_is_not_ours_is_told_and_left_alone(world) -> None:
    one = world()
    foreign = one.order(one.leg(), name="at1")._replace(client_id="web_7")
    one.told(one.journal.find_order("at1"))
    one.told(foreign)
    one.restart()
    await recover(one.loop, "paper")
    assert one.events("foreign_order") == ["web_7 is not ours; left alone"]
    assert one.venue.told_orders["web_7"].status == "open"


async def test_every_open_position_gets_its_guard_again_and_a_flat_one_none(world) -> None:
    one = world()
    guard = Guard(stop_loss=D("0.02"))
    one.leg("a", held="1", guard=guard)
    one.leg("b", "ETH/USDT", held="2")
    one.leg("c", "XRP/USDT", guard=guard)
    one.venue.money |= {"BTC": D(1), "ETH": D(2)}
    one.restart()
    await recover(one.loop, "paper")
    assert one.venue.guards == [("g-a-BTC/USDT", guard), ("g-b-ETH/USDT", None)]


async def test_a_loss_that_was_missed_counts_as_a_closed_trade(world) -> None:
    one = world()
    leg = one.leg(held="2", entry_id=7)
    one.venue.money["BTC"] = D(2)
    await recover(one.loop, "paper")
    order = one.order(leg, name="at2", purpose="exit", side=-1)
    one.told(order, "filled", "2")
    one.filled(order, "2", 1, price=90)
    one.restart()
    await recover(one.loop, "paper")
    rows = one.journal._db.execute("SELECT strategy, pnl FROM trades").fetchall()
    assert [(name, D(pnl)) for name, pnl in rows] == [("a", D("-20.1"))]
    (leg,) = one.loop.desk.legs.values()
    assert leg.position.amount == 0
    assert leg.locked == ""


async def test_a_venue_that_cannot_be_asked_changes_nothing(world) -> None:
    one = world()
    order = one.order(one.leg(entry_id=7), state=OrderState.INTENT)
    one.restart()
    one.venue.down = True
    with pytest.raises(VenueUnavailable):
        await recover(one.loop, "paper")
    assert one.journal.find_order("at1") == order


async def test_a_deposit_while_the_daemon_was_down_is_no_gain(world) -> None:
    one = world()
    await recover(one.loop, "paper")
    one.venue.money["USDT"] += 250
    one.restart()
    await recover(one.loop, "paper")
    assert one.events("money_moved") == ["+250 USDT without a fill of ours"]
