"""Runs seeds: `python -m tests.simulation SEED` replays one with its trace, `--seeds N` runs many."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import structlog

from simulation.invariants import Broken
from simulation.planted import PLANTED, planted
from simulation.world import simulate

MOST_PLANTED = 100
"""How many seeds may be tried against one planted bug."""


def drop(*_: object) -> None:
    raise structlog.DropEvent


class Told(NamedTuple):
    """What a seed came to: what broke, and how many orders, faults, deaths and touched stops there were."""

    seed: int
    error: str
    orders: int = 0
    faults: int = 0
    deaths: int = 0
    touches: int = 0


def one(seed: int) -> Told:
    """Run a seed."""
    logging.disable()
    structlog.configure(processors=[drop], cache_logger_on_first_use=False)
    try:
        result = simulate(seed)
    except Broken as error:
        return Told(seed, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a seed does to the daemon, the others run on
        return Told(seed, f"seed {seed}: {type(error).__name__}: {error}")
    return Told(seed, "", result.orders, result.faults, len(result.deaths), result.touches)


def caught(name: str) -> tuple[str, int, str]:
    """Return the first seed that catches a planted bug, and what it says; -1 where none does."""
    with planted(name):
        for seed in range(MOST_PLANTED):
            error = one(seed).error
            if error:
                return name, seed, error.splitlines()[0].partition(": ")[2]
    return name, -1, f"none of {MOST_PLANTED} seeds"


def table(jobs: int) -> int:
    """Print which seed catches which planted bug; return how many are caught by none."""
    missed = 0
    with multiprocessing.Pool(jobs) as pool:
        for name, seed, error in pool.imap(caught, PLANTED, 1):
            missed += seed < 0
            print(f"| {name} | {seed} | {error[:110]} |", flush=True)
    return missed


def many(first: int, count: int, jobs: int) -> int:
    """Run seeds on several cores; return how many broke."""
    began_s, broken, sums = time.monotonic(), [], [0, 0, 0, 0]
    with multiprocessing.Pool(jobs) as pool:
        for done, (seed, error, *told) in enumerate(pool.imap_unordered(one, range(first, first + count)), 1):
            sums = [whole + more for whole, more in zip(sums, told, strict=True)]
            if error:
                broken.append(seed)
                print(f"\n{error}\n")
            if done % 10 == 0 or done == count or error:
                orders, faults, deaths, touches = sums
                print(
                    f"{done}/{count} seeds, {len(broken)} broken, {orders} orders, {faults} faults, {deaths} deaths, "
                    f"{touches} stops touched, {time.monotonic() - began_s:.0f} s",
                    flush=True,
                )
    if broken:
        print(f"broken: {sorted(broken)}")
    return len(broken)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", help="replay this seed and print its trace")
    parser.add_argument("--seeds", type=int, default=0, help="run so many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--planted", action="store_true", help="find the seeds that catch the planted bugs")
    asked = parser.parse_args()
    if asked.planted:
        return 1 if table(asked.jobs) else 0
    if asked.seeds:
        return 1 if many(asked.first, asked.seeds, asked.jobs) else 0
    if asked.seed is None:
        parser.error("name a seed, or --seeds N")
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()], cache_logger_on_first_use=False)
    try:
        result = simulate(asked.seed, verbose=True)
    except Broken as error:
        print(error)
        return 1
    print(f"seed {result.seed}: {result.orders} orders, {result.faults} faults, deaths {result.deaths}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
