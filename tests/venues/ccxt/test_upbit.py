"""A whole account through ccxt's own Upbit client, against a small server on loopback that answers as Upbit documents.

Upbit has no list of the account's trades: they are told with their order, the fee for the whole order only.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from random import Random

import pytest

from autotrader.core.errors import AmbiguousSubmit, OrderRejected, OrderUntold, VenueError, VenueUnavailable
from autotrader.execution.orders import BUY, SELL, OrderRequest
from autotrader.venues.ccxt.orders import SETTLE_MS
from autotrader.venues.protocol import FillHappened, OrderChanged
from support.accounts import AheadClock, account_at
from support.loopback import Loopback, Refusal, now_ms

D = Decimal
OURS = "atabcdefghijklmnope1"
SEOUL = timezone(timedelta(hours=9))
MISSING = {"error": {"name": "order_not_found", "message": "주문을 찾지 못했습니다."}}


def moment(ms, timespec="microseconds"):
    return datetime.fromtimestamp(ms / 1000, SEOUL).isoformat(timespec=timespec)


class SmallUpbit(Loopback):
    """Orders rest until `trade` or `end`; `swallow` loses the answer to an order, `lose` the order with it."""

    def __init__(self):
        self.orders, self.swallow, self.lose, self.book, self.canceled = {}, False, False, "150000000", None
        super().__init__(
            {
                "GET /v1/market/all": [{"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin"}],
                "GET /v1/orderbook": self._book,
                "POST /v1/orders": self._place,
                "GET /v1/order": self._one,
                "GET /v1/orders/open": lambda _: [self._listed(one) for one in self._all("wait")],
                "DELETE /v1/order": self._cancel,
            }
        )

    def trade(self, volume, price="150000000", fee="0", number=-1):
        """Fill some of an order; `fee` is what the order has paid until then."""
        order = list(self.orders.values())[number]
        order["paid_fee"] = fee
        order["executed_volume"] = str(D(order["executed_volume"]) + D(volume))
        order["remaining_volume"] = str(D(order["volume"]) - D(order["executed_volume"]))
        order["trades"].append(
            {
                "market": "KRW-BTC",
                "uuid": f"trade-{order['uuid']}-{len(order['trades'])}",
                "price": price,
                "volume": volume,
                "funds": str(D(price) * D(volume)),
                "trend": "up",
                "created_at": moment(now_ms()),
                "side": order["side"],
            }
        )
        order["trades_count"] = len(order["trades"])
        if not D(order["remaining_volume"]):
            order["state"] = "done"

    def end(self, state="cancel"):
        """End the last order."""
        list(self.orders.values())[-1]["state"] = state

    def _place(self, asked):
        if self.lose:
            return Refusal({"error": {"name": "server_error", "message": "x"}}, 500)
        number = f"{len(self.orders):08d}-2897-4e14-9448-f923320408ad"
        assert asked["identifier"] not in [one["identifier"] for one in self.orders.values()]
        self.orders[number] = {
            "uuid": number,
            "side": asked["side"],
            "ord_type": asked["ord_type"],
            "price": asked.get("price"),
            "state": "wait",
            "market": asked["market"],
            "created_at": moment(now_ms(), "seconds"),
            "volume": asked["volume"],
            "remaining_volume": asked["volume"],
            "reserved_fee": "0",
            "remaining_fee": "0",
            "paid_fee": "0",
            "locked": "0",
            "executed_volume": "0",
            "trades_count": 0,
            "identifier": asked["identifier"],
            "trades": [],
        }
        if self.swallow:
            return Refusal({"error": {"name": "server_error", "message": "x"}}, 500)
        return self._listed(self.orders[number])

    def _one(self, asked):
        if "uuid" in asked:
            found = self.orders.get(asked["uuid"])
        else:
            found = next((one for one in self.orders.values() if one["identifier"] == asked["identifier"]), None)
        return Refusal(MISSING, 404) if found is None else found

    def _cancel(self, asked):
        order = self.orders[asked["uuid"]]
        if self.canceled is not None:
            self.canceled()
        if order["state"] != "wait":
            return Refusal(MISSING, 404)
        order["state"] = "cancel"
        return self._listed({**order, "state": "wait"})

    def _book(self, asked):
        units = (
            [{"ask_price": float(self.book), "bid_price": 1.0, "ask_size": 1.0, "bid_size": 1.0}] if self.book else []
        )
        return [{"market": asked["markets"], "timestamp": now_ms(), "orderbook_units": units}]

    def _all(self, state):
        return [one for one in self.orders.values() if one["state"] == state]

    def _listed(self, order):
        return {key: value for key, value in order.items() if key != "trades"}


def account(server, path, clock=None):
    return account_at(server, path, clock, id="upbit", credentials={"key": "k", "secret": "s" * 32})


@pytest.fixture
async def upbit(tmp_path):
    async with SmallUpbit() as server:
        venue = account(server, tmp_path)
        await venue.open()
        yield server, venue
        await venue.close()


def request(client_id=OURS, price="100000000", **more):
    fields = {"side": BUY, "reduce_only": False, **more}
    return OrderRequest(
        client_id=client_id,
        symbol="BTC/KRW",
        type="limit" if price else "market",
        amount=D("0.3"),
        price=D(price) if price else None,
        group="g",
        decided_ms=0,
        resolution="1m",
        **fields,
    )


async def test_an_order_is_placed_under_our_id_and_canceled(upbit):
    server, venue = upbit
    order = await venue.submit(request(post_only=True))
    (sent,) = server.told("POST /v1/orders")
    wanted = {"identifier": OURS, "ord_type": "limit", "side": "bid", "volume": "0.3", "price": "100000000"}
    assert sent == {**wanted, "market": "KRW-BTC", "time_in_force": "post_only"}
    assert (order.client_id, order.status, order.group) == (OURS, "open", "g")
    assert [(one.client_id, one.group) for one in await venue.open_orders()] == [(OURS, "g")]
    assert (await venue.cancel(OURS)).status == "canceled"
    assert await venue.open_orders() == []


@pytest.mark.parametrize("state", ["wait", "done", "cancel"])
async def test_an_answer_lost_on_the_way_is_found_by_our_id_alone(upbit, state):
    server, venue = upbit
    server.swallow = True
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    server.end(state)
    found = await venue.order(OURS)
    assert (found.client_id, found.venue_id) == (OURS, next(iter(server.orders)))
    assert server.told("GET /v1/order") == [{"identifier": OURS}]


async def test_an_order_that_never_came_is_waited_for_and_then_believed_missing(upbit):
    server, venue = upbit
    server.lose = True
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    with pytest.raises(OrderUntold):
        await venue.order(OURS)
    venue._client.clock.ahead_ms = SETTLE_MS
    assert await venue.order(OURS) is None


async def test_an_order_that_came_later_than_believed_is_ours_again(upbit):
    server, venue = upbit
    place, server.lose = server.answers["POST /v1/orders"], True
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    venue._client.clock.ahead_ms = SETTLE_MS
    assert await venue.order(OURS) is None
    server.lose = False
    place(server.told("POST /v1/orders")[0])
    server.trade("0.1")
    assert [(one.client_id, one.amount) for one in await venue.fills(0)] == [(OURS, D("0.1"))]
    assert (await venue.order(OURS)).status == "open"


async def test_what_an_order_without_an_answer_traded_is_ours(upbit):
    server, venue = upbit
    server.swallow = True
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())
    server.trade("0.3")
    assert [(one.client_id, one.group) for one in await venue.fills(0)] == [(OURS, "g")]


async def test_trades_come_once_each_with_its_part_of_the_fee(upbit):
    server, venue = upbit
    await venue.submit(request())
    assert await venue.fills(0) == []
    server.trade("0.1", price="90000000", fee="4500")
    (first,) = await venue.fills(0)
    assert (first.price, first.amount, first.cost, first.fee) == (D(90_000_000), D("0.1"), D(9_000_000), D(4500))
    assert (first.fee_currency, first.side, first.group, first.client_id) == ("KRW", BUY, "g", OURS)
    assert abs(first.ts_ms - now_ms()) < 60_000
    server.trade("0.1", price="100000000", fee="9500")
    server.trade("0.1", price="50000000", fee="12000")
    told = await venue.fills(first.fill_id)
    assert [(one.price, one.fee) for one in told] == [(D(100_000_000), D(5000)), (D(50_000_000), D(2500))]
    assert sum(one.fee for one in await venue.fills(0)) == D(12000)
    assert [one.fill_id for one in await venue.fills(0)] == [1, 2, 3]
    assert (await venue.order(OURS)).status == "filled"


async def test_a_restart_tells_what_came_meanwhile_and_nothing_twice(upbit, tmp_path):
    server, venue = upbit
    await venue.submit(request())
    server.trade("0.1", fee="7500")
    (first,) = await venue.fills(0)
    await venue.close()
    server.trade("0.1", fee="15000")
    server.end()
    again = account(server, tmp_path)
    await again.open()
    (second,) = await again.fills(first.fill_id)
    assert (second.amount, second.fee) == (D("0.1"), D(7500))
    ended = await again.order(OURS)
    assert (ended.status, ended.filled) == ("canceled", D("0.2"))
    assert len(await again.fills(0)) == 2
    await again.close()


async def test_trades_of_an_order_that_was_seen_to_end_before_a_crash_are_read_after_it(upbit, tmp_path):
    server, venue = upbit
    await venue.submit(request())
    await venue.fills(0)
    server.trade("0.3", fee="22500")
    assert (await venue.order(OURS)).status == "filled"
    await venue.close()
    again = account(server, tmp_path, AheadClock())
    again._client.clock.ahead_ms = 3_600_000
    await again.open()
    assert [(one.amount, one.fee) for one in await again.fills(0)] == [(D("0.3"), D(22500))]
    await again.close()


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_in_whatever_order_every_trade_and_fee_is_told_once(tmp_path, seed):
    chance, told, placed = Random(seed), [], 0
    async with SmallUpbit() as server:
        venue = account(server, tmp_path)
        await venue.open()
        for _ in range(60):
            working = [number for number, one in enumerate(server.orders.values()) if one["state"] == "wait"]
            step = chance.choice(["place", "lost", "trade", "trade", "end", "ask", "fills", "restart"])
            if step in {"place", "lost"}:
                server.swallow, placed = step == "lost", placed + 1
                try:
                    await venue.submit(request(f"order{placed}", side=chance.choice([BUY, SELL])))
                except AmbiguousSubmit:
                    assert server.swallow
                    await venue.open_orders()  # an answer, so that the breaker stays closed
            elif step == "trade" and working:
                number = chance.choice(working)
                paid = D(list(server.orders.values())[number]["paid_fee"]) + chance.randint(0, 9999)
                server.trade("0.1", str(chance.randint(90, 110) * 1_000_000), str(paid), number)
            elif step == "end" and working:
                list(server.orders.values())[chance.choice(working)]["state"] = "cancel"
            elif step == "ask" and placed:
                await venue.order(f"order{chance.randint(1, placed)}")
            elif step == "fills":
                told += await venue.fills(told[-1].fill_id if told else 0)
            elif step == "restart":
                await venue.close()
                venue = account(server, tmp_path)
                await venue.open()
        told += await venue.fills(told[-1].fill_id if told else 0)
        await venue.close()
    assert [one.fill_id for one in told] == list(range(1, len(told) + 1))
    assert told
    for order in server.orders.values():
        mine = [one for one in told if one.client_id == order["identifier"]]
        assert sum(one.amount for one in mine) == D(order["executed_volume"])
        assert sum(one.cost for one in mine) == sum(D(one["funds"]) for one in order["trades"])
        assert sum(one.fee for one in mine) == D(order["paid_fee"])


async def test_both_sides_of_a_trade_with_ourselves_are_told(upbit):
    server, venue = upbit
    await venue.submit(request())
    await venue.submit(request("other", side=SELL))
    for number in (0, 1):
        server.trade("0.3", number=number)
        list(server.orders.values())[number]["trades"][0]["uuid"] = "same"
    assert [(one.client_id, one.side) for one in await venue.fills(0)] == [(OURS, BUY), ("other", SELL)]


async def test_what_the_account_holds_is_told(upbit):
    server, venue = upbit
    server.answers["GET /v1/accounts"] = [
        {"currency": "KRW", "balance": "1000000.5", "locked": "500", "avg_buy_price": "0", "unit_currency": "KRW"},
        {"currency": "BTC", "balance": "0", "locked": "0", "avg_buy_price": "0", "unit_currency": "KRW"},
    ]
    assert await venue.balances() == {"KRW": (D("1000500.5"), D("1000000.5"))}


async def test_an_order_that_is_over_and_read_is_not_asked_for_again(upbit):
    server, venue = upbit
    await venue.submit(request())
    server.trade("0.3")
    await venue.order(OURS)
    await venue.fills(0)
    asked = len(server.told("GET /v1/order"))
    await venue.fills(0)
    assert len(server.told("GET /v1/order")) == asked


async def test_a_trade_that_is_told_later_than_its_order_ended_is_asked_for_until_it_comes(upbit):
    server, venue = upbit
    await venue.submit(request())
    server.trade("0.3", fee="22500")
    (order,) = server.orders.values()
    late, order["trades"] = order["trades"], []
    assert (await venue.order(OURS)).status == "filled"
    assert await venue.fills(0) == []
    order["trades"] = late
    assert [one.fee for one in await venue.fills(0)] == [D(22500)]


async def test_an_order_that_filled_before_its_cancel_is_told_as_filled(upbit):
    server, venue = upbit
    await venue.submit(request())
    server.canceled = lambda: server.trade("0.3", fee="22500")
    assert (await venue.cancel(OURS)).status == "filled"
    assert [one.amount for one in await venue.fills(0)] == [D("0.3")]


async def test_the_watch_tells_trades_before_the_end_of_their_order(upbit):
    server, venue = upbit
    heard = []
    watch = venue.watch(lambda events, _: heard.extend(events))
    assert watch.streams() == {}
    await venue.submit(request())
    server.trade("0.1")
    await watch._look()
    server.trade("0.1")
    server.end()
    await watch._look()
    await watch._look()
    told = [one for one in heard if isinstance(one, FillHappened | OrderChanged)]
    assert [type(one).__name__ for one in told] == ["FillHappened", "FillHappened", "OrderChanged"]
    assert (told[2].order.status, told[2].order.filled) == ("canceled", D("0.2"))


async def test_a_buy_at_the_market_takes_the_amount_at_a_bounded_price(upbit):
    server, venue = upbit
    order = await venue.submit(request(price=None))
    (sent,) = server.told("POST /v1/orders")
    wanted = {"ord_type": "limit", "time_in_force": "ioc", "volume": "0.3", "price": "150750000"}
    assert sent == {**wanted, "identifier": OURS, "market": "KRW-BTC", "side": "bid"}
    assert (order.type, order.price, order.amount) == ("market", None, D("0.3"))
    server.trade("0.2", price="150500000")
    server.end()
    ended = await venue.order(OURS)
    assert (ended.status, ended.filled) == ("canceled", D("0.2"))


async def test_a_sale_at_the_market_is_one(upbit):
    server, venue = upbit
    await venue.submit(request(price=None, side=SELL))
    (sent,) = server.told("POST /v1/orders")
    assert sent == {"identifier": OURS, "ord_type": "market", "side": "ask", "volume": "0.3", "market": "KRW-BTC"}
    assert server.told("GET /v1/orderbook") == []


async def test_a_buy_without_a_price_is_not_sent(upbit):
    server, venue = upbit
    server.book = None
    with pytest.raises(OrderRejected, match="without a price"):
        await venue.submit(request(price=None))
    server.answers["GET /v1/orderbook"] = Refusal({}, 503)
    with pytest.raises(VenueUnavailable):
        await venue.submit(request("other", price=None))
    assert server.told("POST /v1/orders") == []
    assert await venue.order("other") is None


@pytest.mark.parametrize("name", ["insufficient_funds_bid", "under_min_total_bid", "invalid_price_ask"])
async def test_what_the_exchange_refuses_is_told_as_refused(upbit, name):
    server, venue = upbit
    server.answers["POST /v1/orders"] = Refusal({"error": {"name": name, "message": "부족"}})
    with pytest.raises(OrderRejected):
        await venue.submit(request())


async def test_an_error_without_a_name_may_hide_an_order(upbit):
    server, venue = upbit
    server.answers["POST /v1/orders"] = Refusal({"error": {"name": "unheard_of", "message": "부족"}})
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request())


async def test_a_price_stands_on_the_steps_and_is_told_so(upbit):
    server, venue = upbit
    order = await venue.submit(request(price="100000999"))
    assert (order.price, server.told("POST /v1/orders")[0]["price"]) == (D(100_000_000), "100000000")


async def test_the_smallest_order_is_known(upbit):
    _, venue = upbit
    instrument = await venue.instrument("BTC/KRW")
    assert (instrument.min_notional, instrument.min_exit) == (D(5000), D(5000))


async def test_bithumb_is_refused_with_the_reason(tmp_path):
    async with Loopback({}) as server:
        markets = {"status": "0000", "data": {"date": "1", "BTC": {"closing_price": "1"}}}
        server.answers = {f"GET /public/ticker/ALL_{quote}": markets for quote in ("KRW", "BTC", "USDT")}
        venue = account_at(server, tmp_path, id="bithumb")
        with pytest.raises(VenueError, match=r"has no fetchMyTrades, fetchClosedOrders: .* could not be found again"):
            await venue.open()
