"""One call of a part's step, made for the strategy kinds of a plan: their records built from tables and put back.

States and constants are records of numbers and of tuples of numbers; a table of floats and one of whole numbers keep
them, a row a part. The text made here names no parameter's value, so a changed parameter compiles nothing.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from autotrader.backtest import world as c
from autotrader.backtest.ahead import entry_state, guard_kept, left_alone, quiet_of, together, trailed, undisturbed
from autotrader.backtest.gate import share
from autotrader.core import memory
from autotrader.core.eights import first_one
from autotrader.core.errors import BrokenInvariant
from autotrader.strategies.contract import BAR, Kind, Out, View
from autotrader.strategies.reads import sees_money, wants_slots


class Layout(NamedTuple):
    """Where a record's fields lie in two tables: (field, is whole, first column, length, 0 for a number)."""

    fields: tuple[tuple[str, bool, int, int], ...]
    whole: int
    floats: int


@cache
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


def _differ(kind: Kind) -> str:
    return " or ".join(f"state.{name} != before.{name}" for name, _, _, _ in layout(kind.State).fields)


def text(kinds: Sequence[Kind]) -> str:
    """Return the step of a plan as Python, and the fold of many bars of a leg at rest."""
    wide = widths(kinds)
    return "\n".join([*_step(kinds, wide), *_ahead(kinds, wide), ""])


_PLACES = "    count, slot, number = w[part, PART_LEGS], w[part, PART_FIRST_SLOT], w[part, NUMBER]"


def _step(kinds: Sequence[Kind], wide: Widths) -> Iterator[str]:
    yield "def step(w, f, features, bids, asks, whole, floats, const_whole, const_floats, part, event, leg):"
    yield "    first, now_ms = w[part, PART_FIRST_LEG], w[RUN, NOW_MS]"
    yield _PLACES
    yield "    target, entry = column(f, first, TARGET), column(w, first, WANT_ID)"
    yield "    stirred_by = column(w, first, STIRRED_BY)"
    for at, kind in enumerate(kinds):
        yield f"    if w[part, KIND] == {at}:"
        if sees_money(kind):
            yield "        for one in range(first, first + count):"
            yield "            f[one, BUDGET] = share(w, f, one) * 1e-8"
        yield "        shown = lanes(features, w[first, FEATURE_ROW], count, 0, w[first, HEIGHT])"
        yield "        if count > 1:"
        yield "            shown = lanes(features, together(w, features, first, count), count, w[first, COLUMNS], 1)"
        yield f"        state = {_state(at, kind, wide)}"
        yield f"        state = step{at}({_constants(at, kind, wide)}, state, {_VIEW}, {_OUT})"
        if wants_slots(kind):
            yield f"        before = {_state(at, kind, wide)}"
            yield f"        w[part, MOVED] = 1 if {_differ(kind)} else 0"
        yield from (f"        {line}" for line in _kept(kind, wide))


def _ahead(kinds: Sequence[Kind], wide: Widths) -> Iterator[str]:
    """Yield the fold of a leg's bars up to the first that does not leave it alone, or at which its step wants more.

    What the step left at that bar is forgotten: it is called again when the moment is there.
    """
    yield "def ahead("
    yield "    w, f, bars, features, bids, asks, whole, floats, const_whole, const_floats, series, first, row, last"
    yield "):"
    yield "    part, event, leg = w[first, LEG_PART], BAR, 0"
    yield _PLACES
    yield "    quiet, lots, entry_id = quiet_of(w, f, bars, series, first), w[first, LOTS], w[first, ENTRY_ID]"
    yield "    w[first, ENTRY_STATE] = entry_state(w, first)"
    yield "    target, entry, stirred_by = spare(f), spare(w), spare(w)"
    yield "    target[0], entry[0], stirred_by[0] = f[first, TARGET], w[first, WANT_ID], 0"
    yield "    begin, height = w[first, FEATURES] - w[first, ROW_0], w[first, HEIGHT]"
    yield "    stirs = begin"
    for at, kind in enumerate(kinds):
        if sees_money(kind):
            continue
        yield f"    if w[part, KIND] == {at}:"
        yield f"        constants, state = {_constants(at, kind, wide)}, {_state(at, kind, wide)}"
        yield "        watched = quiet.guarded or quiet.until_ms != MS_MAX"
        yield from (f"        {line}" for line in _bars(at))
        yield from (f"        {line}" for line in _kept(kind, wide))
    yield "    f[first, TARGET], w[first, WANT_ID] = target[0], entry[0]"
    yield "    guard_kept(f, first, quiet)"
    yield "    return row"


def _bars(at: int) -> Iterator[str]:
    """Yield the fold of bars: those that stir the step one by one, those between only where a price may end it all."""
    yield "while row < last:"
    yield "    stir = row if stirred_by[0] == 0 else first_one(features, stirs + row, stirs + last) - stirs"
    yield "    if watched:"
    yield "        quiet, row = left_alone(quiet, row, stir)"
    yield "        if row < stir or row == last or not undisturbed(quiet, row):"
    yield "            break"
    yield "    row = stir"
    yield "    if row == last:"
    yield "        break"
    yield "    now_ms, shown = quiet.ts[row] + quiet.length_ms, lanes(features, begin + row, count, 0, height)"
    yield "    target_before, entry_before = target[0], entry[0]"
    yield f"    after = step{at}(constants, state, {_VIEW}, {_OUT})"
    yield "    if entry[0] != entry_id if target[0] != 0.0 else lots != 0:"
    yield "        target[0], entry[0] = target_before, entry_before"
    yield "        break"
    yield "    state, stirs = after, begin + (stirred_by[0] - 1) * height"
    yield "    if watched:"
    yield "        quiet = trailed(quiet, row)"
    yield "    row += 1"


def _columns(table: str, row: str, *names: str) -> str:
    return ", ".join(f"column({table}, {row}, {name})" for name in names)


_VIEW = (
    "View(event, leg, now_ms, shown, cube(bids, w[part, BOOK_AT], w[part, DEPTH], 2), "
    "cube(asks, w[part, BOOK_AT], w[part, DEPTH], 2), "
    + ", ".join(
        (
            _columns("w", "first", "AGE_MS", "LOTS"),
            _columns("f", "first", "ENTRY_PRICE"),
            _columns("w", "first", "ENTRY_ID", "ENTRY_STATE", "LAST_EXIT"),
            _columns("f", "first", "BUDGET"),
            _columns("w", "first", "MAY_SHORT"),
            _columns("f", "first", "TICK", "LOT"),
            _columns("w", "slot", "ORDER_STATE", "ORDER_FILLED", "ORDER_REMAINING"),
        )
    )
    + ")"
)
_OUT = (
    "Out(target, entry, "
    + _columns("w", "slot", "SLOT_LEG", "SLOT_SIDE", "SLOT_TICKS", "SLOT_LOTS", "SLOT_POST_ONLY", "SLOT_GROUP")
    + ", column(w, part, WAKE_MS), "
    + _columns("f", "first", "CALM_BELOW", "CALM_ABOVE")
    + ", stirred_by)"
)


def _state(at: int, kind: Kind, wide: Widths) -> str:
    return f"State{at}({_read(layout(kind.State), ('whole', wide.whole), ('floats', wide.floats))})"


def _constants(at: int, kind: Kind, wide: Widths) -> str:
    tables = ("const_whole", wide.const_whole), ("const_floats", wide.const_floats)
    return f"Constants{at}({_read(layout(kind.Constants), *tables)})"


def _kept(kind: Kind, wide: Widths) -> Iterator[str]:
    """Yield what puts a state back into the tables."""
    for name, is_whole, first, length in layout(kind.State).fields:
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


def steps(kinds: Sequence[Kind], *, compiled: bool) -> dict[str, Any]:
    """Return the `step` of a plan's kinds and its fold `ahead` for the loop, made of their text."""
    scope: dict[str, Any] = {
        name: number for name, number in vars(c).items() if name.isupper() and isinstance(number, int)
    }
    ours = (View, Out, share, together, quiet_of, left_alone, undisturbed, trailed, guard_kept, entry_state, first_one)
    scope |= {one.__name__: one for one in ours} | {"BAR": BAR, "__name__": __name__}
    plain = {one.__name__: one for one in (memory.column, memory.cube, memory.lanes, memory.spare)}
    scope |= memory.compiled() if compiled else plain
    for at, kind in enumerate(kinds):
        scope |= {f"State{at}": kind.State, f"Constants{at}": kind.Constants, f"step{at}": kind.step}
    exec(compile(text(kinds), "<glue>", "exec"), scope)  # noqa: S102 - the text holds names of ours and numbers alone
    return {"step": scope["step"], "ahead": scope["ahead"]}
