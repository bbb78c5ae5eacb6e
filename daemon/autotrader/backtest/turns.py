"""What a moment may call for besides a step: compiled apart from the loop, once for every plan there will ever be.

Each takes bare tables and lines (see `core.memory`) and whole numbers, and returns 0 where it has nothing to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import FunctionType
from typing import Any

from autotrader.backtest import world as c
from autotrader.backtest.book import end_stale_entries
from autotrader.backtest.decide import consider, leave_all, look_after, send, wish
from autotrader.backtest.gate import equity_of, own_equity, own_profit
from autotrader.backtest.happen import happen
from autotrader.backtest.meet import close_bar, open_bars
from autotrader.core import jit, memory
from autotrader.core.clock import DAY_MS
from autotrader.market.fills import RATE, cost, in_ticks, mul_div, mul_div_up, part_of
from autotrader.risk.breakers import LossBounds, Marks, least_loss, marked
from autotrader.risk.limits import NONE

Shape = tuple[tuple[int, int], ...]

KEY = "turn"
"""Of the kept machine code."""

HAIR = 1e-4
"""Quote units: nearer than this to a loss limit, the equity is asked for exactly instead of as a float."""


def closed(
    w: Any, f: Any, lists: Any, fills: Any, trades: Any, losses: Any, series: int, open_: int, high: int, low: int,
    close: int, bar_ms: int,
) -> int:  # fmt: skip
    """Let a bar that closes meet the orders and positions of its legs."""
    close_bar(w, f, lists, fills, trades, losses, series, open_, high, low, close, bar_ms)
    return 0


def opened(w: Any, f: Any, queue: Any, fills: Any, trades: Any, losses: Any, opens: Any) -> int:
    """Let the bars that open now meet orders, then positions; `opens` holds their opens by series."""
    open_bars(w, f, queue, fills, trades, losses, opens)
    if w[c.RUN, c.STALE_ENTRIES] > 0:
        end_stale_entries(w)
    return 0


def heard(w: Any) -> int:
    """Let the daemon hear of exits: it cancels the entries that they left without a position."""
    end_stale_entries(w)
    return 0


def considered(w: Any, f: Any, staged: Any, recent: Any, leg: int, atr: float) -> int:
    """Turn what a step wants of a leg into orders."""
    consider(w, f, staged, recent, leg, atr)
    return 0


def cared(w: Any, f: Any, staged: Any, recent: Any, leg: int) -> int:
    """Go on with what a leg has under way."""
    look_after(w, f, staged, recent, leg)
    return 0


def happened(
    w: Any, f: Any, lists: Any, bars: Any, queue: Any, fills: Any, trades: Any, losses: Any, series: int, buy: int,
    sell: int,
) -> int:  # fmt: skip
    """Let an event of a feed meet the orders and positions of its legs."""
    happen(w, f, lists, bars, queue, fills, trades, losses, series, buy, sell)
    return 0


def wished(w: Any, f: Any, staged: Any, recent: Any, part: int) -> int:
    """Turn what a step wishes by slot into orders."""
    wish(w, f, staged, recent, part)
    return 0


def sent(w: Any, f: Any, queue: Any, staged: Any) -> int:
    """Send what a moment staged."""
    send(w, f, queue, staged)
    return 0


def watched(w: Any, f: Any, staged: Any, recent: Any) -> int:
    """Show the loss locks the exact equity, and those of strategies their profit; a breach may close what is theirs."""
    equity = 0
    for exchange in range(w[c.RUN, c.FIRST_EXCHANGE], w[c.RUN, c.FIRST_EXCHANGE] + w[c.RUN, c.EXCHANGES]):
        equity += equity_of(w, f, exchange)
    _follow(w, f, staged, recent, c.RUN, equity, equity)
    _note_unmoved(w, f)
    if w[c.RUN, c.OWN_LOSS_BOUNDS] == 1:
        for strategy in range(w[c.RUN, c.FIRST_STRATEGY], w[c.RUN, c.FIRST_STRATEGY] + w[c.RUN, c.STRATEGIES]):
            if w[strategy, c.HAS_LOSS_BOUNDS] == 1:
                profit, mine = own_profit(w, f, strategy), own_equity(w, f, strategy)
                _follow(w, f, staged, recent, strategy, profit, mine)
        f[c.RUN, c.UNMOVED_BELOW] = math.inf  # the whole tells nothing of one strategy: each moment is looked at
    return 0


def _follow(w: Any, f: Any, staged: Any, recent: Any, row: int, value: int, equity: int) -> None:
    """Show the breakers of the run, or of a strategy, a new value (see `risk.breakers.marked`)."""
    before = Marks(w[row, c.DAY], w[row, c.DAY_START], w[row, c.PEAK], w[row, c.LOSS_DAY], w[row, c.LOCKED])
    after = marked(before, _loss_bounds(w, row), w[c.RUN, c.NOW_MS], value, equity)
    w[row, c.DAY], w[row, c.DAY_START], w[row, c.PEAK] = after.day, after.day_start, after.peak
    w[row, c.LOSS_DAY], w[row, c.LOCKED] = after.loss_day, after.locked
    if after.locked != before.locked:
        w[row, c.LOCKED_AT_MS] = w[c.RUN, c.NOW_MS]
    tripped = after.loss_day != before.loss_day or after.locked != before.locked
    if tripped and w[row, c.CLOSE_ON_BREACH] == 1:
        leave_all(w, f, staged, recent, row)


def _loss_bounds(w: Any, row: int) -> LossBounds:
    at = c.LOSS_BOUND_0
    return LossBounds(w[row, at], w[row, at + 1], w[row, at + 2], w[row, at + 3])


def _note_unmoved(w: Any, f: Any) -> None:
    """Note between which equities, and until when, the account's loss locks need not be shown one."""
    bounds = _loss_bounds(w, c.RUN)
    w[c.RUN, c.UNMOVED_UNTIL_MS] = (w[c.RUN, c.DAY] + 1) * DAY_MS
    f[c.RUN, c.UNMOVED_ABOVE] = w[c.RUN, c.PEAK] * 1e-8 - HAIR
    below = -math.inf
    daily = least_loss(bounds.daily_amount, bounds.daily_share, w[c.RUN, c.DAY_START])
    if daily != NONE and w[c.RUN, c.LOSS_DAY] != w[c.RUN, c.DAY]:
        below = (w[c.RUN, c.DAY_START] - daily) * 1e-8 + HAIR
    deepest = least_loss(bounds.drawdown_amount, bounds.drawdown_share, w[c.RUN, c.PEAK])
    if deepest != NONE and w[c.RUN, c.LOCKED] == 0:
        below = max(below, (w[c.RUN, c.PEAK] - deepest) * 1e-8 + HAIR)
    f[c.RUN, c.UNMOVED_BELOW] = below


def next_settlement(w: Any, funding: Any) -> int:
    """Return when the next settlement of what is held falls due; MS_MAX if none does."""
    next_ms = c.MS_MAX
    for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
        if w[leg, c.LOTS] != 0:
            instrument = w[leg, c.INSTRUMENT]
            _skip(w, funding, instrument, w[c.RUN, c.NOW_MS])
            if w[instrument, c.FUNDING_AT] < w[instrument, c.FUNDING_STOP]:
                next_ms = min(next_ms, funding[w[instrument, c.FUNDING_AT], 0])
    return next_ms


def settled(w: Any, f: Any, funding: Any) -> int:
    """Let settlements that fall due move money: longs pay shorts the rate, on the last close."""
    now_ms = w[c.RUN, c.NOW_MS]
    for instrument in range(w[c.RUN, c.FIRST_INSTRUMENT], w[c.RUN, c.FIRST_INSTRUMENT] + w[c.RUN, c.INSTRUMENTS]):
        _skip(w, funding, instrument, now_ms - 1)
        at = w[instrument, c.FUNDING_AT]
        if at < w[instrument, c.FUNDING_STOP] and funding[at, 0] == now_ms:
            _settle(w, f, instrument, funding[at, 1])
    return 0


def _skip(w: Any, funding: Any, instrument: int, until_ms: int) -> None:
    at = w[instrument, c.FUNDING_AT]
    while at < w[instrument, c.FUNDING_STOP] and funding[at, 0] <= until_ms:
        at += 1
    w[instrument, c.FUNDING_AT] = at


def _settle(w: Any, f: Any, instrument: int, rate: int) -> None:
    net = 0
    series = 0
    for leg in range(w[c.RUN, c.FIRST_LEG], w[c.RUN, c.FIRST_LEG] + w[c.RUN, c.LEGS]):
        if w[leg, c.INSTRUMENT] == instrument and w[leg, c.LOTS] != 0:
            net += w[leg, c.LOTS]
            series = max(series, w[leg, c.MATCH])  # the shortest bars know the latest close
    if net == 0 or rate == 0:
        return
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


def compiled(shape: Shape = (), told: Callable[[float], None] | None = None) -> dict[str, Any]:
    """Return every turn as machine code, by name, for runs of a shape (see `world.shape_of`).

    That takes seconds once after an installation; only then `told` hears how far it is, 0 to 1, and when it is done.
    """
    turns = _arguments(shape)
    silent = told is None or all(jit.is_kept(one, _key(shape)) for one in turns)
    made = {}
    for place, one in enumerate(turns):
        if told is not None and not silent:
            told(place / len(turns))
        made[one.__name__] = _turn(one, shape)
    return made | {one.__name__: uncalled for one in (_NEVER if shape else ())}


def uncalled(*_arguments: Any) -> int:
    """Stand where a turn is that runs of a shape never come to."""
    return 0


_NEVER = (happened, wished, next_settlement, settled)
"""The turns of feeds, slots and funding, which no run of a known shape has."""


def _key(shape: Shape) -> str:
    return f"{KEY} {shape}" if shape else KEY


@cache
def _turn(one: FunctionType, shape: Shape) -> Any:
    from numba.core import types

    return jit.external(one, types.int64, _arguments(shape)[one], memory.compiled, _key(shape))


@cache
def _arguments(shape: Shape) -> Mapping[FunctionType, Sequence[Any]]:
    """Return every turn that runs of a shape may come to, with the types of its arguments."""
    from numba.core import types

    whole, real, kinds = types.int64, types.float64, memory.kinds()
    w, f = kinds.Table(whole, c.WIDTH, shape), kinds.Table(real, c.FLOAT_WIDTH)
    queue, funding = kinds.Table(whole, c.QUEUE_WIDTH), kinds.Table(whole, 2)
    fills, trades = kinds.Table(whole, c.FILL_WIDTH), kinds.Table(whole, c.TRADE_WIDTH)
    line, floats = kinds.Line(whole, 1), kinds.Line(real, 1)
    arguments: dict[Any, Sequence[Any]] = {
        closed: (w, f, line, fills, trades, line, *[whole] * 6),
        opened: (w, f, queue, fills, trades, line, floats),
        heard: (w,),
        considered: (w, f, line, line, whole, real),
        cared: (w, f, line, line, whole),
        sent: (w, f, queue, line),
        happened: (w, f, line, line, queue, fills, trades, line, whole, whole, whole),
        wished: (w, f, line, line, whole),
        watched: (w, f, line, line),
        next_settlement: (w, funding),
        settled: (w, f, funding),
    }
    return {one: types for one, types in arguments.items() if not (shape and one in _NEVER)}
