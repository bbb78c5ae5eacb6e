"""A trade of several legs, all of them or none: what is left to do when one of them failed or filled in part.

Orders of all legs are sent together. Where one ends without having filled, what is missing is bought (or sold) after
all, as long as its price lies within a bound of the one that was decided on; else what the other legs have beyond it is
given back. Either begins at once, and at the deadline at the latest. Giving back never ends before it is done.

Pure: asked again with nothing changed, it answers the same.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from autotrader.core.errors import BrokenInvariant

ZERO = Decimal(0)


class Answer(StrEnum):
    """What is to be done: `wait` for what works, `cancel` it first, `complete`, `unwind`; `done` where all agree."""

    WAIT = "wait"
    CANCEL = "cancel"
    COMPLETE = "complete"
    UNWIND = "unwind"
    DONE = "done"


class Terms(NamedTuple):
    """What was declared: whether a missing leg may be completed, how far from its decided price, and by when.

    `bound` is a fraction of the decided price, `deadline_ms` counts from the moment the orders were decided.
    """

    completes: bool
    bound: Decimal
    deadline_ms: int


class Part(NamedTuple):
    """One leg of the trade: what it was to be, and what it is.

    `amount` is what was wanted and `held` what was filled of it less what was given back, in base units. `working` is
    what may still fill. `decided` is the price that it was decided on, `price` what completing it would pay now (None:
    nobody knows). `lot` is the step of the amount.
    """

    side: int
    amount: Decimal
    held: Decimal
    working: Decimal
    decided: Decimal
    price: Decimal | None
    lot: Decimal

    @property
    def missing(self) -> Decimal:
        """What is neither held nor working of what was wanted."""
        return max(self.amount - self.held - self.working, ZERO)

    def within(self, bound: Decimal) -> bool:
        """Tell whether completing costs no more than a bound beyond the decided price."""
        return self.price is not None and self.side * (self.price - self.decided) <= bound * self.decided


class Move(NamedTuple):
    """The answer, and by leg the unsigned amounts that it is about: to complete in the leg's side, or to give back."""

    answer: Answer
    amounts: tuple[Decimal, ...] = ()


def next_move(parts: tuple[Part, ...], terms: Terms, began_ms: int, now_ms: int, *, leaving: bool = False) -> Move:
    """Return what a trade of several legs needs now. `leaving` says that giving back was begun: it is not turned round.

    Raises BrokenInvariant for a leg that is less than nothing, or for a trade of fewer than two.
    """
    if len(parts) < 2 or any(part.amount <= 0 or part.held < 0 or part.working < 0 for part in parts):
        raise BrokenInvariant(f"no trade of several legs: {parts}")
    works = any(part.working for part in parts)
    late = now_ms - began_ms >= terms.deadline_ms
    short = any(part.missing >= part.lot for part in parts)
    if works and not late and not short and not leaving:
        return Move(Answer.WAIT)
    if works and (late or leaving or not _completable(parts, terms)):
        return Move(Answer.CANCEL, tuple(part.working for part in parts))
    if not short and not leaving:
        return Move(Answer.DONE)
    if not any(part.held or part.working for part in parts):
        return Move(Answer.DONE)  # nothing of it came to be, so nothing is owed
    if not leaving and not late and _completable(parts, terms):
        return Move(Answer.COMPLETE, tuple(_lots(part.missing, part.lot) for part in parts))
    excess = _excess(parts)
    return Move(Answer.UNWIND, excess) if any(excess) else Move(Answer.DONE)


def _completable(parts: tuple[Part, ...], terms: Terms) -> bool:
    return terms.completes and all(part.within(terms.bound) for part in parts if part.missing >= part.lot)


def _excess(parts: tuple[Part, ...]) -> tuple[Decimal, ...]:
    """Return what each leg has beyond the share of the trade that all legs have, in whole lots."""
    share = min(Fraction(part.held) / Fraction(part.amount) for part in parts)
    return tuple(
        int((Fraction(part.held) - share * Fraction(part.amount)) / Fraction(part.lot)) * part.lot for part in parts
    )


def _lots(amount: Decimal, lot: Decimal) -> Decimal:
    return amount // lot * lot
