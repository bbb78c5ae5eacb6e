"""Where exchanges differ behind ccxt's one face, by ccxt's id: what ours must know, each as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BY_CLIENT_ID: Mapping[str, str] = {
    "binance": "origClientOrderId",
    "binanceusdm": "origClientOrderId",
    "okx": "clientOrderId",
}
"""Exchanges that answer for an order by our own id alone, and the parameter of `fetch_order` that says it."""

FETCH_ORDER: Mapping[str, Mapping[str, Any]] = {"bybit": {"acknowledged": True}}
"""What `fetch_order` must be told besides: Bybit knows the last 500 orders only, and ccxt wants that accepted."""

SHORT_IDS: Mapping[str, int] = {"kraken": 18}
"""Exchanges whose client ids hold fewer characters than ours have: there an order has a short one that follows from
it."""

SCANNED_BY_ID: Mapping[str, str] = {"kraken": "clientOrderId"}
"""Exchanges whose lists of orders can be asked for one client id, and the parameter that says it."""

MIXED_TRADES = frozenset({"kraken"})
"""Exchanges that answer for all symbols at once: a page is full though few of its trades are of the one wanted."""

NO_STREAMS = frozenset({"kraken"})
"""Exchanges whose streams of the account are not listened to: an order that filled is told without how much of it."""

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

PAGE = 100
"""Trades asked for at once; the most that OKX and Bybit give."""

SMALL_PAGES: Mapping[str, int] = {"kraken": 50}
"""Exchanges whose pages are smaller; a page as long as this may leave something out."""
