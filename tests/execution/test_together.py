"""Trades of several legs: completed within their bound or given back, never one leg alone, and always to an end."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.errors import BrokenInvariant
from autotrader.execution.together import Answer, Move, Part, Terms, next_move

D = Decimal
TERMS = Terms(completes=True, bound=D("0.003"), deadline_ms=5_000)
UNWINDS = TERMS._replace(completes=False)
LOT = D("0.01")


def part(held="0", working="0", side=1, amount="1", price: str | None = "100"):
    return Part(side, D(amount), D(held), D(working), D(100), None if price is None else D(price), LOT)


def amounts(*values):
    return tuple(D(value) for value in values)


@pytest.mark.parametrize(
    ("parts", "terms", "after_ms", "wanted"),
    [
        ((part(working="1"), part(working="1", side=-1)), TERMS, 0, Move(Answer.WAIT)),
        ((part(working="1"), part(working="1", side=-1)), UNWINDS, 0, Move(Answer.WAIT)),
        ((part("1"), part("1", side=-1)), TERMS, 0, Move(Answer.DONE)),
        ((part("1"), part("1", side=-1)), TERMS, 9_000, Move(Answer.DONE)),
        ((part("1"), part("0.99", side=-1)), TERMS, 0, Move(Answer.COMPLETE, amounts("0", "0.01"))),
        ((part("1"), part("0.99", side=-1, price=None)), TERMS, 0, Move(Answer.UNWIND, amounts("0.01", "0"))),
        ((part(), part(side=-1)), TERMS, 0, Move(Answer.DONE)),
        ((part("1"), part("0.4", side=-1)), TERMS, 0, Move(Answer.COMPLETE, amounts("0", "0.6"))),
        ((part(working="1"), part(side=-1)), TERMS, 0, Move(Answer.COMPLETE, amounts("0", "1"))),
        ((part("1"), part("0.4", side=-1, price="99.69")), TERMS, 0, Move(Answer.UNWIND, amounts("0.6", "0"))),
        ((part("1"), part("0.4", side=-1, price="99.70")), TERMS, 0, Move(Answer.COMPLETE, amounts("0", "0.6"))),
        ((part("1"), part("0.4", side=-1, price=None)), TERMS, 0, Move(Answer.UNWIND, amounts("0.6", "0"))),
        ((part("1"), part("0.4", side=-1)), UNWINDS, 0, Move(Answer.UNWIND, amounts("0.6", "0"))),
        ((part("0.2", "0.8"), part(side=-1)), UNWINDS, 0, Move(Answer.CANCEL, amounts("0.8", "0"))),
        ((part("0.2", "0.8"), part("1", side=-1)), TERMS, 4_999, Move(Answer.WAIT)),
        ((part("0.2", "0.8"), part("1", side=-1)), TERMS, 5_000, Move(Answer.CANCEL, amounts("0.8", "0"))),
        ((part("0.2"), part("1", side=-1)), TERMS, 5_000, Move(Answer.UNWIND, amounts("0", "0.8"))),
        ((part("1"), part("0.995", side=-1)), TERMS, 9_000, Move(Answer.DONE)),
    ],
)  # fmt: skip
def test_what_a_trade_needs_now(parts, terms, after_ms, wanted) -> None:
    assert next_move(parts, terms, 1_000, 1_000 + after_ms) == wanted


def test_giving_back_is_not_turned_round_though_the_price_comes_back() -> None:
    parts = (part("1"), part("0.4", side=-1))
    assert next_move(parts, TERMS, 0, 0, leaving=True) == Move(Answer.UNWIND, amounts("0.6", "0"))


def test_while_giving_back_whatever_still_works_is_canceled_first() -> None:
    parts = (part("0.4", "0.6"), part("1", side=-1))
    assert next_move(parts, TERMS, 0, 0, leaving=True) == Move(Answer.CANCEL, amounts("0.6", "0"))


def test_a_leg_that_has_more_than_was_wanted_is_missing_nothing() -> None:
    parts = (part("1.2"), part("0.4", side=-1))
    assert next_move(parts, TERMS, 0, 0) == Move(Answer.COMPLETE, amounts("0", "0.6"))


def test_two_legs_of_different_sizes_are_held_in_proportion() -> None:
    parts = (part("3", amount="4"), part("1", side=-1, amount="2"))
    assert next_move(parts, UNWINDS, 0, 0) == Move(Answer.UNWIND, amounts("1", "0"))


@pytest.mark.parametrize(
    "parts", [(part(),), (part(), part("-0.01")), (part(), part(working="-0.01")), (part(), part(amount="0"))]
)
def test_what_is_no_trade_of_several_legs_is_refused(parts) -> None:
    with pytest.raises(BrokenInvariant, match="no trade of several legs"):
        next_move(parts, TERMS, 0, 0)


lots = st.integers(1, 200).map(lambda count: count * LOT)


@given(st.data(), st.lists(st.tuples(st.sampled_from((1, -1)), lots), min_size=2, max_size=4), st.booleans())
def test_every_trade_ends_with_all_legs_in_proportion_and_in_time(data, legs, completes) -> None:
    """An exchange that fills, drops and moves prices as it likes; it gives back what is asked for, as markets do."""
    terms = TERMS._replace(completes=completes)
    held, working = [D(0)] * len(legs), [amount for _, amount in legs]
    now_ms, leaving = 0, False
    for _ in range(60):
        for place, (_, _amount) in enumerate(legs):
            count = int(working[place] / LOT)
            filled = data.draw(st.integers(0, count)) * LOT
            held[place], working[place] = held[place] + filled, working[place] - filled
            if data.draw(st.booleans()):
                working[place] = D(0)  # it was refused, or expired
        prices = [data.draw(st.sampled_from((None, D("99.6"), D(100), D("100.4")))) for _ in legs]
        parts = tuple(
            Part(side, amount, held[place], working[place], D(100), prices[place], LOT)
            for place, (side, amount) in enumerate(legs)
        )
        move = next_move(parts, terms, 0, now_ms, leaving=leaving)
        if move.answer is Answer.DONE:
            break
        if move.answer is Answer.CANCEL:
            working = [D(0)] * len(legs)
        for place, amount in enumerate(move.amounts):
            if move.answer is Answer.COMPLETE and amount:
                assert parts[place].within(terms.bound)
                assert amount <= parts[place].missing
                working[place] += amount
            if move.answer is Answer.UNWIND:
                leaving = True
                assert amount <= held[place]
                held[place] -= amount
        now_ms += 500
    else:
        raise AssertionError("it never ended")
    shares = [Fraction(held[place]) / Fraction(amount) for place, (_, amount) in enumerate(legs)]
    coarse = max(Fraction(LOT) / Fraction(amount) for _, amount in legs)
    assert max(shares) - min(shares) <= coarse
    assert now_ms <= terms.deadline_ms + 2_000
