"""One trial of a search: a strategy's file with other values in it, validated and simulated as any other file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from autotrader.backtest.common import Common
from autotrader.backtest.engine import simulate
from autotrader.backtest.metrics import measure, shape
from autotrader.backtest.plan import MAX_BARS, NO_LIMITS, Exchange, Plan, Simulated, make_plan
from autotrader.backtest.result import Result
from autotrader.backtest.run import data_hash, result_of
from autotrader.backtest.space import changed
from autotrader.config.canonical import canonical
from autotrader.config.strategy import StrategyParams
from autotrader.core import jit
from autotrader.core.errors import AutotraderError
from autotrader.core.units import plain, timeframe_ms
from autotrader.features.feature import MAX_WINDOW
from autotrader.market.bars import BarSource, Columns, Floats, Funding
from autotrader.market.book import Levels, Prints
from autotrader.risk.limits import Limits
from autotrader.strategies import registry

NO_RETURNS = np.empty(0, dtype=np.float64)

MAX_READ = 1_024
"""Strategies that were named and are not evaluated yet which a bench remembers: several batches of a search."""


class Span(NamedTuple):
    """From when to when a trial is simulated, UTC milliseconds; None is as far as the history goes."""

    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True)
class Question:
    """What every trial of a search shares: the strategy's file as plain values, and the world that it is tried in.

    `profiles` are the limits that a strategy's file may name as its own.

    It is pickled to other processes and machines; each reads the history itself, from where the sources say it lies.
    """

    name: str
    kind: str
    tree: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]
    limits: Limits
    span: Span
    profiles: Mapping[str, Limits] = field(default_factory=dict)


class Task(NamedTuple):
    """One thing to evaluate: values by path, and where in time."""

    values: Mapping[str, str]
    span: Span


class Tried(NamedTuple):
    """What a trial gave. `refused` says why it could not be run, else it is empty.

    `form` is the hash of the strategy that was tried: equal strategies have equal ones, however they were written.
    `figures` are those of `metrics.Metrics`, exact money as text. `daily` are the daily returns, none where they mean
    nothing.
    """

    form: str
    figures: Mapping[str, Any]
    daily: Floats
    refused: str = ""


class Bench:
    """Evaluates the trials of a question in this process; the history is read once."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._kind = registry.kinds()[question.kind]
        self._common = Common()
        self._read: dict[tuple[tuple[str, str], ...], tuple[StrategyParams, str]] = {}
        self._exchanges = tuple(
            one._replace(source=Held(one.source, question.span.to_ms)) for one in question.exchanges
        )

    def params(self, values: Mapping[str, str]) -> StrategyParams:
        """Return the strategy with some values. Raises ValidationError and AutotraderError."""
        params: StrategyParams = self._kind.Params.model_validate(changed(self.question.tree, values))
        return params

    def plan(self, params: StrategyParams, span: Span | None = None) -> Plan:
        """Return the plan of a strategy over a span. Raises HistoryError where there are no bars for it."""
        from_ms, to_ms = span or self.question.span
        simulated = Simulated(self.question.name, self._kind, params, self._own(params))
        return make_plan(self._exchanges, [simulated], self.question.limits, from_ms, to_ms)

    def _own(self, params: StrategyParams) -> Limits:
        if not params.risk:
            return NO_LIMITS
        if params.risk not in self.question.profiles:
            raise AutotraderError(f"risk profile '{params.risk}' does not exist")
        return self.question.profiles[params.risk]

    def evaluate(self, task: Task) -> Tried:
        """Return what a task gives; a file that is refused is an answer, not an error."""
        try:
            known = self._read.pop(tuple(task.values.items()), None)
            params, form = self._validated(task.values) if known is None else known
            outcome = simulate(self.plan(params, task.span), ahead=False, common=self._common)
            return tried(form, result_of(outcome))
        except (ValidationError, AutotraderError) as error:
            return _refused(error)

    def named(self, values: Mapping[str, str]) -> Tried:
        """Return a trial that was not run: its form, or why it is refused. It is likely to be evaluated next."""
        try:
            found = self._validated(values)
        except (ValidationError, AutotraderError) as error:
            return _refused(error)
        if len(self._read) >= MAX_READ:
            self._read.clear()
        self._read[tuple(values.items())] = found
        return Tried(found[1], {}, NO_RETURNS)

    def _validated(self, values: Mapping[str, str]) -> tuple[StrategyParams, str]:
        params = self.params(values)
        return params, form_of(params, self._own(params))

    @cached_property
    def start(self) -> Plan:
        """The plan of the file as it stands."""
        return self.plan(self.params({}))

    def ground(self, span: Span) -> str:
        """Return a hash of all that decides a trial's result but its strategy: bars, span, exchanges, limits."""
        digest = hashlib.blake2b(digest_size=12)
        declared = [one._asdict() | {"source": "", "metrics": ""} for one in self.question.exchanges]
        rest = [str(one) for one in declared]
        sources = [one.source.fingerprint for one in self.question.exchanges]
        for part in (data_hash(self.start), span, *rest, *sources, self.question.limits, self.question.name):
            digest.update(f"{part}\n".encode())
        return digest.hexdigest()


def code() -> str:
    """Return a hash of the program that makes results of strategies."""
    return jit.sources_hash()


def form_of(params: StrategyParams, own: Limits = NO_LIMITS) -> str:
    """Return the hash of a strategy's canonical form, and of the limits that it has of its own."""
    limits = str(own) if own != NO_LIMITS else ""
    return hashlib.blake2b(f"{canonical(params)}{limits}".encode(), digest_size=12).hexdigest()


def tried(form: str, result: Result) -> Tried:
    """Return the figures of a result with one strategy."""
    run = result.strategies[0]
    known = shape(run.curve)
    figures = measure(run, result.trades, result.legs, known=known)._asdict()
    told = {key: plain(value) if isinstance(value, Decimal) else value for key, value in figures.items()}
    return Tried(form, told, NO_RETURNS if known.returns is None else known.returns)


def _refused(error: ValidationError | AutotraderError) -> Tried:
    """Return what a refused trial gives: the first thing that is wrong with its file, and where."""
    return Tried("", {}, NO_RETURNS, _first(error) if isinstance(error, ValidationError) else str(error))


def _first(error: ValidationError) -> str:
    one = error.errors(include_url=False)[0]
    at = one.get("ctx", {}).get("at", ())
    place = ".".join(str(part) for part in (*one["loc"], *at))
    return f"{place}: {one['msg']}" if place else one["msg"]


class Held:
    """A source whose series stay in memory up to a moment, whichever part of them is asked for.

    Generated bars are made anew at each question, recorded ones may be dropped; a search asks hundreds of times.
    """

    def __init__(self, source: BarSource, to_ms: int | None) -> None:
        self._source, self._to_ms = source, to_ms
        self._series: dict[tuple[str, str], Columns] = {}
        self._begins: dict[tuple[str, str], int] = {}
        self._ticks: dict[str, Decimal] = {}
        self._lock = threading.Lock()  # trials are made on several threads; a series is read once

    @property
    def fingerprint(self) -> str:
        return self._source.fingerprint

    def symbols(self) -> tuple[str, ...]:
        return self._source.symbols()

    def tick(self, symbol: str) -> Decimal:
        if symbol not in self._ticks:
            self._ticks[symbol] = self._source.tick(symbol)
        return self._ticks[symbol]

    def begin_ms(self, symbol: str, timeframe: str) -> int:
        key = (symbol, timeframe)
        if key not in self._begins:
            self._begins[key] = self._source.begin_ms(symbol, timeframe)
        return self._begins[key]

    def levels(self, symbol: str, feed: str, start_ms: int, limit: int) -> Levels:
        return self._source.levels(symbol, feed, start_ms, limit)

    def prints(self, symbol: str, feed: str, start_ms: int, limit: int) -> Prints:
        return self._source.prints(symbol, feed, start_ms, limit)

    def funding(self, symbol: str) -> Funding:
        return self._source.funding(symbol)

    def after(self, symbol: str, timeframe: str, start_ms: int, limit: int) -> Columns:
        bars = self._held(symbol, timeframe, start_ms)
        if not len(bars.ts) or start_ms < bars.ts[0]:
            return self._source.after(symbol, timeframe, start_ms, limit)
        first = int(bars.ts.searchsorted(start_ms))
        return bars.part(first, first + limit) if first or limit < len(bars.ts) else bars

    def before(self, symbol: str, timeframe: str, end_ms: int, limit: int) -> Columns:
        bars = self._held(symbol, timeframe, end_ms)
        stop = int(bars.ts.searchsorted(end_ms - timeframe_ms(timeframe), side="right"))
        if stop < limit:
            return self._source.before(symbol, timeframe, end_ms, limit)
        return bars.part(stop - limit, stop)

    def _held(self, symbol: str, timeframe: str, moment_ms: int) -> Columns:
        """Return a series from as long before the first moment that is asked for as any feature may look back."""
        key = (symbol, timeframe)
        with self._lock:
            if key not in self._series:
                self._series[key] = self._read(symbol, timeframe, moment_ms)
            return self._series[key]

    def _read(self, symbol: str, timeframe: str, moment_ms: int) -> Columns:
        early = self._source.before(symbol, timeframe, moment_ms, MAX_WINDOW)
        first_ms = int(early.ts[0]) if len(early.ts) else moment_ms
        limit, length_ms = MAX_BARS, timeframe_ms(timeframe)
        if self._to_ms is not None and length_ms:  # of a feed all are taken: nobody knows how many come by then
            limit = min(MAX_BARS, max(0, (self._to_ms - first_ms) // length_ms + 1))
        return self._source.after(symbol, timeframe, first_ms, limit)
