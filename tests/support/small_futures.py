"""As much of Binance USD-M's interface as an account with a stop needs; what waits is of a list apart.

Answers are laid out as Binance documents them (New Algo Order, Query Algo Order, Account Trade List, Get Income
History).
"""

from __future__ import annotations

from support.loopback import Loopback, Refusal, now_ms

SYMBOL = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "onboardDate": 1569398400000,
    "deliveryDate": 4133404800000,
    "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "1000000", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
    ],
}


class SmallFutures(Loopback):
    """Stops wait until `trigger`; what they became fills with `fill`. `silent` keeps what became of one untold."""

    def __init__(self):
        self.algos, self.orders, self.trades, self.incomes, self.silent = {}, {}, [], [], False
        self.child_name = None
        path = "/fapi/v1"
        super().__init__(
            {
                f"GET {path}/time": lambda _: {"serverTime": now_ms()},
                f"GET {path}/exchangeInfo": {"symbols": [SYMBOL]},
                f"POST {path}/algoOrder": self._place,
                f"GET {path}/algoOrder": self._algo,
                f"DELETE {path}/algoOrder": self._cancel,
                f"GET {path}/openAlgoOrders": lambda _: [one for one in self._told() if one["algoStatus"] == "NEW"],
                f"GET {path}/order": self._order,
                f"GET {path}/openOrders": lambda _: [one for one in self.orders.values() if one["status"] == "NEW"],
                f"GET {path}/userTrades": self._trades,
                f"GET {path}/income": self._income,
            }
        )

    def trigger(self, number=2148719):
        """Have a stop become an order of its own; return that order's number."""
        algo = self.algos[number]
        child = 7001 + len(self.orders)
        algo |= {"algoStatus": "TRIGGERED", "actualOrderId": str(child), "triggerTime": now_ms()}
        self.orders[child] = {
            "orderId": child,
            "symbol": "BTCUSDT",
            "status": "NEW",
            "clientOrderId": self.child_name or algo["clientAlgoId"],
            "price": "0",
            "avgPrice": "0",
            "origQty": algo["quantity"],
            "executedQty": "0",
            "cumQuote": "0",
            "timeInForce": "GTC",
            "type": "MARKET",
            "reduceOnly": True,
            "side": algo["side"],
            "positionSide": "BOTH",
            "time": now_ms(),
            "updateTime": now_ms(),
        }
        return child

    def fill(self, child, price="95"):
        """Fill all of an order."""
        order = self.orders[child]
        order |= {"status": "FILLED", "executedQty": order["origQty"], "avgPrice": price}
        self.trades.append(
            {
                "symbol": "BTCUSDT",
                "id": 900 + len(self.trades),
                "orderId": child,
                "side": order["side"],
                "price": price,
                "qty": order["origQty"],
                "quoteQty": str(float(price) * float(order["origQty"])),
                "commission": "0.01",
                "commissionAsset": "USDT",
                "time": now_ms(),
                "positionSide": "BOTH",
                "buyer": False,
                "maker": False,
            }
        )

    def settle(self, ts_ms, income, symbol="BTCUSDT"):
        """Have funding move money."""
        self.incomes.append(
            {
                "symbol": symbol,
                "incomeType": "FUNDING_FEE",
                "income": income,
                "asset": "USDT",
                "info": "FUNDING_FEE",
                "time": ts_ms,
                "tranId": 9689322392 + len(self.incomes),
                "tradeId": "",
            }
        )

    def _income(self, asked):
        first, last, limit = int(asked["startTime"]), int(asked["endTime"]), int(asked["limit"])
        wanted = asked["incomeType"] == "FUNDING_FEE"
        return [one for one in self.incomes if wanted and first <= one["time"] <= last][:limit]

    def _told(self):
        hidden = {"algoStatus": "NEW", "actualOrderId": ""} if self.silent else {}
        return [one | hidden for one in self.algos.values()]

    def _place(self, asked):
        number = 2148719 + len(self.algos)
        self.algos[number] = {
            "algoId": number,
            "clientAlgoId": asked["clientAlgoId"],
            "algoType": "CONDITIONAL",
            "orderType": asked["type"],
            "symbol": asked["symbol"],
            "side": asked["side"],
            "positionSide": "BOTH",
            "timeInForce": "GTC",
            "quantity": asked["quantity"],
            "algoStatus": "NEW",
            "actualOrderId": "",
            "actualPrice": "0.00",
            "triggerPrice": asked["triggerPrice"],
            "price": "0",
            "reduceOnly": asked["reduceOnly"] == "true",
            "createTime": now_ms(),
            "updateTime": now_ms(),
            "triggerTime": 0,
        }
        return self.algos[number]

    def _find(self, asked):
        return next(
            (
                one
                for one in self._told()
                if str(one["algoId"]) == asked.get("algoId") or one["clientAlgoId"] == asked.get("clientAlgoId")
            ),
            None,
        )

    def _algo(self, asked):
        return self._find(asked) or Refusal({"code": -2013, "msg": "Order does not exist."})

    def _cancel(self, asked):
        algo = self._find(asked)
        if algo is None or algo["algoStatus"] != "NEW":
            return Refusal({"code": -2011, "msg": "Unknown order sent."})
        self.algos[algo["algoId"]]["algoStatus"] = "CANCELED"
        return {"algoId": algo["algoId"], "clientAlgoId": algo["clientAlgoId"], "code": "200", "msg": "success"}

    def _order(self, asked):
        order = next((one for one in self.orders.values() if str(one["orderId"]) == asked.get("orderId")), None)
        return order or Refusal({"code": -2013, "msg": "Order does not exist."})

    def _trades(self, asked):
        first, last = int(asked["startTime"]), int(asked["endTime"])
        return [one for one in self.trades if first <= one["time"] <= last]
