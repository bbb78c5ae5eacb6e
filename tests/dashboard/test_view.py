from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from autotrader.dashboard.view import URGENT, Gauge, Snapshot, most_urgent, view_of


def test_before_the_daemon_ever_answered_nothing_is_claimed():
    view = view_of(Snapshot())
    assert view.head.connected is None
    assert view.head.equity is None
    assert view.strategies == ()
    assert not view.risk.locked


def test_todays_change_is_measured_from_the_days_first_equity(snapshot):
    head = view_of(snapshot).head
    assert head.today == Decimal("10342.17") - Decimal("10421.9")
    assert head.today_share == head.today / Decimal("10421.9")
    assert head.currency == "USDT"


def test_exchanges_in_two_currencies_are_summed_in_the_accounts(snapshot):
    snapshot.status["exchanges"].append({**snapshot.status["exchanges"][0], "name": "krw", "currency": "KRW"})
    assert view_of(snapshot).head.currency == "USDT"


def test_a_silent_daemon_leaves_the_last_known_figures_and_says_so(snapshot):
    view = view_of(replace(snapshot, trouble="no daemon runs"))
    assert view.head.connected is False
    assert view.head.equity == Decimal("10342.17")
    assert view.trouble == "no daemon runs"


def test_the_curve_ends_with_the_newest_equity_of_the_status(snapshot, worlds):
    view = view_of(replace(snapshot, curve=[(worlds.NOW_MS - 5, 10.0)]))
    assert view.curve == ((worlds.NOW_MS - 5, 10.0), (worlds.NOW_MS, 10342.17))


def test_the_curve_does_not_repeat_a_moment_that_the_journal_has(snapshot, worlds):
    view = view_of(replace(snapshot, curve=[(worlds.NOW_MS, 10.0)]))
    assert view.curve == ((worlds.NOW_MS, 10.0),)


def test_a_daily_loss_lock_of_yesterday_locks_nothing_today(snapshot, worlds):
    risk = snapshot.status["risk"]
    risk["daily_loss_day"] = worlds.NOW_MS // worlds.DAY_MS - 1
    assert not view_of(snapshot).risk.daily_locked
    risk["daily_loss_day"] += 1
    assert view_of(snapshot).risk.daily_locked
    assert view_of(snapshot).risk.locked


def test_a_cooldown_that_is_over_locks_nothing(snapshot, worlds):
    snapshot.status["risk"]["cooldown_until"] = worlds.NOW_MS
    assert not view_of(snapshot).risk.locked
    snapshot.status["risk"]["cooldown_until"] = worlds.NOW_MS + 1
    assert view_of(snapshot).risk.locked


def test_one_paused_strategy_is_not_all_of_them(snapshot):
    assert not view_of(snapshot).risk.all_paused
    snapshot.status["risk"]["paused"][""] = "a person"
    assert view_of(snapshot).risk.all_paused


def test_exits_only_counts_as_paused_so_that_resume_is_offered(snapshot):
    snapshot.status["risk"]["exits_only"] = "the files were not valid"
    assert view_of(snapshot).risk.all_paused


def test_waiting_removals_can_be_confirmed(snapshot):
    assert not view_of(snapshot).reload.confirmable
    snapshot.status["reload"]["waiting"] = ["a: its file is gone"]
    assert view_of(snapshot).reload.confirmable


def test_a_gauge_without_a_bound_is_empty():
    assert Gauge("max_drawdown", Decimal(5), None).share == 0
    assert Gauge("max_drawdown", Decimal(5), Decimal(0)).share == 0


@given(st.decimals(-10, 1000, places=2), st.decimals("0.01", 1000, places=2))
def test_a_gauge_never_leaves_its_track(value, bound):
    assert 0 <= Gauge("max_exposure", value, bound).share <= 1


@given(st.lists(st.sampled_from([*URGENT, "watching"]), max_size=30), st.integers(0, 12))
def test_where_not_all_strategies_fit_those_in_need_of_a_look_stay_in_their_order(states, most):
    rows = [{"state": state, "at": at} for at, state in enumerate(states)]
    shown = most_urgent(rows, most)
    places = [row["at"] for row in shown]
    assert places == sorted(places)
    assert len(shown) == min(most, len(rows))
    order = [*URGENT, "watching"]
    left = [row for row in rows if row not in shown]
    if shown and left:
        assert max(order.index(row["state"]) for row in shown) <= min(order.index(row["state"]) for row in left)
