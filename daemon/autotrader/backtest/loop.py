"""The simulation: one pass over market time, moment by moment, as the paper market and the daemon live through it.

At one moment: bars that close meet the orders they decide; settlements move money; strategies decide on what closed, in
the order of their names; what they want is sent; then bars that open meet the orders. What happens at every bar is
here and is compiled with the strategies' steps; what happens now and then is in `backtest.turns`.
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.feed import CENT_8, NO_ATR, glide, is_calm, live_event, told_fills, unmoved, wake, weigh
from autotrader.backtest.turns import (
    cared,
    closed,
    considered,
    heard,
    next_settlement,
    opened,
    sent,
    settled,
    watched,
)
from autotrader.backtest.world import FILL_WIDTH, FLOAT_WIDTH, QUEUE_WIDTH, TRADE_WIDTH, WIDTH
from autotrader.core.memory import line, real_at, table, whole_at
from autotrader.market.fills import in_ticks, moved_best, stop_level
from autotrader.strategies.contract import BAR, ENDED, HELD, NO_ENTRY, TIMER


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
        table(w, WIDTH), table(f, FLOAT_WIDTH), line(lists), line(bars), line(features), line(bids), line(asks),
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
    first_series, last_series = w[c.RUN, c.FIRST_SERIES], w[c.RUN, c.FIRST_SERIES] + w[c.RUN, c.SERIES]
    first_leg, last_leg = w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]
    first_part, last_part = w[c.RUN, c.FIRST_PART], w[c.RUN, c.FIRST_PART] + w[c.RUN, c.PARTS]
    alone = last_series - first_series == 1 and last_leg - first_leg == 1 and w[c.RUN, c.HAS_FUNDING] == 0
    alone = alone and w[c.RUN, c.HAS_FEEDS] == 0 and w[first_part, c.PART_SLOTS] == 0 and w[first_part, c.ON_FILL] == 0
    alone = alone and w[first_part, c.ON_BAR] == 1 and w[first_part, c.ON_TIMER] == 0
    gliding = last_series - first_series == 1 and last_leg - first_leg == 1 and w[c.RUN, c.HAS_FUNDING] == 0
    gliding = gliding and w[c.RUN, c.HAS_FEEDS] == 1
    while True:
        if gliding and w[c.RUN, c.QUEUED] == 0:
            glide(w, f, bars)
        if alone and w[c.RUN, c.QUEUED] == 0 and w[first_series, c.OPENED] == 1:
            stretch(
                w, f, bars, features, bids, asks, whole, floats, const_whole, const_floats, queue,
                staged, recent, losses, fills, trades, at_open,
            )  # fmt: skip
        now_ms = c.MS_MAX
        for series in range(first_series, last_series):
            now_ms = min(now_ms, w[series, c.NEXT_MS])
        if now_ms == c.MS_MAX:
            return c.DONE
        if w[c.RUN, c.HAS_FUNDING] == 1:
            now_ms = min(now_ms, next_settlement(w, funding))
        for series in range(first_series, last_series):
            if (
                w[series, c.NEXT_MS] == now_ms
                and (w[series, c.OPENED] == 1 or w[series, c.LENGTH_MS] == 0)
                and w[series, c.CURSOR] >= w[series, c.READY]
            ):
                return c.NEEDS_BARS
        if is_full(w):
            return c.NEEDS_ROOM
        if w[c.RUN, c.TOO_LARGE] != 0:
            return c.UNCOUNTABLE
        w[c.RUN, c.NOW_MS] = now_ms
        w[c.RUN, c.BARS_OPENED] = 0
        told = False

        # bars that close
        for series in range(first_series, last_series):
            if w[series, c.NEXT_MS] != now_ms or w[series, c.OPENED] == 0:
                continue
            told = True
            at = w[series, c.CURSOR]
            of = (series - first_series) * c.BAR_COLUMNS
            high_at, low_at, close = real_at(bars, of + 2)[at], real_at(bars, of + 3)[at], real_at(bars, of + 4)[at]
            instrument = w[series, c.OF_INSTRUMENT]
            first, last = w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]
            waiting = moving = False
            for place in range(first, last):
                leg = lists[place]
                waiting = waiting or w[leg, c.SLOT_ORDERS] > 0
                waiting = waiting or (w[leg, c.E_SIDE] != 0 and w[leg, c.E_TICKS] > 0)
                waiting = waiting or (w[leg, c.X_SIDE] != 0 and w[leg, c.X_TICKS] > 0)
                if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1:
                    per_price = f[instrument, c.PER_PRICE]
                    low, high = in_ticks(low_at, per_price), in_ticks(high_at, per_price)
                    waiting = waiting or low <= f[leg, c.QUIET_BELOW] or high >= f[leg, c.QUIET_ABOVE]
                    moving = moving or w[leg, c.TRAIL] > 0
            if waiting:
                per_price = f[instrument, c.PER_PRICE]
                closed(
                    w, f, lists, fills, trades, losses, series, in_ticks(real_at(bars, of + 1)[at], per_price),
                    in_ticks(high_at, per_price), in_ticks(low_at, per_price), in_ticks(close, per_price),
                    whole_at(bars, of)[at],
                )  # fmt: skip
            elif moving:
                per_price = f[instrument, c.PER_PRICE]
                low, high = in_ticks(low_at, per_price), in_ticks(high_at, per_price)
                for place in range(first, last):
                    leg = lists[place]
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
            f[series, c.LAST_CLOSE] = close
            f[instrument, c.LAST_PRICE] = close
            for place in range(w[series, c.FIRST_OWNED], w[series, c.FIRST_OWNED] + w[series, c.OWNED]):
                leg = lists[place]
                w[leg, c.ARRIVED_MS] = now_ms
                w[leg, c.DUE_MS] = now_ms + w[series, c.LENGTH_MS]
                w[leg, c.FEATURE_ROW] = w[leg, c.FEATURES] + (at - w[leg, c.ROW_0]) * w[leg, c.COLUMNS]
                part = w[leg, c.LEG_PART]
                w[part, c.LAST_LEG] = leg - w[part, c.PART_FIRST_LEG]
                strategy = w[leg, c.STRATEGY]
                w[strategy, c.BARS] += 1
                if w[leg, c.LOTS] != 0:
                    w[strategy, c.EXPOSED_BARS] += 1
            w[series, c.CURSOR] = at + 1
            w[series, c.OPENED] = 0
            w[series, c.NEXT_MS] = whole_at(bars, of)[at + 1] if at + 1 < w[series, c.ROWS] else c.MS_MAX
        if w[c.RUN, c.HAS_FUNDING] == 1:
            settled(w, f, funding)
        if w[c.RUN, c.STALE_ENTRIES] > 0:
            heard(w)
        if w[c.RUN, c.FILLED_PARTS] > 0:
            told_fills(
                w, f, features, bids, asks, whole, floats, const_whole, const_floats, queue, staged, recent
            )  # fmt: skip

        # decisions on what closed
        if told:
            for part in range(first_part, last_part):
                first, last = w[part, c.PART_FIRST_LEG], w[part, c.PART_FIRST_LEG] + w[part, c.PART_LEGS]
                due = w[part, c.ON_BAR] == 1
                calm = True
                for leg in range(first, last):
                    due = due and w[leg, c.ARRIVED_MS] == now_ms
                    calm = calm and is_calm(f, leg, f[w[leg, c.OWN], c.LAST_CLOSE])
                due = due and not calm
                timed = w[part, c.ON_TIMER] == 1 and 0 < w[part, c.WAKE_MS] <= now_ms
                for turn in range(2):
                    if not (timed if turn == 0 else due):
                        continue
                    if turn == 0:
                        w[part, c.WAKE_MS] = 0
                    event, about = (TIMER, 0) if turn == 0 else (BAR, w[part, c.LAST_LEG])
                    wake(
                        w, f, features, bids, asks, whole, floats, const_whole, const_floats, staged, recent, part,
                        event, about,
                    )  # fmt: skip
            for place in range(last_leg - first_leg):  # lists begins with the legs as their bars are told
                leg = lists[place]
                if w[leg, c.ARRIVED_MS] == now_ms:
                    resting = w[leg, c.E_SIDE] != 0 and w[leg, c.BY_LIMIT] == 1
                    held = w[leg, c.LOTS] != 0 and w[leg, c.MAX_HOLDING_MS] > 0
                    if w[leg, c.EXIT_REASON] != 0 or resting or held:
                        cared(w, f, staged, recent, leg)

            weigh(w, f, staged, recent, points_ms, points)
            if w[c.RUN, c.STAGED] > 0:
                sent(w, f, queue, staged)

        # bars that open
        matters = w[c.RUN, c.QUEUED] > 0
        for series in range(first_series, last_series):
            if w[series, c.NEXT_MS] != now_ms or w[series, c.LENGTH_MS] == 0:
                continue
            w[series, c.OPENED] = 1
            w[series, c.OPENED_AT_MS] = now_ms
            w[series, c.NEXT_MS] = now_ms + w[series, c.LENGTH_MS]
            number = series - first_series
            at_open[number] = real_at(bars, number * c.BAR_COLUMNS + 1)[w[series, c.CURSOR]]
            for place in range(w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]):
                leg = lists[place]
                if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1 and not matters:
                    price = in_ticks(at_open[number], f[w[series, c.OF_INSTRUMENT], c.PER_PRICE])
                    matters = price <= f[leg, c.QUIET_BELOW] or price >= f[leg, c.QUIET_ABOVE]
        if matters:
            opened(w, f, queue, fills, trades, losses, at_open)
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


def live_events(
    w: Any, f: Any, lists: Any, bars: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any,
    const_whole: Any, const_floats: Any, queue: Any, staged: Any, recent: Any, losses: Any, fills: Any, trades: Any,
    points_ms: Any, points: Any,
) -> None:  # fmt: skip
    """Live through the feeds' events of this moment, one after the other, as far as their columns and the lists go."""
    for series in range(w[c.RUN, c.FIRST_SERIES], w[c.RUN, c.FIRST_SERIES] + w[c.RUN, c.SERIES]):
        while w[series, c.LENGTH_MS] == 0 and w[series, c.NEXT_MS] == w[c.RUN, c.NOW_MS]:
            if w[series, c.CURSOR] >= w[series, c.READY] or is_full(w):
                return
            live_event(
                w, f, lists, bars, features, bids, asks, whole, floats, const_whole, const_floats, queue, staged,
                recent, losses, fills, trades, points_ms, points, series,
            )  # fmt: skip


def is_full(w: Any) -> bool:
    """Tell whether a list has no room for what one more moment may add."""
    if w[c.RUN, c.TRADES] >= w[c.RUN, c.TRADE_ROOM] or w[c.RUN, c.FILLS] >= w[c.RUN, c.FILL_ROOM]:
        return True
    return w[c.RUN, c.POINTS] >= w[c.RUN, c.POINT_ROOM]  # type: ignore[no-any-return]


def stretch(
    w: Any, f: Any, bars: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any, const_whole: Any,
    const_floats: Any, queue: Any, staged: Any, recent: Any, losses: Any, fills: Any, trades: Any, at_open: Any,
) -> None:  # fmt: skip
    """Pass over the bars of a run's only leg while nothing waits for the next one: no order, no exit under way.

    What `run` does at such bars and no more, with what seldom changes kept out of the tables. It stops before a bar
    that could end a position or a sample, and leaves everything as `run` would.
    """
    series, part, leg = w[c.RUN, c.FIRST_SERIES], w[c.RUN, c.FIRST_PART], w[c.RUN, c.FIRST_LEG]
    ts, opens, highs = whole_at(bars, 0), real_at(bars, 1), real_at(bars, 2)
    lows, closes = real_at(bars, 3), real_at(bars, 4)
    strategy, instrument = w[leg, c.STRATEGY], w[leg, c.INSTRUMENT]
    per_price, trail, bounded = f[instrument, c.PER_PRICE], w[leg, c.TRAIL], w[c.RUN, c.HAS_LOSS_BOUNDS] == 1
    length_ms, sample_ms = w[series, c.LENGTH_MS], w[c.RUN, c.NEXT_SAMPLE_MS]
    columns = w[leg, c.COLUMNS]
    features_at = w[leg, c.FEATURES] - w[leg, c.ROW_0] * columns
    equity, peak = f[c.RUN, c.EQUITY], f[c.RUN, c.PEAK_EQUITY]
    deepest, drawdown = f[c.RUN, c.DEEPEST], f[c.RUN, c.DRAWDOWN]
    first = row = w[series, c.CURSOR]
    last = min(w[series, c.READY], w[series, c.ROWS] - 1)
    opened_row = row
    exposed = 0
    w[part, c.LAST_LEG] = 0
    going = True
    while going:
        lots, entry_id = w[leg, c.LOTS], w[leg, c.ENTRY_ID]
        if w[leg, c.E_SIDE] != 0 or w[leg, c.X_SIDE] != 0 or w[leg, c.EXIT_REASON] != 0:
            break
        if lots != 0 and w[leg, c.MAX_HOLDING_MS] > 0:
            break
        if w[c.RUN, c.TRADES] >= w[c.RUN, c.TRADE_ROOM] or w[c.RUN, c.FILLS] >= w[c.RUN, c.FILL_ROOM]:
            break
        can_end = lots != 0 and w[leg, c.CAN_END] == 1
        side = 1 if lots > 0 else -1
        state = ENDED if entry_id != 0 else NO_ENTRY
        w[leg, c.ENTRY_STATE] = HELD if lots != 0 else state
        money = f[c.RUN, c.START] + w[strategy, c.MONEY] * CENT_8
        begun = row
        wants = False
        while not wants:
            now_ms = ts[row] + length_ms
            if row >= last or now_ms > sample_ms:
                going = False
                break
            if can_end:
                low, high = in_ticks(lows[row], per_price), in_ticks(highs[row], per_price)
                if low <= f[leg, c.QUIET_BELOW] or high >= f[leg, c.QUIET_ABOVE]:
                    going = False
                    break
                if trail > 0:
                    best = moved_best(side, f[leg, c.BEST], high, low)
                    if best != f[leg, c.BEST]:
                        f[leg, c.BEST] = best
                        level = stop_level(side, best, trail)
                        if side > 0:
                            f[leg, c.QUIET_BELOW] = max(f[leg, c.QUIET_BELOW], level)
                        else:
                            f[leg, c.QUIET_ABOVE] = min(f[leg, c.QUIET_ABOVE], level)
            w[c.RUN, c.NOW_MS] = now_ms
            w[leg, c.FEATURE_ROW] = features_at + row * columns
            step(w, f, features, bids, asks, whole, floats, const_whole, const_floats, part, BAR, 0)
            equity = money + lots * closes[row] * CENT_8
            row += 1
            if equity >= peak:
                peak = equity
                deepest = equity * (1.0 - drawdown)
            elif equity < deepest:
                drawdown = 1.0 - equity / peak
                deepest = equity
            wanted = f[leg, c.TARGET] != 0.0
            wants = (wanted and w[leg, c.WANT_ID] != entry_id) or (not wanted and lots != 0)
            if bounded:
                wants = wants or now_ms >= w[c.RUN, c.UNMOVED_UNTIL_MS]
                wants = wants or equity <= f[c.RUN, c.UNMOVED_BELOW] or equity >= f[c.RUN, c.UNMOVED_ABOVE]
        if lots != 0:
            exposed += row - begun
        if wants:
            f[series, c.LAST_CLOSE] = f[instrument, c.LAST_PRICE] = closes[row - 1]
            w[leg, c.ARRIVED_MS], w[leg, c.DUE_MS] = now_ms, now_ms + length_ms
            f[c.RUN, c.EQUITY] = equity
            wanted = f[leg, c.TARGET] != 0.0
            if (wanted and w[leg, c.WANT_ID] != entry_id) or (not wanted and lots != 0):
                atr = NO_ATR
                if w[leg, c.ATR_COLUMN] >= 0:
                    atr = features[w[leg, c.FEATURE_ROW] + w[leg, c.ATR_COLUMN]]
                considered(w, f, staged, recent, leg, atr)
            if bounded and not unmoved(w, f, now_ms):
                watched(w, f, staged, recent)
            if w[c.RUN, c.STAGED] > 0:
                sent(w, f, queue, staged)
                if w[c.RUN, c.QUEUED] > 0:
                    opened_row = row
                    w[c.RUN, c.NOW_MS] = w[series, c.OPENED_AT_MS] = ts[row]
                    at_open[0] = opens[row]
                    opened(w, f, queue, fills, trades, losses, at_open)
    if row == first:
        return
    w[strategy, c.BARS] += row - first
    w[strategy, c.EXPOSED_BARS] += exposed
    w[c.RUN, c.MOMENTS] += row - first
    w[c.RUN, c.EXPOSED_MOMENTS] += exposed
    f[c.RUN, c.EQUITY], f[c.RUN, c.PEAK_EQUITY] = equity, peak
    f[c.RUN, c.DEEPEST], f[c.RUN, c.DRAWDOWN] = deepest, drawdown
    f[series, c.LAST_CLOSE] = f[instrument, c.LAST_PRICE] = closes[row - 1]
    w[leg, c.ARRIVED_MS] = ts[row - 1] + length_ms
    w[leg, c.DUE_MS] = ts[row - 1] + 2 * length_ms
    w[series, c.CURSOR] = row
    w[series, c.OPENED] = 1 if opened_row == row else 0
    w[series, c.NEXT_MS] = ts[row] + length_ms if opened_row == row else ts[row]
