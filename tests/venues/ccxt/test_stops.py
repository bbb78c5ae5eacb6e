"""Stops that rest at an exchange, through ccxt's own clients against small servers on loopback."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from autotrader.config.ccxt_exchange import STOPS_AT_VENUE
from autotrader.core.errors import VenueUnavailable
from autotrader.execution.orders import OrderRequest
from autotrader.venues.ccxt.orders import SETTLE_MS
from autotrader.venues.ccxt.stops import STOPS
from autotrader.venues.ccxt.watch import AccountWatch
from autotrader.venues.protocol import FillHappened, OrderChanged
from support.accounts import AheadClock, account_at
from support.loopback import Loopback, now_ms
from support.small_futures import SmallFutures

D = Decimal


@asynccontextmanager
async def account(server, tmp_path, clock=None, **more):
    fields = {"market": "swap", "credentials": {"key": "k", "secret": "s"}, **more}
    made = account_at(server, tmp_path, clock, **fields)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture(params=["binance", "binanceusdm"])
async def usdm(request, tmp_path):
    async with SmallFutures() as server, account(server, tmp_path, id=request.param) as venue:
        yield server, venue


def stop(client_id="atgp1", price="95.5", side=-1):
    return OrderRequest(client_id, "BTC/USDT", side, "market", D("0.5"), None, True, "g", 0, "1m", stop_price=D(price))


def test_what_is_declared_to_protect_while_the_daemon_is_away_is_what_is_placed():
    assert set(STOPS) == STOPS_AT_VENUE


async def test_a_stop_of_usd_m_only_reduces_and_waits_under_our_id(usdm):
    server, venue = usdm
    order = await venue.submit(stop())
    (sent,) = server.told("POST /fapi/v1/algoOrder")
    wanted = {
        "algoType": "CONDITIONAL",
        "type": "STOP_MARKET",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.5",
        "triggerPrice": "95.5",
        "reduceOnly": "true",
        "clientAlgoId": "atgp1",
    }
    assert sent | wanted == sent
    assert (order.client_id, order.venue_id, order.status) == ("atgp1", "trigger-2148719", "open")
    assert (order.type, order.amount) == ("market", D("0.5"))
    assert [one.client_id for one in await venue.open_orders()] == ["atgp1"]
    assert (await venue.order("atgp1")).status == "open"


async def test_a_waiting_stop_is_canceled_by_its_own_id(usdm):
    server, venue = usdm
    await venue.submit(stop())
    order = await venue.cancel("atgp1")
    assert (order.status, order.filled) == ("canceled", 0)
    assert server.told("DELETE /fapi/v1/algoOrder")[0]["algoId"] == "2148719"


async def test_a_stop_whose_answer_was_lost_is_found_by_our_id(usdm):
    server, venue = usdm
    await venue.submit(stop())
    venue._opened()._run("UPDATE orders SET venue_id = ''", ())
    assert (await venue.order("atgp1")).venue_id == "trigger-2148719"
    assert server.told("GET /fapi/v1/algoOrder")[-1]["clientAlgoId"] == "atgp1"


async def test_what_a_stop_became_is_the_same_order_under_the_new_id(usdm):
    server, venue = usdm
    await venue.submit(stop())
    server.fill(server.trigger())
    order = await venue.order("atgp1")
    assert (order.client_id, order.venue_id, order.status, order.filled) == ("atgp1", "7001", "filled", D("0.5"))
    (fill,) = await venue.fills(0)
    assert (fill.client_id, fill.group, fill.price, fill.amount) == ("atgp1", "g", D(95), D("0.5"))


@pytest.mark.parametrize("name", [None, "somebodys"])
async def test_a_fill_that_is_told_before_the_stop_is_the_stops(usdm, name):
    server, venue = usdm
    server.child_name = name
    await venue.submit(stop())
    server.fill(server.trigger())
    (fill,) = await venue.fills(0)
    assert (fill.client_id, fill.group) == ("atgp1", "g")
    assert (await venue.order("atgp1")).status == "filled"


async def test_a_stop_that_triggers_while_it_is_canceled_tells_its_fill(usdm):
    server, venue = usdm
    await venue.submit(stop())
    server.fill(server.trigger())
    assert (await venue.cancel("atgp1")).filled == D("0.5")


async def test_a_stop_whose_new_order_is_not_told_yet_still_stands(usdm):
    server, venue = usdm
    await venue.submit(stop())
    server.trigger()
    server.algos[2148719]["actualOrderId"] = ""
    assert (await venue.order("atgp1")).status == "open"


async def test_a_trade_that_a_stop_may_have_made_is_not_taken_for_a_foreign_one_before_that_is_sure(tmp_path):
    clock = AheadClock()
    async with SmallFutures() as server, account(server, tmp_path, clock, id="binance") as venue:
        await venue.submit(stop())
        server.child_name, server.silent = "somebodys", True
        server.fill(server.trigger())
        with pytest.raises(VenueUnavailable, match="a stop may have become"):
            await venue.fills(0)
        server.silent = False
        assert [one.client_id for one in await venue.fills(0)] == ["atgp1"]


async def test_a_trade_of_another_hand_is_foreign_after_a_while(tmp_path):
    clock = AheadClock()
    async with SmallFutures() as server, account(server, tmp_path, clock, id="binance") as venue:
        await venue.submit(stop())
        server.child_name = "somebodys"
        await venue.submit(stop("atgp2"))
        child = server.trigger(2148720)
        server.fill(child)
        server.algos[2148720] |= {"algoStatus": "CANCELED", "actualOrderId": ""}
        server.trades[0]["time"] -= SETTLE_MS
        assert [(one.client_id, one.group) for one in await venue.fills(0)] == [("somebodys", "")]


async def test_the_stream_tells_a_stop_that_was_sent_as_what_it_became(usdm):
    server, venue = usdm
    await venue.submit(stop())
    child = server.trigger()
    server.fill(child)
    heard = []
    watch = venue.watch(lambda events, _: heard.extend(events))
    exchange = venue._client.exchange
    for status in ("TRIGGERED", "FINISHED"):
        told = {"caid": "atgp1", "aid": 2148719, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": "BTCUSDT", "S": "SELL"}
        told |= {"ps": "BOTH", "q": "0.5", "X": status, "ai": str(child), "ap": "0", "aq": "0", "tp": "95.5", "p": "0"}
        await watch._take_orders([exchange.parse_ws_order(told)])
    assert heard == []
    await watch._look()
    assert [type(one).__name__ for one in heard] == ["FillHappened", "FillsComplete"]
    assert heard[0].fill.client_id == "atgp1"


async def test_the_stream_tells_a_stop_that_was_canceled(usdm):
    _, venue = usdm
    await venue.submit(stop())
    heard = []
    watch: AccountWatch = venue.watch(lambda events, _: heard.extend(events))
    told = {"caid": "atgp1", "aid": 2148719, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": "BTCUSDT", "S": "SELL"}
    told |= {"ps": "BOTH", "q": "0.5", "X": "CANCELED", "ai": "", "tp": "95.5", "p": "0"}
    await watch._take_orders([venue._client.exchange.parse_ws_order(told)])
    assert [(type(one), one.order.status) for one in heard] == [(OrderChanged, "canceled")]
    assert not any(isinstance(one, FillHappened) for one in heard)


# Bybit: the order that waits is the one that fills


def bybit():
    """Return a server that answers as Bybit documents it, and the one order that it knows."""
    order = {}
    market = {
        "symbol": "BTCUSDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": "1584230400000",
        "deliveryTime": "0",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "199999.80", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "100", "minOrderQty": "0.001", "qtyStep": "0.001", "minNotionalValue": "5"},
    }

    def whole(**result):
        return {"retCode": 0, "retMsg": "OK", "result": result, "time": now_ms()}

    def place(asked):
        order.update(
            orderId="8ef1e2c9",
            orderLinkId=asked["orderLinkId"],
            symbol="BTCUSDT",
            side=asked["side"],
            orderType=asked["orderType"],
            qty=asked["qty"],
            price="0",
            triggerPrice=asked["triggerPrice"],
            orderStatus="Untriggered",
            cumExecQty="0",
            cumExecValue="0",
            avgPrice="",
            reduceOnly=asked["reduceOnly"],
            createType="CreateByUser",
            tpslMode="",
            createdTime=str(now_ms()),
            updatedTime=str(now_ms()),
        )
        return whole(orderId=order["orderId"], orderLinkId=order["orderLinkId"])

    def cancel(_):
        order["orderStatus"] = "Deactivated"
        return whole(orderId=order["orderId"], orderLinkId=order["orderLinkId"])

    def trades(_):
        if order["orderStatus"] != "Filled":
            return whole(list=[], category="linear")
        fill = {
            "symbol": "BTCUSDT",
            "orderId": order["orderId"],
            "orderLinkId": order["orderLinkId"],
            "side": "Sell",
            "execId": "e1",
            "execPrice": "95",
            "execQty": "0.5",
            "execFee": "0.02",
            "feeCurrency": "USDT",
            "execType": "Trade",
            "execValue": "47.5",
            "execTime": str(now_ms()),
            "isMaker": False,
        }
        return whole(list=[fill], category="linear")

    def listed(asked):
        found = [market] if asked["category"] == "linear" else []
        return whole(list=found, category=asked["category"], nextPageCursor="")

    server = Loopback(
        {
            "GET /v5/market/time": lambda _: whole(
                timeSecond=str(now_ms() // 1000), timeNano=str(now_ms() * 1_000_000)
            ),
            "GET /v5/market/instruments-info": listed,
            "GET /v5/asset/coin/query-info": lambda _: whole(rows=[]),
            "GET /v5/account/info": lambda _: whole(unifiedMarginStatus=6),
            "GET /v5/user/query-api": lambda _: whole(uta=1, unified=0),
            "POST /v5/order/create": place,
            "POST /v5/order/cancel": cancel,
            "GET /v5/order/realtime": lambda _: whole(list=[order], category="linear", nextPageCursor=""),
            "GET /v5/execution/list": trades,
        }
    )
    return server, order


async def test_a_stop_of_bybit_only_reduces_and_is_one_order_from_its_waiting_to_its_fill(tmp_path):
    server, order = bybit()
    async with server, account(server, tmp_path, id="bybit") as venue:
        placed = await venue.submit(stop())
        (sent,) = server.told("POST /v5/order/create")
        wanted = {"category": "linear", "side": "Sell", "orderType": "Market", "qty": "0.5", "triggerPrice": "95.5"}
        wanted |= {"triggerDirection": 2, "reduceOnly": True, "orderLinkId": "atgp1"}
        assert sent | wanted == sent
        assert (placed.client_id, placed.venue_id, placed.status) == ("atgp1", "8ef1e2c9", "open")
        assert [one.client_id for one in await venue.open_orders()] == ["atgp1"]
        assert "orderFilter" not in server.told("GET /v5/order/realtime")[0]
        order |= {"orderStatus": "Filled", "cumExecQty": "0.5", "cumExecValue": "47.5", "avgPrice": "95"}
        assert (await venue.order("atgp1")).status == "filled"
        (fill,) = await venue.fills(0)
        assert (fill.client_id, fill.amount, fill.price) == ("atgp1", D("0.5"), D(95))


async def test_a_waiting_stop_of_bybit_is_canceled_as_every_order(tmp_path):
    server, _ = bybit()
    async with server, account(server, tmp_path, id="bybit") as venue:
        await venue.submit(stop(side=1))
        assert server.told("POST /v5/order/create")[0]["triggerDirection"] == 1
        assert (await venue.cancel("atgp1")).status == "canceled"
        assert server.told("POST /v5/order/cancel")[0]["orderId"] == "8ef1e2c9"


# OKX: a trigger order apart; what it became is told under the trigger order's id


def okx():
    """Return a server that answers as OKX documents it, the trigger order, and the order that it became."""
    algo, child = {}, {}
    market = {
        "instType": "SPOT",
        "instId": "BTC-USDT",
        "baseCcy": "BTC",
        "quoteCcy": "USDT",
        "tickSz": "0.1",
        "lotSz": "0.00000001",
        "minSz": "0.00001",
        "state": "live",
        "listTime": "1548133413000",
        "instFamily": "",
        "uly": "",
        "ctVal": "",
        "settleCcy": "",
        "expTime": "",
        "lever": "10",
    }

    def whole(*rows):
        return {"code": "0", "msg": "", "data": list(rows)}

    def place(asked):
        algo.update(
            algoId="6870",
            algoClOrdId=asked["algoClOrdId"],
            clOrdId="",
            instId=asked["instId"],
            instType="SPOT",
            side=asked["side"],
            ordType=asked["ordType"],
            sz=asked["sz"],
            tgtCcy="base_ccy",
            triggerPx=asked["triggerPx"],
            ordPx="-1",
            ordId="",
            actualSz="0",
            state="live",
            cTime=str(now_ms()),
        )
        told = {key: algo[key] for key in ("algoId", "algoClOrdId", "clOrdId")}
        return whole({**told, "sCode": "0", "sMsg": ""})

    def trigger():
        child.update(
            {key: algo[key] for key in ("algoId", "algoClOrdId", "instId", "instType", "side", "sz", "cTime")},
            ordId="9001",
            clOrdId="drawn1",
            ordType="market",
            px="",
            tgtCcy="base_ccy",
            accFillSz="0.5",
            avgPx="95",
            fillTime=str(now_ms()),
            state="filled",
        )
        algo.update(state="effective", ordId="9001", clOrdId="drawn1", actualSz="0.5")

    def cancel(asked):
        if algo["state"] != "live":
            return {"code": "1", "msg": "", "data": [{"algoId": "6870", "sCode": "51400", "sMsg": "does not exist"}]}
        algo["state"] = "canceled"
        return whole({"algoId": asked[0]["algoId"], "algoClOrdId": "", "sCode": "0", "sMsg": ""})

    def fills(_):
        if not child:
            return whole()
        fill = {key: child[key] for key in ("instId", "instType", "side", "ordId", "clOrdId")}
        fill |= {"tradeId": "7", "billId": "8", "fillPx": "95", "fillSz": "0.5", "fee": "-0.02", "feeCcy": "USDT"}
        return whole(fill | {"execType": "T", "ts": str(now_ms())})

    def listed(asked):
        return whole(*([market] if asked["instType"] == "SPOT" else []))

    server = Loopback(
        {
            "GET /api/v5/public/time": lambda _: whole({"ts": str(now_ms())}),
            "GET /api/v5/public/instruments": listed,
            "GET /api/v5/asset/currencies": whole(),
            "GET /api/v5/account/config": whole({"perm": "read_only,trade"}),
            "POST /api/v5/trade/order-algo": place,
            "GET /api/v5/trade/order-algo": lambda _: whole(algo),
            "POST /api/v5/trade/cancel-algos": cancel,
            "GET /api/v5/trade/orders-pending": whole(),
            "GET /api/v5/trade/orders-algo-pending": lambda _: whole(*([algo] if algo["state"] == "live" else [])),
            "GET /api/v5/trade/order": lambda _: whole(child),
            "GET /api/v5/trade/fills-history": fills,
            "GET /api/v5/trade/fills": fills,
        }
    )
    server.trigger, server.algo = trigger, algo
    return server


@pytest.fixture
async def on_okx(tmp_path):
    credentials = {"key": "k", "secret": "s", "password": "p"}
    async with okx() as server, account(server, tmp_path, id="okx", market="spot", credentials=credentials) as venue:
        yield server, venue


async def test_a_stop_of_okx_waits_under_our_id_and_borrows_nothing(on_okx):
    server, venue = on_okx
    order = await venue.submit(stop())
    (sent,) = server.told("POST /api/v5/trade/order-algo")
    wanted = {"ordType": "trigger", "triggerPx": "95.5", "orderPx": "-1", "sz": "0.5", "side": "sell"}
    wanted |= {"tdMode": "cash", "algoClOrdId": "atgp1", "instId": "BTC-USDT"}
    assert sent | wanted == sent
    assert not {"clOrdId", "tag"} & set(sent)
    assert (order.client_id, order.venue_id, order.status) == ("atgp1", "trigger-6870", "open")
    assert [one.client_id for one in await venue.open_orders()] == ["atgp1"]
    assert (await venue.order("atgp1")).status == "open"
    assert (await venue.cancel("atgp1")).status == "canceled"
    assert server.told("POST /api/v5/trade/cancel-algos") == [[{"algoId": "6870", "instId": "BTC-USDT"}]]


async def test_a_stop_of_okx_whose_answer_was_lost_is_found_by_our_id(on_okx):
    server, venue = on_okx
    await venue.submit(stop())
    venue._opened()._run("UPDATE orders SET venue_id = ''", ())
    assert (await venue.order("atgp1")).venue_id == "trigger-6870"
    assert server.told("GET /api/v5/trade/order-algo")[-1]["algoClOrdId"] == "atgp1"


@pytest.mark.parametrize("first", ["order", "fills"])
async def test_what_a_stop_of_okx_became_is_ours_whichever_is_told_first(on_okx, first):
    server, venue = on_okx
    await venue.submit(stop())
    server.trigger()
    fills = await venue.fills(0) if first == "fills" else None
    order = await venue.order("atgp1")
    assert (order.client_id, order.venue_id, order.status, order.filled) == ("atgp1", "9001", "filled", D("0.5"))
    (fill,) = fills or await venue.fills(0)
    assert (fill.client_id, fill.group, fill.amount, fill.price) == ("atgp1", "g", D("0.5"), D(95))


async def test_a_stop_of_okx_that_triggers_while_it_is_canceled_tells_its_fill(on_okx):
    server, venue = on_okx
    await venue.submit(stop())
    server.trigger()
    assert (await venue.cancel("atgp1")).filled == D("0.5")


async def test_an_older_answer_does_not_take_back_what_a_stop_of_okx_became(on_okx):
    server, venue = on_okx
    await venue.submit(stop())
    before = venue._opened().sent("atgp1")
    waiting = await venue._look_up(before)
    server.trigger()
    assert (await venue.order("atgp1")).venue_id == "9001"
    venue.known(before._replace(venue_id=""), waiting)
    venue.known(before, waiting)
    assert venue._opened().sent("atgp1").venue_id == "9001"
    (fill,) = await venue.fills(0)
    assert fill.client_id == "atgp1"
