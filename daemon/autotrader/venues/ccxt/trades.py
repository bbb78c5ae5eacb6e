"""Reads a real account's trades into our numbers: by symbol and time, with an overlap, until there are no more.

Where an exchange has no list of them, they are read from our own orders, each asked for until all it filled is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from autotrader.core.clock import DAY_MS
from autotrader.core.errors import UnknownOrder, VenueError, VenueUnavailable
from autotrader.venues.ccxt.answers import ToldTrade, rows
from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.order_trades import read_trade, shared
from autotrader.venues.ccxt.orders import SETTLE_MS, ask_order, read_order, stop_of
from autotrader.venues.ccxt.quirks import FETCH_ORDER, MIXED_TRADES, PAGE, SHORT_IDS, SMALL_PAGES, TRADES_OF_ORDERS
from autotrader.venues.ccxt.spans import read_spans
from autotrader.venues.ccxt.stops import waits
from autotrader.venues.ccxt.store import CcxtStore, Sent

OVERLAP_MS = 600_000
"""How far back trades are read again each time: exchanges tell some of them late."""

AHEAD_MS = 5_000
"""How far past the exchange's time is asked: its clock and ours are never quite the same."""

WINDOW_MS = DAY_MS
"""The longest span of one question: Binance refuses more than a day."""


class TradeReader:
    """Keeps the store's trades up to date. Raises VenueUnavailable or VenueError; what was kept until then stays."""

    def __init__(self, client: CcxtClient, store: CcxtStore) -> None:
        self._client, self._store = client, store
        self._page = SMALL_PAGES.get(client.settings.id, PAGE)
        self._read_once = False
        self._until: dict[str, int] = {}
        self._settled: dict[str, frozenset[str]] = {}

    async def read_due(self) -> int:
        """Read the symbols that may have new trades; return how many there were.

        The first time every symbol that we ever ordered, then those with orders under way or that ended lately.
        """
        for order in self._store.live():
            self.expect(order.symbol)
        now_ms = self._client.now_ms()
        due = set(self._until) if self._read_once else self._store.cursors().keys() | self._until
        new = sum([await self.read(symbol) for symbol in sorted(due)])
        self._until = {symbol: until_ms for symbol, until_ms in self._until.items() if until_ms > now_ms}
        self._read_once = True
        return new

    def expect(self, symbol: str) -> None:
        """Have a symbol's trades read for a while: an order of it is under way."""
        self._until[symbol] = self._client.now_ms() + OVERLAP_MS

    async def read(self, symbol: str) -> int:
        """Read one symbol from its cursor, less the overlap, to now; return how many trades were new."""
        if self._client.settings.id in TRADES_OF_ORDERS:
            return await self._read_orders(symbol)
        now_ms = self._client.now_ms()
        cursor_ms = self._store.cursors().get(symbol, now_ms)
        new = 0

        async def ask(first_ms: int, last_ms: int) -> bool:
            nonlocal new
            told = await self._ask(symbol, first_ms, last_ms)
            trades = [trade for trade in told if trade.symbol == symbol]
            new += await self.keep(symbol, trades)
            full = len(told) >= self._page
            if full and first_ms == last_ms and all(trade.ts_ms == first_ms for trade in trades):
                raise VenueError(
                    f"{self._place}: {symbol} has {len(trades)} trades or more in the millisecond {first_ms}; "
                    "the exchange tells no more of them, so what is missing must be looked up by hand"
                )
            return full

        def done(until_ms: int) -> None:
            self._store.move(symbol, min(until_ms, now_ms))

        begin_ms = max(min(cursor_ms, now_ms) - OVERLAP_MS, 0)
        await read_spans(begin_ms, now_ms + AHEAD_MS, WINDOW_MS, ask, done, f"{self._place} {symbol}")
        return new

    async def _read_orders(self, symbol: str) -> int:
        """Ask for the orders of a symbol that may have new trades; one that is over and wholly read is left alone."""
        now_ms = self._client.now_ms()
        cursor_ms = self._store.cursors().get(symbol, now_ms)
        due = self._store.unread(symbol, max(min(cursor_ms, now_ms) - OVERLAP_MS, 0))
        settled, new, owed = self._settled.get(symbol, frozenset()) & {one.client_id for one in due}, 0, False
        for sent in due:
            if sent.client_id in settled:
                continue
            told = await ask_order(self._client, sent)
            if told is None:
                owed = owed or bool(sent.venue_id)
                continue
            if not sent.venue_id:
                self._store.accepted(sent.client_id, told.venue_id)
            fresh = shared(self._store.new(told.trades), told.fee, self._store.fees(sent.client_id))
            new += self._store.keep([(trade, sent.client_id, sent.group) for trade in fresh])
            missing, over = told.filled > self._store.filled(sent.client_id), told.status != "open"
            settled |= {sent.client_id} if over and not missing else frozenset()
            owed = owed or (over and missing)
        self._settled[symbol] = settled
        if not owed:
            self._store.move(symbol, now_ms)
        return new

    @property
    def _place(self) -> str:
        return f"{self._client.settings.name} fetch_my_trades"

    async def _ask(self, symbol: str, first_ms: int, last_ms: int) -> list[ToldTrade]:
        def check(answer: object) -> list[ToldTrade]:
            told = rows(answer, self._place)
            return [read_trade(one, f"{self._place}[{n}]", self._client) for n, one in enumerate(told)]

        mixed = self._client.settings.id in MIXED_TRADES
        name = None if mixed else self._client.ccxt_symbol(symbol)
        trades: list[ToldTrade] = await self._client.read(
            "fetch_my_trades", name, first_ms, self._page, check=check, params={"until": last_ms}
        )
        strange = next((trade.symbol for trade in trades if trade.symbol != symbol and not mixed), None)
        if strange is not None:
            raise VenueError(f"{self._place}: asked for {symbol}, was told of {strange}; nothing was taken from it")
        return trades

    async def keep(self, symbol: str, trades: Sequence[ToldTrade]) -> int:
        """Number the trades of a symbol that are new, whoever told them; return how many were."""
        fresh = self._store.new(sorted(trades, key=lambda one: (one.ts_ms, len(one.trade_id), one.trade_id)))
        if not fresh:
            return 0
        owned = [(trade, *await self._owner(symbol, trade)) for trade in fresh]
        return self._store.keep(owned)

    async def _owner(self, symbol: str, trade: ToldTrade) -> tuple[str, str]:
        """Return a trade's client id and group; of a foreign one its own id and no group.

        An order of ours whose answer never came is found by asking for the trade's order, once.
        """
        sent = self._store.owner(symbol, trade.venue_id)
        if sent is None and trade.client_id:
            sent = self._store.sent(trade.client_id)
        if sent is not None:
            if trade.venue_id and (not sent.venue_id or waits(sent.venue_id)):
                self._store.accepted(sent.client_id, trade.venue_id)
            return sent.client_id, sent.group
        stop = stop_of(self._client)
        waiting = self._store.waiting(symbol, trade.side) if stop is not None and stop.apart else []
        told = "" if waiting else trade.client_id  # what a stop becomes may be told under an id that is nobody's
        known = told or self._store.stranger(symbol, trade.venue_id)
        if known or not trade.venue_id or not (waiting or self._store.unknown(symbol)):
            return known or trade.venue_id or trade.trade_id, ""
        sent = await self._became(waiting, trade)
        if sent is not None:
            return sent.client_id, sent.group
        client_id = await self._client_id_of(symbol, trade.venue_id)
        sent = self._store.told(client_id, SHORT_IDS.get(self._client.settings.id, 0))
        if sent is not None and sent.symbol == symbol:
            self._store.accepted(sent.client_id, trade.venue_id)
            return sent.client_id, sent.group
        if waiting and self._client.now_ms() - trade.ts_ms < SETTLE_MS:
            raise VenueUnavailable(
                f"{self._place}: {symbol} was traded by order {trade.venue_id}, which a stop may have become; "
                "it is asked again"
            )
        self._store.estrange(symbol, trade.venue_id, client_id or trade.venue_id)
        return client_id or trade.venue_id, ""

    async def _became(self, waiting: Sequence[Sent], trade: ToldTrade) -> Sent | None:
        """Return the stop that became the order of a trade, if one did: the exchange tells it with the stop alone."""
        for sent in waiting:
            told = await ask_order(self._client, sent)
            if told is not None and told.venue_id == trade.venue_id:
                self._store.accepted(sent.client_id, told.venue_id)
                return sent
        return None

    async def _client_id_of(self, symbol: str, venue_id: str) -> str:
        place = f"{self._client.settings.name} fetch_order {venue_id}"
        try:
            told = await self._client.read(
                "fetch_order",
                venue_id,
                self._client.ccxt_symbol(symbol),
                check=lambda answer: read_order(answer, place, self._client),
                params=FETCH_ORDER.get(self._client.settings.id),
            )
        except UnknownOrder as error:
            raise VenueUnavailable(f"{error}; a trade of it was told, so it is asked for again") from error
        return str(told.client_id)
