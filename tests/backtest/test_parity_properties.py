"""Parity as properties: whatever is declared over whatever market, the daemon, the loop and its compiled twin agree."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from support.drawn import World, worlds
from support.lived import lived, outcome, told
from autotrader.backtest.run import fills_of

EXAMPLES = int(os.environ.get("AUTOTRADER_EXAMPLES", "15"))
MANY = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))


@MANY
@given(worlds())
def test_the_daemon_and_the_backtest_fill_the_same(world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = world.written(Path(folder))
        daemon = told(asyncio.run(lived(root)))
        assert told(fills_of(outcome(root))) == daemon


@MANY
@given(worlds())
def test_the_plain_loop_and_the_compiled_one_fill_the_same(world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = world.written(Path(folder))
        assert fills_of(outcome(root)) == fills_of(outcome(root, compiled=False))
