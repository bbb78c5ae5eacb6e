"""Where exchanges differ behind ccxt's one face, by ccxt's id: what ours must know, each as a table."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

BY_CLIENT_ID: Mapping[str, str] = {
    "binance": "origClientOrderId",
    "binanceusdm": "origClientOrderId",
    "okx": "clientOrderId",
    "upbit": "identifier",
}
"""Exchanges that answer for an order by our own id alone, and the parameter of `fetch_order` that says it."""

ASKED_PLAINLY: Mapping[str, str] = {"upbit": "private_get_order"}
"""Exchanges that must be asked by our own id without ccxt's `fetch_order`, and ccxt's method for that: Upbit goes by
its own id where both are told, and ccxt always tells one."""

TRADES_OF_ORDERS = frozenset({"upbit"})
"""Exchanges without a list of the account's trades, which tell an order's own trades with the order."""

DATED: Mapping[str, str] = {"upbit": "created_at"}
"""Exchanges whose times ccxt reads without their offset where they have a fraction of a second, and their key."""

FETCH_ORDER: Mapping[str, Mapping[str, Any]] = {"bybit": {"acknowledged": True}}
"""What `fetch_order` must be told besides: Bybit knows the last 500 orders only, and ccxt wants that accepted."""

SHORT_IDS: Mapping[str, int] = {"kraken": 18}
"""Exchanges whose client ids hold fewer characters than ours have: there an order has a short one that follows from
it."""

SCANNED_BY_ID: Mapping[str, str] = {"kraken": "clientOrderId"}
"""Exchanges whose lists of orders can be asked for one client id, and the parameter that says it."""

MIXED_TRADES = frozenset({"kraken"})
"""Exchanges that answer for all symbols at once: a page is full though few of its trades are of the one wanted."""

NO_STREAMS = frozenset({"kraken", "upbit"})
"""Exchanges whose streams of the account are not listened to: on Kraken an order that filled is told without how much
of it, on Upbit ccxt reads no time of a trade, and the order's fee as the trade's."""

WOULD_TAKE: Mapping[str, tuple[str, str]] = {
    "bybit": ("rejectReason", "EC_PostOnlyWillTakeLiquidity"),
    "kraken": ("reason", "Post only order"),
    "okx": ("cancelSource", "31"),
}
"""Exchanges that accept a post-only order that would take and cancel it then: what their own answer says of it."""

AT_MARKET: Mapping[str, float] = {"okx": -1.0}
"""Exchanges that tell a price for a waiting order which takes the market, and that price."""

SELDOM_S: Mapping[str, float] = {"kraken": 10.0}
"""Exchanges without streams of the account that may be asked less often than others while orders are under way."""

LEAST_COST: Mapping[str, Mapping[str, Decimal]] = {
    "upbit": {"KRW": Decimal(5_000), "BTC": Decimal("0.00005"), "USDT": Decimal("0.5")}
}
"""The smallest order of exchanges whose markets do not tell ccxt of it, by quote currency, in that currency."""

RATES_BEFORE: Mapping[str, str] = {"okx": "after"}
"""Exchanges that give the newest funding rates since a moment, whatever ends the question, and the parameter with which
they are asked for those before a moment instead."""

TELLS_FUNDING: Mapping[str, tuple[int, str, str]] = {
    "binance": (1_000, "", "until"),
    "binanceusdm": (1_000, "", "until"),
    "okx": (100, "begin", "end"),
}
"""Exchanges whose funding payments are read: the rows of a page, and the parameters that say the span's first (besides
ccxt's own `since`) and last millisecond. Not Bybit: there ccxt tells a payment as a fee, whose sign is another."""

PAGE = 100
"""Trades asked for at once; the most that OKX and Bybit give."""

SMALL_PAGES: Mapping[str, int] = {"kraken": 50}
"""Exchanges whose pages are smaller; a page as long as this may leave something out."""
