"""The trees of expressions become one graph of computations, in which nothing is computed twice.

A node belongs to a series, (symbol, timeframe, exchange): it gets a new value when a bar of that series closes, and
keeps it until the next. That is all there is to `timeframe=`, `symbol=` and `exchange=`: the arguments of such a
feature are compiled onto the other series, and whoever reads the result sees the value of that series' last closed bar.
What comes from outside the bars has rows of its own, and what is made of nothing else is computed on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isnan
from typing import NoReturn

from autotrader.config.types import NAME_PATTERN
from autotrader.core.errors import ExpressionError
from autotrader.core.units import FEEDS, split_symbol, timeframe_ms
from autotrader.features import numeric
from autotrader.features.catalogue import (
    CATALOGUE,
    FAMILIES_OF_NAMES,
    PLANNED,
    known_functions,
    suggestion,
)
from autotrader.features.expression import (
    RESERVED,
    Binary,
    Call,
    Compare,
    Name,
    Node,
    Number,
    Place,
    Text,
    Unary,
    parse,
    show,
)
from autotrader.features.feature import PRICES, Feature, Param, Type
from autotrader.features.graph import GraphNode, SeriesKey, canonical_timeframe, feed_order
from autotrader.features.outside import CALLS, WHERE, funding_of, metric_of, refuse_other_rows

MAX_DEPTH = 128
"""How deep an expression may nest once its lets are put in."""
MAX_NODES = 2_000
MAX_STATE = 200_000
"""How many nodes a program may have, and how many numbers it may remember."""
MAX_SERIES = 16


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": numeric.add,
    "-": numeric.subtract,
    "*": numeric.multiply,
    "/": numeric.divide,
    "**": numeric.power,
}
_LOGIC: Mapping[str, Callable[[float, float], float]] = {"and": numeric.both, "or": numeric.either}
_COMPARE: Mapping[str, tuple[Callable[[float, float], float], bool]] = {
    "<": (numeric.less, False),
    "<=": (numeric.less_equal, False),
    ">": (numeric.less, True),
    ">=": (numeric.less_equal, True),
    "==": (numeric.equal, False),
    "!=": (numeric.not_equal, False),
}
"""The function of a comparison, and whether its sides are exchanged."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_EXCHANGE = re.compile(NAME_PATTERN, re.ASCII)
_EXAMPLES = {"timeframe": '"1d"', "symbol": '"ETH/USDT"', "exchange": '"paper"'}


def name_problem(name: str) -> str:
    """Return what is wrong with a name for a `let`, or nothing."""
    if not _NAME.fullmatch(name):
        return f"'{name}' is not a name; use letters, digits and _, at most 64"
    if name in RESERVED or name in PRICES:
        return f"'{name}' already means something in an expression; choose another name"
    return ""


class MismatchError(ExpressionError):
    """Raised when a value is of the wrong type for its place: what the type of something else decides."""


class Compiler:
    """Compiles named expressions into one graph. `scope` holds every name that an expression may use."""

    def __init__(self, scope: Mapping[str, str], timeframe: str) -> None:
        self.nodes: list[GraphNode] = []
        self.own = SeriesKey("", timeframe)
        self.series: set[SeriesKey] = {self.own}
        self._scope = scope
        self._index: dict[tuple[object, ...], int] = {}
        self._named: dict[tuple[str, SeriesKey], int] = {}
        self._resolving: list[str] = []
        self._depth = 0
        self._state = 0

    def named(self, name: str, want: Type | None = None) -> int:
        """Return the node of a name in scope. Raises ExpressionError, of which `source` is empty or another name."""
        if (name, self.own) not in self._named:
            self._named[name, self.own] = self._resolve(name, self.own)
        index = self._named[name, self.own]
        if want is not None and self.nodes[index].type != want:
            tree = parse(self._scope[name])
            self._wrong_type(tree, want)
        return index

    def _resolve(self, name: str, series: SeriesKey) -> int:
        self._resolving.append(name)
        try:
            return self._compile(parse(self._scope[name]), series)
        finally:
            self._resolving.pop()

    def _compile(self, tree: Node, series: SeriesKey) -> int:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"nested more than {MAX_DEPTH} deep with its lets put in", *tree.place)
        try:
            match tree:
                case Number():
                    return self._constant(tree.value)
                case Name():
                    return self._name(tree, series)
                case Unary():
                    return self._unary(tree, series)
                case Binary():
                    return self._binary(tree, series)
                case Compare():
                    return self._compare(tree, series)
                case Call():
                    return self._call(tree, series)
                case Text():
                    raise ExpressionError("a text stands where a value is needed", *tree.place)
        finally:
            self._depth -= 1

    def _add(self, node: GraphNode, place: Place) -> int:
        key = (node.args, node.params, node.series, node.type, node.function, node.feature and node.feature.name)
        known = self._index.get(key)
        if known is not None:
            return known
        if node.feature is not None:
            self._state += node.feature.size(*node.params)
        if len(self.nodes) >= MAX_NODES or self._state > MAX_STATE:
            raise ExpressionError(
                "too much to compute at each bar", *place, f"at most {MAX_NODES} steps that remember {MAX_STATE} values"
            )
        self.nodes.append(node)
        self._index[key] = len(self.nodes) - 1
        return self._index[key]

    def _constant(self, value: float, kind: Type = "number") -> int:
        return self._add(GraphNode((), (value,), None, kind), Place(0, 1))

    def _price(self, name: str, series: SeriesKey, place: Place) -> int:
        return self._add(GraphNode((), (float(PRICES.index(name)),), series, "number"), place)

    def _operator(
        self, function: Callable[..., float], args: tuple[int, ...], kind: Type, series: SeriesKey, tree: Node
    ) -> int:
        """Add an operator; of constants alone it is computed here, and must have a value."""
        if any(self.nodes[arg].series is not None for arg in args):
            return self._add(GraphNode(args, (), self._home(args, series), kind, function=function), tree.place)
        value = function(*(self.nodes[arg].params[0] for arg in args))
        if isnan(value):
            raise ExpressionError(f"{show(tree)} has no value", *tree.place)
        return self._constant(value, kind)

    def _home(self, args: tuple[int, ...], series: SeriesKey) -> SeriesKey:
        """Return where something made of these arguments belongs: the series that asks, unless all come from outside.

        Of several metrics it is the one that is fed last, when those of the same day are there.
        """
        found = {key for key in (self.nodes[arg].series for arg in args) if key is not None}
        if {key.kind for key in found} in ({"metric"}, {"funding"}):
            return max(found, key=feed_order)
        return series

    def _typed(self, tree: Node, series: SeriesKey, want: Type) -> int:
        index = self._compile(tree, series)
        if self.nodes[index].type != want:
            self._wrong_type(tree, want)
        return index

    @staticmethod
    def _wrong_type(tree: Node, want: Type) -> NoReturn:
        if want == "condition":
            raise MismatchError(
                "a condition is needed here, this is a number", *tree.place, "compare it with something, as in x > 0"
            )
        raise MismatchError(
            "a number is needed here, this is a condition", *tree.place, "turn it into one: if(condition, 1, 0)"
        )

    def _name(self, tree: Name, series: SeriesKey) -> int:
        name = tree.name
        if name in PRICES:
            return self._price(name, series, tree.place)
        if name not in self._scope:
            self._unknown_name(tree)
        if (name, series) in self._named:
            return self._named[name, series]
        if name in self._resolving:
            circle = " -> ".join((*self._resolving[self._resolving.index(name) :], name))
            raise ExpressionError(f"'{name}' is defined by itself: {circle}", *tree.place)
        try:
            index = self._resolve(name, series)
        except ExpressionError as error:
            raise type(error)(
                error.message, error.column, error.length, error.hint, source=error.source or name
            ) from error
        self._named[name, series] = index
        return index

    def _unknown_name(self, tree: Name) -> NoReturn:
        name = tree.name
        if name in CATALOGUE:
            raise ExpressionError(f"'{name}' needs its arguments", *tree.place, f"write {CATALOGUE[name].signature}")
        if name in CALLS:
            raise ExpressionError(f"'{name}' is a function", *tree.place, f"write {CALLS[name].signature}")
        if name in PLANNED:
            raise ExpressionError(f"'{name}' is not built yet", *tree.place, PLANNED[name])
        if name.lower() in {"true", "false"}:
            raise ExpressionError(f"'{name}' is not part of this language", *tree.place, "write a comparison")
        hint = FAMILIES_OF_NAMES.get(name) or suggestion(name, {*PRICES, *self._scope, *known_functions()})
        raise ExpressionError(f"unknown name '{name}'", *tree.place, hint)

    def _unary(self, tree: Unary, series: SeriesKey) -> int:
        want: Type = "condition" if tree.op == "not" else "number"
        operand = self._typed(tree.operand, series, want)
        return self._operator(numeric.negation if tree.op == "not" else numeric.negate, (operand,), want, series, tree)

    def _binary(self, tree: Binary, series: SeriesKey) -> int:
        want: Type = "condition" if tree.op in _LOGIC else "number"
        function = _LOGIC[tree.op] if tree.op in _LOGIC else _ARITHMETIC[tree.op]
        args = (self._typed(tree.left, series, want), self._typed(tree.right, series, want))
        return self._operator(function, args, want, series, tree)

    def _compare(self, tree: Compare, series: SeriesKey) -> int:
        operands = [self._typed(operand, series, "number") for operand in tree.operands]
        result = -1
        for op, left, right in zip(tree.ops, operands, operands[1:], strict=False):
            function, exchanged = _COMPARE[op]
            pair = (right, left) if exchanged else (left, right)
            link = self._operator(function, pair, "condition", series, tree)
            result = link if result < 0 else self._operator(numeric.both, (result, link), "condition", series, tree)
        return result

    def _call(self, tree: Call, series: SeriesKey) -> int:
        name = tree.name
        place = Place(tree.place.column, len(name))
        if name == "if":
            return self._if(tree, series)
        if name in CALLS:
            return self._outside(tree, series)
        if name not in PRICES and name not in CATALOGUE:
            if name in PLANNED:
                raise ExpressionError(f"'{name}' is not built yet", *place, PLANNED[name])
            if name in self._scope:
                raise ExpressionError(f"'{name}' is a name from 'let' and takes no arguments", *place)
            hint = FAMILIES_OF_NAMES.get(name) or suggestion(name, known_functions())
            raise ExpressionError(f"unknown function '{name}'", *place, hint)
        where = self._series_of(tree, series)
        keywords = {word: value for word, value in tree.keywords if word not in WHERE}
        if name in PRICES:
            if tree.args or keywords:
                raise ExpressionError(
                    f"'{name}' takes only timeframe=, symbol= and exchange=",
                    *tree.place,
                    f"an earlier one is prev({name}, n)",
                )
            return self._price(name, where, tree.place)
        return self._feature(CATALOGUE[name], tree, keywords, where)

    def _if(self, tree: Call, series: SeriesKey) -> int:
        if len(tree.args) != 3 or tree.keywords:
            raise ExpressionError("if(condition, value, otherwise) takes three arguments", *tree.place)
        condition = self._typed(tree.args[0], series, "condition")
        value = self._compile(tree.args[1], series)
        kind = self.nodes[value].type
        otherwise = self._typed(tree.args[2], series, kind)
        return self._operator(numeric.choose, (condition, value, otherwise), kind, series, tree)

    def _outside(self, tree: Call, series: SeriesKey) -> int:
        """Add a value from outside the bars; its rows come as bars whose close it is."""
        key = metric_of(tree) if tree.name != "funding" else funding_of(tree, self._series_of(tree, series))
        return self._price("close", self._known(key, tree), tree.place)

    def _series_of(self, tree: Call, series: SeriesKey) -> SeriesKey:
        """Return the series that `symbol=`, `timeframe=` and `exchange=` name, seen from the series that asks."""
        key = series
        for word, value in tree.keywords:
            if word not in WHERE:
                continue
            if not isinstance(value, Text):
                raise ExpressionError(f"{word}= takes a text", *value.place, f"write {word}={_EXAMPLES[word]}")
            try:
                key = self._led(key, word, value.value)
            except ValueError as error:
                raise ExpressionError(str(error), *value.place) from error
        for here, there in ((series.symbol, key.symbol), (series.source, key.source)):
            if here and there != here:
                raise ExpressionError(
                    f"a feature of {here} cannot look into {there}", *tree.place, "combine the two outside of it"
                )
        if key.timeframe in FEEDS and (key.symbol or key.source):
            message = f"the {key.timeframe} of another market have no order among one's own"
            raise ExpressionError(message, *tree.place, 'read its bars: add timeframe="1m"')
        return self._known(key, tree)

    def _led(self, key: SeriesKey, word: str, text: str) -> SeriesKey:
        """Return the series to which one such argument leads. Raises ValueError."""
        if word == "symbol":
            split_symbol(text)
            return key._replace(symbol=text)
        if word == "timeframe":
            return key._replace(timeframe=self._longer(text, key.timeframe))
        if not _EXCHANGE.fullmatch(text):
            raise ValueError(f"'{text}' is not the name of an exchange")
        return key._replace(source=text)

    def _known(self, key: SeriesKey, tree: Call) -> SeriesKey:
        self.series.add(key)
        if len(self.series) > MAX_SERIES:
            raise ExpressionError(f"more than {MAX_SERIES} series are read", *tree.place)
        return key

    def _longer(self, text: str, than: str) -> str:
        given_ms, than_ms = timeframe_ms(text), timeframe_ms(than)
        if canonical_timeframe(text) == canonical_timeframe(than):
            return than
        if canonical_timeframe(text) == canonical_timeframe(self.own.timeframe) or given_ms < than_ms:
            raise ValueError(f"'{text}' is shorter than the {than} bars that ask for it")
        if given_ms == 0:
            raise ValueError(f"'{text}' is a feed, not a timeframe; a strategy reads the one that it names with feed:")
        if than_ms and given_ms % than_ms:
            raise ValueError(f"'{text}' is not a whole number of {than} bars")
        return canonical_timeframe(text)

    def _feature(self, feature: Feature, tree: Call, keywords: dict[str, Node], series: SeriesKey) -> int:
        bound = _bind(feature, tree, keywords)
        inputs = tuple(self._typed(bound[name], series, "number") for name in feature.inputs)
        if inputs and all(self.nodes[index].series is None for index in inputs):
            raise ExpressionError(
                f"'{feature.name}' needs a series, this is one number",
                *bound[feature.inputs[0]].place,
                f"write {feature.signature}, as in x = close",
            )
        params = tuple(
            self._param(feature, param, bound[param.name], series)
            if param.name in bound
            else _as_given(param, param.default or 0.0)
            for param in feature.params
        )
        conflict = feature.conflict(*params)
        if conflict:
            raise ExpressionError(f"{feature.name}: {conflict}", *tree.place)
        reads = tuple(self._price(name, series, tree.place) for name in feature.reads)
        args = (*inputs, *reads)
        home = self._home(args, series)
        if home.kind != "bars":
            refuse_other_rows(tree, home)
        return self._add(GraphNode(args, params, home, feature.result, feature=feature), tree.place)

    def _param(self, feature: Feature, param: Param, tree: Node, series: SeriesKey) -> float:
        node = self.nodes[self._typed(tree, series, "number")]
        if node.series is not None:
            raise MismatchError(
                f"'{param.name}' of {feature.name} must be a number written out, not {show(tree)}",
                *tree.place,
                f"write {feature.signature}",
            )
        value = node.params[0]
        if param.whole and value != int(value):
            raise ExpressionError(f"'{param.name}' of {feature.name} must be a whole number", *tree.place)
        if not param.low <= value <= param.high:
            raise ExpressionError(
                f"'{param.name}' of {feature.name} must lie between {param.low:g} and {param.high:g}", *tree.place
            )
        return _as_given(param, value)


def _as_given(param: Param, value: float) -> float:
    return int(value) if param.whole else float(value)


def _bind(feature: Feature, tree: Call, keywords: dict[str, Node]) -> dict[str, Node]:
    """Return the arguments by name. Raises ExpressionError where one is missing, unknown, doubled or too many."""
    names = (*feature.inputs, *(param.name for param in feature.params))
    if len(tree.args) > len(names):
        raise ExpressionError(
            f"{feature.signature} takes {len(names)} arguments, {len(tree.args)} are given",
            *tree.args[len(names)].place,
        )
    bound = dict(zip(names, tree.args, strict=False))
    for word, value in keywords.items():
        if word not in names:
            hint = suggestion(word, (*names, *WHERE))
            raise ExpressionError(f"{feature.signature} has no argument '{word}'", *value.place, hint)
        if word in bound:
            raise ExpressionError(f"'{word}' of {feature.name} is given twice", *value.place)
        bound[word] = value
    required = (*feature.inputs, *(param.name for param in feature.params if param.default is None))
    missing = [name for name in required if name not in bound]
    if missing:
        raise ExpressionError(f"{feature.signature} needs '{missing[0]}'", *tree.place)
    return bound
