"""The contract serves what the roadmap brings: two instruments, resting orders on a book, legs on two venues.

Each sketch is folded over made-up events plain and compiled; the fold checks that both decide alike.
"""

import random

import pytest

from autotrader.strategies.contract import (
    BOOK,
    ENDED,
    FILLED,
    HELD,
    NO_ENTRY,
    REFUSED,
    RESTING,
    SENT,
    TIMER,
    WORKING,
)


def book(rng, price):
    """Return bids and asks of three levels around a price."""
    bids = [(round(price - 0.01 * (i + 1), 2), rng.uniform(0, 5)) for i in range(3)]
    asks = [(round(price + 0.01 * (i + 1), 2), rng.uniform(0, 5)) for i in range(3)]
    return bids, asks


def test_a_pair_enters_both_legs_under_one_id_and_leaves_them_together(sketch, fold, view):
    pairs = sketch("pairs")
    held = {"lots": [-5, 5], "entry_state": [HELD, HELD]}
    steps = fold(
        pairs,
        pairs.Constants(),
        [
            view(2, features=[[1.0], [0.0]]),
            view(2, now_ms=2_000, features=[[2.5], [0.0]]),
            view(2, now_ms=3_000, features=[[1.0], [0.0]], **held),
            view(2, now_ms=4_000, features=[[0.2], [0.0]], **held),
        ],
        slots=0,
    )
    assert [(out[0], out[1]) for _, out in steps] == [
        ([0.0, 0.0], [0, 0]),
        ([-1.0, 1.0], [2_000, 2_000]),
        ([-1.0, 1.0], [2_000, 2_000]),
        ([0.0, 0.0], [2_000, 2_000]),
    ]


def test_a_pair_that_lost_one_leg_gives_up_the_other(sketch, fold, view):
    pairs = sketch("pairs")
    lone = view(2, features=[[2.5], [0.0]], lots=[-5, 0], entry_state=[HELD, ENDED])
    ((_, out),) = fold(pairs, pairs.Constants(), [lone], 0, state=pairs.State(500, -1.0))
    assert out[0] == [0.0, 0.0]


def test_a_maker_keeps_an_order_that_is_still_near_and_moves_one_that_is_not(sketch, fold, view):
    maker = sketch("maker")
    rng = random.Random(1)
    views = []
    for price in (100.00, 100.01, 100.05):
        bids, asks = book(rng, price)
        views.append(view(1, 2, event=BOOK, bids=[bids], asks=[asks]))
    ticks = [out[4] for _, out in fold(maker, maker.Constants(), views, slots=2)]
    assert ticks == [[9_997, 10_003], [9_997, 10_003], [10_002, 10_008]]


def test_a_maker_wants_nothing_on_an_old_book_and_asks_to_be_woken(sketch, fold, view):
    maker = sketch("maker")
    bids, asks = book(random.Random(1), 100.0)
    ((_, out),) = fold(maker, maker.Constants(), [view(1, 2, event=TIMER, bids=[bids], asks=[asks], age_ms=[900])], 2)
    assert out[3] == [0, 0]
    assert out[8] == [1_500]


def trade(view, **changes):
    """Return a view of two books between which buying on leg 1 and selling on leg 0 earns 0.5 %."""
    return view(
        2,
        2,
        event=BOOK,
        bids=[[(100.5, 1.0)], [(99.9, 1.0)]],
        asks=[[(100.6, 1.0)], [(100.0, 1.0)]],
        **changes,
    )


def test_an_arbitrage_sends_both_legs_in_one_group(sketch, fold, view):
    arbitrage = sketch("arbitrage")
    ((_, out),) = fold(arbitrage, arbitrage.Constants(), [trade(view)], 2)
    _, _, leg, side, ticks, lots, _, group, wake_ms, *_ = out
    assert (leg, side, ticks, lots, group, wake_ms) == ([0, 1], [-1, 1], [10_050, 10_000], [3, 3], [1, 1], [2_000])


def test_a_refused_leg_is_completed_within_its_bound_and_unwound_at_the_deadline(sketch, fold, view):
    arbitrage = sketch("arbitrage")
    lone = {"order_state": [FILLED, REFUSED], "lots": [-3, 0]}
    steps = fold(
        arbitrage,
        arbitrage.Constants(),
        [trade(view), trade(view, **lone), trade(view, **{**lone, "now_ms": 2_500})],
        2,
    )
    (_, first), (completing, second), (unwinding, third) = steps
    assert first[3] == [-1, 1]
    assert completing.phase == arbitrage.COMPLETE
    assert second[4] == [10_045, 10_005]
    assert unwinding.phase == arbitrage.UNWIND
    assert (third[3], third[4], third[5]) == ([1, 0], [0, 0], [3, 0])


@pytest.mark.parametrize("name", ["pairs", "maker", "arbitrage"])
@pytest.mark.parametrize("seed", range(3))
def test_a_sketch_decides_alike_plain_and_compiled_whatever_happens(sketch, fold, view, name, seed):
    rng = random.Random(seed)
    kind = sketch(name)
    legs, slots = {"pairs": (2, 0), "maker": (1, 2), "arbitrage": (2, 2)}[name]
    views = []
    for i in range(300):
        books = [book(rng, 100 + rng.gauss(0, 0.3)) for _ in range(legs)]
        views.append(
            view(
                legs,
                slots,
                event=rng.choice([BOOK, TIMER]),
                now_ms=1_000 + 100 * i,
                features=[[rng.gauss(0, 2)] for _ in range(legs)],
                bids=[bids for bids, _ in books],
                asks=[asks for _, asks in books],
                age_ms=[rng.randrange(800) for _ in range(legs)],
                lots=[rng.choice([0, 0, 3, -12]) for _ in range(legs)],
                entry_state=[rng.choice([NO_ENTRY, WORKING, HELD, ENDED]) for _ in range(legs)],
                order_state=[rng.choice([SENT, RESTING, FILLED, REFUSED]) for _ in range(slots)],
            )
        )
    steps = fold(kind, kind.Constants(), views, slots)
    assert len({str(out) for _, out in steps}) > 1
