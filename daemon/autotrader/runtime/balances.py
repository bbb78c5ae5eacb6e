"""What an exchange holds against what its owners have: cash, deposits, holdings that fall short."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from autotrader.execution.leg import Leg
from autotrader.runtime.account import Account
from autotrader.venues.protocol import FundingPaid, Venue

if TYPE_CHECKING:
    from autotrader.runtime.loop import TradingLoop

ZERO = Decimal(0)
DUST = Decimal("1e-6")
"""Less than this is rounding (the venue's, or an average price's), not money that came or went."""


async def book_missed(loop: TradingLoop, exchange: str) -> int:
    """Book the fills that the venue has and the journal has not; return how many."""
    missed = await loop.desk.venues[exchange].fills(loop.journal.progress_of(exchange).fill_id)
    for fill in missed:
        loop.trader.book(fill)
    return len(missed)


async def take_balances(loop: TradingLoop, exchange: str, *, explained: bool = False) -> None:
    """Take an exchange's cash from its own figures, and lock whoever owns more than it holds.

    What came or went without a fill of ours is a deposit or withdrawal, and the loss baselines move with it, unless it
    is `explained` (funding, which is a loss or gain). With a declared budget the cash begins there and follows our
    fills and settlements alone. What the venue holds beyond our positions is foreign and is left alone.
    """
    venue, account = loop.desk.venues[exchange], loop.accounts[exchange]
    await book_missed(loop, exchange)
    balances = await venue.balances()
    legs = [leg for leg in account.legs.values() if leg.position.amount]
    if account.budget is not None:
        cash = _from_budget(loop, account, account.budget)
    else:
        cash = balances[account.quote].total if account.quote in balances else ZERO
        if account.market == "swap":
            cash -= sum((leg.position.paid for leg in legs), ZERO)
    if not account.known:
        with loop.journal.write():
            loop.journal.progress(exchange, loop.journal.progress_of(exchange).ts_ms, cash)
    elif not explained and abs(cash - account.cash) > DUST:
        loop.trader.money_moved(exchange, cash - account.cash)
    account.cash, account.known = cash, True
    await _holdings(loop, venue, exchange, legs, {name: one.total for name, one in balances.items()})


def book_funding(loop: TradingLoop, event: FundingPaid, exchange: str) -> None:
    """Take a settlement into a budget, once: a venue tells it again where a restart came before the next moment."""
    account = loop.accounts[exchange]
    key = f"funding {exchange}"
    mark = [event.ts_ms, event.symbol]
    if account.budget is None or not account.known or mark <= loop.journal.flags().get(key, [0, ""]):
        return
    account.cash += event.amount
    with loop.journal.write():
        loop.journal.flag(key, mark)
        loop.journal.progress(exchange, loop.journal.progress_of(exchange).ts_ms, account.cash)


def _from_budget(loop: TradingLoop, account: Account, budget: Decimal) -> Decimal:
    """Return the cash of an account that has a budget: it begins there, and moves when another one is declared."""
    key = f"budget {account.name}"
    before = loop.journal.flags().get(key)
    cash = account.cash if account.known else budget
    if account.known and before is not None:
        cash += budget - Decimal(before)
    if before != str(budget):
        with loop.journal.write():
            loop.journal.flag(key, str(budget))
            loop.journal.progress(account.name, loop.journal.progress_of(account.name).ts_ms, cash)
    return cash


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
