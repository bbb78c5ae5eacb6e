"""How exchanges are left: simulated markets come to a stand first, and nobody waits long for that."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from autotrader.runtime import leaving


class Market:
    def __init__(self) -> None:
        self.halted = asyncio.Event()

    def halt(self) -> None:
        self.halted.set()


class Real:
    """An exchange whose market goes on whatever one does."""


async def test_who_follows_a_simulated_market_is_waited_for() -> None:
    market, dealt = Market(), []

    async def follow() -> None:
        await market.halted.wait()
        await asyncio.sleep(0)
        dealt.append("what it did")

    async def live_on() -> None:
        await asyncio.Event().wait()

    following, living = asyncio.create_task(follow()), asyncio.create_task(live_on())
    await leaving.halt([(market, following), (Real(), living)])
    assert dealt == ["what it did"]
    assert not living.done()
    living.cancel()


async def test_who_cannot_deal_with_it_is_told_of_and_not_waited_for(monkeypatch) -> None:
    monkeypatch.setattr(leaving, "HALT_TIMEOUT_S", 0.001)
    stuck = asyncio.create_task(asyncio.Event().wait(), name="exchange paper")
    with capture_logs() as logged:
        await leaving.halt([(Market(), stuck)])
    assert [(line["log_level"], line["task"]) for line in logged] == [("warning", "exchange paper")]
    assert not stuck.done()
    stuck.cancel()
