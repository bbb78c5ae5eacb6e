"""Trades and quotes on the paper venue: who is filled by which event, at what price, and what a restart tells again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.clock import ManualClock
from autotrader.core.errors import HistoryError, OrderRejected, WouldTake
from autotrader.core.events import BarClosed, BarsComplete, FillsComplete, QuoteChanged, Series, TradePrinted
from autotrader.execution.orders import Guard
from autotrader.market.generate import Generated
from autotrader.venues.paper.state import PaperSettings
from autotrader.venues.paper.venue import PaperVenue
from autotrader.venues.protocol import FillHappened, Idle
from support.feeds import START_MS
from support.tapes import D, Tape, order

FEE = {"maker_fee": D("0.001"), "taker_fee": D("0.002")}


def trades(*rows):
    """Return trades of (ms from the start, price)."""
    return {"trades": [(START_MS + ms, price, 1.0) for ms, price in rows]}


def quotes(*rows):
    """Return quotes of (ms from the start, bid, ask)."""
    return {"quotes": [(START_MS + ms, bid, 1.0, ask, 1.0) for ms, bid, ask in rows]}


async def test_events_come_by_time_symbol_feed_and_row(tape):
    rows = ((0, 100.01), (0, 100.02), (5, 100.03))
    one = await tape(
        {"ETH/USDT": trades(*rows), "BTC/USDT": {**trades(*rows), **quotes((0, 99.99, 100.01), (5, 99.98, 100.02))}}
    )
    told = [event for event in await one.rest() if not isinstance(event, BarsComplete)]
    assert [(e.ts_ms - START_MS, e.symbol[:3], type(e) is QuoteChanged, e.row) for e in told] == [
        (0, "BTC", True, 1),
        (0, "BTC", False, 1),
        (0, "BTC", False, 2),
        (0, "ETH", False, 1),
        (0, "ETH", False, 2),
        (5, "BTC", True, 1),
        (5, "BTC", False, 1),
        (5, "ETH", False, 1),
    ]


async def test_bars_of_a_moment_close_before_its_events(tape):
    bars = {"1m": [(START_MS, 100.01, 100.02, 100.0, 100.01), (START_MS + 60_000, 100.01, 100.01, 100.01, 100.01)]}
    one = await tape({**bars, **trades((0, 100.01), (59_999, 100.02), (60_000, 100.03))})
    assert [type(event) for event in await one.rest()] == [
        TradePrinted,
        TradePrinted,
        BarClosed,
        BarsComplete,
        TradePrinted,
        BarClosed,
        BarsComplete,
    ]


async def test_a_market_order_fills_at_the_next_trade_even_of_its_millisecond(tape):
    one = await tape(trades((0, 100.01), (0, 100.02), (3, 100.03)), slippage=D("0.001"))
    await one.to(1)
    await one.venue.submit(order())
    told = [await one.next() for _ in range(3)]
    assert [type(event) for event in told] == [FillHappened, FillsComplete, TradePrinted]
    assert await one.fills() == [("e", 0, 100.12, False, "")]


async def test_on_quotes_a_buyer_pays_the_ask_and_a_seller_gets_the_bid(tape):
    one = await tape(quotes((0, 99.99, 100.01), (1, 99.98, 100.02), (2, 99.97, 100.03)))
    await one.to(1)
    await one.venue.submit(order(resolution="quotes"))
    await one.to(1)
    await one.venue.submit(order("x", -1, resolution="quotes", reduce_only=True))
    await one.rest()
    assert await one.fills() == [("e", 1, 100.02, False, ""), ("x", 2, 99.97, False, "")]


@pytest.mark.parametrize(("latency_ms", "filled_ms"), [(0, 1), (1, 1), (2, 2), (3, 7)])
async def test_an_order_meets_no_event_before_its_latency_is_over(tape, latency_ms, filled_ms):
    one = await tape(trades(*((ms, 100.01) for ms in (0, 1, 2, 7))), latency_ms=latency_ms)
    await one.to(1)
    await one.venue.submit(order())
    await one.rest()
    assert (await one.fills())[0][1] == filled_ms


@pytest.mark.parametrize(
    ("side", "prices", "filled"),
    [
        (1, (100.0, 99.5, 99.49), (2, 99.5, True)),
        (1, (100.0, 99.5, 99.51), None),
        (1, (100.0, 98.0), (1, 99.5, True)),
        (1, (99.0, 99.2, 99.6), (1, 99.2, False)),
        (1, (99.5, 99.5), (1, 99.5, False)),
        (1, (99.0, 99.6, 99.4), (2, 99.5, True)),
        (1, (99.0, 99.6, 99.5), None),
        (-1, (99.0, 99.5, 99.51), (2, 99.5, True)),
        (-1, (99.0, 99.5, 99.49), None),
        (-1, (100.0, 99.8), (1, 99.8, False)),
        (-1, (100.0, 99.4, 99.6), (2, 99.5, True)),
    ],
)
async def test_a_limit_takes_if_it_crossed_and_is_made_when_traded_through(tape, side, prices, filled):
    one = await tape(trades(*((ms, price) for ms, price in enumerate(prices))), market="swap")
    await one.to(1)
    await one.venue.submit(order(side=side, price="99.5"))
    await one.rest()
    assert await one.fills() == ([("e", *filled, "")] if filled else [])


async def test_a_resting_limit_is_made_only_when_its_own_side_trades_through(tape):
    one = await tape(quotes((0, 99.8, 100.0), (1, 99.0, 99.5), (2, 99.0, 99.49)))
    await one.to(1)
    await one.venue.submit(order(price="99.5", resolution="quotes"))
    await one.rest()
    assert await one.fills() == [("e", 2, 99.5, True, "")]


@pytest.mark.parametrize(("price", "taken"), [("99.99", True), ("100", False), ("100.5", False)])
async def test_a_post_only_order_that_would_take_is_refused(tape, price, taken):
    one = await tape(quotes((0, 99.9, 100.0), (1, 99.9, 100.0)))
    await one.to(1)
    if taken:
        await one.venue.submit(order(price=price, post_only=True, resolution="quotes"))
    else:
        with pytest.raises(OrderRejected, match="it would take"):
            await one.venue.submit(order(price=price, post_only=True, resolution="quotes"))


async def test_at_a_last_trade_a_post_only_order_rests_and_beyond_it_is_refused(tape):
    one = await tape(trades((0, 100.0), (1, 100.0), (2, 99.99)))
    await one.to(1)
    with pytest.raises(WouldTake, match="it would take"):
        await one.venue.submit(order("b", price="100.01", post_only=True))
    await one.venue.submit(order(price="100", post_only=True))
    await one.rest()
    assert await one.fills() == [("e", 2, 100.0, True, "")]


@pytest.mark.parametrize("force", ["ioc", "fok"])
@pytest.mark.parametrize(
    ("prices", "filled"),
    [((100.0, 100.0), (1, 100.0, False)), ((100.0, 99.5), (1, 99.5, False)), ((100.0, 100.5, 99.0), None)],
)
async def test_an_order_that_does_not_rest_meets_one_event(tape, force, prices, filled):
    one = await tape(trades(*enumerate(prices)))
    await one.to(1)
    await one.venue.submit(order(price="100", time_in_force=force))
    await one.rest()
    assert await one.fills() == ([("e", *filled, "")] if filled else [])
    assert (await one.venue.order("e")).status == ("filled" if filled else "expired")


async def test_better_prices_are_made_first_and_then_older_orders(tape):
    one = await tape(trades((0, 100.0), (1, 90.0)))
    await one.to(1)
    for name, price in (("a", "97"), ("b", "99"), ("c", "98"), ("d", "99")):
        await one.venue.submit(order(name, price=price))
    await one.rest()
    assert [row[0] for row in await one.fills()] == ["b", "d", "c", "a"]


async def test_a_stop_guards_from_the_next_event_on_at_its_price_with_slippage(tape):
    one = await tape(trades((0, 100.0), (0, 100.0), (0, 98.0), (4, 97.0)), slippage=D("0.001"))
    await one.to(1)
    await one.venue.submit(order(guard=Guard(stop_loss=D("0.01")), guard_id="x"))
    await one.rest()
    assert await one.fills() == [("e", 0, 100.1, False, ""), ("x", 0, 97.9, False, "stop_loss")]


async def test_a_trailing_stop_follows_the_bid_that_ends_a_long(tape):
    one = await tape(quotes((0, 100, 100.01), (1, 100, 100.01), (2, 110, 120), (3, 104, 104.01), (4, 98, 98.01)))
    await one.to(1)
    await one.venue.submit(order(resolution="quotes", guard=Guard(trailing_stop=D("0.1")), guard_id="x"))
    await one.rest()
    assert (await one.fills())[1] == ("x", 4, 98.0, False, "trailing_stop")


async def test_an_entry_that_is_traded_far_through_stops_at_once(tape):
    one = await tape(trades((0, 100.0), (1, 95.0)))
    await one.to(1)
    await one.venue.submit(order(price="99", guard=Guard(stop_loss=D("0.02")), guard_id="x"))
    await one.rest()
    assert [row[:2] for row in await one.fills()] == [("e", 1), ("x", 1)]


async def test_a_leveraged_short_is_liquidated_by_an_event(tape):
    one = await tape(trades((0, 100.0), (1, 100.0), (2, 151.0)), market="swap", leverage=2)
    await one.to(1)
    await one.venue.submit(order(side=-1))
    await one.rest()
    assert (await one.fills())[1][1:] == (2, 151.0, False, "liquidation")


async def test_a_group_may_turn_its_own_position_around_on_a_swap(tape):
    one = await tape(trades((0, 100.0), (1, 100.0), (2, 100.0), (3, 100.0)), market="swap")
    await one.to(1)
    await one.venue.submit(order())
    await one.to(1)
    await one.venue.submit(order("turn", -1, amount="3"))
    with pytest.raises(OrderRejected, match="hedge"):
        await one.venue.submit(order("other", -1, group="another"))
    await one.rest()
    assert (await one.venue.positions())["BTC/USDT"].amount == -2


async def test_fills_of_bars_are_complete_before_the_bar_is_told(tape):
    bars = {"1m": [(START_MS + 60_000 * n, 100.01, 100.01, 100 - n / 8, 100.01) for n in range(4)]}
    one = await tape(bars)
    while not isinstance(await one.next(), BarsComplete):
        pass
    await one.venue.submit(order("m", resolution="1m"))
    await one.venue.submit(order("l", price="99.9", resolution="1m"))
    kinds = [type(event) for event in await one.rest()]
    opened = [FillHappened, FillsComplete]
    assert kinds == [*opened, *opened, BarClosed, BarsComplete, BarClosed, BarsComplete, BarClosed, BarsComplete]


async def test_past_events_are_those_that_were_dealt_with(tape):
    one = await tape(trades((0, 100.0), (0, 100.1), (0, 100.2), (3, 100.3)))
    await one.to(2)

    async def past(limit=9):
        return [bar.close for bar in await one.venue.bars(one.keys[0], end_ms=2**60, limit=limit)]

    assert await past() == [100.0]
    await one.to(1)
    assert await past() == [100.0, 100.1]
    assert await past(1) == [100.1]
    await one.to(1)
    assert await past() == [100.0, 100.1, 100.2]


async def test_a_generated_market_has_no_trades(tmp_path):
    source = Generated(7, ["BTC/USDT"])
    settings = PaperSettings(name="paper", market="spot", source=source, balances={"USDT": D(1)}, speed=1.0)
    venue = PaperVenue(settings, tmp_path / "a.db", ManualClock())
    await venue.open()
    with pytest.raises(HistoryError, match="no trades; replay a recorded one"):
        await venue.subscribe([Series("paper", "BTC/USDT", "trades")])
    await venue.close()


EVENTS = st.lists(st.tuples(st.sampled_from((0, 0, 1, 5)), st.integers(9_900, 10_100)), min_size=3, max_size=25)


@given(EVENTS, EVENTS, st.data())
@settings(max_examples=15, deadline=None)
def test_a_restart_tells_the_event_again_that_was_not_asked_past_and_goes_on(tmp_path_factory, btc, eth, data):
    root = tmp_path_factory.mktemp("tape")

    def rows(steps):
        ms = 0
        for gap, cents in steps:
            ms += gap
            yield ms, cents / 100

    feeds = {"BTC/USDT": trades(*rows(btc)), "ETH/USDT": trades(*rows(eth))}
    stops = data.draw(st.sets(st.integers(1, len(btc) + len(eth) - 1), max_size=4))

    def orders_at(count):
        if count % 3 == 1:
            return order(f"o{count}", 1 if count % 2 else -1, price=str(D(10_000 + 7 * (count % 5)) / 100))
        return order(f"o{count}", 1) if count % 5 == 0 else None

    async def live(name, cuts):
        one = await Tape(root, feeds, name=name, market="swap", **FEE).open()
        told = []
        while not isinstance(event := await one.next(), Idle):
            if not isinstance(event, TradePrinted):
                continue
            told.append(event)
            if len(told) in cuts:
                await one.venue.close()
                one = await Tape(root, feeds, name=name, market="swap", **FEE).open()
                again = await one.next()
                while not isinstance(again, TradePrinted):
                    again = await one.next()
                assert again == event
            if (wanted := orders_at(len(told))) is not None:
                with contextlib.suppress(OrderRejected):
                    await one.venue.submit(wanted)
        fills = await one.fills()
        await one.venue.close()
        return told, fills

    assert asyncio.run(live("whole", set())) == asyncio.run(live("cut", stops))


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_a_file_of_an_older_version_is_read_on(tape, tmp_path, version):
    feeds = trades((0, 100.0), (0, 100.1), (2, 100.2))
    first = await tape(feeds)
    await first.to(1)
    await first.venue.submit(order(price="99"))
    await first.venue.close()
    later = {"orders": ("crossing", "ahead", "terms")[version - 1 :]}
    if version == 1:
        later["clock"] = ("symbol", "feed", "row")
    with sqlite3.connect(tmp_path / "a.db") as db:
        for table, names in later.items():
            for column in names:
                db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("DROP TABLE settled")
        db.execute("DROP INDEX fills_of")
        db.execute(f"PRAGMA user_version = {version}")
    second = await tape(feeds)
    assert [one.client_id for one in await second.venue.open_orders()] == ["e"]
    assert (await second.to(1)).row == 1
