"""Columns that programs share are the columns that each makes alone, bit for bit, and take no more memory than said."""

from __future__ import annotations

import numpy as np
import pytest

from autotrader.features.fold import Folder
from autotrader.features.program import compile_program
from autotrader.features.shared import Shared
from autotrader.market.bars import Columns

COUNT = 400


def bars(seed: int = 1) -> Columns:
    rng = np.random.default_rng(seed)
    close = 100.0 + rng.normal(0.0, 1.0, COUNT).cumsum()
    ts = np.arange(COUNT, dtype=np.int64) * 60_000
    return Columns(ts, close, close + 1.0, close - 1.0, close + 0.25, np.ones(COUNT))


def hourly(own: Columns) -> Columns:
    return Columns._make(np.ascontiguousarray(column[::60]) for column in own)


def columns(texts: dict[str, str], own: Columns, longer: Columns, shared: Shared | None = None) -> np.ndarray:
    program = compile_program(texts, {}, "1m")
    folder = Folder(program, {key: own if key == program.own else longer for key in program.series}, shared)
    made = np.empty((folder.width, COUNT))
    for place, value in folder.still:
        made[place] = value
    folder.rows(0, 150, made)
    after = np.empty((folder.width, COUNT - 150))
    for place, value in folder.still:
        after[place] = value
    folder.rows(150, COUNT, after)
    made[:, 150:] = after
    return made


def crossing(fast: int, slow: int) -> dict[str, str]:
    return {
        "cross": f"crosses_above(ema(close, {fast}), sma(high - low, {slow}) + ema(close, {slow}))",
        "never": "1 < 0",
        "outer": f'sma(rsi(close, {fast}), 3) + ema(close, {slow}, timeframe="1h")',
    }


def test_programs_that_share_columns_have_the_values_of_each_alone():
    own, shared = bars(), Shared()
    longer = hourly(own)
    for _ in range(2):
        for fast in range(3, 6):
            for slow in range(8, 11):
                texts = crossing(fast, slow)
                assert columns(texts, own, longer, shared).tobytes() == columns(texts, own, longer).tobytes()


def test_other_bars_have_columns_of_their_own():
    shared = Shared()
    for seed in (1, 2, 1, 2):
        own = bars(seed)
        longer = hourly(own)
        texts = crossing(3, 8)
        assert columns(texts, own, longer, shared).tobytes() == columns(texts, own, longer).tobytes()


def column() -> np.ndarray:
    return np.zeros(COUNT)


def test_a_column_is_made_when_it_is_asked_for_again_and_kept():
    shared, own, made = Shared(), bars(), []

    def make(place: int) -> np.ndarray:
        made.append(place)
        return column()

    assert shared.columns(["a", "b"], own, make) is None
    assert shared.columns(["a", "c"], own, make) is None
    assert len(shared.columns(["a", "c"], own, make)) == 2
    assert made == [0, 1]
    first = shared.columns(["c", "b"], own, make)
    assert made == [0, 1, 1]
    assert shared.columns(["c", "b"], own, make)[0] is first[0]


@pytest.mark.parametrize(("room", "again"), [(0, "abc"), (2, "a"), (3, "")])
def test_what_was_asked_for_longest_ago_gives_way(room, again):
    own, made = bars(), []
    shared = Shared(sum(one.nbytes for one in own) + room * column().nbytes)

    def ask(name: str) -> None:
        def make(_: int) -> np.ndarray:
            made.append(name)
            return column()

        shared.columns([name], own, make)

    for name in "abcabc":
        ask(name)
    assert made == list("abc")
    for name in "cba":
        ask(name)
    assert sorted(made[3:]) == list(again)
