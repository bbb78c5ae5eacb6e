"""What a rules strategy does at each close, and what its file must say."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autotrader.features.graph import SeriesKey
from autotrader.features.program import compile_program
from autotrader.strategies import rules
from autotrader.strategies.contract import BAR, ENDED, FILL, HELD, WORKING, Feed, Leg, fresh_out
from autotrader.strategies.rules import Constants, Params, State

BASE = {
    "kind": "rules",
    "exchange": "paper",
    "symbols": ["BTC/USDT"],
    "timeframe": "5m",
    "capital": "20%",
    "on_remove": "close",
}
LONG = {"enter_long": "close > open", "exit_long": "close < open"}
UNDEFINED = math.nan
EMPTY = State()
BY_CONDITIONS = Constants(by_exposure=0, enters=0, longs=1, shorts=1, filtered=1)
BY_EXPOSURE = Constants(by_exposure=1, enters=0, longs=0, shorts=0, filtered=1)


def problems(**changes):
    """Return (path, message, column) of everything wrong with a file."""
    with pytest.raises(ValidationError) as caught:
        Params.model_validate({**BASE, **changes})
    return [
        (
            error["loc"] or error["ctx"]["at"],
            error["ctx"]["message"] if "ctx" in error else error["msg"],
            error.get("ctx", {}).get("column", -1),
        )
        for error in caught.value.errors()
    ]


def decide(view, state=EMPTY, *, constants=BY_CONDITIONS, now_ms=2_000, **seen):
    """Return the state after a close with the given columns; `seen` may also hold parts of the view."""
    names = ("enter_long", "exit_long", "enter_short", "exit_short", "exposure", "filters")
    row = [float(seen.pop(name, 1.0 if name == "filters" else 0.0)) for name in names]
    changes = {name: [value] for name, value in seen.items()}
    out = fresh_out(1, 0)
    after = rules.step(constants, state, view(1, 0, now_ms=now_ms, features=[row], **changes), out)
    assert (out.target, out.entry) == ([after.target], [after.entry])
    return after


HELD_LONG = State(1_000, 1.0, rules.NOT_ACTED)
HELD_SHORT = State(1_000, -1.0, rules.NOT_ACTED)


def test_a_true_entry_while_flat_is_a_new_entry_named_after_its_close(view):
    assert decide(view, enter_long=1)[:2] == (2_000, 1.0)


def test_a_true_short_entry_sells(view):
    assert decide(view, enter_short=1)[:2] == (2_000, -1.0)


@pytest.mark.parametrize("value", [0.0, UNDEFINED])
def test_an_entry_acts_only_when_it_is_true(view, value):
    assert decide(view, enter_long=value) == EMPTY


@pytest.mark.parametrize("value", [0.0, UNDEFINED])
def test_an_entry_waits_until_the_filters_are_true(view, value):
    assert decide(view, enter_long=1, filters=value) == EMPTY


def test_what_the_file_does_not_write_is_not_read(view):
    longs_alone = Constants(by_exposure=0, enters=1, longs=1, shorts=0, filtered=0)
    assert decide(view, enter_long=1, enter_short=1, filters=0, constants=longs_alone)[:2] == (2_000, 1.0)


def test_nothing_is_entered_while_the_exit_of_that_side_is_true(view):
    assert decide(view, enter_long=1, exit_long=1) == EMPTY
    assert decide(view, enter_short=1, exit_short=1) == EMPTY


def test_the_exit_of_the_other_side_hinders_no_entry(view):
    assert decide(view, enter_long=1, exit_short=1)[:2] == (2_000, 1.0)


def test_an_undefined_exit_hinders_no_entry(view):
    assert decide(view, enter_long=1, exit_long=UNDEFINED)[:2] == (2_000, 1.0)


def test_two_true_entries_enter_nothing(view):
    assert decide(view, enter_long=1, enter_short=1) == EMPTY


def test_a_position_is_not_entered_again(view):
    assert decide(view, HELD_LONG, enter_long=1, lots=5, entry_state=HELD) == HELD_LONG


def test_a_working_entry_is_not_entered_again(view):
    assert decide(view, HELD_LONG, enter_long=1, lots=0, entry_state=WORKING) == HELD_LONG


def test_a_true_exit_takes_the_target_to_nothing_under_its_id(view):
    assert decide(view, HELD_LONG, exit_long=1, lots=5, entry_state=HELD)[:2] == (1_000, 0.0)
    assert decide(view, HELD_SHORT, exit_short=1, lots=-5, entry_state=HELD)[:2] == (1_000, 0.0)


def test_a_true_exit_ends_an_entry_that_still_works(view):
    assert decide(view, HELD_LONG, exit_long=1, lots=0, entry_state=WORKING)[:2] == (1_000, 0.0)


@pytest.mark.parametrize("value", [0.0, UNDEFINED])
def test_an_exit_acts_only_when_it_is_true(view, value):
    assert decide(view, HELD_LONG, exit_long=value, lots=5, entry_state=HELD) == HELD_LONG


def test_an_exit_asks_no_filter(view):
    assert decide(view, HELD_LONG, exit_long=1, filters=0, lots=5, entry_state=HELD).target == 0.0


def test_a_long_is_not_left_by_the_exit_of_shorts(view):
    assert decide(view, HELD_LONG, exit_short=1, lots=5, entry_state=HELD) == HELD_LONG


def test_an_exit_is_not_turned_round_at_the_same_close(view):
    assert decide(view, HELD_LONG, exit_long=1, enter_short=1, lots=5, entry_state=HELD)[:2] == (1_000, 0.0)


def test_an_exit_under_way_is_never_abandoned(view):
    leaving = State(1_000, 0.0, rules.NOT_ACTED)
    assert decide(view, leaving, enter_long=1, lots=3, entry_state=HELD) == leaving


def test_after_a_protective_exit_the_next_true_entry_is_a_new_one(view):
    stopped = decide(view, HELD_LONG, lots=0, entry_state=ENDED)
    assert stopped[:2] == (1_000, 0.0)
    assert decide(view, stopped, enter_long=1, lots=0, entry_state=ENDED)[:2] == (2_000, 1.0)


def test_a_position_older_than_the_state_is_kept_under_its_id(view):
    assert decide(view, lots=-5, entry_id=700, entry_state=HELD)[:2] == (700, -1.0)


def test_a_position_older_than_the_state_is_left_when_its_exit_is_true(view):
    assert decide(view, lots=-5, entry_id=700, entry_state=HELD, exit_short=1)[:2] == (700, 0.0)


def test_an_adopted_position_without_an_id_is_left_for_good(view):
    leaving = decide(view, lots=5, entry_id=0, exit_long=1)
    assert leaving[:2] == (2_000, 0.0)
    assert decide(view, leaving, lots=5, entry_id=2_000, now_ms=3_000) == leaving


def test_other_events_change_nothing(view):
    assert (
        rules.step(BY_CONDITIONS, HELD_LONG, view(1, 0, event=FILL, features=[[1.0] * 6]), fresh_out(1, 0)) == HELD_LONG
    )


def exposed(view, state=EMPTY, **seen):
    return decide(view, state, constants=BY_EXPOSURE, **seen)


def test_an_exposure_is_a_target(view):
    assert exposed(view, exposure=0.4) == State(2_000, 0.4, 0.4)


def test_a_changed_exposure_is_a_new_target(view):
    assert exposed(view, State(1_000, 0.4, 0.4), exposure=0.6, lots=4, entry_state=HELD) == State(2_000, 0.6, 0.6)


def test_an_unchanged_exposure_is_not_entered_again_after_a_stop(view):
    state = State(1_000, 0.4, 0.4)
    assert exposed(view, state, exposure=0.4, lots=0, entry_state=ENDED) == state


def test_an_undefined_exposure_changes_nothing(view):
    state = State(1_000, 0.4, 0.4)
    assert exposed(view, state, exposure=UNDEFINED, lots=4, entry_state=HELD) == state


def test_an_exposure_of_nothing_is_an_exit(view):
    assert exposed(view, State(1_000, 0.4, 0.4), exposure=0, lots=4, entry_state=HELD) == State(1_000, 0.0, 0.0)


def test_an_exposure_is_clipped_to_the_share(view):
    assert exposed(view, exposure=7).target == 1.0
    assert exposed(view, exposure=-7).target == -1.0


def test_an_exposure_below_nothing_is_nothing_on_spot(view):
    assert exposed(view, exposure=-1, may_short=0).target == 0.0


def test_filters_let_an_exposure_fall_but_not_rise(view):
    state = State(1_000, 0.5, 0.5)
    held = {"lots": 5, "entry_state": HELD, "filters": 0}
    assert exposed(view, state, exposure=0.8, **held) == state
    assert exposed(view, state, exposure=0.2, **held).target == 0.2
    assert exposed(view, state, exposure=-0.8, **held).target == 0.0


def test_filters_hold_back_an_exposure_after_a_stop(view):
    state = State(1_000, 0.5, 0.5)
    assert exposed(view, state, exposure=0.2, filters=0, lots=0, entry_state=ENDED) == state


def test_the_contract_s_trend_is_accepted_but_for_what_comes_later():
    p = Params.model_validate(
        {
            **BASE,
            "symbols": ["BTC/USDT", "ETH/USDT"],
            "let": {
                "fast": "ema(close, 12)",
                "slow": "ema(close, 26)",
                "strength": "rsi(close, 14)",
                "daily": 'ema(close, 20, timeframe="1d")',
            },
            "enter_long": "crosses_above(fast, slow) and strength < 70 and close > daily",
            "exit_long": "crosses_below(fast, slow)",
            "exits": {"stop_loss": "2%", "take_profit": "4%", "trailing_stop": "1.5%", "max_holding": "24h"},
            "size": {"kind": "volatility", "risk": "0.5%", "atr": 14},
            "execution": {"kind": "limit", "timeout": "20s"},
        }
    )
    assert rules.instruments(p) == tuple(
        (Leg("paper", symbol, Feed("bars", "5m")),) for symbol in ("BTC/USDT", "ETH/USDT")
    )
    assert rules.wakes(p) == {BAR}
    assert not p.wants_shorts()
    assert compile_program(rules.features(p), rules.lets(p), "5m").series == (SeriesKey("", "1d"), SeriesKey("", "5m"))


@given(st.one_of(st.integers(-(10**18), 10**18), st.decimals(-(10**9), 10**9, places=8)))
def test_a_number_in_let_is_the_expression_that_its_text_is(number):
    bare, quoted = (Params.model_validate({**BASE, **LONG, "let": {"n": n}}) for n in (number, f"{Decimal(number):f}"))
    assert bare == quoted
    assert Decimal(bare.let["n"]) == number


def test_a_number_in_let_keeps_the_digits_that_were_written():
    lets = {"a": Decimal("0.50"), "b": Decimal("1e-9"), "c": 12}
    assert Params.model_validate({**BASE, **LONG, "let": lets}).let == {"a": "0.50", "b": "0.000000001", "c": "12"}


def test_the_columns_that_step_reads_come_first_and_in_its_order():
    p = Params.model_validate({**BASE, **LONG, "let": {"a": "close"}, "filters": ["a > 1", "volume > 2"]})
    assert list(rules.features(p).items()) == [
        ("enter_long", "close > open"),
        ("exit_long", "close < open"),
        ("enter_short", "1 < 0"),
        ("exit_short", "1 < 0"),
        ("exposure", "0"),
        ("filters", "filter_1 and filter_2"),
        ("enter_long or enter_short", "1 < 0"),
    ]
    assert rules.lets(p) == {"filter_1": "a > 1", "filter_2": "volume > 2", "a": "close"}


def test_two_entries_have_a_column_together():
    p = Params.model_validate({**BASE, **LONG, "enter_short": "close < 1", "exit_short": "close > 1"})
    assert rules.features(p)["enter_long or enter_short"] == "enter_long or enter_short"


def test_the_program_compiled_by_the_check_is_the_one_that_runs():
    p = Params.model_validate({**BASE, **LONG})
    program = compile_program(rules.features(p), {}, p.timeframe)
    assert compile_program(rules.features(Params.model_validate({**BASE, **LONG})), {}, "5m") is program


def test_a_short_entry_wants_shorts():
    assert Params.model_validate({**BASE, "enter_short": "close < 1", "exit_short": "close > 1"}).wants_shorts()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [((), "nothing is ever entered", -1)]),
        ({"enter_long": "close > 1"}, [(("enter_long",), "what 'enter_long' enters is never left", -1)]),
        ({"exit_long": "close > 1"}, [(("exit_long",), "'exit_long' has nothing to leave", -1)]),
        (
            {**LONG, "exposure": "1"},
            [
                (("enter_long",), "'enter_long' and 'exposure' exclude each other", -1),
                (("exit_long",), "'exit_long' and 'exposure' exclude each other", -1),
            ],
        ),
        ({**LONG, "enter_long": "clse > 1"}, [(("enter_long",), "unknown name 'clse'", 0)]),
        ({**LONG, "exit_long": "close"}, [(("exit_long",), "a condition is needed here, this is a number", 0)]),
        ({"exposure": "close > 1"}, [(("exposure",), "a number is needed here, this is a condition", 0)]),
        ({**LONG, "filters": ["close > 1", "model(14) > 20"]}, [(("filters", 1), "'model' is not built yet", 0)]),
        ({**LONG, "filters": ["volume"]}, [(("filters", 0), "a condition is needed here, this is a number", 0)]),
        ({**LONG, "let": {"a": "1 +", "b": "a * 2", "c": "close +* 2"}}, [
            (("let", "a"), "the expression ends too early", 2),
            (("let", "c"), "unexpected '*'", 7),
        ]),
        ({**LONG, "let": {"close": "1"}}, [(("let", "close"), "'close' already means something in an expression", -1)]),
        ({**LONG, "let": {"filters": "1"}}, [(("let", "filters"), "'filters' is a name of the rules themselves", -1)]),
        ({**LONG, "let": {"a-b": "1"}}, [(("let", "a-b"), "'a-b' is not a name", -1)]),
        (
            {**LONG, "let": {"a": "b", "b": "a"}},
            [
                (("let", "b"), "'a' is defined by itself: a -> b -> a", 0),
                (("let", "a"), "'b' is defined by itself: b -> a -> b", 0),
            ],
        ),
        (
            {**LONG, "let": {"h": 'close(timeframe="1h")', "d": 'ema(h, 3, timeframe="1d")'}},
            [(("let", "h"), "'1h' is shorter than the 1d bars that ask for it", 16)],
        ),
        (
            {**LONG, "filters": ["sma(sma(close, 4000), 2000) > 1"]},
            [(("filters", 0), "it takes 5999 bars of 5m to have a value; at most 5000 are kept", 0)],
        ),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_is_told_why_and_where(changes, expected):
    assert sorted(problems(**changes)) == sorted(expected)


@pytest.mark.parametrize("name", ["stop_loss", "take_profit", "trailing_stop"])
def test_a_protective_exit_is_an_exit(name):
    assert Params.model_validate({**BASE, "enter_long": "close > 1", "exits": {name: "2%"}})


def test_all_errors_of_a_file_are_told_at_once():
    found = problems(capital="200%", bogus=1, enter_long="clse > 1", exit_long="1 +")
    assert {path for path, *_ in found} == {("capital",), ("bogus",), ("enter_long",), ("exit_long",)}


def test_an_error_in_a_let_hides_no_error_of_what_uses_it():
    found = problems(
        let={"a": "emaa(close, 3)", "b": "a > 1"},
        enter_long="a > clse",
        exit_long="b and a < 2",
    )
    assert [path for path, *_ in found] == [("let", "a"), ("enter_long",)]


def test_a_bad_timeframe_hides_no_error_of_an_expression():
    found = problems(**LONG, timeframe="5x", filters=["emaa(close, 3) > 1"])
    assert [path for path, *_ in found] == [("timeframe",), ("filters", 0)]
