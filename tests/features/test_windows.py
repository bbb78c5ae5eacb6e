"""Windows that move on by one bar: what they promise about rounding, history and wild values."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.features import moments, windows
from autotrader.features.numeric import NAN

prices = st.lists(st.integers(1, 10**9).map(lambda cents: cents / 100), min_size=8, max_size=60)
near = st.lists(st.integers(2_999_990, 3_000_010).map(lambda cents: cents / 100), min_size=8, max_size=60)
wild = st.lists(st.floats(-1e150, 1e150), min_size=8, max_size=60)
windows_of = st.integers(2, 7)


def run(function, size, n, values):
    s = [math.nan] * size(n)
    return [function(s, 0, n, x) for x in values]


def slices(values, n):
    return [values[i + 1 - n : i + 1] for i in range(n - 1, len(values))]


@given(prices, windows_of)
def test_a_sum_of_prices_is_the_exact_one_rounded_once(values, n):
    sums = run(windows.total, windows.total_size, n, values)[n - 1 :]
    assert sums == [float(sum(map(Fraction, part))) for part in slices(values, n)]


@given(prices, prices, windows_of)
def test_prices_that_left_a_window_change_no_bit_of_it(before, values, n):
    for function, size in (
        (windows.total, windows.total_size),
        (windows.mean, windows.total_size),
        (moments.weighted, moments.weighted_size),
        (moments.slope, moments.weighted_size),
        (windows.greatest, lambda n: n + 3),
        (windows.ages, lambda n: n + 3),
    ):
        alone = run(function, size, n, values)[n - 1 :]
        assert run(function, size, n, [*before, *values])[len(before) + n - 1 :] == alone


@given(wild, wild, windows_of)
def test_wild_values_that_left_a_window_are_gone_but_for_the_last_bits(before, values, n):
    alone = run(windows.total, windows.total_size, n, values)[n - 1 :]
    after = run(windows.total, windows.total_size, n, [*before, *values])[len(before) + n - 1 :]
    for one, other, part in zip(alone, after, slices(values, n), strict=True):
        assert abs(one - other) <= n * 2.0**-100 * sum(map(abs, part))


@given(wild, windows_of)
def test_a_sum_of_anything_is_right_to_the_size_of_its_parts(values, n):
    for value, part in zip(run(windows.total, windows.total_size, n, values)[n - 1 :], slices(values, n), strict=True):
        assert abs(value - math.fsum(part)) <= 2.0**-52 * abs(math.fsum(part)) + n * 2.0**-100 * sum(map(abs, part))


@given(prices, st.sampled_from([math.nan, math.inf, -math.inf, 1e308]), windows_of)
def test_an_undefined_or_huge_value_leaves_no_trace(values, odd, n):
    for function, size in (
        (windows.total, windows.total_size),
        (moments.weighted, moments.weighted_size),
        (windows.greatest, lambda n: n + 3),
    ):
        holed = run(function, size, n, [*values[:4], odd, odd, *values])
        assert holed[6 + n - 1 :] == run(function, size, n, values)[n - 1 :]


@given(near, prices, windows_of)
def test_a_spread_is_that_of_two_passes_whatever_was_before(values, before, n):
    for history in ([], before):
        got = run(moments.variance, moments.variance_size, n, [*history, *values])[len(history) + n - 1 :]
        for value, part in zip(got, slices(values, n), strict=True):
            parts = list(map(Fraction, part))
            middle = sum(parts) / n
            exact = float(sum((x - middle) ** 2 for x in parts) / n)
            assert value == pytest.approx(exact, rel=1e-9, abs=0)


@given(st.floats(1e-6, 1e9), prices, windows_of)
def test_where_nothing_moves_the_mean_is_the_price_and_the_spread_nothing(price, before, n):
    values = [*before, *[price] * (2 * n)]
    assert run(windows.mean, windows.total_size, n, values)[-n:] == [price] * n
    assert run(moments.variance, moments.variance_size, n, values)[-n:] == [0.0] * n


def test_spreads_of_recorded_prices_are_those_of_two_passes(btc):
    for n in (2, 20, 300):
        close = btc[:, 4]
        got = np.array(run(moments.variance, moments.variance_size, n, close.tolist())[n - 1 :])
        parts = np.lib.stride_tricks.sliding_window_view(close, n)
        naive = ((parts - parts.mean(axis=1, keepdims=True)) ** 2).mean(axis=1)
        moving = parts.min(axis=1) != parts.max(axis=1)
        np.testing.assert_allclose(got[moving], naive[moving], rtol=1e-9)
        assert (got[~moving] == 0.0).all()


@given(prices, windows_of)
def test_a_slope_is_that_of_least_squares(values, n):
    for value, part in zip(
        run(moments.slope, moments.weighted_size, n, values)[n - 1 :], slices(values, n), strict=True
    ):
        parts = list(map(Fraction, part))
        half = Fraction(n - 1, 2)
        exact = sum((i - half) * x for i, x in enumerate(parts)) / sum((i - half) ** 2 for i in range(n))
        assert value == pytest.approx(float(exact), rel=1e-9, abs=1e-14 * max(part))


@given(near, windows_of)
def test_common_movement_is_that_of_two_passes(values, n):
    s = [math.nan] * moments.pair_size(n)
    others = [x * x / 7 for x in reversed(values)]
    for i, (x, y) in enumerate(zip(values, others, strict=True)):
        defined = moments.pair(s, 0, n, x, y)
        assert defined == (i + 1 >= n)
        if defined:
            a, b = np.array(values[i + 1 - n : i + 1]), np.array(others[i + 1 - n : i + 1])
            scale = a.std() * b.std()
            exact = float(np.mean((a - a.mean()) * (b - b.mean())))
            assert moments.moment(s, 0, n, 2) == pytest.approx(exact, rel=1e-6, abs=1e-6 * scale + 1e-9)


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, math.nan]), min_size=8, max_size=60), windows_of)
def test_the_greatest_value_and_its_age_are_those_of_the_window(values, n):
    tops = run(windows.greatest, lambda n: n + 3, n, values)[n - 1 :]
    ages = run(windows.ages, lambda n: n + 3, n, values)[n - 1 :]
    for top, age, part in zip(tops, ages, slices(values, n), strict=True):
        if any(map(math.isnan, part)):
            assert math.isnan(top)
            assert math.isnan(age)
        else:
            assert (top, age) == (max(part), n - 1 - part.index(max(part)))


@given(st.floats(1e-9, 1e12), st.integers(2, 200))
def test_a_smoothed_mean_of_one_price_is_that_price(price, n):
    s = [math.nan] * 2
    assert [windows.smooth(s, 0, n, 2.0 / (n + 1.0), price) for _ in range(n + 5)][-6:] == [price] * 6


@given(prices, windows_of)
def test_a_smoothed_mean_stays_between_what_it_saw(values, n):
    s = [math.nan] * 2
    for i, x in enumerate(values):
        value = windows.smooth(s, 0, n, 2.0 / (n + 1.0), x)
        assert math.isnan(value) == (i + 1 < n)
        seen = values[: i + 1]
        assert i + 1 < n or min(seen) * (1 - 1e-15) <= value <= max(seen) * (1 + 1e-15)


def test_a_window_moves_on_in_constant_time(generated):
    """The number of Python-level steps of a bar hardly grows with the window."""
    import sys

    def steps(n):
        count = 0

        def trace(*_):
            nonlocal count
            count += 1
            return trace

        s = [NAN] * moments.variance_size(n)
        closes = generated[:, 4].tolist()
        for x in closes[:1_200]:
            moments.variance(s, 0, n, x)
        previous = sys.gettrace()
        sys.settrace(trace)
        for x in closes[1_200:]:
            moments.variance(s, 0, n, x)
        sys.settrace(previous)
        return count

    counts = [steps(n) for n in (10, 100, 1_000)]
    assert all(later < 3 * earlier for earlier, later in pairwise(counts))
