"""The exchange's timer that cancels open orders: wound in time, told where it is not, stopped where orders stay."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from ccxt.base import errors
from structlog.testing import capture_logs

from autotrader.config.ccxt_exchange import CANCEL_TIMERS
from autotrader.core.clock import ManualClock, SystemClock
from autotrader.core.errors import BrokenInvariant
from autotrader.runtime.leaving import stand_down
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.make import make_exchange
from autotrader.venues.ccxt.timer import METHOD, CancelTimer
from autotrader.venues.ccxt.venue import CcxtVenue
from support.fake_ccxt import FakeCcxt
from support.loopback import Loopback, now_ms


class Market:
    """A market half that tells nothing."""

    def __init__(self):
        self.followed = []

    async def open(self):
        pass

    async def close(self):
        pass

    def tell(self, events, ms):
        raise AssertionError(f"told {events} at {ms}")

    def follow(self, task):
        self.followed.append(task.get_name())


class StillClock(ManualClock):
    """Time passes while the timer sleeps, for `naps` times; then it stands still."""

    def __init__(self):
        super().__init__()
        self.naps, self.slept, self.asleep = 0, [], asyncio.Event()

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if len(self.slept) > self.naps:
            self.asleep.set()
            await asyncio.Event().wait()
        await super().sleep(seconds)


def client(fake, clock, after_ms=60_000):
    settings = CcxtSettings(name="real", id="okx", attempts=1, cancel_after_ms=after_ms)
    return CcxtClient(settings, clock, lambda _: fake, Random(1))


async def wind(fake, naps):
    """Run a timer of a minute over so many of its naps, and return what it slept."""
    clock = StillClock()
    clock.naps = naps
    one = client(fake, clock)
    await one.open()
    running = asyncio.create_task(CancelTimer(one, 60_000).run())
    done, _ = await asyncio.wait({running, asyncio.ensure_future(clock.asleep.wait())}, return_when="FIRST_COMPLETED")
    running.cancel()
    if running in done:
        await running
    return clock.slept


def wound(fake):
    return [args[0] for method, args in fake.calls if method == METHOD]


async def test_it_is_wound_at_a_third_of_its_time():
    fake = FakeCcxt()
    assert await wind(fake, 3) == [20.0] * 4
    assert wound(fake) == [60_000] * 4


async def test_a_failure_is_told_once_and_it_is_tried_on():
    fake = FakeCcxt()
    fake.faults[METHOD].extend([errors.NetworkError("reset"), errors.NetworkError("reset"), errors.BadRequest("no")])
    with capture_logs() as logs:
        await wind(fake, 4)
    assert [one["log_level"] for one in logs if "timer" in one["event"]] == ["warning", "info"]
    assert wound(fake) == [60_000] * 5


async def test_a_request_that_is_wrong_ends_the_daemon():
    fake = FakeCcxt()
    fake.faults[METHOD].append(errors.ArgumentsRequired("a symbol"))
    with pytest.raises(BrokenInvariant):
        await wind(fake, 4)


@pytest.fixture
async def venue(tmp_path):
    fake, clock = FakeCcxt(), StillClock()
    made = CcxtVenue(CcxtAccount(client(fake, clock), tmp_path / "ccxt-real.db"), Market())
    await made.open()
    await clock.asleep.wait()
    yield fake, made
    await made.close()


async def test_it_runs_while_the_account_is_open_and_what_ends_it_is_seen(venue):
    fake, made = venue
    assert wound(fake)[:1] == [60_000]
    assert made._data.followed == ["real account", "real timer"]


async def test_where_orders_stay_it_is_stopped_and_not_wound_again(venue):
    fake, made = venue
    await stand_down(made)
    await made.close()
    assert wound(fake)[-1] == 0
    assert wound(fake).count(0) == 1


async def test_a_venue_that_is_closed_after_a_failure_leaves_it_running(venue):
    fake, made = venue
    await made.close()
    assert 0 not in wound(fake)


async def test_where_it_cannot_be_stopped_that_is_told(venue):
    fake, made = venue
    fake.faults[METHOD].append(errors.NetworkError("reset"))
    with capture_logs() as logs:
        await stand_down(made)
    assert [(one["event"], one["after"]) for one in logs if "canceled" in one["event"]] == [
        ("open orders are canceled soon", "60 s")
    ]


@pytest.mark.parametrize("after_ms", [0, 60_000])
def test_with_one_no_stop_rests_at_the_exchange(tmp_path, after_ms):
    settings = CcxtSettings(name="real", id="kraken", cancel_after_ms=after_ms)
    one = CcxtAccount(CcxtClient(settings, StillClock(), lambda _: FakeCcxt(), Random(1)), tmp_path / "ccxt-real.db")
    assert one.keeps_stops == (not after_ms)


async def test_without_one_nothing_is_asked(tmp_path):
    fake = FakeCcxt()
    made = CcxtVenue(CcxtAccount(client(fake, StillClock(), 0), tmp_path / "ccxt-real.db"), Market())
    await made.open()
    await stand_down(made)
    await made.close()
    assert fake.count(METHOD) == 0


# what ccxt's own clients send

OKX = {
    "GET /api/v5/public/time": lambda _: {"code": "0", "data": [{"ts": str(now_ms())}]},
    "GET /api/v5/public/instruments": {"code": "0", "data": []},
    "GET /api/v5/asset/currencies": {"code": "0", "data": []},
    "GET /api/v5/account/config": {"code": "0", "data": []},
    "POST /api/v5/trade/cancel-all-after": {"code": "0", "data": [{"triggerTime": "0", "ts": "1587971400"}]},
}
KRAKEN = {
    "GET /0/public/Time": lambda _: {"error": [], "result": {"unixtime": now_ms() // 1000}},
    "GET /0/public/AssetPairs": {"error": [], "result": {}},
    "GET /0/public/Assets": {"error": [], "result": {}},
    "POST /0/private/CancelAllOrdersAfter": {"error": [], "result": {"triggerTime": "0"}},
}
SENT = {
    "kraken": (KRAKEN, "POST /0/private/CancelAllOrdersAfter", "timeout", ["60", "0"]),
    "okx": (OKX, "POST /api/v5/trade/cancel-all-after", "timeOut", [60, 0]),
}


def test_what_may_be_declared_is_proved_here():
    assert set(SENT) == set(CANCEL_TIMERS)


@pytest.mark.parametrize("name", SENT)
async def test_it_is_wound_and_stopped_at_the_exchange(name):
    answers, place, key, expected = SENT[name]
    async with Loopback(answers) as server:
        credentials = {"key": "k", "secret": "c2VjcmV0", "password": "p"}
        settings = CcxtSettings(name=name, id=name, url=server.url, credentials=credentials, attempts=1)
        one = CcxtClient(settings, SystemClock(), make_exchange, Random(1))
        await one.open()
        assert one.can("cancelAllOrdersAfter")
        timer = CancelTimer(one, 60_000)
        running = asyncio.create_task(timer.run())
        while not server.told(place):  # noqa: ASYNC110 - a server tells nobody
            await asyncio.sleep(0.002)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await timer.stop()
        assert [asked[key] for asked in server.told(place)] == expected
        await one.close()
