"""Circuit breakers: a pure fold over equity and closed trades that decides when entries must stop.

An account's breakers follow its equity. A strategy's follow its profit, realised and not; a share is then taken of what
its share of the equity would be without the loss. For a strategy that may use all the equity both are the same.

Days are UTC. A daily loss lifts with the next day, a cooldown with time, a drawdown only when a person unlocks it.
Exchanges may tell of moments out of order: no older moment lifts a lock or begins a day again.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from autotrader.core.clock import DAY_MS, day_of, iso
from autotrader.market.fills import RATE, mul_div_up
from autotrader.market.instrument import steps
from autotrader.risk.limits import NONE, Limits, Refusal, counted

MAX_LOSSES_KEPT = 1_000


class Breakers(NamedTuple):
    """What the breakers remember; journalled whole. Money in quote units, times in market milliseconds.

    `day_start` and `peak` are of what is followed: an account's equity, or a strategy's profit.
    """

    day: int = 0
    day_start: Decimal = Decimal(0)
    peak: Decimal = Decimal(0)
    daily_loss_day: int = 0
    drawdown_locked: bool = False
    cooldown_until_ms: int = 0
    losses_ms: tuple[int, ...] = ()


class Breach(NamedTuple):
    """A breaker tripped: the limit's key, its bound and the value that met it."""

    limit: str
    bound: str
    value: str


class Marks(NamedTuple):
    """What the breakers hold of what they follow, as the hot loop counts it: days, and money in steps of cash."""

    day: int
    day_start: int
    peak: int
    loss_day: int
    locked: int


class LossBounds(NamedTuple):
    """The loss limits as the hot loop takes them: steps of cash, or parts of RATE; NONE where one is not set."""

    daily_amount: int = NONE
    daily_share: int = NONE
    drawdown_amount: int = NONE
    drawdown_share: int = NONE


def marked(marks: Marks, bounds: LossBounds, now_ms: int, value: int, equity: int) -> Marks:
    """Return the marks after a new `value` of what they follow. A breaker that trips shows in `loss_day` or `locked`.

    A loss is measured against a share of `equity` as it would be without it: an account's own, where that is the value,
    or what a strategy may use of it.
    """
    day, day_start, peak, loss_day, locked = marks
    today = max(day, now_ms // DAY_MS)
    if today > day:
        day, day_start = today, value
    peak = max(peak, value)
    if loss_day != day:
        lost = day_start - value
        bound = least_loss(bounds.daily_amount, bounds.daily_share, equity + lost)
        if bound != NONE and lost > 0 and lost >= bound:
            loss_day = day
    if locked == 0:
        lost = peak - value
        bound = least_loss(bounds.drawdown_amount, bounds.drawdown_share, equity + lost)
        if bound != NONE and lost > 0 and lost >= bound:
            locked = 1
    return Marks(day, day_start, peak, loss_day, locked)


def least_loss(amount: int, share: int, baseline: int) -> int:
    """Return the least loss that trips a breaker, in steps of cash; NONE where no bound is set."""
    if amount != NONE:
        return amount
    if share == NONE:
        return NONE
    return mul_div_up(baseline, share, RATE) if baseline > 0 else 0


def loss_bounds_of(limits: Limits) -> LossBounds:
    """Return the declared loss limits as `marked` takes them."""
    return LossBounds(*counted(limits.max_daily_loss), *counted(limits.max_drawdown))


def on_equity(
    state: Breakers, limits: Limits, now_ms: int, value: Decimal, equity: Decimal | None = None
) -> tuple[Breakers, tuple[Breach, ...]]:
    """Return the breakers after a new value of what they follow, and those that tripped with it, as `marked` sees them.

    `equity` is what a strategy may use now where its profit is followed; left out, the value is the equity itself.
    """
    equity = value if equity is None else equity
    before = Marks(
        state.day, steps(state.day_start), steps(state.peak), state.daily_loss_day, int(state.drawdown_locked)
    )
    after = marked(before, loss_bounds_of(limits), now_ms, steps(value), steps(equity))
    if after == before:
        return state, ()
    state = state._replace(
        day=after.day,
        day_start=value if after.day != before.day else state.day_start,
        peak=max(state.peak, value),
        daily_loss_day=after.loss_day,
        drawdown_locked=bool(after.locked),
    )
    breaches: list[Breach] = []
    for name, cap, tripped, lost in (
        ("max_daily_loss", limits.max_daily_loss, after.loss_day != before.loss_day, state.day_start - value),
        ("max_drawdown", limits.max_drawdown, after.locked != before.locked, state.peak - value),
    ):
        if cap is not None and tripped:
            breaches.append(Breach(name, *cap.told(cap.of(equity + lost), lost)))
    return state, tuple(breaches)


def on_trade(state: Breakers, limits: Limits, exit_ms: int, pnl: Decimal) -> tuple[Breakers, tuple[Breach, ...]]:
    """Return the breakers after a closed trade, and the cooldown if it tripped."""
    rule = limits.cooldown
    if rule is None or pnl >= 0:
        return state, ()
    recent = (*(ts for ts in state.losses_ms if ts > exit_ms - rule.within_ms), exit_ms)[-MAX_LOSSES_KEPT:]
    if len(recent) < rule.losses:
        return state._replace(losses_ms=recent), ()
    until_ms = max(state.cooldown_until_ms, exit_ms + rule.pause_ms)
    breach = Breach("cooldown", f"{rule.losses} losses", f"{len(recent)} losses")
    return state._replace(losses_ms=(), cooldown_until_ms=until_ms), (breach,)


def moved(state: Breakers, amount: Decimal, equity: Decimal) -> Breakers:
    """Return the breakers after a deposit or withdrawal, `equity` before it: no baseline takes it for a gain or a loss.

    What was 5 % below its baseline stays 5 % below it, however much comes or goes.
    """
    after = equity + amount
    if equity <= 0 or after <= 0:
        return state._replace(day_start=max(after, Decimal(0)), peak=max(after, Decimal(0)))
    return state._replace(day_start=state.day_start * after / equity, peak=state.peak * after / equity)


def shifted(state: Breakers, amount: Decimal) -> Breakers:
    """Return the breakers after what they follow moved by an amount that is neither a gain nor a loss.

    A strategy's profit moves so when a position, with what it has brought so far, changes hands in a reload.
    """
    return state._replace(day_start=state.day_start + amount, peak=state.peak + amount)


def unlocked(state: Breakers, value: Decimal) -> Breakers:
    """Return the breakers after a person unlocked them: today's value is the new peak and the new day's start."""
    return state._replace(
        day_start=value, peak=value, daily_loss_day=0, drawdown_locked=False, cooldown_until_ms=0, losses_ms=()
    )


def locks(state: Breakers) -> tuple[int, bool, int]:
    """Return the part that must never be lost: the locks themselves; the baselines follow the market anyway."""
    return state.daily_loss_day, state.drawdown_locked, state.cooldown_until_ms


def closed(state: Breakers, now_ms: int) -> Refusal | None:
    """Return why no entry is allowed now, or None."""
    if state.drawdown_locked:
        return Refusal("max_drawdown", "locked", "locked until unlock")
    if state.daily_loss_day and day_of(now_ms) <= state.daily_loss_day:
        return Refusal("max_daily_loss", "locked", f"locked until {iso((state.daily_loss_day + 1) * DAY_MS)} UTC")
    if now_ms < state.cooldown_until_ms:
        return Refusal("cooldown", "paused", f"paused until {iso(state.cooldown_until_ms)} UTC")
    return None
