"""Positions and closed trades, derived from fills alone. Exact: nothing here divides before it has to."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from autotrader.execution.orders import Fill
from autotrader.market.instrument import STEP

ZERO = Decimal(0)


class Position(NamedTuple):
    """What one owner holds of one symbol, from flat to flat.

    `amount` is signed base units. `in_*` sums the fills that built it, `out_*` those that reduced it, `fees` both (in
    quote); `*_cost` is the money that moved, `*_value` price times amount, which differs where money is rounded.
    `open_cost` is what the part that is still open was entered for: a reduction takes its share, to the step of cash
    below. `realized` is the profit of the round trips before this one, net of fees.
    """

    amount: Decimal = ZERO
    in_amount: Decimal = ZERO
    in_cost: Decimal = ZERO
    out_amount: Decimal = ZERO
    out_cost: Decimal = ZERO
    fees: Decimal = ZERO
    realized: Decimal = ZERO
    in_value: Decimal = ZERO
    out_value: Decimal = ZERO
    open_cost: Decimal = ZERO
    opened_ms: int = 0

    @property
    def entry_price(self) -> Decimal | None:
        """The average price of the fills that built it; None while flat."""
        return self.in_value / self.in_amount if self.amount else None

    @property
    def paid(self) -> Decimal:
        """The signed money that what is open was entered for; zero while flat."""
        return self.open_cost if self.amount > 0 else -self.open_cost

    def unrealized(self, price: Decimal) -> Decimal:
        """Return the profit of what is open at a price, before the fee of leaving, in quote units."""
        return self.amount * price - self.paid

    def banked(self) -> Decimal:
        """Return the profit booked so far: closed round trips and the reduced part of this one, net of fees."""
        if not self.in_amount:
            return self.realized
        side = 1 if self.amount > 0 else -1
        return self.realized + side * (self.out_cost - (self.in_cost - self.open_cost)) - self.fees


class Trade(NamedTuple):
    """One closed round trip. `side` is +1 for a long; prices are averages, money is quote units net of fees."""

    side: int
    entry_ms: int
    entry_price: Decimal
    exit_ms: int
    exit_price: Decimal
    amount: Decimal
    fees: Decimal
    pnl: Decimal
    reason: str


def apply_fill(position: Position, fill: Fill) -> tuple[Position, Trade | None]:
    """Return the position after a fill, and the trade that it closed, if it did.

    A fill beyond flat closes the trade and opens the rest on the other side, cost and fee shared by amount.
    """
    signed = fill.side * fill.amount
    if not position.amount or (position.amount > 0) == (signed > 0):
        opened_ms = position.opened_ms if position.amount else fill.ts_ms
        return position._replace(
            amount=position.amount + signed,
            in_amount=position.in_amount + fill.amount,
            in_cost=position.in_cost + fill.cost,
            in_value=position.in_value + fill.price * fill.amount,
            fees=position.fees + fill.fee,
            opened_ms=opened_ms,
            open_cost=position.open_cost + fill.cost,
        ), None
    closing = min(fill.amount, abs(position.amount))
    rest = fill.amount - closing
    cost = fill.cost if not rest else fill.cost * closing / fill.amount
    fee = fill.fee if not rest else fill.fee * closing / fill.amount
    share = position.open_cost
    if closing != abs(position.amount):
        share = (share / STEP * closing // abs(position.amount)) * STEP  # to the step below
    reduced = position._replace(
        amount=position.amount + fill.side * closing,
        open_cost=position.open_cost - share,
        out_amount=position.out_amount + closing,
        out_cost=position.out_cost + cost,
        out_value=position.out_value + fill.price * closing,
        fees=position.fees + fee,
    )
    if reduced.amount:
        return reduced, None
    side = 1 if position.amount > 0 else -1
    pnl = side * (reduced.out_cost - reduced.in_cost) - reduced.fees
    trade = Trade(
        side,
        position.opened_ms,
        reduced.in_value / reduced.in_amount,
        fill.ts_ms,
        reduced.out_value / reduced.out_amount,
        reduced.in_amount,
        reduced.fees,
        pnl,
        fill.reason,
    )
    flat = Position(realized=position.realized + pnl)
    if not rest:
        return flat, trade
    beyond = fill._replace(amount=rest, cost=fill.cost - cost, fee=fill.fee - fee)
    return apply_fill(flat, beyond)[0], trade


def cash_flow(fill: Fill) -> Decimal:
    """Return what a spot fill does to the quote balance."""
    return -fill.side * fill.cost - fill.fee
