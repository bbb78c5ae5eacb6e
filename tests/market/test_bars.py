"""Longer bars from shorter ones, as a batch and as a stream."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.events import Bar
from autotrader.core.units import timeframe_ms
from autotrader.market.bars import Aggregator, Columns, aggregate, divides, empty, opening

DAY = 86_400_000
MONDAY = 1_704_067_200_000  # 2024-01-01

PAIRS = [("1m", "5m"), ("5m", "1h"), ("1h", "4h"), ("1h", "1d"), ("1d", "1w"), ("6h", "1w"), ("1m", "1m"), ("1d", "2w")]


def columns(bars):
    return Columns(*(np.array(column) for column in zip(*bars, strict=True))) if bars else empty()


@st.composite
def streams(draw):
    shorter, longer = draw(st.sampled_from(PAIRS))
    length = timeframe_ms(shorter)
    first = opening(MONDAY + draw(st.integers(0, 400)) * length, length)
    ts, bars = first, []
    for gap in draw(st.lists(st.integers(1, 40), max_size=60)):
        low, open_, close, high = sorted(draw(st.lists(st.integers(1, 500), min_size=4, max_size=4)))
        bars.append(Bar(ts, float(open_), float(high), float(low), float(close), draw(st.floats(0, 1e6))))
        ts += length * (gap if gap > 35 else 1)
    return shorter, longer, bars


@given(streams())
def test_the_batch_and_the_stream_give_the_same_bars(case):
    shorter, longer, bars = case
    aggregator = Aggregator(shorter, longer)
    streamed = [made for bar in bars for made in aggregator.add(bar)]
    assert aggregate(columns(bars), shorter, longer).rows() == streamed


@given(streams())
def test_every_longer_bar_holds_exactly_the_shorter_ones_of_its_time(case):
    shorter, longer, bars = case
    for made in aggregate(columns(bars), shorter, longer).rows():
        inside = [bar for bar in bars if made.ts_ms <= bar.ts_ms < made.ts_ms + timeframe_ms(longer)]
        assert (made.open, made.close) == (inside[0].open, inside[-1].close)
        assert (made.high, made.low) == (max(bar.high for bar in inside), min(bar.low for bar in inside))


def bar(minute, price=1.0):
    return Bar(MONDAY + minute * 60_000, price, price, price, price, 1.0)


def test_a_longer_bar_is_complete_when_a_shorter_one_reaches_its_end():
    aggregator = Aggregator("1m", "5m")
    assert [aggregator.add(bar(minute)) for minute in range(4)] == [[]] * 4
    assert aggregator.add(bar(4)) == [Bar(MONDAY, 1.0, 1.0, 1.0, 1.0, 5.0)]


def test_after_a_gap_it_is_complete_when_the_first_bar_past_its_end_arrives_and_none_is_invented():
    aggregator = Aggregator("1m", "5m")
    assert aggregator.add(bar(1)) == []
    assert [made.ts_ms for made in aggregator.add(bar(23))] == [MONDAY]


def test_a_bar_that_closes_two_gives_both():
    aggregator = Aggregator("1m", "5m")
    aggregator.add(bar(1))
    assert [made.ts_ms for made in aggregator.add(bar(9))] == [MONDAY, MONDAY + 300_000]


def test_an_unfinished_last_bar_is_left_out():
    made = aggregate(columns([bar(minute) for minute in range(8)]), "1m", "5m")
    assert made.ts.tolist() == [MONDAY]


def test_weeks_open_on_mondays_and_days_at_midnight():
    assert opening(MONDAY + 6 * DAY + 5, 7 * DAY) == MONDAY
    assert opening(MONDAY + 6 * DAY + 5, DAY) == MONDAY + 6 * DAY


@pytest.mark.parametrize(("shorter", "longer"), [("2h", "3h"), ("1h", "30m"), ("3d", "3w"), ("1w", "30d")])
def test_timeframes_that_do_not_divide_are_refused(shorter, longer):
    assert not divides(shorter, longer)
    with pytest.raises(ValueError, match=f"bars of {longer} cannot be made from bars of {shorter}"):
        Aggregator(shorter, longer)
