"""What a search looks for: figures of a backtest, each to be as high or as low as it can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from autotrader.backtest.metrics import Metrics
from autotrader.config.wording import did_you_mean
from autotrader.core.errors import AutotraderError

DEFAULT = "sharpe"
MAX_OBJECTIVES = 4
LOWER_IS_BETTER = frozenset(
    {"max_drawdown", "volatility", "exposure", "fees", "losses_in_a_row", "longest_drawdown_ms", "average_holding_ms"}
)
NOT_SOUGHT = frozenset({"bars", "start_equity", "deflated_sharpe"})
"""The first two are the same for every trial; the last depends on how many there are."""

Values = tuple[float, ...]


class Objective(NamedTuple):
    """One figure, and whether it is to be as high as it can be."""

    name: str
    high: bool

    def value(self, figures: Mapping[str, Any]) -> float | None:
        """Return the figure of a trial; None where it is undefined."""
        found = figures.get(self.name)
        return None if found is None else float(found)


def objectives(text: str = DEFAULT) -> tuple[Objective, ...]:
    """Return what `sharpe,max_drawdown` asks for; `-` before a name wants it low, `+` high. Raises AutotraderError."""
    known = [name for name in Metrics._fields if name not in NOT_SOUGHT]
    found: list[Objective] = []
    for part in text.split(","):
        word = part.strip()
        name = word.lstrip("+-")
        if name not in known:
            meant = did_you_mean(name, known)
            hint = f"did you mean '{meant}'?" if meant else f"choose from {', '.join(known)}"
            raise AutotraderError(f"there is no objective '{name}'; {hint}")
        found.append(Objective(name, name not in LOWER_IS_BETTER if word == name else word.startswith("+")))
    if len({one.name for one in found}) < len(found) or len(found) > MAX_OBJECTIVES:
        raise AutotraderError(f"'{text}': name each objective once, at most {MAX_OBJECTIVES} of them")
    return tuple(found)


def values(wanted: Sequence[Objective], figures: Mapping[str, Any]) -> Values | None:
    """Return a trial's objectives, higher is better in each; None where one of them is undefined."""
    found = [(one.value(figures), one.high) for one in wanted]
    known = [value if high else -value for value, high in found if value is not None]
    return tuple(known) if len(known) == len(wanted) else None


def front(scores: Sequence[Values | None]) -> list[int]:
    """Return the places of the scores that none beats in every objective, best first by the first objective.

    Of equal scores the first is taken.
    """
    order = sorted((at for at, one in enumerate(scores) if one is not None), key=lambda at: (_down(scores[at]), at))
    kept: list[int] = []
    for at in order:
        mine = scores[at]
        if not any(_covers(scores[other], mine) for other in kept):
            kept.append(at)
    return kept


def _down(one: Values | None) -> Values:
    return tuple(-value for value in one or ())


def _covers(one: Values | None, other: Values | None) -> bool:
    return all(a >= b for a, b in zip(one or (), other or (), strict=True))
