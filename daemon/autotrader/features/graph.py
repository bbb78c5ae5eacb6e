"""The graph that expressions become: its nodes, the series they belong to, and how much history they draw on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from autotrader.core.units import DURATION_MS, FEEDS, timeframe_ms
from autotrader.features.feature import Feature, Type


class SeriesKey(NamedTuple):
    """A series that a program reads; an empty symbol is the strategy's own, an empty source its own exchange.

    `source` is an exchange's name, or a metric's file as `onchain/btc-network`, whose column is then the `symbol`.
    Settled funding rates and metrics come as bars too, all of whose prices are the value: one closes at the moment at
    which its value is known.
    """

    symbol: str
    timeframe: str
    source: str = ""
    kind: Literal["bars", "funding", "metric"] = "bars"

    @property
    def asked(self) -> bool:
        """Whether it is asked for at each close of the strategy's bars, rather than streamed with them."""
        return self.kind != "bars" or self.source != ""


def feed_order(key: SeriesKey) -> tuple[bool, bool, int, bool, SeriesKey]:
    """Return the order in which series that close together are fed, so that whoever reads another comes after it.

    Values from outside come first, then other exchanges, then the own one; longer bars before shorter ones.
    """
    return key.kind == "bars", key.source == "", -timeframe_ms(key.timeframe), key.symbol == "", key


class GraphNode(NamedTuple):
    """One computation. `args` are indices of earlier nodes.

    A constant has its value as its only param and no function; a price has its column in the bar as its only param and
    no function; an operator has a function of its args; a feature has a definition, whose kernel keeps a state.
    """

    args: tuple[int, ...]
    params: tuple[float, ...]
    series: SeriesKey | None
    type: Type
    function: Callable[..., float] | None = None
    feature: Feature | None = None


def canonical_timeframe(text: str) -> str:
    """Return a timeframe in its largest unit, `60m` as `1h`. Weeks stay weeks: they begin on a Monday, 7d does not."""
    length_ms = timeframe_ms(text)
    if text.endswith("w") or text in FEEDS:
        return text
    unit = next(unit for unit in ("d", "h", "m", "s") if length_ms % DURATION_MS[unit] == 0)
    return f"{length_ms // DURATION_MS[unit]}{unit}"


def reachable(nodes: Sequence[GraphNode], outputs: tuple[int, ...]) -> tuple[tuple[GraphNode, ...], tuple[int, ...]]:
    """Return the nodes that the outputs draw on, renumbered, without the constants that were folded away."""
    needed = set(outputs)
    for index in range(len(nodes) - 1, -1, -1):
        if index in needed:
            needed.update(nodes[index].args)
    place = {old: new for new, old in enumerate(sorted(needed))}
    kept = tuple(nodes[old]._replace(args=tuple(place[arg] for arg in nodes[old].args)) for old in place)
    return kept, tuple(place[index] for index in outputs)


def warmup(node: GraphNode) -> int:
    """Return the values of its arguments that a node needs before it has a value itself."""
    return node.feature.warmup(*node.params) if node.feature is not None else 1


def memory(node: GraphNode) -> int:
    """Return the values of its arguments after which a node has forgotten where history began."""
    return node.feature.memory(*node.params) if node.feature is not None else 1


def demand(
    nodes: Sequence[GraphNode], outputs: Sequence[int], need: Callable[[GraphNode], int]
) -> dict[SeriesKey, int]:
    """Return how many bars of each series one value of every output draws on, a node's own `need` given."""
    wanted = [0] * len(nodes)
    for index in outputs:
        wanted[index] = 1
    total: dict[SeriesKey, int] = {}
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        if wanted[index] == 0 or node.series is None:
            continue
        reach = wanted[index] + need(node) - 1
        total[node.series] = max(total.get(node.series, 0), reach)
        for arg in node.args:
            source = nodes[arg].series
            if source is None:
                continue
            bars = reach if source == node.series else _covering(reach, node.series, source)
            wanted[arg] = max(wanted[arg], bars)
    return total


def _covering(bars: int, key: SeriesKey, source: SeriesKey) -> int:
    """Return how many bars of a longer or equal series cover that many of a shorter one, its running bar included."""
    span_ms = (bars - 1) * timeframe_ms(key.timeframe)
    return 1 + -(-span_ms // timeframe_ms(source.timeframe))
