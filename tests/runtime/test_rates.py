"""Equity across currencies: where rates come from, what is measured with them, and what a first one leaves alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from autotrader.core.errors import VenueError, VenueUnavailable
from autotrader.core.events import Bar, Series
from autotrader.execution.rates import RateSource, rate_of
from autotrader.risk.limits import Cap, Limits
from autotrader.runtime.rates import Rates, rate_flag
from support.folders import folder, rules
from support.harness import Harness

D = Decimal


class Told:
    """A venue that knows the last prices of some symbols."""

    remote = True

    def __init__(self, prices: dict[tuple[str, str], float]) -> None:
        self.prices = prices
        self.asked: list[Series] = []
        self.down = False

    def market_ms(self) -> int:
        return 5

    async def bars(self, series: Series, **_: int) -> list[Bar]:
        self.asked.append(series)
        if self.down:
            raise VenueUnavailable("no answer")
        if (price := self.prices.get((series.symbol, series.timeframe))) is None:
            raise VenueError(f"{series.symbol} is not traded")
        return [Bar(0, price, price, price, price, 1.0)]


class Two:
    """A loop with an account in USDT and one in KRW, each with 1000 of its money."""

    def __init__(self, world: Any, prices: dict[tuple[str, str], float]) -> None:
        self.loop, self.journal = world.loop, world.journal
        self.usdt = world.account
        self.krw = type(self.usdt)("upbit", "spot", "KRW", D("0.001"))
        self.loop.accounts["upbit"] = self.krw
        self.venue = self.loop.desk.venues["upbit"] = Told(prices)
        self.loop.desk.venues["paper"] = Told({})
        self.usdt.cash = self.krw.cash = D(1000)
        self.rates = Rates(self.loop)

    async def refresh(self) -> None:
        await self.rates.refresh("USDT")


@pytest.fixture
def two(world) -> Any:
    return lambda prices: Two(world(), prices)


async def test_equity_is_counted_in_one_currency(two) -> None:
    one = two({("USDT/KRW", "5m"): 1250.0})
    assert one.loop.trader.equity() == 2000
    await one.refresh()
    assert (one.krw.rate, one.usdt.rate) == (D("0.0008"), 1)
    assert one.loop.trader.equity() == D("1000.8")
    assert one.journal.flags()[rate_flag(one.krw, "USDT")] == "0.0008"


async def test_a_source_that_was_found_is_asked_alone_from_then_on(two) -> None:
    one = two({("USDT/KRW", "5m"): 1250.0})
    await one.refresh()
    one.venue.asked.clear()
    one.venue.prices["USDT/KRW", "5m"] = 1000.0
    await one.refresh()
    assert one.venue.asked == [Series("upbit", "USDT/KRW", "5m")]
    assert one.krw.rate == D("0.001")


async def test_a_price_that_is_streamed_anyway_is_not_asked_for(two) -> None:
    one = two({})
    one.usdt.prices["KRW/USDT"] = D("0.0007")
    await one.refresh()
    assert one.krw.rate == D("0.0007")
    assert RateSource("paper", "KRW/USDT", inverse=False) == one.rates._found["upbit"][0]


async def test_without_a_source_money_is_added_as_it_is_and_that_is_said_once(two) -> None:
    one = two({})
    await one.refresh()
    await one.refresh()
    assert one.loop.trader.equity() == 2000
    assert events(one) == ["no exchange tells what KRW is worth in USDT; it is added without one"]


async def test_the_last_known_rate_is_used_while_none_is_told_and_over_a_restart(two) -> None:
    one = two({("KRW/USDT", "1m"): 0.0008})
    await one.refresh()
    one.venue.down = True
    await one.refresh()
    assert one.krw.rate == D("0.0008")
    assert events(one) == ["no exchange tells what KRW is worth in USDT; the last known rate is used"]
    one.krw.rate, one.krw.rated = D(1), False
    one.rates.restore("USDT")
    assert (one.krw.rate, one.krw.rated) == (D("0.0008"), True)


async def test_a_first_rate_is_neither_a_gain_nor_a_loss_and_a_later_one_is(two) -> None:
    one = two({("KRW/USDT", "1m"): 0.1})
    trader = one.loop.trader
    trader.limits = Limits(max_drawdown=Cap(share=D("0.04")))
    trader.watch_equity(1)
    await one.refresh()
    trader.watch_equity(2)
    assert not trader.breakers.drawdown_locked
    assert trader.breakers.peak == 1100
    one.venue.prices["KRW/USDT", "1m"] = 0.05
    await one.refresh()
    trader.watch_equity(3)
    assert trader.breakers.drawdown_locked


async def test_limits_measure_orders_and_positions_in_the_accounts_currency(two, world) -> None:
    one = two({("KRW/USDT", "1m"): 0.001})
    one.krw.cash, one.krw.prices["BTC/KRW"] = D(10_000_000), D(100_000_000)
    leg = seated(one, world, amount="0.05")
    await one.refresh()
    trader = one.loop.trader
    assert trader.equity() == D(1000) + D(10_000) + D(5_000)
    for limits, refused in (
        (Limits(max_order=Cap(amount=D(1000))), False),
        (Limits(max_order=Cap(amount=D("999.99"))), True),
        (Limits(max_position=Cap(amount=D(6000))), False),
        (Limits(max_position=Cap(amount=D(5999))), True),
        (Limits(max_exposure=Cap(share=D("0.375"))), False),
        (Limits(max_exposure=Cap(share=D("0.374"))), True),
    ):
        trader.limits = limits
        assert (trader.gate(leg, D(1_000_000), D(100_000_000), 10) is not None) == refused, limits


def seated(one: Two, world: Any, amount: str) -> Any:
    from autotrader.execution.ledger import Position
    from autotrader.execution.leg import Leg
    from autotrader.market.instrument import Instrument

    rules = Instrument("upbit", "BTC/KRW", "BTC", "KRW", "spot", D(1), D("1e-8"))
    size, cost = D(amount), D(amount) * 100_000_000
    position = Position(size, size, cost, in_value=cost, open_cost=cost)
    leg = Leg("a", "upbit", "BTC/KRW", "5m", "5m", rules, position=position, group="g")
    one.loop.desk.add(leg)
    return leg


def events(one: Two) -> list[str]:
    with closing(sqlite3.connect(one.journal.path)) as db:
        return [row[0] for row in db.execute("SELECT message FROM events WHERE kind = 'rate' ORDER BY id")]


# the daemon


async def test_a_daemon_counts_a_second_exchange_at_its_own_price(tmp_path: Path) -> None:
    euro = (
        "kind: simulated\nmarket: spot\nbalances: {EUR: 5000}\n"
        "generate: {seed: 9, symbols: [BTC/EUR, USDT/EUR], speed: 1x}\n"
    )
    mine = rules(exchange="euro", symbols="BTC/EUR", enter_long="close > 0", exit_long="close < 0", exits="")
    root = folder(tmp_path, {"a": rules(), "e": mine}, speed="1x", recorded=False, **{"exchanges.d/euro.yaml": euro})
    one = Harness(root)
    await one.start()
    await one.bars(2)
    await one.daemon.rates.refresh("USDT", one.daemon.loop.turn)
    venue = one.daemon.loop.desk.venues["euro"]
    (bar,) = await venue.bars(Series("euro", "USDT/EUR", "1m"), end_ms=venue.market_ms(), limit=1)
    price = D(repr(bar.close))
    status = await one.daemon.commands.handle("status", {})
    accounts = one.daemon.loop.accounts
    assert status["currency"] == "USDT"
    assert D(status["rates"]["euro"]) == accounts["euro"].rate == rate_of(price, inverse=True)
    whole = accounts["paper"].equity() + accounts["euro"].worth(accounts["euro"].equity())
    assert abs(D(status["equity"]) - whole) < D("0.01")
    assert accounts["euro"].equity() != accounts["euro"].worth(accounts["euro"].equity())
    await one.stop()
