"""Market data under our symbols where ccxt has longer ones, and on Binance trades that are counted in one way."""

from random import Random

import pytest

from autotrader.core.events import Series, TradePrinted
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.feed import OwnNames
from autotrader.venues.ccxt.make import make_exchange
from autotrader.venues.live.feed import Connection, ExchangeClock, LiveSettings
from autotrader.venues.live.market import LiveMarket
from support.exchange import SERIES, FollowingClock, stage, write_history
from support.fake_ccxt import FakeCcxt

OURS, THEIRS = "BTC/USDT", "BTC/USDT:USDT"


class Asked(FakeCcxt):
    """Answers every question of market data with what was asked for."""

    def __getattr__(self, name):
        if not name.startswith(("watch_", "un_watch_", "fetch_")):
            raise AttributeError(name)

        async def answer(asked, *_more):
            self.calls.append((name, asked))
            row = {"symbol": THEIRS, "price": 1.0}
            if name.endswith("bids_asks"):
                return dict.fromkeys(asked, row)
            return row if name.endswith("order_book") else [row, {"symbol": "ETH/USDT:USDT"}]

        return answer


@pytest.fixture
async def feed():
    fake = Asked()
    client = CcxtClient(CcxtSettings(name="x", id="binance", market="swap"), fake.clock, lambda _: fake, Random(1))
    await client.open()
    return fake, OwnNames(client)


async def test_a_swap_is_asked_for_under_ccxts_name_and_told_under_ours(feed):
    fake, own = feed
    assert [row["symbol"] for row in await own.watch_trades(OURS)] == [OURS, "ETH/USDT:USDT"]
    assert [row["symbol"] for row in await own.fetch_trades(OURS, 1, 2, {})] == [OURS, "ETH/USDT:USDT"]
    assert [row["symbol"] for row in await own.fetch_funding_rate_history(OURS, 1, 2)] == [OURS, "ETH/USDT:USDT"]
    assert await own.watch_bids_asks([OURS]) == {OURS: {"symbol": OURS, "price": 1.0}}
    assert (await own.watch_order_book(OURS))["symbol"] == OURS
    assert (await own.fetch_order_book(OURS))["symbol"] == OURS
    await own.watch_ohlcv(OURS)
    await own.fetch_ohlcv(OURS)
    for end in (own.un_watch_ohlcv, own.un_watch_trades, own.un_watch_order_book):
        await end(OURS)
    await own.un_watch_bids_asks([OURS])
    assert {str(asked) for name, asked in fake.calls if "watch" in name or name.startswith("fetch_o")} == {
        THEIRS,
        str([THEIRS]),
    }


async def test_on_binance_a_hole_in_the_stream_is_filled_with_trades_that_are_counted_alike(tmp_path):
    data = write_history(tmp_path / "data", SERIES)
    faults = {"seed": 1, "rules": [{"on": "btcusdt@aggTrade", "from": 4, "until": 6, "do": "drop"}]}
    async with stage(data, faults) as one:
        clock = FollowingClock(one.clock)
        settings = CcxtSettings(name="x", id="binance", url=f"http://127.0.0.1:{one.port}")
        client = CcxtClient(settings, clock, make_exchange, Random(1))
        await one.until(client.open(), seconds=0.1)
        lent = Connection(OwnNames(client), client.ticks())
        market = LiveMarket(lambda: lent, LiveSettings("x", ids_count=True, from_id="fromId"), ExchangeClock(clock))
        await market.open()
        await market.subscribe([Series("x", "BTC/USDT", "trades")])
        told = []

        async def read():
            async for event in market.events():
                if isinstance(event, TradePrinted):
                    told.append(event.ts_ms)
                if len(told) == 12:
                    return

        try:
            await one.until(read(), seconds=0.1)
            (status,) = market.status()
            there = await client.exchange.fetch_trades("BTC/USDT", told[0], 1000)
        finally:
            await market.close()
            await client.close()
    assert told == [one["timestamp"] for one in there if one["timestamp"] <= told[-1]]
    assert (status.gaps, status.source) == (0, "ws")
