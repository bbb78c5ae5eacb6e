"""A small exchange in memory with the methods of ccxt's asynchronous client, and faults written in advance."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque

from ccxt.base import errors

from autotrader.core.clock import ManualClock
from support.fake_feed import Channel

MARKETS = {
    "BTC/USDT": {
        "base": "BTC",
        "quote": "USDT",
        "spot": True,
        "swap": False,
        "active": True,
        "precision": {"price": 0.01, "amount": 0.00001},
        "limits": {"amount": {"min": 0.00001}, "cost": {"min": 5}},
    },
    "BTC/USDT:USDT": {
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "spot": False,
        "swap": True,
        "contractSize": 1,
        "precision": {"price": 0.1, "amount": 0.001},
        "limits": {},
    },
}
ABILITIES = (
    "fetchTime",
    "fetchBalance",
    "fetchMyTrades",
    "fetchOpenOrders",
    "fetchClosedOrders",
    "fetchOrder",
    "cancelOrder",
    "createOrder",
)
HANG = "hang"


class FakeCcxt:
    """Orders rest until `trade` fills them. A fault is an error, HANG, or a function that changes the answer.

    `faults[method]` happen before the exchange acts, `late[method]` after it did: the answer is lost, not the order.
    """

    precisionMode = 4  # noqa: N815

    def __init__(self, clock=None, page=100):
        self.clock = clock or ManualClock()
        self.page = page
        self.has = dict.fromkeys(ABILITIES, True)
        self.options = {}
        self.markets = MARKETS
        self.orders = {}
        self.trades = []
        self.balance = {"free": {"USDT": 900.0}, "total": {"USDT": 1000.0, "BTC": 0.5, "DOGE": 0.0}}
        self.open_positions = []
        self.rights = {"enableWithdrawals": False, "enableSpotAndMarginTrading": True}
        self.faults = defaultdict(deque)
        self.late = defaultdict(deque)
        self.calls = []
        self.last_response_headers = {}
        self.skew_ms = 0
        self.closed = False
        self.acted = asyncio.Event()
        self.streams = defaultdict(Channel)

    async def _call(self, method, act, *args):
        self.calls.append((method, args))
        await asyncio.sleep(0)
        if self.faults[method]:
            fault = self.faults[method].popleft()
            await self._fail(fault)
        answer = act()
        self.acted.set()
        if self.late[method]:
            fault = self.late[method].popleft()
            if callable(fault) and not isinstance(fault, type):
                return fault(answer)
            await self._fail(fault)
        return answer

    async def _fail(self, fault):
        if fault == HANG:
            await asyncio.Event().wait()
        raise fault

    def count(self, method):
        return sum(name == method for name, _ in self.calls)

    async def load_markets(self):
        return await self._call("load_markets", lambda: self.markets)

    async def fetch_time(self):
        return await self._call("fetch_time", lambda: self.clock.now_ms() + self.skew_ms)

    async def fetch_balance(self):
        return await self._call("fetch_balance", lambda: self.balance)

    async def fetch_positions(self):
        return await self._call("fetch_positions", lambda: self.open_positions)

    async def sapi_get_account_apirestrictions(self):
        return await self._call("rights", lambda: self.rights)

    async def create_order(self, symbol, kind, side, amount, price=None, params=None):
        def act():
            client_id = params["clientOrderId"]
            if any(one["clientOrderId"] == client_id for one in self.orders.values()):
                raise errors.DuplicateOrderId(client_id)
            return dict(self.place(symbol, kind, side, amount, price, client_id))

        return await self._call("create_order", act, symbol, kind, side, amount, price, params)

    def place(self, symbol, kind, side, amount, price, client_id):
        number = str(len(self.orders) + 1)
        self.orders[number] = {
            "id": number,
            "clientOrderId": client_id,
            "symbol": symbol,
            "side": side,
            "type": kind,
            "price": price,
            "amount": amount,
            "filled": 0.0,
            "average": None,
            "status": "open",
            "timestamp": self.clock.now_ms(),
        }
        return self.orders[number]

    async def cancel_order(self, number, symbol):
        def act():
            order = self.orders.get(number)
            if order is None or order["status"] != "open":
                raise errors.OrderNotFound(f"unknown order {number} of {symbol}")
            order["status"] = "canceled"
            return dict(order)

        return await self._call("cancel_order", act, number)

    async def cancel_all_orders_after(self, after_ms):
        return await self._call("cancel_all_orders_after", dict, after_ms)

    async def fetch_order(self, number, symbol, params=None):
        def act():
            client_id = (params or {}).get("origClientOrderId")
            for order in self.orders.values():
                if order["id"] == number or (client_id and order["clientOrderId"] == client_id):
                    return dict(order)
            raise errors.OrderNotFound(f"no order {number or client_id} of {symbol}")

        return await self._call("fetch_order", act, number)

    async def fetch_open_orders(self, symbol=None, since=None, limit=None):  # noqa: ARG002
        return await self._call("fetch_open_orders", lambda: self._orders(symbol, open_=True))

    async def fetch_closed_orders(self, symbol=None, since=None, limit=None):  # noqa: ARG002
        return await self._call("fetch_closed_orders", lambda: self._orders(symbol, open_=False)[:limit])

    def _orders(self, symbol, *, open_):
        return [
            dict(one)
            for one in self.orders.values()
            if (one["status"] == "open") is open_ and symbol in {None, one["symbol"]}
        ]

    async def fetch_my_trades(self, symbol, since, limit, params):
        def act():
            span = [one for one in self.trades if since <= one["timestamp"] <= params["until"]]
            span = [one for one in span if one["symbol"] == symbol]
            return [dict(one) for one in sorted(span, key=lambda one: one["timestamp"])[: min(limit, self.page)]]

        return await self._call("fetch_my_trades", act, symbol, since, limit, params)

    def trade(self, number, amount, *, price=100.0, ts_ms=None, trade_id=None, fee=None):
        """Fill a part of an order; the trade is told from now on."""
        order = self.orders[number]
        order["filled"] += amount
        order["average"] = price
        if order["filled"] >= order["amount"]:
            order["status"] = "closed"
        self.trades.append(
            {
                "id": trade_id or str(len(self.trades) + 1),
                "order": number,
                "symbol": order["symbol"],
                "side": order["side"],
                "price": price,
                "amount": amount,
                "cost": price * amount,
                "fee": fee or {"cost": 0.001, "currency": "BTC"},
                "takerOrMaker": "maker",
                "timestamp": self.clock.now_ms() if ts_ms is None else ts_ms,
                "info": {},
            }
        )

    def watched(self, *methods):
        """Offer streams of the account; what they say is said with `streams[method].say`."""
        self.has |= dict.fromkeys(methods, True)

    async def watch_my_trades(self):
        return await self.streams["watchMyTrades"].watch()

    async def watch_orders(self):
        return await self.streams["watchOrders"].watch()

    async def close(self):
        self.closed = True
