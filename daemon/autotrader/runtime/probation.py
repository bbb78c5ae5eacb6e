"""The way back from a new generation that fails its probation (see `runtime.trial`): by itself, and said."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from autotrader.core.errors import AutotraderError, VenueUnavailable
from autotrader.runtime.recovery import reconcile
from autotrader.runtime.trial import TRIAL_FLAG, Trial

if TYPE_CHECKING:
    from autotrader.runtime.daemon import Daemon

WHO = "probation"

log = structlog.get_logger("probation")


class Watch:
    """Waits for a probation to end: passed by time, or failed, and then goes back by itself."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._news()
            loop = self._daemon.loop
            trial = loop.trader.trial
            if trial is None:
                continue
            if why := loop.judged():
                await self._go_back(trial, why)
            elif self._daemon.seams.clock.now_ms() >= trial.until_ms:
                await self._passed(trial)

    async def _news(self) -> None:
        """Wait until something about a probation may have changed, or its time is over."""
        loop, clock = self._daemon.loop, self._daemon.seams.clock
        trial = loop.trader.trial
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(loop.trial_moved.wait())}
        if trial is not None:
            left_s = max(0.0, (trial.until_ms - clock.now_ms()) / 1000)
            waits.add(asyncio.ensure_future(clock.sleep(left_s)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
        loop.trial_moved.clear()

    async def _passed(self, trial: Trial) -> None:
        loop = self._daemon.loop
        async with loop.turn:
            if loop.trader.trial is None or loop.trader.trial.generation != trial.generation:
                return
            self._end("info", trial, "passed its probation")
        log.info("a generation passed its probation", generation=trial.generation)

    async def _go_back(self, trial: Trial, why: str) -> None:
        daemon = self._daemon
        log.error("a new generation misbehaves and is rolled back", generation=trial.generation, why=why)
        because = f"{trial.generation} failed its probation: {why}"
        try:
            outcome = await daemon.roll_back(trial.back, WHO, because, trial.generation)
        except AutotraderError as error:
            refused = str(error)
        else:
            if outcome.status == "unchanged":
                await self._same(trial, why)
                return
            refused = "" if outcome.ok else outcome.message
        if refused:
            await self._refused(trial, why, refused)
            return
        await self._reconcile()
        async with daemon.loop.turn:
            message = f"{why}; generation {trial.back} runs again as {daemon.reloader.generation}"
            with daemon.loop.journal.write():
                daemon.loop.journal.event(self._now_ms(), "error", WHO, str(trial.generation), message)

    async def _same(self, trial: Trial, why: str) -> None:
        """End a probation that failed where the way back leads to the same declarations."""
        loop = self._daemon.loop
        async with loop.turn:
            if loop.trader.trial is not None and loop.trader.trial.generation == trial.generation:
                self._end("error", trial, f"{why}; generation {trial.back} declares the same: nothing is rolled back")

    async def _refused(self, trial: Trial, why: str, refused: str) -> None:
        """Say that there is no way back, and let nothing be entered until a person has looked."""
        loop = self._daemon.loop
        message = f"generation {trial.generation} failed its probation ({why}) and cannot be rolled back: {refused}"
        log.critical(message)
        async with loop.turn:
            loop.trader.paused[""] = message
            with loop.journal.write():
                loop.journal.flag("paused", loop.trader.paused)
                self._end("error", trial, f"{why}; the rollback to {trial.back} was refused: {refused}")

    async def _reconcile(self) -> None:
        """Bring orders, positions and cash of every exchange to the truth, as a start does."""
        loop = self._daemon.loop
        for name in list(loop.desk.venues):
            try:
                await reconcile(loop, name)
            except VenueUnavailable as error:
                log.warning(
                    "an exchange cannot be reconciled yet; its own task goes on", exchange=name, error=str(error)
                )

    def _end(self, level: str, trial: Trial, message: str) -> None:
        loop = self._daemon.loop
        loop.trader.trial = None
        with loop.journal.write():
            loop.journal.flag(TRIAL_FLAG, None)
            loop.journal.event(self._now_ms(), level, WHO, str(trial.generation), message)

    def _now_ms(self) -> int:
        return max((account.market_ms for account in self._daemon.loop.accounts.values()), default=0)
