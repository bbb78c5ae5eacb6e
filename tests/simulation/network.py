"""What lies between a client and the exchange: what befalls requests, answers and messages, and one subscription."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter, deque
from random import Random
from typing import Any

from ccxt.base import errors

KINDS = {
    "lost": 4, "hang": 2, "lost answer": 4, "hang after": 2, "slow": 2, "rate": 2, "server": 3, "nonce": 1,
    "nonsense": 2,
}  # fmt: skip
"""What may befall a request, each with its weight."""

MAX_WAY_S = 14.0
"""The longest that a request is on its way; with MAX_LAG_S it stays below what the account waits for an order."""

MAX_LAG_S = 9.0
"""How late an exchange may tell of what happened."""


class Faults:
    """Everything that goes wrong, drawn from one seed; `on` says whether anything does. Counts what happened."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.on = True
        self.rate = rng.uniform(0.01, 0.05)
        self.order_rate = rng.uniform(0.1, 0.35)
        self.stream_rate = rng.uniform(0.002, 0.02)
        self.lag_rate = rng.uniform(0.0, 0.25)
        self.counts: Counter[str] = Counter()

    def draw(self, method: str) -> str:
        """Return what befalls a request; empty for nothing."""
        rate = self.order_rate if method in {"create_order", "cancel_order"} else self.rate
        if not self.on or self._rng.random() >= rate:
            return ""
        kind = self._rng.choices(list(KINDS), list(KINDS.values()))[0]
        self.counts[kind] += 1
        return kind

    def lag(self) -> float:
        """Return how many seconds late something is told: mostly none."""
        if not self.on or self._rng.random() >= self.lag_rate:
            return 0.0
        self.counts["late"] += 1
        return self._rng.uniform(0.1, MAX_LAG_S)

    def way(self, kind: str) -> float:
        """Return how many seconds a request, or its answer, is on its way."""
        if kind == "slow":
            return self._rng.uniform(1.0, MAX_WAY_S)
        return self._rng.uniform(0.005, 0.15)

    def chance(self, share: float) -> bool:
        return self._rng.random() < share

    def stream(self) -> str:
        """Return what befalls a message of a stream; empty for nothing."""
        if not self.on or self._rng.random() >= self.stream_rate:
            return ""
        kind = self._rng.choice(["drop", "dropped", "doubled", "late message", "stale", "bad message"])
        self.counts[kind] += 1
        return kind

    def nonsense(self, answer: Any) -> Any:
        """Return an answer that cannot be: of a wrong type, without what must be there, or with impossible numbers."""
        wrong = copy.deepcopy(answer)
        row = wrong
        while isinstance(row, list) and row:
            row = row[self._rng.randrange(len(row))]
        numbers = []
        if isinstance(row, dict):
            numbers = [
                key for key in ("price", "amount", "filled", "cost", "timestamp", "bid") if row.get(key) is not None
            ]
        if numbers and self._rng.random() < 0.6:
            impossible: list[Any] = [float("nan"), "many", [1]]
            if "code" not in row:  # what funding moved may well be below zero
                impossible.insert(1, -1.0)
            row[self._rng.choice(numbers)] = self._rng.choice(impossible)
            return wrong
        if isinstance(row, dict) and "id" in row and self._rng.random() < 0.5:
            del row["id"]
            return wrong
        return self._rng.choice([None, "oops", 7, {"code": -1}])


class Channel:
    """One subscription: what is said while nobody is subscribed is lost."""

    def __init__(self) -> None:
        self.up = False
        self.quiet_until_us = 0
        self._said: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> Any:
        self.up = True
        while not self._said:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        said = self._said.popleft()
        if isinstance(said, Exception):
            raise said
        return said

    def say(self, message: Any) -> None:
        if self.up:
            self._said.append(message)
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

    def drop(self) -> None:
        """End the connection: what was not heard yet is lost with it."""
        if self.up:
            self._said.clear()
            self.say(errors.NetworkError("the connection was closed"))
            self.up = False
