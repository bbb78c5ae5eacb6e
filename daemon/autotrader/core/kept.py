"""The first places of a line of floats as a compiled loop keeps them: in registers, where plain Python has the line.

A kernel's few scalars stand at the beginning of its state. In memory each bar would wait for what the bar before has
stored there; as variables of the loop's own they wait for the arithmetic alone. Whatever lies behind them, a window's
ring, stays in memory.

    s = kept(x, first, stop, n)     the line's part from `first` to `stop`, its first n places held
    put_back(s, x, first, n)        what is held, written where it came from: without it, it is lost

Nothing that is not made a part of the loop may take `s`: its places would need an address.
"""

from __future__ import annotations

from functools import cache
from typing import Any


def kept(state: Any, first: int, stop: int, _count: int) -> Any:
    """Return a part of a line, of which a compiled loop holds the first `_count` places, a constant."""
    return state[first:stop]


def put_back(_part: Any, _state: Any, _first: int, _count: int) -> None:
    """Write the places that are held into the line that they came from."""


@cache
def compiled() -> dict[str, Any]:
    """Return the same functions for compiled code, by name."""
    from autotrader.core import memory_types

    _register(memory_types.Kept)
    return _functions(memory_types)


def _register(kind: Any) -> None:
    """Teach the compiler that one is an address for each place that is held, and one for the whole part."""
    import operator

    from llvmlite import ir
    from numba.core import types
    from numba.core.datamodel import models
    from numba.core.extending import lower_builtin, register_model
    from numba.core.typing.templates import AbstractTemplate, infer_global, signature

    class Model(models.StructModel):
        def __init__(self, manager: Any, of: Any) -> None:
            place = types.CPointer(types.float64)
            super().__init__(manager, of, [(f"place{n}", place) for n in range(of.count + 1)])

    register_model(kind)(Model)

    @infer_global(operator.getitem)
    class _Get(AbstractTemplate):
        def generic(self, args: Any, _kws: Any) -> Any:
            return signature(types.float64, *args) if isinstance(args[0], kind) else None

    @infer_global(operator.setitem)
    class _Set(AbstractTemplate):
        def generic(self, args: Any, _kws: Any) -> Any:
            known = isinstance(args[0], kind)
            return signature(types.none, args[0], args[1], types.float64) if known else None

    def _each(context: Any, builder: Any, of: Any, args: Any, act: Any) -> Any:
        """Act on the place that an index means. A constant index leaves one of the cases, and no address is made."""
        part, index = of.args[0], context.cast(builder, args[1], of.args[1], types.intp)
        places = [builder.extract_value(args[0], n) for n in range(part.count + 1)]
        after = builder.append_basic_block("after")
        rest = builder.append_basic_block("rest")
        choice = builder.switch(index, rest)
        results = []
        for n, place in enumerate(places[:-1]):
            case = builder.append_basic_block(f"place{n}")
            choice.add_case(ir.Constant(index.type, n), case)
            builder.position_at_end(case)
            results.append((act(place), case))
            builder.branch(after)
        builder.position_at_end(rest)
        results.append((act(builder.gep(places[-1], [index])), rest))
        builder.branch(after)
        builder.position_at_end(after)
        return results

    def _get(context: Any, builder: Any, of: Any, args: Any) -> Any:
        results = _each(context, builder, of, args, builder.load)
        value = builder.phi(ir.DoubleType())
        for result, block in results:
            value.add_incoming(result, block)
        return value

    def _set(context: Any, builder: Any, of: Any, args: Any) -> None:
        _each(context, builder, of, args, lambda place: builder.store(args[2], place))

    lower_builtin(operator.getitem, kind, types.Any)(_get)
    lower_builtin(operator.setitem, kind, types.Any, types.Any)(_set)


def _functions(kinds: Any) -> dict[str, Any]:
    """Return the makers, as numba's intrinsics."""
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    @intrinsic(prefer_literal=True)
    def kept_part(_typing: Any, state: Any, _first: Any, _stop: Any, count: Any) -> Any:
        if not isinstance(count, types.IntegerLiteral):
            return None
        kind = kinds.Kept(count.literal_value)

        def code(context: Any, builder: Any, _of: Any, args: Any) -> Any:
            whole = builder.gep(args[0], [args[1]])
            made = ir.Constant(context.get_value_type(kind), ir.Undefined)
            for n in range(kind.count):
                place = cgutils.alloca_once(builder, ir.DoubleType())
                builder.store(builder.load(cgutils.gep(builder, whole, n)), place)
                made = builder.insert_value(made, place, n)
            return builder.insert_value(made, whole, kind.count)

        return kind(state, types.intp, types.intp, count), code

    @intrinsic(prefer_literal=True)
    def part_back(_typing: Any, part: Any, state: Any, _first: Any, count: Any) -> Any:
        def code(_context: Any, builder: Any, _of: Any, args: Any) -> Any:
            whole = builder.gep(args[1], [args[2]])
            for n in range(part.count):
                builder.store(builder.load(builder.extract_value(args[0], n)), cgutils.gep(builder, whole, n))

        return types.none(part, state, types.intp, count), code

    return {"kept": kept_part, "put_back": part_back}
