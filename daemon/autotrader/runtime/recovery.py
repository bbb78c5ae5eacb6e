"""Start-up is recovery: what the journal believes against what the venues say, repaired before anything trades."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import structlog

from autotrader.execution.leg import Leg
from autotrader.runtime.desk import NO_GUARD, Desk
from autotrader.runtime.loop import TradingLoop
from autotrader.venues.protocol import Venue

ZERO = Decimal(0)

log = structlog.get_logger("recovery")


async def recover(loop: TradingLoop, exchange: str) -> None:
    """Bring one exchange's orders, positions and cash to the truth. Raises VenueUnavailable where it cannot be had.

    Fills first, for they are what positions are made of; then every order that may still work; then the balances.
    """
    desk, venue = loop.desk, loop.desk.venues[exchange]
    progress = desk.journal.progress_of(exchange)
    if progress.cash is not None:
        loop.accounts[exchange].cash, loop.accounts[exchange].known = progress.cash, True
    missed = await venue.fills(progress.fill_id)
    for fill in missed:
        loop.book(fill)
    settled = await _orders(desk, venue, exchange)
    for leg in [leg for leg in desk.legs.values() if leg.exchange == exchange and leg.position.amount]:
        await venue.guard(leg.group, None if leg.guard == NO_GUARD else leg.guard)
    await take_balances(loop, exchange)
    if missed or settled:
        message = f"{len(missed)} fills and {settled} orders were settled with the venue"
        log.info(message, exchange=exchange)
        with desk.journal.write():
            desk.journal.event(venue.market_ms(), "info", "recovered", exchange, message)


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


async def take_balances(loop: TradingLoop, exchange: str) -> None:
    """Take an exchange's cash from its own figures, and lock whoever owns more than it holds.

    What came or went without a fill of ours is a deposit or withdrawal: the loss baselines move with it. What the venue
    holds beyond our positions is foreign and is left alone.
    """
    desk, venue, account = loop.desk, loop.desk.venues[exchange], loop.accounts[exchange]
    balances = await venue.balances()
    total = balances[account.quote].total if account.quote in balances else ZERO
    legs = [leg for leg in account.legs.values() if leg.position.amount]
    if account.market == "swap":
        total -= sum((leg.position.amount * (leg.position.entry_price or ZERO) for leg in legs), ZERO)
    if account.budget is not None:
        account.cash = account.budget + desk.journal.cash_flow(exchange)
    elif account.known and total != account.cash:
        loop.money_moved(exchange, total - account.cash)
        account.cash = total
    else:
        account.cash = total
    account.known = True
    await _holdings(loop, venue, exchange, legs, {name: one.total for name, one in balances.items()})


async def _holdings(
    loop: TradingLoop, venue: Venue, exchange: str, legs: list[Leg], totals: Mapping[str, Decimal]
) -> None:
    owned: dict[str, list[Leg]] = {}
    for leg in legs:
        owned.setdefault(leg.instrument.base if venue.market == "spot" else leg.symbol, []).append(leg)
    positions = await venue.positions() if venue.market == "swap" else {}
    for name, holders in owned.items():
        ours = sum((leg.position.amount for leg in holders), ZERO)
        if venue.market == "spot":
            theirs = totals.get(name, ZERO)
        else:
            theirs = positions[name].amount if name in positions else ZERO
        short = theirs < ours if ours >= 0 else theirs > ours
        reason = f"{exchange} holds {theirs} {name}, its owners have {ours}" if short else ""
        for leg in holders:
            if leg.locked == reason:
                continue
            leg.locked = reason
            with loop.journal.write():
                loop.desk.save(leg)
                if reason:
                    loop.journal.event(venue.market_ms(), "error", "holdings", leg.owner, reason)
