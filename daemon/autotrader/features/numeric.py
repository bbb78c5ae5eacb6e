"""Arithmetic that gives the same bits in plain Python and under numba, and NaN where mathematics gives nothing.

NaN is "undefined". Every function here takes finite floats or NaN and returns a finite float or NaN: a division by
zero, an overflow or a root of a negative number is undefined, never an exception and never infinite.
Conditions are 1.0 (true), 0.0 (false) and NaN (undefined), joined by Kleene's strong three-valued logic.
"""

from __future__ import annotations

import math
from math import isfinite, isnan

NAN = math.nan
LN_2 = 0.6931471805599453
HALF_PI = 1.5707963267948966
MAX_SQUARINGS = 1024
"""Whole and half exponents up to this size are multiplied out; others go through exp and log."""


def finite(value: float) -> float:
    """Return the value, or NaN where it is infinite."""
    return value if isfinite(value) else NAN


def add(a: float, b: float) -> float:
    """Return a + b."""
    value = a + b
    return value if isfinite(value) else NAN


def subtract(a: float, b: float) -> float:
    """Return a - b."""
    value = a - b
    return value if isfinite(value) else NAN


def multiply(a: float, b: float) -> float:
    """Return a * b."""
    value = a * b
    return value if isfinite(value) else NAN


def divide(a: float, b: float) -> float:
    """Return a / b; by zero it is undefined."""
    if b == 0.0:
        return NAN
    value = a / b
    return value if isfinite(value) else NAN


def negate(a: float) -> float:
    """Return -a."""
    return -a


def less(a: float, b: float) -> float:
    """Return a < b as a condition."""
    if a < b:
        return 1.0
    return 0.0 if a >= b else NAN


def less_equal(a: float, b: float) -> float:
    """Return a <= b as a condition."""
    if a <= b:
        return 1.0
    return 0.0 if a > b else NAN


def equal(a: float, b: float) -> float:
    """Return a == b as a condition."""
    if isnan(a) or isnan(b):
        return NAN
    return 1.0 if a == b else 0.0


def not_equal(a: float, b: float) -> float:
    """Return a != b as a condition."""
    if isnan(a) or isnan(b):
        return NAN
    return 1.0 if a != b else 0.0


def both(a: float, b: float) -> float:
    """Return a and b; false with undefined is false."""
    return 0.0 if a == 0.0 or b == 0.0 else a * b


def either(a: float, b: float) -> float:
    """Return a or b; true with undefined is true."""
    return 1.0 if a == 1.0 or b == 1.0 else a + b


def negation(a: float) -> float:
    """Return not a; undefined stays undefined."""
    return 1.0 - a


def choose(condition: float, a: float, b: float) -> float:
    """Return a where the condition is true, b where it is false, else NaN."""
    if condition == 1.0:
        return a
    return b if condition == 0.0 else NAN


def power(x: float, y: float) -> float:
    """Return x to the power y to about 1e-15 relative (1e-13 near the ends of the range).

    `**` of CPython and of numba differ in the last bit, so whole and half exponents are multiplied out and the rest
    is exp(y log x) from the series below, in operations that IEEE 754 rounds alike everywhere.
    """
    if isnan(x) or isnan(y):
        return NAN
    if y == 0.0:
        return 1.0
    if x == 0.0:
        return 0.0 if y > 0.0 else NAN
    size = y if y >= 0.0 else -y
    if size <= MAX_SQUARINGS and 2.0 * size == math.floor(2.0 * size):
        whole = math.floor(size)
        if size != whole and x < 0.0:
            return NAN
        value = _whole_power(x, int(whole))
        if size != whole:
            value = value * math.sqrt(x)
        if y < 0.0:
            return divide(1.0, value)
        return finite(value)
    sign = 1.0
    if x < 0.0:
        if y != math.floor(y):
            return NAN
        sign = -1.0 if size < 2.0**53 and math.floor(y / 2.0) * 2.0 != y else 1.0
        x = -x
    return sign * _exp(y * _log(x))


def log(x: float) -> float:
    """Return the natural logarithm, to about 1e-15 relative; of zero and below it is undefined."""
    return _log(x) if x > 0.0 and isfinite(x) else NAN


def arctan(x: float) -> float:
    """Return the angle whose tangent is x, in radians, to about 1e-15.

    Halved three times by atan x = 2 atan(x / (1 + sqrt(1 + x^2))), then by its series, whose 13th term is below 1e-19.
    """
    if isnan(x):
        return NAN
    size = abs(x)
    turned = size > 1.0
    if turned:
        size = 1.0 / size
    for _ in range(3):
        size = size / (1.0 + math.sqrt(1.0 + size * size))
    square = size * size
    total = 0.0
    for k in range(12, 0, -1):
        total = (1.0 / (2.0 * k + 1.0) - total) * square
    angle = 8.0 * size * (1.0 - total)
    if turned:
        angle = HALF_PI - angle
    return angle if x >= 0.0 else -angle


def _whole_power(x: float, n: int) -> float:
    value = 1.0
    while n > 0:
        if n % 2 == 1:
            value = value * x
        x = x * x
        n = n // 2
    return value


def _log(x: float) -> float:
    # x = m 2^e with m near 1; log m = 2 atanh((m - 1) / (m + 1)), whose series converges by 1/34 a term.
    mantissa, exponent = math.frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa = mantissa * 2.0
        exponent = exponent - 1
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    total = 0.0
    for k in range(12, 0, -1):
        total = (total + 1.0 / (2.0 * k + 1.0)) * square
    return exponent * LN_2 + 2.0 * ratio * (1.0 + total)


def _exp(x: float) -> float:
    # x = k ln 2 + r with |r| <= ln 2 / 2; exp r by its series, whose 18th term is below 1e-23.
    if not isfinite(x) or x > 709.0:
        return NAN
    if x < -745.0:
        return 0.0
    k = math.floor(x / LN_2 + 0.5)
    rest = x - k * LN_2
    total = 1.0
    for term in range(18, 0, -1):
        total = 1.0 + total * rest / term
    return math.ldexp(total, int(k))
