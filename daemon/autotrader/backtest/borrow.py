"""Columns of a table handed to a step as sequences: a view in plain Python, a bare pointer in compiled code.

A view made by numba counts references with atomic instructions, which would cost more than the step itself. The tables
outlive every step, so a pointer does.
"""

from __future__ import annotations

from functools import cache
from typing import Any


def column(table: Any, first: int, count: int, place: int) -> Any:
    """Return `table[first:first + count, place]`."""
    return table[first : first + count, place]


def rows(table: Any, first: int, count: int, width: int) -> Any:
    """Return `count` rows of `width` that begin at an element of a flat table, shape (count, width)."""
    return table[first : first + count * width].reshape(count, width)


@cache
def compiled() -> dict[str, Any]:
    """Return the same functions for compiled code, by name."""
    from numba.core import cgutils, types
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array, populate_array

    def _bare(context: Any, builder: Any, kind: Any, data: Any, shape: list[Any], strides: list[Any]) -> Any:
        made = make_array(kind)(context, builder)
        size = context.get_constant(types.intp, 8)
        populate_array(made, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
        return made._getvalue()  # noqa: SLF001 - numba's own way to read a struct proxy

    @intrinsic  # type: ignore[untyped-decorator]
    def column_of(_typing: Any, table: Any, first: Any, count: Any, place: Any) -> Any:
        kind = types.Array(table.dtype, 1, "A")

        def code(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            source = make_array(table)(context, builder, args[0])
            stride = cgutils.unpack_tuple(builder, source.strides, 2)[0]
            offset = builder.add(builder.mul(args[1], stride), builder.mul(args[3], args[3].type(8)))
            data = cgutils.pointer_add(builder, source.data, offset)
            return _bare(context, builder, kind, data, [args[2]], [stride])

        return kind(table, types.intp, types.intp, types.intp), code

    @intrinsic  # type: ignore[untyped-decorator]
    def rows_of(_typing: Any, table: Any, first: Any, count: Any, width: Any) -> Any:
        kind = types.Array(table.dtype, 2, "C")

        def code(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            source = make_array(table)(context, builder, args[0])
            eight = args[1].type(8)
            data = cgutils.pointer_add(builder, source.data, builder.mul(args[1], eight))
            return _bare(context, builder, kind, data, [args[2], args[3]], [builder.mul(args[3], eight), eight])

        return kind(table, types.intp, types.intp, types.intp), code

    return {"column": column_of, "rows": rows_of}
