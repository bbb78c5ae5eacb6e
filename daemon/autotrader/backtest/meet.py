"""How a bar meets the orders and positions that it decides: at its open, and inside it. As `venues.paper_match` does."""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.book import end_entry, fill_entry, fill_exit, rest
from autotrader.backtest.result import REASONS
from autotrader.execution.orders import Reason
from autotrader.market.fills import (
    LIQUIDATION,
    NO_EXIT,
    STOP_LOSS,
    TAKE_PROFIT,
    TRAILING_STOP,
    Held,
    exit_ticks,
    in_ticks,
    limit_at_open,
    limit_in_bar,
    liquidation,
    liquidation_level,
    moved_best,
    nearest,
    protective_exit,
    rest_of_bar,
    slipped,
)

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
    side = 1 if w[leg, c.LOTS] > 0 else -1
    exchange = w[leg, c.LEG_EXCHANGE]
    if w[leg, c.GUARDED] == 1:
        held = Held(side, f[leg, c.ENTRY], f[leg, c.BEST], w[leg, c.STOP], w[leg, c.TAKE], w[leg, c.TRAIL])
        code, price = protective_exit(held, o, h, low)
        if code != NO_EXIT:
            ticks = exit_ticks(code, price, -side, w[exchange, c.SLIPPAGE])
            fill_exit(
                w,
                f,
                fills,
                trades,
                losses,
                leg,
                abs(w[leg, c.LOTS]),
                ticks,
                0,
                c.GUARD_ORDER,
                CODE_REASONS[code],
                ts_ms,
            )
            return
    if w[exchange, c.SWAP] == 1:
        level = liquidation_level(side, f[leg, c.ENTRY], w[exchange, c.LEVERAGE])
        code, price = liquidation(side, level, o, h, low)
        if code != NO_EXIT:
            ticks = nearest(price, -side)
            fill_exit(
                w,
                f,
                fills,
                trades,
                losses,
                leg,
                abs(w[leg, c.LOTS]),
                ticks,
                0,
                c.GUARD_ORDER,
                CODE_REASONS[code],
                ts_ms,
            )


def reached(w: Any, f: Any, leg: int) -> bool:
    """Tell whether a leg has anything that a bar could end: a position with an exit, or with a margin."""
    return w[leg, c.LOTS] != 0 and (w[leg, c.GUARDED] == 1 or w[w[leg, c.LEG_EXCHANGE], c.SWAP] == 1)


def open_orders(w: Any, f: Any, queue: Any, fills: Any, trades: Any, losses: Any, opens: Any, now_ms: int) -> None:
    """Let the bars that open now meet the orders, in the sequence of their submission whatever their instrument.

    `opens` holds each series' open; only those that opened now are looked at.
    """
    kept = 0
    for at in range(w[c.RUN, c.QUEUED]):
        leg, purpose, seq = queue[at, 0], queue[at, 1], queue[at, 2]
        entry = purpose == c.ENTRY_ORDER
        if entry:
            alive = w[leg, c.E_SIDE] != 0 and w[leg, c.E_SEQ] == seq
        else:
            alive = w[leg, c.X_SIDE] != 0 and w[leg, c.X_SEQ] == seq
        if not alive:
            continue
        series = w[leg, c.MATCH]
        from_ms = w[leg, c.E_FROM_MS] if entry else w[leg, c.X_FROM_MS]
        if w[series, c.OPENED_AT_MS] == now_ms and from_ms <= now_ms:
            side = w[leg, c.E_SIDE] if entry else w[leg, c.X_SIDE]
            limit = w[leg, c.E_TICKS] if entry else w[leg, c.X_TICKS]
            price = in_ticks(opens[series - w[c.RUN, c.FIRST_SERIES]], f[w[leg, c.INSTRUMENT], c.PER_PRICE])
            if limit == 0 or limit_at_open(side, limit, price):
                ticks = slipped(float(price), side, w[w[leg, c.LEG_EXCHANGE], c.SLIPPAGE]) if limit == 0 else price
                if entry:
                    fill_entry(w, f, fills, leg, ticks, 0, now_ms)
                else:
                    fill_exit(
                        w, f, fills, trades, losses, leg, w[leg, c.X_LOTS], ticks, 0, c.EXIT_ORDER,
                        w[leg, c.X_REASON], now_ms,
                    )  # fmt: skip
                continue
        queue[kept, 0], queue[kept, 1], queue[kept, 2] = leg, purpose, seq
        kept += 1
    w[c.RUN, c.QUEUED] = kept


def close_bar(
    w: Any, f: Any, fills: Any, trades: Any, losses: Any, legs: Any, first: int, count: int, o: int, h: int, low: int,
    close: int, bar_ms: int, ts_ms: int,
) -> None:  # fmt: skip
    """Let a bar close on its legs: exits of what was held, then limits traded through, then exits of what they filled.

    The legs are `count` elements of `legs` from `first` on.
    """
    waiting = 0
    for at in range(first, first + count):
        leg = legs[at]
        w[leg, c.WAS_HELD] = 1 if w[leg, c.LOTS] != 0 else 0
        if reached(w, f, leg):
            protect(w, f, fills, trades, losses, leg, o, h, low, ts_ms)
            if w[leg, c.LOTS] == 0:
                w[leg, c.WAS_HELD] = 0
        if w[leg, c.E_SIDE] != 0 and w[leg, c.E_TICKS] > 0:
            waiting += 1
        if w[leg, c.X_SIDE] != 0 and w[leg, c.X_TICKS] > 0:
            waiting += 1
    after = 0
    while waiting > 0:
        waiting -= 1
        leg, after = _next_limit(w, legs, first, count, after)
        if leg < 0:
            break
        _limit(w, f, fills, trades, losses, leg, after, h, low, close, bar_ms, ts_ms)
    for at in range(first, first + count):
        leg = legs[at]
        if w[leg, c.WAS_HELD] == 1 and w[leg, c.LOTS] != 0:
            f[leg, c.BEST] = moved_best(1 if w[leg, c.LOTS] > 0 else -1, f[leg, c.BEST], h, low)


def _next_limit(w: Any, legs: Any, first: int, count: int, after: int) -> tuple[int, int]:
    """Return the leg and the number of the first limit order that was sent after a number; leg -1 if there is none."""
    found, least = -1, 0
    for at in range(first, first + count):
        leg = legs[at]
        if w[leg, c.E_SIDE] != 0 and w[leg, c.E_TICKS] > 0 and w[leg, c.E_SEQ] > after:
            if found < 0 or w[leg, c.E_SEQ] < least:
                found, least = leg, w[leg, c.E_SEQ]
        if w[leg, c.X_SIDE] != 0 and w[leg, c.X_TICKS] > 0 and w[leg, c.X_SEQ] > after:
            if found < 0 or w[leg, c.X_SEQ] < least:
                found, least = leg, w[leg, c.X_SEQ]
    return found, least


def _limit(
    w: Any, f: Any, fills: Any, trades: Any, losses: Any, leg: int, seq: int, h: int, low: int, close: int, bar_ms: int,
    ts_ms: int,
) -> None:  # fmt: skip
    entry = w[leg, c.E_SIDE] != 0 and w[leg, c.E_SEQ] == seq
    side = w[leg, c.E_SIDE] if entry else w[leg, c.X_SIDE]
    limit = w[leg, c.E_TICKS] if entry else w[leg, c.X_TICKS]
    from_ms = w[leg, c.E_FROM_MS] if entry else w[leg, c.X_FROM_MS]
    if from_ms > bar_ms or not limit_in_bar(side, limit, h, low):
        return
    if not entry:
        fill_exit(w, f, fills, trades, losses, leg, w[leg, c.X_LOTS], limit, 1, c.EXIT_ORDER, w[leg, c.X_REASON], ts_ms)
        return
    fill_entry(w, f, fills, leg, limit, 1, ts_ms)
    if w[leg, c.LOTS] == 0:
        return
    o2, h2, l2 = rest_of_bar(side, limit, h, low, close)
    if reached(w, f, leg):
        protect(w, f, fills, trades, losses, leg, o2, h2, l2, ts_ms)
    if w[leg, c.LOTS] != 0 and w[leg, c.WAS_HELD] == 0:
        f[leg, c.BEST] = moved_best(side, f[leg, c.BEST], h2, l2)


def end_stale_entries(w: Any) -> None:
    """Cancel the entries whose position a protective exit ended while they still worked."""
    for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
        if w[leg, c.CANCEL_ENTRY] == 1:
            w[leg, c.CANCEL_ENTRY] = 0
            end_entry(w, leg)
            rest(w, leg)
    w[c.RUN, c.STALE_ENTRIES] = 0
