"""The timer at an exchange that cancels all open orders there unless it is wound again: what works while we are away.

It is wound at a third of its time. Whether the exchange was asked in vain is told once, and once more when it answers.
"""

from __future__ import annotations

import structlog

from autotrader.core.errors import VenueError, VenueUnavailable
from autotrader.venues.ccxt.client import CcxtClient

METHOD = "cancel_all_orders_after"

WOUND_IN = 3
"""How often in its time it is wound: two failures in a row cancel nothing yet."""

log = structlog.get_logger("timer")


class CancelTimer:
    """One account's timer of `cancel_after_ms`; run it as a task while the account is open."""

    def __init__(self, client: CcxtClient, cancel_after_ms: int) -> None:
        self._client, self._after_ms = client, cancel_after_ms
        self._name = client.settings.name

    async def run(self) -> None:
        """Wind it until cancelled. Only a broken invariant ends it."""
        failed = False
        while True:
            try:
                await self._client.read(METHOD, self._after_ms)
            except (VenueUnavailable, VenueError) as error:
                if not failed:
                    log.warning("the timer that cancels orders was not wound", exchange=self._name, error=str(error))
                failed = True
            else:
                if failed:
                    log.info("the timer that cancels orders is wound again", exchange=self._name)
                failed = False
            await self._client.clock.sleep(self._after_ms / 1000 / WOUND_IN)

    async def stop(self) -> None:
        """Stop it, so that orders stay. Where the exchange does not answer, they are canceled in time, and it is told.

        Call it once `run` was cancelled.
        """
        try:
            await self._client.read(METHOD, 0)
        except (VenueUnavailable, VenueError) as error:
            after_s = f"{self._after_ms / 1000:g} s"
            log.warning("open orders are canceled soon", exchange=self._name, after=after_s, error=str(error))
