"""Start-up is recovery: what the journal believes against what the venues say, repaired before anything trades."""

from __future__ import annotations

import structlog

from autotrader.core.errors import OrderRejected, UnknownOrder
from autotrader.runtime.balances import book_missed, take_balances
from autotrader.runtime.desk import NO_GUARD, Desk
from autotrader.runtime.loop import TradingLoop
from autotrader.venues.protocol import Venue

log = structlog.get_logger("recovery")


async def recover(loop: TradingLoop, exchange: str) -> None:
    """Bring one exchange's orders, positions and cash to the truth. Raises VenueUnavailable where it cannot be had.

    Fills first, for they are what positions are made of; then every order that may still work; then the balances.
    """
    desk, venue = loop.desk, loop.desk.venues[exchange]
    cash = desk.journal.progress_of(exchange).cash
    if cash is not None:
        loop.accounts[exchange].cash, loop.accounts[exchange].known = cash, True
    await _same_account(loop, exchange)
    missed = await book_missed(loop, exchange)
    settled = await _orders(desk, venue, exchange)
    for leg in [leg for leg in desk.legs.values() if leg.exchange == exchange and leg.position.amount]:
        try:
            await venue.guard(leg.group, None if leg.guard == NO_GUARD else leg.guard)
        except (UnknownOrder, OrderRejected) as error:
            with desk.journal.write():
                desk.journal.event(venue.market_ms(), "error", "unprotected", leg.owner, str(error))
    await take_balances(loop, exchange)
    if missed or settled:
        message = f"{missed} fills and {settled} orders were settled with the venue"
        log.info(message, exchange=exchange)
        with desk.journal.write():
            desk.journal.event(venue.market_ms(), "info", "recovered", exchange, message)


async def _same_account(loop: TradingLoop, exchange: str) -> None:
    """Lock an exchange that does not know the newest fill that the journal has from it: it is another account."""
    newest = loop.journal.progress_of(exchange).fill_id
    if not newest or await loop.desk.venues[exchange].fills(newest - 1):
        return
    reason = f"{exchange} does not know fill {newest} of this journal: its account was replaced; put it back"
    loop.accounts[exchange].locked = reason
    log.error(reason)
    with loop.journal.write():
        loop.journal.event(loop.desk.venues[exchange].market_ms(), "error", "account", exchange, reason)


async def _orders(desk: Desk, venue: Venue, exchange: str) -> int:
    settled = 0
    for order in desk.journal.live_orders():
        if order.exchange != exchange or order.type == "guard":
            continue
        leg = desk.leg_of(order.group, order)
        if leg is None:
            continue
        leg.keep(order)
        told = await venue.order(order.client_id)
        if told is None:
            desk.absent(leg, order)
            settled += 1
        elif told.status != "open" or order.venue_id != told.venue_id:
            desk.on_order(told)
            settled += 1
    for told in await venue.open_orders():
        if desk.journal.find_order(told.client_id) is None and told.type != "guard":
            with desk.journal.write():
                desk.journal.event(
                    venue.market_ms(), "warning", "foreign_order", exchange, f"{told.client_id} is not ours; left alone"
                )
    return settled
