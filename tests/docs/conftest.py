"""The pages of the repository, and the writer of their tables."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = ("autotrader.yaml", "strategies.d", "exchanges.d", "risk.d")


@pytest.fixture(scope="session")
def reference():
    """Return tools/reference.py as a module."""
    spec = importlib.util.spec_from_file_location("reference", REPOSITORY / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shipped(tmp_path):
    """Return a copy of the shipped configuration folder."""
    for name in SHIPPED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path
