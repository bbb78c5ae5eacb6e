"""A seeded market that never ends, for a machine without history: the same bars for a seed, whatever is read first.

Every currency has a price in dollars of its own, and a symbol's is the quotient of two: what trades in a triangle fits
together. A day's log return is

    beta x market + own,  both normal, with volatilities that cluster: log vol is an AR(1) chain around its mean

less a weak pull towards the currency's base price, so that nothing drifts away over the years. Minutes inside a day are
a Brownian bridge that ends at the day's return. Days come from chains that begin at GENESIS_MS and are drawn from one
generator a currency; a day's minutes from a generator a currency and day: both depend on the seed and names only.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections import OrderedDict
from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from autotrader.core.clock import DAY_MS
from autotrader.core.errors import HistoryError
from autotrader.core.units import FEEDS, split_symbol, timeframe_ms
from autotrader.market.bars import Columns, Floats, Funding, aggregate, divides, empty, opening
from autotrader.market.book import Levels, Prints

BASE = "1m"
BASE_MS = 60_000
MINUTES = DAY_MS // BASE_MS

GENESIS_MS = 1_640_995_200_000
"""2022-01-01: the first bar there is."""

BEGIN_MS = 1_704_067_200_000
"""2024-01-01: where a replay begins, with two years before it to warm up."""

MAX_DAYS = 100_000
"""Bound of a market's age: 273 years after genesis it ends."""

MAX_TIMEFRAME_MS = 28 * DAY_MS
CHAIN_DAYS = 512
CACHED_DAYS = 512
"""Symbol days of minutes kept in memory: 35 MB."""

VOL_MEMORY, VOL_NOISE = 0.96, 0.16
"""The AR(1) chain of log volatility, by day: half-life 17 days, spread 0.57."""

PULL = 0.01
"""The share of its distance from the base price that a log price gives back in a day."""


class Asset(NamedTuple):
    """A currency: its base price in dollars, its own and its market-driven daily volatility, what trades a minute."""

    dollars: float
    own: float
    beta: float
    turnover: float


class Day(NamedTuple):
    """A chain's day: log price over the base price at its start, its return, and its volatility."""

    start: float
    move: float
    volatility: float


MARKET_VOLATILITY = 0.025

ASSETS = {
    "BTC": Asset(60_000, 0.010, 1.0, 900_000),
    "ETH": Asset(3_000, 0.015, 1.15, 600_000),
    "BNB": Asset(550, 0.015, 0.9, 90_000),
    "SOL": Asset(150, 0.028, 1.4, 150_000),
    "XRP": Asset(0.55, 0.025, 1.0, 90_000),
    "ADA": Asset(0.45, 0.025, 1.2, 40_000),
    "DOGE": Asset(0.15, 0.032, 1.3, 60_000),
    "AVAX": Asset(35, 0.028, 1.4, 30_000),
    "LINK": Asset(15, 0.026, 1.2, 30_000),
    "LTC": Asset(80, 0.020, 1.0, 30_000),
    "USDT": Asset(1, 0.0002, 0.0, 500_000),
    "USDC": Asset(1, 0.0002, 0.0, 500_000),
    "DAI": Asset(1, 0.0003, 0.0, 50_000),
    "EUR": Asset(1.08, 0.004, 0.0, 500_000),
    "KRW": Asset(0.00075, 0.004, 0.0, 500_000),
}
DOLLARS = frozenset({"USD", "USDX"})


class Generated:
    """A generated market of some symbols as a BarSource; safe to be asked from several threads."""

    def __init__(self, seed: int, symbols: Collection[str]) -> None:
        self._seed = seed
        self._symbols = {symbol: split_symbol(symbol) for symbol in sorted(symbols)}
        self._chains = {name: _Chain(seed, name) for pair in self._symbols.values() for name in pair}
        self._days: OrderedDict[tuple[str, int], Columns] = OrderedDict()
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple[type[Generated], tuple[int, tuple[str, ...]]]:
        return Generated, (self._seed, self.symbols())  # another process draws the same bars itself

    @property
    def fingerprint(self) -> str:
        return f"generate:{self._seed}"

    def symbols(self) -> tuple[str, ...]:
        return tuple(self._symbols)

    def tick(self, symbol: str) -> Decimal:
        """Return a step that gives the base price about seven digits."""
        base, quote = self._pair(symbol)
        price = _asset(base).dollars / _asset(quote).dollars
        return Decimal(1).scaleb(-min(max(6 - math.floor(math.log10(price)), 0), 8))

    def begin_ms(self, symbol: str, timeframe: str) -> int:
        self._pair(symbol)
        _demand_timeframe(timeframe)
        return opening(BEGIN_MS, timeframe_ms(timeframe))

    def levels(self, symbol: str, feed: str, start_ms: int, limit: int) -> Levels:  # noqa: ARG002
        raise HistoryError(f"a generated market has no {feed}; replay a recorded one")

    def prints(self, symbol: str, feed: str, start_ms: int, limit: int) -> Prints:  # noqa: ARG002
        raise HistoryError(f"a generated market has no {feed}; replay a recorded one")

    def funding(self, symbol: str) -> Funding:
        """Return none: a generated swap pays no funding."""
        self._pair(symbol)
        return Funding(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))

    def after(self, symbol: str, timeframe: str, start_ms: int, limit: int) -> Columns:
        length_ms = _demand_timeframe(timeframe)
        first_ms = opening(max(start_ms, GENESIS_MS) + length_ms - 1, length_ms)
        return self._between(symbol, timeframe, first_ms, first_ms + limit * length_ms)

    def before(self, symbol: str, timeframe: str, end_ms: int, limit: int) -> Columns:
        length_ms = _demand_timeframe(timeframe)
        stop_ms = opening(end_ms, length_ms)
        return self._between(symbol, timeframe, stop_ms - limit * length_ms, stop_ms)

    def _between(self, symbol: str, timeframe: str, start_ms: int, stop_ms: int) -> Columns:
        """Return the bars that open from one bar's opening time up to another's."""
        self._pair(symbol)
        length_ms = timeframe_ms(timeframe)
        genesis_ms = opening(GENESIS_MS + length_ms - 1, length_ms)
        start_ms, stop_ms = max(start_ms, genesis_ms), min(stop_ms, GENESIS_MS + MAX_DAYS * DAY_MS)
        if stop_ms <= start_ms:
            return empty()
        first, last = (start_ms - GENESIS_MS) // DAY_MS, (stop_ms - 1 - GENESIS_MS) // DAY_MS
        days = [self._day(symbol, day) for day in range(first, last + 1)]
        minutes = Columns(*(np.concatenate(column) for column in zip(*days, strict=True)))
        low, high = np.searchsorted(minutes.ts, (start_ms, stop_ms))
        minutes = minutes.part(int(low), int(high))
        return minutes if timeframe == BASE else aggregate(minutes, BASE, timeframe)

    def _day(self, symbol: str, day: int) -> Columns:
        """Return the minutes of one day, in whole ticks."""
        with self._lock:
            key = (symbol, day)
            if key not in self._days:
                self._days[key] = self._make(symbol, day)
                if len(self._days) > CACHED_DAYS:
                    self._days.popitem(last=False)
            return self._days[key]

    def _make(self, symbol: str, day: int) -> Columns:
        base, quote = self._pair(symbol)
        level = self._chains[base].minutes(day) - self._chains[quote].minutes(day)
        prices = _asset(base).dollars / _asset(quote).dollars * np.exp(level)
        random = _random(self._seed, f"wick {symbol}", day)
        swing = math.sqrt(MINUTES) * float(np.std(np.diff(level)))
        wicks = np.abs(random.normal(0.0, 0.4 * swing / math.sqrt(MINUTES), (2, MINUTES)))
        open_, close = prices[:-1], prices[1:]
        high = np.maximum(open_, close) * np.exp(wicks[0])
        low = np.minimum(open_, close) * np.exp(-wicks[1])
        traded = _asset(base).turnover / (_asset(base).dollars * np.exp(level[1:]))
        ts = GENESIS_MS + day * DAY_MS + np.arange(MINUTES, dtype=np.int64) * BASE_MS
        per_price = float(1 / self.tick(symbol))
        return Columns(
            ts,
            _whole(open_, per_price),
            _whole(high, per_price),
            _whole(low, per_price),
            _whole(close, per_price),
            np.round(random.lognormal(0.0, 0.7, MINUTES) * traded, 6),
        )

    def _pair(self, symbol: str) -> tuple[str, str]:
        if symbol not in self._symbols:
            raise HistoryError(f"the generated market has no {symbol}; it has {', '.join(self._symbols) or 'nothing'}")
        return self._symbols[symbol]


class _Chain:
    """One currency's days, drawn from genesis on as far as they are needed."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed, self._name, self._asset = seed, name, _asset(name)
        self._own = _random(seed, f"days {name}", 0)
        self._market = _random(seed, "market", 0)
        self._days: list[Day] = []
        self._level = 0.0
        self._log_vol = self._log_market_vol = 0.0
        self._lock = threading.Lock()

    def minutes(self, day: int) -> Floats:
        """Return the log price over the base price at each of a day's MINUTES + 1 minute marks."""
        start, move, volatility = self.day(day)
        steps = _random(self._seed, f"minutes {self._name}", day).standard_normal(MINUTES)
        steps *= volatility / math.sqrt(MINUTES)
        steps += (move - steps.sum()) / MINUTES
        level: Floats = start + np.concatenate(([0.0], np.cumsum(steps)))
        level[-1] = start + move  # the next day begins on this very number
        return level

    def day(self, day: int) -> Day:
        with self._lock:
            while len(self._days) <= day:
                self._draw()
            return self._days[day]

    def _draw(self) -> None:
        """Draw the next CHAIN_DAYS; every chain draws the market's part again, from the same generator."""
        own = self._own.standard_normal((CHAIN_DAYS, 2)).tolist()
        market = self._market.standard_normal((CHAIN_DAYS, 2)).tolist()
        for (own_return, own_vol), (market_return, market_vol) in zip(own, market, strict=True):
            self._log_vol = VOL_MEMORY * self._log_vol + VOL_NOISE * own_vol
            self._log_market_vol = VOL_MEMORY * self._log_market_vol + VOL_NOISE * market_vol
            alone = self._asset.own * math.exp(self._log_vol)
            common = self._asset.beta * MARKET_VOLATILITY * math.exp(self._log_market_vol)
            move = common * market_return + alone * own_return - PULL * self._level
            self._days.append(Day(self._level, move, math.hypot(alone, common)))
            self._level += move


def _asset(name: str) -> Asset:
    """Return a currency's character; one that is not listed gets a price of its own from its name."""
    if name in DOLLARS:
        return Asset(1.0, 0.0, 0.0, 1_000_000)
    if name in ASSETS:
        return ASSETS[name]
    digest = zlib.crc32(name.encode())
    return Asset(0.5 * 400 ** (digest / 2**32), 0.03, 1.2, 20_000)


def _whole(prices: Floats, per_price: float) -> Floats:
    """Return prices in whole ticks, at least one."""
    whole: Floats = np.maximum(np.rint(prices * per_price), 1.0) / per_price
    return whole


def _random(seed: int, purpose: str, day: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), day])))


def _demand_timeframe(timeframe: str) -> int:
    """Return a timeframe's length. Raises HistoryError where minutes cannot make it."""
    if timeframe in FEEDS:
        raise HistoryError(f"a generated market has no {timeframe}; replay a recorded one")
    length_ms = timeframe_ms(timeframe)
    if not divides(BASE, timeframe) or length_ms > MAX_TIMEFRAME_MS:
        raise HistoryError(f"the generated market has bars of whole minutes up to 28d, not of {timeframe}")
    return length_ms
