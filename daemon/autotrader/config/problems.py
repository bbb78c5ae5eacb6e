"""From what Pydantic found to what a person reads: the place in the file, the matter in plain English, what helps."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from autotrader.config.model import Declared
from autotrader.config.nodes import Mapping, Node, Scalar, Sequence, Span, inside, lines_of, safe, snippet
from autotrader.config.schema_walk import Place, fields_of, follow
from autotrader.config.secrets import Secret
from autotrader.config.wording import did_you_mean, say, shown, spaced
from autotrader.config.yaml import MAX_PROBLEMS, Document, Flaw
from autotrader.core.errors import Problem

LONGEST_MESSAGE = 1000
LONGEST_LINE = 500
"""How much of a line is looked at for secrets, and so may be shown: patterns over a whole hostile line take minutes."""

_SECRET_KEY = re.compile(
    r"(?i)^((?:[^\w-]|-+\s)*)([\w-]*(?:pas+|secr|tok|key|cred|pwd|auth)[\w-]*)(['\"]?\s*:\s*)(.*)$"
)
_SECRET_INLINE = re.compile(
    r"(?i)((?<![\w-])[\w-]*(?:pas+|secr|tok|key|cred|pwd|auth)[\w-]*['\"]?\s*:\s*)(?!['\"]?\$\{)\S.*$"
)
_REFERENCE_LINE = re.compile(r"\s*[\w-]+\s*:\s*(['\"]?)\$\{(env|file):[\w.-]+\}\1\s*(#.*)?")


class Reporter:
    """Turns one file's flaws and validation errors into problems."""

    def __init__(self, file: str, document: Document) -> None:
        self._file = file
        self._document = document
        self._shown_lines: list[str] | None = None

    def flaw(self, flaw: Flaw, severity: str = "error") -> Problem:
        """Return a structural flaw as a problem."""
        if flaw.span is None:
            return Problem(self._file, 0, 0, flaw.message, flaw.hint, severity=severity)
        return self.at(flaw.span, flaw.message, flaw.hint, severity)

    def at(self, span: Span, message: str, hint: str = "", severity: str = "error") -> Problem:
        """Return a problem at a place of the file, with the line it stands on."""
        message, hint = safe(message)[:LONGEST_MESSAGE], safe(hint)[:LONGEST_MESSAGE]
        shown_lines = self._masked()
        line = snippet(shown_lines, span.line, span.column)
        if span.line < len(shown_lines) and (hidden := self._hidden(span.line)):
            message, hint = hidden.sub("***", message), hidden.sub("***", hint)
        end = span.end_column if span.end_line == span.line else len(line)
        length = max(1, min(end, max(len(line), span.column + 1)) - span.column)
        return Problem(self._file, span.line + 1, span.column + 1, message, hint, line, length, severity)

    def key_or_top(self, path: tuple[str | int, ...], message: str, hint: str = "", severity: str = "error") -> Problem:
        """Return a problem at the value that a path of keys leads to, or at the file's start where there is none."""
        found = self._found(path)
        if found is None:
            return Problem(self._file, 0, 0, message, hint, severity=severity)
        return self.at(found.span, message, hint, severity)

    def within(
        self,
        path: tuple[str | int, ...],
        place: tuple[int, int],
        message: str,
        hint: str = "",
        severity: str = "error",
    ) -> Problem:
        """Return a problem inside the text that a path of keys leads to; `place` is a 0-based offset and a length."""
        found = self._found(path)
        if not isinstance(found, Scalar):
            return self.key_or_top(path, message, hint, severity)
        span, _ = inside(found, *place, lines_of(self._document.text))
        return self.at(span, message, hint, severity)

    def _found(self, path: tuple[str | int, ...]) -> Node | None:
        node, found = self._document.root, None
        for part in path:
            if isinstance(node, Mapping) and part in node.entries:
                node = found = node.entries[str(part)][1]
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
                node = found = node.items[part]
        return found

    def empty_values(self) -> list[Problem]:
        """Return a problem for every key and list item without a value, so that no limit is lifted by a slip."""
        found: list[Problem] = []
        if self._document.root is not None:
            self._empty(self._document.root, None, found)
        return found

    def _empty(self, node: object, key: Scalar | None, found: list[Problem]) -> None:
        if len(found) >= MAX_PROBLEMS:
            return
        if isinstance(node, Mapping):
            for name, value in node.entries.values():
                self._empty(value, name, found)
        elif isinstance(node, Sequence):
            for item in node.items:
                self._empty(item, None, found)
        elif isinstance(node, Scalar) and node.value is None and not node.broken:
            node.broken = True
            if key is None:
                found.append(self.at(node.span, "this list item has no value", "give it one, or remove it"))
            elif ":" in str(key.value).strip(":"):
                found.append(self.at(key.span, "a colon needs a space after it", spaced(str(key.value))))
                node.broken, key.broken = True, True
            else:
                message = f"'{shown(key.value)}' has no value"
                found.append(self.at(key.span, message, "give it one, or remove the line"))

    def invalid(self, error: ValidationError, model: type[Declared], noun: str) -> list[Problem]:
        """Return the problems of a document that `model` refused; `noun` names it, as `a rules strategy`."""
        root = self._document.root
        if root is None:
            return []
        errors = error.errors(include_url=False)[: 4 * MAX_PROBLEMS]
        locs = [tuple(one["loc"]) for one in errors]
        found: dict[tuple[int, int, str], Problem] = {}
        places = [
            follow(loc + tuple(one.get("ctx", {}).get("at", ())), root, model)
            for loc, one in zip(locs, errors, strict=True)
        ]
        meant = {
            _suggested(place) for one, place in zip(errors, places, strict=True) if one["type"] == "extra_forbidden"
        }
        for one, loc, place in zip(errors, locs, places, strict=True):
            if _follows(one["type"], loc, place, locs, meant):
                continue
            problem = self._problem(dict(one), place, model, noun)
            spot = (problem.line, problem.column, place.absent if one["type"] == "missing" else "")
            if spot not in found:
                found[spot] = problem
            elif one["type"] == "literal_error":  # a union's members complain in turn; a choice is the other way out
                found[spot] = replace(found[spot], hint=f"or {problem.hint}")
        return list(found.values())[:MAX_PROBLEMS]

    def _problem(self, error: dict[str, Any], place: Place, model: type[Declared], noun: str) -> Problem:
        message, hint = say(error, place, model, noun)
        span = place.node.span
        column = error.get("ctx", {}).get("column", -1)
        if column >= 0 and isinstance(place.node, Scalar):
            span, _ = inside(place.node, column, error["ctx"]["length"], lines_of(self._document.text))
        elif place.key is not None and (error["type"] == "extra_forbidden" or _by_its_key(place)):
            span = place.key.span
        elif isinstance(place.node, Mapping):
            span = Span(span.line, span.column, span.line, span.column + 1)
        return self.at(span, message, hint)

    def _hidden(self, line: int) -> re.Pattern[str] | None:
        """Return what matches the words that a line's snippet hides, cut short or not: a message must not tell them."""
        raw, shown_line = lines_of(self._document.text)[line][:LONGEST_LINE], self._masked()[line]
        if raw == shown_line:
            return None
        kept = next((i for i, (a, b) in enumerate(zip(raw, shown_line, strict=False)) if a != b), len(shown_line))
        hidden = raw[kept:]
        starts = {word[:4] for word in (*re.findall(r"\w{3,}", hidden), *re.findall(r"[^\s'\"]{3,}", hidden))}
        return re.compile("|".join(re.escape(start) + r"[^\s'\"]*" for start in starts)) if starts else None

    def _masked(self) -> list[str]:
        if self._shown_lines is None:
            self._shown_lines = masked(lines_of(self._document.text))
        return self._shown_lines


def masked(lines: list[str]) -> list[str]:
    """Return lines in which no value of a key that sounds like a secret can be read, continuation lines included.

    Below a key without a value, as `credentials:`, a line that only refers to a secret is shown: it gives none away.
    """
    result: list[str] = []
    hidden, keys = -1, False
    for whole in lines:
        line = whole[:LONGEST_LINE]
        indent = len(line) - len(line.lstrip())
        if hidden >= 0 and line.strip() and indent > hidden:
            shown_whole = keys and _REFERENCE_LINE.fullmatch(line)
            result.append(_SECRET_INLINE.sub(r"\1***", line) if shown_whole else " " * indent + "***")
            continue
        named = _SECRET_KEY.match(line)
        hidden = indent if named and "${" not in line else -1
        keys = named is not None and named[4].partition("#")[0].strip() == ""
        result.append(_SECRET_INLINE.sub(r"\1***", line))
    return result


def _types(place: Place) -> tuple[Any, ...]:
    return (place.annotation, *getattr(place.annotation, "__args__", ()))


def _by_its_key(place: Place) -> bool:
    """Whether a message belongs below the key rather than its value: lists, mappings, secrets, missing keys."""
    return bool(place.absent) or place.at_key or Secret in _types(place) or not isinstance(place.node, Scalar)


def _follows(
    kind: str, loc: tuple[str | int, ...], place: Place, locs: list[tuple[str | int, ...]], meant: set[str]
) -> bool:
    """Whether an error only follows from another one that is told: a broken value, a misspelt key, a bad item."""
    if place.broken or (place.key is not None and place.key.broken):
        return True
    if kind == "missing":
        return _incomplete(place) or place.absent in meant
    return kind in ("too_short", "too_long") and any(other[: len(loc)] == loc and other != loc for other in locs)


def _incomplete(place: Place) -> bool:
    return isinstance(place.node, Mapping) and place.node.incomplete


def _suggested(place: Place) -> str:
    owner = place.owner
    return did_you_mean(place.name, fields_of(owner)) if owner else ""
