"""Rates between the currencies of exchanges and the one that the account is counted in, asked for once a minute."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from autotrader.core.errors import HistoryError, VenueError
from autotrader.core.events import Series
from autotrader.execution.rates import RateSource, rate_of, rate_sources
from autotrader.runtime.account import Account
from autotrader.runtime.sender import IN_TURN, Turn, turns

if TYPE_CHECKING:
    from autotrader.runtime.loop import TradingLoop

TIMEFRAMES = ("1m", "5m", "15m", "1h", "1d")
"""The bars whose last close is a price, the first that an exchange has."""

log = structlog.get_logger("rates")


def rate_flag(account: Account, currency: str) -> str:
    """Return the journal's flag of the last rate of an exchange's money."""
    return f"rate {account.name} {account.quote}/{currency}"


class Rates:
    """Keeps the rate of each exchange whose money is counted in another currency than the account.

    The last known rate is used until another is told, over restarts too. Money without any rate is added as it is.
    """

    def __init__(self, loop: TradingLoop) -> None:
        self._loop = loop
        self._found: dict[str, tuple[RateSource, str]] = {}
        self._missing: set[str] = set()

    def restore(self, currency: str) -> None:
        """Take back the rates that the journal knows."""
        flags = self._loop.journal.flags()
        for account in self._loop.accounts.values():
            if (kept := flags.get(rate_flag(account, currency))) is not None:
                account.rate, account.rated = Decimal(kept), True

    async def refresh(self, currency: str, turn: Turn = IN_TURN) -> None:
        """Ask for the rates of every exchange that needs one. `turn` is taken for what the answers change."""
        for account in list(self._loop.accounts.values()):
            if account.quote == currency:
                continue
            rate = await self._rate(account, currency, turn)
            async with turn:
                if rate is not None:
                    self._missing.discard(account.name)
                    self._loop.trader.take_rate(account, rate, rate_flag(account, currency))
                elif account.name not in self._missing:
                    self._missing.add(account.name)
                    self._miss(account, currency)

    async def _rate(self, account: Account, currency: str, turn: Turn) -> Decimal | None:
        known = self._found.get(account.name)
        if known is not None and (price := await self._price(*known, turn)) is not None:
            return rate_of(price, inverse=known[0].inverse)
        for source in rate_sources(account.quote, currency, account.name, self._loop.accounts):
            for timeframe in TIMEFRAMES:
                price = await self._price(source, timeframe, turn)
                rate = rate_of(price, inverse=source.inverse) if price is not None else None
                if rate is not None:
                    self._found[account.name] = source, timeframe
                    log.info("a rate was found", exchange=account.name, of=source.exchange, symbol=source.symbol)
                    return rate
        return None

    async def _price(self, source: RateSource, timeframe: str, turn: Turn) -> Decimal | None:
        """Return a symbol's last price, streamed or asked for; None where its exchange does not tell one now."""
        loop = self._loop
        venue, account = loop.desk.venues.get(source.exchange), loop.accounts.get(source.exchange)
        if venue is None or account is None:
            return None
        if (streamed := account.prices.get(source.symbol)) is not None:
            return streamed
        series = Series(source.exchange, source.symbol, timeframe)
        try:
            async with turns(venue, turn)[0]:
                bars = await venue.bars(series, end_ms=venue.market_ms(), limit=1)
        except (VenueError, HistoryError) as error:
            log.debug("no rate from here", exchange=source.exchange, symbol=source.symbol, error=str(error))
            return None
        return Decimal(repr(bars[-1].close)) if bars else None

    def _miss(self, account: Account, currency: str) -> None:
        what = "the last known rate is used" if account.rated else "it is added without one"
        message = f"no exchange tells what {account.quote} is worth in {currency}; {what}"
        log.warning(message, exchange=account.name)
        with self._loop.journal.write():
            self._loop.journal.event(account.market_ms, "warning", "rate", account.name, message)


def shown_rates(accounts: Mapping[str, Account], currency: str) -> dict[str, str]:
    """Return the rate of each exchange that needs one, as people read it; empty where none is known."""
    return {
        name: f"{account.rate:f}" if account.rated else ""
        for name, account in sorted(accounts.items())
        if account.quote != currency
    }
