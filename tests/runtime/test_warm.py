"""What closed while nobody looked: an exit that it causes is left to be done, an entry that it causes is dropped."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from autotrader.runtime.warm import Window, catch_up
from support.folders import folder, rules
from support.harness import Harness

EDGE = {
    "symbols": "BTC/USDT",
    "exits": "",
    "enter_long": "close > prev(close, 1)",
    "exit_long": "close < prev(close, 1)",
}


@pytest.fixture
async def one(tmp_path: Path):
    made = Harness(folder(tmp_path, {"a": rules(**EDGE)}, speed="1x", recorded=False))
    await made.start()
    yield made
    await made.stop()


async def behind(one: Harness, *, held: bool) -> tuple[object, object, Window]:
    """Return the part and the leg as they were some bars ago, and a window that shows what closed since."""
    loop = one.daemon.loop
    (part,) = loop.strategies["a"].parts
    (leg,) = part.legs
    await one.until(lambda: bool(leg.position.amount) is held and not leg.orders)
    venue = loop.desk.venues["paper"]
    saved = part.plain(), part.ts_ms, leg.position, leg.entry_id
    fresh = loop.strategies["a"].parts[0]
    now_ms = venue.market_ms()
    await one.bars(12)
    part.restore(*saved[0], saved[1])
    leg.position, leg.entry_id, leg.exit_reason = saved[2], saved[3], ""
    leg.orders.clear()
    fresh.live = [part.program.live()]
    fresh.seen.clear()
    await catch_up(part, Window(loop.desk.venues, {"paper": now_ms}, loop.outside), fold=False)
    return part, leg, Window(loop.desk.venues, {"paper": venue.market_ms()}, loop.outside)


async def test_an_exit_that_missed_bars_cause_is_left_to_be_done(one: Harness) -> None:
    part, leg, window = await behind(one, held=True)
    await catch_up(part, window, fold=True)
    assert leg.exit_reason == "exit"
    assert not leg.orders
    leg.exit_reason = ""


async def test_an_entry_that_missed_bars_cause_is_dropped(one: Harness) -> None:
    part, leg, window = await behind(one, held=False)
    calls = one.calls["submit"]
    before = leg.entry_id
    await catch_up(part, window, fold=True)
    assert leg.entry_id > before, "no bar of those would have entered"
    assert leg.position.amount == Decimal(0)
    assert (one.calls["submit"], leg.orders) == (calls, {})
