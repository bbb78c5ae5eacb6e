"""A vwap's slices: each as large as the volume that its time of day had on the days before."""

from __future__ import annotations

import math
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from autotrader.config.strategy import VwapExecution
from autotrader.core.events import Bar
from autotrader.core.units import timeframe_ms
from autotrader.execution.declared import USUAL_DAYS, order_columns
from autotrader.execution.leg import Leg, Policy
from autotrader.execution.slicing import MAX_SHARES, UNKNOWN, VWAP, lots_now, usual_part
from autotrader.features.program import compile_program
from autotrader.market.fills import RATE

MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS


def shares(volumes, over_ms, slices, timeframe):
    """Return the shares as a part reads them after the last of some bars' volumes."""
    execution = SimpleNamespace(kind="vwap", over=over_ms, slices=slices)
    params = SimpleNamespace(size=SimpleNamespace(kind="percent"), execution=execution)
    program = compile_program(order_columns(params, timeframe), {}, timeframe)
    live = program.live()
    for place, volume in enumerate(volumes):
        live.update(program.own, Bar(place * timeframe_ms(timeframe), 1.0, 1.0, 1.0, 1.0, float(volume)))
    return live.values(), program.history[program.own]


def usually(volumes, over_ms, slices, timeframe):
    """Return the same, added up by hand: the minutes that follow, on each of the days before."""
    length = timeframe_ms(timeframe)
    day, days = DAY_MS // length, min(USUAL_DAYS, 5_000 * length // DAY_MS)
    even = np.repeat(np.asarray(volumes, dtype=float) / length, length // MINUTE_MS)
    minutes, ahead = DAY_MS // MINUTE_MS, over_ms / MINUTE_MS
    total = sum(even[len(even) - n * minutes :][:minutes] for n in range(1, days + 1))
    assert len(volumes) >= day * days
    cumulative = np.concatenate(([0.0], np.cumsum(total)))
    at = np.interp(ahead * np.arange(1, slices + 1) / slices, np.arange(minutes + 1), cumulative)
    return at[:-1] / at[-1]


@pytest.mark.parametrize(
    ("over_min", "slices", "timeframe"),
    [(30, 12, "5m"), (30, 6, "5m"), (70, 6, "5m"), (95, 24, "5m"), (240, 4, "1h"), (1_440, 24, "1h"), (7, 3, "1m")],
)
def test_a_share_is_that_of_the_same_minutes_on_the_days_before(over_min, slices, timeframe) -> None:
    draw = np.random.default_rng(3)
    bars = 8 * DAY_MS // timeframe_ms(timeframe) + 37
    volumes = draw.integers(1, 1_000, size=bars) / 8
    told, history = shares(volumes, over_min * MINUTE_MS, slices, timeframe)
    assert history <= 5_000
    np.testing.assert_allclose(told, usually(volumes, over_min * MINUTE_MS, slices, timeframe), rtol=1e-12)


def test_before_the_days_are_known_no_share_is() -> None:
    told, _ = shares(np.ones(7 * 288 - 1), 30 * MINUTE_MS, 6, "5m")
    assert [usual_part(share) for share in told] == [UNKNOWN] * 5
    told, _ = shares(np.ones(7 * 288), 30 * MINUTE_MS, 6, "5m")
    assert told == pytest.approx([n / 6 for n in range(1, 6)])


def test_where_nothing_was_traded_no_share_is_known() -> None:
    told, _ = shares(np.zeros(7 * 24), 240 * MINUTE_MS, 4, "1h")
    assert [usual_part(share) for share in told] == [UNKNOWN] * 3


def test_a_share_is_counted_in_parts_of_the_whole_from_none_to_all_of_it() -> None:
    assert [usual_part(share) for share in (0.0, 0.25, 1.0)] == [0, RATE // 4, RATE]
    assert [usual_part(share) for share in (-0.01, 1.01, math.nan)] == [UNKNOWN] * 3
    assert UNKNOWN < 0, "no share is mistaken for it"


def test_as_many_shares_are_kept_as_a_vwap_may_declare_slices() -> None:
    VwapExecution.model_validate({"kind": "vwap", "over": "1h", "slices": MAX_SHARES + 1})
    with pytest.raises(ValidationError, match=f"less than or equal to {MAX_SHARES + 1}"):
        VwapExecution.model_validate({"kind": "vwap", "over": "1h", "slices": MAX_SHARES + 2})


@pytest.mark.parametrize(("part", "lots"), [(UNKNOWN, 50), (RATE // 10, 10), (0, 0), (RATE, 100)])
def test_so_much_is_due_as_the_share_says_and_where_it_is_not_known_an_equal_slice(part, lots) -> None:
    assert lots_now(VWAP, 100, 100, 0, 2, 0, 10, 0, part) == lots


def test_what_filled_already_is_not_sent_again() -> None:
    assert lots_now(VWAP, 100, 80, 0, 2, 0, 10, 0, RATE * 3 // 10) == 10
    assert lots_now(VWAP, 100, 60, 0, 2, 0, 10, 0, RATE * 3 // 10) == 0


def test_a_leg_sends_by_the_shares_that_it_began_with_and_all_of_it_in_the_end(new) -> None:
    leg = new.leg(policy=Policy("vwap", 60 * MINUTE_MS, slices=4), shares=(RATE // 10, RATE // 2, RATE * 9 // 10))
    assert leg.first_slice(Decimal(8)) == Decimal("0.8")
    leg.whole, leg.first_sent_ms = Decimal(8), 0
    due = [leg.now(Decimal(8), minute * MINUTE_MS) for minute in (0, 14, 15, 30, 44, 45, 60)]
    assert due == [Decimal(one) for one in ("0.8", "0.8", "4", "7.2", "7.2", "8", "8")]


def test_a_leg_keeps_its_shares_over_a_restart(new) -> None:
    leg = new.leg(policy=Policy("vwap", 60 * MINUTE_MS, slices=4), shares=(1, 2, UNKNOWN))
    back = Leg.restore(leg.owner, leg.exchange, leg.symbol, leg.instrument, leg.position, leg.plain())
    assert back.shares == (1, 2, UNKNOWN)


def test_shares_of_a_policy_that_was_changed_are_not_taken_for_its_own(new) -> None:
    leg = new.leg(policy=Policy("vwap", 60 * MINUTE_MS, slices=5), shares=(RATE // 10, RATE // 2, RATE * 9 // 10))
    assert leg.first_slice(Decimal(10)) == Decimal(2)
