"""How large one entry is. Pure; amounts are base units, money is quote units."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

from autotrader.market.instrument import MAX_COUNT, Instrument


class Size(NamedTuple):
    """A declared size: `percent` of the share, `fixed` base units, `notional` quote units, or `volatility` risk."""

    kind: str
    value: Decimal


class Room(NamedTuple):
    """What an entry may use: its share of the equity, the money that is there, and what a fill costs on top.

    `cost` is the fraction that fee and slippage add to the price.
    """

    share: Decimal
    cash: Decimal
    cost: Decimal


def entry_amount(
    size: Size, exposure: float, room: Room, price: Decimal, instrument: Instrument, atr: Decimal | None
) -> Decimal:
    """Return the unsigned amount of an entry, in whole lots; zero where nothing can be bought.

    `exposure` scales the size, -1 to 1, whatever its sign. `volatility` is risk x share / ATR; without a positive ATR
    there is no size. Whatever the size, the entry is clipped to the share, to the money that is there, fee and slippage
    included, and to what can be counted.
    """
    if price <= 0 or room.share <= 0 or room.cash <= 0 or not math.isfinite(exposure):
        return Decimal(0)
    match size.kind:
        case "percent":
            wanted = size.value * room.share / price
        case "fixed":
            wanted = size.value
        case "notional":
            wanted = size.value / price
        case "volatility":
            wanted = size.value * room.share / atr if atr and atr.is_finite() and atr > 0 else Decimal(0)
        case _:
            raise ValueError(f"size '{size.kind}' is not known")
    wanted *= Decimal(repr(abs(exposure)))
    paid = price * (1 + room.cost)
    amount = min(wanted, room.share / price, room.cash / paid, instrument.amount(MAX_COUNT))
    return instrument.amount(instrument.lots(amount))
