"""The account of a simulation: orders admitted, filled and ended, and what a fill does to money and positions.

It is the paper market's ledger and the daemon's position in one, in the same integers and with the same rounding.
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.result import REASONS
from autotrader.execution.leg import exit_code
from autotrader.market.fills import (
    SURELY_FITS,
    affordable_on_margin,
    average,
    cost,
    crosses,
    fee,
    fits,
    in_ticks,
    margin,
    part_of,
    slipped,
    would_take,
)
from autotrader.market.queue import NOT_JOINED

EXIT_CODES = tuple(exit_code(reason) for reason in REASONS)


def free_cash(w: Any, exchange: int) -> int:
    """Return the money of an exchange that neither an order reserves nor a position has as its margin."""
    return w[exchange, c.BALANCE] - w[exchange, c.RESERVED] - w[exchange, c.MARGIN]


def opposed(w: Any, leg: int, side: int) -> bool:
    """Tell whether the other legs together hold the other side of a leg's instrument."""
    net = 0
    for other in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
        if w[other, c.INSTRUMENT] == w[leg, c.INSTRUMENT] and other != leg:
            net += w[other, c.LOTS]
    return net * side < 0


def submit(w: Any, f: Any, queue: Any, leg: int) -> None:
    """Send a leg's staged order: it is admitted and queued, or refused and forgotten, as on the paper market."""
    now_ms, side, lots, ticks = w[c.RUN, c.NOW_MS], w[leg, c.N_SIDE], w[leg, c.N_LOTS], w[leg, c.N_TICKS]
    exchange, instrument, series = w[leg, c.LEG_EXCHANGE], w[leg, c.INSTRUMENT], w[leg, c.MATCH]
    w[leg, c.N_SIDE] = 0
    last = met_last(w, f, series, instrument, side)
    unit = w[instrument, c.UNIT]
    expected = ticks if ticks > 0 else slipped(float(last), side, w[exchange, c.SLIPPAGE])
    entry = w[leg, c.N_PURPOSE] == c.ENTRY_ORDER
    post_only = w[leg, c.POST_ONLY] == 1 and ticks > 0
    refused = entry and w[exchange, c.SWAP] == 1 and opposed(w, leg, side)
    if post_only and not refused and would_take(side, ticks, last, w[series, c.QUOTED]):
        rest(w, leg)  # the next look tries anew
        return
    if refused or lots <= 0 or not fits(lots, expected, unit):
        _refuse(w, leg, entry)
        return
    from_ms = first_met_ms(w, exchange, series)
    w[c.RUN, c.SEQ] += 1
    taking = 0 if post_only else takes(w, f, series, instrument, side, ticks)
    waits = ticks == 0 or taking == 1 or w[series, c.LENGTH_MS] > 0 or w[leg, c.FORCE] != c.GTC
    if not entry:
        w[leg, c.X_SIDE], w[leg, c.X_LOTS], w[leg, c.X_TICKS], w[leg, c.X_FROM_MS] = side, lots, ticks, from_ms
        w[leg, c.X_CREATED_MS], w[leg, c.X_REASON], w[leg, c.X_SEQ] = now_ms, w[leg, c.N_REASON], w[c.RUN, c.SEQ]
        w[leg, c.X_CROSSES], w[leg, c.X_AHEAD] = taking, NOT_JOINED
        if waits:
            _enqueue(w, queue, leg, c.EXIT_ORDER)
        return
    bare = cost(lots, expected if ticks > 0 else last, unit, side)
    if bare < w[exchange, c.MIN_NOTIONAL] or margin(bare, w[exchange, c.LEVERAGE]) > free_cash(w, exchange):
        _refuse(w, leg, entry)
        return
    full = cost(lots, expected, unit, 1)
    reserved = min(margin(full, w[exchange, c.LEVERAGE]) + fee(full, w[exchange, c.TAKER]), free_cash(w, exchange))
    w[exchange, c.RESERVED] += reserved
    w[c.RUN, c.WORKING_ENTRIES] += 1
    w[leg, c.E_SIDE], w[leg, c.E_LOTS], w[leg, c.E_TICKS], w[leg, c.E_FROM_MS] = side, lots, ticks, from_ms
    w[leg, c.E_CREATED_MS], w[leg, c.E_RESERVED], w[leg, c.E_SEQ] = now_ms, reserved, w[c.RUN, c.SEQ]
    w[leg, c.E_CROSSES], w[leg, c.E_AHEAD] = taking, NOT_JOINED
    if waits:
        _enqueue(w, queue, leg, c.ENTRY_ORDER)


def _refuse(w: Any, leg: int, entry: bool) -> None:
    """Let an order end that was not taken, and with it the entry that it was of."""
    if entry:
        w[leg, c.LEFT] = 0
    rest(w, leg)


def lapse(w: Any, leg: int, purpose: int) -> None:
    """End an order that does not take and may not rest, or would take and may not; its entry may try anew."""
    if purpose == c.ENTRY_ORDER:
        end_entry(w, leg)
    else:
        w[leg, c.X_SIDE] = 0
    rest(w, leg)


def first_met_ms(w: Any, exchange: int, series: int) -> int:
    """Return the first moment whose opening bars, or events, an order that is sent now meets.

    One that comes when its moment's bars have opened is in the middle of them and waits for the next.
    """
    now_ms: int = w[c.RUN, c.NOW_MS]
    latency_ms: int = w[exchange, c.LATENCY_MS]
    if w[series, c.LENGTH_MS] == 0:
        return now_ms + latency_ms
    if latency_ms < w[series, c.LENGTH_MS]:
        latency_ms = 0
    return now_ms + max(latency_ms, w[c.RUN, c.BARS_OPENED])


def takes(w: Any, f: Any, series: int, instrument: int, side: int, ticks: int) -> int:
    """Return 1 where a limit order would take what the market offers as it comes in, else 0; `ticks` 0 is no limit."""
    return int(ticks > 0 and crosses(side, ticks, met_last(w, f, series, instrument, side)))


def met_last(w: Any, f: Any, series: int, instrument: int, side: int) -> int:
    """Return the last price that an exchange knows, in ticks; of a feed that of a side: the ask for a buyer."""
    price = f[series, c.LAST_CLOSE]
    if w[series, c.LENGTH_MS] == 0:
        price = f[series, c.LAST_HIGH] if side > 0 else f[series, c.LAST_LOW]
    return in_ticks(price, f[instrument, c.PER_PRICE])


def _enqueue(w: Any, queue: Any, leg: int, purpose: int) -> None:
    queue[w[c.RUN, c.QUEUED], 0] = leg
    queue[w[c.RUN, c.QUEUED], 1] = purpose
    queue[w[c.RUN, c.QUEUED], 2] = w[c.RUN, c.SEQ]
    w[c.RUN, c.QUEUED] += 1


def end_entry(w: Any, leg: int) -> None:
    """End a working entry without a fill."""
    if w[leg, c.E_SIDE] != 0:
        w[w[leg, c.LEG_EXCHANGE], c.RESERVED] -= w[leg, c.E_RESERVED]
        w[c.RUN, c.WORKING_ENTRIES] -= 1
        w[leg, c.E_SIDE] = 0
        w[leg, c.E_RESERVED] = 0


def rest(w: Any, leg: int) -> None:
    """Bring a leg to rest where it is flat: whatever was to end it has ended."""
    if w[leg, c.LOTS] == 0 and w[leg, c.E_SIDE] == 0 and w[leg, c.LEFT] == 0:
        w[leg, c.EXIT_REASON] = 0


def fill_entry(w: Any, f: Any, fills: Any, leg: int, ticks: int, maker: int, ts_ms: int) -> None:
    """Fill a working entry as far as its money goes; what remains expires."""
    exchange, side = w[leg, c.LEG_EXCHANGE], w[leg, c.E_SIDE]
    unit = w[w[leg, c.INSTRUMENT], c.UNIT]
    rate = w[exchange, c.MAKER] if maker == 1 else w[exchange, c.TAKER]
    lots, reserved = w[leg, c.E_LOTS], w[leg, c.E_RESERVED]
    if w[exchange, c.SWAP] == 1 and opposed(w, leg, side):
        lots = 0
    else:
        money = free_cash(w, exchange) + reserved
        bought = affordable_on_margin(money, ticks, unit, rate, w[exchange, c.LEVERAGE])
        if bought < lots:
            lots = bought
            if cost(lots, ticks, unit, -1) < w[exchange, c.MIN_NOTIONAL] or w[leg, c.FORCE] == c.FOK:
                lots = 0
    created_ms = w[leg, c.E_CREATED_MS]
    end_entry(w, leg)
    if lots > 0:
        if w[leg, c.LEFT] != 0:
            w[leg, c.LEFT] -= side * lots
        cash = cost(lots, ticks, unit, side)
        charge = fee(cash, rate)
        book(w, leg, side, lots, cash, charge)
        record_fill(w, fills, leg, side, ticks, lots, cash, charge, maker, c.ENTRY_ORDER, 0, ts_ms, created_ms)
        grow(w, f, leg, side, lots, ticks, cash, charge, ts_ms)
    rest(w, leg)


def fill_exit(
    w: Any, f: Any, fills: Any, trades: Any, losses: Any, leg: int, wanted: int, ticks: int, maker: int,
    purpose: int, reason: int, ts_ms: int,
) -> None:  # fmt: skip
    """Reduce a leg's position by an exit order or a guard; the last lot closes its trade."""
    exchange = w[leg, c.LEG_EXCHANGE]
    side = -1 if w[leg, c.LOTS] > 0 else 1
    lots = min(wanted, abs(w[leg, c.LOTS]))
    decided_ms = w[leg, c.X_CREATED_MS] if purpose == c.EXIT_ORDER else 0
    if purpose == c.EXIT_ORDER:
        w[leg, c.X_SIDE] = 0
    if lots <= 0:
        rest(w, leg)
        return
    rate = w[exchange, c.MAKER] if maker == 1 else w[exchange, c.TAKER]
    cash = cost(lots, ticks, w[w[leg, c.INSTRUMENT], c.UNIT], side)
    charge = fee(cash, rate)
    book(w, leg, side, lots, cash, charge)
    record_fill(w, fills, leg, side, ticks, lots, cash, charge, maker, purpose, reason, ts_ms, decided_ms)
    shrink(w, f, trades, losses, leg, lots, ticks, cash, charge, reason, ts_ms)


def book(w: Any, leg: int, side: int, lots: int, cash: int, charge: int) -> None:
    """Move the money of a fill: its cost in `cash`, its fee in `charge`. The position is still the one before it."""
    exchange, strategy = w[leg, c.LEG_EXCHANGE], w[leg, c.STRATEGY]
    flow = -side * cash - charge
    w[exchange, c.CASH] += flow
    w[strategy, c.MONEY] += flow
    w[strategy, c.FEES_SUM] += charge
    if w[exchange, c.SWAP] == 0:
        w[exchange, c.BALANCE] += flow
        return
    held = w[leg, c.LOTS]
    before = margin(w[leg, c.OPEN_COST], w[exchange, c.LEVERAGE])
    if held * side < 0:
        share = part_of(w[leg, c.OPEN_COST], lots, abs(held))
        w[exchange, c.BALANCE] += -side * (cash - share) - charge
        after = w[leg, c.OPEN_COST] - share
    else:
        w[exchange, c.BALANCE] -= charge
        after = w[leg, c.OPEN_COST] + cash
    w[exchange, c.MARGIN] += margin(after, w[exchange, c.LEVERAGE]) - before


def grow(w: Any, f: Any, leg: int, side: int, lots: int, ticks: int, cash: int, charge: int, ts_ms: int) -> None:
    """Let a fill build a position; `cash` is its cost, `charge` its fee."""
    if w[leg, c.LOTS] == 0:
        w[leg, c.OPENED_MS] = ts_ms
        w[leg, c.OPEN_COST], w[leg, c.IN_LOTS], w[leg, c.IN_VALUE], w[leg, c.IN_COST] = 0, 0, 0, 0
        w[leg, c.OUT_LOTS], w[leg, c.OUT_VALUE], w[leg, c.OUT_COST], w[leg, c.FEES] = 0, 0, 0, 0
        f[leg, c.BEST] = float(ticks)
    if w[leg, c.IN_LOTS] == 0:
        w[leg, c.IN_TICKS] = ticks
    beyond = ticks - w[leg, c.IN_TICKS]
    if not counts(w[leg, c.IN_VALUE], beyond, lots):
        w[c.RUN, c.TOO_LARGE] = leg
    w[leg, c.LOTS] += side * lots
    w[leg, c.OPEN_COST] += cash
    w[leg, c.IN_LOTS] += lots
    w[leg, c.IN_VALUE] += beyond * lots
    w[leg, c.IN_COST] += cash
    w[leg, c.FEES] += charge
    f[leg, c.ENTRY] = average(w[leg, c.IN_VALUE], w[leg, c.IN_LOTS], w[leg, c.IN_TICKS])
    f[leg, c.ENTRY_PRICE] = f[leg, c.ENTRY] / f[w[leg, c.INSTRUMENT], c.PER_PRICE]


def counts(total: int, ticks: int, lots: int) -> bool:
    """Tell whether a sum of ticks x lots surely stays within the integers with one more fill."""
    return abs(float(total)) + abs(float(ticks)) * lots < SURELY_FITS


def shrink(
    w: Any, f: Any, trades: Any, losses: Any, leg: int, lots: int, ticks: int, cash: int, charge: int, reason: int,
    ts_ms: int,
) -> None:  # fmt: skip
    """Let a fill reduce a position; the last lot closes its trade."""
    held = w[leg, c.LOTS]
    side = 1 if held > 0 else -1
    w[leg, c.OPEN_COST] -= part_of(w[leg, c.OPEN_COST], lots, abs(held))
    w[leg, c.LOTS] = held - side * lots
    if w[leg, c.OUT_LOTS] == 0:
        w[leg, c.OUT_TICKS] = ticks
    beyond = ticks - w[leg, c.OUT_TICKS]
    if not counts(w[leg, c.OUT_VALUE], beyond, lots):
        w[c.RUN, c.TOO_LARGE] = leg
    w[leg, c.OUT_LOTS] += lots
    w[leg, c.OUT_VALUE] += beyond * lots
    w[leg, c.OUT_COST] += cash
    w[leg, c.FEES] += charge
    if w[leg, c.LOTS] != 0:
        return
    pnl = side * (w[leg, c.OUT_COST] - w[leg, c.IN_COST]) - w[leg, c.FEES]
    at = w[c.RUN, c.TRADES]
    trades[at, 0], trades[at, 1], trades[at, 2], trades[at, 3] = (
        leg - w[c.RUN, c.FIRST_LEG],
        side,
        w[leg, c.OPENED_MS],
        ts_ms,
    )
    trades[at, 4], trades[at, 5], trades[at, 6] = w[leg, c.IN_LOTS], w[leg, c.OUT_LOTS], w[leg, c.IN_TICKS]
    trades[at, 7], trades[at, 8], trades[at, 9] = w[leg, c.IN_VALUE], w[leg, c.OUT_TICKS], w[leg, c.OUT_VALUE]
    trades[at, 10], trades[at, 11], trades[at, 12] = w[leg, c.FEES], pnl, reason
    w[c.RUN, c.TRADES] = at + 1
    f[leg, c.ENTRY_PRICE] = float("nan")
    w[leg, c.LAST_EXIT] = EXIT_CODES[reason]
    w[leg, c.X_SIDE] = 0  # an exit that still worked has nothing left to reduce
    w[leg, c.LEFT] = 0
    if w[leg, c.E_SIDE] != 0:
        w[leg, c.CANCEL_ENTRY] = 1  # the daemon cancels it once it hears of the exit
        w[c.RUN, c.STALE_ENTRIES] += 1
    _score(w, losses, w[leg, c.STRATEGY], pnl, ts_ms)
    rest(w, leg)


def _score(w: Any, losses: Any, strategy: int, pnl: int, exit_ms: int) -> None:
    """Count a closed trade for the Kelly stake and the cooldown (see `risk.breakers.on_trade`)."""
    if pnl >= 0:
        w[strategy, c.WINS] += 1
        w[strategy, c.GAINS] += pnl
        return
    w[strategy, c.LOST_TRADES] += 1
    w[strategy, c.LOSSES_SUM] -= pnl
    _cool_down(w, losses, c.RUN, exit_ms)
    if w[c.RUN, c.OWN_LIMITS] == 1:
        _cool_down(w, losses, strategy, exit_ms)


def _cool_down(w: Any, losses: Any, row: int, exit_ms: int) -> None:
    """Count a losing trade for the cooldown of the run, or of a strategy."""
    if w[row, c.COOLDOWN_LOSSES] == 0:
        return
    kept = first = w[row, c.LOSSES_AT]
    for at in range(first, first + w[row, c.LOSSES]):
        if losses[at] > exit_ms - w[row, c.COOLDOWN_WITHIN_MS]:
            losses[kept] = losses[at]
            kept += 1
    losses[kept] = exit_ms
    kept += 1 - first
    if kept >= w[row, c.COOLDOWN_LOSSES]:
        kept = 0
        w[row, c.COOLDOWN_UNTIL_MS] = max(w[row, c.COOLDOWN_UNTIL_MS], exit_ms + w[row, c.COOLDOWN_PAUSE_MS])
    w[row, c.LOSSES] = kept


def record_fill(
    w: Any, fills: Any, leg: int, side: int, ticks: int, lots: int, cash: int, charge: int, maker: int, purpose: int,
    reason: int, ts_ms: int, decided_ms: int,
) -> None:  # fmt: skip
    """Note a fill in the list of all fills."""
    at = w[c.RUN, c.FILLS]
    fills[at, 0], fills[at, 1], fills[at, 2], fills[at, 3] = leg - w[c.RUN, c.FIRST_LEG], ts_ms, side, ticks
    fills[at, 4], fills[at, 5], fills[at, 6], fills[at, 7] = lots, cash, charge, maker
    fills[at, 8], fills[at, 9], fills[at, 10], fills[at, 11] = purpose, reason, w[leg, c.ENTRY_ID], decided_ms
    w[c.RUN, c.FILLS] = at + 1
    part = w[leg, c.LEG_PART]
    w[part, c.FILLED_LEG] = leg - w[part, c.PART_FIRST_LEG]
    if w[part, c.ON_FILL] == 1 and w[part, c.FILLED] == 0:  # it hears of them when all of this moment are done
        w[part, c.FILLED] = 1
        w[c.RUN, c.FILLED_PARTS] += 1


def end_stale_entries(w: Any) -> None:
    """Cancel the entries whose position a protective exit ended while they still worked."""
    for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
        if w[leg, c.CANCEL_ENTRY] == 1:
            w[leg, c.CANCEL_ENTRY] = 0
            end_entry(w, leg)
            rest(w, leg)
    w[c.RUN, c.STALE_ENTRIES] = 0
