"""Following a Pydantic error's `loc` through the schema and the file's tree at once, to the place it means.

A `loc` holds names that are not in the document (a union's tag, a member's type); the schema tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from autotrader.config.model import Declared
from autotrader.config.nodes import Mapping, Node, Scalar, Sequence


@dataclass(slots=True)
class Place:
    """Where a `loc` leads: the node, the key that names it, the schema that owns it, and the way there.

    `absent` is the last name of the `loc` when the document does not hold it; `annotation` is what was wanted there.
    """

    node: Node
    key: Scalar | None
    owner: type[Declared] | None
    annotation: Any
    path: list[str | int] = field(default_factory=list)
    absent: str = ""
    at_key: bool = False
    broken: bool = False

    @property
    def name(self) -> str:
        """The key that people would call this place by."""
        return next((str(part) for part in reversed(self.path) if isinstance(part, str)), "")


def follow(loc: tuple[str | int, ...], root: Node, model: type[Declared]) -> Place:
    """Return the place that `loc` means in a document validated by `model`."""
    place = Place(root, None, model, model)
    for part in loc:
        place.broken = place.broken or place.node.broken
        if part == "[key]":
            place.at_key = True
        else:
            _step(place, part)
    place.broken = place.broken or place.node.broken
    return place


def _step(place: Place, part: str | int) -> None:
    node, models = place.node, models_of(place.annotation)
    if isinstance(part, int):
        if isinstance(node, Sequence) and part < len(node.items):
            place.node, place.annotation, place.key = node.items[part], _item(place.annotation), None
            place.path.append(part)
    elif len(models) > 1 and (member := _tagged(models, part)):
        place.annotation = place.owner = member
    elif isinstance(node, Mapping) and part in node.entries:
        owner = models[0] if len(models) == 1 else None
        place.key, place.node = node.entries[part]
        info = fields_of(owner).get(part) if owner else None
        place.annotation = info.annotation if info else _item(place.annotation)
        place.owner = owner or place.owner
        place.path.append(part)
    elif isinstance(node, Mapping) and not place.absent and models:
        place.owner = models[0] if len(models) == 1 else place.owner
        place.absent = part


def models_of(annotation: Any) -> list[type[Declared]]:
    """Return the schemas that an annotation allows: none, one, or the members of a union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return models_of(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [model for part in get_args(annotation) if part is not NoneType for model in models_of(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, Declared) else []


def fields_of(model: type[Declared]) -> dict[str, FieldInfo]:
    """Return a schema's fields by the key that the YAML uses."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def nested(model: type[Declared], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[Declared]]]:
    """Yield every schema below one, with the keys that lead to it."""
    for key, info in fields_of(model).items():
        for inner in models_of(info.annotation):
            yield (*prefix, key), inner
            yield from nested(inner, (*prefix, key))


def kinds_of(models: list[type[Declared]]) -> list[str]:
    """Return the `kind` values that tell a union's members apart."""
    return [kind for model in models if "kind" in model.model_fields for kind in choices(model.model_fields["kind"])]


def choices(info: FieldInfo) -> list[str]:
    """Return the words that a field allows, where it allows only some."""
    return [str(value) for value in _literals(info.annotation)]


def _literals(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return tuple(value for part in get_args(annotation) for value in _literals(part))
    return ()


def _tagged(models: list[type[Declared]], tag: str) -> type[Declared] | None:
    return next(
        (model for model in models if "kind" in model.model_fields and tag in choices(model.model_fields["kind"])), None
    )


def _item(annotation: Any) -> Any:
    while get_origin(annotation) in (Annotated, Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        annotation = parts[0]
    args = [part for part in get_args(annotation) if part is not Ellipsis]
    return args[-1] if args else Any
