"""One event path: bars, trades, quotes, books and timers reach the strategies that read them, and nobody else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from autotrader.config.strategy import SingleExchange
from autotrader.core.events import BookChanged, QuoteChanged, TradePrinted
from autotrader.market.book import NO_LEVEL
from autotrader.strategies.contract import BAR, BOOK, QUOTE, TIMER, TRADE, Feed, Leg, Out, View
from support.feeds import START_MS, replayed
from support.folders import rules
from support.harness import Harness

SEEN: list[tuple[int, int, Any]] = []


class Params(SingleExchange):
    kind: Literal["listener"] = "listener"
    listens: Literal["book", "trades", "quotes"] = "book"


class Constants(NamedTuple):
    nothing: int


class State(NamedTuple):
    steps: int = 0


def constants(_p: Params) -> Constants:
    return Constants(0)


def instruments(p: Params) -> tuple[tuple[Leg, ...], ...]:
    return ((Leg(p.exchange, p.symbols[0], Feed(p.listens, p.listens, depth=2)),),)


def wakes(_p: Params) -> frozenset[int]:
    return frozenset({TRADE, QUOTE, BOOK, TIMER})


def features(_p: Params) -> Mapping[str, str]:
    return {"price": "close"}


def lets(_p: Params) -> Mapping[str, str]:
    return {}


def slots(_p: Params) -> int:
    return 0


def step(_c: Constants, state: State, view: View, out: Out) -> State:
    SEEN.append((view.event, view.now_ms, (view.bids[0], view.asks[0], view.age_ms[0], view.features[0][0])))
    if view.event == TRADE:
        out.wake_ms[0] = view.now_ms + 600_000
    if view.event == QUOTE:
        out.target[0], out.entry[0] = 1.0, view.now_ms
    return State(state.steps + 1)


MINUTE_MS = 60_000
BARS = [(START_MS + n * MINUTE_MS, 100, 101, 99, 100) for n in range(60)]
LATE = [(START_MS + 10**9, 100.0, 1.0)]
"""An event far beyond what a test lives through: what comes before, the test tells itself."""


@pytest.fixture
async def listening(tmp_path: Path):
    made: list[Harness] = []

    async def start(listens: str) -> Harness:
        SEEN.clear()
        text = f"kind: listener\nlistens: {listens}\nexchange: paper\nsymbols: [BTC/USDT]\ntimeframe: 1m\n"
        never = rules(symbols="BTC/USDT", timeframe="1m", enter_long="close < 0", exit_long="close < 0")
        feeds = {"bars": BARS, "trades": LATE, "quotes": [(LATE[0][0], 99.0, 1.0, 101.0, 1.0)]}
        feeds["book"] = [(LATE[0][0], {99.0: 1.0}, {101.0: 1.0})]
        root = replayed(
            tmp_path,
            {"a": never, "listener": f"{text}capital: 5%\non_remove: close\n"},
            {"BTC/USDT": feeds},
            speed="1x, from: 2024-01-01",
        )
        made.append(Harness(root, more_kinds={"listener": sys.modules[__name__]}))
        await made[0].start()
        await made[0].bars(1, 60)
        return made[0]

    yield start
    for one in made:
        await one.stop()


async def test_a_book_is_shown_to_its_depth_with_the_age_of_the_data(listening) -> None:
    loop = (await listening("book")).daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    await loop.handle(
        "paper", BookChanged(now_ms, "paper", "BTC/USDT", ((9.0, 1.0), (8.0, 1.0), (7.0, 1.0)), ((11.0, 1.0),))
    )
    assert [(BOOK, now_ms, (((9.0, 1.0), (8.0, 1.0)), ((11.0, 1.0), NO_LEVEL), 0, 10.0))] == SEEN
    assert loop.accounts["paper"].prices["BTC/USDT"] == 10


async def test_a_quote_wakes_a_step_whose_target_becomes_an_order(listening) -> None:
    one = await listening("quotes")
    loop = one.daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    price = float(loop.accounts["paper"].prices["BTC/USDT"])
    await loop.handle("paper", QuoteChanged(now_ms, "paper", "BTC/USDT", price - 1, 1.0, price + 1, 1.0))
    assert [(event, told[3]) for event, _, told in SEEN] == [(QUOTE, price)]
    assert one.calls["submit"] == 1


async def test_a_leg_hears_its_own_feed_alone(listening) -> None:
    loop = (await listening("quotes")).daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    await loop.handle("paper", TradePrinted(now_ms, "paper", "BTC/USDT", 50.0, 1.0, 1))
    assert not SEEN
    assert loop.accounts["paper"].prices["BTC/USDT"] == 50


async def test_trades_of_one_millisecond_that_nobody_numbers_are_all_heard(listening) -> None:
    loop = (await listening("trades")).daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    for price in (50.0, 51.0, 50.0):
        await loop.handle("paper", TradePrinted(now_ms, "paper", "BTC/USDT", price, 1.0, 1))
    assert [told[3] for _, _, told in SEEN] == [50, 51, 50]


async def test_a_numbered_trade_that_is_told_twice_is_heard_once(listening) -> None:
    loop = (await listening("trades")).daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    for row in (1, 2, 2, 1, 3):
        await loop.handle("paper", TradePrinted(now_ms, "paper", "BTC/USDT", 50.0 + row, 1.0, 1, row))
    assert [told[3] for _, _, told in SEEN] == [51, 52, 53]


async def test_a_timer_wakes_once_when_the_market_has_come_that_far(listening) -> None:
    one = await listening("trades")
    loop = one.daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    await loop.handle("paper", TradePrinted(now_ms, "paper", "BTC/USDT", 50.0, 1.0, 1))
    await one.bars(12, 60)
    assert [(event, ms - now_ms) for event, ms, _ in SEEN] == [(TRADE, 0), (TIMER, 600_000)]
    assert loop.accounts["paper"].prices["BTC/USDT"] != 50


async def test_a_timer_wakes_on_an_event_too(listening) -> None:
    loop = (await listening("trades")).daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    for at_ms in (now_ms, now_ms + 600_000):
        await loop.handle("paper", TradePrinted(at_ms, "paper", "BTC/USDT", 50.0, 1.0, 1))
    assert [(event, ms - now_ms) for event, ms, _ in SEEN] == [(TRADE, 0), (TIMER, 600_000), (TRADE, 600_000)]


async def test_bars_wake_only_those_who_asked_for_bars(listening) -> None:
    one = await listening("book")
    await one.bars(3, 60)
    assert not SEEN
    assert BAR in one.daemon.loop.strategies["a"].parts[0].wakes
