"""What a run sees of books and quotes: where it lies, and how it is shown to the steps at each event."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from autotrader.backtest import world as c
from autotrader.backtest.plan import MAX_BARS, Key, Plan
from autotrader.core.memory import real_at
from autotrader.features.fold import Floats, Ints
from autotrader.market.bars import BarSource
from autotrader.market.book import NO_LEVEL
from autotrader.strategies.contract import levels_of
from autotrader.strategies.reads import sees_levels

CELLS = 2
"""Of a level: its price and its size."""


def lay_out(plan: Plan, w: Ints, first_column: int) -> tuple[Floats, Floats, list[Floats]]:
    """Write where each leg's levels lie; return the bids and the asks that steps see, and the recorded columns.

    A part's legs lie one after the other, as many levels each as the deepest of them asks for. The columns are a leg's
    bids and its asks, an event after the other; they come to stand at `first_column` among those of the bars. Until the
    first event a step sees those of the last one before the beginning, where there is one.
    """
    columns: list[Floats] = []
    at = 0
    early: list[tuple[int, list[Floats]]] = []
    sources = {one.name: one.source for one in plan.exchanges}
    starts = {stream.key: stream.bars.ts for stream in plan.streams}
    first_part, first_leg = int(w[c.RUN, c.FIRST_PART]), int(w[c.RUN, c.FIRST_LEG])
    for number, (strategy, first, count) in enumerate(plan.parts):
        if not sees_levels(plan.strategies[strategy].kind):
            continue
        legs = range(first, first + count)
        part = w[first_part + number]
        part[c.DEPTH] = max(levels_of(plan.legs[leg].declared.feed) for leg in legs)
        part[c.BOOK_AT] = at
        for leg in legs:
            own, row = plan.legs[leg].own, w[first_leg + leg]
            row[c.LEVELS], row[c.LEVELS_AT] = levels_of(plan.legs[leg].declared.feed), at
            at += int(part[c.DEPTH]) * CELLS
            depth, source, ts = int(row[c.LEVELS]), sources[own.exchange], starts[own]
            if depth:
                early.append((int(row[c.LEVELS_AT]), _before(source, own, plan.legs[leg].begin_ms, depth)))
            if depth and len(ts):
                row[c.LEVELS_OF] = first_column + len(columns)
                told = source.levels(own.symbol, own.timeframe, int(ts[0]), len(ts))
                columns += [np.ascontiguousarray(side[:, :depth]).reshape(-1) for side in told[1:]]
    shown = [np.tile(np.array(NO_LEVEL), at // CELLS + 1) for _ in range(2)]
    for place, sides in early:
        for cells, side in zip(shown, sides, strict=True):
            cells[place : place + len(side)] = side
    return shown[0], shown[1], columns


def _before(source: BarSource, key: Key, begin_ms: int, depth: int) -> list[Floats]:
    """Return the bids and the asks of the last event before a moment; nothing of either where there is none."""
    last = source.before(key.symbol, key.timeframe, begin_ms - 1, 1)
    if not len(last.ts):
        return [np.empty(0), np.empty(0)]
    told = source.levels(key.symbol, key.timeframe, int(last.ts[0]), MAX_BARS)
    at = int(np.searchsorted(told.ts, begin_ms)) - 1  # of several events in that millisecond the last
    return [side[at, :depth].reshape(-1) for side in told[1:]]


def lay_out_books(plan: Plan, w: Ints, first_column: int) -> list[npt.NDArray[Any]]:
    """Write where the books lie that fill orders, from a column of the bars on, and return their columns.

    All levels of both sides, an event after the other, and the trades since the event before: see `market.queue`.
    """
    columns: list[npt.NDArray[Any]] = []
    sources = {one.name: one.source for one in plan.exchanges}
    rows = w[w[c.RUN, c.FIRST_SERIES] :]
    for stream, row in zip(plan.streams, rows, strict=False):
        own, ts = stream.key, stream.bars.ts
        if own.timeframe == "book" and row[c.MATCHED] and len(ts):
            row[c.BOOK_OF] = first_column + len(columns)
            asked = (own.symbol, own.timeframe, int(ts[0]), len(ts))
            told, prints = sources[own.exchange].levels(*asked), sources[own.exchange].prints(*asked)
            sides = (np.ascontiguousarray(side).reshape(-1) for side in told[1:])
            columns += [*sides, *map(np.ascontiguousarray, prints)]
    return columns


def show_levels(w: Any, bars: Any, bids: Any, asks: Any, leg: int, row: int) -> None:
    """Show a leg the levels of an event of its feed."""
    cells, at = w[leg, c.LEVELS] * CELLS, w[leg, c.LEVELS_AT]
    if cells > 0:
        told_bids, told_asks = real_at(bars, w[leg, c.LEVELS_OF]), real_at(bars, w[leg, c.LEVELS_OF] + 1)
        for place in range(cells):
            bids[at + place] = told_bids[row * cells + place]
            asks[at + place] = told_asks[row * cells + place]
