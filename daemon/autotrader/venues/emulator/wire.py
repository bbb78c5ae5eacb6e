"""Binance's shapes: what the exchange knows, as REST and the streams tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from autotrader.venues.emulator.account import ZERO, Account
from autotrader.venues.emulator.book import Shown
from autotrader.venues.emulator.exchange import Told
from autotrader.venues.emulator.market import Traded
from autotrader.venues.emulator.orders import STOPPED, TYPES, Order, Trade
from autotrader.venues.emulator.tape import Kline, Print, amount

Json = dict[str, Any]

WEIGHT_LIMIT = 6000
ORDER_LIMIT, ORDER_LIMIT_S = 100, 10


def money(value: Decimal) -> str:
    """Return a number as Binance writes them: eight decimals."""
    return f"{value:.8f}"


def limits() -> list[Json]:
    """Return the rate limits that hold."""
    return [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_LIMIT},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": ORDER_LIMIT_S, "limit": ORDER_LIMIT},
    ]


def symbol(one: Traded, *, open_for_trade: bool) -> Json:
    """Return a symbol of exchangeInfo."""
    return {
        "symbol": one.id,
        "status": "TRADING" if open_for_trade else "BREAK",
        "baseAsset": one.base,
        "baseAssetPrecision": 8,
        "quoteAsset": one.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": money(one.tick),
                "maxPrice": money(one.tick * 10**10),
                "tickSize": money(one.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": money(one.lot),
                "maxQty": money(Decimal(10**9)),
                "stepSize": money(one.lot),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": money(one.min_notional),
                "applyMinToMarket": True,
                "maxNotional": money(Decimal(10**9)),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_TAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER"],
    }


def order(one: Traded, held: Order) -> Json:
    """Return an order as it is asked for."""
    return {
        "symbol": one.id,
        "orderId": held.id,
        "orderListId": -1,
        "clientOrderId": held.cancel_id or held.client_id,
        **({"origClientOrderId": held.client_id} if held.cancel_id else {}),
        "price": money(one.price(held.ticks)),
        "origQty": money(one.quantity(held.lots)),
        "executedQty": money(one.quantity(held.filled)),
        "origQuoteOrderQty": money(held.spendable),
        "cummulativeQuoteQty": money(held.value),
        "status": held.status,
        "timeInForce": held.time_in_force,
        "type": held.type,
        "side": held.side,
        **({"stopPrice": money(one.price(held.stop_ticks))} if held.type in STOPPED else {"stopPrice": money(ZERO)}),
        "icebergQty": money(ZERO),
        "time": held.created_ms,
        "updateTime": held.updated_ms,
        "isWorking": not held.waiting,
        "workingTime": held.created_ms,
        "selfTradePreventionMode": "EXPIRE_TAKER",
    }


def queried(one: Traded, held: Order) -> Json:
    """Return an order as a query tells it: under the id that it was placed with, also after a cancel."""
    told = order(one, held)
    told.pop("origClientOrderId", None)
    return told | {"clientOrderId": held.client_id}


def canceled(one: Traded, held: Order) -> Json:
    """Return the answer to a cancel."""
    told = order(one, held)
    for name in ("time", "updateTime", "isWorking", "icebergQty", "workingTime"):
        del told[name]
    return told | {"transactTime": held.updated_ms}


def placed(one: Traded, held: Order, kind: str) -> Json:
    """Return the answer to a new order: ACK, RESULT or FULL."""
    short = {
        "symbol": one.id,
        "orderId": held.id,
        "orderListId": -1,
        "clientOrderId": held.client_id,
        "transactTime": held.updated_ms,
    }
    if kind == "ACK":
        return short
    told = order(one, held)
    for name in ("time", "updateTime", "isWorking", "icebergQty"):
        del told[name]
    if held.type not in STOPPED:
        del told["stopPrice"]
    result = told | short
    if kind == "FULL":
        result["fills"] = [
            {
                "price": money(trade.price),
                "qty": money(trade.quantity),
                "commission": money(trade.fee),
                "commissionAsset": trade.fee_asset,
                "tradeId": trade.id,
            }
            for trade in held.trades
        ]
    return result


def my_trade(trade: Trade) -> Json:
    """Return a fill of the account."""
    return {
        "symbol": trade.symbol_id,
        "id": trade.id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": money(trade.price),
        "qty": money(trade.quantity),
        "quoteQty": money(trade.value),
        "commission": money(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.ts_ms,
        "isBuyer": trade.bought,
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def account(held: Account, now_ms: int) -> Json:
    """Return the account: balances and what its key may do."""
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": "0.00100000",
            "taker": "0.00100000",
            "buyer": "0.00000000",
            "seller": "0.00000000",
        },
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": money(one.free), "locked": money(one.locked)}
            for asset, one in sorted(held.holdings().items())
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def position(held: Account, assets: Iterable[str], now_ms: int) -> Json:
    """Return the push about balances that changed."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [
            {"a": asset, "f": money(held.holding(asset).free), "l": money(held.holding(asset).locked)}
            for asset in sorted(assets)
        ],
    }


def execution(one: Traded, told: Told) -> Json:
    """Return the push about an order: what happened, and how the order stood then."""
    held, trade = told.order, told.trade
    return {
        "e": "executionReport",
        "E": told.ts_ms,
        "s": one.id,
        "c": held.cancel_id or held.client_id,
        "S": held.side,
        "o": held.type,
        "f": held.time_in_force,
        "q": money(one.quantity(held.lots)),
        "p": money(one.price(held.ticks)),
        "P": money(one.price(held.stop_ticks)),
        "F": money(ZERO),
        "g": -1,
        "C": held.client_id if held.cancel_id else "",
        "x": told.kind,
        "X": held.status,
        "r": "NONE",
        "i": held.id,
        "l": money(trade.quantity if trade else ZERO),
        "z": money(one.quantity(held.filled)),
        "L": money(trade.price if trade else ZERO),
        "n": money(trade.fee) if trade else "0",
        "N": trade.fee_asset if trade else None,
        "T": told.ts_ms,
        "t": trade.id if trade else -1,
        "I": told.ts_ms,
        "w": held.live and not held.waiting,
        "m": bool(trade and trade.maker),
        "M": False,
        "O": held.created_ms,
        "Z": money(held.value),
        "Y": money(trade.value if trade else ZERO),
        "Q": money(held.spendable),
        "W": held.created_ms,
        "V": "EXPIRE_TAKER",
    }


def value(one: Traded, ticks_by_units: int) -> str:
    """Return a sum of ticks times units as quote money."""
    return money(ticks_by_units * one.tick * Decimal("1e-8"))


def kline(one: Traded, bar: Kline, length_ms: int) -> list[Any]:
    """Return a bar as REST tells it."""
    return [
        bar.ts_ms,
        *(money(one.price(ticks)) for ticks in (bar.open, bar.high, bar.low, bar.close)),
        money(amount(bar.units)),
        bar.ts_ms + length_ms - 1,
        value(one, bar.value),
        bar.trades,
        money(amount(bar.bought_units)),
        value(one, bar.bought_value),
        "0",
    ]


def kline_event(one: Traded, bar: Kline, timeframe: str, length_ms: int, now_ms: int, *, closed: bool) -> Json:
    """Return a bar as its stream tells it."""
    return {
        "e": "kline",
        "E": now_ms,
        "s": one.id,
        "k": {
            "t": bar.ts_ms,
            "T": bar.ts_ms + length_ms - 1,
            "s": one.id,
            "i": timeframe,
            "f": bar.first_id,
            "L": bar.last_id,
            "o": money(one.price(bar.open)),
            "c": money(one.price(bar.close)),
            "h": money(one.price(bar.high)),
            "l": money(one.price(bar.low)),
            "v": money(amount(bar.units)),
            "n": bar.trades,
            "x": closed,
            "q": value(one, bar.value),
            "V": money(amount(bar.bought_units)),
            "Q": value(one, bar.bought_value),
            "B": "0",
        },
    }


def trade(one: Traded, made: Print) -> Json:
    """Return a public trade as REST tells it."""
    return {
        "id": made.id,
        "price": money(one.price(made.ticks)),
        "qty": money(amount(made.units)),
        "quoteQty": value(one, made.ticks * made.units),
        "time": made.ts_ms,
        "isBuyerMaker": not made.bought,
        "isBestMatch": True,
    }


def aggregate_trade(one: Traded, made: Print) -> Json:
    """Return a public trade as aggTrades tells it."""
    return {
        "a": made.id,
        "p": money(one.price(made.ticks)),
        "q": money(amount(made.units)),
        "f": made.id,
        "l": made.id,
        "T": made.ts_ms,
        "m": not made.bought,
        "M": True,
    }


def trade_event(one: Traded, made: Print, now_ms: int) -> Json:
    """Return a public trade as its stream tells it."""
    return {
        "e": "trade",
        "E": now_ms,
        "s": one.id,
        "t": made.id,
        "p": money(one.price(made.ticks)),
        "q": money(amount(made.units)),
        "T": made.ts_ms,
        "m": not made.bought,
        "M": True,
    }


def side(one: Traded, levels: Mapping[int, int], *, bids: bool, limit: int) -> list[list[str]]:
    """Return the best levels of one side of a book."""
    best = sorted(levels, reverse=bids)[:limit]
    return [[money(one.price(ticks)), money(one.quantity(levels[ticks]))] for ticks in best]


def depth(one: Traded, shown: Shown, limit: int) -> Json:
    """Return a book as REST tells it."""
    return {
        "lastUpdateId": shown.update_id,
        "bids": side(one, shown.bids, bids=True, limit=limit),
        "asks": side(one, shown.asks, bids=False, limit=limit),
    }


def depth_event(one: Traded, before: Shown, after: Shown, now_ms: int) -> Json:
    """Return what changed in a book; a level that is gone has the amount 0."""
    changed = []
    for old, new in zip(before[:2], after[:2], strict=True):
        ticks = sorted({at for at, _ in set(old.items()) ^ set(new.items())})
        changed.append([[money(one.price(at)), money(one.quantity(new.get(at, 0)))] for at in ticks])
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "s": one.id,
        "U": before.update_id + 1,
        "u": after.update_id,
        "b": changed[0],
        "a": changed[1],
    }


def best(one: Traded, shown: Shown) -> tuple[str, str, str, str]:
    """Return the best bid, its amount, the best ask and its amount."""
    bid, ask = max(shown.bids, default=0), min(shown.asks, default=0)
    return (
        money(one.price(bid)),
        money(one.quantity(shown.bids.get(bid, 0))),
        money(one.price(ask)),
        money(one.quantity(shown.asks.get(ask, 0))),
    )


def day(one: Traded, bar: Kline, last: Print, shown: Shown, now_ms: int) -> Json:
    """Return the figures of the last day; `bar` is that day's."""
    start, close = one.price(bar.open), one.price(last.ticks)
    mean = bar.value * one.tick / bar.units if bar.units else close
    bid, bid_size, ask, ask_size = best(one, shown)
    return {
        "symbol": one.id,
        "priceChange": money(close - start),
        "priceChangePercent": f"{(close - start) * 100 / start:.3f}",
        "weightedAvgPrice": money(mean),
        "prevClosePrice": money(start),
        "lastPrice": money(close),
        "lastQty": money(amount(last.units)),
        "bidPrice": bid,
        "bidQty": bid_size,
        "askPrice": ask,
        "askQty": ask_size,
        "openPrice": money(start),
        "highPrice": money(one.price(bar.high)),
        "lowPrice": money(one.price(bar.low)),
        "volume": money(amount(bar.units)),
        "quoteVolume": value(one, bar.value),
        "openTime": bar.ts_ms,
        "closeTime": now_ms,
        "firstId": bar.first_id,
        "lastId": bar.last_id,
        "count": bar.trades,
    }


_DAY_NAMES = {
    "s": "symbol", "p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice",
    "c": "lastPrice", "Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty", "o": "openPrice",
    "h": "highPrice", "l": "lowPrice", "v": "volume", "q": "quoteVolume", "O": "openTime", "C": "closeTime",
    "F": "firstId", "L": "lastId", "n": "count",
}  # fmt: skip
_MINI = ("s", "c", "o", "h", "l", "v", "q")


def day_event(figures: Json, now_ms: int, *, mini: bool) -> Json:
    """Return a day's figures as their stream tells them."""
    names = _MINI if mini else _DAY_NAMES
    kind = "24hrMiniTicker" if mini else "24hrTicker"
    return {"e": kind, "E": now_ms, **{name: figures[_DAY_NAMES[name]] for name in names}}
