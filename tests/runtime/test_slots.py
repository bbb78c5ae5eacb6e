"""Orders wanted by slot in the living daemon: asked for once, moved, reducing or adding, ended by people and files."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from autotrader.config.strategy import SingleExchange
from autotrader.execution.leg import Leg as Seat
from autotrader.execution.orders import OrderRequest
from autotrader.strategies.contract import (
    BY_COMMAND,
    BY_TARGET,
    FILL,
    FILLED,
    FREE,
    REFUSED,
    RESTING,
    TRADE,
    Feed,
    Leg,
    Out,
    View,
)
from support.feeds import START_MS, replayed
from support.harness import Harness

D = Decimal
ONE = 100_000_000
"""The lots of one coin."""

WANTED: list[tuple[int, int, int, int]] = []
"""What the test makes each slot want: side, ticks, lots, post-only."""

SEEN: list[Any] = []


class Params(SingleExchange):
    kind: Literal["told"] = "told"
    note: int = 0


class Constants(NamedTuple):
    nothing: int


class State(NamedTuple):
    steps: int = 0


class Told(NamedTuple):
    """What a step saw."""

    event: int
    ms: int
    lots: int
    states: list[int]
    filled: list[int]
    remaining: list[int]
    last_exit: int


def constants(_p: Params) -> Constants:
    return Constants(0)


def instruments(p: Params) -> tuple[tuple[Leg, ...], ...]:
    return ((Leg(p.exchange, p.symbols[0], Feed(p.feed or "bars", p.series)),),)


def wakes(_p: Params) -> frozenset[int]:
    return frozenset({TRADE, FILL})


def features(_p: Params) -> Mapping[str, str]:
    return {"price": "close"}


def lets(_p: Params) -> Mapping[str, str]:
    return {}


def slots(_p: Params) -> int:
    return 3


def step(_c: Constants, state: State, view: View, out: Out) -> State:
    SEEN.append(
        Told(
            view.event,
            view.now_ms - START_MS,
            view.lots[0],
            list(view.order_state),
            list(view.order_filled),
            list(view.order_remaining),
            view.last_exit[0],
        )
    )
    for slot, (side, ticks, lots, post_only) in enumerate(WANTED):
        out.slot_side[slot], out.slot_ticks[slot] = side, ticks
        out.slot_lots[slot], out.slot_post_only[slot] = lots, post_only
    return State(state.steps + 1)


class World:
    """A daemon on one trade a second, moved by the test trade by trade."""

    def __init__(self, root: Path, prices: Sequence[float], **more: Any) -> None:
        rows = [(START_MS + 1000 * n, price, 1.0) for n, price in enumerate(prices)]
        rows += [(START_MS + 10**8, 100.01, 1.0)]  # far away: it makes the tick a cent
        self.root = replayed(root, {"a": self.text()}, {"BTC/USDT": {"trades": rows}}, speed="1x", **more)
        self.one = Harness(self.root, more_kinds={"told": sys.modules[__name__]})

    @staticmethod
    def text(note: int = 0) -> str:
        return (
            "kind: told\nexchange: paper\nsymbols: [BTC/USDT]\nfeed: trades\ncapital: 100%\non_remove: hold\n"
            f"note: {note}\n"
        )

    async def start(self) -> World:
        await self.one.start()
        self.sent: list[OrderRequest | str] = []
        inner = self.one.daemon.loop.desk.venues["paper"].inner
        submit, cancel = inner.submit, inner.cancel

        async def submitted(request: OrderRequest) -> Any:
            self.sent.append(request)
            return await submit(request)

        async def canceled(identity: str) -> Any:
            self.sent.append(identity)
            return await cancel(identity)

        inner.submit, inner.cancel = submitted, canceled
        return self

    async def trade(self, *wanted: tuple[int, int, int, int]) -> Told:
        """Let the next trade come, with what the step then wants; return what it saw."""
        if wanted:
            WANTED[:] = wanted
        await self.one.clock.advance(1.0)
        return SEEN[-1]

    async def command(self, word: str, **arguments: Any) -> None:
        await self.one.daemon.commands.handle(word, arguments)
        await self.one.clock.settle()

    @property
    def leg(self) -> Seat:
        return next(iter(self.one.daemon.loop.desk.legs.values()))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.root / "var" / "autotrader.db")) as db:
            return db.execute(query).fetchall()

    def refusals(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT detail ->> 'limit' FROM decisions WHERE kind = 'refused'")]

    def orders(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT side, price, state, purpose FROM orders ORDER BY decision")


@pytest.fixture
async def world(tmp_path):
    made: list[World] = []
    SEEN.clear()
    WANTED.clear()

    async def start(*prices: float, **more: Any) -> World:
        made.append(await World(tmp_path, prices, **more).start())
        return made[0]

    yield start
    for one in made:
        if not one.one.daemon.stopping.is_set():
            await one.one.stop()


NONE = (0, 0, 0, 0)


def buy(price: float, coins: float = 1, *, post_only: int = 0) -> tuple[int, int, int, int]:
    return 1, round(price * 100), round(coins * ONE), post_only


def sell(price: float, coins: float = 1) -> tuple[int, int, int, int]:
    return -1, round(price * 100), round(coins * ONE), 0


async def test_a_wish_is_ordered_once_whatever_becomes_of_it(world) -> None:
    one = await world(100, 100, 100, 98, 98, 98)
    assert (await one.trade(buy(99))).states == [FREE, FREE, FREE]
    assert (await one.trade()).states == [RESTING, FREE, FREE]
    told = await one.trade()
    assert (told.states, told.filled, told.remaining, told.lots) == ([FILLED, FREE, FREE], [ONE, 0, 0], [0, 0, 0], ONE)
    await one.trade()
    assert len(one.sent) == 1


async def test_a_fill_wakes_before_the_trade_that_made_it_and_once_for_many(world) -> None:
    one = await world(100, 100, 97, 97)
    await one.trade(buy(99), buy(98))
    SEEN.clear()
    await one.trade()
    assert [(told.event, told.ms) for told in SEEN] == [(FILL, 2000), (TRADE, 2000)]
    assert SEEN[0].states == [FILLED, FILLED, FREE]
    assert one.leg.filled == 0


async def test_cancels_go_first_then_orders_both_by_slot(world) -> None:
    one = await world(*[100] * 6)
    await one.trade(buy(99), buy(98), buy(97))
    first = [request.client_id for request in one.sent]
    one.sent.clear()
    await one.trade(buy(99.5), buy(98), buy(96))
    assert one.sent[:2] == [first[0], first[2]]
    assert [request.price for request in one.sent[2:]] == [D("99.50"), D("96.00")]
    assert [row[2] for row in one.orders()] == ["canceled", "open", "canceled", "open", "open"]


async def test_a_wish_that_goes_cancels_its_order(world) -> None:
    one = await world(*[100] * 6)
    await one.trade(buy(99))
    await one.trade(NONE)
    told = await one.trade()
    assert told.states == [FREE, FREE, FREE]
    assert not one.leg.orders


async def test_market_orders_fill_at_the_next_trade(world) -> None:
    one = await world(100, 100, 101, 101)
    await one.trade((1, 0, ONE, 0))
    assert (await one.trade()).lots == ONE


async def test_what_reduces_is_sent_so_and_what_adds_is_not(world) -> None:
    one = await world(100, 98, *[98] * 6)
    await one.trade(buy(99, 2))
    await one.trade(buy(97), sell(101), sell(102, 0.9))
    assert [(request.side, request.reduce_only) for request in one.sent[-3:]] == [(1, False), (-1, True), (-1, True)]
    assert [row[3] for row in one.orders()] == ["slot", "slot", "slot_exit", "slot_exit"]


async def test_on_spot_what_would_sell_more_than_there_is_is_refused(world) -> None:
    one = await world(100, 98, *[98] * 6)
    await one.trade(buy(99))
    await one.trade(buy(99), sell(101, 0.6), sell(102, 0.6))
    told = await one.trade()
    assert told.states == [FILLED, RESTING, REFUSED]
    assert one.refusals() == ["nothing to sell"]


async def test_on_a_swap_an_order_may_turn_the_position_around(world) -> None:
    one = await world(100, 98, *[98] * 3, 103, 103, market="swap")
    await one.trade(buy(99))
    for _ in range(3):
        await one.trade(buy(99), sell(101, 3))
    told = await one.trade()
    assert told.lots == -2 * ONE
    assert told.last_exit == BY_TARGET
    assert [row[3] for row in one.orders()] == ["slot", "slot"]


async def test_money_that_is_not_there_refuses_and_what_is_canceled_frees_it(world) -> None:
    one = await world(*[100] * 6)
    await one.trade(buy(99, 60), buy(98, 60))
    assert one.refusals() == ["money"]
    await one.trade(NONE, buy(98, 61))
    assert one.refusals() == ["money"]
    assert (await one.trade()).states == [FREE, RESTING, FREE]


async def test_a_limit_of_the_account_refuses_what_adds(world) -> None:
    one = await world(*[100] * 6, **{"risk.d/default.yaml": "max_order: 150 USDT\n"})
    await one.trade(buy(99), buy(98, 2))
    assert (await one.trade()).states == [RESTING, REFUSED, FREE]
    assert one.refusals() == ["max_order"]


async def test_every_order_counts_in_the_orders_of_a_minute(world) -> None:
    one = await world(*[100] * 6, **{"risk.d/default.yaml": "max_orders_per_minute: 2\n"})
    await one.trade(buy(99), buy(98), buy(97))
    assert (await one.trade()).states == [RESTING, RESTING, REFUSED]


async def test_a_post_only_order_that_would_take_is_refused_by_the_venue(world) -> None:
    one = await world(*[100] * 6)
    await one.trade(buy(99, post_only=1), buy(100.01, post_only=1))
    assert (await one.trade()).states == [RESTING, REFUSED, FREE]


async def test_a_pause_ends_what_adds_and_leaves_what_reduces(world) -> None:
    one = await world(100, 98, *[98] * 8)
    await one.trade(buy(99))
    await one.trade(buy(99), buy(97), sell(101, 0.5))
    await one.command("pause", name="a")
    assert (await one.trade()).states == [FILLED, REFUSED, RESTING]
    await one.trade(buy(99), buy(96), sell(100, 0.5))
    assert (await one.trade()).states == [FILLED, REFUSED, RESTING]
    assert one.refusals() == ["pause"]
    await one.command("resume", name="a")
    await one.trade()
    assert (await one.trade()).states == [FILLED, REFUSED, RESTING]  # asked for once
    await one.trade(buy(99), buy(95), sell(100, 0.5))
    assert (await one.trade()).states == [FILLED, RESTING, RESTING]


@pytest.mark.parametrize("word", ["close", "kill"])
async def test_a_close_and_a_kill_end_every_order_and_sell_what_is_held(world, word) -> None:
    one = await world(100, 98, *[98] * 8)
    await one.trade(buy(99))
    await one.trade(buy(99), buy(97), sell(101, 0.5))
    await one.command(word)
    assert {order.purpose for order in one.leg.orders.values()} == {"exit"}
    told = await one.trade(buy(99), buy(96), sell(101, 0.4))
    assert (told.lots, told.last_exit) == (0, BY_COMMAND)
    assert (await one.trade()).states[1] == (REFUSED if word == "kill" else RESTING)


async def test_what_is_wanted_while_the_way_out_works_is_refused(world) -> None:
    one = await world(100, 98, *[98] * 8, more="latency: 2500ms\n")
    await one.trade(buy(99))
    for _ in range(3):
        await one.trade()
    assert one.leg.position.amount == 1
    await one.command("close")
    await one.trade(buy(99), buy(97))
    assert one.leg.exit_reason == "close"
    assert (await one.trade()).states == [FILLED, REFUSED, FREE]
    assert one.refusals() == ["exit"]


async def test_a_restart_brings_the_slots_their_orders_back(world) -> None:
    one = await world(100, 98, *[98] * 8)
    await one.trade(buy(99))
    before = await one.trade(buy(99), buy(97), sell(101, 0.5))
    await one.one.stop()
    SEEN.clear()
    await one.start()
    told = await one.trade()
    assert told.ms == before.ms + 1000
    assert (told.states, told.remaining) == ([FILLED, RESTING, RESTING], [0, ONE, ONE // 2])
    assert not one.sent
    await one.trade(buy(99), buy(96), sell(101, 0.5))
    assert len(one.sent) == 2


async def test_a_changed_strategy_ends_its_orders_and_keeps_its_position(world) -> None:
    one = await world(100, 98, *[98] * 8)
    await one.trade(buy(99))
    await one.trade(buy(99), buy(97), sell(101, 0.5))
    WANTED[:] = [NONE] * 3
    (one.root / "strategies.d" / "a.yaml").write_text(one.text(note=1), encoding="utf-8")
    await one.command("reload")
    assert not one.leg.orders
    told = await one.trade(NONE, NONE, sell(101, 0.5))
    assert (told.lots, told.states) == (ONE, [FREE, FREE, FREE])
    assert (await one.trade()).states == [FREE, FREE, RESTING]


async def test_a_changed_guard_leaves_a_position_of_slots_alone(world) -> None:
    one = await world(100, 98, *[98] * 8)
    await one.trade(buy(99))
    await one.trade()
    for exits in ("{stop_loss: 1%}", "{}"):
        (one.root / "strategies.d" / "a.yaml").write_text(f"{one.text()}exits: {exits}\n", encoding="utf-8")
        await one.command("reload")
    await one.trade(buy(99))
    assert one.one.daemon.failure is None
    assert one.rows("SELECT kind FROM events WHERE kind = 'unprotected'") == [("unprotected",)]
    assert not one.rows("SELECT * FROM orders WHERE type = 'guard' AND state = 'armed'")


async def test_an_order_that_no_slot_knows_is_ended_at_the_next_trade(world) -> None:
    one = await world(*[100] * 6)
    await one.trade(buy(99))
    one.leg.slots.clear()
    WANTED[:] = []
    await one.trade()
    assert not one.leg.orders


async def test_an_order_is_not_replaced_where_its_fill_was_faster_than_its_cancel(world) -> None:
    one = await world(*[100] * 6)
    await one.trade(buy(99))
    (order,) = one.leg.orders.values()
    one.leg.keep(order._replace(filled=D("-0.5")))  # as if the venue had filled more than was told
    await one.trade(buy(98), buy(97))
    assert [request.price for request in one.sent if isinstance(request, OrderRequest)] == [D(99), D(97)]
    assert (await one.trade()).states[:2] == [REFUSED, RESTING]


async def test_slots_that_want_what_cannot_be_stop_their_strategy_alone(world) -> None:
    one = await world(*[100] * 6)
    await one.trade((2, 10_000, ONE, 0))
    assert "slot 0 wants" in one.one.daemon.loop.strategies["a"].error


async def test_a_position_of_slots_has_a_name_of_its_own_each_time(world) -> None:
    one = await world(100, 98, 98, 102, 102, 98, 98)
    await one.trade(buy(99))
    first = one.leg.group
    await one.trade(buy(99), sell(101))
    await one.trade()
    assert one.leg.position.amount == 0
    await one.trade(buy(99.5))
    assert one.leg.group != first
