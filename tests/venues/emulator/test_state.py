"""An exchange that remembers over a restart of its own process."""

from __future__ import annotations

from decimal import Decimal

import ccxt.async_support
import pytest

from autotrader.core.clock import ManualClock
from autotrader.core.errors import StoreError
from autotrader.venues.emulator.serve import make_server
from autotrader.venues.emulator.state import State
from support.exchange import MONEY, NOW_MS, client

BTC = "BTC/USDT"


async def life(recorded, path, clock, act):
    """Run an exchange on a state file while something is done with it."""
    server = make_server(recorded, "binance", clock, balances=MONEY, state=State(path))
    port = await server.start()
    one = client(ccxt.async_support.binance, port, clock)
    try:
        server.advance()
        return await act(one, server)
    finally:
        await one.close()
        await server.close()


async def test_orders_fills_and_balances_are_there_after_a_restart(recorded, tmp_path):
    clock = ManualClock(NOW_MS)

    async def first(one, _):
        await one.create_order(BTC, "market", "buy", 0.1)
        resting = await one.create_order(BTC, "limit", "buy", 0.2, 30_000, {"newClientOrderId": "kept"})
        await one.create_order(BTC, "limit", "sell", 0.3, 60_000, {"stopLossPrice": 30_000})
        canceled = await one.create_order(BTC, "limit", "buy", 0.2, 31_000)
        await one.cancel_order(canceled["id"], BTC)
        return await seen(one), resting["id"]

    async def seen(one, _=None):
        return (
            (await one.fetch_balance())["info"]["balances"],
            [order["info"] for order in await one.fetch_orders(BTC)],
            [trade["info"] for trade in await one.fetch_my_trades(BTC)],
        )

    async def again(one, _):
        canceled = await one.cancel_order(None, BTC, {"origClientOrderId": "kept"})
        following = await one.create_order(BTC, "limit", "buy", 0.2, 30_000)
        return canceled["id"], int(following["id"])

    before, kept = await life(recorded, tmp_path / "state.db", clock, first)
    assert await life(recorded, tmp_path / "state.db", clock, seen) == before
    canceled, following = await life(recorded, tmp_path / "state.db", clock, again)
    assert canceled == kept
    assert following == len(before[1]) + 1


async def test_what_the_market_did_in_the_meantime_meets_the_resting_orders(recorded, tmp_path):
    clock = ManualClock(NOW_MS)

    async def place(one, server):
        book = server.exchange.books["BTCUSDT"]
        price = float(book.traded.price(int(book.last.ticks * Decimal("1.0005"))))
        return (await one.create_order(BTC, "limit", "sell", 0.001, price))["id"], price

    number, price = await life(recorded, tmp_path / "state.db", clock, place)
    clock.advance(3000)

    async def look(one, server):
        market = server.exchange.market
        passed = any(
            made.ticks > round(price * 100) for made in market.prints(market.traded["BTCUSDT"], NOW_MS, clock.now_ms())
        )
        return passed, (await one.fetch_order(number, BTC))["status"]

    passed, status = await life(recorded, tmp_path / "state.db", clock, look)
    assert status == ("closed" if passed else "open")


async def test_a_crash_keeps_what_was_answered(recorded, tmp_path):
    clock = ManualClock(NOW_MS)

    async def place(one, _):
        await one.create_order(BTC, "limit", "buy", 0.2, 30_000, {"newClientOrderId": "kept"})
        copy = tmp_path / "copy.db"
        for suffix in ("", "-wal"):
            source = tmp_path / f"state.db{suffix}"
            if source.exists():
                (tmp_path / f"copy.db{suffix}").write_bytes(source.read_bytes())
        return copy

    copy = await life(recorded, tmp_path / "state.db", clock, place)

    async def look(one, _):
        return await one.fetch_order(None, BTC, {"origClientOrderId": "kept"})

    assert (await life(recorded, copy, clock, look))["status"] == "open"


def test_a_file_that_is_no_state_is_refused(tmp_path):
    path = tmp_path / "state.db"
    path.write_text("this is no database, and long enough to be looked at\n" * 100)
    with pytest.raises(StoreError, match="name another file"):
        State(path)
