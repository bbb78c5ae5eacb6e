"""More faults that a reading found, kept away: two exchanges on one clock, a timeout older than its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotrader.core.events import Bar, BarClosed, BarsComplete
from support.folders import folder, rules
from support.harness import Harness

ALWAYS = {"enter_long": "close > 0", "exit_long": "close < 0", "exits": "{max_holding: 300h}"}
NEVER = {"enter_long": "close < 0", "exit_long": "close < 0", "exits": ""}
MONTHS_MS = 10**10
PERP = """
kind: simulated
market: swap
balances: {USDT: 10000}
generate: {seed: 8, symbols: [BTC/USDT, ETH/USDT], speed: 1x}
"""


@pytest.fixture
async def two(tmp_path: Path):
    """A long on one exchange, and another exchange whose replay is months ahead."""
    strategies = {
        "a": rules(symbols="BTC/USDT", **ALWAYS),
        "b": rules(symbols="ETH/USDT", exchange="perp", **NEVER),
    }
    one = Harness(folder(tmp_path, strategies, speed="1x", recorded=False, **{"exchanges.d/perp.yaml": PERP}))
    await one.start()
    await one.bars(2)
    yield one
    await one.stop()


async def test_a_holding_time_is_measured_on_its_own_exchanges_clock(two: Harness) -> None:
    loop = two.daemon.loop
    (leg,) = loop.strategies["a"].legs()
    now_ms = loop.accounts["paper"].market_ms
    bar = Bar(now_ms, 100.0, 100.0, 100.0, 100.0, 1.0)
    await loop.handle("paper", BarClosed(now_ms + 300_000, "paper", "BTC/USDT", "5m", bar))
    await loop.handle("perp", BarsComplete(now_ms + MONTHS_MS, "perp"))
    assert leg.exit_reason == ""


async def test_a_command_orders_at_the_time_of_each_orders_own_exchange(two: Harness) -> None:
    loop = two.daemon.loop
    loop.accounts["perp"].market_ms += MONTHS_MS
    await two.daemon.commands.handle("close", {})
    (leg,) = loop.strategies["a"].legs()
    (order,) = leg.orders.values()
    assert order.created_ms == loop.accounts["paper"].market_ms


async def test_an_order_that_adds_to_a_position_has_its_own_timeout(tmp_path: Path) -> None:
    exposure = {"enter_long": "", "exit_long": "", "exits": "", "execution": "{kind: limit, timeout: 8m}"}
    text = rules(symbols="BTC/USDT", exposure="if(close > prev(close, 1), 1, 0.5)", **exposure)
    one = Harness(folder(tmp_path, {"a": text}, speed="1x", recorded=False))
    await one.start()
    (leg,) = one.daemon.loop.strategies["a"].legs()
    await one.until(lambda: bool(leg.position.amount and leg.working("entry")))
    (order,) = leg.working("entry")
    began_ms = leg.first_sent_ms
    await one.stop()
    assert began_ms == order.created_ms
