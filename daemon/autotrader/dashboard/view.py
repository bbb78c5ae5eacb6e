"""What the page shows, as plain frozen data made from the status document and the journal's rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from autotrader.core.clock import day_of

Row = Mapping[str, Any]

MAX_STRATEGIES = 200
MAX_POSITIONS = 200
URGENT = ("failed", "locked", "killed", "closing", "held", "in position", "paused")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of the world. `status` is None before the daemon ever answered; `trouble` says why it is stale.

    `curve` holds (market time in UTC ms, equity) in time order; rows are newest first.
    """

    status: Row | None = None
    positions: Sequence[Row] = ()
    orders: Sequence[Row] = ()
    fills: Sequence[Row] = ()
    trades: Sequence[Row] = ()
    events: Sequence[Row] = ()
    curve: Sequence[tuple[int, float]] = ()
    trouble: str = ""
    store_trouble: str = ""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A measured value and its bound, in quote money or pieces. `bound` is None where no limit is declared."""

    key: str
    value: Decimal
    bound: Decimal | None

    @property
    def share(self) -> float:
        """How much of the bound is used, 0 to 1; 0 without a bound."""
        if not self.bound:
            return 0.0
        return min(1.0, max(0.0, float(self.value / self.bound)))


@dataclass(frozen=True, slots=True)
class Head:
    """The header's figures; None where they are not known yet."""

    connected: bool | None
    mode: str = ""
    generation: int | None = None
    uptime_s: float | None = None
    market_ms: int = 0
    equity: Decimal | None = None
    currency: str = ""
    today: Decimal | None = None
    today_share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Risk:
    """What stops entries now, and how much of each limit is used. `paused` maps a strategy ("": all) to a reason.

    `own` are the locks of strategies with limits of their own, by name.
    """

    killed: str = ""
    exits_only: str = ""
    paused: Mapping[str, str] = field(default_factory=dict)
    drawdown_locked: bool = False
    daily_locked: bool = False
    cooldown_until_ms: int = 0
    gauges: tuple[Gauge, ...] = ()
    own: Mapping[str, Risk] = field(default_factory=dict)

    @property
    def locked(self) -> bool:
        """Whether an unlock would lift something."""
        return self.blocked or any(one.blocked for one in self.own.values())

    @property
    def blocked(self) -> bool:
        """Whether the kill switch or a lock of the account itself stops every entry."""
        return bool(self.killed or self.drawdown_locked or self.daily_locked or self.cooldown_until_ms)

    @property
    def all_paused(self) -> bool:
        """Whether a person or a start-up stopped all entries."""
        return "" in self.paused or bool(self.exits_only)


@dataclass(frozen=True, slots=True)
class Probation:
    """A new generation that is watched until a moment of the machine's time, and the one to go back to."""

    generation: int
    back: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Reload:
    """How the last reload ended; `at_ms` is the machine's time."""

    status: str = ""
    at_ms: int = 0
    message: str = ""
    plan: str = ""
    waiting: tuple[str, ...] = ()
    probation: Probation | None = None

    @property
    def rejected(self) -> bool:
        return self.status == "rejected"

    @property
    def confirmable(self) -> bool:
        """Whether there is something that a person could agree to."""
        return self.status == "needs_confirmation" or bool(self.waiting)


@dataclass(frozen=True, slots=True)
class View:
    """The whole page."""

    head: Head
    risk: Risk
    reload: Reload
    strategies: tuple[Row, ...]
    more_strategies: int
    positions: tuple[Row, ...]
    more_positions: int
    orders: tuple[Row, ...]
    fills: tuple[Row, ...]
    trades: tuple[Row, ...]
    events: tuple[Row, ...]
    curve: tuple[tuple[int, float], ...]
    trouble: str
    store_trouble: str

    @property
    def open_orders(self) -> int:
        """How many orders may still fill."""
        return sum(int(row["open_orders"]) for row in self.strategies)


def view_of(snapshot: Snapshot) -> View:
    """Return the page of a snapshot."""
    status = snapshot.status
    strategies = tuple(status["strategies"]) if status else ()
    shown = most_urgent(strategies, MAX_STRATEGIES)
    return View(
        head=_head(status, connected=None if status is None and not snapshot.trouble else not snapshot.trouble),
        risk=_risk(status) if status else Risk(),
        reload=_reload(status["reload"]) if status else Reload(),
        strategies=shown,
        more_strategies=len(strategies) - len(shown),
        positions=tuple(snapshot.positions[:MAX_POSITIONS]),
        more_positions=max(0, len(snapshot.positions) - MAX_POSITIONS),
        orders=tuple(snapshot.orders),
        fills=tuple(snapshot.fills),
        trades=tuple(snapshot.trades),
        events=tuple(snapshot.events),
        curve=_curve(snapshot.curve, status),
        trouble=snapshot.trouble,
        store_trouble=snapshot.store_trouble,
    )


def most_urgent(strategies: Sequence[Row], most: int) -> tuple[Row, ...]:
    """Return at most so many strategies, in the order given; where there are more, those in need of a look first."""
    if len(strategies) <= most:
        return tuple(strategies)
    rank = {state: at for at, state in enumerate(URGENT)}
    order = sorted(range(len(strategies)), key=lambda at: (rank.get(strategies[at]["state"], len(rank)), at))
    return tuple(strategies[at] for at in sorted(order[:most]))


def _head(status: Row | None, *, connected: bool | None) -> Head:
    if status is None:
        return Head(connected)
    equity = Decimal(status["equity"])
    start = Decimal(status["risk"]["day_start_equity"])
    return Head(
        connected=connected,
        mode=status["mode"],
        generation=status["generation"],
        uptime_s=status["uptime_s"],
        market_ms=status["market_time"],
        equity=equity,
        currency=status["currency"],
        today=equity - start if start else None,
        today_share=(equity - start) / start if start else None,
    )


def _risk(status: Row) -> Risk:
    risk, market_ms = status["risk"], status["market_time"]
    return replace(
        _locks(risk, market_ms),
        killed=risk["killed"],
        exits_only=risk["exits_only"],
        paused=dict(risk["paused"]),
        gauges=tuple(
            Gauge(key, Decimal(one["value"]), None if one["bound"] is None else Decimal(one["bound"]))
            for key, one in risk["used"].items()
        ),
        own={name: _locks(one, market_ms) for name, one in risk["own"].items()},
    )


def _locks(risk: Row, market_ms: int) -> Risk:
    until_ms = risk["cooldown_until"]
    return Risk(
        drawdown_locked=risk["drawdown_locked"],
        daily_locked=bool(risk["daily_loss_day"]) and risk["daily_loss_day"] == day_of(market_ms),
        cooldown_until_ms=until_ms if until_ms > market_ms else 0,
    )


def _reload(last: Row) -> Reload:
    trial = last["probation"]
    probation = Probation(trial["generation"], trial["back"], trial["until"]) if trial else None
    return Reload(last["status"], last["at"], last["message"], last["plan"], tuple(last["waiting"]), probation)


def _curve(curve: Sequence[tuple[int, float]], status: Row | None) -> tuple[tuple[int, float], ...]:
    """Return the curve up to now: the journal samples it, the status knows its newest point."""
    points = tuple(curve)
    if status is None or not status["market_time"] or (points and points[-1][0] >= status["market_time"]):
        return points
    return (*points, (status["market_time"], float(status["equity"])))
