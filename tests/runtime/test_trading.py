"""Rules as declared, traded live: sizes, exits, policies, timeframes, other symbols, and the gate in front of them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotrader.core.events import Series
from autotrader.market.fills import RATE
from support.books import disagreements
from support.columns import batch
from support.folders import folder, rules
from support.harness import Harness

ALWAYS = {"symbols": "BTC/USDT", "enter_long": "close > 0", "exit_long": "close < 0", "exits": "{stop_loss: 40%}"}


@pytest.fixture
async def trading(tmp_path: Path):
    made: list[Harness] = []

    async def start(risk: str = "", **keys: str) -> Harness:
        files = {"risk.d/default.yaml": risk} if risk else {}
        one = Harness(folder(tmp_path, {"a": rules(**keys)}, speed="1x", recorded=False, **files))
        made.append(one)
        await one.start()
        return one

    yield start
    for one in made:
        assert one.daemon.failure is None
        await one.stop()
    assert disagreements(tmp_path / "var/autotrader.db", tmp_path / "var/paper-paper.db") == []


def leg(one: Harness) -> Any:
    return one.daemon.loop.strategies["a"].legs()[0]


def decisions(one: Harness) -> list[tuple[str, dict[str, Any]]]:
    rows = one.daemon.journal._db.execute("SELECT kind, detail FROM decisions ORDER BY id")
    return [(kind, json.loads(detail)) for kind, detail in rows]


def trades(one: Harness) -> list[str]:
    return [row[0] for row in one.daemon.journal._db.execute("SELECT reason FROM trades ORDER BY id")]


@pytest.mark.parametrize(
    ("size", "notional"),
    [
        ("", Decimal(800)),
        ("{kind: percent, percent: 50%}", Decimal(400)),
        ("{kind: notional, amount: 500 USDT}", Decimal(500)),
        ("{kind: notional, amount: 5000 USDT}", Decimal(800)),
    ],
)
async def test_a_size_is_taken_of_the_share_and_clipped_to_it(trading, size: str, notional: Decimal) -> None:
    one = await trading(**ALWAYS, size=size)
    await one.bars(1)
    price = one.daemon.loop.accounts["paper"].prices["BTC/USDT"]
    assert abs(leg(one).position.amount * price - notional) < notional / 50


async def test_a_fixed_size_is_base_units_and_a_volatility_size_waits_for_its_atr(trading) -> None:
    one = await trading(**ALWAYS, size="{kind: fixed, amount: 0.0001}")
    await one.bars(1)
    assert leg(one).position.amount == Decimal("0.0001")


async def test_a_volatility_size_is_risk_times_share_over_the_atr(trading) -> None:
    one = await trading(**ALWAYS, size="{kind: volatility, risk: 0.1%, atr: 5}")
    await one.bars(1)
    (part,) = one.daemon.loop.strategies["a"].parts
    share = Decimal("0.08") * 10000
    (placed,) = one.daemon.journal._db.execute("SELECT amount FROM orders WHERE type = 'market'").fetchone()
    bars = await one.daemon.loop.desk.venues["paper"].bars(
        Series("paper", "BTC/USDT", "5m"), end_ms=part.ts_ms, limit=500
    )
    atr = true_range(bars, 5)
    assert abs(float(placed) - float(share) * 0.001 / atr) < 1e-7


def true_range(bars: Any, n: int) -> float:
    """Wilder's average true range by hand, as the `ta` package seeds it."""
    ranges = []
    for before, bar in zip([None, *bars], bars, strict=False):
        near = before.close if before is not None else bar.close
        ranges.append(max(bar.high, near) - min(bar.low, near))
    value = sum(ranges[:n]) / n
    for one in ranges[n:]:
        value = (value * (n - 1) + one) / n
    return value


async def test_a_kelly_size_learns_from_the_closed_trades_and_says_why_it_stops(trading) -> None:
    losing = ALWAYS | {"exits": "{stop_loss: 0.01%}", "enter_long": "close > 0"}
    one = await trading(**losing, size="{kind: kelly, min_trades: 3, start: 10%}")
    await one.until(lambda: ("refused", "kelly") in [(kind, row.get("limit")) for kind, row in decisions(one)])
    placed = one.daemon.journal._db.execute("SELECT amount, average FROM orders WHERE purpose = 'entry'").fetchall()
    assert len(placed) == 3
    for amount, price in placed:
        assert abs(Decimal(amount) * Decimal(price) - 80) < 1
    await one.stop()
    await one.start()
    before = one.calls["submit"]
    await one.bars(5)
    assert one.calls["submit"] == before, "a restart forgot the record"


async def test_a_position_older_than_its_holding_time_is_closed(trading) -> None:
    one = await trading(**(ALWAYS | {"exits": "{max_holding: 15m}"}))
    await one.until(lambda: "max_holding" in trades(one), bars=10)


async def test_a_limit_entry_is_priced_at_the_close_repriced_each_bar_and_ends_with_its_timeout(trading) -> None:
    crossing = ALWAYS | {"enter_long": "crosses_above(ema(close, 2), ema(close, 5))"}
    one = await trading(**crossing, execution="{kind: limit, timeout: 10m}")
    await one.bars(120)
    kinds = [kind for kind, _ in decisions(one)]
    assert "enter" in kinds
    placed = one.daemon.journal._db.execute("SELECT state, COUNT(*) FROM orders WHERE type = 'limit' GROUP BY state")
    assert {state for state, _ in placed} <= {"filled", "canceled", "open", "partial"}


def placed(one: Harness, purpose: str = "entry") -> list[tuple[str, str, str]]:
    rows = one.daemon.journal._db.execute(
        "SELECT type, state, amount FROM orders WHERE purpose = ? ORDER BY rowid", (purpose,)
    )
    return rows.fetchall()


async def test_a_post_only_entry_never_takes_and_moves_as_often_as_is_said(trading) -> None:
    one = await trading(**ALWAYS, execution="{kind: limit, post_only: true, chase: 2, timeout: 30d}")
    await one.until(lambda: bool(leg(one).position.amount), bars=400)
    assert 1 <= len(placed(one)) <= 3
    fills = one.daemon.journal._db.execute("SELECT maker, reason FROM fills").fetchall()
    assert all(maker for maker, reason in fills if not reason)


async def test_a_twap_buys_in_slices_goes_on_after_a_crash_and_is_whole_at_its_end(trading) -> None:
    one = await trading(**ALWAYS, execution="{kind: twap, over: 1h, slices: 12}")
    await one.until(lambda: len(placed(one)) == 3)
    assert leg(one).left
    await one.die()
    await one.start()
    await one.until(lambda: not leg(one).left)
    orders = placed(one)
    assert {(kind, state) for kind, state, _ in orders} == {("market", "filled")}
    assert len(orders) <= 12
    assert leg(one).position.amount == sum(Decimal(amount) for _, _, amount in orders) == leg(one).whole


async def test_a_vwap_buys_as_the_volume_usually_is_and_is_whole_at_its_end(trading) -> None:
    one = await trading(**ALWAYS, execution="{kind: vwap, over: 1h, slices: 12}")
    await one.until(lambda: len(placed(one)) == 3)
    shares = leg(one).shares
    assert 0 < shares[0] <= shares[1] <= shares[10] <= RATE
    await one.die()
    await one.start()
    assert leg(one).shares == shares
    await one.until(lambda: not leg(one).left)
    whole, step = leg(one).whole, leg(one).instrument.lot
    bought = [Decimal(amount) for _, _, amount in placed(one)]
    assert sum(bought) == whole == leg(one).position.amount
    parts = [RATE, *reversed(shares)][::-1]
    for count, part in enumerate(parts[: len(bought)]):
        assert abs(sum(bought[: count + 1]) - whole * part / RATE) <= step


async def test_a_slice_that_a_limit_refuses_ends_the_entry_with_what_it_has(trading) -> None:
    one = await trading(risk="max_position: 5%\n", **ALWAYS, execution="{kind: twap, over: 1h, slices: 12}")
    await one.until(lambda: ("refused", "max_position") in [(kind, row.get("limit")) for kind, row in decisions(one)])
    assert leg(one).position.amount
    assert not leg(one).left


async def test_a_pause_ends_an_entry_in_slices_and_a_close_sells_what_it_got_at_once(trading) -> None:
    one = await trading(**ALWAYS, execution="{kind: twap, over: 2h, slices: 24}")
    await one.until(lambda: len(placed(one)) == 2)
    await one.daemon.commands.handle("pause", {"name": "a"})
    await one.bars(3)
    assert len(placed(one)) == 2
    assert not leg(one).left
    await one.daemon.commands.handle("close", {"name": "a"})
    await one.bars(3)
    assert not leg(one).position.amount
    assert [state for _, state, _ in placed(one, "exit")] == ["filled"]


async def test_an_entry_that_is_closed_between_its_slices_is_over(trading) -> None:
    one = await trading(**ALWAYS, execution="{kind: twap, over: 2h, slices: 24}")
    await one.until(lambda: len(placed(one)) == 2)
    await one.daemon.commands.handle("pause", {"name": ""})
    await one.daemon.commands.handle("close", {"name": "a"})
    await one.bars(3)
    assert leg(one).left == 0
    assert leg(one).exit_reason == ""
    assert not leg(one).position.amount


async def test_shorter_bars_decide_inside_a_bar_where_resolution_says_so(trading) -> None:
    one = await trading(**(ALWAYS | {"exits": "{stop_loss: 0.3%}"}), timeframe="1h", resolution="1m")
    await one.bars(60)
    rows = one.daemon.journal._db.execute("SELECT exit_ms FROM trades WHERE reason = 'stop_loss'").fetchall()
    assert rows
    assert any(exit_ms % 3_600_000 for (exit_ms,) in rows), "every stop fell on an hour"


async def test_other_symbols_and_longer_bars_are_seen_as_they_closed(trading) -> None:
    lets = 'let: {mate: "ema(close, 3, symbol=\\"ETH/USDT\\")", hourly: "sma(close, 2, timeframe=\\"1h\\")"}\n'
    one = await trading(**ALWAYS, more=lets + 'filters: ["mate > 0", "hourly > 0"]\n')
    await one.bars(40)
    (part,) = one.daemon.loop.strategies["a"].parts
    venue = one.daemon.loop.desk.venues["paper"]
    arrays = {}
    for key in part.program.series:
        series = Series("paper", key.symbol or "BTC/USDT", key.timeframe)
        bars = await venue.bars(series, end_ms=venue.market_ms(), limit=5_000)
        arrays[key] = np.array([list(bar) for bar in bars])
    whole = batch(part.program, arrays)[-1]
    live = np.array(part.live[0].values())
    np.testing.assert_allclose(live, whole, rtol=1e-9)
    assert not np.isnan(live).any()


async def test_a_refusal_is_journalled_with_limit_bound_value_and_order(trading) -> None:
    one = await trading(risk="max_order: 100 USDT\n", **ALWAYS)
    await one.bars(2)
    kind, detail = decisions(one)[0]
    assert kind == "refused"
    assert detail["limit"] == "max_order"
    assert detail["bound"] == "100.00 USDT"
    assert abs(Decimal(detail["value"].removesuffix(" USDT")) - 800) < 1
    assert one.calls["submit"] == 0


@pytest.mark.parametrize(
    ("risk", "limit"),
    [
        ("max_position: 5%\n", "max_position"),
        ("max_exposure: 5%\n", "max_exposure"),
    ],
)
async def test_each_limit_stands_in_front_of_the_order(trading, risk: str, limit: str) -> None:
    one = await trading(risk=risk, **ALWAYS)
    await one.bars(2)
    assert {detail.get("limit") for _, detail in decisions(one)} == {limit}


async def test_a_breach_closes_everything_where_it_says_so_and_locks_until_unlock(trading) -> None:
    one = await trading(risk="max_drawdown: 0.02%\non_breach: close\n", **ALWAYS)
    loop = one.daemon.loop
    await one.until(lambda: loop.trader.breakers.drawdown_locked)
    await one.bars(3)
    assert not leg(one).position.amount
    assert trades(one) == ["breach"]
    await one.die()
    await one.start()
    await one.bars(3)
    assert not leg(one).position.amount
    await one.daemon.commands.handle("unlock", {})
    await one.bars(1)
    assert leg(one).position.amount


async def test_every_order_knows_its_strategy_generation_and_decision(trading) -> None:
    one = await trading(**ALWAYS)
    await one.bars(2)
    await one.daemon.commands.handle("close", {"name": "a"})
    await one.bars(2)
    rows = one.daemon.journal._db.execute(
        "SELECT o.strategy, o.generation, d.kind, o.purpose FROM orders o LEFT JOIN decisions d ON d.id = o.decision "
        "WHERE o.type != 'guard' ORDER BY o.created_ms"
    ).fetchall()
    assert ("a", 1, "enter", "entry") in rows
    assert ("a", 1, "exit", "exit") in rows
    assert all(kind for _, _, kind, _ in rows)
