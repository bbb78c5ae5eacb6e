"""ccxt's own client as we make it: one host, our ids, bounded answers. On loopback."""

from __future__ import annotations

from random import Random

import ccxt.pro
import pytest
from aiohttp import web

from autotrader.core.clock import SystemClock
from autotrader.core.errors import VenueError
from autotrader.venues import ccxt_make
from autotrader.venues.ccxt_client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt_make import make_exchange, point_at, unmark

SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "isSpotTradingAllowed": True,
    "permissionSets": [["SPOT"]],
    "orderTypes": ["LIMIT", "MARKET"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        {"filterType": "NOTIONAL", "minNotional": "5"},
    ],
}


@pytest.fixture
async def binance():
    """Serve as much of Binance as a client needs to open and to send an order; every order is kept."""
    orders = []

    async def order(asked):
        sent = {**asked.query, **dict(await asked.post())}
        orders.append(sent)
        return web.json_response(
            {"symbol": "BTCUSDT", "orderId": 7, "clientOrderId": sent["newClientOrderId"], "status": "NEW"}
        )

    def answer(make):
        async def handler(_):
            return web.json_response(make())

        return handler

    app = web.Application()
    app.router.add_get("/api/v3/time", answer(lambda: {"serverTime": SystemClock().now_ms() + 3000}))
    app.router.add_get("/api/v3/exchangeInfo", answer(lambda: {"symbols": [SYMBOL]}))
    app.router.add_post("/api/v3/order", order)
    app.router.add_get("/api/v3/account", answer(lambda: "x" * 5000))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}", orders
    await runner.cleanup()


@pytest.fixture
async def client(binance):
    settings = CcxtSettings(
        name="binance", id="binance", url=binance[0], credentials={"key": "k", "secret": "s"}, attempts=1
    )
    made = CcxtClient(settings, SystemClock(), make_exchange, Random(1))
    await made.open()
    yield made
    await made.close()


async def test_the_client_opens_measures_the_clock_and_learns_the_markets(client):
    assert abs(client.now_ms() - SystemClock().now_ms() - 3000) < 1000
    told = client.instrument("BTC/USDT")
    assert (str(told.tick), str(told.lot), str(told.min_notional)) == ("0.01", "0.00001", "5.0")


async def test_an_order_leaves_with_our_id_and_no_brokers_mark(client, binance):
    told = await client.submit(
        "create_order",
        "BTC/USDT",
        "limit",
        "buy",
        0.5,
        100.0,
        check=lambda answer: answer["id"],
        params={"clientOrderId": "atours"},
    )
    assert told == "7"
    assert binance[1][0]["newClientOrderId"] == "atours"
    assert binance[1][0]["quantity"] == "0.5"


async def test_an_answer_past_the_bound_is_not_read(client, monkeypatch):
    monkeypatch.setattr(ccxt_make, "MAX_BODY_BYTES", 1000)
    with pytest.raises(VenueError, match="more than 1000 bytes"):
        await client.read("fetch_balance")


async def test_with_a_declared_host_no_other_one_is_asked(client):
    with pytest.raises(VenueError, match=r"asked example\.invalid"):
        await client.exchange.fetch("http://example.invalid/")


def addresses(value):
    if isinstance(value, dict):
        return [found for one in value.values() for found in addresses(one)]
    if isinstance(value, list):
        return [found for one in value for found in addresses(one)]
    return [value] if isinstance(value, str) and "://" in value else []


@pytest.mark.parametrize("name", ["binance", "binanceusdm", "upbit", "bithumb", "bybit", "okx", "kraken", "coinbase"])
def test_every_address_goes_to_the_declared_host(name):
    exchange = getattr(ccxt.pro, name)()
    point_at(exchange, "http://127.0.0.1:9100/base")
    found = addresses(exchange.urls)
    assert found
    assert {one.split("://")[1].split("/")[0] for one in found} == {"127.0.0.1:9100"}
    assert {one.split("://")[0] for one in found} <= {"http", "ws"}


@pytest.mark.parametrize("name", ["binance", "binanceusdm", "okx", "kucoin", "bybit", "gate"])
def test_no_brokers_mark_is_left_in_the_options(name):
    exchange = getattr(ccxt.pro, name)()
    unmark(exchange)
    assert not {"broker", "brokerId", "partner"} & set(exchange.options)


async def test_an_exchange_that_ccxt_does_not_have_is_an_error():
    with pytest.raises(VenueError, match="no exchange 'bananas'"):
        make_exchange(CcxtSettings(name="x", id="bananas"))
