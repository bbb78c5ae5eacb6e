"""A strategy's expressions, compiled: one list of small operations, run bar by bar or over whole columns.

`Live` keeps every node's newest value in one list and runs the operations of a series when one of its bars closes.
`batch` folds the same functions node by node over columns. Both call the same kernels in the same order on the same
numbers, so their values are equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from math import isfinite
from operator import itemgetter
from typing import Any

from autotrader.core.errors import ExpressionError
from autotrader.core.events import Bar
from autotrader.core.units import timeframe_ms
from autotrader.features.compile import Compiler
from autotrader.features.feature import MAX_WINDOW
from autotrader.features.graph import GraphNode, SeriesKey, demand, feed_order, memory, reachable, warmup
from autotrader.features.numeric import NAN

MAX_HISTORY = MAX_WINDOW
"""The most bars of one series that are loaded before the first decision."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Compiled columns. Equal declarations give the same object, which may therefore key a cache.

    `columns` are the names in order, `outputs` their nodes. `series` are the bars it reads in the order in which those
    that close together must be fed: longer timeframes first, and the strategy's own bars last of all.
    `history` is how many bars of each series are worth loading: enough for every value to be defined and for
    recursive features to forget where history began to 1e-12, at most MAX_HISTORY.
    """

    columns: tuple[str, ...]
    outputs: tuple[int, ...]
    nodes: tuple[GraphNode, ...]
    own: SeriesKey
    series: tuple[SeriesKey, ...]
    history: Mapping[SeriesKey, int]

    def warmup(self, key: SeriesKey) -> int:
        """Return how many bars of a series are worth loading before the first decision."""
        return self.history[key]

    def live(self) -> Live:
        """Return the program at its start, before any bar."""
        return Live(self)


class Live:
    """A program and what it remembers. Feed every closed bar of every series, then read the values."""

    def __init__(self, program: Program) -> None:
        self._values = [node.params[0] if node.series is None else NAN for node in program.nodes]
        self._outputs = program.outputs
        self._read = itemgetter(*program.outputs) if program.outputs else list
        self._take = {key: _bound(program, key, self._values) for key in program.series}

    def update(self, key: SeriesKey, bar: Bar) -> None:
        """Take one closed bar. Bars that close together come in the order of `Program.series`."""
        self._take[key](bar)

    def value(self, column: int) -> float:
        """Return one column now, by its place."""
        return self._values[self._outputs[column]]

    def values(self) -> list[float]:
        """Return the columns now."""
        values = self._values
        if len(self._outputs) > 1:
            return list(self._read(values))
        return [values[index] for index in self._outputs]


def _bound(program: Program, key: SeriesKey, values: list[float]) -> Callable[[Bar], None]:
    """Return what takes a bar of a series: it folds its nodes, each with a state of its own, into `values`."""
    bind, called = _written(program, key)
    return bind(values, *[folded(node) for node in called])


@lru_cache(maxsize=2_048)
def _written(program: Program, key: SeriesKey) -> tuple[Callable[..., Callable[[Bar], None]], tuple[GraphNode, ...]]:
    """Return a function that binds the nodes of one series to values and to what they call, and the nodes that call.

    It is written for them: a call of its own for each node takes a third of the time of a bar.
    """
    called: list[GraphNode] = []
    lines = ["    def take(bar):", "        pass"]
    for at, node in enumerate(program.nodes):
        if node.series != key:
            continue
        if node.function is None and node.feature is None:
            value = f"bar[{1 + int(node.params[0])}]"
        else:
            value = f"call{len(called)}({', '.join(f'values[{arg}]' for arg in node.args)})"
            called.append(node)
            if node.type == "number":  # a condition is never infinite
                lines.append(f"        value = {value}")
                value = "value if isfinite(value) else NAN"
        lines.append(f"        values[{at}] = {value}")
    names = ", ".join(["values", *(f"call{place}" for place in range(len(called)))])
    text = "\n".join([f"def bind({names}):", *lines, "    return take"])
    scope: dict[str, Any] = {"isfinite": isfinite, "NAN": NAN}
    exec(compile(text, "<program>", "exec"), scope)  # noqa: S102 - the text holds names of ours and numbers alone
    return scope["bind"], tuple(called)


def folded(node: GraphNode) -> Callable[..., float]:
    """Return the node's function of its arguments; a feature's gets a fresh state of its own."""
    if node.feature is None:
        assert node.function is not None
        return node.function
    return partial(node.feature.kernel, [NAN] * node.feature.size(*node.params), *node.params)


def compile_program(columns: Mapping[str, str], lets: Mapping[str, str], timeframe: str) -> Program:
    """Return the program of named expressions over bars of a timeframe.

    An expression may use the names of `lets` and of other columns. Raises ExpressionError; its `source` is the name in
    whose text the error lies. Raises ValueError for a timeframe that is none.
    """
    return _compiled(tuple(columns.items()), tuple(lets.items()), timeframe)


@lru_cache(maxsize=2_048)
def _compiled(columns: tuple[tuple[str, str], ...], lets: tuple[tuple[str, str], ...], timeframe: str) -> Program:
    timeframe_ms(timeframe)
    compiler = Compiler({**dict(lets), **dict(columns)}, timeframe)
    outputs = []
    for name, _ in columns:
        try:
            outputs.append(compiler.named(name))
        except ExpressionError as error:
            raise ExpressionError(
                error.message, error.column, error.length, error.hint, source=error.source or name
            ) from error
    return link(compiler, tuple(name for name, _ in columns), tuple(outputs))


def link(compiler: Compiler, columns: tuple[str, ...], indices: tuple[int, ...]) -> Program:
    """Return the program of what was compiled. Raises ExpressionError where it needs more history than is allowed."""
    nodes, outputs = reachable(compiler.nodes, indices)
    # Columns are made of one another: the first node that asks for too much is the culprit's.
    for output, name in sorted(zip(outputs, columns, strict=True)):
        for key, bars in demand(nodes, (output,), warmup).items():
            if bars > MAX_HISTORY:
                message = f"it takes {bars} bars of {key.timeframe} to have a value; at most {MAX_HISTORY} are kept"
                raise ExpressionError(message, 0, hint="shorten the windows, or use a longer timeframe", source=name)
    wanted = {compiler.own: 1, **demand(nodes, outputs, memory)}
    history = {key: min(MAX_HISTORY, bars) for key, bars in wanted.items()}
    order = sorted(history, key=lambda key: (key == compiler.own, feed_order(key)))
    return Program(columns, outputs, nodes, compiler.own, tuple(order), history)
