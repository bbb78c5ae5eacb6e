"""The market of the speed bench: the same arrays for every engine, written once as .npy and read with numpy alone.

Recorded one-minute bars where they are there, a seeded random walk where they are not. The trades of W5 are always
generated: a walk in whole ticks that is pulled back to its start, so that it keeps filling the grid.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from workloads import SYMBOLS, TICK, WORKLOADS

CACHE = Path(os.environ.get("SPEED_CACHE") or Path(__file__).resolve().parents[3] / ".bench")
COLUMNS = ("ts", "open", "high", "low", "close", "volume")
ROWS = {"BTC": 1_033_226, "ETH": 964_016}
START_MS, MINUTE_MS, SECOND_MS = 1_514_764_800_000, 60_000, 1_000
SLICE = WORKLOADS["W4"].bars
START_TICKS, NOISE_TICKS, PULL = 100_000, 30.0, 2.8e-5


class Bars(NamedTuple):
    """Columns of bars: times of the opens in ms UTC, the rest float64."""

    ts: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray


class Trades(NamedTuple):
    """Columns of trades: times in ms UTC, prices, and 1 where the taker bought, -1 where it sold."""

    ts: np.ndarray
    price: np.ndarray
    side: np.ndarray


def bars(count: int = WORKLOADS["W1"].bars) -> Bars:
    """Return the first bars of BTC-USD 1m."""
    table = np.load(_prepared() / "BTC.npy", mmap_mode="r")
    return table_bars(table[:, :count])


def slices() -> dict[str, Bars]:
    """Return 20 symbols of 100,000 bars on one clock: ten stretches of BTC-USD in order of time, ten of ETH-USD."""
    made = {}
    for coin, names in (("BTC", SYMBOLS[:10]), ("ETH", SYMBOLS[10:])):
        table = np.load(_prepared() / f"{coin}.npy", mmap_mode="r")
        stride = min(SLICE, (table.shape[1] - SLICE) // (len(names) - 1))
        for turn, name in enumerate(names):
            cut = np.array(table[:, turn * stride : turn * stride + SLICE])
            cut[0] = START_MS + MINUTE_MS * np.arange(SLICE)
            made[name] = table_bars(cut)
    return made


def trades() -> Trades:
    """Return the 1,000,000 trades of W5, one a second."""
    ticks, side = np.load(_prepared() / "trades.npy")
    ts = START_MS + SECOND_MS * np.arange(len(ticks))
    return Trades(ts, np.round(ticks * TICK, 2), side)


def recorded() -> Path | None:
    """Return the folder of recorded bars, or None in a clone that has none."""
    beside = Path(__file__).resolve().parents[4] / "shared" / "data"
    folder = Path(os.environ.get("AUTOTRADER_DATA", beside)) / "candles" / "bitfinex"
    return folder if folder.is_dir() else None


def write() -> Path:
    """Write whatever is missing and return its folder; the one part that needs pyarrow."""
    folder = CACHE / ("market" if recorded() else "market-generated")
    folder.mkdir(parents=True, exist_ok=True)
    for seed, coin in enumerate(ROWS):
        if not (folder / f"{coin}.npy").exists():
            _save(folder / f"{coin}.npy", _read(coin) if recorded() else _walk(seed, ROWS[coin]))
    if not (folder / "trades.npy").exists():
        _save(folder / "trades.npy", _pulled_walk(WORKLOADS["W5"].bars))
    return folder


def _save(path: Path, table: np.ndarray) -> None:
    fresh = path.with_suffix(".tmp.npy")
    np.save(fresh, table)
    fresh.replace(path)


def _prepared() -> Path:
    folder = CACHE / ("market" if recorded() else "market-generated")
    if not (folder / "trades.npy").exists():
        sys.exit(
            f"there is no market in {folder}: run tests/bench/speed/market.py with the product's interpreter first"
        )
    return folder


def table_bars(table: np.ndarray) -> Bars:
    """Return a table of shape (columns, bars) as columns."""
    return Bars(table[0].astype(np.int64), *(np.array(column) for column in table[1:]))


def _read(coin: str) -> np.ndarray:
    from pyarrow import parquet

    table = parquet.read_table(recorded() / f"{coin}-USD" / "1m.parquet")
    return np.array([table[name].to_numpy().astype(np.float64) for name in COLUMNS])


def _walk(seed: int, rows: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    close = 10_000.0 * np.exp(np.cumsum(random.normal(0.0, 0.0008, rows)))
    open_ = np.concatenate(([10_000.0], close[:-1]))
    high = np.maximum(open_, close) * (1.0 + np.abs(random.normal(0.0, 0.0003, rows)))
    low = np.minimum(open_, close) * (1.0 - np.abs(random.normal(0.0, 0.0003, rows)))
    ts = START_MS + MINUTE_MS * np.arange(rows, dtype=np.float64)
    prices = np.round([open_, high, low, close], 2)
    return np.array([ts, *prices, random.uniform(1.0, 50.0, rows)])


def _pulled_walk(count: int) -> np.ndarray:
    """Return prices in ticks and takers' sides, `count` of each; a trade at an unchanged price keeps the last side."""
    steps = np.random.default_rng(5).normal(0.0, NOISE_TICKS, count)
    ticks, sides = np.empty(count), np.empty(count)
    offset, last, side = 0.0, START_TICKS, 1.0
    for at, step in enumerate(steps.tolist()):
        if at:
            offset += step - PULL * offset
        now = START_TICKS + round(offset)
        side = side if now == last else (1.0 if now > last else -1.0)
        ticks[at], sides[at], last = now, side, now
    return np.array([ticks, sides])


if __name__ == "__main__":
    print(write())
