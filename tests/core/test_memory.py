"""Tables, lines, sheets, lanes and cubes: what compiled code reads and writes is what plain Python sees."""

from __future__ import annotations

import numpy as np

from autotrader.core import jit, memory
from autotrader.core.memory import column, cube, lanes, line, real_at, shaped, sheet, soon, spare, table, whole_at


def walk(w, f, flat, many) -> float:
    whole, real, cells, arrays = table(w, 4), table(f, 3), line(flat), line(many)
    total = 0.0
    for row in range(5):
        whole[row, 2] = row * 10 + whole[row, 1]
        total += whole[row, 2] + real[row, 0]
    lots = column(whole, 2, 2)
    lots[1] = -7
    rows = sheet(cells, 2, 2, 3)
    book = cube(cells, 0, 2, 2)
    total += len(rows) * 1000.0 + rows[1][2] + book[1][0][1] + len(book[0])
    return total + lots[0] + whole_at(arrays, 0)[1] + real_at(arrays, 1)[2]


walk.__module__ = "autotrader.tests"


def world():
    w = np.arange(20, dtype=np.int64).reshape(5, 4)
    f = np.linspace(0.5, 7.5, 15).reshape(5, 3)
    flat = np.arange(12, dtype=np.float64) / 4
    return w, f, flat, [np.array([3, 5, 8]), np.array([0.1, 0.2, 0.7])]


def test_compiled_code_reads_and_writes_what_plain_python_does() -> None:
    ours, theirs = world(), world()
    plain = walk(*ours)
    compiled = jit.outer(walk, memory.compiled(), "test memory")
    assert compiled(*theirs[:3], memory.addresses(theirs[3])) == plain
    assert (ours[0] == theirs[0]).all()
    assert ours[0][3, 2] == -7


def reach(w, f, flat) -> float:
    whole, real, cells = table(w, 4), table(f, 3), line(flat)
    lane = lanes(cells, 1, 2, 4, 3)
    cell, other = spare(whole), spare(real)
    cell[0], other[0] = 9, 0.25
    cell[0] += whole[1, 1]
    soon(cells, 3)
    return len(lane) * 100.0 + lane[0][2] + lane[1][1] + cell[0] + other[0]


reach.__module__ = "autotrader.tests"


def test_lanes_lie_apart_in_a_line_and_a_spare_cell_is_none_of_the_table() -> None:
    ours, theirs = world(), world()
    plain = reach(*ours[:3])
    assert plain == 200.0 + 7 / 4 + 8 / 4 + 14 + 0.25
    assert jit.outer(reach, memory.compiled(), "test lanes")(*theirs[:3]) == plain
    assert (theirs[0] == world()[0]).all()


def told(w):
    whole = shaped(w, 4)
    whole[3, 2] = 5
    return whole[1, 2] * 100 + first_of(whole)


def first_of(whole):
    return whole[0, 1]


told.__module__ = first_of.__module__ = "autotrader.tests"


def test_what_is_known_of_a_table_is_not_read() -> None:
    compiled = jit.outer(told, memory.compiled(((2, 7),)), "test shaped")
    w = world()[0]
    assert compiled(w) == 701
    assert w[3, 2] == 5
    assert told(world()[0]) == jit.outer(told, memory.compiled(), "test unshaped")(world()[0]) == 601
