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
    REFUSED,
    RESTING,
    SENT,
    TIMER,
    WAKES,
    Feed,
    Leg,
    Out,
    View,
)

MAX_LEVELS = 200  # 4 x CELLS_A_WORD
RETRY_MS = 300_000
"""How long an order that was refused waits until it is tried again."""

RANGE = Decimal("0.08")
"""Between the highest and the lowest level, where nothing is said."""

CELLS_A_WORD = 50
HIGHEST = 1e300
"""Above every price."""

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
        default=None, description="With auto: how far the highest level lies above the lowest; 8% if nothing is said."
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
            if self.range is not None and self.step is not None:
                raise trouble("'range' and 'step' exclude each other", "keep one of them", at=("step",))
        elif self.range is not None or self.step is not None:
            name = "range" if self.range is not None else "step"
            raise trouble(f"'{name}' is for levels around the first price", "remove it, or the bounds", at=(name,))
        elif isinstance(self.lower, Decimal) and isinstance(self.upper, Decimal) and self.lower >= self.upper:
            raise trouble("the lowest level is not below the highest", "write a higher one", at=("upper",))
        return self


class Params(SingleExchange):
    """Buys each level that the price falls through and sells it one level higher."""

    kind: Literal["grid"] = Field(default="grid", description="Orders resting on levels around the price.")
    params: GridParams = Field(default_factory=GridParams, description="The levels and their distance.")

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


Cells = tuple[int, int, int, int]
"""A bit for each cell, CELLS_A_WORD in each number."""

NO_CELLS: Cells = (0, 0, 0, 0)


class State(NamedTuple):
    """Where the levels lie, and what each cell is about.

    `lowest` is the lowest level's price, `distance` that of two levels where they are spaced evenly, `lots` the size of
    each order, `buy` what is bought at the market, `left` the id under which all is sold, `again_ms` when the orders
    are looked at again. Cells in `sells` sell at their upper level, the others buy at their lower one; those in
    `silent` were refused and want nothing until they are tried again.
    """

    phase: int = IDLE
    lowest: float = 0.0
    distance: float = 0.0
    lots: int = 0
    buy: int = 0
    left: int = 0
    again_ms: int = 0
    sells: Cells = NO_CELLS
    silent: Cells = NO_CELLS


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
    else:
        span = RANGE if grid.range is None else grid.range
        factor, distance = float(1 + span) ** (1.0 / grid.levels), float(span / grid.levels)
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


def lets(_p: Params) -> Mapping[str, str]:
    return {}


def step(c: Constants, state: State, view: View, out: Out) -> State:
    """Lay the grid at the first price, and answer each fill with an order one level away."""
    if view.event <= BOOK:
        state = _on_price(c, state, view)
    elif view.event <= TIMER and state.phase == BUYING:
        state = _bought(c, state, view)
    elif view.event <= TIMER and state.phase == LAID:
        state = _answered(c, state, view)
        if view.event == TIMER:
            state = _tried_again(c, state, view)
    _want(c, state, view, out)
    return state


def _on_price(c: Constants, state: State, view: View) -> State:
    price, tick = view.features[0][PRICE], view.tick[0]
    if not price > 0.0:  # undefined, too
        return state
    if state.phase == LAID:
        if c.stop_outside == 1 and _outside(c, state, price, tick):
            return State(OUTSIDE, state.lowest, state.distance, state.lots, 0, view.now_ms, 0, NO_CELLS, NO_CELLS)
        return state
    if state.phase == OUTSIDE and (view.lots[0] != 0 or _outside(c, state, price, tick)):
        return state
    return state if state.phase in (BUYING, CLOSED) else _laid(c, state, view, price)


def _outside(c: Constants, state: State, price: float, tick: float) -> bool:
    ticks = math.floor(price / tick + 0.5)
    first, last = _at(c, state, 0, tick), _at(c, state, c.levels, tick)
    return ticks < first or ticks > last


def _up(c: Constants, state: State, price: float) -> float:
    """Return the next level's price."""
    return price * c.factor if c.geometric == 1 else price + state.distance


def _at(c: Constants, state: State, number: int, tick: float) -> int:
    """Return a level's price in ticks, numbered from the lowest."""
    price = state.lowest
    for _ in range(number):
        price = _up(c, state, price)
    return _ticks(price, tick)


def _ticks(price: float, tick: float) -> int:
    """Return a price in ticks; half a tick goes up."""
    return max(math.floor(price / tick + 0.5), 1)


def _laid(c: Constants, state: State, view: View, price: float) -> State:
    """Lay the levels, around the price where they are auto, and buy what the cells above it are to sell."""
    if view.features[0][FILTERS] != 1.0 or view.now_ms < state.again_ms:
        return state
    lowest, distance, tick = c.lowest, c.distance, view.tick[0]
    if lowest == 0.0:
        distance = c.distance * price
        lowest = price
        for _ in range(c.levels // 2):
            lowest = lowest / c.factor if c.geometric == 1 else lowest - distance
    lots = math.floor(c.amount)
    if c.amount == 0.0:
        lots = math.floor(view.budget[0] * c.percent / (c.levels * price) / view.lot[0])
    made = State(BUYING, lowest, distance, lots, 0, 0, view.now_ms + RETRY_MS, NO_CELLS, NO_CELLS)
    if lowest <= 0.0 or lots <= 0 or _outside(c, made, price, tick):
        return state
    wanted = (c.levels - _nearest(c, made, price, tick)) * lots - view.lots[0]
    if wanted <= 0:
        return _placed(c, made, view)
    return State(BUYING, lowest, distance, lots, wanted, 0, made.again_ms, NO_CELLS, NO_CELLS)


def _nearest(c: Constants, state: State, price: float, tick: float) -> int:
    """Return the number of the level nearest to a price: cells below it buy, cells from it on sell."""
    ticks, here = price / tick, state.lowest
    for number in range(c.levels):
        above = _up(c, state, here)
        if 2.0 * ticks < _ticks(here, tick) + _ticks(above, tick):
            return number
        here = above
    return c.levels


def _bought(c: Constants, state: State, view: View) -> State:
    """Place the orders once what they are to sell is there; try again later where it was refused."""
    if view.order_state[c.levels] == FILLED:
        return _placed(c, state, view)
    if view.order_state[c.levels] == REFUSED:
        return State(IDLE, 0.0, 0.0, 0, 0, 0, view.now_ms + RETRY_MS, NO_CELLS, NO_CELLS)
    return state


def _placed(c: Constants, state: State, view: View) -> State:
    """Let an order rest in every cell: as many sell as what is owned reaches for, from the top down."""
    sells = NO_CELLS
    for cell in range(c.levels):
        if cell >= c.levels - view.lots[0] // state.lots:
            sells = _with(sells, cell)
    again_ms = view.now_ms + RETRY_MS
    return State(LAID, state.lowest, state.distance, state.lots, 0, 0, again_ms, sells, NO_CELLS)


def _has(cells: Cells, cell: int) -> bool:
    return (cells[cell // CELLS_A_WORD] >> (cell % CELLS_A_WORD)) & 1 == 1


def _with(cells: Cells, cell: int) -> Cells:
    """Return the cells with one of them changed."""
    word, bit = cell // CELLS_A_WORD, 1 << (cell % CELLS_A_WORD)
    return (
        cells[0] ^ (bit if word == 0 else 0),
        cells[1] ^ (bit if word == 1 else 0),
        cells[2] ^ (bit if word == 2 else 0),
        cells[3] ^ (bit if word == 3 else 0),
    )


def _answered(c: Constants, state: State, view: View) -> State:
    """Answer what filled by the order of the other side, one level away."""
    sells = state.sells
    for cell in range(c.levels):
        if view.order_state[cell] == FILLED:
            sells = _with(sells, cell)
    return State(LAID, state.lowest, state.distance, state.lots, 0, state.left, state.again_ms, sells, state.silent)


def _tried_again(c: Constants, state: State, view: View) -> State:
    """Silence what was refused, so that the look after this one orders it anew; close where a person closed it."""
    silent, refused, dormant, again_ms = NO_CELLS, 0, 0, view.now_ms + RETRY_MS
    for cell in range(c.levels):
        if view.order_state[cell] == REFUSED:
            silent = _with(silent, cell)
            refused += 1
        elif _has(state.sells, cell):
            dormant += 1
    if refused + dormant == c.levels and view.lots[0] == 0 and view.last_exit[0] == BY_COMMAND:
        return State(CLOSED, 0.0, 0.0, 0, 0, 0, 0, NO_CELLS, NO_CELLS)
    if refused > 0:
        again_ms = view.now_ms + 1
    return State(LAID, state.lowest, state.distance, state.lots, 0, state.left, again_ms, state.sells, silent)


def _want(c: Constants, state: State, view: View, out: Out) -> None:
    """Write everything that a state wants. What is not owned is not sold, for on a swap that would be a short."""
    out.target[0], out.entry[0], out.wake_ms[0] = 0.0, state.left, state.again_ms
    price, tick, promised = state.lowest, view.tick[0], 0
    for cell in range(c.levels):
        above = _up(c, state, price)
        rests = state.phase == LAID and not _has(state.silent, cell)
        sells = _has(state.sells, cell)
        if sells and rests:
            rests = promised < view.lots[0]
            works = view.order_state[cell] == SENT or view.order_state[cell] == RESTING
            if works:
                promised += view.order_remaining[cell]
            elif view.order_state[cell] != FILLED or view.event > BOOK:  # a sale that filled owes nothing more
                promised += state.lots
        out.slot_leg[cell], out.slot_post_only[cell], out.slot_group[cell] = 0, 0, 0
        out.slot_side[cell] = (-1 if sells else 1) if rests else 0
        out.slot_ticks[cell] = _ticks(above if sells else price, tick) if rests else 0
        out.slot_lots[cell] = state.lots if rests else 0
        price = above
    buys = state.phase == BUYING
    last = c.levels
    out.slot_leg[last], out.slot_post_only[last], out.slot_group[last], out.slot_ticks[last] = 0, 0, 0, 0
    out.slot_side[last], out.slot_lots[last] = (1, state.buy) if buys else (0, 0)
    out.calm_below[0], out.calm_above[0] = 0.0, 0.0
    if state.phase == LAID and c.stop_outside == 1:
        out.calm_below[0], out.calm_above[0] = state.lowest * (1.0 + 1e-9), price * (1.0 - 1e-9)
    elif state.phase in (BUYING, LAID, CLOSED):
        out.calm_above[0] = HIGHEST
