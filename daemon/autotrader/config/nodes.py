"""A YAML file as a tree that remembers where everything stands, so that every message can point at its cause."""

from __future__ import annotations

import re
from collections.abc import Sequence as Several
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

Plain = bool | int | Decimal | str | list["Plain"] | dict[str, "Plain"] | None

SNIPPET_CHARACTERS = 160
_LINE_END = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


class Span(NamedTuple):
    """Where a piece of text stands, 0-based; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(slots=True, eq=False)
class Scalar:
    """One value. `style` is '' for plain text, else the character that quotes it or opens its block."""

    span: Span
    value: bool | int | Decimal | str | None
    style: str = ""
    broken: bool = False
    size: int = 1
    height: int = 0


@dataclass(slots=True, eq=False)
class Mapping:
    """Keys with their own nodes. `incomplete` says that a key could not be read, so none may be called missing."""

    span: Span
    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    broken: bool = False
    incomplete: bool = False
    size: int = 1
    height: int = 0


@dataclass(slots=True, eq=False)
class Sequence:
    """Items in order."""

    span: Span
    items: list[Node] = field(default_factory=list)
    broken: bool = False
    size: int = 1
    height: int = 0


Node = Scalar | Mapping | Sequence


def plain(node: Node) -> Plain:
    """Return the values alone: dicts, lists and scalars."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {name: plain(value) for name, (_, value) in node.entries.items()}


def lines_of(text: str) -> list[str]:
    """Return the lines of a text as YAML counts them."""
    return _LINE_END.split(text)


def snippet(lines: Several[str], line: int, column: int) -> str:
    """Return one line as it can be shown on a terminal, or nothing where the place lies too far to the right."""
    if not 0 <= line < len(lines) or column >= SNIPPET_CHARACTERS:
        return ""
    return safe(lines[line].rstrip()[:SNIPPET_CHARACTERS])


def safe(text: str) -> str:
    """Return text in which no character moves a terminal's cursor or turns its direction."""
    return _UNPRINTABLE.sub(lambda match: " " if match[0] == "\t" else "\N{REPLACEMENT CHARACTER}", text)


def inside(node: Scalar, offset: int, length: int, lines: Several[str]) -> tuple[Span, bool]:
    """Return where the characters `offset .. offset + length` of a scalar's value stand in its file.

    The second value tells whether that place is exact; where folding or escapes hide it, the scalar's start is given.
    """
    start, exact = _place(node, offset, lines)
    if not exact:
        return Span(node.span.line, node.span.column, node.span.line, node.span.column + 1), False
    return Span(start[0], start[1], start[0], start[1] + max(1, length)), True


def _place(node: Scalar, offset: int, lines: Several[str]) -> tuple[tuple[int, int], bool]:
    span, value = node.span, node.value
    if not isinstance(value, str):
        return (span.line, span.column), False
    if node.style in ("|", ">"):
        return _in_block(node, value, offset, lines)
    raw = lines[span.line][span.column : span.end_column] if span.line == span.end_line else ""
    if not node.style and raw == value:
        return (span.line, span.column + offset), True
    if node.style == "'" and raw[1:-1].replace("''", "'") == value:
        return (span.line, span.column + 1 + offset + value[:offset].count("'")), True
    if node.style == '"' and raw[1:-1] == value:
        return (span.line, span.column + 1 + offset), True
    if not node.style and span.line != span.end_line:
        pieces = [(span.line, span.column, lines[span.line][span.column :].strip())]
        for number in range(span.line + 1, span.end_line + 1):
            text = lines[number][: span.end_column] if number == span.end_line else lines[number]
            pieces.append((number, len(text) - len(text.lstrip()), text.strip()))
        return _in_pieces(pieces, value, " ", offset, node)
    return (span.line, span.column), False


def _in_block(node: Scalar, value: str, offset: int, lines: Several[str]) -> tuple[tuple[int, int], bool]:
    body = lines[node.span.line + 1 : max(node.span.end_line, node.span.line + 2)]
    indents = [len(text) - len(text.lstrip(" ")) for text in body if text.strip()]
    indent = indents[0] if indents else 0
    pieces = [(node.span.line + 1 + i, indent, text[indent:]) for i, text in enumerate(body)]
    while pieces and not pieces[-1][2].strip():
        pieces.pop()
    return _in_pieces(pieces, value.rstrip("\n"), "\n" if node.style == "|" else " ", offset, node)


def _in_pieces(
    pieces: list[tuple[int, int, str]], value: str, joint: str, offset: int, node: Scalar
) -> tuple[tuple[int, int], bool]:
    if joint.join(text for _, _, text in pieces) == value:
        for line, column, text in pieces:
            if offset <= len(text):
                return (line, column + offset), True
            offset -= len(text) + 1
    return (node.span.line, node.span.column), False
