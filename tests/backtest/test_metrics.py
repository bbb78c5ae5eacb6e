"""The figures, held against empyrical-reloaded wherever both define them."""

import math
import warnings
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.backtest.metrics import cagr, daily_equity, daily_returns, drawdown, measure
from autotrader.backtest.result import Curve
from support import results

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import empyrical

DAY_MS = 86_400_000
YEAR = 365

returns_lists = st.lists(
    st.one_of(st.floats(-0.5, 0.5), st.sampled_from([0.0, 0.01, -0.01])), min_size=2, max_size=120
).filter(lambda many: max(many) - min(many) > 1e-4)
equities = st.lists(st.floats(0.01, 1e7), min_size=1, max_size=200)


def daily(returns):
    return results.run(10_000.0 * np.cumprod(np.concatenate(([1.0], 1.0 + np.array(returns)))))


def figures(run, trades=None):
    return measure(run, results.trades() if trades is None else trades, (results.leg(),))


def close(ours, theirs, rel=1e-7):
    if ours is None:
        return not np.isfinite(theirs)
    return ours == pytest.approx(theirs, rel=rel, abs=1e-10)


@given(returns_lists)
def test_the_sharpe_ratio_is_empyricals(returns):
    theirs = empyrical.sharpe_ratio(np.array(returns), annualization=YEAR)
    assert close(figures(daily(returns)).sharpe, theirs)


@given(returns_lists.filter(lambda many: min(many) < -1e-6))
def test_the_sortino_ratio_is_empyricals(returns):
    theirs = empyrical.sortino_ratio(np.array(returns), annualization=YEAR)
    assert close(figures(daily(returns)).sortino, theirs)


@given(returns_lists)
def test_the_volatility_is_empyricals(returns):
    theirs = empyrical.annual_volatility(np.array(returns), annualization=YEAR)
    assert close(figures(daily(returns)).volatility, theirs)


@given(returns_lists)
def test_the_drawdown_of_daily_points_is_empyricals(returns):
    theirs = empyrical.max_drawdown(np.array(returns))
    assert close(figures(daily(returns)).max_drawdown, -theirs)


@given(returns_lists)
def test_cagr_and_total_return_are_empyricals(returns):
    ours = figures(daily(returns))
    theirs = empyrical.cagr(np.array(returns), annualization=YEAR)
    if theirs < 1e200:
        assert close(ours.cagr, theirs, rel=1e-6)
    assert close(ours.total_return, empyrical.cum_returns_final(np.array(returns)))


@given(returns_lists.filter(lambda many: min(many) < -1e-3))
def test_the_calmar_ratio_is_empyricals(returns):
    theirs = empyrical.calmar_ratio(np.array(returns), annualization=YEAR)
    if abs(theirs) < 1e200:
        assert close(figures(daily(returns)).calmar, theirs, rel=1e-6)


@given(equities)
def test_the_drawdown_is_that_of_its_definition_on_every_point(equity):
    values = np.array(equity)
    found = drawdown(results.curve(values, 60_000))
    falls = 1.0 - values / np.maximum.accumulate(values)
    assert found.depth == pytest.approx(falls.max(), abs=1e-12)
    assert results.START_MS <= found.peak_ms <= found.trough_ms
    below = [i - int(np.flatnonzero(values[: i + 1] >= values[: i + 1].max())[-1]) for i in range(len(values))]
    assert found.longest_ms >= max(below) * 60_000


@given(equities, st.integers(1, 3 * DAY_MS), st.integers(0, DAY_MS))
def test_each_day_ends_with_the_last_point_up_to_its_midnight(equity, step_ms, offset_ms):
    curve = results.curve(equity, step_ms, results.START_MS + offset_ms)
    days = daily_equity(curve)
    begin = int(curve.ts[0]) // DAY_MS
    for number, value in enumerate(days[1:], 1):
        assert value == curve.equity[curve.ts <= (begin + number) * DAY_MS][-1]
    assert days[-1] == curve.equity[-1]
    assert days[0] == curve.equity[0]


@given(st.lists(st.floats(0.0, 1e7), min_size=0, max_size=30), st.integers(1, DAY_MS * 400))
def test_a_figure_is_finite_or_none_whatever_the_curve(equity, step_ms):
    run = results.run(results.curve(equity, step_ms))
    for value in figures(run):
        assert value is None or math.isfinite(value)


def test_a_run_without_a_trade_has_no_trade_figures():
    found = figures(daily([0.01, -0.01]))
    assert (found.trades, found.win_rate, found.profit_factor, found.average_trade) == (0, None, None, None)


def test_one_point_has_no_ratios():
    found = figures(results.run([10_000.0]))
    assert (found.cagr, found.sharpe, found.sortino, found.calmar) == (None, None, None, None)
    assert (found.max_drawdown, found.total_return) == (0.0, 0.0)


def test_equity_that_never_moves_has_no_ratio_and_no_drawdown():
    found = figures(results.run([10_000.0] * 50))
    assert (found.sharpe, found.sortino, found.calmar, found.deflated_sharpe) == (None, None, None, None)
    assert (found.cagr, found.max_drawdown, found.longest_drawdown_ms) == (0.0, 0.0, 0)


def test_a_growth_that_never_varies_has_no_sharpe_ratio():
    assert figures(results.run(1.001 ** np.arange(100))).sharpe is None


def test_an_account_that_is_gone_lost_all_and_has_no_ratios():
    found = figures(results.run([100.0, 50.0, 0.0, 0.0]))
    assert (found.total_return, found.cagr, found.max_drawdown) == (-1.0, -1.0, 1.0)
    assert (found.sharpe, found.sortino) == (None, None)


def test_less_than_a_day_is_not_annualised():
    assert cagr(results.curve([100.0, 101.0], DAY_MS - 1)) is None
    assert cagr(results.curve([100.0, 101.0], DAY_MS)) is not None


def test_days_without_a_point_earned_nothing():
    ts = results.START_MS + np.array([0, 1, 4]) * DAY_MS
    assert daily_returns(Curve(ts, np.array([100.0, 110.0, 121.0]))).tolist() == pytest.approx([0.1, 0.0, 0.0, 0.1])


def test_an_empty_curve_is_no_fault():
    found = figures(results.run([]))
    assert (found.max_drawdown, found.sharpe, found.deflated_sharpe) == (None, None, None)


rows = st.lists(
    st.tuples(st.just(0), st.sampled_from([-1, 1]), st.integers(0, 9), st.integers(10, 99), st.integers(1, 10**8),
              st.integers(1, 10**7), st.integers(1, 10**7), st.integers(0, 1000), st.integers(0, 5)),
    max_size=30,
)  # fmt: skip


@given(rows)
def test_trade_figures_follow_their_definitions(rows):
    trades = results.trades(rows)
    found = figures(results.run([10_000.0, 10_001.0]), trades)
    pnl = [Decimal(int(one)) for one in trades.pnl]
    each = [float(p) / (row[4] * row[5] / results.UNIT) for p, row in zip(pnl, rows, strict=True)]
    gains, losses = sum(p for p in pnl if p > 0), -sum(p for p in pnl if p < 0)
    assert found.trades == len(rows)
    if rows:
        assert found.win_rate == sum(p > 0 for p in pnl) / len(pnl)
        assert found.average_trade == pytest.approx(float(np.mean(each)))
        assert found.best_trade == pytest.approx(max(each))
        assert found.worst_trade == pytest.approx(min(each))
    if losses:
        assert found.profit_factor == pytest.approx(float(gains / losses))
    else:
        assert found.profit_factor is None
    text = "".join("-" if p < 0 else "+" for p in pnl)
    assert found.losses_in_a_row == max(map(len, text.split("+")), default=0)
