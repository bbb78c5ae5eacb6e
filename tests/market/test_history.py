"""Parquet candles: what is there, what is made from it, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotrader.core.errors import HistoryError
from autotrader.market import history, parquet
from autotrader.market.bars import aggregate
from autotrader.market.history import History, listing, source_timeframe

DATA = Path(os.environ.get("AUTOTRADER_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data")
T0 = 1_704_067_200_000
HOUR = 3_600_000


def table(count=48, first=0, length=HOUR, **replaced):
    prices = 100 + np.arange(count) * 0.25
    made = {
        "ts": T0 + (first + np.arange(count, dtype=np.int64)) * length,
        "open": prices,
        "high": prices + 1,
        "low": prices - 1,
        "close": prices + 0.5,
        "volume": np.ones(count),
        **replaced,
    }
    return pa.table({name: column for name, column in made.items() if column is not None})


@pytest.fixture
def write(tmp_path):
    def write(name, content, symbol="BTC-USDT"):
        path = tmp_path / "candles" / "x" / symbol / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(content, path)
        return tmp_path

    return write


def test_a_recorded_timeframe_is_read_as_it_is(write):
    bars = History(write("1h", table()), "x").bars("BTC/USDT", "1h")
    assert (len(bars.ts), bars.close[1]) == (48, 100.75)


def test_a_longer_timeframe_is_made_from_the_longest_that_divides_it(write):
    write("1m", table(60, length=60_000))
    data = write("1h", table())
    assert source_timeframe(data, "x", "BTC/USDT", "1d") == "1h"
    assert source_timeframe(data, "x", "BTC/USDT", "5m") == "1m"
    assert len(History(data, "x").bars("BTC/USDT", "1d").ts) == 2


def test_period_files_are_joined_in_order_of_time(write):
    write("1h-late", table(5, first=10))
    data = write("1h-later", table(5, first=0))
    assert np.diff(History(data, "x").bars("BTC/USDT", "1h").ts).tolist() == [HOUR] * 4 + [HOUR * 6] + [HOUR] * 4


def test_what_there_is_is_listed_without_opening_a_file(write, tmp_path):
    write("1h", table())
    (tmp_path / "candles" / "x" / "ETH-USDT").mkdir()
    (tmp_path / "candles" / "x" / "ETH-USDT" / "5m-2024.parquet").write_text("not opened")
    (tmp_path / "candles" / "x" / "ETH-USDT" / "notes.txt").write_text("not candles")
    assert [one[:3] for one in listing(tmp_path)] == [("x", "BTC/USDT", "1h"), ("x", "ETH/USDT", "5m")]
    assert listing(tmp_path / "nowhere") == ()


def test_bars_are_cut_by_time(write):
    made = History(write("1h", table()), "x")
    assert made.after("BTC/USDT", "1h", T0 + HOUR + 1, 2).ts.tolist() == [T0 + 2 * HOUR, T0 + 3 * HOUR]
    assert made.before("BTC/USDT", "1h", T0 + 3 * HOUR - 1, 1).ts.tolist() == [T0 + HOUR]
    assert made.begin_ms("BTC/USDT", "1h") == T0


def test_the_tick_is_that_of_the_finest_price(write):
    assert History(write("1h", table()), "x").tick("BTC/USDT") == Decimal("0.01")


@pytest.mark.parametrize(
    ("price", "step"), [(100.0, "1"), (0.00012345, "1E-8"), (0.1 + 0.2, "0.1"), (19123.123456789, "0.00001")]
)
def test_noise_ends_at_a_bound_of_decimals_and_of_ticks(write, price, step):
    same = np.full(3, price)
    data = write("1h", table(3, open=same, high=same, low=same, close=same))
    assert History(data, "x").tick("BTC/USDT") == Decimal(step)


FAULTS = [
    ("a missing column", {"volume": None}, "column 'volume' is missing; it has ts, open"),
    ("a column of another type", {"open": np.arange(100, 148)}, "column 'open' is int64 and must be double"),
    ("empty values", {"close": pa.array([None] * 48, pa.float64())}, "column 'close' has empty values"),
    ("a price that is no number", {"close": np.full(48, np.nan)}, "prices and volumes must be numbers; row 0"),
    ("a time twice", {"ts": np.full(48, T0)}, "times must increase; row 1"),
    ("a time off the grid", {"ts": T0 + 1 + np.arange(48) * HOUR}, "times must be those of 1h bars; row 0"),
    ("a price of nothing", {"low": np.zeros(48)}, "prices must be above zero"),
    ("a negative volume", {"volume": np.full(48, -1.0)}, "volumes must not be negative"),
    ("a low above the close", {"low": np.full(48, 101.0)}, "low must be the lowest"),
]


@pytest.mark.parametrize(("replaced", "message"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_file_is_refused_for(write, replaced, message):
    data = write("1h", table(**replaced))
    with pytest.raises(HistoryError, match=message):
        History(data, "x").bars("BTC/USDT", "1h")


def test_files_that_overlap_are_refused(write):
    write("1h-a", table())
    data = write("1h-b", table(first=47))
    with pytest.raises(HistoryError, match=r"1h-a\.parquet, 1h-b\.parquet overlap in time"):
        History(data, "x").bars("BTC/USDT", "1h")


def test_a_file_that_is_no_parquet_is_refused(write):
    data = write("1h", table())
    (data / "candles" / "x" / "BTC-USDT" / "1h.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(HistoryError, match="not a readable Parquet file"):
        History(data, "x").bars("BTC/USDT", "1h")


def test_more_rows_than_the_bound_are_refused(write, monkeypatch):
    data = write("1h", table())
    monkeypatch.setattr(parquet, "MAX_ROWS", 47)
    with pytest.raises(HistoryError, match="48 rows are more than 47"):
        History(data, "x").bars("BTC/USDT", "1h")


def test_what_is_not_there_is_told_with_what_is(write):
    made = History(write("1h", table()), "x")
    with pytest.raises(HistoryError, match=r"no candles of ETH/USDT .* recorded for x: BTC/USDT"):
        made.bars("ETH/USDT", "1h")
    with pytest.raises(HistoryError, match=r"5m bars cannot be made from the recorded ones \(1h\)"):
        made.bars("BTC/USDT", "5m")


def test_memory_is_bounded_by_reading_again(write, monkeypatch):
    write("1h", table(), symbol="ETH-USDT")
    made = History(write("1h", table()), "x")
    monkeypatch.setattr(history, "CACHE_BYTES", 3000)
    first = made.bars("BTC/USDT", "1h")
    made.bars("ETH/USDT", "1h")
    again = made.bars("BTC/USDT", "1h")
    assert again is not first
    assert again.rows() == first.rows()


def test_funding_is_read_where_it_is_recorded(write, tmp_path):
    made = History(write("1h", table()), "x")
    assert len(made.funding("BTC/USDT").ts) == 0
    path = tmp_path / "funding" / "x" / "BTC-USDT.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"ts": np.array([T0]), "rate": np.array([0.0001])}), path)
    assert made.funding("BTC/USDT").rate.tolist() == [0.0001]


def test_looking_for_files_needs_no_parquet_library():
    code = "import sys, autotrader.market.history as h; h.listing(h.Path('.')); sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def recorded():
    """Return a real symbol that has both 5m and 1h bars, or a generated one of the same kind."""
    if (DATA / "candles" / "binance" / "BTC-USDT" / "5m.parquet").is_file():
        return History(DATA, "binance").bars("BTC/USDT", "5m"), History(DATA, "binance").bars("BTC/USDT", "1h")
    from autotrader.market.generate import BEGIN_MS, Generated

    made = Generated(1, ["BTC/USDT"])
    return made.after("BTC/USDT", "5m", BEGIN_MS, 12_000), made.after("BTC/USDT", "1h", BEGIN_MS, 1_000)


def test_five_minutes_fold_into_the_hours_that_were_recorded():
    minutes, hours = recorded()
    folded = aggregate(minutes, "5m", "1h")
    _, here, there = np.intersect1d(folded.ts, hours.ts, return_indices=True)
    assert len(here) >= 1000
    for name in ("open", "high", "low", "close"):
        assert (getattr(folded, name)[here] == getattr(hours, name)[there]).all()
