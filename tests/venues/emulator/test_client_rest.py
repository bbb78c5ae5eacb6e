"""The real client's requests: what ccxt asks, and how it understands the answers and the refusals."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal

import ccxt
import ccxt.async_support
import numpy as np
import pytest

from support.exchange import NOW_MS, SERIES, SHIFT_MS, client, stage

BTC, ETH = "BTC/USDT", "ETH/USDT"


@asynccontextmanager
async def asking(recorded, faults=None, **more):
    async with stage(recorded, faults, **more) as it:
        one = client(ccxt.async_support.binance, it.port, it.clock)
        try:
            await one.load_markets()
            yield it, one
        finally:
            await one.close()


async def test_markets_tell_their_precision_and_minimums(recorded):
    async with asking(recorded) as (_, one):
        market = one.market(BTC)
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
        assert market["limits"]["cost"]["min"] == 5
        assert market["active"]
        assert set(one.markets) == {BTC, ETH}


async def test_the_clock_is_the_exchange_s_own(recorded):
    async with asking(recorded) as (it, one):
        assert await one.fetch_time() == it.clock.now_ms() == NOW_MS


@pytest.mark.parametrize("limit", [1, 17, 1000])
async def test_bars_are_those_of_the_history_a_whole_number_of_days_later(recorded, limit):
    async with asking(recorded) as (_, one):
        rows = await one.fetch_ohlcv(BTC, "1m", limit=limit)
        wanted = SERIES[BTC]
        last = int(np.searchsorted(wanted["ts"], NOW_MS - SHIFT_MS, side="right")) - 1
        complete = rows[:-1]
        assert len(rows) == limit
        assert rows[-1][0] == wanted["ts"][last] + SHIFT_MS
        for name, at in (("open", 1), ("high", 2), ("low", 3), ("close", 4), ("volume", 5)):
            assert [row[at] for row in complete] == list(wanted[name][last - len(complete) : last])


async def test_the_bar_that_grows_is_made_of_the_trades_so_far(recorded):
    async with asking(recorded) as (_, one):
        row = (await one.fetch_ohlcv(BTC, "1m", limit=1))[0]
        trades = [trade for trade in await one.fetch_trades(BTC, limit=200) if trade["timestamp"] >= row[0]]
        prices = [trade["price"] for trade in trades]
        assert row[1:5] == [prices[0], max(prices), min(prices), prices[-1]]
        assert row[5] == pytest.approx(sum(trade["amount"] for trade in trades))


async def test_longer_bars_are_made_of_shorter_ones(recorded):
    async with asking(recorded) as (_, one):
        minutes = await one.fetch_ohlcv(ETH, "1m", limit=500)
        hours = await one.fetch_ohlcv(ETH, "1h", limit=3)
        for hour in hours:
            part = [row for row in minutes if hour[0] <= row[0] < hour[0] + 3_600_000]
            assert hour[1:5] == [part[0][1], max(r[2] for r in part), min(r[3] for r in part), part[-1][4]]
            assert hour[5] == pytest.approx(sum(row[5] for row in part))


async def test_bars_since_a_moment_come_from_there_on(recorded):
    async with asking(recorded) as (_, one):
        since = NOW_MS - 7_200_000
        rows = await one.fetch_ohlcv(BTC, "5m", since, 10)
        assert [row[0] for row in rows] == [since - since % 300_000 + 300_000 * n for n in range(1, 11)]


async def test_the_balance_is_what_it_started_with(recorded):
    async with asking(recorded) as (_, one):
        balance = await one.fetch_balance()
        assert balance["USDT"] == {"free": 100_000, "used": 0, "total": 100_000}
        assert balance["info"]["canTrade"] is True
        assert balance["info"]["permissions"] == ["SPOT"]


async def test_a_key_s_rights_can_be_asked(recorded):
    async with asking(recorded) as (_, one):
        rights = await one.sapiGetAccountApiRestrictions()
        assert rights["enableWithdrawals"] is False
        assert rights["enableSpotAndMarginTrading"] is True


async def test_a_market_order_walks_the_depth(recorded):
    async with asking(recorded, balances={"USDT": Decimal(10**6)}) as (_, one):
        asks = (await one.fetch_order_book(BTC))["asks"]
        amount = sum(size for _, size in asks[:2]) + asks[2][1] / 2
        order = await one.create_order(BTC, "market", "buy", float(one.amount_to_precision(BTC, amount)))
        assert (order["status"], order["filled"]) == ("closed", order["amount"])
        assert [trade["price"] for trade in order["trades"]] == [price for price, _ in asks[:3]]
        assert sum(trade["amount"] for trade in order["trades"]) == pytest.approx(order["amount"])
        after = (await one.fetch_order_book(BTC))["asks"]
        assert after[0][0] == asks[2][0]


async def test_an_amount_of_money_can_be_spent(recorded):
    async with asking(recorded) as (_, one):
        order = await one.create_order(BTC, "market", "buy", 0, None, {"cost": 1000})
        assert order["status"] == "closed"
        assert 999 < order["cost"] <= 1000


async def test_a_limit_order_rests_is_asked_for_and_is_canceled(recorded):
    async with asking(recorded) as (_, one):
        order = await one.create_order(BTC, "limit", "buy", 0.1, 30_000, {"newClientOrderId": "a-1"})
        assert (await one.fetch_balance())["USDT"]["used"] == 3000
        assert [found["id"] for found in await one.fetch_open_orders(BTC)] == [order["id"]]
        by_client = await one.fetch_order(None, BTC, {"origClientOrderId": "a-1"})
        assert (by_client["id"], by_client["status"]) == (order["id"], "open")
        assert (await one.cancel_order(order["id"], BTC))["status"] == "canceled"
        after = await one.fetch_order(order["id"], BTC)
        assert (after["status"], after["clientOrderId"]) == ("canceled", "a-1")
        assert (await one.fetch_balance())["USDT"]["used"] == 0


async def test_a_resting_order_fills_in_parts_as_its_maker(recorded):
    async with asking(recorded) as (it, one):
        bid = (await one.fetch_order_book(BTC))["bids"][3][0]
        order = await one.create_order(BTC, "limit", "buy", 2.0, bid)
        for _ in range(3000):
            it.step(1)
            if it.exchange.trades:
                break
        part = await one.fetch_order(order["id"], BTC)
        assert 0 < part["filled"] < 2
        mine = await one.fetch_my_trades(BTC)
        assert {trade["price"] for trade in mine} == {bid}
        assert all(trade["takerOrMaker"] == "maker" for trade in mine)
        assert sum(trade["amount"] for trade in mine) == pytest.approx(part["filled"])


@pytest.mark.parametrize(
    ("force", "status", "filled"), [("IOC", "expired", True), ("FOK", "expired", False), ("GTC", "open", True)]
)
async def test_a_limit_order_takes_what_it_may(recorded, force, status, filled):
    async with asking(recorded) as (_, one):
        ask, size = (await one.fetch_order_book(BTC))["asks"][0]
        order = await one.create_order(BTC, "limit", "buy", round(size + 0.1, 5), ask, {"timeInForce": force})
        order = await one.fetch_order(order["id"], BTC)
        assert order["status"] == status
        assert order["filled"] == (size if filled else 0)


@pytest.mark.parametrize(
    ("kind", "side", "params", "off"),
    [
        ("market", "sell", "stopLossPrice", 0.9995),
        ("limit", "sell", "stopLossPrice", 0.9995),
        ("market", "sell", "takeProfitPrice", 1.0005),
        ("limit", "sell", "takeProfitPrice", 1.0005),
        ("market", "buy", "stopLossPrice", 1.0005),
        ("limit", "buy", "takeProfitPrice", 0.9995),
    ],
)
async def test_a_stop_waits_for_the_last_price(recorded, kind, side, params, off):
    async with asking(recorded) as (it, one):
        last = (await one.fetch_ticker(BTC))["last"]
        trigger = float(one.price_to_precision(BTC, last * off))
        limit = (
            None if kind == "market" else float(one.price_to_precision(BTC, last * (1.05 if side == "buy" else 0.95)))
        )
        order = await one.create_order(BTC, kind, side, 0.01, limit, {params: trigger})
        assert (await one.fetch_order(order["id"], BTC))["status"] == "open"
        reached = False
        for _ in range(20_000):
            it.step(1)
            found = it.exchange.orders[int(order["id"])]
            price = it.exchange.books["BTCUSDT"].last.ticks / 100
            upwards = (side == "buy") == (params == "stopLossPrice")
            reached = reached or (price >= trigger if upwards else price <= trigger)
            if not found.live:
                break
            assert not reached
        done = await one.fetch_order(order["id"], BTC)
        assert (done["status"], done["filled"]) == ("closed", 0.01)
        assert (await one.fetch_balance())["BTC"]["used"] == 0


async def test_every_order_of_a_symbol_is_canceled_at_once(recorded):
    async with asking(recorded) as (_, one):
        for price in (30_000, 31_000):
            await one.create_order(BTC, "limit", "buy", 0.01, price)
        await one.cancel_all_orders(BTC)
        assert await one.fetch_open_orders(BTC) == []
        assert {order["status"] for order in await one.fetch_orders(BTC)} == {"canceled"}


async def test_an_order_is_replaced(recorded):
    async with asking(recorded) as (_, one):
        order = await one.create_order(BTC, "limit", "buy", 0.01, 30_000)
        changed = await one.edit_order(order["id"], BTC, "limit", "buy", 0.01, 31_000)
        assert (changed["price"], changed["status"]) == (31_000, "open")
        assert len(await one.fetch_open_orders(BTC)) == 1


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ((BTC, "limit", "buy", 10, 30_000), ccxt.InsufficientFunds),
        ((BTC, "market", "sell", 3), ccxt.InsufficientFunds),
        ((BTC, "limit", "buy", 0.0001, 30_000), ccxt.BadRequest),
        ((BTC, "limit", "buy", 0.01, 90_000, {"postOnly": True}), ccxt.OrderImmediatelyFillable),
        ((BTC, "limit", "buy", 0.01, 30_000, {"stopLossPrice": 30_000}), ccxt.OrderImmediatelyFillable),
        ((BTC, "limit", "buy", 0.01, 30_000, {"newClientOrderId": "no spaces"}), ccxt.BadRequest),
    ],
)
async def test_a_refused_order_is_refused_as_the_client_knows_it(recorded, asked, error):
    async with asking(recorded) as (it, one):
        with pytest.raises(error):
            await one.create_order(*asked)
        assert it.exchange.live() == []
        assert (await one.fetch_balance())["USDT"]["used"] == 0


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"price": "30000.001"}, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.000001"}, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.00001"}, "Filter failure: NOTIONAL"),
    ],
)
async def test_filters_refuse_what_does_not_fit(recorded, changed, text):
    async with asking(recorded) as (_, one):
        asked = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
        with pytest.raises(ccxt.BaseError, match=text):
            await one.privatePostOrder(asked | {"price": "30000"} | changed)


async def test_a_client_id_is_used_once_among_live_orders(recorded):
    async with asking(recorded) as (_, one):
        asked = (BTC, "limit", "buy", 0.01, 30_000, {"newClientOrderId": "twice"})
        await one.create_order(*asked)
        with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
            await one.create_order(*asked)
        await one.cancel_order(None, BTC, {"origClientOrderId": "twice"})
        assert (await one.create_order(*asked))["status"] == "open"


async def test_orders_that_are_not_there_are_told_apart_from_those_that_are(recorded):
    async with asking(recorded) as (_, one):
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            await one.fetch_order("77", BTC)
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            await one.cancel_order("77", BTC)


async def test_a_symbol_that_is_not_traded_is_refused(recorded):
    async with asking(recorded) as (_, one):
        with pytest.raises(ccxt.BadSymbol):
            await one.publicGetDepth({"symbol": "NOPE"})


@pytest.mark.parametrize(
    ("off_ms", "text"), [(-20_000, "outside of the recvWindow"), (5_000, "ahead of the server's time")]
)
async def test_a_request_of_another_time_is_refused(recorded, off_ms, text):
    async with asking(recorded) as (it, one):
        one.milliseconds = lambda: it.clock.now_ms() + off_ms
        with pytest.raises(ccxt.InvalidNonce, match=text):
            await one.fetch_balance()


async def test_too_much_weight_is_refused_until_the_minute_is_over(recorded):
    async with asking(recorded) as (it, one):
        for _ in range(6000 // 20 - 1):
            await one.publicGetExchangeInfo()
        with pytest.raises(ccxt.DDoSProtection):
            await one.publicGetExchangeInfo()
        assert int(one.last_response_headers["Retry-After"]) == 60 - 30
        it.step(30)
        assert await one.publicGetPing() == {}
        assert one.last_response_headers["X-MBX-USED-WEIGHT-1M"] == "1"
