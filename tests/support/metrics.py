"""Small recorded histories for tests: metrics as the collectors write them, candles, and what a swap settled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HOUR_MS = 3_600_000
T0 = 1_704_067_200_000  # 2024-01-01


def put(data: Path, name: str, **columns: Any) -> Path:
    """Write a file of a history at once, as a careful writer does."""
    path = data / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    pq.write_table(pa.table(columns), beside)
    beside.replace(path)
    return path


def metric(data: Path, name: str, days: Any, **columns: Any) -> Path:
    """Write a metric named as `onchain/btc`; days are texts."""
    return put(data, name, date=days, **columns)


def candles(data: Path, exchange: str, closes: Any, first_ms: int = T0, symbol: str = "BTC-USDT") -> Path:
    """Write hourly candles with these closes."""
    close = np.asarray(closes, dtype=np.float64)
    opened = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    ts = first_ms + HOUR_MS * np.arange(len(close), dtype=np.int64)
    prices = {"open": opened, "high": high, "low": low, "close": close, "volume": np.ones(len(close))}
    return put(data, f"candles/{exchange}/{symbol}/1h", ts=ts, **prices)


def settled(data: Path, exchange: str, rates: Any, first_ms: int = T0, symbol: str = "BTC-USDT") -> Path:
    """Write funding rates, eight hours apart."""
    rate = np.asarray(rates, dtype=np.float64)
    return put(
        data,
        f"funding/{exchange}/{symbol}",
        ts=first_ms + 8 * HOUR_MS * np.arange(len(rate), dtype=np.int64),
        rate=rate,
    )
