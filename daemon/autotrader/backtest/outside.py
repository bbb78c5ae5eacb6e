"""What columns are made of besides the bars of their own exchange: the rows that a daemon would have asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from autotrader.core.errors import HistoryError
from autotrader.core.units import timeframe_ms
from autotrader.features.graph import SeriesKey
from autotrader.market.bars import BarSource, Columns
from autotrader.market.metrics import Metrics
from autotrader.strategies.contract import Leg


class Elsewhere(NamedTuple):
    """An exchange as expressions read it: its market, its bars, and the metrics that its own strategies read."""

    market: str
    source: BarSource
    metrics: Metrics | None


class Span(NamedTuple):
    """Which rows are wanted: `need` before the beginning, and all that are known by the end."""

    need: int
    begin_ms: int
    until_ms: int


def asked_for(leg: Leg, key: SeriesKey, span: Span, exchanges: Mapping[str, Elsewhere]) -> Columns:
    """Return the rows that a leg asks for. Raises HistoryError where they cannot be had."""
    name, symbol = key.source or leg.exchange, key.symbol or leg.symbol
    if key.kind == "metric":
        rows = _metric(exchanges[leg.exchange], key)
    elif name not in exchanges:
        raise HistoryError(f"exchange '{name}' does not exist")
    elif key.kind == "funding":
        rows = _funding(name, exchanges[name], symbol, timeframe_ms(key.timeframe))
    else:
        rows = _bars(exchanges[name].source, symbol, key.timeframe, span)
    closes = rows.ts + timeframe_ms(key.timeframe)
    known, stop = (int(np.searchsorted(closes, ms, side="right")) for ms in (span.begin_ms, span.until_ms))
    return rows.part(max(0, known - span.need), stop)


def _metric(exchange: Elsewhere, key: SeriesKey) -> Columns:
    if exchange.metrics is None:
        raise HistoryError(f"there is no history that holds {key.source}.parquet")
    if exchange.metrics.changed(key.source, key.symbol):
        exchange.metrics.load(key.source, key.symbol)
    return exchange.metrics.rows(key.source, key.symbol)


def _funding(name: str, exchange: Elsewhere, symbol: str, length_ms: int) -> Columns:
    """Return settled rates as bars that close at their settlement."""
    if exchange.market == "spot":
        raise HistoryError(f"funding is paid on swaps, and '{name}' is a spot market")
    ts, rate = exchange.source.funding(symbol)
    return Columns(ts - length_ms, rate, rate, rate, rate, np.zeros(len(ts)))


def _bars(source: BarSource, symbol: str, timeframe: str, span: Span) -> Columns:
    before = source.before(symbol, timeframe, span.begin_ms, span.need)
    length_ms = timeframe_ms(timeframe)
    first_ms = int(before.ts[0]) if len(before.ts) else span.begin_ms - length_ms + 1
    return source.after(symbol, timeframe, first_ms, max(0, (span.until_ms - first_ms) // length_ms + 1))
