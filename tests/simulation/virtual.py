"""Time that jumps, and a process that can die anywhere: an event loop on virtual microseconds without any socket."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import sqlite3
import threading
import warnings
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any

START_MS = 1_699_998_360_000
"""When every run begins: a whole minute, 20 minutes before a whole hour."""


MAX_STEPS = 3_000_000
"""Bound of the callbacks of one process: one that takes more runs in a circle."""


class Circle(AssertionError):
    """A process does not come to rest."""


class Death(BaseException):
    """The process dies here; whoever catches it is dead already."""


class Universe:
    """What goes on whether the daemon lives or not: the moment, and what is due when."""

    def __init__(self) -> None:
        self.now_us = 0
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()

    def now_ms(self) -> int:
        return START_MS + self.now_us // 1000

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something happen in so many seconds."""
        heapq.heappush(self._due, (self.now_us + max(0, round(seconds * 1e6)), next(self._numbers), act))

    def next_us(self) -> int:
        """Return when something happens next; there must be something."""
        return self._due[0][0]

    def happen(self) -> None:
        """Go to what happens next, and let it."""
        self.now_us, _, act = heapq.heappop(self._due)
        act()


class Mortal:
    """One process: it counts what it does, and dies at the step that `doom` named. What is dead does nothing more."""

    def __init__(self, snapshot: Callable[[], None]) -> None:
        self.dead = False
        self.files: list[sqlite3.Connection] = []
        self.died_of = ""
        self._snapshot = snapshot
        self._left: dict[str, int] = {}

    def doom(self, kind: str, steps: int) -> None:
        """Let it die at the nth step of a kind from now: `await`, `statement`, or `order`, awaits after a request."""
        self._left[kind] = steps

    def ordered(self) -> None:
        """Note that a request which changes something was made: a doom of kind `order` counts awaits from here."""
        self.alive()
        if "order" in self._left:
            self._left["await"] = self._left.pop("order")

    def step(self, kind: str) -> None:
        """Take a step. Raises Death at the doomed one, and at every one after it."""
        self.alive()
        left = self._left.get(kind)
        if left is None:
            return
        self._left[kind] = left - 1
        if left <= 1:
            self.died_of = kind
            self._snapshot()
            self.dead = True
            raise Death

    def alive(self) -> None:
        """Raise Death where it is dead."""
        if self.dead:
            raise Death


class NoServer:
    """Stands where a socket would listen."""

    def close(self) -> None:
        """Nothing listens."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one process's callbacks one by one; where none is ready, time jumps to whatever comes next."""

    def __init__(self, universe: Universe, mortal: Mortal) -> None:
        super().__init__()
        self.universe, self.mortal = universe, mortal
        self.errors: list[str] = []
        self.steps = self._standing = 0
        self.set_exception_handler(self._note)

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.mortal.dead and not isinstance(context.get("exception"), Death):
            self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    def time(self) -> float:
        return self.universe.now_us / 1e6

    def _write_to_self(self) -> None:
        """No thread ever wakes it."""

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Do at once what a thread would do: its order among the rest is then the same in every run."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as a thread would: whatever it is goes to the awaiter
            future.set_exception(error)
        return future

    async def create_unix_server(self, *_: Any, **__: Any) -> Any:
        return NoServer()

    def run_until(self, done: Callable[[], bool]) -> None:
        """Run until something is so. Raises Death when the process dies first."""
        self._thread_id = threading.get_ident()
        asyncio._set_running_loop(self)
        try:
            while not done():
                self._turn()
        finally:
            self._thread_id = None
            asyncio._set_running_loop(None)

    def _turn(self) -> None:
        if self._ready:
            handle = self._ready.popleft()
            if not handle._cancelled:
                self.steps += 1
                self._standing += 1
                if self.steps > MAX_STEPS or self._standing > MAX_STEPS // 100:
                    raise Circle(f"{self.steps} steps, {self._standing} of them at one moment; the next is {handle!r}")
                self.mortal.step("await")
                handle._run()
                self.mortal.alive()
            return
        self._standing = 0
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1
        due_us = round(timers[0]._when * 1e6) if timers else None
        if due_us is None or self.universe.next_us() <= due_us:
            self.universe.happen()
            return
        self.universe.now_us = max(self.universe.now_us + 1, due_us)  # waiting takes time, however little
        handle = heapq.heappop(timers)
        handle._scheduled = False
        self._ready.append(handle)

    def bury(self) -> None:
        """Throw away what is left of a process: its tasks get no chance to do anything, its files are closed."""
        self.mortal.dead = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what never began is never awaited
            for task in asyncio.all_tasks(self):
                task._log_destroy_pending = False
                with contextlib.suppress(Death, RuntimeError):
                    task.get_coro().close()
        for file in self.mortal.files:
            file.close()
        self.close()


class VirtualClock:
    """The machine's clock on virtual time, wrong by `skew_ms` against the exchange's."""

    def __init__(self, universe: Universe, skew_ms: int = 0) -> None:
        self._universe, self.skew_ms = universe, skew_ms

    def now_ms(self) -> int:
        return self._universe.now_ms() + self.skew_ms

    def monotonic_s(self) -> float:
        return self._universe.now_us / 1e6

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


FULL = "database or disk is full"
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "COMMIT")


class Disk:
    """Where the files lie: while it is full nothing is written."""

    full = False


class MortalConnection(sqlite3.Connection):
    """A database of a process that may die before any statement, those within a transaction too; its disk may fill."""

    mortal: Mortal
    disk: Disk

    def _step(self, statement: str) -> None:
        self.mortal.step("statement")
        if self.disk.full and statement.lstrip().upper().startswith(WRITES):
            raise sqlite3.OperationalError(FULL)

    def execute(self, *args: Any) -> sqlite3.Cursor:
        self._step(args[0])
        return super().execute(*args)

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        self._step(args[0])
        return super().executemany(*args)

    def executescript(self, *args: Any) -> sqlite3.Cursor:
        self._step(args[0])
        return super().executescript(*args)


def virtual_datetime(universe: Universe) -> type[datetime]:
    """Return what stands for `datetime` where a library asks it for the moment."""

    class Virtual(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromtimestamp(universe.now_ms() / 1000, tz)

    return Virtual
