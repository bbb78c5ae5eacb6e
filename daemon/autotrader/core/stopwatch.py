"""How long something has gone on, which several threads do, each second counted once."""

from __future__ import annotations

import threading
import time


class Stopwatch:
    """Runs while at least one thread is between `begin` and `end`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._since_s = self._sum_s = 0.0

    def begin(self) -> None:
        """Start, or go on for one thread more."""
        with self._lock:
            if self._under_way == 0:
                self._since_s = time.perf_counter()
            self._under_way += 1

    def end(self) -> None:
        """Stop for one thread."""
        with self._lock:
            self._under_way -= 1
            if self._under_way == 0:
                self._sum_s += time.perf_counter() - self._since_s

    def seconds(self) -> float:
        """Return the time for which it has run, up to now."""
        with self._lock:
            going_s = time.perf_counter() - self._since_s if self._under_way else 0.0
            return self._sum_s + going_s
