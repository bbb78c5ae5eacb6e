"""The wire without a client in between: raw streams, requests over a websocket, and what is refused there."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import aiohttp
import ccxt.pro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotrader.core.clock import ManualClock
from autotrader.venues.emulator.market import Market
from support.exchange import BEGIN_MS, NOW_MS, SHIFT_MS, client, stage, walk, write_history


@asynccontextmanager
async def talking(recorded, path):
    async with (
        stage(recorded) as it,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{it.port}{path}") as socket,
    ):
        yield it, socket


async def answer(socket, **asked):
    await socket.send_json(asked)
    return await socket.receive_json(timeout=5)


async def test_a_stream_is_named_in_the_address(recorded):
    async with talking(recorded, "/ws/btcusdt@trade") as (it, socket):
        it.step(3)
        told = await socket.receive_json(timeout=5)
        assert (told["e"], told["s"]) == ("trade", "BTCUSDT")
        assert NOW_MS < told["T"] <= NOW_MS + 3000


async def test_combined_streams_tell_their_names(recorded):
    async with talking(recorded, "/stream?streams=btcusdt@miniTicker/ethusdt@bookTicker") as (it, socket):
        it.step(3)
        told = [await socket.receive_json(timeout=5) for _ in range(2)]
        assert {one["stream"] for one in told} == {"btcusdt@miniTicker", "ethusdt@bookTicker"}
        assert {one["data"]["s"] for one in told} == {"BTCUSDT", "ETHUSDT"}


async def test_every_kind_of_stream_tells_something(recorded):
    names = [
        "btcusdt@aggTrade", "btcusdt@bookTicker", "btcusdt@depth", "btcusdt@depth20@100ms", "btcusdt@depth@100ms",
        "btcusdt@kline_1d", "btcusdt@kline_1m", "btcusdt@miniTicker", "btcusdt@ticker", "btcusdt@trade",
        "!miniTicker@arr", "!ticker@arr",
    ]  # fmt: skip
    async with talking(recorded, "/stream") as (it, socket):
        assert await answer(socket, method="SUBSCRIBE", params=names, id=1) == {"result": None, "id": 1}
        assert (await answer(socket, method="LIST_SUBSCRIPTIONS", id=2))["result"] == sorted(names)
        it.step(2)
        heard = set()
        while heard < set(names):
            heard.add((await socket.receive_json(timeout=5))["stream"])


async def test_a_closed_bar_is_told_as_closed_once(recorded):
    async with talking(recorded, "/ws/btcusdt@kline_1m") as (it, socket):
        for _ in range(12):
            it.step(10)
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 9})
        closed = []
        while "id" not in (told := await socket.receive_json(timeout=5)):
            closed += [told["k"]["t"]] if told["k"]["x"] else []
        first = NOW_MS - NOW_MS % 60_000
        assert closed == [first, first + 60_000]


@pytest.mark.parametrize("name", ["nope@trade", "btcusdt@nothing", "btcusdt@kline_7m", "btcusdt"])
async def test_a_stream_that_is_not_there_is_refused(recorded, name):
    async with talking(recorded, "/ws") as (_, socket):
        assert (await answer(socket, method="SUBSCRIBE", params=[name], id=1))["error"]["code"] == 2


async def test_what_is_no_request_is_refused(recorded):
    async with talking(recorded, "/ws") as (_, socket):
        await socket.send_str("no json")
        assert "error" in await socket.receive_json(timeout=5)


async def test_a_request_over_a_websocket_is_answered_by_its_number(recorded):
    async with talking(recorded, "/ws-api/v3") as (_, socket):
        told = await answer(socket, id="a", method="time")
        assert told == {"id": "a", "status": 200, "result": {"serverTime": NOW_MS}, "rateLimits": []}
        told = await answer(socket, id="b", method="depth", params={"symbol": "NOPE"})
        assert (told["status"], told["error"]["code"]) == (400, -1121)
        told = await answer(socket, id="c", method="nothing")
        assert told["status"] == 400


async def test_an_order_is_placed_over_a_websocket(recorded):
    async with stage(recorded) as it:
        one = client(ccxt.pro.binance, it.port, it.clock)
        try:
            order = await it.until(one.create_order_ws("BTC/USDT", "limit", "buy", 0.01, 30_000))
            assert order["status"] == "open"
            assert (await it.until(one.cancel_order_ws(order["id"], "BTC/USDT")))["status"] == "canceled"
        finally:
            await one.close()


@pytest.mark.parametrize(
    ("headers", "params", "status", "code"),
    [
        ({}, {"timestamp": NOW_MS, "signature": "x"}, 401, -2014),
        ({"X-MBX-APIKEY": "k"}, {"timestamp": NOW_MS}, 400, -1102),
        ({"X-MBX-APIKEY": "k"}, {"signature": "x"}, 400, -1102),
        ({"X-MBX-APIKEY": "k"}, {"timestamp": NOW_MS, "signature": "x", "recvWindow": 70_000}, 400, -1131),
        ({"X-MBX-APIKEY": "k"}, {"timestamp": NOW_MS - 6000, "signature": "x"}, 400, -1021),
        ({"X-MBX-APIKEY": "k"}, {"timestamp": NOW_MS - 4000, "signature": "x"}, 200, None),
    ],
)
async def test_only_signed_requests_of_now_are_answered(recorded, headers, params, status, code):
    async with stage(recorded) as it, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{it.port}/api/v3/account"
        async with session.get(url, headers=headers, params=params) as told:
            assert told.status == status
            assert json.loads(await told.text()).get("code") == code


async def test_a_path_that_is_not_there_is_not_found(recorded):
    async with (
        stage(recorded) as it,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{it.port}/api/v3/nothing") as told,
    ):
        assert told.status == 404


async def test_the_market_closes_where_the_history_ends(recorded):
    async with stage(recorded) as it:
        one = client(ccxt.pro.binance, it.port, it.clock)
        try:
            await one.load_markets()
            it.step(2 * 86_400)
            with pytest.raises(ccxt.MarketClosed):
                await one.create_order("BTC/USDT", "limit", "buy", 0.01, 30_000)
            assert (await one.fetch_markets())[0]["active"] is False
        finally:
            await one.close()


def test_recorded_trades_are_told_where_they_make_the_bar(tmp_path):
    columns = walk(5, 100_000)
    at = (NOW_MS - SHIFT_MS - BEGIN_MS) // 60_000 - 5
    minute = int(columns["ts"][at])
    prices = [1000.0, 1000.5, 999.5, 1000.25]
    for name, price in (("open", 1000.0), ("high", 1000.5), ("low", 999.5), ("close", 1000.25), ("volume", 1.0)):
        columns[name][at] = price
    write_history(tmp_path, {"BTC/USDT": columns})
    path = tmp_path / "trades" / "binance" / "BTC-USDT.parquet"
    path.parent.mkdir(parents=True)
    ts = [minute + 7, minute + 7, minute + 30_000, minute + 59_999]
    pq.write_table(pa.table({"ts": ts, "price": prices, "amount": [0.25] * 4}), path)
    market = Market(tmp_path, "binance", ManualClock(NOW_MS))
    one = market.traded["BTCUSDT"]
    begin = minute + market.shift_ms
    told = market.prints(one, begin - 1, begin + 59_999)
    assert [(made.ts_ms - market.shift_ms, made.ticks) for made in told] == [
        (moment, round(price * 100)) for moment, price in zip(ts, prices, strict=True)
    ]
    assert len(market.prints(one, begin + 59_999, begin + 119_999)) == 60
