"""The exchange behind the wire: orders in, matching against the moving market, and what the account is told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from autotrader.core.clock import HOUR_MS
from autotrader.venues.emulator.account import ZERO, Account, Holding
from autotrader.venues.emulator.book import Book, crosses
from autotrader.venues.emulator.market import Market, Traded
from autotrader.venues.emulator.orders import PRICED, STOPPED, Order, Refusal, Trade
from autotrader.venues.emulator.tape import Print

FEE = Decimal("0.001")
FEE_STEP = Decimal("1e-8")
MAX_LIVE = 200
MAX_ORDERS = 20_000
MAX_TRADES = 50_000
"""Live orders a symbol, and the orders and trades that are remembered; the oldest dead ones are forgotten."""

CATCH_UP_MS = HOUR_MS
"""The market's trades that a restart missed meet resting orders, if they are not older than this."""


class Asked(NamedTuple):
    """An order as it was asked for, checked: ticks and lots are whole; 0 where they are not given."""

    traded: Traded
    client_id: str
    bought: bool
    type: str
    time_in_force: str
    ticks: int
    lots: int
    stop_ticks: int
    spendable: Decimal


class Told(NamedTuple):
    """What happened to an order: Binance's execution type, and the trade if it was one."""

    kind: str
    order: Order
    trade: Trade | None
    ts_ms: int


class Exchange:
    """One account on one market."""

    def __init__(self, market: Market, balances: Mapping[str, Decimal]) -> None:
        self.market, self.account = market, Account(balances)
        self.books = {one.id: Book(one, market.last(one), market.mean_units(one)) for one in market.traded.values()}
        self.orders: OrderedDict[int, Order] = OrderedDict()
        self.trades: OrderedDict[int, Trade] = OrderedDict()
        self.next_order, self.next_trade = 1, 1
        self.seen_ms = market.now_ms()
        self.on_told: Callable[[Told], None] = lambda _: None
        self.on_balances: Callable[[frozenset[str]], None] = lambda _: None
        self.halve = False
        self._moved: set[str] = set()
        self._at_ms = 0

    def advance(self) -> dict[str, list[Print]]:
        """Let the market move on to now; return its trades by symbol."""
        now = self.market.now_ms()
        begin, self.seen_ms = max(self.seen_ms, now - CATCH_UP_MS), max(now, self.seen_ms)
        happened = {}
        for one in self.market.traded.values():
            prints = self.market.prints(one, begin, now) if now > begin else []
            for made in prints:
                self._at_ms = made.ts_ms
                self._meet(self.books[one.id], made)
            self._at_ms = 0
            if prints:
                happened[one.id] = prints
        self._tell_balances()
        return happened

    def place(self, asked: Asked) -> Order:
        """Take an order. Raises Refusal where Binance would."""
        book = self.books[asked.traded.id]
        self._admit(book, asked)
        if asked.spendable:
            asked = asked._replace(lots=self._lots_for(book, asked))
        now = self.market.now_ms()
        order = Order(
            self.next_order, asked.client_id, asked.traded.id, asked.bought, asked.type, asked.time_in_force,
            asked.ticks, asked.lots, asked.stop_ticks, now, now, asked.spendable, waiting=asked.type in STOPPED,
        )  # fmt: skip
        self._reserve(asked.traded, order)
        self.next_order += 1
        self.orders[order.id] = book.orders[order.id] = order
        self._tell("NEW", order)
        if not order.waiting:
            self._work(book, order)
        book.changed()
        self._forget()
        self._tell_balances()
        return order

    def cancel(self, order: Order, cancel_id: str) -> Order:
        """Cancel a live order. Raises Refusal for one that is dead."""
        if not order.live:
            raise Refusal(-2011, "Unknown order sent.")
        order.cancel_id = cancel_id
        self._end(self.books[order.symbol_id], order, "CANCELED")
        self._tell_balances()
        return order

    def restore(
        self, held: Mapping[str, Holding], orders: Sequence[Order], trades: Sequence[Trade], seen_ms: int
    ) -> None:
        """Take over what was kept; the market's trades since then are met by `advance`.

        Raises KeyError for an order of a symbol that is not traded.
        """
        self.account.restore(held)
        for order in orders:
            self.orders[order.id] = order
            if order.live:
                self.books[order.symbol_id].orders[order.id] = order
                self.books[order.symbol_id].changed()
        for trade in trades:
            self.trades[trade.id] = trade
            if trade.order_id in self.orders:
                self.orders[trade.order_id].trades.append(trade)
        self.next_order = max(self.orders, default=0) + 1
        self.next_trade = max(self.trades, default=0) + 1
        self.seen_ms = seen_ms

    def find(self, symbol_id: str, order_id: int | None, client_id: str) -> Order | None:
        """Return an order by its id, else by its client id: the live one, else the newest; None where there is none."""
        if order_id is not None:
            found = self.orders.get(order_id)
            return found if found is not None and found.symbol_id == symbol_id else None
        named = [one for one in self.orders.values() if one.client_id == client_id and one.symbol_id == symbol_id]
        return next((one for one in named if one.live), named[-1] if named else None)

    def live(self, symbol_id: str = "") -> list[Order]:
        """Return the live orders of a symbol, or all of them, oldest first."""
        books = [self.books[symbol_id]] if symbol_id else self.books.values()
        return sorted((order for book in books for order in book.orders.values()), key=lambda order: order.id)

    def _admit(self, book: Book, asked: Asked) -> None:
        if self.market.over:
            raise Refusal(-1013, "Market is closed.")
        if any(one.client_id == asked.client_id for one in book.orders.values()):
            raise Refusal(-2010, "Duplicate order sent.")
        if len(book.orders) >= MAX_LIVE:
            raise Refusal(-1013, "Filter failure: MAX_NUM_ORDERS")
        if asked.type == "LIMIT_MAKER" and self._would_take(book, asked):
            raise Refusal(-2010, "Order would immediately match and take.")
        if asked.type in STOPPED and _triggered(asked.type, asked.bought, asked.stop_ticks, book.last.ticks):
            raise Refusal(-2010, "Stop price would trigger immediately.")

    def _lots_for(self, book: Book, asked: Asked) -> int:
        """Return how many lots an amount of quote money buys or sells for now."""
        one, left, found = book.traded, asked.spendable, 0
        for ticks, lots in book.offers(asked.bought):
            part = min(lots, int(left / one.price(ticks) / one.lot))
            found += part
            left -= one.price(ticks) * one.quantity(part)
            if part < lots:
                break
        if not found:
            raise Refusal(-1013, "Filter failure: LOT_SIZE")
        return found

    def _would_take(self, book: Book, asked: Asked) -> bool:
        bid, ask = book.best()
        return bool(ask) and asked.ticks >= ask if asked.bought else bool(bid) and asked.ticks <= bid

    def _reserve(self, traded: Traded, order: Order) -> None:
        """Lock what an order may cost. A market order is paid from what is free: it is only asked whether it can be."""
        asset = traded.quote if order.bought else traded.base
        needed = self._cost(self.books[traded.id], order)
        if self.account.holding(asset).free < needed:
            raise Refusal(-2010, "Account has insufficient balance for requested action.")
        if order.type != "MARKET":
            order.locked = needed
            self.account.lock(asset, needed)
            self._moved.add(asset)

    def _cost(self, book: Book, order: Order) -> Decimal:
        one = book.traded
        if not order.bought:
            return one.quantity(order.lots)
        if order.type != "MARKET":
            return one.price(order.ticks or order.stop_ticks) * one.quantity(order.lots)
        cost, left = ZERO, order.lots
        for ticks, lots in book.offers(True):
            part = min(lots, left)
            cost += one.price(ticks) * one.quantity(part)
            left -= part
            if not left:
                break
        return cost

    def _meet(self, book: Book, made: Print) -> None:
        """Let the account's orders meet one trade of the market."""
        book.turn(made)
        if not book.orders:
            return
        for bought in (True, False):
            left = made.units // book.traded.lot_units
            for order in book.resting(bought):
                beyond = made.ticks < order.ticks if bought else made.ticks > order.ticks
                reached = made.ticks == order.ticks and made.bought != bought
                lots = min(left, order.left) if beyond or reached else 0
                if lots:
                    self._fill(book, order, order.ticks, lots, maker=True)
                    left -= lots
        self._meet_depth(book)
        for order in sorted(book.orders.values(), key=lambda one: one.id):
            if order.waiting and _triggered(order.type, order.bought, order.stop_ticks, made.ticks):
                self._trigger(book, order)

    def _meet_depth(self, book: Book) -> None:
        """Let what the market offers now fill the resting orders that it reaches, at their prices."""
        for bought in (True, False):
            for order in book.resting(bought):
                for ticks, lots in list(book.offers(bought)):
                    if not order.left or not crosses(bought, order.ticks, ticks):
                        break
                    part = min(lots, order.left)
                    book.take(bought, ticks, part)
                    self._fill(book, order, order.ticks, part, maker=True)

    def _trigger(self, book: Book, order: Order) -> None:
        order.waiting = False
        if order.type not in PRICED:
            asset = book.traded.quote if order.bought else book.traded.base
            self._release(asset, order, order.locked)
        self._tell("NEW", order)
        self._work(book, order)

    def _work(self, book: Book, order: Order) -> None:
        """Let an order take what it can at once, and rest or end."""
        one, priced = book.traded, order.type in PRICED
        halved, self.halve = self.halve, False
        if priced and order.time_in_force == "FOK" and self._takable(book, order) < order.left:
            self._end(book, order, "EXPIRED")
            return
        most = -(-order.left // 2) if halved else order.left
        own = next((rest.ticks for rest in book.resting(not order.bought)), None)
        for ticks, lots in list(book.offers(order.bought)):
            if priced and not crosses(order.bought, order.ticks, ticks):
                break
            if own is not None and crosses(order.bought, ticks, own):
                self._end(book, order, "EXPIRED_IN_MATCH")
                return
            part = self._affordable(one, order, ticks, lots, most - order.filled)
            if part <= 0:
                break
            book.take(order.bought, ticks, part)
            self._fill(book, order, ticks, part, maker=False)
        if order.live and priced and own is not None and crosses(order.bought, order.ticks, own):
            self._end(book, order, "EXPIRED_IN_MATCH")
        elif order.live and (not priced or order.time_in_force != "GTC"):
            self._end(book, order, "EXPIRED")
        elif order.live and halved:
            book.take_all(order.bought, order.ticks)

    def _affordable(self, one: Traded, order: Order, ticks: int, lots: int, most: int) -> int:
        """Return how many lots of a level an order can take."""
        price = one.price(ticks)
        part = min(lots, most)
        if order.type in PRICED:
            return part
        if order.bought:
            return min(part, int(self.account.holding(one.quote).free / price / one.lot))
        return min(part, int(self.account.holding(one.base).free / one.lot))

    def _takable(self, book: Book, order: Order) -> int:
        return sum(lots for ticks, lots in book.offers(order.bought) if crosses(order.bought, order.ticks, ticks))

    def _fill(self, book: Book, order: Order, ticks: int, lots: int, *, maker: bool) -> None:
        one, now = book.traded, max(self._now(), order.created_ms)
        price, quantity = one.price(ticks), one.quantity(lots)
        value = price * quantity
        paid, got = (one.quote, one.base) if order.bought else (one.base, one.quote)
        cost, gain = (value, quantity) if order.bought else (quantity, value)
        if order.type in PRICED:
            self._release(paid, order, one.price(order.ticks) * quantity if order.bought else quantity)
        self.account.spend(paid, cost)
        fee = (gain * FEE).quantize(FEE_STEP, rounding=ROUND_DOWN)
        self.account.receive(got, gain - fee)
        trade = Trade(self.next_trade, one.id, order.id, now, order.bought, maker, price, quantity, value, fee, got)
        self.next_trade += 1
        order.filled += lots
        order.value += value
        order.updated_ms = now
        order.status = "PARTIALLY_FILLED" if order.left else "FILLED"
        order.trades.append(trade)
        self.trades[trade.id] = trade
        if not order.live:
            book.orders.pop(order.id, None)
        book.changed()
        self._moved |= {paid, got}
        self._tell("TRADE", order, trade)

    def _end(self, book: Book, order: Order, status: str) -> None:
        asset = book.traded.quote if order.bought else book.traded.base
        self._release(asset, order, order.locked)
        order.status = status
        order.updated_ms = self._now()
        book.orders.pop(order.id, None)
        book.changed()
        self._tell("CANCELED" if status == "CANCELED" else "EXPIRED", order)

    def _release(self, asset: str, order: Order, amount: Decimal) -> None:
        order.locked -= amount
        self.account.unlock(asset, amount)
        self._moved.add(asset)

    def _now(self) -> int:
        """Return the moment of the market's trade that is dealt with, else the exchange's time."""
        return self._at_ms or self.market.now_ms()

    def _tell(self, kind: str, order: Order, trade: Trade | None = None) -> None:
        self.on_told(Told(kind, order, trade, self._now()))

    def _tell_balances(self) -> None:
        if self._moved:
            moved, self._moved = frozenset(self._moved), set()
            self.on_balances(moved)

    def _forget(self) -> None:
        while len(self.orders) > MAX_ORDERS:
            oldest = next((one for one in self.orders.values() if not one.live), None)
            if oldest is None:
                return
            del self.orders[oldest.id]
        while len(self.trades) > MAX_TRADES:
            self.trades.popitem(last=False)


def _triggered(kind: str, bought: bool, stop_ticks: int, last_ticks: int) -> bool:
    """Tell whether the last price sets a stop off: a stop loss that is passed, or a profit that is reached."""
    upwards = bought if kind.startswith("STOP_LOSS") else not bought
    return last_ticks >= stop_ticks if upwards else last_ticks <= stop_ticks
