"""A sketch of resting orders on a book: one bid, one ask, kept in their queues while the market stays near."""

from __future__ import annotations

import math
from typing import NamedTuple

from autotrader.strategies.contract import Out, View


class Constants(NamedTuple):
    distance: int = 2
    patience: int = 1
    lots: int = 5
    most: int = 10
    max_age_ms: int = 500


class State(NamedTuple):
    """The ticks of the bid and the ask that are wanted; 0 wants none."""

    wanted: tuple[int, int] = (0, 0)


def near(c: Constants, wanted: int, best: int) -> int:
    """Keep an order whose place is still good; move it otherwise."""
    return wanted if wanted != 0 and abs(wanted - best) <= c.patience else best


def step(c: Constants, state: State, view: View, out: Out) -> State:
    bid, ask = state.wanted
    if view.age_ms[0] > c.max_age_ms or view.bids[0][0][1] == 0.0 or view.asks[0][0][1] == 0.0:
        bid, ask = 0, 0
    else:
        bid = near(c, bid, math.floor(view.bids[0][0][0] / view.tick[0] + 0.5) - c.distance)
        ask = near(c, ask, math.floor(view.asks[0][0][0] / view.tick[0] + 0.5) + c.distance)
    if view.lots[0] >= c.most:
        bid = 0
    if view.lots[0] <= -c.most:
        ask = 0
    for slot in range(2):
        ticks = bid if slot == 0 else ask
        out.slot_leg[slot] = 0
        out.slot_side[slot] = 0 if ticks == 0 else (1 if slot == 0 else -1)
        out.slot_ticks[slot] = ticks
        out.slot_lots[slot] = 0 if ticks == 0 else c.lots
        out.slot_post_only[slot] = 1
    out.wake_ms[0] = view.now_ms + c.max_age_ms
    return State((bid, ask))
