"""Paths and values of a search: what a text means, and the file that comes of it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.backtest.space import as_yaml, changed, check_paths, dimension, points, size, space, written
from autotrader.config.nodes import plain
from autotrader.config.yaml import read
from autotrader.core.errors import AutotraderError
from autotrader.strategies.rules import Params

RULES = {
    "exchange": "paper",
    "symbols": ["BTC/USDT"],
    "timeframe": "5m",
    "capital": "20%",
    "exposure": "n - m",
    "on_remove": "close",
}
FILE = {
    "kind": "rules",
    "symbols": ["BTC/USDT", "ETH/USDT"],
    "timeframe": "5m",
    "let": {"n": "12", "fast": "ema(close, 12)", "daily": 'sma(close, 5, timeframe="1d")'},
    "enter_long": "crosses_above(fast, ema(close, n)) and rsi(close, 14) < 75.5",
    "exits": {"stop_loss": "2%"},
    "params": {"fast": 12},
}


def texts(one):
    return [written([one], point)[one.path] for point in points([one])]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("5:8", ["5", "6", "7", "8"]),
        ("5:20:5", ["5", "10", "15", "20"]),
        ("0:1:0.25", ["0", "0.25", "0.5", "0.75", "1"]),
        ("1%:2%:0.5%", ["1%", "1.5%", "2%"]),
        ("1:3%", ["1%", "2%", "3%"]),
        ("10m:30m:10m", ["10m", "20m", "30m"]),
        ("-2:0", ["-2", "-1", "0"]),
        ("5m,15m,1h", ["5m", "15m", "1h"]),
        ("BTC/USDT:USDT,ETH/USDT:USDT", ["BTC/USDT:USDT", "ETH/USDT:USDT"]),
        ("42", ["42"]),
    ],
)
def test_values_are_written_as_a_person_would_write_them(values, expected):
    assert texts(dimension(f"a.b={values}")) == expected


def test_a_range_without_steps_has_no_count():
    one = dimension("x=0.5:2.5")
    assert size([one]) is None
    assert one.text(1.23456789) == "1.23457"


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 7))
def test_steps_stay_between_the_ends(low, length, step):
    one = dimension(f"x={low}:{low + length}:{step}")
    numbers = [Decimal(text) for text in texts(one)]
    assert numbers[0] == low
    assert all(low <= number <= low + length for number in numbers)
    assert len(set(numbers)) == len(numbers) == one.many


@pytest.mark.parametrize("text", ["x", "x=", "=1:2", "x=5:1", "x=1:5:0", "x=1%:5m", "x=a:b", "x=1:2:3:4", "x=1,,2"])
def test_what_cannot_be_is_refused_with_what_to_write(text):
    with pytest.raises(AutotraderError, match=r"write|holds|mixes"):
        dimension(text)


def test_a_path_is_set_once():
    with pytest.raises(AutotraderError, match="twice"):
        space(["x=1:2", "x=3:4"])


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("params.fast", "20", {"params": {"fast": 20}}),
        ("exits.stop_loss", "3%", {"exits": {"stop_loss": "3%"}}),
        ("exits.take_profit", "4%", {"exits": {"stop_loss": "2%", "take_profit": "4%"}}),
        ("timeframe", "15m", {"timeframe": "15m"}),
        ("symbols.1", "LTC/USDT", {"symbols": ["BTC/USDT", "LTC/USDT"]}),
        ("enter_long.2", "60", {"enter_long": "crosses_above(fast, ema(close, n)) and rsi(close, 14) < 60"}),
    ],
)
def test_a_value_is_put_where_its_path_leads(path, text, expected):
    assert changed(FILE, {path: text}) == FILE | expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("let.n", "9"), ("let.fast", "ema(close, 9)"), ("let.daily", 'sma(close, 9, timeframe="1d")')],
)
def test_the_one_number_of_an_expression_is_reached(path, expected):
    name = path.partition(".")[2]
    assert changed(FILE, {path: "9"})["let"][name] == expected


def test_an_expression_can_be_replaced_as_a_whole():
    assert changed(FILE, {"let.fast": "sma(close, 12)"})["let"]["fast"] == "sma(close, 12)"


def test_of_several_numbers_one_must_be_named():
    with pytest.raises(AutotraderError, match=r"enter_long\.1 is 14, enter_long\.2 is 75\.5"):
        changed(FILE, {"enter_long": "9"})


def test_the_file_itself_is_left_alone():
    before = repr(FILE)
    changed(FILE, {"let.n": "1", "symbols.0": "X/Y", "exits.take_profit": "1%"})
    assert repr(FILE) == before


@pytest.mark.parametrize("path", ["lett.n", "let.m", "symbols.7", "kind.x.y", "exits", "exits.stop_lss", "params"])
def test_a_path_that_leads_nowhere_is_refused(path):
    known = FILE | {"exits": {"stop_loss": None, "take_profit": None}}
    with pytest.raises(AutotraderError, match=path.partition(".")[0]):
        check_paths([dimension(f"{path}=1:5")], FILE, known)


def test_a_key_that_the_file_leaves_out_may_be_set():
    check_paths([dimension("exits.take_profit=1%:5%")], FILE, {"exits": {"take_profit": None}})


def test_the_lines_for_the_file_say_the_same_as_the_change():
    values = {"let.fast": "9", "let.n": "30", "symbols.1": "X/Y", "exits.stop_loss": "1.5%", "enter_long.1": "7"}
    lines = plain(read(as_yaml(FILE, values).encode()).root)
    after = changed(FILE, values)
    assert lines["symbols"] == after["symbols"]
    assert lines["enter_long"] == after["enter_long"]
    assert lines["exits"] == after["exits"]
    assert lines["let"] == {name: after["let"][name] for name in ("fast", "n")}


@pytest.mark.parametrize("values", [{"let.n": "30"}, {"let.m": "0.25"}, {"let.m": "sma(close, 3)"}])
def test_a_bare_number_in_let_is_changed_like_one_in_quotes(values):
    bare = {"let": {"n": 12, "m": Decimal("0.50")}}
    quoted = {"let": {"n": "12", "m": "0.50"}}
    check_paths([dimension("let.n=5:50"), dimension("let.m=0.1:2")], bare, bare)
    after = [Params.model_validate(RULES | changed(tree, values)).let for tree in (bare, quoted)]
    assert after[0] == after[1]
    lines = plain(read(as_yaml(bare, values).encode()).root)
    assert lines["let"].items() <= changed(bare, values)["let"].items()
