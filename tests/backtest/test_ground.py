"""What a run stands on is the same whether it was made for it or for the run before."""

from __future__ import annotations

import numpy as np
import pytest

from autotrader.backtest.common import Common
from autotrader.backtest.engine import simulate
from autotrader.backtest.ground import Ground
from autotrader.backtest.run import result_of
from autotrader.risk.limits import Cap, Limits
from support.market import D, candles, planned

BARS = candles([(100 + at % 7, 108, 99, 101 + at % 5) for at in range(300)])
RULE = {"enter_long": "close > 103", "exit_long": "close < 102"}
GUARDED = {**RULE, "exits": {"stop_loss": "2%", "trailing_stop": "3%"}}
SIZED = {**RULE, "size": {"kind": "volatility", "risk": "1%", "atr": 14}, "capital": "40%"}
KELLY = {**RULE, "size": {"kind": "kelly", "fraction": "50%", "cap": "20%", "start": "5%", "min_trades": 3}}
RESTING = {**RULE, "execution": {"kind": "limit", "timeout": "90s"}}


@pytest.mark.parametrize("other", [RULE, GUARDED, SIZED, KELLY, RESTING])
def test_other_parameters_stand_on_the_same_ground(other):
    common, first, plan = Common(), planned(BARS, RULE), planned(BARS, other)
    assert common.ground(first) is not common.ground(plan)  # they have sources of their own
    plan.exchanges = first.exchanges
    ground = common.ground(first)
    assert common.ground(plan) is ground
    for one, alone in zip(ground.tables(plan), Ground(plan).tables(plan), strict=True):
        assert one.tobytes() == alone.tobytes()


@pytest.mark.parametrize(
    "more",
    [
        {"limits": Limits(max_drawdown=Cap(share=D("0.1")))},
        {"cash": D(9_000)},
        {"taker": D("0.001")},
        {"market": "swap"},
        {"latency_ms": 5},
    ],
)
def test_another_world_is_another_ground(more):
    common, plan = Common(), planned(BARS, RULE)
    known, other = common.ground(plan), planned(BARS, RULE, **more)
    other.exchanges = tuple(
        one._replace(source=first.source) for one, first in zip(other.exchanges, plan.exchanges, strict=True)
    )
    assert common.ground(other) is not known
    assert common.ground(plan).tables(plan).w.tobytes() == Ground(plan).tables(plan).w.tobytes()


def test_equal_bars_that_lie_elsewhere_are_another_ground():
    common, plan = Common(), planned(BARS, RULE)
    other = planned(BARS._make(column.copy() for column in BARS), RULE)
    other.exchanges = plan.exchanges
    assert common.ground(plan) is not common.ground(other)


def test_a_run_leaves_the_ground_as_it_was():
    common, plan = Common(), planned(BARS, GUARDED)
    runs = [result_of(simulate(plan, ahead=False, common=common)) for _ in range(2)]
    assert len(runs[0].trades.pnl)
    for one, other in zip(runs[0].trades, runs[1].trades, strict=True):
        assert np.array_equal(one, other)
