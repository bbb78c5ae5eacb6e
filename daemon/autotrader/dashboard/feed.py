"""Reads the daemon and its journal once a second for every viewer together, and carries their commands to the daemon.

All of it happens in threads of its own, so that a daemon that hangs or a slow disk never holds up the page.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from autotrader.core.errors import ControlError, StoreError
from autotrader.core.paths import store_of
from autotrader.dashboard.view import Snapshot
from autotrader.runtime.ask import ask
from autotrader.store import queries

EVERY_S = 1.0
STATUS_TIMEOUT_S = 3.0
COMMAND_TIMEOUT_S = 30.0
CURVE_EVERY_S = 5.0
CURVE_POINTS = 1_000
RECENT = 100
MAX_COMMANDS = 4
MAX_VIEWERS = 64

Listener = Callable[[Snapshot], None]


class Ask(Protocol):
    """What sends one command to the daemon; raises ControlError."""

    def __call__(
        self, root: Path, command: str, arguments: dict[str, Any] | None = None, timeout_s: float = ...
    ) -> Any: ...


class Answer(NamedTuple):
    """What the daemon said to a command: its result, or why it was not done."""

    ok: bool
    result: dict[str, Any]
    error: str = ""


class Source:
    """Takes one reading after the other. It blocks: it lives in one thread."""

    def __init__(self, root: Path, ask: Ask = ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._ask = ask
        self._clock = clock
        self._store: Path | None = None
        self._reader: queries.Reader | None = None
        self._curve_due_s = 0.0

    def read(self, last: Snapshot) -> Snapshot:
        """Return the next reading; what cannot be had stays as it was, and the snapshot says so."""
        return self._journal(self._daemon(last))

    def close(self) -> None:
        """Let go of the journal."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def _daemon(self, last: Snapshot) -> Snapshot:
        try:
            status = self._ask(self._root, "status", timeout_s=STATUS_TIMEOUT_S)
            positions = self._ask(self._root, "positions", timeout_s=STATUS_TIMEOUT_S)
        except ControlError as error:
            return replace(last, trouble=str(error))
        return replace(last, status=status, positions=positions, trouble="")

    def _journal(self, last: Snapshot) -> Snapshot:
        try:
            reader = self._open()
            orders, fills, trades, events = (
                reader.rows(query, RECENT) for query in (queries.ORDERS, queries.FILLS, queries.TRADES, queries.LOGS)
            )
            curve = last.curve
            if self._clock() >= self._curve_due_s:
                curve = [(row["ts"], row["equity"]) for row in reader.rows(queries.EQUITY_CURVE, CURVE_POINTS)]
                self._curve_due_s = self._clock() + CURVE_EVERY_S
        except StoreError as error:
            self.close()
            return replace(last, store_trouble=str(error))
        return replace(last, orders=orders, fills=fills, trades=trades, events=events, curve=curve, store_trouble="")

    def _open(self) -> queries.Reader:
        store = store_of(self._root)
        if self._reader is None or store != self._store:
            self.close()
            self._reader, self._store = queries.Reader(store), store
        return self._reader


class Feed:
    """One poller for all viewers; it rests while nobody looks."""

    def __init__(self, root: Path, source: Source | None = None, ask: Ask = ask) -> None:
        self.snapshot = Snapshot()
        self._root = root
        self._ask = ask
        self._source = source or Source(root, ask)
        self._listeners: dict[str, Listener] = {}
        self._watched = asyncio.Event()
        self._reading = ThreadPoolExecutor(1, "feed")
        self._telling = ThreadPoolExecutor(MAX_COMMANDS, "command")
        self._commands = 0

    def watch(self, viewer: str, listener: Listener) -> bool:
        """Tell a viewer every new snapshot, beginning with the last; False where there are too many viewers."""
        if viewer not in self._listeners and len(self._listeners) >= MAX_VIEWERS:
            return False
        self._listeners[viewer] = listener
        self._watched.set()
        return True

    def leave(self, viewer: str) -> None:
        """Forget a viewer."""
        self._listeners.pop(viewer, None)
        if not self._listeners:
            self._watched.clear()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self._watched.wait()
            await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """Take one reading and tell every viewer."""
        running = asyncio.get_running_loop()
        self.snapshot = await running.run_in_executor(self._reading, self._source.read, self.snapshot)
        for listener in list(self._listeners.values()):
            listener(self.snapshot)

    async def tell(self, command: str, **arguments: Any) -> Answer:
        """Carry a command to the daemon and return its answer; it never raises for what the daemon says."""
        if self._commands >= MAX_COMMANDS:
            return Answer(False, {}, "other commands are still waiting for the daemon; try again in a moment")
        self._commands += 1
        try:
            result = await asyncio.get_running_loop().run_in_executor(
                self._telling, self._send, command, {**arguments, "who": "dashboard"}
            )
        except ControlError as error:
            return Answer(False, {}, str(error))
        finally:
            self._commands -= 1
        return Answer(True, dict(result))

    def _send(self, command: str, arguments: dict[str, Any]) -> Any:
        return self._ask(self._root, command, arguments, COMMAND_TIMEOUT_S)

    def close(self) -> None:
        """Let go of the threads; one that still waits for the daemon ends with its own timeout."""
        for pool in (self._reading, self._telling):
            pool.shutdown(wait=False, cancel_futures=True)
