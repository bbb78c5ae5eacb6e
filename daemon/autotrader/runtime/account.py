"""What the money on one exchange stands at: cash, last prices, what is owned and what working orders reserve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from autotrader.execution.leg import Leg
from autotrader.execution.orders import ADDING
from autotrader.market.instrument import STEP

ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(slots=True)
class Account:
    """One exchange's money, kept from fills and compared with the venue's own figures when they are asked.

    `cash` counts every fill as if it had been paid in full, on swaps too: cash plus the value of what is owned (signed)
    is then the equity on any market. `cost` is the fraction that fee and slippage add to a market order. `locked` says
    why nothing may be entered here. `doubt` holds figures of the venue that do not agree with ours, and since when.
    `counted_ms` is the latest moment at which orders were counted against a limit. `rate` is what one unit of the money
    here is worth in the currency that the whole account is counted in; until it is known (`rated`) it is 1.
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
    prices: dict[str, Decimal] = field(default_factory=dict)
    due_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    legs: dict[tuple[str, str, str], Leg] = field(default_factory=dict)

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
        total = self.cash
        for leg in self.legs.values():
            if leg.position.amount:
                total += self.value(leg)
        return total

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
