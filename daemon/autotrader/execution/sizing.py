"""How large one entry is. Pure integers for the hot loop, and the same for exact decimals.

Amounts count lots, prices ticks and money steps of cash (see `market.fills`); `unit` tick-lots are one step of cash.
"""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from autotrader.market.fills import RATE, affordable, mul_div
from autotrader.market.instrument import Instrument

PERCENT, FIXED, NOTIONAL, VOLATILITY = range(4)
KINDS = ("percent", "fixed", "notional", "volatility")
STEP = Decimal("1e-8")
"""The lot and the step of cash in which decimals are counted here."""


def share_of(equity: int, capital: int, legs: int) -> int:
    """Return the money that one leg of a strategy may use: `capital` parts of RATE of the equity, split over legs."""
    if equity <= 0:
        return 0
    whole = mul_div(equity, capital, RATE)
    return whole if legs == 1 else whole // legs


def entry_lots(
    kind: int,
    value: int,
    exposure: float,
    share: int,
    cash: int,
    cost: int,
    ticks: int,
    unit: int,
    atr_ticks: float,
) -> int:
    """Return the unsigned lots of an entry; zero where nothing can be bought.

    `value` is parts of RATE of the share (PERCENT), lots (FIXED), steps of cash (NOTIONAL) or the parts of RATE of the
    share that one ATR may cost (VOLATILITY: risk x share / ATR; without a positive ATR there is no size). `exposure`
    scales it, -1 to 1, whatever its sign. Then it is clipped to the share, and to the cash that is there with `cost`,
    the parts of RATE that fee and slippage add.
    """
    if ticks <= 0 or share <= 0 or cash <= 0 or not math.isfinite(exposure):
        return 0
    most = min(affordable(share, ticks, unit, 0), affordable(cash, ticks, unit, cost))
    wanted = 0
    if kind == PERCENT:
        wanted = affordable(mul_div(share, value, RATE), ticks, unit, 0)
    elif kind == FIXED:
        wanted = value
    elif kind == NOTIONAL:
        wanted = affordable(value, ticks, unit, 0)
    elif atr_ticks > 0.0:
        wanted = _at_most(float(mul_div(share, value, RATE)) * unit / atr_ticks, most)
    if abs(exposure) != 1.0:
        wanted = _at_most(wanted * abs(exposure), most)
    return min(wanted, most)


def _at_most(lots: float, most: int) -> int:
    """Return whole lots, of a number that may be larger than any integer."""
    return most if lots >= most else int(lots)


class Size(NamedTuple):
    """A declared size: `percent` of the share, `fixed` base units, `notional` quote units, or `volatility` risk."""

    kind: str
    value: Decimal

    @property
    def code(self) -> int:
        """The kind as `entry_lots` takes it. Raises ValueError for one that is not known."""
        if self.kind not in KINDS:
            raise ValueError(f"size '{self.kind}' is not known")
        return KINDS.index(self.kind)

    @property
    def counted(self) -> int:
        """The value as `entry_lots` takes it."""
        return steps(self.value)


class Room(NamedTuple):
    """What an entry may use: its share of the equity, the money that is there, and what a fill costs on top.

    `cost` is the fraction that fee and slippage add to the price.
    """

    share: Decimal
    cash: Decimal
    cost: Decimal


def steps(amount: Decimal) -> int:
    """Return the whole steps of 1e-8 in an amount: base units, money or a fraction (RATE is as fine)."""
    return int((amount / STEP).to_integral_value(ROUND_DOWN))


def entry_amount(
    size: Size, exposure: float, room: Room, price: Decimal, instrument: Instrument, atr: float
) -> Decimal:
    """Return the unsigned amount of an entry in the instrument's whole lots, as `entry_lots` sizes it.

    `price` and `atr` are quote units; an ATR that is not known is NaN.
    """
    places = max(-int(price.as_tuple().exponent), 0)  # so that the price is a whole number of ticks
    unit = 10**places
    lots = entry_lots(
        size.code,
        size.counted,
        exposure,
        steps(room.share),
        steps(room.cash),
        steps(room.cost),
        int(price * unit),
        unit,
        atr * unit,
    )
    return instrument.amount(instrument.lots(lots * STEP))
