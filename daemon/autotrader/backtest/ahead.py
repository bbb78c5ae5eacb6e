"""Series that run ahead: bars at which nothing can happen are folded at once, up to the next one that matters.

A leg at rest, with no order and no exit under way, depends on nothing but its own bars until its step wants something
or a price reaches what ends its position. So its series may go there alone, while the others are still before; what
everything is worth at the moments between is `backtest.marks`' to tell.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from autotrader.backtest import world as c
from autotrader.backtest.rows import leg_at, next_at
from autotrader.core.eights import first_outside
from autotrader.core.memory import real_at, soon, whole_at
from autotrader.market.fills import in_ticks, moved_best, stop_level
from autotrader.strategies.contract import ENDED, HELD, NO_ENTRY, WORKING


class Quiet(NamedTuple):
    """A leg's bars, and between which prices and until when they leave it alone.

    `guarded` tells whether a price can end its position. `best`, `below` and `above` are the leg's, in ticks; a bar
    that touches them has scaled prices (see `_scaled`) under `low_from` or from `high_from` on.
    """

    ts: Any
    highs: Any
    lows: Any
    length_ms: int
    per_price: float
    until_ms: int
    guarded: bool
    side: int
    trail: int
    best: float
    below: float
    above: float
    low_from: float
    high_from: float


def ahead(*_arguments: Any) -> int:
    """Stand where the steps of a plan's strategy kinds are folded over many bars (see `backtest.glue`)."""
    raise AssertionError("a loop is run with the steps of its strategies")


def run_ahead(
    w: Any, f: Any, lists: Any, bars: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any,
    const_whole: Any, const_floats: Any, series: int,
) -> None:  # fmt: skip
    """Let a series whose bar has just opened run ahead, if nothing is under way there."""
    if w[series, c.RUNS_AHEAD] == 0:
        return
    first, row = w[series, c.CURSOR], w[series, c.READY]
    leg = leg_at(w, lists, w[series, c.FIRST_OWNED])
    if w[series, c.OWNED] == 1:
        if w[leg, c.E_SIDE] != 0 or w[leg, c.X_SIDE] != 0 or w[leg, c.EXIT_REASON] != 0 or w[leg, c.IS_STAGED] != 0:
            return
        if w[leg, c.LEFT] != 0:
            return
        row = ahead(
            w, f, bars, features, bids, asks, whole, floats, const_whole, const_floats, series, leg, first, row
        )  # fmt: skip
        strategy = w[leg, c.STRATEGY]
        w[strategy, c.BARS] += row - first
        if w[leg, c.LOTS] != 0:
            w[strategy, c.EXPOSED_BARS] += row - first
    if row == first:
        return
    w[series, c.CURSOR] = row
    if row == w[series, c.ROWS]:
        w[series, c.OPENED], lists[next_at(w, series)] = 0, c.MS_MAX
        return
    ts, of = times(w, bars, series), (series - w[c.RUN, c.FIRST_SERIES]) * c.BAR_COLUMNS
    lows, highs, opens = real_at(bars, of + 3), real_at(bars, of + 2), real_at(bars, of + 1)
    touched = w[series, c.OWNED] == 1 and (ends_at(w, f, leg, lows[row]) or ends_at(w, f, leg, highs[row]))
    if touched and ends_at(w, f, leg, opens[row]):
        w[series, c.OPENED], lists[next_at(w, series)] = 0, ts[row]
        return
    # its opening is over already, and has ended nothing
    w[series, c.OPENED], w[series, c.OPENED_AT_MS] = 1, 0
    lists[next_at(w, series)] = ts[row] + w[series, c.LENGTH_MS]
    # the others go first, and then this bar's close and an order's fill at the next open are wanted at once
    soon(real_at(bars, of + 4), row)
    soon(opens, row + 1)


def times(w: Any, bars: Any, series: int) -> Any:
    """Return when a series' bars open: of all series on a clock it is one column, which stays near the processor."""
    return whole_at(bars, (w[series, c.CLOCK] - w[c.RUN, c.FIRST_SERIES]) * c.BAR_COLUMNS)


def ends_at(w: Any, f: Any, leg: int, price: float) -> bool:
    """Tell whether a price may end a leg's position."""
    if w[leg, c.LOTS] == 0 or w[leg, c.CAN_END] == 0:
        return False
    ticks = in_ticks(price, f[w[leg, c.INSTRUMENT], c.PER_PRICE])
    below: float = f[leg, c.QUIET_BELOW]
    above: float = f[leg, c.QUIET_ABOVE]
    return ticks <= below or ticks >= above


def together(w: Any, features: Any, first: int, count: int) -> int:
    """Bring the present columns of a part's legs together, a row a leg, and return where they lie."""
    at: int = w[first, c.TOGETHER]
    for leg in range(first, first + count):
        row = at + (leg - first) * w[first, c.COLUMNS]
        for column in range(w[first, c.COLUMNS]):
            features[row + column] = features[w[leg, c.FEATURE_ROW] + column * w[leg, c.HEIGHT]]
    return at


def entry_state(w: Any, leg: int) -> int:
    """Return how the entry under a leg's last target fares, as a step sees it."""
    if w[leg, c.E_SIDE] != 0 or w[leg, c.LEFT] != 0:
        return WORKING
    if w[leg, c.LOTS] != 0:
        return HELD
    return ENDED if w[leg, c.ENTRY_ID] != 0 else NO_ENTRY


def quiet_of(w: Any, f: Any, bars: Any, series: int, leg: int) -> Quiet:
    """Return what a leg at rest waits for."""
    of = (series - w[c.RUN, c.FIRST_SERIES]) * c.BAR_COLUMNS
    held = w[leg, c.LOTS] != 0
    until_ms = w[leg, c.OPENED_MS] + w[leg, c.MAX_HOLDING_MS] if held and w[leg, c.MAX_HOLDING_MS] > 0 else c.MS_MAX
    guarded = held and w[leg, c.CAN_END] == 1
    below, above = (f[leg, c.QUIET_BELOW], f[leg, c.QUIET_ABOVE]) if guarded else (-math.inf, math.inf)
    return Quiet(
        times(w, bars, series), real_at(bars, of + 2), real_at(bars, of + 3), w[series, c.LENGTH_MS],
        f[w[leg, c.INSTRUMENT], c.PER_PRICE], until_ms, guarded,
        1 if w[leg, c.LOTS] > 0 else -1, w[leg, c.TRAIL], f[leg, c.BEST], below, above, _low_from(below),
        _high_from(above),
    )  # fmt: skip


def _scaled(price: float, per_price: float) -> float:
    """Return the number whose whole part is a price in ticks: `fills.in_ticks` without its bound of one tick."""
    return price * per_price + 0.5


def _low_from(below: float) -> float:
    """Return the scaled price under which the ticks are at most `below`; a price is one tick at least."""
    return math.floor(below) + 1.0 if 1.0 <= below < math.inf else -math.inf


def _high_from(above: float) -> float:
    """Return the scaled price from which on the ticks are at least `above`."""
    if above <= 1.0:
        return -math.inf
    return math.ceil(above) * 1.0 if above < math.inf else math.inf


def undisturbed(quiet: Quiet, row: int) -> bool:
    """Tell whether a bar leaves a leg alone, whatever its step may want."""
    if quiet.guarded and (
        _scaled(quiet.lows[row], quiet.per_price) < quiet.low_from
        or _scaled(quiet.highs[row], quiet.per_price) >= quiet.high_from
    ):
        return False
    closes_ms: int = quiet.ts[row] + quiet.length_ms
    return closes_ms < quiet.until_ms


def left_alone(quiet: Quiet, row: int, stop: int) -> tuple[Quiet, int]:
    """Pass over bars up to `stop` that leave a leg alone; return what it waits for now, and the first that does not."""
    while row < stop:
        if quiet.guarded and quiet.until_ms == c.MS_MAX:
            low_from, high_from = _moving_from(quiet)
            row = first_outside(quiet.lows, quiet.highs, row, stop, quiet.per_price, low_from, high_from)
        if row == stop or not undisturbed(quiet, row):
            break
        quiet = trailed(quiet, row)
        row += 1
    return quiet, row


def _moving_from(quiet: Quiet) -> tuple[float, float]:
    """Return the scaled prices under which, and from which on, a bar ends a position or moves its trailing stop."""
    if quiet.trail == 0:
        return quiet.low_from, quiet.high_from
    if quiet.side > 0:
        return quiet.low_from, min(quiet.high_from, quiet.best + 1.0)
    return max(quiet.low_from, quiet.best), quiet.high_from


def trailed(quiet: Quiet, row: int) -> Quiet:
    """Return what a leg waits for once a bar has moved its trailing stop."""
    if not quiet.guarded or quiet.trail == 0:
        return quiet
    if quiet.side > 0:
        if _scaled(quiet.highs[row], quiet.per_price) < quiet.best + 1.0:
            return quiet
    elif _scaled(quiet.lows[row], quiet.per_price) >= quiet.best:
        return quiet
    low, high = in_ticks(quiet.lows[row], quiet.per_price), in_ticks(quiet.highs[row], quiet.per_price)
    best = moved_best(quiet.side, quiet.best, high, low)
    level = stop_level(quiet.side, best, quiet.trail)
    below = max(quiet.below, level) if quiet.side > 0 else quiet.below
    above = quiet.above if quiet.side > 0 else min(quiet.above, level)
    return Quiet(
        quiet.ts, quiet.highs, quiet.lows, quiet.length_ms, quiet.per_price, quiet.until_ms, quiet.guarded, quiet.side,
        quiet.trail, best, below, above, _low_from(below), _high_from(above),
    )  # fmt: skip


def guard_kept(f: Any, leg: int, quiet: Quiet) -> None:
    """Put back where a leg's trailing stop has come to."""
    if quiet.guarded and quiet.trail > 0:
        f[leg, c.BEST], f[leg, c.QUIET_BELOW], f[leg, c.QUIET_ABOVE] = quiet.best, quiet.below, quiet.above
