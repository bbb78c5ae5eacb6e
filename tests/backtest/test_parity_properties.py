"""Parity as properties: whatever is declared over whatever market, the daemon, the loop and its compiled twin agree.

A few examples each here; AUTOTRADER_EXAMPLES asks for many.
"""

from __future__ import annotations

import asyncio
import os

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.app import replay_run
from autotrader.backtest import world as c
from autotrader.backtest.gate import equity_of
from autotrader.backtest.run import fills_of
from support.drawn import BASE_MS, BEGIN_MS, World, save, worlds
from support.folders import write
from support.lived import lived, outcome, plan_of, told, written
from support.moments import every_moment, same

FEW = settings(max_examples=int(os.environ.get("AUTOTRADER_EXAMPLES", "8")))


@FEW
@given(worlds())
def test_the_daemon_and_the_backtest_fill_the_same_and_send_the_same_orders(world: World) -> None:
    with written(world) as root:
        daemon = told(asyncio.run(lived(root)))
        assert told(fills_of(outcome(root))) == daemon
        assert replay_run(root).differences == ()


@FEW
@given(worlds())
def test_the_plain_loop_and_the_compiled_one_leave_the_same(world: World) -> None:
    with written(world) as root:
        same(outcome(root), outcome(root, compiled=False))


@FEW
@given(worlds())
def test_series_that_run_ahead_leave_what_a_loop_of_every_moment_leaves(world: World) -> None:
    with written(world) as root:
        same(outcome(root), every_moment(plan_of(root)))


@FEW
@given(worlds())
def test_accounts_balance_to_the_last_digit(world: World) -> None:
    with written(world) as root:
        ended = outcome(root)
    w, f = ended.tables.w, ended.tables.f
    (exchange,) = range(w[c.RUN, c.FIRST_EXCHANGE], w[c.RUN, c.FIRST_EXCHANGE] + w[c.RUN, c.EXCHANGES])
    fills = ended.fills
    flows = int(np.sum(-fills[:, 2] * fills[:, 5] - fills[:, 6])) + int(w[c.RUN, c.FUNDING_SUM])
    start = round(float(ended.plan.exchanges[0].cash) * 1e8)
    assert w[exchange, c.CASH] == start + flows
    first = int(w[c.RUN, c.FIRST_STRATEGY])
    assert int(w[first : first + len(ended.plan.strategies), c.MONEY].sum()) == flows
    for leg in range(len(ended.plan.legs)):
        mine = fills[fills[:, 0] == leg]
        assert w[w[c.RUN, c.FIRST_LEG] + leg, c.LOTS] == int(np.sum(mine[:, 2] * mine[:, 4]))
    working = w[w[c.RUN, c.FIRST_LEG] : w[c.RUN, c.FIRST_LEG] + len(ended.plan.legs)]
    assert w[exchange, c.RESERVED] == int(working[working[:, c.E_SIDE] != 0, c.E_RESERVED].sum())
    if w[exchange, c.SWAP] == 0:
        assert w[exchange, c.BALANCE] == round(float(ended.plan.exchanges[0].balance) * 1e8) + flows
        assert w[exchange, c.BALANCE] >= 0
    assert abs(equity_of(w, f, exchange) * 1e-8 - f[c.RUN, c.EQUITY]) < 1e-6 * max(1.0, abs(f[c.RUN, c.EQUITY]))


@FEW
@given(worlds(), st.integers(1, 10))
def test_bars_after_a_moment_never_change_what_was_filled_before_it(world: World, hours: int) -> None:
    until_ms = BEGIN_MS + hours * 12 * BASE_MS  # no bar of any timeframe lies across it
    with written(world) as root, written(world._replace(altered_ms=until_ms)) as other:
        before, after = (
            [fill for fill in fills_of(outcome(folder)) if fill["ts"] < until_ms] for folder in (root, other)
        )
    assert after == before


def test_a_liquidation_is_booked_and_replayed(tmp_path) -> None:
    count = 40
    closes = np.round(100 * np.exp(np.linspace(0, 1.2, count)), 2)
    opens = np.concatenate(([100.0], closes[:-1]))
    times = BEGIN_MS + np.arange(count) * BASE_MS
    save(tmp_path / "data", "BTC/USDT", np.column_stack((times, opens, closes, opens, closes, np.ones(count))))
    write(tmp_path, SHORT)
    daemon = told(asyncio.run(lived(tmp_path)))
    assert [row[0] for row in daemon if row[-1] == "liquidation"] == ["short"]
    assert told(fills_of(outcome(tmp_path))) == daemon
    assert replay_run(tmp_path).differences == ()


SHORT = {
    "autotrader.yaml": "dashboard: {port: 0}\ndata: data\n",
    "exchanges.d/drawn.yaml": "kind: simulated\nmarket: swap\nbalances: {USDT: 1000}\n"
    "replay: {data: data, exchange: drawn, speed: max}\n",
    "strategies.d/short.yaml": "kind: rules\nexchange: drawn\nsymbols: [BTC/USDT]\ntimeframe: 5m\ncapital: 50%\n"
    "enter_short: close >= close\nexits: {max_holding: 30d}\non_remove: hold\n",
}
