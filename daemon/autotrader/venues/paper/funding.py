"""What funding moves on a paper account on live data: rates and prices are read beside the market, then paid.

A rate may be known minutes after it settled, or days after, where nobody watched. It is paid by what was held at its
moment: what is held now less the fills since. The price is the close of the minute that ended then, or of the last one
before it in which anybody traded. Up to when it is paid is noted with the money that moved, so no restart pays twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog

from autotrader.core.clock import HOUR_MS, Clock, iso
from autotrader.core.errors import HistoryError, VenueError, VenueUnavailable
from autotrader.core.events import Series
from autotrader.core.units import timeframe_ms
from autotrader.market import fills
from autotrader.market.bars import opening
from autotrader.venues.paper.ledger import Ledger
from autotrader.venues.paper.store import PaperStore
from autotrader.venues.protocol import RATE_LATE_MS, MarketData

MINUTE_MS = timeframe_ms("1m")

SURE_MS = 10_000
"""How long after a whole hour its rate and its last minute are asked for first."""

AGAIN_S = 15.0
"""How long after a look that found something missing the next one follows."""

MAX_RATES = 1_000
"""How many settlements of a symbol are looked back at: what lies before them is told to be missed."""

MAX_MINUTES = 60
"""How many minutes are asked for at once where the last one before a settlement is looked for."""

log = structlog.get_logger("paper")


class Settlement(NamedTuple):
    """What a swap settled: its rate in parts of RATE, its price in ticks, 0 where nobody knows one."""

    rate: int
    price: int


def held(store: PaperStore, ledger: Ledger, symbol: str, ms: int) -> int:
    """Return the signed lots held at a moment. Of its fills those count that a bar which closed there decided."""
    since = sum(lots for ts_ms, lots, within in store.moves(symbol, ms) if ts_ms > ms or not within)
    return ledger.position(symbol) - since


def owing(store: PaperStore, ledger: Ledger) -> dict[str, int]:
    """Return the symbols that were held since their last settlement, and after which moment the next one counts."""
    found = {}
    for symbol in store.symbols():
        settled_ms = store.settled_ms(symbol)
        moves = store.moves(symbol, settled_ms + 1)
        if ledger.position(symbol) != sum(lots for _, lots, _ in moves):
            found[symbol] = settled_ms
        elif moves:
            found[symbol] = moves[0][0] - 1
    return found


class Funding:
    """Reads what settled, and pays it, one moment after the other. `account` gives what is open now."""

    def __init__(
        self,
        name: str,
        data: MarketData,
        clock: Clock,
        account: Callable[[], tuple[PaperStore, Ledger]],
        wake: asyncio.Event,
    ) -> None:
        self._name, self._data, self._clock, self._account, self._wake = name, data, clock, account, wake
        self._due: dict[tuple[int, str], Settlement] = {}
        self._said: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read. What ends that, only a broken invariant does, the reader of the market's events sees."""
        self._due.clear()
        self._said.clear()
        self._task = asyncio.create_task(self._run(), name=f"{self._name} reads its funding")
        self._data.follow(self._task)

    async def close(self) -> None:
        """Stop reading."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def pay(self, write: Callable[[], None]) -> bool:
        """Let the settlements of the first moment that is due move money; tell whether there were any."""
        if not self._due:
            return False
        store, ledger = self._account()
        ms = min(self._due)[0]
        those = {symbol: one for (at_ms, symbol), one in self._due.items() if at_ms == ms}
        for symbol, one in sorted(those.items()):
            ledger.settle(symbol, held(store, ledger, symbol, ms), one.rate, one.price, ms)
            ledger.settled(symbol, ms)
        write()
        for symbol in those:
            del self._due[ms, symbol]
        return True

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(await self._look())

    async def _look(self) -> float:
        """Read what settled since the last look; return after how many seconds the next one follows."""
        now_ms = self._data.market_ms()
        missing = False
        try:
            owed = owing(*self._account())
            self._said.pop(self._name, None)
        except VenueUnavailable as error:
            owed, missing = {}, True
            self._say(self._name, "funding cannot be reckoned now; it is later", error=str(error))
        for symbol, after_ms in owed.items():
            try:
                missing |= not await self._read(symbol, after_ms, now_ms)
            except (VenueError, HistoryError) as error:
                missing = True
                self._say(symbol, "funding cannot be read now; it is paid later", symbol=symbol, error=str(error))
        if self._due:
            self._wake.set()
        if missing:
            return AGAIN_S
        return (opening(now_ms, HOUR_MS) + HOUR_MS + SURE_MS - now_ms) / 1000

    async def _read(self, symbol: str, after_ms: int, now_ms: int) -> bool:
        """Read what a symbol settled after a moment; tell whether that is all there can be by now."""
        hours = now_ms // HOUR_MS - after_ms // HOUR_MS
        if hours <= 0:
            return True
        rates = await self._data.funding(symbol, end_ms=now_ms, limit=min(hours, MAX_RATES))
        if len(rates) == MAX_RATES and rates[0].ts_ms - HOUR_MS > after_ms:
            self._say(
                symbol, "funding of before the time that is looked back at is not paid",
                symbol=symbol, watched_until=iso(after_ms), looked_back_to=iso(rates[0].ts_ms),
            )  # fmt: skip
        for ts_ms, rate in rates:
            if ts_ms <= after_ms or (ts_ms, symbol) in self._due:
                continue
            price = await self._price(symbol, ts_ms, now_ms) if held(*self._account(), symbol, ts_ms) else 0
            if price is None:
                return False
            self._due[ts_ms, symbol] = Settlement(round(rate * fills.RATE), price)
        self._said.pop(symbol, None)
        hour_ms = opening(now_ms, HOUR_MS)
        return now_ms >= hour_ms + RATE_LATE_MS or (bool(rates) and rates[-1].ts_ms >= hour_ms)

    async def _price(self, symbol: str, ms: int, now_ms: int) -> int | None:
        """Return a moment's price in ticks, 0 where there was none; None where the minute before it may yet come."""
        series = Series(self._name, symbol, "1m")
        bars = await self._data.bars(series, end_ms=ms, limit=MAX_MINUTES)
        ended = bool(bars) and bars[-1].ts_ms + MINUTE_MS == opening(ms, MINUTE_MS)
        if not ended and now_ms < ms + RATE_LATE_MS:
            return None
        if not bars:
            log.warning("funding is not paid: nobody knows the price", exchange=self._name, symbol=symbol, at=iso(ms))
            return 0
        return fills.in_ticks(bars[-1].close, float(1 / self._account()[1].traded(symbol).tick))

    def _say(self, of: str, what: str, **more: str) -> None:
        """Log what went wrong once, not at each look."""
        if self._said.get(of) != what:
            self._said[of] = what
            log.warning(what, exchange=self._name, **more)
