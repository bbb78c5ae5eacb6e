"""A whole daemon on an emulated exchange, through the real client: the stop that rests there ends the position."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from autotrader.venues import ccxt_make
from support.exchange import BEGIN_MS, NOW_MS, SERIES, SHIFT_MS, stage, write_history
from support.folders import rules, write
from support.following import FollowingClock
from support.harness import Harness

SETTINGS = {"autotrader.yaml": "mode: live\ndashboard: {port: 0}\n", "risk.d/default.yaml": "max_open_positions: 8\n"}
BUYS = rules(
    exchange="real", symbols="BTC/USDT", timeframe="1m", capital="10%", enter_long="close > 0", exit_long="close < 0",
    exits="{stop_loss: 2%}",
)  # fmt: skip


def falling():
    """Return the history with a price of 40,000 until the next minute, which falls by a twentieth."""
    columns = {name: values.copy() for name, values in SERIES["BTC/USDT"].items()}
    at = (NOW_MS - SHIFT_MS - BEGIN_MS) // 60_000 + 1
    for name in ("open", "high", "low", "close"):
        columns[name][:at] = 40_000.01
        columns[name][at + 1 :] = 38_000.0
    columns["open"][at] = columns["high"][at] = 40_000.01
    columns["low"][at] = columns["close"][at] = 38_000.0
    columns["volume"][:] = 60.12345
    return {**SERIES, "BTC/USDT": columns}


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("REAL_KEY", "REAL_SECRET"):
        monkeypatch.setenv(name, "a-key-of-no-account")
    return tmp_path


def rows(root, query):
    with closing(sqlite3.connect(root / "var" / "autotrader.db")) as db:
        return db.execute(query).fetchall()


async def test_a_stop_that_rests_at_the_exchange_ends_the_position_there(root, monkeypatch) -> None:
    data = write_history(root / "history", falling())
    make = ccxt_make.make_exchange
    async with stage(data) as it:

        def on_its_clock(settings):
            made = make(settings)
            made.milliseconds = it.clock.now_ms
            return made

        monkeypatch.setattr(ccxt_make, "make_exchange", on_its_clock)
        real = (
            f"kind: ccxt\nid: binance\norders: live\nurl: http://127.0.0.1:{it.port}\n"
            "credentials:\n  key: ${env:REAL_KEY}\n  secret: ${env:REAL_SECRET}\n"
        )
        write(root, {**SETTINGS, "exchanges.d/real.yaml": real, "strategies.d/a.yaml": BUYS})
        one = Harness(root, FollowingClock(it.clock))

        async def traded():
            while not rows(root, "SELECT 1 FROM trades"):  # noqa: ASYNC110 - the journal tells nobody
                await asyncio.sleep(0.005)

        async def stopped():
            await one.stop()

        await it.until(one.start(), seconds=0.05, steps=1_000)
        await it.until(traded(), seconds=0.2, steps=1_500)
        (leg,) = one.daemon.loop.desk.legs.values()
        assert (leg.position.amount, leg.orders) == (0, {})
        await it.until(stopped(), seconds=0.05)
        placed = [(order.type, order.side, order.status) for order in it.exchange.orders.values()]
        assert placed == [("MARKET", "BUY", "FILLED"), ("STOP_LOSS", "SELL", "FILLED")]
        bought, sold = (order.lots for order in it.exchange.orders.values())
        assert 0 < sold <= bought
    ((reason, price),) = rows(root, "SELECT reason, exit_price FROM trades")
    assert reason == "stop_loss"
    assert Decimal(price) < Decimal(40_000) * Decimal("0.98") + 1
    states = rows(root, "SELECT purpose, type, state FROM orders ORDER BY rowid")
    assert ("stop", "stop", "filled") in states
    assert ("guard", "guard", "canceled") in states
    assert rows(root, "SELECT kind, message FROM events WHERE level = 'error'") == []
