"""The paper venue's life: lock-step, pace, subscriptions, refusals, restarts."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from dataclasses import replace
from decimal import Decimal

import pytest

from autotrader.core.clock import ManualClock
from autotrader.core.errors import HistoryError, OrderRejected, UnknownOrder, VenueError, VenueUnavailable
from autotrader.core.events import BarClosed, BarsComplete, FillsComplete
from autotrader.execution.orders import Guard
from autotrader.venues.paper.venue import MAX_BARS

D = Decimal


def rising(count, first=100):
    return [(m, first + m, first + m, first + m, first + m) for m in range(count)]


async def test_bars_that_close_together_come_longer_ones_first_and_by_symbol(market):
    trader = await market.make({"ETH/USDT": rising(6), "BTC/USDT": rising(6)}, series=("1m", "5m"))
    told = [await trader.bar() for _ in range(12)]
    assert [(bar.symbol, bar.timeframe) for bar in told if bar.ts_ms == market.T0 + 5 * market.MINUTE] == [
        ("BTC/USDT", "5m"),
        ("BTC/USDT", "1m"),
        ("ETH/USDT", "5m"),
        ("ETH/USDT", "1m"),
    ]


async def test_fills_inside_a_bar_are_told_before_it_closes(market):
    rows = [*market.flat(2), (2, 100, 100, 90, 95), (3, 95, 95, 95, 95)]
    trader = await market.make(rows)
    await trader.bar()
    await trader.venue.submit(market.request("e", guard=Guard(stop_loss=D("0.05")), guard_id="x"))
    told = [await trader.event() for _ in range(4)]
    assert [type(event) for event in told] == [market.fill, BarClosed, market.fill, BarClosed]
    assert told[2].fill.reason == "stop_loss"
    assert told[2].ts_ms == told[3].ts_ms


async def test_a_market_that_is_brought_to_a_stand_tells_what_it_did_and_goes_on_after_a_restart(market):
    trader = await market.make(rising(4))
    await trader.bar()
    await trader.venue.submit(market.request("e"))
    assert isinstance(await trader.event(), market.fill)
    trader.venue.halt()
    assert [type(event) async for event in trader.venue.events()] == [market.fill, FillsComplete]  # the first, again
    await trader.venue.close()
    again = await market.make(rising(4))
    assert (await again.bar()).ts_ms == market.T0 + 2 * market.MINUTE


async def test_nothing_opens_before_the_reader_asks_past_the_close(market):
    trader = await market.make(rising(4))
    await trader.bar()
    await trader.venue.submit(market.request("late"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert await trader.venue.fills(0) == []
    await trader.event()
    assert len(await trader.venue.fills(0)) == 1


async def test_a_replay_starts_where_every_series_has_bars(market):
    trader = await market.make({"BTC/USDT": rising(20), "ETH/USDT": rising(20)[7:]})
    assert trader.venue.market_ms() == market.T0 + 7 * market.MINUTE
    assert (await trader.bar()).ts_ms == market.T0 + 8 * market.MINUTE


async def test_a_replay_starts_at_its_declared_time_with_earlier_bars_to_warm_up(market):
    trader = await market.make(rising(20), start_ms=market.T0 + 10 * market.MINUTE)
    warm = await trader.venue.bars(market.series(), end_ms=2**60, limit=3)
    assert [bar.open for bar in warm] == [107, 108, 109]
    assert (await trader.bar()).bar.open == 110


async def test_bars_never_show_what_has_not_closed(market):
    trader = await market.make(rising(20))
    for _ in range(7):
        await trader.bar()
    assert [bar.open for bar in await trader.venue.bars(market.series(), end_ms=2**60, limit=2)] == [105, 106]
    assert [bar.open for bar in await trader.venue.bars(market.series("5m"), end_ms=2**60, limit=9)] == [100]


async def test_too_many_bars_at_once_are_refused(market):
    trader = await market.make(rising(2))
    with pytest.raises(HistoryError, match="ask for fewer"):
        await trader.venue.bars(market.series(), end_ms=0, limit=MAX_BARS + 1)


async def test_the_end_is_told_once_and_orders_stay_open_and_cancellable(market):
    trader = await market.make(rising(2))
    await trader.bar()
    await trader.bar()
    await trader.venue.submit(market.request("e"))
    assert isinstance(await trader.event(), market.idle)
    waiting = asyncio.ensure_future(trader.event())
    await asyncio.sleep(0)
    assert (await trader.venue.order("e")).status == "open"
    assert (await trader.venue.cancel("e")).status == "canceled"
    assert (await waiting).order.client_id == "e"


async def test_a_new_series_wakes_a_replay_that_ended_and_joins_at_its_time(market):
    trader = await market.make({"BTC/USDT": rising(3), "ETH/USDT": rising(6)}, subscribe=False)
    await trader.venue.subscribe([market.series()])
    await trader.run()
    waiting = asyncio.ensure_future(trader.event())
    await asyncio.sleep(0)
    await trader.venue.subscribe([market.series(), market.series(symbol="ETH/USDT")])
    told = await waiting
    assert (told.symbol, told.ts_ms) == ("ETH/USDT", market.T0 + 4 * market.MINUTE)


async def test_a_series_that_is_not_wanted_any_more_stops(market):
    trader = await market.make({"BTC/USDT": rising(5), "ETH/USDT": rising(5)})
    assert (await trader.bar()).symbol == "BTC/USDT"
    await trader.venue.subscribe([market.series()])
    assert (await trader.bar()).symbol == "BTC/USDT"


async def test_orders_fill_on_bars_that_nobody_subscribed_to(market):
    trader = await market.make({"BTC/USDT": rising(5), "ETH/USDT": rising(5)})
    await trader.bar()
    await trader.venue.submit(market.request("e", symbol="ETH/USDT"))
    await trader.venue.subscribe([market.series()])
    await trader.run()
    assert await trader.fills() == [("e", 1, "101.00", "1", "")]


async def test_a_series_that_cannot_be_had_changes_nothing(market):
    trader = await market.make(rising(5))
    with pytest.raises(HistoryError, match="no 7s bars"):
        await trader.venue.subscribe([market.series("7s")])
    with pytest.raises(VenueError, match="does not trade XRP/USDT; it trades BTC/USDT"):
        await trader.venue.subscribe([market.series(symbol="XRP/USDT")])
    assert (await trader.bar()).symbol == "BTC/USDT"


async def test_market_time_runs_at_its_speed_and_never_ahead(market):
    clock = ManualClock()
    trader = await market.make(rising(5), speed=60.0, clock=clock)
    begun = clock.now_ms()
    for count in range(1, 4):
        await trader.bar()
        assert clock.now_ms() - begun == count * 1000


async def test_a_slow_reader_is_waited_for_and_lost_time_is_not_caught_up(market):
    clock = ManualClock()
    trader = await market.make(rising(9), speed=60.0, clock=clock)
    await trader.bar()
    clock.advance(30)
    await trader.bar()
    before = clock.now_ms()
    await trader.bar()
    assert clock.now_ms() - before == 1000


async def test_market_time_passes_between_bars(market):
    class Stuck(ManualClock):
        async def sleep(self, seconds):  # noqa: ARG002
            await asyncio.Event().wait()

    clock = Stuck()
    trader = await market.make(rising(5), speed=60.0, clock=clock)
    waiting = asyncio.ensure_future(trader.event())
    for _ in range(5):
        await asyncio.sleep(0)
    assert trader.venue.market_ms() == market.T0
    clock.advance(0.5)
    assert trader.venue.market_ms() == market.T0 + 30_000
    clock.advance(60)
    assert trader.venue.market_ms() == market.T0 + 59_999
    waiting.cancel()


async def test_closing_wakes_the_reader_and_ends_its_events(market):
    trader = await market.make(rising(1))
    await trader.run()
    waiting = asyncio.ensure_future(trader.event())
    await asyncio.sleep(0)
    await trader.venue.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
    with pytest.raises(VenueUnavailable, match="not open"):
        await trader.venue.balances()


REFUSED = [
    ("an amount finer than a lot", {"amount": "0.000000001"}, "finer than 0.00000001"),
    ("an amount of nothing", {"amount": "0"}, "not above zero"),
    ("a price finer than a tick", {"price": "1.001"}, "finer than 0.01"),
    ("a notional below the minimum", {"amount": "0.05"}, "notional 5 is below the minimum of 10 USDT"),
    ("more than the money", {"amount": "101"}, "insufficient balance"),
    ("a sale of what is not there", {"side": -1}, "insufficient balance"),
    ("post-only that takes", {"price": "100.01", "post_only": True}, "it would take"),
    ("post-only at the market", {"post_only": True}, "no terms"),
    ("a market order that does not rest", {"time_in_force": "ioc"}, "no terms"),
    ("post-only that does not rest", {"price": "99", "post_only": True, "time_in_force": "ioc"}, "exclude"),
    ("a time in force that is none", {"price": "99", "time_in_force": "day"}, "gtc, ioc, fok"),
    ("a reduction of nothing", {"side": -1, "reduce_only": True}, "nothing to reduce"),
    ("a guard without a name for its exit", {"guard": Guard(stop_loss=D("0.1"))}, "needs a guard_id"),
    ("a stop of everything", {"guard": Guard(stop_loss=D(1)), "guard_id": "x"}, "below 100 %"),
    ("a symbol that is not traded", {"symbol": "XRP/USDT"}, "does not trade"),
    ("a resolution that is not there", {"resolution": "7s"}, "no 7s bars"),
    ("no resolution", {"resolution": ""}, "not a timeframe|no  bars"),
    ("no group", {"group": ""}, "client id and a group"),
    ("what no integer holds", {"amount": "1000000000000000"}, "too large to count"),
]


@pytest.mark.parametrize(("fields", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_an_order_is_refused_for(market, fields, why):
    trader = await market.make(market.flat(4), min_notional=D(10))
    await trader.bar()
    with pytest.raises(OrderRejected, match=why):
        await trader.venue.submit(market.request("e", **fields))
    assert await trader.venue.order("e") is None
    assert (await trader.venue.balances())["USDT"].free == D(10000)


async def test_a_client_id_is_taken_once_dead_or_alive(market):
    trader = await market.make(market.flat(4))
    await trader.bar()
    await trader.venue.submit(market.request("e"))
    with pytest.raises(OrderRejected, match="duplicate client order id"):
        await trader.venue.submit(market.request("e"))
    await trader.run()
    with pytest.raises(OrderRejected, match="duplicate client order id"):
        await trader.venue.submit(market.request("e"))
    assert len(await trader.fills()) == 1


async def test_an_order_before_any_price_is_refused(market):
    trader = await market.make(market.flat(4))
    with pytest.raises(OrderRejected, match="no price yet"):
        await trader.venue.submit(market.request("e"))


async def test_an_order_reserves_what_it_may_cost_until_it_ends(market):
    trader = await market.make(market.flat(4), taker_fee=D("0.001"))
    await trader.bar()
    await trader.venue.submit(market.request("e", price="50", amount="10"))
    assert (await trader.venue.balances())["USDT"] == (D(10000), D("9499.5"))
    await trader.venue.cancel("e")
    assert (await trader.venue.balances())["USDT"] == (D(10000), D(10000))


async def test_cancelling_what_has_filled_returns_it_filled(market):
    trader = await market.make(market.flat(4))
    await trader.bar()
    await trader.venue.submit(market.request("e"))
    await trader.event()
    assert (await trader.venue.cancel("e")).status == "filled"


async def test_cancelling_a_guard_lifts_it(market):
    trader = await market.make(market.flat(6))
    await trader.bar()
    await trader.venue.submit(market.request("e", guard=Guard(stop_loss=D("0.1")), guard_id="x"))
    await trader.event()
    assert (await trader.venue.cancel("x")).status == "canceled"
    assert await trader.venue.open_orders() == []


async def test_unknown_orders_and_groups_are_told(market):
    trader = await market.make(market.flat(4))
    with pytest.raises(UnknownOrder, match="knows no order z"):
        await trader.venue.cancel("z")
    with pytest.raises(UnknownOrder, match="no open position"):
        await trader.venue.guard("z", Guard())
    assert await trader.venue.order("z") is None


async def test_replacing_exits_reaches_an_entry_that_still_works(market):
    rows = [(0, 100, 100, 100, 100), (1, 100, 100, 94, 94), (2, 94, 94, 94, 94)]
    trader = await market.make(rows)
    await trader.bar()
    await trader.venue.submit(market.request("e", guard=Guard(stop_loss=D("0.1")), guard_id="x"))
    await trader.venue.guard("g", Guard(stop_loss=D("0.05")))
    await trader.run()
    assert (await trader.fills())[1] == ("x", 2, "95.00", "1", "stop_loss")


async def test_an_instrument_tells_the_precision(market):
    trader = await market.make(market.flat(4), min_notional=D(5))
    instrument = await trader.venue.instrument("BTC/USDT")
    assert (instrument.tick, instrument.lot, instrument.min_notional) == (D("0.01"), D("1e-8"), D(5))
    with pytest.raises(VenueError, match="does not trade"):
        await trader.venue.instrument("XRP/USDT")


async def test_a_restart_tells_a_bar_again_that_was_not_asked_past(market):
    first = await market.make(rising(9))
    seen = [await first.bar() for _ in range(3)]
    second = await market.make(rising(9))
    assert await second.bar() == seen[-1]
    assert (await second.bar()).bar.open == 103


async def test_a_restart_does_not_tell_again_what_was_asked_past(market):
    first = await market.make(rising(9), speed=60.0)
    await first.bar()
    asked = asyncio.ensure_future(first.event())
    await asyncio.sleep(0)
    asked.cancel()
    second = await market.make(rising(9))
    assert (await second.bar()).bar.open == 101


async def test_a_restart_after_a_submit_fills_it_at_the_same_open(market):
    first = await market.make(rising(9))
    await first.bar()
    await first.venue.submit(market.request("e", guard=Guard(trailing_stop=D("0.1")), guard_id="x"))
    second = await market.make(rising(9))
    assert (await second.bar()).bar.open == 100
    with pytest.raises(OrderRejected, match="duplicate"):
        await second.venue.submit(market.request("e"))
    await second.run()
    assert await second.fills() == [("e", 1, "101.00", "1", "")]
    third = await market.make(rising(9))
    assert [order.client_id for order in await third.venue.open_orders()] == ["x"]


async def test_a_restart_tells_unacknowledged_funding_again_and_pays_it_once(market):
    account = {"market": "swap", "funding": [(3, 0.001)]}
    first = await market.make(market.flat(9), **account)
    await first.bar()
    await first.venue.submit(market.request("e", -1))
    while not isinstance(told := await first.event(), market.paid):
        pass
    second = await market.make(market.flat(9), **account)
    assert await second.event() == told
    await second.run()
    assert (await second.venue.balances())["USDT"].total == D("10000.1")


async def test_a_file_of_another_market_is_refused(market):
    await market.make(market.flat(4))
    with pytest.raises(VenueError, match="holds an account of market spot, not swap"):
        await market.make(market.flat(4), market="swap")


async def test_declared_balances_are_those_of_a_new_file_only(market):
    await market.make(market.flat(4))
    again = await market.make(market.flat(4), balances={"USDT": D(5)})
    assert (await again.venue.balances())["USDT"].total == D(10000)


async def test_a_write_that_fails_changes_nothing_and_is_told(market, tmp_path):
    trader = await market.make(rising(9))
    await trader.bar()
    with sqlite3.connect(tmp_path / "a.db") as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON orders BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    with pytest.raises(VenueUnavailable, match="disk full"):
        await trader.venue.submit(market.request("e"))
    with sqlite3.connect(tmp_path / "a.db") as other:
        other.execute("DROP TRIGGER full")
    assert await trader.venue.order("e") is None
    assert (await trader.bar()).bar.open == 100  # told again, from what the file holds
    await trader.venue.submit(market.request("e"))
    await trader.run()
    assert len(await trader.fills()) == 1


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
async def test_a_speed_that_is_not_above_zero_is_refused(market, speed):
    with pytest.raises(ValueError, match="above zero"):
        await market.make(rising(2), speed=speed)


async def test_a_moment_is_complete_after_its_last_bar_and_before_anything_opens(market):
    trader = await market.make({"BTC/USDT": rising(3), "ETH/USDT": rising(3)})
    told = [await anext(trader.reader) for _ in range(3)]
    assert [type(event) for event in told] == [BarClosed, BarClosed, BarsComplete]
    await trader.venue.submit(market.request("e"))
    assert isinstance(await anext(trader.reader), market.fill)


async def test_fees_slippage_and_speed_are_adjusted_while_the_market_runs(market):
    trader = await market.make(rising(5))
    await trader.bar()
    settings = replace(trader.venue._settings, slippage=D("0.01"), taker_fee=D("0.002"))
    trader.venue.adjust(settings)
    await trader.venue.submit(market.request("e"))
    await trader.event()
    (fill,) = await trader.venue.fills(0)
    assert (fill.price, fill.fee) == (D("102.01"), D("0.20402"))
