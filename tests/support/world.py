"""A trading loop on a journal of its own and a venue that says what the test tells it to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

from autotrader.core.clock import ManualClock
from autotrader.execution.ledger import Position
from autotrader.execution.leg import Leg
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import Fill, Order, VenueOrder
from autotrader.market.instrument import Instrument
from autotrader.runtime.account import Account
from autotrader.runtime.desk import Desk
from autotrader.runtime.loop import TradingLoop
from autotrader.store.journal import Journal
from support.venue import ToldVenue

D = Decimal


class World:
    """The loop, its journal and its venue; `restart` is a new process on the same file."""

    def __init__(self, path: Path, market: str = "spot", budget: Decimal | None = None) -> None:
        self.path, self.market = path, market
        self.venue = ToldVenue(market=market)
        self.clock = ManualClock()
        self.begin(budget)

    def begin(self, budget: Decimal | None = None) -> None:
        self.journal = Journal(self.path, self.clock)
        self.account = Account("paper", self.market, "USDT", D("0.0012"), budget=budget)
        self.loop = TradingLoop(
            self.journal, Desk(self.journal, {"paper": self.venue}, {"paper": self.account}, self.clock), self.clock
        )
        self.loop.desk.generation = 1
        for row in self.journal.legs():
            rules = Instrument("paper", row.symbol, row.symbol.split("/")[0], "USDT", self.market, D("0.01"), D("1e-8"))
            self.loop.desk.add(Leg.restore(row.owner, row.exchange, row.symbol, rules, row.position, row.rest))

    def restart(self, budget: Decimal | None = None) -> None:
        self.journal.close()
        self.begin(budget)

    def leg(self, owner: str = "a", symbol: str = "BTC/USDT", held: str = "0", **changes: Any) -> Leg:
        """Seat a leg; what it holds was bought at 100."""
        amount = D(held)
        rules = Instrument("paper", symbol, symbol.split("/", maxsplit=1)[0], "USDT", self.market, D("0.01"), D("1e-8"))
        position = (
            Position(amount, abs(amount), abs(amount) * 100, in_value=abs(amount) * 100, open_cost=abs(amount) * 100)
            if amount
            else Position()
        )
        leg = Leg(owner, "paper", symbol, "5m", "5m", rules, position=position, group=f"g-{owner}-{symbol}")
        for name, value in changes.items():
            setattr(leg, name, value)
        self.loop.desk.add(leg)
        with self.journal.write():
            self.loop.desk.save(leg)
        return leg

    def order(self, leg: Leg, name: str = "at1", state: OrderState = OrderState.OPEN, **changes: Any) -> Order:
        """Journal an order of a leg, as it stood when the last process died."""
        order = Order(
            name, "", leg.owner, "paper", leg.symbol, 1, "limit", D(100), D(2), D(0), None, state, "entry", "entry",
            leg.group, 1, 1, 1, 1,
        )._replace(**changes)  # fmt: skip
        with self.journal.write():
            self.journal.order(order)
        return order

    def told(self, order: Order, status: str = "open", filled: str = "0") -> None:
        """Let the venue know an order."""
        self.venue.told_orders[order.client_id] = VenueOrder(
            order.client_id, "v1", order.symbol, order.side, "limit", order.price, order.amount, D(filled), None,
            status, "", order.group, 2,
        )  # fmt: skip

    def fill(self, order: Order, amount: str, fill_id: int = 1, price: int = 100) -> Fill:
        """Return a fill of an order, its fee 0.1 USDT."""
        size = D(amount)
        return Fill(
            fill_id, order.client_id, "paper", order.symbol, order.side, D(price), size, size * price, D("0.1"), "USDT",
            500_000, False, "entry", order.group,
        )  # fmt: skip

    def filled(self, order: Order, amount: str, fill_id: int = 1, price: int = 100) -> None:
        """Let the venue have filled an order, with its money moved."""
        size = D(amount)
        self.venue.told_fills.append(self.fill(order, amount, fill_id, price))
        base = order.symbol.split("/")[0]
        self.venue.money["USDT"] -= order.side * size * price + D("0.1")
        self.venue.money[base] = self.venue.money.get(base, D(0)) + order.side * size

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(query).fetchall()

    def events(self, kind: str) -> list[str]:
        with closing(sqlite3.connect(self.path)) as db:
            return [row[0] for row in db.execute("SELECT message FROM events WHERE kind = ? ORDER BY id", (kind,))]
