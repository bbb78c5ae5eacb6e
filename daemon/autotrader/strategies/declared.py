"""Expressions in a strategy's file: all of them are compiled when the file is read, and every error has its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from autotrader.config.model import expression_problem, trouble
from autotrader.config.strategy import Read
from autotrader.core.errors import ExpressionError
from autotrader.core.units import timeframe_ms
from autotrader.features.compile import Compiler, MismatchError, name_problem
from autotrader.features.expression import parse
from autotrader.features.feature import Type
from autotrader.features.outside import CALLS, references
from autotrader.features.program import compile_program

Path = tuple[str | int, ...]
Model = TypeVar("Model")
_KNOWN_ERRORS = frozenset(get_args(ErrorType))
_SHORTEST = "1s"
_OUTSIDE = re.compile("|".join(("exchange", *CALLS)))


class Expression(NamedTuple):
    """One expression of a file: its text, the path of keys to it, and what it must be (None: either)."""

    text: str
    at: Path
    want: Type | None


def problems(
    expressions: Mapping[str, Expression], columns: Mapping[str, str], timeframe: object
) -> list[PydanticCustomError]:
    """Return everything wrong with a file's expressions, each error once, where it was written.

    `expressions` are what the file says, by column; `columns` are all that the kind's `features` makes of them, so
    that the program compiled here is the one that runs. A timeframe that is none has an error of its own and stands
    back: the expressions are checked for the rest.
    """
    own = _timeframe(timeframe)
    try:
        program = compile_program(columns, {}, own)
    except ExpressionError as error:
        return _each(expressions, columns, own) or [expression_problem(error, _path(expressions, error.source))]
    types = {name: program.nodes[index].type for name, index in zip(program.columns, program.outputs, strict=True)}
    if any(one.want not in (None, types[name]) for name, one in expressions.items()):
        return _each(expressions, columns, own)
    return []


def _each(
    expressions: Mapping[str, Expression], columns: Mapping[str, str], timeframe: str
) -> list[PydanticCustomError]:
    """Compile every expression by itself. One that is wrong in itself is told once, not at everything that uses it."""
    broken = _failures(Compiler(columns, timeframe), expressions)
    # What uses an expression that is wrong in itself is looked at again with something sound in its place, whose type
    # is a guess: its other errors are told too, its types are not.
    wrong = {name for name, error in broken.items() if not error.source}
    sound = Compiler({**columns, **dict.fromkeys(wrong, "close")}, timeframe)
    hidden = {name: one for name, one in expressions.items() if name in broken and broken[name].source in wrong}
    again = {name: error for name, error in _failures(sound, hidden).items() if not isinstance(error, MismatchError)}
    told = {name: error for name, error in broken.items() if name not in hidden}
    found: dict[tuple[str, int, str], PydanticCustomError] = {}
    for name, error in (*told.items(), *again.items()):
        source = error.source or name
        found.setdefault((source, error.column, error.message), expression_problem(error, _path(expressions, source)))
    return list(found.values())


def _failures(compiler: Compiler, expressions: Mapping[str, Expression]) -> dict[str, ExpressionError]:
    failures: dict[str, ExpressionError] = {}
    for name, expression in expressions.items():
        try:
            compiler.named(name, expression.want)
        except ExpressionError as error:
            failures[name] = error
    return failures


def _path(expressions: Mapping[str, Expression], name: str) -> Path:
    """Return where a column was written; one that the kind made itself stands for the file."""
    return expressions[name].at if name in expressions else ()


def reads(expressions: Mapping[str, Expression]) -> tuple[Read, ...]:
    """Return what sound expressions name outside their own market, each with its place."""
    return tuple(
        Read(one.kind, one.name, one.column, written.at, *one.place)
        for written in expressions.values()
        if _OUTSIDE.search(written.text)  # almost no expression names anything, and every load looks at all of them
        for one in references(parse(written.text))
    )


def let_problem(name: str, reserved: frozenset[str]) -> PydanticCustomError | None:
    """Return what is wrong with the name of a let, if anything; `reserved` are the kind's own columns."""
    wrong = name_problem(name)
    if not wrong and name in reserved:
        wrong = f"'{name}' is a name of the rules themselves; choose another name"
    if not wrong:
        return None
    message, _, hint = wrong.partition("; ")
    return trouble(message, hint, at=("let", name))


def _timeframe(text: object) -> str:
    try:
        timeframe_ms(str(text))
    except ValueError:
        return _SHORTEST
    return str(text)


def validated(
    title: str,
    data: Any,
    handler: Callable[[Any], Model],
    check: Callable[[Mapping[str, Any]], list[PydanticCustomError]],
) -> Model:
    """Run a wrapped validation and a check of the raw data, and raise what both found together.

    Pydantic leaves a model's own validators out once a field is wrong; a person wants every error at once.
    """
    errors: list[InitErrorDetails] = []
    model: Model | None = None
    try:
        model = handler(data)
    except ValidationError as error:
        errors = [_again(one) for one in error.errors(include_url=False)]
    if isinstance(data, Mapping):
        errors += [InitErrorDetails(type=problem, loc=(), input=None) for problem in check(data)]
    if errors:
        raise ValidationError.from_exception_data(title, errors)
    assert model is not None
    return model


def _again(error: Any) -> InitErrorDetails:
    """Return a reported error as one that can be raised again."""
    again = InitErrorDetails(type=error["type"], loc=error["loc"], input=error["input"])
    context = error.get("ctx")
    if error["type"] not in _KNOWN_ERRORS:
        again["type"] = PydanticCustomError(error["type"], "{message}", {"message": error["msg"], **(context or {})})
    elif context is not None:
        again["ctx"] = context
    return again
