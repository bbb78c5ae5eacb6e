"""The schema of risk.d: the limits in front of every order. A key left out sets no limit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from autotrader.config.model import Declared
from autotrader.config.types import DurationMs, Fraction, FractionBelowOne, MoneyOrFraction, Share


class Cooldown(Declared):
    losses: int = Field(ge=1, le=1000, description="How many losing trades begin the rest.")
    within: DurationMs = Field(description="The time in which they fall, as 6h.")
    pause: DurationMs = Field(description="How long no entry is made, as 2h.")


class RiskLimits(Declared):
    """Limits are net per symbol, gross for exposure; an order that only reduces an owned position passes them all.

    The account's are measured on everything. Those that a strategy names with `risk:` are measured on its own orders,
    positions and profit, and a share is then of what it may use (`capital`).
    """

    max_order: MoneyOrFraction | None = Field(
        default=None, description="The largest order: money, or a share of equity."
    )
    max_position: MoneyOrFraction | None = Field(
        default=None, description="The largest net position in one symbol: a share of equity, or money."
    )
    max_exposure: Fraction | None = Field(
        default=None, description="All positions together, gross, as a share of equity."
    )
    max_open_positions: int | None = Field(
        default=None, ge=1, le=10_000, description="How many symbols may be held at once."
    )
    max_orders_per_minute: int | None = Field(default=None, ge=1, le=100_000, description="Orders in any 60 s.")
    price_collar: FractionBelowOne | None = Field(
        default=None, description="Refuse an order priced further than this from the last price."
    )
    max_daily_loss: Share | None = Field(
        default=None, description="Loss since 00:00 UTC, as a share of that moment's equity."
    )
    max_drawdown: Share | None = Field(default=None, description="Loss from the highest equity, as a share of it.")
    stale_data: DurationMs | None = Field(default=None, description="No new orders on data older than this.")
    cooldown: Cooldown | None = Field(default=None, description="Rest after a run of losses.")
    on_breach: Literal["pause", "close"] = Field(
        default="pause", description="After a loss limit: pause stops entries, close flattens too."
    )
