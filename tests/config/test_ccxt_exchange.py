"""What may be declared of a real exchange."""

from __future__ import annotations

import ccxt.async_support
import pytest
from pydantic import ValidationError

from autotrader.config.canonical import canonical
from autotrader.config.ccxt_exchange import CcxtExchange
from autotrader.config.exchange_ids import CREDENTIALS, EXCHANGE_IDS, SPOT_IDS, SWAP_IDS
from autotrader.config.secrets import SecretSource

ACCOUNT = {"key": "${env:KEY}", "secret": "${env:SECRET}"}
PHRASE = {**ACCOUNT, "password": "${env:KEY}"}
TIMED = {"id": "okx", "orders": "live", "credentials": PHRASE, "cancel_after": "60s"}


def declared(tmp_path, **fields):
    secrets = SecretSource(tmp_path, {"KEY": "the-key-itself", "SECRET": "the-secret-itself"})
    return CcxtExchange.model_validate({"kind": "ccxt", "id": "binance", **fields}, context={"secrets": secrets})


def test_the_ids_are_those_of_the_ccxt_that_is_installed():
    has = {name: getattr(ccxt.async_support, name)().has for name in ccxt.async_support.exchanges}
    assert set(has) == EXCHANGE_IDS
    assert {name for name, one in has.items() if one.get("spot")} == SPOT_IDS
    assert {name for name, one in has.items() if one.get("swap")} == SWAP_IDS


OURS = {"apiKey": "key", "secret": "secret", "password": "password", "uid": "uid"}


def test_what_an_account_is_known_by_is_as_ccxt_says():
    for name in ccxt.async_support.exchanges:
        asked = [one for one, needed in getattr(ccxt.async_support, name)().requiredCredentials.items() if needed]
        ours = {"key", "secret"} | {OURS.get(one, "") for one in asked}
        expected = ("key", "secret", *sorted(ours - {"key", "secret"})) if "" not in ours and asked else ()
        assert CREDENTIALS.get(name, ("key", "secret")) == expected, name


def test_paper_money_is_told_in_the_canonical_form(tmp_path):
    assert canonical(declared(tmp_path)) == canonical(declared(tmp_path, balances={"USDT": 10000}))
    assert '"balances":{}' in canonical(declared(tmp_path, orders="live", credentials=ACCOUNT))


def test_orders_are_paper_unless_it_says_live(tmp_path):
    one = declared(tmp_path)
    assert (one.orders, one.market, one.credentials) == ("paper", "spot", None)


def test_secrets_are_looked_up_and_never_shown(tmp_path):
    one = declared(tmp_path, orders="live", credentials=ACCOUNT)
    assert one.credentials.revealed() == {"key": "the-key-itself", "secret": "the-secret-itself"}
    for text in (repr(one), str(one), one.model_dump_json(), repr(one.credentials)):
        assert "itself" not in text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": "binanc"}, "ccxt has no exchange 'binanc'"),
        ({"orders": "live"}, "live orders need an account"),
        ({"id": "upbit", "market": "swap"}, "upbit has no swap market"),
        ({"market": "future"}, "futures with an end are not traded yet"),
        ({"url": "127.0.0.1:9100"}, "no address of a server"),
        ({"url": "http://user@127.0.0.1"}, "no address of a server"),
        ({"url": "http://[::1"}, "no address of a server"),
        ({"credentials": {"key": "plain", "secret": "plain"}}, "not written into a declaration"),
        ({"unprotected": "yes"}, "accept"),
        ({"leverage": 3}, "what is owned on a spot market has no leverage"),
        ({"market": "swap", "leverage": 126}, "less than or equal to 125"),
        ({"balances": {"USDT": 0}}, "every balance is zero"),
        ({"budget": "5000 KRW"}, "there is no balance in KRW"),
        ({"orders": "live", "credentials": ACCOUNT, "balances": {"USDT": 1}}, "not with balances"),
        ({"id": "okx", "orders": "live", "credentials": ACCOUNT}, "okx knows an account by its password, too"),
        ({"id": "bitmart", "orders": "live", "credentials": ACCOUNT}, "bitmart knows an account by its uid, too"),
        (TIMED | {"id": "bybit", "market": "swap"}, "bybit has no timer that cancels orders"),
        (TIMED | {"id": "binance"}, "binance has no timer"),
        (TIMED | {"id": "kraken", "cancel_after": "11m"}, "the timer of kraken runs for 10s to 600s"),
        (TIMED | {"cancel_after": "9s"}, "the timer of okx runs for 10s to 120s"),
        (TIMED | {"cancel_after": "3m"}, "the timer of okx runs for 10s to 120s"),
        ({"id": "okx", "cancel_after": "60s"}, "orders on paper are filled here"),
        ({"id": "hyperliquid", "orders": "live", "credentials": ACCOUNT}, "by more than a key"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, fields, message):
    with pytest.raises(ValidationError, match=message):
        declared(tmp_path, **fields)


def test_a_timer_takes_the_stops_away(tmp_path):
    fields = {"id": "kraken", "orders": "live", "credentials": ACCOUNT}
    assert declared(tmp_path, **fields).keeps_stops
    assert not declared(tmp_path, **fields, cancel_after="60s").keeps_stops
    assert not declared(tmp_path, id="upbit").keeps_stops


def test_the_timer_is_counted_in_milliseconds(tmp_path):
    assert declared(tmp_path, **TIMED).cancel_after == 60_000
    assert declared(tmp_path, **(TIMED | {"cancel_after": "2m"})).cancel_after == 120_000


def test_a_slip_in_the_id_is_answered_with_what_was_meant(tmp_path):
    with pytest.raises(ValidationError) as told:
        declared(tmp_path, id="binanc")
    assert told.value.errors()[0]["ctx"]["hint"] == "did you mean 'binance'?"
