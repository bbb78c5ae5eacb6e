"""The real daemon in a test: real files, real runtime, real paper venue; the clock and every failure are the test's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from autotrader.app import Loader, make_account, make_metrics, make_venue, paper_settings
from autotrader.core.clock import Clock
from autotrader.runtime.daemon import Daemon, Seams
from autotrader.runtime.notify import Notifier
from autotrader.store.journal import Journal
from autotrader.strategies import registry
from support.clock import VirtualClock


class Crash(BaseException):
    """The process dies here."""


class Fuse:
    """Counts steps and burns through at the one that was asked for.

    `where` says which steps count (commits, orders, or all of them), `what` is raised.
    """

    def __init__(self) -> None:
        self.left: int | None = None
        self.where = ""
        self.what: type[BaseException] = Crash
        self.burned = 0

    def light(self, left: int, where: str = "", what: type[BaseException] = Crash) -> None:
        self.left, self.where, self.what = left, where, what

    def out(self) -> bool:
        """Take the fuse away; True if it burned."""
        burned = self.left is not None and self.left < 0
        self.left = None
        return burned

    def step(self, where: str) -> None:
        if self.left is None or self.left < 0 or self.where not in {"", where}:
            if self.left is not None and self.left < 0 and self.what is Crash:
                raise Crash  # the dead do nothing more
            return
        self.left -= 1
        if self.left < 0:
            self.burned += 1
            raise self.what("the disk is full")


class FusedJournal(Journal):
    """A journal that may fail before a commit, or die before or after it."""

    fuse: Fuse

    def _commit(self) -> None:
        try:
            self.fuse.step("commit")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        super()._commit()
        if self.fuse.what is Crash:
            self.fuse.step("commit")


ORDERS = frozenset({"submit", "cancel", "guard"})
ASKED = ORDERS | {"subscribe", "bars", "balances", "positions", "open_orders", "order", "fills", "instrument"}


class FusedVenue:
    """A venue that counts its calls, and may die before or after any that changes something."""

    def __init__(self, inner: Any, fuse: Fuse, calls: Counter[str]) -> None:
        self.inner, self._fuse, self._calls = inner, fuse, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in ASKED:
            return found

        async def counted(*args: Any, **kwargs: Any) -> Any:
            self._calls[name] += 1
            if name in ORDERS:
                self._fuse.step("order")
            result = await found(*args, **kwargs)
            if name in ORDERS:
                self._fuse.step("order")
            return result

        return counted


class Harness:
    """One configuration folder and the daemon that runs it; `start`, `die` and `start` again as often as wanted."""

    def __init__(
        self, root: Path, clock: VirtualClock | None = None, more_kinds: Mapping[str, Any] | None = None
    ) -> None:
        self.root = root
        self.kinds = {**registry.kinds(), **(more_kinds or {})}
        self.clock = clock or VirtualClock()
        self.fuse = Fuse()
        self.calls: Counter[str] = Counter()
        self.daemon: Daemon = self._new()

    def _new(self) -> Daemon:
        clock: Clock = self.clock
        loader = Loader(self.root, {name: kind.Params for name, kind in self.kinds.items()})

        def journal(path: Path, clock: Clock) -> Journal:
            made = FusedJournal.__new__(FusedJournal)
            made.fuse = self.fuse
            made.__init__(path, clock)  # type: ignore[misc]
            return made

        async def quiet() -> AsyncIterator[None]:
            await asyncio.Event().wait()
            yield None

        def adjust(venue: Any, name: str, declarations: Any) -> None:
            venue.inner.adjust(paper_settings(self.root, name, declarations))

        return Daemon(
            Seams(
                root=self.root,
                kinds=self.kinds,
                load=loader,
                load_texts=loader.texts,
                venue=lambda name, declared: FusedVenue(
                    make_venue(self.root, clock, name, declared), self.fuse, self.calls
                ),
                account=make_account,
                metrics=lambda name, declared: make_metrics(self.root, name, declared),
                adjust=adjust,
                watch=quiet,
                journal=journal,
                page=None,
                clock=clock,
            ),
            Notifier({}),
        )

    async def start(self) -> Daemon:
        self.daemon = self._new()
        await self.daemon.start()
        await self.clock.settle()
        return self.daemon

    async def bars(self, count: int = 1, seconds: float = 300.0) -> None:
        """Let the market (at 1x) close that many bars."""
        for _ in range(count):
            await self.clock.advance(seconds)

    async def stop(self) -> None:
        await self.daemon.stop()

    async def die(self) -> None:
        """End as kill -9 does: nothing is finished, nothing more is written; the kernel lets go of the locks."""
        daemon = self.daemon
        self.fuse.out()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in daemon._servers:
            await server.stop()
        if daemon.jobs is not None:
            daemon.jobs.stop()
        if hasattr(daemon, "loop"):
            for venue in daemon.loop.desk.venues.values():
                store = venue.inner._store
                if store is not None:
                    store.close()
        if hasattr(daemon, "journal"):
            daemon.journal._db.close()
        for lock in daemon._locks:
            lock.release()

    async def until(self, true: Callable[[], bool], bars: int = 200) -> None:
        """Let the market run until something is so."""
        for _ in range(bars):
            if true():
                return
            await self.bars()
        raise AssertionError(f"it was not so within {bars} bars")
