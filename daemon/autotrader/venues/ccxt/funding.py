"""What funding moved on a real account: read after each settlement, kept once, told once.

Swaps settle on whole hours, and an exchange tells it some seconds later. So it is asked several times in the first
minutes of an hour, and once after them; what it tells late is found by the overlap of the next hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from autotrader.core.clock import DAY_MS, HOUR_MS
from autotrader.core.errors import VenueError, VenueUnavailable
from autotrader.venues.ccxt.answers import ToldFunding, rows, told_funding
from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.quirks import TELLS_FUNDING
from autotrader.venues.ccxt.spans import read_spans
from autotrader.venues.ccxt.store import CcxtStore
from autotrader.venues.protocol import RATE_LATE_MS, AccountEvent, FundingPaid

FIRST_MS = 5_000
"""How long after a whole hour an exchange is asked first."""

EVERY_MS = 20_000
"""How long after that again, as long as a settlement may still be on its way."""

OVERLAP_MS = 2 * HOUR_MS
"""How far back it is read again each time."""

WINDOW_MS = 7 * DAY_MS
"""The longest span of one question."""

MAX_PAUSE_S = 60.0
"""The longest pause after failures in a row."""

log = structlog.get_logger("account")


def tells_funding(client: CcxtClient) -> bool:
    """Tell whether funding is read at a client's exchange and market."""
    return client.settings.market == "swap" and client.settings.id in TELLS_FUNDING


class FundingReader:
    """Keeps the store's settlements up to date, of the symbols that were ever ordered here."""

    def __init__(self, client: CcxtClient, store: CcxtStore) -> None:
        self._client, self._store = client, store
        self._page, self._first, self._last = TELLS_FUNDING[client.settings.id]
        self._read_ms = self._new = 0
        self._failed = False

    async def run(self, tell: Callable[[Sequence[AccountEvent], int], None]) -> None:
        """Read each settlement and tell it, until cancelled. Only a broken invariant ends it."""
        failures = 0
        while True:
            await self._client.clock.sleep(self.due_s())
            failures = 0 if await self.read() else failures + 1
            if self._new:  # those of before are told again: whoever books them knows them by their time
                self._new = 0
                told = self._store.funding(self._client.now_ms() - OVERLAP_MS)
                tell(told, told[-1].ts_ms if told else 0)
            if failures:
                await self._client.pause(failures, MAX_PAUSE_S)

    def due_s(self) -> float:
        """Return how long until the exchange is to be asked; 0 where it is due."""
        now_ms = self._client.now_ms()
        hour_ms = now_ms - now_ms % HOUR_MS
        if self._read_ms >= hour_ms + RATE_LATE_MS:
            due_ms = hour_ms + HOUR_MS + FIRST_MS
        elif self._read_ms >= hour_ms:
            due_ms = self._read_ms + EVERY_MS
        else:
            due_ms = hour_ms + FIRST_MS if self._read_ms else now_ms
        return max(due_ms - now_ms, 0) / 1000

    async def read(self) -> bool:
        """Read from where the last reading ended, less the overlap, to now; False, told once, where that failed."""
        now_ms = self._client.now_ms()
        try:
            await self._read(now_ms)
        except (VenueUnavailable, VenueError) as error:
            if not self._failed:
                log.warning("an account does not tell its funding", exchange=self._name, error=str(error))
            self._failed = True
            return False
        if self._failed:
            log.info("an account tells its funding again", exchange=self._name)
        self._failed, self._read_ms = False, now_ms
        return True

    async def paid(self, after_ms: int) -> Sequence[FundingPaid]:
        """Read what is due, then return what was settled after a moment, oldest first."""
        if not self.due_s():
            await self.read()
        return self._store.funding(after_ms)

    async def _read(self, now_ms: int) -> None:
        symbols = self._store.cursors()
        if not symbols:
            return  # nothing was ever ordered

        async def ask(first_ms: int, last_ms: int) -> bool:
            told = await self._ask(first_ms, last_ms)
            self._new += self._store.keep_funding([one for one in told if one.symbol in symbols])
            return len(told) >= self._page

        begin_ms = max((self._store.settled_until() or min(symbols.values())) - OVERLAP_MS, 0)
        await read_spans(begin_ms, now_ms, WINDOW_MS, ask, self._store.settle_until, self._place)

    async def _ask(self, first_ms: int, last_ms: int) -> list[ToldFunding]:
        def check(answer: object) -> list[ToldFunding]:
            place, symbol_of = self._place, self._client.symbol_of
            return [told_funding(one, f"{place}[{n}]", symbol_of) for n, one in enumerate(rows(answer, place))]

        params = {self._last: last_ms} | ({self._first: first_ms} if self._first else {})
        told: list[ToldFunding] = await self._client.read(
            "fetch_funding_history", None, first_ms, self._page, check=check, params=params
        )
        return told

    @property
    def _name(self) -> str:
        return self._client.settings.name

    @property
    def _place(self) -> str:
        return f"{self._name} fetch_funding_history"
