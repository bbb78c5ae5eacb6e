"""The one matcher: what a bar does to an order. Plain scalar functions that read the same in Python and in numba.

Prices are whole ticks, amounts whole lots, money whole steps of cash (see `market.instrument`); rates and fractions are
whole parts of `RATE`. `unit` is how many tick-lots make one step of cash. Only the levels of protective exits are
floats, because they are not rounded: they count ticks, fractions of a tick included. Nothing here allocates or raises:
the caller asks `fits` once, when an order comes in.

All rounding is against the trader: a purchase costs the next step of cash, a sale brings the one before, a fee is the
next one up.
"""

from __future__ import annotations

import math
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from autotrader.core.whole import quotient, remainder

RATE = 100_000_000
"""Fees, slippage and guard fractions are counted in parts of this: 1e-8."""

MAX_FRACTION = 100
"""Bound of a fee, a slippage or a guard's fraction."""

MAX_CASH = 2**62
"""Bound of every intermediate product, so that numba's 64-bit integers never wrap."""

SURELY_FITS = 4e18
"""A product below this, as a float tells it, is formed as it stands: one division instead of two."""

MAX_TICKS = 2**53
"""Bound of a price in ticks, so that a float holds it exactly."""

NO_EXIT, STOP_LOSS, TAKE_PROFIT, TRAILING_STOP, LIQUIDATION = range(5)
"""What a bar does to a guarded position."""


def cash_unit(tick: Decimal, lot: Decimal, cash: Decimal) -> int:
    """Return how many tick-lots make one step of cash. Raises ValueError where that is no whole number."""
    unit = cash / (tick * lot)
    if unit != unit.to_integral_value():
        raise ValueError(f"a tick of {tick} and a lot of {lot} cannot be counted in cash of {cash}")
    return int(unit)


@lru_cache(maxsize=1_024)
def scaled(fraction: Decimal | None) -> int:
    """Return a fraction in parts of RATE, 0 for None. Raises ValueError where it is not one."""
    if fraction is None:
        return 0
    if not fraction.is_finite() or not 0 <= fraction < MAX_FRACTION or fraction * RATE % 1:
        raise ValueError(f"{fraction} is not a fraction below {MAX_FRACTION} of at most 8 decimals")
    return int(fraction * RATE)


def fits(lots: int, ticks: int, unit: int) -> bool:
    """Tell whether an amount at a price surely stays within the integers of the hot loops."""
    if not (0 <= lots < MAX_CASH and 0 < ticks < MAX_TICKS):
        return False
    return float(ticks) * unit < SURELY_FITS and float(lots) * ticks < SURELY_FITS * unit


def mul_div(a: int, b: int, c: int) -> int:
    """Return a * b / c rounded down, for numbers that are not negative, without forming a * b.

    Exact while b * c and the result stay below 2^62.
    """
    if float(a) * b < SURELY_FITS:
        return quotient(a * b, c)
    return quotient(a, c) * b + quotient(remainder(a, c) * b, c)


def mul_div_up(a: int, b: int, c: int) -> int:
    """Return a * b / c rounded up, under the conditions of `mul_div`."""
    if float(a) * b < SURELY_FITS:
        return quotient(a * b + c - 1, c)
    return quotient(a, c) * b + quotient(remainder(a, c) * b + c - 1, c)


def part_of(whole: int, taken: int, amount: int) -> int:
    """Return `whole` x `taken` / `amount` rounded down, exactly, for 0 <= taken <= amount below 2^61.

    Bit by bit, since the product may pass 64 bits; all of it is the usual case.
    """
    if taken == amount:
        return whole
    quotient = 0
    remainder = 0
    for bit in range(61, -1, -1):
        remainder = 2 * remainder + ((whole >> bit) & 1) * taken
        quotient = 2 * quotient + remainder // amount
        remainder = remainder % amount
    return quotient


def average(value: int, lots: int, base: int = 0) -> float:
    """Return base + value / lots in ticks; a whole number of ticks comes out whole, however large the sum."""
    if value == 0:
        return float(base)
    return base + value // lots + (value % lots) / lots


def nearest(price: float, side: int) -> int:
    """Return a price in whole ticks, at least one; half a tick goes against whoever trades on `side`."""
    ticks = math.floor(price + 0.5) if side > 0 else math.ceil(price - 0.5)
    return max(ticks, 1)


def slipped(price: float, side: int, slippage: int) -> int:
    """Return the ticks at which a market order fills: `price` made worse by the slippage, to the nearest tick."""
    return nearest(price * (RATE + side * slippage) / RATE, side)


def cost(lots: int, ticks: int, unit: int, side: int) -> int:
    """Return the cash that a fill moves, without its fee."""
    if side > 0:
        return mul_div_up(lots, ticks, unit)
    return mul_div(lots, ticks, unit)


def fee(cash: int, rate: int) -> int:
    """Return the fee on a fill's cost."""
    return mul_div_up(cash, rate, RATE)


def value(lots: int, ticks: int, unit: int) -> int:
    """Return what signed lots are worth at a price, in whole steps of cash: the step below for either side."""
    if lots >= 0:
        return mul_div(lots, ticks, unit)
    return -mul_div_up(-lots, ticks, unit)


def in_ticks(price: float, per_price: float) -> int:
    """Return a price of the market in whole ticks, at least one; `per_price` is how many ticks make 1."""
    return max(math.floor(price * per_price + 0.5), 1)


def affordable(cash: int, ticks: int, unit: int, rate: int) -> int:
    """Return the most lots that `cash` buys at a price with the fee on top, at most MAX_CASH.

    Exact: ceil(c * rate / RATE) <= cash - c holds just as long as c <= cash * RATE / (RATE + rate).
    """
    if cash <= 0:
        return 0
    before_fee = cash if rate == 0 else mul_div(cash, RATE, RATE + rate)
    if float(before_fee) * unit >= SURELY_FITS * ticks:
        return MAX_CASH
    return mul_div(before_fee, unit, ticks)


def margin(cash: int, leverage: int) -> int:
    """Return the money that stands behind what was entered for `cash`, to the step above."""
    return cash if leverage == 1 else -(-cash // leverage)


def affordable_on_margin(cash: int, ticks: int, unit: int, rate: int, leverage: int) -> int:
    """Return the most lots whose margin and fee `cash` surely covers.

    margin + fee <= cash is c / leverage + c x rate <= cash: as if so many times the cash paid so many times the fee.
    """
    return affordable(cash * leverage, ticks, unit, rate * leverage)


def limit_at_open(side: int, limit: int, open_: int) -> bool:
    """Tell whether a limit order meets a better price at the open; it then takes the open."""
    return open_ < limit if side > 0 else open_ > limit


def limit_in_bar(side: int, limit: int, high: int, low: int) -> bool:
    """Tell whether a bar trades through a limit order that its open left alone; it is then made at its limit."""
    return low < limit if side > 0 else high > limit


def crosses(side: int, limit: int, price: int) -> bool:
    """Tell whether a limit order takes at once what the market offers at a price, instead of resting at its own."""
    return price <= limit if side > 0 else price >= limit


def would_take(side: int, limit: int, price: int, quoted: int) -> bool:
    """Tell whether a post-only limit would take as it comes in, and is refused.

    Where bid and ask are told (`quoted`), `price` is what its side is offered: at it an order takes. A last trade may
    have been on either side: only a limit that is better than it surely takes.
    """
    return crosses(side, limit, price) if quoted else limit_at_open(side, limit, price)


def rest_of_bar(side: int, filled: int, high: int, low: int, close: int) -> tuple[int, int, int]:
    """Return open, high and low of what surely follows a limit's fill inside a bar.

    The price passed the limit on its way to the far end, so a buyer sees the bar's low; whether the high came before
    nobody knows, so a buyer's profit is only what the close proves.
    """
    if side > 0:
        return filled, max(filled, close), low
    return filled, high, min(filled, close)


def stop_level(side: int, entry: float, stop: int) -> float:
    """Return where a stop-loss waits, in ticks, from the entry's fill price; `side` is the position's."""
    return entry * (RATE - side * stop) / RATE


def take_level(side: int, entry: float, take: int) -> float:
    """Return where a take-profit waits, in ticks."""
    return entry * (RATE + side * take) / RATE


def beaten(side: int, price: float, level: float) -> bool:
    """Tell whether a price touches a level that lies on the losing side of a position."""
    return price <= level if side > 0 else price >= level


class Held(NamedTuple):
    """A guarded position: its side, its entry's fill price and the best price before this bar, in ticks.

    The fractions `stop`, `take` and `trail` are parts of RATE; 0 is none.
    """

    side: int
    entry: float
    best: float
    stop: int
    take: int
    trail: int


def stop_of(held: Held) -> tuple[int, float]:
    """Return which stop guards a position, the nearer of its two, and where it waits; (NO_EXIT, 0.0) without one."""
    code = NO_EXIT
    level = 0.0
    if held.stop > 0:
        code = STOP_LOSS
        level = stop_level(held.side, held.entry, held.stop)
    if held.trail > 0:
        trailing = stop_level(held.side, held.best, held.trail)
        if code == NO_EXIT or (trailing - level) * held.side > 0:
            code = TRAILING_STOP
            level = trailing
    return code, level


def quiet_range(held: Held) -> tuple[float, float]:
    """Return between which prices, in ticks and both excluded, no exit of a position triggers."""
    code, stop = stop_of(held)
    below, above = -math.inf, math.inf
    if code != NO_EXIT and held.side > 0:
        below = stop
    elif code != NO_EXIT:
        above = stop
    if held.take > 0 and held.side > 0:
        above = take_level(held.side, held.entry, held.take)
    elif held.take > 0:
        below = take_level(held.side, held.entry, held.take)
    return below, above


def protective_exit(held: Held, open_: int, high: int, low: int) -> tuple[int, float]:
    """Return what ends a guarded position inside a bar, and the unrounded price in ticks; (NO_EXIT, 0.0) if nothing.

    Levels trigger at touch. At the open whatever is passed fills at the open; inside the bar the stop comes first, and
    of two stops the nearer. A degenerate bar (open, open, open) asks about the open alone.
    """
    side = held.side
    worst = low if side > 0 else high
    peak = high if side > 0 else low
    code, level = stop_of(held)
    if code != NO_EXIT and beaten(side, open_, level):
        return code, float(open_)
    target = take_level(side, held.entry, held.take)
    if held.take > 0 and beaten(-side, open_, target):
        return TAKE_PROFIT, float(open_)
    if code != NO_EXIT and beaten(side, worst, level):
        return code, level
    if held.take > 0 and beaten(-side, peak, target):
        return TAKE_PROFIT, target
    return NO_EXIT, 0.0


def exit_ticks(code: int, price: float, side: int, slippage: int) -> int:
    """Return the ticks at which a protective exit fills; `side` is the exit's. Stops slip, take-profits do not."""
    if code == TAKE_PROFIT:
        return nearest(price, side)
    return slipped(price, side, slippage)


def exit_limit(code: int, held: Held) -> int:
    """Return the worst price, in ticks, that a protective exit takes from a book; 0 where it takes any."""
    if code == TAKE_PROFIT:
        return nearest(take_level(held.side, held.entry, held.take), -held.side)
    return 0


def moved_best(side: int, best: float, high: int, low: int) -> float:
    """Return the best price that a position has seen, after a bar: its highest high, for a short its lowest low."""
    return max(best, float(high)) if side > 0 else min(best, float(low))


def liquidation_level(side: int, entry: float, leverage: int) -> float:
    """Return where a loss has eaten the margin, entry / leverage, in ticks; there is no maintenance margin.

    At leverage 1 a long would have to fall to nothing, a short ends at twice its entry.
    """
    return entry - side * entry / leverage


def liquidation(side: int, level: float, open_: int, high: int, low: int) -> tuple[int, float]:
    """Return (LIQUIDATION, price in ticks) where a bar reaches the level; else (NO_EXIT, 0.0)."""
    if beaten(side, open_, level):
        return LIQUIDATION, float(open_)
    if beaten(side, low if side > 0 else high, level):
        return LIQUIDATION, level
    return NO_EXIT, 0.0
