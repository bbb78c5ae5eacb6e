"""The memory of a simulation: a table of whole numbers and one of floats, a row for each thing, a column for each fact.

Rows come in blocks: the run itself, exchanges, instruments, series of bars, strategies, parts, legs, slots. Two arrays
cross from one compiled function to the next, whatever is simulated; every fact has its place here and nowhere else.

Money counts steps of cash, amounts lots, prices ticks (see `market.fills`), rates parts of RATE, time UTC milliseconds.
"""

from __future__ import annotations

from typing import Any

from autotrader.execution.slicing import MAX_SHARES
from autotrader.risk.limits import NAMES

RUN = 0
"""The row of the run itself."""

MS_MAX = 2**62

# the run ------------------------------------------------------------------------------------------------------------
(
    NOW_MS, SEQ, QUEUED, STAGED, STALE_ENTRIES, TRADES, FILLS, POINTS, SAMPLE_MS, NEXT_SAMPLE_MS, RECENT, RECENT_HEAD,
) = range(12)  # fmt: skip
# the limits, of the run and in the same columns of a strategy, which has its own; LOSSES are listed from LOSSES_AT on
(
    HAS_LIMITS, HAS_LOSS_BOUNDS, DAY, DAY_START, PEAK, LOSS_DAY, LOCKED, CLOSE_ON_BREACH, COOLDOWN_LOSSES,
    COOLDOWN_WITHIN_MS, COOLDOWN_PAUSE_MS, COOLDOWN_UNTIL_MS, LOSSES, LOSSES_AT, BOUND_0,
) = range(12, 27)  # fmt: skip
BOUNDS = 10
LOSS_BOUND_0 = BOUND_0 + BOUNDS
LOSS_BOUNDS = 4
(
    FUNDING_SUM, MOMENTS, EXPOSED_MOMENTS, TRADE_ROOM, FILL_ROOM, POINT_ROOM, RECENT_ROOM, UNMOVED_UNTIL_MS, STAMP,
    LOCKED_AT_MS, TOO_LARGE, FILLED_PARTS, BARS_OPENED, OPEN, OPEN_SINCE, WORKING_ENTRIES, ANY_CAN_END,
    END_MS, WATCHED, OWN_LIMITS, OWN_LOSS_BOUNDS, OWN_ORDER_BOUNDS,
) = range(LOSS_BOUND_0 + LOSS_BOUNDS, LOSS_BOUND_0 + LOSS_BOUNDS + 22)  # fmt: skip
REFUSED_0 = LOSS_BOUND_0 + LOSS_BOUNDS + 22
REFUSED_BY_MINIMUM, REFUSED_BY_LOCK = REFUSED_0, REFUSED_0 + len(NAMES)
_RUN_WIDTH = REFUSED_BY_LOCK + 1
# REFUSED_ count orders that would have added: by the exchange's minimum, by each limit in the order of `limits.NAMES`,
# and by a loss lock or a cooldown.
# OWN_ tell whether any strategy has limits of its own, loss limits and a bound of orders a minute among them; WATCHED
# whether there is any loss limit at all.
# OPEN legs hold something, which was looked up when there were OPEN_SINCE fills (see `backtest.rows`).

# an exchange --------------------------------------------------------------------------------------------------------
# CASH counts every fill as paid in full, the way the daemon counts it; BALANCE is what the exchange itself has.
CASH, BALANCE, RESERVED, MARGIN, SWAP, MAKER, TAKER, SLIPPAGE, COST, MIN_NOTIONAL, LATENCY_MS, LEVERAGE = range(12)

# an instrument ------------------------------------------------------------------------------------------------------
UNIT, FUNDING_AT, FUNDING_STOP, SEEN = range(4)

# a series of bars ---------------------------------------------------------------------------------------------------
# CURSOR is the row of the bar that is open or opens next; of READY rows the columns are known, ROWS there are. A series
# that RUNS_AHEAD may have its cursor beyond the present moment: nothing happens at the bars between.
# Series with equal times share a CLOCK, the first of them. Its MARKED bars have closed, the next one does at MARK_MS.
# A feed of events is a series whose bars have no length. What a book shows that fills orders lies in BOOK_COLUMNS of
# the columns of bars, from BOOK_OF on; 0 where no book does. QUOTED is 1 where bid and ask are told.
LENGTH_MS, CURSOR, READY, ROWS, OPENED, OPENED_AT_MS, MARKED, MARK_MS, QUOTED = range(9)

# a strategy ---------------------------------------------------------------------------------------------------------
# Its own limits lie in the columns of those of the run, from HAS_LIMITS on, and so does when they LOCKED it.
(
    MONEY, WINS, GAINS, LOST_TRADES, LOSSES_SUM, FEES_SUM, BARS, EXPOSED_BARS,
    KELLY_FRACTION, KELLY_CAP, KELLY_START, KELLY_LEAST,
) = range(HAS_LIMITS)  # fmt: skip

# a part -------------------------------------------------------------------------------------------------------------
# ON_EVENT is the event of its feed on which it wakes, 0 if on none; MOVED whether its last step changed its State. What
# its legs see of the book begins at BOOK_AT among all bids and asks, DEPTH levels each (see `backtest.levels`).
WAKE_MS, LAST_LEG, DEPTH, FILLED, FILLED_LEG, MOVED, BOOK_AT = range(7)

# a leg --------------------------------------------------------------------------------------------------------------
# IN_TICKS is the price of the first fill of a position, and IN_VALUE sums how far each lot was bought from it: sums of
# whole prices would pass the integers. OUT_TICKS and OUT_VALUE are the same of what left it.
(
    LOTS, OPEN_COST, IN_LOTS, IN_VALUE, IN_COST, OUT_LOTS, OUT_VALUE, OUT_COST, FEES, OPENED_MS,
    WANT_ID, ENTRY_ID, ENTRY_STATE, LAST_EXIT, EXIT_REASON, FIRST_SENT_MS, ARRIVED_MS, FEATURE_ROW, AGE_MS,
    E_SIDE, E_LOTS, E_TICKS, E_FROM_MS, E_CREATED_MS, E_RESERVED, E_SEQ,
    X_SIDE, X_LOTS, X_TICKS, X_FROM_MS, X_CREATED_MS, X_REASON, X_SEQ,
    CANCEL_ENTRY, CANCEL_EXIT, IS_STAGED, N_SIDE, N_LOTS, N_TICKS, N_PURPOSE, N_REASON, GUARDED,
    SIZE_KIND, SIZE_VALUE, CAPITAL, SHARES, MAY_SHORT,
    STOP, TAKE, TRAIL, MAX_HOLDING_MS, BY_LIMIT, TIMEOUT_MS, ATR_COLUMN, DUE_MS, WAS_HELD,
    FEATURES, COLUMNS, ROW_0, HEIGHT, TOGETHER, CAN_END, E_CROSSES, X_CROSSES, SLOT_ORDERS, IN_TICKS, OUT_TICKS,
    LEVELS, LEVELS_AT, LEVELS_OF, STIRRED_BY, E_AHEAD, X_AHEAD, OPEN_LEG,
    LEFT, CHASES, PERSISTS, POST_ONLY, CHASE, FORCE, ALL_LOTS, SLICING, SHOW, SLICES, SHARE_COLUMN, SHARE_0,
) = range(86)  # fmt: skip
_LEG_WIDTH = SHARE_0 + MAX_SHARES
# Its columns lie one after the other from FEATURES on, HEIGHT rows each; the first row is that of bar ROW_0.
# It sees LEVELS of each side, from LEVELS_AT on; LEVELS_OF is the place of its recorded bids among the columns of bars.
# AHEAD is what stands before an order in the queue of a book (see `market.queue`). LEFT are the signed lots that an
# entry still tries to get where its policy PERSISTS (see `execution.leg`). FORCE is GTC, IOC or FOK.
# ALL_LOTS are those of an entry, or an exit, that is sent in slices (see `execution.slicing`). The usual shares of a
# vwap are told by the columns from SHARE_COLUMN on, -1 where there are none, and kept from SHARE_0 on when it begins.

# a slot: one order that a part may want -----------------------------------------------------------------------------
# What the step wants (SLOT_), how the order fares that came of it (ORDER_), the wish last acted on (W_), and the order
# itself (O_), from when it is staged until it has ended. C_RESERVED is what an order holds that is being canceled.
(
    SLOT_LEG, SLOT_SIDE, SLOT_TICKS, SLOT_LOTS, SLOT_POST_ONLY, SLOT_GROUP, ORDER_STATE, ORDER_FILLED, ORDER_REMAINING,
    W_LEG, W_SIDE, W_TICKS, W_LOTS, W_POST_ONLY,
    O_LEG, O_SIDE, O_TICKS, O_SENT, O_REDUCES, O_CROSSES, O_FROM_MS, O_CREATED_MS, O_RESERVED, O_SEQ, C_RESERVED,
    O_AHEAD,
) = range(26)  # fmt: skip

# the shape of it all -------------------------------------------------------------------------------------------------
# What is laid down before the first moment and never changes: how many rows there are of each thing and which belong
# together. Each fact has a column of its own over all rows, so that where there is one of each thing its value is the
# column's (see `shape_of`).
SHAPE = max(_RUN_WIDTH, _LEG_WIDTH)
"""The first of these columns."""
_FACTS = 47
(
    FIRST_EXCHANGE, EXCHANGES, FIRST_INSTRUMENT, INSTRUMENTS, FIRST_SERIES, SERIES, FIRST_STRATEGY, STRATEGIES,
    FIRST_PART, PARTS, FIRST_LEG, LEGS, FIRST_SLOT, SLOTS, HAS_FUNDING, HAS_FEEDS, TIMERS,
    FIRST_CLOCK, CLOCKS, FIRST_DUE, FIRST_READY, NEXT_MS,
    EXCHANGE,
    OF_INSTRUMENT, FIRST_MATCHED, MATCHED, FIRST_OWNED, OWNED, RUNS_AHEAD, CLOCK, BOOK_OF,
    KIND, PART_FIRST_LEG, PART_LEGS, PART_FIRST_SLOT, PART_SLOTS, NUMBER, ON_BAR, ON_TIMER, ON_EVENT, ON_FILL,
    LEG_PART, STRATEGY, LEG_EXCHANGE, INSTRUMENT, OWN, MATCH,
) = range(SHAPE, SHAPE + _FACTS)  # fmt: skip
# Of the run, then of an instrument, a series, a part and a leg. Lists of the run: its clocks, room for the series that
# close and the parts that decide, and from NEXT_MS on when each series has something to tell. TIMERS is 1 where a part
# may ask to be woken.

WIDTH = SHAPE + _FACTS
"""Columns of the table of whole numbers."""


def shape_of(w: Any) -> tuple[tuple[int, int], ...]:
    """Return the shape of a run of one market over bars, (column, value), which compiled code then need not ask for.

    Empty for any other: there is no end of shapes, and each takes seconds to compile.
    """
    run = w[RUN]
    one = all(run[count] == 1 for count in (EXCHANGES, INSTRUMENTS, SERIES, STRATEGIES, PARTS, LEGS))
    if not one or run[SLOTS] or run[HAS_FUNDING] or run[HAS_FEEDS] or run[TIMERS]:
        return ()
    return tuple(enumerate(w[:, SHAPE:].max(axis=0).tolist(), SHAPE))


# floats -------------------------------------------------------------------------------------------------------------
EQUITY, PEAK_EQUITY, DRAWDOWN, START, DEEPEST, UNMOVED_BELOW, UNMOVED_ABOVE = range(7)  # the run and a strategy
PER_PRICE, LAST_PRICE = range(2)  # an instrument
LAST_CLOSE, LAST_HIGH, LAST_LOW = range(3)  # a series; of a feed what a buyer pays and a seller gets
(
    TARGET, ENTRY_PRICE, BUDGET, TICK, LOT, BEST, ENTRY, QUIET_BELOW, QUIET_ABOVE, RESTS_BELOW, RESTS_ABOVE,
    CALM_BELOW, CALM_ABOVE,
) = range(13)  # fmt: skip
# a leg; BEST and ENTRY in ticks. No exit of its position triggers between the two QUIET, and no order of its that rests
# is traded through while buyers pay RESTS_BELOW or more and sellers get RESTS_ABOVE or less; on a book no price lies
# between them, for every event may move it in its queue.

FLOAT_WIDTH = 13
"""Columns of the table of floats."""

# lists --------------------------------------------------------------------------------------------------------------
TRADE_COLUMNS = (
    "leg", "side", "entry_ms", "exit_ms", "in_lots", "out_lots", "in_ticks", "in_rest", "out_ticks", "out_rest",
    "fees", "pnl", "reason",
)  # fmt: skip
FILL_COLUMNS = (
    "leg", "ts_ms", "side", "ticks", "lots", "cost", "fee", "maker", "purpose", "reason", "entry_id", "decided_ms",
)  # fmt: skip

TRADE_WIDTH, FILL_WIDTH, QUEUE_WIDTH = len(TRADE_COLUMNS), len(FILL_COLUMNS), 3

BAR_COLUMNS = 5
"""What the loop sees of a bar: ts, open, high, low, close."""

GTC, IOC, FOK = range(3)
"""How long a limit order is in force."""

ENTRY_ORDER, EXIT_ORDER, GUARD_ORDER, SLOT_ORDER = range(4)
"""The purpose of an order."""

BOOK_BIDS, BOOK_ASKS, PRINTS_FIRST, PRINTS_TAKER, PRINTS_PRICE, PRINTS_AMOUNT = range(6)
BOOK_COLUMNS = 6
"""What the matcher sees of a book: both sides of each event, and the trades since the one before."""

DONE, NEEDS_BARS, NEEDS_ROOM, UNCOUNTABLE = range(4)
"""Why the loop came back: nothing follows, a series has no more bars in memory, a list is full, a sum would wrap."""
