"""The gate in front of every order: each limit a pure function of the order and the account as it stands.

An order that only reduces an owned position never comes here. The gate refuses; it never resizes.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from autotrader.core.units import plain

CENT = Decimal("0.01")


class Cap(NamedTuple):
    """A bound: an absolute amount of quote money, or a share of equity. `currency` is what messages count it in."""

    amount: Decimal | None = None
    share: Decimal | None = None
    currency: str = ""

    def of(self, equity: Decimal) -> Decimal:
        """Return the bound in quote money."""
        return self.amount if self.amount is not None else (self.share or Decimal(0)) * equity

    def __str__(self) -> str:
        return plain(self.amount) if self.amount is not None else f"{plain((self.share or Decimal(0)) * 100)}%"

    def told(self, bound: Decimal, value: Decimal) -> tuple[str, str]:
        """Return bound and value for people: to the cent, rounded apart so that a hair too much is seen."""
        low, high = bound.quantize(CENT, ROUND_FLOOR), value.quantize(CENT, ROUND_CEILING)
        share = f" ({self})" if self.amount is None else ""
        return f"{low} {self.currency}".rstrip() + share, f"{high} {self.currency}".rstrip()


class Cooldown(NamedTuple):
    """After so many losing trades within a time, no entries for a while."""

    losses: int
    within_ms: int
    pause_ms: int


class Limits(NamedTuple):
    """The declared limits; None sets no limit."""

    max_order: Cap | None = None
    max_position: Cap | None = None
    max_exposure: Cap | None = None
    max_open_positions: int | None = None
    max_orders_per_minute: int | None = None
    price_collar: Decimal | None = None
    max_daily_loss: Cap | None = None
    max_drawdown: Cap | None = None
    stale_data_ms: int | None = None
    cooldown: Cooldown | None = None
    on_breach: str = "pause"


class Account(NamedTuple):
    """The account at the moment of an order. Money in quote units, times in market milliseconds.

    `net` is the signed notional that the symbol would have with the orders already on their way, `gross` the absolute
    notional of every position and entry, `open_symbols` those held or on their way, `recent_orders` those sent in the
    last minute, this one not counted. `data_due_ms` is when the next bar of what it trades was due.
    """

    equity: Decimal
    net: Decimal
    gross: Decimal
    open_symbols: frozenset[tuple[str, str]]
    recent_orders: int
    last_price: Decimal
    data_due_ms: int
    now_ms: int


class Entry(NamedTuple):
    """An order that opens or adds: `notional` is signed quote money, `price` what it may pay."""

    exchange: str
    symbol: str
    notional: Decimal
    price: Decimal


class Refusal(NamedTuple):
    """Why an order was refused: the limit's key, its bound and what the order would have made of it."""

    limit: str
    bound: str
    value: str

    def __str__(self) -> str:
        return f"{self.limit} is {self.bound}, this order would make it {self.value}"


def check(limits: Limits, order: Entry, account: Account) -> Refusal | None:
    """Return the first limit that an entry would break, or None."""
    size = abs(order.notional)
    if limits.max_order and size > (bound := limits.max_order.of(account.equity)):
        return Refusal("max_order", *limits.max_order.told(bound, size))
    net = abs(account.net + order.notional)
    if limits.max_position and net > (bound := limits.max_position.of(account.equity)):
        return Refusal("max_position", *limits.max_position.told(bound, net))
    gross = account.gross + size
    if limits.max_exposure and gross > (bound := limits.max_exposure.of(account.equity)):
        return Refusal("max_exposure", *limits.max_exposure.told(bound, gross))
    symbols = len(account.open_symbols | {(order.exchange, order.symbol)})
    if limits.max_open_positions is not None and symbols > limits.max_open_positions:
        return Refusal("max_open_positions", str(limits.max_open_positions), str(symbols))
    if limits.max_orders_per_minute is not None and account.recent_orders >= limits.max_orders_per_minute:
        return Refusal("max_orders_per_minute", str(limits.max_orders_per_minute), str(account.recent_orders + 1))
    if limits.price_collar is not None:
        distance = abs(order.price - account.last_price)
        if distance > limits.price_collar * account.last_price:
            return Refusal("price_collar", _percent(limits.price_collar), _percent(distance / account.last_price))
    late_ms = account.now_ms - account.data_due_ms
    if limits.stale_data_ms is not None and late_ms > limits.stale_data_ms:
        return Refusal("stale_data", _seconds(limits.stale_data_ms), _seconds(late_ms))
    return None


def _percent(fraction: Decimal) -> str:
    return f"{plain((fraction * 100).quantize(Decimal('0.0001'), ROUND_CEILING))}%"


def _seconds(ms: int) -> str:
    return f"{plain(Decimal(ms) / 1000)} s"


LOOSER_WHEN_LARGER = (
    "max_order",
    "max_position",
    "max_exposure",
    "max_open_positions",
    "max_orders_per_minute",
    "price_collar",
    "max_daily_loss",
    "max_drawdown",
    "stale_data_ms",
)


def loosened(old: Limits, new: Limits, equity: Decimal) -> tuple[str, ...]:
    """Return the limits that would allow more than before, at today's equity."""

    def size(value: Cap | Decimal | int) -> Decimal:
        return value.of(equity) if isinstance(value, Cap) else Decimal(value)

    looser = []
    for key in LOOSER_WHEN_LARGER:
        before, after = getattr(old, key), getattr(new, key)
        if before is not None and (after is None or size(after) > size(before)):
            looser.append(key)
    if old.cooldown and (
        new.cooldown is None
        or new.cooldown.losses > old.cooldown.losses
        or new.cooldown.within_ms < old.cooldown.within_ms
        or new.cooldown.pause_ms < old.cooldown.pause_ms
    ):
        looser.append("cooldown")
    if old.on_breach == "close" and new.on_breach == "pause":
        looser.append("on_breach")
    return tuple(looser)
