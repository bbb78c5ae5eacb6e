"""One call of a part's step, made for the strategy kinds of a plan: their records built from tables and put back.

States and constants are records of numbers and of tuples of numbers; a table of floats and one of whole numbers keep
them, a row a part. The text made here names no parameter's value, so a changed parameter compiles nothing.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any, NamedTuple

from autotrader.backtest import world as c
from autotrader.backtest.decide import share, shown_at
from autotrader.core import jit, memory
from autotrader.core.errors import BrokenInvariant
from autotrader.strategies.contract import Kind, Out, View


class Layout(NamedTuple):
    """Where a record's fields lie in two tables: (field, is whole, first column, length, 0 for a number)."""

    fields: tuple[tuple[str, bool, int, int], ...]
    whole: int
    floats: int


def layout(record: Any) -> Layout:
    """Return the layout of a NamedTuple class of ints, floats and tuples of either. Raises BrokenInvariant if not."""
    hints = typing.get_type_hints(record)
    fields, whole, floats = [], 0, 0
    for name in record._fields:
        kind, length = hints[name], 0
        if typing.get_origin(kind) is tuple:
            parts = set(typing.get_args(kind))
            length = len(typing.get_args(kind))
            kind = parts.pop() if len(parts) == 1 else None
        if kind not in {int, float}:
            raise BrokenInvariant(
                f"{record.__module__}.{record.__name__}.{name} must be an int, a float or a fixed tuple of either"
            )
        first = whole if kind is int else floats
        fields.append((name, kind is int, first, length))
        whole += max(length, 1) if kind is int else 0
        floats += 0 if kind is int else max(length, 1)
    return Layout(tuple(fields), whole, floats)


def put(record: Any, shape: Layout, whole: Any, floats: Any) -> None:
    """Write a record into a row of each table."""
    for name, is_whole, first, length in shape.fields:
        row = whole if is_whole else floats
        value = getattr(record, name)
        if length:
            row[first : first + length] = value
        else:
            row[first] = value


class Widths(NamedTuple):
    """How many columns the tables of a plan have: states and constants, whole numbers and floats."""

    whole: int
    floats: int
    const_whole: int
    const_floats: int


def widths(kinds: Sequence[Kind]) -> Widths:
    """Return the widths that hold every kind's records."""
    states, constants = [layout(kind.State) for kind in kinds], [layout(kind.Constants) for kind in kinds]
    return Widths(
        max([1, *(one.whole for one in states)]),
        max([1, *(one.floats for one in states)]),
        max([1, *(one.whole for one in constants)]),
        max([1, *(one.floats for one in constants)]),
    )


def text(kinds: Sequence[Kind]) -> str:
    """Return the step of a plan as Python."""
    lines = [
        "def step(w, f, features, bids, asks, whole, floats, const_whole, const_floats, part, event, leg):",
        "    first, count = w[part, PART_FIRST_LEG], w[part, PART_LEGS]",
        "    slot = w[part, PART_FIRST_SLOT]",
        "    number = w[part, NUMBER]",
    ]
    for at, kind in enumerate(kinds):
        lines.append(f"    {'if' if at == 0 else 'elif'} w[part, KIND] == {at}:")
        lines += [f"        {line}" for line in _call(at, kind, widths(kinds))]
    return "\n".join([*lines, ""])


def _call(at: int, kind: Kind, wide: Widths) -> Iterator[str]:
    state, constants = layout(kind.State), layout(kind.Constants)
    if "budget" in jit.reached(typing.cast("FunctionType", kind.step)):
        yield "for one in range(first, first + count):"
        yield "    f[one, BUDGET] = share(w, f, one) * 1e-8"
    lots, age, entry_id, entry_state, last_exit, may_short = (
        f"column(w, first, {name})" for name in ("LOTS", "AGE_MS", "ENTRY_ID", "ENTRY_STATE", "LAST_EXIT", "MAY_SHORT")
    )
    price, budget, tick, lot = (f"column(f, first, {name})" for name in ("ENTRY_PRICE", "BUDGET", "TICK", "LOT"))
    orders = ", ".join(f"column(w, slot, {name})" for name in ("ORDER_STATE", "ORDER_FILLED", "ORDER_REMAINING"))
    yield "shown = sheet(features, shown_at(w, features, first, count), count, w[first, COLUMNS])"
    yield (
        f"view = View(event, leg, w[RUN, NOW_MS], shown, cube(bids, 0, w[part, DEPTH], 2), "
        f"cube(asks, 0, w[part, DEPTH], 2), {age}, {lots}, {price}, {entry_id}, {entry_state}, {last_exit}, {budget}, "
        f"{may_short}, {tick}, {lot}, {orders})"
    )
    names = ("SLOT_LEG", "SLOT_SIDE", "SLOT_TICKS", "SLOT_LOTS", "SLOT_POST_ONLY", "SLOT_GROUP")
    wanted = ", ".join(f"column(w, slot, {name})" for name in names)
    calm = "column(f, first, CALM_BELOW), column(f, first, CALM_ABOVE)"
    yield (
        f"out = Out(column(f, first, TARGET), column(w, first, WANT_ID), {wanted}, column(w, part, WAKE_MS), {calm})"
    )
    yield f"state = State{at}({_read(state, ('whole', wide.whole), ('floats', wide.floats))})"
    given = _read(constants, ("const_whole", wide.const_whole), ("const_floats", wide.const_floats))
    yield f"state = step{at}(Constants{at}({given}), state, view, out)"
    if "slot_side" in jit.reached(typing.cast("FunctionType", kind.step)):
        yield f"before = State{at}({_read(state, ('whole', wide.whole), ('floats', wide.floats))})"
        changed = " or ".join(f"state.{name} != before.{name}" for name, _, _, _ in state.fields)
        yield f"w[part, MOVED] = 1 if {changed} else 0"
    for name, is_whole, first, length in state.fields:
        table, width = ("whole", wide.whole) if is_whole else ("floats", wide.floats)
        if length:
            yield from (f"{table}[number * {width} + {first + n}] = state.{name}[{n}]" for n in range(length))
        else:
            yield f"{table}[number * {width} + {first}] = state.{name}"


def _read(shape: Layout, whole: tuple[str, int], floats: tuple[str, int]) -> str:
    fields = []
    for _, is_whole, first, length in shape.fields:
        table, width = whole if is_whole else floats
        cells = [f"{table}[number * {width} + {first + n}]" for n in range(max(length, 1))]
        fields.append(f"({', '.join(cells)},)" if length else cells[0])
    return ", ".join(fields)


def step(kinds: Sequence[Kind], *, compiled: bool) -> tuple[FunctionType, str]:
    """Return the step of a plan's kinds for the loop, and the text that it was made of."""
    made = text(kinds)
    scope: dict[str, Any] = {
        name: number for name, number in vars(c).items() if name.isupper() and isinstance(number, int)
    }
    scope |= {"View": View, "Out": Out, "share": share, "shown_at": shown_at, "__name__": __name__}
    scope |= memory.compiled() if compiled else {"column": memory.column, "sheet": memory.sheet, "cube": memory.cube}
    for at, kind in enumerate(kinds):
        scope |= {f"State{at}": kind.State, f"Constants{at}": kind.Constants, f"step{at}": kind.step}
    exec(compile(made, "<glue>", "exec"), scope)  # noqa: S102 - the text holds names of ours and numbers alone
    return scope["step"], made
