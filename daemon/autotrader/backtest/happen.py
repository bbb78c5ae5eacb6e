"""How an event of a feed meets the orders and positions that it decides: as a bar of one moment does.

First like a bar's open: what takes, in the sequence of submission, then the exits that the price passed. Then like its
close: what rests and is traded through, the better price first.
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.meet import fill_order, order_at, protect, requiet
from autotrader.backtest.slots import reband
from autotrader.market.fills import crosses, limit_in_bar, moved_best, rest_of_bar, slipped


def happen(
    w: Any, f: Any, lists: Any, queue: Any, fills: Any, trades: Any, losses: Any, series: int, buy: int, sell: int
) -> None:
    """Let an event meet the orders and positions before it; a buyer pays `buy` ticks at it, a seller gets `sell`."""
    first, last = w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]
    ts_ms = w[c.RUN, c.NOW_MS]
    for at in range(first, last):
        w[lists[at], c.WAS_HELD] = 1 if w[lists[at], c.LOTS] != 0 else 0
    _take(w, f, queue, fills, trades, losses, series, buy, sell)
    for at in range(first, last):
        leg = lists[at]
        if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1:
            price = sell if w[leg, c.LOTS] > 0 else buy
            protect(w, f, fills, trades, losses, leg, price, price, price, ts_ms)
    _trade_through(w, f, lists, fills, trades, losses, series, buy, sell)
    for at in range(first, last):
        leg = lists[at]
        if w[leg, c.WAS_HELD] == 1 and w[leg, c.LOTS] != 0:
            price = sell if w[leg, c.LOTS] > 0 else buy
            f[leg, c.BEST] = moved_best(1 if w[leg, c.LOTS] > 0 else -1, f[leg, c.BEST], price, price)
            requiet(w, f, leg)
        reband(w, f, leg)


def _take(w: Any, f: Any, queue: Any, fills: Any, trades: Any, losses: Any, series: int, buy: int, sell: int) -> None:
    now_ms = w[c.RUN, c.NOW_MS]
    kept = 0
    for at in range(w[c.RUN, c.QUEUED]):
        row, purpose, seq = queue[at, 0], queue[at, 1], queue[at, 2]
        leg, side, limit, from_ms, own_seq = order_at(w, row, purpose)
        if side == 0 or own_seq != seq:
            continue
        if w[leg, c.MATCH] == series and from_ms <= now_ms:
            price = buy if side > 0 else sell
            if limit > 0 and not crosses(side, limit, price):
                _rest(w, row, purpose)
                continue
            ticks = slipped(float(price), side, w[w[leg, c.LEG_EXCHANGE], c.SLIPPAGE]) if limit == 0 else price
            fill_order(w, f, fills, trades, losses, row, purpose, ticks, 0, now_ms)
            continue
        queue[kept, 0], queue[kept, 1], queue[kept, 2] = row, purpose, seq
        kept += 1
    w[c.RUN, c.QUEUED] = kept


def _rest(w: Any, row: int, purpose: int) -> None:
    """Let an order that found its price gone wait at its limit."""
    if purpose == c.ENTRY_ORDER:
        w[row, c.E_CROSSES] = 0
    elif purpose == c.EXIT_ORDER:
        w[row, c.X_CROSSES] = 0
    else:
        w[row, c.O_CROSSES] = 0


def _trade_through(
    w: Any, f: Any, lists: Any, fills: Any, trades: Any, losses: Any, series: int, buy: int, sell: int
) -> None:
    now_ms = w[c.RUN, c.NOW_MS]
    while True:
        row, purpose = _best(w, lists, series, buy, sell)
        if row < 0:
            return
        leg, side, limit, _, _ = order_at(w, row, purpose)
        fill_order(w, f, fills, trades, losses, row, purpose, limit, 1, now_ms)
        if purpose == c.ENTRY_ORDER and w[leg, c.LOTS] != 0:
            price = sell if side > 0 else buy
            open_, high, low = rest_of_bar(side, limit, price, price, price)
            if w[leg, c.CAN_END] == 1:
                protect(w, f, fills, trades, losses, leg, open_, high, low, now_ms)
            if w[leg, c.LOTS] != 0 and w[leg, c.WAS_HELD] == 0:
                f[leg, c.BEST] = moved_best(side, f[leg, c.BEST], high, low)
                requiet(w, f, leg)


def _best(w: Any, lists: Any, series: int, buy: int, sell: int) -> tuple[int, int]:
    """Return the order, and its purpose, whose turn it is to be traded through; row -1 if there is none.

    Buys come before sells, then the better price, then the sequence.
    """
    found, kind, best_side, best_limit, best_seq = -1, 0, 0, 0, 0
    for at in range(w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]):
        leg = lists[at]
        part = w[leg, c.LEG_PART]
        slots = w[part, c.PART_SLOTS] if w[leg, c.SLOT_ORDERS] > 0 else 0
        for turn in range(2 + slots):
            row = leg if turn < 2 else w[part, c.PART_FIRST_SLOT] + turn - 2
            purpose = c.SLOT_ORDER if turn >= 2 else (c.ENTRY_ORDER if turn == 0 else c.EXIT_ORDER)
            of, side, limit, from_ms, seq = order_at(w, row, purpose)
            if side == 0 or limit == 0 or of != leg or from_ms > w[c.RUN, c.NOW_MS] or _crosses(w, row, purpose):
                continue
            price = buy if side > 0 else sell
            if not limit_in_bar(side, limit, price, price):
                continue
            ahead = found < 0 or side > best_side
            if found >= 0 and side == best_side:
                ahead = (limit - best_limit) * side > 0 or (limit == best_limit and seq < best_seq)
            if ahead:
                found, kind, best_side, best_limit, best_seq = row, purpose, side, limit, seq
    return found, kind


def _crosses(w: Any, row: int, purpose: int) -> bool:
    if purpose == c.ENTRY_ORDER:
        return bool(w[row, c.E_CROSSES] == 1)
    return bool(w[row, c.X_CROSSES] == 1 if purpose == c.EXIT_ORDER else w[row, c.O_CROSSES] == 1)
