"""What the loss locks hold, of the account and of strategies with limits of their own, and how the journal keeps it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from autotrader.execution.sizing import share_of
from autotrader.market.instrument import STEP, steps
from autotrader.risk.breakers import Breakers
from autotrader.risk.limits import Limits

ZERO = Decimal(0)
ACCOUNT_FLAG = "breakers"
"""The journal's flag of the account's breakers."""


class Own(NamedTuple):
    """One strategy's own limits and what its breakers hold.

    `exchanges` are those of its legs, over which its share of the equity is split. `settled` is the funding that it got
    or paid, in the account's currency.
    """

    limits: Limits
    capital: Decimal
    exchanges: tuple[str, ...]
    breakers: Breakers
    settled: Decimal = ZERO


def own_flag(strategy: str) -> str:
    """Return the journal's flag of a strategy's own breakers."""
    return f"risk {strategy}"


def plain(state: Breakers) -> dict[str, Any]:
    """Return breakers as the journal keeps them."""
    return {key: str(value) if isinstance(value, Decimal) else value for key, value in state._asdict().items()}


def breakers_from(kept: dict[str, Any]) -> Breakers:
    """Return the breakers that the journal kept."""
    values = dict(kept)
    for key in ("day_start", "peak"):
        values[key] = Decimal(values[key])
    values["losses_ms"] = tuple(values["losses_ms"])
    return Breakers(**values)


def plain_own(one: Own) -> dict[str, Any]:
    """Return a strategy's breakers as the journal keeps them."""
    return {"breakers": plain(one.breakers), "settled": str(one.settled)}


def plain_gone(one: Own) -> dict[str, Any] | None:
    """Return what is kept of a strategy that has no limits any more: the locks that hold, None where none does.

    Who takes its limits away and gives them back finds the locks again; gains and losses are counted anew.
    """
    state = one.breakers
    if not (state.daily_loss_day or state.drawdown_locked or state.cooldown_until_ms):
        return None
    return {"breakers": plain(state._replace(losses_ms=())), "anew": True}


def own_from(kept: dict[str, Any] | None, fresh: Own, profit: Decimal) -> Own:
    """Return a strategy's limits with what the journal kept of its breakers; new ones begin at its profit."""
    if kept is None:
        return fresh._replace(breakers=Breakers(peak=profit))
    state = breakers_from(kept["breakers"])
    if kept.get("anew"):
        return fresh._replace(breakers=state._replace(day_start=profit, peak=profit))
    return fresh._replace(breakers=state, settled=Decimal(kept["settled"]))


def share_for(equity: Decimal, capital: Decimal, width: int) -> Decimal:
    """Return what one of `width` legs may use of an exchange's equity, to the step of cash below."""
    return share_of(steps(equity), steps(capital), width) * STEP
