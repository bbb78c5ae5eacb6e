"""A clock that the test owns: sleepers sleep until the test lets the time pass."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class VirtualClock:
    """Starts at a fixed moment; `advance` wakes sleepers in the order of their times and lets each run on."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._sleepers: list[tuple[int, int, asyncio.Event]] = []
        self._numbers = count()

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._now_ms / 1000

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        entry = (self._now_ms + max(1, round(seconds * 1000)), next(self._numbers), woken)
        heapq.heappush(self._sleepers, entry)
        try:
            await woken.wait()
        finally:
            if entry in self._sleepers:
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let time pass, one sleeper at a time."""
        await self.settle()
        until_ms = self._now_ms + round(seconds * 1000)
        while self._sleepers and self._sleepers[0][0] <= until_ms:
            due_ms, _, woken = heapq.heappop(self._sleepers)
            self._now_ms = max(self._now_ms, due_ms)
            woken.set()
            await self.settle()
        self._now_ms = until_ms
        await self.settle()

    async def settle(self) -> None:
        """Let every task run until it waits for something again; work in threads is waited for."""
        for _ in range(30):
            await asyncio.sleep(0)
