"""What a search may change: paths into a strategy's file, the values that may stand there, and the file with them in.

A path is dotted: `params.fast`, `exits.stop_loss`, `symbols.0`. Where an expression stands, its numbers can be reached:
`let.fast` is the one number of `ema(close, 12)`, `enter_long.2` the second number of several.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from autotrader.config.nodes import plain as values_of
from autotrader.config.wording import did_you_mean
from autotrader.config.yaml import read
from autotrader.core.errors import AutotraderError
from autotrader.core.units import exact, plain

MAX_DIMENSIONS = 32
MAX_CHOICES = 1_000
DIGITS = 6
"""Significant digits of a value from a range without steps: what a person would write into a file."""

_RANGE = re.compile(r"([+-]?\d*\.?\d+)([a-zA-Z%]*)")
_NUMBER = re.compile(r'"[^"]*"|(?<![\w.])(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])')
_WRITTEN = re.compile(r"[+-]?\d+(?:\.\d+)?")
_INDICATORS = frozenset("'\"[]{}&*!|>%@`#-?:,") | {""}
_ENDS = ",[]{}"
"""What a text may not begin with, and what ends one inside brackets, unless it is quoted."""

Point = Mapping[str, int | float | str]
"""One choice in a space, by path: the number of a step, a number of a range without steps, or a text of a list."""


class Dimension(NamedTuple):
    """One path and its values: `choices`, or a range from `low` to `high` in steps (None: without steps) of a unit."""

    path: str
    choices: tuple[str, ...] = ()
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    step: Decimal | None = None
    unit: str = ""

    @property
    def many(self) -> int | None:
        """How many values there are; None where they cannot be counted."""
        if self.choices:
            return len(self.choices)
        return None if self.step is None else int((self.high - self.low) / self.step) + 1

    def text(self, chosen: float | str) -> str:
        """Return a choice as it stands in a file."""
        if isinstance(chosen, str):
            return chosen
        if self.step is not None:
            return plain(self.low + int(chosen) * self.step) + self.unit
        return plain(Decimal(f"{chosen:.{DIGITS}g}")) + self.unit


def dimension(text: str) -> Dimension:
    """Return what `params.fast=5:50` says. Raises AutotraderError that says what to write.

    `5:50` are whole numbers, `0.5:2.5` any number between, `5:50:5` and `1%:5%:0.5%` steps, `5m,15m,1h` a list.
    """
    path, equals, values = text.partition("=")
    path, values = path.strip(), values.strip()
    if not equals or not path or not values:
        raise AutotraderError(f"'{text}' is not a path and its values; write --set params.fast=5:50")
    if ":" not in values or "," in values:
        choices = tuple(dict.fromkeys(part.strip() for part in values.split(",")))
        if not all(choices) or len(choices) > MAX_CHOICES:
            raise AutotraderError(f"'{text}': a list holds 1 to {MAX_CHOICES} values, as 5m,15m,1h")
        return Dimension(path, choices)
    found = [_RANGE.fullmatch(part.strip()) for part in values.split(":")]
    if len(found) > 3 or any(match is None for match in found):
        raise AutotraderError(f"'{values}' is not a range; write 5:50, 0.5:2.5, 1%:5% or 5:50:5")
    parts = [(match[1], match[2]) for match in found if match is not None]
    units = {unit for _, unit in parts if unit}
    if len(units) > 1:
        raise AutotraderError(f"'{values}' mixes the units {' and '.join(sorted(units))}; use one")
    low, high, *steps = (exact(number) for number, _ in parts)
    whole = all(_is_whole(number) for number, _ in parts[:2])
    step = steps[0] if steps else Decimal(1) if whole else None
    if high < low or (step is not None and step <= 0):
        raise AutotraderError(f"'{values}' holds nothing; write the lower end first and a step above 0")
    return Dimension(path, (), low, high, step, next(iter(units), ""))


def _is_whole(number: str) -> bool:
    return "." not in number


def space(texts: Sequence[str]) -> tuple[Dimension, ...]:
    """Return the dimensions of a search. Raises AutotraderError for none, too many, or a path that is named twice."""
    made = tuple(dimension(text) for text in texts)
    if not 1 <= len(made) <= MAX_DIMENSIONS:
        raise AutotraderError(f"say what to search: --set params.fast=5:50, from 1 to {MAX_DIMENSIONS} of them")
    paths = [one.path for one in made]
    for path in paths:
        if paths.count(path) > 1:
            raise AutotraderError(f"'{path}' is set twice; put its values into one --set")
    return made


def size(dimensions: Sequence[Dimension]) -> int | None:
    """Return how many points a space has; None where they cannot be counted."""
    total = 1
    for one in dimensions:
        if one.many is None:
            return None
        total *= one.many
    return total


def points(dimensions: Sequence[Dimension]) -> Iterator[Point]:
    """Yield every point of a countable space, the last dimension first to change."""
    each = [_each(one) for one in dimensions]
    for chosen in itertools.product(*each):
        yield {one.path: value for one, value in zip(dimensions, chosen, strict=True)}


def _each(one: Dimension) -> Sequence[int | str]:
    return one.choices or range(one.many or 0)


def written(dimensions: Sequence[Dimension], point: Point) -> dict[str, str]:
    """Return a point as its values stand in a file, by path."""
    return {one.path: one.text(point[one.path]) for one in dimensions}


def changed(tree: Any, values: Mapping[str, str]) -> Any:
    """Return the values of a file with others at some paths. Raises AutotraderError for a path that leads nowhere."""
    for path, text in values.items():
        tree = _put(tree, path.split("."), text, path)
    return tree


def _put(here: Any, keys: Sequence[str], text: str, path: str) -> Any:
    """Return a copy of what stands here, changed on the way to the end of the path."""
    if isinstance(here, str):
        return _in_expression(here, keys, text, path)
    if not keys:
        if isinstance(here, (Mapping, list)):
            raise AutotraderError(f"'{path}' holds several values; name one of them: {_names(here)}")
        return _scalar(text)
    key, *rest = keys
    if isinstance(here, Mapping):
        return {**here, key: _put(here.get(key, {} if rest else None), rest, text, path)}
    if isinstance(here, list) and key.isdigit() and int(key) < len(here):
        return [_put(one, rest, text, path) if at == int(key) else one for at, one in enumerate(here)]
    known = f"; there is {_names(here)}" if isinstance(here, (Mapping, list)) else "; a value stands before its end"
    raise AutotraderError(f"'{path}' leads nowhere{known}")


def _names(here: Any) -> str:
    return ", ".join(here if isinstance(here, Mapping) else map(str, range(len(here)))) or "nothing"


def _in_expression(expression: str, keys: Sequence[str], text: str, path: str) -> str:
    """Return a text with another value: the whole of it, or a number inside where it is more than a value."""
    numbers = [match for match in _NUMBER.finditer(expression) if match[1]]
    whole = not numbers or _WRITTEN.fullmatch(expression) or not _WRITTEN.fullmatch(text)
    if not keys and (whole or not set("( ") & set(expression)):
        return text
    if keys and (len(keys) > 1 or not keys[0].isdigit() or not 1 <= int(keys[0]) <= len(numbers)):
        raise AutotraderError(f"'{path}' leads nowhere: '{expression}' has {len(numbers)} numbers, counted from 1")
    if not keys and len(numbers) > 1:
        listed = ", ".join(f"{path}.{at} is {match[1]}" for at, match in enumerate(numbers, 1))
        raise AutotraderError(f"'{expression}' has several numbers; say which: {listed}")
    match = numbers[int(keys[0]) - 1 if keys else 0]
    return f"{expression[: match.start()]}{text}{expression[match.end() :]}"


def _scalar(text: str) -> Any:
    root = read(text.encode()).root
    return text if root is None else values_of(root)


def check_paths(dimensions: Sequence[Dimension], tree: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise AutotraderError for a path that is neither in the file nor among its kind's keys (`known`)."""
    for one in dimensions:
        first, *rest = one.path.split(".")
        changed(tree, {one.path: one.text(one.choices[0] if one.choices else 0 if one.step else float(one.low))})
        if first not in tree and first not in known:
            meant = did_you_mean(first, (*tree, *known))
            lets = f"; numbers of its expressions are let.NAME: {_names(tree['let'])}" if "let" in tree else ""
            hint = f"; is '{meant}' meant?" if meant else lets
            raise AutotraderError(f"'{one.path}': the strategy has no key '{first}'{hint}")
        inside, keys = tree.get(first), known.get(first)
        if rest and isinstance(inside, Mapping) and isinstance(keys, Mapping) and rest[0] not in {*inside, *keys}:
            raise AutotraderError(f"'{one.path}': there is no '{rest[0]}' in {first}; there is {_names(inside)}")


def as_yaml(tree: Mapping[str, Any], values: Mapping[str, str]) -> str:
    """Return the lines of a file that hold some values, with the keys above them; other keys of theirs are left out."""
    lines: list[str] = []
    after = changed(tree, values)
    for first in dict.fromkeys(path.split(".")[0] for path in values):
        mine = [path.split(".")[1:] for path in values if path.split(".")[0] == first]
        value = after[first]
        if isinstance(value, Mapping):
            lines.append(f"{first}:")
            lines += [f"  {key}: {_flow(value[key])}" for key in dict.fromkeys(rest[0] for rest in mine if rest)]
        else:
            lines.append(f"{first}: {_flow(value)}")
    return "\n".join(lines)


def _flow(value: Any, apart: str = "") -> str:
    """Return a value on one line; `apart` are the characters that would end it where it stands."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(one, _ENDS)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(one, _ENDS) for one in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        bare = _WRITTEN.fullmatch(value) is None and value[:1] not in _INDICATORS and not set(value) & set(apart)
        return value if bare and ": " not in value and " #" not in value else "'" + value.replace("'", "''") + "'"
    return plain(value) if isinstance(value, Decimal) else str(value)
