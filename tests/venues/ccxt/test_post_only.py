"""Post-only orders that an exchange accepts and then cancels, because they would have taken: as ccxt reads them."""

from __future__ import annotations

from random import Random

import ccxt
import pytest

from autotrader.core.clock import ManualClock
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.orders import read_order
from support.fake_ccxt import MARKETS

TOLD = {
    "bybit": {
        "orderId": "8ef1",
        "orderLinkId": "at1",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "timeInForce": "PostOnly",
        "price": "100",
        "qty": "1",
        "cumExecQty": "0",
        "orderStatus": "Cancelled",
        "rejectReason": "EC_PostOnlyWillTakeLiquidity",
        "createdTime": "1700000000000",
    },
    "okx": {
        "ordId": "8ef1",
        "clOrdId": "at1",
        "instId": "BTC-USDT",
        "instType": "SPOT",
        "side": "buy",
        "ordType": "post_only",
        "px": "100",
        "sz": "1",
        "accFillSz": "0",
        "state": "canceled",
        "cancelSource": "31",
        "cTime": "1700000000000",
    },
    "kraken": {
        "id": "8ef1",
        "cl_ord_id": "at1",
        "descr": {"type": "buy", "ordertype": "limit", "price": "100"},
        "vol": "1",
        "vol_exec": "0",
        "oflags": "fciq,post",
        "status": "canceled",
        "reason": "Post only order",
        "opentm": 1_700_000_000.0,
    },
}
BY_HAND = {"bybit": {"rejectReason": "EC_PerCancelRequest"}, "okx": {"cancelSource": "1"}, "kraken": {"reason": None}}


def read(name, changes):
    exchange = getattr(ccxt, name)()
    market = {**MARKETS["BTC/USDT"], "symbol": "BTC/USDT", "type": "spot", "id": TOLD[name].get("instId", "BTCUSDT")}
    row = exchange.parse_order(TOLD[name] | changes, exchange.safe_market_structure(market))
    client = CcxtClient(CcxtSettings(name=name, id=name), ManualClock(), lambda _: None, Random(1))
    client.symbol_of = {"BTC/USDT": "BTC/USDT"}
    return read_order(row, "here", client)


@pytest.mark.parametrize("name", TOLD)
def test_a_cancel_because_it_would_have_taken_is_a_refusal_that_says_so(name):
    told = read(name, {})
    assert (told.client_id, told.status, told.filled) == ("at1", "rejected", 0)
    assert told.reason.startswith("post-only: it would have taken")


@pytest.mark.parametrize("name", TOLD)
def test_another_cancel_does_not(name):
    told = read(name, BY_HAND[name])
    assert (told.status, told.reason) == ("canceled", "")
