"""One command from outside: what it printed, how long it took and how much memory it had."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Measured(NamedTuple):
    """A finished command: its exit status, both outputs, wall time, and the peak of its largest process."""

    status: int
    printed: str
    complained: str
    seconds: float
    peak_mb: float


def measure(
    command: Sequence[str], surroundings: Mapping[str, str], limit_s: float, folder: Path | None = None
) -> Measured:
    """Run a command to its end in a folder; past the limit it is killed and its status is negative."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complained:
        began_s = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=printed, stderr=complained, cwd=folder, env=dict(surroundings), start_new_session=True
        )
        over = threading.Timer(limit_s, os.killpg, (process.pid, signal.SIGKILL))
        over.start()
        _, status, usage = os.wait4(process.pid, 0)  # the only wait that tells the memory of this one child
        seconds = time.perf_counter() - began_s
        over.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (printed, complained):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
        return Measured(process.returncode, *texts, seconds, usage.ru_maxrss / 1024)
