"""Sends what turns wrote: to an embedded exchange within the turn, to a real one beside it, each leg's orders in order.

Only asking goes on outside the turn. What an answer means is applied in a turn again, against what is known by then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from decimal import Decimal
from typing import NamedTuple

import structlog

from autotrader.core.clock import Clock
from autotrader.core.errors import AmbiguousSubmit, OrderRejected, UnknownOrder, VenueUnavailable, WouldTake
from autotrader.execution.ids import guard_id
from autotrader.execution.leg import Leg
from autotrader.execution.order_state import OrderEvent
from autotrader.execution.orders import ADDING, Order, OrderRequest
from autotrader.runtime.desk import NO_GUARD, Desk, Draft
from autotrader.venues.protocol import Venue

MAX_WAITING = 256
"""Bound of one leg's drafts that wait for a real exchange; what comes on top is not sent."""

MAX_AGE_S = 5.0
"""How long an order that adds may wait to be sent: the price that it was decided on is old then."""

Turn = AbstractAsyncContextManager[object, bool | None]
IN_TURN: Turn = nullcontext()
"""For whoever is in a turn already."""

log = structlog.get_logger("sender")


def turns(venue: Venue, turn: Turn) -> tuple[Turn, Turn]:
    """Return the turn in which a venue is asked, and the one in which its answers are applied.

    An embedded one is asked within the loop's turn. A real one is asked outside it: it may take its time.
    """
    return (IN_TURN, turn) if venue.remote else (turn, IN_TURN)


class Waiting(NamedTuple):
    """A draft that waits to be sent, and since when."""

    draft: Draft
    since_s: float


class Sender:
    """Carries drafts to the exchanges. `failed` is told what no answer explains."""

    def __init__(self, desk: Desk, turn: asyncio.Lock, clock: Clock) -> None:
        self._desk, self._turn, self._clock = desk, turn, clock
        self._lines: dict[tuple[str, str, str], deque[Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unanswered: set[tuple[str, str, str]] = set()
        self.under_way: set[str] = set()
        self.failed: Callable[[BaseException], None] | None = None

    async def send(self) -> None:
        """Send what was written, in its order: cancels first, then the order that replaces them. Called in a turn."""
        desk = self._desk
        drafts, desk.drafts = desk.drafts, []
        standing: set[str] = set()
        for staged in drafts:
            if desk.venues[staged.leg.exchange].remote:
                self._queue(staged)
            else:
                await self._carry_out(staged, standing, IN_TURN)

    def waits(self, leg: Leg) -> bool:
        """Tell whether something of a leg waits to be sent, or is being sent."""
        return leg.key in self._lines

    async def stop(self) -> None:
        """Let go of what waits: its intents are written, and the next start finds out what became of them."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self, exchange: str, turn: Turn = IN_TURN) -> None:
        """Ask an exchange for every order whose answer never came, side by side, so that each is known.

        One that cannot be told now is asked for again another time.
        """
        unknown = [order for order in self._desk.unsettled.values() if order.exchange == exchange]
        told = await asyncio.gather(*(self._look_up(order, turn) for order in unknown), return_exceptions=True)
        for error in told:
            if error is not None:
                raise error

    async def _look_up(self, order: Order, turn: Turn) -> None:
        desk = self._desk
        try:
            answer = await desk.venues[order.exchange].order(order.client_id)
        except VenueUnavailable:
            return
        async with turn:
            if desk.unsettled.pop(order.client_id, None) is None:
                return
            leg = desk.leg_of(order.group, order)
            if answer is None and leg is not None:
                desk.absent(leg, order)
            elif answer is not None:
                known = desk.journal.find_order(order.client_id)
                if known is not None and answer.status != "open" and answer.filled > known.filled:
                    desk.unsettled[order.client_id] = order  # its fills come first
                else:
                    desk.on_order(answer)

    # one leg after another's orders, side by side

    def _queue(self, staged: Draft) -> None:
        key = staged.leg.key
        line = self._lines.get(key)
        if line is not None and len(line) >= MAX_WAITING:
            log.error("too many orders wait for an exchange", strategy=staged.leg.owner, exchange=staged.leg.exchange)
            if staged.order is not None:
                self._desk.conclude(staged.leg, staged.order, OrderEvent.CANCEL, "not sent: too many others wait")
            return
        if staged.order is not None:
            self.under_way.add(staged.order.client_id)
        waiting = Waiting(staged, self._clock.monotonic_s())
        if line is not None:
            line.append(waiting)
            return
        self._lines[key] = deque([waiting])
        task = asyncio.create_task(self._work(key), name=f"orders of {staged.leg.owner} on {staged.leg.exchange}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _work(self, key: tuple[str, str, str]) -> None:
        line, standing = self._lines[key], set[str]()
        try:
            while line:
                await self._carry_out(line[0].draft, standing, self._turn, line[0].since_s)
                line.popleft()
        finally:
            del self._lines[key]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self.failed is not None:
            self.failed(error)

    # one draft

    async def _carry_out(self, staged: Draft, standing: set[str], turn: Turn, since_s: float | None = None) -> None:
        """Cancel, then send; `standing` collects orders whose cancel came too late, or was not answered."""
        leg, order = staged.leg, staged.order
        try:
            raced = [one for one in staged.cancel if await self._cancel(leg, one, turn, staged.filled.get(one))]
        except VenueUnavailable as error:
            standing.update(staged.cancel)
            # What is wanted stays wanted: the leg is looked after again.
            if leg.key not in self._unanswered:
                self._unanswered.add(leg.key)
                log.warning("a cancel was not answered; it is asked again", strategy=leg.owner, error=str(error))
            if order is not None:
                await self._not_sent(leg, order, f"not sent: {error}", turn)
            return
        standing.update(raced)
        self._unanswered.discard(leg.key)
        if order is None:
            return
        behind = staged.behind if self._desk.venues[leg.exchange].remote else frozenset[str]()
        if raced or staged.after in standing or not standing.isdisjoint(behind):
            await self._not_sent(leg, order, "a fill was faster than its cancel", turn)
        elif since_s is not None and order.purpose in ADDING and self._clock.monotonic_s() - since_s > MAX_AGE_S:
            await self._not_sent(leg, order, f"not sent: it waited for more than {MAX_AGE_S:g} s", turn)
        else:
            await self._submit(staged, leg, order, turn)

    async def _not_sent(self, leg: Leg, order: Order, reason: str, turn: Turn) -> None:
        async with turn:
            self._desk.conclude(leg, order, OrderEvent.CANCEL, reason)
        self.under_way.discard(order.client_id)

    async def _submit(self, staged: Draft, leg: Leg, order: Order, turn: Turn) -> None:
        desk = self._desk
        request = _request(staged, leg, order, keeps_guards=desk.venues[order.exchange].keeps_guards)
        try:
            answer = await desk.venues[order.exchange].submit(request)
        except OrderRejected as error:
            async with turn:
                desk.conclude(leg, order, OrderEvent.REJECT, error.reason, again=isinstance(error, WouldTake))
        except (AmbiguousSubmit, VenueUnavailable) as error:
            async with turn:
                desk.leave_unsettled(leg, order)
            log.warning("order unanswered", client_id=order.client_id, error=str(error))
        else:
            async with turn:
                desk.conclude(leg, order._replace(venue_id=answer.venue_id), OrderEvent.ACK, order.reason)
                if answer.status not in {"open", "filled"} and desk.venues[order.exchange].remote:
                    desk.unsettled[order.client_id] = order  # it ended at once: its fills come first, then that
        self.under_way.discard(order.client_id)

    async def _cancel(self, leg: Leg, identity: str, turn: Turn, counted: Decimal | None) -> bool:
        """Cancel an order; True when it filled further than was `counted`, so that what follows would be too much."""
        desk = self._desk
        order = leg.orders.get(identity)
        if order is None:
            return _beyond(desk.journal.find_order(identity), counted)
        try:
            answer = await desk.venues[order.exchange].cancel(identity)
        except UnknownOrder:
            async with turn:
                desk.absent(leg, order)
            return _beyond(desk.journal.find_order(identity), counted)
        async with turn:
            known = leg.orders.get(identity)
            if known is not None and answer.filled > known.filled:
                if desk.venues[order.exchange].remote:
                    desk.unsettled[identity] = known  # its fills come first, then that it ended
            elif known is not None:
                desk.on_order(answer)
        return answer.filled > (order.filled if counted is None else counted)


def _beyond(order: Order | None, counted: Decimal | None) -> bool:
    """Tell whether an order that works no more filled further than was counted."""
    return order is not None and counted is not None and order.filled > counted


def _request(staged: Draft, leg: Leg, order: Order, *, keeps_guards: bool) -> OrderRequest:
    entry = order.purpose == "entry" and keeps_guards
    stop = order.type == "stop"
    return OrderRequest(
        client_id=order.client_id,
        symbol=order.symbol,
        side=order.side,
        type="limit" if order.price is not None and not stop else "market",
        amount=order.amount,
        price=None if stop else order.price,
        reduce_only=order.purpose in {"exit", "slot_exit", "stop"},
        group=order.group,
        decided_ms=order.created_ms,
        resolution=leg.resolution,
        post_only=staged.post_only,
        time_in_force=staged.force,
        guard=leg.guard if entry and leg.guard != NO_GUARD else None,
        guard_id=guard_id(order.group) if entry else "",
        stop_price=order.price if stop else None,
    )
