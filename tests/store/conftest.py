"""A journal of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotrader.core.clock import ManualClock
from autotrader.store.journal import Journal


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "autotrader.db"


@pytest.fixture
def journal(path: Path, clock: ManualClock):
    one = Journal(path, clock)
    yield one
    one.close()
