"""What a YAML parser's complaint means to the person who wrote the file, and what helps."""

from __future__ import annotations

import re

from autotrader.config.nodes import Span, lines_of, safe

_NO_SPACE = re.compile(r"^\s*(?:- )?([A-Za-z_][\w-]*):([^\s:/].*)$")
_REFERENCE = re.compile(r"\$\{[^}]*\}?")

Place = tuple[int, int]


def explain(problem: str, at: Place, began: Place, text: str) -> tuple[int, int, int, str, str]:
    """Return line, column, length, message and hint for one of libyaml's syntax errors.

    `at` and `began` are 0-based: where libyaml noticed, and where the construct that it was reading began.
    """
    lines = [*lines_of(text), ""]
    line, column = min(at[0], len(lines) - 1), at[1]
    here = lines[line]
    if "cannot start any token" in problem:
        return line, column, 1, *_bad_start(here, column)
    if found := _colon_without_space(lines, line, problem):
        return found
    if "quoted scalar" in problem or ("unexpected end of stream" in problem):
        return began[0], began[1], 1, "this quote is never closed", "add the closing quote"
    if "',' or" in problem:
        return _flow(lines, at, began, problem)
    if "expected ':'" in problem:
        line, column = began
    for words, message, hint in _MEANINGS:
        if words in problem:
            return line, column, 1, message, hint
    return line, column, 1, safe(problem), "compare with the documentation's examples"


_MEANINGS = (
    ("mapping values are not allowed", "a key and a colon do not fit here", "quote the value, or mend the indentation"),
    ("unknown escape character", "this backslash starts no known escape", "use single quotes, or write \\\\"),
    ("block sequence entries", "a list item ('- ') cannot start here", "put the list on its own lines below the key"),
    ("<document start>", "this line does not belong to what stands above", "give all top-level keys one indentation"),
    ("expected '-' indicator", "this line is no list item like those above", "start it with '- ' or indent it"),
    ("expected key", "this line does not fit its neighbours' indentation", "align it with the keys it belongs to"),
    ("could not find expected ':'", "this line has no colon", "write it as  key: value"),
    ("unexpected ':'", "a colon needs a space after it", "write it as  key: value"),
    ("undefined tag handle", "a value cannot start with '!'", "quote it"),
    ("alphabetic or numeric character", "'&' and '*' need a name here", "quote the value if it is meant as text"),
    ("unknown directive", "a line cannot start with '%'", "remove it"),
    ("directive", "this '%' directive cannot be read", "remove it"),
)


def _bad_start(here: str, column: int) -> tuple[str, str]:
    character = here[column : column + 1]
    if character == "\t":
        return "a tab cannot indent YAML", "use spaces"
    return f"a value cannot start with '{safe(character)}'", f"quote it: '{safe(here[column:].strip())[:40]}'"


def _colon_without_space(lines: list[str], line: int, problem: str) -> tuple[int, int, int, str, str] | None:
    if "mapping values" not in problem and "expected ':'" not in problem:
        return None
    for number in (line, line - 1):
        match = _NO_SPACE.match(lines[number]) if number >= 0 else None
        if match:
            column = match.start(2) - 1
            key, value = match[1], safe(match[2].strip())[:40]
            return number, column, 1, "a colon needs a space after it", f"write  {key}: {value}"
    return None


def _flow(lines: list[str], at: Place, began: Place, problem: str) -> tuple[int, int, int, str, str]:
    bracket = "}" if "'}'" in problem else "]"
    here = lines[began[0]] if began[0] == at[0] else lines[min(at[0], len(lines) - 1)]
    for match in _REFERENCE.finditer(here):
        if match.start() <= at[1] <= match.end():
            message = "'${' opens a second pair of braces here"
            return at[0], match.start(), len(match[0]), message, f'quote it: "{match[0]}"'
    name = "list" if bracket == "]" else "mapping"
    opening = "[" if bracket == "]" else "{"
    message = f"this {name} is not closed, or lacks a comma"
    return began[0], began[1], 1, message, f"every '{opening}' needs its '{bracket}', and commas between"


def split_value_hint(lines: list[str], span: Span) -> str:
    """Return the hint to quote a value that flow style split at a comma, showing the whole value."""
    rest = lines[span.line][span.column :]
    depth = 0
    for index, character in enumerate(rest):
        depth += (character == "(") - (character == ")")
        if depth == 0 and character == ")":
            end = re.match(r"[^,\]}]*", rest[index + 1 :])
            return f'quote it: "{safe(rest[: index + 1] + (end[0] if end else "")).rstrip()[:80]}"'
    return "quote it"
