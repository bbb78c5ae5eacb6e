"""Recorded history: Parquet candles, events and funding rates, as CONTRACT's "History on disk" lays them out."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from autotrader.core.errors import HistoryError
from autotrader.core.units import FEEDS, split_symbol, timeframe_ms
from autotrader.market import events
from autotrader.market.bars import Columns, Floats, Funding, Ints, aggregate, divides, opening
from autotrader.market.book import Levels, Prints, no_prints
from autotrader.market.book_file import read_book, read_prints
from autotrader.market.parquet import MAX_ROWS, demand, event_ms, floats, ints, read

CACHE_BYTES = 512 * 1024**2
"""Series kept in memory, and as much of levels; the one that was longest unused is read again when it is wanted."""

MAX_DECIMALS = 8
MAX_PRICE_TICKS = 10**10
"""A history's prices are counted with at most so many decimals, and at most so many ticks: noise ends there."""

_FILE = re.compile(r"([1-9]\d{0,3}[smhdw])(?:-[^/]+)?\.parquet")
_EVENTS: Mapping[str, tuple[str, ...]] = {
    "trades": ("price", "amount"),
    "quotes": ("bid", "bid_size", "ask", "ask_size"),
    "book": ("price", "amount"),
}
"""The recorded feeds and their numbers."""


class Told(NamedTuple):
    """What the events of a feed offer, and the trades between those of a book."""

    levels: Levels
    prints: Prints


_Arrays = TypeVar("_Arrays", Columns, Told)

_CANDLE_FIELDS = ("open", "high", "low", "close", "volume")


class Recorded(NamedTuple):
    """One recorded series: who traded what, in bars of which length, and its files."""

    exchange: str
    symbol: str
    timeframe: str
    files: tuple[Path, ...]


def listing(data: Path) -> tuple[Recorded, ...]:
    """Return every recorded series under a data folder, sorted; from file names alone, nothing is opened."""
    found = []
    for exchange in _folders(data / "candles"):
        for pair in _folders(exchange):
            symbol = pair.name.replace("-", "/", 1)
            for timeframe, files in _timeframes(pair).items():
                found.append(Recorded(exchange.name, symbol, timeframe, files))
    return tuple(found)


def source_timeframe(data: Path, exchange: str, symbol: str, timeframe: str) -> str | None:
    """Return the recorded timeframe that serves a wanted one: itself, else the longest that divides it, else None.

    From file names alone, cheap enough for `check`.
    """
    stored = _timeframes(_pair_folder(data, exchange, symbol))
    fitting = [name for name in stored if divides(name, timeframe)]
    return max(fitting, key=timeframe_ms, default=None)


def has_events(data: Path, exchange: str, symbol: str, feed: str) -> bool:
    """Tell whether the events of a feed are recorded; from file names alone."""
    return feed in _EVENTS and _event_file(data, exchange, symbol, feed).is_file()


class History:
    """One exchange's recorded candles as a BarSource; safe to be asked from several threads."""

    def __init__(self, data: Path, exchange: str) -> None:
        self._data, self._exchange = data, exchange
        self._cache: OrderedDict[tuple[str, str], Columns] = OrderedDict()
        self._told: OrderedDict[tuple[str, str], Told] = OrderedDict()
        self._ticks: dict[str, Decimal] = {}
        self._lock = threading.Lock()  # held for the cache only, never while a file is read

    def __reduce__(self) -> tuple[type[History], tuple[Path, str]]:
        return History, (self._data, self._exchange)  # another process reads the same files itself

    @property
    def fingerprint(self) -> str:
        return f"replay:{self._exchange}"

    def symbols(self) -> tuple[str, ...]:
        found = {folder.name for folder in _folders(self._data / "candles" / self._exchange) if _timeframes(folder)}
        for feed in _EVENTS:
            found |= {path.stem for path in (self._data / feed / self._exchange).glob("*-*.parquet")}
        return tuple(name.replace("-", "/", 1) for name in sorted(found))

    def tick(self, symbol: str) -> Decimal:
        """Return the step of the history's own decimals: the finest of its timeframes, without those of its events."""
        if symbol not in self._ticks:
            stored, feeds = self._stored(symbol), self._feeds(symbol)
            if not stored and not feeds:
                raise self._unknown(symbol)
            held = [self.bars(symbol, timeframe) for timeframe in stored]
            # a book is long to read, and its prices are those of its trades and quotes
            held = held or [self._raw(symbol, feed) for feed in feeds if feed != "book" or len(feeds) == 1]
            places = max(decimals(one) for one in held)
            self._ticks[symbol] = Decimal(1).scaleb(-places)
        return self._ticks[symbol]

    def begin_ms(self, symbol: str, timeframe: str) -> int:
        return int(self.bars(symbol, timeframe).ts[0])

    def after(self, symbol: str, timeframe: str, start_ms: int, limit: int) -> Columns:
        bars = self.bars(symbol, timeframe)
        first = int(np.searchsorted(bars.ts, start_ms))
        return bars.part(first, first + limit)

    def before(self, symbol: str, timeframe: str, end_ms: int, limit: int) -> Columns:
        bars = self.bars(symbol, timeframe)
        stop = int(np.searchsorted(bars.ts, end_ms - timeframe_ms(timeframe), side="right"))
        return bars.part(max(stop - limit, 0), stop)

    def levels(self, symbol: str, feed: str, start_ms: int, limit: int) -> Levels:
        told = self._feed(symbol, feed).levels
        first = int(np.searchsorted(told.ts, start_ms))
        return told.part(first, first + limit)

    def prints(self, symbol: str, feed: str, start_ms: int, limit: int) -> Prints:
        told = self._feed(symbol, feed)
        first = int(np.searchsorted(told.levels.ts, start_ms))
        return told.prints.part(first, min(first + limit, len(told.levels.ts)))

    def funding(self, symbol: str) -> Funding:
        """Return the recorded rates; none where the exchange has no file for the symbol."""
        base, quote = split_symbol(symbol)
        path = self._data / "funding" / self._exchange / f"{base}-{quote}.parquet"
        if not path.is_file():
            return Funding(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))
        table = read(path, ("rate",))
        ts, rate = ints(table), floats(table, "rate")
        if not np.isfinite(rate).all() or (np.diff(ts) <= 0).any():
            raise HistoryError(f"{path}: funding times must increase and rates be numbers; remove the faulty rows")
        return Funding(ts, rate)

    def bars(self, symbol: str, timeframe: str) -> Columns:
        """Return all bars of a series, made from a shorter one where it is not recorded itself.

        Of a feed each row is one event, in the order of the recording (see `market.events`).
        """
        key = (symbol, timeframe)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        if timeframe in FEEDS:
            made = self._events(symbol, timeframe)
            self._keep(self._cache, key, made)
            return made
        stored = self._stored(symbol)
        if not stored:
            raise self._unknown(symbol)
        base = source_timeframe(self._data, self._exchange, symbol, timeframe)
        if base is None:
            raise HistoryError(
                f"{self._exchange} {symbol}: {timeframe} bars cannot be made from the recorded ones "
                f"({', '.join(sorted(stored, key=timeframe_ms))}); choose a multiple of one of them"
            )
        made = _load(stored[base], base) if base == timeframe else aggregate(self.bars(symbol, base), base, timeframe)
        if not len(made.ts):
            raise HistoryError(f"{self._exchange} {symbol}: the history holds no complete {timeframe} bar")
        self._keep(self._cache, key, made)
        return made

    def _keep(self, cache: OrderedDict[tuple[str, str], _Arrays], key: tuple[str, str], made: _Arrays) -> None:
        with self._lock:
            cache[key] = made
            while len(cache) > 1 and sum(_bytes(held) for held in cache.values()) > CACHE_BYTES:
                cache.popitem(last=False)

    def _stored(self, symbol: str) -> dict[str, tuple[Path, ...]]:
        return _timeframes(_pair_folder(self._data, self._exchange, symbol))

    def _unknown(self, symbol: str) -> HistoryError:
        folder, known = _pair_folder(self._data, self._exchange, symbol), ", ".join(self.symbols()) or "nothing"
        return HistoryError(f"no candles of {symbol} in {folder}; recorded for {self._exchange}: {known}")

    def _feeds(self, symbol: str) -> list[str]:
        return [feed for feed in _EVENTS if has_events(self._data, self._exchange, symbol, feed)]

    def _events(self, symbol: str, feed: str) -> Columns:
        raw = self._raw(symbol, feed)
        return raw if feed == "trades" else events.of_quotes(raw.ts, raw.low, raw.high, float(1 / self.tick(symbol)))

    def _raw(self, symbol: str, feed: str) -> Columns:
        """Return a feed's events without a middle: trades, or the best levels, whose open and close are bid and ask."""
        if feed == "trades":
            ts, (price, amount) = self._rows(symbol, feed)
            return events.of_trades(ts, price, amount)
        told = self._feed(symbol, feed).levels
        (bid, size), (ask, _) = told.bids[:, 0].T.copy(), told.asks[:, 0].T.copy()
        return Columns(told.ts, bid, ask, bid, ask, size)

    def _feed(self, symbol: str, feed: str) -> Told:
        key = (symbol, feed)
        with self._lock:
            if key in self._told:
                self._told.move_to_end(key)
                return self._told[key]
        if feed == "book":
            book = read_book(self._event_path(symbol, feed))
            trades = _event_file(self._data, self._exchange, symbol, "trades")
            made = Told(book.levels, read_prints(trades, book))
        else:
            ts, sides = self._rows(symbol, feed)
            bid, bid_size, ask, ask_size = sides
            levels = Levels(ts, *(np.stack(side, axis=1)[:, None] for side in ((bid, bid_size), (ask, ask_size))))
            made = Told(levels, no_prints(len(ts)))
        self._keep(self._told, key, made)
        return made

    def _event_path(self, symbol: str, feed: str) -> Path:
        path = _event_file(self._data, self._exchange, symbol, feed)
        if feed not in _EVENTS or not path.is_file():
            known = ", ".join([*self._feeds(symbol), *self._stored(symbol)]) or "nothing"
            raise HistoryError(f"no {feed} of {symbol} in {path.parent}; recorded of it: {known}")
        return path

    def _rows(self, symbol: str, feed: str) -> tuple[Ints, list[Floats]]:
        """Return the times and numbers of recorded trades or quotes."""
        path = self._event_path(symbol, feed)
        table = read(path, _EVENTS[feed])
        ts, columns = event_ms(table), [floats(table, name) for name in _EVENTS[feed]]
        demand(
            path,
            ("times must not go back", np.concatenate(([False], np.diff(ts) < 0))),
            ("prices and amounts must be above zero", ~(np.minimum.reduce(columns) > 0)),
            ("numbers must be finite", ~np.isfinite(sum(columns, start=np.zeros(len(ts))))),
        )
        return ts, columns


def _event_file(data: Path, exchange: str, symbol: str, feed: str) -> Path:
    base, quote = split_symbol(symbol)
    return data / feed / exchange / f"{base}-{quote}.parquet"


def decimals(bars: Columns) -> int:
    """Return how many decimals the prices of some bars have, bounded by MAX_DECIMALS and MAX_PRICE_TICKS."""
    most = 0
    highest = float(bars.high.max())
    while most < MAX_DECIMALS and highest * 10 ** (most + 1) <= MAX_PRICE_TICKS:
        most += 1
    places = 0
    for sample in (slice(0, 1000), slice(None)):  # a thousand bars settle it almost always; all of them confirm
        for prices in bars[1:5]:
            while places < most and not _whole(prices[sample], places):
                places += 1
    return places


def _whole(prices: Floats, places: int) -> bool:
    scale = 10.0**places
    return bool((np.abs(np.rint(prices * scale) / scale - prices) <= 1e-13 * prices).all())


def _bytes(arrays: Columns | Told) -> int:
    held = (*arrays.levels, *arrays.prints) if isinstance(arrays, Told) else arrays
    return sum(array.nbytes for array in held)


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _pair_folder(data: Path, exchange: str, symbol: str) -> Path:
    base, quote = split_symbol(symbol)
    return data / "candles" / exchange / f"{base}-{quote}"


def _timeframes(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of each recorded timeframe of one symbol, shortest timeframe first."""
    files: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            match = _FILE.fullmatch(path.name)
            if match:
                files.setdefault(match[1], []).append(path)
    return {name: tuple(files[name]) for name in sorted(files, key=timeframe_ms)}


def _load(files: tuple[Path, ...], timeframe: str) -> Columns:
    """Read and join a series' files, in order of time."""
    parts = [part for part in (_candles(path, timeframe) for path in files) if len(part.ts)]
    if not parts:
        raise HistoryError(f"{files[0]}: no candles in it; remove it or record some")
    if sum(len(part.ts) for part in parts) > MAX_ROWS:
        raise HistoryError(f"{files[0].parent}: more than {MAX_ROWS} bars of {timeframe}; keep fewer period files")
    parts.sort(key=lambda part: int(part.ts[0]))
    joined = parts[0] if len(parts) == 1 else Columns(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if (np.diff(joined.ts) <= 0).any():
        names = ", ".join(path.name for path in files)
        raise HistoryError(f"{files[0].parent}: {names} overlap in time; keep each {timeframe} bar in one file only")
    return joined


def _candles(path: Path, timeframe: str) -> Columns:
    table = read(path, _CANDLE_FIELDS)
    bars = Columns(ints(table), *(floats(table, name) for name in _CANDLE_FIELDS))
    length_ms = timeframe_ms(timeframe)
    faults = (
        ("prices and volumes must be numbers", ~np.isfinite(sum(bars[1:], start=np.zeros(len(bars.ts))))),
        ("times must increase", np.concatenate(([False], np.diff(bars.ts) <= 0))),
        (f"times must be those of {timeframe} bars", bars.ts != opening_of(bars.ts, length_ms)),
        ("prices must be above zero", bars.low <= 0),
        ("volumes must not be negative", bars.volume < 0),
        (
            "low must be the lowest and high the highest price",
            (np.minimum(bars.open, bars.close) < bars.low) | (np.maximum(bars.open, bars.close) > bars.high),
        ),
    )
    for rule, wrong in faults:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise HistoryError(f"{path}: {rule}; row {row} (ts {int(bars.ts[row])}) is not so, repair or remove it")
    return bars


def opening_of(ts: Ints, length_ms: int) -> Ints:
    """Return the opening time of the bar that each moment belongs to."""
    origin = opening(0, length_ms)  # bars repeat from the one that holds the epoch
    return ts - (ts - origin) % length_ms
