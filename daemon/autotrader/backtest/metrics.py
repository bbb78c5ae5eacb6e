"""The figures that a backtest is judged by, from an equity curve and its closed trades.

Ratios use daily returns: the equity at the end of each UTC day over that of the day before, the first over the curve's
first point; a day without a point earned nothing. A year has 365 days, for these markets never close. There is no
risk-free rate. What is undefined is None, never NaN or infinite. tests/backtest compares with empyrical-reloaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from autotrader.backtest.overfit import Moments, deflated_sharpe, mean, moments
from autotrader.backtest.result import Curve, LegInfo, StrategyRun, Trades, units
from autotrader.core import jit
from autotrader.core.clock import DAY_MS
from autotrader.market.bars import Floats, Ints

YEAR_DAYS = 365
MAX_GROWTH = 1e9
"""Of equity in a day; beyond it the day before was as good as nothing."""

NOTHING = np.empty(0, dtype=np.float64)


class Drawdown(NamedTuple):
    """The deepest fall from a peak, a fraction of that peak over every point, and the longest time below one.

    `peak_ms` and `trough_ms` say when the deepest began and ended. A fall that never recovered lasts to the end.
    """

    depth: float
    peak_ms: int
    trough_ms: int
    longest_ms: int


class Metrics(NamedTuple):
    """How a run fared. Fractions are plain (0.05 is 5 %), money is quote units, None is undefined.

    cagr            (last / first) ^ (365 d / length) - 1; undefined for less than a day
    volatility      standard deviation (n - 1) of daily returns, times sqrt(365)
    max_drawdown    deepest fall from a peak over every point of the curve, as a positive fraction
    sharpe          mean / standard deviation (n - 1) of daily returns, times sqrt(365)
    sortino         mean / sqrt(mean(min(r, 0)^2)) of daily returns, times sqrt(365)
    calmar          cagr / max_drawdown
    win_rate        share of closed trades with a profit after fees
    profit_factor   sum of profits / sum of losses, after fees
    exposure        share of bars with a position
    *_trade         profit after fees over the money that the trade was entered for
    deflated_sharpe probability that the true Sharpe ratio is above the best of as many trials without skill; of one
                    trial: above zero (Bailey and Lopez de Prado, 2014)
    """

    bars: int
    trades: int
    start_equity: Decimal
    final_equity: Decimal
    total_return: float | None
    cagr: float | None
    volatility: float | None
    max_drawdown: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    win_rate: float | None
    profit_factor: float | None
    exposure: float
    fees: Decimal
    average_trade: float | None
    best_trade: float | None
    worst_trade: float | None
    average_win: float | None
    average_loss: float | None
    average_holding_ms: int | None
    losses_in_a_row: int
    longest_drawdown_ms: int | None
    deflated_sharpe: float | None


class Walk(NamedTuple):
    """What a curve's points tell one after the other; see `daily_equity`, `daily_returns` and `drawdown`."""

    days: Floats
    returns: Floats | None
    fall: Drawdown | None


def walk(curve: Curve) -> Walk:
    """Return what a curve's points tell."""
    ts, equity = curve
    if not len(ts):
        return Walk(NOTHING, NOTHING, None)
    first, last = int(ts[0]) // DAY_MS, -(int(ts[-1]) // -DAY_MS)
    days, returns = np.empty(last - first + 1), np.empty(last - first)
    depth, peak, trough, longest_ms, lasts = _walk()(ts, equity, days, returns)
    fall = Drawdown(depth, int(ts[peak]), int(ts[trough]), longest_ms) if equity[0] > 0.0 else None
    return Walk(days, returns if lasts else None, fall)


def daily_equity(curve: Curve) -> Floats:
    """Return the curve's first equity, then the last one known at each UTC day's end; the last day may be short.

    A point at midnight ends the day before it.
    """
    return walk(curve).days


def daily_returns(curve: Curve) -> Floats | None:
    """Return one return a UTC day; None where the equity was gone before the end, for then returns mean nothing."""
    return walk(curve).returns


def drawdown(curve: Curve) -> Drawdown | None:
    """Return the deepest and the longest fall over every point; None without a point or without money to lose."""
    return walk(curve).fall


def _walked(ts: Ints, equity: Floats, days: Floats, returns: Floats) -> tuple[float, int, int, int, bool]:
    """Write daily equity and returns; return the depth of the deepest fall, its peak and trough, the longest time, and
    whether the returns mean something. A peak's fall is measured when the next peak comes: points cost a few
    comparisons.
    """
    worst, worst_peak, worst_trough, longest = 0.0, 0, 0, 0
    peak, trough, peak_at, trough_at = equity[0], equity[0], 0, 0
    day, day_ends_ms = 0, ts[0]
    for i in range(1, len(equity)):
        value = equity[i]
        while ts[i] > day_ends_ms:
            days[day] = equity[i - 1]
            day, day_ends_ms = day + 1, (day_ends_ms // DAY_MS + 1) * DAY_MS
        if value >= peak:
            if trough < peak:
                depth = (peak - trough) / peak
                if depth > worst:
                    worst, worst_peak, worst_trough = depth, peak_at, trough_at
                longest = max(longest, ts[i] - ts[peak_at])
            peak, trough, peak_at = value, value, i
        elif value < trough:
            trough, trough_at = value, i
    if trough < peak:
        depth = (peak - trough) / peak
        if depth > worst:
            worst, worst_peak, worst_trough = depth, peak_at, trough_at
        longest = max(longest, ts[-1] - ts[peak_at])
    for left in range(day, len(days)):
        days[left] = equity[-1]
    lasts = True
    for at in range(len(returns)):
        lasts = lasts and days[at] > 0.0 and days[at + 1] <= days[at] * MAX_GROWTH
        returns[at] = days[at + 1] / days[at] - 1.0
    return worst, worst_peak, worst_trough, longest, lasts


@cache
def _walk() -> Callable[[Ints, Floats, Floats, Floats], tuple[float, int, int, int, bool]]:
    made: Callable[[Ints, Floats, Floats, Floats], tuple[float, int, int, int, bool]] = _compiled(_walked)
    return made


def cagr(curve: Curve) -> float | None:
    """Return the yearly growth that leads from the first point to the last; None for less than a day."""
    if not len(curve.ts) or not curve.equity[0] > 0.0:
        return None
    length_ms = int(curve.ts[-1] - curve.ts[0])
    growth = float(curve.equity[-1]) / float(curve.equity[0])
    if length_ms < DAY_MS or growth < 0.0:
        return None
    if growth == 0.0:
        return -1.0
    exponent = math.log(growth) * YEAR_DAYS * DAY_MS / length_ms
    return math.expm1(exponent) if exponent < 700.0 else None


def sharpe(daily: Moments | None) -> float | None:
    """Return the yearly Sharpe ratio; None without two returns that differ."""
    ratio = daily.sharpe if daily else None
    return None if ratio is None else ratio * math.sqrt(YEAR_DAYS)


def sortino(returns: Floats | None) -> float | None:
    """Return the yearly Sortino ratio against zero; None without two returns or without a loss."""
    if returns is None or len(returns) < 2:
        return None
    downside = math.sqrt(mean(np.square(np.minimum(returns, 0.0))))
    return _finite(mean(returns) / downside * math.sqrt(YEAR_DAYS)) if downside > 0.0 else None


class Shape(NamedTuple):
    """What a curve alone tells: its daily returns, their moments and Sortino ratio, its deepest fall, its growth."""

    returns: Floats | None
    daily: Moments | None
    sortino: float | None
    fall: Drawdown | None
    growth: float | None


def shape(curve: Curve) -> Shape:
    """Return what a curve alone tells; None is undefined."""
    _, returns, fall = walk(curve)
    daily = None if returns is None else moments(returns)
    return Shape(returns, daily, sortino(returns), fall, cagr(curve))


def measure(
    run: StrategyRun,
    trades: Trades,
    legs: tuple[LegInfo, ...],
    *,
    trials: int = 1,
    variance: float = 0.0,
    known: Shape | None = None,
    tallied: Tally | None = None,
) -> Metrics:
    """Return the figures of a run and its trades.

    `trials` counts every parameter set that was tried to find this one, `variance` is that of their daily Sharpe ratios
    (not annualised); both only move `deflated_sharpe`. `known` is the shape of the run's curve and
    `tallied` the tally of its trades, where they were asked for.
    """
    _, daily, downside, fall, growth = known or shape(run.curve)
    start, count = run.start_equity, len(trades.pnl)
    depth = max(fall.depth, run.drawdown) if fall else None
    tallied = tallied or tally(trades, legs)
    return Metrics(
        bars=run.bars,
        trades=count,
        start_equity=start,
        final_equity=run.final_equity,
        total_return=_finite(float(run.final_equity / start - 1)) if start > 0 else None,
        cagr=growth,
        volatility=daily.deviation * math.sqrt(YEAR_DAYS) if daily else None,
        max_drawdown=depth,
        sharpe=sharpe(daily),
        sortino=downside,
        calmar=_finite(growth / depth) if depth and growth is not None else None,
        win_rate=tallied.wins / count if count else None,
        profit_factor=tallied.gained / tallied.lost if tallied.lost else None,
        exposure=run.exposed,
        fees=run.fees,
        average_trade=(tallied.won_share + tallied.lost_share) / count if count else None,
        best_trade=tallied.best if count else None,
        worst_trade=tallied.worst if count else None,
        average_win=tallied.won_share / tallied.wins if tallied.wins else None,
        average_loss=tallied.lost_share / tallied.losses if tallied.losses else None,
        average_holding_ms=int(tallied.held_ms / count) if count else None,
        losses_in_a_row=tallied.losses_in_a_row,
        longest_drawdown_ms=fall.longest_ms if fall else None,
        deflated_sharpe=deflated_sharpe(daily, trials, variance) if daily else None,
    )


class Tally(NamedTuple):
    """Sums over trades: `gained` and `lost` in steps of cash, the `*_share` sums and extremes as fractions."""

    wins: int
    losses: int
    gained: float
    lost: float
    won_share: float
    lost_share: float
    best: float
    worst: float
    held_ms: float
    losses_in_a_row: int


def tally(trades: Trades, legs: tuple[LegInfo, ...]) -> Tally:
    """Return the sums over some trades."""
    entered = trades.in_ticks, trades.in_lots, trades.in_rest
    return Tally(*_tally()(trades.leg, trades.pnl, *entered, trades.entry_ms, trades.exit_ms, units(legs)))


def _tallied(
    leg: npt.NDArray[np.int32], pnl: Ints, ticks: Ints, lots: Ints, rest: Ints, entry_ms: Ints, exit_ms: Ints,
    unit: Floats,
) -> tuple[int, int, float, float, float, float, float, float, float, int]:  # fmt: skip
    wins, losses, gained, lost, won_share, lost_share = 0, 0, 0.0, 0.0, 0.0, 0.0
    best, worst, held_ms, row, longest = -np.inf, np.inf, 0.0, 0, 0
    for i in range(len(pnl)):
        profit = float(pnl[i])
        entered = float(ticks[i]) * float(lots[i]) + float(rest[i])  # as `Trades.entered`
        share = profit * unit[leg[i]] / entered if entered > 0 else 0.0
        best, worst = max(best, share), min(worst, share)
        held_ms += exit_ms[i] - entry_ms[i]
        row = row + 1 if profit < 0.0 else 0
        longest = max(longest, row)
        if profit > 0.0:
            wins, gained, won_share = wins + 1, gained + profit, won_share + share
        elif profit < 0.0:
            losses, lost, lost_share = losses + 1, lost - profit, lost_share + share
    return wins, losses, gained, lost, won_share, lost_share, best, worst, held_ms, longest


@cache
def _tally() -> Callable[..., tuple[int, int, float, float, float, float, float, float, float, int]]:
    tally: Callable[..., tuple[int, int, float, float, float, float, float, float, float, int]] = _compiled(_tallied)
    return tally


def _compiled(function: Callable[..., Any]) -> Any:
    return jit.outer(cast("FunctionType", function), {}, f"metrics {function.__name__}", brief=True)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
