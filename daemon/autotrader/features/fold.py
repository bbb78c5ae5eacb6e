"""A program over whole columns: one generated loop for each of its series, compiled to machine code.

The loop's text follows from the shape of the expressions alone; every number in them is an argument, so that a changed
parameter compiles nothing. It calls the same kernels in the same order as `Live` does, which makes its values the same
bit for bit. A value of another series is seen from the first bar that closes with it or after it.

Where many programs are folded over the same bars, features of bars alone may be read from columns that they share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autotrader.core import jit, kept, memory
from autotrader.core.units import timeframe_ms
from autotrader.features.graph import GraphNode, SeriesKey, reachable
from autotrader.features.numeric import finite
from autotrader.features.program import Program
from autotrader.features.shared import Shared
from autotrader.market.bars import Columns

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# A kernel's scalars live in the loop's registers: in memory each bar would wait for the one before (see `core.kept`).
_TOOLS = {"finite": finite, "line": memory.line, "table": memory.table, "kept": kept.kept, "put_back": kept.put_back}

_PRICES = ("open_", "high", "low", "close", "volume")


class _Part(NamedTuple):
    """One series' share of a program: its nodes, what it shows to others or as columns, and what it sees of others.

    `outputs` are (place in the row, node). `seen` lists the other series that it reads, `borrowed` maps a node of
    theirs to (place in `seen`, column there).
    """

    key: SeriesKey
    nodes: tuple[int, ...]
    outputs: tuple[tuple[int, int], ...]
    width: int
    seen: tuple[SeriesKey, ...]
    borrowed: Mapping[int, tuple[int, int]]


@dataclass(slots=True)
class _Seen:
    """A series that was folded before: when its bars close, and the values that others read, by bar."""

    closes: Ints
    values: Floats


class Folder:
    """One program being folded over one set of bars: rows of its columns, block by block, in order.

    `bars` holds each of the program's series. A block of n bars gives (columns, n) float64, NaN where undefined.
    Columns that never change are in `still`, (place, value), and are not written. `shared` may know features already.
    """

    def __init__(self, program: Program, bars: Mapping[SeriesKey, Columns], shared: Shared | None = None) -> None:
        self.still = _still(program)
        *others, own = _parts(program)
        self._seen: dict[SeriesKey, _Seen] = {}
        for place, part in enumerate(others):
            columns = bars[part.key]
            values = np.empty((part.width, len(columns.ts)))
            self._begun(program, place, part, columns, shared).run(0, len(columns.ts), values)
            self._seen[part.key] = _Seen(columns.ts + timeframe_ms(part.key.timeframe), values)
        self._loop = self._begun(program, len(others), own, bars[own.key], shared)
        self.width = own.width

    def _begun(self, program: Program, place: int, part: _Part, columns: Columns, shared: Shared | None) -> _Loop:
        taken = _taken(program, part, columns, shared)
        return _Loop(_made(program, place, tuple(taken)), part, columns, self._seen, taken)

    def rows(self, start: int, stop: int, out: Floats) -> None:
        """Write the columns of own bars `start` to `stop` into the first places of `out`, (columns, room) float64.

        Blocks come in order, each bar once.
        """
        self._loop.run(start, stop, out)


class _Made(NamedTuple):
    """A part's loop as machine code, the numbers that it takes, and where the state of each of its kernels begins."""

    function: Any
    params: Floats
    offsets: Ints


class _Loop:
    """One series' compiled loop with its state. `taken` are the columns of nodes that need not be computed."""

    def __init__(
        self, made: _Made, part: _Part, bars: Columns, seen: Mapping[SeriesKey, _Seen], taken: Mapping[int, Floats]
    ) -> None:
        self._function, self._params, self._offsets = made
        self._columns = [frozen(column) for column in bars]
        self._length_ms = timeframe_ms(part.key.timeframe)
        self._state = np.full(self._offsets[-1], np.nan)
        self._places = np.zeros(max(len(part.seen), 1), dtype=np.int64)
        self._others = [value for key in part.seen for value in (frozen(seen[key].closes), frozen(seen[key].values))]
        self._others += [frozen(column) for column in taken.values()]

    def run(self, start: int, stop: int, out: Floats) -> None:
        self._function(
            start, stop, *self._columns, self._length_ms, self._params, self._offsets, self._state, self._places,
            *self._others, out.reshape(-1), out.shape[1],
        )  # fmt: skip


@lru_cache(maxsize=1_024)
def _made(program: Program, place: int, taken: tuple[int, ...]) -> _Made:
    """Return the loop of a program's part that reads some of its nodes from columns."""
    return _loop_of(program.nodes, _parts(program)[place], taken)


def _loop_of(nodes: tuple[GraphNode, ...], part: _Part, taken: tuple[int, ...] = ()) -> _Made:
    params: list[float] = []
    offsets = [0]
    for index in part.nodes:
        node = nodes[index]
        if node.feature is not None and index not in taken:
            params.extend(node.params)
            offsets.append(offsets[-1] + node.feature.size(*node.params))
    params.extend(nodes[index].params[0] for index in _constants(nodes, part))
    function = _compiled(_text(nodes, part, taken), tuple(_names(nodes, part).items()))
    return _Made(function, np.array(params, dtype=np.float64), np.array(offsets, dtype=np.int64))


def _taken(program: Program, part: _Part, bars: Columns, shared: Shared | None) -> dict[int, Floats]:
    """Return the columns of a part's innermost features, by node, where they are shared; else nothing."""
    features = _innermost(program, part.key) if shared is not None else ()
    if shared is None or not features:
        return {}

    def make(place: int) -> Floats:
        nodes, mine = features[place].nodes, tuple(range(len(features[place].nodes)))
        alone = _Part(part.key, mine, ((0, mine[-1]),), 1, (), {})
        column: Floats = np.empty(len(bars.ts))
        _Loop(_loop_of(nodes, alone), alone, bars, {}, {}).run(0, len(column), column.reshape(1, -1))
        return frozen(column)

    columns = shared.columns([one.text for one in features], bars, make)
    return {} if columns is None else {one.node: column for one, column in zip(features, columns, strict=True)}


class _Innermost(NamedTuple):
    """A feature of bars of its own series and of nothing that another feature made: its node, and all it draws on.

    `text` tells it from every other one; equal numbers of unlike signs are unlike.
    """

    node: int
    nodes: tuple[GraphNode, ...]
    text: str


@lru_cache(maxsize=1_024)
def _innermost(program: Program, key: SeriesKey) -> tuple[_Innermost, ...]:
    found = []
    for index, node in enumerate(program.nodes):
        if node.feature is None or node.series != key:
            continue
        nodes, _ = reachable(program.nodes, (index,))
        if all(one.series in (key, None) and one.feature is None for one in nodes[:-1]):
            text = "; ".join(f"{_name(one)}{one.args}{one.params}{one.series is None}" for one in nodes)
            found.append(_Innermost(index, nodes, text))
    return tuple(found)


def _name(node: GraphNode) -> str:
    if node.feature is not None:
        return node.feature.name
    return node.function.__name__ if node.function is not None else ""


@lru_cache(maxsize=1_024)
def _still(program: Program) -> tuple[tuple[int, float], ...]:
    """Return the columns that never change, (place, value)."""
    shown = ((at, program.nodes[index]) for at, index in enumerate(program.outputs))
    return tuple((at, node.params[0]) for at, node in shown if _is_still(node))


def _is_still(node: GraphNode) -> bool:
    return node.series is None


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view: recorded columns and made ones are then of one type, and compile once."""
    if not array.flags.writeable and array.flags.c_contiguous:
        return array
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@lru_cache(maxsize=1_024)
def _parts(program: Program) -> tuple[_Part, ...]:
    """Return the program's series in the order in which they are folded, its own last."""
    nodes, own = program.nodes, program.own
    shown: dict[SeriesKey, list[int]] = {key: [] for key in program.series}
    readers: list[tuple[SeriesKey, int]] = [
        (node.series, arg) for node in nodes if node.series is not None for arg in node.args
    ]
    readers += [(own, output) for output in program.outputs]
    for reader, index in readers:
        source = nodes[index].series
        if source is not None and source != reader and index not in shown[source]:
            shown[source].append(index)
    parts = []
    for key in program.series:
        mine = tuple(index for index, node in enumerate(nodes) if node.series == key)
        read = [arg for index in mine for arg in nodes[index].args]
        if key == own:
            outputs = tuple(enumerate(program.outputs))
            read += program.outputs
        else:
            outputs = tuple(enumerate(shown[key]))
        seen: list[SeriesKey] = []
        borrowed: dict[int, tuple[int, int]] = {}
        for index in read:
            source = nodes[index].series
            if source is None or source == key:
                continue
            if source not in seen:
                seen.append(source)
            borrowed[index] = (seen.index(source), shown[source].index(index))
        parts.append(_Part(key, mine, outputs, len(outputs), tuple(seen), borrowed))
    return tuple(parts)


def _constants(nodes: tuple[GraphNode, ...], part: _Part) -> list[int]:
    return sorted({arg for index in part.nodes for arg in nodes[index].args if _is_still(nodes[arg])})


def _names(nodes: tuple[GraphNode, ...], part: _Part) -> dict[str, FunctionType]:
    """Return the functions that a loop calls, by the names it calls them."""
    found: dict[str, Any] = dict(_TOOLS)
    for index in part.nodes:
        node = nodes[index]
        if node.feature is not None:
            found[f"feature_{node.feature.name}"] = node.feature.kernel
        elif node.function is not None:
            found[f"operator_{node.function.__name__}"] = node.function
    return found


def _text(nodes: tuple[GraphNode, ...], part: _Part, taken: tuple[int, ...] = ()) -> str:
    """Return the loop as Python. The numbers of the expressions are not in it."""
    others = "".join(f"closes{at}, values{at}, " for at in range(len(part.seen)))
    others += "".join(f"taken{index}, " for index in taken)
    given = f"start, stop, ts, {', '.join(_PRICES)}, length_ms, params, offsets, state, places, {others}out, height"
    head = [f"def fold({given}):"]
    head += [f"    {name} = line({name})" for name in ("ts", *_PRICES, "params", "offsets", "state", "places")]
    head += [f"    {name} = line({name})" for name in ("out", *(f"taken{index}" for index in taken))]
    body: list[str] = []
    tail: list[str] = []
    param = kernel = 0
    for index in part.nodes:
        node = nodes[index]
        if index in taken:
            line = f"v{index} = taken{index}[i]"
        elif node.feature is None:
            line = _plain_line(node, index)
        else:
            count = len(node.params)
            names = [f"p{param + n}" for n in range(count)]
            for name, declared in zip(names, node.feature.params, strict=True):
                number = f"params[{param}]"
                head.append(f"    {name} = {f'int({number})' if declared.whole else number}")
                param += 1
            held = node.feature.scalars
            head.append(f"    s{kernel} = kept(state, offsets[{kernel}], offsets[{kernel + 1}], {held})")
            tail.append(f"    put_back(s{kernel}, state, offsets[{kernel}], {held})")
            args = ", ".join((f"s{kernel}", *names, *(f"v{arg}" for arg in node.args)))
            line = f"v{index} = feature_{node.feature.name}({args})"
            if node.type == "number":  # a condition is never infinite
                line = f"v{index} = finite(feature_{node.feature.name}({args}))"
            kernel += 1
        body.append(f"        {line}")
    for index in _constants(nodes, part):
        head.append(f"    v{index} = params[{param}]")
        param += 1
    head += [f"    at{at} = places[{at}]" for at in range(len(part.seen))]
    loop = ["    for i in range(start, stop):"]
    if part.seen:
        loop.append("        end_ms = ts[i] + length_ms")
    for at in range(len(part.seen)):
        loop.append(f"        while at{at} < len(closes{at}) and closes{at}[at{at}] <= end_ms:")
        loop.append(f"            at{at} += 1")
    for index, (at, column) in part.borrowed.items():
        loop.append(f"        v{index} = values{at}[{column}, at{at} - 1] if at{at} > 0 else nan")
    changing = [(place, index) for place, index in part.outputs if not _is_still(nodes[index])]
    rows = [f"        out[{place} * height + i - start] = v{index}" for place, index in changing] or ["        pass"]
    tail += [f"    places[{at}] = at{at}" for at in range(len(part.seen))]
    return "\n".join([*head, *loop, *body, *rows, *tail, ""])


def _plain_line(node: GraphNode, index: int) -> str:
    if node.function is None:
        return f"v{index} = {_PRICES[int(node.params[0])]}[i]"
    args = ", ".join(f"v{arg}" for arg in node.args)
    return f"v{index} = operator_{node.function.__name__}({args})"


@lru_cache(maxsize=1_024)
def _compiled(text: str, names: tuple[tuple[str, FunctionType], ...]) -> Any:
    """Return the compiled loop of a text. The text lies beside its machine code, where a debugger finds it."""
    key = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    path = jit.code_folder(key) / "fold.py"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    scope: dict[str, Any] = {"nan": np.nan, "__name__": __name__}
    exec(compile(text, str(path), "exec"), scope)  # noqa: S102 - made above from checked nodes, no text of a user in it

    def compiled() -> dict[str, Any]:
        return {**dict(names), **memory.compiled(), **kept.compiled()}

    # What is held has no address to hand to a function that stays apart, so that none does.
    return jit.outer(scope["fold"], compiled, key, inlined=jit.Inlining.ALL)
