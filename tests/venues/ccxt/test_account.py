"""A real account behind ccxt: orders that are never sent twice, answers that are checked, what is looked up."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random

import pytest
from ccxt.base import errors

from autotrader.core.clock import ManualClock
from autotrader.core.errors import (
    AmbiguousSubmit,
    OrderRejected,
    UnknownOrder,
    VenueError,
    VenueUnavailable,
    WouldTake,
)
from autotrader.execution.orders import OrderRequest
from autotrader.venues.ccxt.account import SETTLE_MS, CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from support.fake_ccxt import HANG, FakeCcxt


def request(client_id="ours1", amount="1", price="100", side=1, **more):
    fields = {"reduce_only": False, "group": "g", "decided_ms": 0, "resolution": "1m", **more}
    kind = "market" if price is None else "limit"
    return OrderRequest(
        client_id, "BTC/USDT", side, kind, Decimal(amount), None if price is None else Decimal(price), **fields
    )


def account(fake, path, **fields):
    settings = CcxtSettings(name="binance", **{"id": "binance", **fields})
    return CcxtAccount(CcxtClient(settings, fake.clock, lambda _: fake, Random(1)), path)


@pytest.fixture
def fake():
    return FakeCcxt(ManualClock())


@pytest.fixture
async def venue(fake, tmp_path):
    made = account(fake, tmp_path / "ccxt-binance.db")
    await made.open()
    yield made
    await made.close()


async def test_an_order_carries_our_id_and_comes_back_as_it_stands(fake, venue):
    order = await venue.submit(request(post_only=True))
    assert (order.client_id, order.venue_id, order.status, order.group) == ("ours1", "1", "open", "g")
    assert fake.calls[-1][1][-1] == {"clientOrderId": "ours1", "postOnly": True}


async def test_an_order_that_does_not_rest_says_so(fake, venue):
    await venue.submit(request(time_in_force="ioc"))
    assert fake.calls[-1][1][-1] == {"clientOrderId": "ours1", "timeInForce": "IOC"}


async def test_a_post_only_order_that_would_take_is_refused_as_one(fake, venue):
    fake.faults["create_order"].append(errors.OrderImmediatelyFillable("would immediately match and take"))
    with pytest.raises(WouldTake):
        await venue.submit(request(post_only=True))


@pytest.mark.parametrize(
    "fault", [errors.RequestTimeout("late"), errors.ExchangeNotAvailable("503"), errors.NetworkError("reset")]
)
async def test_a_submit_whose_answer_is_lost_is_ambiguous_then_found_and_never_sent_again(fake, venue, fault):
    fake.late["create_order"].append(fault)
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    order = await venue.order("ours1")
    assert (order.venue_id, order.status) == ("1", "open")
    assert fake.count("create_order") == 1


async def test_an_order_that_is_not_there_yet_is_asked_for_again_before_it_is_believed_never_to_have_come(fake, venue):
    fake.faults["create_order"].append(errors.RequestTimeout("late"))
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    with pytest.raises(VenueUnavailable, match="on its way"):
        await venue.order("ours1")
    fake.clock.advance(SETTLE_MS / 1000)
    assert await venue.order("ours1") is None


async def test_a_submit_that_hangs_ends_in_time(fake, tmp_path):
    fake.late["create_order"].append(HANG)
    venue = account(fake, tmp_path / "a.db", timeout_s=0.02)
    await venue.open()
    with pytest.raises(AmbiguousSubmit, match="TimeoutError"):
        await venue.submit(request())
    assert (await venue.order("ours1")).status == "open"
    await venue.close()


async def test_a_crash_while_an_order_is_on_its_way_forgets_nothing(fake, venue, tmp_path):
    fake.late["create_order"].append(HANG)
    fake.acted.clear()
    sending = asyncio.create_task(venue.submit(request()))
    await fake.acted.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await venue.close()
    after = account(fake, tmp_path / "ccxt-binance.db")
    await after.open()
    assert (await after.order("ours1")).group == "g"
    with pytest.raises(AmbiguousSubmit, match="never sent again"):
        await after.submit(request())
    assert fake.count("create_order") == 1
    await after.close()


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"clientOrderId": "another"},
        {"symbol": "DOGE/USDT"},
        {"filled": float("nan")},
        {"price": -1},
        {"amount": 2.0},
        {"status": "maybe"},
        {"side": "sell"},
    ],
)
async def test_an_answer_that_makes_no_sense_leaves_the_submit_ambiguous(fake, venue, broken):
    fake.late["create_order"].append(lambda answer: {**answer, **broken})
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    assert (await venue.order("ours1")).venue_id == "1"


async def test_a_new_order_may_be_answered_with_no_more_than_its_id(fake, venue):
    fake.late["create_order"].append(lambda answer: {"id": answer["id"]})
    order = await venue.submit(request())
    assert (order.symbol, order.amount, order.price, order.status) == ("BTC/USDT", Decimal(1), Decimal(100), "open")


@pytest.mark.parametrize("fault", [errors.InsufficientFunds("no money"), errors.AuthenticationError("bad key")])
async def test_a_refusal_is_a_rejection(fake, venue, fault):
    fake.faults["create_order"].append(fault)
    with pytest.raises(OrderRejected, match=str(fault)):
        await venue.submit(request())


async def test_a_duplicate_id_is_looked_up(fake, venue):
    fake.place("BTC/USDT", "limit", "buy", 1.0, 100.0, "ours1")
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    assert (await venue.order("ours1")).venue_id == "1"


async def test_an_order_that_was_never_sent_is_none(fake, venue):
    assert await venue.order("other") is None
    assert fake.count("fetch_order") == 0


async def test_where_an_exchange_cannot_be_asked_by_our_id_open_and_closed_orders_are_searched(fake, tmp_path):
    venue = account(fake, tmp_path / "b.db", id="coinbase")
    await venue.open()
    for state in ("open", "closed"):
        fake.late["create_order"].append(errors.RequestTimeout("late"))
        with pytest.raises(AmbiguousSubmit):
            await venue.submit(request(state))
        fake.orders[str(len(fake.orders))]["status"] = state
        assert (await venue.order(state)).client_id == state
    await venue.close()


async def test_a_cancel_tells_what_became_of_the_order(fake, venue):
    await venue.submit(request())
    assert (await venue.cancel("ours1")).status == "canceled"


async def test_a_cancel_that_came_too_late_tells_the_fill(fake, venue):
    await venue.submit(request())
    fake.trade("1", 1.0)
    order = await venue.cancel("ours1")
    assert (order.status, order.filled) == ("filled", Decimal(1))


async def test_an_answer_that_is_older_than_a_cancel_is_not_believed(fake, venue):
    await venue.submit(request())
    before = dict(fake.orders["1"])
    fake.late["fetch_order"].append(lambda _: before)
    with pytest.raises(VenueUnavailable, match="asked for again"):
        await venue.cancel("ours1")
    assert (await venue.cancel("ours1")).status == "canceled"


async def test_a_cancel_of_nothing_is_an_unknown_order(venue):
    with pytest.raises(UnknownOrder):
        await venue.cancel("other")


async def test_a_cancel_whose_answer_is_lost_is_asked_again(fake, venue):
    await venue.submit(request())
    fake.late["cancel_order"].append(errors.RequestTimeout("late"))
    assert (await venue.cancel("ours1")).status == "canceled"


async def test_foreign_orders_are_told_under_their_own_ids(fake, venue):
    await venue.submit(request())
    fake.place("BTC/USDT", "limit", "sell", 1.0, 200.0, "web_7")
    fake.place("BTC/USDT", "limit", "sell", 1.0, 200.0, None)
    told = [(one.client_id, one.group) for one in await venue.open_orders()]
    assert told == [("ours1", "g"), ("web_7", ""), ("3", "")]


async def test_balances_leave_out_what_is_zero(venue):
    told = await venue.balances()
    assert {name: (str(one.total), str(one.free)) for name, one in told.items()} == {
        "USDT": ("1000.0", "900.0"),
        "BTC": ("0.5", "0"),
    }


async def test_positions_are_signed(fake, tmp_path):
    fake.open_positions = [
        {"symbol": "BTC/USDT:USDT", "contracts": 0.5, "contractSize": 1, "side": "short", "entryPrice": 100.0}
    ]
    venue = account(fake, tmp_path / "swap.db", market="swap")
    await venue.open()
    assert (await venue.positions())["BTC/USDT"] == (Decimal("-0.5"), Decimal(100))
    await venue.submit(request(reduce_only=True, price=None))
    assert fake.calls[-1][1][0] == "BTC/USDT:USDT"
    assert fake.calls[-1][1][-1]["reduceOnly"] is True
    await venue.close()


async def test_a_stop_says_where_it_waits_and_is_as_every_order(fake, venue):
    assert venue.keeps_stops
    order = await venue.submit(request("atgp1", price=None, side=-1, stop_price=Decimal("95.5")))
    assert (order.client_id, order.status) == ("atgp1", "open")
    name, kind, side, amount, price, params = fake.calls[-1][1]
    assert (name, kind, side, amount, price) == ("BTC/USDT", "market", "sell", 1.0, None)
    assert params == {"clientOrderId": "atgp1", "stopLossPrice": 95.5}


@pytest.mark.parametrize("settings", [{"id": "upbit"}, {"id": "bybit"}])
async def test_where_stops_are_not_placed_none_leaves(fake, tmp_path, settings):
    venue = account(fake, tmp_path / "c.db", **settings)
    await venue.open()
    assert not venue.keeps_stops
    with pytest.raises(OrderRejected, match="stop orders are not placed"):
        await venue.submit(request(price=None, side=-1, stop_price=Decimal(95)))
    assert fake.count("create_order") == 0
    await venue.close()


async def test_a_key_that_may_withdraw_is_refused(fake, tmp_path):
    fake.rights["enableWithdrawals"] = True
    venue = account(fake, tmp_path / "d.db", credentials={"key": "k", "secret": "s"})
    with pytest.raises(VenueError, match="may withdraw"):
        await venue.open()
    assert fake.closed


async def test_an_exchange_where_a_lost_order_could_not_be_found_is_refused(fake, tmp_path):
    fake.has["fetchClosedOrders"] = False
    with pytest.raises(VenueError, match="no fetchClosedOrders"):
        await account(fake, tmp_path / "e.db", id="somewhere").open()


async def test_a_foreign_order_of_a_market_that_is_not_traded_here_keeps_its_exchanges_name(fake, venue):
    fake.place("BTC/USDT:USDT", "limit", "sell", 1.0, 200.0, "web_7")
    assert [one.symbol for one in await venue.open_orders()] == ["BTC/USDT:USDT"]


async def test_a_file_belongs_to_one_exchange_and_market(fake, venue, tmp_path):
    await venue.close()
    with pytest.raises(VenueError, match="move the file away"):
        await account(fake, tmp_path / "ccxt-binance.db", id="okx").open()


async def test_precision_and_minimums_are_the_exchanges(venue):
    told = await venue.instrument("BTC/USDT")
    assert (told.tick, told.lot, told.min_notional) == (Decimal("0.01"), Decimal("0.00001"), Decimal(5))
    with pytest.raises(VenueError, match="does not list XRP/USDT"):
        await venue.instrument("XRP/USDT")


async def test_a_balance_below_zero_is_not_believed(fake, venue):
    fake.balance = {"free": {"USDT": -5.0}, "total": {"USDT": -5.0}}
    with pytest.raises(VenueUnavailable, match="less than 0"):
        await venue.balances()
