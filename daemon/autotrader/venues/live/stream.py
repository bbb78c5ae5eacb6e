"""Keeps one stream alive: watches, reconnects after a pause that grows, polls REST while the stream is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, Protocol

import structlog

from autotrader.core.errors import BrokenInvariant
from autotrader.core.events import Series
from autotrader.core.units import FEEDS
from autotrader.venues.live.feed import ExchangeClock, LiveSettings, StreamStatus, first_of, within

MAX_DOUBLINGS = 16
"""Failures in a row beyond which the pause is at its bound anyway."""

MAX_TEXT = 300
"""Characters kept of an error's text."""

log = structlog.get_logger("live")


class Reader(Protocol):
    """One stream's meaning: how it is asked for, and what becomes of what it tells."""

    series: Series
    dropped: int
    gaps: int

    async def watch(self) -> Any:
        """Wait for the next message of the websocket."""
        ...

    async def unwatch(self) -> None:
        """End the subscription."""
        ...

    async def take(self, raw: Any) -> None:
        """Use a message of the websocket; asks nobody. Raises VenueError for a bad one, of which nothing is used."""
        ...

    async def poll(self) -> bool:
        """Ask REST for what the stream would have told since; False where nothing can have happened."""
        ...

    def broken(self) -> None:
        """Note that the stream was interrupted: something may have been missed."""
        ...

    def due_ms(self) -> int | None:
        """Return when REST must be asked whatever the stream says; None for never."""
        ...


class Stream:
    """One supervised stream. An error never ends it: it is logged, counted, and followed by another try."""

    def __init__(
        self, reader: Reader, settings: LiveSettings, clock: ExchangeClock, random: Callable[[], float]
    ) -> None:
        self._reader, self._settings, self._clock, self._random = reader, settings, clock, random
        series = reader.series
        self._kind = series.timeframe if series.timeframe in FEEDS else "bars"
        self._where = f"{series.exchange} {series.symbol} {series.timeframe}"
        self._since_ms = self._last_ms = 0
        self._source: Literal["ws", "rest", "none"] = "none"
        self._restarts = self._errors = 0
        self._error = ""
        self._ending = False
        self._failed = self._refused = 0  # in a row: of the websocket, of REST
        self._watching: asyncio.Future[Any] | None = None
        self._again_ms = self._ask_ms = self._poll_ms = self._heard_ms = 0

    def status(self) -> StreamStatus:
        """Return how the stream is."""
        reader = self._reader
        return StreamStatus(
            symbol=reader.series.symbol,
            kind=reader.series.timeframe,
            since_ms=self._since_ms,
            last_ms=self._last_ms,
            source=self._source,
            restarts=self._restarts,
            errors=self._errors,
            dropped=reader.dropped,
            gaps=reader.gaps,
            error=self._error,
        )

    async def run(self) -> None:
        """Keep the stream going until it is cancelled."""
        self._since_ms = self._heard_ms = self._clock.now_ms()
        try:
            while True:
                await self._turn()
        finally:
            if self._watching is not None:
                self._watching.cancel()
                await asyncio.gather(self._watching, return_exceptions=True)

    async def end(self) -> None:
        """End the subscription at the exchange, within the bound of a request; then cancel `run`.

        The watch goes on until then, so that the client's word of its end is heard by whoever waits for it.
        """
        self._ending = True
        await self._unwatch()

    async def _turn(self) -> None:
        now_ms = self._clock.now_ms()
        if self._watching is None and not self._ending and now_ms >= self._again_ms:
            self._watching = asyncio.ensure_future(self._reader.watch())
        wake_ms = self._wake_ms(now_ms)
        waited = () if self._watching is None else (self._watching,)
        await first_of(self._clock.wall, max(wake_ms - now_ms, 1) / 1000, waited)
        if self._watching is not None and self._watching.done():
            await self._hear(self._watching)
        now_ms = self._clock.now_ms()
        if now_ms >= self._asks_ms():
            await self._ask(silent=now_ms >= self._stale_ms())

    def _wake_ms(self, now_ms: int) -> int:
        """Return when something must be done if the stream stays silent until then."""
        asks_ms = self._asks_ms()
        return asks_ms if self._watching is not None or self._ending else min(asks_ms, max(self._again_ms, now_ms))

    def _stale_ms(self) -> int:
        """Return when the stream has been silent for too long."""
        return self._heard_ms + self._settings.stale_ms[self._kind]

    def _asks_ms(self) -> int:
        """Return when REST is asked next: for what is due, or because the stream is silent; later after a failure."""
        polls_ms, due_ms = max(self._stale_ms(), self._poll_ms), self._reader.due_ms()
        return max(self._ask_ms, polls_ms if due_ms is None else min(polls_ms, due_ms))

    async def _hear(self, watching: asyncio.Future[Any]) -> None:
        self._watching = None
        try:
            raw = watching.result()
        except BrokenInvariant:
            raise
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever a client raises, it is told
            self._restart(error)
            return
        try:
            await self._reader.take(raw)
        except BrokenInvariant:
            raise
        except Exception as error:  # noqa: BLE001 - a message that cannot be used restarts the stream and is counted
            self._errors += 1
            self._restart(error)
            await self._unwatch()
            return
        self._failed = 0
        self._last_ms = self._heard_ms = self._clock.now_ms()
        if self._source == "rest":
            log.info("a stream speaks again", stream=self._where)
        self._source = "ws"

    def _restart(self, error: BaseException) -> None:
        if self._ending:
            return
        self._restarts += 1
        self._note(error)
        self._reader.broken()
        wait_ms = self._pause_ms(self._failed)
        self._failed = min(self._failed + 1, MAX_DOUBLINGS)
        self._again_ms = self._clock.now_ms() + wait_ms
        log.warning("a stream was interrupted", stream=self._where, error=self._error, again_in_ms=wait_ms)

    async def _ask(self, *, silent: bool) -> None:
        try:
            asked = await self._reader.poll()
        except BrokenInvariant:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a client raises, REST is asked again after a pause
            self._errors += 1
            self._note(error)
            self._ask_ms = self._clock.now_ms() + self._pause_ms(self._refused)
            self._refused = min(self._refused + 1, MAX_DOUBLINGS)
            log.warning("an exchange gave no market data", stream=self._where, error=self._error)
            return
        self._refused = 0
        now_ms = self._clock.now_ms()
        if silent:
            self._poll_ms = now_ms + self._settings.poll_ms
            self._last_ms = now_ms if asked else self._last_ms
            if self._source != "rest":
                log.warning("a stream is silent; REST is polled until it speaks again", stream=self._where)
            self._source = "rest"

    async def _unwatch(self) -> None:
        """End the subscription, so that the next watch begins anew."""
        try:
            await within(
                self._clock.wall, self._settings.request_s, self._reader.unwatch(), f"{self._where}: unsubscribe"
            )
        except Exception as error:  # noqa: BLE001 - many exchanges know no unsubscribing; the watch goes on as it was
            log.info("a stream could not be ended", stream=self._where, error=_text(error))

    def _pause_ms(self, failures: int) -> int:
        """Return a pause between half and all of what doubles with each failure in a row, within its bound."""
        longest_s: float = min(self._settings.backoff_s * (1 << failures), self._settings.max_backoff_s)
        return max(1, round(longest_s * 1000 * (0.5 + self._random() / 2)))

    def _note(self, error: BaseException) -> None:
        self._error = _text(error)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_TEXT]
