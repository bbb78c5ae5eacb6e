"""`make bench`: every engine on every workload in one run, each in a process of its own, beside the fused loop.

    run.py                   all that is installed
    run.py W1 W5             some workloads
    run.py --engine vectorbt --runs 3

The peers are installed by `install.py`. `seconds` is the median of warm runs from arrays in memory to statistics;
`trades` and `final equity` must be the fused loop's, or the note below the table says why they are not.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

from engines import ENGINES, FUSED, OURS, Engine
from harness import RUNS
from measure import Measured, measure
from workloads import AVERAGES, AVERAGES_MUST, WORKLOADS, Workload

import market

LIMIT_S = 900.0
AGREES = 0.01
"""Money by which two engines' final equities may differ: rounding to ticks and lots, not another trade."""
HEADINGS = f"{'engine':<20} {'seconds':>10} {'x fused':>9} {'trades':>9} {'final equity':>14} {'runs':>5}  bound"
WHOLE_MUST_S, WHOLE_AIM_S, WHOLE_MUST_MB, WHOLE_AIM_MB = 1.5, 1.0, 450.0, 350.0


def ran(engine: Engine, workload: str, runs: int) -> dict[str, Any]:
    """Return an engine's line, or a line whose note says what went wrong."""
    done = measure(engine.command(workload, "--runs", str(runs)), engine.surroundings(), LIMIT_S, market.CACHE)
    lines = [line for line in done.printed.splitlines() if line.startswith("{")]
    if done.status == 0 and lines:
        return json.loads(lines[-1])
    last = (done.complained.strip().splitlines() or [f"ended with status {done.status}"])[-1]
    return {"note": f"failed: {last[:300]}"}


def verdict(ratio: float, must: float, aim: float) -> str:
    """Tell whether a figure keeps its bound."""
    if ratio <= aim:
        return f"aim met ({aim:g})"
    return f"met ({must:g}), aim {aim:g}" if ratio <= must else f"NOT met ({must:g})"


def row(engine: Engine, workload: Workload, line: dict[str, Any], fused: dict[str, Any]) -> str:
    """Return an engine's row of a workload's table."""
    if "seconds" not in line:
        return f"{engine.name:<20} {line['note']}"
    ratio = line["seconds"] / fused["seconds"]
    bound = verdict(ratio, workload.must, workload.aim) if engine.name == OURS else ""
    return (
        f"{engine.name:<20} {line['seconds']:10.4f} {ratio:9.1f} {line['trades']:9} {line['final_equity']:14.2f}"
        f" {line['runs']:5}  {bound}"
    ).rstrip()


def difference(engine: Engine, line: dict[str, Any], fused: dict[str, Any]) -> str | None:
    """Return why an engine ends elsewhere than the fused loop, or what else there is to know of it."""
    if "seconds" not in line:
        return None
    trades = line["trades"] - fused["trades"]
    money = line["final_equity"] - fused["final_equity"]
    if trades or abs(money) > AGREES:
        why = line["note"] or "NOT EXPLAINED"
        return f"  {engine.name}: {trades:+} trades, {money:+.2f} money: {why}"
    return f"  {engine.name}: {line['note']}" if line["note"] else None


def averages(engine: Engine, seconds: float, runs: int) -> None:
    """Print what W1 takes with other averages, in times of what it took with its own."""
    line = ran(engine, AVERAGES, runs)
    if "seconds" not in line:
        print(f"{engine.name:<20} {line['note']}", flush=True)
        return
    ratio = line["seconds"] / seconds
    bound = "met" if ratio <= AVERAGES_MUST else "NOT met"
    text = f"{line['seconds']:10.4f} {line['trades']:19} {line['final_equity']:14.2f} {line['runs']:5}"
    print(f"  sma, kama instead  {text}  {ratio:.2f} x W1, {bound} ({AVERAGES_MUST:g})", flush=True)


def table(workload: Workload, engines: list[Engine], runs: int) -> None:
    """Run and print one workload."""
    print(f"\n{workload.name}: {workload.rule}, {workload.bars:,} bars\n{HEADINGS}", flush=True)
    fused = ran(FUSED, workload.name, runs)
    print(row(FUSED, workload, fused, fused), flush=True)
    if "seconds" not in fused:
        return
    notes = []
    for engine in engines:
        if engine is FUSED or workload.name not in engine.workloads:
            continue
        line = ran(engine, workload.name, runs)
        print(row(engine, workload, line, fused), flush=True)
        notes.append(difference(engine, line, fused))
        if engine.name == OURS and workload.name == "W1" and "seconds" in line:
            averages(engine, line["seconds"], runs)
    print(*(note for note in notes if note), sep="\n", flush=True)


def whole(engines: list[Engine], runs: int) -> None:
    """Print what one strategy over 1,000,000 bars costs from the shell: a whole process, disk caches filled."""
    print(f"\nW1, whole process from the shell\n{'engine':<20} {'seconds':>10} {'peak MB':>9}  bound", flush=True)
    for engine in engines:
        if "W1" not in engine.workloads:
            continue
        filled = measure(engine.command("W1", "--once"), engine.surroundings(), LIMIT_S, market.CACHE)
        if filled.status:
            print(f"{engine.name:<20} failed", flush=True)
            continue
        done: list[Measured] = []
        while not done or (len(done) < runs and sum(one.seconds for one in done) < LIMIT_S / 10):
            done.append(measure(engine.command("W1", "--once"), engine.surroundings(), LIMIT_S, market.CACHE))
        seconds, peak_mb = statistics.median(one.seconds for one in done), max(one.peak_mb for one in done)
        bound = ""
        if engine.name == OURS:
            time_, memory = verdict(seconds, WHOLE_MUST_S, WHOLE_AIM_S), verdict(peak_mb, WHOLE_MUST_MB, WHOLE_AIM_MB)
            bound = f"time {time_}, memory {memory}"
        print(f"{engine.name:<20} {seconds:10.2f} {peak_mb:9.0f}  {bound}".rstrip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="*", help="W1 to W5, whole; default all")
    parser.add_argument("--engine", action="append", help="only this one beside the fused loop; may be repeated")
    parser.add_argument("--runs", type=int, default=RUNS)
    wanted = parser.parse_args()
    market.write()
    chosen = [one for one in ENGINES if not wanted.engine or one.name in wanted.engine]
    engines = [one for one in chosen if one.installed()]
    missing = ", ".join(one.name for one in chosen if not one.installed())
    if missing:
        print(f"not installed, so left out: {missing} (tests/bench/speed/install.py)")
    if not market.recorded():
        print("no recorded market here: a generated one instead")
    for workload in WORKLOADS.values():
        if not wanted.workload or workload.name in wanted.workload:
            table(workload, engines, wanted.runs)
    if not wanted.workload or "whole" in wanted.workload:
        whole(engines, wanted.runs)


if __name__ == "__main__":
    main()
