"""The memory of a simulation: a table of whole numbers and one of floats, a row for each thing, a column for each fact.

Rows come in blocks: the run itself, exchanges, instruments, series of bars, strategies, parts, legs, slots. Two arrays
cross from one compiled function to the next, whatever is simulated; every fact has its place here and nowhere else.

Money counts steps of cash, amounts lots, prices ticks (see `market.fills`), rates parts of RATE, time UTC milliseconds.
"""

from __future__ import annotations

RUN = 0
"""The row of the run itself."""

MS_MAX = 2**62

# the run ------------------------------------------------------------------------------------------------------------
(
    NOW_MS, SEQ, QUEUED, STAGED, STALE_ENTRIES, TRADES, FILLS, POINTS, SAMPLE_MS, NEXT_SAMPLE_MS, RECENT, RECENT_HEAD,
    HAS_LOSS_BOUNDS, DAY, DAY_START, PEAK, LOSS_DAY, LOCKED, CLOSE_ON_BREACH, COOLDOWN_LOSSES, COOLDOWN_WITHIN_MS,
    COOLDOWN_PAUSE_MS, COOLDOWN_UNTIL_MS, LOSSES, BOUND_0,
) = range(25)  # fmt: skip
BOUNDS = 10
LOSS_BOUND_0 = BOUND_0 + BOUNDS
LOSS_BOUNDS = 4
(
    FIRST_EXCHANGE, EXCHANGES, FIRST_INSTRUMENT, INSTRUMENTS, FIRST_SERIES, SERIES, FIRST_STRATEGY, STRATEGIES,
    FIRST_PART, PARTS, FIRST_LEG, LEGS, FIRST_SLOT, SLOTS, HAS_FUNDING, FUNDING_SUM, MOMENTS, EXPOSED_MOMENTS,
    TRADE_ROOM, FILL_ROOM, POINT_ROOM, RECENT_ROOM, UNMOVED_UNTIL_MS, STAMP, LOCKED_AT_MS, TOO_LARGE,
    FIRST_CLOCK, CLOCKS, FIRST_DUE, FIRST_READY, FIRST_OPEN, OPEN, OPEN_SINCE, TIMERS, END_MS,
) = range(LOSS_BOUND_0 + LOSS_BOUNDS, LOSS_BOUND_0 + LOSS_BOUNDS + 35)  # fmt: skip
_RUN_WIDTH = LOSS_BOUND_0 + LOSS_BOUNDS + 35
# Lists of the run: its clocks, and room for the series that close, the parts that decide, the legs that hold something.
# OPEN of them do, which was looked up when there were OPEN_SINCE fills. TIMERS is 1 where a part may ask to be woken.

# an exchange --------------------------------------------------------------------------------------------------------
# CASH counts every fill as paid in full, the way the daemon counts it; BALANCE is what the exchange itself has.
CASH, BALANCE, RESERVED, MARGIN, SWAP, MAKER, TAKER, SLIPPAGE, COST, MIN_NOTIONAL, LATENCY_MS, LEVERAGE = range(12)

# an instrument ------------------------------------------------------------------------------------------------------
EXCHANGE, UNIT, FUNDING_AT, FUNDING_STOP, SEEN = range(5)

# a series of bars ---------------------------------------------------------------------------------------------------
# CURSOR is the row of the bar that is open or opens next; of READY rows the columns are known, ROWS there are. A series
# that RUNS_AHEAD may have its cursor beyond the present moment: nothing happens at the bars between.
# Series with equal times share a CLOCK, the first of them. Its MARKED bars have closed, the next one does at MARK_MS.
(
    LENGTH_MS, CURSOR, READY, ROWS, OPENED, OPENED_AT_MS, NEXT_MS, OF_INSTRUMENT, FIRST_MATCHED, MATCHED, FIRST_OWNED,
    OWNED, RUNS_AHEAD, CLOCK, MARKED, MARK_MS,
) = range(16)  # fmt: skip

# a strategy ---------------------------------------------------------------------------------------------------------
(
    MONEY, WINS, GAINS, LOST_TRADES, LOSSES_SUM, FEES_SUM, BARS, EXPOSED_BARS,
    KELLY_FRACTION, KELLY_CAP, KELLY_START, KELLY_LEAST,
) = range(12)  # fmt: skip

# a part -------------------------------------------------------------------------------------------------------------
KIND, PART_FIRST_LEG, PART_LEGS, PART_FIRST_SLOT, PART_SLOTS, ON_BAR, ON_TIMER, WAKE_MS, LAST_LEG, NUMBER, DEPTH = (
    range(11)
)

# a leg --------------------------------------------------------------------------------------------------------------
(
    LOTS, OPEN_COST, IN_LOTS, IN_VALUE, IN_COST, OUT_LOTS, OUT_VALUE, OUT_COST, FEES, OPENED_MS,
    WANT_ID, ENTRY_ID, ENTRY_STATE, LAST_EXIT, EXIT_REASON, FIRST_SENT_MS, ARRIVED_MS, FEATURE_ROW, AGE_MS,
    E_SIDE, E_LOTS, E_TICKS, E_FROM_MS, E_CREATED_MS, E_RESERVED, E_SEQ,
    X_SIDE, X_LOTS, X_TICKS, X_FROM_MS, X_CREATED_MS, X_REASON, X_SEQ,
    CANCEL_ENTRY, CANCEL_EXIT, IS_STAGED, N_SIDE, N_LOTS, N_TICKS, N_PURPOSE, N_REASON, GUARDED,
    LEG_PART, STRATEGY, LEG_EXCHANGE, INSTRUMENT, OWN, MATCH, SIZE_KIND, SIZE_VALUE, CAPITAL, SHARES, MAY_SHORT,
    STOP, TAKE, TRAIL, MAX_HOLDING_MS, BY_LIMIT, TIMEOUT_MS, ATR_COLUMN, DUE_MS, WAS_HELD,
    FEATURES, COLUMNS, ROW_0, HEIGHT, TOGETHER, CAN_END,
) = range(68)  # fmt: skip
# Its columns lie one after the other from FEATURES on, HEIGHT rows each; the first row is that of bar ROW_0.

# a slot: one order that a part may want -----------------------------------------------------------------------------
(
    SLOT_LEG, SLOT_SIDE, SLOT_TICKS, SLOT_LOTS, SLOT_POST_ONLY, SLOT_GROUP, ORDER_STATE, ORDER_FILLED, ORDER_REMAINING,
) = range(9)  # fmt: skip

WIDTH = max(_RUN_WIDTH, 68)
"""Columns of the table of whole numbers."""

# floats -------------------------------------------------------------------------------------------------------------
EQUITY, PEAK_EQUITY, DRAWDOWN, START, DEEPEST, UNMOVED_BELOW, UNMOVED_ABOVE = range(7)  # the run and a strategy
PER_PRICE, LAST_PRICE = range(2)  # an instrument
LAST_CLOSE = 0  # a series
TARGET, ENTRY_PRICE, BUDGET, TICK, LOT, BEST, ENTRY, QUIET_BELOW, QUIET_ABOVE = range(
    9
)  # a leg; BEST and ENTRY in ticks

FLOAT_WIDTH = 9
"""Columns of the table of floats."""

# lists --------------------------------------------------------------------------------------------------------------
TRADE_COLUMNS = (
    "leg", "side", "entry_ms", "exit_ms", "in_lots", "out_lots", "in_value", "out_value", "fees", "pnl", "reason",
)  # fmt: skip
FILL_COLUMNS = (
    "leg", "ts_ms", "side", "ticks", "lots", "cost", "fee", "maker", "purpose", "reason", "entry_id", "decided_ms",
)  # fmt: skip

TRADE_WIDTH, FILL_WIDTH, QUEUE_WIDTH = len(TRADE_COLUMNS), len(FILL_COLUMNS), 3

BAR_COLUMNS = 5
"""What the loop sees of a bar: ts, open, high, low, close."""

ENTRY_ORDER, EXIT_ORDER, GUARD_ORDER = range(3)
"""The purpose of an order."""

DONE, NEEDS_BARS, NEEDS_ROOM, UNCOUNTABLE = range(4)
"""Why the loop came back: nothing follows, a series has no more bars in memory, a list is full, a sum would wrap."""
