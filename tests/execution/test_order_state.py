"""The life of an order, as the table that people read: each state, each event, what follows; all else stops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.errors import BrokenInvariant
from autotrader.execution.order_state import DONE, TRANSITIONS, WORKING, OrderEvent, OrderState, advance

TABLE = """
            send  ack       fill_part  fill_all  cancel    reject    expire    absent
intent      sent  open      partial    filled    canceled  rejected  expired   rejected
sent        -     open      partial    filled    canceled  rejected  expired   rejected
open        -     open      partial    filled    canceled  rejected  expired   canceled
partial     -     partial   partial    filled    canceled  canceled  expired   canceled
filled      -     filled    -          -         filled    filled    filled    filled
canceled    -     canceled  canceled   filled    canceled  canceled  canceled  canceled
rejected    -     open      partial    filled    canceled  rejected  expired   rejected
expired     -     expired   expired    filled    expired   expired   expired   expired
armed       -     armed     armed      filled    canceled  -         expired   -
"""


def rows() -> list[tuple[OrderState, OrderEvent, OrderState | None]]:
    head, *lines = TABLE.strip().splitlines()
    events = [OrderEvent(word) for word in head.split()]
    found = []
    for line in lines:
        state, *cells = line.split()
        for event, cell in zip(events, cells, strict=True):
            found.append((OrderState(state), event, None if cell == "-" else OrderState(cell)))
    return found


@pytest.mark.parametrize(("state", "event", "after"), rows(), ids=str)
def test_every_pair_of_state_and_event_does_what_the_table_says(state, event, after) -> None:
    if after is None:
        with pytest.raises(BrokenInvariant, match=f"an order that is {state} cannot meet {event}"):
            advance(state, event)
    else:
        assert advance(state, event) is after


def test_the_table_names_every_state_and_every_event() -> None:
    assert {(state, event) for state, event, _ in rows()} == {(s, e) for s in OrderState for e in OrderEvent}
    assert len(rows()) == len(OrderState) * len(OrderEvent)


def test_every_state_is_working_done_or_armed() -> None:
    assert set(OrderState) == WORKING | DONE | {OrderState.ARMED}
    assert not WORKING & DONE


def test_only_a_late_fill_leaves_a_state_that_is_done_but_for_an_order_that_was_taken_to_be_nowhere() -> None:
    done = DONE - {OrderState.REJECTED}
    left = {event for (state, event), after in TRANSITIONS.items() if state in done and after != state}
    assert left == {OrderEvent.FILL_ALL}
    assert all(after in DONE for (state, _), after in TRANSITIONS.items() if state in done)


def test_an_order_that_was_taken_to_be_nowhere_works_again_once_its_venue_tells_of_it() -> None:
    assert advance(OrderState.REJECTED, OrderEvent.ACK) is OrderState.OPEN
    assert advance(OrderState.REJECTED, OrderEvent.FILL_PART) is OrderState.PARTIAL


@given(st.lists(st.sampled_from(OrderEvent), max_size=20))
def test_an_order_that_began_never_becomes_an_intent_again(events: list[OrderEvent]) -> None:
    state = OrderState.INTENT
    for event in events:
        try:
            state = advance(state, event)
        except BrokenInvariant:
            return
        assert state is not OrderState.INTENT


def test_an_intent_is_sent_once() -> None:
    assert [state for (state, event) in TRANSITIONS if event is OrderEvent.SEND] == [OrderState.INTENT]
