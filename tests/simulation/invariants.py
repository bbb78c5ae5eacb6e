"""What must be true: at the exchange at every moment, and between the exchange and the journal in the end.

Tolerances, each because the gate decides on the last closed bar and the exchange measures on arrival:
money limits DRIFT, the price collar DRIFT as well; orders a minute are counted exactly where they were decided, and at
most twice as many may arrive together, when those of two minutes meet on the way; a command holds WAY_S after it was
answered, for what was sent before it may still be on its way; an entry arrives at most LATE_S after the close that it
was decided on: the bar that follows it, `stale_data`, the wait of an order to be sent, and its way.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from simulation.exchange import Exchange, Made, Placed
from simulation.virtual import START_MS

D = Decimal
ZERO = D(0)
DRIFT = D("0.02")
WAY_S = 15.0
LATE_S = 110.0
ROUNDED = D("1e-6")
"""The share by which money may differ on a swap, where it is reckoned from average prices."""
DUST = D(12)
"""Rests of coins that were too little to be traded and given up are together worth less than this."""
MINUTE_US = 60_000_000
NOWHERE = {"rejected", "canceled"}
"""How the journal may say that an order never arrived."""

SAME = {"open": {"open", "partial"}, "closed": {"filled"}, "canceled": {"canceled"}, "expired": {"expired", "canceled"}}
"""What the journal may say of an order, by what it is at the exchange."""


class Bounds(NamedTuple):
    """The limits that are declared: money in USDT, the exposure a share of equity."""

    max_order: Decimal
    max_position: Decimal
    max_exposure: Decimal
    max_open_positions: int
    max_orders_per_minute: int
    price_collar: Decimal


class Broken(AssertionError):
    """Something is not as it must be."""


class Watch:
    """Looks at everything that arrives and fills, from the exchange's side; keeps what is wrong in `broken`."""

    def __init__(self, exchange: Exchange, bounds: Bounds) -> None:
        self.exchange, self.bounds = exchange, bounds
        self.broken: list[str] = []
        self.held: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self.killed_us: int | None = None
        self.paused_us: dict[str, int] = {}
        self.owner_of: Any = lambda _name: ""
        self.also: Callable[[Placed, Made], None] = lambda _order, _made: None
        self._arrived_us: deque[int] = deque()
        exchange.arrived, exchange.filled = self.on_order, self.on_fill

    def wrong(self, what: str) -> None:
        self.broken.append(f"at {self.exchange.universe.now_us / 1e6:.3f} s: {what}")

    def on_order(self, order: Placed) -> None:
        """Measure an order of ours against every limit, as it arrives."""
        if not order.ours:
            return
        now_us = self.exchange.universe.now_us
        self._arrived_us.append(now_us)
        while self._arrived_us[0] <= now_us - MINUTE_US:
            self._arrived_us.popleft()
        if order.side < 0:
            return
        bounds, market = self.bounds, self.exchange.coins[order.symbol].price
        self._allowed(order, now_us)
        price = order.price if order.price is not None else market
        position, exposure, symbols = self._standing()
        size = order.amount * price
        owned = sum((amount * self.exchange.coins[one].price for one, amount in self.held.items()), ZERO)
        equity = self.exchange.total["USDT"] + owned
        measured = {
            "max_order": (size, bounds.max_order),
            "max_position": (position.get(order.symbol, ZERO) + size, bounds.max_position),
            "max_exposure": (exposure + size, bounds.max_exposure * equity),
        }
        for name, (value, bound) in measured.items():
            if value > bound * (1 + DRIFT):
                self.wrong(f"{name}: {order.client_id} makes it {value:f}, more than {bound}")
        if len(symbols | {order.symbol}) > bounds.max_open_positions:
            held = ", ".join(f"{one} {value:.0f}" for one, value in sorted(position.items()))
            self.wrong(f"max_open_positions: {order.client_id} adds {order.symbol} to {held}")
        if len(self._arrived_us) > 2 * bounds.max_orders_per_minute + self._exits():
            self.wrong(f"max_orders_per_minute: {len(self._arrived_us)} arrived within a minute")
        if abs(price / market - 1) > bounds.price_collar + DRIFT:
            self.wrong(f"price_collar: {order.client_id} at {price}, the market is at {market}")

    def _exits(self) -> int:
        """Return how many orders that reduce arrived within the last minute: no limit holds for them."""
        since_ms = START_MS + (self.exchange.universe.now_us - MINUTE_US) // 1000
        return sum(one.ours and one.side < 0 and one.ts_ms >= since_ms for one in self.exchange.orders.values())

    def _allowed(self, order: Placed, now_us: int) -> None:
        way_us = round(WAY_S * 1e6)
        if self.killed_us is not None and now_us > self.killed_us + way_us:
            self.wrong(f"killed, and {order.client_id} adds")
        owner = self.owner_of(order.client_id)
        for name in ("", owner):
            since_us = self.paused_us.get(name)
            if since_us is not None and now_us > since_us + way_us:
                self.wrong(f"'{name}' is paused, and {order.client_id} of {owner} adds")

    def _standing(self) -> tuple[dict[str, Decimal], Decimal, set[str]]:
        """Return our notional by symbol, working entries included, its sum, and the symbols that are held or wanted."""
        coins = self.exchange.coins
        value = {symbol: amount * coins[symbol].price for symbol, amount in self.held.items() if amount}
        for order in self.exchange.orders.values():
            if order.ours and order.side > 0 and order.status == "open":
                price = order.price if order.price is not None else coins[order.symbol].price
                value[order.symbol] = value.get(order.symbol, ZERO) + order.left * price
        return value, sum(value.values(), ZERO), {symbol for symbol, one in value.items() if one >= DUST}

    def on_fill(self, order: Placed, made: Made) -> None:
        """Count what is ours. It may never sell what it does not own."""
        self.also(order, made)
        if not order.ours:
            return
        base = self.exchange.coins[order.symbol].base
        self.held[order.symbol] += made.side * made.amount - (made.fee if made.fee_currency == base else ZERO)
        if self.held[order.symbol] < 0:
            self.wrong(f"{order.client_id} sold foreign coins: {self.held[order.symbol]} {base}")


class Rows:
    """The journal as it lies on the disk."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self._db.row_factory = sqlite3.Row

    def all(self, query: str) -> list[sqlite3.Row]:
        return self._db.execute(query).fetchall()

    def close(self) -> None:
        self._db.close()


def at_end(watch: Watch, journal: Path, cash: Decimal) -> list[str]:
    """Return everything that differs between the exchange and the journal once all has come to rest."""
    rows = Rows(journal)
    try:
        return [
            *watch.broken,
            *_orders(watch.exchange, rows),
            *_fills(watch.exchange, rows),
            *_money(watch, rows, cash),
            *_moved(watch.exchange, rows),
            *_entries(watch.exchange, rows),
            *_rate(watch.bounds, rows),
        ]
    finally:
        rows.close()


def _orders(exchange: Exchange, rows: Rows) -> list[str]:
    wrong = [f"{name} was sent {count} times" for name, count in sorted(exchange.attempts.items()) if count > 1]
    known = {row["client_id"]: row for row in rows.all("SELECT * FROM orders WHERE type != 'guard'")}
    for name, order in exchange.by_client.items():
        if not order.ours:
            continue
        row = known.pop(name, None)
        if row is None:
            wrong.append(f"{name} is at the exchange and not in the journal")
        elif row["state"] not in SAME[order.status]:
            wrong.append(f"{name} is {order.status} at the exchange and {row['state']} in the journal")
        elif D(row["filled"]) != order.filled:
            wrong.append(f"{name} filled {order.filled} at the exchange and {row['filled']} in the journal")
        late_ms = order.ts_ms - row["created_ms"] if row is not None else 0
        if order.side > 0 and late_ms > LATE_S * 1000:
            wrong.append(f"{name} was decided at {row['created_ms']} and arrived at {order.ts_ms}")
    wrong += [
        f"{name} is {row['state']} in the journal and was never at the exchange"
        for name, row in known.items()
        if row["state"] not in NOWHERE or D(row["filled"])
    ]
    return wrong


def _fills(exchange: Exchange, rows: Rows) -> list[str]:
    ours = [one for one in exchange.fills if exchange.by_client[one.client_id].ours]
    told = rows.all("SELECT * FROM fills WHERE client_id LIKE 'at%'")
    true = sorted((one.client_id, one.price, one.amount) for one in ours)
    booked = sorted((row["client_id"], D(row["price"]), D(row["amount"])) for row in told)
    if true == booked:
        return []
    missing = [one for one in true if one not in booked]
    more = [one for one in booked if one not in true]
    return [f"fills differ: {len(true)} at the exchange, {len(booked)} booked; missing {missing[:3]}, more {more[:3]}"]


def _money(watch: Watch, rows: Rows, cash: Decimal) -> list[str]:
    exchange, wrong = watch.exchange, []
    owned: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for row in rows.all("SELECT * FROM legs"):
        owned[row["symbol"]] += D(row["amount"])
    for row in rows.all("SELECT message FROM events WHERE kind = 'dust'"):
        amount, base = row["message"].split()[:2]
        owned[f"{base}/USDT"] += D(amount)  # given up, and still there
    for symbol, coin in exchange.coins.items():
        theirs = exchange.total.get(coin.base, ZERO) - exchange.foreign.get(coin.base, ZERO)
        if owned[symbol] != theirs:
            wrong.append(f"strategies own {owned[symbol]} {coin.base}, the exchange holds {theirs} of theirs")
        if theirs != watch.held[symbol]:
            wrong.append(f"the exchange itself is wrong about {coin.base}: {theirs}, {watch.held[symbol]}")
    if abs(cash - exchange.total["USDT"]) > (ROUNDED * exchange.total["USDT"] if exchange.swap else ZERO):
        wrong.append(f"cash is {cash}, the exchange holds {exchange.total['USDT']} USDT")
    return wrong


def _moved(exchange: Exchange, rows: Rows) -> list[str]:
    """Compare what was booked as funding, and as paid in or out, with what truly moved."""
    wrong, paid = [], sum((one.amount for one in exchange.settled), ZERO)
    if exchange.tells_funding:
        events = rows.all("SELECT ts_ms, message FROM events WHERE kind = 'funding'")
        told = [(row["ts_ms"], *row["message"].removesuffix(" USDT").split(": ")) for row in events]
        booked = sorted((ts_ms, symbol, D(amount)) for ts_ms, symbol, amount in told)
        true = sorted((one.ts_ms, one.symbol, one.amount) for one in exchange.settled)
        if booked != true:
            wrong.append(f"funding was booked as {booked[:3]}, and was {true[:3]}")
        paid = ZERO
    moves = [row["message"].split()[0] for row in rows.all("SELECT message FROM events WHERE kind = 'money_moved'")]
    moved, true_moved = sum(map(D, moves), ZERO), exchange.foreign["USDT"] + paid
    if abs(moved - true_moved) > (ROUNDED * exchange.total["USDT"] if exchange.swap else ZERO):
        wrong.append(f"{moved} USDT were called paid in or out, and {true_moved} were")
    return wrong


def _entries(exchange: Exchange, rows: Rows) -> list[str]:
    """Compare what filled for each entry with the most that any of its orders asked for."""
    got: dict[tuple[str, int], Decimal] = defaultdict(lambda: ZERO)
    targets: dict[tuple[str, int], Decimal] = {}
    for row in rows.all(
        "SELECT o.client_id, o.amount, o.group_id, d.entry_id FROM orders o JOIN decisions d ON d.id = o.decision "
        "WHERE o.purpose = 'entry' ORDER BY o.decision"
    ):
        key = (row["group_id"], row["entry_id"])
        targets.setdefault(key, D(row["amount"]))
        order = exchange.by_client.get(row["client_id"])
        if order is not None:
            got[key] += order.filled
    return [
        f"entry {key[1]} of {key[0]} bought {amount}, wanted {targets[key]}"
        for key, amount in got.items()
        if amount > targets[key]
    ]


def _rate(bounds: Bounds, rows: Rows) -> list[str]:
    """Count orders where they were decided: none that adds is the one too many within a minute.

    A bar's close may be told after a fill of a later moment: what is decided on it is decided at that later moment.
    """
    wrong: list[str] = []
    before: list[int] = []
    for row in rows.all(
        "SELECT client_id, created_ms, purpose FROM orders WHERE type NOT IN ('guard', 'stop') AND decision > 0 "
        "ORDER BY decision"
    ):
        now_ms = max([row["created_ms"], *before[-1:]])
        recent = sum(now_ms - 60_000 < one <= now_ms for one in before[-100:])
        if row["purpose"] in {"entry", "slot"} and recent >= bounds.max_orders_per_minute:
            wrong.append(f"max_orders_per_minute: {row['client_id']} is number {recent + 1} within a minute")
        before.append(now_ms)
    return wrong
