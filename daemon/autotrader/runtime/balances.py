"""What an exchange holds against what its owners have: cash, deposits, holdings that fall short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from autotrader.execution.leg import Leg
from autotrader.execution.orders import Fill
from autotrader.runtime.account import Account
from autotrader.runtime.sender import IN_TURN, Turn
from autotrader.venues.protocol import Balance, FundingPaid, Venue, VenuePosition

if TYPE_CHECKING:
    from autotrader.runtime.loop import TradingLoop

ZERO = Decimal(0)
DUST = Decimal("1e-6")
"""Less than this is rounding (the venue's, or an average price's), not money that came or went."""

DOUBT_S = 5.0
"""How long figures that do not agree with ours must stand before they are believed."""


def book_new(loop: TradingLoop, exchange: str, told: Sequence[Fill]) -> int:
    """Book the fills that the journal has not; return how many."""
    newest = loop.journal.progress_of(exchange).fill_id
    new = [fill for fill in told if fill.fill_id > newest]
    for fill in new:
        loop.trader.book(fill)
    return len(new)


async def take_balances(
    loop: TradingLoop, exchange: str, *, explained: bool = False, turn: Turn = IN_TURN, looks: int = 3
) -> bool:
    """Take an exchange's cash from its own figures, and lock whoever owns more than it holds; False while in doubt.

    What came or went without a fill of ours is a deposit or withdrawal, and the loss baselines move with it, unless it
    is `explained` (funding, which is a loss or gain). With a declared budget the cash begins there and follows our
    fills and settlements alone. What the venue holds beyond our positions is foreign and is left alone.

    Figures that a fill came between are asked for again. A real exchange may tell a fill late: what does not agree
    with our own is believed when it is the same at a second look, DOUBT_S later or more.
    """
    venue, account = loop.desk.venues[exchange], loop.accounts[exchange]
    for _ in range(looks):
        before = loop.journal.progress_of(exchange).fill_id
        balances = await venue.balances()
        positions = await venue.positions() if venue.market == "swap" else {}
        told = await venue.fills(before)
        async with turn:
            book_new(loop, exchange, told)
            if loop.journal.progress_of(exchange).fill_id == before:
                return _take(loop, venue, account, _Figures(balances, positions), explained=explained)
    return False


class _Figures(NamedTuple):
    """What an exchange said that it holds."""

    balances: Mapping[str, Balance]
    positions: Mapping[str, VenuePosition]


def _take(loop: TradingLoop, venue: Venue, account: Account, told: _Figures, *, explained: bool) -> bool:
    legs = [leg for leg in account.legs.values() if leg.position.amount]
    if account.budget is not None:
        cash = _from_budget(loop, account, account.budget)
    else:
        cash = told.balances[account.quote].total if account.quote in told.balances else ZERO
        if account.market == "swap":
            cash -= sum((leg.position.paid for leg in legs), ZERO)
    moved = cash - account.cash if account.known and not explained and abs(cash - account.cash) > DUST else ZERO
    short = _short(venue, legs, told)
    unexplained = ZERO if account.budget is not None else moved
    doubtful = venue.remote and _in_doubt(loop, account, unexplained, short)
    if not doubtful or not unexplained:
        if not account.known:
            with loop.journal.write():
                loop.journal.progress(account.name, loop.journal.progress_of(account.name).ts_ms, cash)
        elif moved:
            loop.trader.money_moved(account.name, moved)
        account.cash, account.known = cash, True
    if not doubtful:
        _lock(loop, venue, legs, short)
    return not doubtful


def _in_doubt(loop: TradingLoop, account: Account, moved: Decimal, short: Mapping[str, str]) -> bool:
    """Tell whether figures that do not agree with ours are seen for the first time."""
    if not moved and not short:
        account.doubt = None
        return False
    now_s, seen = loop.clock.monotonic_s(), (moved, tuple(sorted(short.items())))
    if account.doubt is None or account.doubt[0] != seen:
        account.doubt = seen, now_s
    return now_s - account.doubt[1] < DOUBT_S


def book_funding(loop: TradingLoop, event: FundingPaid, exchange: str) -> None:
    """Take a settlement into a budget, once: a venue tells it again where a restart came before the next moment."""
    account = loop.accounts[exchange]
    key = f"funding {exchange} {event.symbol}"
    if account.budget is None or not account.known or event.ts_ms <= loop.journal.flags().get(key, 0):
        return
    account.cash += event.amount
    with loop.journal.write():
        loop.journal.flag(key, event.ts_ms)
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


def _short(venue: Venue, legs: Sequence[Leg], told: _Figures) -> dict[str, str]:
    """Return what the exchange holds less of than its owners have, each with why they are locked."""
    owned: dict[str, Decimal] = {}
    for leg in legs:
        name = leg.instrument.base if venue.market == "spot" else leg.symbol
        owned[name] = owned.get(name, ZERO) + leg.position.amount
    short = {}
    for name, ours in owned.items():
        if venue.market == "spot":
            theirs = told.balances[name].total if name in told.balances else ZERO
        else:
            theirs = told.positions[name].amount if name in told.positions else ZERO
        if theirs < ours if ours >= 0 else theirs > ours:
            short[name] = f"{venue.name} holds {theirs} {name}, its owners have {ours}"
    return short


def _lock(loop: TradingLoop, venue: Venue, legs: Sequence[Leg], short: Mapping[str, str]) -> None:
    for leg in legs:
        reason = short.get(leg.instrument.base if venue.market == "spot" else leg.symbol, "")
        if leg.locked == reason:
            continue
        leg.locked = reason
        with loop.journal.write():
            loop.desk.save(leg)
            if reason:
                loop.journal.event(venue.market_ms(), "error", "holdings", leg.owner, reason)
