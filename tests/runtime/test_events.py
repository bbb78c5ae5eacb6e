"""One event path: bars, trades, quotes, books and timers reach the strategies that read them, and nobody else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from autotrader.config.strategy import SingleExchange
from autotrader.core.events import BookChanged, QuoteChanged, TradePrinted
from autotrader.strategies.contract import BAR, BOOK, QUOTE, TIMER, TRADE, Feed, Leg, Out, View
from support.folders import folder, rules
from support.harness import Harness

SEEN: list[tuple[int, int, Any]] = []


class Params(SingleExchange):
    kind: Literal["listener"] = "listener"


class Constants(NamedTuple):
    nothing: int


class State(NamedTuple):
    steps: int = 0


def constants(_p: Params) -> Constants:
    return Constants(0)


def instruments(p: Params) -> tuple[tuple[Leg, ...], ...]:
    return ((Leg(p.exchange, p.symbols[0], Feed("book", p.timeframe, depth=2)),),)


def wakes(_p: Params) -> frozenset[int]:
    return frozenset({TRADE, QUOTE, BOOK, TIMER})


def features(_p: Params) -> Mapping[str, str]:
    return {"price": "close"}


def slots(_p: Params) -> int:
    return 0


def step(_c: Constants, state: State, view: View, out: Out) -> State:
    SEEN.append((view.event, view.now_ms, (view.bids[0], view.asks[0], view.age_ms[0])))
    if view.event == TRADE:
        out.wake_ms[0] = view.now_ms + 600_000
    if view.event == QUOTE:
        out.target[0], out.entry[0] = 1.0, view.now_ms
    return State(state.steps + 1)


@pytest.fixture
async def listening(tmp_path: Path):
    SEEN.clear()
    text = "kind: listener\nexchange: paper\nsymbols: [BTC/USDT]\ntimeframe: 5m\ncapital: 5%\non_remove: close\n"
    never = rules(symbols="BTC/USDT", enter_long="close < 0", exit_long="close < 0")
    one = Harness(
        folder(tmp_path, {"a": never, "listener": text}, speed="1x", recorded=False),
        more_kinds={"listener": sys.modules[__name__]},
    )
    await one.start()
    await one.bars(1)
    yield one
    await one.stop()


async def test_a_book_is_shown_to_its_depth_with_the_age_of_the_data(listening: Harness) -> None:
    loop = listening.daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    await loop.handle(
        "paper", BookChanged(now_ms, "paper", "BTC/USDT", ((9.0, 1.0), (8.0, 1.0), (7.0, 1.0)), ((11.0, 1.0),))
    )
    assert [(BOOK, now_ms, (((9.0, 1.0), (8.0, 1.0)), ((11.0, 1.0),), 0))] == SEEN
    assert loop.accounts["paper"].prices["BTC/USDT"] == 10


async def test_a_quote_wakes_a_step_whose_target_becomes_an_order(listening: Harness) -> None:
    loop = listening.daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    price = float(loop.accounts["paper"].prices["BTC/USDT"])
    await loop.handle("paper", QuoteChanged(now_ms, "paper", "BTC/USDT", price - 1, 1.0, price + 1, 1.0))
    assert [event for event, _, _ in SEEN] == [QUOTE]
    assert listening.calls["submit"] == 1


async def test_a_timer_wakes_once_when_the_market_has_come_that_far(listening: Harness) -> None:
    loop = listening.daemon.loop
    now_ms = loop.accounts["paper"].market_ms
    await loop.handle("paper", TradePrinted(now_ms, "paper", "BTC/USDT", 100.0, 1.0, 1))
    await listening.bars(4)
    assert [(event, ms - now_ms) for event, ms, _ in SEEN] == [(TRADE, 0), (TIMER, 600_000)]
    assert loop.accounts["paper"].prices["BTC/USDT"] != 100


async def test_bars_wake_only_those_who_asked_for_bars(listening: Harness) -> None:
    await listening.bars(3)
    assert not SEEN
    assert BAR in listening.daemon.loop.strategies["a"].parts[0].wakes
