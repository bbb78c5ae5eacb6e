"""The first places of a state, held in registers: compiled code leaves in memory what plain Python leaves there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core import jit, kept, memory
from autotrader.core.kept import kept as held
from autotrader.core.kept import put_back
from autotrader.core.memory import line

SIZE, FIRST = 9, 2


def walk(state, places, values) -> float:
    cells, at, given_ = line(state), line(places), line(values)
    part = held(cells, 2, 9, 3)
    total = 0.0
    for n in range(8):
        total += part[at[n]] + part[0]
        part[at[n]] = given_[n] + part[2]
        part[1] = total
    put_back(part, cells, 2, 3)
    return total


walk.__module__ = "autotrader.tests"


@pytest.fixture(scope="module")
def compiled():
    names = {**memory.compiled(), "held": kept.compiled()["kept"], "put_back": kept.compiled()["put_back"]}
    return jit.outer(walk, names, "test kept", inlined=jit.Inlining.ALL)


@given(st.lists(st.integers(0, SIZE - FIRST - 1), min_size=8, max_size=8), st.integers(0, 1_000))
def test_whatever_place_is_read_and_written_it_is_the_line(compiled, places, seed) -> None:
    rng = np.random.default_rng(seed)
    ours, values = rng.normal(size=SIZE), rng.normal(size=8)
    theirs = ours.copy()
    assert walk(ours, np.array(places), values) == compiled(theirs, np.array(places), values)
    assert (ours == theirs).all()
