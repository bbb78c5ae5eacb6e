"""A key that may withdraw never trades."""

from __future__ import annotations

from random import Random

import ccxt.async_support
import pytest

from autotrader.core.clock import ManualClock
from autotrader.core.errors import VenueError
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.rights import ASKED, check_rights
from support.fake_ccxt import FakeCcxt


def binance(withdraw, trade):
    return {"enableWithdrawals": withdraw, "enableSpotAndMarginTrading": trade, "enableFutures": False}


def okx(withdraw, trade):
    return {"data": [{"perm": ",".join(["read_only", *["withdraw"] * withdraw, *["trade"] * trade])}]}


def bybit(withdraw, trade):
    wallet = ["AccountTransfer", *["Withdraw"] * withdraw]
    return {"result": {"readOnly": 0, "permissions": {"Wallet": wallet, "Spot": ["SpotTrade"] * trade}}}


def coinbase(withdraw, trade):
    return {"can_view": True, "can_trade": trade, "can_transfer": withdraw}


TOLD = {"binance": binance, "okx": okx, "bybit": bybit, "coinbase": coinbase}


async def asked(name, answer, **fields):
    fake = FakeCcxt(ManualClock())
    settings = CcxtSettings(name="a", **{"id": name, "credentials": {"key": "k", "secret": "s"}, **fields})
    calls = []

    async def tell():
        calls.append(name)
        return answer

    setattr(fake, ASKED[name][0], tell)
    client = CcxtClient(settings, fake.clock, lambda _: fake, Random(1))
    await client.open()
    await check_rights(client)
    return calls


@pytest.mark.parametrize("name", TOLD)
async def test_a_key_that_may_trade_and_not_withdraw_is_taken(name):
    assert await asked(name, TOLD[name](withdraw=False, trade=True)) == [name]


@pytest.mark.parametrize("name", TOLD)
async def test_a_key_that_may_withdraw_is_refused(name):
    with pytest.raises(VenueError, match="may withdraw"):
        await asked(name, TOLD[name](withdraw=True, trade=True))


@pytest.mark.parametrize("name", TOLD)
async def test_a_key_that_may_not_trade_is_refused(name):
    with pytest.raises(VenueError, match="may not trade spot"):
        await asked(name, TOLD[name](withdraw=False, trade=False))


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("answer", [{}, [], None, {"data": []}, {"result": {}}, {"enableWithdrawals": "no"}])
async def test_rights_that_are_not_told_are_no_rights(name, answer):
    with pytest.raises(VenueError):
        await asked(name, answer)


async def test_nothing_is_asked_of_another_host_or_without_a_key():
    assert await asked("binance", None, url="http://127.0.0.1:1") == []
    assert await asked("binance", None, credentials={}) == []


@pytest.mark.parametrize("name", ASKED)
def test_ccxt_has_the_method_that_tells(name):
    assert callable(getattr(getattr(ccxt.async_support, name)(), ASKED[name][0]))
