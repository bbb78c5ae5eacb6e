"""Division of whole numbers that are not negative: compiled code and plain Python give the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core import jit
from autotrader.core.whole import quotient, remainder


def parts(a: int, b: int) -> tuple[int, int]:
    return quotient(a, b), remainder(a, b)


parts.__module__ = "autotrader.tests"


@pytest.fixture(scope="module")
def compiled():
    return jit.outer(parts, {}, "test whole")


@given(st.integers(0, 2**63 - 1), st.integers(1, 2**63 - 1) | st.integers(1, 1_000))
def test_compiled_code_divides_as_python_does(compiled, a, b) -> None:
    assert compiled(a, b) == parts(a, b) == divmod(a, b)
