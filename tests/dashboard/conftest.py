"""Fixtures of the page's tests: the small world of world.py and a folder with a filled journal."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _load(name):
    """Tests are no package: a helper beside them is loaded by its path, once."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "world.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def worlds():
    return _load("dashboard_world")


@pytest.fixture
def world(worlds):
    return worlds.World()


@pytest.fixture(scope="session")
def _filled(worlds, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    worlds.fill_journal(root, points=200)
    return root


@pytest.fixture
def root(_filled):
    """A folder with a journal that nobody writes to."""
    return _filled


@pytest.fixture
def snapshot(worlds, world):
    from autotrader.dashboard.view import Snapshot

    return Snapshot(status=world.status, positions=world.positions)
