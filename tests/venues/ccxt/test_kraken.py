"""A whole account through ccxt's own Kraken client, against a small server on loopback: short ids, stops, trades."""

from __future__ import annotations

from decimal import Decimal

import pytest

from autotrader.core.errors import AmbiguousSubmit
from autotrader.execution.ids import short_id
from autotrader.execution.orders import OrderRequest
from support.accounts import account_at
from support.loopback import Loopback, Refusal, now_ms

D = Decimal
OURS = "atabcdefghijklmnope1"
STOP = "atabcdefghijklmnopp1"


def pair(altname, base):
    return {
        "altname": altname,
        "wsname": f"{base}/USD",
        "base": base,
        "quote": "USD",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }


class SmallKraken(Loopback):
    """Orders rest until `fill`; `swallow` refuses the connection's answer after so many orders were taken."""

    def __init__(self):
        self.orders, self.trades, self.swallow = {}, {}, False
        super().__init__(
            {
                "GET /0/public/Time": lambda _: answer(unixtime=now_ms() // 1000),
                "GET /0/public/Assets": answer(
                    XBT={"altname": "XBT", "decimals": 10, "status": "enabled"},
                    ETH={"altname": "ETH", "decimals": 10, "status": "enabled"},
                    USD={"altname": "USD", "decimals": 4, "status": "enabled"},
                ),
                "GET /0/public/AssetPairs": answer(XBTUSD=pair("XBTUSD", "XBT"), ETHUSD=pair("ETHUSD", "ETH")),
                "POST /0/private/AddOrder": self._place,
                "POST /0/private/QueryOrders": lambda asked: answer(**{asked["txid"]: self.orders[asked["txid"]]}),
                "POST /0/private/OpenOrders": lambda asked: answer(open=self._listed(asked, "open")),
                "POST /0/private/ClosedOrders": lambda asked: answer(closed=self._listed(asked, "closed", "canceled")),
                "POST /0/private/CancelOrder": self._cancel,
                "POST /0/private/TradesHistory": self._history,
            }
        )

    def _place(self, asked):
        number = f"O{len(self.orders)}-KSTLS-7DZZO5"
        kind, price = asked["ordertype"], asked.get("price", "0")
        shown = f"{asked['type']} {asked['volume']} {asked['pair']} @ {kind.replace('-', ' ')} {price}"
        self.orders[number] = {
            "userref": None,
            "cl_ord_id": asked["cl_ord_id"],
            "status": "open",
            "opentm": now_ms() / 1000,
            "descr": {"pair": asked["pair"], "type": asked["type"], "ordertype": kind, "price": price, "price2": "0"},
            "vol": asked["volume"],
            "vol_exec": "0.00000000",
            "cost": "0",
            "fee": "0",
            "price": "0",
            "stopprice": price if kind == "stop-loss" else "0",
            "limitprice": "0",
            "oflags": "fciq",
        }
        if self.swallow:
            return Refusal({"error": ["EService:Unavailable"]}, 520)
        return answer(descr={"order": shown}, txid=[number])

    def fill(self, number, price="95"):
        """Fill all of an order."""
        order = self.orders[number]
        order |= {"status": "closed", "vol_exec": order["vol"], "price": price}
        self.trade(number, order["vol"], price, order["descr"]["pair"])

    def trade(self, number, volume, price="95", name="XBTUSD"):
        """Tell a trade of an order, ours or another's."""
        self.trades[f"T{len(self.trades)}-5N4KO-Z5BPXK"] = {
            "ordertxid": number,
            "pair": name,
            "time": now_ms() / 1000,
            "type": "sell",
            "ordertype": "market",
            "price": price,
            "cost": str(float(price) * float(volume)),
            "fee": "0.19",
            "vol": volume,
            "maker": False,
        }

    def _listed(self, asked, *states):
        found = {number: one for number, one in self.orders.items() if one["status"] in states}
        named = asked.get("cl_ord_id")
        return {number: one for number, one in found.items() if named in {None, one["cl_ord_id"]}}

    def _cancel(self, asked):
        self.orders[asked["txid"]]["status"] = "canceled"
        return answer(count=1)

    def _history(self, asked):
        first, last = float(asked["start"]), float(asked["end"])
        spans = {number: one for number, one in self.trades.items() if first < one["time"] <= last}
        newest = sorted(spans, key=lambda number: -spans[number]["time"])[:50]
        return answer(trades={number: dict(spans[number]) for number in newest}, count=len(spans))


def answer(**result):
    return {"error": [], "result": result}


@pytest.fixture
async def kraken(tmp_path):
    async with SmallKraken() as server:
        venue = account_at(server, tmp_path, id="kraken", credentials={"key": "k", "secret": "c2VjcmV0"})
        await venue.open()
        yield server, venue
        await venue.close()


def request(client_id=OURS, price="100", **more):
    fields = {"side": 1, "reduce_only": False, **more}
    return OrderRequest(
        client_id=client_id,
        symbol="BTC/USD",
        type="limit" if price else "market",
        amount=D("0.5"),
        price=D(price) if price else None,
        group="g",
        decided_ms=0,
        resolution="1m",
        **fields,
    )


async def test_an_order_is_sent_under_a_short_id_and_told_under_ours(kraken):
    server, venue = kraken
    order = await venue.submit(request(post_only=True))
    (sent,) = server.told("POST /0/private/AddOrder")
    assert (len(sent["cl_ord_id"]), sent["cl_ord_id"]) == (18, short_id(OURS, 18))
    assert (sent["ordertype"], sent["oflags"], sent["price"]) == ("limit", "post", "100")
    assert (order.client_id, order.status, order.group) == (OURS, "open", "g")
    assert [(one.client_id, one.group) for one in await venue.open_orders()] == [(OURS, "g")]
    assert (await venue.order(OURS)).client_id == OURS
    assert (await venue.cancel(OURS)).status == "canceled"
    assert (await venue.order(OURS)).status == "canceled"


@pytest.mark.parametrize("state", ["open", "closed"])
async def test_an_answer_lost_on_the_way_is_found_by_the_short_id(kraken, state):
    server, venue = kraken
    server.swallow = True
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    ((number, order),) = server.orders.items()
    order["status"] = state
    found = await venue.order(OURS)
    assert (found.client_id, found.venue_id) == (OURS, number)
    assert server.told("POST /0/private/OpenOrders")[0]["cl_ord_id"] == short_id(OURS, 18)


async def test_a_fill_of_an_order_whose_answer_was_lost_is_ours(kraken):
    server, venue = kraken
    server.swallow = True
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    (number,) = server.orders
    server.fill(number)
    assert [(one.client_id, one.group) for one in await venue.fills(0)] == [(OURS, "g")]


async def test_a_stop_waits_and_fills_as_every_order(kraken):
    server, venue = kraken
    assert venue.keeps_stops
    order = await venue.submit(request(STOP, None, side=-1, reduce_only=True, stop_price=D("95.5")))
    (sent,) = server.told("POST /0/private/AddOrder")
    wanted = {"ordertype": "stop-loss", "price": "95.5", "type": "sell", "volume": "0.5", "pair": "XBTUSD"}
    assert sent | wanted == sent
    assert "reduce_only" not in sent
    assert (order.client_id, order.status, order.type) == (STOP, "open", "market")
    assert [one.client_id for one in await venue.open_orders()] == [STOP]
    server.fill(order.venue_id)
    assert (await venue.order(STOP)).status == "filled"
    (fill,) = await venue.fills(0)
    assert (fill.client_id, fill.price, fill.amount, fill.fee_currency) == (STOP, D(95), D("0.5"), "USD")


async def test_trades_of_other_symbols_do_not_hide_ours_on_a_page(kraken):
    server, venue = kraken
    order = await venue.submit(request(price=None))
    server.fill(order.venue_id)
    for _ in range(60):
        server.trade("OTHER", "1", name="ETHUSD")
    for age_s, one in enumerate(reversed(server.trades.values())):
        one["time"] -= age_s
    venue._opened().move("BTC/USD", now_ms() - 60_000)
    assert [one.client_id for one in await venue.fills(0)] == [OURS]


async def test_its_streams_of_the_account_are_not_listened_to(kraken):
    _, venue = kraken
    assert venue._client.can("watchMyTrades")
    watch = venue.watch(lambda *_: None)
    assert watch.streams() == {}
    await venue.submit(request())
    assert watch._wait_s() == 10.0
