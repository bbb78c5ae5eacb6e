"""What every declaration has in common: frozen, no unknown key, nothing silently coerced, refusals that help."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from autotrader.config.secrets import Secret
from autotrader.core.errors import ExpressionError

_NUMBERS = frozenset((int, float, Decimal))
_SCALARS = frozenset((int, float, Decimal, bool, str))
_LOOKS_NUMERIC = re.compile(r"\s*[-+]?[0-9.][0-9.eE+-]*\s*")


class Declared(BaseModel):
    """Base of every declaration.

    `planned` names keys (`probation`) and values (`kind: pairs`) that are known but not built yet, each with the word
    that says so; they are refused by name and offered by did-you-mean.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
    planned: ClassVar[Mapping[str, str]] = {}

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = _wanted(cls, info.field_name or "")
        if Secret in wanted:
            return value
        if not any(_is_model(part) for part in wanted):  # a nested declaration looks at its own values
            _refuse_reference(value)
        if object not in wanted:
            _refuse_coercion(value, wanted)
        return value


def kind_of(value: Any) -> str | None:
    """Return what tells the members of a union apart: their `kind`. For `pydantic.Discriminator`."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) else None


def called(value: Any) -> str:
    """Return what a YAML value is in plain English: `a list`, `a number`, `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    for known, name in (
        (dict, "a mapping"),
        ((list, tuple), "a list"),
        ((int, float, Decimal), "a number"),
        (str, "text"),
    ):
        if isinstance(value, known):
            return name
    return "nothing"


def trouble(
    message: str, hint: str = "", *, at: Iterable[str | int] = (), column: int = -1, length: int = 1
) -> PydanticCustomError:
    """Return the error that a validator raises to say what is wrong and what helps.

    `at` is the path from the validated object to the culprit; `column` the 0-based offset into the text there.
    """
    context = {"message": message, "hint": hint, "at": tuple(at), "column": column, "length": length}
    return PydanticCustomError("declared", "{message}", context)


def expression_problem(error: ExpressionError, at: Iterable[str | int] = ()) -> PydanticCustomError:
    """Return an expression's error as one that the loader can place: file, line and the column inside the text.

    `at` is the path to the expression where the validator looks at a whole object (`("let", "fast")`).
    """
    return trouble(error.message, error.hint, at=at, column=error.column, length=error.length)


def _refuse_reference(value: Any) -> None:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else (value,)
    if any(isinstance(part, str) and "${" in part for part in parts):
        raise trouble("'${…}' is read only where a secret belongs", "write the value itself")


def _refuse_coercion(value: Any, wanted: frozenset[type]) -> None:
    if isinstance(value, bool):
        if bool not in wanted and wanted & _SCALARS:
            raise trouble(f"{_needs(wanted)} is needed here, not {str(value).lower()}")
    elif isinstance(value, str):
        if str not in wanted and wanted & _SCALARS:
            raise trouble(f"{_needs(wanted)} is needed here, not text", _text_hint(value, wanted))
    elif isinstance(value, (int, float, Decimal)) and wanted & _SCALARS and not wanted & _NUMBERS:
        raise trouble(f"{_needs(wanted)} is needed here, not a number", "quote it" if str in wanted else "")


def _text_hint(value: str, wanted: frozenset[type]) -> str:
    if bool in wanted and value.lower() in ("yes", "no", "on", "off", "y", "n", "true", "false"):
        return f"write {'true' if value.lower() in ('yes', 'on', 'y', 'true') else 'false'}"
    return "remove the quotes" if wanted & _NUMBERS and _LOOKS_NUMERIC.fullmatch(value) else ""


def _needs(wanted: frozenset[type]) -> str:
    if str in wanted:
        return "text"
    if wanted & {float, Decimal}:
        return "a number"
    return "a whole number" if int in wanted else "true or false"


@cache
def _wanted(model: type[Declared], name: str) -> frozenset[type]:
    field = model.model_fields[name]
    if any(_converts(item) for item in field.metadata):
        return frozenset((object,))
    return frozenset(_leaves(field.annotation))


def _leaves(annotation: Any) -> set[type]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return {object} if any(_converts(item) for item in metadata) else _leaves(inner)
    if origin in (Union, UnionType):
        return set().union(*(_leaves(part) for part in get_args(annotation)))
    if origin is Literal:
        return {type(value) for value in get_args(annotation)}
    if annotation in (None, NoneType):
        return {NoneType}
    known = annotation if isinstance(annotation, type) else origin
    return {known} if known in (*_SCALARS, Secret) or origin is not None or _is_model(known) else {object}


def _is_model(known: Any) -> bool:
    return isinstance(known, type) and issubclass(known, BaseModel)


def _converts(item: Any) -> bool:
    return hasattr(item, "__get_pydantic_core_schema__")
