"""A clock for real clients of an emulated exchange: its time passes when the test lets it pass there."""

from __future__ import annotations

import asyncio

from autotrader.core.clock import ManualClock


class FollowingClock:
    """The exchange's time; who sleeps looks again and again."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        until_s = self.monotonic_s() + seconds
        while self.monotonic_s() < until_s:  # noqa: ASYNC110 - a clock that is moved tells nobody
            await asyncio.sleep(0.001)

    async def settle(self) -> None:
        await asyncio.sleep(0)
