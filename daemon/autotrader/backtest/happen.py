"""How an event of a feed meets the orders and positions that it decides: as a bar of one moment does.

First like a bar's open: what takes, in the sequence of submission, then the exits that the price passed. Then like its
close: what rests and is traded through, the better price first. On a book who takes pays what stands there, and who
rests has a place in the queue (see `market.queue`).
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.meet import (
    drop_order,
    end_position,
    fill_order,
    force_of,
    held_of,
    order_at,
    reached,
    requiet,
)
from autotrader.backtest.slots import reband
from autotrader.core.memory import real_at, whole_at
from autotrader.market.fills import NO_EXIT, crosses, exit_limit, limit_in_bar, moved_best, rest_of_bar, slipped
from autotrader.market.queue import CELLS, NOT_JOINED, after_event, after_trades, walked

NEXT = -2
"""What is ahead of an order that the trades of this event fill: it waits for its turn among those that are filled."""


def happen(
    w: Any, f: Any, lists: Any, bars: Any, queue: Any, fills: Any, trades: Any, losses: Any, series: int, buy: int,
    sell: int,
) -> None:  # fmt: skip
    """Let an event meet the orders and positions before it; a buyer pays `buy` ticks at it, a seller gets `sell`."""
    first, last = w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]
    for at in range(first, last):
        w[lists[at], c.WAS_HELD] = 1 if w[lists[at], c.LOTS] != 0 else 0
    _take(w, f, bars, queue, fills, trades, losses, series, buy, sell)
    for at in range(first, last):
        leg = lists[at]
        if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1:
            price = sell if w[leg, c.LOTS] > 0 else buy
            _protect(w, f, bars, fills, trades, losses, leg, price, price, price)
    if w[series, c.BOOK_OF] > 0:
        _queue(w, f, lists, bars, series, 1)
    _trade_through(w, f, lists, bars, fills, trades, losses, series, buy, sell)
    if w[series, c.BOOK_OF] > 0:
        _queue(w, f, lists, bars, series, 0)
    for at in range(first, last):
        leg = lists[at]
        if w[leg, c.WAS_HELD] == 1 and w[leg, c.LOTS] != 0:
            price = sell if w[leg, c.LOTS] > 0 else buy
            f[leg, c.BEST] = moved_best(1 if w[leg, c.LOTS] > 0 else -1, f[leg, c.BEST], price, price)
            requiet(w, f, leg)
        reband(w, f, leg)


def _paid(w: Any, f: Any, bars: Any, series: int, price: int, side: int, lots: int, limit: int) -> int:
    """Return the ticks at which an order takes: the best price, on a book the average of what it takes."""
    of = w[series, c.BOOK_OF]
    if of == 0:
        return price
    cells = real_at(bars, of + (c.BOOK_ASKS if side > 0 else c.BOOK_BIDS))
    per_price = f[w[series, c.OF_INSTRUMENT], c.PER_PRICE]
    return walked(cells, w[series, c.CURSOR] * CELLS, per_price, side, lots, limit)


def _protect(
    w: Any, f: Any, bars: Any, fills: Any, trades: Any, losses: Any, leg: int, open_: int, high: int, low: int
) -> None:
    """End a position whose protective exit, or on a swap whose margin, an event reaches."""
    code, price = reached(w, f, leg, open_, high, low)
    if code == NO_EXIT:
        return
    series = w[leg, c.MATCH]
    if w[series, c.BOOK_OF] > 0:
        side = -1 if w[leg, c.LOTS] > 0 else 1
        limit = exit_limit(code, held_of(w, f, leg))
        price = float(_paid(w, f, bars, series, 0, side, abs(w[leg, c.LOTS]), limit))
    end_position(w, f, fills, trades, losses, leg, code, price, w[c.RUN, c.NOW_MS])


def _take(
    w: Any, f: Any, bars: Any, queue: Any, fills: Any, trades: Any, losses: Any, series: int, buy: int, sell: int
) -> None:
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
                if force_of(w, row, purpose) != c.GTC:
                    drop_order(w, row, purpose)
                else:
                    _rest(w, row, purpose)
                continue
            ticks = _paid(w, f, bars, series, price, side, _lots(w, row, purpose), limit)
            if limit == 0:
                ticks = slipped(float(ticks), side, w[w[leg, c.LEG_EXCHANGE], c.SLIPPAGE])
            fill_order(w, f, fills, trades, losses, row, purpose, ticks, 0, now_ms)
            continue
        queue[kept, 0], queue[kept, 1], queue[kept, 2] = row, purpose, seq
        kept += 1
    w[c.RUN, c.QUEUED] = kept


def _lots(w: Any, row: int, purpose: int) -> int:
    """Return how large an order is."""
    if purpose == c.ENTRY_ORDER:
        return int(w[row, c.E_LOTS])
    return int(w[row, c.X_LOTS] if purpose == c.EXIT_ORDER else w[row, c.ORDER_REMAINING])


def _rest(w: Any, row: int, purpose: int) -> None:
    """Let an order that found its price gone wait at its limit."""
    if purpose == c.ENTRY_ORDER:
        w[row, c.E_CROSSES] = 0
    elif purpose == c.EXIT_ORDER:
        w[row, c.X_CROSSES] = 0
    else:
        w[row, c.O_CROSSES] = 0


def _trade_through(
    w: Any, f: Any, lists: Any, bars: Any, fills: Any, trades: Any, losses: Any, series: int, buy: int, sell: int
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
                _protect(w, f, bars, fills, trades, losses, leg, open_, high, low)
            if w[leg, c.LOTS] != 0 and w[leg, c.WAS_HELD] == 0:
                f[leg, c.BEST] = moved_best(side, f[leg, c.BEST], high, low)
                requiet(w, f, leg)


def _best(w: Any, lists: Any, series: int, buy: int, sell: int) -> tuple[int, int]:
    """Return the order, and its purpose, whose turn it is to be filled where it rests; row -1 if there is none.

    Buys come before sells, then the better price, then the sequence.
    """
    found, kind, best_side, best_limit, best_seq = -1, 0, 0, 0, 0
    for at in range(w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]):
        leg = lists[at]
        for turn in range(_turns(w, leg)):
            row, purpose, side, limit, seq = _resting(w, leg, turn)
            if side == 0:
                continue
            price = buy if side > 0 else sell
            if _ahead(w, row, purpose) != NEXT and not limit_in_bar(side, limit, price, price):
                continue
            ahead = found < 0 or side > best_side
            if found >= 0 and side == best_side:
                ahead = (limit - best_limit) * side > 0 or (limit == best_limit and seq < best_seq)
            if ahead:
                found, kind, best_side, best_limit, best_seq = row, purpose, side, limit, seq
    return found, kind


def _turns(w: Any, leg: int) -> int:
    """Return how many orders of a leg there may be: its entry, its exit, and those by slot."""
    return 2 + (int(w[w[leg, c.LEG_PART], c.PART_SLOTS]) if w[leg, c.SLOT_ORDERS] > 0 else 0)


def _resting(w: Any, leg: int, turn: int) -> tuple[int, int, int, int, int]:
    """Return the row, purpose, side, limit and number of one of a leg's orders; side 0 where it does not rest."""
    row = leg if turn < 2 else w[w[leg, c.LEG_PART], c.PART_FIRST_SLOT] + turn - 2
    purpose = c.SLOT_ORDER if turn >= 2 else (c.ENTRY_ORDER if turn == 0 else c.EXIT_ORDER)
    of, side, limit, from_ms, seq = order_at(w, row, purpose)
    if limit == 0 or of != leg or from_ms > w[c.RUN, c.NOW_MS] or _crosses(w, row, purpose):
        side = 0
    return row, purpose, side, limit, seq


def _queue(w: Any, f: Any, lists: Any, bars: Any, series: int, before: int) -> None:
    """Move the orders that rest in a book: by the trades `before` an event (1), or by what it shows (0)."""
    for at in range(w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]):
        leg = lists[at]
        for turn in range(_turns(w, leg)):
            row, purpose, side, limit, _ = _resting(w, leg, turn)
            if side == 0:
                continue
            ahead = _ahead(w, row, purpose)
            if before == 0:
                ahead = _shown(w, f, bars, series, ahead, side, limit)
            elif ahead != NOT_JOINED:
                ahead = _traded(w, f, bars, series, ahead, side, limit)
            _put_ahead(w, row, purpose, ahead)


def _traded(w: Any, f: Any, bars: Any, series: int, ahead: int, side: int, limit: int) -> int:
    """Return what the trades since the event before leave ahead of an order, NEXT where they fill it."""
    of, at, per_price = w[series, c.BOOK_OF], w[series, c.CURSOR], f[w[series, c.OF_INSTRUMENT], c.PER_PRICE]
    first, takers = whole_at(bars, of + c.PRINTS_FIRST), whole_at(bars, of + c.PRINTS_TAKER)
    prices, amounts = real_at(bars, of + c.PRINTS_PRICE), real_at(bars, of + c.PRINTS_AMOUNT)
    left = after_trades(ahead, side, limit, per_price, takers, prices, amounts, first[at], first[at + 1])
    return left if left >= 0 else NEXT


def _shown(w: Any, f: Any, bars: Any, series: int, ahead: int, side: int, limit: int) -> int:
    """Return what an event leaves ahead of an order that it does not fill."""
    cells = real_at(bars, w[series, c.BOOK_OF] + (c.BOOK_BIDS if side > 0 else c.BOOK_ASKS))
    per_price = f[w[series, c.OF_INSTRUMENT], c.PER_PRICE]
    return after_event(ahead, cells, w[series, c.CURSOR] * CELLS, per_price, side, limit)


def _crosses(w: Any, row: int, purpose: int) -> bool:
    if purpose == c.ENTRY_ORDER:
        return bool(w[row, c.E_CROSSES] == 1)
    return bool(w[row, c.X_CROSSES] == 1 if purpose == c.EXIT_ORDER else w[row, c.O_CROSSES] == 1)


def _ahead(w: Any, row: int, purpose: int) -> int:
    if purpose == c.ENTRY_ORDER:
        return int(w[row, c.E_AHEAD])
    return int(w[row, c.X_AHEAD] if purpose == c.EXIT_ORDER else w[row, c.O_AHEAD])


def _put_ahead(w: Any, row: int, purpose: int, ahead: int) -> None:
    if purpose == c.ENTRY_ORDER:
        w[row, c.E_AHEAD] = ahead
    elif purpose == c.EXIT_ORDER:
        w[row, c.X_AHEAD] = ahead
    else:
        w[row, c.O_AHEAD] = ahead
