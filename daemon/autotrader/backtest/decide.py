"""From what a step wants to the orders that follow: sizes, the gate, ways out, and what goes on between decisions.

The same decisions as `runtime.trader` and `execution.reconcile` make with exact decimals, in the same order.
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.book import end_entry, rest, submit
from autotrader.backtest.gate import allowed, last_ticks, leg_worth, share
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
from autotrader.execution.orders import Reason
from autotrader.execution.reconcile import URGENT
from autotrader.execution.sizing import KELLY, entry_lots, kelly_stake
from autotrader.execution.slicing import TWAP, UNKNOWN, VWAP, WHOLE, due_slices, lots_now
from autotrader.market.fills import RATE, cost, fee, value

EXIT = REASONS.index(Reason.EXIT)
MAX_HOLDING = REASONS.index(Reason.MAX_HOLDING)
BREACH = REASONS.index(Reason.BREACH)
IS_URGENT = tuple(int(reason in URGENT) for reason in REASONS)


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
    step_ms, part = w[w[leg, c.OWN], c.LENGTH_MS], UNKNOWN
    if w[leg, c.SLICING] == VWAP:
        due = due_slices(passed_ms, w[leg, c.TIMEOUT_MS], w[leg, c.SLICES], step_ms)
        part = RATE if due >= w[leg, c.SLICES] else w[leg, c.SHARE_0 + due - 1]
    return lots_now(
        w[leg, c.SLICING], max(all_lots, left), left, w[leg, c.SHOW], w[leg, c.SLICES], passed_ms, w[leg, c.TIMEOUT_MS],
        step_ms, part,
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
        if w[exchange, c.SWAP] == 1 and w[leg, c.LOTS] != 0:
            worth = leg_worth(w, f, leg)
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
    if sliced >= TWAP and not over:
        least = w[w[leg, c.LEG_EXCHANGE], c.MIN_NOTIONAL]
        short = value(now_lots, ticks, w[w[leg, c.INSTRUMENT], c.UNIT]) < least
        if short or now_lots <= (w[leg, c.E_LOTS] if works else 0):
            return
    spent = 0 <= w[leg, c.CHASE] <= w[leg, c.CHASES]
    if works and not over and sliced < TWAP and (w[leg, c.E_TICKS] == ticks or spent):
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
