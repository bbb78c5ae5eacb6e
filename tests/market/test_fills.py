"""Candle tables against the contract's "Fills": prices are ticks of 1, a lot is a hundredth."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autotrader.core import jit
from autotrader.market import fills
from autotrader.market.fills import NO_EXIT, RATE, STOP_LOSS, TAKE_PROFIT, TRAILING_STOP, Held

PERCENT = RATE // 100


def held(side=1, entry=1000.0, *, best=None, stop=0, take=0, trail=0):
    return Held(side, entry, entry if best is None else best, stop * PERCENT, take * PERCENT, trail * PERCENT)


# side, fractions in percent, (open, high, low), what happens, at which level
EXITS = [
    ("a stop triggers at touch", held(stop=2), (1000, 1001, 980), STOP_LOSS, 980.0),
    ("a bar above the stop leaves it alone", held(stop=2), (1000, 1001, 981), NO_EXIT, 0.0),
    ("a gapped stop fills at the open", held(stop=2), (970, 990, 960), STOP_LOSS, 970.0),
    ("a take-profit triggers at touch", held(take=3), (1000, 1030, 999), TAKE_PROFIT, 1030.0),
    ("a bar below the take-profit leaves it alone", held(take=3), (1000, 1029, 999), NO_EXIT, 0.0),
    ("a gapped take-profit fills at the open", held(take=3), (1050, 1060, 1040), TAKE_PROFIT, 1050.0),
    ("a stop comes before a take-profit", held(stop=2, take=3), (1000, 1040, 970), STOP_LOSS, 980.0),
    ("the open comes before both", held(stop=2, take=3), (1035, 1040, 970), TAKE_PROFIT, 1035.0),
    ("a trailing stop follows the best price", held(best=1100.0, trail=5), (1060, 1070, 1045), TRAILING_STOP, 1045.0),
    ("a trailing stop ignores this bar's high", held(trail=5), (1000, 1200, 951), NO_EXIT, 0.0),
    ("the nearer stop of two counts", held(best=1100.0, stop=2, trail=5), (1060, 1060, 970), TRAILING_STOP, 1045.0),
    ("the farther one waits", held(stop=2, trail=5), (1000, 1000, 900), STOP_LOSS, 980.0),
    ("of two equal stops it is the stop-loss", held(stop=2, trail=2), (1000, 1000, 900), STOP_LOSS, 980.0),
    ("a level is not rounded", held(entry=1001.0, stop=2), (1000, 1000, 980), STOP_LOSS, 980.98),
    ("short: a stop triggers at touch", held(-1, stop=2), (1000, 1020, 999), STOP_LOSS, 1020.0),
    ("short: a gapped stop fills at the open", held(-1, stop=2), (1030, 1040, 1010), STOP_LOSS, 1030.0),
    ("short: a take-profit triggers at touch", held(-1, take=3), (1000, 1001, 970), TAKE_PROFIT, 970.0),
    ("short: a gapped take-profit fills at the open", held(-1, take=3), (950, 960, 940), TAKE_PROFIT, 950.0),
    ("short: a stop comes before a take-profit", held(-1, stop=2, take=3), (1000, 1030, 960), STOP_LOSS, 1020.0),
    ("short: trailing", held(-1, best=900.0, trail=5), (930, 945, 920), TRAILING_STOP, 945.0),
    ("short: trailing ignores this bar's low", held(-1, trail=5), (1000, 1049, 800), NO_EXIT, 0.0),
]


@pytest.mark.parametrize(
    ("position", "bar", "code", "level"), [row[1:] for row in EXITS], ids=[row[0] for row in EXITS]
)
def test_a_bar_ends_a_guarded_position_as_the_table_says(position, bar, code, level):
    assert fills.protective_exit(position, *bar) == (code, level)


def test_stops_pay_slippage():
    assert fills.exit_ticks(STOP_LOSS, 980.0, -1, PERCENT) == 970  # 970.2
    assert fills.exit_ticks(TRAILING_STOP, 980.0, 1, PERCENT) == 990  # 989.8


def test_take_profits_pay_no_slippage():
    assert fills.exit_ticks(TAKE_PROFIT, 1030.0, -1, PERCENT) == 1030


@pytest.mark.parametrize(
    ("side", "price", "slippage", "ticks"),
    [(1, 10_000, 2, 10_002), (-1, 10_000, 2, 9_998), (1, 100, 2, 100), (1, 2_500, 2, 2_501), (-1, 2_500, 2, 2_499)],
)
def test_a_market_order_fills_worse_to_the_nearest_tick_and_half_a_tick_against_it(side, price, slippage, ticks):
    assert fills.slipped(float(price), side, slippage * RATE // 10_000) == ticks


def test_no_slippage_brings_a_price_below_one_tick():
    assert fills.slipped(1.0, -1, RATE * 99 // 100) == 1


@pytest.mark.parametrize(
    ("side", "open_", "fills_there"), [(1, 99, True), (1, 100, False), (-1, 101, True), (-1, 100, False)]
)
def test_a_limit_order_takes_an_open_that_is_better(side, open_, fills_there):
    assert fills.limit_at_open(side, 100, open_) is fills_there


@pytest.mark.parametrize(
    ("side", "high", "low", "fills_there"),
    [(1, 110, 99, True), (1, 110, 100, False), (-1, 101, 90, True), (-1, 100, 90, False)],
)
def test_a_limit_order_is_made_only_when_the_price_trades_through_it(side, high, low, fills_there):
    assert fills.limit_in_bar(side, 100, high, low) is fills_there


def test_after_a_limit_entry_only_what_surely_follows_is_seen():
    assert fills.rest_of_bar(1, 100, 130, 90, 105) == (100, 105, 90)
    assert fills.rest_of_bar(-1, 100, 130, 90, 95) == (100, 130, 95)


def test_the_best_price_moves_with_highs_and_for_shorts_with_lows():
    assert fills.moved_best(1, 100.0, 110, 90) == 110.0
    assert fills.moved_best(-1, 100.0, 110, 90) == 90.0
    assert fills.moved_best(1, 120.0, 110, 90) == 120.0


def test_a_short_at_leverage_one_is_liquidated_at_twice_its_entry_and_a_long_never():
    level = fills.liquidation_level(-1, 1000.0, 1)
    assert fills.liquidation(-1, level, 1500, 1999, 1400) == (NO_EXIT, 0.0)
    assert fills.liquidation(-1, level, 1500, 2000, 1400) == (fills.LIQUIDATION, 2000.0)
    assert fills.liquidation(-1, level, 2100, 2200, 2050) == (fills.LIQUIDATION, 2100.0)
    assert fills.liquidation(1, fills.liquidation_level(1, 1000.0, 1), 2, 2, 1) == (NO_EXIT, 0.0)


def test_a_fraction_finer_than_its_scale_is_refused():
    with pytest.raises(ValueError, match="at most 8 decimals"):
        fills.scaled(Decimal("0.000000001"))


def test_a_tick_that_cash_cannot_count_is_refused():
    assert fills.cash_unit(Decimal("0.01"), Decimal("1e-8"), Decimal("1e-8")) == 100
    with pytest.raises(ValueError, match="cannot be counted"):
        fills.cash_unit(Decimal(3), Decimal("1e-8"), Decimal("1e-8"))


lots = st.integers(0, 2**50)
units = st.sampled_from([1, 10, 100, 10**5, 10**8])
ticks = st.integers(1, 10**10)
rates = st.integers(0, RATE // 10)


@given(lots, ticks, units)
def test_a_cost_is_exact_but_for_its_last_step_which_goes_against_the_trader(amount, price, unit):
    exact = Fraction(amount * price, unit)
    assert fills.cost(amount, price, unit, 1) == math.ceil(exact)
    assert fills.cost(amount, price, unit, -1) == math.floor(exact)


@given(st.integers(0, 2**55), rates)
def test_a_fee_is_never_below_its_rate(cash, rate):
    assert fills.fee(cash, rate) == math.ceil(Fraction(cash * rate, RATE))


@given(st.integers(0, 2**52), ticks, units, rates)
def test_money_buys_the_most_that_it_can_pay_for_with_the_fee(cash, price, unit, rate):
    def total(amount):
        paid = fills.cost(amount, price, unit, 1)
        return paid + fills.fee(paid, rate)

    bought = fills.affordable(cash, price, unit, rate)
    assert total(bought) <= cash
    assert total(bought + 1) > cash or total(bought + 1) == total(bought)


@given(st.integers(0, 2**62), st.integers(1, 2**53 - 1), units)
def test_what_fits_stays_within_64_bits(amount, price, unit):
    if fills.fits(amount, price, unit):
        assert (amount % unit) * price + unit < 2**63
        assert fills.cost(amount, price, unit, 1) < 2**63


def test_what_is_too_large_does_not_fit():
    assert not fills.fits(2**61, 10**6, 1)
    assert not fills.fits(1, 2**53, 1)
    assert not fills.fits(1, 10**12, 10**8)


@given(
    st.sampled_from([1, -1]),
    st.integers(500, 2000),
    st.integers(500, 2000),
    st.tuples(*(st.integers(0, 50) for _ in range(3))),
    st.lists(st.integers(500, 2000), min_size=3, max_size=3),
)
def test_an_exit_never_fills_outside_its_bar(side, entry, best, fractions, prices):
    low, open_, high = sorted(prices)
    position = held(
        side, float(entry), best=float(best), **dict(zip(("stop", "take", "trail"), fractions, strict=True))
    )
    code, level = fills.protective_exit(position, open_, high, low)
    assert code == NO_EXIT or low <= level <= high


CORE = (
    *("mul_div", "mul_div_up", "nearest", "slipped", "cost", "fee", "affordable", "fits"),
    *("limit_at_open", "limit_in_bar", "rest_of_bar", "stop_level", "take_level", "beaten", "protective_exit"),
    *("exit_ticks", "moved_best", "liquidation_level", "liquidation"),
)


@pytest.fixture(scope="module")
def compiled():
    """Each function as the backtest compiles it, but callable from Python."""
    return {name: jit.outer(getattr(fills, name), {}, f"test {name}") for name in CORE}


ARGUMENTS = {
    "slipped": st.tuples(st.floats(1, 1e9), st.sampled_from([1, -1]), rates),
    "cost": st.tuples(st.integers(0, 2**40), st.integers(1, 2**24), units, st.sampled_from([1, -1])),
    "fee": st.tuples(st.integers(0, 2**55), rates),
    "affordable": st.tuples(st.integers(0, 2**52), ticks, units, rates),
    "fits": st.tuples(lots, ticks, units),
    "exit_ticks": st.tuples(st.integers(1, 3), st.floats(1, 1e9), st.sampled_from([1, -1]), rates),
    "rest_of_bar": st.tuples(st.sampled_from([1, -1]), ticks, ticks, ticks, ticks),
    "moved_best": st.tuples(st.sampled_from([1, -1]), st.floats(1, 1e9), ticks, ticks),
    "protective_exit": st.tuples(
        st.builds(
            Held,
            st.sampled_from([1, -1]),
            st.floats(100, 1000),
            st.floats(100, 1000),
            st.integers(0, RATE // 10),
            st.integers(0, RATE // 10),
            st.integers(0, RATE // 10),
        ),
        st.integers(100, 1000),
        st.integers(100, 1000),
        st.integers(100, 1000),
    ),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_compiled_gives_what_plain_python_gives(compiled, name):
    @settings(max_examples=60, deadline=None)
    @given(ARGUMENTS[name])
    def same(arguments):
        if name == "cost":
            assume(fills.fits(*arguments[:3]))
        assert compiled[name](*arguments) == getattr(fills, name)(*arguments)

    same()


@pytest.mark.parametrize("name", ["limit_at_open", "limit_in_bar", "liquidation", "liquidation_level"])
def test_every_core_function_compiles(compiled, name):
    arguments = {
        "limit_at_open": (1, 100, 99),
        "limit_in_bar": (-1, 100, 101, 90),
        "liquidation": (-1, 2000.0, 1500, 2000, 1400),
        "liquidation_level": (-1, 1000.0, 1),
    }[name]
    assert compiled[name](*arguments) == getattr(fills, name)(*arguments)
