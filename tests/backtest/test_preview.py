"""The preview of a reload: what changed, old beside new; what cannot be run says why."""

from __future__ import annotations

import time
from typing import Any

import pytest

from autotrader.app import Loader, declared, make_preview
from autotrader.backtest import preview
from autotrader.core.clock import DAY_MS
from autotrader.core.errors import AutotraderError, HistoryError
from support.folders import folder, rules, write
from support.harness import Harness

UNTIL_MS = 1_704_067_200_000 + 5 * DAY_MS


@pytest.fixture
async def running(tmp_path):
    """A folder whose daemon accepted one generation."""
    root = folder(tmp_path, {"kept": rules(4, 9), "cross": rules(3, 8), "gone": rules(5, 11)}, recorded=False)
    harness = Harness(root)
    await harness.start()
    await harness.stop()
    return root


async def test_changed_added_and_removed_strategies_are_shown_and_no_others(running) -> None:
    write(running, {"strategies.d/cross.yaml": rules(4, 12), "strategies.d/fresh.yaml": rules(6, 12)})
    (running / "strategies.d" / "gone.yaml").unlink()
    made = make_preview(running, 3 * DAY_MS, UNTIL_MS)
    assert [(one["strategy"], one["change"]) for one in made.strategies] == [
        ("cross", "changed"),
        ("fresh", "added"),
        ("gone", "removed"),
    ]
    assert made.error == ""


async def test_a_changed_strategy_shows_both_sides_and_the_difference(running) -> None:
    write(running, {"strategies.d/cross.yaml": rules(4, 12)})
    (one,) = make_preview(running, 3 * DAY_MS, UNTIL_MS).strategies
    assert one["old"]["trades"] > one["new"]["trades"] > 0
    assert one["difference"]["trades"] == one["new"]["trades"] - one["old"]["trades"]
    assert one["difference"]["total_return"] == one["new"]["total_return"] - one["old"]["total_return"]


async def test_the_table_has_a_row_a_strategy(running) -> None:
    write(running, {"strategies.d/cross.yaml": rules(4, 12)})
    (row,) = preview.rows(make_preview(running, 3 * DAY_MS, UNTIL_MS))
    assert list(row) == ["strategy", "change", "return", "drawdown", "sharpe", "trades"]
    assert " -> " in row["return"]


async def test_what_is_overdue_is_left_out_and_told(running) -> None:
    write(running, {"strategies.d/cross.yaml": rules(4, 12)})
    old = Loader(running)()
    assert old.declarations is not None
    write(running, {"strategies.d/cross.yaml": rules(5, 12)})
    times = iter([1.0, *[preview.LIMIT_S + 2.0] * 9])

    def slow(*arguments: Any) -> None:
        arguments[3](0.1)
        pytest.fail("it went on")

    made = preview.preview(old.declarations, declared(running), UNTIL_MS, DAY_MS, slow, lambda: next(times))
    assert "only what 5 s were enough for" in made.error


async def test_a_strategy_that_cannot_be_run_says_why(running) -> None:
    old = declared(running)
    write(running, {"strategies.d/cross.yaml": rules(4, 12)})

    def missing(*_: Any) -> None:
        raise HistoryError("no bars")

    made = preview.preview(old, declared(running), UNTIL_MS, DAY_MS, missing, time.monotonic)
    assert (made.strategies[0]["old"], made.strategies[0]["new"]) == (None, None)
    assert preview.heading(made).endswith("each alone: cross, old: no bars")


def test_without_a_running_generation_there_is_none(tmp_path) -> None:
    with pytest.raises(AutotraderError, match="no store"):
        make_preview(folder(tmp_path, {"a": rules()}, recorded=False), DAY_MS, UNTIL_MS)
