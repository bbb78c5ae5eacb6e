"""A whole account through ccxt's own Binance client, against a small server on loopback."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from autotrader.core.clock import SystemClock
from autotrader.core.errors import AmbiguousSubmit, VenueUnavailable
from autotrader.execution.orders import OrderRequest
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.make import make_exchange
from support.small_binance import SmallBinance


@pytest.fixture
async def binance():
    server = await SmallBinance().open()
    yield server
    await server.close()


@pytest.fixture
async def venue(binance, tmp_path):
    settings = CcxtSettings(
        name="binance", id="binance", url=binance.url, credentials={"key": "k", "secret": "s"}, attempts=1
    )
    made = CcxtAccount(CcxtClient(settings, SystemClock(), make_exchange, Random(1)), tmp_path / "ccxt-binance.db")
    await made.open()
    yield made
    await made.close()


def request(client_id, price="100"):
    kind = "market" if price is None else "limit"
    price = None if price is None else Decimal(price)
    return OrderRequest(client_id, "BTC/USDT", 1, kind, Decimal("0.5"), price, False, "g", 0, "1m")


async def test_an_order_rests_fills_and_is_told(binance, venue):
    order = await venue.submit(request("at1"))
    assert (order.status, order.amount, order.price) == ("open", Decimal("0.5"), Decimal(100))
    assert [one.client_id for one in await venue.open_orders()] == ["at1"]
    binance.fill(7, "0.5")
    (fill,) = await venue.fills(0)
    assert (fill.client_id, fill.price, fill.amount, fill.cost) == ("at1", Decimal(100), Decimal("0.5"), Decimal(50))
    assert (fill.fee, fill.fee_currency) == (Decimal("0.0005"), "BTC")
    assert (await venue.order("at1")).status == "filled"


async def test_an_answer_lost_on_the_way_is_looked_up_and_its_fill_is_ours(binance, venue):
    binance.swallow = 1
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request("at1"))
    binance.fill(7, "0.2")
    assert [one.client_id for one in await venue.fills(0)] == ["at1"]
    assert ((await venue.order("at1")).venue_id, len(binance.sent)) == ("7", 1)


async def test_an_answer_lost_on_the_way_is_found_by_our_id(binance, venue):
    binance.swallow = 1
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request("at1"))
    assert (await venue.order("at1")).status == "open"


async def test_what_binance_does_not_know_yet_is_asked_for_again(binance, venue):
    binance.swallow = 1
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request("at1"))
    binance.orders.clear()
    with pytest.raises(VenueUnavailable, match="on its way"):
        await venue.order("at1")


async def test_a_cancel_and_one_that_came_too_late(binance, venue):
    await venue.submit(request("at1"))
    assert (await venue.cancel("at1")).status == "canceled"
    await venue.submit(request("at2", price=None))
    binance.fill(8, "0.5")
    assert (await venue.cancel("at2")).filled == Decimal("0.5")


async def test_balances_are_exact(venue):
    told = (await venue.balances())["USDT"]
    assert (told.total, told.free) == (Decimal("1000.0"), Decimal("900.5"))
