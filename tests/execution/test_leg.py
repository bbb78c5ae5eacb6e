"""A leg: what it says of itself, and that the journal gives it back as it was."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.execution.ledger import Position
from autotrader.execution.leg import Leg, Policy, exit_code
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import Guard, Reason
from autotrader.market.instrument import Instrument
from autotrader.strategies import contract as words

D = Decimal
INSTRUMENT = Instrument("paper", "BTC/USDT", "BTC", "USDT", "spot", D("0.01"), D("1e-8"))

fractions = st.none() | st.integers(1, 9_999).map(lambda n: n * D("0.0001"))
amounts = st.integers(-(10**12), 10**12).map(lambda n: n * D("1e-8"))
words_of = st.text(max_size=30)


@given(
    st.builds(
        Leg,
        owner=words_of,
        exchange=words_of,
        symbol=words_of,
        timeframe=words_of,
        resolution=words_of,
        instrument=st.just(INSTRUMENT),
        guard=st.builds(Guard, fractions, fractions, fractions),
        max_holding_ms=st.integers(0, 10**12),
        policy=st.builds(Policy, st.sampled_from(("market", "limit")), st.integers(0, 10**9)),
        on_remove=st.sampled_from(("hold", "close", "adopt")),
        position=st.builds(Position, amounts, amounts, amounts, amounts, amounts, amounts, amounts, st.integers(0)),
        group=words_of,
        entry_id=st.integers(0, 2**60),
        exposure=st.floats(-1, 1),
        target=amounts,
        sent=st.integers(0, 10**9),
        first_sent_ms=st.integers(0, 10**13),
        exit_reason=words_of,
        last_exit=st.integers(0, 6),
        locked=words_of,
    )
)
def test_what_the_journal_keeps_of_a_leg_gives_the_same_leg_back(leg: Leg) -> None:
    rest = json.loads(json.dumps(leg.plain()))
    assert Leg.restore(leg.owner, leg.exchange, leg.symbol, leg.instrument, leg.position, rest) == leg


def test_a_fresh_leg_has_sent_held_and_seen_nothing() -> None:
    leg = Leg("a", "paper", "BTC/USDT", "5m", "1m", INSTRUMENT)
    assert (leg.key, leg.position, leg.orders, leg.slots) == (("a", "paper", "BTC/USDT"), Position(), {}, {})
    assert leg.plain() == {
        "timeframe": "5m",
        "resolution": "1m",
        "guard": [None, None, None],
        "max_holding_ms": 0,
        "policy": ["market", 0, False, -1, "gtc", 0, 0],
        "on_remove": "hold",
        "group": "",
        "entry_id": 0,
        "exposure": 0.0,
        "target": "0",
        "left": "0",
        "whole": "0",
        "chases": 0,
        "look_ms": 0,
        "shares": [],
        "sent": 0,
        "first_sent_ms": 0,
        "exit_reason": "",
        "last_exit": words.NOT_LEFT,
        "locked": "",
        "filled": 0,
        "best": 0.0,
        "watched_ms": 0,
    }


def test_what_an_older_journal_does_not_know_of_a_leg_is_as_in_a_fresh_one() -> None:
    fresh = Leg("a", "paper", "BTC/USDT", "5m", "1m", INSTRUMENT)
    newer = {"left", "whole", "chases", "look_ms", "filled", "best", "watched_ms"}
    older = {name: value for name, value in fresh.plain().items() if name not in newer}
    assert Leg.restore("a", "paper", "BTC/USDT", INSTRUMENT, Position(), older) == fresh


@pytest.mark.parametrize(
    ("policy", "rests", "persists"),
    [
        (Policy("market"), False, False),
        (Policy("limit"), True, False),
        (Policy("limit", post_only=True), True, True),
        (Policy("iceberg", show=1), True, True),
        (Policy("twap", 60_000, slices=2), False, True),
    ],
)
def test_which_policies_have_orders_that_rest_and_entries_that_go_on_without_one(policy, rests, persists) -> None:
    assert (policy.rests, policy.persists) == (rests, persists)


@pytest.mark.parametrize(
    ("held", "entry_id", "guard", "guarded"),
    [
        ("1", 5, Guard(D("0.1")), True),
        ("-1", 5, Guard(D("0.1")), True),
        ("0", 5, Guard(D("0.1")), False),
        ("1", 0, Guard(D("0.1")), False),
        ("1", 5, Guard(), False),
    ],
    ids=["a long", "a short", "nothing is held", "slots built it", "no guard is declared"],
)
def test_what_an_entry_built_is_guarded_where_a_guard_is_declared(new, held, entry_id, guard, guarded) -> None:
    assert new.leg(held, entry_id=entry_id, guard=guard).guarded is guarded


def test_orders_are_told_apart_by_their_purpose(new) -> None:
    purposes = ("entry", "exit", "stop", "slot", "slot_exit")
    leg = new.leg(orders=[new.order(name, name, 1, 1, 100) for name in purposes])
    for name in purposes:
        assert [order.client_id for order in leg.working(name)] == [name]
    assert [order.client_id for order in leg.slotted()] == ["slot", "slot_exit"]


def test_a_slots_order_is_told_to_its_slot_to_the_end_and_no_other_order_is(new) -> None:
    asked, other = new.order("s1", "slot", 1, 1, 100), new.order("s2", "slot", 1, 1, 100)
    leg = new.leg(slots={"s1": asked})
    leg.keep(other)
    leg.keep(asked._replace(state=OrderState.CANCELED))
    assert leg.slots == {"s1": asked._replace(state=OrderState.CANCELED)}
    assert leg.orders == {"s2": other}


def test_an_order_is_kept_while_it_may_fill_and_forgotten_when_it_may_not(new) -> None:
    leg = new.leg()
    order = new.order("at1", "entry", 1, 1, 100, state=OrderState.SENT)
    for state in (OrderState.INTENT, OrderState.SENT, OrderState.OPEN, OrderState.PARTIAL):
        leg.keep(order._replace(state=state))
        assert leg.orders["at1"].state is state
    for state in (OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED):
        leg.keep(order)
        leg.keep(order._replace(state=state))
        assert not leg.orders


def test_a_guard_is_its_venues_and_is_not_kept_among_the_orders(new) -> None:
    leg = new.leg(orders=[new.order("atg", "guard", -1, 1, type="guard", state=OrderState.ARMED)])
    assert not leg.orders


@pytest.mark.parametrize(
    ("held", "entry", "entry_id", "state"),
    [
        ("0", False, 0, words.NO_ENTRY),
        ("0", True, 5, words.WORKING),
        ("1", True, 5, words.WORKING),
        ("1", False, 5, words.HELD),
        ("-1", False, 5, words.HELD),
        ("0", False, 5, words.ENDED),
    ],
)
def test_how_an_entry_fares_is_told_in_the_contracts_words(new, held, entry, entry_id, state) -> None:
    orders = [new.order("at1", "entry", 1, 1, 100)] if entry else []
    assert new.leg(held, orders, entry_id=entry_id).entry_state == state


@pytest.mark.parametrize(
    ("left", "purposes", "enters"),
    [
        (0, (), False),
        (1, (), True),
        (-1, (), True),
        (1, ("exit",), True),
        (0, ("exit",), False),
        (0, ("exit", "entry"), True),
    ],
)
def test_an_entry_is_under_way_while_an_order_works_for_it_or_some_of_it_is_left(new, left, purposes, enters) -> None:
    orders = [new.order(f"at{number}", purpose, 1, 1, 100) for number, purpose in enumerate(purposes)]
    assert new.leg(orders=orders, left=D(left)).enters is enters


def test_a_leg_is_idle_where_nothing_is_held_works_or_is_on_its_way_out(new) -> None:
    order = new.order("at1", "entry", 1, 1, 100)
    assert new.leg().idle is True
    busy = [new.leg(orders=[order]), new.leg(left=D(1)), new.leg(exit_reason="stop_loss"), new.leg("1")]
    assert [leg.idle for leg in busy] == [False] * 4


def test_every_reason_to_leave_has_a_code_and_what_no_strategy_caused_is_a_command() -> None:
    codes = {reason: exit_code(reason) for reason in Reason}
    by_strategy = {
        Reason.EXIT: words.BY_TARGET,
        Reason.STOP_LOSS: words.BY_STOP_LOSS,
        Reason.TAKE_PROFIT: words.BY_TAKE_PROFIT,
        Reason.TRAILING_STOP: words.BY_TRAILING_STOP,
        Reason.MAX_HOLDING: words.BY_MAX_HOLDING,
        Reason.SLOT: words.BY_TARGET,
    }
    assert codes == {reason: by_strategy.get(reason, words.BY_COMMAND) for reason in Reason}
