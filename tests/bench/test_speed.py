from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SPEED = Path(__file__).parent / "speed"
CASH = 1_000_000.0
BARS = 3_000


@pytest.fixture(scope="module", autouse=True)
def speed_modules():
    """Let the bench's own modules be imported as its programs import them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SPEED))
        yield


def market():
    return import_module("market")


def generated(seed):
    return market().table_bars(market()._walk(seed, BARS))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_the_cross_trades_as_the_listed_variant_does(seed):
    loops, variants = import_module("loops"), import_module("variants")
    bars = generated(seed)
    made, equity = variants.of(bars, variants.CROSS)
    assert loops.cross(bars.open, bars.close, 12, 26, CASH) == (len(made), pytest.approx(equity, abs=1e-6))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_the_guarded_cross_trades_as_the_listed_variant_does(seed):
    loops, variants = import_module("loops"), import_module("variants")
    bars = generated(seed)
    made, equity = variants.of(bars, variants.OURS)
    fused = loops.guarded_cross(bars.open, bars.high, bars.low, bars.close, 12, 26, CASH)
    assert fused == (len(made), pytest.approx(equity, abs=1e-6))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31))
def test_shared_averages_trade_as_averages_of_each_pair_do(seed):
    loops = import_module("loops")
    bars = generated(seed)
    fasts, slows = np.arange(5, 9), np.arange(12, 15)
    alone = loops.pairs(bars.open, bars.close, fasts, slows, CASH)
    np.testing.assert_allclose(loops.shared_pairs(bars.open, bars.close, fasts, slows, CASH, 2), alone, rtol=1e-12)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_a_portfolio_with_places_for_all_trades_each_symbol_as_if_alone(seed):
    loops, work = import_module("loops"), import_module("workloads")
    symbols = [generated(seed + turn) for turn in range(work.MAX_OPEN)]
    open_, close = (np.array([getattr(bars, name) for bars in symbols]).T.copy() for name in ("open", "close"))
    together, _ = loops.portfolio(open_, close, 12, 26, CASH)
    assert together == sum(loops.cross(bars.open, bars.close, 12, 26, CASH)[0] for bars in symbols)


def resting_orders(price, levels, cash):
    """Keep W5's grid as its text says it: a book of orders, one a level."""
    middle, fee = len(levels) // 2, 0.001
    book = {level: (1 if level < middle else -1) for level in range(len(levels)) if level != middle}
    units = len(levels) - 1 - middle
    cash, fills = cash - units * price[1] * (1 + fee), 0
    for traded in price[2:]:
        through = [k for k, side in book.items() if (traded - levels[k]) * side < 0]
        for level in sorted(through, key=lambda k: abs(k - middle)):
            side = book.pop(level)
            cash -= side * levels[level] * (1 + side * fee)
            units, fills = units + side, fills + 1
        for level in through:
            book[level + (1 if traded < levels[level] else -1)] = -1 if traded < levels[level] else 1
    return fills, cash + units * price[-1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-400, 400), min_size=3, max_size=200))
def test_the_grid_of_one_integer_trades_as_a_book_of_resting_orders(steps):
    fused, loops = import_module("fused"), import_module("loops")
    price = np.maximum(50_000, 100_000 + np.cumsum([0, *steps])) / 100
    levels = fused.levels(price[0])
    expected = resting_orders(price, levels, CASH)
    assert loops.grid(price, levels, CASH) == (expected[0], pytest.approx(expected[1], abs=1e-6))


def test_a_difference_that_no_rule_of_the_peer_makes_is_not_explained():
    agree = import_module("agree")
    ours, peer = agree.Trade(0, 100.0, 60, 101.0), agree.Trade(0, 100.0, 60, 99.0)
    proved = {"a reason": {0: peer}, "another": {0: ours}}
    assert agree.differences({0: ours}, {0: peer}, proved) == [(0, "a reason")]
    assert agree.differences({0: ours}, {0: peer}, {"another": {0: ours}}) == [(0, "NOT EXPLAINED")]
    assert agree.differences({0: ours}, {0: ours}, {}) == []


def test_trades_are_read_at_the_opens_of_their_bars(tmp_path):
    agree = import_module("agree")
    path = tmp_path / "trades.csv"
    path.write_text("symbol,entry_ts,entry_price,exit_ts,exit_price\nA/B,60000,1,179999,2\nC/D,0,1,60000,2\n")
    assert agree.read(path, 60_000, "A/B") == {60_000: agree.Trade(60_000, 1.0, 120_000, 2.0)}


def test_an_engine_prints_one_line_with_its_figures():
    measure, engines = import_module("measure"), import_module("engines")
    text = "from harness import serve\nserve('e', {'W1': lambda: (lambda: __import__('workloads').Outcome(3, 1.5))})"
    done = measure.measure([sys.executable, "-c", text, "W1", "--once"], engines.FUSED.surroundings(), 60.0)
    line = json.loads(done.printed)
    assert (line["engine"], line["workload"], line["trades"], line["final_equity"]) == ("e", "W1", 3, 1.5)
    assert done.status == 0
    assert done.peak_mb > 1


def test_a_command_past_its_limit_is_ended():
    measure = import_module("measure")
    done = measure.measure([sys.executable, "-c", "while True: pass"], os.environ, 0.2)
    assert done.status != 0
