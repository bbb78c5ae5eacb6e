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
