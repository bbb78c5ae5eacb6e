"""Trades of several legs in the living daemon, on an exchange that fills and refuses as the test says."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace

import pytest

from autotrader.core.errors import OrderRejected
from autotrader.execution.orders import Reason
from autotrader.execution.reconcile import Place, Steps
from autotrader.execution.slots import Slot, Wish
from autotrader.execution.together import Terms
from autotrader.runtime import together
from autotrader.runtime.together import trade_of

D = Decimal
TERMS = Terms(completes=True, bound=D("0.003"), deadline_ms=5_000)
SYMBOLS = ("BTC/USDT", "ETH/USDT")


async def calm():
    for _ in range(30):
        await asyncio.sleep(0)


class Pair:
    """A trade of two coins bought with one step, and the daemon's parts that look after it."""

    def __init__(self, one):
        self.one, self.trader = one, one.loop.trader
        one.venue.remote = True
        one.account.known, one.account.cash = True, D(10_000)
        self.legs = [one.leg(symbol=symbol) for symbol in SYMBOLS]
        one.account.prices.update(dict.fromkeys(SYMBOLS, D(100)))
        self.part = SimpleNamespace(legs=self.legs, slots=[], trades={}, asks=[(), ()], bids=[(), ()])
        self.fill_id = 0

    async def begin(self, refused=None):
        async with self.one.loop.turn:
            for place, leg in enumerate(self.legs):
                wish = Wish(place, 1, 0, 100_000_000, 0, 7)
                if place == refused:
                    self.part.slots.append(Slot(wish, ""))
                    continue
                order = self.draft(leg, D(1))
                self.part.slots.append(Slot(wish, order.client_id))
            together.begin(self.trader, self.part, (0, 1), self.one.venue.now_ms)
            await self.one.loop.finish(self.one.venue.now_ms, self.one.account)
        await calm()

    def draft(self, leg, amount):
        step = Place("slot", 1, amount, D(100), Reason.SLOT)
        order = self.one.loop.desk.draft(leg, Steps(place=step), self.one.venue.now_ms, "slot", {}).order
        leg.slots[order.client_id] = order
        return order

    async def fill(self, name, amount):
        self.fill_id += 1
        order = self.one.journal.find_order(name)
        async with self.one.loop.turn:
            self.trader.book(self.one.fill(order, amount, self.fill_id)._replace(symbol=order.symbol))
            await self.one.loop.finish(self.one.venue.now_ms, self.one.account)

    async def tend(self, after_ms=1_000):
        self.one.venue.now_ms += after_ms
        async with self.one.loop.turn:
            changed = together.tend(self.trader, self.part, TERMS, self.one.venue.now_ms)
            await self.one.loop.finish(self.one.venue.now_ms, self.one.account)
        await calm()
        return changed

    @property
    def sent(self):
        return list(self.one.venue.told_orders.values())

    def held(self):
        return [leg.position.amount for leg in self.legs]


@pytest.fixture
def pair(world):
    return Pair(world())


async def test_legs_are_sent_together_and_a_trade_that_filled_is_forgotten(pair) -> None:
    await pair.begin()
    assert [order.symbol for order in pair.sent] == list(SYMBOLS)
    for order in pair.sent:
        await pair.fill(order.client_id, "1")
    assert await pair.tend()
    assert pair.part.trades == {}
    assert len(pair.sent) == 2


async def test_where_the_gate_refuses_a_leg_none_is_sent(pair) -> None:
    await pair.begin(refused=1)
    assert pair.sent == []
    assert pair.part.trades == {}
    assert [slot.client_id for slot in pair.part.slots] == ["", ""]
    assert [leg.orders for leg in pair.legs] == [{}, {}]
    assert pair.one.loop.desk.recent_orders(pair.one.venue.now_ms) == 0


async def test_a_leg_that_was_refused_is_completed_within_its_bound(pair) -> None:
    pair.one.venue.answers.append(OrderRejected("busy"))
    await pair.begin()
    (other,) = pair.sent
    await pair.fill(other.client_id, "1")
    await pair.tend()
    late = pair.sent[-1]
    assert (late.symbol, late.amount, late.price) == ("BTC/USDT", D(1), D("100.30"))
    await pair.fill(late.client_id, "1")
    await pair.tend()
    assert pair.held() == [1, 1]
    assert pair.part.trades == {}


async def test_beyond_its_bound_what_the_other_leg_has_is_given_back(pair) -> None:
    pair.one.venue.answers.append(OrderRejected("busy"))
    await pair.begin()
    await pair.fill(pair.sent[0].client_id, "1")
    pair.one.account.prices["BTC/USDT"] = D("100.31")
    await pair.tend()
    back = pair.sent[-1]
    assert (back.symbol, back.side, back.amount, back.type) == ("ETH/USDT", -1, D(1), "market")
    assert not await pair.tend()  # what gives back is waited for
    await pair.fill(back.client_id, "1")
    await pair.tend()
    assert pair.held() == [0, 0]
    assert pair.part.trades == {}


async def test_at_the_deadline_what_works_is_canceled_and_what_is_too_much_given_back(pair) -> None:
    await pair.begin()
    slow, quick = pair.sent
    await pair.fill(slow.client_id, "0.25")
    await pair.fill(quick.client_id, "1")
    assert not await pair.tend()
    await pair.tend(5_000)
    assert pair.one.venue.told_orders[slow.client_id].status == "canceled"
    await pair.tend()
    assert (pair.sent[-1].symbol, pair.sent[-1].amount) == ("ETH/USDT", D("0.75"))


async def test_a_wish_that_is_taken_back_gives_the_rest_of_its_trade_back(pair) -> None:
    await pair.begin()
    await pair.fill(pair.sent[0].client_id, "1")
    together.leave(pair.part, [1])
    await pair.tend()
    await pair.tend()
    assert (pair.sent[-1].symbol, pair.sent[-1].side, pair.sent[-1].amount) == ("BTC/USDT", -1, D(1))


async def test_giving_back_that_was_refused_is_tried_again(pair) -> None:
    pair.one.venue.answers.append(OrderRejected("busy"))
    await pair.begin()
    await pair.fill(pair.sent[0].client_id, "1")
    pair.one.account.prices["BTC/USDT"] = D(200)
    pair.one.venue.answers.append(OrderRejected("busy again"))
    await pair.tend()
    assert len(pair.sent) == 1
    await pair.tend()
    assert (pair.sent[-1].symbol, pair.sent[-1].side) == ("ETH/USDT", -1)


async def test_a_trade_comes_back_from_the_journal_as_it_was(pair) -> None:
    await pair.begin()
    await pair.fill(pair.sent[0].client_id, "0.5")
    plain = {str(group): trade.plain() for group, trade in pair.part.trades.items()}
    before, pair.part.trades = pair.part.trades, {}
    for leg in pair.legs:
        leg.slots.clear()
    together.restore(pair.trader, pair.part, plain)
    assert pair.part.trades == before
    assert trade_of(plain["7"]) == before[7]
    assert [list(leg.slots) for leg in pair.legs] == before[7].built


async def test_what_the_gate_refuses_is_not_completed_and_the_other_leg_is_given_back(pair) -> None:
    pair.one.venue.answers.append(OrderRejected("busy"))
    await pair.begin()
    await pair.fill(pair.sent[0].client_id, "1")
    pair.trader.paused[""] = "a person"
    await pair.tend()
    back = pair.sent[-1]
    assert (back.symbol, back.side, back.amount, back.type) == ("ETH/USDT", -1, D(1), "market")
    pair.trader.paused.clear()
    await pair.fill(back.client_id, "1")
    await pair.tend()
    assert pair.held() == [0, 0]
    assert pair.part.trades == {}


async def test_what_the_fee_took_of_a_leg_is_not_given_back(pair) -> None:
    pair.one.venue.answers.append(OrderRejected("busy"))
    await pair.begin()
    await pair.fill(pair.sent[0].client_id, "1")
    pair.legs[1].position = pair.legs[1].position._replace(amount=D("0.999"))
    pair.trader.killed = "locked"
    await pair.tend()
    assert pair.sent[-1].amount == D("0.999")


class Owned(Pair):
    """A trade that sells two coins, which are there."""

    def __init__(self, one):
        super().__init__(one)
        for leg in self.legs:
            one.loop.desk.drop(leg)
        self.legs[:] = [one.leg(symbol=symbol, held="1") for symbol in SYMBOLS]

    def draft(self, leg, amount):
        step = Place("slot_exit", -1, amount, None, Reason.SLOT)
        order = self.one.loop.desk.draft(leg, Steps(place=step), self.one.venue.now_ms, "slot", {}).order
        leg.slots[order.client_id] = order
        return order


@pytest.fixture
def owned(world):
    return Owned(world())


async def test_a_trade_that_reduces_is_completed_whatever_the_price_and_however_late(owned) -> None:
    owned.one.venue.answers.append(OrderRejected("busy"))
    await owned.begin()
    await owned.fill(owned.sent[0].client_id, "1")
    owned.one.account.prices["BTC/USDT"] = D(50)
    owned.trader.paused[""] = "a person"
    await owned.tend(3_600_000)
    late = owned.sent[-1]
    assert (late.symbol, late.side, late.amount, late.type) == ("BTC/USDT", -1, D(1), "market")
    together.leave(owned.part, [0, 1])
    await owned.fill(late.client_id, "1")
    await owned.tend()
    assert owned.held() == [0, 0]
    assert owned.part.trades == {}


async def test_orders_that_come_to_nothing_follow_each_other_with_pauses_that_double(owned) -> None:
    owned.one.venue.answers.append(OrderRejected("busy"))
    await owned.begin()
    await owned.fill(owned.sent[0].client_id, "1")
    owned.one.venue.answers += [OrderRejected("busy")] * 12
    tried = []
    for second in range(1, 18):
        before = owned.one.venue.asked.count("submit")
        await owned.tend()
        if owned.one.venue.asked.count("submit") > before:
            tried.append(second)
    assert tried == [1, 2, 4, 8, 13]


async def test_a_trade_whose_legs_are_on_their_way_out_is_over(pair) -> None:
    await pair.begin()
    await pair.fill(pair.sent[0].client_id, "1")
    async with pair.one.loop.turn:
        pair.trader.leave_all(Reason.KILL, pair.one.venue.now_ms)
        await pair.one.loop.finish(pair.one.venue.now_ms, pair.one.account)
    await calm()
    sold = [order for order in pair.sent if order.side < 0]
    assert await pair.tend()
    assert pair.part.trades == {}
    assert [order for order in pair.sent if order.side < 0] == sold


async def test_a_trade_of_the_same_group_does_not_make_the_one_before_it_forgotten(pair) -> None:
    await pair.begin()
    first = pair.part.trades[7]
    await pair.fill(pair.sent[0].client_id, "1")
    pair.part.slots.clear()
    together.leave(pair.part, [0, 1])
    await pair.begin()
    assert pair.part.trades[-1] is first
    assert pair.part.trades[7].built != first.built
    await pair.tend()
    await pair.tend()
    assert (pair.sent[-1].symbol, pair.sent[-1].side, pair.sent[-1].amount) == ("BTC/USDT", -1, D(1))


async def test_a_strategy_that_begins_anew_gives_back_what_its_trades_have_too_much(pair) -> None:
    await pair.begin()
    await pair.fill(pair.sent[0].client_id, "1")
    plain = {str(group): trade.plain() for group, trade in pair.part.trades.items()}
    with pair.one.journal.write():
        pair.one.journal.flag("together a 3", plain)
    swapped = SimpleNamespace(
        legs=pair.legs[::-1], slots=[], trades={}, trades_kept=False, asks=[(), ()], bids=[(), ()]
    )
    with pair.one.journal.write():
        together.carry(pair.trader, "a", [SimpleNamespace(legs=pair.legs[:1], trades={}), swapped])
    assert not pair.one.journal.flags().get("together a 3")
    assert [trade.places for trade in swapped.trades.values()] == [[1, 0]]
    assert swapped.trades_kept
    pair.part = swapped
    await pair.tend()
    await pair.tend()
    back = pair.sent[-1]
    assert (back.symbol, back.side, back.amount) == ("BTC/USDT", -1, D(1))
