"""Live bars: whatever the stream does, each closed bar is told once, in order, as the exchange has it."""

import asyncio
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.errors import HistoryError, VenueError, VenueUnavailable
from autotrader.core.events import Bar, BarClosed, BarsComplete, Series
from autotrader.venues.live.feed import Connection, ExchangeClock, LiveSettings
from autotrader.venues.live.market import LiveMarket
from support.clock import VirtualClock
from support.fake_feed import FakeFeed, Listener

MINUTE = 60_000
BEGIN = 1_700_000_040_000  # on a whole minute
A, B = "AAA/USDT", "BBB/USDT"
TICKS = {A: Decimal("0.01"), B: Decimal("0.01")}


def series(symbol, timeframe="1m"):
    return Series("live", symbol, timeframe)


def truth(minute, seed=0):
    price = 100.0 + minute + seed
    return Bar(BEGIN + minute * MINUTE, price, price + 2, price - 2, price + 1, 3.0 + seed)


def partial(bar):
    return bar._replace(close=bar.open, high=bar.open, low=bar.open, volume=1.0)


async def live(now_ms=BEGIN, **settings):
    clock = VirtualClock(now_ms)
    feed = FakeFeed(clock)
    lent = Connection(feed, TICKS)
    market = LiveMarket(lambda: lent, LiveSettings("live", **settings), ExchangeClock(clock), lambda: 0.5)
    await market.open()
    return clock, feed, market


async def say(clock, feed, symbol, *bars, timeframe="1m"):
    feed.channel(symbol, timeframe).say([list(bar) for bar in bars])
    await clock.settle()


async def test_a_newer_candle_closes_the_one_before_without_a_request():
    clock, feed, market = await live()
    listener = Listener(market)
    feed.candles[A, "1m"] = [truth(0), truth(1), truth(2)]
    await market.subscribe({series(A)})
    await clock.settle()
    await say(clock, feed, A, truth(0))
    await clock.advance(61)
    await say(clock, feed, A, truth(1))  # the first bar is confirmed: the stream began within it
    asked = feed.asked["candles"]
    await clock.advance(60)
    await say(clock, feed, A, truth(1), truth(2))
    assert [event.bar for event in listener.of(BarClosed)] == [truth(0), truth(1)]
    assert [event.ts_ms for event in listener.of(BarsComplete)] == [BEGIN + MINUTE, BEGIN + 2 * MINUTE]
    assert feed.asked["candles"] == asked
    await listener.close()


async def test_a_bar_that_nothing_follows_is_closed_by_what_rest_says_after_its_grace():
    clock, feed, market = await live()
    listener = Listener(market)
    feed.candles[A, "1m"] = [truth(0)]
    await market.subscribe({series(A)})
    await clock.settle()
    await say(clock, feed, A, partial(truth(0)))
    await clock.advance(61.4)
    assert listener.events == []
    await clock.advance(0.2)
    assert [event.bar for event in listener.of(BarClosed)] == [truth(0)]
    await listener.close()


async def test_a_bar_that_rest_does_not_have_yet_is_asked_for_again():
    clock, feed, market = await live()
    listener = Listener(market)
    await market.subscribe({series(A)})
    await clock.settle()
    await say(clock, feed, A, truth(0))
    await clock.advance(61.6)
    assert listener.events == []
    feed.candles[A, "1m"] = [truth(0)]
    await clock.advance(1)
    assert [event.bar for event in listener.of(BarClosed)] == [truth(0)]
    assert market.status()[0].errors >= 1
    await listener.close()


async def test_bars_missed_while_disconnected_are_told_before_anything_newer():
    clock, feed, market = await live()
    listener = Listener(market)
    feed.candles[A, "1m"] = [truth(minute) for minute in range(6)]
    await market.subscribe({series(A)})
    await clock.settle()
    feed.out = True
    feed.channel(A, "1m").drop()
    await clock.advance(4 * 60 + 10)
    assert listener.events == []
    feed.out = False
    await clock.advance(31)
    await say(clock, feed, A, partial(truth(4)))
    assert [event.bar for event in listener.of(BarClosed)] == [truth(minute) for minute in range(4)]
    status = market.status()[0]
    assert (status.source, status.restarts) == ("ws", 1)
    await listener.close()


async def test_a_close_waits_for_every_series_and_no_longer_than_its_bound():
    clock, feed, market = await live(grace_ms=500)
    listener = Listener(market)
    feed.candles[A, "1m"] = [truth(0), truth(1)]
    await market.subscribe({series(A), series(B)})
    await clock.advance(60.6)
    assert [event.series for event in listener.of(BarClosed)] == [series(A)]  # B said that nobody traded
    feed.lag_ms = 0
    await say(clock, feed, B, truth(1, 5))
    await clock.advance(60)
    assert len(listener.of(BarsComplete)) == 1  # B's own bar is known and REST lacks it
    await clock.advance(3)
    assert [event.ts_ms for event in listener.of(BarsComplete)] == [BEGIN + MINUTE, BEGIN + 2 * MINUTE]
    feed.candles[B, "1m"] = [truth(1, 5)]
    await clock.advance(10)
    assert [event.symbol for event in listener.of(BarClosed)] == [A, A]
    assert market.late_bars == 1
    assert await market.bars(series(B), end_ms=clock.now_ms(), limit=5) == [truth(1, 5)]
    await listener.close()


async def test_after_an_outage_of_everything_all_series_are_told_close_by_close():
    clock, feed, market = await live()
    listener = Listener(market)
    feed.candles[A, "1m"] = [truth(minute) for minute in range(5)]
    feed.candles[B, "1m"] = [truth(minute, 7) for minute in range(5)]
    await market.subscribe({series(A), series(B)})
    await clock.settle()
    feed.out = True
    feed.channel(A, "1m").drop()
    feed.channel(B, "1m").drop()
    await clock.advance(4 * 60 + 10)
    feed.out = False
    await clock.advance(34)
    told = [(getattr(event, "symbol", "complete"), (event.ts_ms - BEGIN) // MINUTE) for event in listener.events]
    assert told == [(what, close) for close in range(1, 5) for what in (A, B, "complete")]
    assert market.late_bars == 0
    await listener.close()


async def test_a_market_that_was_closed_can_be_opened_again():
    clock, feed, market = await live()
    listener = Listener(market)
    feed.candles[A, "1m"] = [truth(0), truth(1)]
    await market.subscribe({series(A)})
    await clock.advance(62)
    await listener.close()
    assert (len(listener.of(BarClosed)), market.market_ms()) == (1, 0)
    with pytest.raises(VenueUnavailable, match="live is not open"):
        await market.subscribe({series(A)})
    await market.open()
    again = Listener(market)
    await market.subscribe({series(A)})
    await clock.advance(60)
    assert [event.bar for event in again.of(BarClosed)] == [truth(1)]
    await again.close()


async def test_longer_bars_of_a_close_come_before_shorter_ones():
    clock, feed, market = await live(BEGIN + 60_000 * 4)  # the close is at a whole five minutes
    listener = Listener(market)
    start = clock.now_ms() - clock.now_ms() % (5 * MINUTE)
    long = Bar(start, 1.0, 2.0, 0.5, 1.5, 9.0)
    short = Bar(start + 4 * MINUTE, 1.0, 2.0, 0.5, 1.5, 9.0)
    feed.candles[A, "5m"], feed.candles[A, "1m"] = [long], [short]
    await market.subscribe({series(A), series(A, "5m"), series(B)})
    await clock.advance((start + 5 * MINUTE - clock.now_ms()) / 1000 + 5)
    told = [event for event in listener.events if event.ts_ms == start + 5 * MINUTE]
    assert [getattr(event, "timeframe", "complete") for event in told] == ["5m", "1m", "complete"]
    await listener.close()


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([BEGIN, 1.0, 2.0, float("nan"), 1.0, 1.0], "nan"),
        ([BEGIN, 1.0, 2.0, 0.0, 1.0, 1.0], "above zero"),
        ([BEGIN, 1.0, 1.0, 2.0, 1.0, 1.0], "outside its high"),
        ([BEGIN, 1.0, 2.0, 1.0, 1.0, -1.0], "below zero"),
        ([BEGIN, "1", 2.0, 1.0, 1.0, 1.0], "as str"),
        ([BEGIN + 1, 1.0, 2.0, 1.0, 1.0, 1.0], "opens at"),
        ([BEGIN + 10 * MINUTE, 1.0, 2.0, 1.0, 1.0, 1.0], "clock's bound"),
        ([BEGIN, 1.0], "2 values"),
        (None, "NoneType"),
    ],
)
async def test_a_bad_candle_restarts_its_stream_and_nothing_of_the_message_is_used(row, why):
    clock, feed, market = await live()
    listener = Listener(market)
    feed.candles[A, "1m"] = [truth(0)]
    await market.subscribe({series(A)})
    await clock.settle()
    feed.channel(A, "1m").say([list(truth(0)._replace(close=101.5)), row])
    await clock.advance(62)
    status = market.status()[0]
    assert (status.restarts, status.errors) == (1, 1)
    assert why in status.error
    assert feed.ended[A, "1m"] == 1
    assert [event.bar for event in listener.of(BarClosed)] == [truth(0)]
    await listener.close()


async def test_a_pause_between_tries_doubles_up_to_its_bound():
    clock, feed, market = await live(backoff_s=1.0, max_backoff_s=4.0)
    listener = Listener(market)
    tries = []

    async def watch_ohlcv(symbol, timeframe="1m"):
        tries.append(clock.now_ms() - BEGIN)
        raise OSError("refused")

    feed.watch_ohlcv = watch_ohlcv
    await market.subscribe({series(A)})
    await clock.advance(14)
    assert [later - earlier for earlier, later in pairwise(tries)] == [750, 1500, 3000, 3000, 3000]
    await listener.close()


async def test_past_bars_are_paged_and_end_with_what_was_streamed():
    clock, feed, market = await live(BEGIN + 2_500 * MINUTE)
    listener = Listener(market)
    feed.candles[A, "1m"] = [truth(minute) for minute in range(2_503) if minute % 7]
    await market.subscribe({series(A)})
    await clock.advance(121.6)
    told = [bar for bar in feed.candles[A, "1m"] if bar.ts_ms < BEGIN + 2_502 * MINUTE]
    assert await market.bars(series(A), end_ms=clock.now_ms(), limit=2_000) == told[-2_000:]
    assert await market.bars(series(A), end_ms=clock.now_ms(), limit=5_000) == told
    assert await market.bars(series(A), end_ms=BEGIN + 10 * MINUTE, limit=3) == [truth(6), truth(8), truth(9)]
    with pytest.raises(HistoryError, match="ask for fewer"):
        await market.bars(series(A), end_ms=clock.now_ms(), limit=200_000)
    await listener.close()


async def test_what_is_not_traded_is_refused_and_changes_nothing():
    clock, _, market = await live()
    with pytest.raises(VenueError, match="does not trade ZZZ/USDT"):
        await market.subscribe({series(A), series("ZZZ/USDT")})
    with pytest.raises(VenueError, match="not a timeframe"):
        await market.subscribe({series(A, "1x")})
    with pytest.raises(HistoryError, match="ask the venue"):
        await market.subscribe({Series("other", A, "1m")})
    assert market.status() == []
    await clock.settle()
    await market.close()


async def test_a_series_that_is_missing_stops_and_the_others_go_on():
    clock, feed, market = await live()
    listener = Listener(market)
    await market.subscribe({series(A), series(B)})
    await clock.settle()
    since = market.status()[0]
    await clock.advance(1)
    await market.subscribe({series(A)})
    assert market.status() == [since]
    await clock.settle()
    assert feed.ended == {(B, "1m"): 1}
    await listener.close()


MODES = st.sampled_from(["clean", "clean", "twice", "drop0", "drop1", "drop2", "drop3", "mute", "tardy", "quiet"])
OFFSETS_MS = (300, 20_000, 40_000, 59_500)


async def _minute(clock, feed, minute, modes):
    """Play one minute: every series streams its candle at the offsets, as its mode has it."""
    begin_ms = clock.now_ms()
    for index, offset_ms in enumerate(OFFSETS_MS):
        await clock.advance((begin_ms + offset_ms - clock.now_ms()) / 1000)
        for seed, symbol, mode in ((0, A, modes[0]), (7, B, modes[1])):
            channel, bar = feed.channel(symbol, "1m"), truth(minute, seed)
            if mode == f"drop{index}":
                channel.drop()
            elif mode not in ("mute", "quiet") and not (mode == "tardy" and index == 3):
                channel.say([list(bar if index == 3 else partial(bar))] * (2 if mode == "twice" else 1))
    await clock.advance((begin_ms + MINUTE - clock.now_ms()) / 1000)
    for seed, symbol, mode in ((0, A, modes[0]), (7, B, modes[1])):
        if mode == "tardy":
            feed.channel(symbol, "1m").say([list(truth(minute, seed))])


@given(
    st.lists(st.tuples(MODES, MODES), min_size=1, max_size=8),
    st.sets(st.integers(0, 7), max_size=3),
    st.sampled_from([200, 1_500, 4_000]),
)
def test_each_bar_is_told_once_in_order_or_counted_as_late_and_none_is_invented(modes, outages, grace_ms):
    async def play():
        clock, feed, market = await live(grace_ms=grace_ms)
        listener = Listener(market)
        for place, (seed, symbol) in enumerate(((0, A), (7, B))):
            feed.candles[symbol, "1m"] = [
                truth(minute, seed) for minute, one in enumerate(modes) if one[place] != "quiet"
            ]
        await market.subscribe({series(A), series(B)})
        for minute, one in enumerate(modes):
            feed.out = minute in outages
            await _minute(clock, feed, minute, one)
        feed.out = False
        await clock.advance(130)
        told, completes = listener.of(BarClosed), [event.ts_ms for event in listener.of(BarsComplete)]
        for symbol in (A, B):
            mine, all_of_them = [one.bar for one in told if one.symbol == symbol], feed.candles[symbol, "1m"]
            assert all(bar in all_of_them for bar in mine)
            assert [bar.ts_ms for bar in mine] == sorted({bar.ts_ms for bar in mine})
            assert await market.bars(series(symbol), end_ms=clock.now_ms(), limit=50) == all_of_them
        assert len(told) + market.late_bars == sum(len(bars) for bars in feed.candles.values())
        assert completes == sorted({event.ts_ms for event in told})
        keys = [(event.ts_ms, isinstance(event, BarsComplete)) for event in listener.events]
        assert keys == sorted(keys)
        assert listener.errors == []
        await listener.close()

    asyncio.run(play())
