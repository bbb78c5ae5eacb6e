"""Events of feeds as the simulation lives through them: each is a moment of its own.

An event meets the orders before it; who wakes on fills hears of them; then it is shown, decided on and weighed.
"""

from __future__ import annotations

import math
from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.ahead import entry_state
from autotrader.backtest.levels import show_levels
from autotrader.backtest.marks import keep_sample, unmoved, valued
from autotrader.backtest.rows import leg_at, next_at
from autotrader.backtest.turns import cared, considered, happened, heard, sent, watched, wished
from autotrader.core.eights import CENT_8
from autotrader.core.jit import seldom
from autotrader.core.memory import real_at, whole_at
from autotrader.execution.slicing import usual_part
from autotrader.market.fills import in_ticks
from autotrader.strategies.contract import FILL, TIMER

NO_ATR = float("nan")
INFINITE = math.inf


def step(*_arguments: Any) -> None:
    """Stand where the steps of a plan's strategy kinds are put (see `backtest.glue`)."""
    raise AssertionError("a loop is run with the steps of its strategies")


def wake(
    w: Any, f: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any, const_whole: Any, const_floats: Any,
    staged: Any, recent: Any, part: int, event: int, about: int,
) -> None:  # fmt: skip
    """Let a part's step decide on an event that concerns one of its legs, and stage what follows from it."""
    first, last = w[part, c.PART_FIRST_LEG], w[part, c.PART_FIRST_LEG] + w[part, c.PART_LEGS]
    for leg in range(first, last):
        w[leg, c.ENTRY_STATE] = entry_state(w, leg)
        w[leg, c.AGE_MS] = w[c.RUN, c.NOW_MS] - w[leg, c.ARRIVED_MS]
    step(w, f, features, bids, asks, whole, floats, const_whole, const_floats, part, event, about)
    for leg in range(first, last):
        wants = f[leg, c.TARGET] != 0.0
        has = w[leg, c.LOTS] != 0 or w[leg, c.E_SIDE] != 0 or w[leg, c.LEFT] != 0
        says = w[leg, c.WANT_ID] != 0 or w[part, c.PART_SLOTS] == 0  # else what is held came of slots
        leaves = not wants and has and w[leg, c.EXIT_REASON] == 0 and says
        if (wants and w[leg, c.WANT_ID] != w[leg, c.ENTRY_ID]) or leaves:
            if w[leg, c.SHARE_COLUMN] >= 0:
                keep_shares(w, features, leg)
            column = w[leg, c.ATR_COLUMN]
            atr = features[w[leg, c.FEATURE_ROW] + column * w[leg, c.HEIGHT]] if column >= 0 else NO_ATR
            considered(w, f, staged, recent, leg, atr)
    if w[part, c.PART_SLOTS] > 0 and w[part, c.MOVED] == 1:
        wished(w, f, staged, recent, part)


@seldom
def keep_shares(w: Any, features: Any, leg: int) -> None:
    """Keep the usual shares of a vwap's slices as they are known now: by them it goes on."""
    for number in range(w[leg, c.SLICES] - 1):
        column = w[leg, c.SHARE_COLUMN] + number
        share = features[w[leg, c.FEATURE_ROW] + column * w[leg, c.HEIGHT]]
        w[leg, c.SHARE_0 + number] = usual_part(share)


def told_fills(
    w: Any, f: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any, const_whole: Any, const_floats: Any,
    queue: Any, staged: Any, recent: Any,
) -> None:  # fmt: skip
    """Let those who wake on fills hear of this moment's, once however many they are, and send what follows."""
    for part in range(w[c.RUN, c.FIRST_PART], w[c.RUN, c.FIRST_PART] + w[c.RUN, c.PARTS]):
        if w[part, c.FILLED] == 1:
            w[part, c.FILLED] = 0
            wake(
                w, f, features, bids, asks, whole, floats, const_whole, const_floats, staged, recent, part, FILL,
                w[part, c.FILLED_LEG],
            )  # fmt: skip
    w[c.RUN, c.FILLED_PARTS] = 0
    if w[c.RUN, c.STAGED] > 0:
        sent(w, f, queue, staged)


def live_event(
    w: Any, f: Any, lists: Any, bars: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any,
    const_whole: Any, const_floats: Any, queue: Any, staged: Any, recent: Any, losses: Any, fills: Any, trades: Any,
    points_ms: Any, points: Any, series: int,
) -> None:  # fmt: skip
    """Live through the next event of a feed."""
    _meet(w, f, lists, bars, queue, fills, trades, losses, series)
    if w[c.RUN, c.FILLED_PARTS] > 0:
        told_fills(
            w, f, features, bids, asks, whole, floats, const_whole, const_floats, queue, staged, recent
        )  # fmt: skip
    _show(w, f, lists, bars, bids, asks, series)
    first = w[c.RUN, c.FIRST_PART]
    for part in range(first, first + w[c.RUN, c.PARTS]):
        if w[part, c.ON_TIMER] == 1 and 0 < w[part, c.WAKE_MS] <= w[c.RUN, c.NOW_MS] and _is_of(w, part, series):
            w[part, c.WAKE_MS] = 0
            wake(
                w, f, features, bids, asks, whole, floats, const_whole, const_floats, staged, recent, part, TIMER, 0
            )  # fmt: skip
        if w[part, c.ON_EVENT] == 0:
            continue
        for leg in range(w[part, c.PART_FIRST_LEG], w[part, c.PART_FIRST_LEG] + w[part, c.PART_LEGS]):
            if w[leg, c.OWN] == series and not is_calm(f, leg, f[series, c.LAST_CLOSE]):
                wake(
                    w, f, features, bids, asks, whole, floats, const_whole, const_floats, staged, recent, part,
                    w[part, c.ON_EVENT], leg - w[part, c.PART_FIRST_LEG],
                )  # fmt: skip
    care(w, f, lists, staged, recent, series)
    weigh(w, f, staged, recent, points_ms, points)
    if w[c.RUN, c.STAGED] > 0:
        sent(w, f, queue, staged)


def care(w: Any, f: Any, lists: Any, staged: Any, recent: Any, series: int) -> None:
    """Go on with what the legs have under way whose bar has closed, or whose event came."""
    for place in range(w[series, c.FIRST_OWNED], w[series, c.FIRST_OWNED] + w[series, c.OWNED]):
        leg = leg_at(w, lists, place)
        resting = (w[leg, c.E_SIDE] != 0 and w[leg, c.BY_LIMIT] == 1) or w[leg, c.LEFT] != 0
        held = w[leg, c.LOTS] != 0 and w[leg, c.MAX_HOLDING_MS] > 0
        if w[leg, c.EXIT_REASON] != 0 or resting or held:
            cared(w, f, staged, recent, leg)


def is_calm(f: Any, leg: int, price: float) -> bool:
    """Tell whether a part said that it need not wake while a leg's price is where it is."""
    return bool(f[leg, c.CALM_BELOW] < price < f[leg, c.CALM_ABOVE])


def _is_of(w: Any, part: int, series: int) -> bool:
    """Tell whether a feed comes from the exchange on which a part's time runs."""
    first: int = w[part, c.PART_FIRST_LEG]
    exchange: int = w[w[series, c.OF_INSTRUMENT], c.EXCHANGE]
    return bool(w[first, c.LEG_EXCHANGE] == exchange)


def _meet(w: Any, f: Any, lists: Any, bars: Any, queue: Any, fills: Any, trades: Any, losses: Any, series: int) -> None:
    """Let an event meet what waits for it, where anything does."""
    at, of = w[series, c.CURSOR], (series - w[c.RUN, c.FIRST_SERIES]) * c.BAR_COLUMNS
    high, low, close = real_at(bars, of + 2)[at], real_at(bars, of + 3)[at], real_at(bars, of + 4)[at]
    f[series, c.LAST_HIGH], f[series, c.LAST_LOW], f[series, c.LAST_CLOSE] = high, low, close
    per_price = f[w[series, c.OF_INSTRUMENT], c.PER_PRICE]
    buy, sell = in_ticks(high, per_price), in_ticks(low, per_price)
    matters = w[c.RUN, c.QUEUED] > 0
    for place in range(w[series, c.FIRST_MATCHED], w[series, c.FIRST_MATCHED] + w[series, c.MATCHED]):
        leg = lists[place]
        matters = matters or buy < f[leg, c.RESTS_BELOW] or sell > f[leg, c.RESTS_ABOVE]
        if w[leg, c.LOTS] != 0 and w[leg, c.CAN_END] == 1:
            price = sell if w[leg, c.LOTS] > 0 else buy
            matters = matters or price <= f[leg, c.QUIET_BELOW] or price >= f[leg, c.QUIET_ABOVE]
            matters = matters or w[leg, c.TRAIL] > 0
    if matters:
        happened(w, f, lists, bars, queue, fills, trades, losses, series, buy, sell)
        if w[c.RUN, c.STALE_ENTRIES] > 0:
            heard(w)


def _show(w: Any, f: Any, lists: Any, bars: Any, bids: Any, asks: Any, series: int) -> None:
    """Let the daemon see an event: prices, levels, columns and counts."""
    at, of = w[series, c.CURSOR], (series - w[c.RUN, c.FIRST_SERIES]) * c.BAR_COLUMNS
    now_ms = w[c.RUN, c.NOW_MS]
    f[w[series, c.OF_INSTRUMENT], c.LAST_PRICE] = f[series, c.LAST_CLOSE]
    for place in range(w[series, c.FIRST_OWNED], w[series, c.FIRST_OWNED] + w[series, c.OWNED]):
        leg = lists[place]
        w[leg, c.ARRIVED_MS] = w[leg, c.DUE_MS] = now_ms
        w[leg, c.FEATURE_ROW] = w[leg, c.FEATURES] + at - w[leg, c.ROW_0]
        show_levels(w, bars, bids, asks, leg, at)
        strategy = w[leg, c.STRATEGY]
        w[strategy, c.BARS] += 1
        if w[leg, c.LOTS] != 0:
            w[strategy, c.EXPOSED_BARS] += 1
    w[series, c.CURSOR] = at + 1
    lists[next_at(w, series)] = whole_at(bars, of)[at + 1] if at + 1 < w[series, c.ROWS] else c.MS_MAX


def glide(w: Any, f: Any, lists: Any, bars: Any, bids: Any, asks: Any) -> None:
    """Pass over the events of a run's only feed while its only leg waits: nothing fills, nobody wakes.

    What `live_event` does at such events and no more. It stops before an event that may matter.
    """
    series, part, leg = w[c.RUN, c.FIRST_SERIES], w[c.RUN, c.FIRST_PART], w[c.RUN, c.FIRST_LEG]
    lots = w[leg, c.LOTS]
    if w[leg, c.EXIT_REASON] != 0 or (lots != 0 and (w[leg, c.TRAIL] > 0 or w[leg, c.MAX_HOLDING_MS] > 0)):
        return
    if (w[leg, c.E_SIDE] != 0 and w[leg, c.BY_LIMIT] == 1) or w[leg, c.LEFT] != 0:
        return
    instrument, strategy = w[leg, c.INSTRUMENT], w[leg, c.STRATEGY]
    per_price = f[instrument, c.PER_PRICE]
    # of what waits for a price, how far the price may go, a tick short of it
    least, most = (f[leg, c.RESTS_BELOW] + 1.0) / per_price, (f[leg, c.RESTS_ABOVE] - 1.0) / per_price
    if lots != 0 and w[leg, c.CAN_END] == 1:
        least = max(least, (f[leg, c.QUIET_BELOW] + 1.0) / per_price)
        most = min(most, (f[leg, c.QUIET_ABOVE] - 1.0) / per_price)
    if w[part, c.ON_EVENT] != 0:
        least, most = max(least, f[leg, c.CALM_BELOW]), min(most, f[leg, c.CALM_ABOVE])
    first = row = w[series, c.CURSOR]
    last = min(w[series, c.READY], w[series, c.ROWS])
    ts, highs, lows, closes = whole_at(bars, 0), real_at(bars, 2), real_at(bars, 3), real_at(bars, 4)
    until_ms = w[c.RUN, c.NEXT_SAMPLE_MS] + 1
    if w[part, c.ON_TIMER] == 1 and w[part, c.WAKE_MS] > 0:
        until_ms = min(until_ms, w[part, c.WAKE_MS])
    below, above = -INFINITE, INFINITE
    if w[c.RUN, c.WATCHED] == 1:
        until_ms = min(until_ms, w[c.RUN, c.UNMOVED_UNTIL_MS])
        below, above = f[c.RUN, c.UNMOVED_BELOW], f[c.RUN, c.UNMOVED_ABOVE]
    stop = first_from(ts, row, last, until_ms)
    money = f[c.RUN, c.START] + w[strategy, c.MONEY] * CENT_8
    equity, peak = f[c.RUN, c.EQUITY], f[c.RUN, c.PEAK_EQUITY]
    deepest, drawdown = f[c.RUN, c.DEEPEST], f[c.RUN, c.DRAWDOWN]
    while row < stop:
        close = closes[row]
        worth = money + lots * close * CENT_8
        if not (lows[row] > least and highs[row] < most and below < worth < above):
            break
        equity = worth
        row += 1
        if equity >= peak:
            peak = equity
            deepest = equity * (1.0 - drawdown)
        elif equity < deepest:
            drawdown = 1.0 - equity / peak
            deepest = equity
    if row == first:
        return
    f[c.RUN, c.EQUITY], f[c.RUN, c.PEAK_EQUITY] = equity, peak
    f[c.RUN, c.DEEPEST], f[c.RUN, c.DRAWDOWN] = deepest, drawdown
    f[series, c.LAST_HIGH], f[series, c.LAST_LOW] = highs[row - 1], lows[row - 1]
    f[series, c.LAST_CLOSE] = f[instrument, c.LAST_PRICE] = closes[row - 1]
    w[c.RUN, c.NOW_MS] = w[leg, c.ARRIVED_MS] = w[leg, c.DUE_MS] = ts[row - 1]
    w[leg, c.FEATURE_ROW] = w[leg, c.FEATURES] + row - 1 - w[leg, c.ROW_0]
    show_levels(w, bars, bids, asks, leg, row - 1)
    w[strategy, c.BARS] += row - first
    w[c.RUN, c.MOMENTS] += row - first
    if lots != 0:
        w[strategy, c.EXPOSED_BARS] += row - first
        w[c.RUN, c.EXPOSED_MOMENTS] += row - first
    w[series, c.CURSOR] = row
    lists[next_at(w, series)] = ts[row] if row < w[series, c.ROWS] else c.MS_MAX


def first_from(ts: Any, start: int, stop: int, ms: int) -> int:
    """Return the first row from `start` whose time is not before a moment; `stop` if none is."""
    low, high = start, stop
    while low < high:
        middle = (low + high) // 2
        if ts[middle] < ms:
            low = middle + 1
        else:
            high = middle
    return low


def weigh(w: Any, f: Any, staged: Any, recent: Any, points_ms: Any, points: Any) -> None:
    """Mark what everything is worth at a moment, and show it to the loss locks; each sample keeps its last value."""
    if w[c.RUN, c.NOW_MS] > w[c.RUN, c.NEXT_SAMPLE_MS]:
        keep_sample(w, f, points_ms, points)
    valued(w, f)
    if w[c.RUN, c.WATCHED] == 1 and not unmoved(w, f, w[c.RUN, c.NOW_MS], f[c.RUN, c.EQUITY]):
        watched(w, f, staged, recent)


def live_events(
    w: Any, f: Any, lists: Any, bars: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any,
    const_whole: Any, const_floats: Any, queue: Any, staged: Any, recent: Any, losses: Any, fills: Any, trades: Any,
    points_ms: Any, points: Any,
) -> None:  # fmt: skip
    """Live through the feeds' events of this moment, one after the other, as far as their columns and the lists go."""
    for series in range(w[c.RUN, c.FIRST_SERIES], w[c.RUN, c.FIRST_SERIES] + w[c.RUN, c.SERIES]):
        while w[series, c.LENGTH_MS] == 0 and lists[next_at(w, series)] == w[c.RUN, c.NOW_MS]:
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
    return bool(w[c.RUN, c.POINTS] >= w[c.RUN, c.POINT_ROOM])
