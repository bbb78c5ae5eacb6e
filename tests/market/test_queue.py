"""Where an order stands in a book, and what one pays that takes from it: the pure definition, against a plain one."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autotrader.market.queue import (
    CELLS,
    MOST_LOTS,
    NOT_JOINED,
    UNKNOWN,
    after_event,
    after_trade,
    after_trades,
    in_lots,
    shown_at,
    walked,
)

LOT = 100_000_000
BUY, SELL = 1, -1


def cells(levels):
    """Return a side of an event as it is recorded: (price, size) from the best on, in cents and units."""
    told = [number for ticks, size in levels for number in (ticks / 100, size)]
    return told + [math.nan, 0.0] * (CELLS // 2 - len(levels))


def shown(levels, side, limit):
    return shown_at(cells(levels), 0, 100.0, side, limit)


def paid(levels, side, lots, limit=0):
    return walked(cells(levels), 0, 100.0, side, lots, limit)


def test_what_is_shown_at_a_price_stands_ahead():
    assert shown([(10_000, 2.0), (9_999, 3.5)], BUY, 9_999) == 3.5 * LOT


@pytest.mark.parametrize("limit", [10_001, 9_998, 1])
def test_at_a_price_without_a_level_of_a_book_shown_whole_nothing_does(limit):
    assert shown([(10_000, 2.0), (9_999, 3.5)], BUY, limit) == 0


@pytest.mark.parametrize(("side", "limit", "ahead"), [(BUY, 9_980, UNKNOWN), (BUY, 9_981, LOT), (BUY, 10_001, 0)])
def test_beyond_the_last_level_that_was_kept_it_is_unknown(side, limit, ahead):
    assert shown([(10_000 - n, 1.0) for n in range(20)], side, limit) == ahead
    assert shown([(10_000 + n, 1.0) for n in range(20)], -side, 20_000 - limit) == ahead


def test_levels_that_share_a_tick_stand_ahead_together():
    assert shown([(10_000.4, 2.0), (9_999.6, 3.0)], BUY, 10_000) == 5 * LOT


def test_an_order_joins_behind_what_is_shown_and_moves_up_as_less_is():
    book = cells([(10_000, 2.0)])
    ahead = after_event(NOT_JOINED, book, 0, 100.0, BUY, 10_000)
    assert ahead == 2 * LOT
    assert after_event(ahead, cells([(10_000, 9.0)]), 0, 100.0, BUY, 10_000) == 2 * LOT
    assert after_event(ahead, cells([(10_000, 0.5)]), 0, 100.0, BUY, 10_000) == LOT // 2
    assert after_event(ahead, cells([(9_999, 0.5)]), 0, 100.0, BUY, 10_000) == 0


def test_an_order_beyond_what_is_kept_finds_its_place_once_its_price_is_shown():
    deep = cells([(10_000 - n, 1.0) for n in range(20)])
    ahead = after_event(NOT_JOINED, deep, 0, 100.0, BUY, 9_900)
    assert ahead == UNKNOWN
    assert after_event(ahead, cells([(9_901, 1.0), (9_900, 4.0)]), 0, 100.0, BUY, 9_900) == 4 * LOT


@pytest.mark.parametrize(
    ("taker", "ticks", "lots", "left"),
    [
        (SELL, 100, 3, 7),
        (SELL, 100, 10, 0),
        (SELL, 100, 11, -1),
        (SELL, 99, 1, -1),
        (SELL, 101, 50, 10),
        (BUY, 100, 50, 10),
        (BUY, 99, 50, 10),
    ],
)
def test_a_trade_takes_from_what_is_ahead_of_a_bid(taker, ticks, lots, left):
    assert max(after_trade(10, BUY, 100, taker, ticks, lots), -1) == left
    assert max(after_trade(10, SELL, 100, -taker, 200 - ticks, lots), -1) == left


def test_an_order_with_nothing_ahead_is_filled_by_the_next_trade_at_its_price():
    assert after_trade(0, BUY, 100, SELL, 100, 1) < 0


def test_an_order_pays_the_average_of_the_levels_that_it_takes():
    asks = [(10_000, 1.0), (10_002, 1.0), (10_005, 2.0)]
    assert paid(asks, BUY, LOT) == 10_000
    assert paid(asks, BUY, 2 * LOT) == 10_001
    assert paid(asks, BUY, 4 * LOT) == 10_003


def test_a_part_of_a_tick_goes_against_the_order():
    assert paid([(10_000, 2.0), (10_001, 1.0)], BUY, 3 * LOT) == 10_001
    assert paid([(10_000, 2.0), (9_999, 1.0)], SELL, 3 * LOT) == 9_999


def test_what_goes_beyond_all_that_is_shown_pays_the_last_level():
    assert paid([(10_000, 1.0), (10_010, 1.0)], BUY, 10 * LOT) == 10_009


def test_levels_beyond_the_limit_are_left_and_the_rest_pays_the_limit():
    asks = [(10_000, 1.0), (10_004, 1.0), (10_010, 9.0)]
    assert paid(asks, BUY, 4 * LOT, 10_006) == 10_004  # (0 + 4 + 6 + 6) / 4
    assert paid([(10_000, 1.0), (9_990, 9.0)], SELL, 2 * LOT, 9_996) == 9_998


def test_a_limit_better_than_the_best_level_is_paid_itself():
    assert paid([(10_000, 1.0)], BUY, LOT, 9_990) == 9_990


def test_a_sum_that_might_not_fit_ends_at_the_price_it_reaches():
    asks = [(10_000, 1e10), (10_000_000, 1e10)]
    assert paid(asks, BUY, 3 * 10**18) == 10_000_000


@pytest.mark.parametrize(("amount", "lots"), [(1.0, LOT), (0.1 + 0.2, 30_000_000), (1e-9, 0), (1e30, MOST_LOTS)])
def test_amounts_are_counted_in_lots(amount, lots):
    assert in_lots(amount) == lots


sides = st.sampled_from([BUY, SELL])
sizes = st.integers(1, 10**6).map(lambda lots: lots / 1_000)


@st.composite
def books(draw, side):
    """Draw the side of a book that orders of a side take."""
    steps = draw(st.lists(st.integers(1, 40), min_size=1, max_size=20))
    best = draw(st.integers(2_000, 2_000_000))
    prices = [best + side * sum(steps[1 : n + 1]) for n in range(len(steps))]
    return [(price, draw(sizes)) for price in prices]


@st.composite
def orders(draw):
    side = draw(sides)
    book = draw(books(side))
    limit = draw(st.one_of(st.just(0), st.integers(0, 300).map(lambda n: book[0][0] + side * n)))
    return book, side, draw(st.integers(1, 10**14)), limit


def plainly(book, side, lots, limit):
    """Return the average as anybody would reckon it, with exact decimals."""
    left, total, last = Decimal(lots), Decimal(0), book[0][0]
    for ticks, size in book:
        if limit and (ticks - limit) * side > 0:
            break
        taken = min(left, round(Decimal(repr(size)) * LOT))
        total, left, last = total + taken * ticks, left - taken, ticks
    total += left * (limit or last)
    return int((total / lots).to_integral_value(ROUND_CEILING if side > 0 else ROUND_FLOOR))


@given(orders())
def test_the_average_is_that_of_exact_decimals(drawn):
    assert paid(*drawn) == plainly(*drawn)


@given(orders())
def test_the_average_lies_between_the_best_and_the_worst_price(drawn):
    book, side, lots, limit = drawn
    worst = limit or book[-1][0]
    assert 0 <= (paid(book, side, lots, limit) - book[0][0]) * side <= max((worst - book[0][0]) * side, 0)


@given(orders(), st.integers(1, 10**14))
def test_a_larger_order_pays_no_less(drawn, more):
    book, side, lots, limit = drawn
    assert (paid(book, side, lots + more, limit) - paid(book, side, lots, limit)) * side >= 0


tapes = st.lists(
    st.tuples(
        st.lists(st.tuples(sides, st.integers(9_998, 10_002), st.integers(1, 3_000)), max_size=4),
        st.lists(st.tuples(st.integers(9_995, 10_000), sizes), min_size=1, max_size=4, unique_by=lambda one: one[0]),
    ),
    min_size=1,
    max_size=12,
)


def lived(tape, side, limit):
    """Let an order rest through a tape of (trades before, book) and yield what is ahead after each; -1 where filled."""
    ahead = NOT_JOINED
    for trades, book in tape:
        if ahead != NOT_JOINED:
            takers, prices, amounts = ([one[n] for one in trades] for n in range(3))
            prices, amounts = [price / 100 for price in prices], [lots / LOT for lots in amounts]
            ahead = after_trades(ahead, side, limit, 100.0, takers, prices, amounts, 0, len(trades))
            if ahead < 0:
                yield -1
                return
        ahead = after_event(ahead, cells(sorted(book, reverse=True)), 0, 100.0, side, limit)
        yield ahead


@given(tapes, st.integers(9_996, 10_000))
def test_what_is_ahead_never_grows(tape, limit):
    told = list(lived(tape, BUY, limit))
    assert all(later <= earlier for earlier, later in pairwise(told))


@given(tapes, st.integers(9_996, 10_000))
def test_no_order_is_filled_before_as_much_as_stood_ahead_has_gone(tape, limit):
    told = list(lived(tape, BUY, limit))
    assume(told[-1] < 0)
    at = len(told) - 1
    before = told[at - 1]
    reach = [(ticks, lots) for taker, ticks, lots in tape[at][0] if taker == SELL and ticks <= limit]
    assert reach
    assert any(ticks < limit for ticks, _ in reach) or sum(lots for _, lots in reach) > before
    for earlier in range(1, at):  # and no earlier trades had gone further than what stood ahead
        gone = [(ticks, lots) for taker, ticks, lots in tape[earlier][0] if taker == SELL and ticks <= limit]
        assert all(ticks == limit for ticks, _ in gone)
        assert sum(lots for _, lots in gone) <= told[earlier - 1]
