"""Tables for people: aligned, numbers to the right, nothing longer than a line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.table import MAX_WIDTH, cell, number, table

ROWS = [
    {"name": "btc", "pnl": "-12.5", "state": "in position", "entry_ts": 1_700_000_000_000},
    {"name": "a-longer-one", "pnl": "3", "state": "failed", "entry_ts": 0},
]


def test_words_stand_to_the_left_and_numbers_to_the_right() -> None:
    assert table(ROWS) == (
        "name            pnl  state        entry ts\n"
        "btc           -12.5  in position  2023-11-14 22:13:20\n"
        "a-longer-one      3  failed       -"
    )


def test_no_rows_are_none() -> None:
    assert table([]) == "none"


def test_colours_change_no_letter() -> None:
    painted = table(ROWS, colour=True)
    assert "\x1b[31m" in painted
    bare = re.sub(r"\x1b\[\d*m", "", painted)
    assert [line.rstrip() for line in bare.splitlines()] == table(ROWS).splitlines()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("price", None, "-"),
        ("error", "", ""),
        ("at", 1_700_000_000_000, "2023-11-14 22:13:20"),
        ("market_time", 0, "-"),
        ("changes", ["a", "b"], "a; b"),
        ("detail", {"limit": "max_order", "share": "1000.50000"}, "limit max_order, share 1000.5"),
        ("message", "one\ntwo", "one …"),
        ("message", "x" * 200, "x" * (MAX_WIDTH - 1) + "…"),
        ("price", "30123.333333333333333333333", "30123.33333333"),
        ("amount", "0.10000000", "0.1"),
        ("open_orders", 3, "3"),
    ],
)
def test_a_value_is_told_as_its_name_says(name, value, text) -> None:
    assert cell(name, value) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15))
def test_a_number_is_shortened_to_eight_places_and_stays_the_number(value) -> None:
    text = number(f"{value:f}")
    assert abs(type(value)(text) - value) <= type(value)("1e-8")
    assert len(text.partition(".")[2]) <= 8


@given(st.text(max_size=300))
def test_a_cell_is_one_line_of_bounded_width(text) -> None:
    shown = cell("message", text)
    assert len(shown.splitlines()) <= 1
    assert len(shown) <= MAX_WIDTH + 2
