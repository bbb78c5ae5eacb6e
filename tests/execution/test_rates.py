"""Rates between currencies: who is asked for one, what counts as one, and how exact it is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.execution.rates import rate_of, rate_sources

D = Decimal


def test_the_exchange_that_holds_the_money_is_asked_first_then_the_others_by_name() -> None:
    told = list(rate_sources("KRW", "USDT", "upbit", ["upbit", "b", "a"]))
    assert [(one.exchange, one.symbol, one.inverse) for one in told] == [
        ("upbit", "KRW/USDT", False),
        ("upbit", "USDT/KRW", True),
        ("a", "KRW/USDT", False),
        ("a", "USDT/KRW", True),
        ("b", "KRW/USDT", False),
        ("b", "USDT/KRW", True),
    ]


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_what_is_no_price_is_no_rate(price: str) -> None:
    assert rate_of(D(price), inverse=False) is None
    assert rate_of(D(price), inverse=True) is None


@given(st.decimals("0.00000001", "100000000", places=8))
def test_a_rate_and_its_inverse_undo_each_other(price: Decimal) -> None:
    there, back = rate_of(price, inverse=False), rate_of(price, inverse=True)
    assert there == price
    assert abs(there * back - 1) < D("1e-20")


def test_a_rate_has_28_digits() -> None:
    assert rate_of(D(3), inverse=True) == D("0." + "3" * 28)
    assert rate_of(D("1." + "1" * 40), inverse=False) == D("1." + "1" * 27)
