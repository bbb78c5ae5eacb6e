"""A paper venue over recorded events, read one event at a time."""

from __future__ import annotations

from decimal import Decimal

from autotrader.core.clock import ManualClock
from autotrader.core.events import BookChanged, QuoteChanged, Series, TradePrinted
from autotrader.execution.orders import OrderRequest
from autotrader.market.history import History
from autotrader.venues.paper.state import PaperSettings
from autotrader.venues.paper.venue import PaperVenue
from autotrader.venues.protocol import Idle
from support.feeds import START_MS, record, record_bars

D = Decimal


class Cents(History):
    """A history whose prices count in cents, whatever decimals its few rows have."""

    def tick(self, symbol):  # noqa: ARG002 - as a bar source has it
        return D("0.01")


class Tape:
    """A venue over recorded events at full speed, read one event at a time; of a book's trades nothing is told."""

    def __init__(self, root, feeds, *, name="a", **fields):
        for symbol, recorded in feeds.items():
            for feed, rows in recorded.items():
                (record_bars(root, rows, symbol) if feed == "1m" else record(root, feed, rows, symbol))
        self.keys = [
            Series("paper", symbol, feed)
            for symbol, recorded in feeds.items()
            for feed in recorded
            if feed != "trades" or "book" not in recorded
        ]
        settings = {"market": "spot", "balances": {"USDT": D(10_000)}, "speed": float("inf"), **fields}
        source = Cents(root, "made")
        self.venue = PaperVenue(
            PaperSettings(name="paper", source=source, **settings), root / f"{name}.db", ManualClock()
        )

    async def open(self):
        await self.venue.open()
        await self.venue.subscribe(self.keys)
        self.reader = self.venue.events()
        return self

    async def next(self):
        return await anext(self.reader)

    async def to(self, count):
        """Read up to the nth event of a feed from here."""
        while count:
            event = await self.next()
            count -= isinstance(event, TradePrinted | QuoteChanged | BookChanged)
        return event

    async def rest(self):
        """Read to the end, and return everything that came."""
        told = []
        while not isinstance(event := await self.next(), Idle):
            told.append(event)
        return told

    async def fills(self):
        return [
            (one.client_id, one.ts_ms - START_MS, float(one.price), one.maker, one.reason)
            for one in await self.venue.fills(0)
        ]


def order(client_id="e", side=1, *, amount="1", price=None, resolution="trades", **more):
    fields = {"symbol": "BTC/USDT", "reduce_only": False, "group": "g", "decided_ms": 0, **more}
    kind, limit = ("market", None) if price is None else ("limit", D(price))
    return OrderRequest(
        client_id=client_id, side=side, type=kind, amount=D(amount), price=limit, resolution=resolution, **fields
    )
