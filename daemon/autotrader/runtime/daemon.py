"""The living daemon: start-up in order, the tasks that keep it alive, the commands that steer it, an orderly stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog

from autotrader.config.diff import Diff
from autotrader.config.exchanges import equity_currency, ledger_of
from autotrader.config.load import Declarations, Loaded
from autotrader.core.clock import Clock
from autotrader.core.errors import AutotraderError, BrokenInvariant, ConfigError, ControlError, VenueUnavailable
from autotrader.core.events import Series
from autotrader.core.paths import pointer_of, store_of
from autotrader.execution.declared import limits_of, rules_of
from autotrader.execution.leg import REMOVED, Leg
from autotrader.market.metrics import Metrics
from autotrader.runtime.account import Account
from autotrader.runtime.ask import socket_path
from autotrader.runtime.commands import Commands
from autotrader.runtime.control import ControlServer
from autotrader.runtime.desk import Desk
from autotrader.runtime.install import install, undone_on_failure
from autotrader.runtime.jobs import Jobs
from autotrader.runtime.leaving import STOP_TIMEOUT_S, halt, stand_down
from autotrader.runtime.lock import FileLock
from autotrader.runtime.locks import ACCOUNT_FLAG, breakers_from
from autotrader.runtime.loop import TradingLoop
from autotrader.runtime.notify import Notifier
from autotrader.runtime.probation import Watch
from autotrader.runtime.rates import Rates
from autotrader.runtime.recovery import reconcile, recover
from autotrader.runtime.reload import INVALID_START, Outcome, Reloader
from autotrader.runtime.strategy import build_strategy
from autotrader.runtime.trial import TRIAL_FLAG, trial_from
from autotrader.runtime.warm import Prepared, Window, catch_up, prepare
from autotrader.store.journal import Generation, Journal
from autotrader.strategies.contract import Kind
from autotrader.venues.protocol import Venue

MAX_BACKOFF_S = 60.0
TEND_S = 1.0
BREATH_S = 0.002
"""How long events that wait already are taken one after another before everybody else has a turn."""
ATTENDED = ("exchange", "orders on", "answers of")
"""The tasks of one exchange, by the words before its name."""
MAX_UNREADY_STARTS = 3

log = structlog.get_logger("daemon")


@dataclass(frozen=True, slots=True)
class Seams:
    """What the daemon is given: where things come from and how the world is touched."""

    root: Path
    kinds: Mapping[str, Kind]
    load: Callable[[], Loaded]
    load_texts: Callable[[Mapping[str, str]], Loaded]
    venue: Callable[[str, Declarations], Venue]
    account: Callable[[str, Declarations], Account]
    metrics: Callable[[str, Declarations], Metrics]
    adjust: Callable[[Venue, str, Declarations], None]
    watch: Callable[[], AsyncIterator[None]]
    journal: Callable[[Path, Clock], Journal]
    page: Callable[[Declarations], Awaitable[Any]] | None
    clock: Clock


class Daemon:
    """One account's daemon. `start` recovers and begins to trade, `run` lives until it is told to stop."""

    def __init__(self, seams: Seams, notifier: Notifier | None = None) -> None:
        self.seams = seams
        self.notifier = notifier or Notifier()
        self.stopping = asyncio.Event()
        self.started_s = seams.clock.monotonic_s()
        self.failure: BaseException | None = None
        self.page_url = ""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._locks: list[FileLock] = []
        self._servers: list[ControlServer] = []
        self._page: Any = None
        self.jobs: Jobs | None = None

    # start-up

    async def start(self) -> None:
        """Recover from the journal and the venues, then trade.

        Raises ConfigError where there is no valid configuration at all, AutotraderError for an exchange that is another
        one than the journal knows, LockHeld, StoreError and VenueUnavailable.
        """
        seams = self.seams
        loaded = await asyncio.to_thread(seams.load)
        declarations, exits_only = await self._declarations(loaded)
        store = seams.root / declarations.daemon.store
        self._locks.append(FileLock(store.with_name(store.name + ".lock"), f"the store {store.name}"))
        self.journal = seams.journal(store, seams.clock)
        last = self._last_generation()
        if loaded.declarations is None and last is None:
            raise ConfigError(loaded.problems)
        desk = Desk(self.journal, {}, {}, seams.clock)
        self.loop = loop = TradingLoop(self.journal, desk, seams.clock)
        self.rates = Rates(loop)
        unready = self._flags(exits_only)
        try:
            for name in declarations.exchanges:
                await self._open(name, declarations)
            await self._legs(desk)
            await self._begin(declarations, last)
        except VenueUnavailable:  # which says nothing about this program: it is no failed start
            with self.journal.write():
                self.journal.flag("starts", unready or None)
            raise
        loop.sender.failed = self.fatal
        for name in loop.accounts:
            self._attend(name)
        self.commands = Commands(self)
        server = ControlServer(socket_path(seams.root), self.commands.handle)
        await server.start()
        self._servers.append(server)
        self.jobs = Jobs(self)
        self.jobs.start()
        self._spawn("watch", self._watch())
        self._spawn("removals", self._removals())
        self._spawn("probation", Watch(self).run())
        if seams.page is not None:
            self._page = await seams.page(declarations)
            self.page_url = self._page.url if self._page is not None else ""
        with self.journal.write():
            self.journal.flag("starts", None)
        self.notifier.ready(f"{len(loop.strategies)} strategies, generation {self.reloader.generation}")

    async def _declarations(self, loaded: Loaded) -> tuple[Declarations, str]:
        """Return what to run: the files, or the last accepted generation where they are not valid, exits only."""
        if loaded.declarations is not None:
            return loaded.declarations, ""
        store = self._known_store()
        last = None
        if store is not None:
            journal = self.seams.journal(store, self.seams.clock)
            generations = journal.generations()
            journal.close()
            last = generations[0] if generations else None
        if last is None:
            raise ConfigError(loaded.problems)
        again = await asyncio.to_thread(self.seams.load_texts, last.texts)
        if again.declarations is None:
            raise ConfigError((*loaded.problems, *again.problems))
        for problem in loaded.problems:
            log.error(problem.render())
        log.error("the files are not valid: the last accepted generation runs, exits only", generation=last.number)
        return again.declarations, INVALID_START

    def _known_store(self) -> Path | None:
        store = store_of(self.seams.root)
        return store if store.exists() else None

    def _last_generation(self) -> Generation | None:
        pointer = pointer_of(self.seams.root)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.write_text(f"{self.journal.path}\n", encoding="utf-8")
        generations = self.journal.generations()
        return generations[0] if generations else None

    def _flags(self, exits_only: str) -> int:
        """Take over what outlives a process, and count this start; return how many before it never got ready."""
        flags = self.journal.flags()
        self.loop.trader.paused = dict(flags.get("paused", {}))
        self.loop.trader.killed = flags.get("killed", "")
        if ACCOUNT_FLAG in flags:
            self.loop.trader.breakers = breakers_from(flags[ACCOUNT_FLAG])
        unready = int(flags.get("starts", 0))
        if unready >= MAX_UNREADY_STARTS:
            exits_only = exits_only or f"the last {unready} starts failed; `autotrader resume` lets entries in again"
        self.loop.trader.exits_only = exits_only
        with self.journal.write():
            self.journal.flag("starts", unready + 1)
        return unready

    async def _open(self, name: str, declarations: Declarations) -> None:
        self._same_ledger(name, ledger_of(declarations.exchanges[name]))
        venue = self.seams.venue(name, declarations)
        await venue.open()
        self.loop.desk.venues[name] = venue
        self.loop.accounts[name] = self.seams.account(name, declarations)
        self.loop.metrics[name] = self.seams.metrics(name, declarations)

    def _same_ledger(self, name: str, ledger: str) -> None:
        """Refuse a name under which the journal holds another ledger, as paper's where real orders are declared now."""
        key = f"ledger {name}"
        before = self.journal.flags().get(key)
        if before == ledger:
            return
        if before is not None and self.journal.progress_of(name).fill_id:
            message = f"exchanges.d/{name}.yaml: the journal's fills under this name are of '{before}', not '{ledger}'"
            raise AutotraderError(f"{message}; rename the file, or name another store in autotrader.yaml")
        with self.journal.write():
            self.journal.flag(key, ledger)

    async def _legs(self, desk: Desk) -> None:
        for row in self.journal.legs():
            if row.exchange not in desk.venues:
                log.error("a position's exchange is not declared", owner=row.owner, exchange=row.exchange)
                continue
            instrument = await desk.venues[row.exchange].instrument(row.symbol)
            desk.add(Leg.restore(row.owner, row.exchange, row.symbol, instrument, row.position, row.rest))
        desk.recall()

    async def _begin(self, declarations: Declarations, last: Generation | None) -> None:
        """Run the declarations as the journal left them: states restored, what happened meanwhile made good."""
        loop, venues = self.loop, self.loop.desk.venues
        loop.trader.limits = limits_of(declarations)
        current = declarations
        if last is not None and last.hash != declarations.hash:
            before = await asyncio.to_thread(self.seams.load_texts, last.texts)
            current = before.declarations or declarations
        number = last.number if last is not None else 0
        self.reloader = Reloader(loop, self.seams.kinds, self.seams.load, self.seams.clock, current, number, self)
        pin = self.journal.flags().get("pinned", "")
        if pin and pin == declarations.hash and current is not declarations:
            declarations, self.reloader.pinned = current, pin
        wanted = self.reloader.with_waiting(declarations)
        changed = last is None or wanted.hash != last.hash
        number += changed
        prepared = await self._prepare(wanted, number)
        loop.desk.generation = number
        loop.failed = dict(prepared.failed)
        for name, why in sorted(loop.failed.items()):
            log.error("a strategy cannot start; the others do", strategy=name, error=why)
        for name, venue in venues.items():
            await venue.subscribe(
                {s for one in prepared.strategies.values() for s in one.series() if s.exchange == name}
            )
            loop.accounts[name].market_ms = venue.market_ms()
            await recover(loop, name)
        await self._prices()
        self.rates.restore(equity_currency(wanted))
        await self.rates.refresh(equity_currency(wanted))
        done = {name: self.journal.progress_of(name).ts_ms for name in venues}
        market = {name: venue.market_ms() for name, venue in venues.items()}
        owners = {leg.owner for leg in loop.desk.legs.values() if not leg.owner.startswith(REMOVED)}
        gone = sorted(owners - set(wanted.strategies))
        with undone_on_failure(loop), self.journal.write():
            install(loop, prepared, gone, rules_of(wanted), self.journal.states(), max(market.values(), default=0))
            if changed:
                self.journal.generation(
                    Generation(
                        number, self.seams.clock.now_ms(), "start", "start", wanted.hash, dict(wanted.texts), ["start"]
                    )
                )
        self.reloader.began(wanted, number)
        self._resume_trial(number)
        await self._warm(done, market)
        for name in venues:
            await loop.protector.look_back(name)
        await loop.finish(max(market.values(), default=0), None)
        for name, series in loop.wanted_series().items():
            await venues[name].subscribe(series)

    def _resume_trial(self, number: int) -> None:
        """Go on with the probation that the last process was in; one that start-up brought to an end is forgotten."""
        kept = self.journal.flags().get(TRIAL_FLAG)
        if kept is None:
            return
        trial, rejects = trial_from(kept)
        if trial.generation == number:
            self.loop.trader.trial, self.loop.desk.rejected = trial, rejects
        else:
            with self.journal.write():
                self.journal.flag(TRIAL_FLAG, None)

    async def _prices(self) -> None:
        """Learn the last price of everything that is owned, so that the equity is right before the first bar comes."""
        for leg in self.loop.desk.legs.values():
            if leg.position.amount:
                venue, account = self.loop.desk.venues[leg.exchange], self.loop.accounts[leg.exchange]
                series = Series(leg.exchange, leg.symbol, leg.timeframe)
                for bar in await venue.bars(series, end_ms=venue.market_ms(), limit=1):
                    account.prices[leg.symbol] = Decimal(repr(bar.close))

    async def _warm(self, done: Mapping[str, int], market: Mapping[str, int]) -> None:
        """Warm every strategy up; one that ran before folds the bars that closed while nobody looked."""
        venues = self.loop.desk.venues
        now = Window(venues, market, self.loop.outside)
        before = Window(venues, {name: min(done[name] or at, at) for name, at in market.items()}, self.loop.outside)
        for strategy in self.loop.strategies.values():
            for part in strategy.parts:
                ran = part.anchor_ms > 0
                if ran:
                    await catch_up(part, before, fold=False)
                await catch_up(part, now, fold=ran)

    async def _prepare(self, wanted: Declarations, number: int) -> Prepared:
        kinds = self.seams.kinds
        built = {name: build_strategy(name, kinds[p.kind], p, number) for name, p in wanted.strategies.items()}
        return await prepare(built, self.loop.desk.venues, self.loop.outside)

    # what keeps it alive

    def _spawn(self, name: str, work: Awaitable[None]) -> None:
        async def watched() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # whatever it is: it is told, kept as the failure, and ends the daemon
                log.critical("a task failed", task=name, exc_info=True)
                self.fatal(error)

        self._tasks[name] = asyncio.create_task(watched(), name=name)

    def fatal(self, error: BaseException) -> None:
        """Stop, because what follows could not be trusted; starting again recovers."""
        log.critical("the daemon stops and recovers by starting again", error=str(error))
        self.failure = error
        self.stopping.set()

    def _attend(self, name: str) -> None:
        self._spawn(f"exchange {name}", self._follow(name))
        if self.loop.desk.venues[name].remote:
            self._spawn(f"orders on {name}", self._tend(name))
            self._spawn(f"answers of {name}", self._settle(name))

    async def _follow(self, name: str) -> None:
        """Take an exchange's events one by one; where it cannot be had, wait, recover and go on."""
        wait_s = 1.0
        clock = self.seams.clock
        while not self.stopping.is_set():
            breath_s = clock.monotonic_s()
            try:
                async for event in self.loop.desk.venues[name].events():
                    await self.loop.handle(name, event)
                    wait_s = 1.0
                    if clock.monotonic_s() - breath_s > BREATH_S:
                        await asyncio.sleep(0)
                        breath_s = clock.monotonic_s()
            except VenueUnavailable as error:
                if self.stopping.is_set():
                    return
                log.warning("an exchange cannot be reached", exchange=name, error=str(error), again_in_s=wait_s)
                wait_s = await self._recover(name, wait_s)

    async def _recover(self, name: str, wait_s: float) -> float:
        """Wait, then recover, until that works; return how long to wait where it fails again soon."""
        while True:
            await self.seams.clock.sleep(wait_s)
            wait_s = min(wait_s * 2, MAX_BACKOFF_S)
            try:
                await reconcile(self.loop, name)
            except VenueUnavailable as error:
                log.warning("an exchange still cannot be reached", exchange=name, error=str(error), again_in_s=wait_s)
            else:
                return wait_s

    async def _tend(self, name: str) -> None:
        """On a real exchange, go on with exits and entries, between the closes too."""
        while True:
            await self.seams.clock.sleep(TEND_S)
            await self.loop.tend(name)
            await self.loop.protect(name)

    async def _settle(self, name: str) -> None:
        """Ask a real exchange for orders whose answer never came; nothing else waits for what it says."""
        while True:
            await self.seams.clock.sleep(TEND_S)
            await self.loop.sender.settle(name, self.loop.turn)

    async def _watch(self) -> None:
        async for _ in self.seams.watch():
            await self.reloader.reload("files", "files changed")

    async def _removals(self) -> None:
        while True:
            await self.reloader.recheck.wait()
            self.reloader.recheck.clear()
            due_s = self.reloader.next_check_s()
            if due_s is not None:
                await self.seams.clock.sleep(due_s)
                await self.reloader.reload("files", "a file stayed away")

    async def exchange_added(self, name: str, declarations: Declarations, series: set[Series]) -> None:
        """Open an exchange that a reload brings, before its strategies warm up on it."""
        await self._open(name, declarations)
        venue = self.loop.desk.venues[name]
        await venue.subscribe(series)
        self.loop.accounts[name].market_ms = venue.market_ms()
        await recover(self.loop, name)
        await self.rates.refresh(equity_currency(declarations), self.loop.turn)

    async def exchanges_changed(self, wanted: Declarations, difference: Diff) -> None:
        """Finish a reload that was accepted: new exchanges are followed, others adjusted or let go."""
        for name in difference.exchanges.added:
            self._attend(name)
        for name in difference.exchanges.changed:
            self.seams.adjust(self.loop.desk.venues[name], name, wanted)
        for name in difference.exchanges.removed:
            await self.exchange_removed(name)

    async def exchange_removed(self, name: str) -> None:
        """Let an exchange go."""
        for task in (self._tasks.pop(f"{what} {name}", None) for what in ATTENDED):
            if task is not None:
                task.cancel()
        venue = self.loop.desk.venues.pop(name, None)
        if venue is not None:
            await stand_down(venue)
            await venue.close()
        self.loop.accounts.pop(name, None)
        self.loop.metrics.pop(name, None)

    # life and death

    async def run(self) -> None:
        """Live until a signal or a failure; raises the failure after an orderly stop."""
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, self.stopping.set)
        running.add_signal_handler(signal.SIGHUP, self._hangup)
        await self.stopping.wait()
        await self.stop()
        if self.failure is not None:
            raise BrokenInvariant(f"{type(self.failure).__name__}: {self.failure}") from self.failure

    def reload_soon(self, who: str) -> None:
        """Reload without waiting for the outcome; the status shows it."""

        async def reload() -> None:
            self.notifier.reloading()
            await self.reloader.reload(who, "asked for")
            self.notifier.ready(f"generation {self.reloader.generation}")

        self._spawn("reload", reload())

    async def roll_back(self, number: int, who: str, because: str = "", of: int | None = None) -> Outcome:
        """Go back to an accepted generation. Raises ControlError where it is not there or cannot be run any more."""
        found = self.journal.generations(number)
        if not found:
            raise ControlError(f"there is no generation {number}; `autotrader history` lists them")
        loaded = await asyncio.to_thread(self.seams.load_texts, found[0].texts)
        if loaded.declarations is None:
            problems = "\n".join(problem.render() for problem in loaded.problems)
            raise ControlError(f"generation {number} cannot be run any more:\n{problems}")
        return await self.reloader.rollback(number, loaded.declarations, who, because, of)

    def _hangup(self) -> None:
        self.reload_soon("SIGHUP")

    async def stop(self) -> None:
        """Stop in order: what happened is dealt with, no new commands, venues closed, journal folded, locks let go."""
        self.stopping.set()
        self.notifier.stopping()
        if self.jobs is not None:
            self.jobs.stop()
        if self.failure is None:
            venues, tasks = self.loop.desk.venues, self._tasks
            await halt([(venues[name], tasks[one]) for name in venues if (one := f"exchange {name}") in tasks])
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.loop.sender.stop()
        for server in self._servers:
            await server.stop()
        if self._page is not None:
            await self._page.stop()
        async with self.loop.turn:
            for venue in self.loop.desk.venues.values():
                with contextlib.suppress(VenueUnavailable):
                    if self.failure is None:
                        await stand_down(venue)
                    async with asyncio.timeout(STOP_TIMEOUT_S):
                        await venue.close()
            self.journal.close()
        for lock in self._locks:
            lock.release()
