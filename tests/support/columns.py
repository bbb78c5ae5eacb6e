"""A program over columns by the very loop that a backtest compiles, run as the plain Python that it is written in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from autotrader.core.units import timeframe_ms
from autotrader.features import fold
from autotrader.features.graph import SeriesKey
from autotrader.features.program import Program


class Cells:
    """A line of floats whose slices stay what they were, as those of an array do."""

    def __init__(self) -> None:
        self._slices: dict[tuple[int, int], list[float]] = {}

    def __getitem__(self, place: slice) -> list[float]:
        return self._slices.setdefault((place.start, place.stop), [np.nan] * (place.stop - place.start))


class Rows:
    """A table of plain floats."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows.tolist()

    def __getitem__(self, place: tuple[int, int]) -> float:
        return self._rows[place[0]][place[1]]


def batch(program: Program, bars: Mapping[SeriesKey, np.ndarray]) -> np.ndarray:
    """Return all columns for every own bar; `bars` holds for each series (n, 6): opening time in ms, then prices."""
    seen: dict[SeriesKey, tuple[list[int], Rows]] = {}
    out = np.empty((0, 0))
    for part in fold._parts(program):
        array = bars[part.key]
        flat = np.empty(part.width * len(array))
        out = flat.reshape(part.width, len(array)).T
        nodes, params, offsets = program.nodes, [], [0]
        for node in (nodes[index] for index in part.nodes):
            if node.feature is not None:
                params += node.params
                offsets.append(offsets[-1] + node.feature.size(*node.params))
        params += [nodes[index].params[0] for index in fold._constants(nodes, part)]
        scope = {"nan": np.nan, **fold._names(nodes, part)}
        exec(fold._text(nodes, part), scope)
        columns = [array[:, 0].astype(np.int64).tolist(), *(array[:, n].tolist() for n in range(1, 6))]
        others = [value for key in part.seen for value in seen[key]]
        places = [0] * max(len(part.seen), 1)
        scope["fold"](
            0, len(array), *columns, timeframe_ms(part.key.timeframe), params, offsets, Cells(), places, *others,
            flat, len(array),
        )  # fmt: skip
        for place, index in part.outputs:
            if fold._is_still(nodes[index]):
                out[:, place] = nodes[index].params[0]
        closes = (array[:, 0].astype(np.int64) + timeframe_ms(part.key.timeframe)).tolist()
        seen[part.key] = closes, Rows(out.T)
    return out
