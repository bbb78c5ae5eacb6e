"""A step is spared where its kind said what must be true for it to matter, and nothing that it owns moved."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from autotrader.config.strategy import SingleExchange
from autotrader.core.events import QuoteChanged
from autotrader.runtime.loop import TradingLoop
from autotrader.strategies.contract import BY_COMMAND, NO_ENTRY, QUOTE, TIMER, Feed, Leg, Out, View
from support.feeds import START_MS, replayed
from support.harness import Harness

SEEN: list[float] = []
VIEWS: list[View] = []


class Params(SingleExchange):
    kind: Literal["dozer"] = "dozer"
    timed: bool = False


class Constants(NamedTuple):
    nothing: int


class State(NamedTuple):
    entry: int = 0


def constants(_p: Params) -> Constants:
    return Constants(0)


def instruments(p: Params) -> tuple[tuple[Leg, ...], ...]:
    return ((Leg(p.exchange, p.symbols[0], Feed("quotes", "quotes")),),)


def wakes(p: Params) -> frozenset[int]:
    return frozenset({QUOTE, TIMER} if p.timed else {QUOTE})


def features(_p: Params) -> Mapping[str, str]:
    return {"price": "close", "dear": "close > 50"}


def lets(_p: Params) -> Mapping[str, str]:
    return {}


def slots(_p: Params) -> int:
    return 0


def step(_c: Constants, state: State, view: View, out: Out) -> State:
    SEEN.append(view.features[0][0])
    VIEWS[:] = [view]
    out.stirred_by[0] = 2
    if view.features[0][1] == 1.0:
        state = State(view.now_ms)
        out.target[0], out.entry[0] = 1.0, view.now_ms
    return state


@pytest.fixture
async def dozing(tmp_path: Path):
    made: list[Harness] = []

    async def start(more: str = "") -> TradingLoop:
        SEEN.clear()
        text = (
            f"kind: dozer\nexchange: paper\nsymbols: [BTC/USDT]\ntimeframe: 1m\ncapital: 5%\non_remove: close\n{more}"
        )
        bars = [(START_MS + n * 60_000, 100, 101, 99, 100) for n in range(60)]
        far_ms = START_MS + 10**9
        feeds = {"bars": bars, "quotes": [(far_ms, 99.0, 1.0, 101.0, 1.0)]}
        root = replayed(tmp_path, {"a": text}, {"BTC/USDT": feeds}, speed="1x, from: 2024-01-01")
        made.append(Harness(root, more_kinds={"dozer": sys.modules[__name__]}))
        await made[0].start()
        return made[0].daemon.loop

    yield start
    for one in made:
        await one.stop()


async def tell(loop: TradingLoop, *prices: float) -> list[float]:
    """Tell quotes, and return the prices at which a step was taken."""
    SEEN.clear()
    for price in prices:
        ts_ms = loop.accounts["paper"].market_ms + 1
        await loop.handle("paper", QuoteChanged(ts_ms, "paper", "BTC/USDT", price, 1.0, price, 1.0))
    return list(SEEN)


def leg_of(loop: TradingLoop) -> Any:
    (leg,) = loop.desk.legs.values()
    return leg


async def test_only_the_first_step_is_taken_while_the_column_is_not_true(dozing) -> None:
    assert await tell(await dozing(), 10.0, 11.0, 12.0) == [10]


async def test_a_column_that_is_true_wakes_and_so_does_the_entry_that_it_brought(dozing) -> None:
    loop = await dozing()
    assert await tell(loop, 10.0, 60.0, 11.0, 12.0) == [10, 60, 11]
    assert leg_of(loop).entry_id


async def test_what_befell_a_leg_meanwhile_wakes_once(dozing) -> None:
    loop = await dozing()
    await tell(loop, 10.0)
    async with loop.turn:
        leg_of(loop).last_exit = BY_COMMAND
    assert await tell(loop, 11.0, 12.0) == [11]


async def test_a_kind_with_timers_is_never_spared(dozing) -> None:
    assert await tell(await dozing("timed: true\n"), 10.0, 11.0) == [10, 11]


async def test_a_leg_sees_the_levels_that_were_told_last(dozing) -> None:
    loop = await dozing()
    await tell(loop, 10.0, 11.0, 12.0)
    (part,) = loop.strategies["a"].parts
    assert part.bids == [((12.0, 1.0),)]
    part.show(0, QuoteChanged(0, "paper", "BTC/USDT", 7.0, 2.0, 8.0, 3.0))
    assert part.asks == [((8.0, 3.0),)]


async def test_a_step_is_shown_every_field_of_a_view_in_its_place(dozing) -> None:
    loop = await dozing()
    await tell(loop, 10.0)
    leg_of(loop).last_exit = BY_COMMAND
    await tell(loop, 11.0)
    (view,) = VIEWS
    assert type(view) is View
    assert view.now_ms == loop.accounts["paper"].market_ms
    fields = view._asdict() | {"entry_price": [], "bids": [], "asks": []}
    assert view.entry_price == [pytest.approx(float("nan"), nan_ok=True)]
    assert fields == {
        "event": QUOTE, "leg": 0, "now_ms": view.now_ms, "features": [[11.0, 0.0]], "bids": [], "asks": [],
        "age_ms": [0], "lots": [0], "entry_price": [], "entry_id": [0], "entry_state": [NO_ENTRY],
        "last_exit": [BY_COMMAND], "budget": (), "may_short": [0], "tick": [1.0], "lot": [1e-8], "order_state": (),
        "order_filled": (), "order_remaining": (),
    }  # fmt: skip
