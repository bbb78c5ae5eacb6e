"""A venue's circuit breaker: after failures in a row nothing is asked for a while, then one probe decides."""

from __future__ import annotations

from autotrader.core.clock import Clock


class Breaker:
    """Closed, everything passes; open, nothing; then one request at a time until one succeeds.

    It opens after `failures` in a row for `first_s` seconds, doubled each time a probe fails, up to `longest_s`.
    """

    def __init__(self, clock: Clock, *, failures: int = 5, first_s: float = 2.0, longest_s: float = 120.0) -> None:
        if failures < 1 or not 0 < first_s <= longest_s:
            raise ValueError(f"a breaker needs failures and times above zero, not {failures}, {first_s}, {longest_s}")
        self._clock = clock
        self._most, self._first_s, self.longest_s = failures, first_s, longest_s
        self._failed = 0
        self._opened = 0
        self._until_s = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether the venue is left alone, or only probed."""
        return self._opened > 0

    def wait_s(self) -> float:
        """Return the seconds until something may be asked; 0 where it may be now."""
        if not self._opened:
            return 0.0
        left_s = self._until_s - self._clock.monotonic_s()
        return max(left_s, self._first_s if self._probing else 0.0)

    def enter(self) -> bool:
        """Ask to pass; True makes the caller tell what came of it by `succeeded`, `failed` or `left`."""
        if self.wait_s() > 0:
            return False
        self._probing = self._opened > 0
        return True

    def succeeded(self) -> None:
        """Take in that the venue answered, be it with a refusal."""
        self._failed = self._opened = 0
        self._probing = False

    def failed(self) -> None:
        """Take in that no answer came, or none that makes sense."""
        self._failed += 1
        if self._probing or (not self._opened and self._failed >= self._most):
            self.trip(min(self._first_s * 2**self._opened, self.longest_s))

    def left(self) -> None:
        """Take in that whoever passed gave up before there was an answer."""
        self._probing = False

    def trip(self, seconds: float) -> None:
        """Open for so many seconds, at most `longest_s`."""
        self._opened = min(self._opened + 1, 30)
        self._until_s = self._clock.monotonic_s() + min(seconds, self.longest_s)
        self._probing = False
