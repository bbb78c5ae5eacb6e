"""The grammar: what it takes, how it binds, and that nothing but an ExpressionError ever comes out."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.errors import ExpressionError
from autotrader.features.expression import MAX_DEPTH, MAX_LENGTH, parse, show

WORDS = [
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "**",
    "<",
    "<=",
    "==",
    "=",
    "!=",
    ">",
    "and",
    "or",
    "not",
    "if",
    "close",
    "ema",
    "rsi",
    "prev",
    "x",
    "12",
    "0.5",
    "1e3",
    ".5",
    "'a'",
    '"1d"',
    "timeframe=",
    "n=",
    "!",
    ".",
    "[",
]
OPERATORS = ["+", "-", "*", "/", "**", "and", "or", "<", "<=", ">", ">=", "==", "!="]
SOUP = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)


def expressions(depth=4):
    leaves = st.one_of(
        st.floats(0, 1e9).map(repr),
        st.sampled_from(["close", "x", "ema(close, 12)", 'rsi(close, n=3, timeframe="1d")']),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join),
            inner.map(lambda text: f"({text})"),
            inner.map(lambda text: f"-{text}"),
            inner.map(lambda text: f"f({text}, {text})"),
        ),
        max_leaves=12,
    )


def failure(text):
    """Return the place of a text's error, None where it has none."""
    try:
        parse(text)
    except ExpressionError as error:
        return error.column, error.length
    return None


def refusal(text):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    error = caught.value
    return error.message, error.column, error.length, error.hint


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1 + 2 * 3", "(1.0 + (2.0 * 3.0))"),
        ("1 - 2 - 3", "((1.0 - 2.0) - 3.0)"),
        ("-2 ** 2", "(- (2.0 ** 2.0))"),
        ("2 ** -1 ** 2", "(2.0 ** (- (1.0 ** 2.0)))"),
        ("2 ** 3 ** 2", "(2.0 ** (3.0 ** 2.0))"),
        ("+x", "x"),
        ("a < b <= c", "(a < b <= c)"),
        ("not a < b and c or d", "(((not (a < b)) and c) or d)"),
        ("a or b and c", "(a or (b and c))"),
        ("if(a, b, c)", "if(a, b, c)"),
        ("ema(close, n=12, timeframe='1d')", 'ema(close, n=12.0, timeframe="1d")'),
        ("ema(close, 12,)", "ema(close, 12.0)"),
        (".5 + 1. + 1e-3", "((0.5 + 1.0) + 0.001)"),
        ("atr()", "atr()"),
    ],
)
def test_operators_bind_as_in_python(text, tree):
    assert show(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("the expression is empty", 0, 1, "")),
        ("   ", ("the expression is empty", 0, 1, "")),
        ("close >", ("the expression ends too early", 6, 1, "")),
        ("(close", ("'(' is never closed", 0, 1, "add a ')'")),
        ("ema(close, 12", ("'(' is never closed", 3, 1, "add a ')'")),
        ("close)", ("unexpected ')'", 5, 1, "")),
        ("close = 3", ("unexpected '='", 6, 1, "write '==' to compare")),
        ("close open", ("unexpected 'open'", 6, 4, "an operator is missing before it")),
        ("1.2.3", ("unexpected '.3'", 3, 2, "an operator is missing before it")),
        ("close && open", ("unexpected character '&'", 6, 1, "write 'and'")),
        ("close.shift", ("unexpected character '.'", 5, 1, "there are no attributes or methods in this language")),
        ("close[1]", ("unexpected character '['", 5, 1, "write prev(x, n) for an earlier value")),
        ("model('x", ('unexpected character "\'"', 6, 1, "the text has no closing quote")),
        ("close > 2%", ("unexpected character '%'", 9, 1, "write 2 % as 0.02")),
        ("close > 5m", ("'5m' is not a number", 8, 2, "")),
        ("1e999", ("'1e999' is too large a number", 0, 5, "")),
        ("close > 종가", ("unexpected character '종'", 8, 1, "")),
        ("a if b", ("unexpected 'if'", 2, 2, "write if(condition, value, otherwise)")),
        ("if", ("'if' is a function", 0, 2, "write if(condition, value, otherwise)")),
        ("ema(n=3, close)", ("an argument without a name follows one with a name", 9, 5, "")),
        ("ema(close, n=3, n=4)", ("'n' is given twice", 16, 1, "")),
        ("a < not b", ("unexpected 'not'", 4, 3, "")),
    ],
)
def test_an_error_says_what_and_where(text, expected):
    assert refusal(text) == expected


@given(SOUP)
@settings(max_examples=400, deadline=None)
def test_token_soup_raises_nothing_but_an_expression_error_inside_the_text(text):
    place = failure(text)
    if place is not None:
        assert 0 <= place[0] <= max(0, len(text) - 1)
        assert place[1] >= 1


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_raises_nothing_but_an_expression_error(text):
    with contextlib.suppress(ExpressionError):
        parse(text)


@given(expressions())
@settings(max_examples=300, deadline=None)
def test_a_tree_printed_and_read_again_is_the_same_tree(text):
    printed = show(parse(text))
    assert show(parse(printed)) == printed


@given(expressions())
@settings(max_examples=200, deadline=None)
def test_the_place_of_a_node_lies_in_the_text(text):
    place = parse(text).place
    assert 0 <= place.column < place.column + place.length <= len(text)


@pytest.mark.parametrize(
    "text", ["(" * 3_000, "-" * 4_000, "not " * 1_000, "f(" * 2_000, "2**" * 1_300, "1" + "+1" * 2_000]
)
def test_depth_is_bounded(text):
    message, *_ = refusal(text)
    assert message == f"nested more than {MAX_DEPTH} deep"


def test_length_is_bounded():
    message, column, *_ = refusal("1" * 1_000_000)
    assert message == f"an expression may have {MAX_LENGTH} characters, this one has 1000000"
    assert column == MAX_LENGTH


def test_a_chain_of_many_terms_is_taken():
    parse(" and ".join(["close > 1"] * (MAX_DEPTH - 2)))
