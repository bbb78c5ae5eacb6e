"""One group of a running strategy: its features, its State, its Out, and the call of its step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from autotrader.core.events import Bar, BookChanged, MarketEvent, QuoteChanged, Series, TradePrinted
from autotrader.core.units import FEEDS
from autotrader.execution.declared import ATR, SHARE
from autotrader.execution.ledger import Position
from autotrader.execution.leg import Leg
from autotrader.execution.slicing import UNKNOWN, usual_part
from autotrader.execution.slots import Slot, Wish, fares, wishes
from autotrader.features.graph import SeriesKey
from autotrader.features.program import Live, Program
from autotrader.market.book import NO_LEVEL, Level
from autotrader.market.instrument import Instrument
from autotrader.strategies.contract import FILL, TIMER, Kind, Out, View, fresh_out, levels_of
from autotrader.strategies.contract import Leg as Declared
from autotrader.strategies.reads import sees_levels, sees_money

log = structlog.get_logger("part")

KEPT = Out._fields.index("stirred_by")
"""How much of Out the journal keeps: which column stirs a kind is no wish, and its next step says it anew."""

Had = tuple[Instrument, Position, int, int, int]
"""What a leg owns and has under way: its position, the entry's id and state, and the last exit."""

OrdersFare = tuple[Sequence[int], Sequence[int], Sequence[int]]
NO_ORDERS: OrdersFare = ((), (), ())
"""How the orders of a part without slots fare."""


class Owned(NamedTuple):
    """The same in the words of `View`, and in the units of each leg's instrument; indexed by leg."""

    lots: list[int]
    entry_price: list[float]
    entry_id: list[int]
    entry_state: list[int]
    last_exit: list[int]
    may_short: list[int]
    tick: list[float]
    lot: list[float]


def _owned(had: Sequence[Had]) -> Owned:
    return Owned(
        [rules.lots(position.amount) for rules, position, _, _, _ in had],
        [float(position.entry_price or math.nan) for _, position, _, _, _ in had],
        [entry_id for _, _, entry_id, _, _ in had],
        [entry_state for _, _, _, entry_state, _ in had],
        [last_exit for _, _, _, _, last_exit in had],
        [1 if rules.market == "swap" else 0 for rules, _, _, _, _ in had],
        [float(rules.tick) for rules, _, _, _, _ in had],
        [float(rules.lot) for rules, _, _, _, _ in had],
    )


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
        self._streamed, self._own = [not key.asked for key in program.series], self._order[program.own]
        self._waiting: list[list[tuple[int, int, SeriesKey, Bar]]] = [[] for _ in self.declared]
        self._depths = [levels_of(one.feed) for one in self.declared]
        self._bids: list[tuple[Level, ...]] = [(NO_LEVEL,) * depth for depth in self._depths]
        self._asks = list(self._bids)
        self._unseen: dict[int, MarketEvent] = {}  # whose levels were told and not looked at yet
        self._told_ms = [0] * len(self.declared)
        self._price = [math.nan] * len(self.declared)
        self._heard: list[tuple[int, int]] = [(0, 0)] * len(self.declared)
        self.stepped: list[tuple[int, int]] = [(0, 0)] * len(self.declared)
        self._arrived: dict[int, int] = {}
        self._wants: list[list[Any]] = []  # of Out, what has places
        self._kept: list[list[Any]] = []  # the same, as the last step left it
        self._had: list[Had] = []
        self._owned = _owned(())
        self.sees_money = sees_money(kind)
        self._sees_levels = sees_levels(kind)
        self._spares = not self.slots and TIMER not in self.wakes
        self._atr = program.columns.index(ATR) if ATR in program.columns else -1
        self._shares = [place for place, name in enumerate(program.columns) if name.startswith(SHARE)]
        self._told_even = False
        self._keep()

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
            for closed_ms, place, key, bar in waiting:
                if self._streamed[place]:
                    self._told_ms[leg] = closed_ms
                if place == self._own:
                    self._price[leg] = bar.close
                self.live[leg].update(key, bar)
            waiting.clear()

    def is_spared(self, leg: int) -> bool:
        """Tell whether a step on what a leg's features show now would change nothing, as the last step said of them.

        Only while what is owned and under way is what that step saw, and without slots and timers, which need a step.
        """
        column = self.out.stirred_by[leg]
        if column == 0 or not self._spares or self.live[leg].value(column - 1) == 1.0:
            return False
        return self._had == [_had(one) for one in self.legs]

    def is_calm(self, leg: int) -> bool:
        """Tell whether the last step said that it need not wake while a leg's price is where it is."""
        return self.out.calm_below[leg] < self._price[leg] < self.out.calm_above[leg]

    def is_all_calm(self) -> bool:
        """Tell whether it said so of every leg."""
        for leg in range(len(self.declared)):  # noqa: SIM110 - a generator is several times slower
            if not self.is_calm(leg):
                return False
        return True

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

    def tell(self, leg: int, event: TradePrinted | QuoteChanged | BookChanged, bar: Bar | None) -> None:
        """Show a trade, a quote or a book, and the bar of its moment, to a leg; what it was shown is passed over."""
        mark = event.ts_ms, event.row
        if event.row and mark <= self._heard[leg]:
            return
        self._heard[leg] = mark
        self._told_ms[leg] = event.ts_ms
        self.show(leg, event)
        if bar is not None:
            self._price[leg] = bar.close
            self.live[leg].update(self.program.own, bar)

    def show(self, leg: int, event: MarketEvent) -> None:
        """Let a leg see the levels of a quote or a book, when they are next looked at."""
        self._unseen[leg] = event

    @property
    def bids(self) -> list[tuple[Level, ...]]:
        """The bids that each leg was last told."""
        self._look()
        return self._bids

    @property
    def asks(self) -> list[tuple[Level, ...]]:
        """The asks that each leg was last told."""
        self._look()
        return self._asks

    def _look(self) -> None:
        for leg, event in self._unseen.items():
            match event:
                case QuoteChanged():
                    self._bids[leg], self._asks[leg] = ((event.bid, event.bid_size),), ((event.ask, event.ask_size),)
                case BookChanged():
                    self._bids[leg], self._asks[leg] = (
                        (side + (NO_LEVEL,) * self._depths[leg])[: self._depths[leg]]
                        for side in (event.bids, event.asks)
                    )
        self._unseen.clear()

    def fresh(self, leg: int, event: TradePrinted | QuoteChanged | BookChanged) -> bool:
        """Tell whether a leg's event was not stepped on yet, and remember it: a restart is told the last one again."""
        mark = event.ts_ms, event.row
        if event.row and mark <= self.stepped[leg]:
            return False
        self.stepped[leg] = mark
        return True

    def due(self, leg: int, closed_ms: int) -> bool:
        """Say whether a step is due with a bar of a leg's own: every other leg's bar of that close is there, too."""
        if closed_ms <= self.ts_ms:
            return False
        if len(self.declared) == 1:
            return True
        self._arrived[leg] = closed_ms
        return all(self._arrived.get(other) == closed_ms for other in range(len(self.declared)))

    def step(self, event: int, leg: int, now_ms: int, budget: Sequence[float]) -> bool:
        """Fold one event; True when State or Out changed. `budget` is each leg's share in quote units.

        Raises ValueError for slots that want what cannot be.
        """
        had: list[Had] = []
        features, age_ms = [], []
        for one, live, told_ms in zip(self.legs, self.live, self._told_ms, strict=True):
            had.append(_had(one))
            features.append(live.values())
            age_ms.append(now_ms - told_ms)
        if had != self._had:
            self._had, self._owned = had, _owned(had)
        if self._unseen and self._sees_levels:
            self._look()
        states, filled, remaining = self._fares() if self.slots else NO_ORDERS
        lots, entry_price, entry_id, entry_state, last_exit, may_short, tick, lot = self._owned
        # what View(...) does, in half the time: its fields in their order
        view = tuple.__new__(View, (
            event, leg, now_ms, features, self._bids, self._asks, age_ms, lots, entry_price, entry_id, entry_state,
            last_exit, budget, may_short, tick, lot, states, filled, remaining,
        ))  # fmt: skip
        state = self.kind.step(self.constants, self.state, view, self.out)
        wants = self._kept != self._wants
        changed = wants or (state is not self.state and state != self.state)
        if wants:
            self._keep()
        if self.slots:
            self.wanted = wishes(self.out, len(self.legs))
        self.state = state
        if changed and event != FILL:
            self.ts_ms = now_ms  # what fills at a bar's close wakes before that bar does
        return changed

    def _fares(self) -> OrdersFare:
        """Return how each slot's order fares: its state, and lots filled and remaining."""
        found = [
            fares(slot, (leg := self.legs[slot.wish.leg]).slots.get(slot.client_id), leg.instrument)
            for slot in self.slots
        ]
        return [one.state for one in found], [one.filled for one in found], [one.remaining for one in found]

    def _keep(self) -> None:
        """Remember what Out wants, so that the next step shows what it changes of it: it writes into the same lists."""
        self._wants = [values for values in self.out[:KEPT] if values]
        self._kept = [list(values) for values in self._wants]

    def wake(self, now_ms: int) -> bool:
        """Tell whether TIMER is due, and have it come no second time."""
        if not 0 < self.out.wake_ms[0] <= now_ms:
            return False
        self.out.wake_ms[0] = 0
        self._keep()
        return True

    def atr(self, leg: int) -> float:
        """Return the leg's ATR in quote units; NaN where the size does not ask for one or it is not defined yet."""
        return self.live[leg].value(self._atr) if self._atr >= 0 else math.nan

    def shares(self, leg: int) -> tuple[int, ...]:
        """Return the usual shares of a vwap's slices, for `Leg.shares`; UNKNOWN where slices are to be equal.

        That the volume is not known yet is logged once.
        """
        if not self._shares:
            return ()
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
        self._keep()
        self.ts_ms = ts_ms

    def adopt_legs(self) -> None:
        """Want what the legs already hold: a State that starts anew keeps positions, entry ids and stops."""
        for index, leg in enumerate(self.legs):
            if leg.position.amount or leg.enters:
                self.out.target[index] = leg.exposure
                self.out.entry[index] = leg.entry_id
        self._keep()


def _had(leg: Leg) -> Had:
    return leg.instrument, leg.position, leg.entry_id, leg.entry_state, leg.last_exit
