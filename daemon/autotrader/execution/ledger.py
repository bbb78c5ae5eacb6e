"""Positions and closed trades, derived from fills alone. Exact: nothing here divides before it has to."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from autotrader.execution.orders import Fill, side_of
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
    def side(self) -> int:
        """+1 for a long, -1 for a short, 0 while flat."""
        return side_of(self.amount)

    @property
    def entry_price(self) -> Decimal | None:
        """The average price of the fills that built it; None while flat."""
        return self.in_value / self.in_amount if self.amount else None

    @property
    def paid(self) -> Decimal:
        """The signed money that what is open was entered for; zero while flat."""
        return self.side * self.open_cost

    def unrealized(self, price: Decimal) -> Decimal:
        """Return the profit of what is open at a price, before the fee of leaving, in quote units."""
        return self.amount * price - self.paid

    def banked(self) -> Decimal:
        """Return the profit booked so far: closed round trips and the reduced part of this one, net of fees."""
        if not self.in_amount:
            return self.realized
        return self.realized + self.side * (self.out_cost - (self.in_cost - self.open_cost)) - self.fees


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
    amount, fee = fill.moved, fill.quote_fee
    if position.side in {0, fill.side}:
        opened_ms = position.opened_ms if position.amount else fill.ts_ms
        return position._replace(
            amount=position.amount + fill.side * amount,
            in_amount=position.in_amount + amount,
            in_cost=position.in_cost + fill.cost,
            in_value=position.in_value + fill.price * amount,
            fees=position.fees + fee,
            opened_ms=opened_ms,
            open_cost=position.open_cost + fill.cost,
        ), None
    closing = min(amount, abs(position.amount))
    rest = amount - closing
    cost = fill.cost if not rest else fill.cost * closing / amount
    paid = fee if not rest else fee * closing / amount
    share = position.open_cost
    if closing != abs(position.amount):
        share = (share / STEP * closing // abs(position.amount)) * STEP  # to the step below
    reduced = position._replace(
        amount=position.amount + fill.side * closing,
        open_cost=position.open_cost - share,
        out_amount=position.out_amount + closing,
        out_cost=position.out_cost + cost,
        out_value=position.out_value + fill.price * closing,
        fees=position.fees + paid,
    )
    if reduced.amount:
        return reduced, None
    flat, trade = _closed(reduced, -fill.side, fill.ts_ms, fill.reason)
    if not rest:
        return flat, trade
    quote = fill.symbol.split("/")[1]
    beyond = fill._replace(amount=rest, cost=fill.cost - cost, fee=fee - paid, fee_currency=quote)
    return apply_fill(flat, beyond)[0], trade


def swept(position: Position, ts_ms: int, reason: str) -> tuple[Position, Trade]:
    """Return what is left when the rest of a reduced position, too little to be traded, is given up: a closed trade.

    What the rest was entered for is lost to the trade. The coins stay at the exchange, in nobody's name.
    """
    return _closed(position, position.side, ts_ms, reason)


def _closed(reduced: Position, side: int, ts_ms: int, reason: str) -> tuple[Position, Trade]:
    pnl = side * (reduced.out_cost - reduced.in_cost) - reduced.fees
    entered, left = reduced.in_value / reduced.in_amount, reduced.out_value / reduced.out_amount
    trade = Trade(side, reduced.opened_ms, entered, ts_ms, left, reduced.in_amount, reduced.fees, pnl, reason)
    return Position(realized=reduced.realized + pnl), trade


def cash_flow(fill: Fill) -> Decimal:
    """Return what a spot fill does to the quote balance."""
    return -fill.side * fill.cost - fill.quote_fee
