"""Funding on a paper account on live data: what was held when it settled pays, once, however late its rate is known."""

from __future__ import annotations

import sqlite3
from random import Random

import pytest
import structlog

from autotrader.core.errors import VenueError, VenueUnavailable
from autotrader.core.events import Bar
from autotrader.execution.orders import Guard
from autotrader.venues.live.feed import Connection, ExchangeClock, LiveSettings
from autotrader.venues.live.market import LiveMarket
from autotrader.venues.paper.funding import MAX_RATES
from autotrader.venues.paper.live import LivePaperVenue
from autotrader.venues.paper.state import LivePaperSettings
from autotrader.venues.protocol import FundingPaid
from support.clock import VirtualClock
from support.fake_feed import FakeFeed, Listener
from support.live_paper import BEGIN, BTC, ETH, MINUTE, QUOTES, UNAVAILABLE, D, Listed, Live
from support.tapes import order

HOUR = 60 * MINUTE
FIRST = 1_700_002_800_000 - BEGIN
"""The first whole hour, in ms after the begin."""

ACCOUNT = {"market": "swap", "balances": {"USDT": D(10_000)}}


def minute(ms, close=100.0):
    """Return the minute that ends so many ms after the begin."""
    return Bar(BEGIN + ms - MINUTE, close, close, close, close, 1.0)


def settling(one, *rates, symbol=BTC):
    """Have a market settle rates of (hours after the first whole one, rate), its price being 100 and 1 more an hour."""
    one.data.rates[symbol] = {BEGIN + FIRST + hour * HOUR: rate for hour, rate in rates}
    one.data.past[symbol] = [minute(FIRST + hour * HOUR, 100.0 + hour) for hour in range(-1, 60)]
    return one


async def holding(tmp_path, side=1, *rates, amount="2", **settings):
    """Return an account that holds two at 100, minutes before the first whole hour."""
    one = settling(await Live(tmp_path, **{**ACCOUNT, **settings}).open(QUOTES), *rates)
    await one.quote(100, 100, ms=FIRST - 5 * MINUTE)
    await one.venue.submit(order(side=side, amount=amount))
    await one.quote(100, 100, ms=FIRST - 4 * MINUTE)
    return one


async def again(one, *, listen=True):
    """Return the same account after a restart, its market being what it was."""
    await one.close()
    back = Live(one.folder, clock=one.clock, **ACCOUNT)
    back.data.rates, back.data.past, back.data.late_ms = one.data.rates, one.data.past, one.data.late_ms
    return await back.open(QUOTES, listen=listen)


async def to(one, ms):
    """Let time go on to so many ms after the begin."""
    await one.clock.advance((BEGIN + ms - one.clock.now_ms()) / 1000)


def paid(one):
    """Return what was told: symbol, hours after the first whole one, amount."""
    told = one.listener.of(FundingPaid)
    return [(event.symbol, (event.ts_ms - BEGIN - FIRST) / HOUR, event.amount) for event in told]


async def cash(one):
    return (await one.venue.balances())["USDT"].total


@pytest.mark.parametrize(("side", "rate", "moved"), [(1, 0.001, "-0.2"), (-1, 0.001, "0.2"), (1, -0.002, "0.4")])
async def test_what_is_held_pays_at_the_close_of_the_minute_that_ended_then(tmp_path, side, rate, moved):
    one = await holding(tmp_path, side, (0, rate))
    await to(one, FIRST + 9_000)
    assert (paid(one), await cash(one)) == ([], D(10_000))
    await to(one, FIRST + 11_000)
    assert (paid(one), await cash(one)) == ([(BTC, 0, D(moved))], D(10_000) + D(moved))
    await to(one, FIRST + 3 * HOUR)
    assert len(paid(one)) == 1
    await one.close()


async def test_each_settlement_has_its_own_price(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001), (1, 0.001), (9, -0.01))
    await to(one, FIRST + 10 * HOUR)
    assert paid(one) == [(BTC, 0, D("-0.2")), (BTC, 1, D("-0.202")), (BTC, 9, D("2.18"))]
    assert await cash(one) == D("10001.778")
    await one.close()


async def test_an_account_without_a_position_asks_for_no_rates(tmp_path):
    one = settling(await Live(tmp_path, **ACCOUNT).open(QUOTES), (0, 0.001))
    await one.quote(100, 100)
    await to(one, FIRST + HOUR)
    assert (one.data.asked, paid(one)) == (0, [])
    await one.close()


async def test_a_spot_account_pays_none(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001), market="spot")
    await to(one, FIRST + HOUR)
    assert (one.data.asked, paid(one)) == (0, [])
    await one.close()


async def test_a_position_that_was_closed_before_its_rate_was_known_pays(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001))
    one.data.late_ms = 100_000
    await to(one, FIRST + 1_000)
    await one.venue.submit(order("out", -1, amount="2", reduce_only=True))
    await one.quote(101, 101, ms=FIRST + 2_000)
    assert await one.venue.positions() == {}
    await to(one, FIRST + 90_000)
    assert paid(one) == []
    await to(one, FIRST + 120_000)
    assert (paid(one), await cash(one)) == ([(BTC, 0, D("-0.2"))], D("10001.8"))
    await one.close()


async def test_a_position_that_was_opened_or_grew_after_the_moment_pays_for_what_was_there(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001), amount="1")
    await to(one, FIRST + 1_000)
    await one.venue.submit(order("more", 1, amount="5"))
    await one.quote(100, 100, ms=FIRST + 2_000)
    one.data.rates[ETH], one.data.past[ETH] = one.data.rates[BTC], one.data.past[BTC]
    await one.quote(100, 100, ms=FIRST + 2_000, symbol=ETH)
    await one.venue.subscribe([QUOTES, QUOTES._replace(symbol=ETH)])
    await one.quote(100, 100, ms=FIRST + 3_000, symbol=ETH)
    await one.venue.submit(order("other", 1, amount="5", symbol=ETH, group="h"))
    await one.quote(100, 100, ms=FIRST + 4_000, symbol=ETH)
    await to(one, FIRST + HOUR - 1)
    assert paid(one) == [(BTC, 0, D("-0.1"))]
    await one.close()


async def test_what_settled_while_nobody_watched_is_paid_in_order_and_once(tmp_path):
    one = await holding(tmp_path, -1, (0, 0.001), (3, -0.001), (8, 0.002))
    await one.close()
    await to(one, FIRST + 9 * HOUR)
    one = await again(one)
    told = [(BTC, 0, D("0.2")), (BTC, 3, D("-0.206")), (BTC, 8, D("0.432"))]
    assert (paid(one), await cash(one)) == (told, D("10000.426"))
    await one.quote(100, 100, ms=FIRST + 9 * HOUR + 1)
    one = await again(one)
    assert (paid(one), await cash(one)) == ([], D("10000.426"))
    await one.close()


async def test_a_position_that_a_missed_minute_ended_pays_up_to_then(tmp_path):
    one = settling(await Live(tmp_path, **ACCOUNT).open(QUOTES), (0, 0.001), (1, 0.001))
    await one.quote(100, 100, ms=FIRST - 5 * MINUTE)
    await one.venue.submit(order(guard=Guard(stop_loss=D("0.1")), guard_id="x"))
    await one.quote(100, 100, ms=FIRST - 4 * MINUTE)
    await one.close()
    one.data.past[BTC].insert(2, Bar(BEGIN + FIRST + 9 * MINUTE, 100.0, 100.0, 80.0, 80.0, 1.0))
    await to(one, FIRST + 2 * HOUR)
    one = await again(one)
    assert [row[0] for row in await one.fills()] == ["e", "x"]
    assert paid(one) == [(BTC, 0, D("-0.1"))]
    await one.close()


async def test_what_was_paid_before_a_restart_is_paid_once_and_told_to_who_asks(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001), (2, 0.001))
    one = await again(one, listen=False)
    reader = one.venue.events()
    asked = anext(reader)
    await one.clock.settle()
    await to(one, FIRST + 12_000)
    told = await asked
    await reader.aclose()  # the process ends while its reader deals with it
    for _ in range(2):
        one = await again(one)
        assert (paid(one), await cash(one)) == ([], D("9999.8"))
        assert await one.venue.funding_paid(0) == [told] == [FundingPaid(BEGIN + FIRST, BTC, D("-0.2"))]
    await to(one, FIRST + 3 * HOUR)
    assert paid(one) == [(BTC, 2, D("-0.204"))]
    await one.close()


async def test_a_settlement_whose_write_failed_is_paid_with_the_next_one(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001))
    one.venue._store._db.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "paper-live.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    one.listener._task.cancel()
    await one.clock.settle()
    await to(one, FIRST + 12_000)
    with pytest.raises(VenueUnavailable, match="nothing has changed in it"):
        await anext(one.venue.events())
    assert await cash(one) == D(10_000)
    other.execute("ROLLBACK")
    other.close()
    assert await anext(one.venue.events()) == FundingPaid(BEGIN + FIRST, BTC, D("-0.2"))
    assert await cash(one) == D("9999.8")
    await one.venue.close()


@pytest.mark.parametrize("error", [UNAVAILABLE, VenueError("live: ccxt has no fetchFundingRateHistory of it")])
async def test_rates_that_cannot_be_read_are_told_once_hold_up_no_order_and_are_paid_later(tmp_path, error):
    one = await holding(tmp_path, 1, (0, 0.001), (1, 0.001))
    one.data.rates_down = error
    with structlog.testing.capture_logs() as logs:
        await to(one, FIRST + HOUR + 10 * MINUTE)
    assert [entry["error"] for entry in logs] == [str(error)]
    await one.venue.submit(order("out", -1, amount="1", reduce_only=True))
    await one.quote(100, 100, ms=FIRST + HOUR + 10 * MINUTE + 1_000)
    assert [row[0] for row in await one.fills()] == ["e", "out"]
    assert paid(one) == []
    one.data.rates_down = None
    await to(one, FIRST + HOUR + 11 * MINUTE)
    assert paid(one) == [(BTC, 0, D("-0.2")), (BTC, 1, D("-0.202"))]
    await one.close()


async def test_rates_of_one_symbol_do_not_wait_for_those_of_another(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001))
    ask = one.data.funding

    async def some(symbol, **asked):
        if symbol == BTC:
            raise UNAVAILABLE
        return await ask(symbol, **asked)

    one.data.funding = some
    await one.venue.subscribe([QUOTES, QUOTES._replace(symbol=ETH)])
    settling(one, (0, -0.001), symbol=ETH)
    await one.quote(100, 100, ms=FIRST - 3 * MINUTE, symbol=ETH)
    await one.venue.submit(order("h", 1, amount="1", symbol=ETH, group="h"))
    await one.quote(100, 100, ms=FIRST - 2 * MINUTE, symbol=ETH)
    await to(one, FIRST + MINUTE)
    assert paid(one) == [(ETH, 0, D("0.1"))]
    one.data.funding = ask
    await to(one, FIRST + 2 * MINUTE)
    assert paid(one)[1:] == [(BTC, 0, D("-0.2"))]
    await one.close()


async def test_a_settlement_waits_for_the_minute_that_ended_then(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001))
    bars, one.data.past[BTC] = one.data.past[BTC], [minute(FIRST - MINUTE, 50.0)]
    await to(one, FIRST + MINUTE)
    assert paid(one) == []
    one.data.past[BTC] = bars
    await to(one, FIRST + MINUTE + 15_000)
    assert paid(one) == [(BTC, 0, D("-0.2"))]
    await one.close()


async def test_where_nobody_traded_in_that_minute_the_last_close_before_it_counts(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001))
    one.data.past[BTC] = [minute(FIRST - 2 * MINUTE, 50.0)]
    await to(one, FIRST + 3 * MINUTE)
    assert paid(one) == [(BTC, 0, D("-0.1"))]
    await one.close()


async def test_where_nobody_knows_a_price_nothing_is_paid_and_that_is_told(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001), (1, 0.001))
    one.data.past[BTC] = [minute(FIRST + HOUR, 101.0)]
    with structlog.testing.capture_logs() as logs:
        await to(one, FIRST + HOUR + MINUTE)
    assert [entry["event"] for entry in logs] == ["funding is not paid: nobody knows the price"]
    assert paid(one) == [(BTC, 1, D("-0.202"))]
    await one.close()


async def test_what_lies_too_far_back_is_told_to_be_missed(tmp_path):
    one = await holding(tmp_path, 1, *((hour, 0.0) for hour in range(MAX_RATES + 1)))
    one.data.rates[BTC] |= {BEGIN + FIRST + hour * HOUR: 0.001 for hour in (0, 1, 2, MAX_RATES + 1)}
    await one.close()
    await to(one, FIRST + (MAX_RATES + 1) * HOUR + 3 * MINUTE)
    with structlog.testing.capture_logs() as logs:
        one = await again(one)
        while len(paid(one)) < 2:
            await one.clock.settle()
    assert [hour for _, hour, _ in paid(one)] == [2, MAX_RATES + 1]
    assert [entry["symbol"] for entry in logs if entry["event"].startswith("funding")] == [BTC]
    await one.close()


async def test_an_account_of_before_pays_nothing_for_the_time_before(tmp_path):
    one = await holding(tmp_path, 1, (0, 0.001), (1, 0.001))
    await one.close()
    db = sqlite3.connect(tmp_path / "paper-live.db", isolation_level=None)
    db.execute("UPDATE clock SET ms = ?", (BEGIN + FIRST + MINUTE,))  # it was watched by a program that paid none
    db.executescript("DROP TABLE settled; DROP INDEX fills_of; PRAGMA user_version = 4;")
    db.close()
    await to(one, FIRST + 2 * HOUR)
    one = await again(one)
    assert paid(one) == [(BTC, 1, D("-0.202"))]
    await one.close()


async def missed(tmp_path, fields, *bars, ms=FIRST - 3 * MINUTE):
    """Return an account that placed an order before the first whole hour and missed these minutes and an hour more."""
    one = settling(await Live(tmp_path, **ACCOUNT).open(QUOTES), (0, 0.001))
    await one.quote(100, 100, ms=ms)
    await one.venue.submit(order(**fields))
    await one.close()
    one.data.past[BTC] = list(bars)
    await to(one, FIRST + HOUR - MINUTE)
    return await again(one)


async def test_what_ended_within_the_minute_up_to_a_settlement_does_not_pay(tmp_path):
    entry = {"guard": Guard(stop_loss=D("0.1")), "guard_id": "x"}
    falling = Bar(BEGIN + FIRST - MINUTE, 100.0, 100.0, 80.0, 85.0, 1.0)
    one = await missed(tmp_path, entry, minute(FIRST - MINUTE), falling)
    assert [row[:2] for row in await one.fills()] == [("e", FIRST - 2 * MINUTE), ("x", FIRST)]
    assert paid(one) == []
    await one.close()


async def test_what_was_made_within_the_minute_up_to_a_settlement_pays(tmp_path):
    dip = Bar(BEGIN + FIRST - MINUTE, 100.0, 100.0, 94.0, 96.0, 1.0)
    one = await missed(tmp_path, {"price": "95"}, minute(FIRST - MINUTE), dip)
    assert [row[:2] for row in await one.fills()] == [("e", FIRST)]
    assert paid(one) == [(BTC, 0, D("-0.096"))]
    await one.close()


async def test_what_was_bought_at_the_open_after_a_settlement_does_not_pay(tmp_path):
    one = await missed(tmp_path, {}, minute(FIRST), minute(FIRST + MINUTE), ms=FIRST - 30_000)
    assert [row[:2] for row in await one.fills()] == [("e", FIRST)]
    assert paid(one) == []
    await one.close()


async def test_the_rates_and_minutes_of_a_real_client_are_what_is_paid_by(tmp_path):
    clock = VirtualClock(BEGIN + FIRST - 10 * MINUTE)
    feed = FakeFeed(clock)
    feed.rates = {BTC: {BEGIN + FIRST + 4: 0.001}}
    feed.candles[BTC, "1m"] = [minute(FIRST - MINUTE, 50.0), minute(FIRST, 100.0), minute(FIRST + MINUTE, 150.0)]
    settings, exchange_clock = LiveSettings("live", market="swap"), ExchangeClock(clock)
    data = LiveMarket(lambda: Connection(feed, {BTC: D("0.01")}), settings, exchange_clock, lambda: 0.5)
    declared = LivePaperSettings(name="live", exchange="binance", **ACCOUNT)
    venue = LivePaperVenue(declared, tmp_path / "paper-live.db", clock, Listed(), data)
    await venue.open()
    await venue.subscribe([QUOTES])
    listener = Listener(venue)
    await clock.settle()
    for entry in ([order()], []):
        ticker = {"symbol": BTC, "bid": 100.0, "ask": 100.5, "bidVolume": 1.0, "askVolume": 1.0}
        feed.channel(BTC, "quotes").say({BTC: ticker | {"timestamp": clock.now_ms()}})
        await clock.advance(1)
        for one in entry:
            await venue.submit(one)
    await clock.advance(10 * 60 + 10)
    assert listener.of(FundingPaid) == [FundingPaid(BEGIN + FIRST, BTC, D("-0.1"))]
    assert (await venue.balances())["USDT"].total == D("9999.9")
    await clock.advance(3 * 3_600)
    assert len(listener.of(FundingPaid)) == 1
    await listener.close()


def walk(seed):
    """Return minutes of (number, open, high, low, close), each of which opens where the one before closed."""
    random, price, rows = Random(seed), 100.0, []
    for number in range(250):
        close = round(price + random.uniform(-0.6, 0.6), 2)
        reach = round(random.uniform(0.0, 0.3), 2)
        rows.append((number, price, max(price, close) + reach, min(price, close) - reach, close))
        price = close
    return rows


@pytest.mark.parametrize("seed", range(12))
async def test_missed_minutes_pay_what_a_replay_of_them_pays(tmp_path, market, seed):
    rows, random = walk(seed), Random(seed)
    rates = [(60 * hour, round(random.uniform(-0.002, 0.002), 8)) for hour in range(1, 5)]
    stop = Guard(stop_loss=D("0.02"), take_profit=D("0.02"))
    side = random.choice((1, -1))
    entries = [
        {"client_id": "a", "side": side, "amount": "1.5"},
        {"client_id": "b", "side": side, "amount": "2", "price": str(D(100) - side), "group": "h"},
        {"client_id": "c", "side": side, "amount": "0.7", "guard": stop, "guard_id": "x", "group": "i"},
    ]

    replay = await market.make(rows, market="swap", funding=rates)
    await replay.bar()
    at = rows[0][4]
    for fields in entries:
        await replay.venue.submit(market.request(**fields))
    settled = [tuple(event) for event in await replay.run() if isinstance(event, market.paid)]

    one = Live(tmp_path, clock=VirtualClock(market.T0 + MINUTE), **ACCOUNT)
    await one.open(QUOTES)
    await one.quote(at, at, ms=market.T0 + MINUTE - BEGIN)
    for fields in entries:
        await one.venue.submit(order(**fields))
    await one.close()
    await one.clock.advance(249 * 60 + 1)
    one.data.past = {BTC: [Bar(market.T0 + row[0] * MINUTE, *row[1:], 1.0) for row in rows]}
    one.data.rates = {BTC: {market.T0 + number * MINUTE: rate for number, rate in rates}}
    one = await again(one)
    assert [tuple(event) for event in one.listener.of(FundingPaid)] == settled
    assert len(settled) >= 1
    assert await one.venue.balances() == await replay.venue.balances()
    await one.close()
