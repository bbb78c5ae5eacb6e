"""The account of a simulated exchange: its money, orders and exits in one file, whatever drives its market.

A driver lets the market meet the account (`matching`), writes, and appends what is to be told. One step of the
market is one transaction; what it did is told once it is durable, and after its fills that they are complete.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from autotrader.core.errors import HistoryError, OrderRejected, UnknownOrder, VenueUnavailable
from autotrader.core.events import FillsComplete, Series
from autotrader.core.units import split_symbol
from autotrader.execution.orders import Fill, Guard, OrderRequest, VenueOrder
from autotrader.market import fills
from autotrader.venues.paper.admit import Admission, admit, guard_fractions
from autotrader.venues.paper.ledger import LIFTED, Ledger, rates_of, units_of
from autotrader.venues.paper.market import key_of
from autotrader.venues.paper.state import STEP, AccountSettings, Key, Moment, Order, Traded
from autotrader.venues.paper.store import PaperStore, Saved
from autotrader.venues.protocol import Balance, FillHappened, FundingPaid, VenueEvent, VenuePosition


class PaperAccount(ABC):
    """One simulated account; see `venues.protocol.Venue` for what its methods promise.

    All of its state lies in its file; a write that fails takes the memory back to the file and raises VenueUnavailable.
    An account keeps its balances, price steps and place in time across restarts, whatever is declared later.
    """

    keeps_guards, keeps_stops = True, False

    def __init__(self, settings: AccountSettings, path: Path) -> None:
        self.name, self.market = settings.name, settings.market
        self._path = path
        self._rates = rates_of(settings)
        self._wake = asyncio.Event()
        self._store: PaperStore | None = None
        self._clock: Moment | None = None
        self._ledger = self._fresh_ledger()
        self._traded: dict[str, Traded] = {}
        self._wanted: frozenset[Key] = frozenset()
        self._pending: deque[VenueEvent] = deque()
        self._halted = False

    @abstractmethod
    def market_ms(self) -> int:
        """Return the market's time; 0 before anything is known."""

    @abstractmethod
    def _trade(self, symbol: str) -> Traded:
        """Return a symbol's precision. Raises VenueError for a symbol that is not traded."""

    @abstractmethod
    async def _advance(self) -> None:
        """Let the market go on by one moment, or wait until it may; less where `_wake` is set."""

    @abstractmethod
    def _recovered(self) -> None:
        """Follow the account, which is what its file says again."""

    async def balances(self) -> Mapping[str, Balance]:
        self._opened()
        ledger = self._ledger
        return {
            currency: Balance(units * STEP, max(ledger.free(currency), 0) * STEP)
            for currency, units in ledger.balances.items()
            if units
        }

    async def positions(self) -> Mapping[str, VenuePosition]:
        self._opened()
        if self.market == "spot":
            return {}
        lots: dict[str, int] = {}
        costs: dict[str, int] = {}
        for group in self._ledger.groups.values():
            lots[group.symbol] = lots.get(group.symbol, 0) + group.net
            costs[group.symbol] = costs.get(group.symbol, 0) + group.cost
        return {symbol: VenuePosition(net * STEP, Decimal(costs[symbol]) / abs(net)) for symbol, net in lots.items()}

    async def open_orders(self) -> Sequence[VenueOrder]:
        self._opened()
        return [self._ledger.view(order) for order in sorted(self._ledger.orders.values())]

    async def order(self, client_id: str) -> VenueOrder | None:
        self._opened()
        order = self._find(client_id)
        return self._ledger.view(order) if order else None

    async def fills(self, after_id: int) -> Sequence[Fill]:
        return self._opened().fills(after_id)

    async def funding_paid(self, after_ms: int) -> Sequence[FundingPaid]:
        return [FundingPaid(ms, symbol, units * STEP) for ms, symbol, units in self._opened().funding(after_ms)]

    async def cancel(self, client_id: str) -> VenueOrder:
        self._opened()
        order = self._find(client_id)
        if order is None:
            raise UnknownOrder(f"{self.name} knows no order {client_id}")
        if order.status == "open" and order.type == "guard":
            self._ledger.guard(self._ledger.groups[order.group_name], (0, 0, 0), self.market_ms())
            self._write(durable=True)
            return self._ledger.view(order._replace(status="canceled", reason=LIFTED))
        if order.status == "open":
            order = self._ledger.finish(order, "canceled", "canceled", self.market_ms())
            self._write(durable=True)
        return self._ledger.view(order)

    async def guard(self, group: str, guard: Guard | None) -> None:
        """Replace a group's exits; a working entry of it gets the new ones too. Raises UnknownOrder where it has none.

        The exit goes by the guard_id of the entry's order.
        """
        self._opened()
        ledger = self._ledger
        fractions = guard_fractions(guard)
        held = ledger.groups.get(group)
        entries = [order for order in ledger.orders.values() if order.group_name == group and order.guard_id]
        if held is None and not entries:
            raise UnknownOrder(f"{self.name}: group {group} has no open position and no entry to guard")
        if held is not None and not held.guard_id and any(fractions):
            raise OrderRejected(f"the entry of group {group} named no guard_id for its exit")
        if held is not None:
            ledger.guard(held, fractions, self.market_ms())
        for order in entries:
            ledger.amend(order, fractions)
        self._write(durable=True)

    async def events(self) -> AsyncIterator[VenueEvent]:
        """Yield what happens; one reader at a time. After an error, or when it is left, ask again and go on."""
        while self._store is not None:
            if self._pending:
                event = self._pending[0]
                if (key := key_of(event)) is None or key in self._wanted:
                    yield event
                if self._pending and self._pending[0] is event:
                    self._pending.popleft()
                continue
            if self._halted:
                return
            self._wake.clear()
            await self._advance()

    def halt(self) -> None:
        self._halted = True
        self._wake.set()

    def _open_store(self, source: str, settings: AccountSettings) -> None:
        """Open the file and take the account over. Raises VenueError where it belongs to another market."""
        balances = {currency: units_of(amount) for currency, amount in settings.balances.items()}
        store = PaperStore(self._path)
        store.identify({"market": self.market, "source": source}, balances)
        self._store, self._halted = store, False
        self._recover()

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
        self._wake.set()

    def _take_rates(self, settings: AccountSettings) -> None:
        self._rates = rates_of(settings)
        self._ledger.rates = self._rates
        self._wake.set()

    def _place(self, request: OrderRequest, admission: Admission) -> VenueOrder:
        """Take an order, or raise OrderRejected."""
        order = admit(request, self._ledger, admission, self._find)
        self._ledger.place(order)
        self._write(durable=True)
        self._wake.set()
        return self._ledger.view(order)

    def _write(self, *, durable: bool) -> None:
        """Make what changed durable together with the clock, then let it be told."""
        try:
            self._opened().commit(self._clock, self._ledger.changes(), durable=durable)
        except VenueUnavailable:
            self._forget_unwritten()
            raise
        news = self._ledger.told()
        self._pending.extend(news)
        if self._clock is not None and any(isinstance(event, FillHappened) for event in news):
            self._pending.append(FillsComplete(self._clock.ms, self.name))
        if news:
            self._wake.set()

    def _forget_unwritten(self) -> None:
        """Go back to the file; where not even that can be read, be closed rather than wrong."""
        try:
            self._recover()
        except VenueUnavailable:
            self._opened().close()
            self._store = None
            raise

    def _recover(self) -> None:
        saved = self._opened().load()
        self._clock = saved.clock
        self._traded = self._known(saved)
        self._ledger = self._fresh_ledger()
        self._ledger.load(saved.balances, saved.orders, saved.groups, saved.last_seq, saved.last_fill)
        self._recovered()

    def _known(self, saved: Saved) -> dict[str, Traded]:
        """Return the precision of what the account has traded: what was counted once keeps its meaning."""
        return {symbol: self._precision(symbol, tick) for symbol, tick in saved.ticks.items()}

    def _fresh_ledger(self) -> Ledger:
        return Ledger(
            name=self.name, swap=self.market == "swap", rates=self._rates, traded=self._trade, lookup=self._find
        )

    def _opened(self) -> PaperStore:
        if self._store is None:
            raise VenueUnavailable(f"{self.name} is not open")
        return self._store

    def _find(self, client_id: str) -> Order | None:
        return self._ledger.orders.get(client_id) or self._opened().order(client_id)

    def _active(self) -> frozenset[Key]:
        """Return the bars and feeds that orders and positions need, subscribed or not."""
        return frozenset(self._ledger.working) | frozenset(self._ledger.held)

    def _key(self, series: Series) -> Key:
        if series.exchange != self.name:
            raise HistoryError(f"{self.name} has no bars of {series.exchange}; ask the venue of that name")
        return Key(series.symbol, series.timeframe)

    def _precision(self, symbol: str, tick: Decimal) -> Traded:
        base, quote = split_symbol(symbol)
        return Traded(symbol, base, quote, tick, fills.cash_unit(tick, STEP, STEP))
