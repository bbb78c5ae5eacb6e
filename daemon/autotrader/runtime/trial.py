"""A new generation on probation: what it must not do in its first time.

It has failed when a strategy that it started fails, when MAX_REJECTS of its orders were rejected by their exchange, or
when equity fell from its best since the swap by DRAWDOWN_PART of `max_drawdown`. What the gate refuses is no reject.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from autotrader.risk.breakers import Breakers, moved, on_equity
from autotrader.risk.limits import Limits
from autotrader.runtime.locks import breakers_from, plain

MAX_REJECTS = 5
"""So many orders that their exchange rejected end a probation."""

DRAWDOWN_PART = Decimal("0.5")
"""The part of `max_drawdown` that may be lost in a probation; without a declared one nothing is measured."""

TRIAL_FLAG = "probation"
"""The journal's flag of the generation on probation."""


class Trial(NamedTuple):
    """A generation on probation until a moment of the daemon's own clock, and the one to go back to.

    `breakers` follow the equity since the swap, `fell` tells the loss that was too much.
    """

    generation: int
    back: int
    until_ms: int
    breakers: Breakers = Breakers()
    fell: str = ""

    def follows(self, limits: Limits, now_ms: int, equity: Decimal) -> Trial:
        """Return it after a new equity, at market time."""
        cap = limits.max_drawdown
        if cap is None:
            return self
        half = cap._replace(
            amount=None if cap.amount is None else cap.amount * DRAWDOWN_PART,
            share=None if cap.share is None else cap.share * DRAWDOWN_PART,
        )
        state, breaches = on_equity(self.breakers, Limits(max_drawdown=half), now_ms, equity)
        fell = f"equity fell by {breaches[0].value}, {breaches[0].bound} may be lost" if breaches else self.fell
        return self._replace(breakers=state, fell=fell)

    def after_money(self, amount: Decimal, equity: Decimal) -> Trial:
        """Return it after a deposit or withdrawal, `equity` before it."""
        return self._replace(breakers=moved(self.breakers, amount, equity))


def verdict(trial: Trial, rejects: int, failed: Mapping[str, str]) -> str:
    """Return why a probation has failed; empty while it has not. `failed` are its strategies with their errors."""
    for name, error in sorted(failed.items()):
        return f"strategy {name} failed: {error}"
    if rejects >= MAX_REJECTS:
        return f"{rejects} of its orders were rejected by their exchange"
    return trial.fell


def plain_trial(trial: Trial, rejects: int) -> dict[str, Any]:
    """Return a probation as the journal keeps it."""
    return trial._asdict() | {"breakers": plain(trial.breakers), "rejects": rejects}


def trial_from(kept: Mapping[str, Any]) -> tuple[Trial, int]:
    """Return the probation that the journal kept, and the rejects in it so far."""
    values = dict(kept)
    rejects = values.pop("rejects")
    return Trial(**values | {"breakers": breakers_from(values["breakers"])}), rejects


def told(trial: Trial | None, rejects: int) -> dict[str, Any] | None:
    """Return a probation as the status shows it; None where no generation is on probation."""
    if trial is None:
        return None
    return {
        "generation": trial.generation,
        "back": trial.back,
        "until": trial.until_ms,
        "rejects": rejects,
        "max_rejects": MAX_REJECTS,
    }
