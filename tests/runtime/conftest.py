"""Worlds and daemons for tests of what lives."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from support.folders import folder
from support.harness import Harness
from support.world import World


@pytest.fixture
def world(tmp_path: Path):
    made: list[World] = []

    def make(market: str = "spot", budget: Decimal | None = None) -> World:
        made.append(World(tmp_path / "autotrader.db", market, budget))
        return made[-1]

    yield make
    for one in made:
        one.journal.close()


@pytest.fixture
async def harness(tmp_path: Path):
    """Start daemons over strategies on a generated market at 1x; each is stopped in the end."""
    made: list[Harness] = []

    async def start(strategies: dict[str, str], **files: str) -> Harness:
        one = Harness(folder(tmp_path, strategies, speed="1x", recorded=False, **files))
        made.append(one)
        await one.start()
        return one

    yield start
    for one in made:
        if not one.daemon.stopping.is_set():
            await one.stop()
