"""The funding rates of a live swap: all of them, each question once, and nothing of an answer that makes no sense."""

import asyncio
from decimal import Decimal
from random import Random

import pytest

from autotrader.core.errors import HistoryError, VenueError, VenueUnavailable
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.feed import OwnNames
from autotrader.venues.live.feed import Connection, ExchangeClock, LiveSettings
from autotrader.venues.live.funding import MAX_RATES
from autotrader.venues.live.market import LiveMarket
from support.accounts import AheadClock, unthrottled
from support.clock import VirtualClock
from support.fake_ccxt import FakeCcxt
from support.fake_feed import FakeFeed
from support.loopback import Loopback, now_ms
from support.small_futures import SYMBOL

HOUR = 3_600_000
NOON = 1_700_049_600_000  # a whole hour, at which rates are settled every 1, 2, 4 and 8 hours
A = "AAA/USDT"


class Cutting(FakeFeed):
    """Gives at most `most` rates at once, the `newest` or the oldest, and later than they settled by `delay_ms`."""

    most, newest, delay_ms = 1_000, False, 0

    async def fetch_funding_rate_history(self, symbol, since=None, limit=None, params=None):
        told = await super().fetch_funding_rate_history(symbol, since, 100_000, params)
        told = [row for row in told if row["timestamp"] + self.delay_ms <= self.clock.now_ms()]
        most = min(limit, self.most)
        return told[-most:] if self.newest else told[:most]


async def live(hours=8, count=30, *, market="swap", **settings):
    """Return a market whose rates settled every so many hours, the last one `count` of them after the first."""
    clock = VirtualClock(NOON + 5_000)
    feed = Cutting(clock)
    feed.rates[A] = {NOON - n * hours * HOUR: (n % 50 - 25) / 10_000 for n in range(-40, count)}
    made = LiveMarket(
        lambda: Connection(feed, {A: Decimal("0.01")}), LiveSettings("live", market=market, **settings),
        ExchangeClock(clock),
    )  # fmt: skip
    await made.open()
    return clock, feed, made


def expected(feed, end_ms, limit):
    return [rate for rate in sorted(feed.rates[A].items()) if rate[0] <= end_ms][-limit:]


async def test_the_last_rates_up_to_a_moment_are_told_oldest_first():
    _, feed, market = await live()
    assert await market.funding(A, end_ms=NOON, limit=3) == expected(feed, NOON, 3)
    assert await market.funding(A, end_ms=NOON - 1, limit=2) == expected(feed, NOON - 1, 2)
    assert await market.funding(A, end_ms=NOON - 100 * HOUR, limit=4) == expected(feed, NOON - 100 * HOUR, 4)
    assert await market.funding(A, end_ms=NOON, limit=500) == expected(feed, NOON, 500)
    assert await market.funding(A, end_ms=NOON, limit=0) == []


async def test_closes_each_minute_ask_once_an_hour():
    clock, feed, market = await live(hours=1)
    for _ in range(180):
        await market.funding(A, end_ms=clock.now_ms(), limit=2)
        await clock.advance(60)
    assert feed.asked["rates"] == 3
    assert await market.funding(A, end_ms=clock.now_ms(), limit=2) == expected(feed, NOON + 3 * HOUR, 2)


async def test_where_an_hour_settles_nothing_it_is_asked_about_until_nothing_can_come_any_more():
    clock, feed, market = await live(hours=8)
    await market.funding(A, end_ms=NOON, limit=1)
    await clock.advance(3_595)
    before = feed.asked["rates"]
    for _ in range(55 * 6):
        await market.funding(A, end_ms=clock.now_ms(), limit=1)
        await clock.advance(10)
    assert feed.asked["rates"] - before == 13  # every ten seconds of the first two minutes, and once after them
    assert await market.funding(A, end_ms=clock.now_ms(), limit=1) == expected(feed, NOON, 1)


async def test_a_rate_that_is_told_late_is_seen_at_the_close_after_it():
    clock, feed, market = await live(hours=1)
    feed.delay_ms = 100_000
    seen = []
    for _ in range(3):
        seen += await market.funding(A, end_ms=clock.now_ms(), limit=1)
        await clock.advance(60)
    assert [ts - NOON for ts, _ in seen] == [-HOUR, -HOUR, 0]


async def test_a_rate_that_is_told_later_than_any_may_be_is_found_with_the_next_one():
    clock, feed, market = await live(hours=1)
    feed.delay_ms = 10 * 60_000
    for _ in range(80):
        told = await market.funding(A, end_ms=clock.now_ms(), limit=2)
        await clock.advance(60)
    assert told == expected(feed, NOON, 2)


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("hours", [1, 2, 4, 8, 24])
async def test_pages_leave_nothing_out_whichever_end_an_exchange_cuts_off(newest, hours):
    _, feed, market = await live(hours=hours, count=700)
    feed.most, feed.newest = 100, newest
    assert await market.funding(A, end_ms=NOON, limit=650) == expected(feed, NOON, 650)
    assert feed.asked["rates"] <= 25
    asked = feed.asked["rates"]
    assert await market.funding(A, end_ms=NOON, limit=600) == expected(feed, NOON, 600)
    assert feed.asked["rates"] == asked


async def test_a_larger_page_is_asked_for_where_the_exchange_has_it():
    _, feed, market = await live(count=950, rates_page=1_000)
    assert len(await market.funding(A, end_ms=NOON, limit=940)) == 940
    assert feed.asked["rates"] == 1


async def test_where_a_history_begins_nothing_more_is_asked():
    _, feed, market = await live(count=5)
    for _ in range(3):
        assert len(await market.funding(A, end_ms=NOON, limit=50)) == 5
    assert feed.asked["rates"] == 2


async def test_after_a_time_in_which_nobody_asked_what_settled_meanwhile_is_there():
    clock, feed, market = await live(hours=1, count=500)
    feed.rates[A] |= {NOON + n * HOUR: n / 1e5 for n in range(400)}
    await market.funding(A, end_ms=NOON, limit=1)
    await clock.advance(40 * 3_600)
    assert await market.funding(A, end_ms=clock.now_ms(), limit=60) == expected(feed, clock.now_ms(), 60)
    await clock.advance(300 * 3_600)
    assert await market.funding(A, end_ms=clock.now_ms(), limit=400) == expected(feed, clock.now_ms(), 400)


async def test_a_rate_dated_just_after_the_hour_settled_at_the_hour():
    _, feed, market = await live(count=0)
    feed.rates[A] = {
        NOON - 16 * HOUR + 4: 0.1,
        NOON - 8 * HOUR + 59_999: 0.2,
        NOON - HOUR + 60_000: 0.15,
        NOON + 4: 0.01,
    }
    told = await market.funding(A, end_ms=NOON, limit=9)
    assert [((ts - NOON) / HOUR, rate) for ts, rate in told] == [(-16, 0.1), (-8, 0.2), (-59 / 60, 0.15), (0, 0.01)]


async def test_two_who_ask_at_once_ask_the_exchange_once():
    _, feed, market = await live()
    told = await asyncio.gather(*(market.funding(A, end_ms=NOON, limit=2) for _ in range(3)))
    assert told == [expected(feed, NOON, 2)] * 3
    assert feed.asked["rates"] == 1


GOOD = {"symbol": A, "timestamp": NOON, "fundingRate": 0.0001}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "funding rates came as dict, not as a list"),
        ([GOOD, 5], "row 2: a funding rate came as int"),
        ([GOOD, GOOD | {"symbol": "BBB/USDT"}], "row 2: a funding rate of 'BBB/USDT', which nobody asked for"),
        ([GOOD | {"timestamp": NOON + 0.5}], "row 1: a time is"),
        ([GOOD | {"timestamp": None}], "row 1: a time is None"),
        ([GOOD | {"timestamp": NOON // 1000}], "row 1: a time of .* lies before 2001"),
        ([GOOD | {"timestamp": NOON + 8 * HOUR}], "row 1: a time of .* lies before 2001 or later than"),
        ([GOOD | {"fundingRate": None}], "row 1: a funding rate came as NoneType"),
        ([GOOD | {"fundingRate": True}], "row 1: a funding rate came as bool"),
        ([GOOD | {"fundingRate": "0.0001"}], "row 1: a funding rate came as str"),
        ([GOOD | {"fundingRate": float("nan")}], "row 1: a funding rate is nan"),
        ([GOOD | {"fundingRate": -0.3}], "row 1: a funding rate is -0.3; none is beyond 0.25"),
        ([GOOD, GOOD | {"timestamp": NOON + 4, "fundingRate": 0.1}], "row 2: a funding rate of .* and in a row before"),
    ],
)
async def test_of_an_answer_with_a_malformed_row_nothing_is_taken(answer, words):
    clock, feed, market = await live()
    before = expected(feed, NOON - 2 * HOUR, 1)
    clock._now_ms = NOON - HOUR  # some are known before the answer goes wrong
    assert await market.funding(A, end_ms=NOON - 2 * HOUR, limit=1) == before
    clock._now_ms = NOON + 5_000
    right = feed.fetch_funding_rate_history

    async def wrong(*_):
        return answer

    feed.fetch_funding_rate_history = wrong
    with pytest.raises(VenueError, match=f"live AAA/USDT: funding rates.*{words}"):
        await market.funding(A, end_ms=NOON, limit=1)
    assert await market.funding(A, end_ms=NOON - 2 * HOUR, limit=1) == before
    feed.fetch_funding_rate_history = right
    await clock.advance(11)
    assert await market.funding(A, end_ms=NOON, limit=1) == expected(feed, NOON, 1)


async def test_the_same_rate_told_twice_is_one():
    _, feed, market = await live()

    async def twice(*_):
        return [GOOD, GOOD]

    feed.fetch_funding_rate_history = twice
    assert await market.funding(A, end_ms=NOON, limit=1) == [(NOON, 0.0001)]


async def test_more_rates_than_can_settle_are_refused():
    _, _, market = await live(hours=0.01, count=5_000)
    with pytest.raises(VenueError, match="100 of them lie 36000 ms apart, which none settles"):
        await market.funding(A, end_ms=NOON, limit=1)


async def test_where_rest_does_not_answer_it_is_left_alone_for_a_while_and_asked_again():
    clock, feed, market = await live()
    feed.out = True
    for _ in range(3):
        with pytest.raises(VenueUnavailable, match="live AAA/USDT: funding rates: Dropped"):
            await market.funding(A, end_ms=NOON, limit=1)
    assert feed.asked["rates"] == 1
    feed.out = False
    await clock.advance(10)
    assert await market.funding(A, end_ms=NOON, limit=1) == expected(feed, NOON, 1)


async def test_spot_has_no_rates_and_asks_nobody():
    _, feed, market = await live(market="spot")
    assert await market.funding(A, end_ms=NOON, limit=5) == ()
    assert feed.asked["rates"] == 0


async def test_what_cannot_be_had_is_said_before_anybody_is_asked():
    _, feed, market = await live()
    with pytest.raises(VenueError, match="live does not trade BBB/USDT"):
        await market.funding("BBB/USDT", end_ms=0, limit=1)
    with pytest.raises(HistoryError, match="10001 at once are more than 10000"):
        await market.funding(A, end_ms=NOON, limit=MAX_RATES + 1)
    assert await market.funding(A, end_ms=0, limit=1) == []
    feed.has = {}
    with pytest.raises(VenueError, match="cannot be read there: ccxt has no fetchFundingRateHistory of it"):
        await market.funding(A, end_ms=0, limit=1)
    assert feed.asked["rates"] == 0


class Futures(Loopback):
    """As much of Binance USD-M's interface as its rates need; they are laid out as Binance documents them."""

    def __init__(self, hour):
        self.rates = [(hour - n * 8 * HOUR + 4, f"0.000{n}0000") for n in range(4)]
        path = "/fapi/v1"
        super().__init__(
            {
                f"GET {path}/time": lambda _: {"serverTime": now_ms()},
                f"GET {path}/exchangeInfo": {"symbols": [SYMBOL]},
                f"GET {path}/fundingRate": self._rates,
            }
        )

    def _rates(self, asked):
        first, last = int(asked["startTime"]), int(asked["endTime"])
        told = [
            {"symbol": asked["symbol"], "fundingRate": rate, "fundingTime": ts, "markPrice": "34287.54619963"}
            for ts, rate in sorted(self.rates)
            if first <= ts <= last
        ]
        return told[: int(asked["limit"])]


async def test_binance_is_asked_through_ccxt_itself():
    hour = now_ms() - now_ms() % HOUR - HOUR
    async with Futures(hour) as server:
        clock = AheadClock()
        settings = CcxtSettings(name="x", id="binance", market="swap", url=server.url)
        client = CcxtClient(settings, clock, unthrottled, Random(1))
        await client.open()
        lent = Connection(OwnNames(client), client.ticks())
        market = LiveMarket(lambda: lent, LiveSettings("x", market="swap", rates_page=1_000), ExchangeClock(clock))
        await market.open()
        try:
            told = await market.funding("BTC/USDT", end_ms=hour, limit=3)
        finally:
            await market.close()
            await client.close()
    assert told == [(hour - 16 * HOUR, 0.0002), (hour - 8 * HOUR, 0.0001), (hour, 0.0)]
    [asked] = server.told("GET /fapi/v1/fundingRate")
    assert (asked["symbol"], asked["limit"]) == ("BTCUSDT", "1000")


async def test_okx_is_asked_for_the_rates_before_a_moment():
    fake = FakeCcxt()
    fake.asked = []

    async def answer(*asked):
        fake.asked.append(asked)
        return []

    fake.fetch_funding_rate_history = answer
    client = CcxtClient(CcxtSettings(name="x", id="okx", market="swap"), fake.clock, lambda _: fake, Random(1))
    await client.open()
    assert await OwnNames(client).fetch_funding_rate_history("BTC/USDT", 5, 100, {"until": 99}) == []
    assert fake.asked == [("BTC/USDT:USDT", None, 100, {"after": 100})]
