"""Who takes part in the speed bench: each engine is a command, and this is where it is found.

An engine of another kind is one more line here and a program that prints the line of `harness`. `ours.py` is plugged in
like any other: it runs YAML through the public engine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

from market import CACHE

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
PRODUCT, EXTRA = "product", "extra"
"""Whose interpreter runs an engine: this one; that of the extra `peers`; else an environment of its own."""


class Engine(NamedTuple):
    """A command, the workloads that it can express, and the environment that it runs in."""

    name: str
    program: str
    workloads: tuple[str, ...]
    environment: str
    words: tuple[str, ...] = ()

    def interpreter(self) -> Path:
        if self.environment == PRODUCT:
            return Path(sys.executable)
        return CACHE / "peers" / self.environment / "bin" / "python"

    def installed(self) -> bool:
        return self.interpreter().exists() and (HERE / self.program).exists()

    def command(self, workload: str, *more: str) -> list[str]:
        return [str(self.interpreter()), str(HERE / self.program), workload, *self.words, *more]

    def surroundings(self) -> dict[str, str]:
        """Return the environment variables of a run; each environment keeps compiled code of its own.

        Python's too, whatever the shell says: an installed program has it.
        """
        paths = [HERE, REPOSITORY / "daemon"] if self.environment == PRODUCT else [HERE]
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return inherited | {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "NUMBA_CACHE_DIR": str(CACHE / "numba" / self.environment),
            "PYTHONPYCACHEPREFIX": str(CACHE / "bytecode" / self.environment),
        }


OURS = "autotrader"
FUSED = Engine("fused loop", "fused.py", ("W1", "W2", "W3", "W4", "W5"), PRODUCT)
ENGINES = (
    FUSED,
    Engine("fused, shared EMAs", "fused.py", ("W3",), PRODUCT, ("--shared",)),
    Engine(OURS, "ours.py", ("W1", "W2", "W3", "W4", "W5"), PRODUCT),
    Engine("vectorbt", "peers/with_vectorbt.py", ("W1", "W2", "W3", "W4"), EXTRA),
    Engine("vectorbt, Rust", "peers/with_vectorbt.py", ("W1", "W2", "W3"), EXTRA, ("--rust",)),
    Engine("backtesting.py", "peers/with_backtesting.py", ("W1", "W2"), EXTRA),
    Engine("backtrader", "peers/with_backtrader.py", ("W1",), EXTRA),
    Engine("hftbacktest", "peers/with_hftbacktest.py", ("W5",), EXTRA),
    Engine("NautilusTrader", "peers/with_nautilus.py", ("W1",), "nautilus_trader"),
    Engine("freqtrade", "peers/with_freqtrade.py", ("W1", "W4"), "freqtrade"),
    Engine("Jesse", "peers/with_jesse.py", ("W1",), "jesse"),
)
