"""Metric files for tests, as the collectors write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def metric(data: Path, name: str, days: Any, **columns: Any) -> Path:
    """Write a metric named as `onchain/btc` under a data folder; days are texts."""
    path = data / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    cells: Mapping[str, Any] = {"date": days, **columns}
    beside = path.with_suffix(".part")
    pq.write_table(pa.table(dict(cells)), beside)
    beside.replace(path)
    return path
