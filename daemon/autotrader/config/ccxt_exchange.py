"""The schema of `kind: ccxt`: a real exchange, its account and how much of the program it is trusted with."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from autotrader.config.exchange_ids import EXCHANGE_IDS, SPOT_IDS, SWAP_IDS
from autotrader.config.model import Declared, trouble
from autotrader.config.secrets import Secret
from autotrader.config.types import MoneyAmount
from autotrader.config.wording import did_you_mean, shown


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
    budget: MoneyAmount | None = Field(
        default=None, description="The money to trade with, where not all of the balance, as 5000 USDT."
    )
    unprotected: Literal["accept"] | None = Field(
        default=None, description="accept: trade though the exchange keeps no protective exits while we are away."
    )

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
        if self.orders == "live" and self.credentials is None:
            hint = "give credentials: {key: ${env:NAME}, secret: ${file:NAME}}, or write orders: paper"
            raise trouble("live orders need an account", hint, at=("orders",))
        return self
