"""A stopwatch that several threads start and stop."""

from __future__ import annotations

import pytest

from autotrader.core import stopwatch
from autotrader.core.stopwatch import Stopwatch


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [100.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: moment[0])
    return moment


def test_each_second_counts_once_however_many_go_on(now: list[float]) -> None:
    watch = Stopwatch()
    assert watch.seconds() == 0.0
    watch.begin()
    now[0] += 2.0
    watch.begin()
    now[0] += 3.0
    watch.end()
    assert watch.seconds() == 5.0
    now[0] += 1.0
    watch.end()
    now[0] += 10.0
    assert watch.seconds() == 6.0


def test_it_goes_on_where_it_stopped(now: list[float]) -> None:
    watch = Stopwatch()
    for _ in range(3):
        watch.begin()
        now[0] += 0.5
        watch.end()
        now[0] += 7.0
    assert watch.seconds() == 1.5
