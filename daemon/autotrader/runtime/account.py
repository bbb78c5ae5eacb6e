"""What the money on one exchange stands at: cash, last prices, what is owned and what working orders reserve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from autotrader.execution.leg import Leg
from autotrader.execution.orders import ADDING
from autotrader.market.instrument import STEP

ZERO, ONE = Decimal(0), Decimal(1)
LegKey = tuple[str, str, str]


class Prices(MutableMapping[str, Decimal]):
    """The last prices by symbol. What the market tells is a float, and made exact only when somebody reads it."""

    def __init__(self) -> None:
        self._last: dict[str, Decimal | float] = {}

    def tell(self, symbol: str, price: float) -> None:
        """Take a price as the market told it; it is read as the shortest decimal that means the same float."""
        self._last[symbol] = price

    def __getitem__(self, symbol: str) -> Decimal:
        price = self._last[symbol]
        if not isinstance(price, Decimal):
            price = self._last[symbol] = Decimal(repr(price))
        return price

    def __setitem__(self, symbol: str, price: Decimal) -> None:
        self._last[symbol] = price

    def __delitem__(self, symbol: str) -> None:
        del self._last[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)


class Traded(NamedTuple):
    """A symbol that somebody trades: the legs, in the order in which they came, and how many ticks make 1."""

    legs: tuple[Leg, ...]
    per_price: float


NOBODY = Traded((), 1.0)
"""A symbol that no leg trades."""


@dataclass(slots=True)
class Account:
    """One exchange's money, kept from fills and compared with the venue's own figures when they are asked.

    `cash` counts every fill as if it had been paid in full, on swaps too: cash plus the value of what is owned (signed)
    is then the equity on any market. `cost` is the fraction that fee and slippage add to a market order. `locked` says
    why nothing may be entered here. `doubt` holds figures of the venue that do not agree with ours, and since when.
    `counted_ms` is the latest moment at which orders were counted against a limit. `rate` is what one unit of the money
    here is worth in the currency that the whole account is counted in; until it is known (`rated`) it is 1. `legs` and
    `traded`, the same by symbol, are changed by the methods here alone.
    `uncounted` are the symbols whose value must be counted anew, None all of them. Whoever says so of every symbol that
    moves has it `followed`; else all are counted whenever the equity is asked for.
    """

    name: str
    market: str
    quote: str
    cost: Decimal
    cash: Decimal = ZERO
    budget: Decimal | None = None
    leverage: int = 1
    market_ms: int = 0
    counted_ms: int = 0
    idle: bool = False
    known: bool = False
    locked: str = ""
    rate: Decimal = ONE
    rated: bool = False
    doubt: tuple[tuple[Decimal, tuple[tuple[str, str], ...]], float] | None = None
    prices: Prices = field(default_factory=Prices)
    due_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    legs: dict[LegKey, Leg] = field(default_factory=dict)
    traded: dict[str, Traded] = field(default_factory=dict)
    followed: bool = False
    uncounted: set[str] | None = None
    _values: dict[str, Decimal] = field(default_factory=dict)
    _owned: Decimal = ZERO

    def take_on(self, leg: Leg) -> None:
        """Have a leg deal here."""
        self.legs[leg.key] = leg
        self._sort(leg.symbol)

    def let_go(self, leg: Leg) -> None:
        """Have a leg deal here no more."""
        self.legs.pop(leg.key, None)
        self._sort(leg.symbol)

    def seat(self, legs: Mapping[LegKey, Leg]) -> None:
        """Have these legs deal here, and no others."""
        self.legs, self.traded = dict(legs), {}
        for symbol in {leg.symbol for leg in legs.values()}:
            self._sort(symbol)

    def _sort(self, symbol: str) -> None:
        legs = tuple(leg for leg in self.legs.values() if leg.symbol == symbol)
        self.traded[symbol] = Traded(legs, float(1 / legs[0].instrument.tick)) if legs else NOBODY

    def trading(self, symbol: str) -> Traded:
        """Return who trades a symbol here."""
        return self.traded.get(symbol, NOBODY)

    def holds(self, symbol: str) -> bool:
        """Tell whether any leg has a position in a symbol: its price moves the equity."""
        for leg in self.trading(symbol).legs:  # noqa: SIM110 - a generator is several times slower
            if leg.position.amount:
                return True
        return False

    def count_ms(self, now_ms: int) -> int:
        """Return the moment at which orders are counted now: never before one at which they were.

        A bar's close is told after it, and what a timer does in between has a later clock.
        """
        self.counted_ms = max(self.counted_ms, now_ms)
        return self.counted_ms

    def value(self, leg: Leg) -> Decimal:
        """Return the signed quote value of what a leg owns, to the step of cash below, as `fills.value` does.

        Before any price is known it is valued at its entry price.
        """
        amount = leg.position.amount
        if not amount:
            return ZERO
        price = self.prices.get(leg.symbol, leg.position.entry_price or ZERO)
        return (amount * price).quantize(STEP, ROUND_FLOOR)

    def worth(self, money: Decimal) -> Decimal:
        """Return money of this exchange in the account's currency, to the step of cash below."""
        return money if self.rate == ONE else (money * self.rate).quantize(STEP, ROUND_FLOOR)

    def equity(self) -> Decimal:
        """Return cash plus the value of everything that is owned here."""
        if not self.followed or self.uncounted is None:
            self._values, self._owned, self.uncounted = {}, ZERO, set(self.traded)
        for symbol in self.uncounted:
            value = sum((self.value(leg) for leg in self.trading(symbol).legs), ZERO)
            self._owned += value - self._values.get(symbol, ZERO)
            self._values[symbol] = value
        self.uncounted.clear()
        return self.cash + self._owned

    def recount(self, symbol: str) -> None:
        """Have what is owned of a symbol counted anew."""
        if self.uncounted is not None:
            self.uncounted.add(symbol)

    def reserved(self) -> Decimal:
        """Return the quote money that working orders which add may still take, to the step of cash above each."""
        total = ZERO
        for leg in self.legs.values():
            for order in leg.orders.values():
                if order.purpose in ADDING:
                    price = self.order_price(order.price, leg.symbol)
                    notional = (order.remaining * price).quantize(STEP, ROUND_CEILING)
                    total += notional + (notional * self.cost).quantize(STEP, ROUND_CEILING)
        return total

    def order_price(self, price: Decimal | None, symbol: str) -> Decimal:
        """Return an order's own price, or the last one for a market order."""
        return price if price is not None else self.prices.get(symbol, ZERO)

    def available(self) -> Decimal:
        """Return what a new entry may be worth: free cash, or on a swap what the free margin holds."""
        if self.market == "spot":
            return self.cash - self.reserved()
        used = sum((abs(self.value(leg)) for leg in self.legs.values()), ZERO)
        return self.equity() * self.leverage - used - self.reserved()

    def exposures(self, owner: str = "") -> dict[str, Decimal]:
        """Return the signed notional of each symbol, working entries included; symbols at zero are left out.

        Of everybody, or of one owner alone.
        """
        total: dict[str, Decimal] = {}
        for leg in self._of(owner):
            notional = self.value(leg)
            for order in leg.orders.values():
                if order.purpose in ADDING:
                    notional += order.side * order.remaining * self.order_price(order.price, leg.symbol)
            if notional:
                total[leg.symbol] = total.get(leg.symbol, ZERO) + notional
        return total

    def _of(self, owner: str) -> Iterator[Leg]:
        return (leg for leg in self.legs.values() if not owner or leg.owner == owner)

    def gross(self, owner: str = "") -> Decimal:
        """Return the sum of the absolute notionals of all legs, or of one owner's, working entries included."""
        total = ZERO
        for leg in self._of(owner):
            total += abs(self.value(leg))
            for order in leg.orders.values():
                if order.purpose in ADDING:
                    total += order.remaining * self.order_price(order.price, leg.symbol)
        return total
