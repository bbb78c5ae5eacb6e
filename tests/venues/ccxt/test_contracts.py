"""Swaps whose contracts are not one coin: coins everywhere here, contracts in all that is sent and told."""

from __future__ import annotations

import copy
from decimal import Decimal
from random import Random

import pytest

from autotrader.core.clock import ManualClock
from autotrader.core.errors import VenueError
from autotrader.execution.orders import OrderRequest
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.feed import OwnNames
from support.accounts import account_at
from support.fake_ccxt import MARKETS, FakeCcxt
from support.loopback import now_ms
from support.small_okx import okx_swap

D = Decimal
NAME = "BTC/USDT:USDT"


def order(client_id="at1", amount="0.03", side=1, price="95", **more):
    kind = "market" if price is None else "limit"
    limit = None if price is None else D(price)
    return OrderRequest(client_id, "BTC/USDT", side, kind, D(amount), limit, False, "g", 0, "1m", **more)


@pytest.fixture
def fake():
    made = FakeCcxt(ManualClock())
    made.markets = copy.deepcopy(MARKETS)
    made.markets[NAME] |= {"contractSize": 0.01, "precision": {"price": 0.1, "amount": 1}}
    made.markets[NAME]["limits"] = {"amount": {"min": 2}}
    return made


def client(fake):
    return CcxtClient(CcxtSettings(name="x", id="okx", market="swap"), fake.clock, lambda _: fake, Random(1))


@pytest.fixture
async def venue(fake, tmp_path):
    made = CcxtAccount(client(fake), tmp_path / "a.db")
    await made.open()
    yield made
    await made.close()


async def test_steps_and_minimums_are_coins(venue):
    told = await venue.instrument("BTC/USDT")
    assert (told.lot, told.min_amount, told.tick) == (D("0.01"), D("0.02"), D("0.1"))


async def test_an_order_is_sent_in_contracts_and_told_in_coins(fake, venue):
    placed = await venue.submit(order())
    assert fake.calls[-1][1][3] == 3.0
    assert (placed.amount, placed.filled, placed.status) == (D("0.03"), 0, "open")
    fake.trade("1", 2.0, price=95.5, fee={"cost": 0.001, "currency": "USDT"})
    (fill,) = await venue.fills(0)
    assert (fill.amount, fill.cost, fill.price) == (D("0.02"), D("1.91"), D("95.5"))
    standing = await venue.order("at1")
    assert (standing.amount, standing.filled, standing.status) == (D("0.03"), D("0.02"), "open")
    assert [one.filled for one in await venue.open_orders()] == [D("0.02")]
    fake.trade("1", 1.0, price=95.0, fee={"cost": 0.001, "currency": "USDT"})
    assert ((await venue.order("at1")).status, sum(one.amount for one in await venue.fills(0))) == ("filled", D("0.03"))


async def test_an_answer_without_a_symbol_is_of_the_order_that_was_sent(fake, venue):
    fake.late["create_order"].append(lambda told: {key: told[key] for key in ("id", "clientOrderId", "amount")})
    assert (await venue.submit(order())).amount == D("0.03")


async def test_a_position_is_coins(fake, venue):
    fake.open_positions = [{"symbol": NAME, "contracts": 5, "contractSize": 0.01, "side": "short", "entryPrice": 90.0}]
    assert (await venue.positions())["BTC/USDT"] == (D("-0.05"), D(90))


@pytest.mark.parametrize("size", [0, -1, "much", float("nan")])
async def test_a_contract_of_no_sensible_size_is_refused_by_name(fake, venue, size):
    fake.markets[NAME]["contractSize"] = size
    await venue._client.read("load_markets", check=venue._client._learn)
    with pytest.raises(VenueError, match="'contractSize' is"):
        await venue.instrument("BTC/USDT")
    assert venue._client.ticks() == {}


async def test_what_the_market_tells_is_coins(fake):
    book = {"symbol": NAME, "bids": [[100.0, 3.0], ["bad"]], "asks": [(101.0, 4.0, 7)], "timestamp": 1}
    told = {
        "watch_trades": [{"symbol": NAME, "amount": 300.0}, {"symbol": "ETH/USDT:USDT", "amount": 1.0}, "bad"],
        "watch_bids_asks": {NAME: {"symbol": NAME, "bidVolume": 10.0, "askVolume": None}},
        "watch_order_book": book,
    }

    async def answer(what):
        return told[what]

    for what in told:
        setattr(fake, what, lambda *_, what=what: answer(what))
    one = client(fake)
    await one.open()
    own = OwnNames(one)
    trades = await own.watch_trades("BTC/USDT")
    assert [row if row == "bad" else row["amount"] for row in trades] == [3.0, 1.0, "bad"]
    quote = (await own.watch_bids_asks(["BTC/USDT"]))["BTC/USDT"]
    assert (quote["bidVolume"], quote["askVolume"]) == (0.1, None)
    seen = await own.watch_order_book("BTC/USDT")
    assert (seen["bids"], seen["asks"]) == ([[100.0, 0.03], ["bad"]], [[101.0, 0.04, 7]])
    assert book["bids"][0] == [100.0, 3.0], "ccxt keeps the book that it told"


# OKX, whose contract of BTC is 0.01 BTC, through ccxt's own client


async def test_on_okx_coins_become_contracts_and_come_back_as_coins(tmp_path):
    server = okx_swap()
    placed = server.placed
    credentials = {"key": "k", "secret": "s", "password": "p"}
    async with server:
        venue = account_at(server, tmp_path, id="okx", market="swap", credentials=credentials)
        await venue.open()
        assert (await venue.instrument("BTC/USDT")).lot == D("0.0001")
        sent = await venue.submit(order())
        assert (placed["sz"], placed["instId"], placed["tdMode"], placed["clOrdId"]) == (
            "3",
            "BTC-USDT-SWAP",
            "cross",
            "at1",
        )
        assert (sent.client_id, sent.venue_id, sent.status) == ("at1", "9001", "open")
        placed.update(state="filled", accFillSz="3", avgPx="95", fillTime=str(now_ms()))
        told = await venue.order("at1")
        assert (told.amount, told.filled, told.status) == (D("0.03"), D("0.03"), "filled")
        (fill,) = await venue.fills(0)
        assert (fill.amount, fill.cost, fill.fee, fill.client_id) == (D("0.03"), D("2.85"), D("0.02"), "at1")
        assert await venue.positions() == {"BTC/USDT": (D("0.03"), D(95))}
        await venue.close()
