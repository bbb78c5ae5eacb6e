"""Hot reload: every trigger, one at a time; read, compare, plan, swap all or nothing, write the generation."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

import structlog

from autotrader.config.canonical import digest
from autotrader.config.diff import Diff, diff
from autotrader.config.load import Declarations, Loaded
from autotrader.core.clock import Clock
from autotrader.core.errors import AutotraderError, ReloadRefused, StoreError
from autotrader.core.events import Series
from autotrader.execution.declared import rules_of
from autotrader.execution.leg import Leg
from autotrader.execution.orders import Guard
from autotrader.runtime.install import install, undone_on_failure
from autotrader.runtime.loop import TradingLoop
from autotrader.runtime.plan import Plan, make_plan
from autotrader.runtime.strategy import build_strategy
from autotrader.runtime.trial import TRIAL_FLAG, Trial, plain_trial
from autotrader.runtime.warm import Prepared, Window, catch_up, prepare
from autotrader.store.journal import Generation
from autotrader.strategies.contract import Kind

REMOVAL_GRACE_S = 30.0
UNREADABLE = "unreadable"
TIMER_SLACK_S = 0.05
SAME = "nothing changed"

INVALID_START = "the files were not valid at start-up; mend them and reload"

log = structlog.get_logger("reload")

Status = Literal["applied", "unchanged", "rejected", "needs_confirmation"]


class Outcome(NamedTuple):
    """How a reload ended. `message` is for people; `waiting` says what takes effect later, and why."""

    ok: bool
    status: Status
    generation: int
    message: str
    at_ms: int = 0
    plan: str = ""
    waiting: tuple[str, ...] = ()


class Host(Protocol):
    """What a reload needs of the daemon around it."""

    async def exchange_added(self, name: str, declarations: Declarations, series: set[Series]) -> None: ...
    async def exchange_removed(self, name: str) -> None: ...
    async def exchanges_changed(self, wanted: Declarations, difference: Diff) -> None: ...
    def fatal(self, error: BaseException) -> None: ...


class Reloader:
    """Owns the running declarations. One reload runs at a time; each leaves an `Outcome`."""

    def __init__(
        self,
        loop: TradingLoop,
        kinds: Mapping[str, Kind],
        load: Callable[[], Loaded],
        clock: Clock,
        declarations: Declarations,
        generation: int,
        host: Host,
    ) -> None:
        self.loop = loop
        self.kinds = kinds
        self.clock = clock
        self.current = declarations
        self.generation = generation
        self.last = Outcome(True, "applied", generation, "started", clock.now_ms())
        self._load = load
        self._host = host
        self._serial = asyncio.Lock()
        self._missing: dict[str, float] = {}
        self.pinned = ""
        self.recheck = asyncio.Event()

    def with_waiting(self, disk: Declarations) -> Declarations:
        """Return the files' declarations and the strategies that went while nobody looked: they wait like any other."""
        return self._with(disk, self._grace(disk))

    def began(self, declarations: Declarations, generation: int) -> None:
        """Take what start-up runs as the running generation."""
        self.current, self.generation = declarations, generation
        self.last = Outcome(True, "applied", generation, "started", self.clock.now_ms())

    # triggers

    async def reload(self, who: str, why: str, confirmed: str = "") -> Outcome:
        """Read the files and take over what changed. `confirmed` is the hash of a plan that a person agreed to.

        Never raises for what the files say: the outcome tells, and the running generation stays.
        """
        async with self._serial:
            loaded = await asyncio.to_thread(self._load)
            if loaded.declarations is None:
                return self._reject("\n".join(problem.render() for problem in loaded.problems))
            if loaded.declarations.hash == self.pinned:
                return self._conclude(Outcome(True, "unchanged", self.generation, "pinned by a rollback"))
            return await self._take_over(loaded.declarations, who, why, confirmed)

    async def rollback(
        self, number: int, declarations: Declarations, who: str, because: str = "", of: int | None = None
    ) -> Outcome:
        """Go back to an accepted generation, and stay there until the files change again.

        `of` is the generation that is gone back from; where another one came meanwhile, that one stays.
        """
        async with self._serial:
            if of is not None and of != self.generation:
                return self._conclude(Outcome(True, "unchanged", self.generation, f"{of} runs no more"))
            on_disk = (await asyncio.to_thread(self._load)).declarations
            pin = on_disk.hash if on_disk is not None else UNREADABLE
            why = f"rollback to {number}" + (f": {because}" if because else "")
            return await self._take_over(declarations, who, why, "", pin=pin)

    async def plan(self) -> Plan:
        """Return what a reload would do now. Raises ReloadRefused when the files cannot be accepted at all."""
        async with self._serial:
            loaded = await asyncio.to_thread(self._load)
            if loaded.declarations is None:
                raise ReloadRefused("\n".join(problem.render() for problem in loaded.problems))
            return self._plan(loaded.declarations, {})

    # one reload, from top to bottom

    async def _take_over(self, disk: Declarations, who: str, why: str, confirmed: str, *, pin: str = "") -> Outcome:
        """Take declarations over; `pin` is set by a rollback: the hash of the files that it overrules."""
        if confirmed and confirmed != self._plan(disk, {}).hash:
            return self._reject(f"plan {confirmed} is stale: what it was made for changed; look at `autotrader plan`")
        waiting = {} if confirmed or pin else self._grace(disk)
        wanted = self._with(disk, waiting)
        plan = self._plan(wanted, waiting)
        late = tuple(f"{name}: {reason}" for name, reason in sorted(waiting.items()))
        if not plan.changes:
            return self._conclude(Outcome(True, "unchanged", self.generation, SAME, waiting=late))
        plan.refused.extend(self._needed(wanted))
        if plan.refused:
            return self._reject("\n".join(plan.refused) + "\nput it back, or restart the daemon")
        if plan.confirm and not confirmed and not pin:
            whole = self._plan(disk, {}).hash  # a person who confirms, confirms what still waits too
            message = f"{'; '.join(plan.confirm)}: look at `autotrader plan`, then `autotrader reload --plan {whole}`"
            return self._conclude(
                Outcome(False, "needs_confirmation", self.generation, message, plan=whole, waiting=late)
            )
        try:
            await self._swap(wanted, plan, who, why, pin)
        except AutotraderError as error:
            return self._reject(str(error))
        return self._conclude(Outcome(True, "applied", self.generation, "; ".join(plan.changes), waiting=late))

    async def _swap(self, wanted: Declarations, plan: Plan, who: str, why: str, pin: str) -> None:
        difference = diff(self.current, wanted)
        try:
            await self._apply(wanted, difference, plan, who, why, pin)
        except BaseException:
            for name in difference.exchanges.added:
                if self.current.exchanges.get(name) is None:
                    await self._host.exchange_removed(name)
            raise

    async def _apply(self, wanted: Declarations, difference: Diff, plan: Plan, who: str, why: str, pin: str) -> None:
        loop = self.loop
        number = self.generation + 1
        venues = loop.desk.venues
        names = {*plan.starts, *plan.restarts, *(loop.failed.keys() & wanted.strategies.keys())}
        built = {
            name: build_strategy(name, self.kinds[params.kind], params, number)
            for name, params in wanted.strategies.items()
            if name in names
        }
        for name in difference.exchanges.added:
            series = {one for strategy in built.values() for one in strategy.series() if one.exchange == name}
            await self._host.exchange_added(name, wanted, series)
        prepared = await prepare(built, venues, loop.outside)
        if prepared.failed:
            told = (f"strategies.d/{name}.yaml: {reason}" for name, reason in sorted(prepared.failed.items()))
            raise ReloadRefused("\n".join(told))
        await self._warm(prepared)
        async with loop.turn:
            await self._warm(prepared)
            now_ms = max(self._market().values(), default=0)
            with undone_on_failure(loop), loop.journal.write():
                loop.desk.generation = number
                moved = install(loop, prepared, plan.stops, rules_of(wanted), {}, now_ms)
                loop.journal.generation(
                    Generation(number, self.clock.now_ms(), who, why, wanted.hash, dict(wanted.texts), plan.changes)
                )
                loop.journal.flag("pinned", pin or None)
                trial = None if pin else self._trial(number, wanted)
                loop.journal.flag(TRIAL_FLAG, plain_trial(trial, 0) if trial else None)
                loop.journal.event(now_ms, "info", "reload", str(number), "; ".join(plan.changes)[:2000])
            self.current, self.generation, self.pinned = wanted, number, pin
            loop.trader.trial, loop.desk.rejected = trial, 0
            loop.trial_moved.set()
            try:
                await self._follow_up(wanted, difference, moved, now_ms)
            except AutotraderError as error:
                # Accepted and written, but not carried out to the end: starting again does what is left of it.
                self._host.fatal(error)

    async def _follow_up(
        self, wanted: Declarations, difference: Diff, moved: list[tuple[Leg, Guard]], now_ms: int
    ) -> None:
        """Tell the exchanges of what was accepted: orders, stops, subscriptions."""
        await self.loop.finish(now_ms, None)
        for leg, guard in moved:
            await self.loop.desk.move_guard(leg, guard)
        await self._host.exchanges_changed(wanted, difference)
        for name, series in self.loop.wanted_series().items():
            await self.loop.desk.venues[name].subscribe(series)

    # the parts of it

    def _trial(self, number: int, wanted: Declarations) -> Trial | None:
        """Return the probation of a new generation; one that is on probation already is not gone back to.

        It lasts as it was agreed before: a file cannot excuse itself.
        """
        lasts_ms = self.current.daemon.reload.probation or wanted.daemon.reload.probation
        if lasts_ms is None:
            return None
        before = self.loop.trader.trial
        return Trial(number, before.back if before else self.generation, self.clock.now_ms() + lasts_ms)

    async def _warm(self, prepared: Prepared) -> None:
        """Show new strategies the bars up to now that they have not seen; other tasks have their turn in between."""
        window = Window(self.loop.desk.venues, self._market(), self.loop.outside)
        for strategy in prepared.strategies.values():
            for part in strategy.parts:
                await catch_up(part, window, fold=False)
            await asyncio.sleep(0)

    def _market(self) -> dict[str, int]:
        return {name: account.market_ms for name, account in self.loop.accounts.items()}

    def _plan(self, wanted: Declarations, waiting: Mapping[str, str]) -> Plan:
        return make_plan(self.loop, self.generation, self.current, wanted, diff(self.current, wanted), waiting)

    def _grace(self, disk: Declarations) -> dict[str, str]:
        """Return the removals that must wait: the first 30 s of one, and several or all at once for a person."""
        adopted = {params.adopts for params in disk.strategies.values()}
        gone = set(self.current.strategies) - set(disk.strategies) - adopted
        now_s = self.clock.monotonic_s()
        self._missing = {name: self._missing.get(name, now_s) for name in gone}
        if not gone:
            return {}
        if len(gone) > 1 or not disk.strategies:
            what = "the last strategy" if len(gone) == 1 else f"{len(gone)} strategies at once"
            hint = f"removing {what} needs a confirmation: `autotrader plan`, then `autotrader reload --plan HASH`"
            return dict.fromkeys(gone, hint)
        (name,) = gone
        left_s = REMOVAL_GRACE_S - (now_s - self._missing[name])
        if left_s <= TIMER_SLACK_S:
            return {}
        self.recheck.set()
        return {name: f"its file is gone; it stops in {left_s:.0f} s unless the file comes back"}

    def next_check_s(self) -> float | None:
        """Return in how many seconds a waiting removal is due, or None."""
        if len(self._missing) != 1:
            return None
        (since_s,) = self._missing.values()
        return max(0.0, REMOVAL_GRACE_S - (self.clock.monotonic_s() - since_s))

    def _needed(self, wanted: Declarations) -> list[str]:
        """Return the exchanges that cannot go, for positions are open or orders work there."""
        busy = {leg.exchange for leg in self.loop.desk.legs.values() if leg.position.amount or leg.orders}
        return [
            f"exchanges.d/{name}.yaml cannot go: positions are open there; close them first"
            for name in sorted(busy - set(wanted.exchanges))
        ]

    def _with(self, disk: Declarations, waiting: Mapping[str, str]) -> Declarations:
        """Return the files' declarations with the strategies that still wait, and the exchanges that they need."""
        if not waiting:
            return disk
        strategies, exchanges = dict(disk.strategies), dict(disk.exchanges)
        texts, forms = dict(disk.texts), dict(disk.forms)
        for name in waiting:
            strategies[name] = self.current.strategies[name]
            self._keep("strategies", name, texts, forms)
            read = {one.name for one in strategies[name].reads() if one.kind == "exchange"}
            for exchange in sorted(read | {exchange for _, exchange in strategies[name].exchanges()}):
                if exchange not in exchanges:
                    exchanges[exchange] = self.current.exchanges[exchange]
                    self._keep("exchanges", exchange, texts, forms)
        return dataclasses.replace(
            disk, strategies=strategies, exchanges=exchanges, texts=texts, forms=forms, hash=digest(forms)
        )

    def _keep(self, section: str, name: str, texts: dict[str, str], forms: dict[str, str]) -> None:
        forms[f"{section}/{name}"] = self.current.forms[f"{section}/{name}"]
        for path in (f"{section}.d/{name}.yaml", f"{section}.d/{name}.yml"):
            if path in self.current.texts:
                texts[path] = self.current.texts[path]

    def _reject(self, message: str) -> Outcome:
        return self._conclude(Outcome(False, "rejected", self.generation, message))

    def _conclude(self, outcome: Outcome) -> Outcome:
        if outcome.ok and self.loop.trader.exits_only == INVALID_START:
            self.loop.trader.exits_only = ""
        changed = (outcome.status, outcome.message) != (self.last.status, self.last.message)
        outcome = outcome._replace(at_ms=self.clock.now_ms())
        if outcome.message == SAME and self.last.status == "applied" and outcome.waiting == self.last.waiting:
            return outcome  # a file that is written twice does not hide what came of it
        self.last = outcome
        if outcome.status == "unchanged" or not changed:
            return self.last
        level = "info" if outcome.ok else "warning"
        getattr(log, level)(outcome.status, generation=outcome.generation, message=outcome.message)
        if not outcome.ok:
            try:
                with self.loop.journal.write(durable=False):
                    self.loop.journal.event(0, level, "reload", outcome.status, outcome.message[:4000])
            except StoreError as error:
                log.warning("the outcome of a reload could not be journalled", error=str(error))
        return self.last
