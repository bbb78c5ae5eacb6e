"""What the definition of a feature holds: its kernel, its arguments, its need of history and its page of documentation.

A kernel is `kernel(s, *params, *inputs) -> float`: one more bar goes in, the value at that bar comes out. It is plain
Python that numba compiles as it stands: scalars, indexing, no allocation. Folded over a column it gives a backtest's
column, called once a bar it gives the live value; there is no second definition to disagree with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

MAX_WINDOW = 5_000
"""The longest window, and the most bars of history that an expression may need or is given at its start."""

Type = Literal["number", "condition"]
PRICES = ("open", "high", "low", "close", "volume")


class Param(NamedTuple):
    """One constant argument. `low` and `high` are inclusive; a `default` of None makes it required."""

    name: str
    doc: str
    low: float = 2
    high: float = MAX_WINDOW
    default: float | None = None
    whole: bool = True


def _no_conflict(*_params: float) -> str:
    return ""


class Feature(NamedTuple):
    """One feature of the catalogue.

    Its summary is the first line of its kernel's docstring.

    `inputs` are the series arguments in the order of the call; `reads` the bar's columns that it takes without being
    told (after the inputs in the kernel's order). `size(*params)` is the length of its state, `warmup(*params)` the
    bars up to and including the first defined value, `memory(*params)` the bars after which the value no longer
    depends on where history began: exactly for windows, in the last digits (1e-12 of the value) where those hold
    squares, to 1e-12 of the starting difference for recursions. A running total never forgets; what it counts from is
    the first bar of at most MAX_WINDOW that are loaded.
    `conflict(*params)` says what is wrong between parameters, or nothing.
    The first `scalars` places of the state are numbers that each bar reads and writes, a window's ring none of them:
    a compiled loop keeps them out of memory.
    """

    name: str
    kernel: Callable[..., float]
    inputs: tuple[str, ...]
    params: tuple[Param, ...]
    size: Callable[..., int]
    warmup: Callable[..., int]
    memory: Callable[..., int]
    summary: str
    formula: str
    unit: str
    source: str
    reads: tuple[str, ...] = ()
    result: Type = "number"
    conflict: Callable[..., str] = _no_conflict
    scalars: int = 0

    @property
    def signature(self) -> str:
        """The call as documentation writes it: `ema(x, n)`."""
        params = (p.name if p.default is None else f"{p.name}={p.default:g}" for p in self.params)
        return f"{self.name}({', '.join((*self.inputs, *params))})"


def forgotten_after(alpha: float) -> int:
    """Return the updates after which an exponential mean of that weight holds less than 1e-12 of its start."""
    return math.ceil(math.log(1e-12) / math.log1p(-alpha))


WINDOW = Param("n", "Bars in the window.")


def same(n: int) -> int:
    """Return n: what a window of n bars needs and remembers."""
    return n


def span_memory(n: int) -> int:
    """Return the values after which an exponential mean of span n has forgotten where it began."""
    return max(n, forgotten_after(2.0 / (n + 1.0)))


def wilder_memory(n: int) -> int:
    """Return the values after which Wilder's mean of n has forgotten where it began."""
    return n + forgotten_after(1.0 / n)


def define(
    kernel: Callable[..., float],
    params: tuple[Param, ...],
    formula: str,
    unit: str,
    source: str,
    *,
    size: Callable[..., int],
    warmup: Callable[..., int],
    memory: Callable[..., int] | None = None,
    inputs: tuple[str, ...] = ("x",),
    reads: tuple[str, ...] = (),
    result: Type = "number",
    conflict: Callable[..., str] = _no_conflict,
    scalars: int = 0,
) -> Feature:
    """Return the feature that a kernel computes, named and summed up as the kernel is; no memory means the warm-up.

    A state whose size no parameter changes is all scalars.
    """
    least, most = size(*(param.low for param in params)), size(*(param.high for param in params))
    summary = (kernel.__doc__ or "").partition("\n")[0]
    return Feature(
        kernel.__name__,
        kernel,
        inputs,
        params,
        size,
        warmup,
        memory or warmup,
        summary,
        formula,
        unit,
        source,
        reads,
        result,
        conflict,
        least if least == most else scalars,
    )
