"""Eight places at a time give what one place after the other gives, to the last bit."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core import jit, memory
from autotrader.core.eights import EIGHT, first_one, first_outside, worth_of_eight
from autotrader.core.memory import line


def ones(x, start, stop):
    return first_one(line(x), start, stop)


def outside(lows, highs, start, stop, scale, low_from, high_from):
    return first_outside(line(lows), line(highs), start, stop, scale, low_from, high_from)


def worth(prices, start, lots, money):
    return worth_of_eight(line(prices), start, lots, money)


for one in (ones, outside, worth):
    one.__module__ = "autotrader.tests"


@cache
def compiled(function):
    return jit.outer(function, memory.compiled(), f"test eights {function.__name__}")


PRICES = st.lists(st.floats(0.01, 1e6), min_size=EIGHT, max_size=60).map(np.array)
MARKS = st.lists(st.sampled_from([0.0, 1.0, np.nan, 0.5]), max_size=60)


@given(marks=MARKS, start=st.integers(0, 60))
def test_the_first_one_is_found_wherever_it_stands(marks, start) -> None:
    stop = len(marks)
    start = min(start, stop)
    cells = np.array([*marks, *[1.0] * EIGHT])  # what lies behind is looked at, and is none of it
    expected = next((place for place in range(start, stop) if marks[place] == 1.0), stop)
    assert ones(cells, start, stop) == compiled(ones)(cells, start, stop) == expected


@given(prices=PRICES, spread=st.floats(0, 10), start=st.integers(0, 60), at=st.integers(0, 59), room=st.floats(0, 1e5))
def test_the_first_price_outside_is_the_first(prices, spread, start, at, room) -> None:
    start, middle = min(start, len(prices)), prices[at % len(prices)]
    lows, highs = prices - spread, prices + spread
    given_ = start, len(prices), 100.0, (middle - room) * 100.0, (middle + room) * 100.0
    inside = (lows * 100.0 + 0.5 >= given_[3]) & (highs * 100.0 + 0.5 < given_[4])
    expected = next((place for place in range(start, len(prices)) if not inside[place]), len(prices))
    assert outside(lows, highs, *given_) == compiled(outside)(lows, highs, *given_) == expected


@given(prices=PRICES, lots=st.integers(-(2**40), 2**40), money=st.floats(-1e9, 1e9))
def test_the_least_and_the_greatest_worth_are_those_of_eight(prices, lots, money) -> None:
    expected = [money + lots * float(price) * 1e-8 for price in prices[:EIGHT]]
    assert worth(prices, 0, float(lots), money) == (min(expected), max(expected))
    assert compiled(worth)(prices, 0, float(lots), money) == (min(expected), max(expected))
