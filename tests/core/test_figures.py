from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core import figures as fig

SEOUL, NEW_YORK = ZoneInfo("Asia/Seoul"), ZoneInfo("America/New_York")
M = fig.MINUS


@pytest.mark.parametrize(
    ("value", "text"),
    [("1234.5", "+1,234.50"), ("-12", f"{M}12.00"), ("0", "0.00"), ("-0.004", "0.00"), (None, fig.NOTHING)],
)
def test_gains_carry_their_sign_and_zero_carries_none(value, text):
    assert fig.signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("96850.123456", "96,850.12"), ("3.5", "3.5000"), ("0.00001234", "0.00001234"), ("0", "0.0000")],
)
def test_a_price_has_the_places_that_its_size_asks_for(value, text):
    assert fig.price(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [("0.50000000", "0.5"), ("1200", "1,200"), ("-0.00000001", f"{M}0.00000001")]
)
def test_an_amount_is_exact_without_trailing_zeros(value, text):
    assert fig.amount(value) == text


@pytest.mark.parametrize(("value", "text"), [("0.9973", "0.9973"), ("0.0000123", "0.00001230"), ("0", "0.0000")])
def test_a_small_fee_is_not_rounded_away(value, text):
    assert fig.fee(value) == text


@pytest.mark.parametrize(("value", "text"), [("0.0125", "+1.25%"), ("-0.5", f"{M}50.00%"), ("0.000001", "0.00%")])
def test_a_share_is_a_signed_percentage(value, text):
    assert fig.share(value) == text


def test_a_moment_is_told_in_the_declared_zone():
    ts_ms = 1_732_978_500_000
    assert fig.moment(ts_ms, SEOUL) == "2024-11-30 23:55:00 KST"
    assert fig.short_moment(ts_ms, NEW_YORK) == "11-30 09:55:00"
    assert fig.moment(0, SEOUL) == fig.NOTHING


def test_the_chart_reads_the_zones_wall_clock_on_both_sides_of_a_change_of_clocks():
    winter_ms, summer_ms = 1_704_067_200_000, 1_719_792_000_000
    assert fig.wall_ms(winter_ms, NEW_YORK) - winter_ms == -5 * 3_600_000
    assert fig.wall_ms(summer_ms, NEW_YORK) - summer_ms == -4 * 3_600_000


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59.9, "59s"), (3_600, "1h 0m"), (98_765, "1d 3h")])
def test_a_length_of_time_shows_its_two_largest_units(seconds, text):
    assert fig.length(seconds) == text


@given(st.decimals(-(10**12), 10**12, places=8))
def test_what_is_coloured_as_a_gain_is_above_zero(value):
    assert fig.direction(value) == ("up" if value > 0 else "down" if value < 0 else "")


@given(st.decimals(-(10**9), 10**9, places=8))
def test_an_amount_can_be_read_back(value):
    assert Decimal(fig.amount(value).replace(",", "").replace(M, "-")) == value
