"""Websocket connections: what each is subscribed to, what is sent over it in which order, and what goes wrong there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from autotrader.venues.emulator.faults import PUSHES, Faults

MAX_QUEUED = 5000
"""Messages that wait for a slow reader; one that has more is cut off."""

MAX_STREAMS = 1024
USER = "user"


class Connection:
    """One websocket: the names of its streams, and a queue that one task empties."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        faults: Faults,
        *,
        combined: bool = False,
    ) -> None:
        self.names: set[str] = set()
        self.combined = combined
        self.restart_ms = 0
        self._socket, self._transport, self._faults = socket, transport, faults
        self._queue: asyncio.Queue[tuple[float, str]] = asyncio.Queue(MAX_QUEUED)
        self._stale: set[str] = set()
        self._held: dict[str, str] = {}

    def answer(self, body: Any) -> None:
        """Send the answer to a request."""
        self._put(0, json.dumps(body))

    def push(self, name: str, body: Any) -> None:
        """Send what a stream tells, if nothing goes wrong with it."""
        if name in self._stale:
            return
        text, waits, copies, hold = json.dumps(self._wrapped(name, body)), 0.0, 1, False
        for rule in self._faults.at(PUSHES, name, "ws"):
            match rule.do:
                case "drop":
                    return
                case "stale":
                    self._stale.add(name)
                    return
                case "disconnect":
                    self.abort()
                    return
                case "restart":
                    self.restart_ms = rule.wait
                    return
                case "delay":
                    waits += rule.wait / 1000
                case "duplicate":
                    copies += 1
                case "reorder":
                    hold = True
        if hold and name not in self._held:
            self._held[name] = text
            return
        for _ in range(copies):
            self._put(waits, text)
        if name in self._held:
            self._put(0, self._held.pop(name))

    async def send(self) -> None:
        """Send what is queued, until cancelled or cut off."""
        while True:
            wait_s, text = await self._queue.get()
            if wait_s:
                await asyncio.sleep(wait_s)
            try:
                await self._socket.send_str(text)
            except ConnectionError:
                return

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _wrapped(self, name: str, body: Any) -> Any:
        if name == USER:
            return {"subscriptionId": 0, "event": body}
        return {"stream": name, "data": body} if self.combined else body

    def _put(self, wait_s: float, text: str) -> None:
        try:
            self._queue.put_nowait((wait_s, text))
        except asyncio.QueueFull:
            self.abort()


class Connections:
    """All of them, by what they are subscribed to."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, one: Connection) -> None:
        """Take a connection in."""
        self._open.add(one)

    def remove(self, one: Connection) -> None:
        """Let a connection go."""
        self._open.discard(one)

    def names(self) -> set[str]:
        """Return every stream that somebody listens to."""
        return {name for one in self._open for name in one.names}

    def push(self, name: str, body: Any) -> None:
        """Tell everybody who listens to a stream."""
        for one in tuple(self._open):
            if name in one.names:
                one.push(name, body)

    def restart_ms(self) -> int:
        """Return how long a restart that a push set off takes; 0 where none did."""
        return max((one.restart_ms for one in self._open), default=0)

    def all(self) -> Iterable[Connection]:
        """Return the connections that are open now."""
        return tuple(self._open)
