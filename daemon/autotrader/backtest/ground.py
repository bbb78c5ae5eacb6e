"""What a run stands on whatever the parameters of its strategies: tables, and where the bars lie.

Trials of a search differ in parameters alone. Their ground is made once, and each gets a copy of what it writes.
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.levels import lay_out, lay_out_books
from autotrader.backtest.plan import Plan, Stream
from autotrader.backtest.tables import Tables, bare_tables, slots_of, write_params
from autotrader.core import memory
from autotrader.features.fold import Floats, frozen
from autotrader.market.bars import Columns


class Ground:
    """The ground of a plan, and of every other one that differs from it in nothing but parameters.

    `columns` are those of the bars as the loop reads them, and of the recorded levels; `bars` is where they lie.
    """

    def __init__(self, plan: Plan) -> None:
        self._told, self._streams = _told(plan), plan.streams
        self._places = [_places(stream.bars) for stream in plan.streams]
        self._tables = bare_tables(plan)
        self.columns: list[Any] = [frozen(column) for stream in plan.streams for column in stream.bars[: c.BAR_COLUMNS]]
        self._bids, self._asks, told = lay_out(plan, self._tables.w, len(self.columns))
        self.columns += told
        self.columns += lay_out_books(plan, self._tables.w, len(self.columns))
        self.bars = memory.addresses(self.columns)

    def bears(self, plan: Plan) -> bool:
        """Tell whether a plan stands on this ground."""
        return _told(plan) == self._told and all(map(self._same_bars, plan.streams, self._streams, self._places))

    @staticmethod
    def _same_bars(one: Stream, known: Stream, places: list[int]) -> bool:
        return one.bars is known.bars or _places(one.bars) == places

    def tables(self, plan: Plan) -> Tables:
        """Return the tables of a plan that stands here, before the first moment."""
        *written, funding = self._tables
        made = Tables._make((*(one.copy() for one in written), funding))
        write_params(plan, made)
        return made

    def levels(self) -> tuple[Floats, Floats]:
        """Return the bids and asks that a run's steps see."""
        return self._bids.copy(), self._asks.copy()


def _told(plan: Plan) -> tuple[Any, ...]:
    """Return what decides a plan's ground besides its bars."""
    legs = [(leg.strategy, leg.part, leg.declared, leg.own, leg.match) for leg in plan.legs]
    streams = [(stream.key, stream.opened, len(stream.bars.ts)) for stream in plan.streams]
    parts = plan.parts, slots_of(plan), [one.kind for one in plan.strategies]
    span = plan.start_ms, plan.end_ms
    limits = plan.limits, [one.limits for one in plan.strategies]
    return plan.exchanges, limits, plan.instruments, plan.ticks, parts, legs, streams, span


def _places(bars: Columns) -> list[int]:
    return [memory.address(column) for column in bars[: c.BAR_COLUMNS]]
