"""What an exchange holds against what its owners have: cash, deposits, holdings that fall short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, NamedTuple

from autotrader.core.clock import DAY_MS, HOUR_MS
from autotrader.execution.leg import Leg
from autotrader.execution.orders import Fill
from autotrader.market.instrument import STEP
from autotrader.runtime.account import Account
from autotrader.runtime.locks import Own, own_flag, plain_own
from autotrader.runtime.sender import IN_TURN, Turn
from autotrader.venues.protocol import RATE_LATE_MS, Balance, FundingPaid, Venue, VenuePosition

if TYPE_CHECKING:
    from autotrader.runtime.loop import TradingLoop

ZERO = Decimal(0)
DUST = Decimal("1e-6")
"""Less than this is rounding (the venue's, or an average price's), not money that came or went."""

ROUNDED = Decimal("1e-6")
"""The share of a swap position's cost that may be the rounding of its average price."""

DOUBT_S = 5.0
"""How long figures that do not agree with ours must stand before they are believed."""

SETTLING_MS = RATE_LATE_MS + 30_000
"""How long after a whole hour the money of a swap may have moved by funding that is not told yet."""


def book_new(loop: TradingLoop, exchange: str, told: Sequence[Fill]) -> int:
    """Book the fills that the journal has not; return how many."""
    newest = loop.journal.progress_of(exchange).fill_id
    new = [fill for fill in told if fill.fill_id > newest]
    for fill in new:
        loop.trader.book(fill)
    return len(new)


async def take_balances(loop: TradingLoop, exchange: str, *, turn: Turn = IN_TURN, looks: int = 3) -> bool:
    """Take an exchange's cash from its own figures, and lock whoever owns more than it holds; False while in doubt.

    What came or went without a fill of ours and without funding is a deposit or withdrawal, and the loss baselines move
    with it. With a declared budget the cash begins there and follows our fills and settlements alone. What the venue
    holds beyond our positions is foreign and is left alone.

    Figures that a fill came between are asked for again. A real exchange may tell a fill late: what does not agree
    with our own is believed when it is the same at a second look, DOUBT_S later or more, and money of a swap not while
    it settles. Funding that is told later still takes back what was called a deposit or withdrawal.
    """
    venue, account = loop.desk.venues[exchange], loop.accounts[exchange]
    for _ in range(looks):
        before = loop.journal.progress_of(exchange).fill_id
        balances = await venue.balances()
        positions = await venue.positions() if venue.market == "swap" else {}
        told = await venue.fills(before)
        paid = await venue.funding_paid(_settled_ms(loop, exchange)) if venue.market == "swap" else ()
        async with turn:
            book_new(loop, exchange, told)
            if venue.market == "swap":
                book_funding(loop, exchange, paid)
            if loop.journal.progress_of(exchange).fill_id == before:
                return _take(loop, venue, account, _Figures(balances, positions))
    return False


class _Figures(NamedTuple):
    """What an exchange said that it holds."""

    balances: Mapping[str, Balance]
    positions: Mapping[str, VenuePosition]


def _take(loop: TradingLoop, venue: Venue, account: Account, told: _Figures) -> bool:
    legs, rounding = [leg for leg in account.legs.values() if leg.position.amount], DUST
    if account.budget is not None:
        cash = _from_budget(loop, account, account.budget)
    else:
        cash = told.balances[account.quote].total if account.quote in told.balances else ZERO
        if account.market == "swap":
            tied, rounding = _tied(legs, told.positions)
            cash -= tied
    moved = cash - account.cash if account.known and abs(cash - account.cash) > rounding else ZERO
    short = _short(venue, legs, told)
    unexplained = ZERO if account.budget is not None else moved
    doubtful = venue.remote and _in_doubt(loop, venue, unexplained, short)
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


def _tied(legs: Sequence[Leg], positions: Mapping[str, VenuePosition]) -> tuple[Decimal, Decimal]:
    """Return the signed money that swap positions were entered for, and what of it may be rounding.

    It goes by the exchange's own average price, for that says what it has realised: a part that one of two holders of
    a symbol leaves is realised there at the average of both.
    """
    amounts: dict[str, Decimal] = {}
    paid: dict[str, Decimal] = {}
    for leg in legs:
        amounts[leg.symbol] = amounts.get(leg.symbol, ZERO) + leg.position.amount
        paid[leg.symbol] = paid.get(leg.symbol, ZERO) + leg.position.paid
    tied, rounding = ZERO, DUST
    for symbol, amount in amounts.items():
        held = positions.get(symbol)
        one = paid[symbol] if held is None else amount * held.entry_price
        tied, rounding = tied + one, rounding + abs(one) * ROUNDED
    return tied, rounding


def _in_doubt(loop: TradingLoop, venue: Venue, moved: Decimal, short: Mapping[str, str]) -> bool:
    """Tell whether figures that do not agree with ours are seen for the first time, or money while a swap settles."""
    account = loop.accounts[venue.name]
    if not moved and not short:
        account.doubt = None
        return False
    now_s, seen = loop.clock.monotonic_s(), (moved, tuple(sorted(short.items())))
    if account.doubt is None or account.doubt[0] != seen:
        account.doubt = seen, now_s
    settles = venue.market == "swap" and venue.market_ms() % HOUR_MS < SETTLING_MS
    return (bool(moved) and settles) or now_s - account.doubt[1] < DOUBT_S


def book_funding(loop: TradingLoop, exchange: str, told: Sequence[FundingPaid]) -> None:
    """Take settlements into the cash, and into the gains of whoever holds their symbol, each once.

    Of a symbol they come in the order of their moments; the last one booked is kept. Before there are any such marks,
    what was settled is in the figures already.
    """
    account, key = loop.accounts[exchange], _funding_flag(exchange)
    kept = loop.journal.flags().get(key)
    if not isinstance(kept, dict):
        with loop.journal.write():
            loop.journal.flag(key, {event.symbol: event.ts_ms for event in told})
        return
    for event in told:
        if event.ts_ms <= kept.get(event.symbol, -1):
            continue
        kept = kept | {event.symbol: event.ts_ms}
        own, cash = _own_after(loop, account, event), account.cash + event.amount
        with loop.journal.write():
            loop.journal.flag(key, kept)
            for name, one in own.items():
                loop.journal.flag(own_flag(name), plain_own(one))
            loop.journal.progress(exchange, loop.journal.progress_of(exchange).ts_ms, cash)
            paid = f"{event.symbol}: {event.amount} {account.quote}"
            loop.journal.event(event.ts_ms, "info", "funding", exchange, paid)
        account.cash = cash
        loop.trader.own |= own


def _own_after(loop: TradingLoop, account: Account, event: FundingPaid) -> dict[str, Own]:
    """Return the strategies with limits of their own that a settlement moves, by what they hold of its symbol now.

    The last of its holders takes what is left.
    """
    own, found = loop.trader.own, dict[str, Own]()
    legs = [leg for leg in account.legs.values() if leg.symbol == event.symbol and leg.position.amount]
    net = abs(sum((leg.position.amount for leg in legs), ZERO))
    if not net:
        return found
    left = abs(event.amount)
    for number, leg in enumerate(sorted(legs, key=lambda one: one.owner)):
        part = (abs(event.amount) * abs(leg.position.amount) / net).quantize(STEP, ROUND_FLOOR)
        part = left if number == len(legs) - 1 else part
        left -= part
        if (one := found.get(leg.owner, own.get(leg.owner))) is not None:
            moved = account.worth(part if event.amount > 0 else -part)
            found[leg.owner] = one._replace(settled=one.settled + moved)
    return found


def _funding_flag(exchange: str) -> str:
    """Return the journal's flag of the last settlement of each symbol that was booked."""
    return f"funding {exchange}"


def _settled_ms(loop: TradingLoop, exchange: str) -> int:
    """Return the moment after which an exchange is asked for settlements: a day before the last one booked."""
    kept = loop.journal.flags().get(_funding_flag(exchange))
    return max(kept.values(), default=0) - DAY_MS if isinstance(kept, dict) else 0


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
