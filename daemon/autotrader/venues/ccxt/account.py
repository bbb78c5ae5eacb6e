"""The account half of a real exchange: orders, fills, balances and positions, as `venues.protocol.Venue` promises.

The market half (bars and streams) is another's; this one knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from autotrader.core.errors import (
    AmbiguousSubmit,
    OrderRejected,
    OrderUntold,
    UnknownOrder,
    VenueError,
    VenueUnavailable,
)
from autotrader.execution.orders import Fill, OrderRequest, VenueOrder
from autotrader.market.instrument import Instrument
from autotrader.venues.ccxt.answers import ZERO, ToldOrder, mapping, maybe, number, rows
from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.funding import FundingReader, tells_funding
from autotrader.venues.ccxt.orders import SETTLE_MS, apart, ask_order, name_of, read_order, stop_of
from autotrader.venues.ccxt.quirks import BY_CLIENT_ID, SCANNED_BY_ID, SHORT_IDS, TRADES_OF_ORDERS
from autotrader.venues.ccxt.rights import check_rights
from autotrader.venues.ccxt.rules import BUYS_BY_COST, bound, stepped
from autotrader.venues.ccxt.stops import own_id
from autotrader.venues.ccxt.store import NEVER_ARRIVED, CcxtStore, Sent
from autotrader.venues.ccxt.timer import CancelTimer
from autotrader.venues.ccxt.trades import OVERLAP_MS, TradeReader
from autotrader.venues.ccxt.watch import AccountWatch
from autotrader.venues.protocol import AccountEvent, Balance, FundingPaid, VenuePosition

SCAN = 500
"""Bound of the closed orders that are searched where an exchange cannot be asked by client id."""

SCANNED: Mapping[str, str] = {
    "fetch_open_orders": "fetchOpenOrders",
    "fetch_closed_orders": "fetchClosedOrders",
    "fetch_canceled_orders": "fetchCanceledOrders",
}
"""Where an order is searched that cannot be asked for by our id, each with ccxt's word for being able to."""


class CcxtAccount:
    """One real account. What it remembers lies in its own file, written before a request leaves."""

    def __init__(self, client: CcxtClient, path: Path) -> None:
        self.name, self.market = client.settings.name, client.settings.market
        self._stop = stop_of(client)
        self.keeps_stops = self._stop is not None and not client.settings.cancel_after_ms
        self._client, self._path = client, path
        self._store: CcxtStore | None = None
        self._reader: TradeReader | None = None
        self._watch: AccountWatch | None = None
        self._funding: FundingReader | None = None

    async def open(self) -> None:
        """Connect, learn the markets, refuse a key that may withdraw. Raises VenueError or VenueUnavailable."""
        store = CcxtStore(self._path, self.name)
        try:
            store.identify({"exchange": self._client.settings.id, "market": self.market})
            await self._client.open()
            self._check_abilities()
            await check_rights(self._client)
        except BaseException:
            store.close()
            await self._client.close()
            raise
        self._store, self._reader = store, TradeReader(self._client, store)
        self._funding = FundingReader(self._client, store) if tells_funding(self._client) else None

    async def close(self) -> None:
        """Close the connections and the file."""
        store, self._store, self._reader, self._watch, self._funding = self._store, None, None, None, None
        await self._client.close()
        if store is not None:
            store.close()

    def watch(self, tell: Callable[[Sequence[AccountEvent], int], None]) -> AccountWatch:
        """Return what tells of the account's orders while it is open; run it as a task."""
        store, reader = self._opened(), self._reader
        assert reader is not None
        self._watch = AccountWatch(self, self._client, store, reader, tell)
        return self._watch

    def funding(self) -> FundingReader | None:
        """Return what reads the account's funding while it is open; None where none is read."""
        return self._funding

    def timer(self) -> CancelTimer | None:
        """Return the timer that cancels the account's orders once nobody winds it; None where none is declared."""
        after_ms = self._client.settings.cancel_after_ms
        return CancelTimer(self._client, after_ms) if after_ms else None

    async def instrument(self, symbol: str) -> Instrument:
        """Return a symbol's precision and minimums. Raises VenueError for a symbol that is not traded."""
        return self._client.instrument(symbol)

    async def balances(self) -> Mapping[str, Balance]:
        """Return every currency that is not zero."""
        place = f"{self.name} fetch_balance"

        def check(answer: object) -> dict[str, Balance]:
            told = mapping(answer, place)
            free, total = mapping(told.get("free"), f"{place} free"), mapping(told.get("total"), f"{place} total")
            found = {}
            for currency in total:
                least = ZERO if self.market == "spot" else None
                whole = maybe(total, currency, f"{place} total", least=least) or ZERO
                if whole:
                    found[currency] = Balance(whole, maybe(free, currency, f"{place} free") or ZERO)
            return found

        balances: dict[str, Balance] = await self._client.read("fetch_balance", check=check)
        return balances

    async def positions(self) -> Mapping[str, VenuePosition]:
        """Return open swap positions by symbol; empty on spot. Raises VenueError for an account in hedge mode."""
        if self.market == "spot":
            return {}
        place = f"{self.name} fetch_positions"

        def check(answer: object) -> dict[str, VenuePosition]:
            found: dict[str, VenuePosition] = {}
            for row in rows(answer, place):
                contracts = maybe(row, "contracts", place, least=ZERO) or ZERO
                symbol = self._client.symbol_of.get(str(row.get("symbol")))
                if not contracts or symbol is None or not self._client.trades(symbol):
                    continue  # foreign: of a kind that is not traded here
                if row.get("side") not in {"long", "short"} or symbol in found:
                    raise VenueError(f"{place}: {symbol} has both a long and a short side; use one-way mode")
                amount = contracts * self._client.size_of(symbol)
                price = number(row, "entryPrice", place, above=ZERO)
                found[symbol] = VenuePosition(amount if row["side"] == "long" else -amount, price)
            return found

        positions: dict[str, VenuePosition] = await self._client.read("fetch_positions", check=check)
        return positions

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Return the orders that may still fill; foreign ones under their own ids, in no group."""
        told = await self._scan("fetch_open_orders", None, None)
        if self._stop is not None and self._stop.apart:
            told += await self._scan("fetch_open_orders", None, None, self._stop.apart)
        return [self._seen(one) for one in told]

    async def order(self, client_id: str) -> VenueOrder | None:
        """Return an order by its client id, dead or alive; None where the exchange never got it.

        One that is not known there is believed to be so SETTLE_MS after it was sent; until then VenueUnavailable says
        to ask again. One that was never written here was never sent.
        """
        sent = self._opened().sent(client_id)
        if sent is None:
            return next((one for one in await self.open_orders() if one.client_id == client_id), None)
        told = await self._look_up(sent)
        if told is not None:
            return self.known(sent, told)
        if sent.venue_id:
            raise OrderUntold(f"{self.name} took order {client_id} and does not tell it now; it is asked again")
        age_ms = self._client.now_ms() - sent.sent_ms
        if not sent.refused and age_ms < SETTLE_MS:
            raise OrderUntold(
                f"{self.name} does not know order {client_id}, sent {age_ms} ms ago; it may still be on its way"
            )
        self._opened().refused(client_id, NEVER_ARRIVED)
        return None

    async def fills(self, after_id: int) -> Sequence[Fill]:
        """Read what was traded, then return the fills with a larger id, oldest first."""
        store = self._opened()
        assert self._reader is not None
        await self._reader.read_due()
        return store.fills(after_id)

    async def funding_paid(self, after_ms: int) -> Sequence[FundingPaid]:
        """Read what is due, then return what was settled after a moment, oldest first; none where none is read."""
        return () if self._funding is None else await self._funding.paid(after_ms)

    async def submit(self, request: OrderRequest) -> VenueOrder:
        """Place an order, once. Raises OrderRejected, AmbiguousSubmit when no answer came, VenueUnavailable unsent."""
        store, reader = self._opened(), self._reader
        assert reader is not None
        self._admit(request)
        request = stepped(self._client.settings.id, request)
        kind, price, time_in_force = request.type, request.price, request.time_in_force
        if kind == "market" and request.side > 0 and self._client.settings.id in BUYS_BY_COST:
            kind, price, time_in_force = "limit", await self._bound(request), "ioc"
        reader.expect(request.symbol)
        if not store.intend(request, self._client.now_ms()):
            raise AmbiguousSubmit(f"{self.name} knows {request.client_id}; it is looked up, never sent again")
        place = f"{self.name} create_order {request.client_id}"
        stop = self._stop if request.stop_price is not None else None
        params: dict[str, Any] = {stop.name if stop else "clientOrderId": name_of(self._client, request.client_id)}
        if request.post_only:
            params["postOnly"] = True
        if time_in_force != "gtc":
            params["timeInForce"] = time_in_force.upper()
        if request.reduce_only and self.market != "spot":
            params["reduceOnly"] = True
        if stop is not None and request.stop_price is not None:
            params[stop.price] = float(request.stop_price)
        try:
            told: ToldOrder = await self._client.submit(
                "create_order",
                self._client.ccxt_symbol(request.symbol),
                kind,
                "buy" if request.side > 0 else "sell",
                float(request.amount / self._client.size_of(request.symbol)),
                None if price is None else float(price),
                check=lambda answer: self._answers(request, answer, place),
                params=params,
            )
        except (OrderRejected, VenueUnavailable) as error:
            store.refused(request.client_id, str(error))
            raise
        sent = store.sent(request.client_id)
        assert sent is not None
        return self.known(sent, told)

    async def cancel(self, client_id: str) -> VenueOrder:
        """Cancel an order and return what became of it. Raises UnknownOrder."""
        sent = self._opened().sent(client_id)
        if sent is None or not sent.venue_id:
            standing = await self.order(client_id)
            if standing is None:
                raise UnknownOrder(f"{self.name} has no order {client_id}")
            if standing.status != "open":
                return standing
            sent = self._opened().sent(client_id)
            symbol, venue_id = standing.symbol, standing.venue_id
        else:
            symbol, venue_id = sent.symbol, sent.venue_id
        refused, more = "", {} if sent is None else apart(self._client, sent)
        try:
            name = self._client.ccxt_symbol(symbol)
            await self._client.read("cancel_order", own_id(venue_id), name, params=more or None)
        except VenueUnavailable:
            raise
        except VenueError as error:  # mostly it ended meanwhile
            refused = str(error)
        after = await self.order(client_id)
        if after is None:
            raise UnknownOrder(f"{self.name} has no order {client_id}")
        if after.status == "open":  # an answer may be older than the cancel, and what filled since is not in it
            why = refused or f"{self.name} took the cancel of {client_id} and still tells it as open"
            raise VenueUnavailable(f"{why}; the order may stand and the cancel is asked for again")
        return after

    def _admit(self, request: OrderRequest) -> None:
        """Refuse what must not leave. Raises OrderRejected."""
        if request.stop_price is not None and not self.keeps_stops:
            raise OrderRejected(f"{self.name}: stop orders are not placed at {self._client.settings.id}")
        if request.amount <= 0 or (request.price is not None and request.price <= 0):
            raise OrderRejected(f"an order needs an amount and a price above zero, not {request.amount}")
        try:
            self._client.ccxt_symbol(request.symbol)
        except VenueUnavailable:
            raise
        except VenueError as error:
            raise OrderRejected(str(error)) from error

    async def _bound(self, request: OrderRequest) -> Decimal:
        """Return the most that a buy at the market may pay for a coin. Raises OrderRejected, or VenueUnavailable."""
        try:
            return await bound(self._client, request)
        except VenueUnavailable:
            raise
        except VenueError as error:
            raise OrderRejected(f"{error}; without a price no buy at the market is sent") from error

    def _answers(self, request: OrderRequest, answer: object, place: str) -> ToldOrder:
        """Check that an answer is about the order that was sent. Raises VenueError."""
        told = read_order(answer, place, self._client, request.symbol)
        wanted = {"client_id": name_of(self._client, request.client_id), "symbol": request.symbol, "side": request.side}
        for key, value in wanted.items():
            if getattr(told, key) not in {"", None, value}:
                raise VenueError(f"{place}: the answer's {key} is {getattr(told, key)}, not {value}")
        if told.amount is not None and told.amount > request.amount:
            raise VenueError(f"{place}: the answer's amount is {told.amount}, more than {request.amount}")
        return told

    async def _look_up(self, sent: Sent) -> ToldOrder | None:
        """Ask for an order of ours: by our id where the exchange can, by its own, else among open and closed ones."""
        if sent.venue_id or self._client.settings.id in BY_CLIENT_ID:
            return await ask_order(self._client, sent)
        name = self._client.ccxt_symbol(sent.symbol)
        since_ms = max(sent.sent_ms - OVERLAP_MS, 0)
        identity, key = name_of(self._client, sent.client_id), SCANNED_BY_ID.get(self._client.settings.id)
        params = {key: identity} if key else None
        for method, has in SCANNED.items():
            if not self._client.can(has):
                continue
            found = await self._scan(method, name, None if method == "fetch_open_orders" else since_ms, params)
            mine = next((one for one in found if one.client_id == identity), None)
            if mine is not None:
                return mine
        return None

    async def _scan(
        self, method: str, name: str | None, since_ms: int | None, params: Mapping[str, Any] | None = None
    ) -> list[ToldOrder]:
        place = f"{self.name} {method}"

        def check(answer: object) -> list[ToldOrder]:
            told = rows(answer, place)
            return [read_order(one, f"{place}[{n}]", self._client) for n, one in enumerate(told)]

        limit = None if since_ms is None else SCAN
        found: list[ToldOrder] = await self._client.read(method, name, since_ms, limit, check=check, params=params)
        if limit is not None and len(found) >= limit:
            raise VenueUnavailable(f"{place}: {len(found)} orders are more than are searched; one may be left out")
        return found

    def known(self, sent: Sent, told: ToldOrder) -> VenueOrder:
        """Take in what the exchange tells of an order of ours; where it filled further than we read, read again."""
        store = self._opened()
        if sent.venue_id != told.venue_id:
            store.accepted(sent.client_id, told.venue_id)
        if told.status != "open":
            store.ended(sent.client_id, self._client.now_ms())
        if told.filled > store.filled(sent.client_id):
            cursor_ms = store.cursors().get(sent.symbol, sent.sent_ms)
            store.move(sent.symbol, min(cursor_ms, sent.sent_ms))
            if self._watch is not None:
                self._watch.owed()
        return _view(told, sent)

    def _seen(self, told: ToldOrder) -> VenueOrder:
        store = self._opened()
        longest = SHORT_IDS.get(self._client.settings.id, 0)
        sent = store.owner(told.symbol, told.venue_id) or store.told(told.client_id, longest)
        return _view(told, sent) if sent is not None else _view(told, None)

    def _check_abilities(self) -> None:
        """Refuse an exchange where an order without an answer could not be found again. Raises VenueError."""
        known = self._client.settings.id
        needed = ["fetchBalance", "fetchOpenOrders", "fetchOrder", "cancelOrder", "createOrder"]
        needed += [] if known in TRADES_OF_ORDERS else ["fetchMyTrades"]
        needed += [] if known in BY_CLIENT_ID else ["fetchClosedOrders"]
        missing = [one for one in needed if not self._client.can(one)]
        if missing:
            raise VenueError(
                f"{self.name}: ccxt's {known} has no {', '.join(missing)}: an order whose answer was lost, or what it "
                "traded, could not be found again; say `orders: paper` there"
            )

    def _opened(self) -> CcxtStore:
        if self._store is None:
            raise VenueUnavailable(f"{self.name} is not open")
        return self._store


def _view(told: ToldOrder, sent: Sent | None) -> VenueOrder:
    """Return an order as the program sees it; what the exchange left out is as it was sent."""
    amount = told.amount if told.amount is not None else (sent.amount if sent else told.filled)
    return VenueOrder(
        client_id=sent.client_id if sent else told.client_id or told.venue_id,
        venue_id=told.venue_id,
        symbol=told.symbol or (sent.symbol if sent else ""),
        side=told.side or (sent.side if sent else 1),
        type="limit" if (sent.type if sent else told.type) == "limit" else "market",
        price=sent.price if sent else told.price,
        amount=amount,
        filled=told.filled,
        average=told.average,
        status=told.status,
        reason=told.reason,
        group=sent.group if sent else "",
        ts_ms=told.ts_ms or (sent.sent_ms if sent else 0),
    )
