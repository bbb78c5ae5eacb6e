"""How a bar meets the orders and positions that it decides, at its open and inside it, as a paper exchange does it."""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.book import fill_entry, fill_exit, lapse
from autotrader.backtest.result import REASONS
from autotrader.backtest.slots import end_slot, expire_reducing, fill_slot
from autotrader.execution.orders import Reason
from autotrader.market.fills import (
    LIQUIDATION,
    NO_EXIT,
    STOP_LOSS,
    TAKE_PROFIT,
    TRAILING_STOP,
    Held,
    crosses,
    exit_ticks,
    in_ticks,
    limit_at_open,
    limit_in_bar,
    liquidation,
    liquidation_level,
    moved_best,
    nearest,
    protective_exit,
    quiet_range,
    rest_of_bar,
    slipped,
)
from autotrader.strategies.contract import REFUSED

BY_CODE = {
    NO_EXIT: Reason.EXIT,
    STOP_LOSS: Reason.STOP_LOSS,
    TAKE_PROFIT: Reason.TAKE_PROFIT,
    TRAILING_STOP: Reason.TRAILING_STOP,
    LIQUIDATION: Reason.LIQUIDATION,
}
CODE_REASONS = tuple(REASONS.index(BY_CODE[code]) for code in range(len(BY_CODE)))
"""The reason of each code that a bar's exits have."""


def protect(
    w: Any, f: Any, fills: Any, trades: Any, losses: Any, leg: int, o: int, h: int, low: int, ts_ms: int
) -> None:
    """End a position whose protective exit, or on a swap whose margin, a bar's open, high and low reach."""
    code, price = reached(w, f, leg, o, h, low)
    if code != NO_EXIT:
        end_position(w, f, fills, trades, losses, leg, code, price, ts_ms)


def reached(w: Any, f: Any, leg: int, o: int, h: int, low: int) -> tuple[int, float]:
    """Return what a bar's open, high and low reach that ends a leg's position, and at which price in ticks."""
    code, price = NO_EXIT, 0.0
    if w[leg, c.GUARDED] == 1:
        code, price = protective_exit(held_of(w, f, leg), o, h, low)
    exchange = w[leg, c.LEG_EXCHANGE]
    if code == NO_EXIT and w[exchange, c.SWAP] == 1:
        side = 1 if w[leg, c.LOTS] > 0 else -1
        level = liquidation_level(side, f[leg, c.ENTRY], w[exchange, c.LEVERAGE])
        code, price = liquidation(side, level, o, h, low)
    return code, price


def held_of(w: Any, f: Any, leg: int) -> Held:
    """Return a leg's position as its guard sees it."""
    side = 1 if w[leg, c.LOTS] > 0 else -1
    return Held(side, f[leg, c.ENTRY], f[leg, c.BEST], w[leg, c.STOP], w[leg, c.TAKE], w[leg, c.TRAIL])


def end_position(
    w: Any, f: Any, fills: Any, trades: Any, losses: Any, leg: int, code: int, price: float, ts_ms: int
) -> None:
    """End a leg's position by what was reached, at a price before slippage."""
    side = -1 if w[leg, c.LOTS] > 0 else 1
    if code == LIQUIDATION:
        ticks = nearest(price, side)
    else:
        ticks = exit_ticks(code, price, side, w[w[leg, c.LEG_EXCHANGE], c.SLIPPAGE])
    lots, reason = abs(w[leg, c.LOTS]), CODE_REASONS[code]
    fill_exit(w, f, fills, trades, losses, leg, lots, ticks, 0, c.GUARD_ORDER, reason, ts_ms)
    if w[leg, c.SLOT_ORDERS] > 0:
        expire_reducing(w, leg)


def requiet(w: Any, f: Any, leg: int) -> None:
    """Note between which prices nothing ends a leg's position, so that a bar between them need not be looked at."""
    if w[leg, c.CAN_END] == 0:
        return
    side = 1 if w[leg, c.LOTS] > 0 else -1
    exchange = w[leg, c.LEG_EXCHANGE]
    below, above = quiet_range(held_of(w, f, leg))
    if w[exchange, c.SWAP] == 1:
        level = liquidation_level(side, f[leg, c.ENTRY], w[exchange, c.LEVERAGE])
        if side > 0:
            below = max(below, level)
        else:
            above = min(above, level)
    f[leg, c.QUIET_BELOW], f[leg, c.QUIET_ABOVE] = below, above


def order_at(w: Any, row: int, purpose: int) -> tuple[int, int, int, int, int]:
    """Return an order's leg, side (0 where it has ended), limit in ticks, first moment and number."""
    if purpose == c.ENTRY_ORDER:
        return row, w[row, c.E_SIDE], w[row, c.E_TICKS], w[row, c.E_FROM_MS], w[row, c.E_SEQ]
    if purpose == c.EXIT_ORDER:
        return row, w[row, c.X_SIDE], w[row, c.X_TICKS], w[row, c.X_FROM_MS], w[row, c.X_SEQ]
    sent = w[row, c.O_SENT]
    return w[row, c.O_LEG], w[row, c.O_SIDE] * sent, w[row, c.O_TICKS], w[row, c.O_FROM_MS], w[row, c.O_SEQ]


def fill_order(
    w: Any, f: Any, fills: Any, trades: Any, losses: Any, row: int, purpose: int, ticks: int, maker: int, ts_ms: int
) -> None:
    """Fill an order, whatever its purpose."""
    if purpose == c.ENTRY_ORDER:
        fill_entry(w, f, fills, row, ticks, maker, ts_ms)
        requiet(w, f, row)
    elif purpose == c.EXIT_ORDER:
        lots, reason = w[row, c.X_LOTS], w[row, c.X_REASON]
        fill_exit(w, f, fills, trades, losses, row, lots, ticks, maker, c.EXIT_ORDER, reason, ts_ms)
    else:
        leg = w[row, c.O_LEG]
        fill_slot(w, f, fills, trades, losses, row, ticks, maker, ts_ms)
        requiet(w, f, leg)


def drop_order(w: Any, row: int, purpose: int) -> None:
    """End an order that its terms let neither take nor rest."""
    if purpose == c.SLOT_ORDER:
        end_slot(w, row, REFUSED)
    else:
        lapse(w, row, purpose)


def force_of(w: Any, row: int, purpose: int) -> int:
    """Return how long a limit order is in force; those by slot rest."""
    return c.GTC if purpose == c.SLOT_ORDER else int(w[row, c.FORCE])


def _only_makes(w: Any, row: int, purpose: int) -> bool:
    return bool(w[row, c.W_POST_ONLY if purpose == c.SLOT_ORDER else c.POST_ONLY] == 1)


def open_bars(w: Any, f: Any, queue: Any, fills: Any, trades: Any, losses: Any, opens: Any) -> None:
    """Let the bars that open now meet orders, then the exits that their opens passed.

    Orders go in the sequence of their submission, whatever their instrument. `opens` holds each series' open; only
    those that opened now are looked at.
    """
    now_ms = w[c.RUN, c.NOW_MS]
    kept = 0
    for at in range(w[c.RUN, c.QUEUED]):
        row, purpose, seq = queue[at, 0], queue[at, 1], queue[at, 2]
        leg, side, limit, from_ms, own_seq = order_at(w, row, purpose)
        if side == 0 or own_seq != seq:
            continue
        series = w[leg, c.MATCH]
        if w[series, c.OPENED_AT_MS] == now_ms and from_ms <= now_ms:
            price = in_ticks(opens[series - w[c.RUN, c.FIRST_SERIES]], f[w[leg, c.INSTRUMENT], c.PER_PRICE])
            force = force_of(w, row, purpose)
            if limit > 0 and _only_makes(w, row, purpose):
                if limit_at_open(side, limit, price):
                    drop_order(w, row, purpose)
                continue  # what rests at its first open takes at no later one
            if limit > 0 and force != c.GTC and not crosses(side, limit, price):
                drop_order(w, row, purpose)
                continue
            if limit == 0 or force != c.GTC or limit_at_open(side, limit, price):
                ticks = slipped(float(price), side, w[w[leg, c.LEG_EXCHANGE], c.SLIPPAGE]) if limit == 0 else price
                fill_order(w, f, fills, trades, losses, row, purpose, ticks, 0, now_ms)
                continue
        queue[kept, 0], queue[kept, 1], queue[kept, 2] = row, purpose, seq
        kept += 1
    w[c.RUN, c.QUEUED] = kept
    for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS] * w[c.RUN, c.ANY_CAN_END]):
        series = w[leg, c.MATCH]
        if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1 and w[series, c.OPENED_AT_MS] == now_ms:
            price = in_ticks(opens[series - w[c.RUN, c.FIRST_SERIES]], f[w[leg, c.INSTRUMENT], c.PER_PRICE])
            protect(w, f, fills, trades, losses, leg, price, price, price, now_ms)


def close_bar(
    w: Any, f: Any, legs: Any, fills: Any, trades: Any, losses: Any, series: int, o: int, h: int, low: int,
    close: int, bar_ms: int,
) -> None:  # fmt: skip
    """Let a bar close on its legs: exits of what was held, then limits traded through, then exits of what they filled.

    `legs` lists the legs that every series decides.
    """
    first, count, ts_ms = w[series, c.FIRST_MATCHED], w[series, c.MATCHED], w[c.RUN, c.NOW_MS]
    waiting = 0
    for at in range(first, first + count):
        leg = legs[at]
        w[leg, c.WAS_HELD] = 1 if w[leg, c.LOTS] != 0 else 0
        if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1:
            protect(w, f, fills, trades, losses, leg, o, h, low, ts_ms)
            if w[leg, c.LOTS] == 0:
                w[leg, c.WAS_HELD] = 0
        if w[leg, c.E_SIDE] != 0 and w[leg, c.E_TICKS] > 0:
            waiting += 1
        if w[leg, c.X_SIDE] != 0 and w[leg, c.X_TICKS] > 0:
            waiting += 1
        waiting += w[leg, c.SLOT_ORDERS]
    after = 0
    while waiting > 0:
        waiting -= 1
        row, purpose, after = _next_limit(w, legs, first, count, after)
        if row < 0:
            break
        _limit(w, f, fills, trades, losses, row, purpose, h, low, close, bar_ms, ts_ms)
    for at in range(first, first + count):
        leg = legs[at]
        if w[leg, c.WAS_HELD] == 1 and w[leg, c.LOTS] != 0:
            f[leg, c.BEST] = moved_best(1 if w[leg, c.LOTS] > 0 else -1, f[leg, c.BEST], h, low)
            requiet(w, f, leg)


def _next_limit(w: Any, legs: Any, first: int, count: int, after: int) -> tuple[int, int, int]:
    """Return the row, purpose and number of the first limit order sent after a number; row -1 if there is none."""
    found, kind, least = -1, 0, 0
    for at in range(first, first + count):
        leg = legs[at]
        part = w[leg, c.LEG_PART]
        slots = w[part, c.PART_SLOTS] if w[leg, c.SLOT_ORDERS] > 0 else 0
        for turn in range(2 + slots):
            row = leg if turn < 2 else w[part, c.PART_FIRST_SLOT] + turn - 2
            purpose = c.SLOT_ORDER if turn >= 2 else (c.ENTRY_ORDER if turn == 0 else c.EXIT_ORDER)
            of, side, limit, _, seq = order_at(w, row, purpose)
            if side != 0 and limit > 0 and of == leg and seq > after and (found < 0 or seq < least):
                found, kind, least = row, purpose, seq
    return found, kind, least


def _limit(
    w: Any, f: Any, fills: Any, trades: Any, losses: Any, row: int, purpose: int, h: int, low: int, close: int,
    bar_ms: int, ts_ms: int,
) -> None:  # fmt: skip
    leg, side, limit, from_ms, _ = order_at(w, row, purpose)
    if from_ms > bar_ms or not limit_in_bar(side, limit, h, low):
        return
    fill_order(w, f, fills, trades, losses, row, purpose, limit, 1, ts_ms)
    if purpose != c.ENTRY_ORDER or w[leg, c.LOTS] == 0:
        return
    o2, h2, l2 = rest_of_bar(side, limit, h, low, close)
    if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1:
        protect(w, f, fills, trades, losses, leg, o2, h2, l2, ts_ms)
    if w[leg, c.LOTS] != 0 and w[leg, c.WAS_HELD] == 0:
        f[leg, c.BEST] = moved_best(side, f[leg, c.BEST], h2, l2)
        requiet(w, f, leg)
