"""A paper account's money, orders and positions, counted in integers. What changed is noted for the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from autotrader.execution.orders import BUY, Fill, Reason, VenueOrder, VenueStatus
from autotrader.market import fills
from autotrader.venues.paper.state import FOK, MAKES, STEP, AccountSettings, Group, Key, Order, Traded
from autotrader.venues.protocol import FillHappened, FundingPaid, OrderChanged, VenueEvent

POSITION_CLOSED = "position closed"
LIFTED = "lifted"
WOULD_TAKE = "post only: it would take"
NOT_THERE = "nothing at its price, and it does not rest"
NO_MONEY = "insufficient balance"
OPPOSITE = "opposite positions on one swap need hedge mode"


class Rates(NamedTuple):
    """Fees and slippage in parts of RATE; the least notional in steps of cash; the leverage of a swap."""

    maker: int
    taker: int
    slippage: int
    min_notional: int
    leverage: int = 1


class Changes(NamedTuple):
    """What a step changed, to be written in one transaction. A group of None is flat.

    `settled` is, of live markets, up to when the funding of a symbol is paid.
    """

    orders: tuple[Order, ...]
    groups: tuple[tuple[str, Group | None], ...]
    balances: tuple[tuple[str, int], ...]
    fills: tuple[Fill, ...]
    funding: tuple[tuple[int, str, int], ...]
    settled: tuple[tuple[str, int], ...]


class Ledger:
    """The account. Its methods change memory only; `changes` and `told` hand out what the store and the reader get."""

    def __init__(
        self,
        *,
        name: str,
        swap: bool,
        rates: Rates,
        traded: Callable[[str], Traded],
        lookup: Callable[[str], Order | None],
    ) -> None:
        self.swap, self.rates, self.traded = swap, rates, traded
        self._name, self._lookup = name, lookup
        self.balances: dict[str, int] = {}
        self.orders: dict[str, Order] = {}
        self.groups: dict[str, Group] = {}
        self.working: dict[Key, dict[str, Order]] = {}
        self.held: dict[Key, dict[str, Group]] = {}
        self._reserved: dict[str, int] = {}
        self._margin: dict[str, int] = {}
        self.last_seq = self.last_fill = 0
        self._dirty = False
        self._orders: dict[str, Order] = {}
        self._groups: dict[str, None] = {}
        self._balances: dict[str, None] = {}
        self._fills: list[Fill] = []
        self._funding: list[tuple[int, str, int]] = []
        self._settled: dict[str, int] = {}
        self._events: list[VenueEvent] = []

    def load(
        self,
        balances: dict[str, int],
        orders: Iterable[Order],
        groups: Iterable[Group],
        last_seq: int,
        last_fill: int,
    ) -> None:
        """Take over what the store holds."""
        self.balances = dict(balances)
        for order in orders:
            self._put(order)
        for group in groups:
            self._hold(group)
        self.last_seq, self.last_fill = last_seq, last_fill
        self._forget()

    def free(self, currency: str) -> int:
        """Return what neither an order reserves nor a swap position has as its margin."""
        return self.balances.get(currency, 0) - self._reserved.get(currency, 0) - self._margin.get(currency, 0)

    def position(self, symbol: str, without: str = "") -> int:
        """Return a symbol's net lots over all groups, or all but one."""
        return sum(group.net for group in self.groups.values() if group.symbol == symbol and group.name != without)

    @property
    def dirty(self) -> bool:
        """Whether anything but the best prices of open positions changed since the last write."""
        return self._dirty

    def changes(self) -> Changes:
        """Return everything to be written."""
        return Changes(
            tuple(self._orders.values()),
            tuple((name, self.groups.get(name)) for name in self._groups),
            tuple((currency, self.balances[currency]) for currency in self._balances),
            tuple(self._fills),
            tuple(self._funding),
            tuple(self._settled.items()),
        )

    def told(self) -> list[VenueEvent]:
        """Return what happened, once it is written, and start anew."""
        events = self._events
        self._forget()
        return events

    def place(self, order: Order) -> None:
        """Take an admitted order."""
        self.last_seq = max(self.last_seq, order.seq)
        self._put(order)

    def finish(self, order: Order, status: VenueStatus, reason: str, ts_ms: int) -> Order:
        """End an open order without a fill."""
        done = order._replace(status=status, reason=reason, reserved=0)
        self._put(done)
        self._events.append(OrderChanged(ts_ms, self.view(done)))
        return done

    def view(self, order: Order) -> VenueOrder:
        """Return an order as the protocol tells it."""
        return order.view(self.traded(order.symbol).tick)

    def guard(self, group: Group, fractions: tuple[int, int, int], ts_ms: int) -> None:
        """Replace a group's protective exits."""
        stop, take, trail = fractions
        self._hold(group._replace(stop=stop, take=take, trail=trail))
        self._sync_guard(self.groups[group.name], LIFTED, ts_ms)

    def amend(self, order: Order, fractions: tuple[int, int, int]) -> None:
        """Replace the guard that a working entry will arm."""
        stop, take, trail = fractions
        self._put(order._replace(stop=stop, take=take, trail=trail))

    def rest(self, order: Order) -> None:
        """Let a limit order that crossed when it came in, and was not met at its limit, rest from now on."""
        self._put(order._replace(crossing=False))

    def make_only(self, order: Order) -> None:
        """Let a post-only order that its first open has left alone rest: no later open fills it as a taker."""
        self._put(order._replace(terms=MAKES))

    def queue(self, order: Order, ahead: int) -> None:
        """Note how much is ahead of an order that rests in a book. It is as durable as the event that it comes from."""
        if ahead != order.ahead:
            dirty = self._dirty
            self._put(order._replace(ahead=ahead))
            self._dirty = dirty

    def move_best(self, group: Group, high: int, low: int) -> None:
        """Let a bar move the best price that a position has seen."""
        best = fills.moved_best(group.side, group.best, high, low)
        if best != group.best:
            dirty = self._dirty
            self._hold(group._replace(best=best))
            self._dirty = dirty  # a replayed bar moves it again, so this alone needs no write

    def execute(self, order: Order, ticks: int, *, maker: bool, ts_ms: int, reason: str = "") -> None:
        """Fill as much of an order as its money and its position allow; what remains expires."""
        wanted = order.lots - order.filled
        lots, why = self._fillable(order, wanted, ticks, self.rates.maker if maker else self.rates.taker)
        if lots:
            self._book(order, lots, ticks, maker=maker, ts_ms=ts_ms, reason=reason)
        left = self.orders.get(order.client_id)
        if left is None or lots == wanted:
            return
        if left.type == "guard" and left.group_name in self.groups:
            # what it guards cannot be sold: without this it would come back on every bar
            group = self.groups[left.group_name]
            self._hold(group._replace(stop=0, take=0, trail=0))
        self.finish(left, "expired", why, ts_ms)

    def liquidate(self, group: Group, ticks: int, ts_ms: int) -> None:
        """End a swap position whose loss ate its margin."""
        blank = self._fresh_guard(group, ts_ms)
        name = f"liquidation-{self._name}-{blank.seq}"
        order = blank._replace(client_id=name, type="market", lots=abs(group.net), from_ms=ts_ms)
        self.place(order)
        self.execute(order, ticks, maker=False, ts_ms=ts_ms, reason=Reason.LIQUIDATION)

    def settle(self, symbol: str, net: int, rate: int, price_ticks: int, ts_ms: int) -> None:
        """Let a settlement of `net` lots move money: longs pay shorts `rate` (parts of RATE) of what they are worth."""
        if not net or not rate:
            return
        traded = self.traded(symbol)
        worth = fills.cost(abs(net), price_ticks, traded.unit, 1)
        pays = (net > 0) == (rate > 0)
        share = fills.mul_div_up if pays else fills.mul_div
        moved = share(worth, abs(rate), fills.RATE) * (-1 if pays else 1)
        if moved:
            self._add(traded.quote, moved)
            self._funding.append((ts_ms, symbol, moved))
            self._events.append(FundingPaid(ts_ms, symbol, moved * STEP))
            self._dirty = True

    def settled(self, symbol: str, ms: int) -> None:
        """Note that a live market's settlements of a symbol are paid up to a moment."""
        self._settled[symbol] = ms

    def _fillable(self, order: Order, wanted: int, ticks: int, rate: int) -> tuple[int, str]:
        traded = self.traded(order.symbol)
        group = self.groups.get(order.group_name)
        lots, why = wanted, ""
        if order.reduce_only:
            open_lots = abs(group.net) if group and group.net * order.side < 0 else 0
            if open_lots < lots:
                lots, why = open_lots, POSITION_CLOSED
        elif self.swap and self.position(order.symbol, order.group_name) * order.side < 0:
            return 0, OPPOSITE
        if (self.swap and not order.reduce_only) or (not self.swap and order.side == BUY):
            money = self.free(traded.quote) + order.reserved
            bought = fills.affordable_on_margin(money, ticks, traded.unit, rate, self.rates.leverage)
        elif self.swap:
            bought = lots
        else:
            bought = max(self.balances.get(traded.base, 0), 0)
        if bought < lots:
            lots, why = bought - bought % traded.lot, NO_MONEY
            worth = fills.cost(lots, ticks, traded.unit, -1)
            least = max(self.rates.min_notional, traded.min_cost)
            if not order.reduce_only and (worth < least or lots < traded.min_lots):
                lots = 0
        if order.terms == FOK and lots < wanted and not order.reduce_only:
            lots = 0
        return lots, why

    def _book(self, order: Order, lots: int, ticks: int, *, maker: bool, ts_ms: int, reason: str) -> None:
        traded = self.traded(order.symbol)
        cash = fills.cost(lots, ticks, traded.unit, order.side)
        charge = fills.fee(cash, self.rates.maker if maker else self.rates.taker)
        told = len(self._events)
        filled = order.filled + lots
        full = filled == order.lots
        self._put(
            order._replace(
                filled=filled,
                value=order.value + ticks * lots,
                status="filled" if full else "open",
                reason=reason or order.reason,
                reserved=0 if full else order.reserved,
            )
        )
        realised = self._move_group(order, lots, ticks, cash, ts_ms)
        if self.swap:
            self._add(traded.quote, realised - charge)
        else:
            self._add(traded.base, order.side * lots)
            self._add(traded.quote, -order.side * cash - charge)
        self.last_fill += 1
        fill = Fill(
            fill_id=self.last_fill,
            client_id=order.client_id,
            exchange=self._name,
            symbol=order.symbol,
            side=order.side,
            price=ticks * traded.tick,
            amount=lots * STEP,
            cost=cash * STEP,
            fee=charge * STEP,
            fee_currency=traded.quote,
            ts_ms=ts_ms,
            maker=maker,
            reason=reason,
            group=order.group_name,
        )
        self._fills.append(fill)
        self._events.insert(told, FillHappened(ts_ms, fill))  # before what follows from it

    def _move_group(self, order: Order, lots: int, ticks: int, cash: int, ts_ms: int) -> int:
        """Let a fill move its group's position and return the cash that it realised."""
        group = self.groups.get(order.group_name) or Group(
            order.group_name, order.symbol, order.resolution, 0, 0, 0, 0, 0.0, 0, 0, 0, ""
        )
        if order.guard_id and not order.reduce_only:
            older = self.orders.get(group.guard_id)
            if older is not None and order.guard_id != group.guard_id:
                self.finish(older, "canceled", "replaced", ts_ms)
            group = group._replace(stop=order.stop, take=order.take, trail=order.trail, guard_id=order.guard_id)
        realised = 0
        if group.net * order.side < 0:
            closing = min(lots, abs(group.net))
            share = group.cost * closing // abs(group.net)
            moved = cash * closing // lots
            realised = (moved - share) * group.side
            group = group._replace(net=group.net + order.side * closing, cost=group.cost - share)
            lots, cash = lots - closing, cash - moved
        if lots:
            fresh = group.net == 0
            group = group._replace(
                net=group.net + order.side * lots,
                cost=group.cost + cash,
                entry_lots=lots + (0 if fresh else group.entry_lots),
                entry_value=ticks * lots + (0 if fresh else group.entry_value),
                best=float(ticks) if fresh else group.best,
            )
        self._hold(group)
        self._sync_guard(group, POSITION_CLOSED, ts_ms)
        if not group.net:
            self._expire_reducing(group.name, order.client_id, ts_ms)
        return realised

    def _expire_reducing(self, name: str, except_id: str, ts_ms: int) -> None:
        for order in sorted(self.orders.values()):
            if order.group_name == name and order.reduce_only and order.client_id != except_id:
                self.finish(order, "expired", POSITION_CLOSED, ts_ms)

    def _sync_guard(self, group: Group, why: str, ts_ms: int) -> None:
        """Let the guard's order follow its group's position: as large, there as long as it is guarded."""
        row = self.orders.get(group.guard_id)
        if not group.guarded:
            if row is not None:
                self.finish(row, "canceled", why, ts_ms)
            return
        row = row or self._lookup(group.guard_id) or self._fresh_guard(group, ts_ms)
        self._put(row._replace(side=-group.side, lots=row.filled + abs(group.net), status="open", reason=""))

    def _fresh_guard(self, group: Group, ts_ms: int) -> Order:
        self.last_seq += 1
        return Order(
            seq=self.last_seq,
            client_id=group.guard_id,
            symbol=group.symbol,
            side=-group.side,
            type="guard",
            ticks=0,
            lots=0,
            reduce_only=True,
            group_name=group.name,
            resolution=group.resolution,
            from_ms=0,
            stop=0,
            take=0,
            trail=0,
            guard_id="",
            reserved=0,
            filled=0,
            value=0,
            status="open",
            reason="",
            ts_ms=ts_ms,
        )

    def _put(self, order: Order) -> None:
        spent = self.spends(order)
        before = self.orders.pop(order.client_id, None)
        held = (before.reserved if before else 0) - (order.reserved if order.status == "open" else 0)
        self._reserved[spent] = self._reserved.get(spent, 0) - held
        if before and before.type != "guard":
            _drop(self.working, before.key, before.client_id)
        if order.status == "open":
            self.orders[order.client_id] = order
            if order.type != "guard":
                self.working.setdefault(order.key, {})[order.client_id] = order
        self._orders[order.client_id] = order
        self._dirty = True

    def _hold(self, group: Group) -> None:
        before = self.groups.pop(group.name, None)
        if self.swap:
            quote = self.traded(group.symbol).quote
            behind = fills.margin(group.cost, self.rates.leverage) if group.net else 0
            freed = fills.margin(before.cost, self.rates.leverage) if before else 0
            self._margin[quote] = self._margin.get(quote, 0) + behind - freed
        if before:
            _drop(self.held, before.key, before.name)
        if group.net:
            self.groups[group.name] = group
            self.held.setdefault(group.key, {})[group.name] = group
        self._groups[group.name] = None
        self._dirty = True

    def spends(self, order: Order) -> str:
        """Return the currency that an order reserves."""
        traded = self.traded(order.symbol)
        return traded.quote if self.swap or order.side == BUY else traded.base

    def _add(self, currency: str, units: int) -> None:
        self.balances[currency] = self.balances.get(currency, 0) + units
        self._balances[currency] = None

    def _forget(self) -> None:
        self._dirty = False
        self._orders.clear()
        self._groups.clear()
        self._balances.clear()
        self._fills.clear()
        self._funding.clear()
        self._settled.clear()
        self._events = []


def _drop(index: dict[Key, dict[str, Any]], key: Key, name: str) -> None:
    index[key].pop(name)
    if not index[key]:
        del index[key]


def rates_of(settings: AccountSettings) -> Rates:
    """Return what an account is declared to pay."""
    return Rates(
        fills.scaled(settings.maker_fee),
        fills.scaled(settings.taker_fee),
        fills.scaled(settings.slippage),
        units_of(settings.min_notional),
        settings.leverage,
    )


def units_of(amount: Decimal) -> int:
    """Return an amount of a currency in steps. Raises ValueError where it is finer than a step."""
    units = amount / STEP
    if units != units.to_integral_value():
        raise ValueError(f"{amount} is finer than {STEP}")
    return int(units)
