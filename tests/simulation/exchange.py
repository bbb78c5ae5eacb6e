"""A small exact spot exchange in memory. It keeps the truth: every order that arrived, every fill, every coin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from random import Random
from typing import Any, NamedTuple

from ccxt.base import errors

from simulation.virtual import START_MS, Universe

D = Decimal
ZERO = D(0)
FEE = D("0.001")
STEP = D("1e-8")
MINUTE_MS = 60_000
MIN_COST = D(5)
APART = "a"
"""Begins the id of an order that waits in a list apart."""

PAST_BARS = 240
"""Minutes of history before the run begins."""

CONTRACTS = {"BTC": D("0.001"), "ETH": D("0.01"), "SOL": D(1)}
"""How many coins a contract of a swap is."""

COINS = {"BTC": ("0.01", "0.00001", 30_000), "ETH": ("0.01", "0.0001", 2_000), "SOL": ("0.001", "0.01", 60)}
"""By coin: price step, amount step, first price."""


class Paid(NamedTuple):
    """What funding moved; it is listed from `seen_us` on."""

    symbol: str
    ts_ms: int
    amount: Decimal
    seen_us: int


class Made(NamedTuple):
    """One fill as it truly happened; it is listed from `seen_us` on."""

    trade_id: str
    order_id: str
    client_id: str
    symbol: str
    side: int
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str
    ts_ms: int
    maker: bool
    seen_us: int

    def row(self) -> dict[str, Any]:
        """Return it as ccxt tells a trade of the account."""
        return {
            "id": self.trade_id,
            "order": self.order_id,
            "symbol": self.symbol,
            "side": "buy" if self.side > 0 else "sell",
            "price": float(self.price),
            "amount": float(self.amount),
            "cost": float(self.price * self.amount),
            "fee": {"cost": float(self.fee), "currency": self.fee_currency},
            "takerOrMaker": "maker" if self.maker else "taker",
            "timestamp": self.ts_ms,
            "info": {},
        }


@dataclass(slots=True)
class Placed:
    """One order as it truly stands; `told` holds its past versions, for those who are told late.

    One with a `stop` waits until the price is there; then it has none any more, and takes. Where such orders are a list
    apart, it waits under the id `apart`, and `sent` says whether it became an order as any other.
    """

    id: str
    client_id: str
    symbol: str
    side: int
    type: str
    price: Decimal | None
    amount: Decimal
    ts_ms: int
    fee_in_base: bool
    reduces: bool = False
    stop: Decimal | None = None
    apart: str = ""
    sent: bool = True
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    status: str = "open"
    told: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    @property
    def ours(self) -> bool:
        """Whether the daemon sent it."""
        return self.client_id.startswith("at")

    @property
    def left(self) -> Decimal:
        return self.amount - self.filled


class Coin:
    """One symbol's market: a price that walks, and the one-minute bars that it makes."""

    def __init__(self, name: str, rng: Random) -> None:
        tick, lot, first = COINS[name]
        self.symbol, self.base = f"{name}/USDT", name
        self.tick, self.lot = D(tick), D(lot)
        self.ticks = round(D(first) / self.tick)
        self._rng = rng
        self._home = self.ticks
        self._drift = 0.0
        self.bars: list[list[float]] = []
        for n in range(PAST_BARS):
            self._begin(START_MS + (n - PAST_BARS) * MINUTE_MS)
            for _ in range(6):
                self._move(10.0)

    @property
    def price(self) -> Decimal:
        return self.ticks * self.tick

    def _begin(self, ts_ms: int) -> None:
        price = float(self.price)
        self.bars.append([ts_ms, price, price, price, price, 0.0])

    def _move(self, seconds: float) -> None:
        rng = self._rng
        if rng.random() < 0.01 * seconds:
            self._drift = rng.gauss(0, 0.00008)
        pull = 0.0002 * (self._home - self.ticks) / self._home
        change = self._drift + pull + rng.gauss(0, 0.00025 * seconds**0.5)
        self.ticks = max(1, round(self.ticks * (1 + change)))
        bar, price = self.bars[-1], float(self.price)
        bar[2], bar[3], bar[4] = max(bar[2], price), min(bar[3], price), price
        bar[5] = round(bar[5] + rng.random(), 3)

    def second(self, now_ms: int) -> None:
        """Let a second pass."""
        opening = now_ms - now_ms % MINUTE_MS
        if self.bars[-1][0] < opening:
            self._begin(opening)
        self._move(1.0)

    def up(self, amount: Decimal) -> Decimal:
        return (amount / self.lot).to_integral_value(ROUND_CEILING) * self.lot

    def down(self, amount: Decimal) -> Decimal:
        return (amount / self.lot).to_integral_value(ROUND_FLOOR) * self.lot


class Exchange:
    """One account on one exchange. Who watches (`arrived`, `filled`) is told of everything as it happens.

    On a swap `total` holds positions, and of USDT what is left beside what they were entered for; `basis` holds the
    latter, at the average price of each position, as exchanges count it.
    """

    def __init__(
        self, universe: Universe, rng: Random, *, base_fees: float, lag: Callable[[], float], swap: bool = False
    ) -> None:
        self.universe, self._rng, self._base_fees, self._lag = universe, rng, base_fees, lag
        self.coins = {f"{name}/USDT": Coin(name, rng) for name in COINS}
        self.orders: dict[str, Placed] = {}
        self.by_client: dict[str, Placed] = {}
        self.fills: list[Made] = []
        self.attempts: Counter[str] = Counter()
        self.swap = swap
        self.total: dict[str, Decimal] = {"USDT": D(10_000)}
        if not swap:
            self.total |= {"ETH": D("0.5"), "SOL": D("0.004")}
        self.basis: dict[str, Decimal] = {}
        self.settled: list[Paid] = []
        self.tells_funding = False
        self.foreign = dict(self.total)
        self.foreign["USDT"] = ZERO
        self.down = False
        self.still = False
        self.asked_us = 0
        self.arrived: Callable[[Placed], None] = lambda _: None
        self.filled: Callable[[Placed, Made], None] = lambda _order, _fill: None
        self.told: Callable[[Placed, Made | None], None] = lambda _order, _fill: None
        self.second: Callable[[], None] = lambda: None
        universe.after(1.0, self._tick)

    def markets(self) -> dict[str, Any]:
        """Return what ccxt calls markets."""
        return {
            symbol: {
                "base": coin.base, "quote": "USDT", "spot": not self.swap, "swap": self.swap, "active": True,
                "precision": {"price": float(coin.tick), "amount": float(coin.lot / self.size(symbol))},
                "limits": {
                    "amount": {"min": float(coin.lot / self.size(symbol))}, "cost": {"min": float(MIN_COST)},
                },
                **({"settle": "USDT", "contractSize": float(self.size(symbol))} if self.swap else {}),
            }
            for symbol, coin in ((self.name(one), coin) for one, coin in self.coins.items())
        }  # fmt: skip

    def name(self, symbol: str) -> str:
        """Return ccxt's name of a symbol."""
        return f"{symbol}:USDT" if self.swap else symbol

    def size(self, symbol: str) -> Decimal:
        """Return how many coins one of the units is in which amounts of a symbol are told."""
        return CONTRACTS[symbol.partition("/")[0]] if self.swap else D(1)

    def held(self, symbol: str) -> Decimal:
        """Return what is held of a symbol's coin."""
        return self.total.get(self.coins[symbol].base, ZERO)

    # what people do, ours included

    def create(
        self,
        symbol: str,
        kind: str,
        side: int,
        amount: Decimal,
        price: Decimal | None,
        name: str,
        stop: Decimal | None = None,
        *,
        apart: bool = False,
        reduces: bool = False,
    ) -> Placed:
        """Take an order. Raises ccxt's errors for one that cannot be."""
        self.attempts[name] += 1
        coin = self.coins[symbol]
        if name in self.by_client:
            raise errors.DuplicateOrderId(f"duplicate order {name}")
        amount = coin.down(amount)
        paid = price or stop or coin.price
        if amount < coin.lot or (amount * paid < MIN_COST and not reduces):
            raise errors.InvalidOrder(f"filter failure: {amount} at {paid}")
        free = self.free()
        if side > 0 and free["USDT"] < amount * paid * (1 + FEE) * (D("1.0005") if price is None else 1):
            raise errors.InsufficientFunds("account has insufficient balance")
        if side < 0 and not self.swap and free.get(coin.base, ZERO) < amount:
            raise errors.InsufficientFunds(f"account has insufficient {coin.base}")
        if reduces and self.held(symbol) <= 0:
            raise errors.InvalidOrder("ReduceOnly Order is rejected.")
        if stop is not None and side * (coin.price - stop) >= 0:
            raise errors.OrderImmediatelyFillable("stop price would trigger immediately")
        number = str(1000 + len(self.orders))
        in_base = side > 0 and self._rng.random() < self._base_fees
        now_ms = self.universe.now_ms()
        order = Placed(number, name, symbol, side, kind, price, amount, now_ms, in_base, reduces, stop)
        if stop is not None and apart:
            order.apart, order.sent = f"{APART}{number}", False
        self.arrived(order)
        self.orders[number] = self.by_client[name] = order
        self._version(order)
        if stop is None and (price is None or side * (price - coin.price) >= 0):
            self._take(order, coin)
        return order

    def _take(self, order: Placed, coin: Coin) -> None:
        """Fill what takes: at once, in two pieces, in pieces over time, or in part and no more."""
        slip = self._rng.randint(0, 3) * coin.tick
        price = coin.price + order.side * slip
        if order.price is not None:
            price = min(price, order.price) if order.side > 0 else max(price, order.price)
        fate = self._rng.random()
        if fate < 0.7:
            self._fill(order, order.left, price, maker=False)
        elif fate < 0.8:
            self._fill(order, self._share(order, coin), price, maker=False)
            if order.left:
                self._fill(order, order.left, price + (0 if order.price else order.side * coin.tick), maker=False)
        elif fate < 0.95 or order.price is not None:
            self._fill(order, self._share(order, coin), price, maker=False)
        else:
            self._fill(order, self._share(order, coin), price, maker=False)
            self._end(order, "expired")

    def _share(self, order: Placed, coin: Coin) -> Decimal:
        return min(order.left, coin.up(order.left * D(self._rng.randint(10, 90)) / 100))

    def cancel(self, number: str) -> Placed:
        """Cancel an order, whose fill may be faster. Raises OrderNotFound for one that does not work any more."""
        order = self.orders.get(number)
        if order is not None and order.status == "open" and self._rng.random() < 0.2:
            coin = self.coins[order.symbol]
            if order.price is not None:
                self._fill(order, self._share(order, coin), order.price, maker=True)
            elif order.stop is not None and order.side * (order.stop - coin.price) < 20 * coin.tick:
                self._trigger(order, coin)  # the price was there for a moment
        if order is None or order.status != "open":
            raise errors.OrderNotFound(f"unknown order {number}")
        self._end(order, "canceled")
        return order

    def _trigger(self, order: Placed, coin: Coin) -> None:
        order.stop, order.sent = None, True
        self._take(order, coin)

    def move(self, currency: str, amount: Decimal) -> None:
        """Let a person pay in, or out."""
        self.total[currency] = self.total.get(currency, ZERO) + amount
        self.foreign[currency] = self.foreign.get(currency, ZERO) + amount

    # what becomes of it

    def free(self) -> dict[str, Decimal]:
        """Return what no order holds, by currency."""
        free = dict(self.total)
        for order in self.orders.values():
            if order.status != "open":
                continue
            if order.side < 0:
                free[self.coins[order.symbol].base] = free.get(self.coins[order.symbol].base, ZERO) - order.left
            else:
                price = order.price if order.price is not None else self.coins[order.symbol].price
                free["USDT"] -= (order.left * price * (1 + FEE)).quantize(STEP, ROUND_CEILING)
        return free

    def _tick(self) -> None:
        self.universe.after(1.0, self._tick)
        if not self.still:
            for coin in self.coins.values():
                coin.second(self.universe.now_ms())
            if not self.down:
                self._match()
        self.second()

    def _match(self) -> None:
        for order in list(self.orders.values()):
            coin = self.coins[order.symbol]
            if order.status != "open":
                continue
            if order.stop is not None:
                if order.side * (coin.price - order.stop) >= 0:
                    self._trigger(order, coin)
            elif order.price is None:
                self._fill(order, min(order.left, coin.up(order.amount / 3)), coin.price, maker=False)
            elif order.side * (order.price - coin.price) >= 0 and self._rng.random() < 0.7:
                whole = self._rng.random() < 0.5
                self._fill(order, order.left if whole else self._share(order, coin), order.price, maker=True)

    def _fill(self, order: Placed, amount: Decimal, price: Decimal, *, maker: bool) -> None:
        base, now = self.coins[order.symbol].base, self.universe
        if order.reduces:
            if order.status != "open":
                return
            amount = min(amount, self.held(order.symbol))
            if amount <= 0:
                self._end(order, "canceled")
                return
        cost = price * amount
        self._average(order, amount, cost)
        currency = base if order.fee_in_base else "USDT"
        fee = ((amount if order.fee_in_base else cost) * FEE).quantize(STEP, ROUND_CEILING)
        order.filled += amount
        order.cost += cost
        flows = {base: order.side * amount, "USDT": -order.side * cost}
        flows[currency] -= fee
        for name, flow in flows.items():
            self.total[name] = self.total.get(name, ZERO) + flow
            if not order.ours:
                self.foreign[name] = self.foreign.get(name, ZERO) + flow
        seen_us = now.now_us + round(self._lag() * 1e6)
        made = Made(
            str(len(self.fills) + 1), order.id, order.client_id, order.symbol, order.side, price, amount, fee, currency,
            now.now_ms(), maker, seen_us,
        )  # fmt: skip
        self.fills.append(made)
        if order.left:
            self._version(order)
        else:
            self._end(order, "closed")
        self.filled(order, made)
        self.told(order, made)

    def _average(self, order: Placed, amount: Decimal, cost: Decimal) -> None:
        """Keep what a swap's position was entered for: what is left of it keeps its average price."""
        before, basis = self.held(order.symbol), self.basis.get(order.symbol, ZERO)
        if order.side > 0:
            self.basis[order.symbol] = basis + cost
        elif before > 0:
            self.basis[order.symbol] = basis * (before - amount) / before

    def settle(self, rate: Decimal) -> None:
        """Let every position of a swap pay funding, or receive it."""
        now = self.universe
        for symbol, coin in self.coins.items():
            amount = (-self.held(symbol) * coin.price * rate).quantize(STEP)
            if amount:
                self.total["USDT"] += amount
                self.settled.append(Paid(symbol, now.now_ms(), amount, now.now_us + round(self._lag() * 1e6)))

    def _end(self, order: Placed, status: str) -> None:
        order.status = status
        self._version(order)
        self.told(order, None)

    def _version(self, order: Placed) -> None:
        row = {
            "id": order.id,
            "clientOrderId": order.client_id,
            "symbol": order.symbol,
            "side": "buy" if order.side > 0 else "sell",
            "type": order.type,
            "price": None if order.price is None else float(order.price),
            "amount": float(order.amount),
            "filled": float(order.filled),
            "average": float(order.cost / order.filled) if order.filled else None,
            "status": order.status,
            "timestamp": order.ts_ms,
            "info": {},
        }
        if order.apart:
            row["info"] = {"algoId": order.apart} | ({"ordId": order.id} if order.sent else {})
        order.told.append((self.universe.now_us, row))

    def seen(self, order: Placed, lag_s: float) -> dict[str, Any] | None:
        """Return an order as it stood a while ago; None where it was not there then."""
        until_us = self.universe.now_us - round(lag_s * 1e6)
        rows = [row for at_us, row in order.told if at_us <= until_us]
        return dict(rows[-1]) if rows else None

    def listed(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[dict[str, Any]]:
        """Return the account's trades of a span that are to be seen by now, oldest first."""
        rows = [
            one.row()
            for one in self.fills
            if one.symbol == symbol and since_ms <= one.ts_ms <= until_ms and one.seen_us <= self.universe.now_us
        ]
        return rows[:limit]
