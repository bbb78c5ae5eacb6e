"""What the simulation compiles once after an installation is told of while it happens, and never again."""

from __future__ import annotations

import pytest

from autotrader.app import backtest_plan, compare_backtests, declared, run_backtest, run_optimize
from autotrader.backtest import turns
from autotrader.backtest.plan import make_tables
from autotrader.backtest.world import shape_of
from autotrader.core import jit
from autotrader.core.clock import DAY_MS
from autotrader.market.generate import BEGIN_MS
from support.folders import folder, rules

SPAN = {"from_ms": BEGIN_MS, "to_ms": BEGIN_MS + 2 * DAY_MS}
NEWS = "(compiling the simulation, once after an installation)"


@pytest.fixture
def root(tmp_path):
    return folder(tmp_path, {"cross": rules(symbols="BTC/USDT")}, recorded=False)


@pytest.fixture
def installed_now(root, monkeypatch):
    """Let nothing be kept, without compiling all of it again."""
    for shape in ((), shape_of(make_tables(backtest_plan(root, declared(root), **SPAN)).w)):
        turns.compiled(shape)
    monkeypatch.setattr(jit, "is_kept", lambda *_: False)


def heard():
    told = []
    return told, lambda share, news="": told.append((share, news))


def test_machine_code_that_is_kept_is_taken_without_a_word():
    turns.compiled()
    told = []
    turns.compiled(told=told.append)
    assert told == []


@pytest.mark.usefixtures("installed_now")
def test_compiling_tells_how_far_it_is():
    told = []
    made = turns.compiled(told=told.append)
    assert told == [place / len(made) for place in range(len(made))]


@pytest.mark.usefixtures("installed_now")
@pytest.mark.parametrize(
    "work",
    [
        lambda root, progress: run_backtest(root, progress=progress, **SPAN),
        lambda root, progress: compare_backtests(root, progress=progress, **SPAN),
        lambda root, progress: run_optimize(
            root, "cross", space=["capital=10%,20%"], trials=2, progress=progress, **SPAN
        ),
    ],
    ids=["backtest", "compare", "optimize"],
)
def test_a_progress_bar_says_what_is_compiled_before_the_work_begins(root, work):
    told, progress = heard()
    work(root, progress)
    news = [text for _, text in told]
    assert news[0] == NEWS
    assert NEWS not in news[news.count(NEWS) :]
