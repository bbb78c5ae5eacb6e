"""How large one entry is: each kind by its formula, and never more than the share, the money or whole lots allow."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.execution.sizing import Room, Size, entry_amount
from autotrader.market.instrument import MAX_COUNT

D = Decimal
RICH = Room(D(1000), D(10**9), D("0.0012"))


def sized(new, size: Size, *, exposure=1.0, room=RICH, price=100, atr=float("nan"), lot="0.001") -> Decimal:
    return entry_amount(size, exposure, room, D(price), new.instrument(lot=D(lot)), float(atr))


@pytest.mark.parametrize(
    ("size", "atr", "amount"),
    [
        (Size("percent", D(1)), "NaN", "10"),
        (Size("percent", D("0.25")), "NaN", "2.5"),
        (Size("fixed", D("1.5")), "NaN", "1.5"),
        (Size("notional", D(250)), "NaN", "2.5"),
        (Size("volatility", D("0.005")), D("2.5"), "2"),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_each_kind_follows_its_formula(new, size, atr, amount) -> None:
    assert sized(new, size, atr=atr) == D(amount)


@pytest.mark.parametrize("size", [Size("fixed", D(99)), Size("notional", D(5000)), Size("percent", D(3))])
def test_whatever_is_wanted_is_clipped_to_the_share(new, size) -> None:
    assert sized(new, size) == D(10)


def test_a_tiny_atr_is_clipped_to_the_share(new) -> None:
    assert sized(new, Size("volatility", D("0.01")), atr=D("0.0001")) == D(10)


def test_the_money_that_is_there_pays_for_fee_and_slippage_too(new) -> None:
    amount = sized(new, Size("percent", D(1)), room=Room(D(1000), D(500), D("0.01")))
    assert amount == D("4.950")
    assert amount * 100 * D("1.01") <= 500
    assert (amount + D("0.001")) * 100 * D("1.01") > 500


@pytest.mark.parametrize("atr", [D(0), D("NaN"), D("Infinity"), D(-1)], ids=str)
def test_without_a_positive_atr_a_volatility_size_buys_nothing(new, atr) -> None:
    assert sized(new, Size("volatility", D("0.01")), atr=atr) == 0


@pytest.mark.parametrize("exposure", [0.5, -0.5])
def test_half_an_exposure_is_half_the_amount_on_either_side(new, exposure) -> None:
    assert sized(new, Size("percent", D(1)), exposure=exposure) == D(5)
    assert sized(new, Size("fixed", D(2)), exposure=exposure) == D(1)


@pytest.mark.parametrize("exposure", [float("nan"), float("inf"), -float("inf"), 0.0])
def test_an_exposure_that_is_no_number_or_zero_buys_nothing(new, exposure) -> None:
    assert sized(new, Size("percent", D(1)), exposure=exposure) == 0


@pytest.mark.parametrize(
    ("room", "price"),
    [
        (Room(D(0), D(100), D(0)), D(100)),
        (Room(D(-5), D(100), D(0)), D(100)),
        (Room(D(100), D(0), D(0)), D(100)),
        (Room(D(100), D(-5), D(0)), D(100)),
        (Room(D(100), D(100), D(0)), D(0)),
    ],
)
def test_without_money_or_a_price_nothing_is_bought(new, room, price) -> None:
    assert sized(new, Size("fixed", D(1)), room=room, price=price) == 0


def test_a_coin_that_costs_almost_nothing_is_bought_up_to_what_can_be_counted(new) -> None:
    amount = sized(new, Size("percent", D(1)), room=Room(D(10**9), D(10**9), D(0)), price=D("1e-9"), lot="1e-8")
    assert amount == MAX_COUNT * D("1e-8")


def test_an_unknown_kind_is_refused_by_name(new) -> None:
    with pytest.raises(ValueError, match="'martingale' is not known"):
        sized(new, Size("martingale", D(1)))


money = st.integers(0, 10**9).map(lambda n: n * D("0.01"))
kinds = st.sampled_from(("percent", "fixed", "notional", "volatility"))


@given(
    st.builds(Size, kinds, st.integers(1, 10**6).map(lambda n: n * D("0.0001"))),
    st.floats(-1, 1),
    st.builds(Room, money, money, st.integers(0, 500).map(lambda n: n * D("0.0001")), st.integers(1, 5)),
    st.integers(1, 10**8).map(lambda n: n * D("0.01")),
    st.sampled_from(("1e-8", "0.001", "1")),
    st.integers(1, 10**6).map(lambda n: n * D("0.01")),
)
def test_an_entry_is_whole_lots_within_share_and_money_and_never_negative(
    size, exposure, room, price, lot, atr
) -> None:
    from autotrader.market.instrument import Instrument

    rules = Instrument("paper", "BTC/USDT", "BTC", "USDT", "spot", D("0.01"), D(lot))
    amount = entry_amount(size, exposure, room, price, rules, float(atr))
    assert amount >= 0
    assert amount % D(lot) == 0
    assert amount * price <= room.leverage * room.share * (1 + D("1e-20"))
    assert amount * price * (1 + room.cost) <= room.cash * (1 + D("1e-20"))
