"""The part of the composition root that makes what stands for a declared exchange: venue, account, history, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autotrader.config.ccxt_exchange import CcxtExchange
from autotrader.config.exchange import Generate, SimulatedExchange
from autotrader.config.exchanges import currency_of, fees_of, generated, is_live, least_of, recorded
from autotrader.config.load import Declarations
from autotrader.core.clock import DAY_MS, Clock
from autotrader.core.errors import BrokenInvariant

if TYPE_CHECKING:
    from autotrader.backtest.run import Source
    from autotrader.market.bars import BarSource
    from autotrader.market.metrics import Metrics
    from autotrader.venues.ccxt.client import CcxtClient
    from autotrader.venues.live.feed import LiveSettings
    from autotrader.venues.live.market import LiveMarket

GENERATED_MS = 90 * DAY_MS
"""How much of a generated market a backtest takes unless it is told: the market itself never ends."""


def make_venue(root: Path, clock: Clock, name: str, declarations: Declarations) -> Any:
    """Return an exchange's venue, not yet open. Raises AutotraderError where it cannot be made."""
    declared = declarations.exchanges[name]
    if isinstance(declared, CcxtExchange):
        make = make_live if is_live(declared) else make_live_paper
        return make(root, clock, name, declared)
    from autotrader.venues.paper.venue import PaperVenue

    return PaperVenue(paper_settings(root, name, declarations), root / "var" / f"paper-{name}.db", clock)


def make_live(root: Path, clock: Clock, name: str, declared: CcxtExchange) -> Any:
    """Return a real account with its live market, not yet open; ccxt itself is imported when it opens."""
    from autotrader.venues.ccxt.account import CcxtAccount
    from autotrader.venues.ccxt.venue import CcxtVenue

    client, data = _live_market(clock, name, declared)
    return CcxtVenue(CcxtAccount(client, root / "var" / f"ccxt-{name}.db"), data)


def make_live_paper(root: Path, clock: Clock, name: str, declared: CcxtExchange) -> Any:
    """Return a simulated account on a real exchange's live market, not yet open; its client has no credentials."""
    from autotrader.venues.paper.live import LivePaperVenue
    from autotrader.venues.paper.state import LivePaperSettings

    client, data = _live_market(clock, name, declared)
    fees = fees_of(declared)
    settings = LivePaperSettings(
        name=name,
        market="swap" if declared.market == "swap" else "spot",
        exchange=declared.id,
        balances=dict(declared.balances),
        maker_fee=fees.maker,
        taker_fee=fees.taker,
        slippage=declared.slippage,
        latency_ms=declared.latency,
        leverage=declared.leverage,
    )
    return LivePaperVenue(settings, root / "var" / f"paper-{name}.db", clock, client, data, data.heard_ms)


def _live_market(clock: Clock, name: str, declared: CcxtExchange) -> tuple[CcxtClient, LiveMarket]:
    """Return an exchange's client, and the market that is read through it."""
    from autotrader.venues.ccxt.feed import OwnNames
    from autotrader.venues.live.feed import Connection, ExchangeClock
    from autotrader.venues.live.market import LiveMarket

    client = make_client(clock, name, declared)
    market = LiveMarket(
        lambda: Connection(OwnNames(client), client.ticks()),
        live_settings(name, declared),
        ExchangeClock(clock, client.now_ms),
    )
    return client, market


def make_client(clock: Clock, name: str, declared: CcxtExchange) -> CcxtClient:
    """Return an exchange's client, not yet open. Only live orders are given credentials."""
    from random import Random

    from autotrader.venues.ccxt.client import CcxtClient
    from autotrader.venues.ccxt.make import make_exchange, settings_of

    settings = settings_of(name, declared)
    if not is_live(declared):
        settings = replace(settings, credentials={})
    spread = Random()  # noqa: S311 - it spreads the pauses between tries
    return CcxtClient(settings, clock, make_exchange, spread)


def live_settings(name: str, declared: CcxtExchange) -> LiveSettings:
    """Return what is known of an exchange's live market data."""
    from autotrader.venues.live.feed import LiveSettings

    market: Literal["spot", "swap"] = "swap" if declared.market == "swap" else "spot"
    if declared.id == "binance":
        return LiveSettings(name, market=market, ids_count=True, from_id="fromId", rates_page=1_000)
    return LiveSettings(name, market=market)


def paper_settings(root: Path, name: str, declarations: Declarations) -> Any:
    """Return the settings of an embedded market."""
    from autotrader.venues.paper.state import PaperSettings

    declared = declarations.exchanges[name]
    if not isinstance(declared, SimulatedExchange):
        raise BrokenInvariant(f"{name} is no embedded market")
    source = declared.source
    return PaperSettings(
        name=name,
        market=declared.market,
        source=bars_of(root, name, declarations),
        balances=dict(declared.balances),
        speed=source.speed,
        start_ms=_start_ms(declarations, name),
        maker_fee=declared.fees.maker,
        taker_fee=declared.fees.taker,
        slippage=declared.slippage,
        latency_ms=declared.latency,
        min_notional=least_of(declared),
        leverage=declared.leverage,
    )


def make_account(name: str, declarations: Declarations) -> Any:
    """Return the account that an exchange's money is kept in."""
    from autotrader.runtime.account import Account

    declared = declarations.exchanges[name]
    return Account(
        name,
        declared.market,
        currency_of(name, declarations),
        fees_of(declared).taker + declared.slippage,
        budget=declared.budget.amount if declared.budget else None,
        leverage=declared.leverage,
    )


def make_metrics(root: Path, name: str, declarations: Declarations, data: Path | None = None) -> Metrics:
    """Return the metrics that strategies on an exchange read: they lie in the history behind it, or in `data`."""
    from autotrader.market.metrics import Metrics

    source = recorded(declarations.exchanges[name], declarations.daemon)
    return Metrics(data or root / (source.data if source else declarations.daemon.data))


def bars_of(root: Path, name: str, declarations: Declarations) -> BarSource:
    """Return an exchange's bars as they are recorded, or drawn."""
    from autotrader.market.generate import Generated
    from autotrader.market.history import History

    declared = declarations.exchanges[name]
    drawn, source = generated(declared), recorded(declared, declarations.daemon)
    if drawn is not None:
        return Generated(drawn.seed, drawn.symbols)
    assert source is not None  # what is not drawn is recorded
    return History(root / source.data, source.exchange)


def backtest_source(root: Path, declarations: Declarations, data: Path | None = None) -> Source:
    """Return where a backtest's bars come from, by exchange: what is declared, or another folder of history."""
    from autotrader.market.history import History

    def source(name: str) -> tuple[BarSource, int | None]:
        if data is None:
            return bars_of(root, name, declarations), _start_ms(declarations, name)
        lies = recorded(declarations.exchanges[name], declarations.daemon)
        return History(data, lies.exchange if lies else name), None

    return source


def end_ms(
    declarations: Declarations, names: Sequence[str], from_ms: int | None, to_ms: int | None, data: Path | None
) -> int | None:
    """Return where a backtest ends: where it was told to, or after a while in a market that never ends."""
    from autotrader.market.generate import BEGIN_MS

    drawn = {name for name, one in declarations.exchanges.items() if generated(one)}
    used = [name for name in names or declarations.strategies if name in declarations.strategies]
    if (
        to_ms is None
        and data is None
        and any(exchange in drawn for name in used for _, exchange in declarations.strategies[name].exchanges())
    ):
        return (from_ms if from_ms is not None else BEGIN_MS) + GENERATED_MS
    return to_ms


def _start_ms(declarations: Declarations, name: str) -> int | None:
    """Return where a replay is declared to begin."""
    declared = declarations.exchanges[name]
    if not isinstance(declared, SimulatedExchange) or isinstance(declared.source, Generate):
        return None
    return declared.source.start_ms
