"""How large one entry is. Pure integers for the hot loop, and the same for exact decimals.

Amounts count lots, prices ticks and money steps of cash (see `market.fills`); `unit` tick-lots are one step of cash.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

from autotrader.core.whole import quotient
from autotrader.market.fills import RATE, affordable, mul_div, part_of
from autotrader.market.instrument import STEP, Instrument, steps

PERCENT, FIXED, NOTIONAL, VOLATILITY, KELLY = range(5)
KINDS = ("percent", "fixed", "notional", "volatility", "kelly")


def share_of(equity: int, capital: int, legs: int) -> int:
    """Return the money that one leg of a strategy may use: `capital` parts of RATE of the equity, split over legs.

    Never negative: an account that is in debt has nothing to share.
    """
    return quotient(mul_div(max(equity, 0), capital, RATE), legs)


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
    leverage: int,
) -> int:
    """Return the unsigned lots of an entry; zero where nothing can be bought.

    `value` is parts of RATE of the share (PERCENT, and KELLY: its stake), lots (FIXED), steps of cash (NOTIONAL) or the
    parts of RATE of the share that one ATR may cost (VOLATILITY: risk x share / ATR; without a positive ATR there is
    no size). `share` is not negative. `exposure` scales the size, -1 to 1, whatever its sign. Then it is clipped to
    `leverage` times the share, and to the cash that is there with `cost`, the parts of RATE that fee and slippage add.
    """
    if ticks <= 0 or not math.isfinite(exposure):
        return 0
    most = min(affordable(share * leverage, ticks, unit, 0), affordable(cash, ticks, unit, cost))
    wanted = 0
    if kind in (PERCENT, KELLY):
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


def kelly_stake(
    wins: int, losses: int, gains: int, losses_sum: int, fraction: int, cap: int, start: int, least: int
) -> int:
    """Return a fraction of the Kelly stake of closed trades, at most `cap`, in parts of RATE.

    f* = W - (1 - W) / R, with W the share of winners and R the average gain over the average loss (Kelly, A New
    Interpretation of Information Rate, 1956; Thorp, The Kelly Criterion, 2006), which is W x (1 - losses_sum / gains);
    zero where nothing was earned. `gains` and `losses_sum` are steps of cash, neither negative, below 2^61. Before
    `least` trades there is nothing to judge by, and the stake is `start`.
    """
    trades = wins + losses
    if trades < least:
        return min(start, cap)
    if gains <= losses_sum:
        return 0
    edge = part_of(part_of(RATE, wins, trades), gains - losses_sum, gains)
    return min(part_of(edge, fraction, RATE), cap)


class Record(NamedTuple):
    """A strategy's closed trades: how many won (or came out even) and lost, and the steps of cash that they made."""

    wins: int = 0
    losses: int = 0
    gains: int = 0
    losses_sum: int = 0

    def with_trade(self, pnl: Decimal) -> Record:
        """Return the record with one more trade."""
        made = steps(pnl)
        if made >= 0:
            return self._replace(wins=self.wins + 1, gains=self.gains + made)
        return self._replace(losses=self.losses + 1, losses_sum=self.losses_sum - made)


NO_TRADES = Record()


class Kelly(NamedTuple):
    """How a Kelly stake is taken: see `kelly_stake`; fractions of one."""

    fraction: Decimal
    cap: Decimal
    start: Decimal
    least: int

    def counted(self) -> tuple[int, int, int, int]:
        """The same as `kelly_stake` takes it."""
        return steps(self.fraction), steps(self.cap), steps(self.start), self.least


class Size(NamedTuple):
    """A declared size: `percent` of the share, `fixed` base units, `notional` quote units, `volatility` risk.

    A `kelly` size has its rule instead of a value, which follows from the strategy's trades.
    """

    kind: str
    value: Decimal
    kelly: Kelly | None = None

    @property
    def code(self) -> int:
        """The kind as `entry_lots` takes it. Raises ValueError for one that is not known."""
        if self.kind not in KINDS:
            raise ValueError(f"size '{self.kind}' is not known")
        return KINDS.index(self.kind)

    def counted(self, record: Record = NO_TRADES) -> int:
        """Return the value as `entry_lots` takes it."""
        return steps(self.value) if self.kelly is None else kelly_stake(*record, *self.kelly.counted())


class Room(NamedTuple):
    """What an entry may use: its share of the equity, the money that is there, and what a fill costs on top.

    `cost` is the fraction that fee and slippage add to the price, `leverage` how many times the share may be held.
    """

    share: Decimal
    cash: Decimal
    cost: Decimal
    leverage: int = 1


def entry_amount(
    size: Size,
    exposure: float,
    room: Room,
    price: Decimal,
    instrument: Instrument,
    atr: float,
    record: Record = NO_TRADES,
) -> Decimal:
    """Return the unsigned amount of an entry in the instrument's whole lots, as `entry_lots` sizes it.

    `price` and `atr` are quote units; an ATR that is not known is NaN. `record` are the strategy's closed trades.
    """
    places = max(-int(price.as_tuple().exponent), 0)  # so that the price is a whole number of ticks
    unit = 10**places
    lots = entry_lots(
        size.code,
        size.counted(record),
        exposure,
        steps(room.share),
        steps(room.cash),
        steps(room.cost),
        int(price * unit),
        unit,
        atr * unit,
        room.leverage,
    )
    return instrument.amount(instrument.lots(lots * STEP))
