"""From declarations to the plain values that the pure layers take."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from autotrader.config.exchanges import equity_currency
from autotrader.config.load import Declarations
from autotrader.config.strategy import Legs, StrategyParams
from autotrader.core.clock import DAY_MS
from autotrader.core.units import Money, timeframe_ms
from autotrader.execution.leg import NO_BOUND, Policy
from autotrader.execution.orders import Guard
from autotrader.execution.sizing import Kelly, Size
from autotrader.execution.together import Terms
from autotrader.features.feature import MAX_WINDOW
from autotrader.market.fills import scaled
from autotrader.risk.limits import Cap, Cooldown, Limits

ATR = "size:atr"
"""The column that a volatility size reads; it follows the strategy's own columns."""


SHARE = "slice:"
"""Begins the columns that a vwap reads: the share of the usual volume up to the end of slice 1, 2 and so on."""

USUAL_DAYS = 7
"""Over how many days the usual volume is the mean, or as many as there is room for in the history that is kept."""


class Rules(NamedTuple):
    """The declared limits: the account's, and those that strategies have of their own, by name."""

    account: Limits
    own: Mapping[str, Limits]


def rules_of(declarations: Declarations) -> Rules:
    """Return the account-wide limits, and the strategies' own."""
    own = {name: own_limits(declarations, params) for name, params in declarations.strategies.items() if params.risk}
    return Rules(limits_of(declarations), own)


def limits_of(declarations: Declarations) -> Limits:
    """Return the account-wide limits; without a risk file there are none."""
    return _profile(declarations, declarations.daemon.risk)


def own_limits(declarations: Declarations, params: StrategyParams) -> Limits:
    """Return the limits that a strategy has of its own; none where its file names no profile."""
    return _profile(declarations, params.risk) if params.risk else Limits()


def profiles_of(declarations: Declarations) -> dict[str, Limits]:
    """Return the limits of every file in risk.d, by name."""
    return {name: _profile(declarations, name) for name in sorted(declarations.risks)}


def _profile(declarations: Declarations, name: str) -> Limits:
    declared = declarations.risks.get(name)
    if declared is None:
        return Limits()
    rest, currency = declared.cooldown, equity_currency(declarations)
    return Limits(
        max_order=_cap(declared.max_order, currency),
        max_position=_cap(declared.max_position, currency),
        max_exposure=_cap(declared.max_exposure, currency),
        max_open_positions=declared.max_open_positions,
        max_orders_per_minute=declared.max_orders_per_minute,
        price_collar=declared.price_collar,
        max_daily_loss=_cap(declared.max_daily_loss, currency),
        max_drawdown=_cap(declared.max_drawdown, currency),
        stale_data_ms=declared.stale_data,
        cooldown=Cooldown(rest.losses, rest.within, rest.pause) if rest else None,
        on_breach=declared.on_breach,
    )


def _cap(value: Money | Decimal | None, currency: str) -> Cap | None:
    match value:
        case None:
            return None
        case Money():
            return Cap(amount=value.amount, currency=value.currency)
    return Cap(share=value, currency=currency)


def declared_policy(params: StrategyParams) -> Policy:
    """Return how a strategy's orders are sent."""
    execution = params.execution
    match execution.kind:
        case "market":
            return Policy()
        case "iceberg":
            return Policy(execution.kind, execution.timeout, show=scaled(execution.show))
        case "twap" | "vwap":
            return Policy(execution.kind, execution.over, slices=execution.slices)
    chase = NO_BOUND if execution.chase is None else execution.chase
    return Policy(execution.kind, execution.timeout, execution.post_only, chase, execution.time_in_force)


def declared_guard(params: StrategyParams) -> Guard:
    """Return a strategy's declared protective exits."""
    return Guard(params.exits.stop_loss, params.exits.take_profit, params.exits.trailing_stop)


def declared_size(params: StrategyParams) -> tuple[Size, int]:
    """Return a declared size as the sizing function takes it, and the ATR window that it needs (0: none)."""
    size = params.size
    match size.kind:
        case "percent":
            return Size("percent", size.percent), 0
        case "fixed":
            return Size("fixed", size.amount), 0
        case "notional":
            return Size("notional", size.amount.amount), 0
        case "volatility":
            return Size("volatility", size.risk), size.atr
        case "kelly":
            return Size("kelly", Decimal(0), Kelly(size.fraction, size.cap, size.start, size.min_trades)), 0


def order_columns(params: StrategyParams, timeframe: str) -> dict[str, str]:
    """Return the columns that sizing and slicing read, as expressions by name; they follow the strategy's own."""
    columns = {}
    if params.size.kind == "volatility":
        columns[ATR] = f"atr({params.size.atr})"
    execution = params.execution
    if execution.kind == "vwap":
        bar_ms = timeframe_ms(timeframe)
        whole = _usual(execution.over, 1, bar_ms)
        for number in range(1, execution.slices):
            part = _usual(execution.over * number, execution.slices, bar_ms)
            columns[f"{SHARE}{number}"] = f"({part}) / ({whole})"
    return columns


def _usual(span_ms: int, parts: int, bar_ms: int) -> str:
    """Return the expression of the volume that usually follows within `span_ms` / `parts`: that of the days before.

    A day is so many bars as it holds. Of a bar that is within it in part, that part is counted.
    """
    whole, rest = divmod(span_ms, parts * bar_ms)
    if not rest:
        return _ahead(whole, bar_ms)
    after = _ahead(whole + 1, bar_ms)
    if not whole:
        return f"{after} * {rest} / {parts * bar_ms}"
    before = _ahead(whole, bar_ms)
    return f"{before} + ({after} - {before}) * {rest} / {parts * bar_ms}"


def _ahead(bars: int, bar_ms: int) -> str:
    """Return the expression of the volume of the next `bars` bars, on each of the days before, summed."""
    day = DAY_MS // bar_ms
    days = min(USUAL_DAYS, MAX_WINDOW // day)
    summed = " + ".join("volume" if not n else f"prev(volume, {n * day})" for n in range(days))
    within = f"({summed})" if bars == 1 else f"window_sum({summed}, {bars})"
    return within if bars == day else f"prev({within}, {day - bars})"


def declared_terms(params: StrategyParams) -> Terms:
    """Return what becomes of a trade of several legs of which one fails; where nothing is declared, the defaults."""
    legs = getattr(params, "legs", None) or Legs()
    return Terms(legs.on_failure == "complete_or_unwind", legs.bound, legs.deadline)
