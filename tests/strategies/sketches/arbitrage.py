"""A sketch of one trade on two venues: both legs together; a lone leg is completed within a bound, else unwound."""

from __future__ import annotations

import math
from typing import NamedTuple

from autotrader.strategies.contract import FILLED, REFUSED, Out, View

IDLE, BOTH, COMPLETE, UNWIND = range(4)


class Constants(NamedTuple):
    min_profit: float = 0.001
    bound_ticks: int = 5
    lots: int = 3
    deadline_ms: int = 1_000


class State(NamedTuple):
    """What is under way since when, who buys (a leg), and the price of each leg in ticks."""

    phase: int = IDLE
    attempt: int = 0
    since_ms: int = 0
    buyer: int = 0
    ticks: tuple[int, int] = (0, 0)


def advantage(view: View, buyer: int) -> float:
    """Return what buying on one leg and selling on the other earns, as a fraction."""
    seller = 1 - buyer
    if view.asks[buyer][0][1] == 0.0 or view.bids[seller][0][1] == 0.0:
        return -1.0
    return view.bids[seller][0][0] / view.asks[buyer][0][0] - 1.0


def ticks_of(price: float, tick: float) -> int:
    return math.floor(price / tick + 0.5)


def begin(c: Constants, state: State, view: View) -> State:
    for buyer in range(2):
        if advantage(view, buyer) >= c.min_profit:
            buy = ticks_of(view.asks[buyer][0][0], view.tick[buyer])
            sell = ticks_of(view.bids[1 - buyer][0][0], view.tick[1 - buyer])
            ticks = (buy, sell) if buyer == 0 else (sell, buy)
            return State(BOTH, state.attempt + 1, view.now_ms, buyer, ticks)
    return state


def go_on(c: Constants, state: State, view: View) -> State:
    first, second = view.order_state[0], view.order_state[1]
    done = (1 if first == FILLED else 0) + (1 if second == FILLED else 0)
    refused = REFUSED in (first, second)
    late = view.now_ms - state.since_ms >= c.deadline_ms
    if state.phase == UNWIND:
        return State(IDLE, state.attempt, 0, 0, (0, 0)) if view.lots[0] == 0 and view.lots[1] == 0 else state
    if done == 2:
        return State(IDLE, state.attempt, 0, 0, (0, 0))
    if not refused and not late:
        return state
    if done == 0:
        return State(IDLE, state.attempt, 0, 0, (0, 0))
    if late or state.phase == COMPLETE:
        return State(UNWIND, state.attempt, state.since_ms, state.buyer, (0, 0))
    better = c.bound_ticks
    first_ticks = state.ticks[0] + (better if state.buyer == 0 else -better)
    second_ticks = state.ticks[1] + (better if state.buyer == 1 else -better)
    return State(COMPLETE, state.attempt, state.since_ms, state.buyer, (first_ticks, second_ticks))


def step(c: Constants, state: State, view: View, out: Out) -> State:
    state = begin(c, state, view) if state.phase == IDLE else go_on(c, state, view)
    for leg in range(2):
        side = 1 if leg == state.buyer else -1
        lots = c.lots
        if state.phase == UNWIND:
            side = -1 if view.lots[leg] > 0 else 1
            lots = abs(view.lots[leg])
        if state.phase == IDLE or lots == 0:
            side = 0
        out.slot_leg[leg] = leg
        out.slot_side[leg] = side
        out.slot_ticks[leg] = state.ticks[leg] if side != 0 else 0
        out.slot_lots[leg] = lots if side != 0 else 0
        out.slot_group[leg] = state.attempt if side != 0 else 0
    out.wake_ms[0] = 0 if state.phase == IDLE else state.since_ms + c.deadline_ms
    return state
