"""The schema of `kind: simulated`, the embedded market, and what it has in common with real exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from autotrader.config.daemon import PathStr
from autotrader.config.model import Declared, trouble
from autotrader.config.types import (
    FOLDER_PATTERN,
    CurrencyStr,
    DurationOrZeroMs,
    FractionOrZero,
    InstantMs,
    MoneyAmount,
    Speed,
    SymbolStr,
)
from autotrader.core.units import Money

Symbols = Annotated[tuple[SymbolStr, ...], Field(min_length=1, max_length=100)]


class Replay(Declared):
    data: PathStr | None = Field(
        default=None, description="The folder of recorded history; left out: the daemon's `data`."
    )
    exchange: str = Field(
        pattern=FOLDER_PATTERN,
        description="Whose history: a folder under candles/.",
        examples=["binance"],
    )
    speed: Speed = Field(default=1.0, description="How much faster than the clock, as 60x, or max.")
    start_ms: InstantMs | None = Field(
        default=None,
        alias="from",
        description="Where trading starts; earlier bars warm up. Left out: where every symbol has bars.",
    )


class Generate(Declared):
    seed: int = Field(default=7, ge=0, le=2**32 - 1, description="The same seed gives the same market.")
    symbols: Symbols = Field(default=("BTC/USDT", "ETH/USDT"), description="What the market trades.")
    speed: Speed = Field(default=1.0, description="How much faster than the clock, as 60x, or max.")


class Fees(Declared):
    maker: FractionOrZero = Field(default=Decimal("0.001"), description="Fee of an order that rested, as 0.1%.")
    taker: FractionOrZero = Field(default=Decimal("0.001"), description="Fee of an order that took, as 0.1%.")


Balances = Mapping[CurrencyStr, Annotated[Decimal, Field(ge=0)]]
"""Money by currency."""

LEVERAGE = "On a swap, how many times its share of the money a strategy may hold; 1 unless declared."
BUDGET = "The money to trade with, where not all of the balance, as 5000 USDT."


def check_money(market: str, leverage: int, balances: Balances, *, simulated: bool, **money: Money | None) -> None:
    """Refuse leverage on a spot market; of simulated money, balances of nothing and sums in a currency without one."""
    if leverage > 1 and market != "swap":
        raise trouble("what is owned on a spot market has no leverage", "write market: swap", at=("leverage",))
    if not simulated:
        return
    if not any(balances.values()):
        raise trouble("every balance is zero", "give one currency an amount, as {USDT: 10000}", at=("balances",))
    for name, one in money.items():
        if one and one.currency not in balances:
            hint = f"the balances are in {', '.join(balances)}"
            raise trouble(f"there is no balance in {one.currency}", hint, at=(name,))


class SimulatedExchange(Declared):
    """The embedded market: recorded or generated prices, orders filled here."""

    kind: Literal["simulated"] = Field(default="simulated", description="The embedded market: no key, no network.")
    market: Literal["spot", "swap"] = Field(
        default="spot", description="spot: owns coins, no shorts. swap: signed positions."
    )
    replay: Replay | None = Field(default=None, description="Recorded history to replay.")
    generate: Generate | None = Field(default=None, description="A seeded market, where there is no history.")
    balances: Balances = Field(
        default={"USDT": Decimal(10000)},
        min_length=1,
        max_length=100,
        description="The money at the start, by currency.",
    )
    fees: Fees = Field(default_factory=Fees, description="What a fill costs.")
    leverage: int = Field(default=1, ge=1, le=125, description=LEVERAGE)
    latency: DurationOrZeroMs = Field(default=50, description="From an order to its place in the market, as 50ms.")
    slippage: FractionOrZero = Field(
        default=Decimal("0.0002"), description="How much worse than the price a taker fills, as 2bps."
    )
    min_notional: MoneyAmount | None = Field(default=None, description="The smallest order, as 5 USDT.")
    budget: MoneyAmount | None = Field(default=None, description=BUDGET)

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("replay") is None and value.get("generate") is None:
            return {**value, "generate": {}}
        return value

    @model_validator(mode="after")
    def _consistent(self) -> SimulatedExchange:
        if self.replay and self.generate:
            raise trouble("a market is replayed or generated, not both", "remove one of the two", at=("generate",))
        check_money(
            self.market,
            self.leverage,
            self.balances,
            simulated=True,
            budget=self.budget,
            min_notional=self.min_notional,
        )
        return self

    @property
    def source(self) -> Replay | Generate:
        """Where the prices come from."""
        return self.replay or self.generate or Generate.model_validate({})
