"""One group of a running strategy: its features, its State, its Out, and the call of its step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import structlog

from autotrader.core.events import Bar, BarClosed, BookChanged, MarketEvent, QuoteChanged, Series, TradePrinted
from autotrader.core.units import FEEDS
from autotrader.execution.declared import ATR, SHARE
from autotrader.execution.leg import Leg
from autotrader.execution.slicing import UNKNOWN, usual_part
from autotrader.execution.slots import Slot, Wish, fares, wishes
from autotrader.features.graph import SeriesKey
from autotrader.features.program import Live, Program
from autotrader.market.book import NO_LEVEL, Level
from autotrader.market.events import as_bar
from autotrader.strategies.contract import BAR, FILL, Kind, Out, View, fresh_out, levels_of
from autotrader.strategies.contract import Leg as Declared

log = structlog.get_logger("part")

KEPT = Out._fields.index("stirred_by")
"""How much of Out the journal keeps: which column stirs a kind is for backtests, and is no wish."""


class Part:
    """Folds events into what one group of legs wants. Touched by the trading loop alone."""

    def __init__(
        self, strategy: str, number: int, kind: Kind, params: Any, declared: Sequence[Declared], program: Program
    ) -> None:
        self.strategy = strategy
        self.number = number
        self.kind = kind
        self.declared = tuple(declared)
        self.program = program
        self.constants = kind.constants(params)
        self.wakes = kind.wakes(params)
        self.state: Any = kind.State()
        self.out: Out = fresh_out(len(self.declared), kind.slots(params))
        self.slots: list[Slot] = [Slot()] * len(self.out.slot_leg)
        self.trades: dict[int, Any] = {}  # of several legs, under way: see `runtime.together`
        self.trades_kept = False  # whether the journal has some
        self.wanted: list[Wish] = [slot.wish for slot in self.slots]
        self.ts_ms = 0
        self.anchor_ms = 0
        self.legs: list[Leg] = []
        self.live: list[Live] = [program.live() for _ in self.declared]
        self.seen: dict[tuple[int, SeriesKey], int] = {}
        self.asked = tuple(key for key in program.series if key.asked)
        self._order = {key: place for place, key in enumerate(program.series)}
        self._waiting: list[list[tuple[int, int, SeriesKey, Bar]]] = [[] for _ in self.declared]
        self._depths = [levels_of(one.feed) for one in self.declared]
        self.bids: list[tuple[Level, ...]] = [(NO_LEVEL,) * depth for depth in self._depths]
        self.asks = list(self.bids)
        self._told_ms = [0] * len(self.declared)
        self._price = [math.nan] * len(self.declared)
        self._heard: list[tuple[int, int]] = [(0, 0)] * len(self.declared)
        self.stepped: list[tuple[int, int]] = [(0, 0)] * len(self.declared)
        self._arrived: dict[int, int] = {}
        self._atr = program.columns.index(ATR) if ATR in program.columns else -1
        self._shares = [place for place, name in enumerate(program.columns) if name.startswith(SHARE)]
        self._told_even = False

    def own_series(self, leg: int) -> Series:
        """Return the bars, or the feed, that wakes a leg."""
        declared = self.declared[leg]
        return Series(declared.exchange, declared.symbol, declared.feed.timeframe)

    def series(self) -> dict[Series, list[tuple[int, SeriesKey]]]:
        """Return every stream of its own exchanges that the part reads, each with the legs and keys it feeds."""
        routes: dict[Series, list[tuple[int, SeriesKey]]] = {}
        for leg, declared in enumerate(self.declared):
            routes.setdefault(self.own_series(leg), [])
            for key in self.program.series:
                if not key.asked:
                    series = Series(declared.exchange, key.symbol or declared.symbol, key.timeframe)
                    routes.setdefault(series, []).append((leg, key))
        return routes

    def elsewhere(self) -> set[Series]:
        """Return the bars of other exchanges that the part reads."""
        return {
            Series(key.source, key.symbol or declared.symbol, key.timeframe)
            for declared in self.declared
            for key in self.asked
            if key.kind == "bars"
        }

    def arrive(self, leg: int, key: SeriesKey, bar: Bar, closed_ms: int) -> None:
        """Take a closed bar, to be shown when its moment is complete; one that was seen already is passed over."""
        if closed_ms <= self.seen.get((leg, key), 0):
            return
        self.seen[leg, key] = closed_ms
        self._waiting[leg].append((closed_ms, self._order[key], key, bar))

    def settle(self, exchange: str) -> None:
        """Show the legs on an exchange what arrived, in the order in which one series reads another."""
        for leg, declared in enumerate(self.declared):
            waiting = self._waiting[leg]
            if declared.exchange != exchange or not waiting:
                continue
            if len(waiting) > 1:
                waiting.sort()
            for closed_ms, _, key, bar in waiting:
                if not key.asked:
                    self._told_ms[leg] = closed_ms
                if key == self.program.own:
                    self._price[leg] = bar.close
                self.live[leg].update(key, bar)
            waiting.clear()

    def is_calm(self, leg: int) -> bool:
        """Tell whether the last step said that it need not wake while a leg's price is where it is."""
        return self.out.calm_below[leg] < self._price[leg] < self.out.calm_above[leg]

    def feed(self, leg: int, key: SeriesKey, bar: Bar, closed_ms: int) -> None:
        """Show a closed bar to a leg's features at once; one that was seen already is passed over, an event never."""
        if closed_ms <= self.seen.get((leg, key), 0) and key.timeframe not in FEEDS:
            return
        self.seen[leg, key] = closed_ms
        if not key.asked:
            self._told_ms[leg] = closed_ms
        self.live[leg].update(key, bar)

    def feed_all(self, leg: int, key: SeriesKey, bars: Sequence[Bar], length_ms: int) -> None:
        """Show a leg's features many bars of one series, none of them seen before."""
        update = self.live[leg].update
        for bar in bars:
            update(key, bar)
        self.seen[leg, key] = bars[-1].ts_ms + length_ms

    def renew(self) -> None:
        """Forget what the features were shown: events of one millisecond cannot be told apart by their time."""
        self.live = [self.program.live() for _ in self.declared]
        self.seen.clear()
        for waiting in self._waiting:
            waiting.clear()

    def tell(self, leg: int, event: TradePrinted | QuoteChanged | BookChanged) -> None:
        """Show a trade, a quote or a book to a leg; one that it was shown already is passed over."""
        mark = mark_of(event)
        if mark[1] and mark <= self._heard[leg]:
            return
        self._heard[leg] = mark
        self._told_ms[leg] = event.ts_ms
        self.show(leg, event)
        if (bar := as_bar(event, float(1 / self.legs[leg].instrument.tick))) is not None:
            self._price[leg] = bar.close
            self.live[leg].update(self.program.own, bar)

    def show(self, leg: int, event: MarketEvent) -> None:
        """Let a leg see the levels of a quote or a book."""
        match event:
            case QuoteChanged():
                self.bids[leg], self.asks[leg] = ((event.bid, event.bid_size),), ((event.ask, event.ask_size),)
            case BookChanged():
                self.bids[leg], self.asks[leg] = (
                    (side + (NO_LEVEL,) * self._depths[leg])[: self._depths[leg]] for side in (event.bids, event.asks)
                )

    def fresh(self, leg: int, event: TradePrinted | QuoteChanged | BookChanged) -> bool:
        """Tell whether a leg's event was not stepped on yet, and remember it: a restart is told the last one again."""
        mark = mark_of(event)
        if mark[1] and mark <= self.stepped[leg]:
            return False
        self.stepped[leg] = mark
        return True

    def due(self, leg: int, event: BarClosed) -> bool:
        """Say whether a step is due: this is the leg's own bar, and every other leg's bar of that close is there."""
        if BAR not in self.wakes or event.series != self.own_series(leg) or event.ts_ms <= self.ts_ms:
            return False
        self._arrived[leg] = event.ts_ms
        return all(self._arrived.get(other) == event.ts_ms for other in range(len(self.declared)))

    def step(self, event: int, leg: int, now_ms: int, budget: Sequence[float]) -> bool:
        """Fold one event; `budget` is each leg's share in quote units. True when State or Out changed.

        Raises ValueError for slots that want what cannot be.
        """
        legs = self.legs
        asked = [
            fares(slot, legs[slot.wish.leg].slots.get(slot.client_id), legs[slot.wish.leg].instrument)
            for slot in self.slots
        ]
        view = View(
            event,
            leg,
            now_ms,
            [live.values() for live in self.live],
            self.bids,
            self.asks,
            [now_ms - told_ms for told_ms in self._told_ms],
            [one.instrument.lots(one.position.amount) for one in legs],
            [float(one.position.entry_price or math.nan) for one in legs],
            [one.entry_id for one in legs],
            [one.entry_state for one in legs],
            [one.last_exit for one in legs],
            budget,
            [1 if one.instrument.market == "swap" else 0 for one in legs],
            [float(one.instrument.tick) for one in legs],
            [float(one.instrument.lot) for one in legs],
            [one.state for one in asked],
            [one.filled for one in asked],
            [one.remaining for one in asked],
        )
        before = [list(values) for values in self.out[:KEPT]]
        state = self.kind.step(self.constants, self.state, view, self.out)
        changed = state != self.state or before != list(self.out[:KEPT])
        self.wanted = wishes(self.out, len(legs))
        self.state = state
        if changed and event != FILL:
            self.ts_ms = now_ms  # what fills at a bar's close wakes before that bar does
        return changed

    def atr(self, leg: int) -> float:
        """Return the leg's ATR in quote units; NaN where the size does not ask for one or it is not defined yet."""
        return self.live[leg].values()[self._atr] if self._atr >= 0 else math.nan

    def shares(self, leg: int) -> tuple[int, ...]:
        """Return the usual shares of a vwap's slices, for `Leg.shares`; UNKNOWN where slices are to be equal.

        That the volume is not known yet is logged once.
        """
        values = self.live[leg].values()
        known = tuple(usual_part(values[place]) for place in self._shares)
        if UNKNOWN in known and not self._told_even:
            symbol = self.declared[leg].symbol
            log.warning("the usual volume is not known yet; slices are equal", strategy=self.strategy, symbol=symbol)
            self._told_even = True
        return known

    def plain(self) -> tuple[list[Any], list[list[float]]]:
        """Return State and Out as the journal keeps them."""
        return list(self.state), [list(values) for values in self.out[:KEPT]]

    def asked_for(self) -> list[list[Any]]:
        """Return what the slots asked for, and their orders' ids, as the journal keeps them."""
        return [[list(wish), identity] for wish, identity in self.slots]

    def restore(self, state: list[Any], out: list[list[float]], ts_ms: int) -> None:
        """Take State and Out back from the journal."""
        self.state = type(self.state)._make(tuple(v) if isinstance(v, list) else v for v in state)
        fresh = fresh_out(len(self.declared), 0)[len(out) :]  # what is not kept, or was not when this was written
        self.out = Out._make([*kept] for kept in (*out, *fresh))
        self.ts_ms = ts_ms

    def adopt_legs(self) -> None:
        """Want what the legs already hold: a State that starts anew keeps positions, entry ids and stops."""
        for index, leg in enumerate(self.legs):
            if leg.position.amount or leg.enters:
                self.out.target[index] = leg.exposure
                self.out.entry[index] = leg.entry_id


def mark_of(event: TradePrinted | QuoteChanged | BookChanged) -> tuple[int, int]:
    """Return what tells an event from the others of its feed; a row of 0 tells none apart."""
    return event.ts_ms, event.row
