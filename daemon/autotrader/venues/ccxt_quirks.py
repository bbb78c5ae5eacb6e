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

NO_LONG_IDS = frozenset({"kraken"})
"""Exchanges whose client ids hold 18 characters, fewer than ours have."""

WOULD_TAKE: Mapping[str, tuple[str, str]] = {
    "bybit": ("rejectReason", "EC_PostOnlyWillTakeLiquidity"),
    "kraken": ("reason", "Post only order"),
    "okx": ("cancelSource", "31"),
}
"""Exchanges that accept a post-only order that would take and cancel it then: what their own answer says of it."""

PAGE = 100
"""Trades asked for at once; the most that OKX and Bybit give."""

SMALL_PAGES: Mapping[str, int] = {"kraken": 50}
"""Exchanges whose pages are smaller; a page as long as this may leave something out."""
