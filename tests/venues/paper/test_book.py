"""Order books on the paper venue: who waits behind whom, and what one pays that takes more than the best level."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.execution.orders import Guard
from autotrader.venues.protocol import Idle
from support.feeds import START_MS
from support.tapes import D, Tape, order

ASKS = {100.02: 5.0, 100.05: 5.0, 100.10: 20.0}


def book(*rows):
    """Return books of (ms from the start, bids), or (ms, bids, asks)."""
    return [(START_MS + ms, bids, asks[0] if asks else ASKS) for ms, bids, *asks in rows]


def prints(*rows):
    """Return trades of (ms from the start, price, amount, side of the taker)."""
    return [(START_MS + ms, price, amount, side) for ms, price, amount, side in rows]


def limit(client_id="e", price="100", **more):
    return order(client_id, price=price, resolution="book", **more)


async def resting(tape, rows, trades=(), **fields):
    """Return a venue at the first of some books, where a bid of one unit at 100 has come in."""
    feeds = {"book": book(*rows), **({"trades": prints(*trades)} if trades else {})}
    one = await tape(feeds, **fields)
    await one.to(1)
    await one.venue.submit(limit())
    return one


TWO = {100.0: 2.0}


async def test_an_order_waits_until_more_than_what_stood_ahead_of_it_was_traded(tape):
    trades = [(5, 100.0, 7.0, "sell"), (11, 100.0, 1.5, "sell"), (21, 100.0, 0.5, "sell"), (31, 100.0, 0.1, "sell")]
    one = await resting(tape, [(0, TWO), (10, TWO), (20, TWO), (30, TWO), (40, TWO)], trades)
    await one.rest()
    assert await one.fills() == [("e", 40, 100.0, True, "")]


async def test_an_order_is_filled_whole_as_a_maker_however_small_the_trade(tape):
    one = await resting(tape, [(0, {99.0: 1.0}), (10, {99.0: 1.0}), (20, TWO)], [(12, 100.0, 0.001, "sell")])
    await one.rest()
    ((client_id, _, price, maker, _),) = await one.fills()
    assert (client_id, price, maker) == ("e", 100.0, True)
    assert (await one.venue.order("e")).filled == 1


async def test_trades_of_the_other_side_and_at_other_prices_take_nothing_from_the_queue(tape):
    trades = [(11, 100.0, 9.0, "buy"), (12, 100.01, 9.0, "sell")]
    one = await resting(tape, [(0, TWO), (10, TWO), (20, TWO)], trades)
    await one.rest()
    assert await one.fills() == []


async def test_a_trade_beyond_its_price_fills_an_order_whatever_stands_ahead(tape):
    one = await resting(tape, [(0, TWO), (10, TWO), (20, TWO)], [(15, 99.99, 0.01, "sell")])
    await one.rest()
    assert await one.fills() == [("e", 20, 100.0, True, "")]


async def test_trades_before_the_event_at_which_it_joins_do_not_count(tape):
    one = await resting(tape, [(0, {99.0: 1.0}), (10, {99.0: 1.0}), (20, {99.0: 1.0})], [(5, 100.0, 9.0, "sell")])
    await one.rest()
    assert await one.fills() == []


async def test_who_leaves_stood_behind_unless_less_is_left_than_stood_ahead(tape):
    rows = [(0, {100.0: 5.0}), (10, {100.0: 5.0}), (20, {100.0: 0.5}), (30, {100.0: 9.0}), (40, {100.0: 9.0})]
    one = await resting(tape, rows, [(35, 100.0, 0.6, "sell")])
    await one.rest()
    assert await one.fills() == [("e", 40, 100.0, True, "")]


async def test_a_book_without_trades_fills_what_it_trades_through(tape):
    through = {99.0: 1.0}, {99.99: 1.0}
    one = await resting(tape, [(0, TWO), (10, TWO), (20, *through)])
    await one.rest()
    assert await one.fills() == [("e", 20, 100.0, True, "")]


async def test_an_order_beyond_the_levels_that_are_kept_is_filled_only_by_going_through(tape):
    deep = {100.0 + n: 1.0 for n in range(1, 25)}
    asks = {200.0: 1.0}
    shown = {100.0: 3.0, 101.0: 1.0}
    rows = [(10 * n, one, asks) for n, one in enumerate((deep, deep, deep, shown, shown, shown))]
    trades = [(15, 100.0, 1000.0, "sell"), (35, 100.0, 3.0, "sell"), (45, 100.0, 0.1, "sell")]
    one = await resting(tape, rows, trades)
    await one.rest()
    assert await one.fills() == [("e", 50, 100.0, True, "")]


async def test_the_better_price_is_made_first_and_orders_of_ours_are_not_in_each_others_way(tape):
    low = {99.0: 1.0}
    one = await tape({"book": book((0, low), (10, low), (20, TWO)), "trades": prints((15, 99.5, 0.1, "sell"))})
    await one.to(1)
    for name, price in (("low", "99.5"), ("second", "99.6"), ("third", "99.6")):
        await one.venue.submit(limit(name, price, group=name))
    await one.rest()
    assert [fill[0] for fill in await one.fills()] == ["second", "third", "low"]


async def test_a_limit_that_no_longer_takes_joins_where_it_is_met(tape):
    four, gone = {100.0: 4.0}, {101.0: 1.0}
    rows = [(0, {99.0: 1.0}, {100.0: 1.0}), (10, four, gone), (20, four, gone), (30, four, gone)]
    trades = [(5, 100.0, 9.0, "sell"), (15, 100.0, 4.0, "sell"), (25, 100.0, 0.1, "sell")]
    one = await resting(tape, rows, trades)
    await one.rest()
    assert await one.fills() == [("e", 30, 100.0, True, "")]


@pytest.mark.parametrize(("amount", "price"), [("5", 100.02), ("10", 100.04), ("31", 100.08), ("90", 100.10)])
async def test_a_market_order_pays_the_average_of_what_it_takes(tape, amount, price):
    one = await tape({"book": book((0, TWO), (10, TWO))}, balances={"USDT": D(1_000_000)})
    await one.to(1)
    await one.venue.submit(order(amount=amount, resolution="book"))
    await one.rest()
    assert [fill[2] for fill in await one.fills()] == [price]


async def test_slippage_comes_on_top_of_the_average(tape):
    one = await tape({"book": book((0, TWO), (10, TWO))}, slippage=D("0.01"))
    await one.to(1)
    await one.venue.submit(order(amount="10", resolution="book"))
    await one.rest()
    assert [fill[2] for fill in await one.fills()] == [101.04]


async def test_a_limit_takes_no_level_beyond_its_price(tape):
    one = await tape({"book": book((0, TWO), (10, TWO))})
    await one.to(1)
    await one.venue.submit(limit(price="100.06", amount="20"))
    await one.rest()
    assert await one.fills() == [("e", 10, 100.05, False, "")]  # 5 at .02, 5 at .05, 10 at .06, against it


async def held(tape, guard, later):
    """Return the fills of 10 units bought at 100.04 under a guard, and what later books do to them."""
    one = await tape({"book": book((0, TWO), (10, TWO), *later)})
    await one.to(1)
    await one.venue.submit(order(amount="10", resolution="book", guard=guard, guard_id="x"))
    await one.rest()
    return [(name, price, reason) for name, _, price, _, reason in (await one.fills())[1:]]


async def test_a_stop_sells_into_what_is_bid(tape):
    later = [(20, {98.0: 4.0, 97.0: 6.0}, {99.0: 1.0})]
    assert await held(tape, Guard(stop_loss=D("0.01")), later) == [("x", 97.4, "stop_loss")]


async def test_a_profit_is_taken_no_lower_than_its_target(tape):
    later = [(20, {102.0: 5.0, 90.0: 100.0}, {103.0: 1.0})]
    told = await held(tape, Guard(take_profit=D("0.01")), later)
    assert told == [("x", 101.52, "take_profit")]  # 5 at 102, 5 at 101.04


async def test_a_liquidation_takes_what_is_there(tape):
    fields = {"market": "swap", "leverage": 10, "balances": {"USDT": D(1_000)}}
    one = await tape({"book": book((0, TWO), (10, TWO), (20, {85.0: 2.0, 80.0: 9.0}, {99.0: 1.0}))}, **fields)
    await one.to(1)
    await one.venue.submit(order(amount="4", resolution="book"))
    await one.rest()
    assert [(fill[2], fill[4]) for fill in (await one.fills())[1:]] == [(82.5, "liquidation")]


async def test_the_last_event_of_a_feed_is_the_one_that_was_told_last(tape):
    one = await tape({"book": book((0, TWO), (5, {99.0: 1.0}), (5, {98.0: 1.0}), (9, TWO))})
    (series,) = one.keys
    found = [await one.venue.last(series)]
    for _ in range(4):
        await one.to(1)
        event = await one.venue.last(series)
        found.append((event.ts_ms - START_MS, event.row, event.bids[0][0]) if event else None)
    await one.rest()
    event = await one.venue.last(series)
    assert found == [None, None, (0, 1, 100.0), (5, 1, 99.0), (5, 2, 98.0)]
    assert (event.ts_ms - START_MS, event.row, event.bids, len(event.asks)) == (9, 1, ((100.0, 2.0),), 3)


async def test_before_a_replay_begins_the_last_event_is_the_one_before_it(tape):
    one = await tape({"book": book((0, TWO), (5, {99.0: 1.0}), (5, {98.0: 1.0}), (9, TWO))}, start_ms=START_MS + 6)
    (series,) = one.keys
    event = await one.venue.last(series)
    assert (event.ts_ms - START_MS, event.row, event.bids) == (5, 2, ((98.0, 1.0),))


sizes = st.integers(1, 9).map(lambda n: n / 2)
prices = st.sampled_from([99.98, 99.99, 100.0])
bids = st.dictionaries(prices, sizes, min_size=1)
moments = st.integers(0, 60)


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(moments, bids), min_size=2, max_size=12),
    trades=st.lists(st.tuples(moments, prices, sizes), max_size=20),
    data=st.data(),
)
def test_a_restart_keeps_every_place_in_the_queue(tmp_path_factory, rows, trades, data):
    rows = sorted(rows, key=lambda one: one[0])
    feeds = {"BTC/USDT": {"book": book(*rows), "trades": prints(*sorted((*one, "sell") for one in trades))}}
    if not trades:
        del feeds["BTC/USDT"]["trades"]
    root = tmp_path_factory.mktemp("book")
    stops = data.draw(st.sets(st.integers(1, len(rows) - 1), max_size=3))

    async def live(name, stops):
        one = await Tape(root, feeds, name=name).open()
        await one.to(1)
        for place, price in enumerate(("99.98", "99.99", "100", "100")):
            await one.venue.submit(limit(str(place), price, group=str(place)))
        seen = 0
        while not isinstance(event := await one.next(), Idle):
            seen += hasattr(event, "bids")
            if seen in stops:
                stops = stops - {seen}
                seen -= 1  # it is told again
                await one.venue.close()
                one = await Tape(root, feeds, name=name).open()
        fills = await one.fills()
        await one.venue.close()
        return fills

    assert asyncio.run(live("whole", set())) == asyncio.run(live("cut", stops))
