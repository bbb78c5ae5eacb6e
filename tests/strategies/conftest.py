"""Views and outs as a step sees them, plain (lists) and compiled (arrays), and a fold over many of them."""

from __future__ import annotations

import functools
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from autotrader.strategies.contract import BAR, NO_ENTRY, NOT_LEFT, Out, View, fresh_out


def make_view(legs=1, slots=0, **changes):
    """Return a view of a quiet market in which nothing is owned, with what a test changes in it."""
    plain = View(
        event=BAR,
        leg=0,
        now_ms=1_000,
        features=[[]] * legs,
        bids=[[]] * legs,
        asks=[[]] * legs,
        age_ms=[0] * legs,
        lots=[0] * legs,
        entry_price=[math.nan] * legs,
        entry_id=[0] * legs,
        entry_state=[NO_ENTRY] * legs,
        last_exit=[NOT_LEFT] * legs,
        budget=[1_000.0] * legs,
        may_short=[1] * legs,
        tick=[0.01] * legs,
        lot=[0.001] * legs,
        order_state=[0] * slots,
        order_filled=[0] * slots,
        order_remaining=[0] * slots,
    )
    return plain._replace(**changes)


def view_of_arrays(view):
    """Return the view that a compiled step gets: the same numbers in arrays."""
    floats = {"features", "bids", "asks", "entry_price", "budget", "tick", "lot"}
    legs = len(view.lots)
    shapes = {"features": (legs, -1), "bids": (legs, -1, 2), "asks": (legs, -1, 2)}

    def array(name, value):
        made = np.array(value, dtype=np.float64 if name in floats else np.int64)
        if name in shapes:
            return made.reshape(shapes[name]) if made.size else np.zeros((legs, *[0] * (len(shapes[name]) - 2), 2))
        return made

    return View(view.event, view.leg, view.now_ms, *(array(n, getattr(view, n)) for n in View._fields[3:]))


def out_of_arrays(legs, slots):
    out = fresh_out(legs, slots)
    floats = {"target", "calm_below", "calm_above"}
    return Out._make(
        np.array(part, dtype=np.float64 if name in floats else np.int64)
        for name, part in zip(Out._fields, out, strict=True)
    )


def told(out):
    return [[float(x) if name == "target" else int(x) for x in getattr(out, name)] for name in Out._fields]


@pytest.fixture
def fold(twin):
    """Fold a step over views, plain and compiled; check that both decide alike; return every state and every out."""

    def run(kind, constants, views, slots, state=None):
        legs = len(views[0].lots)
        compiled = twin(kind.step)
        plain_state = compiled_state = kind.State() if state is None else state
        plain_out, compiled_out = fresh_out(legs, slots), out_of_arrays(legs, slots)
        steps = []
        for view in views:
            plain_state = kind.step(constants, plain_state, view, plain_out)
            compiled_state = compiled(constants, compiled_state, view_of_arrays(view), compiled_out)
            assert tuple(plain_state) == tuple(compiled_state)
            assert told(plain_out) == told(compiled_out)
            steps.append((plain_state, told(plain_out)))
        return steps

    return run


@pytest.fixture(scope="session")
def sketch():
    """Load a throw-away kind from the folder of sketches."""

    @functools.cache
    def load(name):
        path = Path(__file__).parent / "sketches" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"sketch_{name}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def view():
    return make_view
