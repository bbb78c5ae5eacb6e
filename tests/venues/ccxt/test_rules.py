"""Prices on an exchange's own steps: never worse than what was asked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from autotrader.execution.orders import BUY, SELL, OrderRequest
from autotrader.venues.ccxt.rules import stepped

D = Decimal


@pytest.mark.parametrize(
    ("symbol", "price", "bought", "sold"),
    [
        ("BTC/KRW", "1999999", "1999000", "2000000"),
        ("BTC/KRW", "500499", "500000", "500500"),
        ("BTC/KRW", "123456", "123400", "123500"),
        ("BTC/KRW", "55555", "55550", "55600"),
        ("BTC/KRW", "12345", "12340", "12350"),
        ("BTC/KRW", "5001", "5000", "5005"),
        ("BTC/KRW", "999.9", "999", "1000"),
        ("BTC/KRW", "12.34", "12.3", "12.4"),
        ("BTC/KRW", "1.234", "1.23", "1.24"),
        ("BTC/KRW", "0.00001234", "0.0000123", "0.0000124"),
        ("BTC/KRW", "0.00000123", "0.00000123", "0.00000123"),
        ("BTC/USDT", "97000.123", "97000.12", "97000.13"),
        ("BTC/USDT", "1.2345", "1.234", "1.235"),
        ("ETH/BTC", "0.03456789", "0.03456789", "0.03456789"),
    ],
)
def test_a_buy_is_never_dearer_and_a_sale_never_cheaper_than_asked(symbol, price, bought, sold):
    asked = OrderRequest("a", symbol, BUY, "limit", D(1), D(price), False, "g", 0, "1m")
    assert stepped("upbit", asked).price == D(bought)
    assert stepped("upbit", asked._replace(side=SELL)).price == D(sold)
    assert stepped("binance", asked) == asked
