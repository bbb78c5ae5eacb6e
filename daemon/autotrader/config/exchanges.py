"""Every kind of exchange that a file can declare, and what the program reckons with whatever the kind."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, Protocol

from autotrader.config.ccxt_exchange import CcxtExchange
from autotrader.config.daemon import DaemonSettings
from autotrader.config.exchange import Fees, Generate, Replay, SimulatedExchange
from autotrader.config.strategy import SingleExchange, StrategyParams
from autotrader.core.units import split_symbol

Exchange = SimulatedExchange | CcxtExchange

EXCHANGE_KINDS: Mapping[str, type[Exchange]] = {"simulated": SimulatedExchange, "ccxt": CcxtExchange}

USUAL_CURRENCY = "USDT"
BACKTEST_MONEY = Decimal(10000)
"""What a backtest starts with, in the quote currency, where the exchange alone knows what the account holds."""


class DeclaredObjects(Protocol):
    """What knows all declared objects by name, as `Declarations` does."""

    @property
    def daemon(self) -> DaemonSettings | None: ...

    @property
    def exchanges(self) -> Mapping[str, Exchange]: ...

    @property
    def strategies(self) -> Mapping[str, StrategyParams]: ...


class Recorded(NamedTuple):
    """Recorded history: its folder, relative to the configuration, and whose it is below candles/."""

    data: str
    exchange: str


def recorded(exchange: Exchange, daemon: DaemonSettings | None) -> Recorded | None:
    """Return the history behind an exchange: what it replays, or of a real one the daemon's; None where it is drawn."""
    usual = (daemon or DaemonSettings.model_validate({})).data
    if isinstance(exchange, CcxtExchange):
        return Recorded(usual, exchange.id + ("-perp" if exchange.market == "swap" else ""))
    if isinstance(exchange.source, Replay):
        return Recorded(exchange.source.data or usual, exchange.source.exchange)
    return None


def generated(exchange: Exchange) -> Generate | None:
    """Return what an exchange draws its prices from; None where they are recorded or real."""
    if isinstance(exchange, SimulatedExchange) and isinstance(exchange.source, Generate):
        return exchange.source
    return None


def is_live(exchange: Exchange) -> bool:
    """Tell whether orders go to a real account."""
    return isinstance(exchange, CcxtExchange) and exchange.orders == "live"


def ledger_of(exchange: Exchange) -> str:
    """Return which ledger an exchange's orders and fills are of: one is never taken for another's."""
    if isinstance(exchange, CcxtExchange):
        return f"{exchange.orders} {exchange.id} {exchange.market}"
    return f"{exchange.kind} {exchange.market}"


def fees_of(exchange: Exchange) -> Fees:
    """Return what a fill is reckoned to cost before it is known; 0.1 % where a real exchange is to tell it."""
    return exchange.fees or Fees()


def least_of(exchange: Exchange) -> Decimal:
    """Return the smallest order in quote money; zero where a real exchange is to tell it."""
    least = exchange.min_notional if isinstance(exchange, SimulatedExchange) else None
    return least.amount if least else Decimal(0)


def balance_of(exchange: Exchange, currency: str) -> Decimal:
    """Return the money that a backtest begins with, in the currency that it is counted in."""
    if is_live(exchange):
        return exchange.budget.amount if exchange.budget else BACKTEST_MONEY
    return exchange.balances.get(currency, Decimal(0))


def currency_of(name: str, declared: DeclaredObjects) -> str:
    """Return what the money of one exchange is counted in.

    Simulated: the daemon's `currency`, else the one of the balances. Real: the budget's, else the one of the balances
    (on paper) or the one in which its strategies' symbols are paid (live), else the daemon's `currency`. Else USDT.
    """
    exchange, usual = declared.exchanges[name], declared.daemon.currency if declared.daemon else None
    if isinstance(exchange, SimulatedExchange):
        return usual or _one(_held(exchange)) or USUAL_CURRENCY
    return _one(_known(name, declared)) or usual or USUAL_CURRENCY


def equity_currency(declared: DeclaredObjects) -> str:
    """Return what equity and limits are counted in: the daemon's `currency`, else all exchanges' one, else USDT."""
    if declared.daemon and declared.daemon.currency:
        return declared.daemon.currency
    return _one({one for name in declared.exchanges for one in _known(name, declared)}) or USUAL_CURRENCY


def _known(name: str, declared: DeclaredObjects) -> set[str]:
    """Return the currencies in which an exchange is known to have money."""
    exchange = declared.exchanges[name]
    if isinstance(exchange, CcxtExchange):
        if exchange.budget:
            return {exchange.budget.currency}
        if exchange.orders == "live":
            here = (one for one in declared.strategies.values() if isinstance(one, SingleExchange))
            return {split_symbol(symbol)[1] for one in here if one.exchange == name for symbol in one.symbols}
    return _held(exchange)


def _held(exchange: Exchange) -> set[str]:
    return {currency for currency, amount in exchange.balances.items() if amount}


def _one(currencies: set[str]) -> str:
    return next(iter(currencies)) if len(currencies) == 1 else ""
