"""Units are exact, and a quantity beyond every sense is refused before it can cost anything."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.units import (
    exact,
    parse_duration_ms,
    parse_fraction,
    parse_money,
    parse_speed,
    plain,
    timeframe_ms,
)


@pytest.mark.parametrize("text", ["1e19", "1e-19", "1e999999999", "9" * 26, "0." + "1" * 26, "9" * 100_000])
def test_a_number_beyond_the_bounds_is_refused(text):
    with pytest.raises(ValueError, match="no sensible quantity"):
        exact(text)


@settings(deadline=None)
@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e9"), max_value=Decimal("1e9"), places=9)
)
def test_a_number_within_the_bounds_is_itself(value):
    assert exact(format(value, "f")) == value
    assert Decimal(plain(value)) == value


@pytest.mark.parametrize("parse", [parse_fraction, parse_duration_ms, parse_money, parse_speed, timeframe_ms])
@pytest.mark.parametrize("text", ["", "x", "1", "1e99999999%", "9" * 400 + "x", "9" * 400 + "s", "1e99999999 USDT"])
def test_every_parser_refuses_with_a_value_error(parse, text):
    with pytest.raises(ValueError, match=r"."):
        parse(text)
