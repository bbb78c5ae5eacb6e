"""Arrays as compiled functions pass them on: bare pointers with a known layout, where plain Python has NumPy arrays.

A NumPy array is seven words and a reference count for the compiler, and a simulation hands dozens of them from function
to function at every bar. These are one word or two, never counted, and never checked: whoever makes one keeps the array
alive and its indices in range. In plain Python the functions here return the arrays and views that are meant.

    table(array, width)             two dimensions, a known width      t[i, j]
    shaped(array, width)            the same, with columns of a known value
    line(array)                     one dimension                      x[i]
    column(t, first, place)         one column of a table              x[i]
    sheet(x, at, rows, width)       rows of a line from an element on  s[i][j], len(s)
    lanes(x, at, count, step, stride)  lines `step` apart in a line, their elements `stride` apart  s[i][j], len(s)
    cube(x, at, rows, width)        sheets, one after the other        c[k][i][j]
    whole_at(arrays, k)             the k-th of many arrays            x[i]
    real_at(arrays, k)              the same, of floats                x[i]
    soon(x, i)                      asks for x[i] before it is read
    spare(t)                        one cell of its own, like a column of a table: what is there is forgotten  x[0]

Many arrays are handed over as a list in plain Python, and as a line of their `addresses` to compiled code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt


def table(array: Any, _width: int) -> Any:
    """Return a two-dimensional contiguous array whose width is a constant."""
    return array


def shaped(array: Any, _width: int) -> Any:
    """Return a two-dimensional contiguous array of which compiled code may know some columns."""
    return array


def line(array: Any) -> Any:
    """Return a one-dimensional contiguous array."""
    return array


def column(whole: Any, first: int, place: int) -> Any:
    """Return a table's column from a row on."""
    return whole[first:, place]


def sheet(flat: Any, at: int, rows: int, width: int) -> Any:
    """Return `rows` rows of `width` that begin at an element of a line."""
    return flat[at : at + rows * width].reshape(rows, width)


def lanes(flat: Any, at: int, count: int, step: int, stride: int) -> Any:
    """Return lines that begin at an element of a line and every `step` from there on, of elements `stride` apart."""
    return [flat[at + lane * step :: stride] for lane in range(count)]


def cube(flat: Any, at: int, rows: int, width: int) -> Any:
    """Return sheets of `rows` by `width` that begin at an element of a line, one after the other to its end."""
    size = rows * width
    count = (len(flat) - at) // size if size else 0
    return flat[at : at + count * size].reshape(count, rows, width) if size else flat[:0].reshape(0, 0, width)


def whole_at(arrays: Any, place: int) -> Any:
    """Return one of many arrays of whole numbers."""
    return arrays[place]


def real_at(arrays: Any, place: int) -> Any:
    """Return one of many arrays of floats."""
    return arrays[place]


def spare(whole: Any) -> Any:
    """Return one cell that looks like a column of a table and is none of it: its caller's own, at best a register."""
    return np.zeros(1, dtype=whole.dtype)


def soon(_line: Any, _index: int) -> None:
    """Let the processor fetch an element that is read later, beside what it does until then."""


def addresses(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Return where contiguous arrays lie. The caller keeps them alive."""
    assert all(array.flags.c_contiguous for array in arrays)
    return np.array([address(array) for array in arrays], dtype=np.int64)


def address(array: npt.NDArray[Any]) -> int:
    """Return where an array lies."""
    at: int = array.__array_interface__["data"][0]
    return at


@cache
def compiled(known: tuple[tuple[int, int], ...] = ()) -> dict[str, Any]:
    """Return the same functions for compiled code, by name.

    What is `known` of a `shaped` table, (column, value) of whole numbers, is the same in each row that is asked.
    """
    return _functions(kinds(), known)


@cache
def kinds() -> Any:
    """Return the module of the types of tables and lines, to write signatures with."""
    from autotrader.core import memory_types

    _register(memory_types)
    return memory_types


def _register(kinds: Any) -> None:
    """Teach the compiler how the kinds lie in memory and what `x[i]`, `x[i] = v` and `len(x)` do."""
    import operator

    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.core.datamodel import models
    from numba.core.extending import lower_builtin, register_model
    from numba.core.imputils import lower_cast
    from numba.core.typing.templates import AbstractTemplate, infer_global, signature

    class Pointer(models.PrimitiveModel):
        def __init__(self, manager: Any, kind: Any) -> None:
            super().__init__(manager, kind, manager.lookup(types.CPointer(kind.dtype)).get_value_type())

    class Shaped(models.StructModel):
        def __init__(self, manager: Any, kind: Any) -> None:
            members = [("data", types.CPointer(kind.dtype)), ("rows", types.intp), ("width", types.intp)]
            super().__init__(manager, kind, members)

    class Spaced(models.StructModel):
        def __init__(self, manager: Any, kind: Any) -> None:
            steps = [(name, types.intp) for name in ("rows", "width", "stride")]
            super().__init__(manager, kind, [("data", types.CPointer(kind.dtype)), *steps])

    register_model(kinds.Lanes)(Spaced)
    register_model(kinds.Lane)(Spaced)
    register_model(kinds.Table)(Pointer)
    register_model(kinds.Line)(Pointer)
    register_model(kinds.Sheet)(Shaped)
    register_model(kinds.Cube)(Shaped)
    flat = (kinds.Table, kinds.Line)

    def _result(kind: Any) -> Any:
        if isinstance(kind, kinds.Sheet):
            return kinds.Line(kind.dtype, 1)
        if isinstance(kind, kinds.Lanes):
            return kinds.Lane(kind.dtype)
        return kinds.Sheet(kind.dtype) if isinstance(kind, kinds.Cube) else kind.dtype

    @infer_global(operator.getitem)
    class _Get(AbstractTemplate):
        def generic(self, args: Any, _kws: Any) -> Any:
            if isinstance(args[0], (*flat, kinds.Sheet, kinds.Cube, kinds.Lanes, kinds.Lane)):
                return signature(_result(args[0]), *args)
            return None

    @infer_global(operator.setitem)
    class _Set(AbstractTemplate):
        def generic(self, args: Any, _kws: Any) -> Any:
            if isinstance(args[0], flat):
                return signature(types.none, args[0], args[1], args[0].dtype)
            return None

    @infer_global(len)
    class _Length(AbstractTemplate):
        def generic(self, args: Any, _kws: Any) -> Any:
            return signature(types.intp, *args) if isinstance(args[0], (kinds.Sheet, kinds.Lanes)) else None

    def _place(context: Any, builder: Any, kind: Any, index_kind: Any, data: Any, index: Any) -> Any:
        if isinstance(kind, kinds.Table):
            parts = cgutils.unpack_tuple(builder, index, 2)
            row, at = (context.cast(builder, part, of, types.intp) for part, of in zip(parts, index_kind, strict=True))
            offset = builder.add(builder.mul(row, row.type(kind.width)), at)
        else:
            row = context.cast(builder, index, index_kind, types.intp)
            offset = builder.mul(row, row.type(kind.stride))
        return builder.gep(data, [offset])

    def _told_apart(builder: Any, access: Any, dtype: Any, stride: int = 1, column: Any = None) -> Any:
        """Tell the compiler what an access cannot touch: lines of another stride or kind, other columns of a table."""
        names = ["autotrader", f"{dtype} {stride}"]
        if column is not None:
            names.append(f"{dtype} {stride} {column.constant}")
        add, zero = builder.module.add_metadata, ir.Constant(ir.IntType(64), 0)
        node = add(names[:1])
        for name in names[1:]:
            node = add([name, node, zero])
        access.set_metadata("tbaa", add([node, node, zero]))
        return access

    def _flat(builder: Any, access: Any, kind: Any, index: Any) -> Any:
        if isinstance(kind, kinds.Table):
            return _told_apart(builder, access, kind.dtype, kind.width, _column(index))
        return _told_apart(builder, access, kind.dtype, kind.stride)

    def _column(index: Any) -> Any:
        """Return the column that an index names, None where that is seen only when it runs."""
        at = index.operands[1] if isinstance(index, ir.instructions.InsertValue) else None
        return at if isinstance(at, ir.Constant) else None

    def _get_flat(context: Any, builder: Any, of: Any, args: Any) -> Any:
        kind = of.args[0]
        column = _column(args[1]) if isinstance(kind, kinds.Table) else None
        if column is not None and column.constant in kind.known:
            return ir.Constant(column.type, kind.known[column.constant])
        place = _place(context, builder, kind, of.args[1], args[0], args[1])
        return _flat(builder, builder.load(place), kind, args[1])

    def _set_flat(context: Any, builder: Any, of: Any, args: Any) -> Any:
        kind = of.args[0]
        place = _place(context, builder, kind, of.args[1], args[0], args[1])
        _flat(builder, builder.store(args[2], place), kind, args[1])
        return context.get_dummy_value()

    def _get_sheet(context: Any, builder: Any, of: Any, args: Any) -> Any:
        source = cgutils.create_struct_proxy(of.args[0])(context, builder, args[0])
        row = context.cast(builder, args[1], of.args[1], types.intp)
        return builder.gep(source.data, [builder.mul(row, source.width)])

    def _get_cube(context: Any, builder: Any, of: Any, args: Any) -> Any:
        source = cgutils.create_struct_proxy(of.args[0])(context, builder, args[0])
        made = cgutils.create_struct_proxy(of.return_type)(context, builder)
        at = context.cast(builder, args[1], of.args[1], types.intp)
        made.data = builder.gep(source.data, [builder.mul(at, builder.mul(source.rows, source.width))])
        made.rows, made.width = source.rows, source.width
        return made._getvalue()  # noqa: SLF001 - numba's own way to read a struct

    def _get_lanes(context: Any, builder: Any, of: Any, args: Any) -> Any:
        source = cgutils.create_struct_proxy(of.args[0])(context, builder, args[0])
        made = cgutils.create_struct_proxy(of.return_type)(context, builder, args[0])
        lane = context.cast(builder, args[1], of.args[1], types.intp)
        made.data = builder.gep(source.data, [builder.mul(lane, source.width)])
        return made._getvalue()  # noqa: SLF001 - numba's own way to read a struct

    def _get_lane(context: Any, builder: Any, of: Any, args: Any) -> Any:
        source = cgutils.create_struct_proxy(of.args[0])(context, builder, args[0])
        at = context.cast(builder, args[1], of.args[1], types.intp)
        load = builder.load(builder.gep(source.data, [builder.mul(at, source.stride)]))
        return _told_apart(builder, load, of.args[0].dtype)

    def _length(context: Any, builder: Any, of: Any, args: Any) -> Any:
        return cgutils.create_struct_proxy(of.args[0])(context, builder, args[0]).rows

    @lower_cast(kinds.Table, kinds.Table)  # type: ignore[untyped-decorator]
    def _forget(_context: Any, _builder: Any, _from: Any, _to: Any, value: Any) -> Any:
        return value

    for kind in flat:
        lower_builtin(operator.getitem, kind, types.Any)(_get_flat)
        lower_builtin(operator.setitem, kind, types.Any, types.Any)(_set_flat)
    lower_builtin(operator.getitem, kinds.Sheet, types.Any)(_get_sheet)
    lower_builtin(operator.getitem, kinds.Cube, types.Any)(_get_cube)
    lower_builtin(operator.getitem, kinds.Lanes, types.Any)(_get_lanes)
    lower_builtin(operator.getitem, kinds.Lane, types.Any)(_get_lane)
    lower_builtin(len, kinds.Sheet)(_length)
    lower_builtin(len, kinds.Lanes)(_length)


def _functions(kinds: Any, known: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    """Return the makers, as numba's intrinsics."""
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array

    def _data_of(context: Any, builder: Any, of: Any, value: Any) -> Any:
        return make_array(of)(context, builder, value).data if isinstance(of, types.Array) else value

    def _table(known: tuple[tuple[int, int], ...]) -> Any:
        @intrinsic(prefer_literal=True)
        def table_of(_typing: Any, array: Any, width: Any) -> Any:
            if not isinstance(width, types.IntegerLiteral):
                return None
            kind = kinds.Table(array.dtype, width.literal_value, known)
            return kind(array, width), lambda context, builder, _of, args: _data_of(context, builder, array, args[0])

        return table_of

    @intrinsic
    def line_of(_typing: Any, array: Any) -> Any:
        kind = kinds.Line(array.dtype, 1)
        return kind(array), lambda context, builder, _of, args: _data_of(context, builder, array, args[0])

    @intrinsic
    def column_of(_typing: Any, whole: Any, _first: Any, _place: Any) -> Any:
        kind = kinds.Line(whole.dtype, whole.width)

        def code(_context: Any, builder: Any, _of: Any, args: Any) -> Any:
            offset = builder.add(builder.mul(args[1], args[1].type(whole.width)), args[2])
            return builder.gep(args[0], [offset])

        return kind(whole, types.intp, types.intp), code

    def _shaped(name: str) -> Any:
        @intrinsic
        def made_of(_typing: Any, flat: Any, _at: Any, _rows: Any, _width: Any) -> Any:
            kind = getattr(kinds, name)(flat.dtype)

            def code(context: Any, builder: Any, _of: Any, args: Any) -> Any:
                made = cgutils.create_struct_proxy(kind)(context, builder)
                made.data = builder.gep(args[0], [args[1]])
                made.rows, made.width = args[2], args[3]
                return made._getvalue()  # noqa: SLF001 - numba's own way to read a struct

            return kind(flat, types.intp, types.intp, types.intp), code

        return made_of

    @intrinsic
    def lanes_of(_typing: Any, flat: Any, _at: Any, _count: Any, _step: Any, _stride: Any) -> Any:
        kind = kinds.Lanes(flat.dtype)

        def code(context: Any, builder: Any, _of: Any, args: Any) -> Any:
            made = cgutils.create_struct_proxy(kind)(context, builder)
            made.data = builder.gep(args[0], [args[1]])
            made.rows, made.width, made.stride = args[2:]
            return made._getvalue()  # noqa: SLF001 - numba's own way to read a struct

        return kind(flat, *[types.intp] * 4), code

    def _one_of_many(dtype: Any) -> Any:
        kind = kinds.Line(dtype, 1)

        @intrinsic
        def one_at(_typing: Any, arrays: Any, _place: Any) -> Any:
            def code(context: Any, builder: Any, _of: Any, args: Any) -> Any:
                address = builder.load(builder.gep(args[0], [args[1]]))
                return builder.inttoptr(address, context.get_value_type(kind))

            return kind(arrays, types.intp), code

        return one_at

    @intrinsic
    def spare_of(_typing: Any, whole: Any) -> Any:
        kind = kinds.Line(whole.dtype, whole.width)

        def code(context: Any, builder: Any, _of: Any, _args: Any) -> Any:
            return cgutils.alloca_once(builder, context.get_value_type(whole.dtype))

        return kind(whole), code

    @intrinsic
    def soon_of(_typing: Any, flat: Any, _index: Any) -> Any:
        def code(_context: Any, builder: Any, _of: Any, args: Any) -> Any:
            flag = ir.IntType(32)
            pointer = ir.IntType(8).as_pointer()
            kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
            fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
            to_read, to_keep, data = (ir.Constant(flag, n) for n in (0, 3, 1))
            place = builder.bitcast(builder.gep(args[0], [args[1]]), pointer)
            builder.call(fetch, [place, to_read, to_keep, data])

        return types.none(flat, types.intp), code

    return {
        "soon": soon_of,
        "spare": spare_of,
        "whole_at": _one_of_many(types.int64),
        "real_at": _one_of_many(types.float64),
        "table": _table(()),
        "shaped": _table(known),
        "line": line_of,
        "column": column_of,
        "sheet": _shaped("Sheet"),
        "cube": _shaped("Cube"),
        "lanes": lanes_of,
    }
