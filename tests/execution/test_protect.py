"""Guards that the daemon keeps itself: the levels of the matcher, and the stop that should rest at the exchange."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.execution.ledger import Position
from autotrader.execution.leg import Leg
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import BUY, SELL, Guard, Order, Reason
from autotrader.execution.protect import REASONS, Seen, covered, held_of, moment, stop_steps, touched
from autotrader.execution.reconcile import NOTHING, URGENT, Place, Steps, leave
from autotrader.market import fills
from autotrader.market.instrument import Instrument

D = Decimal
NOW = 1_000_000
RULES = Instrument("real", "BTC/USDT", "BTC", "USDT", "spot", D("0.01"), D("1e-5"))
NONE = Guard()


def leg(held="1", entry="100", guard=NONE, best=0.0, rules=RULES, **changes) -> Leg:
    amount, price = D(held), D(entry)
    position = Position(amount, abs(amount), abs(amount) * price, in_value=abs(amount) * price)
    return Leg(
        "a",
        "real",
        "BTC/USDT",
        "5m",
        "5m",
        rules,
        guard,
        position=position,
        group="g",
        best=best,
        entry_id=1,
        **changes,
    )


def stop(one: Leg, price: str, amount: str, name="atgp1", created_ms=0, **changes) -> Order:
    side = SELL if one.position.amount > 0 else BUY
    order = Order(
        name, "v1", "a", "real", "BTC/USDT", side, "stop", D(price), D(amount), D(0), None, OrderState.OPEN,
        Reason.STOP_LOSS, "stop", "g", 1, 1, created_ms, created_ms,
    )._replace(**changes)  # fmt: skip
    one.orders[name] = order
    return order


fractions = st.none() | st.integers(1, 9_999).map(lambda part: D(part) / 10_000)


@given(
    side=st.sampled_from([1, -1]),
    entry=st.integers(100, 10_000_000),
    guard=st.builds(Guard, fractions, fractions, fractions),
    best=st.integers(0, 20_000_000),
    prices=st.tuples(*[st.integers(1, 20_000_000)] * 4),
)
def test_what_is_touched_is_what_the_matcher_would_end(side, entry, guard, best, prices) -> None:
    one = leg(str(side), str(entry * RULES.tick), guard, float(best))
    held = held_of(one)
    if guard == NONE:
        assert held is None
        return
    stop_, take, trail = (0 if part is None else int(part * fills.RATE) for part in guard)
    assert held == fills.Held(side, float(entry), float(best or entry), stop_, take, trail)
    open_, close = prices[:2]
    seen = Seen(open_, max(prices), min(prices), close)
    code, _ = fills.protective_exit(held, seen.open, seen.high, seen.low)
    assert touched(held, seen) == REASONS.get(code)
    assert touched(held, moment(close)) == REASONS.get(fills.protective_exit(held, close, close, close)[0])


@given(st.sampled_from([1, -1]), st.builds(Guard, fractions, st.none(), fractions), st.integers(100, 10_000_000))
def test_a_stop_rests_at_the_first_price_that_touches(side, guard, best) -> None:
    one = leg(str(side), "1000", guard, float(best))
    place = stop_steps(one, NOW).place
    if guard == NONE:
        assert place is None
        return
    held = held_of(one)
    ticks = RULES.ticks(place.price)
    assert touched(held, moment(ticks)) == place.reason or ticks == 1
    assert touched(held, moment(ticks + side)) is None
    assert (place.side, place.amount, place.purpose) == (-side, D(1), "stop")


STOP = Guard(stop_loss=D("0.05"))
TRAIL = Guard(trailing_stop=D("0.05"))
PLACED = Place("stop", SELL, D(1), D("95.00"), Reason.STOP_LOSS)


def test_a_position_without_a_stop_gets_one_once() -> None:
    one = leg(guard=STOP)
    assert stop_steps(one, NOW) == Steps(place=PLACED)
    stop(one, "95", "1")
    assert stop_steps(one, NOW) == NOTHING


def test_what_slots_built_is_not_guarded() -> None:
    one = leg(guard=STOP)
    one.entry_id = 0
    assert held_of(one) is None


@pytest.mark.parametrize("guard", [NONE, Guard(take_profit=D("0.05"))])
def test_what_is_no_stop_rests_nowhere(guard) -> None:
    assert stop_steps(leg(guard=guard), NOW) == NOTHING


@pytest.mark.parametrize(
    "changes", [{"held": "0"}, {"guard": NONE}, {"exit_reason": "close"}], ids=["flat", "unguarded", "on its way out"]
)
def test_a_stop_that_guards_nothing_goes_at_once(changes) -> None:
    one = leg(**{"guard": STOP, **changes})
    stop(one, "95", "1", created_ms=NOW)
    assert stop_steps(one, NOW) == Steps(("atgp1",))
    assert stop_steps(one, NOW, {"atgp1"}) == NOTHING


def test_a_stop_follows_the_amount_in_whole_lots_and_not_more_often_than_is_declared() -> None:
    one = leg("1.500009", guard=STOP)
    stop(one, "95", "1", created_ms=NOW)
    assert stop_steps(one, NOW + 4_999) == NOTHING
    assert stop_steps(one, NOW + 5_000) == Steps(("atgp1",), PLACED._replace(amount=D("1.50000")))


def test_of_two_stops_one_stays_once_both_have_stood_long_enough() -> None:
    one = leg(guard=STOP)
    stop(one, "95", "1", "old", created_ms=0)
    stop(one, "95", "1", "young", created_ms=NOW)
    assert stop_steps(one, NOW) == NOTHING
    assert stop_steps(one, NOW + 5_000) == Steps(("old", "young"), PLACED)


def test_a_stop_that_would_wait_at_nothing_waits_at_the_first_tick() -> None:
    assert stop_steps(leg(entry="0.01", guard=Guard(stop_loss=D("0.99"))), NOW).place.price == D("0.01")


@pytest.mark.parametrize(("best", "moves"), [(10_536, False), (10_537, True)])
def test_a_trailing_stop_moves_where_that_is_worth_it(best, moves) -> None:
    one = leg(guard=TRAIL, best=float(best))
    stop(one, "100", "1")
    steps = stop_steps(one, NOW)
    assert (steps.cancel == ("atgp1",)) is moves
    assert (steps.place is not None) is moves


def test_what_is_too_little_to_be_sold_rests_nowhere() -> None:
    assert stop_steps(leg("0.01", guard=STOP, rules=replace(RULES, min_exit=D(5))), NOW) == NOTHING


def test_only_a_stop_that_the_exchange_has_and_the_price_touched_is_on_its_way() -> None:
    one = leg(guard=STOP)
    stop(one, "95", "1")
    assert covered(one, moment(9_500))
    assert covered(one, Seen(10_000, 10_100, 9_500, 10_000))
    assert not covered(one, moment(9_501))
    stop(one, "95", "1", venue_id="")
    assert not covered(one, moment(9_500))


def test_a_short_is_bought_back_above() -> None:
    one = leg("-1", guard=STOP)
    assert stop_steps(one, NOW).place == Place("stop", BUY, D(1), D("105.00"), Reason.STOP_LOSS)
    stop(one, "105", "1")
    assert covered(one, moment(10_500))
    assert covered(one, Seen(10_000, 10_500, 9_900, 10_000))
    assert not covered(one, moment(10_499))


@pytest.mark.parametrize("reason", REASONS.values())
def test_a_guard_that_was_touched_leaves_at_the_market_and_its_stop_goes_first(reason) -> None:
    one = leg(guard=STOP, exit_reason=reason)
    stop(one, "95", "1")
    assert reason in URGENT
    assert leave(one, D(95), NOW) == Steps(("atgp1",), Place("exit", SELL, D("1.00000"), None, reason))


def test_what_a_guard_remembers_is_written_and_read_back() -> None:
    one = leg(guard=TRAIL, best=10_500.0, watched_ms=NOW)
    back = Leg.restore("a", "real", "BTC/USDT", RULES, one.position, one.plain())
    assert (back.best, back.watched_ms) == (10_500.0, NOW)
    older = {name: value for name, value in one.plain().items() if name not in {"best", "watched_ms"}}
    assert Leg.restore("a", "real", "BTC/USDT", RULES, one.position, older).best == 0.0
