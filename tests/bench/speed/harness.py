"""One engine in one process: warm it, time a workload, print one line of JSON.

An engine is any command that takes the name of a workload and prints `{engine, workload, seconds, runs, trades,
final_equity, note}`; this module is the usual way to be one. `seconds` is the median over runs from arrays in memory to
statistics. Preparing an engine's own form of the data lies before it, indicators lie inside.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Mapping

from workloads import Outcome

RUNS = 5
SLOW_S = 10.0
"""A first run of this length counts too: what it compiles is noise beside it."""
ENOUGH_S = 45.0
"""No further run starts after this; the line tells how many there were."""
LEAST_S = 0.3
"""Runs of milliseconds go on for so long: five of them measure the other programs of the machine."""

Run = Callable[[], Outcome]


def timed(run: Run, runs: int) -> tuple[list[float], Outcome]:
    """Return the seconds of each warm run and what the last one ended with."""
    seconds, outcome = [], _once(run)
    if outcome[0] >= SLOW_S:
        seconds.append(outcome[0])
    gc.collect()
    while not seconds or (len(seconds) < runs and sum(seconds) < ENOUGH_S) or sum(seconds) < LEAST_S:
        outcome = _once(run)
        seconds.append(outcome[0])
    return seconds, outcome[1]


def _once(run: Run) -> tuple[float, Outcome]:
    began_s = time.perf_counter()
    outcome = run()
    return time.perf_counter() - began_s, outcome


def serve(engine: str, prepare: Mapping[str, Callable[[], Run]], notes: Mapping[str, str] | None = None) -> None:
    """Run the workload named on the command line; `prepare` gives each one's run, its data read."""
    parser = argparse.ArgumentParser(description=f"one workload on {engine}")
    parser.add_argument("workload", choices=list(prepare))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--once", action="store_true", help="one cold run, for whoever times the whole process")
    wanted = parser.parse_args()
    run = prepare[wanted.workload]()
    if wanted.once:
        first_s, outcome = _once(run)
        seconds = [first_s]
    else:
        seconds, outcome = timed(run, wanted.runs)
    line = {
        "engine": engine,
        "workload": wanted.workload,
        "seconds": statistics.median(seconds),
        "runs": len(seconds),
        "trades": int(outcome.trades),
        "final_equity": round(float(outcome.final_equity), 4),
        "note": (notes or {}).get(wanted.workload, ""),
    }
    print(json.dumps(line), flush=True)
