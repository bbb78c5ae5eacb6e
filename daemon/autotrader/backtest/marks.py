"""What everything is worth, moment by moment: equities, their falls, samples, and the moments that need nothing else.

A moment is where bars close. At most of them all series have run ahead (see `backtest.ahead`) and only prices move;
those are passed over here, in the same order and with the same sums as a moment that is lived.
"""

from __future__ import annotations

import math
from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.rows import looked_up, open_leg, series_at
from autotrader.core.eights import CENT_8, EIGHT, worth_of_eight
from autotrader.core.jit import seldom
from autotrader.core.memory import real_at, whole_at

INFINITE = math.inf


def passed(w: Any, f: Any, lists: Any, bars: Any, points_ms: Any, points: Any, until_ms: int) -> int:
    """Pass over the moments before `until_ms` while they need no more; return it, or the moment that does."""
    if w[c.RUN, c.CLOCKS] != 1 or looked_up(w) > 1 or w[c.RUN, c.STRATEGIES] > 1:
        return _passed_by_many(w, f, lists, bars, points_ms, points, until_ms)
    clock = series_at(w, lists, w[c.RUN, c.FIRST_CLOCK])
    if w[clock, c.MARK_MS] >= until_ms:
        return until_ms
    return _passed_by_one(w, f, bars, points_ms, points, clock, until_ms)


@seldom
def _passed_by_one(w: Any, f: Any, bars: Any, points_ms: Any, points: Any, clock: int, until_ms: int) -> int:
    """Pass over moments of one strategy on one clock that holds one position, or none: they are rows of a column."""
    first_series, rows, length_ms = w[c.RUN, c.FIRST_SERIES], w[clock, c.ROWS], w[clock, c.LENGTH_MS]
    held = w[c.RUN, c.OPEN]
    leg = open_leg(w, 0) if held == 1 else w[c.RUN, c.FIRST_LEG]
    series, lots = w[leg, c.OWN], w[leg, c.LOTS]
    ts = whole_at(bars, (clock - first_series) * c.BAR_COLUMNS)
    closes = real_at(bars, (series - first_series) * c.BAR_COLUMNS + 4)
    money = f[c.RUN, c.START] + w[w[c.RUN, c.FIRST_STRATEGY], c.MONEY] * CENT_8
    equity, peak = f[c.RUN, c.EQUITY], f[c.RUN, c.PEAK_EQUITY]
    deepest, drawdown = f[c.RUN, c.DEEPEST], f[c.RUN, c.DRAWDOWN]
    bounded, sample_ms = w[c.RUN, c.WATCHED] == 1, w[c.RUN, c.NEXT_SAMPLE_MS]
    at_once_ms = min(until_ms, w[c.RUN, c.UNMOVED_UNTIL_MS]) if bounded else until_ms
    below = f[c.RUN, c.UNMOVED_BELOW] if bounded else -INFINITE
    above = f[c.RUN, c.UNMOVED_ABOVE] if bounded else INFINITE
    first = row = at_once_from = w[clock, c.MARKED]
    now_ms = ts[row] + length_ms
    fell = False
    while now_ms < until_ms:
        if now_ms > sample_ms:
            if w[c.RUN, c.POINTS] >= w[c.RUN, c.POINT_ROOM]:
                break
            f[c.RUN, c.EQUITY], w[c.RUN, c.NOW_MS] = equity, now_ms
            keep_sample(w, f, points_ms, points)
            sample_ms = w[c.RUN, c.NEXT_SAMPLE_MS]
        if held == 1 and row >= at_once_from and row + EIGHT <= rows and ts[row + EIGHT - 1] + length_ms < at_once_ms:
            least, most = worth_of_eight(closes, row, float(lots), money)
            room = ts[row + EIGHT - 1] + length_ms <= sample_ms or w[c.RUN, c.POINTS] + EIGHT < w[c.RUN, c.POINT_ROOM]
            if most < min(peak, above) and least > below and room:  # nothing but a new bottom comes
                if ts[row + EIGHT - 1] + length_ms > sample_ms:
                    f[c.RUN, c.EQUITY] = equity
                    _keep_of_eight(w, f, points_ms, points, ts, closes, row, length_ms, lots, money)
                    sample_ms = w[c.RUN, c.NEXT_SAMPLE_MS]
                row += EIGHT
                equity = money + lots * closes[row - 1] * CENT_8
                fell, deepest = fell or least < deepest, min(deepest, least)
                now_ms = ts[row] + length_ms if row < rows else c.MS_MAX
                continue
            at_once_from = row + EIGHT
        worth = money + lots * closes[row] * CENT_8 if held == 1 else money
        if bounded and not unmoved(w, f, now_ms, worth):
            break
        equity = worth
        row += 1
        if equity >= peak:
            drawdown = 1.0 - deepest / peak if fell else drawdown
            peak, fell = equity, False
            deepest = equity * (1.0 - drawdown)
        else:  # the fall is weighed when it is over, for a new bottom comes often and a division takes long
            fell = fell or equity < deepest
            deepest = min(deepest, equity)
        if held == 0 and row < rows:
            ahead = w[clock, c.CURSOR] - 1  # where its series stands, which is mostly as far as nothing happens
            known = row < ahead < rows and ts[ahead] + length_ms < at_once_ms
            last = ahead if known else _last_before(ts, row, rows, length_ms, at_once_ms)
            if ts[last] + length_ms > sample_ms:
                f[c.RUN, c.EQUITY] = equity
                last = _keep_level(w, f, points_ms, points, ts, row, last, length_ms)
                sample_ms = w[c.RUN, c.NEXT_SAMPLE_MS]
                if last == row:
                    last = _last_before(ts, row, rows, length_ms, min(at_once_ms, sample_ms + 1))
            row = last
        now_ms = ts[row] + length_ms if row < rows else c.MS_MAX
    drawdown = 1.0 - deepest / peak if fell else drawdown
    w[clock, c.MARKED], w[clock, c.MARK_MS] = row, now_ms
    if row > first:
        w[c.RUN, c.NOW_MS] = ts[row - 1] + length_ms
        w[c.RUN, c.MOMENTS] += row - first
        f[c.RUN, c.EQUITY], f[c.RUN, c.PEAK_EQUITY] = equity, peak
        f[c.RUN, c.DEEPEST], f[c.RUN, c.DRAWDOWN] = deepest, drawdown
        if held == 1:
            w[c.RUN, c.EXPOSED_MOMENTS] += row - first
            f[series, c.LAST_CLOSE] = f[w[leg, c.INSTRUMENT], c.LAST_PRICE] = closes[row - 1]
    return int(min(now_ms, until_ms))


def _last_before(ts: Any, row: int, rows: int, length_ms: int, until_ms: int) -> int:
    """Return the last of the bars from `row` on that closes before a moment, where none is missing up to it."""
    last = row + min((until_ms - 1 - ts[row]) // length_ms - 1, rows - 1 - row)
    return last if last > row and ts[last] - ts[row] == (last - row) * length_ms else row


def _keep_of_eight(
    w: Any, f: Any, points_ms: Any, points: Any, ts: Any, closes: Any, row: int, length_ms: int, lots: int, money: float
) -> None:
    """Keep the samples that eight bars from `row` on end, each at the worth of the bar before it."""
    for n in range(row, row + EIGHT):
        if ts[n] + length_ms > w[c.RUN, c.NEXT_SAMPLE_MS]:
            if n > row:
                f[c.RUN, c.EQUITY] = money + lots * closes[n - 1] * CENT_8
            w[c.RUN, c.NOW_MS] = ts[n] + length_ms
            keep_sample(w, f, points_ms, points)


def _keep_level(w: Any, f: Any, points_ms: Any, points: Any, ts: Any, row: int, last: int, length_ms: int) -> int:
    """Keep the samples of bars up to `last` over which an equity stays; return the bar to go on with.

    That is `last`, or `row` itself where the bars between are not one after the other, or a list is full.
    """
    step_ms, sample_ms, at = w[c.RUN, c.SAMPLE_MS], w[c.RUN, c.NEXT_SAMPLE_MS], w[c.RUN, c.POINTS]
    closes_ms = ts[last] + length_ms
    whole = ts[last] - ts[row] == (last - row) * length_ms and ts[row] + length_ms <= sample_ms and length_ms <= step_ms
    if not whole or at + (closes_ms - sample_ms) // step_ms >= w[c.RUN, c.POINT_ROOM]:
        return row
    equity = f[c.RUN, c.EQUITY]
    while sample_ms < closes_ms:
        points_ms[at] = sample_ms
        points[2 * at] = points[2 * at + 1] = equity
        at += 1
        sample_ms += step_ms
    w[c.RUN, c.POINTS], w[c.RUN, c.NEXT_SAMPLE_MS] = at, sample_ms
    return last


@seldom
def _passed_by_many(w: Any, f: Any, lists: Any, bars: Any, points_ms: Any, points: Any, until_ms: int) -> int:
    """Pass over moments of several clocks, strategies or positions."""
    first, last = w[c.RUN, c.FIRST_CLOCK], w[c.RUN, c.FIRST_CLOCK] + w[c.RUN, c.CLOCKS]
    while True:
        now_ms = until_ms
        for place in range(first, last):
            now_ms = min(now_ms, w[series_at(w, lists, place), c.MARK_MS])
        if now_ms == until_ms:
            return until_ms
        if now_ms > w[c.RUN, c.NEXT_SAMPLE_MS]:
            if w[c.RUN, c.POINTS] >= w[c.RUN, c.POINT_ROOM]:
                return now_ms
            w[c.RUN, c.NOW_MS] = now_ms
            keep_sample(w, f, points_ms, points)
        told(w, f, lists, bars, now_ms)
        if w[c.RUN, c.WATCHED] == 1 and not unmoved(w, f, now_ms, equity_now(w, f)):
            for place in range(first, last):
                if w[lists[place], c.MARKED] > 0:
                    _turn_back(w, bars, lists[place], now_ms)
            return now_ms
        w[c.RUN, c.NOW_MS] = now_ms
        valued(w, f)


def told(w: Any, f: Any, lists: Any, bars: Any, now_ms: int) -> bool:
    """Move the clocks on by the bars that close now, and the prices of what is held; tell whether any bar does."""
    first_series = w[c.RUN, c.FIRST_SERIES]
    any_closes = False
    for place in range(w[c.RUN, c.FIRST_CLOCK], w[c.RUN, c.FIRST_CLOCK] + w[c.RUN, c.CLOCKS]):
        clock = series_at(w, lists, place)
        if w[clock, c.MARK_MS] == now_ms:
            any_closes = True
            row = w[clock, c.MARKED] + 1
            ts = whole_at(bars, (clock - first_series) * c.BAR_COLUMNS)
            w[clock, c.MARKED] = row
            w[clock, c.MARK_MS] = ts[row] + w[clock, c.LENGTH_MS] if row < w[clock, c.ROWS] else c.MS_MAX
    if any_closes:
        for place in range(looked_up(w)):
            leg = open_leg(w, place)
            series = w[leg, c.OWN]
            if w[series, c.RUNS_AHEAD] == 1:
                row = w[w[series, c.CLOCK], c.MARKED]
                price = real_at(bars, (series - first_series) * c.BAR_COLUMNS + 4)[row - 1]
                f[series, c.LAST_CLOSE] = f[w[leg, c.INSTRUMENT], c.LAST_PRICE] = price
    return any_closes


@seldom
def _turn_back(w: Any, bars: Any, clock: int, now_ms: int) -> None:
    """Take back the bar of a clock that closes now."""
    row = w[clock, c.MARKED] - 1
    ts = whole_at(bars, (clock - w[c.RUN, c.FIRST_SERIES]) * c.BAR_COLUMNS)
    if ts[row] + w[clock, c.LENGTH_MS] == now_ms:
        w[clock, c.MARKED], w[clock, c.MARK_MS] = row, now_ms


def equity_now(w: Any, f: Any) -> float:
    """Return the money of all strategies and what they hold at the last prices, in quote units."""
    equity: float = f[c.RUN, c.START]
    for strategy in range(w[c.RUN, c.FIRST_STRATEGY], w[c.RUN, c.FIRST_STRATEGY] + w[c.RUN, c.STRATEGIES]):
        equity += w[strategy, c.MONEY] * CENT_8
    for place in range(looked_up(w)):
        leg = open_leg(w, place)
        equity += w[leg, c.LOTS] * f[w[leg, c.INSTRUMENT], c.LAST_PRICE] * CENT_8
    return equity


def valued(w: Any, f: Any) -> None:
    """Note what everything is worth at this moment, of the whole and of each of several strategies."""
    f[c.RUN, c.EQUITY] = equity_now(w, f)
    fallen(f, c.RUN)
    w[c.RUN, c.MOMENTS] += 1
    w[c.RUN, c.EXPOSED_MOMENTS] += 1 if w[c.RUN, c.OPEN] > 0 else 0
    first, last = w[c.RUN, c.FIRST_STRATEGY], w[c.RUN, c.FIRST_STRATEGY] + w[c.RUN, c.STRATEGIES]
    if last - first == 1:
        return
    for strategy in range(first, last):
        f[strategy, c.EQUITY] = f[strategy, c.START] + w[strategy, c.MONEY] * CENT_8
    for place in range(looked_up(w)):
        leg = open_leg(w, place)
        f[w[leg, c.STRATEGY], c.EQUITY] += w[leg, c.LOTS] * f[w[leg, c.INSTRUMENT], c.LAST_PRICE] * CENT_8
    for strategy in range(first, last):
        fallen(f, strategy)


def unmoved(w: Any, f: Any, now_ms: int, equity: float) -> bool:
    """Tell whether an equity surely trips no loss lock, makes no new peak and begins no new day (see `watched`)."""
    if not f[c.RUN, c.UNMOVED_BELOW] < equity < f[c.RUN, c.UNMOVED_ABOVE]:
        return False
    until_ms: int = w[c.RUN, c.UNMOVED_UNTIL_MS]
    return now_ms < until_ms


def fallen(f: Any, row: int) -> None:
    """Follow the peak of an equity and the deepest fall from one.

    DEEPEST is the equity below which a fall from the present peak is the deepest yet.
    """
    equity = f[row, c.EQUITY]
    if equity >= f[row, c.PEAK_EQUITY]:
        f[row, c.PEAK_EQUITY] = equity
        f[row, c.DEEPEST] = equity * (1.0 - f[row, c.DRAWDOWN])
    elif equity < f[row, c.DEEPEST]:
        f[row, c.DRAWDOWN] = 1.0 - equity / f[row, c.PEAK_EQUITY]
        f[row, c.DEEPEST] = equity


@seldom
def keep_sample(w: Any, f: Any, points_ms: Any, points: Any) -> None:
    """Keep the equity of the last moment of the sample that is over."""
    at, many = w[c.RUN, c.POINTS], w[c.RUN, c.STRATEGIES]
    points_ms[at] = w[c.RUN, c.NEXT_SAMPLE_MS]
    points[at * (1 + many)] = f[c.RUN, c.EQUITY]
    for place in range(many):
        strategy = w[c.RUN, c.FIRST_STRATEGY] + place
        points[at * (1 + many) + 1 + place] = f[strategy, c.EQUITY] if many > 1 else f[c.RUN, c.EQUITY]
    w[c.RUN, c.POINTS] = at + 1
    step_ms = w[c.RUN, c.SAMPLE_MS]
    left_ms = w[c.RUN, c.NOW_MS] - w[c.RUN, c.NEXT_SAMPLE_MS]
    w[c.RUN, c.NEXT_SAMPLE_MS] += step_ms if left_ms <= step_ms else step_ms * ((left_ms + step_ms - 1) // step_ms)
