"""The text of a rule becomes a small typed tree. Tokens and grammar only; meaning is given in compile.py.

    or:        and ("or" and)*
    and:       not ("and" not)*
    not:       "not" not | comparison
    comparison: sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)*
    sum:       product (("+" | "-") product)*
    product:   sign (("*" | "/") sign)*
    sign:      ("-" | "+") sign | power
    power:     atom ["**" sign]
    atom:      number | text | name | name "(" arguments ")" | "(" or ")"
    arguments: [argument ("," argument)* [","]]      argument: [name "="] or

Every error is an ExpressionError with its place. Length and depth are bounded, so that hostile text costs little.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import isfinite
from typing import NamedTuple, NoReturn, TypeAlias

from autotrader.core.errors import ExpressionError

MAX_LENGTH = 4_096
MAX_DEPTH = 64
RESERVED = frozenset({"and", "or", "not", "if"})


class Place(NamedTuple):
    """Where in its text a node stands: a 0-based offset and a length."""

    column: int
    length: int


class Number(NamedTuple):
    value: float
    place: Place
    depth: int = 1


class Text(NamedTuple):
    value: str
    place: Place
    depth: int = 1


class Name(NamedTuple):
    name: str
    place: Place
    depth: int = 1


class Unary(NamedTuple):
    """`op` is "-" or "not"."""

    op: str
    operand: Node
    place: Place
    depth: int


class Binary(NamedTuple):
    """`op` is an arithmetic operator, "and" or "or"."""

    op: str
    left: Node
    right: Node
    place: Place
    depth: int


class Compare(NamedTuple):
    """A chain of comparisons: `ops[i]` stands between `operands[i]` and `operands[i + 1]`."""

    ops: tuple[str, ...]
    operands: tuple[Node, ...]
    place: Place
    depth: int


class Call(NamedTuple):
    name: str
    args: tuple[Node, ...]
    keywords: tuple[tuple[str, Node], ...]
    place: Place
    depth: int


Node: TypeAlias = Number | Text | Name | Unary | Binary | Compare | Call


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<text>"[^"\n]*"|'[^'\n]*')
      | (?P<op>\*\*|<=|>=|==|!=|[-+*/()<>,=])""",
    re.VERBOSE | re.ASCII,
)

_HINTS = {
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "^": "write '**' for a power",
    "%": "write 2 % as 0.02",
    ".": "there are no attributes or methods in this language",
    "[": "write prev(x, n) for an earlier value",
    '"': "the text has no closing quote",
    "'": "the text has no closing quote",
    ";": "one expression only",
}

_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
_OPENERS = frozenset({"number", "text", "name"})


@lru_cache(maxsize=8_192)
def parse(text: str) -> Node:
    """Return the tree of an expression. Raises ExpressionError with the place of the first thing wrong."""
    return _Parser(text).whole()


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"an expression may have {MAX_LENGTH} characters, this one has {len(text)}",
            MAX_LENGTH,
            hint="give parts of it a name under 'let'",
        )
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            _bad_character(text, at)
        kind = match.lastgroup
        assert kind is not None
        if kind == "name" and tokens and tokens[-1].kind == "number" and tokens[-1].column + len(tokens[-1].text) == at:
            raise ExpressionError(
                f"'{tokens[-1].text}{match[0]}' is not a number", tokens[-1].column, len(tokens[-1].text + match[0])
            )
        if kind != "space":
            tokens.append(_Token(kind, match[0], at))
        at = match.end()
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _bad_character(text: str, at: int) -> NoReturn:
    character = text[at]
    raise ExpressionError(f"unexpected character {character!r}", at, hint=_HINTS.get(character, ""))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._open = 0

    def whole(self) -> Node:
        if self._tokens[0].kind == "end":
            raise ExpressionError("the expression is empty", 0)
        node = self._or()
        if self._peek().kind != "end":
            self._unexpected()
        return node

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _is(self, *texts: str) -> bool:
        token = self._tokens[self._at]
        return token.text in texts and token.kind != "text"

    def _place(self, column: int) -> Place:
        last = self._tokens[self._at - 1]
        return Place(column, last.column + len(last.text) - column)

    def _unexpected(self) -> NoReturn:
        token = self._peek()
        if token.kind == "end":
            raise ExpressionError("the expression ends too early", max(0, token.column - 1))
        hint = ""
        if token.text == "=":
            hint = "write '==' to compare"
        elif token.text == "if":
            hint = "write if(condition, value, otherwise)"
        elif token.kind in _OPENERS and self._at and self._tokens[self._at - 1].kind in _OPENERS:
            hint = "an operator is missing before it"
        raise ExpressionError(f"unexpected '{token.text}'", token.column, len(token.text), hint)

    def _deeper(self, column: int, *nodes: Node) -> int:
        depth = 1 + max((node.depth for node in nodes), default=0)
        if depth > MAX_DEPTH:
            self._too_deep(column)
        return depth

    def _too_deep(self, column: int) -> NoReturn:
        raise ExpressionError(f"nested more than {MAX_DEPTH} deep", column, hint="give parts of it a name under 'let'")

    def _nest(self, column: int) -> None:
        self._open += 1
        if self._open > MAX_DEPTH:
            self._too_deep(column)

    def _or(self) -> Node:
        left = self._and()
        while self._is("or"):
            self._take()
            left = self._binary("or", left, self._and())
        return left

    def _and(self) -> Node:
        left = self._not()
        while self._is("and"):
            self._take()
            left = self._binary("and", left, self._not())
        return left

    def _binary(self, op: str, left: Node, right: Node) -> Node:
        column = left.place.column
        return Binary(op, left, right, self._place(column), self._deeper(column, left, right))

    def _not(self) -> Node:
        if not self._is("not"):
            return self._comparison()
        column = self._take().column
        self._nest(column)
        operand = self._not()
        self._open -= 1
        return Unary("not", operand, self._place(column), self._deeper(column, operand))

    def _comparison(self) -> Node:
        first = self._sum()
        if self._peek().text not in _COMPARISONS or self._peek().kind != "op":
            return first
        ops: list[str] = []
        operands = [first]
        while self._peek().kind == "op" and self._peek().text in _COMPARISONS:
            ops.append(self._take().text)
            operands.append(self._sum())
        column = first.place.column
        return Compare(tuple(ops), tuple(operands), self._place(column), self._deeper(column, *operands))

    def _sum(self) -> Node:
        left = self._product()
        while self._is("+", "-"):
            op = self._take().text
            left = self._binary(op, left, self._product())
        return left

    def _product(self) -> Node:
        left = self._sign()
        while self._is("*", "/"):
            op = self._take().text
            left = self._binary(op, left, self._sign())
        return left

    def _sign(self) -> Node:
        if not self._is("-", "+"):
            return self._power()
        token = self._take()
        self._nest(token.column)
        operand = self._sign()
        self._open -= 1
        if token.text == "+":
            return operand
        return Unary("-", operand, self._place(token.column), self._deeper(token.column, operand))

    def _power(self) -> Node:
        base = self._atom()
        if not self._is("**"):
            return base
        self._nest(self._take().column)
        exponent = self._sign()
        self._open -= 1
        return self._binary("**", base, exponent)

    def _atom(self) -> Node:
        token = self._peek()
        place = Place(token.column, len(token.text))
        if token.kind == "number":
            self._take()
            value = float(token.text)
            if not isfinite(value):
                raise ExpressionError(f"'{token.text}' is too large a number", *place)
            return Number(value, place)
        if token.kind == "text":
            self._take()
            return Text(token.text[1:-1], place)
        if token.kind == "name" and (token.text not in RESERVED or token.text == "if"):
            self._take()
            if self._is("("):
                return self._call(token)
            if token.text == "if":
                raise ExpressionError("'if' is a function", *place, "write if(condition, value, otherwise)")
            return Name(token.text, place)
        if not self._is("("):
            self._unexpected()
        self._take()
        self._nest(token.column)
        node = self._or()
        self._close("(", token.column)
        self._open -= 1
        return node

    def _close(self, opened: str, column: int) -> None:
        if not self._is(")"):
            if self._peek().kind == "end":
                raise ExpressionError(f"'{opened}' is never closed", column, hint="add a ')'")
            self._unexpected()
        self._take()

    def _call(self, name: _Token) -> Node:
        opening = self._take()
        self._nest(opening.column)
        args: list[Node] = []
        keywords: list[tuple[str, Node]] = []
        while not self._is(")"):
            word = self._peek()
            if word.kind == "name" and self._tokens[self._at + 1].text == "=":
                self._at += 2
                if any(word.text == given for given, _ in keywords):
                    raise ExpressionError(f"'{word.text}' is given twice", word.column, len(word.text))
                keywords.append((word.text, self._or()))
            else:
                argument = self._or()
                if keywords:
                    raise ExpressionError("an argument without a name follows one with a name", *argument.place)
                args.append(argument)
            if not self._is(","):
                break
            self._take()
        self._close("(", opening.column)
        self._open -= 1
        nodes = (*args, *(node for _, node in keywords))
        return Call(
            name.text, tuple(args), tuple(keywords), self._place(name.column), self._deeper(name.column, *nodes)
        )


def show(node: Node) -> str:
    """Return a tree as text that parses to the same tree; whatever joins two things stands in parentheses."""
    match node:
        case Number():
            return repr(node.value)
        case Text():
            quote = "'" if '"' in node.value else '"'
            return f"{quote}{node.value}{quote}"
        case Name():
            return node.name
        case Unary():
            return f"({node.op} {show(node.operand)})"
        case Binary():
            return f"({show(node.left)} {node.op} {show(node.right)})"
        case Compare():
            pairs = zip(node.ops, node.operands[1:], strict=True)
            return f"({show(node.operands[0])}" + "".join(f" {op} {show(operand)}" for op, operand in pairs) + ")"
        case Call():
            words = (f"{word}={show(value)}" for word, value in node.keywords)
            return f"{node.name}({', '.join((*(show(arg) for arg in node.args), *words))})"
