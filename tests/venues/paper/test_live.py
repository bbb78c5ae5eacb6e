"""A paper account on live quotes: what fills when, what is told, and what is refused as the exchange would."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from autotrader.core.errors import OrderRejected, VenueError, VenueUnavailable
from autotrader.core.events import BarsComplete, FillsComplete, QuoteChanged, Series
from autotrader.execution.orders import Guard
from autotrader.venues.paper.live import FIRST_QUOTE_S, QUIET_MS, STALE_MS
from autotrader.venues.protocol import FillHappened, Idle, OrderChanged
from support.live_paper import BEGIN, BTC, ETH, QUOTES, UNAVAILABLE, D, Live
from support.tapes import order


@pytest.fixture
async def live(tmp_path):
    made = []

    async def make(*series, listen=True, **settings):
        made.append(Live(tmp_path, **settings))
        return await made[-1].open(*series, listen=listen)

    yield make
    for one in made:
        await one.close()


async def on_quotes(live, **settings):
    """Return an account that has heard one quote of 99 to 101."""
    one = await live(QUOTES, **settings)
    await one.quote(99, 101)
    return one


async def submit(one, *args, **fields):
    """Place an order where quotes may have to be waited for."""
    placed = asyncio.ensure_future(one.venue.submit(order(*args, **fields)))
    await one.clock.settle()
    return await placed


@pytest.mark.parametrize(("latency_ms", "filled"), [(0, (10, 102.0)), (10, (10, 102.0)), (11, (20, 103.0))])
async def test_a_market_order_fills_at_the_first_quote_after_its_latency(live, latency_ms, filled):
    one = await on_quotes(live, latency_ms=latency_ms)
    await submit(one, resolution="1h")
    await one.quote(100, 102, ms=10)
    await one.quote(101, 103, ms=20)
    assert await one.fills() == [("e", *filled, False, "")]


async def test_a_quote_of_before_the_order_came_does_not_fill_it_though_it_comes_later(live):
    one = await on_quotes(live)
    await one.clock.advance(0.05)
    await submit(one)
    await one.quote(89, 91, ms=49)
    assert await one.fills() == []
    await one.quote(98, 100, ms=51)
    assert await one.fills() == [("e", 51, 100.0, False, "")]


async def test_a_taker_pays_slippage_and_fee(live):
    one = await on_quotes(live, slippage=D("0.001"), taker_fee=D("0.002"))
    await submit(one)
    await one.quote(99, 100, ms=1)
    (fill,) = await one.venue.fills(0)
    assert (fill.price, fill.fee, fill.fee_currency) == (D("100.1"), D("0.2002"), "USDT")
    assert (await one.venue.balances())["USDT"].total == D(10_000) - D("100.3002")


async def test_in_a_quiet_market_an_order_meets_the_quote_that_stands(live):
    one = await on_quotes(live, latency_ms=200)
    await submit(one)
    await one.clock.advance((200 + QUIET_MS - 1) / 1000)
    assert await one.fills() == []
    await one.clock.advance(0.001)
    assert await one.fills() == [("e", 200 + QUIET_MS, 101.0, False, "")]
    assert [type(event) for event in one.listener.events[1:]] == [FillHappened, FillsComplete]


async def test_a_limit_that_a_quote_passed_during_its_latency_fills_in_a_quiet_market_too(live):
    one = await on_quotes(live, latency_ms=200)
    await submit(one, price="100")
    await one.quote(97, 98, ms=100)
    await one.clock.advance(1.2)
    assert await one.fills() == [("e", 200 + QUIET_MS, 100.0, True, "")]


async def test_a_stale_quote_fills_nothing_until_the_exchange_speaks_again(live):
    heard = {"ms": 0}
    one = await on_quotes(live, heard_ms=lambda _series: heard["ms"])
    await one.clock.advance(STALE_MS / 1000)
    await submit(one)
    await one.clock.advance(30)
    assert await one.fills() == []
    heard["ms"] = one.clock.now_ms()
    await one.clock.advance(2)
    assert [row[2] for row in await one.fills()] == [101.0]


async def test_a_quote_after_a_stale_one_fills(live):
    one = await on_quotes(live)
    await one.clock.advance(STALE_MS / 1000)
    await submit(one)
    await one.clock.advance(30)
    await one.quote(110, 111, ms=100_000)
    assert await one.fills() == [("e", 100_000, 111.0, False, "")]


async def test_a_resting_limit_is_made_when_a_quote_trades_through_it(live):
    one = await on_quotes(live)
    await submit(one, price="100")
    for ms, ask in ((10, 100.5), (20, 100), (30, 99.99), (40, 98)):
        await one.quote(97, ask, ms=ms)
    assert await one.fills() == [("e", 30, 100.0, True, "")]


async def test_a_stop_triggers_at_touch_of_the_bid_that_ends_a_long(live):
    one = await on_quotes(live)
    await submit(one, guard=Guard(stop_loss=D("0.05")), guard_id="x")
    await one.quote(99, 100, ms=10)
    await one.quote(95.01, 95.02, ms=20)
    await one.quote(95, 99, ms=30)
    assert (await one.fills())[1:] == [("x", 30, 95.0, False, "stop_loss")]


async def test_fills_are_told_before_the_quote_that_they_met(live):
    one = await on_quotes(live)
    await submit(one)
    await one.quote(100, 102, ms=10)
    kinds = [type(event) for event in one.listener.events]
    assert kinds == [QuoteChanged, FillHappened, FillsComplete, QuoteChanged]


async def test_quotes_that_nobody_asked_for_meet_orders_and_are_not_told(live):
    one = await live(Series("live", BTC, "1m"))
    assert QUOTES not in one.data.streamed
    placed = asyncio.ensure_future(one.venue.submit(order()))
    await one.clock.settle()
    assert QUOTES in one.data.streamed
    await one.quote(99, 101, ms=5)
    assert (await placed).status == "open"
    one.data.say(BarsComplete(BEGIN + 60_000, "live"))
    await one.quote(99, 102, ms=10)
    assert await one.fills() == [("e", 5, 101.0, False, "")]
    assert [type(event) for event in one.listener.events] == [FillHappened, FillsComplete, BarsComplete]


async def test_quotes_stay_as_long_as_their_symbol_is_wanted_or_held(live):
    bars = Series("live", BTC, "1m")
    one = await live(bars)
    placed = asyncio.ensure_future(one.venue.submit(order()))
    await one.clock.settle()
    await one.quote(99, 101, ms=5)
    await placed
    await one.venue.subscribe([])
    assert one.data.streamed == {QUOTES}
    await submit(one, "x", -1, reduce_only=True)
    await one.quote(99, 101, ms=10)
    await one.venue.subscribe([bars])
    assert one.data.streamed == {bars, QUOTES}
    await one.venue.subscribe([])
    assert one.data.streamed == set()


async def test_an_order_whose_symbol_has_no_quote_in_time_is_not_placed(live):
    one = await live()
    placed = asyncio.ensure_future(one.venue.submit(order()))
    await one.clock.advance(FIRST_QUOTE_S)
    with pytest.raises(VenueUnavailable, match="told no quote of BTC/USDT within 5 s; the order was not placed"):
        await placed
    assert await one.venue.order("e") is None


async def test_a_first_quote_is_read_while_another_event_is_being_dealt_with(live):
    one = await live(QUOTES, listen=False)
    reader = one.venue.events()
    await one.quote(99, 101)
    told = await anext(reader)
    placed = asyncio.ensure_future(one.venue.submit(order(symbol=ETH)))
    await one.clock.settle()
    await one.quote(98, 102, ms=5)
    await one.quote(9, 11, ms=7, symbol=ETH)
    assert (await placed).status == "open"
    assert [bar.ts_ms for bar in await one.venue.bars(QUOTES, end_ms=2**60, limit=9)] == []
    assert await one.venue.last(QUOTES) is None
    later = await anext(reader)
    assert await one.venue.last(QUOTES) == told
    assert [bar.ts_ms for bar in await one.venue.bars(QUOTES, end_ms=2**60, limit=9)] == [told.ts_ms]
    assert (later.ts_ms, later.bid) == (BEGIN + 5, 98.0)
    assert isinstance(await anext(reader), FillHappened)
    assert await one.fills() == [("e", 7, 11.0, False, "")]
    await reader.aclose()


@pytest.mark.parametrize(
    ("limits", "fields", "why"),
    [
        ({"lot": D("0.01")}, {"amount": "0.015"}, "amount 0.015 is finer than 0.01"),
        ({"lot": D(10)}, {"amount": "15"}, "amount 15 is finer than 10"),
        ({"min_amount": D("0.1")}, {"amount": "0.09"}, "amount 0.09 is below the minimum of 0.1 BTC"),
        ({"min_notional": D(10)}, {"amount": "0.09"}, "notional 9.09 is below the minimum of 10 USDT"),
        ({"min_notional": D(10)}, {"amount": "0.1", "price": "99"}, "notional 9.9 is below the minimum of 10 USDT"),
        ({"tick": D("0.5")}, {"price": "99.25"}, "price 99.25 is finer than 0.5"),
        ({}, {"price": "1e40"}, "too large to count"),
        ({}, {"price": "Infinity"}, "price Infinity is not above zero"),
        ({"lot": D("1e-9")}, {}, "finer than"),
        ({}, {"symbol": "DOGE/USDT"}, "does not list DOGE/USDT"),
    ],
)
async def test_what_the_exchange_would_not_take_is_refused_with_its_limit(live, limits, fields, why):
    one = await live(limits=limits)
    placed = asyncio.ensure_future(one.venue.submit(order(**fields)))
    await one.clock.settle()
    await one.quote(99, 101)
    with pytest.raises(OrderRejected, match=why):
        await placed


async def test_an_order_that_only_reduces_needs_what_the_exchange_demands_of_such(live):
    one = await on_quotes(live, limits={"min_notional": D(10), "min_exit": D(5)})
    await submit(one)
    await one.quote(99, 100, ms=1)
    with pytest.raises(OrderRejected, match=r"notional 4\.95 is below the minimum of 5 USDT"):
        await submit(one, "x", -1, amount="0.05", reduce_only=True)
    assert (await submit(one, "x", -1, amount="0.06", reduce_only=True)).status == "open"


async def test_where_money_buys_less_it_buys_whole_lots(live):
    one = await on_quotes(live, limits={"lot": D("0.1")}, balances={"USDT": D(101)})
    await submit(one)
    await one.quote(109, 110, ms=1)
    assert [one.amount for one in await one.venue.fills(0)] == [D("0.9")]
    assert (await one.venue.order("e")).status == "expired"


async def test_where_the_money_buys_less_than_the_exchange_takes_nothing_is_bought(live):
    one = await on_quotes(live, limits={"min_notional": D(101)}, balances={"USDT": D(101)})
    await submit(one)
    await one.quote(109, 110, ms=1)
    assert await one.fills() == []
    assert (await one.venue.order("e")).status == "expired"


async def test_an_instrument_has_the_exchange_s_precision_under_the_declared_name(live):
    limits = {"tick": D("0.1"), "lot": D("0.001"), "min_amount": D("0.002"), "min_notional": D(5)}
    one = await live(limits=limits, min_notional=D(7))
    told = await one.venue.instrument(BTC)
    assert (told.exchange, told.tick, told.lot) == ("live", D("0.1"), D("0.001"))
    assert (told.min_amount, told.min_notional) == (D("0.002"), D(7))
    with pytest.raises(VenueError, match="does not list"):
        await one.venue.instrument("DOGE/USDT")


async def test_an_end_is_never_told_and_time_is_the_exchange_s(live):
    one = await on_quotes(live)
    await one.clock.advance(100_000)
    assert one.listener.of(Idle) == []
    assert one.venue.market_ms() == BEGIN + 100_000_000


async def test_time_never_goes_back_behind_a_quote(live):
    one = await live(QUOTES)
    one.data.say(QuoteChanged(BEGIN + 40, "live", BTC, 99.0, 1.0, 101.0, 1.0, 1))
    await one.clock.settle()
    assert one.venue.market_ms() == BEGIN + 40
    await submit(one)
    await one.quote(99, 102, ms=39)
    assert await one.fills() == []


async def test_where_the_market_fails_the_reader_is_told_and_goes_on(live):
    one = await on_quotes(live)
    await submit(one)
    one.data.fail(UNAVAILABLE)
    await one.quote(98, 100, ms=5)
    assert [str(error) for error in one.listener.errors] == [str(UNAVAILABLE)]
    assert await one.fills() == [("e", 5, 100.0, False, "")]


async def test_a_failing_market_ends_the_wait_for_a_first_quote_and_the_reader_hears_of_it(live):
    one = await live(QUOTES, listen=False)
    placed = asyncio.ensure_future(one.venue.submit(order()))
    await one.clock.settle()
    one.data.fail(UNAVAILABLE)
    with pytest.raises(VenueUnavailable, match=r"cannot be read: live: the reader fell behind"):
        await placed
    with pytest.raises(VenueUnavailable, match=r"^live: the reader fell behind"):
        await anext(one.venue.events())


async def test_closing_ends_the_events_and_whoever_waits_for_a_quote(live):
    one = await live()
    placed = asyncio.ensure_future(one.venue.submit(order()))
    await one.clock.settle()
    await one.venue.close()
    with pytest.raises(VenueUnavailable, match="not open"):
        await placed
    await one.clock.settle()
    assert (one.listener.errors, one.listed.opened, one.data.opened) == ([], 0, False)


async def test_a_market_that_is_brought_to_a_stand_tells_what_it_did_already_and_no_more(live):
    one = await live(QUOTES, listen=False)
    await one.quote(99, 101)
    reader = one.venue.events()
    await anext(reader)
    await submit(one)
    await one.quote(99, 100, ms=1)
    await one.quote(98, 99, ms=2)
    assert isinstance(await anext(reader), FillHappened)
    one.venue.halt()
    assert [type(event) async for event in reader] == [FillsComplete, QuoteChanged]
    assert await one.fills() == [("e", 1, 100.0, False, "")]


async def test_a_reader_that_waits_for_a_market_is_let_go_when_it_is_brought_to_a_stand(live):
    one = await live(QUOTES, listen=False)
    asked = asyncio.ensure_future(anext(one.venue.events(), None))
    await one.clock.settle()
    assert not asked.done()
    one.venue.halt()
    assert await asked is None


async def test_a_reader_that_leaves_is_told_the_same_event_again(live):
    one = await live(QUOTES, listen=False)
    await one.quote(99, 101)
    first = one.venue.events()
    told = await anext(first)
    await first.aclose()
    waiting = one.venue.events()
    assert await anext(waiting) == told
    asked = asyncio.ensure_future(anext(waiting))
    await one.clock.settle()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await one.quote(98, 100, ms=5)
    again = one.venue.events()
    assert (await anext(again)).ts_ms == BEGIN + 5
    await again.aclose()


async def test_what_is_adjusted_counts_from_the_next_fill_on(live):
    one = await on_quotes(live)
    one.venue.adjust(replace(one.declared, slippage=D("0.01"), latency_ms=7))
    await submit(one)
    await one.quote(99, 100, ms=6)
    await one.quote(99, 100, ms=7)
    assert await one.fills() == [("e", 7, 101.0, False, "")]


async def test_a_swap_is_liquidated_by_the_price_that_ends_it(live):
    one = await on_quotes(live, market="swap", leverage=2)
    await submit(one, side=-1)
    await one.quote(100, 101, ms=1)
    await one.quote(150, 151, ms=2)
    assert (await one.fills())[1][1:] == (2, 151.0, False, "liquidation")


async def test_a_canceled_order_meets_nothing(live):
    one = await on_quotes(live)
    await submit(one)
    assert (await one.venue.cancel("e")).status == "canceled"
    await one.clock.advance(5)
    await one.quote(99, 100, ms=6_000)
    assert await one.fills() == []
    assert [event.order.status for event in one.listener.of(OrderChanged)] == ["canceled"]
