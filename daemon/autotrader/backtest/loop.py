"""The simulation: one pass over market time, moment by moment, as the paper market and the daemon live through it.

At one moment: bars that close meet the orders they decide; settlements move money; strategies decide on what closed, in
the order of their names; what they want is sent; then bars that open meet the orders. What happens at every bar is
here and is compiled with the strategies' steps; what happens now and then is in `backtest.turns`. A series at which
nothing happens for a while runs ahead to where something does, and its moments are passed over (`ahead`, `marks`).
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.ahead import ends_at, run_ahead, times
from autotrader.backtest.feed import care, glide, is_calm, is_full, live_events, told_fills, wake
from autotrader.backtest.marks import keep_sample, passed, told, unmoved, valued
from autotrader.backtest.rows import leg_at, next_at, part_at, series_at
from autotrader.backtest.turns import (
    closed,
    heard,
    next_settlement,
    opened,
    sent,
    settled,
    watched,
)
from autotrader.backtest.world import FILL_WIDTH, FLOAT_WIDTH, QUEUE_WIDTH, TRADE_WIDTH, WIDTH
from autotrader.core.memory import line, real_at, shaped, table
from autotrader.market.fills import in_ticks, moved_best, stop_level
from autotrader.strategies.contract import BAR, TIMER

NO_ATR = float("nan")


def step(*_arguments: Any) -> None:
    """Stand where the steps of a plan's strategy kinds are put (see `backtest.glue`)."""
    raise AssertionError("a loop is run with the steps of its strategies")


def enter(
    w: Any, f: Any, lists: Any, bars: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any,
    const_whole: Any, const_floats: Any, queue: Any, staged: Any, recent: Any, losses: Any, funding: Any, fills: Any,
    trades: Any, points_ms: Any, points: Any, at_open: Any,
) -> int:  # fmt: skip
    """Run with NumPy arrays: they are kept alive here, and handed on as what `core.memory` makes of them."""
    return run(
        shaped(w, WIDTH), table(f, FLOAT_WIDTH), line(lists), line(bars), line(features), line(bids), line(asks),
        line(whole), line(floats), line(const_whole), line(const_floats), table(queue, QUEUE_WIDTH), line(staged),
        line(recent), line(losses), table(funding, 2), table(fills, FILL_WIDTH), table(trades, TRADE_WIDTH),
        line(points_ms), line(points), line(at_open),
    )  # fmt: skip


def run(
    w: Any, f: Any, lists: Any, bars: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any,
    const_whole: Any, const_floats: Any, queue: Any, staged: Any, recent: Any, losses: Any, funding: Any, fills: Any,
    trades: Any, points_ms: Any, points: Any, at_open: Any,
) -> int:  # fmt: skip
    """Go on until nothing follows, a series has no more bars in memory, or a list is full; say which."""
    gliding = w[c.RUN, c.HAS_FEEDS] == 1 and w[c.RUN, c.SERIES] == 1 and w[c.RUN, c.LEGS] == 1
    while True:
        if gliding and w[c.RUN, c.QUEUED] == 0 and w[c.RUN, c.HAS_FUNDING] == 0:
            glide(w, f, lists, bars, bids, asks)
        now_ms = passed(w, f, lists, bars, points_ms, points, _next_ms(w, lists, funding))
        if w[c.RUN, c.TOO_LARGE] != 0:
            return c.UNCOUNTABLE
        if now_ms == c.MS_MAX:
            return c.DONE
        due = _closing(w, lists, now_ms)
        if due < 0:
            return c.NEEDS_BARS
        if is_full(w):
            return c.NEEDS_ROOM
        w[c.RUN, c.NOW_MS] = now_ms
        w[c.RUN, c.BARS_OPENED] = 0
        any_closes = told(w, f, lists, bars, now_ms)
        for place in range(w[c.RUN, c.FIRST_DUE], w[c.RUN, c.FIRST_DUE] + due):
            _close(w, f, lists, bars, fills, trades, losses, series_at(w, lists, place))
        if w[c.RUN, c.HAS_FUNDING] == 1:
            settled(w, f, funding)
        if w[c.RUN, c.STALE_ENTRIES] > 0:
            heard(w)
        if w[c.RUN, c.FILLED_PARTS] > 0:
            told_fills(
                w, f, features, bids, asks, whole, floats, const_whole, const_floats, queue, staged, recent
            )  # fmt: skip
        for place in range(w[c.RUN, c.FIRST_DUE], w[c.RUN, c.FIRST_DUE] + due):
            _show(w, f, lists, series_at(w, lists, place))
        if any_closes:
            if due > 0:
                _decide(
                    w, f, lists, features, bids, asks, whole, floats, const_whole, const_floats, staged, recent, due
                )  # fmt: skip
            if now_ms > w[c.RUN, c.NEXT_SAMPLE_MS]:  # the last value of each sample is kept
                keep_sample(w, f, points_ms, points)
            valued(w, f)
            if w[c.RUN, c.WATCHED] == 1 and not unmoved(w, f, now_ms, f[c.RUN, c.EQUITY]):
                watched(w, f, staged, recent)
            if w[c.RUN, c.STAGED] > 0:
                sent(w, f, queue, staged)
        opening = _open(w, f, lists, bars, queue, fills, trades, losses, at_open)
        w[c.RUN, c.BARS_OPENED] = 1
        if w[c.RUN, c.FILLED_PARTS] > 0:
            told_fills(
                w, f, features, bids, asks, whole, floats, const_whole, const_floats, queue, staged, recent
            )  # fmt: skip
        if w[c.RUN, c.HAS_FEEDS] == 1:
            live_events(
                w, f, lists, bars, features, bids, asks, whole, floats, const_whole, const_floats, queue, staged,
                recent, losses, fills, trades, points_ms, points,
            )  # fmt: skip
        for place in range(w[c.RUN, c.FIRST_DUE], w[c.RUN, c.FIRST_DUE] + opening):
            run_ahead(
                w, f, lists, bars, features, bids, asks, whole, floats, const_whole, const_floats,
                series_at(w, lists, place),
            )  # fmt: skip


def _next_ms(w: Any, lists: Any, funding: Any) -> int:
    """Return the next moment at which a series or a settlement has something to tell; MS_MAX if none has.

    A settlement after the last bar has closed is none of the run's.
    """
    next_ms = c.MS_MAX
    for series in range(w[c.RUN, c.FIRST_SERIES], w[c.RUN, c.FIRST_SERIES] + w[c.RUN, c.SERIES]):
        next_ms = min(next_ms, lists[next_at(w, series)])
    if w[c.RUN, c.HAS_FUNDING] == 1:
        settles_ms = next_settlement(w, funding)
        next_ms = min(next_ms, settles_ms) if settles_ms <= w[c.RUN, c.END_MS] else next_ms
    return next_ms


def _closing(w: Any, lists: Any, now_ms: int) -> int:
    """List the series whose bar closes now, and return how many; -1 if the columns of one are not known yet."""
    count, first = 0, w[c.RUN, c.FIRST_DUE]
    for series in range(w[c.RUN, c.FIRST_SERIES], w[c.RUN, c.FIRST_SERIES] + w[c.RUN, c.SERIES]):
        if lists[next_at(w, series)] == now_ms and (w[series, c.OPENED] == 1 or w[series, c.LENGTH_MS] == 0):
            if w[series, c.CURSOR] >= w[series, c.READY]:
                return -1
            if w[series, c.LENGTH_MS] == 0:
                continue
            lists[first + count] = series
            count += 1
    return count


def _close(w: Any, f: Any, lists: Any, bars: Any, fills: Any, trades: Any, losses: Any, series: int) -> None:
    """Let a series' bar close, on the orders and positions that it decides."""
    at, of = w[series, c.CURSOR], (series - w[c.RUN, c.FIRST_SERIES]) * c.BAR_COLUMNS
    ts, opens, highs, lows = times(w, bars, series), real_at(bars, of + 1), real_at(bars, of + 2), real_at(bars, of + 3)
    close, instrument = real_at(bars, of + 4)[at], w[series, c.OF_INSTRUMENT]
    first, last = w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]
    waiting = moving = False
    for place in range(first, last):
        leg = leg_at(w, lists, place)
        waiting = waiting or w[leg, c.SLOT_ORDERS] > 0 or (w[leg, c.E_SIDE] != 0 and w[leg, c.E_TICKS] > 0)
        waiting = waiting or (w[leg, c.X_SIDE] != 0 and w[leg, c.X_TICKS] > 0)
        if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1:
            waiting = waiting or ends_at(w, f, leg, lows[at]) or ends_at(w, f, leg, highs[at])
            moving = moving or w[leg, c.TRAIL] > 0
    if waiting or moving:
        scale = f[instrument, c.PER_PRICE]
        high, low = in_ticks(highs[at], scale), in_ticks(lows[at], scale)
        if waiting:
            open_ticks, close_ticks = in_ticks(opens[at], scale), in_ticks(close, scale)
            closed(w, f, lists, fills, trades, losses, series, open_ticks, high, low, close_ticks, ts[at])
        else:
            _trail(w, f, lists, first, last, high, low)
    f[series, c.LAST_CLOSE] = close
    w[series, c.CURSOR] = at + 1
    w[series, c.OPENED] = 0
    lists[next_at(w, series)] = ts[at + 1] if at + 1 < w[series, c.ROWS] else c.MS_MAX


def _show(w: Any, f: Any, lists: Any, series: int) -> None:
    """Let the daemon see a bar that has closed, once it has heard of what that filled: its price, and its columns."""
    now_ms, at = w[c.RUN, c.NOW_MS], w[series, c.CURSOR] - 1
    f[w[series, c.OF_INSTRUMENT], c.LAST_PRICE] = f[series, c.LAST_CLOSE]
    for place in range(w[series, c.FIRST_OWNED], w[series, c.FIRST_OWNED] + w[series, c.OWNED]):
        leg = leg_at(w, lists, place)
        w[leg, c.ARRIVED_MS] = now_ms
        w[leg, c.DUE_MS] = now_ms + w[series, c.LENGTH_MS]
        w[leg, c.FEATURE_ROW] = w[leg, c.FEATURES] + at - w[leg, c.ROW_0]
        part = w[leg, c.LEG_PART]
        w[part, c.LAST_LEG] = leg - w[part, c.PART_FIRST_LEG]
        strategy = w[leg, c.STRATEGY]
        w[strategy, c.BARS] += 1
        w[strategy, c.EXPOSED_BARS] += 1 if w[leg, c.LOTS] != 0 else 0


def _trail(w: Any, f: Any, lists: Any, first: int, last: int, high: int, low: int) -> None:
    """Move the trailing stops of the listed legs by a bar that ended none of their positions."""
    for place in range(first, last):
        leg = leg_at(w, lists, place)
        if w[leg, c.LOTS] != 0 and w[leg, c.TRAIL] > 0:
            side = 1 if w[leg, c.LOTS] > 0 else -1
            best = moved_best(side, f[leg, c.BEST], high, low)
            if best != f[leg, c.BEST]:
                f[leg, c.BEST] = best
                level = stop_level(side, best, w[leg, c.TRAIL])
                if side > 0:
                    f[leg, c.QUIET_BELOW] = max(f[leg, c.QUIET_BELOW], level)
                else:
                    f[leg, c.QUIET_ABOVE] = min(f[leg, c.QUIET_ABOVE], level)


def _decide(
    w: Any, f: Any, lists: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any, const_whole: Any,
    const_floats: Any, staged: Any, recent: Any, due: int,
) -> None:  # fmt: skip
    """Let the parts decide whose bars have all closed now, or whose time has come, then go on with what is under way.

    `due` is how many series closed.
    """
    now_ms = w[c.RUN, c.NOW_MS]
    first_ready = w[c.RUN, c.FIRST_READY]
    for place in range(first_ready, first_ready + _ready(w, lists, due)):
        part = part_at(w, lists, place)
        first, last = w[part, c.PART_FIRST_LEG], w[part, c.PART_FIRST_LEG] + w[part, c.PART_LEGS]
        arrived = w[part, c.ON_BAR] == 1
        calm = True
        for leg in range(first, last):
            arrived = arrived and w[leg, c.ARRIVED_MS] == now_ms
            calm = calm and is_calm(f, leg, f[w[leg, c.OWN], c.LAST_CLOSE])
        arrived = arrived and not calm
        timed = w[part, c.ON_TIMER] == 1 and 0 < w[part, c.WAKE_MS] <= now_ms
        for turn in range(2):
            if not (timed if turn == 0 else arrived):
                continue
            if turn == 0:
                w[part, c.WAKE_MS] = 0
            event, about = (TIMER, 0) if turn == 0 else (BAR, w[part, c.LAST_LEG])
            wake(
                w, f, features, bids, asks, whole, floats, const_whole, const_floats, staged, recent, part, event, about
            )  # fmt: skip
    for place in range(w[c.RUN, c.FIRST_DUE], w[c.RUN, c.FIRST_DUE] + due):
        care(w, f, lists, staged, recent, series_at(w, lists, place))


def _ready(w: Any, lists: Any, due: int) -> int:
    """List the parts that a closing bar concerns, or a timer may, in their order; return how many."""
    first = w[c.RUN, c.FIRST_READY]
    count = 0
    if w[c.RUN, c.TIMERS] == 1:
        for part in range(w[c.RUN, c.FIRST_PART], w[c.RUN, c.FIRST_PART] + w[c.RUN, c.PARTS]):
            lists[first + count] = part
            count += 1
        return count
    for place in range(w[c.RUN, c.FIRST_DUE], w[c.RUN, c.FIRST_DUE] + due):
        series = series_at(w, lists, place)
        for owned in range(w[series, c.FIRST_OWNED], w[series, c.FIRST_OWNED] + w[series, c.OWNED]):
            part = w[leg_at(w, lists, owned), c.LEG_PART]
            at = first + count
            while at > first and lists[at - 1] > part:
                at -= 1
            if at > first and lists[at - 1] == part:
                continue
            for later in range(first + count, at, -1):
                lists[later] = lists[later - 1]
            lists[at] = part
            count += 1
    return count


def _open(w: Any, f: Any, lists: Any, bars: Any, queue: Any, fills: Any, trades: Any, losses: Any, at_open: Any) -> int:
    """Let the bars open that do so now, on orders, then on positions; list their series and return how many."""
    now_ms, first_series, first = w[c.RUN, c.NOW_MS], w[c.RUN, c.FIRST_SERIES], w[c.RUN, c.FIRST_DUE]
    count = 0
    matters = w[c.RUN, c.QUEUED] > 0  # else only positions that can end care where a bar opens
    passes = False
    for series in range(first_series, first_series + w[c.RUN, c.SERIES]):
        if lists[next_at(w, series)] != now_ms or w[series, c.LENGTH_MS] == 0:
            continue
        lists[first + count] = series
        count += 1
        w[series, c.OPENED] = 1
        w[series, c.OPENED_AT_MS] = now_ms
        lists[next_at(w, series)] = now_ms + w[series, c.LENGTH_MS]
        number = series - first_series
        open_ = real_at(bars, number * c.BAR_COLUMNS + 1)
        if matters:
            at_open[number] = open_[w[series, c.CURSOR]]
        for place in range(w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]):
            leg = leg_at(w, lists, place)
            if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1:
                at_open[number] = open_[w[series, c.CURSOR]]
                passes = passes or ends_at(w, f, leg, at_open[number])
    if matters or passes:
        opened(w, f, queue, fills, trades, losses, at_open)
    return count
