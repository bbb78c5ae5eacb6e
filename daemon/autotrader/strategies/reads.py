"""What a strategy kind's step looks at, read off its code: what it does not see need not be brought to it."""

from __future__ import annotations

import typing
from functools import cache
from types import FunctionType

from autotrader.core import jit
from autotrader.strategies.contract import Kind


def sees_money(kind: Kind) -> bool:
    """Tell whether a kind's step looks at its budget, which moves with everybody's positions."""
    return "budget" in _names(kind)


def sees_levels(kind: Kind) -> bool:
    """Tell whether a kind's step looks at bids or asks."""
    return not _names(kind).isdisjoint(("bids", "asks"))


def may_be_calm(kind: Kind) -> bool:
    """Tell whether a kind's step may say that it need not wake."""
    return "calm_above" in _names(kind)


def wants_slots(kind: Kind) -> bool:
    """Tell whether a kind's step may order by slot."""
    return "slot_side" in _names(kind)


def _names(kind: Kind) -> frozenset[str]:
    return _reached(typing.cast("FunctionType", kind.step))


@cache
def _reached(step: FunctionType) -> frozenset[str]:
    return frozenset(jit.reached(step))
