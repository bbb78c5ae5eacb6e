"""Whatever is traded, and wherever the process dies: the file's money is the sum of its fills."""

from __future__ import annotations

import asyncio
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from autotrader.core.clock import ManualClock
from autotrader.core.errors import OrderRejected, UnknownOrder
from autotrader.core.events import BarClosed, Series
from autotrader.core.units import timeframe_ms
from autotrader.execution.orders import Guard, OrderRequest
from autotrader.market.bars import Columns, Funding
from autotrader.market.book import Levels, no_prints
from autotrader.market.events import of_quotes, of_trades
from autotrader.venues.paper.state import PaperSettings
from autotrader.venues.paper.venue import PaperVenue
from autotrader.venues.protocol import FundingPaid, Idle

D = Decimal
T0 = 1_704_067_200_000
BARS = 400
SYMBOLS = ("BTC/USDT", "ETH/USDT")
SERIES = ("1m", "trades", "quotes")


class Wild:
    """Two symbols of minutes that jump, with holes, and a settlement every 10 minutes.

    Each minute has four trades, two of them at once, and a quote with each.
    """

    fingerprint = "wild"

    def __init__(self, seed):
        self._bars = {}
        for symbol in SYMBOLS:
            random = np.random.default_rng([seed, len(self._bars)])
            prices = np.round(np.exp(np.cumsum(random.normal(0, 0.02, BARS + 1))) * 100, 2)
            open_, close = prices[:-1], prices[1:]
            high = np.round(np.maximum(open_, close) * np.exp(np.abs(random.normal(0, 0.02, BARS))), 2)
            low = np.round(np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, 0.02, BARS))), 2)
            ts = T0 + np.arange(BARS, dtype=np.int64) * 60_000
            kept = random.random(BARS) > 0.1
            kept[0] = True
            columns = (ts, open_, np.maximum(high, open_), np.minimum(low, open_), close, np.ones(BARS))
            bars = Columns(*(column[kept] for column in columns))
            self._bars[symbol, "1m"] = bars
            ts = np.add.outer(bars.ts, np.array([0, 20_000, 20_000, 59_999])).ravel()
            prices = np.stack(bars[1:5], axis=1).ravel()
            self._bars[symbol, "trades"] = of_trades(ts, prices, np.ones(len(ts)))
            asks = np.round(prices + 0.01 * random.integers(1, 40, len(ts)), 2)
            self._bars[symbol, "quotes"] = of_quotes(ts, prices, asks, 100.0)

    def symbols(self):
        return SYMBOLS

    def tick(self, symbol):  # noqa: ARG002
        return D("0.01")

    def begin_ms(self, symbol, timeframe):  # noqa: ARG002
        return T0

    def after(self, symbol, timeframe, start_ms, limit):
        rows = self._bars[symbol, timeframe]
        first = int(np.searchsorted(rows.ts, start_ms))
        return rows.part(first, first + limit)

    def before(self, symbol, timeframe, end_ms, limit):
        rows = self._bars[symbol, timeframe]
        stop = int(np.searchsorted(rows.ts, end_ms - timeframe_ms(timeframe), side="right"))
        return rows.part(max(stop - limit, 0), stop)

    def levels(self, symbol, feed, start_ms, limit):
        rows = self.after(symbol, feed, start_ms, limit)
        bids, asks = (np.stack([side, np.ones(len(rows.ts))], axis=1)[:, None] for side in (rows.low, rows.high))
        return Levels(rows.ts, bids, asks)

    def prints(self, symbol, feed, start_ms, limit):
        return no_prints(len(self.after(symbol, feed, start_ms, limit).ts))

    def funding(self, symbol):  # noqa: ARG002
        ts = T0 + np.arange(1, BARS // 10, dtype=np.int64) * 600_000
        return Funding(ts, np.where(np.arange(len(ts)) % 3, 0.0001, -0.0003))


fractions = st.one_of(st.none(), st.decimals(D("0.005"), D("0.1"), places=3))
guards = st.builds(Guard, fractions, fractions, fractions)


class Account(RuleBasedStateMachine):
    market = "spot"

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed):
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.source = Wild(seed)
        self.count = 0
        self.venues = []
        self.paid = {}
        self.start()

    def start(self):
        balances = {"USDT": D(10000), **({"BTC": D(3)} if self.market == "spot" else {})}
        declared = PaperSettings(
            name="paper",
            market=self.market,
            source=self.source,
            balances=balances,
            speed=float("inf"),
            maker_fee=D("0.0002"),
            taker_fee=D("0.001"),
            slippage=D("0.0003"),
            min_notional=D(5),
        )
        self.venue = PaperVenue(declared, Path(self.folder.name) / "a.db", ManualClock())
        self.venues.append(self.venue)
        self.run(self.venue.open())
        self.run(self.venue.subscribe([Series("paper", symbol, each) for symbol in SYMBOLS for each in SERIES]))
        self.reader = self.venue.events()
        self.initial = balances
        self.last_ms = 0

    def run(self, awaited):
        return self.loop.run_until_complete(awaited)

    @rule(events=st.integers(1, 40))
    def read(self, events):
        for _ in range(events):
            event = self.run(anext(self.reader))
            if isinstance(event, Idle):
                self.loop.run_until_complete(self.reader.aclose())
                self.start()
                return
            assert event.ts_ms >= self.last_ms
            self.last_ms = event.ts_ms
            if isinstance(event, FundingPaid):
                assert self.paid.setdefault((event.ts_ms, event.symbol), event.amount) == event.amount
            if isinstance(event, BarClosed):
                assert event.ts_ms == event.bar.ts_ms + 60_000

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from([1, -1]),
        amount=st.decimals(D("0.01"), D(60), places=8),
        offset=st.one_of(st.none(), st.integers(-300, 300)),
        group=st.integers(0, 3),
        reduce_only=st.booleans(),
        guard=guards,
        series=st.sampled_from(SERIES),
    )
    def order(self, *, symbol, side, amount, offset, group, reduce_only, guard, series):
        self.count += 1
        bars = self.run(self.venue.bars(Series("paper", symbol, "1m"), end_ms=2**60, limit=1))
        price = None if offset is None or not bars else max(D(str(bars[0].close)) + D(offset) / 100, D("0.01"))
        name = f"{self.venue.market_ms()}-{self.count}"
        request = OrderRequest(
            client_id=name,
            symbol=symbol,
            side=side,
            type="market" if price is None else "limit",
            amount=amount,
            price=price,
            reduce_only=reduce_only,
            group=f"{group}{symbol}",
            decided_ms=0,
            resolution=series,
            guard=None if reduce_only else guard,
            guard_id="" if reduce_only else f"{name}-x",
        )
        try:
            placed = self.run(self.venue.submit(request))
        except OrderRejected:
            assert self.run(self.venue.order(name)) is None
        else:
            assert self.run(self.venue.order(name)) == placed

    @rule(index=st.integers(0, 50))
    def cancel(self, index):
        orders = self.run(self.venue.open_orders())
        if orders:
            chosen = orders[index % len(orders)]
            assert self.run(self.venue.cancel(chosen.client_id)).status == "canceled"

    @rule(
        group=st.integers(0, 3),
        symbol=st.sampled_from(SYMBOLS),
        guard=st.one_of(st.none(), guards),
    )
    def replace_guard(self, group, symbol, guard):
        try:
            self.run(self.venue.guard(f"{group}{symbol}", guard))
        except UnknownOrder:
            assert all(order.group != f"{group}{symbol}" for order in self.run(self.venue.open_orders()))

    @rule()
    def die(self):
        """Leave everything where it is, and begin again from the file."""
        before = self.run(self.everything())
        self.start()
        assert self.run(self.everything()) == before

    async def everything(self):
        venue = self.venue
        ids = [order.client_id for order in await venue.open_orders()]
        return (
            await venue.balances(),
            await venue.positions(),
            await venue.open_orders(),
            await venue.fills(0),
            [await venue.order(client_id) for client_id in ids],
        )

    @invariant()
    def money_is_the_sum_of_fills(self):
        fills = self.run(self.venue.fills(0))
        balances = self.run(self.venue.balances())
        assert [fill.fill_id for fill in fills] == list(range(1, len(fills) + 1))
        expected = dict(self.initial)
        nets = {}
        for fill in fills:
            base = fill.symbol.split("/")[0]
            expected["USDT"] -= fill.side * fill.cost + fill.fee
            nets[base] = nets.get(base, D(0)) + fill.side * fill.amount
        if self.market == "spot":
            for base, net in nets.items():
                expected[base] = expected.get(base, D(0)) + net
            assert {name: balance.total for name, balance in balances.items()} == {
                k: v for k, v in expected.items() if v
            }
            assert all(balance.total > 0 for balance in balances.values())
        else:
            entered = sum(group.cost * group.side for group in self.venue._ledger.groups.values()) * D("1e-8")
            funded = sum(row[0] for row in self.venue._store._db.execute("SELECT units FROM funding")) * D("1e-8")
            assert balances["USDT"].total == expected["USDT"] + entered + funded
            positions = self.run(self.venue.positions())
            assert {k.split("/")[0]: p.amount for k, p in positions.items()} == {k: v for k, v in nets.items() if v}

    @invariant()
    def groups_are_the_sum_of_their_fills(self):
        nets = {}
        for fill in self.run(self.venue.fills(0)):
            nets[fill.group] = nets.get(fill.group, 0) + fill.side * fill.amount
        held = {name: group.net * D("1e-8") for name, group in self.venue._ledger.groups.items()}
        assert held == {name: net for name, net in nets.items() if net}

    @invariant()
    def reservations_are_those_of_open_orders(self):
        reserved = {}
        for order in self.venue._ledger.orders.values():
            currency = self.venue._ledger.spends(order)
            reserved[currency] = reserved.get(currency, 0) + order.reserved
        kept = {k: v for k, v in self.venue._ledger._reserved.items() if v}
        assert kept == {k: v for k, v in reserved.items() if v}

    @invariant()
    def every_guard_order_guards_its_position(self):
        for order in self.run(self.venue.open_orders()):
            if order.type == "guard":
                group = self.venue._ledger.groups[order.group]
                assert order.amount - order.filled == abs(group.net) * D("1e-8")
                assert order.side == -group.side

    def teardown(self):
        if hasattr(self, "loop"):
            for venue in self.venues:
                self.run(venue.close())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
            self.folder.cleanup()


class SwapAccount(Account):
    market = "swap"


@pytest.mark.parametrize("machine", [Account, SwapAccount])
def test_an_account_keeps_its_books(machine):
    machine.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
    machine.TestCase().runTest()
