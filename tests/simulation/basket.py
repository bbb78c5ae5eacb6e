"""A kind for the simulation that holds two coins or neither: both are bought in one trade, and later both are sold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import Field

from autotrader.config.strategy import Legs, SingleExchange
from autotrader.strategies.contract import BAR, FILLED, REFUSED, Feed, Leg, Out, View

LEGS = 2
FLAT, BUYING, HELD, SELLING = range(4)
PATIENCE = 3
"""Closes after which a trade is taken for what it came to."""


class Params(SingleExchange):
    kind: Literal["basket"] = "basket"
    quote: float = Field(default=300.0, gt=0)
    rest: int = Field(default=3, ge=1)
    hold: int = Field(default=4, ge=1)
    aside: int = Field(default=0, ge=0, description="Buy by limit orders, so many ticks above the price; 0: market.")
    legs: Legs = Field(default_factory=Legs)


class Constants(NamedTuple):
    quote: float
    rest: int
    hold: int
    aside: int


class State(NamedTuple):
    """What is under way, for how many closes, and how many trades there were."""

    phase: int = FLAT
    closes: int = 0
    trades: int = 0


def constants(p: Params) -> Constants:
    return Constants(p.quote, p.rest, p.hold, p.aside)


def instruments(p: Params) -> tuple[tuple[Leg, ...], ...]:
    return (tuple(Leg(p.exchange, symbol, Feed("bars", p.series)) for symbol in p.symbols),)


def wakes(_p: Params) -> frozenset[int]:
    return frozenset({BAR})


def features(_p: Params) -> Mapping[str, str]:
    return {"price": "close"}


def lets(_p: Params) -> Mapping[str, str]:
    return {}


def slots(_p: Params) -> int:
    return LEGS


def step(c: Constants, state: State, view: View, out: Out) -> State:
    phase, closes, trades = state.phase, state.closes + 1, state.trades
    over = closes > PATIENCE
    for leg in range(LEGS):
        if math.isnan(view.features[leg][0]):
            return state
        over = over or view.order_state[leg] in (FILLED, REFUSED)
    if phase == FLAT and closes > c.rest:
        phase, closes, trades = BUYING, 0, trades + 1
        for leg in range(LEGS):
            price = view.features[leg][0]
            out.slot_leg[leg] = leg
            out.slot_side[leg] = 1
            out.slot_ticks[leg] = math.floor(price / view.tick[leg]) + c.aside if c.aside > 0 else 0
            out.slot_lots[leg] = math.floor(c.quote / price / view.lot[leg])
            out.slot_group[leg] = 2 * trades
    elif phase == BUYING and over:
        phase, closes = HELD, 0
    elif phase == HELD and closes > c.hold:
        phase, closes = SELLING, 0
        for leg in range(LEGS):
            out.slot_leg[leg] = leg
            out.slot_side[leg] = -1 if view.lots[leg] > 0 else 0
            out.slot_ticks[leg] = 0
            out.slot_lots[leg] = view.lots[leg]
            out.slot_group[leg] = 2 * trades + 1
    elif phase == SELLING and over:
        phase, closes = FLAT, 0
        for leg in range(LEGS):
            out.slot_side[leg] = 0
            out.slot_lots[leg] = 0
    return State(phase, closes, trades)
