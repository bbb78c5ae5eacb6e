"""Tells what becomes of an account's orders while it is open: by the exchange's streams where it has them, and REST.

Both ways end in the account's file, where a trade is kept once. What is told is what the file holds and was not told,
so a message that comes twice, late or never changes nothing but when something is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog

from autotrader.core.errors import BrokenInvariant, VenueError, VenueUnavailable
from autotrader.core.events import FillsComplete
from autotrader.execution.orders import VenueOrder
from autotrader.venues.ccxt.answers import ToldOrder, ToldTrade, rows
from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.errors import named, words
from autotrader.venues.ccxt.order_trades import read_trade
from autotrader.venues.ccxt.orders import read_order
from autotrader.venues.ccxt.quirks import NO_STREAMS, SELDOM_S
from autotrader.venues.ccxt.store import CcxtStore, Sent
from autotrader.venues.ccxt.trades import TradeReader
from autotrader.venues.live.feed import first_of
from autotrader.venues.protocol import AccountEvent, FillHappened, OrderChanged

BESIDE_S = 30.0
"""How often REST is asked beside streams that speak, while orders are under way."""

ALONE_S = 3.0
"""How often REST is asked where no stream speaks, while orders are under way; for some exchanges see their quirks."""

OWED_S = 1.0
"""How often REST is asked while an order is known to have filled further than its trades were told."""

QUIET_S = 300.0
"""How often REST is asked while no order is under way."""

LATE_S = 15.0
"""How long an order's end waits for its trades; then it is told, and they are booked when they come."""

MAX_PAUSE_S = 60.0
"""The longest pause after failures in a row."""


log = structlog.get_logger("account")


class Orders(Protocol):
    """What the account offers: its open orders, one order, and what an answer about one means."""

    async def open_orders(self) -> Sequence[VenueOrder]: ...

    async def order(self, client_id: str) -> VenueOrder | None: ...

    def known(self, sent: Sent, told: ToldOrder) -> VenueOrder: ...


class AccountWatch:
    """Watches one open account. `tell` takes events that belong together, and the moment at which they are told.

    Trades are told in the order of their numbers, whatever their times: what was told last is where a restart goes on.
    """

    def __init__(
        self,
        account: Orders,
        client: CcxtClient,
        store: CcxtStore,
        reader: TradeReader,
        tell: Callable[[Sequence[AccountEvent], int], None],
    ) -> None:
        self._account, self._client, self._store, self._reader, self._tell = account, client, store, reader, tell
        self._told = store.last_fill()
        self._told_ms = 0
        self._speaking: set[str] = set()
        self._over: dict[str, tuple[VenueOrder, float]] = {}
        self._asked = self._owed = False
        self._moved = asyncio.Event()
        self._looked_s = client.clock.monotonic_s()

    async def run(self) -> None:
        """Watch until cancelled. Only a broken invariant ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._poll())
                for method, take in self.streams().items():
                    tasks.create_task(self._listen(method, take))
        except* BrokenInvariant as broken:
            raise broken.exceptions[0] from None

    def streams(self) -> dict[str, Callable[[Any], Awaitable[None]]]:
        """Return the account's streams that are listened to, by ccxt's method, each with what takes what it says."""
        if self._client.settings.id in NO_STREAMS:
            return {}
        takers = {"watchMyTrades": self._take_trades, "watchOrders": self._take_orders}
        methods = {"watchMyTrades": "watch_my_trades", "watchOrders": "watch_orders"}
        return {methods[name]: take for name, take in takers.items() if self._client.can(name)}

    def owed(self) -> None:
        """Note that an order filled further than its trades were told: REST is asked for them soon."""
        self._owed = True
        self._moved.set()

    def sent(self) -> None:
        """Note that an order was sent; where no stream would tell of it, REST is asked at once."""
        self._asked = self._asked or not self._speaking
        self._moved.set()

    # the streams

    async def _listen(self, method: str, take: Callable[[Any], Awaitable[None]]) -> None:
        failures = 0
        while True:
            try:
                raw = await getattr(self._client.exchange, method)()
                await take(raw)
            except BrokenInvariant:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a client raises: it is told, and REST is asked
                self._speaking.discard(method)
                if named(error, "NotSupported") or named(error, "ArgumentsRequired"):
                    log.info("there is no such stream; REST is asked", exchange=self._name, error=words(error))
                    return
                if not failures:
                    log.warning("an account's stream was interrupted", exchange=self._name, error=words(error))
                self._asked = True
                self._moved.set()
                await self._client.pause(failures, MAX_PAUSE_S)
                failures += 1
            else:
                failures = 0
                self._speaking.add(method)

    async def _take_trades(self, raw: Any) -> None:
        place = f"{self._name} watch_my_trades"
        by_symbol: dict[str, list[ToldTrade]] = {}
        for number, row in enumerate(rows(raw, place)):
            trade = read_trade(row, f"{place}[{number}]", self._client)
            by_symbol.setdefault(trade.symbol, []).append(trade)
        for symbol, trades in by_symbol.items():
            await self._reader.keep(symbol, trades)
        self._tell_news()

    async def _take_orders(self, raw: Any) -> None:
        place = f"{self._name} watch_orders"
        for number, row in enumerate(rows(raw, place)):
            told = read_order(row, f"{place}[{number}]", self._client)
            sent = self._store.owner(told.symbol, told.venue_id) or self._store.sent(told.client_id)
            if sent is not None:
                self._take(self._account.known(sent, told))
        self._tell_news()

    # asking

    async def _poll(self) -> None:
        failures = 0
        while True:
            await self._due()
            self._asked = self._owed = False
            self._looked_s = self._client.clock.monotonic_s()
            try:
                await self._look()
            except (VenueUnavailable, VenueError) as error:
                if not failures:
                    log.warning("an account does not tell its trades", exchange=self._name, error=str(error))
                await self._client.pause(failures, MAX_PAUSE_S)
                failures += 1
                self._asked = True
            else:
                failures = 0

    async def _due(self) -> None:
        """Wait until REST is to be asked."""
        while not self._asked:
            self._moved.clear()
            left_s = self._looked_s + self._wait_s() - self._client.clock.monotonic_s()
            if left_s <= 0:
                return
            moved = asyncio.ensure_future(self._moved.wait())
            try:
                await first_of(self._client.clock, left_s, (moved,))
            finally:
                moved.cancel()
                await asyncio.gather(moved, return_exceptions=True)

    def _wait_s(self) -> float:
        if self._over or self._owed:
            return OWED_S
        if not self._store.live():
            return QUIET_S
        return BESIDE_S if self._speaking else SELDOM_S.get(self._client.settings.id, ALONE_S)

    async def _look(self) -> None:
        """Ask for trades, and for what became of orders that are not open any more."""
        live = self._store.live()
        await self._reader.read_due()
        self._tell_news()
        if not live:
            return
        still_open = {one.client_id for one in await self._account.open_orders()}
        for sent in live:
            if sent.client_id in still_open:
                continue
            try:
                order = await self._account.order(sent.client_id)
            except VenueUnavailable as error:  # it may be on its way still; whoever sent it asks too
                log.info("an order is not told of now", client_id=sent.client_id, error=str(error))
                continue
            if order is not None:
                self._take(order)
        await self._reader.read_due()
        self._tell_news()

    # telling

    def _take(self, order: VenueOrder) -> None:
        if order.status != "open":
            self._over.setdefault(order.client_id, (order, self._client.clock.monotonic_s()))
            self._moved.set()

    def _tell_news(self) -> None:
        """Tell the trades that were not told, then the ends of orders all of whose trades were."""
        fills = self._store.fills(self._told)
        events: list[AccountEvent] = [FillHappened(one.ts_ms, one) for one in fills]
        if fills:
            self._told = fills[-1].fill_id
            self._told_ms = max(self._told_ms, *(one.ts_ms for one in fills))
            events.append(FillsComplete(self._told_ms, self._name))
        now_s = self._client.clock.monotonic_s()
        for client_id, (order, since_s) in list(self._over.items()):
            owed = order.filled > self._store.filled(client_id)
            if owed and now_s - since_s < LATE_S:
                continue
            if owed:
                log.warning("an order ended and its trades are not told", client_id=client_id, filled=str(order.filled))
            del self._over[client_id]
            if order.status != "filled":
                self._told_ms = max(self._told_ms, order.ts_ms)
                events.append(OrderChanged(order.ts_ms, order))
        if events:
            self._tell(events, self._told_ms)

    @property
    def _name(self) -> str:
        return self._client.settings.name
