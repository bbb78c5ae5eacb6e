"""What the money on an exchange stands at: last prices, the equity counted from what moved, and when it is watched."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.events import Bar, BarClosed, BarsComplete, QuoteChanged
from autotrader.execution.ledger import Position
from autotrader.execution.leg import Leg
from autotrader.market.instrument import Instrument
from autotrader.risk.limits import Cap, Limits
from autotrader.runtime.account import NOBODY, Account, Prices
from support.world import World

D = Decimal
SYMBOLS = ("BTC/USDT", "ETH/USDT")
DAY_MS = 86_400_000


def seated(account: Account, owner: str, symbol: str, amount: str = "0", tick: str = "0.01") -> Leg:
    size = D(amount)
    position = Position(size, abs(size), abs(size) * 100, in_value=abs(size) * 100) if size else Position()
    rules = Instrument("paper", symbol, symbol.split("/", maxsplit=1)[0], "USDT", "spot", D(tick), D("1e-8"))
    leg = Leg(owner, "paper", symbol, "5m", "5m", rules, position=position)
    account.take_on(leg)
    return leg


def test_a_told_price_is_read_as_the_shortest_decimal_that_means_it() -> None:
    prices = Prices()
    prices.tell("BTC/USDT", 0.1)
    assert prices["BTC/USDT"] == D("0.1")
    prices["BTC/USDT"] = D("7.30")
    assert dict(prices) == {"BTC/USDT": D("7.30")}
    assert prices.get("ETH/USDT") is None


def test_an_account_knows_who_trades_a_symbol_in_the_order_in_which_they_came() -> None:
    account = Account("paper", "spot", "USDT", D(0))
    first, other, last = (seated(account, *which) for which in zip("bca", (*SYMBOLS, SYMBOLS[0]), strict=True))
    assert account.trading(SYMBOLS[0]).legs == (first, last)
    assert account.trading(SYMBOLS[0]).per_price == 100
    account.let_go(first)
    account.let_go(last)
    assert account.trading(SYMBOLS[0]) is NOBODY
    account.seat({first.key: first})
    assert account.trading(SYMBOLS[0]).legs == (first,)
    assert account.trading(SYMBOLS[1]) is NOBODY
    assert not account.holds(other.symbol)


moves = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.floats(0.01, 1e6), st.sampled_from((None, "0", "-3", "0.00000007", "12.5"))),
    max_size=12,
)


@given(moves)
def test_the_equity_counted_from_what_moved_is_the_equity_counted_anew(moved) -> None:
    account = Account("paper", "swap", "USDT", D(0), cash=D(1000))
    legs = {symbol: seated(account, "a", symbol, "2") for symbol in SYMBOLS}
    seated(account, "b", SYMBOLS[0], "-1")
    for symbol, price, amount in moved:
        account.prices.tell(symbol, price)
        if amount is not None:
            legs[symbol].position = Position(D(amount), D(1), D(100), in_value=D(100))
        account.recount(symbol)
        account.followed = True
        counted = account.equity()
        assert counted == account.cash + sum(account.value(leg) for leg in account.legs.values())
        account.followed = False
        assert account.equity() == counted


@pytest.fixture
def world(tmp_path: Path) -> World:
    one = World(tmp_path / "journal.db")
    one.account.cash = D(1000)
    one.loop.trader.limits = Limits(max_drawdown=Cap(share=D("0.1")))
    return one


def quote(ts_ms: int, price: float, symbol: str = "BTC/USDT") -> QuoteChanged:
    return QuoteChanged(ts_ms, "paper", symbol, price, 1.0, price, 1.0)


async def test_a_price_that_moves_what_is_held_trips_a_breaker_at_once(world) -> None:
    world.leg(held="5")
    await world.loop.handle("paper", quote(1, 100.0))
    await world.loop.handle("paper", quote(2, 100.0, "ETH/USDT"))
    assert world.loop.trader.breakers.peak == 1500
    await world.loop.handle("paper", quote(3, 60.0))
    assert world.loop.trader.breakers.drawdown_locked


async def test_a_bar_that_moves_what_is_held_trips_a_breaker_at_its_close(world) -> None:
    world.leg(held="5")
    for close, locked in ((100.0, False), (100.0, False), (60.0, True)):
        bar = Bar(0, close, close, close, close, 1.0)
        await world.loop.handle("paper", BarClosed(300_000, "paper", "BTC/USDT", "5m", bar))
        await world.loop.handle("paper", BarsComplete(300_000, "paper"))
        assert world.loop.trader.breakers.drawdown_locked is locked


async def test_money_that_another_turn_moved_is_seen_with_the_next_price_of_whatever(world) -> None:
    world.leg()
    for ts_ms in (1, 2):
        await world.loop.handle("paper", quote(ts_ms, 100.0))
    async with world.loop.turn:
        world.account.cash = D(800)
    await world.loop.handle("paper", quote(3, 100.0, "ETH/USDT"))
    assert world.loop.trader.breakers.drawdown_locked


async def test_a_day_begins_with_its_first_event_though_no_money_moved(world) -> None:
    world.leg()
    for day in (1, 2):
        await world.loop.handle("paper", quote(day * DAY_MS + 5, 100.0))
        assert world.loop.trader.breakers.day == day


async def test_a_lock_that_a_quote_brought_is_in_the_journal_when_its_turn_ends(world) -> None:
    world.leg(held="5")
    await world.loop.handle("paper", quote(1, 100.0))
    await world.loop.handle("paper", quote(2, 60.0))
    world.restart()
    assert world.journal.flags()["breakers"]["drawdown_locked"] is True
