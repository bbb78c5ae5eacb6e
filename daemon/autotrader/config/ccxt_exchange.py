"""The schema of `kind: ccxt`: a real exchange, its account and how much of the program it is trusted with."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from autotrader.config.exchange import BUDGET, LEVERAGE, Balances, Fees, check_money
from autotrader.config.exchange_ids import CREDENTIALS, EXCHANGE_IDS, SPOT_IDS, SWAP_IDS
from autotrader.config.model import Declared, trouble
from autotrader.config.secrets import Secret
from autotrader.config.types import DurationMs, DurationOrZeroMs, FractionOrZero, MoneyAmount
from autotrader.config.wording import did_you_mean, shown

STOPS_AT_VENUE = frozenset(
    {
        ("binance", "spot"),
        ("binance", "swap"),
        ("binanceusdm", "swap"),
        ("bybit", "swap"),
        ("kraken", "spot"),
        ("okx", "spot"),
    }
)
"""Exchanges and their markets where stops rest at the exchange itself: they work while the daemon is away."""

CANCEL_TIMERS: Mapping[str, int] = {"kraken": 600_000, "okx": 120_000}
"""Exchanges whose timer cancels all open orders unless it is wound again and can be stopped; its longest time in ms.

Not Bybit, whose timer goes by a websocket's connection and cannot be stopped, nor Binance USD-M, which has one for each
symbol. A timer takes stops that rest there with it, or is not known to leave them: with one, none is placed there.
"""

MIN_CANCEL_AFTER_MS = 10_000

PAPER_MONEY = Decimal(10000)
"""The USDT that `orders: paper` starts with where no balances are declared."""


class Credentials(Declared):
    """What an exchange knows the account by; each a reference to a secret, never the secret itself."""

    key: Secret = Field(description="The API key, as ${env:NAME} or ${file:NAME}. One that may not withdraw.")
    secret: Secret = Field(description="The key's secret, as ${env:NAME} or ${file:NAME}.")
    password: Secret | None = Field(default=None, description="The key's passphrase, where the exchange has one.")
    uid: Secret | None = Field(default=None, description="The account's number, where the exchange asks for it.")

    def revealed(self) -> dict[str, str]:
        """Return the values by name, for the one call that makes the client."""
        held = {"key": self.key, "secret": self.secret, "password": self.password, "uid": self.uid}
        return {name: one.reveal() for name, one in held.items() if one is not None}


class CcxtExchange(Declared):
    """A real exchange: its live market, and either simulated fills or real orders."""

    kind: Literal["ccxt"] = Field(default="ccxt", description="A real exchange, through ccxt.")
    id: str = Field(description="The exchange, by ccxt's id, as binance.", examples=["binance", "upbit", "okx"])
    market: Literal["spot", "swap", "future"] = Field(
        default="spot", description="spot: owns coins. swap: perpetuals, signed positions."
    )
    orders: Literal["paper", "live"] = Field(
        default="paper", description="paper: its live market, simulated fills. live: real orders with real money."
    )
    credentials: Credentials | None = Field(default=None, description="The account; `orders: live` needs it.")
    url: Annotated[str, Field(max_length=200)] = Field(
        default="", description="Another host for everything, as a test network's or the emulator's."
    )
    balances: Balances = Field(
        default={},
        max_length=100,
        description="paper: the money at the start, by currency; left out: 10000 USDT. live: as the exchange tells.",
    )
    budget: MoneyAmount | None = Field(default=None, description=BUDGET)
    fees: Fees | None = Field(
        default=None,
        description="What a fill costs; left out: what the exchange tells, and 0.1% where that is not known yet.",
    )
    slippage: FractionOrZero = Field(
        default=Decimal("0.0002"),
        description="How much worse than the price a taker fills, as 2bps: on paper, in backtests, in reserves.",
    )
    latency: DurationOrZeroMs = Field(
        default=50, description="On paper and in backtests, from an order to its place in the market, as 50ms."
    )
    leverage: int = Field(default=1, ge=1, le=125, description=LEVERAGE)
    cancel_after: DurationMs | None = Field(
        default=None,
        description="The exchange cancels all open orders so long after it last heard from the daemon, as 60s; "
        "stops do not rest there then.",
    )
    unprotected: Literal["accept"] | None = Field(
        default=None, description="accept: trade though the exchange keeps no protective exits while we are away."
    )

    @property
    def keeps_stops(self) -> bool:
        """Whether stops of real orders rest at the exchange itself: its timer would take them with it."""
        return (self.id, self.market) in STOPS_AT_VENUE and self.cancel_after is None

    @model_validator(mode="before")
    @classmethod
    def _paper_money(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("balances") is None and value.get("orders", "paper") == "paper":
            return {**value, "balances": {"USDT": PAPER_MONEY}}
        return value

    @field_validator("id")
    @classmethod
    def _known(cls, value: str) -> str:
        if value in EXCHANGE_IDS:
            return value
        meant = did_you_mean(value, EXCHANGE_IDS)
        hint = f"did you mean '{meant}'?" if meant else "write the id that ccxt gives it, as binance, upbit or okx"
        raise trouble(f"ccxt has no exchange '{shown(value)}'", hint)

    @field_validator("url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            right = not value or (parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
        except ValueError:
            right = False
        if not right or "@" in value or "?" in value or "#" in value:
            raise trouble("this is no address of a server", "write it as http://127.0.0.1:9100")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> CcxtExchange:
        if self.market == "future":
            raise trouble("futures with an end are not traded yet", "write market: swap", at=("market",))
        if self.id not in {"spot": SPOT_IDS, "swap": SWAP_IDS}[self.market]:
            other = "spot" if self.market == "swap" else "swap"
            raise trouble(f"{self.id} has no {self.market} market", f"write market: {other}", at=("market",))
        check_money(self.market, self.leverage, self.balances, simulated=self.orders == "paper", budget=self.budget)
        if self.orders == "live":
            self._accountable()
        if self.cancel_after is not None:
            self._timed(self.cancel_after)
        return self

    def _timed(self, after_ms: int) -> None:
        """Refuse a timer that the exchange does not have, or not so long."""
        at = ("cancel_after",)
        if self.orders == "paper":
            raise trouble("orders on paper are filled here, where no timer is needed", "remove it", at=at)
        longest_ms = CANCEL_TIMERS.get(self.id)
        if longest_ms is None:
            message = f"{self.id} has no timer that cancels orders, or none that can be stopped"
            raise trouble(message, f"remove it; there is one at {', '.join(sorted(CANCEL_TIMERS))}", at=at)
        if not MIN_CANCEL_AFTER_MS <= after_ms <= longest_ms:
            message = f"the timer of {self.id} runs for 10s to {longest_ms // 1000}s"
            raise trouble(message, "write cancel_after: 60s", at=at)

    def _accountable(self) -> None:
        """Refuse live orders without an account, or with money that only the exchange can tell."""
        needed = CREDENTIALS.get(self.id, ("key", "secret"))
        if not needed:
            message = f"{self.id} knows an account by more than a key, which is not built yet"
            raise trouble(message, "write orders: paper", at=("orders",))
        given = self.credentials
        if given is None:
            wanted = ", ".join(f"{name}: ${{file:{self.id}_{name}}}" for name in needed)
            hint = f"write below credentials: {wanted}; or write orders: paper"
            raise trouble("live orders need an account", hint, at=("orders",))
        for name in needed:
            if getattr(given, name) is None:
                hint = f"add {name}: ${{file:{self.id}_{name}}}"
                raise trouble(f"{self.id} knows an account by its {name}, too", hint, at=("credentials",))
        if self.balances:
            hint = "remove it; budget: limits what is used of what the exchange holds"
            raise trouble("live orders trade with what the exchange holds, not with balances", hint, at=("balances",))
