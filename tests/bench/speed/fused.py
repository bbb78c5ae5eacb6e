"""The fused yardstick as an engine of the bench: `fused.py W1`, and `fused.py W3 --shared` with every EMA made once."""

from __future__ import annotations

import sys

import loops
import numpy as np
from harness import Run, serve
from numba import set_num_threads
from workloads import FAST, FASTS, GRID_LEVELS, GRID_STEP, SLOW, SLOWS, START_CASH, TICK, WORKLOADS, Outcome

import market

CORES = 2
SHARED = "--shared"


def w1() -> Run:
    bars = market.bars()
    return lambda: Outcome(*loops.cross(bars.open, bars.close, FAST, SLOW, START_CASH))


def w2() -> Run:
    bars = market.bars()
    return lambda: Outcome(*loops.guarded_cross(bars.open, bars.high, bars.low, bars.close, FAST, SLOW, START_CASH))


def w3(*, shared: bool) -> Run:
    bars = market.bars(WORKLOADS["W3"].bars)
    fasts, slows = np.array(FASTS), np.array(SLOWS)
    set_num_threads(CORES)

    def run() -> Outcome:
        if shared:
            made = loops.shared_pairs(bars.open, bars.close, fasts, slows, START_CASH, CORES)
        else:
            made = loops.pairs(bars.open, bars.close, fasts, slows, START_CASH)
        return Outcome(int(made[:, 0].sum()), made[:, 1].mean())

    return run


def w4() -> Run:
    symbols = market.slices().values()
    open_ = np.ascontiguousarray(np.array([bars.open for bars in symbols]).T)
    close = np.ascontiguousarray(np.array([bars.close for bars in symbols]).T)
    return lambda: Outcome(*loops.portfolio(open_, close, FAST, SLOW, START_CASH))


def levels(first_price: float) -> np.ndarray:
    """Return the prices of the grid's levels, lowest first."""
    numbers = np.arange(-GRID_LEVELS, GRID_LEVELS + 1)
    return np.round(np.floor(first_price / TICK * (1.0 + GRID_STEP) ** numbers + 0.5) * TICK, 2)


def w5() -> Run:
    price = market.trades().price
    return lambda: Outcome(*loops.grid(price, levels(price[0]), START_CASH))


if __name__ == "__main__":
    shared = SHARED in sys.argv
    sys.argv = [word for word in sys.argv if word != SHARED]
    prepare = {"W1": w1, "W2": w2, "W3": lambda: w3(shared=shared), "W4": w4, "W5": w5}
    serve("fused, shared EMAs" if shared else "fused", prepare)
