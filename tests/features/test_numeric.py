"""Arithmetic is total, and has the same bits compiled."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.features import numeric

VALUES = st.one_of(st.floats(allow_infinity=False), st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e308, 5e-324]))
CONDITIONS = (0.0, 1.0, math.nan)
UNDEFINED = math.nan
OPERATORS = (
    numeric.add,
    numeric.subtract,
    numeric.multiply,
    numeric.divide,
    numeric.power,
    numeric.less,
    numeric.less_equal,
    numeric.equal,
    numeric.not_equal,
)


def bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("d", value)


@given(VALUES, VALUES)
@settings(max_examples=400, deadline=None)
def test_every_operator_gives_a_finite_value_or_nan(a, b):
    for operator in OPERATORS:
        assert not math.isinf(operator(a, b))


@given(VALUES, VALUES)
@settings(max_examples=400, deadline=None)
def test_every_operator_has_the_same_bits_compiled(twin, a, b):
    for operator in OPERATORS:
        assert bits(twin(operator)(a, b)) == bits(operator(a, b)), operator.__name__


@given(st.floats(1e-6, 1e6), st.floats(-20, 20))
@settings(max_examples=500, deadline=None)
def test_power_is_the_power(x, y):
    assert numeric.power(x, y) == pytest.approx(x**y, rel=1e-12)


@given(st.floats(-1e3, 1e3), st.integers(0, 40))
def test_a_whole_power_is_a_repeated_product(x, n):
    assert numeric.power(x, float(n)) == pytest.approx(x**n, rel=1e-13)


def test_a_square_is_exactly_the_product():
    assert numeric.power(0.1, 2.0) == 0.1 * 0.1


def test_a_half_power_is_the_root():
    assert numeric.power(2.0, 0.5) == math.sqrt(2.0)


@pytest.mark.parametrize(
    ("x", "y"), [(0.0, -1.0), (-2.0, 0.5), (-2.0, 0.3), (10.0, 400.0), (1e300, 2.5), (UNDEFINED, 0.0)]
)
def test_a_power_without_a_value_is_undefined(x, y):
    assert math.isnan(numeric.power(x, y))


@pytest.mark.parametrize(
    ("x", "y", "value"), [(-2.0, 3.0, -8.0), (0.0, 0.0, 1.0), (0.0, 2.0, 0.0), (-1.0, 3001.0, -1.0)]
)
def test_powers_at_the_edges(x, y, value):
    assert numeric.power(x, y) == value


def test_division_by_zero_is_undefined():
    assert math.isnan(numeric.divide(1.0, 0.0))


def test_false_and_undefined_is_false():
    assert numeric.both(0.0, UNDEFINED) == numeric.both(UNDEFINED, 0.0) == 0.0


def test_true_and_undefined_is_undefined():
    assert math.isnan(numeric.both(1.0, UNDEFINED))
    assert math.isnan(numeric.both(UNDEFINED, 1.0))


def test_true_or_undefined_is_true():
    assert numeric.either(1.0, UNDEFINED) == numeric.either(UNDEFINED, 1.0) == 1.0


def test_false_or_undefined_is_undefined():
    assert math.isnan(numeric.either(0.0, UNDEFINED))
    assert math.isnan(numeric.either(UNDEFINED, 0.0))


@pytest.mark.parametrize("a", CONDITIONS)
@pytest.mark.parametrize("b", CONDITIONS)
def test_de_morgan_holds_in_three_values(a, b):
    left = numeric.negation(numeric.both(a, b))
    right = numeric.either(numeric.negation(a), numeric.negation(b))
    assert bits(left) == bits(right)


def test_a_choice_on_an_undefined_condition_is_undefined():
    assert math.isnan(numeric.choose(UNDEFINED, 1.0, 2.0))
    assert (numeric.choose(1.0, 1.0, 2.0), numeric.choose(0.0, 1.0, 2.0)) == (1.0, 2.0)


@given(st.floats(5e-324, 1e308))
def test_a_logarithm_is_that_of_the_library_to_the_last_digits(twin, x):
    assert numeric.log(x) == pytest.approx(math.log(x), rel=4e-16 * 8, abs=1e-16)
    assert bits(numeric.log(x)) == bits(twin(numeric.log)(x))


@pytest.mark.parametrize("x", [0.0, -1.0, math.inf, math.nan])
def test_what_has_no_logarithm_is_undefined(x):
    assert math.isnan(numeric.log(x))


@given(st.floats(-1e300, 1e300))
def test_an_angle_is_that_of_the_library_to_the_last_digits(twin, x):
    assert numeric.arctan(x) == pytest.approx(math.atan(x), rel=2e-15)
    assert bits(numeric.arctan(x)) == bits(twin(numeric.arctan)(x))
