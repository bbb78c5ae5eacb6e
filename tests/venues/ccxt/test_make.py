"""ccxt's own client as we make it: one host, our ids, bounded answers. On loopback."""

from __future__ import annotations

from random import Random

import ccxt.pro
import pytest

from autotrader.config.ccxt_exchange import CcxtExchange
from autotrader.config.secrets import SecretSource
from autotrader.core.clock import SystemClock
from autotrader.core.errors import VenueError
from autotrader.venues.ccxt import make
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.make import make_exchange, point_at, settings_of, unmark
from support.small_binance import SmallBinance


@pytest.fixture
async def binance():
    server = await SmallBinance().open()
    yield server
    await server.close()


@pytest.fixture
async def client(binance):
    settings = CcxtSettings(
        name="binance", id="binance", url=binance.url, credentials={"key": "k", "secret": "s"}, attempts=1
    )
    made = CcxtClient(settings, SystemClock(), make_exchange, Random(1))
    await made.open()
    yield made
    await made.close()


async def test_the_client_opens_measures_the_clock_and_learns_the_markets(client):
    assert abs(client.now_ms() - SystemClock().now_ms() - 3000) < 1000
    told = client.instrument("BTC/USDT")
    assert (str(told.tick), str(told.lot), str(told.min_notional)) == ("0.01", "0.00001", "5.0")


async def test_an_order_leaves_with_our_id_and_no_brokers_mark(client, binance):
    told = await client.submit(
        "create_order",
        "BTC/USDT",
        "limit",
        "buy",
        0.5,
        100.0,
        check=lambda answer: answer["id"],
        params={"clientOrderId": "atours"},
    )
    assert told == "7"
    assert binance.sent[0]["newClientOrderId"] == "atours"
    assert binance.sent[0]["quantity"] == "0.5"


async def test_an_answer_past_the_bound_is_not_read(client, binance, monkeypatch):
    binance.padding = "x" * 5000
    monkeypatch.setattr(make, "MAX_BODY_BYTES", 1000)
    with pytest.raises(VenueError, match="more than 1000 bytes"):
        await client.read("fetch_balance")


async def test_with_a_declared_host_no_other_one_is_asked(client):
    with pytest.raises(VenueError, match=r"asked example\.invalid"):
        await client.exchange.fetch("http://example.invalid/")


def addresses(value):
    if isinstance(value, dict):
        return [found for one in value.values() for found in addresses(one)]
    if isinstance(value, list):
        return [found for one in value for found in addresses(one)]
    return [value] if isinstance(value, str) and "://" in value else []


@pytest.mark.parametrize("name", ["binance", "binanceusdm", "upbit", "bithumb", "bybit", "okx", "kraken", "coinbase"])
def test_every_address_goes_to_the_declared_host(name):
    exchange = getattr(ccxt.pro, name)()
    point_at(exchange, "http://127.0.0.1:9100/base")
    found = addresses(exchange.urls)
    assert found
    assert {one.split("://")[1].split("/")[0] for one in found} == {"127.0.0.1:9100"}
    assert {one.split("://")[0] for one in found} <= {"http", "ws"}


@pytest.mark.parametrize("name", ["binance", "binanceusdm", "okx", "kucoin", "bybit", "gate"])
def test_no_brokers_mark_is_left_in_the_options(name):
    exchange = getattr(ccxt.pro, name)()
    unmark(exchange)
    assert not {"broker", "brokerId", "partner"} & set(exchange.options)


async def test_an_exchange_that_ccxt_does_not_have_is_an_error():
    with pytest.raises(VenueError, match="no exchange 'bananas'"):
        make_exchange(CcxtSettings(name="x", id="bananas"))


def test_a_declaration_becomes_the_clients_settings_and_its_secrets_stay_out_of_sight(tmp_path):
    secrets = SecretSource(
        tmp_path, {"KEY": "the-key-itself", "SECRET": "the-secret-itself", "PHRASE": "the-phrase-itself"}
    )
    text = {
        "kind": "ccxt",
        "id": "okx",
        "market": "swap",
        "orders": "live",
        "cancel_after": "60s",
        "credentials": {"key": "${env:KEY}", "secret": "${env:SECRET}", "password": "${env:PHRASE}"},
    }
    settings = settings_of("mine", CcxtExchange.model_validate(text, context={"secrets": secrets}))
    assert (settings.name, settings.id, settings.market) == ("mine", "okx", "swap")
    assert settings.cancel_after_ms == 60_000
    expected = {"key": "the-key-itself", "secret": "the-secret-itself", "password": "the-phrase-itself"}
    assert settings.credentials == expected
    assert "itself" not in repr(settings)
