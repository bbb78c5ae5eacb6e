"""What a report's charts draw: curves, candles and trades, thinned to what a screen can show. Pure: plain data out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autotrader.backtest.metrics import daily_equity
from autotrader.backtest.montecarlo import PERCENTILES, MonteCarlo
from autotrader.backtest.result import REASONS, Curve, LegInfo, Result, Trades, trade_returns
from autotrader.core.clock import DAY_MS
from autotrader.core.units import DURATION_MS, timeframe_ms
from autotrader.market.bars import FIRST_MONDAY_MS, Columns, Floats, Ints

MAX_BUCKETS = 700
"""Stretches of a curve; each shows its lowest and its highest point, so that no fall is smoothed away."""

MAX_LINES = 12
MAX_CANDLES = 2_000
ALL_CANDLES = 8_000
"""Candles of one market, and of all of them together."""

MAX_MARKETS = 40
MAX_TRADES = 4_000
CLOSE_UPS = 30
"""So many of the best, of the worst and of the newest trades carry the bars around them."""

CLOSE_UP_BARS = 110
MAX_BINS = 41

_WIDTHS = "1s 5s 15s 30s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 2d 1w 2w 4w 13w 52w"
_WIDTHS_MS = tuple(timeframe_ms(width) for width in _WIDTHS.split())


def thinned(curve: Curve) -> Curve:
    """Return the lowest and the highest point of each of MAX_BUCKETS stretches, and the ends; in order of time."""
    count = len(curve.ts)
    if count <= 2 * MAX_BUCKETS:
        return curve
    length = -(-count // MAX_BUCKETS)
    kept = {0, count - 1}
    for begin in range(0, count, length):
        part = curve.equity[begin : begin + length]
        kept |= {begin + int(part.argmin()), begin + int(part.argmax())}
    at = np.array(sorted(kept))
    return Curve(curve.ts[at], curve.equity[at])


def underwater(curve: Curve) -> Curve:
    """Return how far each point lies below the highest before it, as a fraction of that, zero or negative."""
    peak = np.maximum.accumulate(curve.equity) if len(curve.equity) else curve.equity
    fall: Floats = np.divide(curve.equity, peak, out=np.ones(len(peak)), where=peak > 0.0)
    return Curve(curve.ts, fall - 1.0)


def line(name: str, curve: Curve, *, whole: bool = False, **more: Any) -> dict[str, Any]:
    """Return a named curve for the chart; `whole` marks the account among its strategies."""
    shown = thinned(curve)
    return {"name": name, "ts": shown.ts.tolist(), "y": shown.equity.tolist(), "whole": whole, **more}


def rebased(curve: Curve) -> Curve:
    """Return a curve that begins at 100; empty where there is nothing to begin with."""
    if not len(curve.ts) or not curve.equity[0] > 0.0:
        return Curve(curve.ts[:0], curve.equity[:0])
    return Curve(curve.ts, curve.equity * (100.0 / curve.equity[0]))


def equity_lines(result: Result, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the account's equity; with several strategies theirs too, all from 100. `names` calls special lines."""
    whole = result.portfolio.curve
    if len(result.strategies) < 2:
        lines = [line(names["equity"], whole, whole=True)]
        held = benchmark(result, thinned(whole))
        scale = float(whole.equity[0]) / 100.0 if len(whole.ts) else 1.0
        held = held and held._replace(equity=held.equity * scale)
    else:
        lines = [line(names["portfolio"], rebased(whole), whole=True)]
        lines += [line(run.name, rebased(run.curve)) for run in result.strategies[: MAX_LINES - 1]]
        held = benchmark(result, thinned(whole))
    return [*lines, line(names["hold"], held, hold=True)] if held else lines


def benchmark(result: Result, at: Curve) -> Curve | None:
    """Return what equal shares of every market would have become from 100, bought at the start and held; no costs.

    A market that begins later is bought at its first bar. None where no bars are known.
    """
    markets = {(leg.exchange, leg.symbol): index for index, leg in enumerate(result.legs) if index in result.bars}
    grown = [
        _held(result.bars[index], timeframe_ms(result.legs[index].timeframe), at.ts)
        for index in markets.values()
        if len(result.bars[index].ts)
    ]
    return Curve(at.ts, 100.0 * np.mean(grown, axis=0)) if grown and len(at.ts) else None


def _held(bars: Columns, length_ms: int, at: Ints) -> Floats:
    """Return the price at some moments over the first one's: the last close known there, before any the first open."""
    row = np.searchsorted(bars.ts + length_ms, at, side="right") - 1
    begin = max(0, int(row[0])) if len(row) else 0
    grown: Floats = np.where(row < 0, bars.open[0], bars.close[np.maximum(row, 0)])
    base = float(bars.close[begin] if len(row) and row[0] >= 0 else bars.open[0])
    return np.divide(grown, base)


class Month(NamedTuple):
    """What a calendar month (UTC) returned, as a fraction."""

    year: int
    month: int
    gain: float


def monthly(curve: Curve) -> list[Month]:
    """Return each month's return from day-end equities; none where the equity was gone before the end."""
    days = daily_equity(curve)
    if len(days) < 2 or not np.all(days[:-1] > 0.0):
        return []
    first = int(curve.ts[0]) // DAY_MS
    months = (first + np.arange(len(days) - 1)).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    ends = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    values = np.concatenate((days[:1], days[1:][ends]))
    gains = values[1:] / values[:-1] - 1.0
    return [
        Month(1970 + number // 12, number % 12 + 1, gain)
        for number, gain in zip(months[ends].tolist(), gains.tolist(), strict=True)
    ]


def coarser(bars: Columns, most: int, shortest_ms: int) -> tuple[Columns, int]:
    """Return bars folded to at most about `most`, and their width in ms; a width is one that charts usually have."""
    if len(bars.ts) <= most:
        return bars, shortest_ms
    span = int(bars.ts[-1] - bars.ts[0]) + shortest_ms
    wide = [width for width in _WIDTHS_MS if width >= shortest_ms and width % shortest_ms == 0]
    width = next((width for width in wide if span <= width * most), -(-span // most // shortest_ms) * shortest_ms)
    return fold(bars, width), width


def fold(bars: Columns, width_ms: int) -> Columns:
    """Return bars folded to a width; the last may be incomplete."""
    origin = FIRST_MONDAY_MS if width_ms % DURATION_MS["w"] == 0 else 0
    opens = bars.ts - (bars.ts - origin) % width_ms
    first = np.flatnonzero(np.concatenate(([True], opens[1:] != opens[:-1])))
    last = np.append(first[1:], len(opens)) - 1
    return Columns(
        opens[first],
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        np.add.reduceat(bars.volume, first),
    )


def candles(result: Result) -> list[dict[str, Any]]:
    """Return the markets' candles, the most traded first; at most ALL_CANDLES of at most MAX_MARKETS legs."""
    counts = np.bincount(result.trades.leg, minlength=len(result.legs))
    shown = sorted((i for i in result.bars if len(result.bars[i].ts)), key=lambda i: (-int(counts[i]), i))[:MAX_MARKETS]
    most = min(MAX_CANDLES, ALL_CANDLES // max(1, len(shown)))
    return [_market(index, result.legs[index], result.bars[index], most) for index in shown]


def _market(index: int, leg: LegInfo, bars: Columns, most: int) -> dict[str, Any]:
    made, width = coarser(bars, most, timeframe_ms(leg.timeframe))
    return {"leg": index, "width": width, "places": _places(leg), **_ohlc(made)}


def _ohlc(bars: Columns) -> dict[str, Any]:
    names = ("ts", "open", "high", "low", "close")
    return {name[0]: getattr(bars, name).tolist() for name in names}


def _places(leg: LegInfo) -> int:
    return max(0, -int(leg.tick.as_tuple().exponent))


def trade_list(result: Result) -> dict[str, Any]:
    """Return the newest MAX_TRADES trades as columns, newest first, with close-ups of the most telling ones."""
    trades, legs = result.trades, result.legs
    total = len(trades.pnl)
    shown = np.arange(total - 1, max(-1, total - 1 - MAX_TRADES), -1)
    some, gains = trades.at(shown), trade_returns(legs, trades)[shown]
    tick, lot, cash = (np.array([float(getattr(leg, key)) for leg in legs]) for key in ("tick", "lot", "cash"))
    price_in = np.divide(some.entered(), some.in_lots, out=np.zeros(len(shown)), where=some.in_lots > 0)
    price_out = np.divide(some.left(), some.out_lots, out=np.zeros(len(shown)), where=some.out_lots > 0)
    return {
        "total": total,
        "n": (shown + 1).tolist(),
        "leg": some.leg.tolist(),
        "side": some.side.tolist(),
        "entry": some.entry_ms.tolist(),
        "exit": some.exit_ms.tolist(),
        "entry_price": _cut(price_in * tick[some.leg]) if total else [],
        "exit_price": _cut(price_out * tick[some.leg]) if total else [],
        "amount": _cut(some.in_lots * lot[some.leg]) if total else [],
        "fees": _cut(some.fees * cash[some.leg]) if total else [],
        "pnl": _cut(some.pnl * cash[some.leg]) if total else [],
        "gain": _cut(gains),
        "reason": some.reason.tolist(),
        "close_ups": _close_ups(result, some, gains),
    }


def _cut(values: Floats) -> list[float]:
    """Return numbers to ten digits: what a screen shows, in half the bytes."""
    return [float(f"{value:.10g}") for value in values.tolist()]


def _close_ups(result: Result, trades: Trades, gains: Floats) -> dict[str, Any]:
    order = np.argsort(gains, kind="stable")
    wanted = {*order[:CLOSE_UPS].tolist(), *order[-CLOSE_UPS:].tolist(), *range(min(CLOSE_UPS, len(gains)))}
    found = {}
    for row in sorted(wanted):
        leg = int(trades.leg[row])
        if leg in result.bars:
            seen = _around(result.bars[leg], result.legs[leg], int(trades.entry_ms[row]), int(trades.exit_ms[row]))
            if seen is not None:
                found[str(row)] = seen
    return found


def _around(bars: Columns, leg: LegInfo, entry_ms: int, exit_ms: int) -> dict[str, Any] | None:
    """Return the bars of a trade and some before and after it, folded where they are many."""
    begin, end = np.searchsorted(bars.ts, [entry_ms, exit_ms], side="right")
    pad = max(20, int(end - begin) // 3)
    part = bars.part(max(0, int(begin) - pad), min(len(bars.ts), int(end) + pad))
    if not len(part.ts):
        return None
    made, width = coarser(part, CLOSE_UP_BARS, timeframe_ms(leg.timeframe))
    return {"width": width, **_ohlc(made)}


def histogram(gains: Floats) -> dict[str, Any]:
    """Return how many trades fell into each of a number of equal steps of return; a step begins at zero.

    The outermost 0.5 % on each side are counted into the outermost steps, so that one outlier does not hide the rest.
    """
    if not len(gains):
        return {"edges": [], "counts": []}
    low, high = (float(value) for value in np.quantile(gains, [0.005, 0.995]))
    low, high = min(low, 0.0), max(high, 0.0)
    step = _round_step((high - low) / min(MAX_BINS - 2, max(14, int(3 * len(gains) ** 0.5)))) if high > low else 0.01
    first, last = int(np.floor(low / step)), int(np.floor(high / step)) + 1
    bins = np.clip(np.floor(gains / step).astype(np.int64), first, last - 1) - first
    counts = np.bincount(bins, minlength=last - first)
    return {"edges": [float(f"{i * step:.6g}") for i in range(first, last + 1)], "counts": counts.tolist()}


def _round_step(raw: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least `raw`."""
    power = 10.0 ** np.floor(np.log10(max(raw, 1e-9)))
    return float(next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9)))


def fan(found: MonteCarlo) -> dict[str, Any]:
    """Return a Monte Carlo's fan for the chart."""
    return {"at": found.at.tolist(), "percentiles": list(PERCENTILES), "rows": found.fan.tolist(), "start": found.start}


def legs(result: Result) -> list[dict[str, str]]:
    """Return what each leg is called."""
    return [leg._asdict() | {"tick": str(leg.tick), "lot": str(leg.lot), "cash": str(leg.cash)} for leg in result.legs]


def reasons(words: Sequence[str]) -> dict[str, Any]:
    """Return the codes of reasons beside the words for them."""
    return {"codes": [str(reason) for reason in REASONS], "words": list(words)}
