"""As much of Binance spot's REST interface as an account needs, on loopback; orders rest until `fill`."""

from __future__ import annotations

from aiohttp import web

from autotrader.core.clock import SystemClock

SKEW_MS = 3000
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


class SmallBinance:
    """The server. `sent` keeps every order's request, `swallow` drops the connection instead of so many answers."""

    def __init__(self):
        self.sent = []
        self.orders = {}
        self.trades = []
        self.swallow = 0
        self.padding = ""

    async def open(self):
        app = web.Application()
        app.router.add_get("/api/v3/time", self._time)
        app.router.add_get("/api/v3/exchangeInfo", self._info)
        app.router.add_get("/api/v3/account", self._account)
        app.router.add_post("/api/v3/order", self._place)
        app.router.add_get("/api/v3/order", self._order)
        app.router.add_delete("/api/v3/order", self._cancel)
        app.router.add_get("/api/v3/openOrders", self._open)
        app.router.add_get("/api/v3/myTrades", self._trades)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def close(self):
        await self._runner.cleanup()

    def now_ms(self):
        return SystemClock().now_ms() + SKEW_MS

    def fill(self, number, amount, price="100"):
        order = self.orders[number]
        order["executedQty"] = amount
        order["cummulativeQuoteQty"] = str(float(amount) * float(price))
        order["status"] = "FILLED" if float(amount) >= float(order["origQty"]) else "PARTIALLY_FILLED"
        self.trades.append(
            {
                "symbol": "BTCUSDT",
                "id": 900 + len(self.trades),
                "orderId": number,
                "price": price,
                "qty": amount,
                "quoteQty": order["cummulativeQuoteQty"],
                "commission": "0.0005",
                "commissionAsset": "BTC",
                "time": self.now_ms(),
                "isBuyer": order["side"] == "BUY",
                "isMaker": True,
                "isBestMatch": True,
            }
        )

    async def _time(self, _):
        return web.json_response({"serverTime": self.now_ms()})

    async def _info(self, _):
        return web.json_response({"symbols": [SYMBOL]})

    async def _account(self, _):
        balances = [{"asset": "USDT", "free": "900.5", "locked": "99.5"}]
        return web.json_response({"balances": balances, "note": self.padding})

    async def _place(self, asked):
        sent = {**asked.query, **dict(await asked.post())}
        self.sent.append(sent)
        if any(one["clientOrderId"] == sent["newClientOrderId"] for one in self.orders.values()):
            return _refusal(-2010, "Duplicate order sent.")
        number = len(self.orders) + 7
        self.orders[number] = {
            "symbol": "BTCUSDT",
            "orderId": number,
            "clientOrderId": sent["newClientOrderId"],
            "price": sent.get("price", "0"),
            "origQty": sent["quantity"],
            "executedQty": "0",
            "cummulativeQuoteQty": "0",
            "status": "NEW",
            "timeInForce": "GTC",
            "type": sent["type"],
            "side": sent["side"],
            "time": self.now_ms(),
            "updateTime": self.now_ms(),
        }
        if self.swallow:
            self.swallow -= 1
            asked.transport.abort()
        return web.json_response({**self.orders[number], "transactTime": self.now_ms()})

    async def _order(self, asked):
        order = self._find(asked.query)
        return web.json_response(order) if order else _refusal(-2013, "Order does not exist.")

    async def _cancel(self, asked):
        order = self._find({**asked.query, **dict(await asked.post())})
        if order is None or order["status"] not in {"NEW", "PARTIALLY_FILLED"}:
            return _refusal(-2011, "Unknown order sent.")
        order["status"] = "CANCELED"
        return web.json_response(order)

    async def _open(self, _):
        return web.json_response([one for one in self.orders.values() if one["status"] == "NEW"])

    async def _trades(self, asked):
        first, last = int(asked.query["startTime"]), int(asked.query["endTime"])
        if last - first >= 24 * 3_600_000:
            return _refusal(-1127, "More than 24 hours between startTime and endTime.")
        return web.json_response([one for one in self.trades if first <= one["time"] <= last])

    def _find(self, query):
        number, identity = query.get("orderId"), query.get("origClientOrderId")
        return next(
            (
                one
                for one in self.orders.values()
                if str(one["orderId"]) == number or (identity and one["clientOrderId"] == identity)
            ),
            None,
        )


def _refusal(code, message):
    return web.json_response({"code": code, "msg": message}, status=400)
