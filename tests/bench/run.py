"""`make bench`: the figures that people feel, measured on whole processes: median and worst of the runs.

Absolute times say little about another machine: `python starts` is there to compare with.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.folders import folder, history, rules

RUNS = int(os.environ.get("RUNS", "5"))
MANY, FEW = 1_000, 20
WARM = "60x, from: 2024-06-01" if history() else "60x"
"""Replay from where every average has its whole history to warm up on."""
COMMAND = [sys.executable, "-m", "autotrader"]


def show(what: str, seconds: list[float], target: str = "") -> None:
    middle, worst = statistics.median(seconds), max(seconds)
    print(f"{what:<58} {middle * 1000:8.0f} ms {worst * 1000:8.0f} ms   {target}", flush=True)


def timed(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def ask(root: Path, *words: str) -> str:
    return subprocess.run([*COMMAND, "-c", str(root), *words], check=True, capture_output=True, text=True).stdout


def strategies(count: int, timeframe: str = "5m") -> dict[str, str]:
    more = 'let: {strength: "rsi(close, 14)"}\nfilters: ["strength < 75"]\n'
    return {
        f"s{n:04}": rules(
            5 + n % 40,
            50 + n % 150,
            symbols="BTC/USDT" if n % 2 else "ETH/USDT",
            timeframe=timeframe,
            capital="0.1%",
            more=more,
        )
        for n in range(count)
    }


@contextmanager
def daemon(root: Path) -> Iterator[float]:
    """Run a daemon and give the seconds from its start to its readiness."""
    began_s = time.perf_counter()
    with (root / "daemon.log").open("a") as log:
        process = subprocess.Popen([*COMMAND, "-c", str(root), "run"], stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "autotrader runs" in line, (root / "daemon.log").read_text()[-2000:]
        ready_s = time.perf_counter() - began_s
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            yield ready_s
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def generations(root: Path) -> tuple[int, int]:
    """Return number and wall time (ms) of the newest generation."""
    with closing(sqlite3.connect(f"file:{root / 'var/autotrader.db'}?mode=ro", uri=True)) as db:
        return tuple(db.execute("SELECT number, at_ms FROM generations ORDER BY number DESC LIMIT 1").fetchone())


def saved_to_applied(root: Path, times: int) -> list[float]:
    """Return the seconds from the write of one file among many to the generation that has it."""
    seconds = []
    for turn in range(times):
        name = f"s{turn * 37 % MANY:04}"
        number, _ = generations(root)
        path = root / "strategies.d" / f"{name}.yaml"
        text = path.read_text().replace("strength < 75", f"strength < {60 + turn}")
        time.sleep(0.5)
        began_ms = time.time_ns() / 1e6
        path.write_text(text)
        while generations(root)[0] == number:
            time.sleep(0.005)
        seconds.append((generations(root)[1] - began_ms) / 1000)
    return seconds


def main() -> None:
    print(f"{'what':<58} {'median':>11} {'worst':>11}   target")
    show("python starts", [timed(lambda: subprocess.run([sys.executable, "-c", ""], check=True)) for _ in range(RUNS)])
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        few = folder(Path(place) / "few", strategies(FEW), speed=WARM)
        many = folder(Path(place) / "many", strategies(MANY), speed=WARM)
        show(f"check, {MANY} files", [timed(lambda: ask(many, "check")) for _ in range(RUNS)], "2000 ms")
        ready = []
        for _ in range(RUNS):
            with daemon(few) as ready_s:
                ready.append(ready_s)
        show(f"ready, {FEW} strategies", ready, "3000 ms")
        ready = []
        for _ in range(max(1, RUNS // 2)):
            with daemon(many) as ready_s:
                ready.append(ready_s)
        show(f"ready, {MANY} strategies", ready, "8000 ms")
        with daemon(many):
            show(f"status, {MANY} strategies", [timed(lambda: ask(many, "status")) for _ in range(RUNS)], "500 ms")
            before = {one["name"]: one["generation"] for one in json.loads(ask(many, "status", "--json"))["strategies"]}
            show(f"one file of {MANY} saved, until applied", saved_to_applied(many, RUNS), "300 ms")
            after = {one["name"]: one["generation"] for one in json.loads(ask(many, "status", "--json"))["strategies"]}
            touched = sum(before[name] != after[name] for name in before)
            print(f"strategies touched by those {RUNS} saves: {touched}")
        rare = folder(Path(place) / "rare", strategies(MANY, "4h"), speed=WARM)  # no bar closes while it is measured
        with daemon(rare):
            lag(rare)


def lag(root: Path) -> None:
    """Show how long the daemon lets a command wait while hostile files are being read."""
    waits: list[float] = []
    hostile = {
        "bomb": "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
        "deep": "[" * 100_000,
        "large": "a: " + "x" * 10_000_000,
    }
    for name, text in hostile.items():
        path = root / "strategies.d" / f"{name}.yaml"
        path.write_text(text)
        until_s = time.perf_counter() + 1.0
        while time.perf_counter() < until_s:
            waits.append(timed(lambda: _ping(root)))
        path.unlink()
    show("a control request while hostile files are read", waits, "50 ms over the idle one")
    time.sleep(1)
    show("a control request while idle", [timed(lambda: _ping(root)) for _ in range(200)])


def _ping(root: Path) -> None:
    from autotrader.runtime.ask import ask as control

    control(root, "ping")


if __name__ == "__main__":
    main()
