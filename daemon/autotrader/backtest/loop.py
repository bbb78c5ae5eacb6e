"""The simulation itself: one pass over market time, moment by moment, as the paper market and the daemon live through it.

At one moment: bars that close meet the orders they decide; settlements move money; strategies decide on what closed, in
the order of their names; what they want is sent; then bars that open meet the orders.
"""

from __future__ import annotations

from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.decide import consider, equity_of, leave_all, look_after, send
from autotrader.backtest.world import FILL_WIDTH, FLOAT_WIDTH, QUEUE_WIDTH, TRADE_WIDTH, WIDTH
from autotrader.backtest.meet import close_bar, end_stale_entries, open_orders, protect, reached
from autotrader.core.memory import line, table
from autotrader.market.fills import RATE, cost, in_ticks, mul_div, mul_div_up, part_of
from autotrader.risk.breakers import LossBounds, Marks, marked
from autotrader.strategies.contract import BAR, ENDED, HELD, NO_ENTRY, TIMER, WORKING

CENT_8 = 1e-8


def step(_w: Any, _f: Any, _features: Any, _bids: Any, _asks: Any, _whole: Any, _floats: Any, _const_whole: Any, _const_floats: Any, _part: int, _event: int, _leg: int) -> None:
    """Stand where the glue of a plan's strategy kinds is put: one call of a part's step (see `backtest.glue`)."""
    raise AssertionError("a loop is run with the steps of its strategies")


def enter(
    w: Any, f: Any, lists: Any, ts: Any, opens: Any, highs: Any, lows: Any, closes: Any, features: Any, bids: Any,
    asks: Any, whole: Any, floats: Any, const_whole: Any, const_floats: Any, queue: Any, staged: Any, recent: Any,
    losses: Any, funding: Any, fills: Any, trades: Any, points_ms: Any, points: Any, at_open: Any,
) -> int:  # fmt: skip
    """Run with NumPy arrays: they are kept alive here, and handed on as what `core.memory` makes of them."""
    return run(
        table(w, WIDTH), table(f, FLOAT_WIDTH), line(lists), line(ts), line(opens), line(highs), line(lows),
        line(closes), line(features), line(bids), line(asks), line(whole), line(floats), line(const_whole),
        line(const_floats), table(queue, QUEUE_WIDTH), line(staged), line(recent), line(losses), table(funding, 2),
        table(fills, FILL_WIDTH), table(trades, TRADE_WIDTH), line(points_ms), line(points), line(at_open),
    )  # fmt: skip


def run(
    w: Any, f: Any, lists: Any, ts: Any, opens: Any, highs: Any, lows: Any, closes: Any, features: Any, bids: Any,
    asks: Any, whole: Any, floats: Any, const_whole: Any, const_floats: Any, queue: Any, staged: Any, recent: Any,
    losses: Any, funding: Any, fills: Any, trades: Any, points_ms: Any, points: Any, at_open: Any,
) -> int:  # fmt: skip
    """Go on until nothing follows, a series has no more bars in memory, or a list is full; say which."""
    first_series, n_series = w[c.RUN, c.FIRST_SERIES], w[c.RUN, c.SERIES]
    first_leg, n_legs = w[c.RUN, c.FIRST_LEG], w[c.RUN, c.LEGS]
    while True:
        now_ms = _next_moment(w, first_series, n_series, funding)
        if now_ms == c.MS_MAX:
            return c.DONE
        for series in range(first_series, first_series + n_series):
            if (
                w[series, c.NEXT_MS] == now_ms
                and w[series, c.OPENED] == 1
                and w[series, c.CURSOR] >= w[series, c.READY]
            ):
                return c.NEEDS_BARS
        if (
            w[c.RUN, c.TRADES] + 2 * n_legs > w[c.RUN, c.TRADE_ROOM]
            or w[c.RUN, c.FILLS] + 4 * n_legs > w[c.RUN, c.FILL_ROOM]
            or w[c.RUN, c.POINTS] + 2 > w[c.RUN, c.POINT_ROOM]
        ):
            return c.NEEDS_ROOM
        w[c.RUN, c.NOW_MS] = now_ms
        told = 0
        for series in range(first_series, first_series + n_series):
            if w[series, c.NEXT_MS] != now_ms:
                continue
            if w[series, c.OPENED] == 1:
                told += 1
                _close(
                    w, f, lists, ts, opens, highs, lows, closes, fills, trades, losses, series,
                    (series - first_series) * w[c.RUN, c.WINDOW], now_ms,
                )  # fmt: skip
        if w[c.RUN, c.HAS_FUNDING] == 1:
            _settle(w, f, funding, now_ms)
        if w[c.RUN, c.STALE_ENTRIES] > 0:
            end_stale_entries(w)
        if told > 0:
            _decide(w, f, lists, features, bids, asks, whole, floats, const_whole, const_floats, staged, recent, now_ms)
            _mark(w, f, now_ms, points_ms, points)
            if w[c.RUN, c.HAS_LOSS_BOUNDS] == 1:
                _watch(w, f, staged, recent, now_ms)
            if w[c.RUN, c.STAGED] > 0:
                send(w, f, queue, staged)
        opened = 0
        for series in range(first_series, first_series + n_series):
            if w[series, c.NEXT_MS] == now_ms:
                opened += 1
                w[series, c.OPENED] = 1
                w[series, c.OPENED_AT_MS] = now_ms
                w[series, c.NEXT_MS] = now_ms + w[series, c.LENGTH_MS]
                if w[c.RUN, c.QUEUED] > 0:
                    at_open[series - first_series] = opens[(series - first_series) * w[c.RUN, c.WINDOW] + w[series, c.CURSOR]]
        if opened > 0:
            if w[c.RUN, c.QUEUED] > 0:
                open_orders(w, f, queue, fills, trades, losses, at_open, now_ms)
            for leg in range(first_leg, first_leg + n_legs):
                if w[leg, c.LOTS] != 0 and w[w[leg, c.MATCH], c.OPENED_AT_MS] == now_ms and reached(w, f, leg):
                    series = w[leg, c.MATCH]
                    at = (series - first_series) * w[c.RUN, c.WINDOW] + w[series, c.CURSOR]
                    price = in_ticks(opens[at], f[w[leg, c.INSTRUMENT], c.PER_PRICE])
                    protect(w, f, fills, trades, losses, leg, price, price, price, now_ms)
            if w[c.RUN, c.STALE_ENTRIES] > 0:
                end_stale_entries(w)


def _next_moment(w: Any, first: int, count: int, funding: Any) -> int:
    now_ms = c.MS_MAX
    for series in range(first, first + count):
        now_ms = min(now_ms, w[series, c.NEXT_MS])
    if w[c.RUN, c.HAS_FUNDING] == 1 and now_ms != c.MS_MAX:
        for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
            instrument = w[leg, c.INSTRUMENT]
            if w[leg, c.LOTS] != 0 and w[instrument, c.FUNDING_AT] < w[instrument, c.FUNDING_STOP]:
                _skip_settled(w, funding, instrument, w[c.RUN, c.NOW_MS])
                if w[instrument, c.FUNDING_AT] < w[instrument, c.FUNDING_STOP]:
                    now_ms = min(now_ms, funding[w[instrument, c.FUNDING_AT], 0])
    return now_ms


def _skip_settled(w: Any, funding: Any, instrument: int, until_ms: int) -> None:
    at = w[instrument, c.FUNDING_AT]
    while at < w[instrument, c.FUNDING_STOP] and funding[at, 0] <= until_ms:
        at += 1
    w[instrument, c.FUNDING_AT] = at


def _close(
    w: Any, f: Any, lists: Any, ts: Any, opens: Any, highs: Any, lows: Any, closes: Any, fills: Any, trades: Any,
    losses: Any, series: int, window: int, now_ms: int,
) -> None:  # fmt: skip
    """Close a series' open bar: it meets its orders, its price is told, and its legs know that they have it."""
    row = w[series, c.CURSOR]
    at = window + row
    instrument = w[series, c.OF_INSTRUMENT]
    close = closes[at]
    first, count = w[series, c.FIRST_MATCHED], w[series, c.MATCHED]
    busy = False
    for place in range(first, first + count):
        leg = lists[place]
        busy = busy or w[leg, c.LOTS] != 0 or w[leg, c.E_SIDE] != 0 or w[leg, c.X_SIDE] != 0
    if busy:
        per_price = f[instrument, c.PER_PRICE]
        close_bar(
            w, f, fills, trades, losses, lists, first, count, in_ticks(opens[at], per_price),
            in_ticks(highs[at], per_price), in_ticks(lows[at], per_price), in_ticks(close, per_price),
            ts[at], now_ms,
        )  # fmt: skip
    f[series, c.LAST_CLOSE] = close
    f[instrument, c.LAST_PRICE] = close
    for place in range(w[series, c.FIRST_OWNED], w[series, c.FIRST_OWNED] + w[series, c.OWNED]):
        leg = lists[place]
        w[leg, c.ARRIVED_MS] = now_ms
        w[leg, c.DUE_MS] = now_ms + w[series, c.LENGTH_MS]
        w[leg, c.FEATURE_ROW] = w[leg, c.FEATURES] + (row - w[leg, c.ROW_0]) * w[leg, c.COLUMNS]
        w[w[leg, c.LEG_PART], c.LAST_LEG] = leg - w[w[leg, c.LEG_PART], c.PART_FIRST_LEG]
        strategy = w[leg, c.STRATEGY]
        w[strategy, c.BARS] += 1
        if w[leg, c.LOTS] != 0:
            w[strategy, c.EXPOSED_BARS] += 1
    w[series, c.CURSOR] = row + 1
    w[series, c.OPENED] = 0
    w[series, c.NEXT_MS] = ts[at + 1] if row + 1 < w[series, c.ROWS] else c.MS_MAX


def _decide(
    w: Any, f: Any, lists: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any, const_whole: Any, const_floats: Any, staged: Any, recent: Any, now_ms: int
) -> None:
    """Step every part whose bars are all there, or whose time has come; then look after what is under way."""
    for part in range(w[c.RUN, c.FIRST_PART], w[c.RUN, c.FIRST_PART] + w[c.RUN, c.PARTS]):
        first, count = w[part, c.PART_FIRST_LEG], w[part, c.PART_LEGS]
        if w[part, c.ON_TIMER] == 1 and 0 < w[part, c.WAKE_MS] <= now_ms:
            w[part, c.WAKE_MS] = 0
            _step(w, f, features, bids, asks, whole, floats, const_whole, const_floats, staged, recent, part, TIMER, 0)
        due = w[part, c.ON_BAR] == 1
        for leg in range(first, first + count):
            due = due and w[leg, c.ARRIVED_MS] == now_ms
        if due:
            _step(w, f, features, bids, asks, whole, floats, const_whole, const_floats, staged, recent, part, BAR, w[part, c.LAST_LEG])
    # lists begins with the legs in the order in which their bars are told
    for place in range(w[c.RUN, c.LEGS]):
        leg = lists[place]
        if w[leg, c.ARRIVED_MS] == now_ms:
            if w[leg, c.LOTS] != 0 or w[leg, c.E_SIDE] != 0 or w[leg, c.EXIT_REASON] != 0:
                look_after(w, f, staged, recent, leg)


def _step(
    w: Any, f: Any, features: Any, bids: Any, asks: Any, whole: Any, floats: Any, const_whole: Any, const_floats: Any, staged: Any, recent: Any, part: int, event: int, at: int
) -> None:
    first, count = w[part, c.PART_FIRST_LEG], w[part, c.PART_LEGS]
    for leg in range(first, first + count):
        if w[leg, c.E_SIDE] != 0:
            w[leg, c.ENTRY_STATE] = WORKING
        elif w[leg, c.LOTS] != 0:
            w[leg, c.ENTRY_STATE] = HELD
        else:
            w[leg, c.ENTRY_STATE] = ENDED if w[leg, c.ENTRY_ID] != 0 else NO_ENTRY
    step(w, f, features, bids, asks, whole, floats, const_whole, const_floats, part, event, at)
    for leg in range(first, first + count):
        if f[leg, c.TARGET] == 0.0:
            if (w[leg, c.LOTS] != 0 or w[leg, c.E_SIDE] != 0) and w[leg, c.EXIT_REASON] == 0:
                consider(w, f, staged, recent, leg, float("nan"))
        elif w[leg, c.WANT_ID] != w[leg, c.ENTRY_ID]:
            atr = float("nan")
            if w[leg, c.ATR_COLUMN] >= 0:
                atr = features[w[leg, c.FEATURE_ROW] + w[leg, c.ATR_COLUMN]]
            consider(w, f, staged, recent, leg, atr)


def _mark(w: Any, f: Any, now_ms: int, points_ms: Any, points: Any) -> None:
    """Value everything at the last prices: equity, its peak and the deepest fall from it; a point at each sample's end."""
    _sample(w, f, now_ms, points_ms, points)
    equity = f[c.RUN, c.START]
    many = w[c.RUN, c.STRATEGIES] > 1
    first, count = w[c.RUN, c.FIRST_STRATEGY], w[c.RUN, c.STRATEGIES]
    for strategy in range(first, first + count):
        own = w[strategy, c.MONEY] * CENT_8
        equity += own
        f[strategy, c.EQUITY] = f[strategy, c.START] + own
    exposed = 0
    for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
        if w[leg, c.LOTS] != 0:
            worth = w[leg, c.LOTS] * f[w[leg, c.INSTRUMENT], c.LAST_PRICE] * CENT_8
            equity += worth
            exposed = 1
            if many:
                f[w[leg, c.STRATEGY], c.EQUITY] += worth
    w[c.RUN, c.MOMENTS] += 1
    w[c.RUN, c.EXPOSED_MOMENTS] += exposed
    f[c.RUN, c.EQUITY] = equity
    f[c.RUN, c.PEAK_EQUITY] = max(f[c.RUN, c.PEAK_EQUITY], equity)
    if equity < f[c.RUN, c.PEAK_EQUITY] * (1.0 - f[c.RUN, c.DRAWDOWN]):
        f[c.RUN, c.DRAWDOWN] = 1.0 - equity / f[c.RUN, c.PEAK_EQUITY]
    if many:
        for strategy in range(first, first + count):
            peak = max(f[strategy, c.PEAK_EQUITY], f[strategy, c.EQUITY])
            f[strategy, c.PEAK_EQUITY] = peak
            if f[strategy, c.EQUITY] < peak * (1.0 - f[strategy, c.DRAWDOWN]):
                f[strategy, c.DRAWDOWN] = 1.0 - f[strategy, c.EQUITY] / peak


def _sample(w: Any, f: Any, now_ms: int, points_ms: Any, points: Any) -> None:
    """Keep the equity of the last moment of every sample that is over."""
    next_ms = w[c.RUN, c.NEXT_SAMPLE_MS]
    if now_ms <= next_ms:
        return
    at = w[c.RUN, c.POINTS]
    points_ms[at] = next_ms
    points[at * (1 + w[c.RUN, c.STRATEGIES])] = f[c.RUN, c.EQUITY]
    for place in range(w[c.RUN, c.STRATEGIES]):
        strategy = w[c.RUN, c.FIRST_STRATEGY] + place
        points[at * (1 + w[c.RUN, c.STRATEGIES]) + 1 + place] = f[strategy, c.EQUITY] if w[c.RUN, c.STRATEGIES] > 1 else f[c.RUN, c.EQUITY]
    w[c.RUN, c.POINTS] = at + 1
    step_ms = w[c.RUN, c.SAMPLE_MS]
    w[c.RUN, c.NEXT_SAMPLE_MS] = next_ms + step_ms * ((now_ms - next_ms + step_ms - 1) // step_ms)


def _watch(w: Any, f: Any, staged: Any, recent: Any, now_ms: int) -> None:
    """Show the loss locks the exact equity; a breach may close everything."""
    equity = 0
    for exchange in range(w[c.RUN, c.FIRST_EXCHANGE], w[c.RUN, c.FIRST_EXCHANGE] + w[c.RUN, c.EXCHANGES]):
        equity += equity_of(w, f, exchange)
    before = Marks(w[c.RUN, c.DAY], w[c.RUN, c.DAY_START], w[c.RUN, c.PEAK], w[c.RUN, c.LOSS_DAY], w[c.RUN, c.LOCKED])
    at = c.LOSS_BOUND_0
    bounds = LossBounds(w[c.RUN, at], w[c.RUN, at + 1], w[c.RUN, at + 2], w[c.RUN, at + 3])
    after = marked(before, bounds, now_ms, equity)
    w[c.RUN, c.DAY], w[c.RUN, c.DAY_START], w[c.RUN, c.PEAK] = after.day, after.day_start, after.peak
    w[c.RUN, c.LOSS_DAY], w[c.RUN, c.LOCKED] = after.loss_day, after.locked
    tripped = after.loss_day != before.loss_day or after.locked != before.locked
    if tripped and w[c.RUN, c.CLOSE_ON_BREACH] == 1:
        leave_all(w, f, staged, recent)


def _settle(w: Any, f: Any, funding: Any, now_ms: int) -> None:
    """Let settlements that fall due move money: longs pay shorts the rate, on the last close."""
    for instrument in range(w[c.RUN, c.FIRST_INSTRUMENT], w[c.RUN, c.FIRST_INSTRUMENT] + w[c.RUN, c.INSTRUMENTS]):
        _skip_settled(w, funding, instrument, now_ms - 1)
        at = w[instrument, c.FUNDING_AT]
        if at >= w[instrument, c.FUNDING_STOP] or funding[at, 0] != now_ms:
            continue
        rate = funding[at, 1]
        net = 0
        series = 0
        for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
            if w[leg, c.INSTRUMENT] == instrument and w[leg, c.LOTS] != 0:
                net += w[leg, c.LOTS]
                series = w[leg, c.MATCH]
        if net == 0 or rate == 0:
            continue
        price = in_ticks(f[series, c.LAST_CLOSE], f[instrument, c.PER_PRICE])
        worth = cost(abs(net), price, w[instrument, c.UNIT], 1)
        pays = (net > 0) == (rate > 0)
        moved = -mul_div_up(worth, abs(rate), RATE) if pays else mul_div(worth, abs(rate), RATE)
        exchange = w[instrument, c.EXCHANGE]
        w[exchange, c.CASH] += moved
        w[exchange, c.BALANCE] += moved
        w[c.RUN, c.FUNDING_SUM] += moved
        _share_out(w, instrument, net, moved)


def _share_out(w: Any, instrument: int, net: int, moved: int) -> None:
    """Book a settlement to the strategies that hold the instrument, by their lots; the last takes what is left."""
    left, size = abs(moved), abs(moved)
    last = -1
    for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
        if w[leg, c.INSTRUMENT] == instrument and w[leg, c.LOTS] != 0:
            part = part_of(size, abs(w[leg, c.LOTS]), abs(net))
            w[w[leg, c.STRATEGY], c.MONEY] += part if moved > 0 else -part
            left -= part
            last = w[leg, c.STRATEGY]
    if last >= 0:
        w[last, c.MONEY] += left if moved > 0 else -left
