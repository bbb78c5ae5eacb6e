"""The pace of a replay: market time over wall time, never ahead of it, and no rush after a slow reader."""

from __future__ import annotations

import math

from autotrader.core.clock import Clock

MAX_LAG_S = 1.0
"""A replay that is later than this lets the lost time go instead of catching up."""


class Pace:
    """Says when a moment of the market is due on the wall clock."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock, self._speed = clock, speed
        self._wall_s = clock.monotonic_s()
        self._market_ms = 0

    def anchor(self, market_ms: int) -> None:
        """Let the market stand at a moment now."""
        self._wall_s, self._market_ms = self._clock.monotonic_s(), market_ms

    def wait_s(self, market_ms: int) -> float:
        """Return the seconds until a moment is due; 0 when it is due or past."""
        if math.isinf(self._speed):
            return 0.0
        due_s = self._wall_s + (market_ms - self._market_ms) / 1000 / self._speed
        left_s = due_s - self._clock.monotonic_s()
        if left_s < -MAX_LAG_S:
            self.anchor(market_ms)
        return max(left_s, 0.0)

    def now_ms(self, from_ms: int, before_ms: int) -> int:
        """Return the market's time between two of its moments; `before_ms` itself is not reached."""
        if math.isinf(self._speed):
            return from_ms
        passed_ms = (self._clock.monotonic_s() - self._wall_s) * 1000 * self._speed
        return max(from_ms, min(self._market_ms + int(passed_ms), before_ms - 1))
