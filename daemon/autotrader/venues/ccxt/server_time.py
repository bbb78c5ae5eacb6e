"""An exchange's time: what it said it is, carried on by a clock that nobody sets."""

from __future__ import annotations

from autotrader.core.clock import Clock

JUMP_MS = 1_000
"""By how much the machine's time may move against its monotonic clock before the exchange is asked again.

Somebody set it, or the machine slept; which of the two only the exchange can tell.
"""

AGAIN_S = 10.0
"""The pause after a measure that failed."""


class ServerTime:
    """The time at one exchange. Until it was told it is the machine's; after that, setting the machine's moves nothing.

    `every_s` is how long a measure is good for.
    """

    def __init__(self, clock: Clock, every_s: float) -> None:
        self._clock, self._every_s = clock, every_s
        self._server_ms = self._wall_ms = 0
        self._at_s: float | None = None
        self._doubted = False
        self._again_s = 0.0

    def now_ms(self) -> int:
        """Return the exchange's time in UTC milliseconds."""
        if self._at_s is None:
            return self._clock.now_ms()
        return self._server_ms + round((self._clock.monotonic_s() - self._at_s) * 1000)

    def ahead_ms(self) -> int:
        """Return by how much the machine's time is ahead of the exchange's."""
        return self._clock.now_ms() - self.now_ms()

    def told(self, server_ms: int, asked_s: float) -> None:
        """Take in what the exchange said, asked at a monotonic moment: it was so half of the way there and back ago."""
        now_s = self._clock.monotonic_s()
        self._server_ms, self._at_s = server_ms, (asked_s + now_s) / 2
        self._wall_ms = self._clock.now_ms() - round((now_s - self._at_s) * 1000)
        self._doubted, self._again_s = False, 0.0

    def doubt(self) -> None:
        """Note that the exchange takes our time for wrong: nothing is sent before it was asked again."""
        self._doubted = True

    def failed(self) -> None:
        """Note that the exchange did not say; it is asked again after a while."""
        self._again_s = self._clock.monotonic_s() + AGAIN_S

    @property
    def doubted(self) -> bool:
        """Whether nothing should be sent before the exchange was asked."""
        return self._doubted or self._at_s is None

    def due(self) -> bool:
        """Tell whether the exchange should be asked now."""
        now_s = self._clock.monotonic_s()
        if self._at_s is None or now_s < self._again_s:
            return False
        jumped_ms = self._clock.now_ms() - self._wall_ms - (now_s - self._at_s) * 1000
        return now_s - self._at_s >= self._every_s or abs(jumped_ms) > JUMP_MS
