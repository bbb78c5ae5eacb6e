"""A grid sells what it owns, and no more: on a swap that would be a short."""

from __future__ import annotations

import pytest

from autotrader.strategies import grid
from autotrader.strategies.contract import BAR, BY_COMMAND, FILL, FILLED, FREE, REFUSED, RESTING, TIMER, fresh_out
from autotrader.strategies.grid import CLOSED, LAID, NO_CELLS, Constants, State

LEVELS = 4
UNIT = 10
C = Constants(LEVELS, 0, 0.0, 0.0, 1.0, 10.0, 0.0, 0)
SELLING = (0b1110, 0, 0, 0)
"""Cells 1 to 3 sell, cell 0 buys."""


def laid(view, sells=SELLING, event=BAR, **changes):
    """Return the sides that a grid wants after a step, and the state."""
    state = State(LAID, 100.0, 1.0, UNIT, 0, 0, 10_000, sells, NO_CELLS)
    out = fresh_out(1, LEVELS + 1)
    fields = {"features": [[102.0, 1.0]], "tick": [0.01], "event": event} | changes
    after = grid.step(C, state, view(slots=LEVELS + 1, **fields), out)
    return list(out.slot_side[:LEVELS]), after


@pytest.mark.parametrize(
    ("lots", "sides"),
    [(30, [1, -1, -1, -1]), (29, [1, -1, -1, -1]), (20, [1, -1, -1, 0]), (10, [1, -1, 0, 0]), (0, [1, 0, 0, 0])],
    ids=["all", "all, less the fee of a coin", "two", "one", "none"],
)
def test_so_many_cells_sell_as_what_is_owned_reaches_for_the_nearest_first(view, lots, sides) -> None:
    assert laid(view, lots=[lots])[0] == sides


def test_what_has_filled_of_a_sale_is_owned_no_more_and_owed_no_more(view) -> None:
    states, remaining = [RESTING] * 4 + [FREE], [10, 5, 4, 10, 0]
    assert laid(view, lots=[19], order_state=states, order_remaining=remaining)[0] == [1, -1, -1, -1]
    states = [RESTING, FILLED, RESTING, RESTING, FREE]
    assert laid(view, lots=[20], order_state=states, order_remaining=[10, 0, 10, 10, 0])[0] == [1, -1, -1, -1]


def test_what_a_cell_has_just_bought_is_what_it_sells(view) -> None:
    states = [FILLED, RESTING, RESTING, RESTING, FREE]
    sides, after = laid(view, event=FILL, lots=[40], order_state=states, order_remaining=[0, 10, 10, 10, 0])
    assert sides == [-1] * 4
    assert after.sells == (0b1111, 0, 0, 0)


def test_a_grid_that_a_person_closed_is_closed_though_its_sales_were_wanted_no_more(view) -> None:
    states = [REFUSED, FREE, REFUSED, FREE, FREE]
    _, after = laid(view, event=TIMER, lots=[0], last_exit=[BY_COMMAND], order_state=states)
    assert after.phase == CLOSED
    _, after = laid(view, event=TIMER, lots=[10], last_exit=[BY_COMMAND], order_state=states)
    assert after.phase == LAID
