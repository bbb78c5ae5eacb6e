"""The moving market: recorded history that stands at a moment late in it and goes on at the pace of the clock.

Times that go in and come out are the clock's; the history's own are a whole number of days away (`shift_ms`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from autotrader.core.clock import DAY_MS, HOUR_MS, Clock
from autotrader.core.errors import HistoryError
from autotrader.core.units import split_symbol, timeframe_ms
from autotrader.market.bars import divides, opening
from autotrader.market.history import History, has_events, listing
from autotrader.venues.emulator.tape import UNITS, Candle, Kline, Print, fold, joined, prints_of, told

LEFT_MS = 6 * HOUR_MS
"""What is left of the history at the least when an emulator starts."""

WEEKS_MS = 21 * DAY_MS
"""A long history is shifted by a multiple of this, so that its weeks and three-day bars stay where they belong."""

LONG_MS = 120 * DAY_MS
KEPT_BARS = 256
LOOK_BACK = 1440
_DOLLARS = frozenset({"USDT", "USDC", "USD", "BUSD", "FDUSD", "TUSD", "DAI"})


@dataclass(frozen=True, slots=True)
class Traded:
    """One symbol of the market, and what its history is made of."""

    id: str
    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_notional: Decimal
    timeframe: str
    length_ms: int

    @property
    def lot_units(self) -> int:
        """Return how many units a lot is."""
        return int(self.lot * UNITS)

    def price(self, ticks: int) -> Decimal:
        """Return ticks as an exact price."""
        return ticks * self.tick

    def quantity(self, lots: int) -> Decimal:
        """Return lots as an exact amount."""
        return lots * self.lot


class Market:
    """Every symbol of one recorded exchange whose history reaches the moment it stands at."""

    def __init__(self, data: Path, exchange: str, clock: Clock, shift_ms: int | None = None) -> None:
        """Open the history. Raises HistoryError where there is none, or none long enough to stand in."""
        self._clock, self._data, self._exchange = clock, data, exchange
        self._history = History(data, exchange)
        self._kept: OrderedDict[tuple[str, int], tuple[Print, ...]] = OrderedDict()
        spans = self._spans()
        if not spans:
            raise HistoryError(f"no candles in {data / 'candles' / exchange}; record some, or name another exchange")
        self.end_ms, self.shift_ms = _stand(spans, clock.now_ms(), shift_ms)
        moment = clock.now_ms() - self.shift_ms
        self.traded = {
            one.id: one
            for one in (
                self._traded(symbol, timeframe)
                for symbol, (timeframe, begin, end) in spans.items()
                if begin <= moment < end
            )
        }

    def now_ms(self) -> int:
        """Return the exchange's time: the clock's."""
        return self._clock.now_ms()

    @property
    def over(self) -> bool:
        """Tell whether the history has come to its end: nothing trades any more."""
        return self.now_ms() - self.shift_ms >= self.end_ms

    def prints(self, one: Traded, after_ms: int, until_ms: int) -> list[Print]:
        """Return the trades after a moment up to another, oldest first."""
        shift = self.shift_ms
        return [
            made._replace(ts_ms=made.ts_ms + shift)
            for made in self._prints(one, after_ms + 1 - shift, until_ms + 1 - shift)
        ]

    def recent(self, one: Traded, limit: int, until_ms: int) -> list[Print]:
        """Return the last trades up to a moment, oldest first; at most `limit`, and of the last bars only."""
        found: list[Print] = []
        end = until_ms
        for _ in range(LOOK_BACK):
            begin = end - one.length_ms
            found = self.prints(one, begin, end) + found
            if len(found) >= limit or begin - self.shift_ms < self._history.begin_ms(one.symbol, one.timeframe):
                break
            end = begin
        return found[-limit:]

    def last(self, one: Traded) -> Print:
        """Return the last trade up to now; before any, the last recorded close as one."""
        found = self.recent(one, 1, self.now_ms())
        if found:
            return found[0]
        moment = self.now_ms() - self.shift_ms
        bars = self._history.before(one.symbol, one.timeframe, moment, 1)
        ticks = _ticks(float(bars.close[0]), one) if len(bars.ts) else _ticks(self._first_open(one), one)
        return Print(0, self.now_ms(), ticks, one.lot_units, True)

    def klines(self, one: Traded, timeframe: str, begin_ms: int, end_ms: int, limit: int) -> list[Kline]:
        """Return the bars that open from one moment up to another, the one that still grows included, oldest first.

        At most `limit`, counted from the begin. Where nothing was recorded there is no bar.
        """
        length, now = timeframe_ms(timeframe), self.now_ms() - self.shift_ms
        begin = opening(begin_ms - self.shift_ms + length - 1, length)
        begin = max(begin, opening(self._history.begin_ms(one.symbol, one.timeframe), length))
        end = min(end_ms - self.shift_ms, now)
        made: list[Kline] = []
        growing = opening(now, length)
        if divides(one.timeframe, timeframe):
            bars = self._history.after(one.symbol, timeframe, begin, limit)
            for at in range(len(bars.ts)):
                ts = int(bars.ts[at])
                if ts > end or ts >= growing:
                    break
                row = (float(column[at]) for column in bars[1:])
                made.append(told(_candle(ts, *row, one=one), length))
            begin = max(begin, growing)
        while begin <= end and len(made) < limit:
            kline = self._fold(one, begin, min(begin + length, now + 1))
            if kline is not None:
                made.append(kline._replace(ts_ms=begin))
            begin += length
        return [kline._replace(ts_ms=kline.ts_ms + self.shift_ms) for kline in made]

    def latest(self, one: Traded, timeframe: str, limit: int, end_ms: int) -> list[Kline]:
        """Return the last bars that open at or before a moment, the one that still grows included, oldest first."""
        length = timeframe_ms(timeframe)
        end = min(end_ms, self.now_ms())
        reach = limit
        for _ in range(4):
            begin = opening(end - self.shift_ms, length) - (reach - 1) * length + self.shift_ms
            found = self.klines(one, timeframe, begin, end, reach)
            if len(found) >= limit or begin - self.shift_ms <= self._history.begin_ms(one.symbol, one.timeframe):
                break
            reach *= 4
        return found[-limit:]

    def kline(self, one: Traded, timeframe: str, open_ms: int) -> Kline | None:
        """Return one bar, as far as it has grown by now; None where nothing traded in it."""
        length, now = timeframe_ms(timeframe), self.now_ms() - self.shift_ms
        begin = open_ms - self.shift_ms
        kline = self._fold(one, begin, min(begin + length, now + 1))
        return None if kline is None else kline._replace(ts_ms=open_ms)

    def stretch(self, one: Traded, begin_ms: int, end_ms: int) -> Kline | None:
        """Return what traded from one moment up to another as one bar; None where nothing did."""
        kline = self._fold(one, begin_ms - self.shift_ms, min(end_ms, self.now_ms()) + 1 - self.shift_ms)
        return None if kline is None else kline._replace(ts_ms=begin_ms)

    def open_of(self, timeframe: str, moment_ms: int) -> int:
        """Return when the bar of a moment opens."""
        return opening(moment_ms - self.shift_ms, timeframe_ms(timeframe)) + self.shift_ms

    def mean_units(self, one: Traded) -> int:
        """Return how much trades between two trades of the market on the average, from its last day; at least a lot."""
        moment = self.now_ms() - self.shift_ms
        bars = self._history.before(one.symbol, one.timeframe, moment, max(DAY_MS // one.length_ms, 1))
        volume = float(bars.volume.mean()) if len(bars.ts) else 0.0
        return max(int(volume * UNITS) * 1000 // one.length_ms, one.lot_units)

    def _first_open(self, one: Traded) -> float:
        return float(self._history.bars(one.symbol, one.timeframe).open[0])

    def _fold(self, one: Traded, begin: int, end: int) -> Kline | None:
        """Return the bar of a stretch of the history: whole recorded bars as they are, of others the trades."""
        held: Kline | None = None
        first = opening(begin, one.length_ms)
        bars = self._history.after(one.symbol, one.timeframe, first, max((end - first) // one.length_ms + 1, 1))
        for at in range(len(bars.ts)):
            candle = _candle(int(bars.ts[at]), *(float(column[at]) for column in bars[1:]), one=one)
            if candle.ts_ms >= end:
                break
            if begin <= candle.ts_ms and candle.ts_ms + one.length_ms <= end:
                held = joined(held, told(candle, one.length_ms))
            else:
                held = joined(held, fold(self._part(one, candle, begin, end), begin))
        return held

    def _prints(self, one: Traded, begin: int, end: int) -> Iterator[Print]:
        first = opening(begin, one.length_ms)
        bars = self._history.after(one.symbol, one.timeframe, first, max((end - first) // one.length_ms + 1, 1))
        for at in range(len(bars.ts)):
            candle = _candle(int(bars.ts[at]), *(float(column[at]) for column in bars[1:]), one=one)
            if candle.ts_ms >= end:
                return
            yield from self._part(one, candle, begin, end)

    def _part(self, one: Traded, candle: Candle, begin: int, end: int) -> tuple[Print, ...]:
        """Return the trades of a bar from one moment up to, not including, another."""
        made = self._of_bar(one, candle)
        first = bisect_left(made, begin, key=lambda found: found.ts_ms)
        return made[first : bisect_left(made, end, first, key=lambda found: found.ts_ms)]

    def _of_bar(self, one: Traded, candle: Candle) -> tuple[Print, ...]:
        key = (one.id, candle.ts_ms)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = self._recorded(one, candle) or prints_of(candle, one.length_ms, one.lot_units, one.id)
        self._kept[key] = made
        while len(self._kept) > KEPT_BARS:
            self._kept.popitem(last=False)
        return made

    def _recorded(self, one: Traded, candle: Candle) -> tuple[Print, ...]:
        """Return the recorded trades of a bar; none unless they are all there, so that they make the bar."""
        if not has_events(self._data, self._exchange, one.symbol, "trades"):
            return ()
        trades = self._history.bars(one.symbol, "trades")
        first, last = (int(at) for at in np.searchsorted(trades.ts, (candle.ts_ms, candle.ts_ms + one.length_ms)))
        if not first < last <= first + one.length_ms:
            return ()
        made, before, bought = [], candle.open, True
        for at in range(first, last):
            ticks, units = _ticks(float(trades.close[at]), one), round(float(trades.volume[at]) * UNITS)
            bought = ticks > before or (ticks == before and bought)
            made.append(Print(candle.ts_ms + at - first, int(trades.ts[at]), ticks, units, bought))
            before = ticks
        bar = fold(made, candle.ts_ms)
        return tuple(made) if bar is not None and bar[:6] == candle else ()

    def _spans(self) -> dict[str, tuple[str, int, int]]:
        """Return, of each symbol, its finest timeframe and when that begins and ends."""
        finest: dict[str, str] = {}
        for one in listing(self._data):
            if one.exchange == self._exchange:
                held = finest.get(one.symbol)
                if held is None or timeframe_ms(one.timeframe) < timeframe_ms(held):
                    finest[one.symbol] = one.timeframe
        spans = {}
        for symbol, timeframe in finest.items():
            ts = self._history.bars(symbol, timeframe).ts
            spans[symbol] = (timeframe, int(ts[0]), int(ts[-1]) + timeframe_ms(timeframe))
        return spans

    def _traded(self, symbol: str, timeframe: str) -> Traded:
        base, quote = split_symbol(symbol)
        tick = self._history.tick(symbol)
        volume = self._history.bars(symbol, timeframe).volume
        places = min(_places(volume), 8 + int(tick.as_tuple().exponent))
        return Traded(
            id=base + quote,
            symbol=symbol,
            base=base,
            quote=quote,
            tick=tick,
            lot=Decimal(1).scaleb(-max(places, 0)),
            min_notional=Decimal(5) if quote in _DOLLARS else Decimal("0.0001"),
            timeframe=timeframe,
            length_ms=timeframe_ms(timeframe),
        )


def _stand(spans: dict[str, tuple[str, int, int]], now_ms: int, shift_ms: int | None) -> tuple[int, int]:
    """Return when the history ends and how far it is shifted: where most symbols trade, and late."""

    def alive(end: int) -> int:
        return sum(begin <= end - DAY_MS and stop >= end for _, begin, stop in spans.values())

    end = max((stop for _, _, stop in spans.values()), key=lambda stop: (alive(stop), stop))
    begin = min(first for _, first, stop in spans.values() if stop >= end)
    if shift_ms is not None:
        return end, shift_ms
    step = WEEKS_MS if end - begin >= LONG_MS else DAY_MS
    for left in (LEFT_MS, 0):
        shift = -(-(now_ms - end + left + 1) // step) * step
        if now_ms - shift > begin:
            return end, shift
    raise HistoryError(
        "the history is too short to stand in at this time of the day; record at least one day and six hours"
    )


def _places(volume: np.ndarray) -> int:
    """Return how many decimals recorded amounts have, eight at the most."""
    sample = volume[-1000:]
    for places in range(8):
        scaled = np.rint(sample * 10.0**places) / 10.0**places
        if (np.abs(scaled - sample) <= 1e-12 * np.maximum(sample, 1)).all():
            return places
    return 8


def _ticks(price: float, one: Traded) -> int:
    return round(price / float(one.tick)) if one.tick >= 1 else round(price * float(1 / one.tick))


def _candle(ts_ms: int, start: float, high: float, low: float, close: float, volume: float, *, one: Traded) -> Candle:
    units = round(volume * UNITS)
    return Candle(ts_ms, _ticks(start, one), _ticks(high, one), _ticks(low, one), _ticks(close, one), units)
