"""A market written as a table of bars, and a paper account that trades it."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest

from autotrader.core.clock import ManualClock
from autotrader.core.errors import HistoryError
from autotrader.core.events import BarClosed, BarsComplete, FillsComplete, Series
from autotrader.core.units import plain, timeframe_ms
from autotrader.execution.orders import OrderRequest
from autotrader.market.bars import Columns, Funding, aggregate, divides
from autotrader.venues.paper.state import PaperSettings
from autotrader.venues.paper.venue import PaperVenue
from autotrader.venues.protocol import FillHappened, FundingPaid, Idle, OrderChanged
from support.tapes import Tape

T0 = 1_704_067_200_000
MINUTE = 60_000


class Table:
    """A bar source of minutes: {symbol: [(minute, open, high, low, close)]}."""

    fingerprint = "table"

    def __init__(self, tables, funding=None, tick="0.01"):
        self._columns = {}
        for symbol, rows in tables.items():
            values = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 4).T
            ts = np.array([T0 + row[0] * MINUTE for row in rows], dtype=np.int64)
            self._columns[symbol] = Columns(ts, *values, np.ones(len(rows)))
        self._funding = funding or []
        self._tick = Decimal(tick)

    def symbols(self):
        return tuple(sorted(self._columns))

    def tick(self, symbol):  # noqa: ARG002
        return self._tick

    def bars(self, symbol, timeframe):
        if symbol not in self._columns or not divides("1m", timeframe):
            raise HistoryError(f"no {timeframe} bars of {symbol}")
        columns = self._columns[symbol]
        return columns if timeframe == "1m" else aggregate(columns, "1m", timeframe)

    def begin_ms(self, symbol, timeframe):
        return int(self.bars(symbol, timeframe).ts[0])

    def after(self, symbol, timeframe, start_ms, limit):
        bars = self.bars(symbol, timeframe)
        first = int(np.searchsorted(bars.ts, start_ms))
        return bars.part(first, first + limit)

    def before(self, symbol, timeframe, end_ms, limit):
        bars = self.bars(symbol, timeframe)
        stop = int(np.searchsorted(bars.ts, end_ms - timeframe_ms(timeframe), side="right"))
        return bars.part(max(stop - limit, 0), stop)

    def funding(self, symbol):  # noqa: ARG002
        ts = np.array([T0 + minute * MINUTE for minute, _ in self._funding], dtype=np.int64)
        return Funding(ts, np.array([rate for _, rate in self._funding], dtype=np.float64))


def flat(count, price=100.0):
    return [(minute, price, price, price, price) for minute in range(count)]


def request(client_id, side=1, *, amount="1", price=None, symbol="BTC/USDT", resolution="1m", **more):
    fields = {"reduce_only": False, "group": "g", "decided_ms": 0, **more}
    return OrderRequest(
        client_id=client_id,
        symbol=symbol,
        side=side,
        type="market" if price is None else "limit",
        amount=Decimal(amount),
        price=None if price is None else Decimal(price),
        resolution=resolution,
        **fields,
    )


class Trader:
    """A venue with its one reader."""

    def __init__(self, venue):
        self.venue = venue
        self.reader = venue.events()

    async def event(self):
        """Read the next event that is more than the end of a moment or of its fills."""
        event = await anext(self.reader)
        return event if not isinstance(event, BarsComplete | FillsComplete) else await self.event()

    async def bar(self):
        """Read up to the next closed bar."""
        while True:
            event = await self.event()
            if isinstance(event, BarClosed):
                return event

    async def run(self, bars=10_000):
        """Read so many bars, or to the end, and one event past them; return everything else that came."""
        seen = []
        while True:
            event = await self.event()
            if isinstance(event, Idle):
                return seen
            if isinstance(event, BarClosed):
                bars -= 1
                if bars < 0:
                    return seen
            else:
                seen.append(event)

    async def fills(self):
        return [
            (fill.client_id, (fill.ts_ms - T0) // MINUTE, str(fill.price), plain(fill.amount), fill.reason)
            for fill in await self.venue.fills(0)
        ]


@pytest.fixture
async def market(tmp_path):
    """Make venues over tables; what is made again under one name is the same account after a restart."""
    made = []

    async def make(tables, *, series=("1m",), funding=None, name="a", clock=None, subscribe=True, **settings):
        if isinstance(tables, list):
            tables = {"BTC/USDT": tables}
        source = Table(tables, funding)
        fields = {"market": "spot", "balances": {"USDT": Decimal(10000)}, "speed": float("inf"), **settings}
        venue = PaperVenue(
            PaperSettings(name="paper", source=source, **fields), tmp_path / f"{name}.db", clock or ManualClock()
        )
        await venue.open()
        made.append(venue)
        if subscribe:
            await venue.subscribe([Series("paper", symbol, frame) for symbol in tables for frame in series])
        return Trader(venue)

    yield SimpleNamespace(
        make=make,
        request=request,
        flat=flat,
        T0=T0,
        MINUTE=MINUTE,
        series=lambda frame="1m", symbol="BTC/USDT": Series("paper", symbol, frame),
        fill=FillHappened,
        changed=OrderChanged,
        paid=FundingPaid,
        idle=Idle,
    )
    for venue in made:
        await venue.close()


@pytest.fixture
async def tape(tmp_path):
    made = []

    async def make(feeds, **fields):
        feeds = {"BTC/USDT": feeds} if set(feeds) <= {"trades", "quotes", "book", "1m"} else feeds
        made.append(await Tape(tmp_path, feeds, **fields).open())
        return made[-1]

    yield make
    for one in made:
        await one.venue.close()
