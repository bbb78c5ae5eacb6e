"""A paper account that live quotes did not reach for a while: what it missed, and what comes twice."""

from __future__ import annotations

import sqlite3

import pytest
import structlog

from autotrader.core.errors import VenueError, VenueUnavailable
from autotrader.core.events import Bar, FillsComplete, QuoteChanged
from autotrader.execution.orders import Guard
from autotrader.venues.paper.away import MAX_AWAY_MS
from autotrader.venues.protocol import FillHappened
from support.live_paper import BEGIN, BTC, ETH, MINUTE, QUOTES, UNAVAILABLE, D, Live
from support.tapes import order

FIRST = MINUTE - BEGIN % MINUTE
"""When the first whole minute begins, in ms after the begin."""


def minutes(*rows, first_ms=FIRST):
    """Return consecutive minutes of (open, high, low, close), the first of which opens so many ms after the begin."""
    return [Bar(BEGIN + first_ms + MINUTE * n, *map(float, row), 1.0) for n, row in enumerate(rows)]


async def lived(tmp_path, *, guard=None, then=()):
    """Return the clock of an account that bought one at 101 after 10 ms, placed more orders, and was closed."""
    one = await Live(tmp_path, balances={"USDT": D(1_000)}).open(QUOTES)
    await one.quote(99, 101)
    await one.venue.submit(order(guard=guard, guard_id="x" if guard else ""))
    await one.quote(99, 101, ms=10)
    for more in then:
        await one.venue.submit(more)
    await one.close()
    return one.clock


async def back(tmp_path, clock, past, *, seconds=600, symbol=BTC, listen=True):
    """Return the same account a while later, its market having brought some minutes."""
    await clock.advance(seconds)
    one = Live(tmp_path, clock=clock, balances={"USDT": D(1_000)})
    one.data.past = {symbol: past}
    await one.venue.open()
    await one.venue.subscribe([QUOTES])
    if listen:
        one.listen()
        await clock.settle()
    return one


async def test_a_stop_that_was_reached_while_nobody_watched_is_filled_in_its_minute(tmp_path):
    clock = await lived(tmp_path, guard=Guard(stop_loss=D("0.1")))
    one = await back(tmp_path, clock, minutes((101, 102, 100, 101), (101, 101, 90, 95), (95, 99, 95, 99)))
    assert (await one.fills())[1:] == [("x", FIRST + 2 * MINUTE, 90.9, False, "stop_loss")]
    assert [type(event) for event in one.listener.events] == [FillsComplete, FillHappened, FillsComplete]
    await one.close()


async def test_a_limit_that_was_traded_through_while_nobody_watched_is_made(tmp_path):
    clock = await lived(tmp_path, then=[order("b", price="95")])
    one = await back(tmp_path, clock, minutes((101, 101, 95, 100), (100, 100, 94.99, 96)))
    assert (await one.fills())[1:] == [("b", FIRST + 2 * MINUTE, 95.0, True, "")]
    await one.close()


async def test_a_market_order_under_way_fills_at_the_first_whole_minute_after_it(tmp_path):
    clock = await lived(tmp_path, then=[order("b")])
    one = await back(tmp_path, clock, minutes((102, 103, 101, 102), (104, 104, 104, 104)))
    assert (await one.fills())[1:] == [("b", FIRST, 102.0, False, "")]
    await one.close()


async def test_a_minute_that_began_before_the_order_decides_nothing(tmp_path):
    stop = Guard(stop_loss=D("0.1"))
    clock = await lived(tmp_path, guard=stop, then=[order("b", price="95"), order("c")])
    partly = minutes((101, 200, 50, 101), (101, 102, 100, 101), first_ms=FIRST - MINUTE)
    one = await back(tmp_path, clock, partly[:1])
    assert [row[0] for row in await one.fills()] == ["e"]
    await one.close()
    one = await back(tmp_path, clock, partly)
    assert (await one.fills())[1:] == [("c", FIRST, 101.0, False, "")]
    await one.close()


async def test_where_no_minute_closed_the_quotes_go_on(tmp_path):
    clock = await lived(tmp_path, guard=Guard(stop_loss=D("0.1")), then=[order("b")])
    one = await back(tmp_path, clock, [], seconds=5)
    await one.quote(80, 82, ms=6_000)
    assert (await one.fills())[1:] == [("b", 6_000, 82.0, False, ""), ("x", 6_000, 80.0, False, "stop_loss")]
    await one.close()


async def test_what_was_missed_is_met_once(tmp_path):
    clock = await lived(tmp_path, guard=Guard(trailing_stop=D("0.1")), then=[order("b", price="95")])
    past = minutes((101, 102, 100, 101), (101, 110, 101, 110), (110, 110, 98, 98), (98, 98, 94, 94))
    for _ in range(3):
        one = await back(tmp_path, clock, past)
        assert [row[:3] for row in await one.fills()][1:] == [
            ("x", FIRST + 3 * MINUTE, 99.0),
            ("b", FIRST + 4 * MINUTE, 95.0),
        ]
        await one.close()


async def test_orders_of_several_symbols_meet_their_minutes_in_the_order_of_time(tmp_path):
    one = await Live(tmp_path).open(QUOTES, QUOTES._replace(symbol=ETH))
    await one.quote(99, 101)
    await one.quote(9, 11, symbol=ETH)
    await one.venue.submit(order("b", price="95"))
    await one.venue.submit(order("h", price="8", symbol=ETH))
    await one.close()
    later = Live(tmp_path, clock=one.clock)
    await one.clock.advance(600)
    later.data.past = {
        BTC: minutes((101, 101, 99, 99), (99, 99, 99, 99), (99, 99, 90, 99)),
        ETH: minutes((10, 10, 8, 8), (8, 8, 7, 8)),
    }
    await later.open()
    assert [row[:2] for row in await later.fills()] == [("h", FIRST + 2 * MINUTE), ("b", FIRST + 3 * MINUTE)]
    await later.close()


async def test_what_lies_too_far_back_is_told_to_be_missed(tmp_path):
    clock = await lived(tmp_path, then=[order("b", price="95")])
    old = minutes((101, 101, 90, 101))
    with structlog.testing.capture_logs() as logs:
        one = await back(tmp_path, clock, old, seconds=MAX_AWAY_MS / 1000 + 3_600)
    assert [row[0] for row in await one.fills()] == ["e"]
    assert [entry["exchange"] for entry in logs if "looked_back_to" in entry] == ["live"]
    await one.close()


async def test_without_the_missed_minutes_the_account_does_not_open(tmp_path):
    clock = await lived(tmp_path, then=[order("b")])
    await clock.advance(600)
    one = Live(tmp_path, clock=clock)
    one.data.down = UNAVAILABLE
    with pytest.raises(VenueUnavailable):
        await one.venue.open()
    assert (one.listed.opened, one.data.opened) == (0, False)
    one.data.down, one.data.past = None, {BTC: minutes((102, 103, 101, 102))}
    await one.open(QUOTES)
    assert (await one.fills())[1:] == [("b", FIRST, 102.0, False, "")]
    await one.close()


async def test_a_symbol_that_is_not_listed_any_more_keeps_its_position_and_takes_no_orders(tmp_path):
    clock = await lived(tmp_path, then=[order("b", price="95")])
    one = Live(tmp_path, clock=clock)
    one.listed.gone = {BTC}
    await one.venue.open()
    assert [each.client_id for each in await one.venue.open_orders()] == ["b"]
    assert (await one.venue.cancel("b")).status == "canceled"
    assert (await one.venue.balances())["BTC"].total == 1
    assert one.data.streamed == set()
    with pytest.raises(VenueError, match="does not list"):
        await one.venue.submit(order("c"))
    await one.close()


async def test_a_quote_that_is_told_again_after_a_restart_meets_nothing(tmp_path):
    clock = await lived(tmp_path, then=[order("b")])
    one = await back(tmp_path, clock, [], seconds=0.5)
    await one.quote(99, 101, ms=10)
    assert [row[0] for row in await one.fills()] == ["e"]
    await one.quote(99, 103, ms=511)
    await one.quote(99, 103, ms=511)
    assert (await one.fills())[1:] == [("b", 511, 103.0, False, "")]
    await one.close()


async def test_a_quote_whose_write_failed_is_met_again_and_told_once(tmp_path):
    one = await Live(tmp_path).open(QUOTES, listen=False)
    reader = one.venue.events()
    await one.quote(99, 101)
    await anext(reader)
    await one.venue.submit(order())
    one.data.say(QuoteChanged(BEGIN + 5, "live", BTC, 99.0, 1.0, 102.0, 1.0, 1))
    other = sqlite3.connect(tmp_path / "paper-live.db", isolation_level=None)
    one.venue._store._db.execute("PRAGMA busy_timeout = 0")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(VenueUnavailable, match="nothing has changed in it"):
        await anext(reader)
    assert await one.fills() == []
    other.execute("ROLLBACK")
    other.close()
    reader = one.venue.events()
    told = [await anext(reader) for _ in range(3)]
    assert [type(event) for event in told] == [FillHappened, FillsComplete, QuoteChanged]
    assert await one.fills() == [("e", 5, 102.0, False, "")]
    await reader.aclose()
    await one.close()


async def test_an_account_of_another_market_is_not_taken(tmp_path):
    await lived(tmp_path)
    with pytest.raises(VenueError, match="holds an account of source ccxt binance spot, not ccxt kraken spot"):
        await Live(tmp_path, exchange="kraken").open()
    with pytest.raises(VenueError, match="holds an account of market spot, not swap"):
        await Live(tmp_path, market="swap").open()


async def test_an_account_that_began_with_another_price_step_goes_on_counting_in_it(tmp_path):
    clock = await lived(tmp_path)
    one = await Live(tmp_path, clock=clock, limits={"tick": D("0.001")}).open(QUOTES)
    assert (await one.venue.instrument(BTC)).tick == D("0.01")
    assert (await one.venue.fills(0))[0].price == 101
    await one.close()


async def watched(tmp_path, past):
    """Return an account that owns one at 101 with a stop at 90.9 and wants more at 95, before an outage."""
    one = await Live(tmp_path, balances={"USDT": D(1_000)}).open(QUOTES)
    one.data.past = {BTC: past}
    await one.quote(99, 101)
    await one.venue.submit(order(guard=Guard(stop_loss=D("0.1")), guard_id="x"))
    await one.quote(99, 101, ms=10)
    await one.venue.submit(order("b", price="95", group="h"))
    return one


async def test_minutes_in_which_no_quotes_came_meet_orders_before_the_quote_that_follows(tmp_path):
    one = await watched(tmp_path, minutes((101, 101, 94, 95), (95, 96, 90, 95), (95, 99, 95, 99)))
    await one.quote(99, 101, ms=FIRST + 3 * MINUTE + 5)
    assert (await one.fills())[1:] == [
        ("b", FIRST + MINUTE, 95.0, True, ""),
        ("x", FIRST + 2 * MINUTE, 90.9, False, "stop_loss"),
    ]
    kinds = [type(event) for event in one.listener.events[-5:]]
    assert kinds == [FillHappened, FillsComplete, FillHappened, FillsComplete, QuoteChanged]
    await one.quote(99, 101, ms=FIRST + 9 * MINUTE)
    assert len(await one.fills()) == 3
    await one.close()


async def test_quotes_less_than_two_minutes_apart_need_no_minutes(tmp_path):
    one = await watched(tmp_path, minutes((101, 101, 1, 95)))
    one.data.down = UNAVAILABLE
    await one.quote(99, 101, ms=10 + 2 * MINUTE - 1)
    assert ([row[0] for row in await one.fills()], one.listener.errors) == (["e"], [])
    await one.close()


async def test_the_quote_after_an_outage_waits_for_the_missed_minutes(tmp_path):
    one = await Live(tmp_path).open(QUOTES, listen=False)
    reader = one.venue.events()
    await one.quote(99, 101)
    await anext(reader)
    await one.venue.submit(order(price="95"))
    one.data.past = {BTC: minutes((101, 101, 94, 95))}
    one.data.down = UNAVAILABLE
    await one.quote(99, 101, ms=FIRST + 3 * MINUTE)
    for asked in (reader, one.venue.events()):
        with pytest.raises(VenueUnavailable):
            await anext(asked)
    one.data.down = None
    reader = one.venue.events()
    assert [type(await anext(reader)) for _ in range(3)] == [FillHappened, FillsComplete, QuoteChanged]
    assert await one.fills() == [("e", FIRST + MINUTE, 95.0, True, "")]
    await reader.aclose()
    await one.close()
