"""From what a step wants to the orders that follow: sizes, the gate, ways out, and what goes on between decisions.

The same decisions as `runtime.trader` and `execution.reconcile` make with exact decimals, in the same order.
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.book import end_entry, rest, submit
from autotrader.backtest.result import REASONS
from autotrader.backtest.rows import is_idle, looked_up, open_leg
from autotrader.backtest.slots import (
    adding,
    differs,
    left_reducing,
    order,
    reband,
    submit_slot,
    take_back,
    take_back_all,
    take_wish,
)
from autotrader.core.clock import DAY_MS
from autotrader.core.jit import seldom
from autotrader.execution.orders import Reason
from autotrader.execution.reconcile import URGENT
from autotrader.execution.sizing import KELLY, entry_lots, kelly_stake, share_of
from autotrader.execution.slicing import TWAP, WHOLE, lots_now
from autotrader.market.fills import cost, fee, in_ticks, value
from autotrader.risk.limits import NONE, PASSED, Bounds, Sight, broken

EXIT = REASONS.index(Reason.EXIT)
MAX_HOLDING = REASONS.index(Reason.MAX_HOLDING)
BREACH = REASONS.index(Reason.BREACH)
IS_URGENT = tuple(int(reason in URGENT) for reason in REASONS)
MINUTE_MS = 60_000
ORDERS_PER_MINUTE = Bounds._fields.index("orders_per_minute")


def last_ticks(f: Any, instrument: int) -> int:
    """Return an instrument's last price."""
    return in_ticks(f[instrument, c.LAST_PRICE], f[instrument, c.PER_PRICE])


def equity_of(w: Any, f: Any, exchange: int) -> int:
    """Return an exchange's money and what is owned there at the last prices, in steps of cash."""
    total = w[exchange, c.CASH]
    for place in range(looked_up(w)):
        leg = open_leg(w, place)
        if w[leg, c.LEG_EXCHANGE] == exchange:
            instrument = w[leg, c.INSTRUMENT]
            total += value(w[leg, c.LOTS], last_ticks(f, instrument), w[instrument, c.UNIT])
    return total


def share(w: Any, f: Any, leg: int) -> int:
    """Return the money that a leg may use, in steps of cash."""
    return share_of(equity_of(w, f, w[leg, c.LEG_EXCHANGE]), w[leg, c.CAPITAL], w[leg, c.SHARES])


def consider(w: Any, f: Any, staged: Any, recent: Any, leg: int, atr: float) -> None:
    """Compare what a step wants of a leg with what the leg has, and stage the difference."""
    if f[leg, c.TARGET] == 0.0:
        under_way = w[leg, c.LOTS] != 0 or w[leg, c.E_SIDE] != 0 or w[leg, c.LEFT] != 0
        if under_way and w[leg, c.EXIT_REASON] == 0:
            leave(w, f, staged, recent, leg, EXIT)
    elif w[leg, c.WANT_ID] != w[leg, c.ENTRY_ID]:
        _enter(w, f, staged, recent, leg, atr)


def _enter(w: Any, f: Any, staged: Any, recent: Any, leg: int, atr: float) -> None:
    target = f[leg, c.TARGET]
    w[leg, c.ENTRY_ID] = w[leg, c.WANT_ID]
    ticks = last_ticks(f, w[leg, c.INSTRUMENT])
    amount = _sized(w, f, leg, ticks, atr)
    wanted = amount if target > 0.0 else -amount
    held = w[leg, c.LOTS]
    change = wanted - held
    if held != 0 and (change > 0) != (held > 0):
        _reduce_to(w, f, staged, recent, leg, wanted)
        return
    side = 1 if change > 0 else -1
    first = _lots_now(w, leg, abs(change), abs(change), 0)
    if not allowed(w, f, recent, leg, side, first, ticks, ticks):
        return
    w[leg, c.FIRST_SENT_MS], w[leg, c.ALL_LOTS] = w[c.RUN, c.NOW_MS], abs(change)
    w[leg, c.LEFT], w[leg, c.CHASES] = change * w[leg, c.PERSISTS], 0
    if w[leg, c.E_SIDE] != 0:
        w[leg, c.CANCEL_ENTRY] = 1
    stage(w, staged, recent, leg, c.ENTRY_ORDER, side, first, ticks if w[leg, c.BY_LIMIT] == 1 else 0, 0)


def _lots_now(w: Any, leg: int, all_lots: int, left: int, passed_ms: int) -> int:
    """Return how many of the lots that have not filled are to work now (see `execution.slicing`)."""
    return lots_now(
        w[leg, c.SLICING], max(all_lots, left), left, w[leg, c.SHOW], w[leg, c.SLICES], passed_ms, w[leg, c.TIMEOUT_MS],
        w[w[leg, c.OWN], c.LENGTH_MS],
    )  # fmt: skip


def _sized(w: Any, f: Any, leg: int, ticks: int, atr: float) -> int:
    """Return the lots of a leg's target; what the leg itself holds or has under way may be used again."""
    instrument, exchange = w[leg, c.INSTRUMENT], w[leg, c.LEG_EXCHANGE]
    unit = w[instrument, c.UNIT]
    cash = available(w, f, exchange, leg) + value(abs(w[leg, c.LOTS]), ticks, unit)
    size = w[leg, c.SIZE_VALUE]
    if w[leg, c.SIZE_KIND] == KELLY:
        one = w[leg, c.STRATEGY]
        size = kelly_stake(
            w[one, c.WINS], w[one, c.LOST_TRADES], w[one, c.GAINS], w[one, c.LOSSES_SUM], w[one, c.KELLY_FRACTION],
            w[one, c.KELLY_CAP], w[one, c.KELLY_START], w[one, c.KELLY_LEAST],
        )  # fmt: skip
    return entry_lots(
        w[leg, c.SIZE_KIND], size, f[leg, c.TARGET], share(w, f, leg), cash, w[exchange, c.COST], ticks, unit,
        atr * f[instrument, c.PER_PRICE], w[exchange, c.LEVERAGE],
    )  # fmt: skip


def available(w: Any, f: Any, exchange: int, without: int) -> int:
    """Return what a new entry may be worth (see `runtime.account.Account.available`). One leg's entry is left out."""
    leverage = w[exchange, c.LEVERAGE]  # 1 on spot
    total = w[exchange, c.CASH] * leverage
    idle = is_idle(w)
    if idle and w[exchange, c.SWAP] == 0:
        return total
    for place in range(looked_up(w) if idle else w[c.RUN, c.LEGS]):
        leg = open_leg(w, place) if idle else w[c.RUN, c.FIRST_LEG] + place
        if w[leg, c.LEG_EXCHANGE] != exchange:
            continue
        instrument = w[leg, c.INSTRUMENT]
        unit = w[instrument, c.UNIT]
        if w[exchange, c.SWAP] == 1 and w[leg, c.LOTS] != 0:
            worth = value(w[leg, c.LOTS], last_ticks(f, instrument), unit)
            total += worth * leverage - abs(worth)
        if leg != without and w[leg, c.E_SIDE] != 0:
            total -= _reserved(w, f, leg, w[leg, c.E_LOTS], w[leg, c.E_TICKS])
        if leg != without and w[leg, c.N_SIDE] != 0 and w[leg, c.N_PURPOSE] == c.ENTRY_ORDER:
            total -= _reserved(w, f, leg, w[leg, c.N_LOTS], w[leg, c.N_TICKS])
        if w[leg, c.SLOT_ORDERS] > 0:
            total -= adding(w, leg, last_ticks(f, instrument))[2]
    return total


def _reserved(w: Any, f: Any, leg: int, lots: int, ticks: int) -> int:
    instrument = w[leg, c.INSTRUMENT]
    price = ticks if ticks > 0 else last_ticks(f, instrument)
    notional = cost(lots, price, w[instrument, c.UNIT], 1)
    return notional + fee(notional, w[w[leg, c.LEG_EXCHANGE], c.COST])


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
            instrument = w[leg, c.INSTRUMENT]
            total += value(w[leg, c.LOTS], last_ticks(f, instrument), w[instrument, c.UNIT])
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
            worth = value(w[other, c.LOTS], last_ticks(f, instrument), w[instrument, c.UNIT])
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


def stage(
    w: Any, staged: Any, recent: Any, leg: int, purpose: int, side: int, lots: int, ticks: int, reason: int
) -> None:
    """Stage a leg's next order; it is sent when the moment is over. `ticks` 0 is a market order."""
    w[leg, c.N_PURPOSE], w[leg, c.N_SIDE], w[leg, c.N_LOTS] = purpose, side, lots
    w[leg, c.N_TICKS], w[leg, c.N_REASON] = ticks, reason
    count_order(w, recent, leg)
    note(w, staged, leg)


def count_order(w: Any, recent: Any, leg: int) -> None:
    """Remember that an order of a leg is sent, for the bounds of orders a minute."""
    room, head = w[c.RUN, c.RECENT_ROOM], w[c.RUN, c.RECENT_HEAD]
    if w[c.RUN, c.RECENT] == room:
        w[c.RUN, c.RECENT_HEAD] = head = head + 1 if head + 1 < room else 0
        w[c.RUN, c.RECENT] -= 1
    at = head + w[c.RUN, c.RECENT]
    at = at if at < room else at - room
    recent[at], recent[room + at] = w[c.RUN, c.NOW_MS], w[leg, c.STRATEGY]
    w[c.RUN, c.RECENT] += 1


def note(w: Any, staged: Any, leg: int) -> None:
    """Remember that a leg has something to send or to cancel."""
    if w[leg, c.IS_STAGED] == 0:
        w[leg, c.IS_STAGED] = 1
        staged[w[c.RUN, c.STAGED]] = leg
        w[c.RUN, c.STAGED] += 1


def send(w: Any, f: Any, queue: Any, staged: Any) -> None:
    """Send what was staged, in its order: each leg's cancels first. Slots are rows above those of legs."""
    first_slot = w[c.RUN, c.FIRST_SLOT]
    for at in range(w[c.RUN, c.STAGED]):
        leg = staged[at]
        if leg < 0:
            w[w[w[-leg, c.O_LEG], c.LEG_EXCHANGE], c.RESERVED] -= w[-leg, c.C_RESERVED]
            w[-leg, c.C_RESERVED] = 0
            continue
        if leg >= first_slot:
            submit_slot(w, f, queue, leg)
            continue
        w[leg, c.IS_STAGED] = 0
        if w[leg, c.CANCEL_ENTRY] == 1:
            w[leg, c.CANCEL_ENTRY] = 0
            end_entry(w, leg)
        if w[leg, c.CANCEL_EXIT] == 1:
            w[leg, c.CANCEL_EXIT] = 0
            w[leg, c.X_SIDE] = 0
        if w[leg, c.N_SIDE] != 0:
            submit(w, f, queue, leg)
        else:
            rest(w, leg)
    for at in range(w[c.RUN, c.STAGED] * w[c.RUN, c.HAS_FEEDS]):
        row = abs(staged[at])
        reband(w, f, w[row, c.O_LEG] if row >= first_slot else row)
    w[c.RUN, c.STAGED] = 0


def wish(w: Any, f: Any, staged: Any, recent: Any, part: int) -> None:
    """Compare what a step wishes by slot with what works: take back what is no longer wished, then order the rest."""
    first, last = w[part, c.PART_FIRST_SLOT], w[part, c.PART_FIRST_SLOT] + w[part, c.PART_SLOTS]
    for slot in range(first, last):
        if w[slot, c.O_SIDE] != 0 and differs(w, slot):
            take_back(w, staged, slot)
    for slot in range(first, last):
        if differs(w, slot) and take_wish(w, slot):
            _order(w, f, staged, recent, slot, w[part, c.PART_FIRST_LEG] + w[slot, c.W_LEG])


def _order(w: Any, f: Any, staged: Any, recent: Any, slot: int, leg: int) -> None:
    side, lots, limit = w[slot, c.W_SIDE], w[slot, c.W_LOTS], w[slot, c.W_TICKS]
    if w[leg, c.EXIT_REASON] != 0:
        return
    exchange, held = w[leg, c.LEG_EXCHANGE], w[leg, c.LOTS]
    reduces = held * side < 0 and abs(held) >= lots + left_reducing(w, leg, side)
    if not reduces:
        if side < 0 and w[exchange, c.SWAP] == 0:
            return  # there is nothing to sell
        last = last_ticks(f, w[leg, c.INSTRUMENT])
        price = limit if limit > 0 else last
        if not allowed(w, f, recent, leg, side, lots, price, last):
            return
        if _reserved(w, f, leg, lots, limit) > available(w, f, exchange, 0):
            return
    order(w, staged, slot, leg, int(reduces))
    count_order(w, recent, leg)


def leave(w: Any, f: Any, staged: Any, recent: Any, leg: int, reason: int) -> None:
    """Begin to take a leg flat, for a reason."""
    if w[leg, c.EXIT_REASON] == 0:
        w[leg, c.FIRST_SENT_MS], w[leg, c.ALL_LOTS] = w[c.RUN, c.NOW_MS], abs(w[leg, c.LOTS])
    w[leg, c.EXIT_REASON] = reason
    go_out(w, f, staged, recent, leg)


def go_out(w: Any, f: Any, staged: Any, recent: Any, leg: int) -> None:
    """Stage what takes a leg flat from where it is: no entry, and one exit over all that it holds."""
    w[leg, c.LEFT] = 0
    if w[leg, c.E_SIDE] != 0:
        w[leg, c.CANCEL_ENTRY] = 1
        note(w, staged, leg)
    if w[leg, c.SLOT_ORDERS] > 0:
        take_back_all(w, staged, leg)
    if w[leg, c.N_SIDE] != 0 and w[leg, c.N_PURPOSE] == c.ENTRY_ORDER:
        w[leg, c.N_SIDE] = 0  # decided in this very moment, and ended before it was sent
    held = w[leg, c.LOTS]
    if held == 0:
        if w[leg, c.X_SIDE] != 0:
            w[leg, c.CANCEL_EXIT] = 1
            note(w, staged, leg)
        if w[leg, c.IS_STAGED] == 0 and w[leg, c.SLOT_ORDERS] == 0:
            rest(w, leg)
        return
    reason = w[leg, c.EXIT_REASON]
    sliced = w[leg, c.SLICING] != WHOLE
    urgent = IS_URGENT[reason] == 1 or (w[leg, c.BY_LIMIT] == 0 and not sliced) or timed_out(w, leg)
    ticks = 0 if urgent or w[leg, c.BY_LIMIT] == 0 else last_ticks(f, w[leg, c.INSTRUMENT])
    lots = abs(held)
    if sliced and not urgent:
        lots = _lots_now(w, leg, w[leg, c.ALL_LOTS], lots, w[c.RUN, c.NOW_MS] - w[leg, c.FIRST_SENT_MS])
        if lots == 0:
            return  # no slice is due
    if w[leg, c.N_SIDE] != 0:
        if w[leg, c.N_TICKS] == ticks and w[leg, c.N_LOTS] >= lots:
            return
    elif w[leg, c.X_SIDE] != 0 and w[leg, c.X_TICKS] == ticks and w[leg, c.X_LOTS] >= lots:
        return
    if w[leg, c.X_SIDE] != 0:
        w[leg, c.CANCEL_EXIT] = 1
    stage(w, staged, recent, leg, c.EXIT_ORDER, -1 if held > 0 else 1, lots, ticks, reason)


def timed_out(w: Any, leg: int) -> bool:
    """Tell whether what a leg tries has taken longer than its policy gives it."""
    return w[leg, c.TIMEOUT_MS] > 0 and w[c.RUN, c.NOW_MS] - w[leg, c.FIRST_SENT_MS] >= w[leg, c.TIMEOUT_MS]


def _reduce_to(w: Any, f: Any, staged: Any, recent: Any, leg: int, wanted: int) -> None:
    """Shrink a position to a smaller target, or leave it where the new target is on the other side."""
    held = w[leg, c.LOTS]
    if wanted == 0 or (wanted > 0) != (held > 0):
        leave(w, f, staged, recent, leg, EXIT)
    elif abs(held) > abs(wanted) and w[leg, c.EXIT_REASON] == 0:  # what is on its way out goes on
        w[leg, c.LEFT] = 0
        if w[leg, c.E_SIDE] != 0:
            w[leg, c.CANCEL_ENTRY] = 1
        if w[leg, c.X_SIDE] != 0:
            w[leg, c.CANCEL_EXIT] = 1
        stage(w, staged, recent, leg, c.EXIT_ORDER, -1 if held > 0 else 1, abs(held) - abs(wanted), 0, EXIT)


def look_after(w: Any, f: Any, staged: Any, recent: Any, leg: int) -> None:
    """Go on with what a leg has under way at a close of its bars: an exit, a holding time, a limit entry."""
    now_ms = w[c.RUN, c.NOW_MS]
    if w[leg, c.EXIT_REASON] != 0:
        go_out(w, f, staged, recent, leg)
    elif (
        w[leg, c.MAX_HOLDING_MS] > 0
        and w[leg, c.LOTS] != 0
        and now_ms - w[leg, c.OPENED_MS] >= w[leg, c.MAX_HOLDING_MS]
    ):
        leave(w, f, staged, recent, leg, MAX_HOLDING)
    elif (w[leg, c.BY_LIMIT] == 1 or w[leg, c.SLICING] != WHOLE) and w[leg, c.N_SIDE] == 0:
        works = w[leg, c.E_SIDE] != 0
        if (works and w[leg, c.E_CREATED_MS] < now_ms) or (not works and w[leg, c.LEFT] != 0):
            _chase(w, f, staged, recent, leg)


def _chase(w: Any, f: Any, staged: Any, recent: Any, leg: int) -> None:
    ticks = last_ticks(f, w[leg, c.INSTRUMENT])
    works, over = w[leg, c.E_SIDE] != 0, timed_out(w, leg)
    sliced = w[leg, c.SLICING]
    left, passed_ms = abs(w[leg, c.LEFT]), w[c.RUN, c.NOW_MS] - w[leg, c.FIRST_SENT_MS]
    now_lots = _lots_now(w, leg, w[leg, c.ALL_LOTS], left, passed_ms)
    if sliced == TWAP and not over:
        least = w[w[leg, c.LEG_EXCHANGE], c.MIN_NOTIONAL]
        short = value(now_lots, ticks, w[w[leg, c.INSTRUMENT], c.UNIT]) < least
        if short or now_lots <= (w[leg, c.E_LOTS] if works else 0):
            return
    spent = 0 <= w[leg, c.CHASE] <= w[leg, c.CHASES]
    if works and not over and sliced != TWAP and (w[leg, c.E_TICKS] == ticks or spent):
        return
    side, lots = w[leg, c.E_SIDE], w[leg, c.E_LOTS]
    if works:
        w[leg, c.CANCEL_ENTRY] = 1
        note(w, staged, leg)
    else:
        side, lots = 1 if w[leg, c.LEFT] > 0 else -1, left
    if sliced != WHOLE:
        lots = now_lots
    if not over and not spent and allowed(w, f, recent, leg, side, lots, ticks, ticks):
        w[leg, c.CHASES] += 1
        stage(w, staged, recent, leg, c.ENTRY_ORDER, side, lots, ticks if w[leg, c.BY_LIMIT] == 1 else 0, 0)
        return
    w[leg, c.LEFT] = 0
    if not works:
        rest(w, leg)


def leave_all(w: Any, f: Any, staged: Any, recent: Any, row: int) -> None:
    """Stage the way out of everything, or of a strategy's, after a breach of a loss limit of its row that closes."""
    for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
        if row != c.RUN and w[leg, c.STRATEGY] != row:
            continue
        works = w[leg, c.E_SIDE] != 0 or w[leg, c.X_SIDE] != 0 or w[leg, c.N_SIDE] != 0 or w[leg, c.SLOT_ORDERS] != 0
        works = works or w[leg, c.LEFT] != 0
        if w[leg, c.LOTS] != 0 or works:
            leave(w, f, staged, recent, leg, BREACH)
