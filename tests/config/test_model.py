"""Nothing is silently coerced, and an expression's error stands where the expression is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import pytest
from pydantic import ValidationError, field_validator

from autotrader.config.load import load
from autotrader.config.model import Declared, expression_problem
from autotrader.config.strategy import SingleExchange
from autotrader.core.errors import ExpressionError


class Everything(Declared):
    whole: int = 1
    real: float = 1.0
    exact: Decimal = Decimal(1)
    flag: bool = False
    word: str = ""
    choice: Literal["a", "b"] = "a"
    auto: int | Literal["auto"] = 1
    words: tuple[str, ...] = ()


def accepted(**values):
    return Everything.model_validate(values)


def refusal(**values):
    with pytest.raises(ValidationError) as caught:
        accepted(**values)
    return caught.value.errors()[0]


@pytest.mark.parametrize(
    "values",
    [
        {"whole": True},
        {"whole": "1"},
        {"whole": Decimal("1.5")},
        {"real": "1"},
        {"real": False},
        {"exact": "1"},
        {"exact": True},
        {"flag": 1},
        {"flag": "yes"},
        {"word": 5},
        {"word": True},
        {"choice": 1},
        {"auto": True},
        {"words": "ab"},
        {"words": [1]},
        {"unknown": 1},
    ],
)
def test_a_value_of_another_type_is_refused(values):
    assert refusal(**values)


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ({"whole": Decimal(10)}, "whole", 10),
        ({"real": Decimal("0.1")}, "real", 0.1),
        ({"real": 2}, "real", 2.0),
        ({"exact": 2}, "exact", Decimal(2)),
        ({"exact": Decimal("0.1")}, "exact", Decimal("0.1")),
        ({"auto": "auto"}, "auto", "auto"),
        ({"words": ["a", "b"]}, "words", ("a", "b")),
    ],
)
def test_a_value_that_means_the_same_is_accepted(values, name, expected):
    assert getattr(accepted(**values), name) == expected


def test_the_words_yes_and_no_get_the_truth_suggested():
    assert refusal(flag="yes")["ctx"]["hint"] == "write true"
    assert refusal(flag="off")["ctx"]["hint"] == "write false"


def test_a_declaration_cannot_be_changed():
    with pytest.raises(ValidationError):
        accepted().whole = 2


def compiled(text):
    """Stand in for the compiler of the rules language: it knows no feature called rsii."""
    if "rsii" in text:
        raise ExpressionError("unknown feature 'rsii'", text.index("rsii"), 4, "did you mean 'rsi'?")


class Kind(SingleExchange):
    kind: Literal["toy"] = "toy"
    enter: str = "close > 1"
    let: Mapping[str, str] = {}

    @field_validator("enter", "filters")
    @classmethod
    def _compiles(cls, value):
        for index, text in enumerate(value if isinstance(value, tuple) else (value,)):
            try:
                compiled(text)
            except ExpressionError as error:
                raise expression_problem(error, at=(index,) if isinstance(value, tuple) else ()) from None
        return value

    @field_validator("let")
    @classmethod
    def _lets(cls, value):
        for name, text in value.items():
            try:
                compiled(text)
            except ExpressionError as error:
                raise expression_problem(error, at=(name,)) from None
        return value


COMMON = "kind: toy\nexchange: paper\nsymbols: [BTC/USDT]\ntimeframe: 1h\ncapital: 5%\non_remove: close\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("enter: close > rsii(close)\n", (7, 16)),
        ("enter: 'close > rsii(close)'\n", (7, 17)),
        ("enter: >\n  close > 1\n  and rsii(close) > 2\n", (9, 7)),
        ("enter: |\n  rsii(close) > 2\n", (8, 3)),
        ("filters: [close > 1, 'rsii(close, 14) > 2']\n", (7, 23)),
        ("filters:\n  - close > 1\n  - rsii(close) > 2\n", (9, 5)),
        ("let:\n  a: close\n  b: rsii(close)\n", (9, 6)),
        ('enter: "close > 1 \\u0026 rsii(close)"\n', (7, 8)),
    ],
)
def test_an_expressions_error_stands_where_the_expression_is_wrong(folder, text, place):
    root = folder({"strategies.d/a.yaml": COMMON + text})
    (problem,) = load(root, {"toy": Kind}, environ={}).problems
    assert (problem.line, problem.column) == place
    assert problem.message == "unknown feature 'rsii'"
    assert problem.hint == "did you mean 'rsi'?"
    if place != (7, 8):
        start = problem.column - 1
        assert problem.snippet[start : start + problem.length] == "rsii"


def test_a_union_with_a_word_offers_the_word(folder):
    class Auto(SingleExchange):
        kind: Literal["toy"] = "toy"
        lower: Decimal | Literal["auto"] = "auto"

    root = folder({"strategies.d/a.yaml": COMMON + "lower: atuo\n"})
    (problem,) = load(root, {"toy": Auto}, environ={}).problems
    assert problem.message == "'lower' must be a number, not text"
    assert problem.hint == "or did you mean 'auto'?"


def test_a_validators_message_cannot_drive_a_terminal(folder):
    class Echo(SingleExchange):
        kind: Literal["toy"] = "toy"
        word: str = ""

        @field_validator("word")
        @classmethod
        def _refuse(cls, value):
            raise ValueError(f"{value * 5000} is bad; no {value}")

    root = folder({"strategies.d/a.yaml": COMMON + 'word: "x\\e[2J"\n'})
    (problem,) = load(root, {"toy": Echo}, environ={}).problems
    assert "\x1b" not in problem.render()
    assert len(problem.render()) < 3000
