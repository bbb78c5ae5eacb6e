"""What goes wrong on purpose, as the real client sees it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import ccxt
import ccxt.pro
import pytest

from autotrader.core.errors import ConfigError
from autotrader.venues.emulator.faults import Deed, Faults, Plan, read_faults
from support.exchange import client, stage

BTC = "BTC/USDT"
ORDER = "/api/v3/order"


@asynccontextmanager
async def suffering(recorded, *rules, seed=1):
    async with stage(recorded, {"seed": seed, "rules": list(rules)}) as it:
        one = client(ccxt.pro.binance, it.port, it.clock)
        try:
            await one.load_markets()
            yield it, one
        finally:
            await one.close()


def buy(one):
    return one.create_order(BTC, "limit", "buy", 0.01, 30_000, {"newClientOrderId": "once"})


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"do": "http", "status": 429, "retry_after_s": 7}, ccxt.DDoSProtection),
        ({"do": "http", "status": 418}, ccxt.DDoSProtection),
        ({"do": "http", "status": 503}, ccxt.ExchangeNotAvailable),
        ({"do": "http", "status": 500}, ccxt.ExchangeNotAvailable),
        ({"do": "code", "code": -1021}, ccxt.InvalidNonce),
        ({"do": "code", "code": -1003}, ccxt.RateLimitExceeded),
        ({"do": "drop"}, ccxt.NetworkError),
        ({"do": "disconnect"}, ccxt.NetworkError),
    ],
)
async def test_a_request_fails_and_nothing_has_happened(recorded, rule, error):
    async with suffering(recorded, {"on": ORDER, "method": "POST", "until": 1, **rule}) as (it, one):
        with pytest.raises(error):
            await buy(one)
        assert it.exchange.orders == {}
        if "retry_after_s" in rule:
            assert one.last_response_headers["Retry-After"] == "7"
        assert (await buy(one))["status"] == "open"


async def test_an_order_is_taken_and_its_answer_lost(recorded):
    async with suffering(recorded, {"on": ORDER, "method": "POST", "do": "accept_and_lose_reply"}) as (_, one):
        with pytest.raises(ccxt.NetworkError):
            await buy(one)
        found = await one.fetch_order(None, BTC, {"origClientOrderId": "once"})
        assert found["status"] == "open"


async def test_only_half_is_filled_at_once(recorded):
    async with suffering(recorded, {"on": ORDER, "method": "POST", "do": "half_fill"}) as (it, one):
        ask = (await one.fetch_order_book(BTC))["asks"][0][0]
        order = await one.create_order(BTC, "limit", "buy", 0.1, ask)
        assert (order["status"], order["filled"]) == ("open", 0.05)
        for _ in range(600):
            it.step(1)
        assert (await one.fetch_order(order["id"], BTC))["status"] == "closed"


async def test_an_answer_comes_late(recorded):
    async with suffering(recorded, {"on": "/api/v3/time", "do": "delay", "wait": "60ms"}) as (_, one):
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await one.fetch_time()
        assert loop.time() - begin >= 0.06


async def test_an_exchange_that_restarts_is_away_for_a_while(recorded):
    async with suffering(recorded, {"on": "/api/v3/time", "do": "restart", "wait": "30s", "until": 1}) as (it, one):
        await it.until(one.watch_trades(BTC))
        watching = asyncio.ensure_future(one.watch_trades(BTC))
        with pytest.raises(ccxt.NetworkError):
            await one.fetch_time()
        with pytest.raises(ccxt.NetworkError):
            await watching
        it.step(29)
        with pytest.raises(ccxt.NetworkError):
            await one.fetch_balance()
        it.step(1)
        assert (await one.fetch_balance())["USDT"]["free"] == 100_000
        assert await it.until(one.watch_trades(BTC))


async def collected(recorded, rule, count=40):
    """Return the numbers of the trades that a stream with a fault told, in its order, and of those that happened."""
    async with suffering(recorded, {"on": "btcusdt@trade", **rule}) as (it, one):
        one.newUpdates = False
        begin, seen = it.clock.now_ms(), []
        while len(seen) < count:
            seen = [int(trade["id"]) for trade in await it.until(one.watch_trades(BTC))]
        market = it.exchange.market
        happened = [made.id for made in market.prints(market.traded["BTCUSDT"], begin, it.clock.now_ms())]
        return seen, [number for number in happened if number >= min(seen)]


async def test_pushes_are_dropped(recorded):
    seen, happened = await collected(recorded, {"do": "drop", "every": 3})
    assert set(seen) < set(happened)
    assert seen == sorted(set(seen))


async def test_pushes_come_twice(recorded):
    seen, _ = await collected(recorded, {"do": "duplicate", "every": 5})
    assert len(seen) > len(set(seen))
    assert seen == sorted(seen)


async def test_pushes_change_places(recorded):
    seen, happened = await collected(recorded, {"do": "reorder", "every": 4})
    assert seen != sorted(seen)
    assert len(set(happened) - set(seen)) <= 1


async def test_pushes_are_lost_by_chance_in_the_same_way_for_the_same_seed(recorded):
    rules = {"seed": 3, "rules": [{"on": "*@trade", "do": "drop", "chance": "30%"}]}
    drawn = [
        [bool(faults.at("PUSH", "btcusdt@trade", "ws")) for _ in range(200)]
        for faults in (Faults(Plan.model_validate(rules)), Faults(Plan.model_validate(rules)))
    ]
    assert drawn[0] == drawn[1]
    assert 30 < sum(drawn[0]) < 90


async def test_a_stream_dies_without_a_word(recorded):
    async with suffering(recorded, {"on": "btcusdt@trade", "do": "stale", "from": 5}) as (it, one):
        await it.until(one.watch_trades(BTC))
        it.step(10)
        await one.fetch_time()
        waiting = asyncio.ensure_future(one.watch_trades(BTC))
        for _ in range(50):
            it.step(1)
            await asyncio.sleep(0.001)
        assert not waiting.done()
        assert await it.until(one.watch_ohlcv(BTC))
        waiting.cancel()


async def test_a_stream_is_cut_and_comes_back(recorded):
    async with suffering(recorded, {"on": "btcusdt@trade", "do": "disconnect", "from": 3, "until": 3}) as (it, one):
        with pytest.raises(ccxt.NetworkError):  # noqa: PT012 - how many trades one answer holds is the client's matter
            for _ in range(10):
                await it.until(one.watch_trades(BTC))
        assert await it.until(one.watch_trades(BTC))


async def test_the_account_s_stream_can_fail_alone(recorded):
    async with suffering(recorded, {"on": "user", "do": "stale"}) as (it, one):
        waiting = asyncio.ensure_future(one.watch_orders(BTC))
        for _ in range(5000):
            await asyncio.sleep(0.002)
            if "user" in it.server.listened():
                break
        order = await buy(one)
        await asyncio.sleep(0.02)
        assert not waiting.done()
        assert (await one.fetch_order(order["id"], BTC))["status"] == "open"
        waiting.cancel()


async def test_a_book_that_misses_a_change_is_found_out_by_the_client(recorded):
    async with suffering(recorded, {"on": "btcusdt@depth@100ms", "do": "drop", "from": 6, "until": 6}) as (it, one):
        with pytest.raises(ccxt.ChecksumError):  # noqa: PT012 - which of the next updates tells is the client's matter
            for _ in range(12):
                await it.until(one.watch_order_book(BTC))
        assert await it.until(one.watch_order_book(BTC))


def test_a_file_of_faults_is_read(tmp_path):
    path = tmp_path / "faults.yaml"
    path.write_text(
        "seed: 7\nrules:\n"
        "  - {on: /api/v3/order, method: POST, every: 2, do: http, status: 429, retry_after_s: 3}\n"
        "  - {on: '*@trade', from: 2, until: 3, do: drop}\n"
    )
    faults = read_faults(path)
    assert [bool(faults.at("POST", ORDER)) for _ in range(4)] == [False, True, False, True]
    assert [bool(faults.at("PUSH", "btcusdt@trade", "ws")) for _ in range(4)] == [False, True, True, False]
    assert faults.at("GET", ORDER) == []


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("rules:\n  - {on: /x, do: explode}\n", 2, "explode"),
        ("rules:\n  - {on: /x, do: drop, often: 3}\n", 2, "often"),
        ("rules:\n  - {on: /x, do: drop, from: 3, until: 2}\n", 2, "until"),
        ("seed: x\n", 1, "seed"),
        ("rules:\n  - {on: /x, do: [}\n", 2, ""),
        ("- a\n", 0, "keys and values"),
    ],
)
def test_a_faulty_file_of_faults_is_refused_with_the_place(tmp_path, text, line, word):
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_faults(path)
    assert refused.value.problems[0].line == line
    assert word in str(refused.value)


def test_the_faults_on_the_page_are_ones(tmp_path):
    page = (Path(__file__).resolve().parents[3] / "docs" / "emulator.md").read_text(encoding="utf-8")
    path = tmp_path / "faults.yaml"
    path.write_text(page.split("```text\n")[1].split("```")[0])
    faults = read_faults(path)
    assert [rule.do for _ in range(5) for rule in faults.at("POST", ORDER)] == ["accept_and_lose_reply"]
    assert [deed for deed in get_args(Deed) if f"| `{deed}` |" not in page] == []


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"faults\.yaml"):
        read_faults(tmp_path / "faults.yaml")
