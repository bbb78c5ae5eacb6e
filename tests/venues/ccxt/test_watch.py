"""What becomes of a real account's orders while it is open: told once, in order, whichever way it was learned."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

import pytest
from ccxt.base import errors

from autotrader.core.errors import BrokenInvariant
from autotrader.core.events import FillsComplete
from autotrader.execution.orders import OrderRequest
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.watch import ALONE_S, BESIDE_S, LATE_S, OWED_S, QUIET_S
from autotrader.venues.protocol import FillHappened, OrderChanged
from support.clock import VirtualClock
from support.fake_ccxt import FakeCcxt

BOTH = ("watchMyTrades", "watchOrders")


class Told:
    """Collects what is told, each batch with its moment."""

    def __init__(self):
        self.batches = []

    def __call__(self, events, ms):
        self.batches.append((list(events), ms))

    @property
    def events(self):
        return [event for events, _ in self.batches for event in events]

    def fills(self):
        return [(one.fill.client_id, one.fill.amount) for one in self.events if isinstance(one, FillHappened)]

    def ends(self):
        return [(one.order.client_id, one.order.status) for one in self.events if isinstance(one, OrderChanged)]


@asynccontextmanager
async def watched(path, fake):
    client = CcxtClient(CcxtSettings(name="binance", id="binance"), fake.clock, lambda _: fake, Random(1))
    account = CcxtAccount(client, path)
    await account.open()
    told = Told()
    watch = account.watch(told)
    task = asyncio.create_task(watch.run())
    await fake.clock.settle()
    try:
        yield account, watch, told, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await account.close()


@pytest.fixture
def fake():
    return FakeCcxt(VirtualClock())


def limit(client_id="ours1", amount="1"):
    return OrderRequest(client_id, "BTC/USDT", 1, "limit", Decimal(amount), Decimal(100), False, "g", 0, "1m")


async def test_a_streamed_trade_is_told_at_once_and_never_again(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        fake.streams["watchOrders"].say([])
        await fake.clock.settle()
        await account.submit(limit())
        watch.sent()
        fake.trade("1", 0.25)
        asked = fake.count("fetch_my_trades")
        fake.streams["watchMyTrades"].say([fake.trades[0]])
        fake.streams["watchMyTrades"].say([fake.trades[0]])
        await fake.clock.settle()
        assert told.fills() == [("ours1", Decimal("0.25"))]
        assert isinstance(told.events[-1], FillsComplete)
        assert fake.count("fetch_my_trades") == asked
        await fake.clock.advance(BESIDE_S + 1)
        assert fake.count("fetch_my_trades") > asked
        assert told.fills() == [("ours1", Decimal("0.25"))]


async def test_where_nothing_is_streamed_rest_finds_trades_and_ends(fake, tmp_path):
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit("ours1"))
        await account.submit(limit("ours2"))
        watch.sent()
        await fake.clock.settle()
        fake.trade("1", 1.0)
        fake.orders["2"]["status"] = "canceled"
        await fake.clock.advance(ALONE_S + 0.1)
        assert told.fills() == [("ours1", Decimal(1))]
        assert told.ends() == [("ours2", "canceled")]


async def test_a_trade_that_the_stream_dropped_is_found_beside_it(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        watch.sent()
        fake.streams["watchOrders"].say([dict(fake.orders["1"])])
        await fake.clock.settle()
        fake.trade("1", 0.5)
        await fake.clock.advance(BESIDE_S + 1)
        assert told.fills() == [("ours1", Decimal("0.5"))]


async def test_an_interrupted_stream_has_rest_asked_at_once_and_is_watched_again(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        watch.sent()
        fake.trade("1", 0.5)
        fake.streams["watchMyTrades"].drop()
        await fake.clock.settle()
        assert told.fills() == [("ours1", Decimal("0.5"))]
        await fake.clock.advance(2)
        fake.trade("1", 0.5)
        fake.streams["watchMyTrades"].say([fake.trades[1]])
        await fake.clock.settle()
        assert told.fills() == [("ours1", Decimal("0.5")), ("ours1", Decimal("0.5"))]


async def test_the_end_of_an_order_waits_for_its_trades(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        watch.sent()
        fake.trade("1", 0.5)
        late, fake.trades = fake.trades, []  # told by no list yet
        fake.orders["1"]["status"] = "canceled"
        fake.streams["watchOrders"].say([dict(fake.orders["1"])])
        await fake.clock.advance(2)
        assert told.events == []
        fake.trades = late
        await fake.clock.advance(2)
        assert [type(one) for one in told.events] == [FillHappened, FillsComplete, OrderChanged]


async def test_an_end_whose_trades_never_come_is_told_after_a_while_and_they_when_they_come(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        watch.sent()
        fake.trade("1", 0.5)
        late, fake.trades = fake.trades, []
        fake.orders["1"]["status"] = "canceled"
        fake.streams["watchOrders"].say([dict(fake.orders["1"])])
        await fake.clock.advance(LATE_S + 2)
        assert told.ends() == [("ours1", "canceled")]
        fake.streams["watchMyTrades"].say(late)
        await fake.clock.settle()
        assert told.fills() == [("ours1", Decimal("0.5"))]


async def test_trades_are_told_in_the_order_of_their_numbers_though_an_older_one_comes_late(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        watch.sent()
        now_ms = fake.clock.now_ms()
        fake.trade("1", 0.1, ts_ms=now_ms)
        fake.trade("1", 0.2, ts_ms=now_ms - 5_000)
        for trade in fake.trades:
            fake.streams["watchMyTrades"].say([trade])
        await fake.clock.settle()
        assert told.fills() == [("ours1", Decimal("0.1")), ("ours1", Decimal("0.2"))]
        assert [ms for _, ms in told.batches] == [now_ms, now_ms]


async def test_what_was_told_before_a_restart_is_not_told_again_but_what_came_since_is_read(fake, tmp_path):
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        fake.trade("1", 0.5)
        watch.sent()
        await fake.clock.settle()
        assert len(told.fills()) == 1
    fake.trade("1", 0.25)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        missed = await account.fills(1)
        assert [one.amount for one in missed] == [Decimal("0.25")]
        await fake.clock.advance(ALONE_S + 1)
        assert told.fills() == [("ours1", Decimal("0.25"))]


async def test_a_message_that_makes_no_sense_is_not_believed_and_rest_is_asked(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        watch.sent()
        fake.trade("1", 0.5)
        for bad in ([{**fake.trades[0], "price": float("nan")}], "no list", [{**fake.trades[0], "symbol": "XX/YY"}]):
            fake.streams["watchMyTrades"].say(bad)
            await fake.clock.advance(3)
        assert told.fills() == [("ours1", Decimal("0.5"))]


async def test_orders_and_trades_of_others_end_nothing_of_ours(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (_, _, told, _):
        fake.place("BTC/USDT", "limit", "buy", 1.0, 100.0, "theirs")
        fake.orders["1"]["status"] = "canceled"
        fake.streams["watchOrders"].say([dict(fake.orders["1"])])
        await fake.clock.settle()
        assert told.events == []


async def test_an_idle_account_is_hardly_asked(fake, tmp_path):
    async with watched(tmp_path / "a.db", fake):
        await fake.clock.advance(QUIET_S * 3)
        assert fake.count("fetch_open_orders") == 0
        assert fake.count("fetch_my_trades") == 0


async def test_an_exchange_that_does_not_answer_is_asked_less_and_less_and_recovers(fake, tmp_path):
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        watch.sent()
        fake.faults["fetch_my_trades"].extend([errors.ExchangeNotAvailable("503")] * 12)
        fake.trade("1", 1.0)
        await fake.clock.advance(900)
        assert told.fills() == [("ours1", Decimal(1))]
        assert not fake.faults["fetch_my_trades"]


async def test_trades_that_could_not_be_read_are_read_after_a_pause_though_streams_speak(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        watch.sent()
        fake.streams["watchOrders"].say([])
        await fake.clock.settle()
        fake.trade("1", 0.5)
        fake.faults["fetch_my_trades"].extend([errors.BadRequest("no")])
        await fake.clock.advance(BESIDE_S)
        assert told.fills() == []
        fake.streams["watchOrders"].say([])
        await fake.clock.advance(3)
        assert told.fills() == [("ours1", Decimal("0.5"))]


async def test_trades_are_read_at_once_where_whoever_asked_was_told_of_more_than_was_read(fake, tmp_path):
    fake.watched(*BOTH)
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, _):
        await account.submit(limit())
        watch.sent()
        fake.streams["watchOrders"].say([])
        await fake.clock.settle()
        fake.trade("1", 0.5)
        await fake.clock.advance(5)
        assert told.fills() == []
        assert (await account.order("ours1")).filled == Decimal("0.5")
        await fake.clock.advance(OWED_S + 0.1)
        assert told.fills() == [("ours1", Decimal("0.5"))]


async def test_an_exchange_without_such_a_stream_is_polled_instead(fake, tmp_path):
    fake.watched(*BOTH)

    async def watch_orders():
        raise errors.NotSupported("no orders here")

    fake.watch_orders = fake.watch_my_trades = watch_orders
    async with watched(tmp_path / "a.db", fake) as (account, watch, told, task):
        await account.submit(limit())
        watch.sent()
        fake.trade("1", 1.0)
        await fake.clock.advance(ALONE_S + 1)
        assert told.fills() == [("ours1", Decimal(1))]
        assert not task.done()


async def test_a_broken_invariant_ends_the_watch_with_itself(fake, tmp_path):
    fake.watched(*BOTH)

    async def watch_orders():
        raise BrokenInvariant("cannot be")

    fake.watch_orders = watch_orders
    async with watched(tmp_path / "a.db", fake) as (_, _, _, task):
        await fake.clock.settle()
        with pytest.raises(BrokenInvariant, match="cannot be"):
            task.result()
