"""Daily metrics: known a day after their date, good for a week, and refused where a file breaks its promise."""

from __future__ import annotations

import numpy as np
import pytest

from autotrader.core.clock import DAY_MS
from autotrader.core.errors import HistoryError
from autotrader.market.metrics import Metrics, problem, read
from support.folders import history
from support.metrics import metric

T0 = 1_704_067_200_000  # 2024-01-01
DAYS = ["2024-01-01", "2024-01-02", "2024-01-04"]
NAME = "onchain/btc"


def test_a_row_comes_as_a_bar_that_closes_when_its_day_is_over(tmp_path):
    rows = read(metric(tmp_path, NAME, DAYS, fees=[1.5, 2.5, 3.5]), "fees")
    assert (rows.ts[:3] + DAY_MS).tolist() == [T0 + DAY_MS, T0 + 2 * DAY_MS, T0 + 4 * DAY_MS]
    for prices in rows[1:5]:
        assert prices[:3].tolist() == [1.5, 2.5, 3.5]


def test_whole_numbers_are_numbers_too(tmp_path):
    assert read(metric(tmp_path, NAME, DAYS, blocks=[1, 2, 3]), "blocks").close[:3].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("second", "ended"), [("2024-01-08", False), ("2024-01-09", True)])
def test_a_value_ends_where_nothing_follows_for_more_than_a_week(tmp_path, second, ended):
    rows = read(metric(tmp_path, NAME, ["2024-01-01", second], fees=[1.0, 2.0]), "fees")
    assert np.isnan(rows.close).tolist() == ([False, True, False, True] if ended else [False, False, True])
    assert rows.ts[1] + DAY_MS == T0 + 8 * DAY_MS


@pytest.mark.parametrize(
    ("days", "values", "told"),
    [
        (["2024-01-02", "2024-01-01"], [1.0, 2.0], "days must increase; 2024-01-01 does not"),
        (["2024-01-01", "2024-01-01"], [1.0, 2.0], "days must increase"),
        (["2024-01-01", "2024-02-30"], [1.0, 2.0], "write days that there are"),
        (["2024-01-01", "2024-1-2"], [1.0, 2.0], "row 1 is dated '2024-1-2'"),
        ([1, 2], [1.0, 2.0], "row 0 is dated 1"),
        (DAYS[:2], ["a", "b"], "must be numbers"),
        (DAYS[:2], [1.0, None], "has empty values"),
        (DAYS[:2], [1.0, float("nan")], "has no number in row 1"),
    ],
)
def test_a_file_that_breaks_its_promise_is_refused_with_what_and_where(tmp_path, days, values, told):
    path = metric(tmp_path, NAME, days, fees=values)
    with pytest.raises(HistoryError) as caught:
        read(path, "fees")
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_or_column_that_is_not_there_is_told_by_name(tmp_path):
    metric(tmp_path, NAME, DAYS, fees=[1.0, 2.0, 3.0])
    assert problem(tmp_path, NAME, "fees") == ""
    assert problem(tmp_path, NAME, "fee") == "onchain/btc.parquet has no column 'fee'; it has date, fees"
    assert problem(tmp_path, "onchain/eth", "fees") == "there is no onchain/eth.parquet in the history; there are btc"
    assert "there is no metric of that kind" in problem(tmp_path, "sentiment/x", "value")
    for name, column in ((NAME, "fee"), ("onchain/eth", "fees")):
        with pytest.raises(HistoryError):
            Metrics(tmp_path).load(name, column)


def test_a_file_that_is_no_parquet_is_told(tmp_path):
    metric(tmp_path, NAME, DAYS, fees=[1.0, 2.0, 3.0]).write_bytes(b"date,fees\n")
    assert "not a readable Parquet file" in problem(tmp_path, NAME, "fees")
    with pytest.raises(HistoryError, match="not a readable metric"):
        Metrics(tmp_path).load(NAME, "fees")


def test_a_file_that_grew_is_read_again_and_one_that_broke_leaves_what_was_read(tmp_path):
    path = metric(tmp_path, NAME, DAYS[:2], fees=[1.0, 2.0])
    metrics = Metrics(tmp_path)
    assert metrics.changed(NAME, "fees")
    assert len(metrics.rows(NAME, "fees").ts) == 0
    metrics.load(NAME, "fees")
    assert not metrics.changed(NAME, "fees")
    metric(tmp_path, NAME, DAYS, fees=[1.0, 2.0, 3.0])
    assert metrics.changed(NAME, "fees")
    metrics.load(NAME, "fees")
    path.write_bytes(b"")
    with pytest.raises(HistoryError):
        metrics.load(NAME, "fees")
    assert not metrics.changed(NAME, "fees")
    assert metrics.rows(NAME, "fees").close[:3].tolist() == [1.0, 2.0, 3.0]


def test_the_recorded_metrics_are_read_as_they_are(tmp_path):
    data = history()
    name, column = ("sentiment/fear_greed", "value") if data else (NAME, "fees")
    path = (data or metric(tmp_path, NAME, DAYS, fees=[1.0, 2.0, 3.0]).parents[1]) / f"{name}.parquet"
    rows = read(path, column)
    values = rows.close[np.isfinite(rows.close)]
    assert len(values) == (2522 if data else 3)
    assert ((values >= 0) & (values <= 100)).all()
