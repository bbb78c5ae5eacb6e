"""How exchanges are left: what simulated ones did already is taken in, what is open at real ones stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from autotrader.venues.protocol import Simulated, Timed, Venue

HALT_TIMEOUT_S = 3.0
"""How long what simulated markets did already may take to be dealt with; the next start finds what is left."""
STOP_TIMEOUT_S = 10.0

log = structlog.get_logger("daemon")


async def halt(followed: Iterable[tuple[Venue, asyncio.Task[None]]]) -> None:
    """Bring simulated markets to a stand, and wait until who follows them has dealt with what they did."""
    followers = []
    for venue, task in followed:
        if isinstance(venue, Simulated):
            venue.halt()
            followers.append(task)
    if not followers:
        return
    _, late = await asyncio.wait(followers, timeout=HALT_TIMEOUT_S)
    for task in late:
        log.warning("not all that a simulated market did is dealt with; the next start finds it", task=task.get_name())


async def stand_down(venue: Venue) -> None:
    """Have what is open at a venue stay there while nobody tends it, where the venue would end it by itself."""
    if not isinstance(venue, Timed):
        return
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await venue.stand_down()
    except TimeoutError:
        log.warning("an exchange does not answer, so what is open there is canceled soon", exchange=venue.name)
