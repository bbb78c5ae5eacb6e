"""Circuit breakers: a pure fold over equity and closed trades that decides when entries must stop.

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


class Marks(NamedTuple):
    """What the breakers hold of equity, as the hot loop counts it: days, and money in steps of cash."""

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


def marked(marks: Marks, bounds: LossBounds, now_ms: int, equity: int) -> Marks:
    """Return the marks after a new equity. A breaker that trips shows in `loss_day` or `locked`."""
    day, day_start, peak, loss_day, locked = marks
    today = max(day, now_ms // DAY_MS)
    if today > day:
        day, day_start = today, equity
    peak = max(peak, equity)
    if loss_day != day:
        bound = least_loss(bounds.daily_amount, bounds.daily_share, day_start)
        if bound != NONE and day_start - equity > 0 and day_start - equity >= bound:
            loss_day = day
    if locked == 0:
        bound = least_loss(bounds.drawdown_amount, bounds.drawdown_share, peak)
        if bound != NONE and peak - equity > 0 and peak - equity >= bound:
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


def on_equity(state: Breakers, limits: Limits, now_ms: int, equity: Decimal) -> tuple[Breakers, tuple[Breach, ...]]:
    """Return the breakers after a new equity, and those that tripped with it, as `marked` sees them."""
    before = Marks(
        state.day, steps(state.day_start), steps(state.peak), state.daily_loss_day, int(state.drawdown_locked)
    )
    after = marked(before, loss_bounds_of(limits), now_ms, steps(equity))
    if after == before:
        return state, ()
    state = state._replace(
        day=after.day,
        day_start=equity if after.day != before.day else state.day_start,
        peak=max(state.peak, equity),
        daily_loss_day=after.loss_day,
        drawdown_locked=bool(after.locked),
    )
    breaches: list[Breach] = []
    for name, cap, tripped, baseline in (
        ("max_daily_loss", limits.max_daily_loss, after.loss_day != before.loss_day, state.day_start),
        ("max_drawdown", limits.max_drawdown, after.locked != before.locked, state.peak),
    ):
        if cap is not None and tripped:
            breaches.append(Breach(name, *cap.told(cap.of(baseline), baseline - equity)))
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
