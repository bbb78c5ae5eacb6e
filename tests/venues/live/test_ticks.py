"""Live trades, quotes and books: each trade once and without holes, quotes and books as they change, in order."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.errors import VenueUnavailable
from autotrader.core.events import Bar, BookChanged, QuoteChanged, Series, TradePrinted
from autotrader.core.units import BOOK_DEPTH
from autotrader.venues.live.feed import Connection, ExchangeClock, LiveSettings
from autotrader.venues.live.market import LiveMarket
from support.clock import VirtualClock
from support.fake_feed import FakeFeed, Listener

BEGIN = 1_700_000_040_000
A = "AAA/USDT"
TRADES, QUOTES, BOOK = (Series("live", A, kind) for kind in ("trades", "quotes", "book"))


async def live(**settings):
    clock = VirtualClock(BEGIN)
    feed = FakeFeed(clock)
    lent = Connection(feed, {A: Decimal("0.01")})
    market = LiveMarket(lambda: lent, LiveSettings("live", **settings), ExchangeClock(clock), lambda: 0.5)
    await market.open()
    return clock, feed, market


def trade(number, ts_ms=BEGIN, **fields):
    price = fields.pop("price", None) or 100.0 + number
    made = {"id": str(number), "timestamp": ts_ms, "symbol": A, "price": price, "amount": 1.0, "side": "buy"}
    return made | fields


def book(bid=99.0, ask=101.0, levels=2, **fields):
    made = {
        "symbol": A,
        "timestamp": BEGIN,
        "bids": [[bid - level, 1.0] for level in range(levels)],
        "asks": [[ask + level, 2.0] for level in range(levels)],
    }
    return made | fields


def quotes(bid=99.0, ask=101.0, ts_ms=BEGIN, **fields):
    return {A: {"symbol": A, "timestamp": ts_ms, "bid": bid, "ask": ask, "bidVolume": 1.0, "askVolume": 2.0} | fields}


async def start(series, **settings):
    clock, feed, market = await live(**settings)
    listener = Listener(market)
    await market.subscribe({series})
    await clock.settle()

    async def say(message):
        feed.channel(A, series.timeframe).say(message)
        await clock.settle()

    return clock, feed, market, listener, say


async def test_trades_of_one_millisecond_count_their_rows_and_none_is_told_twice():
    _, _, market, listener, say = await start(TRADES)
    await say([trade(1), trade(2, side="sell")])
    await say([trade(2), trade(3), trade(4, BEGIN + 1, side=None)])
    told = [(one.ts_ms - BEGIN, one.row, one.price, one.side) for one in listener.of(TradePrinted)]
    assert told == [(0, 1, 101.0, 1), (0, 2, 102.0, -1), (0, 3, 103.0, 1), (1, 1, 104.0, 0)]
    assert market.status()[0].dropped == 1
    await listener.close()


async def test_when_a_stream_last_spoke_is_known_though_it_told_nothing_new():
    clock, feed, market, listener, say = await start(QUOTES)
    assert market.heard_ms(QUOTES) == market.heard_ms(TRADES) == 0
    await say(quotes())
    assert market.heard_ms(QUOTES) == BEGIN
    feed.books[A] = book()
    await clock.advance(40)
    assert market.heard_ms(QUOTES) > BEGIN + 30_000
    assert len(listener.of(QuoteChanged)) == 1
    await listener.close()


async def test_a_hole_in_ids_that_count_is_filled_before_anything_newer_is_told():
    clock, feed, _, listener, say = await start(TRADES, ids_count=True, from_id="fromId")
    feed.prints[A] = [trade(number) for number in range(1, 2_600)]
    await say([trade(1)])
    feed.out = True
    await say([trade(2_500)])
    await clock.advance(0.2)
    assert len(listener.events) == 1
    feed.out = False
    await clock.advance(2)
    assert [one.price for one in listener.of(TradePrinted)][:2_500] == [100.0 + number for number in range(1, 2_501)]
    await listener.close()


async def test_trades_that_cannot_be_had_again_are_counted_as_a_gap_and_hold_nothing_up_for_long():
    clock, _, market, listener, say = await start(TRADES, ids_count=True)
    await say([trade(1)])
    await say([trade(9)])
    await clock.advance(5)
    assert [one.price for one in listener.of(TradePrinted)] == [101.0, 109.0]
    assert market.status()[0].gaps == 1
    await listener.close()


async def test_an_interrupted_stream_whose_ids_do_not_count_asks_for_all_since_its_last_trade():
    clock, feed, _, listener, say = await start(TRADES)
    feed.prints[A] = [trade("a", price=1.0), trade("c", BEGIN + 10, price=2.0), trade("b", BEGIN + 20, price=3.0)]
    await say(feed.prints[A][:1])
    feed.channel(A, "trades").drop()
    await clock.advance(1)
    await say(feed.prints[A][2:])
    await clock.advance(1)
    assert [one.price for one in listener.of(TradePrinted)] == [1.0, 2.0, 3.0]
    await listener.close()


async def test_trades_of_one_millisecond_that_were_missed_come_before_the_one_that_was_not():
    clock, feed, _, listener, say = await start(TRADES)
    feed.prints[A] = [trade(0), trade(1, BEGIN + 9), trade(2, BEGIN + 9), trade(3, BEGIN + 9)]
    await say(feed.prints[A][:1])
    feed.channel(A, "trades").drop()
    await clock.advance(1)
    await say(feed.prints[A][3:])
    await clock.advance(1)
    assert [(one.price, one.row) for one in listener.of(TradePrinted)] == [
        (100.0, 1),
        (101.0, 1),
        (102.0, 2),
        (103.0, 3),
    ]
    await listener.close()


async def test_a_silent_stream_is_polled_until_it_speaks_again_and_says_so():
    clock, feed, market, listener, say = await start(BOOK, stale_ms={"book": 10_000}, poll_ms=2_000)
    feed.books[A] = book(timestamp=None)
    await clock.advance(15.5)
    assert (market.status()[0].source, feed.asked["book"], len(listener.events)) == ("rest", 3, 1)
    await say(book(98.0, timestamp=BEGIN + 15_500))
    assert market.status()[0].source == "ws"
    await clock.advance(9)
    assert (feed.asked["book"], len(listener.events)) == (3, 2)
    await listener.close()


async def test_quotes_and_books_are_told_when_they_change_and_cut_to_the_depth_kept():
    _, _, market, listener, say = await start(BOOK)
    await say(book(levels=30))
    await say(book(levels=30))
    await say(book(99.5, levels=30, timestamp=BEGIN - 1))  # late
    (told,) = listener.of(BookChanged)
    assert (len(told.bids), len(told.asks), told.bids[0], told.row) == (BOOK_DEPTH, BOOK_DEPTH, (99.0, 1.0), 1)
    assert market.status()[0].dropped == 1
    await market.subscribe({QUOTES})
    await listener.close()


async def test_a_quote_without_a_time_has_the_exchange_clock_s():
    clock, _, market, listener, say = await start(QUOTES)
    await clock.advance(0.25)
    await say(quotes(ts_ms=None))
    await say(quotes(ts_ms=None))
    await say({"other": {}})
    assert listener.events == [QuoteChanged(BEGIN + 250, "live", A, 99.0, 1.0, 101.0, 2.0, 1)]
    await say(quotes(98.0, ts_ms=None))
    assert await market.last(QUOTES) == listener.events[-1]
    assert await market.bars(QUOTES, end_ms=BEGIN + 250, limit=5) == [
        Bar(BEGIN + 250, 100.0, 101.0, 99.0, 100.0, 0.0),
        Bar(BEGIN + 250, 99.5, 101.0, 98.0, 99.5, 0.0),
    ]
    await listener.close()


@pytest.mark.parametrize(
    ("series", "message", "why"),
    [
        (BOOK, book(101.0), "at or above"),
        (BOOK, book(asks=[]), "without asks"),
        (BOOK, book(bids=[[1.0, 1.0], [2.0, 1.0]]), "not in order"),
        (BOOK, book(bids=[[1.0]]), "without price and amount"),
        (BOOK, book(symbol="ZZZ/USDT"), "nobody asked for"),
        (BOOK, [], "as list"),
        (QUOTES, quotes(102.0), "at or above"),
        (QUOTES, quotes(None), "NoneType"),
        (QUOTES, quotes(ts_ms=BEGIN + 6_000), "clock's bound"),
        (QUOTES, quotes(bidVolume=-1.0), "below zero"),
        (TRADES, [trade(1), trade(2, price=float("inf"))], "inf"),
        (TRADES, [trade(1), trade(2, amount=0)], "above zero"),
        (TRADES, [trade(1), trade(2, side="both")], "buy or sell"),
        (TRADES, [trade(1), trade(2, BEGIN / 1000)], "before 2001"),
        (TRADES, [trade(1), trade(2, True)], "milliseconds"),
        (TRADES, [trade(1), "2"], "as str"),
    ],
)
async def test_a_bad_message_resubscribes_its_stream_and_nothing_of_it_is_used(series, message, why):
    clock, feed, market, listener, say = await start(series)
    await say(message)
    status = market.status()[0]
    assert (status.restarts, status.errors, feed.ended[A, series.timeframe]) == (1, 1, 1)
    assert why in status.error
    assert listener.events == []
    await clock.advance(1)
    await say({BOOK: book(), QUOTES: quotes(), TRADES: [trade(1)]}[series])
    assert len(listener.events) == 1
    await listener.close()


async def test_a_reader_that_falls_behind_is_told_that_events_were_lost_and_goes_on():
    clock, feed, market = await live(max_queue=5)
    await market.subscribe({TRADES})
    await clock.settle()
    feed.channel(A, "trades").say([trade(number) for number in range(7)])
    await clock.settle()
    with pytest.raises(VenueUnavailable, match="6 events of the market were let go"):
        await anext(market.events())
    assert (await anext(market.events())).price == 106.0
    await market.close()


async def test_a_reader_that_leaves_in_the_middle_is_told_the_same_event_again():
    clock, feed, market = await live()
    await market.subscribe({TRADES})
    await clock.settle()
    feed.channel(A, "trades").say([trade(1), trade(2)])
    await clock.settle()
    first = market.events()
    told = await anext(first)
    assert await market.last(TRADES) is None
    await first.aclose()
    second = market.events()
    assert await anext(second) == told
    assert (await anext(second)).price == 102.0
    assert await market.last(TRADES) == told
    await second.aclose()
    await market.close()


async def test_events_of_several_streams_come_in_order_of_market_time():
    clock, feed, market = await live()
    await market.subscribe({TRADES, QUOTES, BOOK})
    await clock.settle()
    feed.channel(A, "trades").say([trade(1, BEGIN + 5), trade(2, BEGIN + 7)])
    feed.channel(A, "quotes").say(quotes(ts_ms=BEGIN + 6))
    feed.channel(A, "book").say(book(timestamp=BEGIN + 5))
    await clock.settle()
    listener = Listener(market)
    await clock.settle()
    assert [(type(one), one.ts_ms - BEGIN) for one in listener.events] == [
        (BookChanged, 5),
        (TradePrinted, 5),
        (QuoteChanged, 6),
        (TradePrinted, 7),
    ]
    await listener.close()


ACTS = st.lists(
    st.tuples(st.sampled_from(["say", "say", "again", "drop", "out", "back"]), st.integers(1, 4)), max_size=25
)


@given(ACTS, st.booleans())
def test_every_trade_is_told_once_and_in_order_whatever_the_stream_does(acts, ids_count):
    async def play():
        clock, feed, market, listener, _ = await start(
            TRADES, ids_count=ids_count, from_id="fromId" if ids_count else "", stale_ms={"trades": 20_000}
        )
        channel, number = feed.channel(A, "trades"), 0
        feed.prints[A] = [trade(0)]
        channel.say([trade(0)])
        await clock.settle()
        for act, count in acts:
            if act == "say":
                fresh = [trade(number + one + 1, clock.now_ms() + one // 2) for one in range(count)]
                number += count
                feed.prints[A] += fresh
                channel.say(fresh)
            elif act == "again":
                channel.say(feed.prints[A][-count:])
            elif act == "drop":
                channel.drop()
            else:
                feed.out = act == "out"
            await clock.advance(count * 0.7)
        feed.out = False
        await clock.advance(60)
        status = market.status()[0]
        told = [one.price - 100.0 for one in listener.of(TradePrinted)]
        assert told == [float(one) for one in range(number + 1)] or (status.gaps and told == sorted(set(told)))
        assert [one.ts_ms for one in listener.events] == sorted(one.ts_ms for one in listener.events)
        marks = [(one.ts_ms, one.row) for one in listener.events]
        assert marks == sorted(set(marks))
        await listener.close()

    asyncio.run(play())
