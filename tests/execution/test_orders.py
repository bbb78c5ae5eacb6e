"""Orders and fills: what a fee moves, what may still fill, and what an order is where nothing more is said."""

from __future__ import annotations

from decimal import Decimal

import pytest

from autotrader.execution.orders import BUY, SELL, OrderRequest, side_of

D = Decimal


@pytest.mark.parametrize(
    ("side", "fee", "currency", "moved", "quote_fee"),
    [
        (BUY, "0.01", "BTC", "0.99", "0"),
        (SELL, "0.01", "BTC", "1.01", "0"),
        (BUY, "0.01", "USDT", "1", "0.01"),
        (BUY, "-0.01", "USDT", "1", "-0.01"),
        (BUY, "0.01", "BNB", "1", "0"),
        (BUY, "0.01", "BT", "1", "0"),
        (BUY, "0.01", "SDT", "1", "0"),
        (BUY, "0", "", "1", "0"),
    ],
)
def test_a_fee_is_part_of_what_moved_or_of_the_money_or_of_neither(new, side, fee, currency, moved, quote_fee) -> None:
    fill = new.fill(side, 1, fee=fee, fee_currency=currency)
    assert (fill.moved, fill.quote_fee) == (D(moved), D(quote_fee))


@pytest.mark.parametrize(("amount", "side"), [("0.5", BUY), ("2", BUY), ("-0.5", SELL), ("-2", SELL), ("0", 0)])
def test_the_side_of_a_signed_amount(amount, side) -> None:
    assert side_of(D(amount)) == side


def test_what_may_still_fill_is_what_did_not(new) -> None:
    assert new.order("at1", "entry", BUY, "1.5", filled="0.4").remaining == D("1.1")


def test_an_order_rests_as_it_is_where_nothing_more_is_said() -> None:
    plain = OrderRequest("at1", "BTC/USDT", BUY, "limit", D(1), D(100), False, "g", 1_000, "5m")
    assert (plain.post_only, plain.time_in_force, plain.guard, plain.stop_price) == (False, "gtc", None, None)
