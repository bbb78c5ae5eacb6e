"""Meaning: names, types, arguments, series; every refusal with its place and its help."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.errors import ExpressionError
from autotrader.features.catalogue import PLANNED
from autotrader.features.compile import Compiler, name_problem
from autotrader.features.graph import SeriesKey, canonical_timeframe
from autotrader.features.program import compile_program

SYNTAX = [
    "close",
    "ema(",
    "rsi(",
    "prev(",
    "crosses_above(",
    "if(",
    "zscore(",
    "atr(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "**",
    "<",
    ">",
    "and",
    "or",
    "not",
    "12",
    "2",
    "0.5",
    "timeframe='1d'",
    "symbol='ETH/USDT'",
    "n=",
]


def compiled(text, timeframe="5m", **lets):
    return compile_program({"x": text}, lets, timeframe)


def refusal(text, timeframe="5m", **lets):
    with pytest.raises(ExpressionError) as caught:
        compiled(text, timeframe, **lets)
    error = caught.value
    return error.message, error.column, error.length, error.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clsoe > 1", ("unknown name 'clsoe'", 0, 5, "did you mean 'close'?")),
        ("emaa(close, 3)", ("unknown function 'emaa'", 0, 4, "did you mean 'ema'?")),
        ("ema > 3", ("'ema' needs its arguments", 0, 3, "write ema(x, n)")),
        ("true", ("'true' is not part of this language", 0, 4, "write a comparison")),
        ('model("a") > 0', ("'model' is not built yet", 0, 5, "it comes with the models")),
        ("model", ("'model' is not built yet", 0, 5, "it comes with the models")),
        ("adx > 20", ("'adx' needs its arguments", 0, 3, "write adx(n=14)")),
        (
            "bollinger(close, 20, 2)",
            (
                "unknown function 'bollinger'",
                0,
                9,
                "choose bollinger_upper, bollinger_mid, bollinger_lower, bollinger_pct or bollinger_width",
            ),
        ),
        ("ema(close)", ("ema(x, n) needs 'n'", 0, 10, "")),
        ("ema(close, 3, 4)", ("ema(x, n) takes 2 arguments, 3 are given", 14, 1, "")),
        ("ema(close, m=3)", ("ema(x, n) has no argument 'm'", 13, 1, "")),
        ("atr(14, timefrme='1d')", ("atr(n=14) has no argument 'timefrme'", 17, 4, "did you mean 'timeframe'?")),
        ("ema(close, 3, n=4)", ("'n' of ema is given twice", 16, 1, "")),
        ("ema(close, close)", ("'n' of ema must be a number written out, not close", 11, 5, "write ema(x, n)")),
        ("ema(close, 2.5)", ("'n' of ema must be a whole number", 11, 3, "")),
        ("ema(close, 1)", ("'n' of ema must lie between 2 and 5000", 11, 1, "")),
        ("ema(close, -5)", ("'n' of ema must lie between 2 and 5000", 11, 2, "")),
        ("ema(close, 5001)", ("'n' of ema must lie between 2 and 5000", 11, 4, "")),
        ("rsi(14)", ("'rsi' needs a series, this is one number", 4, 2, "write rsi(x, n=14), as in x = close")),
        ("macd(close, 26, 12)", ("macd: fast (26) must be below slow (12)", 0, 19, "")),
        (
            "(close > 1) + 1",
            ("a number is needed here, this is a condition", 1, 9, "turn it into one: if(condition, 1, 0)"),
        ),
        (
            "close and 1 > 0",
            ("a condition is needed here, this is a number", 0, 5, "compare it with something, as in x > 0"),
        ),
        ("not close", ("a condition is needed here, this is a number", 4, 5, "compare it with something, as in x > 0")),
        (
            "if(close, 1, 2)",
            ("a condition is needed here, this is a number", 3, 5, "compare it with something, as in x > 0"),
        ),
        (
            "if(close > 1, 1, close > 2)",
            ("a number is needed here, this is a condition", 17, 9, "turn it into one: if(condition, 1, 0)"),
        ),
        ("if(close > 1, 2)", ("if(condition, value, otherwise) takes three arguments", 0, 16, "")),
        ("'text'", ("a text stands where a value is needed", 0, 6, "")),
        ("close / 0 + 1 / 0", ("(1.0 / 0.0) has no value", 12, 5, "")),
        (
            "close(3)",
            ("'close' takes only timeframe=, symbol= and exchange=", 0, 8, "an earlier one is prev(close, n)"),
        ),
        ("ema(close, 3, timeframe=5)", ("timeframe= takes a text", 24, 1, 'write timeframe="1d"')),
        (
            "ema(close, 3, timeframe='1x')",
            (
                "'1x' is not a timeframe; write a whole number and s, m, h, d or w, as 5m or 1d",
                24,
                4,
                "",
            ),
        ),
        ("ema(close, 3, timeframe='1m')", ("'1m' is shorter than the 5m bars that ask for it", 24, 4, "")),
        ("ema(close, 3, timeframe='7m')", ("'7m' is not a whole number of 5m bars", 24, 4, "")),
        (
            "ema(close(timeframe='1h'), 3, timeframe='1d')",
            ("'1h' is shorter than the 1d bars that ask for it", 20, 4, ""),
        ),
        (
            "ema(close, 3, symbol='ETH')",
            ("'ETH' is not a symbol; write base and quote with a slash, as BTC/USDT", 21, 5, ""),
        ),
        (
            "ema(close(symbol='SOL/USDT'), 3, symbol='ETH/USDT')",
            ("a feature of ETH/USDT cannot look into SOL/USDT", 4, 24, "combine the two outside of it"),
        ),
        (
            "sma(sma(close, 4000), 2000)",
            (
                "it takes 5999 bars of 5m to have a value; at most 5000 are kept",
                0,
                1,
                "shorten the windows, or use a longer timeframe",
            ),
        ),
    ],
)
def test_a_refusal_says_what_where_and_what_to_do(text, expected):
    assert refusal(text) == expected


@pytest.mark.parametrize("name", sorted(PLANNED))
def test_a_planned_feature_is_refused_by_name(name):
    assert refusal(f"{name}(14) > 20")[0] == f"'{name}' is not built yet"


def test_a_circle_of_lets_is_named():
    assert refusal("a > 1", a="b + 1", b="c", c="a * 2")[0] == "'a' is defined by itself: a -> b -> c -> a"


def test_an_error_inside_a_let_names_the_let():
    with pytest.raises(ExpressionError) as caught:
        compiled("slow > 1", slow="ema(fast, 3)", fast="ema(clse, 3)")
    assert (caught.value.source, caught.value.column) == ("fast", 4)


def test_lets_may_be_used_before_they_are_defined():
    assert compiled("a", a="b", b="close").nodes == compiled("close").nodes


def test_a_let_may_bear_a_feature_s_name():
    assert len(compiled("rsi > 70", rsi="rsi(close, 14)").columns) == 1


def test_windows_may_come_from_constant_lets():
    assert compiled("ema(close, n * 2)", n="6").nodes == compiled("ema(close, 12)").nodes


def test_arguments_by_name_are_the_same_arguments():
    assert compiled("macd(close, 12, 26, 9)").nodes == compiled("macd(x=close, slow=26)").nodes


def test_nothing_is_computed_twice():
    one = compiled("ema(close, 12) > 1")
    assert len(compiled("ema(close, 12) > 1 and ema(close, 12) > 1").nodes) == len(one.nodes) + 1


def test_a_let_doubled_at_every_step_stays_small():
    lets = {f"a{i}": f"a{i + 1} + a{i + 1}" for i in range(60)}
    assert len(compiled("a0", **lets, a60="close").nodes) == 61


def test_a_long_chain_of_lets_is_refused_not_overrun():
    lets = {f"a{i}": f"a{i + 1} + 1" for i in range(500)}
    assert refusal("a0", **lets, a500="close")[0] == "nested more than 128 deep with its lets put in"


def test_memory_is_bounded():
    terms = " + ".join(f"sma(close, {n})" for n in range(4940, 5000))
    assert refusal(terms)[0] == "too much to compute at each bar"


def test_the_number_of_series_is_bounded():
    terms = " + ".join(f"close(symbol='A{n}/USDT')" for n in range(20))
    assert refusal(terms)[0] == "more than 16 series are read"


def test_arguments_are_computed_on_the_other_series():
    program = compiled('ema(sma(close, 3), 20, timeframe="1d", symbol="ETH/USDT")')
    assert {node.series for node in program.nodes} == {SeriesKey("ETH/USDT", "1d")}


def test_the_own_timeframe_written_otherwise_is_the_own_series():
    assert compiled('close(timeframe="60m")', "1h").series == (SeriesKey("", "1h"),)


def test_series_are_fed_longest_first_and_the_own_last():
    program = compiled(
        'close(timeframe="1d") + close(symbol="ETH/USDT") + close(timeframe="1h")'
        ' + close(symbol="ETH/USDT", timeframe="1h")'
    )
    fed = [("", "1d"), ("ETH/USDT", "1h"), ("", "1h"), ("ETH/USDT", "5m"), ("", "5m")]
    assert program.series == tuple(SeriesKey(*key) for key in fed)


@pytest.mark.parametrize(("text", "same"), [("60m", "1h"), ("24h", "1d"), ("7d", "7d"), ("1w", "1w"), ("90s", "90s")])
def test_a_timeframe_has_one_spelling(text, same):
    assert canonical_timeframe(text) == same


@pytest.mark.parametrize("name", ["close", "and", "if", "1a", "a-b", "", "a" * 65, "종가"])
def test_a_bad_name_for_a_let_is_told(name):
    assert name_problem(name)


def test_equal_declarations_share_one_program():
    assert compiled("ema(close, 12)") is compiled("ema(close, 12)")


@given(st.lists(st.sampled_from(SYNTAX), max_size=25).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_token_soup_compiles_or_raises_an_expression_error(text):
    with contextlib.suppress(ExpressionError):
        Compiler({"x": text, "n": "3"}, "5m").named("x")
