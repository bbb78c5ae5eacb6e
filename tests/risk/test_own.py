"""The breakers of one strategy, which follow its profit: what trips them, of what a share is taken, what moves them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.clock import DAY_MS
from autotrader.market.fills import RATE
from autotrader.market.instrument import steps
from autotrader.risk.breakers import Breakers, LossBounds, Marks, least_loss, marked, on_equity, shifted, unlocked
from autotrader.risk.limits import NONE, Cap, Limits, Refusal, bound_of

D = Decimal
DAY = 19_700 * DAY_MS
HOUR = 3_600_000
DRAWDOWN = Limits(max_drawdown=Cap(share=D("0.1"), currency="USDT"))
DAILY = Limits(max_daily_loss=Cap(share=D("0.05"), currency="USDT"))


def followed(limits: Limits, path, state: Breakers | None = None) -> tuple[Breakers, list[tuple[str, str, str]]]:
    """Follow (hour, profit, what it may use) triples; return the breakers and the breaches."""
    state, tripped = state or Breakers(), []
    for hour, profit, equity in path:
        state, breaches = on_equity(state, limits, DAY + hour * HOUR, D(profit), D(equity))
        tripped += [tuple(breach) for breach in breaches]
    return state, tripped


@pytest.mark.parametrize(
    ("path", "trips"),
    [
        ([(0, 0, 1000), (1, "-99.99", "900.01")], False),
        ([(0, 0, 1000), (1, -100, 900)], True),
        ([(0, 50, 1050), (1, "-54.99", "945.01")], False),
        ([(0, 50, 1050), (1, -55, 945)], True),
        ([(0, 0, 1000), (1, -100, 1900)], False),
        ([(0, 0, 1000), (1, -100, 899)], True),
    ],
    ids=["a cent above", "at the bound", "from its best, a cent above", "from its best", "the others gained",
         "the others lost"],
)  # fmt: skip
def test_a_share_is_of_what_it_might_use_without_the_loss(path, trips) -> None:
    state, tripped = followed(DRAWDOWN, path)
    assert (bool(tripped), state.drawdown_locked) == (trips, trips)


def test_a_breach_tells_bound_and_loss_of_the_strategy() -> None:
    _, tripped = followed(DRAWDOWN, [(0, 0, 1000), (1, "-120.5", 900)])
    assert tripped == [("max_drawdown", "102.05 USDT (10%)", "120.50 USDT")]
    _, tripped = followed(DAILY, [(0, 0, 1000), (1, "-60.5", 900)])
    assert tripped == [("max_daily_loss", "48.02 USDT (5%)", "60.50 USDT")]


def test_profits_below_zero_are_followed_like_any() -> None:
    state, tripped = followed(DAILY, [(0, -500, 1000), (24, -520, 1000)], Breakers(peak=D(-500)))
    assert (state.peak, state.day_start, tripped) == (D(-500), D(-520), [])
    _, tripped = followed(DAILY, [(25, -573, 1000)], state)
    assert [limit for limit, _, _ in tripped] == ["max_daily_loss"]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10**12)), min_size=1, max_size=30),
    st.tuples(*[st.sampled_from([NONE, 10**9, 10**11])] * 2, *[st.sampled_from([NONE, 10**6, 10**7])] * 2),
)
def test_with_all_the_equity_a_strategys_breakers_are_the_accounts(path, bounds) -> None:
    """What it may use is then the equity itself, and its profit differs from that by a constant."""
    daily_amount, drawdown_amount, daily_share, drawdown_share = bounds
    limits = LossBounds(
        daily_amount, daily_share if daily_amount == NONE else NONE,
        drawdown_amount, drawdown_share if drawdown_amount == NONE else NONE,
    )  # fmt: skip
    start, now_ms = path[0][1], DAY
    account = own = Marks(now_ms // DAY_MS, start, start, 0, 0)
    own = own._replace(day_start=0, peak=0)
    for hours, equity in path:
        now_ms += hours * HOUR
        account = marked(account, limits, now_ms, equity, equity)
        own = marked(own, limits, now_ms, equity - start, equity)
        assert (own.loss_day, own.locked) == (account.loss_day, account.locked)
        assert (own.peak + start, own.day_start + start) == (account.peak, account.day_start)


def test_without_anything_to_use_any_loss_is_too_much() -> None:
    bounds = LossBounds(drawdown_share=RATE // 10)
    assert marked(Marks(0, 0, 5, 0, 0), bounds, 1, 4, -1).locked == 1
    assert marked(Marks(0, 0, 5, 0, 0), bounds, 1, 5, -1).locked == 0
    assert (least_loss(NONE, RATE, 0), least_loss(NONE, RATE, -1), least_loss(NONE, RATE, 1)) == (0, 0, 1)


def test_a_loss_bound_of_nothing_trips_with_the_first_step_that_is_lost() -> None:
    bounds = LossBounds(daily_amount=0, drawdown_amount=0)
    even = marked(Marks(19_700, 5, 5, 0, 0), bounds, DAY, 5, 5)
    assert (even.loss_day, even.locked) == (0, 0)
    lost = marked(Marks(19_700, 5, 5, 0, 0), bounds, DAY, 4, 4)
    assert (lost.loss_day, lost.locked) == (19_700, 1)


def test_a_share_of_a_loss_bound_is_rounded_up_to_a_step() -> None:
    assert least_loss(NONE, RATE // 3, 10) == 4
    assert least_loss(7, NONE, 10) == 7
    assert least_loss(NONE, NONE, 10) == NONE
    assert bound_of(NONE, RATE // 3, 10) == 3
    assert (bound_of(NONE, RATE, 0), bound_of(NONE, RATE, 1)) == (0, 1)


def test_what_changes_hands_is_neither_a_gain_nor_a_loss() -> None:
    state, _ = followed(DRAWDOWN, [(0, 50, 1050)])
    moved = shifted(state, D(-400))
    assert (moved.peak, moved.day_start) == (D(-350), D(-350))
    assert followed(DRAWDOWN, [(1, -350, 1050)], moved)[1] == []
    assert shifted(moved, D(400)) == state


def test_unlocking_counts_from_the_profit_of_now() -> None:
    state, _ = followed(DRAWDOWN, [(0, 0, 1000), (1, -200, 800)])
    free = unlocked(state, D(-200))
    assert (free.peak, free.day_start, free.drawdown_locked) == (D(-200), D(-200), False)
    assert followed(DRAWDOWN, [(2, -279, 801)], free)[1] == []


def test_money_of_the_account_and_profit_count_in_whole_steps() -> None:
    assert steps(D("-0.000000015")) == -2


def test_a_refusal_says_whose_limit_it_is() -> None:
    assert str(Refusal("max_order", "10", "11", "a")) == "max_order of a is 10, this order would make it 11"
    assert str(Refusal("max_order", "10", "11")) == "max_order is 10, this order would make it 11"
