"""The loop as it would be if no series ran ahead, and how two outcomes are compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from autotrader.backtest import world as c
from autotrader.backtest.engine import Outcome, plain_loop, simulate
from autotrader.backtest.plan import Plan
from autotrader.backtest.run import fills_of


def every_moment(plan: Plan) -> Outcome:
    """Run the plain loop while no series may run ahead: it lives every moment."""
    plain = plain_loop(tuple(plan.kinds))

    def lived_through(w: Any, *rest: Any) -> int:
        w[w[c.RUN, c.FIRST_SERIES] : w[c.RUN, c.FIRST_SERIES] + w[c.RUN, c.SERIES], c.RUNS_AHEAD] = 0
        why: int = plain(w, *rest)
        return why

    return simulate(plan, loop=lived_through)


def same(one: Outcome, other: Outcome) -> None:
    """Two outcomes tell the same: fills, trades, curves, and what they count."""
    assert fills_of(one) == fills_of(other)
    assert one.trades.tolist() == other.trades.tolist()
    assert one.points_ms.tolist() == other.points_ms.tolist()
    assert np.array_equal(one.points, other.points, equal_nan=True)
    columns = [c.MOMENTS, c.EXPOSED_MOMENTS, c.FUNDING_SUM]
    assert one.tables.w[c.RUN, columns].tolist() == other.tables.w[c.RUN, columns].tolist()
    first = int(one.tables.w[c.RUN, c.FIRST_STRATEGY])
    counted = slice(first, first + len(one.plan.strategies))
    assert one.tables.w[counted].tolist() == other.tables.w[counted].tolist()
    floats = [c.EQUITY, c.PEAK_EQUITY, c.DRAWDOWN, c.DEEPEST]
    assert one.tables.f[c.RUN, floats].tolist() == other.tables.f[c.RUN, floats].tolist()
