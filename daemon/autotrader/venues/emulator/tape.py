"""The trades between two recorded moments: derived from a bar, so that the bar can be rebuilt from them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

PRINT_EVERY_MS = 1000
MAX_PRINTS = 3600
"""A bar is told by one trade a second, and by so many at most."""

UNITS = 10**8
"""Amounts are counted in hundred-millionths of the base currency."""


class Print(NamedTuple):
    """A public trade: price in ticks, amount in units, whether the taker bought."""

    id: int
    ts_ms: int
    ticks: int
    units: int
    bought: bool


class Candle(NamedTuple):
    """A bar in whole numbers: its opening time, prices in ticks, volume in units."""

    ts_ms: int
    open: int
    high: int
    low: int
    close: int
    units: int


class Kline(NamedTuple):
    """What Binance tells of a bar: prices in ticks, volumes in units, the taker's buys among them.

    `value` and `bought_value` are the sums of ticks times units.
    """

    ts_ms: int
    open: int
    high: int
    low: int
    close: int
    units: int
    value: int
    trades: int
    bought_units: int
    bought_value: int
    first_id: int
    last_id: int


def prints_of(candle: Candle, length_ms: int, lot_units: int, seed: str) -> tuple[Print, ...]:
    """Return the trades that a bar stands for, in order of time; the same bar and seed give the same trades.

    The price goes from the open to the nearer extreme for its direction (the low of a bar that rises), to the other
    one, to the close. The amounts sum to the bar's volume. A bar without volume has no trades.
    """
    count = min(max(length_ms // PRINT_EVERY_MS, 4), MAX_PRINTS, candle.units)
    if count <= 0:
        return ()
    draw = random.Random(f"{seed}:{candle.ts_ms}")  # noqa: S311 - a market, no secret
    path = _path(candle, count, draw)
    amounts = _amounts(candle.units, count, lot_units, draw)
    made, before = [], candle.open
    for at, (ticks, units) in enumerate(zip(path, amounts, strict=True)):
        begin, end = at * length_ms // count, (at + 1) * length_ms // count
        bought = ticks > before or (ticks == before and draw.random() < 0.5)
        moment = candle.ts_ms + begin + int(draw.random() * (end - begin))
        made.append(Print(candle.ts_ms + at, moment, ticks, units, bought))
        before = ticks
    return tuple(made)


def _path(candle: Candle, count: int, draw: random.Random) -> list[int]:
    rising = candle.close >= candle.open
    middle = (candle.low, candle.high) if rising else (candle.high, candle.low)
    turns = [
        (0, candle.open),
        (count // 3 or 1, middle[0]),
        (2 * count // 3 or 2, middle[1]),
        (count - 1, candle.close),
    ]
    if count < len(turns):
        return [ticks for _, ticks in turns][:count]
    swing = (candle.high - candle.low) // 10
    path = []
    for (start, begin), (stop, end) in itertools.pairwise(turns):
        for at in range(start, stop):
            noise = int((2 * draw.random() - 1) * swing) if at > start else 0
            ticks = begin + (end - begin) * (at - start) // (stop - start) + noise
            path.append(min(max(ticks, candle.low), candle.high))
    return [*path, candle.close]


def _amounts(units: int, count: int, lot_units: int, draw: random.Random) -> list[int]:
    step = lot_units if units % lot_units == 0 and units // lot_units >= count else 1
    whole = units // step
    weights = [1 + int(draw.random() * 100) for _ in range(count)]
    spread, total = whole - count, sum(weights)
    parts = [1 + spread * weight // total for weight in weights]
    parts[count // 2] += whole - sum(parts)
    return [part * step for part in parts]


def fold(prints: Sequence[Print], ts_ms: int) -> Kline | None:
    """Return the bar that some trades make; None where there is none."""
    if not prints:
        return None
    ticks = [one.ticks for one in prints]
    bought = [one for one in prints if one.bought]
    return Kline(
        ts_ms,
        ticks[0],
        max(ticks),
        min(ticks),
        ticks[-1],
        sum(one.units for one in prints),
        sum(one.ticks * one.units for one in prints),
        len(prints),
        sum(one.units for one in bought),
        sum(one.ticks * one.units for one in bought),
        prints[0].id,
        prints[-1].id,
    )


def joined(first: Kline | None, then: Kline | None) -> Kline | None:
    """Return two bars, one after the other, as one."""
    if first is None or then is None:
        return first or then
    return Kline(
        first.ts_ms,
        first.open,
        max(first.high, then.high),
        min(first.low, then.low),
        then.close,
        first.units + then.units,
        first.value + then.value,
        first.trades + then.trades,
        first.bought_units + then.bought_units,
        first.bought_value + then.bought_value,
        first.first_id,
        then.last_id,
    )


def told(candle: Candle, length_ms: int) -> Kline:
    """Return a recorded bar as Binance tells one: what is not recorded is estimated from it."""
    count = min(max(length_ms // PRINT_EVERY_MS, 4), MAX_PRINTS, candle.units)
    value = candle.units * (candle.open + candle.high + candle.low + candle.close) // 4
    half = (candle.units // 2, value // 2)
    first = candle.ts_ms
    return Kline(*candle, value, count, *half, first, first + max(count - 1, 0))


def amount(units: int) -> Decimal:
    """Return units as an exact amount."""
    return Decimal(units).scaleb(-8)
