"""Start-up is recovery: what the journal believes against what the venues say, repaired before anything trades."""

from __future__ import annotations

import structlog

from autotrader.core.errors import OrderRejected, OrderUntold, UnknownOrder
from autotrader.execution.order_state import DONE
from autotrader.execution.orders import VenueOrder
from autotrader.runtime.balances import DOUBT_S, book_new, take_balances
from autotrader.runtime.desk import NO_GUARD
from autotrader.runtime.loop import TradingLoop
from autotrader.runtime.sender import IN_TURN, Turn, turns

MAX_LOOKS = 3
"""How often balances are looked at before an exchange is traded on while they move."""

MAX_STRANGERS = 10_000
"""Bound of the orders of others that are remembered, so that each is told of once."""

log = structlog.get_logger("recovery")


async def recover(loop: TradingLoop, exchange: str, turn: Turn = IN_TURN) -> None:
    """Bring one exchange's orders, positions and cash to the truth. Raises VenueUnavailable where it cannot be had.

    Fills first, for they are what positions are made of; then every order that may still work; then the balances.
    `turn` is taken for what the answers change where the daemon lives on meanwhile.
    """
    desk, venue, account = loop.desk, loop.desk.venues[exchange], loop.accounts[exchange]
    async with turn:
        cash = desk.journal.progress_of(exchange).cash
        if cash is not None:
            account.cash, account.known = cash, True
    missed = await _fills(loop, exchange, turn)
    settled = await _orders(loop, exchange, turn)
    for leg in [leg for leg in desk.legs.values() if leg.exchange == exchange and leg.position.amount]:
        if not venue.keeps_guards:
            break
        try:
            await venue.guard(leg.group, None if leg.guard == NO_GUARD else leg.guard)
        except (UnknownOrder, OrderRejected) as error:
            async with turn:
                with desk.journal.write():
                    desk.journal.event(venue.market_ms(), "error", "unprotected", leg.owner, str(error))
    for look in range(MAX_LOOKS):
        if await take_balances(loop, exchange, turn=turn):
            break
        if look + 1 < MAX_LOOKS:
            await loop.clock.sleep(DOUBT_S)
    if missed or settled:
        message = f"{missed} fills and {settled} orders were settled with the venue"
        log.info(message, exchange=exchange)
        async with turn:
            with desk.journal.write():
                desk.journal.event(venue.market_ms(), "info", "recovered", exchange, message)


async def reconcile(loop: TradingLoop, exchange: str) -> None:
    """Recover an exchange while the daemon runs. Called outside the turn. Raises VenueUnavailable."""
    asked, applied = turns(loop.desk.venues[exchange], loop.turn)
    async with asked:
        await recover(loop, exchange, applied)


async def _fills(loop: TradingLoop, exchange: str, turn: Turn) -> int:
    """Book what was missed. An exchange that does not know the newest fill of the journal is another account."""
    newest = loop.journal.progress_of(exchange).fill_id
    told = await loop.desk.venues[exchange].fills(max(newest - 1, 0))
    async with turn:
        if newest and not told:
            reason = f"{exchange} does not know fill {newest} of this journal: its account was replaced; put it back"
            loop.accounts[exchange].locked = reason
            log.error(reason)
            with loop.journal.write():
                loop.journal.event(loop.desk.venues[exchange].market_ms(), "error", "account", exchange, reason)
        return book_new(loop, exchange, told)


async def _orders(loop: TradingLoop, exchange: str, turn: Turn) -> int:
    """Ask what became of every order that may still work, and look for those that work and should not."""
    desk, venue = loop.desk, loop.desk.venues[exchange]
    settled = 0
    for order in desk.journal.live_orders():
        if order.exchange != exchange or order.type == "guard" or order.client_id in loop.sender.under_way:
            continue
        leg = desk.leg_of(order.group, order)
        if leg is None:
            continue
        try:
            told = await venue.order(order.client_id)
        except OrderUntold as error:
            log.warning("an order is not told of yet", client_id=order.client_id, error=str(error))
            async with turn:
                leg.keep(order)
                desk.leave_unsettled(leg, order)
            continue
        async with turn:
            known = desk.journal.find_order(order.client_id)
            if known is None or known.state in DONE:
                continue  # it ended while it was asked for
            leg.keep(known)
            if told is None:
                desk.absent(leg, known)
                settled += 1
            elif told.status != "open" or known.venue_id != told.venue_id:
                desk.on_order(told)
                settled += 1
    return settled + await find_strangers(loop, exchange, turn)


async def find_strangers(loop: TradingLoop, exchange: str, turn: Turn = IN_TURN) -> int:
    """Look at what works on an exchange: orders that are not ours are told once and left alone; return what was ended.

    One of ours that the journal has as ended is taken back where its exchange had not told of it, else canceled.
    """
    desk, venue = loop.desk, loop.desk.venues[exchange]
    ended = 0
    for told in await venue.open_orders():
        known = desk.journal.find_order(told.client_id)
        if told.type == "guard" or (known is not None and known.state not in DONE):
            continue
        if known is None:
            async with turn:
                _strange(loop, exchange, told)
            continue
        async with turn:
            desk.on_order(told)
            back = desk.journal.find_order(told.client_id)
        if back is not None and back.state in DONE:
            log.error("an order that was taken to be over still works; it is canceled", client_id=told.client_id)
            await venue.cancel(told.client_id)
        ended += 1
    return ended


def _strange(loop: TradingLoop, exchange: str, told: VenueOrder) -> None:
    strangers = loop.desk.strangers
    if (exchange, told.client_id) in strangers:
        return
    if len(strangers) >= MAX_STRANGERS:
        strangers.clear()
    strangers.add((exchange, told.client_id))
    now_ms = loop.desk.venues[exchange].market_ms()
    with loop.journal.write():
        loop.journal.event(now_ms, "warning", "foreign_order", exchange, f"{told.client_id} is not ours; left alone")
