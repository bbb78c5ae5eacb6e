"""Parity on events: over whatever was recorded, the daemon, the loop and its compiled twin agree."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings

from autotrader.backtest import glue, loop
from autotrader.backtest import world as c
from autotrader.backtest.engine import Outcome, simulate
from autotrader.backtest.gate import equity_of
from autotrader.backtest.run import fills_of
from autotrader.core import jit
from autotrader.market.history import History
from conftest import data_folder
from support import resting
from support.drawn_feeds import FeedWorld, feed_worlds
from support.feeds import books, quotes, replayed, trades
from support.folders import write
from support.lived import lived, outcome, plan_of, told, written
from support.moments import same

FEW = settings(max_examples=int(os.environ.get("AUTOTRADER_EXAMPLES", "8")))


COMMON = "exchange: drawn\nsymbols: [BTC/USDT]\nfeed: book\ncapital: 100%\non_remove: hold\n"
LEAVING = FeedWorld(
    {
        "autotrader.yaml": "dashboard: {port: 0}\ndata: data\n",
        "exchanges.d/drawn.yaml": (
            "kind: simulated\nmarket: spot\nbalances: {USDT: 10000}\nlatency: 0s\nfees: {maker: 0.1%, taker: 0.1%}\n"
            "replay: {data: data, exchange: drawn, speed: max}\n"
        ),
        "strategies.d/a.yaml": (
            f"kind: grid\n{COMMON}size: {{kind: percent, percent: 95%}}\n"
            "params: {levels: 2, step: 0.05%, stop_outside: true}\n"
        ),
        "strategies.d/b.yaml": (
            f"kind: rules\n{COMMON}enter_long: close > prev(close, 1)\nexits: {{stop_loss: 0.5%}}\n"
        ),
    },
    (("BTC/USDT", "book", 7, 20, 100.0, 2),),
    (),
    ("BTC/USDT",),
)
"""A grid leaves its levels at the very event at which another strategy enters with the money that is there."""


@FEW
@given(feed_worlds())
@example(LEAVING)
def test_the_daemon_and_the_backtest_fill_the_same(world: FeedWorld) -> None:
    with written(world) as root:
        daemon = told(asyncio.run(lived(root)))
        assert told(fills_of(outcome(root))) == daemon


@FEW
@given(feed_worlds(beside=True))
def test_the_daemon_and_the_backtest_fill_the_same_where_bars_and_feeds_tell_one_price(world: FeedWorld) -> None:
    with written(world) as root:
        daemon = told(asyncio.run(lived(root)))
        assert told(fills_of(outcome(root))) == daemon


@FEW
@given(feed_worlds())
def test_the_plain_loop_and_the_compiled_one_leave_the_same(world: FeedWorld) -> None:
    with written(world) as root:
        compared(outcome(root), outcome(root, compiled=False))


@FEW
@given(feed_worlds(alone=True))
def test_events_passed_over_leave_what_the_general_loop_leaves(world: FeedWorld) -> None:
    with written(world) as root:
        compared(outcome(root), one_by_one(root))


@pytest.fixture
def kinds(monkeypatch) -> dict[str, Any]:
    """Return the kind that rests, so that it can be compiled: only steps of the package are, under their module."""
    name = f"autotrader.tests.{hashlib.blake2b(Path(resting.__file__).read_bytes()).hexdigest()}"
    monkeypatch.setattr(resting.step, "__module__", name)
    monkeypatch.setattr(resting.Params, "__module__", name)
    return {"resting": resting}


@pytest.mark.parametrize("begin", ["", ", from: '2024-01-01 00:00:20'"], ids=["whole", "later"])
@pytest.mark.parametrize("feed", ["trades", "quotes", "book"])
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
def test_a_step_sees_the_same_levels_in_the_daemon_and_in_the_backtest(tmp_path, kinds, feed, compiled, begin) -> None:
    made = {"trades": trades(5, 200), "quotes": quotes(6, 200), "book": books(7, 200)}
    text = f"kind: resting\nexchange: paper\nsymbols: [BTC/USDT]\nfeed: {feed}\ncapital: 50%\non_remove: hold\n"
    strategy = {"a": f"{text}wake_after: 150\nremembers: 1\n"}
    root = replayed(tmp_path, strategy, {"BTC/USDT": made}, speed=f"max{begin}")
    daemon = told(asyncio.run(lived(root, more_kinds=kinds)))
    ended = simulate(plan_of(root, more_kinds=kinds), compiled=compiled)
    assert told(fills_of(ended)) == daemon
    ((state,),) = rows(root, "SELECT state FROM states")
    assert ended.tables.whole[0].tolist() == json.loads(state)


@pytest.mark.parametrize("exchange", ["binance", "binance-perp"])
def test_orders_that_join_the_best_prices_of_a_recorded_book_fill_in_their_turn(tmp_path, kinds, exchange) -> None:
    if not (data_folder() / "book" / exchange).is_dir():
        pytest.skip("no recorded book here")
    text = "kind: resting\nexchange: paper\nsymbols: [BTC/USDT, ETH/USDT]\nfeed: book\ncapital: 90%\non_remove: hold\n"
    root = recorded_book(
        tmp_path, exchange, {"a": f"{text}joins: 1\nlots: 1000000\nmost: 4000000\npatience: 30\napart: 10\n"}
    )
    daemon = told(asyncio.run(lived(root, more_kinds=kinds)))
    ended = simulate(plan_of(root, more_kinds=kinds))
    assert told(fills_of(ended)) == daemon
    compared(ended, simulate(plan_of(root, more_kinds=kinds), compiled=False))
    turns = by_turn(ended, History(data_folder(), exchange))
    assert turns.count(True) > 20
    assert turns.count(False) > 20


@pytest.mark.parametrize("exchange", ["binance", "binance-perp"])
def test_on_a_recorded_book_the_daemon_and_the_backtest_fill_the_same(tmp_path, exchange) -> None:
    if not (data_folder() / "book" / exchange).is_dir():
        pytest.skip("no recorded book here")
    crossing = (
        "enter_long: crosses_above(ema(close, 5), ema(close, 20))\nexits: {stop_loss: 0.02%, take_profit: 0.03%}\n"
    )
    common = "exchange: paper\nsymbols: [BTC/USDT]\nfeed: book\ncapital: 40%\non_remove: hold\n"
    limit = "execution: {kind: limit, timeout: 20s}\n"
    grid = "size: {kind: percent, percent: 95%}\nparams: {levels: 8, step: 0.02%}\n"
    strategies = {"a": f"kind: rules\n{common}{crossing}{limit}", "b": f"kind: grid\n{common}{grid}"}
    root = recorded_book(tmp_path, exchange, strategies)
    daemon = told(asyncio.run(lived(root)))
    assert len(daemon) > 20
    assert told(fills_of(outcome(root))) == daemon


@FEW
@given(feed_worlds())
def test_accounts_balance_to_the_last_digit(world: FeedWorld) -> None:
    with written(world) as root:
        ended = outcome(root)
    w, f, fills = ended.tables.w, ended.tables.f, ended.fills
    exchange = int(w[c.RUN, c.FIRST_EXCHANGE])
    flows = int(np.sum(-fills[:, 2] * fills[:, 5] - fills[:, 6])) + int(w[c.RUN, c.FUNDING_SUM])
    assert w[exchange, c.CASH] == round(float(ended.plan.exchanges[0].cash) * 1e8) + flows
    first_leg, first_slot = int(w[c.RUN, c.FIRST_LEG]), int(w[c.RUN, c.FIRST_SLOT])
    reserved = 0
    for leg in range(len(ended.plan.legs)):
        row, mine = w[first_leg + leg], fills[fills[:, 0] == leg]
        assert row[c.LOTS] == int(np.sum(mine[:, 2] * mine[:, 4]))
        reserved += int(row[c.E_RESERVED]) if row[c.E_SIDE] else 0
        slots = w[first_slot : first_slot + int(w[c.RUN, c.SLOTS])]
        works = slots[(slots[:, c.O_SIDE] != 0) & (slots[:, c.O_LEG] == first_leg + leg)]
        assert row[c.SLOT_ORDERS] == len(works)
        reserved += int(works[:, c.O_RESERVED].sum())
    assert w[exchange, c.RESERVED] == reserved
    if w[exchange, c.SWAP] == 0:
        assert w[exchange, c.BALANCE] >= 0
    assert abs(equity_of(w, f, exchange) * 1e-8 - f[c.RUN, c.EQUITY]) < 1e-6 * max(1.0, abs(f[c.RUN, c.EQUITY]))


def recorded_book(root: Path, exchange: str, strategies: dict[str, str]) -> Path:
    """Write a folder whose exchange replays the recorded books of an exchange."""
    market = "swap" if exchange == "binance-perp" else "spot"
    paper = (
        f"kind: simulated\nmarket: {market}\nbalances: {{USDT: 10000}}\nfees: {{maker: 0.02%, taker: 0.05%}}\n"
        f"latency: 50ms\nreplay: {{data: {data_folder()}, exchange: {exchange}, speed: max}}\n"
    )
    files = {"autotrader.yaml": "dashboard: {port: 0}\n", "exchanges.d/paper.yaml": paper}
    return write(root, files | {f"strategies.d/{name}.yaml": text for name, text in strategies.items()})


def by_turn(ended: Outcome, source: History) -> list[bool]:
    """Return of each maker's fill whether it came by the queue: no event of its moment traded through its price."""
    found = []
    for fill in fills_of(ended):
        if fill["maker"]:
            levels = source.levels(fill["symbol"], "book", fill["ts"], 50)
            at = levels.part(0, int(np.searchsorted(levels.ts, fill["ts"], side="right")))
            best = at.asks[:, 0, 0].min() if fill["side"] > 0 else at.bids[:, 0, 0].max()
            found.append(bool((float(fill["price"]) - best) * fill["side"] <= 0))
    return found


def rows(root: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(root / "var" / "autotrader.db")) as db:
        return db.execute(query).fetchall()


def one_by_one(root: Path) -> Outcome:
    """Run the plain loop without passing over anything."""

    def nothing(*_: Any) -> None:
        return

    plan = plan_of(root)
    steps = glue.steps(plan.kinds, compiled=False)
    return simulate(plan, loop=jit.linked(loop.enter, {**steps, "glide": nothing}, compiled=False))


def compared(one: Outcome, other: Outcome) -> None:
    """Two outcomes tell the same and end at the same event."""
    same(one, other)
    assert one.tables.w[c.RUN, c.NOW_MS] == other.tables.w[c.RUN, c.NOW_MS]
