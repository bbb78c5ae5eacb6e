"""The written history that the emulator's tests stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.exchange import SERIES, write_history


@pytest.fixture(scope="session")
def recorded(tmp_path_factory) -> Path:
    """Return a folder of three days of minutes of two symbols."""
    return write_history(tmp_path_factory.mktemp("history"), SERIES)
