"""What the configuration tests share: the strategy kinds they load with, in one place, and a folder to write into."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from autotrader.config.load import LoadCache, Loaded, load
from autotrader.config.strategy import StrategyParams
from autotrader.strategies import registry

KINDS = registry.params()
PLANNED = registry.PLANNED

RULES = """\
kind: rules
exchange: paper
symbols: [BTC/USDT]
timeframe: 5m
capital: 20%
enter_long: crosses_above(ema(close, 12), ema(close, 26))
exit_long: crosses_below(ema(close, 12), ema(close, 26))
on_remove: close
"""

Loading = Callable[..., Loaded]


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder, whose directories are made as needed."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def settle(root: Path) -> None:
    """Make every file look as if it had been written long ago, as files mostly are."""
    for path in root.rglob("*.yaml"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a configuration folder around the files it is given."""

    def make(files: Mapping[str, str | bytes] | None = None) -> Path:
        return write(tmp_path, {"exchanges.d/paper.yaml": "kind: simulated\n", **(files or {})})

    return make


@pytest.fixture
def loading() -> Loading:
    """Give the loader with the tests' kinds and an empty environment."""

    def run(
        root: Path, cache: LoadCache | None = None, environ: Mapping[str, str] | None = None, **more: object
    ) -> Loaded:
        return load(root, KINDS, PLANNED, cache=cache, environ=environ or {}, **more)

    return run


@pytest.fixture
def rules_text() -> str:
    """Give a valid strategy file."""
    return RULES


def rendered(loaded: Loaded) -> str:
    """Return every problem and warning as it is printed."""
    return "\n".join(problem.render() for problem in (*loaded.problems, *loaded.warnings))


@pytest.fixture
def corpus_render() -> Callable[[Loaded], str]:
    """Give the way in which the corpus writes down what was told."""
    return rendered


@pytest.fixture
def kinds() -> Mapping[str, type[StrategyParams]]:
    """Give the strategy kinds of these tests."""
    return KINDS
