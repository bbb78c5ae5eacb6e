"""What a kind's step looks at is read off its code, and off the code of what it calls."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from autotrader.strategies import grid, rules
from autotrader.strategies.reads import may_be_calm, sees_levels, sees_money, wants_slots

READS = (sees_money, sees_levels, may_be_calm, wants_slots)


def best(view):
    return view.bids[0][0][0]


best.__module__ = "autotrader.of.a.test"


def step_on_bids(_c, state, view, _out):
    return state if best(view) > 0 else None


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (rules, set()),
        (grid, {may_be_calm, sees_money, wants_slots}),
        (SimpleNamespace(step=step_on_bids), {sees_levels}),
    ],
)
def test_what_a_kind_looks_at(kind, read):
    assert {ask for ask in READS if ask(kind)} == read
