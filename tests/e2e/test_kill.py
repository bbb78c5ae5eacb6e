"""The real daemon, killed at random moments: nothing lost, nothing doubled.

`KILLS`, `FILLS` and `SPEED` make it longer; the default keeps `make test` short.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from support.books import disagreements, fills
from support.folders import folder, rules

KILLS = int(os.environ.get("KILLS", "3"))
FILLS = int(os.environ.get("FILLS", "100"))
SPEED = os.environ.get("SPEED", "max")
SEED = int(os.environ.get("SEED", "7"))


@contextmanager
def running(root: Path) -> Iterator[subprocess.Popen[str]]:
    with (root / "daemon.log").open("a") as log:
        command = [sys.executable, "-m", "autotrader", "run", "-c", str(root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "autotrader runs" in line, (root / "daemon.log").read_text()[-4000:]
            yield process


def test_no_order_is_lost_or_doubled_by_kill_minus_nine_at_random_moments(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    limit = "{kind: limit, timeout: 10m}"
    root = folder(
        tmp_path,
        {
            "fast": rules(3, 8),
            "middle": rules(5, 13, more='filters: ["rsi(close, 14) < 75"]\n'),
            "patient": rules(4, 9, execution=limit),
            "slow": rules(8, 21, size="{kind: volatility, risk: 1%, atr: 14}"),
        },
        speed=SPEED,
    )
    journal, paper = root / "var" / "autotrader.db", root / "var" / "paper-paper.db"
    killed = in_flight = 0
    deadline_s = time.monotonic() + 60 * KILLS + 600
    while killed < KILLS or fills(journal) < FILLS:
        assert time.monotonic() < deadline_s, f"only {fills(journal)} fills after {killed} kills"
        with running(root) as process:
            time.sleep(chance.uniform(0.05, 1.5) if SPEED == "max" else chance.uniform(1.0, 15.0))
            process.send_signal(signal.SIGKILL)
        killed += 1
        in_flight += unsettled(journal)
    with running(root) as process:
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    print(f"{killed} kills, {in_flight} orders in flight at them, {fills(journal)} fills: the books agree")
    assert disagreements(journal, paper) == []
    assert fills(journal) >= FILLS


def unsettled(journal: Path) -> int:
    live = "('intent', 'sent', 'open', 'partial')"
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        return int(db.execute(f"SELECT COUNT(*) FROM orders WHERE type != 'guard' AND state IN {live}").fetchone()[0])
