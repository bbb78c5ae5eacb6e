"""Orders to a real exchange: sent beside the turn, each leg's in order, answers applied to what is known by then."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from types import SimpleNamespace

import pytest

from autotrader.core.errors import AmbiguousSubmit, OrderRejected, VenueUnavailable
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import BUY, SELL, Reason
from autotrader.execution.reconcile import Place, Steps
from autotrader.runtime.balances import DOUBT_S, take_balances
from autotrader.runtime.jobs import Jobs
from autotrader.runtime.loop import MAX_EXIT_PAUSE_S
from autotrader.runtime.protect import PROTECT_S
from autotrader.runtime.recovery import find_strangers, recover
from autotrader.runtime.sender import MAX_AGE_S, MAX_WAITING

D = Decimal


def entry(amount="1", side=BUY):
    return Place("entry", side, D(amount), D(100), Reason.ENTRY)


async def draft(one, leg, *steps):
    async with one.loop.turn:
        for step in steps:
            one.loop.desk.draft(leg, step, one.venue.now_ms, "enter", {})
        await one.loop.finish(one.venue.now_ms, one.account)


async def calm():
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def remote(world):
    one = world()
    one.venue.remote = True
    one.account.known, one.account.cash = True, D(10_000)
    return one


def orders(one):
    with closing(sqlite3.connect(one.path)) as db:
        rows = db.execute("SELECT client_id FROM orders ORDER BY rowid").fetchall()
    return [one.journal.find_order(client_id) for (client_id,) in rows]


def states(one):
    return [order.state for order in orders(one)]


async def test_a_turn_ends_before_its_order_is_answered(remote) -> None:
    leg = remote.leg(entry_id=1)
    remote.venue.gate.clear()
    await draft(remote, leg, Steps(place=entry()))
    await calm()
    assert remote.venue.asked == ["submit"]
    assert not remote.loop.turn.locked()
    assert states(remote) == [OrderState.INTENT]
    remote.venue.gate.set()
    await calm()
    assert states(remote) == [OrderState.OPEN]
    assert not remote.loop.sender.under_way


async def test_the_orders_of_one_leg_go_one_after_the_other_and_of_others_beside_it(remote) -> None:
    leg, other = remote.leg(entry_id=1), remote.leg("b", entry_id=1)
    remote.venue.gate.clear()
    await draft(remote, leg, Steps(place=entry()), Steps(place=entry("2")))
    await draft(remote, other, Steps(place=entry("3")))
    await calm()
    assert remote.venue.asked == ["submit", "submit"]
    remote.venue.gate.set()
    await calm()
    amounts = [order.amount for order in remote.venue.told_orders.values()]
    assert amounts.index(D(1)) < amounts.index(D(2))
    assert set(amounts) == {D(1), D(2), D(3)}


async def test_a_fill_that_is_faster_than_the_answer_stays(remote) -> None:
    leg = remote.leg(entry_id=1)
    remote.venue.gate.clear()
    await draft(remote, leg, Steps(place=entry()))
    await calm()
    (order,) = orders(remote)
    async with remote.loop.turn:
        remote.loop.trader.book(remote.fill(order, "1"))
    remote.venue.gate.set()
    await calm()
    (order,) = orders(remote)
    assert (order.state, order.filled, leg.position.amount) == (OrderState.FILLED, D(1), D(1))
    assert leg.orders == {}


async def test_an_entry_that_waited_too_long_is_not_sent_but_an_exit_is(remote) -> None:
    leg = remote.leg(entry_id=1, held="1")
    remote.venue.gate.clear()
    await draft(remote, leg, Steps(place=entry()))
    await draft(remote, leg, Steps(place=entry("2")), Steps(place=Place("exit", SELL, D(1), None, Reason.EXIT)))
    await calm()
    remote.clock.advance(MAX_AGE_S + 1)
    remote.venue.gate.set()
    await calm()
    assert [order.amount for order in remote.venue.told_orders.values()] == [D(1), D(1)]
    late = next(order for order in orders(remote) if order.amount == 2)
    assert (late.state, "waited" in late.reason) == (OrderState.CANCELED, True)


async def test_more_than_may_wait_is_not_sent(remote) -> None:
    leg = remote.leg(entry_id=1)
    remote.venue.gate.clear()
    for _ in range(MAX_WAITING + 3):
        await draft(remote, leg, Steps(place=entry("0.001")))
    assert sum("too many" in order.reason for order in orders(remote)) == 3
    await remote.loop.sender.stop()


async def test_an_unanswered_order_is_looked_up_beside_the_turn_until_it_is_told_of(remote) -> None:
    leg = remote.leg(entry_id=1)
    remote.venue.answers.append(AmbiguousSubmit("no answer"))
    await draft(remote, leg, Steps(place=entry()))
    await calm()
    assert list(remote.loop.desk.unsettled) == [order.client_id for order in orders(remote)]
    remote.venue.untold = True
    await remote.loop.sender.settle("paper", remote.loop.turn)
    assert remote.loop.desk.unsettled
    remote.venue.untold = False
    await remote.loop.sender.settle("paper", remote.loop.turn)
    assert states(remote) == [OrderState.REJECTED]
    assert not remote.loop.desk.unsettled


async def test_an_exit_that_was_refused_is_tried_again_with_pauses_that_double(remote) -> None:
    leg = remote.leg(entry_id=1, held="1")
    remote.account.prices["BTC/USDT"] = D(100)
    remote.venue.answers += [OrderRejected("busy")] * 3
    async with remote.loop.turn:
        remote.loop.trader.leave(leg, Reason.EXIT, remote.venue.now_ms)
        await remote.loop.finish(remote.venue.now_ms, remote.account)
    tried = []
    for second in range(8):
        await calm()
        tried.append((second, remote.venue.asked.count("submit")))
        await remote.loop.tend("paper")
        remote.clock.advance(1)
    assert [count for _, count in tried] == [1, 2, 3, 3, 4, 4, 4, 4]
    assert leg.working("exit")


async def test_an_exit_whose_stop_is_touched_waits_no_longer_than_the_deadline(remote) -> None:
    """It was refused so often that its pause was a minute; and a day of refusals ends nothing."""
    leg = remote.leg(entry_id=1, held="1")
    remote.account.prices["BTC/USDT"] = D(100)
    remote.venue.answers += [OrderRejected("busy")] * 2_000
    async with remote.loop.turn:
        remote.loop.trader.leave(leg, Reason.EXIT, remote.venue.now_ms)
        await remote.loop.finish(remote.venue.now_ms, remote.account)
    for _ in range(1_100):
        await calm()
        await remote.loop.tend("paper")
        remote.clock.advance(MAX_EXIT_PAUSE_S)
    async with remote.loop.turn:
        remote.loop.trader.leave(leg, Reason.STOP_LOSS, remote.venue.now_ms)
        await remote.loop.finish(remote.venue.now_ms, remote.account)
    await remote.loop.tend("paper")
    await calm()
    before = remote.venue.asked.count("submit")
    remote.clock.advance(PROTECT_S)
    await remote.loop.tend("paper")
    await calm()
    assert remote.venue.asked.count("submit") == before + 1


async def test_figures_that_do_not_agree_are_believed_at_the_second_look(remote) -> None:
    remote.venue.money["USDT"] -= 500
    assert not await take_balances(remote.loop, "paper")
    assert remote.account.cash == 10_000
    remote.clock.advance(DOUBT_S)
    assert await take_balances(remote.loop, "paper")
    assert remote.account.cash == 9_500
    assert remote.events("money_moved") == ["-500 USDT without a fill of ours"]


async def test_figures_that_do_not_agree_are_looked_at_again_soon(remote) -> None:
    jobs = Jobs(SimpleNamespace(loop=remote.loop, seams=SimpleNamespace(clock=remote.clock)))
    remote.venue.money["USDT"] -= 500
    began_s = remote.clock.monotonic_s()
    await jobs._balances()
    assert remote.events("money_moved") == ["-500 USDT without a fill of ours"]
    assert remote.clock.monotonic_s() == began_s + DOUBT_S
    await jobs._balances()
    assert remote.clock.monotonic_s() == began_s + DOUBT_S


async def test_figures_that_agree_again_leave_no_doubt(remote) -> None:
    leg = remote.leg(held="1")
    assert not await take_balances(remote.loop, "paper")
    remote.venue.money["BTC"] = D(1)
    remote.clock.advance(DOUBT_S)
    assert await take_balances(remote.loop, "paper")
    assert (leg.locked, remote.account.doubt) == ("", None)
    remote.venue.money["BTC"] = D("0.5")
    assert not await take_balances(remote.loop, "paper")
    assert leg.locked == ""
    remote.clock.advance(DOUBT_S)
    await take_balances(remote.loop, "paper")
    assert "0.5" in leg.locked


async def test_a_reconnect_leaves_alone_what_is_only_about_to_be_sent(remote) -> None:
    leg = remote.leg(entry_id=1)
    remote.venue.gate.clear()
    await draft(remote, leg, Steps(place=entry()), Steps(place=entry("2")))
    await calm()
    await recover(remote.loop, "paper", remote.loop.turn)
    assert states(remote) == [OrderState.INTENT, OrderState.INTENT]
    remote.venue.gate.set()
    await calm()
    assert states(remote) == [OrderState.OPEN, OrderState.OPEN]


async def test_an_order_that_is_not_told_of_yet_does_not_keep_a_start_waiting(remote) -> None:
    leg = remote.leg(entry_id=7)
    remote.order(leg, state=OrderState.INTENT)
    remote.restart()
    remote.venue.untold = True
    await recover(remote.loop, "paper")
    (leg,) = remote.loop.desk.legs.values()
    assert list(leg.orders) == list(remote.loop.desk.unsettled) == ["at1"]
    remote.venue.untold = False
    await remote.loop.sender.settle("paper", remote.loop.turn)
    assert leg.orders == {}


async def test_orders_of_others_are_told_once_and_one_of_ours_that_should_be_over_is_ended(remote) -> None:
    leg = remote.leg(entry_id=7)
    lost = remote.order(leg, state=OrderState.REJECTED)
    over = remote.order(leg, "at2", state=OrderState.CANCELED)
    remote.told(lost, "open", "0")
    remote.told(over, "open", "0")
    remote.told(lost._replace(client_id="theirs"), "open", "0")
    assert await find_strangers(remote.loop, "paper") == 2
    assert await find_strangers(remote.loop, "paper") == 0
    assert remote.events("foreign_order") == ["theirs is not ours; left alone"]
    assert list(leg.orders) == ["at1"]
    assert remote.venue.told_orders["at2"].status == "canceled"


async def test_what_no_answer_explains_is_told_to_whoever_stops_the_daemon(remote) -> None:
    leg, failed = remote.leg(entry_id=1), []
    remote.loop.sender.failed = failed.append
    remote.venue.answers.append(RuntimeError("cannot be"))
    await draft(remote, leg, Steps(place=entry()))
    await calm()
    assert [str(error) for error in failed] == ["cannot be"]


async def test_a_cancel_that_is_not_answered_sends_nothing_in_its_place(remote) -> None:
    leg = remote.leg(entry_id=1)
    await draft(remote, leg, Steps(place=entry()))
    await calm()
    (first,) = orders(remote)
    remote.venue.answers.append(VenueUnavailable("down"))
    await draft(remote, leg, Steps((first.client_id,), entry("2")))
    await calm()
    assert [order.client_id for order in remote.venue.told_orders.values()] == [first.client_id]


async def test_what_an_order_filled_after_it_was_to_be_replaced_is_not_bought_again(remote) -> None:
    leg = remote.leg(entry_id=1)
    await draft(remote, leg, Steps(place=entry()))
    await calm()
    (order,) = orders(remote)
    remote.venue.gate.clear()
    await draft(remote, leg, Steps((order.client_id,), entry()))
    await calm()
    async with remote.loop.turn:
        remote.loop.trader.book(remote.fill(order, "0.4"))
    told = remote.venue.told_orders[order.client_id]
    remote.venue.told_orders[order.client_id] = told._replace(filled=D("0.4"))
    remote.venue.gate.set()
    await calm()
    assert len(remote.venue.told_orders) == 1
    assert states(remote) == [OrderState.CANCELED, OrderState.CANCELED]


async def test_an_order_that_ended_with_fills_to_come_is_asked_for_until_they_are_booked(remote) -> None:
    leg = remote.leg(entry_id=1)
    await draft(remote, leg, Steps(place=entry()))
    await calm()
    (order,) = orders(remote)
    told = remote.venue.told_orders[order.client_id]
    remote.venue.told_orders[order.client_id] = told._replace(filled=D("0.4"))
    await draft(remote, leg, Steps((order.client_id,)))
    await calm()
    assert order.client_id in remote.loop.desk.unsettled
    await remote.loop.sender.settle("paper", remote.loop.turn)
    assert states(remote) == [OrderState.OPEN]
    async with remote.loop.turn:
        remote.loop.trader.book(remote.fill(order, "0.4"))
    await remote.loop.sender.settle("paper", remote.loop.turn)
    assert states(remote) == [OrderState.CANCELED]
    assert not remote.loop.desk.unsettled


async def test_a_restart_counts_the_orders_of_the_last_minute(remote) -> None:
    leg = remote.leg(entry_id=1)
    await draft(remote, leg, Steps(place=entry("1")), Steps(place=entry("2")))
    await calm()
    remote.restart()
    assert remote.loop.desk.recent_orders(remote.venue.now_ms) == 0
    remote.loop.desk.recall()
    assert remote.loop.desk.recent_orders(remote.venue.now_ms) == 2
    assert remote.loop.desk.recent_orders(remote.venue.now_ms + 60_000) == 0


async def test_an_order_that_is_never_told_of_holds_up_no_other_answer(remote, monkeypatch) -> None:
    leg, other = remote.leg(entry_id=1), remote.leg(symbol="ETH/USDT", entry_id=2)
    remote.venue.answers += [AmbiguousSubmit("no answer")] * 2
    await draft(remote, leg, Steps(place=entry()))
    await draft(remote, other, Steps(place=entry()))
    await calm()
    slow, _ = orders(remote)
    told, forever = remote.venue.order, asyncio.Event()

    async def order(client_id: str):
        if client_id == slow.client_id:
            await forever.wait()
        return await told(client_id)

    monkeypatch.setattr(remote.venue, "order", order)
    asking = asyncio.ensure_future(remote.loop.sender.settle("paper", remote.loop.turn))
    await calm()
    assert list(remote.loop.desk.unsettled) == [slow.client_id]
    assert states(remote) == [OrderState.INTENT, OrderState.REJECTED]
    forever.set()
    await asking
    assert states(remote) == [OrderState.REJECTED, OrderState.REJECTED]


async def test_orders_a_minute_are_counted_by_the_latest_clock_that_was_seen(remote) -> None:
    """A bar's close is told after it: by then a timer has drafted, and the gate counted, at a later moment."""
    leg, desk = remote.leg(entry_id=1), remote.loop.desk
    began_ms = remote.venue.now_ms
    desk.draft(leg, Steps(place=entry("1")), began_ms, "enter", {})
    assert desk.recent_orders(remote.account.count_ms(began_ms + 61_000)) == 0
    closed = desk.draft(leg, Steps(place=entry("2")), began_ms + 59_000, "enter", {})
    assert closed.order.created_ms == began_ms + 61_000
    assert desk.recent_orders(began_ms + 59_000) == 1
    assert desk.recent_orders(began_ms + 120_999) == 1
    assert desk.recent_orders(began_ms + 121_000) == 0


async def test_an_exit_behind_a_cancel_that_a_fill_was_faster_than_is_not_sent(remote) -> None:
    """Both are drafted in one turn: the exit was decided as if the other order were over, with nothing of it filled."""
    leg = remote.leg(entry_id=1, held="5")
    resting = Place("slot_exit", SELL, D(2), D(110), Reason.SLOT)
    await draft(remote, leg, Steps(place=resting))
    await calm()
    (order,) = orders(remote)
    remote.venue.told_orders[order.client_id] = remote.venue.told_orders[order.client_id]._replace(filled=D(2))
    leave = Place("exit", SELL, D(5), None, Reason.KILL)
    await draft(remote, leg, Steps((order.client_id,)), Steps(place=leave))
    await calm()
    assert list(remote.venue.told_orders) == [order.client_id]
    assert "faster" in orders(remote)[-1].reason
