"""What stands before an order that adds: locks, the exchange's minimum, the limits of the run and of its strategy.

With it the figures that they look at: equity, what a leg may use, what a strategy has brought, orders sent lately.
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.rows import is_idle, looked_up, open_leg
from autotrader.backtest.slots import adding
from autotrader.core.clock import DAY_MS
from autotrader.core.jit import seldom
from autotrader.execution.sizing import share_of
from autotrader.market.fills import cost, in_ticks, value
from autotrader.risk.limits import NONE, PASSED, Bounds, Sight, broken

MINUTE_MS = 60_000
ORDERS_PER_MINUTE = Bounds._fields.index("orders_per_minute")


def last_ticks(f: Any, instrument: int) -> int:
    """Return an instrument's last price."""
    return in_ticks(f[instrument, c.LAST_PRICE], f[instrument, c.PER_PRICE])


def leg_worth(w: Any, f: Any, leg: int) -> int:
    """Return what a leg owns at the last price, signed, in steps of cash."""
    instrument = w[leg, c.INSTRUMENT]
    return value(w[leg, c.LOTS], last_ticks(f, instrument), w[instrument, c.UNIT])


def equity_of(w: Any, f: Any, exchange: int) -> int:
    """Return an exchange's money and what is owned there at the last prices, in steps of cash."""
    total = w[exchange, c.CASH]
    for place in range(looked_up(w)):
        leg = open_leg(w, place)
        if w[leg, c.LEG_EXCHANGE] == exchange:
            total += leg_worth(w, f, leg)
    return total


def share(w: Any, f: Any, leg: int) -> int:
    """Return the money that a leg may use, in steps of cash."""
    return share_of(equity_of(w, f, w[leg, c.LEG_EXCHANGE]), w[leg, c.CAPITAL], w[leg, c.SHARES])


def own_equity(w: Any, f: Any, strategy: int) -> int:
    """Return the money that a strategy may use, in steps of cash: the shares of all its legs."""
    total = 0
    for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
        if w[leg, c.STRATEGY] == strategy:
            total += share(w, f, leg)
    return total


def own_profit(w: Any, f: Any, strategy: int) -> int:
    """Return what a strategy has brought so far, what it holds at the last prices included, in steps of cash."""
    total = w[strategy, c.MONEY]
    for place in range(looked_up(w)):
        leg = open_leg(w, place)
        if w[leg, c.STRATEGY] == strategy:
            total += leg_worth(w, f, leg)
    return int(total)


def allowed(w: Any, f: Any, recent: Any, leg: int, side: int, lots: int, price: int, last: int) -> bool:
    """Tell whether locks, the exchange's minimum and the gates let an order at a price pass that adds to a position.

    Orders by slot count, of the leg itself too; its working entry, which this one replaces, does not.
    """
    now_ms, strategy = w[c.RUN, c.NOW_MS], w[leg, c.STRATEGY]
    if blocked(w, c.RUN, now_ms) or (w[c.RUN, c.OWN_LIMITS] == 1 and blocked(w, strategy, now_ms)):
        w[c.RUN, c.REFUSED_BY_LOCK] += 1
        return False
    instrument, exchange = w[leg, c.INSTRUMENT], w[leg, c.LEG_EXCHANGE]
    unit = w[instrument, c.UNIT]
    if lots == 0 or value(lots, price, unit) < w[exchange, c.MIN_NOTIONAL]:
        w[c.RUN, c.REFUSED_BY_MINIMUM] += 1
        return False
    size = cost(lots, price, unit, 1)
    sent = sent_lately(w, recent, now_ms)
    if not _passes(w, f, c.RUN, leg, side, size, sent, price, last):
        return False
    if w[c.RUN, c.OWN_LIMITS] == 0 or w[strategy, c.HAS_LIMITS] == 0:
        return True
    return _passes(w, f, strategy, leg, side, size, _sent_of(w, recent, strategy), price, last)


def _passes(w: Any, f: Any, row: int, leg: int, side: int, size: int, sent: int, price: int, last: int) -> bool:
    """Tell whether an order passes the gate of the run, or of its strategy; a refusal is counted."""
    net, gross, symbols, equity = _account(w, f, leg, row)
    if row != c.RUN:
        equity = own_equity(w, f, row)
    seen = Sight(
        equity, size, abs(net + side * size), gross + size, symbols, sent, price, last,
        w[c.RUN, c.NOW_MS] - w[leg, c.DUE_MS],
    )  # fmt: skip
    limit = broken(_bounds(w, row), seen)
    if limit != PASSED:
        _count_refusal(w, limit)
    return limit == PASSED


@seldom
def _count_refusal(w: Any, limit: int) -> None:
    w[c.RUN, c.REFUSED_0 + limit] += 1


def blocked(w: Any, row: int, now_ms: int) -> bool:
    """Tell whether a loss lock or a cooldown of the run or a strategy stops entries (see `risk.breakers.closed`)."""
    if w[row, c.LOCKED] == 1 or now_ms < w[row, c.COOLDOWN_UNTIL_MS]:
        return True
    return w[row, c.LOSS_DAY] != 0 and now_ms // DAY_MS <= w[row, c.LOSS_DAY]


def _bounds(w: Any, row: int) -> Bounds:
    at = c.BOUND_0
    return Bounds(
        w[row, at], w[row, at + 1], w[row, at + 2], w[row, at + 3], w[row, at + 4], w[row, at + 5],
        w[row, at + 6], w[row, at + 7], w[row, at + 8], w[row, at + 9],
    )  # fmt: skip


def _account(w: Any, f: Any, entering: int, row: int) -> tuple[int, int, int, int]:
    """Return the instrument's signed and the account's gross notional, the symbols with the new one, and the equity.

    Of the run, or of what one strategy's row has of it.
    """
    net = gross = equity = 0
    w[c.RUN, c.STAMP] += 1
    stamp = w[c.RUN, c.STAMP]
    w[w[entering, c.INSTRUMENT], c.SEEN] = stamp
    symbols = 1
    idle = is_idle(w)
    for place in range(looked_up(w) if idle else w[c.RUN, c.LEGS]):
        other = open_leg(w, place) if idle else w[c.RUN, c.FIRST_LEG] + place
        if row != c.RUN and w[other, c.STRATEGY] != row:
            continue
        staged = w[other, c.N_SIDE] != 0 and w[other, c.N_PURPOSE] == c.ENTRY_ORDER
        if w[other, c.LOTS] == 0 and w[other, c.E_SIDE] == 0 and not staged and w[other, c.SLOT_ORDERS] == 0:
            continue
        instrument = w[other, c.INSTRUMENT]
        mine = instrument == w[entering, c.INSTRUMENT]
        if w[other, c.LOTS] != 0:
            worth = leg_worth(w, f, other)
            equity += worth
            gross += abs(worth)
            net += worth if mine else 0
        slots = 0
        if w[other, c.SLOT_ORDERS] > 0:
            signed, slots, _ = adding(w, other, last_ticks(f, instrument))
            gross += slots
            net += signed if mine else 0
        if other == entering or (w[other, c.LOTS] == 0 and w[other, c.E_SIDE] == 0 and not staged and slots == 0):
            continue
        if w[instrument, c.SEEN] != stamp:
            w[instrument, c.SEEN] = stamp
            symbols += 1
        if w[other, c.E_SIDE] != 0:
            size = _notional(w, f, other, w[other, c.E_LOTS], w[other, c.E_TICKS])
            gross += size
            net += w[other, c.E_SIDE] * size if mine else 0
        if staged:
            size = _notional(w, f, other, w[other, c.N_LOTS], w[other, c.N_TICKS])
            gross += size
            net += w[other, c.N_SIDE] * size if mine else 0
    for exchange in range(w[c.RUN, c.FIRST_EXCHANGE], w[c.RUN, c.FIRST_EXCHANGE] + w[c.RUN, c.EXCHANGES]):
        equity += w[exchange, c.CASH]
    return net, gross, symbols, equity


def _notional(w: Any, f: Any, leg: int, lots: int, ticks: int) -> int:
    instrument = w[leg, c.INSTRUMENT]
    return cost(lots, ticks if ticks > 0 else last_ticks(f, instrument), w[instrument, c.UNIT], 1)


def sent_lately(w: Any, recent: Any, now_ms: int) -> int:
    """Return how many orders were sent in the last minute; older ones are forgotten."""
    if w[c.RUN, c.BOUND_0 + ORDERS_PER_MINUTE] == NONE and w[c.RUN, c.OWN_ORDER_BOUNDS] == 0:
        return 0  # nobody asks
    head, count = w[c.RUN, c.RECENT_HEAD], w[c.RUN, c.RECENT]
    while count > 0 and recent[head] <= now_ms - MINUTE_MS:
        head = head + 1 if head + 1 < w[c.RUN, c.RECENT_ROOM] else 0
        count -= 1
    w[c.RUN, c.RECENT_HEAD], w[c.RUN, c.RECENT] = head, count
    return count


def _sent_of(w: Any, recent: Any, strategy: int) -> int:
    """Return how many of the orders that `sent_lately` left were a strategy's."""
    if w[strategy, c.BOUND_0 + ORDERS_PER_MINUTE] == NONE:
        return 0  # nobody asks
    count, room = 0, w[c.RUN, c.RECENT_ROOM]
    for place in range(w[c.RUN, c.RECENT_HEAD], w[c.RUN, c.RECENT_HEAD] + w[c.RUN, c.RECENT]):
        count += 1 if recent[room + (place if place < room else place - room)] == strategy else 0
    return count
