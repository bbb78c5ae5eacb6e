"""Quantities with units: exact, bounded, one spelling each, and refusals that say what to write."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from autotrader.config import types
from autotrader.core.units import Money


def parse(kind, value):
    return TypeAdapter(kind).validate_python(value)


def refusal(kind, value):
    with pytest.raises(ValidationError) as caught:
        parse(kind, value)
    return caught.value.errors()[0]["msg"], caught.value.errors()[0]["ctx"]["hint"]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (types.Share, "2.5%", Decimal("0.025")),
        (types.Fraction, "15bps", Decimal("0.0015")),
        (types.FractionOrZero, "0%", Decimal(0)),
        (types.DurationMs, "1.5h", 5_400_000),
        (types.DurationOrZeroMs, "0ms", 0),
        (types.MoneyAmount, "1000.50 USDT", Money(Decimal("1000.50"), "USDT")),
        (types.MoneyOrFraction, "25%", Decimal("0.25")),
        (types.MoneyOrFraction, "25 USDT", Money(Decimal(25), "USDT")),
        (types.Speed, "max", float("inf")),
        (types.TimeframeStr, "60m", "1h"),
        (types.TimeframeStr, "90m", "90m"),
        (types.TimeframeStr, "1w", "1w"),
        (types.SymbolStr, "BTC/USDT", "BTC/USDT"),
        (types.InstantMs, "2024-01-01", 1_704_067_200_000),
        (types.InstantMs, "2024-01-01T09:00+09:00", 1_704_067_200_000),
    ],
)
def test_a_quantity_means_what_its_unit_says(kind, text, expected):
    assert parse(kind, text) == expected


@pytest.mark.parametrize(
    ("kind", "value", "hint"),
    [
        (types.Share, 20, "write 20%"),
        (types.Share, Decimal("0.2"), "write 0.2% or 20%"),
        (types.DurationMs, 30, "write 30s, 30m or 30h"),
        (types.MoneyAmount, 1000, "write 1000 and its currency, as 1000 USDT"),
        (types.Speed, 60, "write 60x"),
        (types.TimeframeStr, 5, "write 5m or 5h"),
    ],
)
def test_a_bare_number_gets_the_unit_suggested(kind, value, hint):
    assert refusal(kind, value) == (f"'{value}' has no unit", hint)


@pytest.mark.parametrize("text", ["1e999999999%", "1e-999999999%", "9" * 500 + "%", "0.%s1%%" % ("0" * 60)])
def test_a_quantity_beyond_sense_is_refused_at_once(text):
    assert "no sensible quantity" in refusal(types.Share, text)[0]


@settings(deadline=None)
@given(st.decimals(min_value=Decimal("0.0001"), max_value=100, places=4))
def test_a_share_shows_itself_as_it_parses(percent):
    share = parse(types.Share, f"{percent}%")
    assert parse(types.Share, types.show_share(share)) == share


@settings(deadline=None)
@given(st.integers(1, types.MAX_DURATION_MS))
def test_a_duration_shows_itself_as_it_parses(duration_ms):
    assert parse(types.DurationMs, types.show_duration(duration_ms)) == duration_ms


@settings(deadline=None)
@given(st.one_of(st.text(max_size=30), st.integers(), st.booleans(), st.none(), st.lists(st.integers(), max_size=2)))
def test_nothing_but_a_validation_error_comes_of_a_bad_value(value):
    for kind in (types.Share, types.DurationMs, types.MoneyOrFraction, types.Speed, types.TimeframeStr):
        with suppress(ValidationError):
            parse(kind, value)
