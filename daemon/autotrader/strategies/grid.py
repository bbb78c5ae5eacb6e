"""Grid: orders that rest above and below the price, each answered by one on the next level when it fills.

Between n + 1 levels lie n cells. A cell whose lower level is still to be bought has a buy order resting there; once it
has filled, a sell order of the same size rests at the upper level, and the other way round. What the cells above the
price are to sell is bought at the market when the grid is laid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from autotrader.config.model import Declared, trouble
from autotrader.config.strategy import FixedSize, PercentSize, SingleExchange
from autotrader.config.types import Fraction, FractionBelowOne, PositiveDecimal
from autotrader.market.instrument import STEP
from autotrader.strategies.contract import (
    BOOK,
    BY_COMMAND,
    FILL,
    FILLED,
    FREE,
    REFUSED,
    TIMER,
    WAKES,
    Feed,
    Leg,
    Out,
    View,
)

MAX_LEVELS = 200
RETRY_MS = 300_000
"""How long an order that was refused waits until it is tried again."""

PRICE, FILTERS = range(2)
IDLE, BUYING, LAID, OUTSIDE, CLOSED = range(5)
"""Not laid yet; what it is to sell is on order; orders rest; left because the price left; closed by a person."""

Bound = Annotated[PositiveDecimal | Literal["auto"], Field(union_mode="left_to_right")]


class GridParams(Declared):
    """Where the levels lie."""

    lower: Bound = Field(default="auto", description="The lowest level, as 55000, or auto: around the first price.")
    upper: Bound = Field(default="auto", description="The highest level, as 65000, or auto.")
    levels: int = Field(default=20, ge=2, le=MAX_LEVELS, description="How many orders rest; there is one level more.")
    spacing: Literal["geometric", "arithmetic"] = Field(
        default="geometric", description="Levels the same share apart, or the same amount."
    )
    range: Fraction | None = Field(
        default=None, description="With auto: how far the highest level lies above the lowest, as 8%."
    )
    step: FractionBelowOne | None = Field(
        default=None, description="With auto, instead of range: how far a level lies from the next, as 0.5%."
    )
    stop_outside: bool = Field(
        default=False, description="Sell all and wait while the price lies outside the levels, instead of holding on."
    )

    @model_validator(mode="after")
    def _consistent(self) -> GridParams:
        bounds = (self.lower, self.upper)
        if ("auto" in bounds) != (bounds == ("auto", "auto")):
            raise trouble("one bound is auto and the other is not", "give both prices, or neither", at=("upper",))
        if bounds == ("auto", "auto"):
            if (self.range is None) == (self.step is None):
                raise trouble("the levels' distance is not said once", "write range: 8%, or step: 0.5%", at=("range",))
        elif self.range is not None or self.step is not None:
            name = "range" if self.range is not None else "step"
            raise trouble(f"'{name}' is for levels around the first price", "remove it, or the bounds", at=(name,))
        elif isinstance(self.lower, Decimal) and isinstance(self.upper, Decimal) and self.lower >= self.upper:
            raise trouble("the lowest level is not below the highest", "write a higher one", at=("upper",))
        return self


class Params(SingleExchange):
    """Buys each level that the price falls through and sells it one level higher."""

    kind: Literal["grid"] = Field(default="grid", description="Orders resting on levels around the price.")
    params: GridParams = Field(default_factory=GridParams, description="Where the levels lie.")

    @model_validator(mode="after")
    def _fits_a_grid(self) -> Params:
        if not isinstance(self.size, (PercentSize, FixedSize)):
            hint = "write {kind: fixed, amount: 0.01} for each level, or a percent of the share for all"
            raise trouble(f"a grid has no size of kind {self.size.kind}", hint, at=("size",))
        if any(value is not None for value in self.exits.model_dump().values()):
            raise trouble("the orders of a grid have no exits of their own", "stop_outside ends it", at=("exits",))
        return self


class Constants(NamedTuple):
    """`factor` and `distance` lead from a level to the next: by share, or by an amount.

    With explicit levels `lowest` is the lowest, with auto 0.0. `distance` is then a share of the first price. `amount`
    is one level's lots, or 0.0 where `percent` of the share is spread over all levels.
    """

    levels: int
    geometric: int
    lowest: float
    factor: float
    distance: float
    amount: float
    percent: float
    stop_outside: int


class State(NamedTuple):
    """`lowest` is the lowest level's price and `lots` the size of each; `moves` counts the changes of orders."""

    phase: int = IDLE
    lowest: float = 0.0
    distance: float = 0.0
    lots: int = 0
    moves: int = 0


def constants(p: Params) -> Constants:
    grid, size = p.params, p.size
    geometric = grid.spacing == "geometric"
    lowest, factor, distance = 0.0, 1.0, 0.0
    if grid.lower != "auto" and grid.upper != "auto":
        lowest = float(grid.lower)
        factor = float(grid.upper / grid.lower) ** (1.0 / grid.levels)
        distance = float((grid.upper - grid.lower) / grid.levels)
    elif grid.step is not None:
        factor, distance = float(1 + grid.step), float(grid.step)
    elif grid.range is not None:
        factor, distance = float(1 + grid.range) ** (1.0 / grid.levels), float(grid.range / grid.levels)
    return Constants(
        grid.levels,
        int(geometric),
        lowest,
        factor,
        distance,
        float(size.amount / STEP) if isinstance(size, FixedSize) else 0.0,
        float(size.percent) if isinstance(size, PercentSize) else 0.0,
        int(grid.stop_outside),
    )


def instruments(p: Params) -> tuple[tuple[Leg, ...], ...]:
    """Each symbol has a grid of its own."""
    return tuple((Leg(p.exchange, symbol, Feed(p.feed or "bars", p.series)),) for symbol in p.symbols)


def wakes(p: Params) -> frozenset[int]:
    return frozenset({WAKES[p.feed or "bars"], FILL, TIMER})


def slots(p: Params) -> int:
    """Return one order a cell, and the one that buys what the upper cells sell."""
    return p.params.levels + 1


def features(p: Params) -> Mapping[str, str]:
    return {"price": "close", "filters": " and ".join(f"({text})" for text in p.filters) or "0 < 1"}


def level(c: Constants, lowest: float, distance: float, number: int, tick: float) -> int:
    """Return a level's price in ticks, numbered from the lowest; half a tick goes up."""
    price = lowest
    if c.geometric == 1:
        for _ in range(number):
            price *= c.factor
    else:
        price += number * distance
    return max(math.floor(price / tick + 0.5), 1)


def step(c: Constants, state: State, view: View, out: Out) -> State:
    """Lay the grid at the first price, and answer each fill with an order one level away."""
    if view.event <= BOOK:
        return _on_price(c, state, view, out)
    if view.event == TIMER and state.phase == LAID:
        return _look_again(c, state, view, out)
    if view.event == FILL and state.phase == BUYING:
        return _bought(c, state, view, out)
    if view.event == FILL and state.phase == LAID:
        return _answer(c, state, view, out)
    return state


def _on_price(c: Constants, state: State, view: View, out: Out) -> State:
    price = view.features[0][PRICE]
    if math.isnan(price) or state.phase == CLOSED:
        return state
    if state.phase == LAID:
        if c.stop_outside == 1 and _outside(c, state, price, view.tick[0]):
            _wish_nothing(c, out)
            out.target[0], out.entry[0] = 0.0, view.now_ms
            return State(OUTSIDE, state.lowest, state.distance, state.lots, state.moves + 1)
        return state
    if state.phase == OUTSIDE:
        if view.lots[0] != 0 or _outside(c, state, price, view.tick[0]):
            return state
    elif state.phase == BUYING:
        if view.order_state[c.levels] == REFUSED:
            _wish_nothing(c, out)
            return State(BUYING, state.lowest, state.distance, state.lots, state.moves + 1)
        if view.order_state[c.levels] != FREE:
            return state
    return _lay(c, state, view, out, price)


def _outside(c: Constants, state: State, price: float, tick: float) -> bool:
    ticks = price / tick
    lowest = level(c, state.lowest, state.distance, 0, tick)
    return ticks < lowest - 0.5 or ticks > level(c, state.lowest, state.distance, c.levels, tick) + 0.5


def _lay(c: Constants, state: State, view: View, out: Out, price: float) -> State:
    """Lay the levels around a price and buy what the cells above it are to sell."""
    if view.features[0][FILTERS] != 1.0 or 0 < view.now_ms < out.wake_ms[0]:
        return state
    lowest, distance = c.lowest, c.distance
    if lowest == 0.0:
        distance = c.distance * price
        lowest = price
        for _ in range(c.levels // 2):
            lowest = lowest / c.factor if c.geometric == 1 else lowest - distance
    tick, lot = view.tick[0], view.lot[0]
    laid = State(IDLE, lowest, distance, 0, state.moves)
    if lowest <= 0.0 or _outside(c, laid, price, tick):
        return laid
    lots = math.floor(c.amount) if c.amount > 0.0 else math.floor(view.budget[0] * c.percent / (c.levels * price) / lot)
    if lots <= 0:
        return laid
    wanted = (c.levels - _cell(c, laid, price, tick)) * lots - view.lots[0]
    out.target[0], out.entry[0] = 0.0, 0
    out.slot_leg[c.levels], out.slot_ticks[c.levels], out.slot_post_only[c.levels] = 0, 0, 0
    out.slot_side[c.levels], out.slot_lots[c.levels] = (1, wanted) if wanted > 0 else (0, 0)
    out.wake_ms[0] = view.now_ms + RETRY_MS
    begun = State(BUYING, lowest, distance, lots, state.moves + 1)
    return begun if wanted > 0 else _place(c, begun, view, out)


def _cell(c: Constants, state: State, price: float, tick: float) -> int:
    """Return the number of the level nearest to a price: cells below it buy, cells from it on sell."""
    ticks = price / tick
    for number in range(c.levels):
        here = level(c, state.lowest, state.distance, number, tick)
        if ticks < (here + level(c, state.lowest, state.distance, number + 1, tick)) / 2.0:
            return number
    return c.levels


def _bought(c: Constants, state: State, view: View, out: Out) -> State:
    if view.order_state[c.levels] != FILLED:
        return state
    out.slot_side[c.levels] = out.slot_lots[c.levels] = 0
    return _place(c, state, view, out)


def _place(c: Constants, state: State, view: View, out: Out) -> State:
    """Let an order rest in every cell: as many sell as what is owned reaches for, from the top down."""
    selling = view.lots[0] // state.lots
    for cell in range(c.levels):
        _rest(c, state, view, out, cell, -1 if cell >= c.levels - selling else 1)
    return State(LAID, state.lowest, state.distance, state.lots, state.moves + 1)


def _rest(c: Constants, state: State, view: View, out: Out, cell: int, side: int) -> None:
    number = cell if side > 0 else cell + 1
    out.slot_leg[cell], out.slot_side[cell], out.slot_lots[cell] = 0, side, state.lots
    out.slot_ticks[cell] = level(c, state.lowest, state.distance, number, view.tick[0])
    out.slot_post_only[cell] = 0


def _answer(c: Constants, state: State, view: View, out: Out) -> State:
    """Answer what filled by the order of the other side, one level away."""
    moved = 0
    for cell in range(c.levels):
        if view.order_state[cell] == FILLED:
            _rest(c, state, view, out, cell, -out.slot_side[cell])
            moved = 1
    return State(state.phase, state.lowest, state.distance, state.lots, state.moves + moved)


def _look_again(c: Constants, state: State, view: View, out: Out) -> State:
    """Answer what filled unheard, and try what was refused once more: first without the wish, then with it again."""
    out.wake_ms[0] = view.now_ms + RETRY_MS
    refused = 0
    for cell in range(c.levels):
        if view.order_state[cell] == REFUSED:
            refused += 1
    if refused == c.levels and view.lots[0] == 0 and view.last_exit[0] == BY_COMMAND:
        _wish_nothing(c, out)
        return State(CLOSED, state.lowest, state.distance, state.lots, state.moves + 1)
    state = _answer(c, state, view, out)
    moved = 0
    for cell in range(c.levels):
        if out.slot_side[cell] == 0:
            bought = out.slot_ticks[cell] != level(c, state.lowest, state.distance, cell, view.tick[0])
            _rest(c, state, view, out, cell, -1 if bought else 1)
            moved = 1
        elif view.order_state[cell] == REFUSED:
            out.slot_side[cell] = 0
            out.wake_ms[0] = view.now_ms
            moved = 1
    return State(state.phase, state.lowest, state.distance, state.lots, state.moves + moved)


def _wish_nothing(c: Constants, out: Out) -> None:
    for cell in range(c.levels + 1):
        out.slot_side[cell] = out.slot_lots[cell] = 0
