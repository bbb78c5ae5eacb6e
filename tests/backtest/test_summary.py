"""What is printed and written of a result."""

import csv
from decimal import Decimal

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.backtest.compare import compare, shared
from autotrader.backtest.compare import rows as compared_rows
from autotrader.backtest.result import PORTFOLIO, money
from autotrader.backtest.summary import TRADE_COLUMNS, document, footing, price, rows, write_trades
from autotrader.core.table import table
from support import results

KEYS = {
    "name", "symbols", "bars", "trades", "start_equity", "final_equity", "total_return", "cagr", "max_drawdown",
    "sharpe", "sortino", "calmar", "win_rate", "profit_factor", "exposure", "fees", "seconds", "deflated_sharpe",
}  # fmt: skip


@pytest.fixture(scope="module")
def result():
    return results.result(bars=2_000)


def test_the_document_has_every_key_of_the_contract(result):
    told = orjson.loads(orjson.dumps(document(result)))
    assert set(told) == {"strategies", "portfolio", "data_hash", "config_hash"}
    assert all(set(one) == KEYS for one in (*told["strategies"], told["portfolio"]))
    assert [one["name"] for one in told["strategies"]] == ["trend", "reversion"]
    assert told["portfolio"]["name"] == PORTFOLIO


def test_strategies_and_portfolio_count_the_same_trades(result):
    told = document(result)
    assert sum(one["trades"] for one in told["strategies"]) == told["portfolio"]["trades"] == len(result.trades.pnl)


def test_the_table_has_the_account_as_a_whole_where_there_are_two(result):
    assert [row["name"] for row in rows(result)] == ["trend", "reversion", "portfolio"]
    assert [row["name"] for row in rows(results.result(names=("one",), bars=500))] == ["one"]
    assert "deflated sharpe" in table(rows(result))


def test_the_line_below_the_table_says_what_was_measured(result):
    assert footing(result).startswith("2024-01-01 00:00:00 to 2024-03-24 07:00:00 UTC, 4000 bars in 0.012 s; data dddd")


def test_the_trades_file_adds_up_to_the_last_digit(result, tmp_path):
    path = tmp_path / "trades.csv"
    write_trades(result, path)
    with path.open() as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == TRADE_COLUMNS
    assert len(read) == len(result.trades.pnl)
    assert sum(Decimal(row["pnl"]) for row in read) == money(result.trades.pnl)
    assert sum(Decimal(row["fees"]) for row in read) == money(result.trades.fees)
    assert {row["side"] for row in read} == {"long", "short"}
    assert [int(row["exit_ts"]) for row in read] == sorted(int(row["exit_ts"]) for row in read)


def test_a_price_has_an_end():
    assert price(results.leg(), 300, 3) == "1"
    assert price(results.leg(), 100, 3) == "0.33333333333333"
    assert price(results.leg(), 0, 0) == "0"


@given(st.lists(st.integers(-(2**62), 2**62), max_size=20))
def test_money_sums_exactly_beyond_64_bits(steps):
    assert money(np.array(steps, dtype=np.int64)) == sum(steps) * Decimal("1e-8")


def test_runs_are_compared_side_by_side(result):
    other = results.result(bars=2_000, seed=9)
    found = compare({"a": result, "b": other})
    assert found.same_data
    assert {row["figure"] for row in compared_rows(found)} >= {"total return", "max drawdown", "sharpe"}
    better = max("ab", key=lambda label: next(one for one in found.runs if one.label == label).metrics.sharpe)
    assert found.best["sharpe"] == better
    assert next(row for row in compared_rows(found) if row["figure"] == "sharpe")[better].endswith("*")


def test_no_run_is_better_than_itself(result):
    assert compare({"a": result, "b": result}).best == {}


def test_nothing_cannot_be_compared():
    with pytest.raises(ValueError, match="nothing"):
        compare({})


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 15), st.integers(1, 15))
def test_compared_curves_begin_at_one_and_share_their_time(first, second, one, two):
    day = 86_400_000
    curves = [
        results.curve(np.arange(1.0, count + 1.0), day, results.START_MS + begin * day)
        for begin, count in ((first, one), (second, two))
    ]
    since, until = max(first, second), min(first + one, second + two) - 1
    for curve in shared(curves):
        assert bool(len(curve.ts)) == (since <= until)
        if len(curve.ts):
            assert curve.equity[0] == 1.0
            assert curve.ts[0] == results.START_MS + since * day
            assert curve.ts[-1] == results.START_MS + until * day


def test_a_run_without_a_point_leaves_nothing_to_share():
    assert [len(one.ts) for one in shared([results.curve([]), results.curve([1.0])])] == [0, 0]
