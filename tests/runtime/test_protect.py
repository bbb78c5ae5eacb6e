"""Positions that the daemon guards itself: what touches them, the stop at the exchange, and never selling twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from autotrader.core.errors import OrderRejected, VenueUnavailable
from autotrader.core.events import Bar, BarClosed, BarsComplete, QuoteChanged, Series, TradePrinted
from autotrader.execution.ids import guard_id
from autotrader.execution.leg import Policy
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import BUY, SELL, Guard, Reason
from autotrader.execution.reconcile import Place, Steps
from autotrader.runtime.protect import AGAIN_S, GRACE_S, PROTECT_S
from autotrader.runtime.recovery import recover
from autotrader.venues.protocol import FillHappened, OrderChanged

D = Decimal
BTC = "BTC/USDT"
MINUTES_5 = 300_000
BEGIN = 100 * MINUTES_5
STOP = Guard(stop_loss=D("0.05"), take_profit=D("0.1"))
TRAIL = Guard(trailing_stop=D("0.05"))


@pytest.fixture
def real(world):
    """Make a world whose exchange is real: asked beside the turn, and keeping no guards."""

    def make(market: str = "spot", *, stops: bool = False):
        one = world(market)
        one.venue.remote, one.venue.keeps_guards, one.venue.keeps_stops = True, False, stops
        one.venue.now_ms = BEGIN
        one.account.known, one.account.cash, one.account.market_ms = True, D(10_000), BEGIN
        return one

    return make


async def calm() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@asynccontextmanager
async def turn(one):
    """Take a turn at the beginning, and let what it drafted be sent."""
    async with one.loop.turn:
        yield
        await one.loop.finish(BEGIN, one.account)
    await calm()


async def quote(one, bid, ask=None, ms=0) -> None:
    await one.loop.handle("paper", QuoteChanged(BEGIN + ms, "paper", BTC, float(bid), 1.0, float(ask or bid), 1.0))
    await calm()


async def bar(one, *prices, open_ms=BEGIN) -> None:
    closed_ms = open_ms + MINUTES_5
    await one.loop.handle("paper", BarClosed(closed_ms, "paper", BTC, "5m", Bar(open_ms, *map(float, prices), 1.0)))
    await one.loop.handle("paper", BarsComplete(closed_ms, "paper"))
    await calm()


async def second(one, count: int = 1) -> None:
    """Let seconds pass in which the market says nothing, with what is done in each."""
    for _ in range(count):
        one.clock.advance(1)
        one.venue.now_ms += 1_000
        await one.loop.sender.settle("paper", one.loop.turn)
        await one.loop.tend("paper")
        await one.loop.protect("paper")
        await calm()


async def fill(one, request, amount, fill_id=1, price=100) -> None:
    """Have an order of ours filled, and told."""
    order = one.journal.find_order(request.client_id)
    told = one.venue.told_orders[request.client_id]
    filled = told.filled + D(amount)
    status = "filled" if filled >= told.amount else told.status
    one.venue.told_orders[request.client_id] = told._replace(filled=filled, status=status)
    happened = one.fill(order, amount, fill_id, price)._replace(ts_ms=one.account.market_ms, reason="")
    await one.loop.handle("paper", FillHappened(happened.ts_ms, happened))
    await calm()


def held(one, amount="1", guard=STOP, **changes):
    """Seat a position that was bought at 100 at the beginning."""
    leg = one.leg(held=amount, guard=guard, entry_id=1, **changes)
    leg.position = leg.position._replace(opened_ms=BEGIN)
    leg.watched_ms = BEGIN
    return leg


def sent(one):
    return [(request.side, request.type, request.stop_price, request.amount) for request in one.venue.requests]


# watching


@pytest.mark.parametrize(
    ("amount", "guard", "bid", "ask", "reason"),
    [
        ("1", STOP, "95", "101", Reason.STOP_LOSS),
        ("1", STOP, "95.01", "95", None),
        ("1", STOP, "110", "111", Reason.TAKE_PROFIT),
        ("1", TRAIL, "95", "96", Reason.TRAILING_STOP),
        ("-1", STOP, "100", "105", Reason.STOP_LOSS),
        ("-1", STOP, "105", "104.99", None),
        ("-1", STOP, "89", "90", Reason.TAKE_PROFIT),
        ("1", Guard(), "1", "1", None),
    ],
)
async def test_a_quote_that_touches_sends_a_market_exit(real, amount, guard, bid, ask, reason) -> None:
    one = real("swap")
    leg = held(one, amount, guard)
    await quote(one, bid, ask)
    if reason is None:
        assert sent(one) == []
        return
    side = SELL if leg.position.amount > 0 else BUY
    assert sent(one) == [(side, "market", None, D(1))]
    assert one.venue.requests[0].reduce_only
    assert [order.reason for order in leg.working("exit")] == [reason]
    await quote(one, bid, ask, ms=10)
    assert len(sent(one)) == 1


async def test_a_trade_touches_too(real) -> None:
    one = real()
    held(one)
    await one.loop.handle("paper", TradePrinted(BEGIN + 1, "paper", BTC, 94.0, 1.0, -1))
    await calm()
    assert sent(one) == [(SELL, "market", None, D(1))]


async def test_what_was_touched_is_booked_with_its_reason_and_its_guard_is_over(real) -> None:
    one = real()
    leg = held(one)
    with one.journal.write():
        one.journal.order(one.loop.desk.guard_order(leg, BUY, D(1), BEGIN))
    await quote(one, 95)
    await fill(one, one.venue.requests[0], "1", price=95)
    assert not leg.position.amount
    row = one.journal.find_order(guard_id(leg.group))
    assert (row.state, row.reason, row.filled) == (OrderState.CANCELED, Reason.STOP_LOSS, 0)
    assert one.rows("SELECT reason FROM trades") == [("stop_loss",)]


async def test_quotes_are_streamed_while_a_guarded_position_is_held(real) -> None:
    one = real()
    leg = held(one)
    await second(one)
    assert one.venue.streamed == {Series("paper", BTC, "quotes"), Series("paper", BTC, "5m")}
    leg.guard = Guard()
    await second(one)
    assert one.venue.streamed == {Series("paper", BTC, "5m")}


async def test_an_entry_leaves_without_its_guard_and_its_row_is_armed(real) -> None:
    one = real()
    leg = one.leg(guard=STOP, entry_id=1)
    async with turn(one):
        one.loop.desk.draft(leg, Steps(place=Place("entry", BUY, D(1), D(100), Reason.ENTRY)), BEGIN, "enter", {})
    (request,) = one.venue.requests
    assert (request.guard, request.guard_id) == (None, "")
    assert one.journal.find_order(guard_id(leg.group)).state is OrderState.ARMED


async def test_other_levels_are_the_daemons_business(real) -> None:
    one = real()
    leg = held(one)
    leg.guard = Guard(stop_loss=D("0.01"))
    async with one.loop.turn:
        await one.loop.desk.move_guard(leg, leg.guard)
    assert one.venue.guards == []
    assert one.journal.find_order(guard_id(leg.group)).state is OrderState.ARMED
    await quote(one, 99)
    assert len(sent(one)) == 1


async def test_a_limit_exit_that_rests_gives_way_to_the_market_and_one_at_the_market_goes_on(real) -> None:
    one = real()
    leg = held(one, policy=Policy("limit"))
    one.account.prices[BTC] = D(100)
    async with turn(one):
        one.loop.trader.leave(leg, Reason.EXIT, BEGIN)
    await quote(one, 95)
    assert sent(one) == [(SELL, "limit", None, D(1)), (SELL, "market", None, D(1))]
    assert one.venue.asked == ["submit", "cancel", "submit"]
    leg.exit_reason = Reason.EXIT
    await quote(one, 94, ms=10)
    assert (len(sent(one)), leg.exit_reason) == (2, Reason.EXIT)


async def test_a_stop_counts_under_no_limit_of_orders(real) -> None:
    one = real(stops=True)
    held(one)
    await second(one)
    assert len(sent(one)) == 1
    assert one.loop.desk.recent_orders(one.account.market_ms) == 0
    one.restart()
    one.loop.desk.recall()
    assert one.loop.desk.recent_orders(one.account.market_ms) == 0


async def test_levels_of_what_slots_built_are_told_to_guard_nothing(real) -> None:
    one = real()
    leg = held(one)
    leg.entry_id = 0
    async with one.loop.turn:
        await one.loop.desk.move_guard(leg, STOP)
    await quote(one, 90)
    assert sent(one) == []
    assert one.events("unprotected") == ["the position is the slots', which carry no guard"]


# bars


async def test_a_bar_touches_where_no_quote_came(real) -> None:
    one = real()
    held(one)
    await bar(one, 100, 101, 95, 99)
    assert sent(one) == [(SELL, "market", None, D(1))]


async def test_of_the_bar_of_the_entry_only_the_close_is_surely_after_it(real) -> None:
    one = real()
    leg = held(one)
    leg.position = leg.position._replace(opened_ms=BEGIN + 60_000)
    leg.watched_ms = BEGIN + 60_000
    await bar(one, 100, 111, 90, 99)
    assert sent(one) == []
    await bar(one, 99, 111, 99, 99, open_ms=BEGIN + MINUTES_5)
    assert len(sent(one)) == 1


async def test_a_low_before_a_high_of_the_same_bar_is_not_held_against_it(real) -> None:
    one = real()
    leg = held(one, guard=TRAIL)
    await quote(one, 99, ms=1_000)
    await quote(one, 105, ms=2_000)
    assert leg.best == 10_500
    await quote(one, 104, ms=MINUTES_5 + 1)
    await bar(one, 100, 105, 99, 104)
    assert sent(one) == []
    await bar(one, 104, 104, 99.75, 104, open_ms=BEGIN + MINUTES_5)
    assert len(sent(one)) == 1


async def test_a_stop_that_was_touched_during_a_downtime_exits_at_the_start(real) -> None:
    one = real()
    held(one)
    with one.journal.write():
        one.loop.desk.save(next(iter(one.loop.desk.legs.values())))
    one.restart()
    one.venue.past = [
        Bar(BEGIN, 100.0, 101.0, 99.0, 100.0, 1.0),
        Bar(BEGIN + MINUTES_5, 100.0, 100.0, 94.0, 100.0, 1.0),
        Bar(BEGIN + 2 * MINUTES_5, 100.0, 100.0, 99.0, 100.0, 1.0),
    ]
    one.account.market_ms = BEGIN + 3 * MINUTES_5 + 10
    async with one.loop.turn:
        await one.loop.protector.look_back("paper")
        await one.loop.finish(one.account.market_ms, None)
    await calm()
    assert sent(one) == [(SELL, "market", None, D(1))]
    assert one.journal.find_order(one.venue.requests[0].client_id).reason == Reason.STOP_LOSS


async def test_a_trailing_stop_goes_on_after_a_restart_from_the_best_price_it_saw(real) -> None:
    one = real()
    held(one, guard=TRAIL)
    await quote(one, 110, ms=1_000)
    one.restart()
    (leg,) = one.loop.desk.legs.values()
    assert (leg.best, leg.watched_ms) == (11_000, BEGIN + 1_000)
    await quote(one, "104.51", ms=2_000)
    assert sent(one) == []
    await quote(one, "104.5", ms=3_000)
    assert sent(one) == [(SELL, "market", None, D(1))]


# until it is flat


async def test_an_exit_that_is_refused_is_tried_again_until_it_is_there_and_lateness_is_told(real) -> None:
    one = real()
    held(one)
    one.venue.answers += [OrderRejected("busy")] * 6
    await quote(one, 95)
    await second(one, 30)
    assert len(sent(one)) == 1
    assert one.venue.asked.count("submit") == 7
    assert len(one.events("late_exit")) == 1
    assert f"more than {PROTECT_S:g} s ago" in one.events("late_exit")[0]


async def test_an_exit_that_is_there_in_time_is_told_of_nowhere(real) -> None:
    one = real()
    held(one)
    await quote(one, 95)
    await second(one, 10)
    assert one.events("late_exit") == []


# the stop at the exchange


@pytest.fixture
async def resting(real):
    """Give a world with a position whose stop rests at the exchange, at 95."""
    one = real(stops=True)
    leg = held(one)
    await second(one)
    assert sent(one) == [(SELL, "market", D("95.00"), D(1))]
    (order,) = leg.working("stop")
    assert (order.state, order.type, order.price) == (OrderState.OPEN, "stop", D("95.00"))
    return one, leg, one.venue.requests[0]


async def entered(real):
    """Return a world in which an entry of 3 is under way and 1 of it filled, and the leg: its stop rests."""
    one = real(stops=True)
    leg = one.leg(guard=STOP, entry_id=1)
    async with turn(one):
        one.loop.desk.draft(leg, Steps(place=Place("entry", BUY, D(3), D(100), Reason.ENTRY)), BEGIN, "enter", {})
    await fill(one, one.venue.requests[0], "1")
    await second(one)
    assert sent(one)[1:] == [(SELL, "market", D("95.00"), D(1))]
    return one, leg


async def test_a_stop_follows_what_is_filled(real) -> None:
    one, leg = await entered(real)
    await fill(one, one.venue.requests[0], "2", fill_id=2)
    await second(one)
    assert len(sent(one)) == 2
    await second(one, 5)
    assert sent(one)[2:] == [(SELL, "market", D("95.00"), D(3))]
    assert [order.client_id for order in leg.working("stop")] == [one.venue.requests[2].client_id]
    assert one.venue.told_orders[one.venue.requests[1].client_id].status == "canceled"


async def test_a_stop_that_was_not_sent_behind_an_unanswered_cancel_is_placed_at_the_next_look(real) -> None:
    one, _ = await entered(real)
    await fill(one, one.venue.requests[0], "2", fill_id=2)
    await second(one, 3)
    one.venue.answers.append(VenueUnavailable("down"))
    await second(one)
    assert len(sent(one)) == 2
    canceled = one.venue.told_orders[one.venue.requests[1].client_id]._replace(status="canceled")
    await one.loop.handle("paper", OrderChanged(one.venue.now_ms, canceled))
    await second(one)
    assert sent(one)[2:] == [(SELL, "market", D("95.00"), D(3))]


async def test_a_stop_is_canceled_before_an_exit_is_sent(resting) -> None:
    one, leg, stop = resting
    async with turn(one):
        one.loop.trader.leave(leg, Reason.CLOSE, BEGIN)
    assert one.venue.asked == ["submit", "cancel", "submit"]
    assert one.venue.told_orders[stop.client_id].status == "canceled"
    assert sent(one)[1:] == [(SELL, "market", None, D(1))]
    await fill(one, one.venue.requests[1], "1")
    await second(one, 10)
    assert len(sent(one)) == 2
    assert leg.orders == {}


async def test_a_kill_takes_the_stop_and_the_position(resting) -> None:
    one, leg, stop = resting
    async with turn(one):
        one.loop.trader.killed = "a person"
        one.loop.trader.leave_all(Reason.KILL, BEGIN)
    assert one.venue.told_orders[stop.client_id].status == "canceled"
    assert sent(one)[1:] == [(SELL, "market", None, D(1))]
    await fill(one, one.venue.requests[1], "1")
    assert (leg.position.amount, leg.orders) == (0, {})


async def test_a_smaller_position_gets_a_smaller_stop(resting) -> None:
    one, leg, _ = resting
    leg.exit_reason = ""
    async with turn(one):
        one.loop.trader._reduce_to(leg, D("0.4"), (), BEGIN)
    assert sent(one)[1:] == [(SELL, "market", None, D("0.6"))]
    await fill(one, one.venue.requests[1], "0.6")
    await second(one, 6)
    assert sent(one)[2:] == [(SELL, "market", D("95.00"), D("0.4"))]


async def test_a_stop_that_filled_while_ours_left_sells_once(resting) -> None:
    one, leg, stop = resting
    one.venue.told_orders[stop.client_id] = one.venue.told_orders[stop.client_id]._replace(filled=D(1))
    async with turn(one):
        one.loop.trader.leave(leg, Reason.CLOSE, BEGIN)
    assert len(sent(one)) == 1
    order = one.journal.find_order(stop.client_id)
    happened = one.fill(order, "1", 5, 95)._replace(reason="")
    await one.loop.handle("paper", FillHappened(BEGIN, happened))
    await second(one, 10)
    assert (len(sent(one)), leg.position.amount) == (1, 0)
    assert one.rows("SELECT reason FROM trades") == [("stop_loss",)]


async def test_a_touched_stop_at_the_exchange_is_given_a_moment_and_then_ours_leaves(resting) -> None:
    one, _, _ = resting
    await quote(one, 95)
    assert len(sent(one)) == 1
    await second(one, int(GRACE_S))
    assert sent(one)[1:] == [(SELL, "market", None, D(1))]
    assert one.venue.asked == ["submit", "cancel", "submit"]


async def test_a_touched_stop_that_the_exchange_fills_is_all(resting) -> None:
    one, leg, stop = resting
    await quote(one, 95)
    await fill(one, stop, "0.4", price=95)
    assert leg.exit_reason == Reason.STOP_LOSS
    await fill(one, stop, "0.6", fill_id=2, price=95)
    await second(one, 10)
    assert (len(sent(one)), leg.position.amount, leg.exit_reason) == (1, 0, "")


async def test_what_a_stop_left_over_is_sold_by_ours(resting) -> None:
    one, leg, stop = resting
    await fill(one, stop, "0.4", price=95)
    await second(one)
    assert sent(one)[1:] == [(SELL, "market", None, D("0.6"))]
    assert [order.reason for order in leg.working("exit")] == [Reason.STOP_LOSS]


async def test_a_take_profit_is_watched_here_and_takes_the_stop_away_first(resting) -> None:
    one, _, _ = resting
    await quote(one, 110)
    assert one.venue.asked == ["submit", "cancel", "submit"]
    assert sent(one)[1:] == [(SELL, "market", None, D(1))]


async def test_a_stop_that_another_hand_ended_is_placed_again(resting) -> None:
    one, leg, stop = resting
    gone = one.venue.told_orders[stop.client_id]._replace(status="canceled")
    async with one.loop.turn:
        one.loop.desk.on_order(gone)
    await second(one, int(PROTECT_S) + 1)
    assert sent(one)[1:] == [(SELL, "market", D("95.00"), D(1))]
    assert len(leg.working("stop")) == 1


async def test_a_stop_that_is_refused_is_told_once_and_the_position_is_watched(real) -> None:
    one = real(stops=True)
    held(one)
    one.venue.answers += [OrderRejected("no stops today")] * 2
    await second(one, int(AGAIN_S) - 2)
    assert one.venue.asked == ["submit"]
    await second(one, int(AGAIN_S))
    assert one.venue.asked == ["submit", "submit"]
    (told,) = one.events("unprotected")
    assert "no stops today" in told
    await quote(one, 95)
    assert sent(one) == [(SELL, "market", None, D(1))]


async def test_an_unanswered_cancel_of_the_stop_sends_no_exit_and_is_tried_again(resting) -> None:
    one, _, _ = resting
    one.venue.answers.append(VenueUnavailable("down"))
    await quote(one, 110)
    assert len(sent(one)) == 1
    await second(one, 3)
    assert sent(one)[1:] == [(SELL, "market", None, D(1))]


async def test_a_trailing_stop_moves_at_the_exchange(real) -> None:
    one = real(stops=True)
    held(one, guard=TRAIL)
    await second(one)
    await quote(one, 110, ms=2_000)
    await second(one, 6)
    assert [price for _, _, price, _ in sent(one)] == [D("95.00"), D("104.50")]
    assert one.venue.asked == ["submit", "cancel", "submit"]


async def test_a_stop_is_found_again_after_a_crash(resting) -> None:
    one, _, stop = resting
    one.restart()
    await recover(one.loop, "paper")
    (leg,) = one.loop.desk.legs.values()
    assert list(leg.orders) == [stop.client_id]
    assert one.venue.guards == []
    await second(one, 10)
    assert len(sent(one)) == 1
