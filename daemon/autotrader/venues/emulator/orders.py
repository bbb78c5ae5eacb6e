"""What an order and a trade of the account are; prices in ticks, amounts in lots."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from autotrader.venues.emulator.account import ZERO

LIVE = frozenset({"NEW", "PARTIALLY_FILLED"})
TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
PRICED = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
STOPPED = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")


class Refusal(Exception):
    """Raised when the exchange says no: Binance's code, its text and the HTTP status."""

    def __init__(self, code: int, text: str, status: int = 400, retry_after_s: int = 0) -> None:
        self.code, self.text, self.status, self.retry_after_s = code, text, status, retry_after_s
        super().__init__(f"{code}: {text}")


class Trade(NamedTuple):
    """A fill of one of the account's orders."""

    id: int
    symbol_id: str
    order_id: int
    ts_ms: int
    bought: bool
    maker: bool
    price: Decimal
    quantity: Decimal
    value: Decimal
    fee: Decimal
    fee_asset: str


@dataclass(slots=True)
class Order:
    """One order, dead or alive.

    `locked` is what it still reserves; `spendable` the quote money that a market order was asked by, 0 for others.
    """

    id: int
    client_id: str
    symbol_id: str
    bought: bool
    type: str
    time_in_force: str
    ticks: int
    lots: int
    stop_ticks: int
    created_ms: int
    updated_ms: int
    spendable: Decimal = ZERO
    status: str = "NEW"
    waiting: bool = False
    filled: int = 0
    value: Decimal = ZERO
    locked: Decimal = ZERO
    cancel_id: str = ""
    trades: list[Trade] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """Tell whether it may still fill."""
        return self.status in LIVE

    @property
    def left(self) -> int:
        """Return the lots that are not filled."""
        return self.lots - self.filled

    @property
    def side(self) -> str:
        """Return Binance's word for the side."""
        return "BUY" if self.bought else "SELL"
