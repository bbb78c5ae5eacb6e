"""The map from an exchange's trades to our growing numbers: everything once, whatever comes late or twice."""

from __future__ import annotations

import asyncio
import tempfile
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from ccxt.base import errors
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.clock import ManualClock
from autotrader.core.errors import AmbiguousSubmit, VenueError, VenueUnavailable
from autotrader.execution.orders import OrderRequest
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.store import CcxtStore
from support.fake_ccxt import FakeCcxt

MINUTE = 60_000


def request(client_id):
    return OrderRequest(client_id, "BTC/USDT", 1, "limit", Decimal(1000), Decimal(100), False, "g", 0, "1m")


async def opened(fake, folder):
    settings = CcxtSettings(name="binance", id="binance", attempts=1)
    venue = CcxtAccount(CcxtClient(settings, fake.clock, lambda _: fake, Random(1)), folder / "a.db")
    await venue.open()
    return venue


@pytest.fixture
def fake():
    return FakeCcxt(ManualClock())


@pytest.fixture
async def venue(fake, tmp_path):
    made = await opened(fake, tmp_path)
    yield made
    await made.close()


async def test_a_fill_is_told_with_its_order_its_group_and_its_fee_as_it_was_taken(fake, venue):
    await venue.submit(request("a"))
    fake.trade("1", 0.5, fee={"cost": 0.0005, "currency": "BTC"})
    (fill,) = await venue.fills(0)
    assert (fill.client_id, fill.group, fill.amount, fill.cost) == ("a", "g", Decimal("0.5"), Decimal(50))
    assert (fill.fee, fill.fee_currency, fill.maker) == (Decimal("0.0005"), "BTC", True)
    assert await venue.fills(fill.fill_id) == []
    assert await venue.fills(fill.fill_id - 1) == [fill]


async def test_a_fill_of_an_order_whose_answer_was_lost_is_ours(fake, venue):
    fake.late["create_order"].append(errors.RequestTimeout("late"))
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request("a"))
    fake.trade("1", 0.5)
    (fill,) = await venue.fills(0)
    assert (fill.client_id, fill.group) == ("a", "g")


async def test_a_trade_whose_order_is_not_told_yet_waits_while_it_may_be_ours(fake, venue):
    fake.late["create_order"].append(errors.RequestTimeout("late"))
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request("a"))
    fake.trade("1", 0.5)
    fake.faults["fetch_order"].append(errors.OrderNotFound("not yet"))
    with pytest.raises(VenueUnavailable, match="asked for again"):
        await venue.fills(0)
    assert [fill.client_id for fill in await venue.fills(0)] == ["a"]


async def test_an_order_that_was_believed_lost_and_trades_after_all_is_ours(fake, venue):
    fake.faults["create_order"].append(errors.RequestTimeout("late"))
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request("a"))
    fake.clock.advance(60)
    assert await venue.order("a") is None
    fake.place("BTC/USDT", "limit", "buy", 1.0, 100.0, "a")
    fake.trade("1", 1.0)
    assert [(one.client_id, one.group) for one in await venue.fills(0)] == [("a", "g")]


async def test_a_foreign_trade_keeps_its_own_id_and_is_asked_for_once(fake, venue):
    fake.faults["create_order"].append(errors.RequestTimeout("late"))
    with pytest.raises(AmbiguousSubmit):
        await venue.submit(request("a"))
    fake.place("BTC/USDT", "limit", "buy", 9.0, 100.0, "web_1")
    fake.trade("1", 1.0)
    fake.trade("1", 1.0)
    assert [(one.client_id, one.group) for one in await venue.fills(0)] == [("web_1", "")] * 2
    fake.trade("1", 1.0)
    assert len(await venue.fills(0)) == 3
    assert fake.count("fetch_order") <= 2


async def test_a_trade_later_than_the_overlap_is_found_where_its_order_tells_of_it(fake, venue):
    await venue.submit(request("a"))
    at_ms = fake.clock.now_ms()
    fake.clock.advance(3600)
    assert await venue.fills(0) == []
    fake.trade("1", 0.5, ts_ms=at_ms)
    assert await venue.fills(0) == []
    assert (await venue.order("a")).filled == Decimal("0.5")
    assert [fill.amount for fill in await venue.fills(0)] == [Decimal("0.5")]


async def test_pages_are_read_until_there_are_no_more(fake, venue):
    await venue.submit(request("a"))
    begin_ms = fake.clock.now_ms()
    for number in range(350):
        fake.trade("1", 1.0, ts_ms=begin_ms + number * 700)
    fake.clock.advance(3 * 86_400)
    fake.trade("1", 1.0)
    fills = await venue.fills(0)
    assert len(fills) == 351
    assert [one.fill_id for one in fills] == sorted({one.fill_id for one in fills})


async def test_more_trades_in_a_millisecond_than_a_page_holds_are_an_error_and_no_silence(fake, venue):
    await venue.submit(request("a"))
    for _ in range(101):
        fake.trade("1", 1.0)
    with pytest.raises(VenueError, match="in the millisecond"):
        await venue.fills(0)


@pytest.mark.parametrize(
    "broken",
    [
        {"price": float("nan")},
        {"price": -1.0},
        {"amount": 0},
        {"amount": "much"},
        {"id": None},
        {"timestamp": None},
        {"side": None},
        {"symbol": "DOGE/USDT"},
        {"fee": {"cost": float("inf"), "currency": "BTC"}},
        {"fee": {"cost": 1}},
    ],
)
async def test_a_trade_that_makes_no_sense_names_its_place_and_nothing_is_taken(fake, venue, broken):
    await venue.submit(request("a"))
    fake.trade("1", 1.0)
    good = fake.trades[0]
    fake.late["fetch_my_trades"].append(lambda _: [good, {**good, **broken}])
    with pytest.raises(VenueError, match=r"binance fetch_my_trades\[1\]"):
        await venue.fills(0)
    assert len(await venue.fills(0)) == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(0, 9)),  # so many minutes late
        st.tuples(st.just("pass"), st.integers(0, 30 * 60)),
        st.tuples(st.just("read"), st.just(0)),
        st.tuples(st.just("order"), st.just(0)),
        st.tuples(st.just("lost"), st.just(0)),
        st.tuples(st.just("crash"), st.integers(0, 6)),
    ),
    max_size=30,
)


class Crash(BaseException):
    """The process ends here."""


async def lived(steps, page):
    """Live through steps; return what was told in order, and the ids of all trades that happened."""
    fake, told, ids, last = FakeCcxt(ManualClock(), page=page), [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        venue = await opened(fake, Path(folder))
        await venue.submit(request("o0"))
        for kind, figure in [*steps, ("pass", 300), ("read", 0)]:  # the breaker may be open until then
            if kind == "trade":
                ids += 1
                at_ms = fake.clock.now_ms() - figure * MINUTE
                fake.trade(str(1 + ids % len(fake.orders)), 1.0, ts_ms=at_ms, trade_id=f"t{ids}")
            elif kind == "pass":
                fake.clock.advance(figure)
            elif kind in {"order", "lost"}:
                if kind == "lost":
                    fake.late["create_order"].append(errors.RequestTimeout("late"))
                try:
                    await venue.submit(request(f"o{len(fake.orders)}"))
                except AmbiguousSubmit:
                    assert kind == "lost"
                except VenueUnavailable:  # the breaker opened: nothing was sent
                    fake.late["create_order"].clear()
            else:
                with pytest.MonkeyPatch.context() as patch:
                    if kind == "crash":
                        crash_before(patch, figure)
                    try:
                        new = await venue.fills(last)
                    except (Crash, VenueUnavailable):
                        new = []
                told += new
                last = told[-1].fill_id if told else 0
                if kind == "crash":
                    await venue.close()
                    venue = await opened(fake, Path(folder))
        everything = await venue.fills(0)
        await venue.close()
    return fake, told, everything


def crash_before(patch, nth):
    """End the process before the nth write from now."""
    left = [nth]

    def counted(name):
        real = getattr(CcxtStore, name)

        def write(self, *args):
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return real(self, *args)

        patch.setattr(CcxtStore, name, write)

    for name in ("keep", "move", "accepted", "estrange"):
        counted(name)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 3))
def test_every_trade_is_told_exactly_once_in_growing_numbers_whatever_crashes(steps, shift):
    fake, told, everything = asyncio.run(lived(steps, page=100 * shift))
    assert told == everything
    assert [one.fill_id for one in told] == sorted({one.fill_id for one in told})
    assert sum((one.amount for one in told), Decimal(0)) == len(fake.trades)
    by_number = {order["id"]: order["clientOrderId"] for order in fake.orders.values()}
    assert sorted(one.client_id for one in told) == sorted(by_number[one["order"]] for one in fake.trades)
