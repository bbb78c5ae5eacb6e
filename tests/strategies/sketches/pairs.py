"""A sketch of two instruments at once: sell the dear one, buy the cheap one, leave together."""

from __future__ import annotations

from typing import NamedTuple

from autotrader.strategies.contract import ENDED, Out, View


class Constants(NamedTuple):
    enter: float = 2.0
    leave: float = 0.5
    hedge: float = 1.0


class State(NamedTuple):
    entry: int = 0
    side: float = 0.0


def step(c: Constants, state: State, view: View, out: Out) -> State:
    """`features[0][0]` is the z-score of the spread, the same bar's for both legs."""
    score = view.features[0][0]
    entry, side = state.entry, state.side
    lone = side != 0.0 and (view.entry_state[0] == ENDED) != (view.entry_state[1] == ENDED)
    if lone or (side != 0.0 and abs(score) < c.leave):
        side = 0.0
    elif side == 0.0 and view.lots[0] == 0 and view.lots[1] == 0 and abs(score) > c.enter:
        entry, side = view.now_ms, -1.0 if score > 0.0 else 1.0
    out.target[0] = side
    out.target[1] = -side * c.hedge
    out.entry[0] = entry
    out.entry[1] = entry
    return State(entry, side)
