"""Division of whole numbers that are not negative: one instruction where Python's own has signs to look at.

Money, lots and ticks are divided a dozen times an order. Nothing here looks for a zero: compiled code would end with
the process, plain Python raises ZeroDivisionError.
"""

from __future__ import annotations

from typing import Any

from autotrader.core.jit import native


def _instruction(name: str) -> Any:
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def divided(_typing: Any, _a: Any, _b: Any) -> Any:
        def code(_context: Any, builder: Any, _of: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return types.int64(types.int64, types.int64), code

    return divided


@native(lambda: _instruction("udiv"))
def quotient(a: int, b: int) -> int:
    """Return a / b rounded down, for a >= 0 and b > 0."""
    return a // b


@native(lambda: _instruction("urem"))
def remainder(a: int, b: int) -> int:
    """Return what a / b leaves, for a >= 0 and b > 0."""
    return a % b
