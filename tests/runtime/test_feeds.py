"""Events in the living daemon: rules and resting orders on them, stops, restarts inside a millisecond."""

from __future__ import annotations

import itertools
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from autotrader.core.units import FEEDS
from autotrader.market.instrument import STEP
from support import resting
from support.feeds import bars, books, quotes, replayed, trades
from support.harness import Harness

KINDS = {"resting": resting}
MOMENTS = 20_000


def cross(feed: str, **keys: str) -> str:
    lines = {
        "kind": "rules",
        "exchange": "paper",
        "symbols": "[BTC/USDT]",
        "feed": feed,
        "capital": "50%",
        "enter_long": "crosses_above(ema(close, 5), ema(close, 20))",
        "exit_long": "crosses_below(ema(close, 5), ema(close, 20))",
        "exits": "{stop_loss: 0.1%, take_profit: 0.3%, trailing_stop: 0.25%}",
        "on_remove": "close",
    } | keys
    return "".join(f"{key}: {value}\n" for key, value in lines.items() if value)


def rests(feed: str, **keys: str) -> str:
    series = f"feed: {feed}" if feed in FEEDS else f"timeframe: {feed}"
    more = "".join(f"{key}: {value}\n" for key, value in keys.items())
    return f"kind: resting\nexchange: paper\nsymbols: [BTC/USDT]\n{series}\ncapital: 50%\non_remove: hold\n{more}"


def rows(root: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(root / "var" / "autotrader.db")) as db:
        return db.execute(query).fetchall()


def told(root: Path) -> dict[str, list[tuple]]:
    """Return what a run left behind: fills, orders, trades and States."""
    return {
        "fills": rows(root, "SELECT strategy, symbol, ts_ms, side, price, amount, cost, fee, maker, reason FROM fills"),
        "orders": rows(
            root, "SELECT strategy, side, type, price, amount, filled, state, purpose, created_ms FROM orders"
        ),
        "trades": rows(root, "SELECT strategy, side, entry_ms, exit_ms, pnl, reason FROM trades"),
        "states": rows(root, "SELECT strategy, part, state, out FROM states ORDER BY strategy, part"),
    }


def over(one: Harness) -> bool:
    return all(account.idle for account in one.daemon.loop.accounts.values())


async def run_out(one: Harness) -> None:
    """Let the daemon live until its market is over."""
    assert one.daemon.loop.failed == {}
    for _ in range(MOMENTS):
        if over(one):
            break
        await one.clock.settle()
    assert one.daemon.failure is None
    assert {name: one.error for name, one in one.daemon.loop.strategies.items() if one.error} == {}


async def lived(root: Path) -> dict[str, list[tuple]]:
    one = Harness(root, more_kinds=KINDS)
    await one.start()
    await run_out(one)
    await one.stop()
    return told(root)


@pytest.mark.parametrize("feed", ["trades", "quotes", "book"])
@pytest.mark.parametrize("execution", ["{kind: market}", "{kind: limit, timeout: 20s}"], ids=["market", "limit"])
async def test_rules_on_a_feed_enter_leave_and_stop(tmp_path, feed, execution) -> None:
    made = {"trades": trades(3, 500), "quotes": quotes(3, 500), "book": books(3, 500)}
    run = await lived(replayed(tmp_path, {"a": cross(feed, execution=execution)}, {"BTC/USDT": made}))
    assert {row[5] for row in run["trades"]} >= {"exit", "stop_loss"}
    assert len(run["trades"]) > 5
    times = {row[0] for row in made[feed]}
    assert {row[2] for row in run["fills"]} <= times


STRATEGIES = {
    "cross": cross("trades", capital="30%", execution="{kind: limit, timeout: 20s}"),
    "quoted": cross("quotes", capital="20%"),
    "rests": rests("trades", wake_after="1500"),
    "rests-quoted": rests("quotes", rungs="3", post_only="1"),
    "rests-booked": rests("book", rungs="1", remembers="1", wake_after="700"),
    "joins": rests("book", joins="1", apart="1", lots="20000000"),
}


async def test_a_run_that_was_stopped_again_and_again_ends_as_one_that_was_not(tmp_path) -> None:
    made = {"BTC/USDT": {"trades": trades(2, 120), "quotes": quotes(2, 120), "book": books(9, 120)}}
    whole = await lived(replayed(tmp_path / "whole", STRATEGIES, made))
    root = replayed(tmp_path / "cut", STRATEGIES, made)
    one, inside = Harness(root, more_kinds=KINDS), 0
    await one.start()
    while not over(one):
        inside += one.daemon.loop.desk.venues["paper"].inner._clock.row > 1
        await one.stop()
        await one.start()
    await run_out(one)
    await one.stop()
    assert inside > 1
    assert len(whole["fills"]) > 10
    cut = told(root)
    assert cut["fills"] == whole["fills"]
    assert cut["orders"] == whole["orders"]
    assert cut["states"] == whole["states"]


@pytest.mark.parametrize("series", ["trades", "quotes", "book", "1m"])
async def test_resting_orders_fill_and_are_moved(tmp_path, series) -> None:
    made = {"trades": trades(5, 200), "quotes": quotes(5, 200), "book": books(5, 200), "bars": bars(5, 100)}
    root = replayed(tmp_path, {"a": rests(series)}, {"BTC/USDT": made})
    run = await lived(root)
    assert {row[3] for row in run["fills"]} == {1, -1}
    assert {row[6] for row in run["orders"]} >= {"filled", "canceled"}
    assert {row[7] for row in run["orders"]} == {"slot", "slot_exit"}
    ((_, _, state, _),) = run["states"]
    _, _, steps, fills, _ = json.loads(state)
    assert fills > 0
    assert steps - fills == len(made["bars" if series == "1m" else series])


def consistent(one: Harness, root: Path) -> None:
    """Check that what the journal believes is what the venue has, and that every working order is some slot's."""
    loop = one.daemon.loop
    ledger = loop.desk.venues["paper"].inner._ledger
    base = sum(leg.position.amount for leg in loop.desk.legs.values())
    assert base == ledger.balances.get("BTC", 0) * STEP
    wanted = {slot.client_id for each in loop.strategies.values() for part in each.parts for slot in part.slots}
    working = {order.client_id for order in ledger.orders.values() if order.type != "guard"}
    assert {order.client_id for leg in loop.desk.legs.values() for order in leg.orders.values()} == working
    assert {order.client_id for leg in loop.desk.legs.values() for order in leg.slotted()} <= wanted
    assert rows(root, "SELECT count(*), count(DISTINCT fill_id) FROM fills")[0][0] == ledger.last_fill


async def test_dying_at_any_write_loses_no_fill_and_leaves_no_order_alone(tmp_path) -> None:
    made = {"BTC/USDT": {"trades": trades(2, 150), "quotes": quotes(2, 150), "book": books(2, 150)}}
    root = replayed(tmp_path, STRATEGIES, made)
    one, deaths = Harness(root, more_kinds=KINDS), 0
    await one.start()
    for left in itertools.cycle((3, 11, 2, 29, 7, 23)):
        if over(one):
            break
        one.fuse.light(left, ("commit", "order")[deaths % 2])
        for _ in range(200):
            await one.clock.settle()
            if one.fuse.burned > deaths or over(one):
                break
        if one.fuse.burned > deaths:
            deaths += 1
            await one.die()
            await one.start()
    one.fuse.out()
    await run_out(one)
    consistent(one, root)
    await one.stop()
    assert deaths > 8


async def test_a_reload_moves_a_strategy_from_bars_to_trades_and_back(tmp_path) -> None:
    made = {"trades": trades(4, 2_000), "bars": bars(4, 40)}
    slow = cross("trades").replace("feed: trades", "timeframe: 1m")
    root = replayed(tmp_path, {"a": slow}, {"BTC/USDT": made}, speed="1x")
    one = Harness(root, more_kinds=KINDS)
    await one.start()
    path, steps = root / "strategies.d" / "a.yaml", []
    for text in (cross("trades"), slow, cross("trades")):
        await one.bars(1, 90.0)
        path.write_text(text, encoding="utf-8")
        outcome = await one.daemon.commands.handle("reload", {})
        assert outcome["status"] == "applied", outcome
        await one.bars(1, 90.0)
        (part,) = one.daemon.loop.strategies["a"].parts
        steps.append(one.daemon.journal.progress_of("paper").ts_ms)
        past = await one.daemon.loop.desk.venues["paper"].bars(part.own_series(0), end_ms=2**60, limit=500)
        fresh = part.program.live()
        for bar in past:
            fresh.update(part.program.own, bar)
        assert fresh.values() == pytest.approx(part.live[0].values(), nan_ok=True)
    assert one.daemon.failure is None
    assert steps == sorted(set(steps))
    await one.stop()
