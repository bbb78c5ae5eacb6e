"""The breakers, over paths of equity and trades: what trips them, and what alone lifts them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.clock import DAY_MS
from autotrader.risk.breakers import MAX_LOSSES_KEPT, Breakers, closed, locks, moved, on_equity, on_trade, unlocked
from autotrader.risk.limits import Cap, Cooldown, Limits

D = Decimal
DAY = 19_700 * DAY_MS  # 2023-12-09 00:00:00 UTC
HOUR = 3_600_000
DAILY = Limits(max_daily_loss=Cap(share=D("0.03"), currency="USDT"))
DRAWDOWN = Limits(max_drawdown=Cap(share=D("0.12"), currency="USDT"))


def walked(limits: Limits, path, state: Breakers | None = None) -> tuple[Breakers, list[tuple[int, str]]]:
    """Follow (hour, equity) pairs; return the breakers and what tripped at which hour."""
    state, tripped = state or Breakers(), []
    for hour, equity in path:
        state, breaches = on_equity(state, limits, DAY + hour * HOUR, D(equity))
        tripped += [(hour, breach.limit) for breach in breaches]
    return state, tripped


@pytest.mark.parametrize(
    ("path", "tripped"),
    [
        ([(0, 1000), (5, 971), (9, 970.01)], []),
        ([(0, 1000), (5, 970)], [(5, "max_daily_loss")]),
        ([(0, 1000), (5, 969), (6, 900), (7, 800)], [(5, "max_daily_loss")]),
        ([(0, 1000), (23, 980), (24, 960), (30, 940)], []),
        ([(0, 1000), (23, 980), (24, 980), (30, "950.6")], [(30, "max_daily_loss")]),
        ([(0, 1000), (5, 960), (24, 960), (30, 930)], [(5, "max_daily_loss"), (30, "max_daily_loss")]),
        ([(0, 1000), (3, 2000), (5, 971)], []),
        ([(12, 1000), (13, 960)], [(13, "max_daily_loss")]),
    ],
    ids=["above the bound", "at the bound", "once a day", "two days' losses are two", "from the new day's start",
         "again the next day", "a gain given back is no loss of the day", "the day begins where it is first seen"],
)  # fmt: skip
def test_a_daily_loss_over_paths_of_equity(path, tripped) -> None:
    assert walked(DAILY, path)[1] == tripped


@pytest.mark.parametrize(
    ("path", "tripped"),
    [
        ([(0, 1000), (5, 881)], []),
        ([(0, 1000), (5, 880)], [(5, "max_drawdown")]),
        ([(0, 1000), (30, 900), (60, 870)], [(60, "max_drawdown")]),
        ([(0, 1000), (3, 2000), (5, 1760)], [(5, "max_drawdown")]),
        ([(0, 1000), (5, 800), (80, 1500), (90, 700)], [(5, "max_drawdown")]),
    ],
    ids=["above the bound", "at the bound", "over days", "from the peak", "once until unlocked"],
)
def test_a_drawdown_over_paths_of_equity(path, tripped) -> None:
    assert walked(DRAWDOWN, path)[1] == tripped


def test_a_money_bound_counts_money() -> None:
    limits = Limits(max_daily_loss=Cap(amount=D(50), currency="USDT"))
    assert walked(limits, [(0, 1000), (1, "950.01")])[1] == []
    assert walked(limits, [(0, 1000), (1, 950)])[1] == [(1, "max_daily_loss")]


def test_a_daily_loss_lifts_at_midnight_utc_and_says_so() -> None:
    state, _ = walked(DAILY, [(0, 1000), (5, 960)])
    last = DAY + 24 * HOUR - 1
    assert str(closed(state, last).value) == "locked until 2023-12-10 00:00:00 UTC"
    assert closed(state, last + 1) is None


def test_an_older_moment_of_another_exchange_lifts_no_lock_and_begins_no_day() -> None:
    state, _ = walked(DAILY, [(0, 1000), (5, 960)])
    later, tripped = walked(DAILY, [(-72, 900)], state)
    assert (later, tripped) == (state, [])
    assert closed(later, DAY + 6 * HOUR) is not None
    assert closed(later, DAY - 72 * HOUR) is not None


def test_a_drawdown_stays_locked_until_a_person_unlocks_it() -> None:
    state, _ = walked(DRAWDOWN, [(0, 1000), (5, 800)])
    state, _ = walked(DRAWDOWN, [(500, 5000)], state)
    assert closed(state, DAY + 10_000 * HOUR).value == "locked until unlock"
    free = unlocked(state, D(800))
    assert closed(free, DAY + 6 * HOUR) is None
    assert walked(DRAWDOWN, [(501, 720)], free)[1] == []
    assert walked(DRAWDOWN, [(501, 704)], free)[1] == [(501, "max_drawdown")]


def test_unlocking_lifts_a_daily_loss_and_a_cooldown_too_and_the_day_goes_on_from_there() -> None:
    state, _ = walked(DAILY, [(0, 1000), (5, 960)])
    state = unlocked(state._replace(cooldown_until_ms=DAY + 99 * HOUR, losses_ms=(DAY,)), D(960))
    assert closed(state, DAY + 6 * HOUR) is None
    assert state.losses_ms == ()
    assert walked(DAILY, [(6, 940)], state)[1] == []
    assert walked(DAILY, [(6, 931)], state)[1] == [(6, "max_daily_loss")]


def test_breaches_tell_bound_and_loss_as_money() -> None:
    state, _ = on_equity(Breakers(), DAILY, DAY, D(1000))
    _, (breach,) = on_equity(state, DAILY, DAY + 1, D("969.999"))
    assert breach == ("max_daily_loss", "30.00 USDT (3%)", "30.01 USDT")


def test_without_limits_nothing_trips_and_the_baselines_follow_all_the_same() -> None:
    state, tripped = walked(Limits(), [(0, 1000), (1, 1), (24, 500)])
    assert tripped == []
    assert (state.peak, state.day_start, state.day) == (D(1000), D(500), DAY // DAY_MS + 1)


# deposits and withdrawals


@pytest.mark.parametrize("amount", [D(500), D(-500)], ids=["deposit", "withdrawal"])
def test_money_that_moved_is_neither_a_gain_nor_a_loss(amount) -> None:
    both = DAILY._replace(max_drawdown=DRAWDOWN.max_drawdown)
    state, _ = walked(both, [(0, 1000)])
    state = moved(state, amount, D(1000))
    assert walked(both, [(1, 1000 + amount)], state)[1] == []
    lost = (1000 + amount) * D("0.03")
    assert walked(both, [(1, 1000 + amount - lost)], state)[1] == [(1, "max_daily_loss")]


def test_money_that_comes_to_an_empty_account_is_its_new_baseline() -> None:
    state, _ = walked(DAILY, [(0, 0)])
    state = moved(state, D(1000), D(0))
    assert (state.day_start, state.peak) == (D(1000), D(1000))
    assert walked(DAILY, [(1, 970)], state)[1] == [(1, "max_daily_loss")]


def test_what_was_below_its_baseline_stays_below_it_by_the_same_share() -> None:
    state = Breakers(peak=D(1900), day_start=D(950))
    moved_out = moved(state, D(-949), D(950))
    assert (moved_out.day_start, moved_out.peak) == (D(1), D(2))
    moved_in = moved(moved_out, D(1), D(1))
    assert (moved_in.day_start, moved_in.peak) == (D(2), D(4))


def test_new_breakers_hold_nothing_and_unlocked_ones_no_lock() -> None:
    assert Breakers() == (0, D(0), D(0), 0, False, 0, ())
    held = Breakers(19_700, D(5), D(9), 19_700, True, DAY, (DAY,))
    assert unlocked(held, D(7)) == Breakers(19_700, D(7), D(7), 0, False, 0, ())


@pytest.mark.parametrize("left", [D(0), D("-0.5"), D(-5)])
def test_of_an_account_that_was_emptied_no_baseline_is_left(left) -> None:
    state, _ = walked(DAILY, [(0, 1000)])
    state = moved(state, left - 1000, D(1000))
    assert (state.day_start, state.peak) == (D(0), D(0))


# cooldown

REST = Limits(cooldown=Cooldown(losses=3, within_ms=6 * HOUR, pause_ms=2 * HOUR))


def traded(state: Breakers, *trades) -> tuple[Breakers, list[int]]:
    tripped = []
    for hour, pnl in trades:
        state, breaches = on_trade(state, REST, DAY + int(hour * HOUR), D(pnl))
        tripped += [hour] * len(breaches)
    return state, tripped


@pytest.mark.parametrize(
    ("trades", "tripped"),
    [
        ([(0, -1), (1, -1)], []),
        ([(0, -1), (1, -1), (2, -1)], [2]),
        ([(0, -1), (1, 5), (2, -1), (3, 0), (4, -1)], [4]),
        ([(0, -1), (1, -1), (6, -1)], []),
        ([(0, -1), (1, -1), (5.99, -1)], [5.99]),
        ([(0, -1), (1, -1), (6, -1), (6.5, -1)], [6.5]),
        ([(0, -1), (1, -1), (2, -1), (3, -1), (4, -1)], [2]),
        ([(0, -1), (1, -1), (2, -1), (3, -1), (4, -1), (5, -1)], [2, 5]),
    ],
    ids=["two are not three", "three are", "gains between do not matter", "the first is out of the window",
         "the first is just inside", "the window slides", "the count begins anew", "and trips again"],
)  # fmt: skip
def test_losses_within_the_window_begin_a_rest(trades, tripped) -> None:
    assert traded(Breakers(), *trades)[1] == tripped


def test_a_rest_lasts_its_time_from_the_last_loss_and_says_until_when() -> None:
    state, _ = traded(Breakers(), (0, -1), (1, -1), (2, -1))
    assert closed(state, DAY + 4 * HOUR - 1)[:3] == ("cooldown", "paused", "paused until 2023-12-09 04:00:00 UTC")
    assert closed(state, DAY + 4 * HOUR) is None


def test_a_second_rest_never_shortens_the_first() -> None:
    state = Breakers(cooldown_until_ms=DAY + 100 * HOUR)
    state, _ = traded(state, (0, -1), (1, -1), (2, -1))
    assert state.cooldown_until_ms == DAY + 100 * HOUR


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-1, 1)), max_size=60))
def test_what_is_remembered_of_losses_is_bounded_and_shorter_than_what_trips(trades) -> None:
    state = Breakers()
    for ts_ms, pnl in sorted(trades):
        state, _ = on_trade(state, REST, ts_ms, D(pnl))
        assert len(state.losses_ms) < REST.cooldown.losses
    assert REST.cooldown.losses <= MAX_LOSSES_KEPT


# what must survive


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 2000)), max_size=40))
def test_only_midnight_lifts_a_daily_loss_and_nothing_lifts_a_drawdown(path) -> None:
    state, both = Breakers(), DAILY._replace(max_drawdown=DRAWDOWN.max_drawdown)
    for hour, equity in sorted(path):
        before, now_ms = state, DAY + hour * HOUR
        state, _ = on_equity(state, both, now_ms, D(equity))
        assert state.drawdown_locked >= before.drawdown_locked
        assert state.daily_loss_day >= before.daily_loss_day
        assert state.peak >= before.peak
        if state.drawdown_locked or state.daily_loss_day == now_ms // DAY_MS:
            assert closed(state, now_ms) is not None
        else:
            assert closed(state, now_ms) is None


def test_a_lock_is_what_a_power_cut_must_not_lose() -> None:
    state, _ = walked(DAILY, [(0, 1000)])
    tripped, _ = walked(DAILY, [(1, 900)], state)
    assert locks(tripped) != locks(state)
    moving, _ = walked(DAILY, [(1, 1100)], state)
    assert locks(moving) == locks(state)
