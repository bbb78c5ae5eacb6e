"""How large one entry is: each kind by its formula, and never more than the share, the money or whole lots allow."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.execution.sizing import NO_TRADES, Kelly, Record, Room, Size, entry_amount, kelly_stake, share_of
from autotrader.market.fills import RATE
from autotrader.market.instrument import MAX_COUNT

D = Decimal
RICH = Room(D(1000), D(10**9), D("0.0012"))


def sized(new, size: Size, *, exposure=1.0, room=RICH, price="100.00", atr="NaN", lot="1e-8") -> Decimal:
    return entry_amount(size, exposure, room, D(price), new.instrument(lot=D(lot)), float(atr))


@pytest.mark.parametrize(
    ("size", "atr", "amount"),
    [
        (Size("percent", D(1)), "NaN", "10"),
        (Size("percent", D("0.25")), "NaN", "2.5"),
        (Size("percent", D("0.00000001")), "NaN", "0.0000001"),
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
    amount = sized(new, Size("percent", D(1)), room=Room(D(1000), D(500), D("0.01")), lot="0.001")
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
        (Room(D(100), D(0), D(0)), D(100)),
        (Room(D(100), D(-5), D(0)), D(100)),
        (Room(D(100), D(100), D(0)), D(0)),
    ],
)
def test_without_money_or_a_price_nothing_is_bought(new, room, price) -> None:
    assert sized(new, Size("fixed", D(1)), room=room, price=price) == 0


def test_a_price_in_whole_hundreds_is_a_price_like_any(new) -> None:
    assert sized(new, Size("percent", D(1)), price="1E+2") == D(10)


def test_a_price_of_a_few_ticks_is_a_price_like_any(new) -> None:
    assert sized(new, Size("percent", D(1)), room=Room(D(3), D(10**9), D(0)), price="0.03") == D(100)


def test_leverage_lets_an_entry_hold_so_many_times_the_share(new) -> None:
    assert sized(new, Size("percent", D(5)), room=RICH._replace(leverage=3)) == D(30)


@pytest.mark.parametrize(
    ("equity", "capital", "legs", "share"),
    [
        (1_000, RATE // 4, 1, 250),
        (1_000, RATE // 4, 2, 125),
        (1_000, RATE // 4, 3, 83),
        (1, RATE, 1, 1),
        (0, RATE, 1, 0),
        (-1_000, RATE, 1, 0),
    ],
)
def test_a_leg_may_use_its_part_of_the_strategys_share_of_the_equity(equity, capital, legs, share) -> None:
    assert share_of(equity, capital, legs) == share


def test_a_coin_that_costs_almost_nothing_is_bought_up_to_what_can_be_counted(new) -> None:
    amount = sized(new, Size("percent", D(1)), room=Room(D(10**9), D(10**9), D(0)), price=D("1e-9"), lot="1e-8")
    assert amount == MAX_COUNT * D("1e-8")


def test_an_unknown_kind_is_refused_by_name(new) -> None:
    with pytest.raises(ValueError, match="'martingale' is not known"):
        sized(new, Size("martingale", D(1)))


money = st.integers(0, 10**9).map(lambda n: n * D("0.01"))
kinds = st.sampled_from(("percent", "fixed", "notional", "volatility"))
shares = st.integers(1, 10**4).map(lambda n: n * D("0.0001"))


def kelly_size(start: Decimal) -> Size:
    return Size("kelly", D(0), Kelly(D(1), D(1), start, 1))


@given(
    st.builds(Size, kinds, st.integers(1, 10**6).map(lambda n: n * D("0.0001")), st.none())
    | st.builds(kelly_size, shares),
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


HALF = Kelly(D("0.5"), D("0.25"), D("0.05"), 4)
MONEY = st.decimals("-1e6", "1e6", places=8)


def record(*profits: object) -> Record:
    return reduce(Record.with_trade, (D(str(profit)) for profit in profits), NO_TRADES)


def kelly(new, trades: Record) -> Decimal:
    size = Size("kelly", D(0), HALF)
    return entry_amount(size, 1.0, RICH, D(100), new.instrument(), float("nan"), trades)


@pytest.mark.parametrize(
    ("profit", "counted"),
    [
        ("2.5", Record(wins=1, gains=250_000_000)),
        ("-2.5", Record(losses=1, losses_sum=250_000_000)),
        ("0.00000001", Record(wins=1, gains=1)),
        ("-0.00000001", Record(losses=1, losses_sum=1)),
        ("0", Record(wins=1)),
    ],
)
def test_a_trade_won_or_lost_and_one_that_came_out_even_won(profit, counted) -> None:
    assert record(profit) == counted


def test_a_kelly_size_takes_its_start_until_there_are_enough_trades(new) -> None:
    for trades in (NO_TRADES, record(5, 5, 5)):
        assert kelly(new, trades) == D("0.5")


def test_a_kelly_size_is_a_fraction_of_w_less_the_rest_over_r() -> None:
    """W is 3/4, R is 20 / 30: 0.75 - 0.25 / (2 / 3) is 0.375, half of it 0.1875."""
    assert Size("kelly", D(0), HALF).counted(record(20, 10, 30, -30)) == RATE * 3 // 16


def test_a_kelly_size_is_capped() -> None:
    assert Size("kelly", D(0), HALF).counted(record(1, 1, 1, 1)) == RATE // 4
    assert Size("kelly", D(0), HALF._replace(start=D(1))).counted() == RATE // 4


@pytest.mark.parametrize("profits", [(-1, -2, -3, -4), (10, -5, -5, 0), (0, 0, 0, 0)])
def test_a_kelly_size_bets_nothing_where_nothing_was_earned(new, profits) -> None:
    assert kelly(new, record(*profits)) == 0


@given(st.lists(MONEY, min_size=1, max_size=40), st.integers(1, RATE), st.integers(1, RATE))
def test_the_kelly_stake_is_the_formula_of_the_book(profits, fraction, cap) -> None:
    stake = kelly_stake(*record(*profits), fraction, cap, 0, 1)
    won, lost = [p for p in profits if p >= 0], [-p for p in profits if p < 0]
    share = D(len(won)) / len(profits)
    kelly = share
    if lost:
        ratio = (sum(won) / len(won) if won else D(0)) / (sum(lost) / len(lost))
        kelly = share - (1 - share) / ratio if ratio else D(-1)
    expected = D(0) if not sum(won) else min(max(kelly, D(0)) * fraction, D(cap))
    assert 0 <= stake <= cap
    assert abs(stake - expected) <= 2


COUNTS, SUMS, RATES = st.integers(0, 2**30), st.integers(0, 2**60), st.integers(1, RATE)


@given(st.tuples(COUNTS, COUNTS, SUMS, SUMS, RATES, RATES, RATES, st.integers(1, 100)))
def test_the_kelly_stake_is_the_same_compiled_whatever_the_sums(twin, numbers) -> None:
    assert twin(kelly_stake)(*numbers) == kelly_stake(*numbers)
