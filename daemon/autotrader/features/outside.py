"""What comes from outside the bars, on-chain and sentiment metrics and funding rates, and who names it where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from autotrader.core.errors import ExpressionError
from autotrader.features.expression import Binary, Call, Compare, Node, Place, Text, Unary, show
from autotrader.features.graph import SeriesKey

METRIC_TIMEFRAME = "1d"
FUNDING_TIMEFRAME = "8h"
"""How far apart rows usually lie: what is loaded before the first decision is counted by it, and nothing else."""

WHERE = ("timeframe", "symbol", "exchange")
"""The arguments that lead a price or a feature to another series of bars."""


class Outside(NamedTuple):
    """One call that reads from outside the bars, as documentation tells it."""

    signature: str
    summary: str
    known: str
    unit: str


CALLS: Mapping[str, Outside] = MappingProxyType(
    {
        "onchain": Outside(
            'onchain("btc-network", "n_transactions")',
            "A daily on-chain metric: a file under `onchain/` and its column.",
            "when the UTC day of its row is over",
            "that of the column",
        ),
        "sentiment": Outside(
            'sentiment("fear_greed")',
            "A daily sentiment index: a file under `sentiment/`, column `value`.",
            "when the UTC day of its row is over",
            "that of the index; fear and greed: 0 to 100",
        ),
        "funding": Outside(
            "funding()",
            "The last funding rate that was settled on a swap; with `symbol=` or `exchange=` on another one.",
            "at its settlement",
            "a fraction of the position's value, longs pay it where it is positive",
        ),
    }
)

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)


class Reference(NamedTuple):
    """Something outside its own market that an expression names.

    `name` is an exchange's (for funding empty where it is the strategy's own), or a metric's file as `onchain/btc`.
    """

    kind: Literal["exchange", "funding", "metric"]
    name: str
    column: str
    place: Place


def metric_of(tree: Call) -> SeriesKey:
    """Return the series of an `onchain` or `sentiment` call. Raises ExpressionError."""
    usage = f"write {CALLS[tree.name].signature}"
    for word, value in tree.keywords:
        reason = "it has rows of its own" if word in WHERE else "its arguments have no names"
        raise ExpressionError(f"{tree.name} takes no {word}=: {reason}", *value.place, usage)
    count = 2 if tree.name == "onchain" else 1
    if len(tree.args) != count:
        texts = "two texts, a file and its column" if count == 2 else "one text, the name of a file"
        raise ExpressionError(f"{tree.name} takes {texts}", *tree.place, usage)
    for value, pattern, what in zip(tree.args, (_FILE, _COLUMN), ("file", "column"), strict=False):
        if not isinstance(value, Text):
            raise ExpressionError(f"the {what} of {tree.name} is a text in quotes", *value.place, usage)
        if not pattern.fullmatch(value.value):
            raise ExpressionError(f"{show(value)} is not the name of a {what}", *value.place, usage)
    file, *columns = (value.value for value in tree.args if isinstance(value, Text))
    return SeriesKey(columns[0] if columns else "value", METRIC_TIMEFRAME, f"{tree.name}/{file}", "metric")


def funding_of(tree: Call, where: SeriesKey) -> SeriesKey:
    """Return the series of a `funding` call that `symbol=` and `exchange=` lead to `where`. Raises ExpressionError."""
    usage = 'write funding(), or funding(symbol="ETH/USDT", exchange="perp")'
    for word, value in tree.keywords:
        if word not in {"symbol", "exchange"}:
            raise ExpressionError(f"funding takes no {word}=: a rate holds until the next one", *value.place, usage)
    if tree.args:
        raise ExpressionError("funding takes only symbol= and exchange=", *tree.args[0].place, usage)
    return SeriesKey(where.symbol, FUNDING_TIMEFRAME, where.source, "funding")


def refuse_other_rows(tree: Call, home: SeriesKey) -> None:
    """Refuse `timeframe=` and the like on a feature all of whose inputs have rows of their own."""
    for word, value in tree.keywords:
        if word == "timeframe" or (word in WHERE and home.kind == "metric"):
            rows = "metrics" if home.kind == "metric" else "funding rates"
            message = f"{word}= has no meaning here: {tree.name} is computed on the rows of the {rows} themselves"
            raise ExpressionError(message, *value.place, "leave it out")


def references(tree: Node, exchange: str = "") -> Iterator[Reference]:
    """Yield what an expression names outside its own market; `exchange` is where it is read."""
    match tree:
        case Unary():
            yield from references(tree.operand, exchange)
        case Binary():
            yield from references(tree.left, exchange)
            yield from references(tree.right, exchange)
        case Compare():
            for operand in tree.operands:
                yield from references(operand, exchange)
        case Call():
            for word, value in tree.keywords:
                if word == "exchange" and isinstance(value, Text):
                    exchange = value.value
                    yield Reference("exchange", exchange, "", value.place)
            if tree.name in {"onchain", "sentiment"}:
                key = metric_of(tree)
                yield Reference("metric", key.source, key.symbol, tree.place)
            elif tree.name == "funding":
                yield Reference("funding", exchange, "", tree.place)
            for argument in (*tree.args, *(value for _, value in tree.keywords)):
                yield from references(argument, exchange)
