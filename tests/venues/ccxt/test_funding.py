"""What funding moved on a real account: when it is asked for, that each is kept once, and what is told of it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from random import Random

import pytest
from structlog.testing import capture_logs

from autotrader.core.clock import HOUR_MS, ManualClock
from autotrader.core.errors import BrokenInvariant, VenueError
from autotrader.execution.orders import OrderRequest
from autotrader.venues.ccxt import funding, spans
from autotrader.venues.ccxt.answers import ToldFunding
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.funding import FundingReader
from autotrader.venues.ccxt.store import CcxtStore
from autotrader.venues.ccxt.venue import CcxtVenue
from autotrader.venues.protocol import FundingPaid
from support.accounts import account_at
from support.fake_ccxt import FakeCcxt
from support.loopback import Refusal, now_ms
from support.small_futures import SmallFutures
from support.small_okx import okx_swap

D = Decimal
NAME = "BTC/USDT:USDT"
T0 = 1_700_006_400_000
"""A whole hour."""


def stop(client_id="atgp1"):
    return OrderRequest(client_id, "BTC/USDT", -1, "market", D("0.5"), None, True, "g", 0, "1m", stop_price=D("95.5"))


@asynccontextmanager
async def account(server, tmp_path, **more):
    fields = {"id": "binance", "market": "swap", "credentials": {"key": "k", "secret": "s"}, **more}
    made = account_at(server, tmp_path, **fields)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


# through ccxt's own client


@pytest.mark.parametrize("name", ["binance", "binanceusdm"])
async def test_what_was_settled_since_the_first_order_is_told_to_the_last_digit(tmp_path, name) -> None:
    async with SmallFutures() as server, account(server, tmp_path, id=name) as venue:
        began_ms = now_ms()
        server.settle(began_ms - 4 * HOUR_MS, "-9")
        await venue.submit(stop())
        server.settle(began_ms - 2, "-0.00134317")
        server.settle(began_ms - 1, "0.25")
        told = await venue.funding_paid(0)
        assert told == [
            FundingPaid(began_ms - 2, "BTC/USDT", D("-0.00134317")),
            FundingPaid(began_ms - 1, "BTC/USDT", D("0.25")),
        ]
        assert await venue.funding_paid(began_ms - 2) == told[1:]


async def test_on_okx_a_span_is_asked_for_by_its_own_words(tmp_path) -> None:
    credentials = {"key": "k", "secret": "s", "password": "p"}
    async with okx_swap() as server:
        venue = account_at(server, tmp_path, id="okx", market="swap", credentials=credentials)
        await venue.open()
        await venue.submit(OrderRequest("at1", "BTC/USDT", 1, "limit", D("0.03"), D(95), False, "g", 0, "1m"))
        paid_ms = now_ms()
        bill = {"billId": "37797", "instId": "BTC-USDT-SWAP", "instType": "SWAP", "ccy": "USDT", "type": "8"}
        server.bills.append(bill | {"balChg": "-0.0148752712", "posBalChg": "0", "ts": str(paid_ms)})
        assert await venue.funding_paid(0) == [FundingPaid(paid_ms, "BTC/USDT", D("-0.0148752712"))]
        (asked,) = server.told("GET /api/v5/account/bills-archive")
        assert (asked["type"], asked["limit"]) == ("8", "100")
        assert int(asked["begin"]) < paid_ms <= int(asked["end"])
        await venue.close()


async def test_an_account_that_ordered_nothing_asks_for_nothing(tmp_path) -> None:
    async with SmallFutures() as server, account(server, tmp_path) as venue:
        assert await venue.funding_paid(0) == []
        assert server.told("GET /fapi/v1/income") == []


async def test_where_the_exchange_does_not_tell_it_once_is_said_and_what_is_known_is_given(tmp_path) -> None:
    async with SmallFutures() as server, account(server, tmp_path) as venue:
        await venue.submit(stop())
        server.settle(now_ms(), "-1")
        answer = server.answers["GET /fapi/v1/income"]
        server.answers["GET /fapi/v1/income"] = Refusal({"code": -1001, "msg": "Disconnected."}, 503)
        with capture_logs() as logs:
            for _ in range(2):
                assert await venue.funding_paid(0) == []
        assert [one["event"] for one in logs] == ["an account does not tell its funding"]
        server.answers["GET /fapi/v1/income"] = answer
        with capture_logs() as logs:
            assert len(await venue.funding_paid(0)) == 1
        assert [one["event"] for one in logs] == ["an account tells its funding again"]


class Market:
    """A market half that keeps what it is told of the account."""

    def __init__(self):
        self.told, self.heard = [], asyncio.Event()

    async def open(self):
        pass

    async def close(self):
        pass

    def tell(self, events, ms):
        self.told.append((list(events), ms))
        self.heard.set()

    def follow(self, task):
        pass


async def test_an_open_exchange_tells_it_by_itself(tmp_path) -> None:
    async with SmallFutures() as server:
        async with account(server, tmp_path) as one:
            await one.submit(stop())
        paid_ms, market = now_ms(), Market()
        server.settle(paid_ms, "-1.5")
        credentials = {"key": "k", "secret": "s"}
        venue = CcxtVenue(account_at(server, tmp_path, id="binance", market="swap", credentials=credentials), market)
        await venue.open()
        await market.heard.wait()
        paid = FundingPaid(paid_ms, "BTC/USDT", D("-1.5"))
        assert market.told == [([paid], paid_ms)]
        assert await venue.funding_paid(0) == [paid]
        await venue.close()


async def test_elsewhere_and_on_spot_none_is_read(tmp_path) -> None:
    async with SmallFutures() as server:
        for fields in ({"id": "bybit"}, {"market": "spot"}):
            assert account_at(server, tmp_path, **({"id": "binance", "market": "swap"} | fields)).funding() is None
    assert not funding.tells_funding(client(FakeCcxt(), id="bybit"))
    assert not funding.tells_funding(client(FakeCcxt(), market="spot"))


# when it is asked for


class Income(FakeCcxt):
    """Settlements as ccxt tells them, at most as many as a page holds."""

    def __init__(self, clock):
        super().__init__(clock)
        self.told, self.most = [], 0

    def settle(self, ts_ms, amount=-1.0, name=NAME, code="USDT"):
        number = str(len(self.told))
        self.told.append({"symbol": name, "code": code, "timestamp": ts_ms, "id": number, "amount": amount})

    async def fetch_funding_history(self, symbol, since, limit, params):
        def act():
            times = [(one["timestamp"], one) for one in self.told]
            found = [one for at, one in times if at == "soon" or since <= at <= params["until"]]
            return found[: self.most or limit]

        return await self._call("fetch_funding_history", act, symbol, since, limit, params)


def client(fake, **fields):
    settings = CcxtSettings(**({"name": "real", "id": "binance", "market": "swap", "attempts": 1} | fields))
    return CcxtClient(settings, fake.clock, lambda _: fake, Random(1))


@pytest.fixture
async def reader(tmp_path):
    """Give a reader whose account ordered its symbol a day ago."""
    fake = Income(ManualClock(T0 - 1_000))
    made = client(fake)
    await made.open()
    store = CcxtStore(tmp_path / "a.db", "real")
    store.identify({"exchange": "binance", "market": "swap"})
    store.move("BTC/USDT", T0 - 24 * HOUR_MS)
    one = FundingReader(made, store)
    one.fake, one.store = fake, store
    yield one
    store.close()


async def test_it_is_asked_in_the_first_minutes_of_an_hour_and_once_after_them(reader) -> None:
    asked = []
    while len(asked) < 10:
        wait_s = reader.due_s()
        if wait_s:
            await reader.fake.clock.sleep(wait_s)
        asked.append((reader.fake.clock.now_ms() - T0) / 1000)
        assert await reader.read()
    assert asked == [-1, 5, 25, 45, 65, 85, 105, 125, 3_605, 3_625]


async def test_what_comes_late_is_found_by_the_next_hour_and_told_once_as_new(reader) -> None:
    told = []
    reader.fake.settle(T0 - HOUR_MS)

    def tell(events, ms):
        told.append((list(events), ms))
        if len(told) == 1:  # the next one is told half an hour late
            reader.fake.clock.advance(1 + HOUR_MS / 2_000)
            reader.fake.settle(T0, 0.5)
        else:
            raise BrokenInvariant("enough")

    with pytest.raises(BrokenInvariant):
        await reader.run(tell)
    first, late = FundingPaid(T0 - HOUR_MS, "BTC/USDT", D("-1.0")), FundingPaid(T0, "BTC/USDT", D("0.5"))
    assert told == [([first], T0 - HOUR_MS), ([first, late], T0)]


async def test_a_page_that_is_full_is_read_in_halves(reader, monkeypatch) -> None:
    monkeypatch.setattr(reader, "_page", 3)
    reader.fake.most = 3
    for hour in range(20):
        reader.fake.settle(T0 - hour * HOUR_MS - 1_000)
    assert await reader.read()
    assert [one.ts_ms for one in reader.store.funding(0)] == sorted(one["timestamp"] for one in reader.fake.told)
    reader.fake.calls.clear()
    await reader.read()
    assert len(reader.fake.calls) <= 3, "only the overlap is read again"


async def test_a_reading_goes_on_where_it_was_broken_off(reader, monkeypatch) -> None:
    monkeypatch.setattr(funding, "WINDOW_MS", 6 * HOUR_MS)
    monkeypatch.setattr(spans, "MAX_PAGES", 2)
    for hour in range(20):
        reader.fake.settle(T0 - hour * HOUR_MS - 1_000)
    with capture_logs():
        answers = [await reader.read() for _ in range(4)]
    assert answers[0] is False
    assert answers[-1] is True
    assert len(reader.store.funding(0)) == 20


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"amount": None}, "'amount' is missing"),
        ({"amount": float("nan")}, "not a finite number"),
        ({"timestamp": "soon"}, "not a number"),
        ({"id": ""}, "'id' is missing"),
        ({"symbol": "X/Y:Y"}, "not traded here"),
        ({"symbol": None}, "'symbol' is missing"),
        ({"code": "BNB"}, "was settled in BNB, not in USDT"),
    ],
)
async def test_from_an_answer_that_makes_no_sense_nothing_is_taken(reader, row, words) -> None:
    reader.fake.settle(T0 - HOUR_MS)
    reader.fake.settle(T0 - HOUR_MS)
    reader.fake.told[1] |= row
    with pytest.raises(VenueError, match=words):
        await reader._read(T0)
    assert reader.store.funding(0) == []


async def test_symbols_that_were_never_ordered_are_somebody_elses(reader) -> None:
    reader.fake.settle(T0 - HOUR_MS, name="BTC/USDT")
    reader.store.move("BTC/USDT", T0)
    reader.fake.settle(T0 - HOUR_MS)
    await reader.read()
    assert len(reader.store.funding(0)) == 1


# what is kept


def test_two_payments_of_one_moment_are_one_settlement_and_the_same_one_is_kept_once(tmp_path) -> None:
    store = CcxtStore(tmp_path / "a.db", "real")
    store.identify({"exchange": "binance", "market": "swap"})
    one = ToldFunding("1", "BTC/USDT", T0, D("-0.1"))
    assert store.keep_funding([one, one._replace(told_id="2", amount=D("-0.02"))]) == 2
    assert store.keep_funding([one]) == 0
    assert store.funding(0) == [FundingPaid(T0, "BTC/USDT", D("-0.12"))]
    assert store.funding(T0) == []
    store.close()


def test_a_file_of_before_funding_was_read_goes_on(tmp_path) -> None:
    path, identity = tmp_path / "a.db", {"exchange": "binance", "market": "swap"}
    store = CcxtStore(path, "real")
    store.identify(identity)
    store.move("BTC/USDT", T0)
    store.close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE funding; DROP TABLE settled; PRAGMA user_version = 1;")
    store = CcxtStore(path, "real")
    store.identify(identity)
    assert (store.cursors(), store.settled_until(), store.funding(0)) == ({"BTC/USDT": T0}, 0, [])
    store.close()
