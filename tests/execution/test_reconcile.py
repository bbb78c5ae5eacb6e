"""What is wanted against what is, as tables of scenarios; and asked again when it is done, nothing more is wanted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.execution.ledger import Position
from autotrader.execution.leg import NO_BOUND, Leg, Policy
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import BUY, SELL, Order, Reason
from autotrader.execution.reconcile import NOTHING, URGENT, Place, Steps, chase, leave
from autotrader.market.instrument import Instrument

D = Decimal
LIMIT = Policy("limit", 30_000)
MAKER = Policy("limit", 30_000, post_only=True)
FLEETING = Policy("limit", 30_000, force="ioc")
NOW = 100_000
MADE = Place("entry", BUY, D(3), D("100.00"), "entry", post_only=True)


def exits(amount, price=None, side=SELL, reason=Reason.EXIT) -> Place:
    return Place("exit", side, D(amount), None if price is None else D(price), reason)


@pytest.mark.parametrize(
    ("held", "working", "policy", "reason", "began", "wanted"),
    [
        ("0", [], Policy(), Reason.EXIT, NOW, NOTHING),
        ("2", [], Policy(), Reason.EXIT, NOW, Steps((), exits(2))),
        ("-2", [], Policy(), Reason.EXIT, NOW, Steps((), exits(2, side=BUY))),
        ("0", [("e1", "entry", 1, 3, "99")], Policy(), Reason.EXIT, NOW, Steps(("e1",))),
        ("1", [("e1", "entry", 1, 3, "99")], Policy(), Reason.EXIT, NOW, Steps(("e1",), exits(1))),
        ("2", [("x1", "exit", -1, 2, None)], Policy(), Reason.EXIT, NOW, NOTHING),
        ("5", [("x1", "exit", -1, 2, None)], Policy(), Reason.EXIT, NOW, Steps(("x1",), exits(5))),
        ("2", [("x1", "exit", -1, 3, None)], Policy(), Reason.EXIT, NOW, NOTHING),
        ("0", [("x1", "exit", -1, 2, "100")], LIMIT, Reason.EXIT, NOW, Steps(("x1",))),
        ("2", [], LIMIT, Reason.EXIT, NOW, Steps((), exits(2, "100.00"))),
        ("2", [("x1", "exit", -1, 2, "100.00")], LIMIT, Reason.EXIT, NOW, NOTHING),
        ("2", [("x1", "exit", -1, 2, "101")], LIMIT, Reason.EXIT, NOW, Steps(("x1",), exits(2, "100.00"))),
        ("2", [("x1", "exit", -1, 2, "100.00")], LIMIT, Reason.EXIT, 70_000, Steps(("x1",), exits(2))),
        ("2", [("x1", "exit", -1, 2, "100.00")], LIMIT, Reason.EXIT, 70_001, NOTHING),
        ("2", [], LIMIT, Reason.KILL, NOW, Steps((), exits(2, reason=Reason.KILL))),
        ("2", [("x1", "exit", -1, 2, "100.00")], LIMIT, Reason.CLOSE, NOW, Steps(("x1",), exits(2, reason="close"))),
        ("2", [], Policy("limit", 0), Reason.EXIT, 0, Steps((), exits(2, "100.00"))),
    ],
    ids=[
        "flat and nothing works", "a long is sold", "a short is bought back", "an entry is canceled",
        "an entry is canceled before what it bought is sold", "an exit that covers all is left alone",
        "one exit over all replaces what covers a part", "an exit that covers more is left alone",
        "an exit over nothing is canceled",
        "a limit policy leaves at the close", "an exit at the close stays", "an exit elsewhere moves to the close",
        "after its timeout an exit is a market order", "a moment before it is not", "a kill ignores the policy",
        "a close replaces a limit exit at once", "no timeout never turns into a market order",
    ],
)  # fmt: skip
def test_the_way_out_of_a_leg(new, held, working, policy, reason, began, wanted) -> None:
    orders = [new.order(*order) for order in working]
    leg = new.leg(held, orders, policy=policy, exit_reason=reason, first_sent_ms=began)
    steps = leave(leg, D("100.004"), NOW)
    assert steps == wanted
    assert not steps.ends


def test_an_exit_that_is_being_canceled_covers_nothing(new) -> None:
    leg = new.leg("2", [new.order("x1", "exit", -1, 2, None)], exit_reason=Reason.EXIT, first_sent_ms=NOW)
    assert leave(leg, D(100), NOW, frozenset({"x1"})) == Steps((), exits(2))


@pytest.mark.parametrize(
    ("held", "rules", "sold"),
    [
        ("0.0129", {"lot": D("0.001")}, "0.012"),
        ("0.0009", {"lot": D("0.001")}, None),
        ("0.012", {"lot": D("0.001"), "min_amount": D("0.02")}, None),
        ("0.012", {"lot": D("0.001"), "min_exit": D(5)}, None),
        ("0.012", {"lot": D("0.001"), "min_exit": D(1)}, "0.012"),
    ],
)
def test_a_way_out_sells_whole_lots_and_leaves_what_is_too_little(new, held, rules, sold) -> None:
    leg = new.leg(held, exit_reason=Reason.EXIT, first_sent_ms=NOW)
    leg.instrument = replace(leg.instrument, **rules)
    assert leave(leg, D(100), NOW).place == (exits(sold) if sold else None)


def test_a_way_out_ends_what_slots_wanted(new) -> None:
    orders = [
        new.order("s1", "slot", 1, 1, "99"),
        new.order("s2", "slot_exit", -1, 1, "101"),
        new.order("s3", "slot", 1, 1, "98"),
    ]
    leg = new.leg("2", orders, exit_reason=Reason.EXIT, first_sent_ms=NOW)
    assert leave(leg, D(100), NOW, frozenset({"s3"})) == Steps(("s1", "s2"), exits(2))


def test_a_way_out_ends_the_stop_that_rests_at_the_exchange(new) -> None:
    orders = [new.order("p1", "stop", -1, 2, "95"), new.order("p2", "stop", -1, 2, "94")]
    leg = new.leg("2", orders, exit_reason=Reason.EXIT, first_sent_ms=NOW)
    assert leave(leg, D(100), NOW, frozenset({"p2"})) == Steps(("p1",), exits(2))


@pytest.mark.parametrize("reason", sorted(URGENT))
def test_an_urgent_exit_is_a_market_order_whatever_the_policy(new, reason) -> None:
    leg = new.leg("1", policy=LIMIT, exit_reason=reason, first_sent_ms=NOW)
    assert leave(leg, D(100), NOW).place == exits(1, reason=reason)


@pytest.mark.parametrize(
    ("working", "policy", "began", "wanted"),
    [
        ([], LIMIT, NOW, NOTHING),
        ([("e1", "entry", 1, 3, "100.00")], LIMIT, NOW, NOTHING),
        ([("e1", "entry", 1, 3, "99")], LIMIT, NOW, Steps(("e1",), Place("entry", BUY, D(3), D("100.00"), "entry"))),
        ([("e1", "entry", -1, 3, "99", "1")], LIMIT, NOW,
         Steps(("e1",), Place("entry", SELL, D(2), D("100.00"), "entry"))),
        ([("e1", "entry", 1, 3, "99")], LIMIT, 70_000, Steps(("e1",), ends=True)),
        ([("e1", "entry", 1, 3, None)], Policy(), 0, NOTHING),
        ([("x1", "exit", -1, 3, "99")], LIMIT, NOW, NOTHING),
        ([("e1", "entry", 1, 3, "99")], MAKER, NOW, Steps(("e1",), MADE)),
    ],
    ids=["nothing works", "at the close it stays", "elsewhere it moves", "what filled is not asked for again",
         "it ends with its timeout", "a market order is not chased", "an exit is not an entry",
         "a post-only order moves as one"],
)  # fmt: skip
def test_a_working_entry_at_a_close(new, working, policy, began, wanted) -> None:
    orders = []
    for one in working:
        *order, filled = one if len(one) == 6 else (*one, "0")
        orders.append(new.order(*order, filled=D(filled)))
    leg = new.leg(orders=orders, policy=policy, first_sent_ms=began)
    assert chase(leg, D("100.004"), NOW) == wanted


@pytest.mark.parametrize(
    ("chase_", "chases", "working", "wanted"),
    [
        (0, 0, [("e1", "entry", 1, 3, "99")], NOTHING),
        (2, 1, [("e1", "entry", 1, 3, "99")], Steps(("e1",), MADE)),
        (2, 2, [("e1", "entry", 1, 3, "99")], NOTHING),
        (2, 1, [], Steps((), MADE)),
        (2, 2, [], Steps(ends=True)),
        (NO_BOUND, 99, [], Steps((), MADE)),
    ],
    ids=["never moved", "its last move", "moved often enough it rests", "refused it is tried anew",
         "refused and moved often enough it ends", "without a bound"],
)  # fmt: skip
def test_an_entry_moves_as_often_as_its_policy_lets_it(new, chase_, chases, working, wanted) -> None:
    orders = [new.order(*order) for order in working]
    policy = MAKER._replace(chase=chase_)
    leg = new.leg(orders=orders, policy=policy, first_sent_ms=NOW, left=D(3), chases=chases)
    assert leg.enters
    assert chase(leg, D("100.004"), NOW) == wanted


def test_an_entry_in_two_orders_becomes_one_at_the_new_price_where_either_is_elsewhere(new) -> None:
    orders = [new.order("e1", "entry", 1, 3, "100"), new.order("e2", "entry", 1, 2, "99", 1)]
    leg = new.leg(orders=orders, policy=LIMIT, first_sent_ms=NOW)
    assert chase(leg, D(100), NOW) == Steps(("e1", "e2"), Place("entry", BUY, D(4), D("100.00"), "entry"))


def test_a_refused_short_is_tried_anew_as_one_and_ends_with_its_time(new) -> None:
    leg = new.leg(policy=MAKER, first_sent_ms=NOW, left=D(-2))
    assert chase(leg, D(100), NOW).place == Place("entry", SELL, D(2), D(100), "entry", post_only=True)
    assert chase(leg, D(100), NOW + 30_000) == Steps(ends=True)


@pytest.mark.parametrize(("policy", "terms"), [(MAKER, (True, "gtc")), (FLEETING, (False, "ioc"))])
def test_an_exit_keeps_the_terms_until_it_is_a_market_order(new, policy, terms) -> None:
    leg = new.leg("2", policy=policy, exit_reason=Reason.EXIT, first_sent_ms=NOW)
    place = leave(leg, D(100), NOW).place
    assert (place.post_only, place.force) == terms
    assert leave(leg, D(100), NOW + 30_000).place == exits(2)._replace(post_only=False, force="gtc")


# properties: levels, not edges

INSTRUMENT = Instrument("paper", "BTC/USDT", "BTC", "USDT", "spot", D("0.01"), D("1e-8"))
lots = st.integers(1, 10**6).map(lambda n: n * D("1e-8"))
prices = st.integers(9_990, 10_010).map(lambda n: n * D("0.01"))


@st.composite
def legs(draw) -> Leg:
    held = draw(st.just(D(0)) | lots.map(lambda v: v) | lots.map(lambda v: -v))
    leg = Leg("a", "paper", "BTC/USDT", "5m", "5m", INSTRUMENT)
    leg.position = Position(amount=held, in_amount=abs(held), in_cost=abs(held) * 100, in_value=abs(held) * 100)
    leg.policy = Policy(draw(st.sampled_from(("market", "limit"))), draw(st.sampled_from((0, 30_000))))
    leg.exit_reason = draw(st.sampled_from((Reason.EXIT, Reason.CLOSE, Reason.KILL)))
    leg.first_sent_ms = draw(st.integers(0, NOW))
    for number in range(draw(st.integers(0, 4))):
        purpose = draw(st.sampled_from(("entry", "exit")))
        side = 1 if (held >= 0) == (purpose == "entry") else -1
        price = draw(st.none() | prices)
        leg.keep(_order(f"at{number}", purpose, side, draw(lots), price))
    return leg


def _order(name: str, purpose: str, side: int, amount: Decimal, price: Decimal | None) -> Order:
    return Order(
        name, "", "a", "paper", "BTC/USDT", side, "market" if price is None else "limit", price, amount, D(0), None,
        OrderState.OPEN, "", purpose, "g", 1, 1, 0, 0,
    )  # fmt: skip


_names = count(1)


def apply(leg: Leg, steps: Steps) -> None:
    """Do what was answered, as a venue would that does everything at once and fills nothing."""
    for name in steps.cancel:
        leg.orders.pop(name)
    if (place := steps.place) is not None:
        leg.keep(_order(f"new{next(_names)}", place.purpose, place.side, place.amount, place.price))


@given(legs(), prices)
def test_leaving_asked_again_wants_nothing_more(leg: Leg, close) -> None:
    apply(leg, leave(leg, close, NOW))
    assert leave(leg, close, NOW) == NOTHING


@given(legs(), prices)
def test_after_leaving_no_entry_works_and_exits_cover_what_is_held(leg: Leg, close) -> None:
    apply(leg, leave(leg, close, NOW))
    assert not leg.working("entry")
    covered = sum((order.remaining for order in leg.working("exit")), D(0))
    assert covered >= abs(leg.position.amount)
    if not leg.position.amount:
        assert not leg.orders


@given(legs(), prices)
def test_no_new_exit_is_larger_than_what_is_held(leg: Leg, close) -> None:
    place = leave(leg, close, NOW).place
    if place is not None:
        assert 0 < place.amount <= abs(leg.position.amount)
        assert place.side == (SELL if leg.position.amount > 0 else BUY)


@given(legs(), prices)
def test_chasing_asked_again_wants_nothing_more_and_asks_for_no_more_than_remained(leg: Leg, close) -> None:
    before = sum((order.remaining for order in leg.working("entry")), D(0))
    steps = chase(leg, close, NOW)
    apply(leg, steps)
    assert chase(leg, close, NOW) == NOTHING
    after = sum((order.remaining for order in leg.working("entry")), D(0))
    assert after in (before, D(0))
