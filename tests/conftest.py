"""What every test has: silence where logs would be, and real bars where recorded history is there."""

from __future__ import annotations

import os
import random
import types
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import structlog
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parents[1]
os.environ.setdefault("AUTOTRADER_CACHE", str(REPOSITORY / ".pytest_cache" / "compiled"))


def data_folder() -> Path:
    return Path(os.environ.get("AUTOTRADER_DATA") or REPOSITORY.parent / "shared" / "data")


def walk(count: int, seed: int = 7, step_ms: int = 300_000, start_ms: int = 1_704_067_200_000) -> np.ndarray:
    """Return generated bars, shape (count, 6), with flat stretches and bars without volume in them."""
    rng = random.Random(seed)
    price, rows = 30_000.0, []
    for i in range(count):
        opened = price
        if rng.random() > 0.1:
            price = round(price * (1 + rng.gauss(0, 0.003)), 2)
        high = round(max(opened, price) * (1 + abs(rng.gauss(0, 0.001))), 2)
        low = round(min(opened, price) * (1 - abs(rng.gauss(0, 0.001))), 2)
        volume = round(rng.expovariate(0.1), 5) if rng.random() > 0.05 else 0.0
        rows.append((start_ms + i * step_ms, opened, high, low, price, volume))
    return np.array(rows, dtype=np.float64)


@pytest.fixture(scope="session")
def btc() -> np.ndarray:
    """BTC/USDT, 5m: the newest 4,000 recorded bars; generated ones where no history lies."""
    path = data_folder() / "candles" / "binance" / "BTC-USDT" / "5m.parquet"
    if not path.exists():
        return walk(4_000)
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    names = ("ts", "open", "high", "low", "close", "volume")
    return np.column_stack([table[name].to_numpy()[-4_000:].astype(np.float64) for name in names])


@pytest.fixture(scope="session")
def generated() -> np.ndarray:
    return walk(1_500)


@pytest.fixture(scope="session")
def twin():
    """Return the numba twin of a plain function: the same code, its helpers from this program compiled likewise."""
    import numba

    made: dict[object, object] = {}

    def compiled(function):
        if function not in made:
            names = {
                name: compiled(value) if isinstance(value, types.FunctionType) else value
                for name, value in function.__globals__.items()
                if name in function.__code__.co_names
            }
            copy = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
            made[function] = numba.njit(copy)
        return made[function]

    return compiled


def _drop(*_: Any) -> NoReturn:
    raise structlog.DropEvent


structlog.configure(processors=[_drop], cache_logger_on_first_use=False)

# Shared machines stall: a slow draw says nothing about the code under test.
# On a clean checkout the same examples run each time; at a desk they are new ones, which is where faults are found.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    database=None,
)
settings.load_profile("house")
