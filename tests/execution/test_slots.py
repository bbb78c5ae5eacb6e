"""Wanted orders by slot: what counts as a wish, how its order fares, and which order only reduces."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.execution.order_state import WORKING, OrderState
from autotrader.execution.orders import Order
from autotrader.execution.slots import Fares, Slot, Wish, fares, less_fee, reduces, wishes
from autotrader.strategies.contract import FILLED, FREE, REFUSED, RESTING, SENT, fresh_out

D = Decimal
NOTHING = Wish(0, 0, 0, 0, 0, 0)
WISH = Wish(0, 1, 100, 5, 0, 0)
STATES = {
    OrderState.INTENT: SENT,
    OrderState.SENT: SENT,
    OrderState.OPEN: RESTING,
    OrderState.PARTIAL: RESTING,
    OrderState.FILLED: FILLED,
    OrderState.CANCELED: REFUSED,
    OrderState.REJECTED: REFUSED,
    OrderState.EXPIRED: REFUSED,
}


def order(state=OrderState.OPEN, *, side=-1, amount="2", filled="0", purpose="slot_exit", name="s1") -> Order:
    return Order(
        name, "", "a", "paper", "BTC/USDT", side, "limit", D(100), D(amount), D(filled), None, state, "slot", purpose,
        "g", 1, 1, 1, 1,
    )  # fmt: skip


@given(st.integers(0, 1), st.integers(-1, 1), st.integers(0, 9), st.integers(0, 9), st.integers(0, 1))
def test_a_slot_without_a_side_or_lots_wishes_nothing(leg, side, ticks, lots, post_only) -> None:
    out = fresh_out(2, 1)
    for column, value in zip(out[2:7], (leg, side, ticks, lots, post_only), strict=True):
        column[0] = value
    assert wishes(out, 2) == [Wish(leg, side, ticks, lots, post_only, 0) if side and lots else NOTHING]


@pytest.mark.parametrize(
    "changes", [{"slot_leg": 2}, {"slot_leg": -1}, {"slot_side": 2}, {"slot_ticks": -1}, {"slot_lots": -1}]
)
def test_a_wish_that_cannot_be_is_an_error(changes) -> None:
    out = fresh_out(2, 1)
    for name, value in ({"slot_side": 1, "slot_lots": 1} | changes).items():
        getattr(out, name)[0] = value
    with pytest.raises(ValueError, match="slot 0 wants"):
        wishes(out, 2)


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_an_order_is_one_of_the_contract(state, new) -> None:
    told = fares(Slot(WISH, "s1"), order(state, filled="0.5"), new.leg("0").instrument)
    lots = new.leg("0").instrument.lots
    assert told == Fares(STATES[state], lots(D("0.5")), lots(D("1.5")) if state in WORKING else 0)


def test_a_slot_without_a_wish_is_free_and_one_whose_order_was_never_made_is_refused(new) -> None:
    rules = new.leg("0").instrument
    assert fares(Slot(), None, rules) == Fares(FREE, 0, 0)
    assert fares(Slot(WISH), None, rules) == Fares(REFUSED, 0, 0)


@pytest.mark.parametrize(
    ("held", "others", "side", "amount", "expected"),
    [
        ("2", [], -1, "2", True),
        ("2", [], -1, "2.1", False),
        ("2", [], 1, "1", False),
        ("0", [], -1, "1", False),
        ("-2", [], 1, "2", True),
        ("3", [order(filled="0.5")], -1, "1.5", True),
        ("3", [order(filled="0.5")], -1, "1.6", False),
        ("3", [order(side=1)], -1, "3", True),
        ("3", [order(purpose="exit")], -1, "3", True),
        ("3", [order(name="going")], -1, "3", True),
    ],
)
def test_an_order_reduces_where_the_position_holds_it_beside_the_others(
    held, others, side, amount, expected, new
) -> None:
    leg = new.leg(held)
    leg.orders = {one.client_id: one for one in others}
    assert reduces(leg, side, D(amount), {"going"}) is expected


@pytest.mark.parametrize(
    ("held", "value", "cost", "side", "amount", "sold"),
    [
        ("0.999", "99.9", "100", -1, "1", "0.99"),  # the fee was taken in coins
        ("0.99999", "99.999", "100", -1, "1", "0.99"),  # the smallest that counts
        ("0.999991", "99.9991", "100", -1, "1", "1"),  # money is rounded by that much
        ("0.999", "99.9", "99.9", -1, "1", "1"),  # there was no fee: more is wanted than there is
        ("0.989", "99.9", "100", -1, "1", "0.98"),  # it lacks a lot more than the fee
        ("0.988", "99.9", "100", -1, "1", "1"),  # a fee does not explain that
        ("0.999", "99.9", "100", -1, "0.5", "0.5"),  # less is wanted than there is
        ("0.999", "99.9", "100", 1, "1", "1"),
        ("0.999", "99.9", "100", 1, "0.01", "0.01"),  # nothing is there to be bought back
    ],
)
def test_a_slot_sells_the_little_less_that_a_fee_in_coins_left(new, held, value, cost, side, amount, sold) -> None:
    leg = new.leg(held)
    leg.instrument = replace(leg.instrument, lot=D("0.01"))
    leg.position = leg.position._replace(in_value=D(value), in_cost=D(cost))
    assert less_fee(leg, side, D(amount), ()) == D(sold)
