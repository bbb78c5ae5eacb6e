"""A whole daemon on an emulated exchange, through the real client: stops that rest there, profits that are watched."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from decimal import Decimal

import pytest

from autotrader.venues.ccxt import make
from support.exchange import BEGIN_MS, NOW_MS, SERIES, SHIFT_MS, FollowingClock, stage, write_history
from support.folders import rules, write
from support.harness import Harness

SETTINGS = {"autotrader.yaml": "mode: live\ndashboard: {port: 0}\n", "risk.d/default.yaml": "max_open_positions: 8\n"}
BUYS = rules(
    exchange="real", symbols="BTC/USDT", timeframe="1m", capital="10%", enter_long="close > 0", exit_long="close < 0",
    exits="{stop_loss: 2%, take_profit: 2%}",
)  # fmt: skip
STILL = 40_000.01


def moving(to: float):
    """Return the history with a price that stands still until the next minute, and goes to another one within it."""
    columns = {name: values.copy() for name, values in SERIES["BTC/USDT"].items()}
    at = (NOW_MS - SHIFT_MS - BEGIN_MS) // 60_000 + 1
    for name in ("open", "high", "low", "close"):
        columns[name][:at], columns[name][at + 1 :] = STILL, to
    columns["open"][at], columns["close"][at] = STILL, to
    columns["high"][at], columns["low"][at] = max(STILL, to), min(STILL, to)
    columns["volume"][:] = 60.12345
    return {**SERIES, "BTC/USDT": columns}


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("REAL_KEY", "REAL_SECRET"):
        monkeypatch.setenv(name, "a-key-of-no-account")
    return tmp_path


@pytest.fixture
def living(root, monkeypatch):
    """Give a function that has a daemon live on an emulated market; its clocks, and ccxt's, are the exchange's."""
    unaltered = make.make_exchange

    @asynccontextmanager
    async def live(to: float):
        async with stage(write_history(root / "history", moving(to))) as it:

            def on_its_clock(settings):
                made = unaltered(settings)
                made.milliseconds = it.clock.now_ms
                made.enableRateLimit = False  # it waits in real time, of which there is a tenth here
                return made

            monkeypatch.setattr(make, "make_exchange", on_its_clock)
            real = (
                f"kind: ccxt\nid: binance\norders: live\nurl: http://127.0.0.1:{it.port}\n"
                "credentials:\n  key: ${env:REAL_KEY}\n  secret: ${env:REAL_SECRET}\n"
            )
            write(root, {**SETTINGS, "exchanges.d/real.yaml": real, "strategies.d/a.yaml": BUYS})
            one = Harness(root, FollowingClock(it.clock))
            await it.until(one.start(), seconds=0.05, steps=1_000)
            try:
                yield it, one
            finally:
                await it.until(one.stop(), seconds=0.05)

    return live


def rows(root, query):
    with closing(sqlite3.connect(root / "var" / "autotrader.db")) as db:
        return db.execute(query).fetchall()


async def traded(root, it):
    """Let the market go on until a trade is closed."""

    async def closed():
        while not rows(root, "SELECT 1 FROM trades"):  # noqa: ASYNC110 - the journal tells nobody
            await asyncio.sleep(0.005)

    await it.until(closed(), seconds=0.2, steps=1_500)


def placed(it):
    return [(order.type, order.side, order.status) for order in it.exchange.orders.values()]


async def test_a_stop_that_rests_at_the_exchange_ends_the_position_there(root, living) -> None:
    async with living(38_000.0) as (it, one):
        await traded(root, it)
        (leg,) = one.daemon.loop.desk.legs.values()
        assert (leg.position.amount, leg.orders) == (0, {})
        assert placed(it) == [("MARKET", "BUY", "FILLED"), ("STOP_LOSS", "SELL", "FILLED")]
        bought, sold = (order.lots for order in it.exchange.orders.values())
        assert 0 < sold <= bought
    ((reason, price),) = rows(root, "SELECT reason, exit_price FROM trades")
    assert reason == "stop_loss"
    assert Decimal(price) < Decimal(40_000) * Decimal("0.98") + 1
    states = rows(root, "SELECT purpose, type, state FROM orders ORDER BY rowid")
    assert ("stop", "stop", "filled") in states
    assert ("guard", "guard", "canceled") in states
    assert rows(root, "SELECT kind, message FROM events WHERE level = 'error'") == []


async def test_a_profit_is_seen_in_the_quotes_and_taken_after_the_stop_is_gone(root, living) -> None:
    async with living(42_000.0) as (it, one):
        await traded(root, it)
        (leg,) = one.daemon.loop.desk.legs.values()
        assert (leg.position.amount, leg.orders) == (0, {})
        assert placed(it) == [
            ("MARKET", "BUY", "FILLED"), ("STOP_LOSS", "SELL", "CANCELED"), ("MARKET", "SELL", "FILLED"),
        ]  # fmt: skip
    ((reason, price),) = rows(root, "SELECT reason, exit_price FROM trades")
    assert reason == "take_profit"
    assert Decimal(price) > Decimal(40_000)
    assert rows(root, "SELECT kind, message FROM events WHERE level = 'error'") == []


async def test_a_stop_protects_while_the_daemon_is_away_and_is_booked_when_it_comes_back(root, living) -> None:
    async with living(38_000.0) as (it, one):

        async def resting():
            while not any(order.type == "STOP_LOSS" for order in it.exchange.orders.values()):  # noqa: ASYNC110 - it tells nobody here
                await asyncio.sleep(0.005)

        await it.until(resting(), seconds=0.2, steps=1_500)
        await it.until(one.stop(), seconds=0.05)
        for _ in range(70):
            it.step()
        assert placed(it) == [("MARKET", "BUY", "FILLED"), ("STOP_LOSS", "SELL", "FILLED")]
        await it.until(one.start(), seconds=0.05, steps=1_000)
        assert rows(root, "SELECT reason FROM trades") == [("stop_loss",)]
        (leg,) = one.daemon.loop.desk.legs.values()
        assert (leg.position.amount, leg.orders) == (0, {})
    assert rows(root, "SELECT kind, message FROM events WHERE level = 'error'") == []
