"""The gate in front of every order: each limit a pure function of the order and the account as it stands.

An order that only reduces an owned position never comes here. The gate refuses; it never resizes.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from autotrader.core.units import plain
from autotrader.market.fills import RATE, mul_div
from autotrader.market.instrument import steps

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
    """The account, or one strategy's part of it, at the moment of an order. Times in market milliseconds.

    Of a strategy everything counts its own alone, and `equity` is what it may use. Money is in quote units.
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
    """Why an order was refused: the limit's key, its bound and what the order would have made of it.

    `of` names the strategy whose own limit it is; empty for the account's.
    """

    limit: str
    bound: str
    value: str
    of: str = ""

    def __str__(self) -> str:
        whose = f" of {self.of}" if self.of else ""
        return f"{self.limit}{whose} is {self.bound}, this order would make it {self.value}"

    def told(self, change: Decimal, price: Decimal | None) -> dict[str, str]:
        """Return it as the journal keeps it, with the order that was refused: its signed amount, and its limit."""
        side, shown = "buy" if change > 0 else "sell", "" if price is None else f"{price:f}"
        return self._asdict() | {"side": side, "amount": f"{abs(change):f}", "price": shown}


NAMES = (
    "",
    "max_order",
    "max_position",
    "max_exposure",
    "max_open_positions",
    "max_orders_per_minute",
    "price_collar",
    "stale_data",
)
PASSED, MAX_ORDER, MAX_POSITION, MAX_EXPOSURE, MAX_OPEN_POSITIONS, MAX_ORDERS_PER_MINUTE, PRICE_COLLAR, STALE_DATA = (
    range(len(NAMES))
)
"""What `broken` says: which limit, by its place in NAMES, in the order in which they are looked at."""

NONE = -1
"""A bound that is not set."""


class Bounds(NamedTuple):
    """The limits of the gate as the hot loop takes them; NONE where one is not set.

    Amounts are steps of cash, shares and the collar parts of RATE, times milliseconds. Of an amount and a share at most
    one is set.
    """

    order_amount: int = NONE
    order_share: int = NONE
    position_amount: int = NONE
    position_share: int = NONE
    exposure_amount: int = NONE
    exposure_share: int = NONE
    open_positions: int = NONE
    orders_per_minute: int = NONE
    collar: int = NONE
    stale_data_ms: int = NONE


class Sight(NamedTuple):
    """What the gate sees of an entry and of the account with it, in steps of cash, ticks and milliseconds.

    `size` is the order's notional, `net` the symbol's and `gross` the account's with it, both unsigned; `symbols` are
    those held or on their way with it, `recent` the orders of the last minute without it.
    """

    equity: int
    size: int
    net: int
    gross: int
    symbols: int
    recent: int
    ticks: int
    last_ticks: int
    late_ms: int


def bound_of(amount: int, share: int, equity: int) -> int:
    """Return a bound in steps of cash: its amount, or its share of the equity; NONE where neither is set."""
    if amount != NONE:
        return amount
    if share == NONE:
        return NONE
    return mul_div(equity, share, RATE) if equity > 0 else 0


def broken(bounds: Bounds, seen: Sight) -> int:
    """Return the first limit that an entry would break, or PASSED."""
    order = bound_of(bounds.order_amount, bounds.order_share, seen.equity)
    if order != NONE and seen.size > order:
        return MAX_ORDER
    position = bound_of(bounds.position_amount, bounds.position_share, seen.equity)
    if position != NONE and seen.net > position:
        return MAX_POSITION
    exposure = bound_of(bounds.exposure_amount, bounds.exposure_share, seen.equity)
    if exposure != NONE and seen.gross > exposure:
        return MAX_EXPOSURE
    if bounds.open_positions != NONE and seen.symbols > bounds.open_positions:
        return MAX_OPEN_POSITIONS
    if bounds.orders_per_minute != NONE and seen.recent >= bounds.orders_per_minute:
        return MAX_ORDERS_PER_MINUTE
    if bounds.collar != NONE and abs(seen.ticks - seen.last_ticks) > mul_div(seen.last_ticks, bounds.collar, RATE):
        return PRICE_COLLAR
    if bounds.stale_data_ms != NONE and seen.late_ms > bounds.stale_data_ms:
        return STALE_DATA
    return PASSED


def bounds_of(limits: Limits) -> Bounds:
    """Return the declared limits as `broken` takes them."""
    return Bounds(
        *counted(limits.max_order),
        *counted(limits.max_position),
        *counted(limits.max_exposure),
        NONE if limits.max_open_positions is None else limits.max_open_positions,
        NONE if limits.max_orders_per_minute is None else limits.max_orders_per_minute,
        NONE if limits.price_collar is None else steps(limits.price_collar),
        NONE if limits.stale_data_ms is None else limits.stale_data_ms,
    )


def counted(cap: Cap | None) -> tuple[int, int]:
    """Return a bound as an amount in steps of cash and a share in parts of RATE, of which one is NONE."""
    if cap is None:
        return NONE, NONE
    if cap.amount is not None:
        return steps(cap.amount), NONE
    return NONE, steps(cap.share or Decimal(0))


def check(limits: Limits, order: Entry, account: Account) -> Refusal | None:
    """Return the first limit that an entry would break, or None, as `broken` sees it."""
    size, net = abs(order.notional), abs(account.net + order.notional)
    gross, symbols = account.gross + size, len(account.open_symbols | {(order.exchange, order.symbol)})
    late_ms = account.now_ms - account.data_due_ms
    seen = Sight(
        steps(account.equity),
        steps(size, ROUND_CEILING),
        steps(net, ROUND_CEILING),
        steps(gross, ROUND_CEILING),
        symbols,
        account.recent_orders,
        steps(order.price),
        steps(account.last_price),
        late_ms,
    )
    code = broken(bounds_of(limits), seen)
    if code == PASSED:
        return None
    name = NAMES[code]
    if code <= MAX_EXPOSURE:
        cap = getattr(limits, name)
        return Refusal(name, *cap.told(cap.of(account.equity), (size, net, gross)[code - 1]))
    if code == MAX_OPEN_POSITIONS:
        return Refusal(name, str(limits.max_open_positions), str(symbols))
    if code == MAX_ORDERS_PER_MINUTE:
        return Refusal(name, str(limits.max_orders_per_minute), str(account.recent_orders + 1))
    if code == PRICE_COLLAR:
        collar = _percent(limits.price_collar or Decimal(0))
        if not account.last_price:
            return Refusal(name, collar, "no price is known yet")
        return Refusal(name, collar, _percent(abs(order.price - account.last_price) / account.last_price))
    return Refusal(name, _seconds(limits.stale_data_ms or 0), _seconds(late_ms))


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
