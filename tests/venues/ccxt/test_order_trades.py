"""Trades that are told with their order: their times, and each one's part of the order's fee."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.errors import VenueError
from autotrader.execution.orders import BUY
from autotrader.venues.ccxt.answers import ToldTrade
from autotrader.venues.ccxt.order_trades import dated, shared

D = Decimal


def trade(cost, fee="0"):
    return ToldTrade("t", "v", "c", "BTC/KRW", BUY, D(1), D(cost), D(cost), D(fee), "KRW", 1, maker=False)


@given(
    costs=st.lists(st.decimals("0.00000001", "1e9", places=8), min_size=1, max_size=8),
    fee=st.decimals(0, 1000, places=9),
)
def test_shared_fees_are_not_negative_and_sum_to_the_orders(costs, fee):
    fees = [one.fee for one in shared([trade(cost) for cost in costs], fee, D(0))]
    assert sum(fees) == fee
    assert min(fees) >= 0


def test_a_fee_that_is_told_with_its_trade_stays():
    told = shared([trade(1, "3"), trade(1), trade(3)], D(10), D(3))
    assert [one.fee for one in told] == [D(3), D(1), D(3)]


@pytest.mark.parametrize(("written", "said"), [("yesterday", "no time"), ("2026-01-01T00:00:00", "without its offset")])
def test_a_time_that_cannot_be_placed_is_refused(written, said):
    with pytest.raises(VenueError, match=said):
        dated({"info": {"created_at": written}}, "here", "upbit")


def test_a_fraction_of_a_second_does_not_hide_the_offset():
    row = dated({"info": {"created_at": "2025-08-09T16:44:00.597751+09:00"}, "timestamp": 0}, "here", "upbit")
    assert row["timestamp"] == datetime(2025, 8, 9, 7, 44, 0, 597_000, UTC).timestamp() * 1000
