"""Runs a plan: hands the loop its bars and columns block by block, and turns its tables into a result."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np

from autotrader.backtest import glue, loop, turns
from autotrader.backtest import world as c
from autotrader.backtest.common import Common, Desk
from autotrader.backtest.ground import Ground
from autotrader.backtest.plan import Plan
from autotrader.backtest.tables import Tables, losses_of
from autotrader.core import jit, memory
from autotrader.core.clock import DAY_MS
from autotrader.core.errors import AutotraderError
from autotrader.features.fold import Floats, Folder, Ints
from autotrader.features.shared import Shared
from autotrader.strategies.contract import Kind

BLOCK = 32_768
"""Rows whose columns are computed at once: few enough to stay in the processor's cache.

Twice as many where runs have no thread of their own for columns, but the interpreter to share with other runs.
"""

AHEAD = 2
"""Blocks that are computed ahead of the one that the loop reads in a run of one leg; of several legs each needs one."""

APART = 72
"""Cells left free after each column of a block. Columns a whole number of memory pages apart would hinder each other:
to the processor a cell that is written looks like the one a page further that is read.
"""

BLOCK_CELLS = 500_000
"""Cells of all legs' columns in memory at once."""

MAX_POINTS = 10_000
"""Points of an equity curve, days apart where a run is longer."""

SAMPLES_MS = tuple(minutes * 60_000 for minutes in (1, 5, 15, 30, 60, 120, 240, 360, 720, 1_440))
RECENT = 10_000
FIRST_ROOM = 1 << 17

Progress = Callable[[float], None]


@dataclass(slots=True)
class Outcome:
    """What a run left: its tables, and the lists of fills, trades and equity points."""

    plan: Plan
    tables: Tables
    fills: Ints
    trades: Ints
    points_ms: Ints
    points: Floats


def simulate(
    plan: Plan,
    *,
    compiled: bool = True,
    ahead: bool = True,
    common: Common | None = None,
    progress: Progress | None = None,
    loop: Callable[..., int] | None = None,
) -> Outcome:
    """Return the outcome of a plan. `compiled` False runs the very same loop as plain Python, slowly.

    With `ahead` the next columns are computed on another processor, which many runs at once have no use for. What those
    have in common is `common`; an outcome's lists then last until the same thread's next run.
    `progress` is told the share of market time that has passed, 0 to 1. `loop` stands in for the loop itself.
    """
    run = _Run(plan, compiled=compiled and loop is None, ahead=ahead, common=common)
    run.loop = loop or run.loop
    try:
        return run.go(progress)
    finally:
        if run.pool is not None:
            run.pool.shutdown(wait=True, cancel_futures=True)


def prepare(plan: Plan, told: Callable[[float], None] | None = None) -> None:
    """Have compiled what is compiled once for runs like a plan's; see `turns.compiled` for what is told."""
    one = len(plan.legs) == len(plan.streams) == 1  # else no shape is known, and no table need be made to see that
    turns.compiled(c.shape_of(Ground(plan).tables(plan).w) if one else (), told)


class _Block:
    """One leg's columns, a block at a time: while the loop reads one block, the next ones are computed beside it."""

    def __init__(self, row: Ints, folder: Folder, parts: Floats, at: int, warm: int) -> None:
        self._row, self._folder, self._parts, self._at, self._warm = row, folder, parts, at, warm
        self._shown = self._begun = 0
        self._coming: deque[Future[None]] = deque()

    def show(self, blocks: Sequence[tuple[int, int]], pool: Executor | None) -> None:
        """Put the columns of the first of some blocks before the loop, and begin with those of the others."""
        if self._coming:
            self._coming.popleft().result()
        else:
            self._fold(*blocks[0])
        self._row[c.FEATURES] = self._at + self._shown % len(self._parts) * self._parts[0].size
        self._row[c.ROW_0] = blocks[0][0]
        self._shown += 1
        if pool is not None:
            for block in blocks[1 + len(self._coming) :]:
                self._coming.append(pool.submit(self._fold, *block))

    def _fold(self, start: int, stop: int) -> None:
        self._folder.rows(self._warm + start, self._warm + stop, self._parts[self._begun % len(self._parts)])
        self._begun += 1


class _Feed:
    """One series and the columns of the legs that decide on it, of which a block is known at a time."""

    def __init__(self, total: int, row: Ints, block: int, ahead: int, pool: Executor | None) -> None:
        self.row, self._ahead, self._pool = row, ahead, pool
        self._blocks = [(at, min(at + block, total)) for at in range(0, max(total, 1), block)]
        self._shown = 0
        self.legs: list[_Block] = []
        row[c.ROWS] = total

    def fill(self) -> None:
        """Bring the next columns; called when the open bar is past the ready ones."""
        blocks = self._blocks[self._shown : self._shown + 1 + self._ahead]
        self._shown += 1
        self.row[c.READY] = blocks[0][1]
        for leg in self.legs:
            leg.show(blocks, self._pool)


class _Run:
    def __init__(self, plan: Plan, *, compiled: bool, ahead: bool, common: Common | None) -> None:
        self.plan = plan
        ground = common.ground(plan) if common is not None else Ground(plan)
        self.tables = ground.tables(plan)
        self.columns = ground.columns  # kept alive
        self.bars = ground.bars if compiled else ground.columns
        self.bids, self.asks = ground.levels()
        kinds = tuple(plan.kinds)
        self.loop = compiled_loop(kinds, c.shape_of(self.tables.w)) if compiled else plain_loop(kinds)
        w = self.tables.w
        self.first_leg = int(w[c.RUN, c.FIRST_LEG])
        legs = len(plan.legs)
        widths = [len(leg.program.columns) for leg in plan.legs]
        block = max(64, min(BLOCK if ahead else 2 * BLOCK, BLOCK_CELLS // max(1, sum(widths))))
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="columns") if ahead else None
        self.desk = common.desk if common is not None else Desk()
        self._make_feeds(block, widths, common.columns if common is not None else None)
        slots = int(w[c.RUN, c.SLOTS])
        self.queue = np.zeros((4 * legs + 4 + 4 * slots, 3), dtype=np.int64)
        self.staged = np.zeros(legs + 1 + 4 * slots, dtype=np.int64)
        self.recent = self.desk.rows("recent", 2 * RECENT, 1, np.int64).reshape(-1)
        self.losses = np.zeros(losses_of(plan) + 1, dtype=np.int64)
        bars = max(len(stream.bars.ts) for stream in plan.streams)
        room = min(FIRST_ROOM, bars // 16) + 64 * legs + 2 * slots
        self.fills = self.desk.rows("fills", room, len(c.FILL_COLUMNS), np.int64)
        self.trades = self.desk.rows("trades", room, len(c.TRADE_COLUMNS), np.int64)
        self.at_open = np.zeros(len(plan.streams))
        self._make_points()

    def _make_feeds(self, block: int, widths: list[int], shared: Shared | None) -> None:
        plan, w = self.plan, self.tables.w
        first = int(w[c.RUN, c.FIRST_SERIES])
        parts = 1 + (AHEAD if len(plan.legs) == 1 and self.pool is not None else 1)
        self.feeds = [
            _Feed(len(stream.bars.ts), w[first + number], block, parts - 1, self.pool)
            for number, stream in enumerate(plan.streams)
        ]
        offset, height = 0, block + 1 + APART
        folders = [Folder(leg.program, leg.bars, shared) for leg in plan.legs]
        still = tuple(folder.still for folder in folders)
        size = (parts * height + 1) * sum(widths) + 1
        self.features, laid_out = self.desk.features(size, (height, tuple(widths), still))
        for number, leg in enumerate(plan.legs):
            row = w[self.first_leg + number]
            size = height * widths[number]
            mine = self.features[offset : offset + parts * size].reshape(parts, widths[number], height)
            folder, first_part = folders[number], mine[0]
            for place, value in () if laid_out else folder.still:
                mine[:, place] = value
            for start in range(0, leg.warm_rows, block):
                folder.rows(start, min(start + block, leg.warm_rows), first_part)
            row[c.HEIGHT] = height
            row[c.TOGETHER] = parts * height * sum(widths) + sum(widths[:number])
            # what a leg shows before the first event of its feed: the last row that warmed it up, kept below the block
            row[c.FEATURE_ROW] = offset + block
            first_part[:, block] = first_part[:, (leg.warm_rows - 1) % block] if leg.warm_rows else np.nan
            feed = self.feeds[int(row[c.OWN]) - first]
            feed.legs.append(_Block(row, folder, mine, offset, leg.warm_rows))
            offset += parts * size

    def _make_points(self) -> None:
        plan, row = self.plan, self.tables.w[c.RUN]
        span_ms = max(1, plan.end_ms - plan.start_ms)
        sample_ms = next((each for each in SAMPLES_MS if span_ms <= each * MAX_POINTS), DAY_MS)
        row[c.SAMPLE_MS] = sample_ms
        row[c.NEXT_SAMPLE_MS] = (plan.start_ms // sample_ms + 1) * sample_ms
        room = span_ms // sample_ms + 8
        self.points_ms = self.desk.rows("points_ms", room, 1, np.int64).reshape(-1)
        self.points = self.desk.rows("points", room, 1 + len(plan.strategies), np.float64)

    def go(self, progress: Progress | None) -> Outcome:
        row, feeds = self.tables.w[c.RUN], self.feeds
        for feed in feeds:
            feed.fill()
        row[c.RECENT_ROOM] = len(self.recent) // 2  # when each order was sent, then of which strategy it was
        arguments = self._arguments()
        while True:
            why = self.loop(*arguments)
            if why == c.DONE:
                break
            if why == c.UNCOUNTABLE:
                leg = self.plan.legs[int(row[c.TOO_LARGE]) - self.first_leg].declared
                raise AutotraderError(
                    f"{leg.exchange} {leg.symbol}: a position is larger than can be counted in ticks of its price and "
                    "1e-8 of its amount; give the strategy less money, or a history with fewer decimals"
                )
            if why == c.NEEDS_ROOM:
                self._make_room()
                arguments = self._arguments()
                continue
            now_ms = min(next_ms := self.tables.lists[row[c.NEXT_MS] :].tolist())
            for feed, own_ms in zip(feeds, next_ms, strict=True):
                if feed.row[c.CURSOR] >= feed.row[c.READY] and own_ms == now_ms:
                    feed.fill()
            if progress is not None:
                span_ms = max(1, self.plan.end_ms - self.plan.start_ms)
                progress(min(1.0, max(0.0, (int(row[c.NOW_MS]) - self.plan.start_ms) / span_ms)))
        if progress is not None:
            progress(1.0)
        return self._outcome()

    def _arguments(self) -> tuple[Any, ...]:
        """Return what the loop is called with; it is told how much the lists hold."""
        tables, row, slots = self.tables, self.tables.w[c.RUN], int(self.tables.w[c.RUN, c.SLOTS])
        row[c.POINT_ROOM] = min(len(self.points), len(self.points_ms)) - 2
        # of the most that one moment may add: an entry, an exit and a guard a leg, and an order a slot
        row[c.TRADE_ROOM] = len(self.trades) - 2 * len(self.plan.legs) - slots
        row[c.FILL_ROOM] = len(self.fills) - 4 * len(self.plan.legs) - slots
        return (
            tables.w, tables.f, tables.lists, self.bars, self.features, self.bids, self.asks,
            *(one.reshape(-1) for one in tables[3:7]), self.queue, self.staged, self.recent, self.losses,
            tables.funding, self.fills, self.trades, self.points_ms, self.points.reshape(-1), self.at_open,
        )  # fmt: skip

    def _make_room(self) -> None:
        """Double the list that is full."""
        row = self.tables.w[c.RUN]
        if row[c.TRADES] >= row[c.TRADE_ROOM]:
            self.trades = _grown(self.trades)
            self.desk.keep("trades", self.trades)
        if row[c.FILLS] >= row[c.FILL_ROOM]:
            self.fills = _grown(self.fills)
            self.desk.keep("fills", self.fills)
        if row[c.POINTS] >= row[c.POINT_ROOM]:
            self.points_ms, self.points = _grown(self.points_ms), _grown(self.points)

    def _outcome(self) -> Outcome:
        row, f = self.tables.w[c.RUN], self.tables.f
        at = int(row[c.POINTS])
        first = int(row[c.FIRST_STRATEGY])
        many = len(self.plan.strategies) > 1
        self.points_ms[at] = row[c.NOW_MS]
        self.points[at, 0] = f[c.RUN, c.EQUITY]
        self.points[at, 1:] = f[first : first + len(self.plan.strategies), c.EQUITY] if many else f[c.RUN, c.EQUITY]
        return Outcome(
            self.plan,
            self.tables,
            self.fills[: row[c.FILLS]],
            self.trades[: row[c.TRADES]],
            self.points_ms[: at + 1],
            self.points[: at + 1],
        )


def _grown(array: Any) -> Any:
    """Return a list with twice the room."""
    made = np.empty((2 * len(array), *array.shape[1:]), dtype=array.dtype)
    made[: len(array)] = array
    return made


@lru_cache(maxsize=64)
def compiled_loop(kinds: tuple[Kind, ...], shape: turns.Shape) -> Any:
    """Return the loop with the steps of some kinds, as machine code for plans of a shape (see `world.shape_of`)."""
    key = "\n".join(("loop", str(shape), glue.text(kinds), *(kind.Params.__module__ for kind in kinds)))
    ready = turns.compiled(shape)

    def names() -> dict[str, Any]:
        return {**glue.steps(kinds, compiled=True), **memory.compiled(shape), **ready}

    return jit.outer(_function(loop.enter), names, key)


@lru_cache(maxsize=64)
def plain_loop(kinds: tuple[Kind, ...]) -> Any:
    """Return the same loop as plain Python."""
    return jit.linked(_function(loop.enter), glue.steps(kinds, compiled=False), compiled=False)


def _function(function: Any) -> FunctionType:
    assert isinstance(function, FunctionType)
    return function
