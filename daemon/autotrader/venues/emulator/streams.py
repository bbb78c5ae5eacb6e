"""The market's streams: what each one tells after the market has moved on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from autotrader.core.units import timeframe_ms
from autotrader.venues.emulator import wire
from autotrader.venues.emulator.book import Shown
from autotrader.venues.emulator.connections import Connections
from autotrader.venues.emulator.exchange import Exchange
from autotrader.venues.emulator.market import Traded
from autotrader.venues.emulator.rest import TIMEFRAMES, Answers
from autotrader.venues.emulator.tape import Print

TICKER_MS = 1000
MAX_CLOSED = 1000
"""Bars that one step of time can close on one stream."""

_NAME = re.compile(
    r"(?P<symbol>[a-z0-9]{2,20})@"
    r"(?P<kind>trade|aggTrade|bookTicker|miniTicker|ticker|kline_(?P<timeframe>\w{2,3})|depth(?P<levels>5|10|20)?)"
    r"(?P<pace>@1000ms|@100ms)?"
)
_ALL = {"!miniTicker@arr": True, "!ticker@arr": False}


class Streams:
    """What the streams have told, and what is next."""

    def __init__(self, exchange: Exchange, answers: Answers, connections: Connections) -> None:
        self._exchange, self._answers, self._connections = exchange, answers, connections
        self._by_name = {one.id.lower(): one for one in exchange.market.traded.values()}
        self._told_open: dict[str, int] = {}
        self._told_book: dict[str, Shown] = {}
        self._told_best: dict[str, tuple[str, ...]] = {}
        self._told_ms: dict[str, int] = {}

    def known(self, name: str) -> bool:
        """Tell whether there is such a stream."""
        if name in _ALL:
            return True
        match = _NAME.fullmatch(name)
        if match is None or match["symbol"] not in self._by_name:
            return False
        return match["timeframe"] is None or match["timeframe"] in TIMEFRAMES

    def begin(self, name: str) -> None:
        """Note where a stream stands when somebody starts to listen, so that it tells what comes from there on."""
        if name in self._connections.names() or name in _ALL:
            return
        match = _NAME.fullmatch(name)
        if match is None:
            return
        one, market = self._by_name[match["symbol"]], self._exchange.market
        if match["timeframe"]:
            self._told_open[name] = market.open_of(match["timeframe"], self._exchange.seen_ms)
        self._told_book[name] = self._exchange.books[one.id].shown()

    def tell(self, happened: Mapping[str, Sequence[Print]]) -> None:
        """Push everything that the market's last step gives."""
        now = self._exchange.market.now_ms()
        for name in sorted(self._connections.names()):
            if name in _ALL:
                self._tell_all(name, now)
                continue
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            one = self._by_name[match["symbol"]]
            prints = happened.get(one.id, ())
            match match["kind"]:
                case "trade":
                    self._push(name, [wire.trade_event(one, made, now) for made in prints])
                case "aggTrade":
                    head = {"e": "aggTrade", "E": now, "s": one.id}
                    self._push(name, [head | wire.aggregate_trade(one, made) for made in prints])
                case "bookTicker":
                    self._tell_best(name, one)
                case "ticker" | "miniTicker" as kind:
                    if self._due(name, now):
                        self._push(name, [wire.day_event(self._answers.figures(one), now, mini=kind == "miniTicker")])
                case kind if kind.startswith("kline_"):
                    self._tell_kline(name, one, kind.removeprefix("kline_"), now, moved=bool(prints))
                case _:
                    self._tell_depth(name, one, int(match["levels"] or 0), now)

    def _push(self, name: str, bodies: Sequence[wire.Json]) -> None:
        for body in bodies:
            self._connections.push(name, body)

    def _due(self, name: str, now: int) -> bool:
        if now - self._told_ms.get(name, 0) < TICKER_MS:
            return False
        self._told_ms[name] = now
        return True

    def _tell_all(self, name: str, now: int) -> None:
        if self._due(name, now):
            figures = [self._answers.figures(one) for one in self._by_name.values()]
            self._connections.push(name, [wire.day_event(day, now, mini=_ALL[name]) for day in figures])

    def _tell_best(self, name: str, one: Traded) -> None:
        shown = self._exchange.books[one.id].shown()
        best = wire.best(one, shown)
        if self._told_best.get(name) != best:
            self._told_best[name] = best
            bid, bid_size, ask, ask_size = best
            body = {"u": shown.update_id, "s": one.id, "b": bid, "B": bid_size, "a": ask, "A": ask_size}
            self._connections.push(name, body)

    def _tell_depth(self, name: str, one: Traded, levels: int, now: int) -> None:
        before, after = self._told_book[name], self._exchange.books[one.id].shown()
        if after.update_id == before.update_id:
            return
        self._told_book[name] = after
        body = wire.depth(one, after, levels) if levels else wire.depth_event(one, before, after, now)
        self._connections.push(name, body)

    def _tell_kline(self, name: str, one: Traded, timeframe: str, now: int, *, moved: bool) -> None:
        market, length = self._exchange.market, timeframe_ms(timeframe)
        opened, current = self._told_open[name], market.open_of(timeframe, now)
        for _ in range(MAX_CLOSED):
            if opened >= current:
                break
            bar = market.kline(one, timeframe, opened)
            if bar is not None:
                self._connections.push(name, wire.kline_event(one, bar, timeframe, length, now, closed=True))
            opened += length
        self._told_open[name] = current
        bar = market.kline(one, timeframe, current) if moved else None
        if bar is not None:
            self._connections.push(name, wire.kline_event(one, bar, timeframe, length, now, closed=False))
