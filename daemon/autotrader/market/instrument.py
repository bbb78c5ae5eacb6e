"""An instrument's precision: where Decimal prices become whole ticks and amounts whole lots, and back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Literal

STEP = Decimal("1e-8")
"""What money, amounts and fractions are counted in where nothing finer is declared."""

MAX_COUNT = 2**62
"""Bound of every tick, lot and cash count: the hot loops keep them in signed 64-bit integers."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol on one exchange.

    `tick` is the price step, `lot` the amount step (base units), `cash` the step in which quote money is counted.
    `min_notional` is in quote units, `min_amount` in base units; both may be zero. `min_exit` is the smallest order, in
    quote units, that ends a position: zero where such orders are excepted.
    """

    exchange: str
    symbol: str
    base: str
    quote: str
    market: Literal["spot", "swap"]
    tick: Decimal
    lot: Decimal
    cash: Decimal = Decimal("1e-8")
    min_amount: Decimal = Decimal(0)
    min_notional: Decimal = Decimal(0)
    min_exit: Decimal = Decimal(0)

    def ticks(self, price: float | Decimal) -> int:
        """Return the nearest whole number of ticks; half goes to the even one."""
        return _count(Decimal(repr(price)) if isinstance(price, float) else price, self.tick, ROUND_HALF_EVEN)

    def lots(self, amount: float | Decimal) -> int:
        """Return how many whole lots an amount holds; never more than the amount."""
        return _count(Decimal(repr(amount)) if isinstance(amount, float) else amount, self.lot, ROUND_DOWN)

    def tradable(self, amount: Decimal, price: Decimal) -> Decimal:
        """Return how much of an unsigned amount one order can end, in whole lots; zero where that is too little."""
        whole = self.amount(self.lots(amount))
        return whole if whole >= self.min_amount and whole * price >= self.min_exit else Decimal(0)

    def price(self, ticks: int) -> Decimal:
        """Return a tick count as an exact price."""
        return ticks * self.tick

    def amount(self, lots: int) -> Decimal:
        """Return a lot count as an exact amount of base units."""
        return lots * self.lot


def steps(amount: Decimal, rounding: str = ROUND_FLOOR) -> int:
    """Return money, an amount or a fraction in whole steps."""
    return int((amount / STEP).to_integral_value(rounding))


def _count(value: Decimal, step: Decimal, rounding: str) -> int:
    count = int((value / step).to_integral_value(rounding=rounding))
    if abs(count) > MAX_COUNT:
        raise OverflowError(f"{value} is more than {MAX_COUNT} steps of {step}")
    return count
