"""The real client's streams: ccxt.pro watches the emulated exchange as it watches Binance."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import ccxt.pro
import pytest

from support.exchange import SHIFT_MS, client, stage

BTC = "BTC/USDT"


@asynccontextmanager
async def watching(recorded, faults=None):
    async with stage(recorded, faults) as it:
        one = client(ccxt.pro.binance, it.port, it.clock)
        try:
            await one.load_markets()
            yield it, one
        finally:
            await one.close()


async def listened_for(one, key):
    """Return once the client waits for news under that key."""
    url = one.urls["api"]["ws"]["ws-api"]["spot"]
    for _ in range(5000):
        await asyncio.sleep(0.002)
        if url in one.clients and key in one.clients[url].futures:
            return
    raise AssertionError(f"nobody waits for {key}")


async def following(one, symbol=BTC):
    """Make sure that the account's stream is open, and return a wait for the next news of an order."""
    waiting = asyncio.ensure_future(one.watch_orders(symbol))
    await listened_for(one, "orders:" + symbol)
    return waiting


async def test_an_order_and_its_fill_are_seen(recorded):
    async with watching(recorded) as (it, one):
        waiting = await following(one)
        bid = (await one.fetch_order_book(BTC))["bids"][0][0]
        placed = await one.create_order(BTC, "limit", "buy", 0.01, bid, {"newClientOrderId": "mine-1"})
        seen = (await it.until(waiting))[-1]
        assert (seen["id"], seen["clientOrderId"], seen["status"]) == (placed["id"], "mine-1", "open")
        trade = (await it.until(one.watch_my_trades(BTC)))[-1]
        assert (trade["order"], trade["price"], trade["takerOrMaker"]) == (placed["id"], bid, "maker")
        assert trade["fee"] == {"currency": "BTC", "cost": pytest.approx(trade["amount"] / 1000)}
        balance = await one.fetch_balance()
        assert balance["BTC"]["total"] == pytest.approx(2 + trade["amount"] * 0.999)


async def test_a_cancel_is_seen_under_the_order_s_own_id(recorded):
    async with watching(recorded) as (it, one):
        waiting = await following(one)
        placed = await one.create_order(BTC, "limit", "buy", 0.01, 30_000, {"newClientOrderId": "mine-2"})
        await it.until(waiting)
        waiting = await following(one)
        await one.cancel_order(placed["id"], BTC)
        seen = (await it.until(waiting))[-1]
        assert (seen["id"], seen["clientOrderId"], seen["status"]) == (placed["id"], "mine-2", "canceled")


async def test_money_that_moves_is_seen(recorded):
    async with watching(recorded) as (it, one):
        await following(one)
        waiting = asyncio.ensure_future(one.watch_balance())
        await listened_for(one, "spot:balance")
        await one.create_order(BTC, "limit", "buy", 0.01, 30_000)
        balance = await it.until(waiting)
        assert (balance["USDT"]["free"], balance["USDT"]["used"]) == (99_700, 300)


async def test_the_streamed_book_passes_the_client_s_checks_and_equals_the_asked_one(recorded):
    async with watching(recorded) as (it, one):
        await it.until(one.watch_order_book(BTC))
        for _ in range(20):
            streamed = await it.until(one.watch_order_book(BTC))
            asked = await one.fetch_order_book(BTC, 1000)
            assert streamed["nonce"] == asked["nonce"]
            assert [row[:2] for row in streamed["bids"]] == asked["bids"]
            assert [row[:2] for row in streamed["asks"]] == asked["asks"]
            assert asked["bids"][0][0] < asked["asks"][0][0]


async def test_a_bar_that_was_watched_as_it_grew_is_the_recorded_one(recorded):
    async with watching(recorded) as (it, one):
        first = (await it.until(one.watch_ohlcv(BTC)))[-1][0]
        held = {}
        while max(held, default=first) < first + 3 * 60_000:
            for row in await it.until(one.watch_ohlcv(BTC)):
                held[row[0]] = row
        recorded_rows = {
            row[0]: row for row in await one.fetch_ohlcv(BTC, "1m", first, 4, {"endTime": first + 180_000})
        }
        for open_ms in (first, first + 60_000, first + 120_000):
            assert held[open_ms] == recorded_rows[open_ms]


async def test_public_trades_are_watched_once_each_and_in_order(recorded):
    async with watching(recorded) as (it, one):
        seen = []
        for _ in range(30):
            seen += await it.until(one.watch_trades(BTC))
        numbers = [int(trade["id"]) for trade in seen]
        assert numbers == sorted(set(numbers))
        assert all(trade["timestamp"] <= it.clock.now_ms() for trade in seen)
        assert all(trade["timestamp"] > it.clock.now_ms() - 3_600_000 for trade in seen)
        assert SHIFT_MS % 86_400_000 == 0


@pytest.mark.parametrize("watch", ["watch_ticker", "watch_bids_asks"])
async def test_tickers_are_watched(recorded, watch):
    async with watching(recorded) as (it, one):
        asked = BTC if watch == "watch_ticker" else [BTC]
        seen = await it.until(getattr(one, watch)(asked))
        seen = seen.get(BTC, seen)
        assert seen["bid"] < seen["ask"]


async def test_a_stream_that_is_not_wanted_any_more_ends(recorded):
    async with watching(recorded) as (it, one):
        await it.until(one.watch_trades(BTC))
        await it.until(one.un_watch_trades(BTC))
        assert it.server.listened() == set()
