"""The trading loop's turn: whoever has it may change what is owned, ordered and limited, and nobody else may."""

from __future__ import annotations

import asyncio
from typing import Literal


class Turn(asyncio.Lock):
    """A lock that counts how often it was `taken`, so that its holder knows whether others had it since."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    async def acquire(self) -> Literal[True]:
        """Wait for the turn and take it."""
        await super().acquire()
        self.taken += 1
        return True
