"""What the daemon does by the wall clock, on APScheduler: heartbeat, balances, rates, pruning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from autotrader.config.exchanges import equity_currency
from autotrader.core.errors import VenueError
from autotrader.runtime.balances import DOUBT_S, take_balances
from autotrader.runtime.recovery import find_strangers
from autotrader.runtime.sender import turns

if TYPE_CHECKING:
    from autotrader.runtime.daemon import Daemon

BALANCES_EVERY_S = 60
PRUNE_EVERY_S = 3_600
RATES_EVERY_S = 60
STUCK_S = 20.0
"""A turn that takes this long is stuck: the watchdog is no longer fed, and systemd restarts the daemon."""

log = structlog.get_logger("jobs")


class Jobs:
    """The daemon's schedule. A job that is late runs once; a job never runs beside itself."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def start(self) -> None:
        """Begin."""
        add = self._scheduler.add_job
        add(self._balances, "interval", seconds=BALANCES_EVERY_S)
        add(self._rates, "interval", seconds=RATES_EVERY_S)
        add(self._prune, "interval", seconds=PRUNE_EVERY_S)
        if self._daemon.notifier.watchdog_s:
            add(self._heartbeat, "interval", seconds=self._daemon.notifier.watchdog_s / 3)
        self._scheduler.start()

    def stop(self) -> None:
        """End; a job that runs is let go."""
        self._scheduler.shutdown(wait=False)

    async def _heartbeat(self) -> None:
        """Feed the watchdog through the trading loop itself: only a loop that still takes turns does it."""
        daemon = self._daemon
        began_s = daemon.seams.clock.monotonic_s()
        async with daemon.loop.turn:
            if daemon.seams.clock.monotonic_s() - began_s < STUCK_S:
                daemon.notifier.alive()

    async def _balances(self) -> None:
        """Look at the figures of every exchange, and soon a second time where they do not agree with ours."""
        doubtful = [name for name in list(self._daemon.loop.desk.venues) if not await self._agree(name)]
        if doubtful:
            await self._daemon.seams.clock.sleep(DOUBT_S)
        for name in doubtful:
            await self._agree(name)

    async def _agree(self, name: str) -> bool:
        """Take an exchange's figures; False where they are in doubt."""
        loop = self._daemon.loop
        if (venue := loop.desk.venues.get(name)) is None:
            return True
        asked, applied = turns(venue, loop.turn)
        async with asked:
            try:
                agree = await take_balances(loop, name, turn=applied)
                if venue.remote:
                    await find_strangers(loop, name, applied)
            except VenueError as error:
                log.warning("an exchange's figures cannot be had", exchange=name, error=str(error))
                return True
        return agree

    async def _rates(self) -> None:
        daemon = self._daemon
        await daemon.rates.refresh(equity_currency(daemon.reloader.current), daemon.loop.turn)

    async def _prune(self) -> None:
        async with self._daemon.loop.turn:
            self._daemon.journal.prune()
