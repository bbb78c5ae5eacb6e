"""What a refused declaration is told, in plain English: the matter, and what helps."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from autotrader.config.model import Declared, called
from autotrader.config.nodes import Mapping, plain, safe
from autotrader.config.schema_walk import Place, choices, fields_of, kinds_of, models_of, nested
from autotrader.config.types import CURRENCY_PATTERN, FOLDER_PATTERN, NAME_PATTERN

SHOWN_CHARACTERS = 60
Said = tuple[str, str]


def shown(value: object) -> str:
    """Return a piece of input as a message may repeat it: short, and harmless to a terminal."""
    text = safe(str(value))
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, or nothing."""
    options = {option.lower(): option for option in known}
    close = difflib.get_close_matches(word.lower()[:SHOWN_CHARACTERS], options, 1, 0.6)
    return options[close[0]] if close else ""


def spaced(name: str) -> str:
    """Return the hint for a key that swallowed its value because no space follows the colon."""
    key, _, rest = name.partition(":")
    return f"write a space after the colon: {shown(key)}: {shown(rest)}"


def _inside(place: Place, noun: str, *, parent: bool) -> str:
    keys = [str(part) for part in (place.path[:-1] if parent else place.path) if part != "params"]
    return f"'{'.'.join(keys)}' of {noun}" if keys else noun


def say(error: dict[str, Any], place: Place, model: type[Declared], noun: str) -> Said:
    """Return message and hint for one of Pydantic's errors.

    `place` may be moved to the part of the value that is to blame (a union's `kind`).
    """
    kind, context, value = error["type"], error.get("ctx", {}), error.get("input")
    if kind == "declared":
        return str(context["message"]), str(context.get("hint", ""))
    if kind == "extra_forbidden":
        return _unknown_key(place, model, noun)
    if kind == "missing":
        return _missing(place, noun)
    if kind == "literal_error":
        return _not_among(place, value)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_member(place, noun, value)
    if kind == "value_error":
        message, _, hint = str(context["error"]).partition("; ")
        return message, hint
    name = _called(place)
    if kind in _TYPES:
        what = shown(value) if kind == "int_from_float" else called(value)
        return f"{name} must be {_TYPES[kind]}, not {what}", _type_hint(kind, place, value)
    if kind in _BOUNDS:
        bound = context[_BOUND_KEYS[kind]]
        return f"{name} must be {_BOUNDS[kind]} {bound}, not {shown(value)}", ""
    if kind in ("too_short", "too_long"):
        bound = context.get("min_length", context.get("max_length"))
        return f"{name} must have at {'least' if kind == 'too_short' else 'most'} {bound} item{'s' * (bound != 1)}", ""
    if kind == "string_pattern_mismatch":
        what, form_hint = _FORMS.get(str(context["pattern"]), ("written as it must be", ""))
        start = f"'{shown(value)}'" if place.at_key else f"{name} is '{shown(value)}', which"
        return f"{start} is not {what}", form_hint
    if kind == "string_too_short":
        return f"{name} is empty", "give it a value, or remove the line"
    return f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}", ""


_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "mapping_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}
_BOUNDS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}
_BOUND_KEYS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_FORMS = {
    NAME_PATTERN: ("a name", "names are lower-case letters, digits, - and _"),
    FOLDER_PATTERN: ("the name of a folder", "write one that stands below candles/, as binance"),
    CURRENCY_PATTERN: ("a currency", "write its code in capitals, as USDT"),
}


def _called(place: Place) -> str:
    if not place.path:
        return "the file"
    return f"an item of '{place.name}'" if isinstance(place.path[-1], int) else f"'{place.name}'"


def _unknown_key(place: Place, model: type[Declared], noun: str) -> Said:
    name, owner = place.name, place.owner or model
    if name in owner.planned:
        return f"'{name}' is not built yet", owner.planned[name]
    where = _inside(place, noun, parent=True)
    message = f"unknown key '{shown(name)}' in {where}"
    if ":" in name:
        return message, spaced(name)
    known = [*fields_of(owner), *(key for key in owner.planned if ": " not in key)]
    if meant := did_you_mean(name, known):
        return message, f"did you mean '{meant}'?"
    for keys, inner in nested(model):
        if name in fields_of(inner) and name != "kind" and inner is not owner:
            here = keys == tuple(place.path[:-1]) and kinds_of([inner])
            return (
                message,
                f"it belongs to  kind: {kinds_of([inner])[0]}" if here else f"it belongs under '{'.'.join(keys)}'",
            )
    if len(place.path) > 1 and name in fields_of(model):
        return message, "it belongs at the top level, without indentation"
    return message, f"the keys here are {', '.join(fields_of(owner))}"


def _missing(place: Place, noun: str) -> Said:
    info = fields_of(place.owner).get(place.absent) if place.owner else None
    description = (info.description or "").rstrip(".") if info else ""
    hint = f"add it ({description[:1].lower() + description[1:]})" if description else "add it"
    return f"'{place.absent}' is missing in {_inside(place, noun, parent=False)}", hint


def _not_among(place: Place, value: Any) -> Said:
    info = fields_of(place.owner).get(place.name) if place.owner else None
    options = choices(info) if info else []
    planned = place.owner.planned if place.owner else {}
    if f"{place.name}: {value}" in planned:
        return f"{place.name}: {shown(value)} is not built yet", planned[f"{place.name}: {value}"]
    later = [key.partition(": ")[2] for key in planned if key.startswith(f"{place.name}: ")]
    if not isinstance(value, str):
        return f"'{place.name}' must be {_either(options)}, not {called(value)}", ""
    meant = did_you_mean(value, [*options, *later])
    return (
        f"'{place.name}' cannot be '{shown(value)}'",
        f"did you mean '{meant}'?" if meant else f"write {_either(options)}",
    )


def _wrong_member(place: Place, noun: str, value: Any) -> Said:
    models = models_of(place.annotation)
    kinds, where = kinds_of(models), f"'{place.name}'"
    if not isinstance(place.node, Mapping):
        return f"{where} must be a mapping of keys to values, not {called(value)}", f"write {{kind: {kinds[0]}}}"
    if "kind" not in place.node.entries:
        return f"'kind' is missing in {_inside(place, noun, parent=False)}", f"write {_either(kinds)}"
    place.key, place.node = place.node.entries["kind"]
    place.key = None
    given = plain(place.node)
    if not isinstance(given, str):
        return f"'kind' must be {_either(kinds)}, not {called(given)}", ""
    planned = {key: word for model in models for key, word in model.planned.items() if key.startswith("kind: ")}
    if f"kind: {given}" in planned:
        return f"kind: {shown(given)} is not built yet", planned[f"kind: {given}"]
    meant = did_you_mean(given, [*kinds, *(key.removeprefix("kind: ") for key in planned)])
    return f"{where} has no kind '{shown(given)}'", f"did you mean '{meant}'?" if meant else f"write {_either(kinds)}"


def _type_hint(kind: str, place: Place, value: Any) -> str:
    if kind in ("tuple_type", "list_type") and isinstance(value, (str, int)) and not isinstance(value, bool):
        return f"write [{shown(value)}]"
    if kind == "string_type" and not isinstance(value, (list, dict)):
        return "quote it"
    if _TYPES[kind].startswith("a mapping") and place.name:
        return f"write its keys indented below '{place.name}:'"
    return ""


def _either(options: list[str]) -> str:
    return " or ".join((", ".join(options[:-1]), options[-1])) if len(options) > 1 else "".join(options)
