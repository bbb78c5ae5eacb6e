"""Whatever fails between the daemon and its exchange: a guarded position ends once its stop was touched, sold once."""

from __future__ import annotations

import asyncio
import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.errors import AmbiguousSubmit, OrderRejected, UnknownOrder, VenueUnavailable
from autotrader.core.events import QuoteChanged
from autotrader.execution.orders import Fill, Guard, OrderRequest, VenueOrder
from autotrader.runtime.recovery import recover
from autotrader.venues.protocol import FillHappened
from support.venue import ToldVenue
from support.world import World

D = Decimal
BTC = "BTC/USDT"
BEGIN = 30_000_000
GUARD = Guard(stop_loss=D("0.05"), trailing_stop=D("0.08"), take_profit=D("0.2"))


class Spot(ToldVenue):
    """An exchange that reserves coins, fills market orders at once and stops at touch, and fails as it is told.

    It holds more coins than the position has, so that nothing but the daemon keeps it from selling twice.
    """

    remote, keeps_guards, keeps_stops = True, False, True

    def __init__(self) -> None:
        super().__init__()
        self.bid, self.coins = D(100), D(3)
        self.stops: dict[str, Decimal] = {}
        self.faults: list[str] = []
        self.halved = False
        self.money = {"USDT": D(10_000), "BTC": D(3)}

    def _fault(self) -> str:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "down":
            raise VenueUnavailable("down")
        return fault

    async def submit(self, request: OrderRequest) -> VenueOrder:
        await asyncio.sleep(0)
        fault = self._fault()
        if fault == "refused":
            raise OrderRejected("no")
        if fault == "lost before":
            raise AmbiguousSubmit("no answer")
        reserved = sum((self.told_orders[name].amount for name in self.stops), D(0))
        if self.coins - reserved < request.amount:
            raise OrderRejected("not enough coins")
        if request.stop_price is not None and self.bid <= request.stop_price:
            raise OrderRejected("would trigger at once")
        order = VenueOrder(
            request.client_id, f"v{len(self.told_orders)}", BTC, request.side, "market", None, request.amount, D(0),
            None, "open", "", request.group, self.now_ms,
        )  # fmt: skip
        self.told_orders[request.client_id] = order
        if request.stop_price is not None:
            self.stops[request.client_id] = request.stop_price
        else:
            self.fill(request.client_id, request.amount)
        if fault == "lost after":
            raise AmbiguousSubmit("no answer")
        return self.told_orders[request.client_id]

    async def cancel(self, client_id: str) -> VenueOrder:
        await asyncio.sleep(0)
        fault = self._fault()
        if client_id not in self.told_orders:
            raise UnknownOrder(client_id)
        if client_id in self.stops and fault != "lost before":
            del self.stops[client_id]
            self.told_orders[client_id] = self.told_orders[client_id]._replace(status="canceled")
        if fault.startswith("lost"):
            raise VenueUnavailable("no answer")
        return self.told_orders[client_id]

    def fill(self, client_id: str, amount: Decimal) -> None:
        order = self.told_orders[client_id]
        filled = order.filled + amount
        status = "filled" if filled == order.amount else "expired"
        self.told_orders[client_id] = order._replace(filled=filled, average=self.bid, status=status)
        self.coins -= amount
        self.money["BTC"] -= amount
        number = len(self.told_fills) + 1
        self.told_fills.append(
            Fill(
                number,
                client_id,
                "paper",
                BTC,
                -1,
                self.bid,
                amount,
                amount * self.bid,
                D(0),
                "USDT",
                self.now_ms,
                False,
                "",
                order.group,
            )
        )

    def move(self, bid: int) -> None:
        self.bid = D(bid)
        for name, level in list(self.stops.items()):
            if self.bid <= level:
                del self.stops[name]
                amount = self.told_orders[name].amount
                self.fill(name, amount / 2 if self.halved else amount)


class Play:
    """A position of one coin, bought at 100, and what happens to it."""

    def __init__(self, path: Path) -> None:
        self.one = World(path)
        self.venue = self.one.venue = Spot()
        self.one.loop.desk.venues["paper"] = self.venue
        leg = self.one.leg(held="1", guard=GUARD, entry_id=1)
        leg.position = leg.position._replace(opened_ms=BEGIN)
        leg.watched_ms = BEGIN
        with self.one.journal.write():
            self.one.loop.desk.save(leg)
        self._ready()
        self.told = 0

    def _ready(self) -> None:
        self.one.account.known, self.one.account.cash = True, D(10_000)
        self.one.account.market_ms = self.venue.now_ms = BEGIN + self.one.clock.now_ms() - 1_700_000_000_000

    @property
    def leg(self):
        return next(iter(self.one.loop.desk.legs.values()))

    async def calm(self) -> None:
        for _ in range(40):
            await asyncio.sleep(0)

    async def quote(self, bid: int) -> None:
        self.venue.move(bid)
        event = QuoteChanged(self.venue.now_ms, "paper", BTC, float(bid), 1.0, float(bid + 1), 1.0)
        await self.one.loop.handle("paper", event)
        await self.calm()

    async def second(self) -> None:
        self.one.clock.advance(1)
        self.venue.now_ms += 1_000
        self.one.account.market_ms = self.venue.now_ms
        await self.one.loop.sender.settle("paper", self.one.loop.turn)
        await self.one.loop.tend("paper")
        await self.one.loop.protect("paper")
        await self.calm()

    async def deliver(self) -> None:
        """Tell the fills that were not told, and then the ends of orders."""
        for fill in self.venue.told_fills[self.told :]:
            self.told += 1
            await self.one.loop.handle("paper", FillHappened(fill.ts_ms, fill))
        async with self.one.loop.turn:
            for order in self.venue.told_orders.values():
                if order.status in {"expired", "canceled"}:
                    self.one.loop.desk.on_order(order)
        await self.calm()

    async def restart(self) -> None:
        await self.one.loop.sender.stop()
        faults, self.venue.faults = self.venue.faults, []
        self.one.restart()
        self._ready()
        await recover(self.one.loop, "paper")
        self.told = len(self.venue.told_fills)
        self.venue.faults = faults
        await self.calm()

    def sold(self) -> Decimal:
        return sum((fill.amount for fill in self.venue.told_fills), D(0))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("quote"), st.sampled_from([90, 94, 95, 99, 108, 120, 125])),
        st.tuples(st.just("seconds"), st.sampled_from([1, 3, 8])),
        st.tuples(st.sampled_from(["deliver", "restart", "halve"]), st.just(0)),
        st.tuples(
            st.just("fault"), st.sampled_from(["down", "refused", "lost before", "lost after"])
        ),
    ),
    min_size=3,
    max_size=20,
)  # fmt: skip


async def act(play: Play, drawn) -> None:
    for what, value in drawn:
        match what:
            case "quote":
                await play.quote(value)
            case "seconds":
                for _ in range(value):
                    await play.second()
            case "deliver":
                await play.deliver()
            case "restart":
                await play.restart()
            case "halve":
                play.venue.halved = not play.venue.halved
            case "fault":
                play.venue.faults.append(value)
        assert play.sold() <= 1


async def end(play: Play) -> None:
    """Let the exchange be well and its price be far below: within two minutes everything is over."""
    play.venue.faults = []
    for _ in range(120):
        await play.quote(80)
        await play.second()
        await play.deliver()
        if not play.leg.position.amount and not play.leg.orders:
            break
    assert play.sold() == 1
    assert play.leg.position.amount == 0
    assert play.leg.orders == {}
    assert play.venue.stops == {}


@given(steps)
@settings(max_examples=100, deadline=None)
def test_a_touched_position_is_sold_once_whatever_fails(drawn) -> None:
    with tempfile.TemporaryDirectory() as folder:

        async def run() -> None:
            play = Play(Path(folder) / "autotrader.db")
            try:
                await act(play, drawn)
                await end(play)
            finally:
                await play.one.loop.sender.stop()
                play.one.journal.close()

        asyncio.run(run())
