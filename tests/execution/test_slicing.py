"""Slices as pure functions: they sum to the whole, catch up with what was missed, and never ask for too much."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.execution.leg import Policy
from autotrader.execution.orders import BUY, SELL, Reason
from autotrader.execution.reconcile import NOTHING, Place, Steps, chase, leave
from autotrader.execution.slicing import ICEBERG, TWAP, WHOLE, due_lots, lots_now, shown_lots
from autotrader.market.fills import RATE

D = Decimal
MINUTE_MS = 60_000
OVER_MS = 10 * MINUTE_MS
ICE = Policy("iceberg", OVER_MS, show=RATE // 4)
EVEN = Policy("twap", OVER_MS, slices=5)
NOW = 1_000_000


@pytest.mark.parametrize(
    ("passed_min", "step_min", "due"),
    [
        (0, 0, 20),
        (1, 0, 20),
        (2, 0, 40),
        (9, 0, 100),
        (0, 2, 20),
        (0, 5, 60),
        (5, 5, 100),
        (0, 10, 100),
        (0, 60, 100),
        (30, 0, 100),
    ],
)
def test_slices_fall_due_evenly_and_together_where_one_looks_seldom(passed_min, step_min, due) -> None:
    assert due_lots(100, passed_min * MINUTE_MS, OVER_MS, 5, step_min * MINUTE_MS) == due


@pytest.mark.parametrize(("step_ms", "due"), [(2, 20), (3, 40), (4, 40), (5, 60)])
def test_what_falls_due_a_moment_before_the_next_look_is_sent_now(step_ms, due) -> None:
    """Slices fall due after 0, 2, 4, 6 and 8 ms."""
    assert due_lots(100, 0, 10, 5, step_ms) == due


@given(
    whole=st.integers(1, 2**60),
    over_ms=st.integers(1, 10**10),
    slices=st.integers(2, 1000),
    step_ms=st.integers(0, 10**9),
    slicing=st.sampled_from([WHOLE, ICEBERG, TWAP]),
    show=st.integers(1, RATE),
)
def test_slices_sum_to_the_whole_whatever_the_looks(whole, over_ms, slices, step_ms, slicing, show) -> None:
    """Each slice fills before the next look; an iceberg may take as many looks as it has parts."""
    left, looks = whole, 0
    step = max(step_ms, over_ms // 50, 1)
    for look in range(60):
        now = lots_now(slicing, whole, left, show, slices, look * step, over_ms, step_ms)
        assert 0 <= now <= left
        left -= now
        assert lots_now(slicing, whole, left, show, slices, look * step, over_ms, step_ms) == 0 or slicing == ICEBERG
        looks += 1
    if slicing != ICEBERG:
        assert left == 0
    else:
        assert left == max(whole - looks * shown_lots(whole, show), 0)


@given(whole=st.integers(1, 2**60), slices=st.integers(2, 1000), passed=st.lists(st.integers(0, OVER_MS), min_size=2))
def test_what_is_due_never_shrinks(whole, slices, passed) -> None:
    due = [due_lots(whole, ms, OVER_MS, slices, 0) for ms in sorted(passed)]
    assert due == sorted(due)
    assert due[-1] <= whole


def test_of_an_iceberg_at_least_a_lot_is_shown() -> None:
    assert [shown_lots(whole, 1) for whole in (1, RATE, RATE + 1)] == [1, 1, 2]


def test_where_more_has_filled_than_is_due_nothing_is_sent() -> None:
    assert lots_now(TWAP, 100, 50, 0, 5, 0, OVER_MS, 0) == 0


def test_a_missed_slice_is_caught_up_with() -> None:
    assert lots_now(TWAP, 100, 100, 0, 5, 6 * MINUTE_MS, OVER_MS, 0) == 80


def entering(new, policy: Policy, left="8", orders=(), passed_min=0, **changes):
    leg = new.leg(orders=[new.order(*one) for one in orders], policy=policy, left=D(left), whole=D(8), **changes)
    leg.first_sent_ms = NOW - passed_min * MINUTE_MS
    return leg


def entry(amount, price=None, side=BUY) -> Place:
    return Place("entry", side, D(amount), None if price is None else D(price), Reason.ENTRY)


@pytest.mark.parametrize(
    ("left", "orders", "wanted"),
    [
        ("8", [("e1", "entry", 1, 2, "100")], NOTHING),
        ("8", [("e1", "entry", 1, 2, "99")], Steps(("e1",), entry(2, 100))),
        ("6", [], Steps((), entry(2, 100))),
        ("1", [], Steps((), entry(1, 100))),
        ("-6", [], Steps((), entry(2, 100, SELL))),
        ("0", [], NOTHING),
    ],
    ids=[
        "it rests",
        "it moves",
        "the next part is shown",
        "the last is what is left",
        "a short too",
        "all filled",
    ],
)
def test_an_iceberg_shows_a_part_after_the_other(new, left, orders, wanted) -> None:
    assert chase(entering(new, ICE, left, orders), D(100), NOW) == wanted


@pytest.mark.parametrize(
    ("passed_min", "left", "orders", "wanted"),
    [
        (0, "6.4", [], NOTHING),
        (2, "6.4", [], Steps((), entry("1.6"))),
        (6, "6.4", [], Steps((), entry("4.8"))),
        (2, "6.4", [("e2", "entry", 1, "1.6", None)], NOTHING),
        (4, "6.4", [("e2", "entry", 1, "1.6", None)], Steps(("e2",), entry("3.2"))),
        (10, "6.4", [("e2", "entry", 1, "1.6", None)], Steps(("e2",), ends=True)),
    ],
    ids=["not due yet", "due", "missed ones too", "it works already", "two are due", "the rest is dropped"],
)
def test_a_twap_follows_its_schedule(new, passed_min, left, orders, wanted) -> None:
    assert chase(entering(new, EVEN, left, orders, passed_min), D(100), NOW) == wanted


def test_a_slice_that_an_exchange_would_not_take_waits_for_the_next(new) -> None:
    leg = entering(new, EVEN, "6.4", passed_min=2)
    leg.instrument = new.instrument(min_amount=D(2))
    assert chase(leg, D(100), NOW) == NOTHING
    leg.instrument = new.instrument(min_notional=D(161))
    assert chase(leg, D(100), NOW) == NOTHING
    assert chase(leg, D(100), NOW + 2 * MINUTE_MS).place == entry("3.2")


def test_a_slice_of_the_least_that_an_exchange_takes_is_sent(new) -> None:
    leg = entering(new, EVEN, "6.4", passed_min=2)
    leg.instrument = new.instrument(min_amount=D("1.6"), min_notional=D(160))
    assert chase(leg, D(100), NOW).place == entry("1.6")


@pytest.mark.parametrize(
    ("policy", "held", "passed_min", "orders", "wanted"),
    [
        (ICE, "8", 0, [], Steps((), Place("exit", SELL, D(2), D(100), "exit"))),
        (ICE, "-8", 0, [], Steps((), Place("exit", BUY, D(2), D(100), "exit"))),
        (ICE, "8", 1, [("x1", "exit", -1, 2, "100")], NOTHING),
        (ICE, "6", 10, [], Steps((), Place("exit", SELL, D(6), None, "exit"))),
        (EVEN, "8", 0, [], Steps((), Place("exit", SELL, D("1.6"), None, "exit"))),
        (EVEN, "6.4", 1, [], NOTHING),
        (EVEN, "6.4", 4, [], Steps((), Place("exit", SELL, D("3.2"), None, "exit"))),
        (EVEN, "6.4", 10, [], Steps((), Place("exit", SELL, D("6.4"), None, "exit"))),
    ],
)
def test_a_way_out_in_slices_ends_as_a_market_order(new, policy, held, passed_min, orders, wanted) -> None:
    leg = new.leg(held, [new.order(*one) for one in orders], policy=policy, exit_reason=Reason.EXIT, whole=D(8))
    leg.first_sent_ms = NOW - passed_min * MINUTE_MS
    assert leave(leg, D(100), NOW) == wanted


def test_an_urgent_exit_is_not_sliced(new) -> None:
    leg = new.leg("8", policy=EVEN, exit_reason=Reason.CLOSE, whole=D(8), first_sent_ms=NOW)
    assert leave(leg, D(100), NOW).place == Place("exit", SELL, D(8), None, Reason.CLOSE)


@pytest.mark.parametrize(
    ("policy", "first"), [(ICE, "2"), (EVEN, "1.6"), (EVEN._replace(timeout_ms=5), "1.6"), (Policy(), "8")]
)
def test_the_first_slice_of_an_entry(new, policy, first) -> None:
    leg = new.leg(policy=policy)
    assert leg.first_slice(D(8)) == D(first)
    assert leg.now(D(8), 0) == D(first)
