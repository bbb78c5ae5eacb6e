"""The answers: what each path and method gives, by the paths of Binance's spot interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from autotrader.core.clock import DAY_MS, HOUR_MS
from autotrader.core.errors import AutotraderError
from autotrader.core.units import timeframe_ms
from autotrader.venues.emulator import wire
from autotrader.venues.emulator.asked import Params, client_id, missing, new_order, whole
from autotrader.venues.emulator.exchange import Exchange
from autotrader.venues.emulator.market import Traded
from autotrader.venues.emulator.orders import Order, Refusal
from autotrader.venues.emulator.tape import Kline

TIMEFRAMES = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w")


class Route(NamedTuple):
    """One answer: what makes it, what it weighs, and whether it must be signed."""

    answer: Callable[[Params], Any]
    weight: int
    signed: bool = False


class Answers:
    """Every path's answers over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.routes: dict[tuple[str, str], Route] = {
            ("GET", "/api/v3/ping"): Route(lambda _: {}, 1),
            ("GET", "/api/v3/time"): Route(lambda _: {"serverTime": self._now()}, 1),
            ("GET", "/api/v3/exchangeInfo"): Route(self._exchange_info, 20),
            ("GET", "/api/v3/klines"): Route(self._klines, 2),
            ("GET", "/api/v3/depth"): Route(self._depth, 5),
            ("GET", "/api/v3/trades"): Route(self._trades, 25),
            ("GET", "/api/v3/aggTrades"): Route(self._aggregate_trades, 4),
            ("GET", "/api/v3/ticker/24hr"): Route(self._day, 2),
            ("GET", "/api/v3/ticker/bookTicker"): Route(self._best, 2),
            ("GET", "/api/v3/ticker/price"): Route(self._price, 2),
            ("GET", "/api/v3/avgPrice"): Route(self._average, 2),
            ("GET", "/api/v3/account"): Route(self._account, 20, signed=True),
            ("GET", "/api/v3/account/commission"): Route(self._commission, 20, signed=True),
            ("POST", "/api/v3/order"): Route(self._place, 1, signed=True),
            ("POST", "/api/v3/order/test"): Route(self._try, 1, signed=True),
            ("GET", "/api/v3/order"): Route(self._order, 4, signed=True),
            ("DELETE", "/api/v3/order"): Route(self._cancel, 1, signed=True),
            ("POST", "/api/v3/order/cancelReplace"): Route(self._replace, 1, signed=True),
            ("GET", "/api/v3/openOrders"): Route(self._open_orders, 6, signed=True),
            ("DELETE", "/api/v3/openOrders"): Route(self._cancel_all, 1, signed=True),
            ("GET", "/api/v3/allOrders"): Route(self._all_orders, 20, signed=True),
            ("GET", "/api/v3/myTrades"): Route(self._my_trades, 20, signed=True),
            ("GET", "/sapi/v1/account/apiRestrictions"): Route(self._restrictions, 1, signed=True),
            ("GET", "/sapi/v1/system/status"): Route(lambda _: {"status": 0, "msg": "normal"}, 1),
        }

    def symbol(self, params: Params) -> Traded:
        """Return the symbol that is asked about. Raises Refusal."""
        name = params.get("symbol", "")
        if not name:
            raise missing("symbol")
        found = self._exchange.market.traded.get(name)
        if found is None:
            raise Refusal(-1121, "Invalid symbol.")
        return found

    def figures(self, one: Traded) -> wire.Json:
        """Return the figures of a symbol's last day."""
        now = self._now()
        book, market = self._exchange.books[one.id], self._exchange.market
        bar = market.stretch(one, market.open_of(one.timeframe, now - DAY_MS), now)
        if bar is None:
            bar = Kline(now - DAY_MS, *(book.last.ticks,) * 4, 0, 0, 0, 0, 0, -1, -1)
        return wire.day(one, bar, book.last, book.shown(), now)

    def _now(self) -> int:
        return self._exchange.market.now_ms()

    def _some(self, params: Params) -> list[Traded] | None:
        """Return the symbols of a request that may name one, several or none; None where it names one."""
        if params.get("symbol"):
            return None
        if params.get("symbols"):
            names = params["symbols"].strip("[]").replace('"', "").split(",")
            return [self.symbol({"symbol": name.strip()}) for name in names]
        return list(self._exchange.market.traded.values())

    def _exchange_info(self, params: Params) -> wire.Json:
        market = self._exchange.market
        found = self._some(params)
        told = [self.symbol(params)] if found is None else found
        return {
            "timezone": "UTC",
            "serverTime": self._now(),
            "rateLimits": wire.limits(),
            "exchangeFilters": [],
            "symbols": [wire.symbol(one, open_for_trade=not market.over) for one in told],
        }

    def _klines(self, params: Params) -> list[Any]:
        one, timeframe = self.symbol(params), params.get("interval", "")
        if not timeframe:
            raise missing("interval")
        if timeframe not in TIMEFRAMES:
            raise Refusal(-1120, "Invalid interval.")
        limit = _limit(params, 500, 1000)
        end = whole(params, "endTime", self._now())
        market = self._exchange.market
        try:
            if params.get("startTime"):
                bars = market.klines(one, timeframe, whole(params, "startTime", 0), end, limit)
            else:
                bars = market.latest(one, timeframe, limit, end)
        except AutotraderError:
            raise Refusal(-1120, "Invalid interval.") from None
        return [wire.kline(one, bar, timeframe_ms(timeframe)) for bar in bars]

    def _depth(self, params: Params) -> wire.Json:
        one = self.symbol(params)
        return wire.depth(one, self._exchange.books[one.id].shown(), _limit(params, 100, 5000))

    def _trades(self, params: Params) -> list[Any]:
        one = self.symbol(params)
        found = self._exchange.market.recent(one, _limit(params, 500, 1000), self._exchange.seen_ms)
        return [wire.trade(one, made) for made in found]

    def _aggregate_trades(self, params: Params) -> list[Any]:
        one, limit = self.symbol(params), _limit(params, 500, 1000)
        seen, market = self._exchange.seen_ms, self._exchange.market
        begin, end = whole(params, "startTime", 0), min(whole(params, "endTime", seen), seen)
        if begin:
            found = market.prints(one, begin - 1, min(end, begin + HOUR_MS))[:limit]
        elif params.get("fromId"):
            first = whole(params, "fromId", 0)
            found = [made for made in market.recent(one, limit, end) if made.id >= first]
        else:
            found = market.recent(one, limit, end)
        return [wire.aggregate_trade(one, made) for made in found]

    def _day(self, params: Params) -> Any:
        found = self._some(params)
        return self.figures(self.symbol(params)) if found is None else [self.figures(one) for one in found]

    def _best(self, params: Params) -> Any:
        return self._one_or_all(params, self._quote)

    def _quote(self, one: Traded) -> wire.Json:
        bid, bid_size, ask, ask_size = wire.best(one, self._exchange.books[one.id].shown())
        return {"symbol": one.id, "bidPrice": bid, "bidQty": bid_size, "askPrice": ask, "askQty": ask_size}

    def _price(self, params: Params) -> Any:
        return self._one_or_all(
            params,
            lambda one: {"symbol": one.id, "price": wire.money(one.price(self._exchange.books[one.id].last.ticks))},
        )

    def _one_or_all(self, params: Params, tell: Callable[[Traded], wire.Json]) -> Any:
        found = self._some(params)
        return tell(self.symbol(params)) if found is None else [tell(one) for one in found]

    def _average(self, params: Params) -> wire.Json:
        one, now = self.symbol(params), self._now()
        bar = self._exchange.market.stretch(one, now - 300_000, now)
        last = one.price(self._exchange.books[one.id].last.ticks)
        price = bar.value * one.tick / bar.units if bar is not None and bar.units else last
        return {"mins": 5, "price": wire.money(price), "closeTime": now}

    def _account(self, _: Params) -> wire.Json:
        return wire.account(self._exchange.account, self._now())

    def _commission(self, params: Params) -> wire.Json:
        rates = {"maker": "0.00100000", "taker": "0.00100000", "buyer": "0.00000000", "seller": "0.00000000"}
        return {"symbol": self.symbol(params).id, "standardCommission": rates}

    def _restrictions(self, _: Params) -> wire.Json:
        return {
            "ipRestrict": True,
            "createTime": 1_600_000_000_000,
            "enableReading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enablePortfolioMarginTrading": False,
            "enableSpotAndMarginTrading": True,
        }

    def _place(self, params: Params) -> wire.Json:
        one = self.symbol(params)
        asked = new_order(params, one, self._exchange.books[one.id].last.ticks)
        order = self._exchange.place(asked)
        default = "FULL" if asked.type in {"LIMIT", "MARKET"} else "ACK"
        return wire.placed(one, order, params.get("newOrderRespType") or default)

    def _try(self, params: Params) -> wire.Json:
        one = self.symbol(params)
        new_order(params, one, self._exchange.books[one.id].last.ticks)
        return {}

    def _named(
        self, params: Params, one: Traded, id_name: str = "orderId", name: str = "origClientOrderId"
    ) -> Order | None:
        number, client = params.get(id_name, ""), params.get(name, "")
        if not number and not client:
            raise Refusal(-1102, f"Param '{name}' or '{id_name}' must be sent, but both were empty/null!")
        return self._exchange.find(one.id, whole(params, id_name, 0) if number else None, client)

    def _order(self, params: Params) -> wire.Json:
        one = self.symbol(params)
        order = self._named(params, one)
        if order is None:
            raise Refusal(-2013, "Order does not exist.")
        return wire.queried(one, order)

    def _cancel(self, params: Params) -> wire.Json:
        one = self.symbol(params)
        order = self._named(params, one)
        if order is None:
            raise Refusal(-2011, "Unknown order sent.")
        self._exchange.cancel(order, client_id(params, "newClientOrderId"))
        return wire.canceled(one, order)

    def _replace(self, params: Params) -> wire.Json:
        one, mode = self.symbol(params), params.get("cancelReplaceMode", "")
        if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
            raise missing("cancelReplaceMode")
        order = self._named(params, one, "cancelOrderId", "cancelOrigClientOrderId")
        canceled = self._canceled(one, order)
        if "code" in canceled and mode == "STOP_ON_FAILURE":
            raise Refusal(-2022, "Order cancel-replace failed.")
        cancel_result = "FAILURE" if "code" in canceled else "SUCCESS"
        try:
            placed = self._place(params)
        except Refusal as refused:
            raise Refusal(-2021 if cancel_result == "SUCCESS" else -2022, refused.text, 409) from None
        return {
            "cancelResult": cancel_result,
            "newOrderResult": "SUCCESS",
            "cancelResponse": canceled,
            "newOrderResponse": placed,
        }

    def _canceled(self, one: Traded, order: Order | None) -> wire.Json:
        """Cancel an order; where it is none or dead, return Binance's code and text instead."""
        if order is None or not order.live:
            return {"code": -2011, "msg": "Unknown order sent."}
        return wire.canceled(one, self._exchange.cancel(order, client_id({}, "newClientOrderId")))

    def _open_orders(self, params: Params) -> list[Any]:
        traded = self._exchange.market.traded
        live = self._exchange.live(self.symbol(params).id if params.get("symbol") else "")
        return [wire.queried(traded[order.symbol_id], order) for order in live]

    def _cancel_all(self, params: Params) -> list[Any]:
        one = self.symbol(params)
        live = self._exchange.live(one.id)
        if not live:
            raise Refusal(-2011, "Unknown order sent.")
        return [wire.canceled(one, self._exchange.cancel(order, client_id({}, ""))) for order in live]

    def _all_orders(self, params: Params) -> list[Any]:
        one, limit = self.symbol(params), _limit(params, 500, 1000)
        first, begin, end = (whole(params, name, 0) for name in ("orderId", "startTime", "endTime"))
        found = [
            order
            for order in self._exchange.orders.values()
            if order.symbol_id == one.id
            and order.id >= first
            and order.created_ms >= begin
            and (not end or order.created_ms <= end)
        ]
        chosen = found[:limit] if first or begin else found[-limit:]
        return [wire.queried(one, order) for order in chosen]

    def _my_trades(self, params: Params) -> list[Any]:
        one, limit = self.symbol(params), _limit(params, 500, 1000)
        first, begin, end, order_id = (whole(params, name, 0) for name in ("fromId", "startTime", "endTime", "orderId"))
        found = [
            trade
            for trade in self._exchange.trades.values()
            if trade.symbol_id == one.id
            and trade.id >= first
            and trade.ts_ms >= begin
            and (not end or trade.ts_ms <= end)
            and (not order_id or trade.order_id == order_id)
        ]
        chosen = found[:limit] if params.get("fromId") or begin else found[-limit:]
        return [wire.my_trade(trade) for trade in chosen]


def _limit(params: Params, default: int, most: int) -> int:
    limit = whole(params, "limit", default)
    if limit < 1:
        raise Refusal(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit, most)
