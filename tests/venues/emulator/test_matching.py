"""Orders against the moving market: nothing is made or lost, whatever is asked."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.clock import ManualClock
from autotrader.venues.emulator.asked import new_order
from autotrader.venues.emulator.exchange import Exchange
from autotrader.venues.emulator.market import Market
from autotrader.venues.emulator.orders import PRICED, TYPES, Refusal
from support.exchange import MONEY, NOW_MS

D = Decimal


class Desk:
    """An exchange without a wire, and the orders that were asked of it."""

    def __init__(self, recorded):
        self.clock = ManualClock(NOW_MS)
        self.exchange = Exchange(Market(recorded, "binance", self.clock), MONEY)
        self.told = []
        self.exchange.on_told = self.told.append

    def step(self, seconds=1.0):
        self.clock.advance(seconds)
        self.exchange.advance()

    def place(self, side, kind, quantity, *, symbol="BTCUSDT", **more):
        one = self.exchange.market.traded[symbol]
        params = {"side": side, "type": kind, "quantity": str(quantity)} | {
            name: str(value) for name, value in more.items()
        }
        if kind in PRICED - {"LIMIT_MAKER"}:
            params.setdefault("timeInForce", "GTC")
        return self.exchange.place(new_order(params, one, self.exchange.books[symbol].last.ticks))

    def price(self, off, symbol="BTCUSDT"):
        book = self.exchange.books[symbol]
        return book.traded.price(int(book.last.ticks * off))

    def check(self):
        """Sums of balances, fees and trades agree to the last digit, and no more is locked than live orders say."""
        exchange = self.exchange
        wanted = dict(MONEY)
        for trade in exchange.trades.values():
            one = exchange.market.traded[trade.symbol_id]
            sign = 1 if trade.bought else -1
            wanted[one.base] += sign * trade.quantity
            wanted[one.quote] -= sign * trade.value
            wanted[trade.fee_asset] -= trade.fee
            assert trade.value == trade.price * trade.quantity
            assert trade.fee_asset == (one.base if trade.bought else one.quote)
        locked = dict.fromkeys(MONEY, D(0))
        for order in exchange.live():
            one = exchange.market.traded[order.symbol_id]
            locked[one.quote if order.bought else one.base] += order.locked
            price = one.price(order.ticks or order.stop_ticks)
            assert order.locked == one.quantity(order.left) * (price if order.bought else 1)
        for asset, total in wanted.items():
            held = exchange.account.holding(asset)
            assert held.free + held.locked == total
            assert held.locked == locked[asset]
            assert held.free >= 0
        for order in exchange.orders.values():
            mine = [trade for trade in exchange.trades.values() if trade.order_id == order.id]
            one = exchange.market.traded[order.symbol_id]
            assert sum((trade.quantity for trade in mine), D(0)) == one.quantity(order.filled)
            assert sum((trade.value for trade in mine), D(0)) == order.value
            assert order.live or order.locked == 0
            for trade in mine if order.ticks else ():
                within = (
                    trade.price <= one.price(order.ticks) if order.bought else trade.price >= one.price(order.ticks)
                )
                assert within
        for book in exchange.books.values():
            bid, ask = book.best()
            assert not (bid and ask) or bid < ask


@pytest.fixture
def desk(recorded):
    return Desk(recorded)


actions = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        st.sampled_from(TYPES),
        st.sampled_from(["0.001", "0.05", "1", "3", "0.12345"]),
        st.sampled_from([0.99, 0.9985, 0.9998, 1.0, 1.0002, 1.0015, 1.01]),
        st.sampled_from([0.998, 0.9996, 1.0004, 1.002]),
        st.sampled_from(["GTC", "IOC", "FOK"]),
        st.sampled_from(["BTCUSDT", "ETHUSDT"]),
        st.sampled_from([0, 0, 1, 5, 90]),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60)
@given(actions)
def test_nothing_is_made_or_lost(recorded, asked):
    desk = Desk(recorded)
    for side, kind, quantity, off, stop_off, force, symbol, seconds, cancel in asked:
        more = {"symbol": symbol}
        if kind in PRICED:
            more["price"] = desk.price(off, symbol)
        if kind in PRICED - {"LIMIT_MAKER"}:
            more["timeInForce"] = force
        if "STOP" in kind or "PROFIT" in kind:
            more["stopPrice"] = desk.price(stop_off, symbol)
        try:
            order = desk.place(side, kind, quantity, **more)
        except Refusal:
            order = None
        if seconds:
            desk.step(seconds)
        if cancel and order is not None and order.live:
            desk.exchange.cancel(order, "x")
        desk.check()


def test_a_resting_order_fills_in_parts_once_the_market_trades_there(desk):
    one = desk.exchange.market.traded["BTCUSDT"]
    bid, _ = desk.exchange.books[one.id].best()
    order = desk.place("BUY", "LIMIT", "2", price=one.price(bid))
    while not order.filled:
        before = desk.clock.now_ms()
        desk.step(1)
        traded = desk.exchange.market.prints(one, before, desk.clock.now_ms())
        reached = [made for made in traded if made.ticks < bid or (made.ticks == bid and not made.bought)]
        assert bool(order.filled) == bool(reached)
    assert order.status == "PARTIALLY_FILLED"
    assert all(trade.maker and trade.price == one.price(bid) for trade in desk.exchange.trades.values())


@pytest.mark.parametrize(("side", "off"), [("BUY", 0.9998), ("SELL", 1.0002)])
def test_a_price_that_passes_through_an_order_leaves_nothing_of_a_small_one(desk, side, off):
    order = desk.place(side, "LIMIT", "0.001", price=desk.price(off))
    for _ in range(20_000):
        desk.step(1)
        last = desk.exchange.books["BTCUSDT"].last.ticks
        if last < order.ticks if side == "BUY" else last > order.ticks:
            break
        assert order.live or last == order.ticks
    assert order.status == "FILLED"


def test_the_account_does_not_trade_with_itself(desk):
    book = desk.exchange.books["BTCUSDT"]
    bid, ask = book.best()
    middle = book.traded.price((bid + ask) // 2)
    desk.place("BUY", "LIMIT", "0.1", price=middle)
    taker = desk.place("SELL", "LIMIT", "0.1", price=middle)
    assert (taker.status, taker.filled) == ("EXPIRED_IN_MATCH", 0)
    with pytest.raises(Refusal, match="immediately match and take"):
        desk.place("SELL", "LIMIT_MAKER", "0.1", price=middle)
    desk.check()


def test_a_market_order_that_meets_no_more_depth_expires_with_what_it_has(recorded):
    desk = Desk(recorded)
    desk.exchange.account.receive("BTC", D(10**6))
    order = desk.place("SELL", "MARKET", "100000")
    assert order.status == "EXPIRED"
    assert 0 < order.filled < order.lots


def test_what_is_told_of_an_order_leads_from_new_to_its_end(desk):
    order = desk.place("BUY", "LIMIT", "0.5", price=desk.price(1.001))
    assert [told.kind for told in desk.told] == ["NEW", *["TRADE"] * len(order.trades)]
    assert order.status == "FILLED"
    assert len(order.trades) > 1 or order.filled


def test_a_stop_bought_at_the_market_spends_no_more_than_there_is(desk):
    free = desk.exchange.account.holding("USDT").free
    stop = desk.price(1.0004)
    quantity = (free / stop).quantize(D("0.00001"), rounding="ROUND_DOWN")
    order = desk.place("BUY", "STOP_LOSS", quantity, stopPrice=stop)
    for _ in range(5000):
        desk.step(1)
        if not order.live:
            break
    assert order.status in {"EXPIRED", "FILLED"}
    desk.check()
