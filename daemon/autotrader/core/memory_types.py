"""The compiler's types behind `core.memory`: importable by name, as machine code that is read back needs them.

Imported where numba is, never at start-up.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.core.typeconv.castgraph import Conversion


class Table(types.Type):
    """Two dimensions, a known width. `known` are (column, value) of whole numbers that are the same whenever asked."""

    def __init__(self, dtype: Any, width: int, known: tuple[tuple[int, int], ...] = ()) -> None:
        self.dtype, self.width, self.known = dtype, width, dict(known)
        super().__init__(name=f"Table({dtype}, {width}{f', {known}' if known else ''})")

    def can_convert_to(self, _context: Any, other: Any) -> Any:
        """A table of which something is known is one of which nothing is."""
        if isinstance(other, Table) and (other.dtype, other.width, other.known) == (self.dtype, self.width, {}):
            return Conversion.safe
        return None


class Line(types.Type):
    """One dimension, a known stride."""

    def __init__(self, dtype: Any, stride: int) -> None:
        self.dtype, self.stride = dtype, stride
        super().__init__(name=f"Line({dtype}, {stride})")


class Sheet(types.Type):
    """Rows of a width that the program knows when it runs."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Sheet({dtype})")


class Cube(types.Type):
    """Sheets, one after the other."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Cube({dtype})")


class Kept(types.Type):
    """One dimension of floats, whose first `count` a function holds in places of its own."""

    def __init__(self, count: int) -> None:
        self.dtype, self.count = types.float64, count
        super().__init__(name=f"Kept({count})")


class Lanes(types.Type):
    """Lines one after the other, with steps that the program knows when it runs."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


class Lane(types.Type):
    """One of these lines."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lane({dtype})")
