"""Orders that a step wants by slot: what it wishes against what works, the gate, and what their fills do.

The same decisions as the daemon makes of a slot, in the same order: what is no longer wished is taken back first, then
what is newly wished is ordered, each once.
"""

from __future__ import annotations

import math
from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.book import book, first_met_ms, free_cash, grow, met_last, opposed, record_fill, shrink, takes
from autotrader.backtest.result import REASONS
from autotrader.execution.orders import Reason
from autotrader.market.fills import (
    affordable_on_margin,
    cost,
    fee,
    fits,
    margin,
    part_of,
    slipped,
    would_take,
)
from autotrader.market.queue import NOT_JOINED
from autotrader.strategies.contract import FILLED, FREE, REFUSED, RESTING, SENT

SLOT = REASONS.index(Reason.SLOT)


def differs(w: Any, slot: int) -> bool:
    """Tell whether a slot's wish is another one than that which was last acted on."""
    if w[slot, c.SLOT_SIDE] == 0 or w[slot, c.SLOT_LOTS] <= 0:
        return bool(w[slot, c.W_SIDE] != 0)
    return bool(
        w[slot, c.SLOT_SIDE] != w[slot, c.W_SIDE]
        or w[slot, c.SLOT_TICKS] != w[slot, c.W_TICKS]
        or w[slot, c.SLOT_LOTS] != w[slot, c.W_LOTS]
        or w[slot, c.SLOT_LEG] != w[slot, c.W_LEG]
        or w[slot, c.SLOT_POST_ONLY] != w[slot, c.W_POST_ONLY]
    )


def take_wish(w: Any, slot: int) -> bool:
    """Remember a slot's wish as acted on, with no order of it yet; tell whether it wishes for one."""
    wishes = bool(w[slot, c.SLOT_SIDE] != 0 and w[slot, c.SLOT_LOTS] > 0)
    w[slot, c.W_SIDE] = w[slot, c.SLOT_SIDE] if wishes else 0
    w[slot, c.W_LEG], w[slot, c.W_TICKS] = w[slot, c.SLOT_LEG], w[slot, c.SLOT_TICKS]
    w[slot, c.W_LOTS], w[slot, c.W_POST_ONLY] = w[slot, c.SLOT_LOTS], w[slot, c.SLOT_POST_ONLY]
    w[slot, c.ORDER_STATE] = REFUSED if wishes else FREE
    w[slot, c.ORDER_FILLED] = w[slot, c.ORDER_REMAINING] = 0
    return wishes


def take_back(w: Any, staged: Any, slot: int) -> None:
    """Stage the end of a slot's order: what it holds is free once that is sent, and nothing can fill it before."""
    w[slot, c.C_RESERVED] += w[slot, c.O_RESERVED]
    _forget(w, slot)
    w[slot, c.ORDER_STATE] = REFUSED
    staged[w[c.RUN, c.STAGED]] = -slot
    w[c.RUN, c.STAGED] += 1


def take_back_all(w: Any, staged: Any, leg: int) -> None:
    """Stage the end of every order that works for a leg by slot."""
    part = w[leg, c.LEG_PART]
    for slot in range(w[part, c.PART_FIRST_SLOT], w[part, c.PART_FIRST_SLOT] + w[part, c.PART_SLOTS]):
        if w[slot, c.O_SIDE] != 0 and w[slot, c.O_LEG] == leg:
            take_back(w, staged, slot)


def _forget(w: Any, slot: int) -> None:
    w[w[slot, c.O_LEG], c.SLOT_ORDERS] -= 1
    w[slot, c.O_SIDE] = w[slot, c.O_RESERVED] = w[slot, c.ORDER_REMAINING] = w[slot, c.O_CROSSES] = 0


def end_slot(w: Any, slot: int, state: int) -> None:
    """End a slot's order: what it reserved is free again."""
    w[w[w[slot, c.O_LEG], c.LEG_EXCHANGE], c.RESERVED] -= w[slot, c.O_RESERVED]
    _forget(w, slot)
    w[slot, c.ORDER_STATE] = state


def left_reducing(w: Any, leg: int, side: int) -> int:
    """Return the lots that a leg's reducing orders of a side have left."""
    part = w[leg, c.LEG_PART]
    lots = 0
    for slot in range(w[part, c.PART_FIRST_SLOT], w[part, c.PART_FIRST_SLOT] + w[part, c.PART_SLOTS]):
        if w[slot, c.O_SIDE] == side and w[slot, c.O_REDUCES] == 1 and w[slot, c.O_LEG] == leg:
            lots += w[slot, c.ORDER_REMAINING]
    return lots


def adding(w: Any, leg: int, last: int) -> tuple[int, int, int]:
    """Return what a leg's adding orders are worth: signed, absolute, and with the fee and slippage they may cost.

    `last` is the price in ticks at which its market orders are valued.
    """
    part, unit = w[leg, c.LEG_PART], w[w[leg, c.INSTRUMENT], c.UNIT]
    rate = w[w[leg, c.LEG_EXCHANGE], c.COST]
    net = gross = full = 0
    for slot in range(w[part, c.PART_FIRST_SLOT], w[part, c.PART_FIRST_SLOT] + w[part, c.PART_SLOTS]):
        if w[slot, c.O_SIDE] != 0 and w[slot, c.O_REDUCES] == 0 and w[slot, c.O_LEG] == leg:
            ticks = w[slot, c.O_TICKS] if w[slot, c.O_TICKS] > 0 else last
            size = cost(w[slot, c.ORDER_REMAINING], ticks, unit, 1)
            net += w[slot, c.O_SIDE] * size
            gross += size
            full += size + fee(size, rate)
    return net, gross, full


def order(w: Any, staged: Any, slot: int, leg: int, reduces: int) -> None:
    """Stage the order that a slot wishes for."""
    w[slot, c.O_LEG], w[slot, c.O_SIDE], w[slot, c.O_TICKS] = leg, w[slot, c.W_SIDE], w[slot, c.W_TICKS]
    w[slot, c.O_SENT], w[slot, c.O_REDUCES], w[slot, c.O_CROSSES], w[slot, c.O_RESERVED] = 0, reduces, 0, 0
    w[slot, c.O_CREATED_MS] = w[c.RUN, c.NOW_MS]
    w[slot, c.ORDER_STATE], w[slot, c.ORDER_REMAINING] = SENT, w[slot, c.W_LOTS]
    w[leg, c.SLOT_ORDERS] += 1
    staged[w[c.RUN, c.STAGED]] = slot
    w[c.RUN, c.STAGED] += 1


def submit_slot(w: Any, f: Any, queue: Any, slot: int) -> None:
    """Send a slot's staged order: it is admitted, or refused and forgotten, as on the paper market."""
    if w[slot, c.O_SIDE] == 0 or w[slot, c.O_SENT] == 1:
        return  # it was taken back in the moment that wished for it
    leg, side, lots, ticks = w[slot, c.O_LEG], w[slot, c.O_SIDE], w[slot, c.ORDER_REMAINING], w[slot, c.O_TICKS]
    exchange, instrument, series = w[leg, c.LEG_EXCHANGE], w[leg, c.INSTRUMENT], w[leg, c.MATCH]
    unit = w[instrument, c.UNIT]
    last = met_last(w, f, series, instrument, side)
    expected = ticks if ticks > 0 else slipped(float(last), side, w[exchange, c.SLIPPAGE])
    post_only = w[slot, c.W_POST_ONLY] == 1
    taking = 0 if post_only else takes(w, f, series, instrument, side, ticks)
    refused = not fits(lots, expected, unit) or (post_only and ticks == 0)
    refused = refused or (post_only and would_take(side, ticks, last, w[series, c.QUOTED]))
    reserved = 0
    if w[slot, c.O_REDUCES] == 0 and not refused:
        bare = cost(lots, expected if ticks > 0 else last, unit, side)
        refused = bare < w[exchange, c.MIN_NOTIONAL]
        refused = refused or margin(bare, w[exchange, c.LEVERAGE]) > free_cash(w, exchange)
        refused = refused or (w[exchange, c.SWAP] == 1 and opposed(w, leg, side))
        full = cost(lots, expected, unit, 1)
        reserved = margin(full, w[exchange, c.LEVERAGE]) + fee(full, w[exchange, c.TAKER])
        reserved = min(reserved, free_cash(w, exchange))
    if refused:
        end_slot(w, slot, REFUSED)
        return
    w[exchange, c.RESERVED] += reserved
    w[slot, c.O_RESERVED] = reserved
    w[c.RUN, c.SEQ] += 1
    w[slot, c.O_FROM_MS], w[slot, c.O_SEQ] = first_met_ms(w, exchange, series), w[c.RUN, c.SEQ]
    w[slot, c.O_SENT], w[slot, c.O_CROSSES], w[slot, c.ORDER_STATE] = 1, taking, RESTING
    w[slot, c.O_AHEAD] = NOT_JOINED
    if ticks == 0 or taking == 1 or w[series, c.LENGTH_MS] > 0:
        at = w[c.RUN, c.QUEUED]
        queue[at, 0], queue[at, 1], queue[at, 2] = slot, c.SLOT_ORDER, w[c.RUN, c.SEQ]
        w[c.RUN, c.QUEUED] += 1


def fill_slot(
    w: Any, f: Any, fills: Any, trades: Any, losses: Any, slot: int, ticks: int, maker: int, ts_ms: int
) -> None:
    """Fill a slot's order as far as its money and its position go; what remains expires."""
    leg, side, wanted = w[slot, c.O_LEG], w[slot, c.O_SIDE], w[slot, c.ORDER_REMAINING]
    created_ms = w[slot, c.O_CREATED_MS]
    lots = _fillable(w, leg, slot, ticks, maker)
    w[slot, c.ORDER_FILLED] += lots
    end_slot(w, slot, FILLED if lots == wanted else REFUSED)
    if lots == 0:
        return
    exchange = w[leg, c.LEG_EXCHANGE]
    cash = cost(lots, ticks, w[w[leg, c.INSTRUMENT], c.UNIT], side)
    charge = fee(cash, w[exchange, c.MAKER] if maker == 1 else w[exchange, c.TAKER])
    record_fill(w, fills, leg, side, ticks, lots, cash, charge, maker, c.SLOT_ORDER, SLOT, ts_ms, created_ms)
    held = w[leg, c.LOTS]
    if held * side < 0:
        closing = min(lots, abs(held))
        money, paid = part_of(cash, closing, lots), part_of(charge, closing, lots)
        book(w, leg, side, closing, money, paid)
        shrink(w, f, trades, losses, leg, closing, ticks, money, paid, SLOT, ts_ms)
        lots, cash, charge = lots - closing, cash - money, charge - paid
        if w[leg, c.LOTS] == 0:
            expire_reducing(w, leg)
    if lots > 0:
        book(w, leg, side, lots, cash, charge)
        grow(w, f, leg, side, lots, ticks, cash, charge, ts_ms)


def _fillable(w: Any, leg: int, slot: int, ticks: int, maker: int) -> int:
    exchange, side, lots = w[leg, c.LEG_EXCHANGE], w[slot, c.O_SIDE], w[slot, c.ORDER_REMAINING]
    if w[slot, c.O_REDUCES] == 1:
        return int(min(lots, abs(w[leg, c.LOTS]))) if w[leg, c.LOTS] * side < 0 else 0
    if w[exchange, c.SWAP] == 1 and opposed(w, leg, side):
        return 0
    unit = w[w[leg, c.INSTRUMENT], c.UNIT]
    money = free_cash(w, exchange) + w[slot, c.O_RESERVED]
    rate = w[exchange, c.MAKER] if maker == 1 else w[exchange, c.TAKER]
    bought = affordable_on_margin(money, ticks, unit, rate, w[exchange, c.LEVERAGE])
    if bought >= lots:
        return int(lots)
    return int(bought) if cost(bought, ticks, unit, -1) >= w[exchange, c.MIN_NOTIONAL] else 0


def expire_reducing(w: Any, leg: int) -> None:
    """End the orders that would reduce a position that is no more."""
    part = w[leg, c.LEG_PART]
    for slot in range(w[part, c.PART_FIRST_SLOT], w[part, c.PART_FIRST_SLOT] + w[part, c.PART_SLOTS]):
        if w[slot, c.O_SIDE] != 0 and w[slot, c.O_REDUCES] == 1 and w[slot, c.O_LEG] == leg:
            end_slot(w, slot, REFUSED)


def reband(w: Any, f: Any, leg: int) -> None:
    """Note between which prices no resting order of a leg is traded through."""
    below, above = -math.inf, math.inf
    if w[leg, c.E_SIDE] != 0 and w[leg, c.E_TICKS] > 0:
        below = float(w[leg, c.E_TICKS]) if w[leg, c.E_SIDE] > 0 else below
        above = float(w[leg, c.E_TICKS]) if w[leg, c.E_SIDE] < 0 else above
    if w[leg, c.X_SIDE] != 0 and w[leg, c.X_TICKS] > 0:
        below = max(below, float(w[leg, c.X_TICKS])) if w[leg, c.X_SIDE] > 0 else below
        above = min(above, float(w[leg, c.X_TICKS])) if w[leg, c.X_SIDE] < 0 else above
    if w[leg, c.SLOT_ORDERS] > 0:
        part = w[leg, c.LEG_PART]
        for slot in range(w[part, c.PART_FIRST_SLOT], w[part, c.PART_FIRST_SLOT] + w[part, c.PART_SLOTS]):
            if w[slot, c.O_SIDE] != 0 and w[slot, c.O_TICKS] > 0 and w[slot, c.O_LEG] == leg:
                below = max(below, float(w[slot, c.O_TICKS])) if w[slot, c.O_SIDE] > 0 else below
                above = min(above, float(w[slot, c.O_TICKS])) if w[slot, c.O_SIDE] < 0 else above
    if w[w[leg, c.MATCH], c.BOOK_OF] > 0 and (below > -math.inf or above < math.inf):
        below, above = math.inf, -math.inf  # whatever its prices, an event moves it in its queue
    f[leg, c.RESTS_BELOW], f[leg, c.RESTS_ABOVE] = below, above
