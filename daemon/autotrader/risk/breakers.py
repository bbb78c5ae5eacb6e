"""Circuit breakers: a pure fold over equity and closed trades that decides when entries must stop.

Days are UTC. A daily loss lifts with the next day, a cooldown with time, a drawdown only when a person unlocks it.
Exchanges may tell of moments out of order: no older moment lifts a lock or begins a day again.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from autotrader.core.clock import DAY_MS, day_of, iso
from autotrader.risk.limits import Limits, Refusal

MAX_LOSSES_KEPT = 1_000


class Breakers(NamedTuple):
    """What the breakers remember; journalled whole. Money in quote units, times in market milliseconds."""

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


def on_equity(state: Breakers, limits: Limits, now_ms: int, equity: Decimal) -> tuple[Breakers, tuple[Breach, ...]]:
    """Return the breakers after a new equity, and those that tripped with it."""
    breaches: list[Breach] = []
    day = max(state.day, day_of(now_ms))
    if day > state.day:
        state = state._replace(day=day, day_start=equity)
    if equity > state.peak:
        state = state._replace(peak=equity)
    if limits.max_daily_loss and state.daily_loss_day != day:
        loss, bound = state.day_start - equity, limits.max_daily_loss.of(state.day_start)
        if loss > 0 and loss >= bound:
            state = state._replace(daily_loss_day=day)
            breaches.append(Breach("max_daily_loss", *limits.max_daily_loss.told(bound, loss)))
    if limits.max_drawdown and not state.drawdown_locked:
        drawdown, bound = state.peak - equity, limits.max_drawdown.of(state.peak)
        if drawdown > 0 and drawdown >= bound:
            state = state._replace(drawdown_locked=True)
            breaches.append(Breach("max_drawdown", *limits.max_drawdown.told(bound, drawdown)))
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


def unlocked(state: Breakers, equity: Decimal) -> Breakers:
    """Return the breakers after a person unlocked them: today's equity is the new peak and the new day's start."""
    return state._replace(
        day_start=equity, peak=equity, daily_loss_day=0, drawdown_locked=False, cooldown_until_ms=0, losses_ms=()
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
