"""The strict YAML loader: bytes in, a positioned tree or every structural problem out, in milliseconds.

YAML 1.2 core rules over libyaml's event stream. The tree is built here, not by PyYAML's composer, which recurses in C
and dies on deep nesting; each event is looked at before the next one is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from autotrader.config.hints import explain, split_value_hint
from autotrader.config.nodes import Mapping, Node, Scalar, Sequence, Span, lines_of, safe
from autotrader.core.units import exact

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_PROBLEMS = 100

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff\ufeff]")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One structural problem: where it stands (None: the file as a whole), what it is, what helps."""

    span: Span | None
    message: str
    hint: str = ""


@dataclass(slots=True)
class Document:
    """What a file holds: its text, its tree (None: empty or unreadable) and what is wrong with it.

    `complete` is False when the tree is not worth validating because reading stopped.
    """

    text: str = ""
    root: Node | None = None
    flaws: list[Flaw] = field(default_factory=list)
    complete: bool = True


def read(data: bytes) -> Document:
    """Return the document that these bytes hold. Never raises for anything that a file can contain."""
    if len(data) > MAX_BYTES:
        return _unreadable(
            "", Flaw(None, f"the file is larger than {MAX_BYTES // 1024} KiB", "one object a file needs far less")
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable("", _encoding_flaw(data, error))
    if match := _CONTROL.search(text):
        before = lines_of(text[: match.start()])
        span = Span(len(before) - 1, len(before[-1]), len(before) - 1, len(before[-1]) + 1)
        flaw = Flaw(span, f"the character U+{ord(match[0]):04X} is not allowed in YAML", "delete it")
        return _unreadable(text, flaw)
    builder = _Builder(text)
    builder.run()
    return builder.document


def _unreadable(text: str, flaw: Flaw) -> Document:
    return Document(text=text, flaws=[flaw], complete=False)


def _encoding_flaw(data: bytes, error: UnicodeDecodeError) -> Flaw:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Flaw(None, "the file is UTF-16, not UTF-8", "save it as UTF-8")
    line = data.count(b"\n", 0, error.start)
    column = len(data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8", "replace"))
    message = f"byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8"
    return Flaw(Span(line, column, line, column + 1), message, "save the file as UTF-8")


class _Stop(Exception):  # noqa: N818  not an error: the reading ends here, and says why
    """Nothing after this place can be read."""


class _Builder:
    """Folds the event stream into a tree, with every bound checked before anything grows."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.document = Document(text=text)
        self._open: list[tuple[Mapping | Sequence, Scalar | None]] = []
        self._anchors: dict[str, Node | None] = {}
        self._names: list[str | None] = []
        self._flows: list[bool] = []
        self._events = 0
        self._nodes = 0

    def run(self) -> None:
        try:
            for event in yaml.parse(self.text, Loader=yaml.CSafeLoader):
                self._event(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            context = error.context_mark
            place = (mark.line, mark.column) if mark else (0, 0)
            line, column, length, message, hint = explain(
                error.problem or "cannot be read",
                place,
                (context.line, context.column) if context else place,
                self.text,
            )
            self._stop(Flaw(Span(line, column, line, column + length), message, hint))
        except _Stop:
            self.document.complete = False

    def _stop(self, flaw: Flaw) -> None:
        self.document.flaws.append(flaw)
        self.document.root = None
        self.document.complete = False

    def _flaw(self, span: Span, message: str, hint: str = "") -> None:
        if len(self.document.flaws) >= MAX_PROBLEMS:
            self._stop(Flaw(None, f"more than {MAX_PROBLEMS} problems in this file", "the rest is not shown"))
            raise _Stop
        self.document.flaws.append(Flaw(span, message, hint))

    def _event(self, event: Any) -> None:
        start, end = event.start_mark, event.end_mark
        span = Span(start.line, start.column, end.line, end.column)
        if isinstance(event, yaml.ScalarEvent):
            self._grow(span)
            self._scalar(event, span)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), span)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._grow(span)
            self._begin(event, span)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end(span)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._document_start(event, span)

    def _document_start(self, event: Any, span: Span) -> None:
        self._events += 1
        if self._events > 1:
            flaw = Flaw(span, "a second document starts here", "one object a file: remove it or give it its own file")
            self._stop(flaw)
            raise _Stop
        if event.version is not None and event.version != (1, 2):
            self._flaw(span, "this directive asks for YAML 1.1, but files are read as YAML 1.2", "remove the line")

    def _grow(self, span: Span) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(Flaw(span, f"more than {MAX_NODES} values in one file", "one object a file needs far less"))
            raise _Stop

    def _begin(self, event: Any, span: Span) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._stop(Flaw(span, f"nesting is deeper than {MAX_DEPTH} levels", "nothing here needs that"))
            raise _Stop
        node: Mapping | Sequence = Mapping(span) if isinstance(event, yaml.MappingStartEvent) else Sequence(span)
        self._tag(event, node, span)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._names.append(event.anchor)
        self._open.append((node, None))
        self._flows.append(bool(event.flow_style))

    def _end(self, span: Span) -> None:
        node, _ = self._open.pop()
        flow = self._flows.pop()
        node.span = Span(node.span.line, node.span.column, span.end_line, span.end_column)
        if flow and isinstance(node, Sequence):
            self._rejoin(node)
        anchor = self._names.pop()
        if anchor:
            self._anchors[anchor] = node
        self._add(node)

    def _rejoin(self, node: Sequence) -> None:
        """Point at an item that flow style split at a comma inside its brackets."""
        for item in node.items:
            if isinstance(item, Scalar) and not item.style and _lopsided(item.value):
                hint = split_value_hint(lines_of(self.text), item.span)
                self._flaw(item.span, "a comma inside brackets splits this value in two", hint)
                node.broken = True
                return

    def _tag(self, event: Any, node: Node, span: Span) -> None:
        if event.tag and event.tag != "!":
            tag = safe(event.tag.replace("tag:yaml.org,2002:", "!!"))[:60]
            self._flaw(span, f"the tag '{tag}' is not allowed", "write the plain value")
            node.broken = True

    def _scalar(self, event: Any, span: Span) -> None:
        style = event.style if event.style in ("'", '"', "|", ">") else ""
        node = Scalar(span, event.value, style)
        self._tag(event, node, span)
        if not style and not event.tag:
            self._resolve(node)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._add(node)

    def _resolve(self, node: Scalar) -> None:
        text = str(node.value)
        if text in _NULL:
            node.value = None
        elif text in _BOOL:
            node.value = _BOOL[text]
        elif text[0] in "0123456789+-." and (_FLOAT.fullmatch(text) or _OCTAL.fullmatch(text) or _HEX.fullmatch(text)):
            self._number(node, text)
        elif _NOT_FINITE.fullmatch(text):
            self._flaw(node.span, f"'{text}' is not a finite number", "write the number")
            node.broken = True

    def _number(self, node: Scalar, text: str) -> None:
        try:
            if text[:2] in ("0o", "0x"):
                number = int(text, 8 if text[1] == "o" else 16) if len(text) <= 18 else 10**19
                exact(str(number))
                node.value = number
            else:
                value = exact(text)
                node.value = int(value) if _INT.fullmatch(text) else value
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self._flaw(node.span, message, hint)
            node.broken = True

    def _alias(self, anchor: str, span: Span) -> None:
        self._grow(span)
        target = self._anchors.get(anchor, span)
        name = safe(anchor)[:60]
        if isinstance(target, Span):
            self._flaw(span, f"the alias '*{name}' has no anchor", f"write &{name} before the value it repeats")
            self._add(Scalar(span, None, broken=True))
        elif target is None:
            self._flaw(span, f"the alias '*{name}' stands inside its own value", "write the value out")
            self._add(Scalar(span, None, broken=True))
        else:
            self._nodes += target.size - 1
            if self._nodes > MAX_NODES or len(self._open) + target.height > MAX_DEPTH:
                flaw = Flaw(span, f"the aliases here expand to more than {MAX_NODES} values or {MAX_DEPTH} levels")
                self._stop(Flaw(flaw.span, flaw.message, "write the values out"))
                raise _Stop
            self._add(target)

    def _add(self, node: Node) -> None:
        if not self._open:
            self.document.root = node
            return
        parent, key = self._open[-1]
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif key is None:
            if not isinstance(node, Scalar):
                start = Span(node.span.line, node.span.column, node.span.line, node.span.column + 1)
                self._flaw(start, "a key must be text, not a list or a mapping", "write one word before the colon")
                parent.incomplete = True
            self._open[-1] = (parent, node if isinstance(node, Scalar) else _NO_KEY)
        else:
            self._open[-1] = (parent, None)
            self._entry(parent, key, node)

    def _entry(self, parent: Mapping, key: Scalar, node: Node) -> None:
        if key is _NO_KEY:
            return
        if not isinstance(key.value, str):
            said = _written(key, self.text)
            kind = "empty" if key.value is None and said in ("", "?") else f"'{said}', which is {_name_of(key.value)}"
            parent.incomplete = True
            if not key.broken:
                hint = "write a name before the colon" if kind == "empty" else f"quote it: '{said}'"
                self._flaw(key.span, f"a key must be text, but this one is {kind}", hint)
        elif key.value == "<<" and not key.style:
            self._flaw(key.span, "merge keys (<<) are not allowed", "write the keys out")
            parent.incomplete = True
        elif key.value in parent.entries:
            first = parent.entries[key.value][0].span.line + 1
            self._flaw(key.span, f"duplicate key '{safe(key.value)[:60]}'", f"it is already on line {first}")
        elif self._flows[-1] and not key.style and _lopsided(key.value):
            self._split_entry(parent, key)
        else:
            parent.entries[key.value] = (key, node)

    def _split_entry(self, parent: Mapping, key: Scalar) -> None:
        before = next(reversed(parent.entries.values()))[1] if parent.entries else key
        start = before if isinstance(before, Scalar) and _lopsided(before.value) else key
        if not parent.broken:
            hint = split_value_hint(lines_of(self.text), start.span)
            self._flaw(start.span, "a comma inside brackets splits this value in two", hint)
        parent.broken = True


_NO_KEY = Scalar(Span(0, 0, 0, 0), None, broken=True)


def _lopsided(value: object) -> bool:
    return isinstance(value, str) and value.count("(") != value.count(")")


def _written(node: Scalar, text: str) -> str:
    return safe(lines_of(text)[node.span.line][node.span.column : node.span.end_column])[:60]


def _name_of(value: object) -> str:
    if value is None:
        return "nothing"
    return "a boolean" if isinstance(value, bool) else "a number"
