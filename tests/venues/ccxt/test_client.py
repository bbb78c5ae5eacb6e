"""The client: what is asked again, for how long, and when the exchange is left alone."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from ccxt.base import errors

from autotrader.core.clock import ManualClock
from autotrader.core.errors import BrokenInvariant, VenueError, VenueUnavailable
from autotrader.venues.ccxt.breaker import Breaker
from autotrader.venues.ccxt.client import MAX_WAITING, CcxtClient, CcxtSettings
from support.fake_ccxt import HANG, FakeCcxt


@pytest.fixture
def fake():
    return FakeCcxt(ManualClock())


@pytest.fixture
async def client(fake):
    made = CcxtClient(CcxtSettings(name="binance", id="binance"), fake.clock, lambda _: fake, Random(1))
    await made.open()
    yield made
    await made.close()


async def test_a_read_that_fails_is_asked_again(fake, client):
    fake.faults["fetch_balance"].extend([errors.NetworkError("a"), errors.BadResponse("b")])
    assert await client.read("fetch_balance") == fake.balance
    assert fake.count("fetch_balance") == 3


async def test_a_read_is_given_up_within_its_budget_and_pauses_grow(fake, client):
    fake.faults["fetch_balance"].extend([errors.NetworkError("down")] * 10)
    begin_ms = fake.clock.now_ms()
    with pytest.raises(VenueUnavailable, match="binance fetch_balance: NetworkError: down; asked 4 times"):
        await client.read("fetch_balance")
    assert fake.count("fetch_balance") == 4
    assert 850 <= fake.clock.now_ms() - begin_ms <= 1750


async def test_the_exchange_says_how_long_to_wait(fake, client):
    fake.last_response_headers = {"Retry-After": "7"}
    fake.faults["fetch_balance"].append(errors.RateLimitExceeded("slow down"))
    begin_ms = fake.clock.now_ms()
    await client.read("fetch_balance")
    assert fake.clock.now_ms() - begin_ms == 7000


async def test_a_wait_past_the_budget_leaves_the_exchange_alone_for_that_long(fake, client):
    fake.last_response_headers = {"retry-after": "90"}
    fake.faults["fetch_balance"].append(errors.DDoSProtection("banned"))
    with pytest.raises(VenueUnavailable, match="banned"):
        await client.read("fetch_balance")
    fake.clock.advance(80)
    with pytest.raises(VenueUnavailable, match="asked again in 10 s"):
        await client.read("fetch_balance")
    assert fake.count("fetch_balance") == 1
    fake.clock.advance(10)
    assert await client.read("fetch_balance") == fake.balance


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (errors.BadSymbol("x"), VenueError),
        (errors.AuthenticationError("x"), VenueUnavailable),
        (errors.ArgumentsRequired("x"), BrokenInvariant),
    ],
)
async def test_what_asking_again_cannot_help_is_asked_once(fake, client, fault, kind):
    fake.faults["fetch_balance"].append(fault)
    with pytest.raises(kind):
        await client.read("fetch_balance")
    assert fake.count("fetch_balance") == 1


async def test_a_refused_key_leaves_the_exchange_alone(fake, client):
    fake.faults["fetch_balance"].append(errors.AuthenticationError("bad key"))
    with pytest.raises(VenueUnavailable, match="bad key"):
        await client.read("fetch_balance")
    with pytest.raises(VenueUnavailable, match="failed too often"):
        await client.read("fetch_time")


async def test_questions_that_wait_have_a_bound(fake, client):
    fake.faults["fetch_balance"].extend([HANG] * MAX_WAITING)
    asked = [asyncio.create_task(client.read("fetch_balance")) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(VenueUnavailable, match="waiting"):
        await client.read("fetch_time")
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert await client.read("fetch_time") == fake.clock.now_ms()


async def test_the_offset_of_the_clock_is_kept_and_measured_again_where_it_is_wrong(fake, client):
    assert client.now_ms() == fake.clock.now_ms()
    fake.skew_ms = 5000
    fake.faults["fetch_balance"].append(errors.InvalidNonce("outside of the window"))
    await client.read("fetch_balance")
    assert client.now_ms() - fake.clock.now_ms() == 5000
    assert fake.options["timeDifference"] == -5000


async def test_a_clock_that_is_due_is_measured_beside_what_is_asked(fake, client):
    fake.clock.advance(901)
    fake.skew_ms = 700
    fake.faults["fetch_time"].append(HANG)
    assert await client.read("fetch_balance") == fake.balance
    await asyncio.sleep(0)
    assert fake.count("fetch_time") == 2
    assert client.now_ms() == fake.clock.now_ms()


async def test_what_is_sent_is_signed_by_the_exchanges_time_whatever_the_machines_is_set_to(fake, client, monkeypatch):
    machine_ms = fake.clock.now_ms() + 3_600_000
    monkeypatch.setattr(client.clock, "now_ms", lambda: machine_ms)
    fake.faults["fetch_time"].append(HANG)
    await client.read("fetch_balance")
    assert fake.options["timeDifference"] == 3_600_000


@pytest.mark.parametrize("told", [None, "soon", float("inf"), -5, 7, {}, True])
async def test_a_time_that_makes_no_sense_names_its_place(fake, client, told):
    fake.late["fetch_time"].extend([lambda _: told] * 4)
    with pytest.raises(VenueError, match="binance fetch_time"):
        await client.measure_clock()


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through():
    clock = ManualClock()
    breaker = Breaker(clock, failures=3, first_s=2, longest_s=8)
    for _ in range(2):
        assert breaker.enter()
        breaker.failed()
    breaker.succeeded()
    for _ in range(3):
        assert breaker.enter()
        breaker.failed()
    assert not breaker.enter()
    waits = []
    for _ in range(4):
        waits.append(breaker.wait_s())
        clock.advance(breaker.wait_s())
        assert breaker.enter()
        assert not breaker.enter()
        breaker.failed()
    assert waits == [2, 4, 8, 8]
    clock.advance(8)
    assert breaker.enter()
    breaker.succeeded()
    assert not breaker.open
    assert breaker.enter()
    assert breaker.enter()


def test_a_probe_that_is_given_up_makes_room_for_the_next():
    clock = ManualClock()
    breaker = Breaker(clock, failures=1)
    breaker.enter()
    breaker.failed()
    clock.advance(breaker.wait_s())
    assert breaker.enter()
    breaker.left()
    assert breaker.enter()
