"""Series that run ahead of each other: many legs on one account leave what a loop of every moment leaves."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.backtest import engine
from autotrader.backtest import world as c
from autotrader.backtest.engine import Outcome
from autotrader.market.bars import Columns
from autotrader.risk.limits import Cap, Limits
from support.market import MINUTE_MS, START_MS, candles, run
from support.moments import every_moment, same

EXAMPLES = settings(max_examples=int(os.environ.get("AUTOTRADER_EXAMPLES", "12")), deadline=None)
NAMES = ("A/USDT", "B/USDT", "C/USDT", "D/USDT", "E/USDT")


def walk(seed: int, count: int, missing: float) -> Columns:
    """Return a random walk of one-minute bars with some of them missing."""
    rng = np.random.default_rng(seed)
    closes = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.004, count))), 2)
    opens = np.concatenate(([100.0], closes[:-1]))
    highs = np.round(np.maximum(opens, closes) * (1.0 + np.abs(rng.normal(0.0, 0.002, count))), 2)
    lows = np.round(np.minimum(opens, closes) * (1.0 - np.abs(rng.normal(0.0, 0.002, count))), 2)
    kept = np.flatnonzero(rng.random(count) >= missing)
    rows = np.column_stack((opens, np.maximum(highs, opens), np.minimum(lows, opens), closes))[kept]
    return candles([tuple(row) for row in rows.tolist()], (kept + int(rng.integers(0, 7))).tolist())


def ran_ahead(outcome: Outcome) -> int:
    """Return how many series may run ahead of the others."""
    w = outcome.tables.w
    first = int(w[c.RUN, c.FIRST_SERIES])
    return int(w[first : first + int(w[c.RUN, c.SERIES]), c.RUNS_AHEAD].sum())


CROSS = {"enter_long": "crosses_above(close, ema(close, 4))", "exit_long": "crosses_below(close, ema(close, 6))"}
GUARDS = st.fixed_dictionaries(
    {},
    optional={
        "stop_loss": st.sampled_from(["0.3%", "1%"]),
        "take_profit": st.sampled_from(["0.4%", "2%"]),
        "trailing_stop": st.sampled_from(["0.2%", "0.9%"]),
        "max_holding": st.sampled_from(["3m", "11m"]),
    },
)


@st.composite
def runs(draw: st.DrawFn) -> Outcome:
    """Draw bars of several symbols, two strategies that share them out, and the limits of their account."""
    seed, count = draw(st.integers(0, 2**20)), draw(st.integers(40, 150))
    missing = [draw(st.sampled_from([0.0, 0.0, 0.1, 0.5])) for _ in NAMES]
    series = {name: walk(seed + at, count, missing[at]) for at, name in enumerate(NAMES)}
    split = draw(st.integers(1, len(NAMES)))
    frames = draw(st.sampled_from([("1m", "1m"), ("1m", "5m"), ("3m", "5m")]))
    strategies = {}
    for name, symbols, timeframe in zip("ab", (NAMES[:split], NAMES[split:]), frames, strict=True):
        size = draw(st.sampled_from([{"kind": "fixed", "amount": 1}, {"kind": "percent", "percent": "60%"}]))
        one: dict[str, Any] = {"symbols": list(symbols), "timeframe": timeframe, "size": size}
        one["exits"] = draw(GUARDS)
        if symbols:
            strategies[name] = CROSS | one
    rates = [(START_MS + minute * MINUTE_MS, 0.001) for minute in (5, 17, 60)] if draw(st.booleans()) else []
    loss = draw(st.sampled_from([None, Cap(None, Decimal("0.001")), Cap(None, Decimal("0.01"))]))
    limits = Limits(max_open_positions=draw(st.sampled_from([None, 1, 3])), max_daily_loss=loss)
    market = draw(st.sampled_from(["spot", "swap"]))
    return run(series, strategies, limits=limits, rates=rates, taker=Decimal("0.001"), market=market)


@EXAMPLES
@given(runs())
def test_many_legs_with_gaps_and_timeframes_leave_what_a_loop_of_every_moment_leaves(outcome: Outcome) -> None:
    assert ran_ahead(outcome) == len(outcome.plan.legs)
    same(outcome, every_moment(outcome.plan))


@pytest.mark.parametrize("frames", [("1m", "1m"), ("1m", "3m")])
def test_blocks_of_columns_that_end_at_different_rows_change_nothing(frames, monkeypatch) -> None:
    series = {name: walk(at, 400, 0.2 * at) for at, name in enumerate(NAMES[:3])}
    guarded = CROSS | {"exits": {"trailing_stop": "0.9%"}, "symbols": list(NAMES[:2]), "timeframe": frames[0]}
    strategies = {"a": guarded, "b": CROSS | {"symbols": [NAMES[2]], "timeframe": frames[1]}}
    whole = run(series, strategies)
    monkeypatch.setattr(engine, "BLOCK", 64)
    same(run(series, strategies), whole)
    same(every_moment(whole.plan), whole)


@pytest.mark.parametrize(
    ("more", "ahead"),
    [
        ({}, 1),
        ({"exits": {"stop_loss": "2%"}, "resolution": "1m", "timeframe": "5m"}, 0),
        ({"enter_long": 'close > ema(close, 3, timeframe="5m")'}, 0),
        ({"enter_long": 'close > ema(close, 3, symbol="B/USDT")'}, 2),
    ],
    ids=["alone", "decided by finer bars", "priced by two series", "reads what nobody trades"],
)
def test_a_series_runs_ahead_where_it_depends_on_itself_alone(more: dict[str, Any], ahead: int) -> None:
    series = {name: walk(at, 60, 0.0) for at, name in enumerate(("X/USDT", "B/USDT"))}
    outcome = run(series, CROSS | more)
    assert ran_ahead(outcome) == ahead
    same(outcome, every_moment(outcome.plan))


@EXAMPLES
@given(
    seed=st.integers(0, 2**20),
    missing=st.sampled_from([0.0, 0.02, 0.3]),
    points=st.sampled_from([8, 30, 300]),
    loss=st.sampled_from([None, Cap(None, Decimal("0.01"))]),
    timeframe=st.sampled_from(["1m", "5m"]),
)
def test_samples_of_many_bars_are_kept_as_if_each_moment_were_lived(seed, missing, points, loss, timeframe) -> None:
    cross = CROSS | {"exit_long": "crosses_below(close, ema(close, 40))", "timeframe": timeframe}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "MAX_POINTS", points)
        outcome = run(walk(seed, 1_200, missing), cross, limits=Limits(max_daily_loss=loss))
        assert outcome.tables.w[c.RUN, c.SAMPLE_MS] > MINUTE_MS or points == 300
        same(outcome, every_moment(outcome.plan))


def test_a_breach_that_closes_everything_lets_nobody_run_ahead() -> None:
    limits = Limits(max_drawdown=Cap(None, Decimal("0.01")), on_breach="close")
    outcome = run(walk(3, 90, 0.0), CROSS, limits=limits)
    assert ran_ahead(outcome) == 0
    same(outcome, every_moment(outcome.plan))


def test_the_price_of_what_is_only_read_is_nobodys_equity() -> None:
    series = {"X/USDT": walk(1, 60, 0.0), "B/USDT": candles([(90_000.0, 90_000.0, 90_000.0, 90_000.0)] * 60)}
    outcome = run(series, CROSS | {"enter_long": 'close > ema(close, 3, symbol="B/USDT")'})
    assert outcome.tables.f[c.RUN, [c.PEAK_EQUITY, c.DRAWDOWN]].tolist() == [10_000.0, 0.0]


def test_a_run_of_one_market_knows_its_shape_and_is_what_it_would_be_without(monkeypatch) -> None:
    guarded = CROSS | {"exits": {"stop_loss": "0.5%", "trailing_stop": "0.4%"}}
    many = run({name: walk(4, 40, 0.0) for name in NAMES[:2]}, CROSS | {"symbols": list(NAMES[:2])})
    assert c.shape_of(many.tables.w) == ()
    known = run(walk(3, 400, 0.05), guarded)
    assert dict(c.shape_of(known.tables.w))[c.LEGS] == 1
    monkeypatch.setattr(c, "shape_of", lambda _: ())
    assert len(known.trades) > 20
    same(known, run(walk(3, 400, 0.05), guarded))
