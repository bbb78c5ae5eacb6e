"""A kind for tests that wants resting orders: bids below and asks above the last price, moved when it has gone too far.

On a book it may join the best bid and the best ask instead, and those behind them.

Whatever a step can be told goes into its State, so that two runs which differ anywhere differ in the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import Field

from autotrader.config.strategy import SingleExchange
from autotrader.strategies.contract import BOOK, FILL, FREE, TIMER, WAKES, Feed, Leg, Out, View, levels_of

RUNG = 3


class Params(SingleExchange):
    kind: Literal["resting"] = "resting"
    rungs: int = Field(default=2, ge=1, le=20)
    apart: int = Field(default=5, ge=0)
    patience: int = Field(default=12, ge=0)
    lots: int = Field(default=50_000_000, ge=0)
    most: int = Field(default=150_000_000, ge=0)
    post_only: int = Field(default=0, ge=0, le=1)
    wake_after: int = Field(default=0, ge=0)
    remembers: int = Field(default=0, ge=0, le=1, description="Look at levels between their events too.")
    joins: int = Field(default=0, ge=0, le=1, description="Rest at the best bid and ask of a book.")


class Constants(NamedTuple):
    rungs: int
    apart: int
    patience: int
    lots: int
    most: int
    post_only: int
    wake_after: int
    levels: int
    remembers: int
    joins: int


class State(NamedTuple):
    """The middle in ticks (0: none yet), a hash of all that was seen, and how many steps each event brought."""

    middle: int = 0
    seen: int = 0
    steps: int = 0
    fills: int = 0
    timers: int = 0


def constants(p: Params) -> Constants:
    return Constants(
        p.rungs, p.apart, p.patience, p.lots, p.most, p.post_only, p.wake_after, levels_of(_feed(p)), p.remembers,
        p.joins,
    )  # fmt: skip


def instruments(p: Params) -> tuple[tuple[Leg, ...], ...]:
    return tuple((Leg(p.exchange, symbol, _feed(p)),) for symbol in p.symbols)


def _feed(p: Params) -> Feed:
    return Feed(p.feed or "bars", p.series, 3 if p.feed == "book" else 0)


def wakes(p: Params) -> frozenset[int]:
    return frozenset({WAKES[p.feed or "bars"], FILL, TIMER})


def features(_p: Params) -> Mapping[str, str]:
    return {"price": "close", "slow": "ema(close, 7)"}


def lets(_p: Params) -> Mapping[str, str]:
    return {}


def slots(p: Params) -> int:
    return 2 * p.rungs


def step(c: Constants, state: State, view: View, out: Out) -> State:
    price = view.features[0][0]
    seen = state.seen
    for slot in range(2 * c.rungs):
        seen = (seen * 31 + view.order_state[slot]) % 1_000_003
        seen = (seen * 31 + view.order_filled[slot] + view.order_remaining[slot]) % 1_000_003
    seen = (seen * 31 + view.lots[0] + view.event + view.last_exit[0]) % 1_000_003
    for level in range(c.levels if c.remembers == 1 or view.event <= BOOK else 0):
        if view.bids[0][level][1] > 0:
            seen = (seen * 31 + math.floor((view.bids[0][level][0] + view.bids[0][level][1]) * 1e6)) % 1_000_003
        if view.asks[0][level][1] > 0:
            seen = (seen * 31 + math.floor((view.asks[0][level][0] + view.asks[0][level][1]) * 1e6)) % 1_000_003
    if not math.isnan(view.features[0][1]):
        seen = (seen * 31 + math.floor(view.features[0][1] * 1e6)) % 1_000_003
    if math.isnan(price):
        return state
    middle, last = state.middle, math.floor(price / view.tick[0] + 0.5)
    if middle == 0 or abs(last - middle) > c.patience:
        middle = last
    for rung in range(c.rungs):
        for side in (1, -1):
            slot = 2 * rung + (0 if side > 0 else 1)
            ticks = middle - side * c.apart * (rung + 1)
            if c.joins == 1 and view.bids[0][0][1] > 0:
                best = view.bids[0][0][0] if side > 0 else view.asks[0][0][0]
                ticks = math.floor(best / view.tick[0] + 0.5) - side * c.apart * rung
                if out.slot_side[slot] != 0 and abs(ticks - out.slot_ticks[slot]) <= c.patience:
                    ticks = out.slot_ticks[slot]
            full = view.lots[0] * side >= c.most
            held = side > 0 or view.may_short[0] == 1 or view.lots[0] >= c.lots * (rung + 1)
            if view.order_state[slot] == FREE or out.slot_ticks[slot] != ticks:
                out.slot_side[slot] = 0 if full or not held else side
                out.slot_ticks[slot] = ticks
                out.slot_lots[slot] = c.lots
                out.slot_post_only[slot] = c.post_only
    if c.wake_after > 0 and (view.event == TIMER or out.wake_ms[0] == 0):
        out.wake_ms[0] = view.now_ms + c.wake_after
    fills = state.fills + (1 if view.event == FILL else 0)
    timers = state.timers + (1 if view.event == TIMER else 0)
    return State(middle, seen, state.steps + 1, fills, timers)
