"""A running strategy: its declaration, its parts and how it fares."""

from __future__ import annotations

from dataclasses import dataclass, field

from autotrader.config.canonical import canonical
from autotrader.config.strategy import StrategyParams
from autotrader.core.events import Series
from autotrader.execution.declared import declared_guard, declared_policy, declared_size, declared_terms, order_columns
from autotrader.execution.leg import Leg, Policy
from autotrader.execution.orders import Guard
from autotrader.execution.sizing import Size
from autotrader.execution.together import Terms
from autotrader.features.program import compile_program
from autotrader.runtime.part import Part
from autotrader.strategies.contract import Kind


@dataclass(slots=True)
class Strategy:
    """One declared strategy while it runs. Its identity is kept by every reload that does not change it."""

    name: str
    kind: Kind
    params: StrategyParams
    spec: str
    size: Size
    atr_window: int
    guard: Guard
    max_holding_ms: int
    policy: Policy
    resolution: str
    terms: Terms
    generation: int
    parts: list[Part] = field(default_factory=list)
    error: str = ""
    last_decision: str = ""

    def series(self) -> set[Series]:
        """Return every stream of bars that it reads, and those that decide its fills."""
        wanted: set[Series] = set()
        for part in self.parts:
            wanted |= set(part.series()) | part.elsewhere()
            if self.resolution:
                wanted |= {Series(declared.exchange, declared.symbol, self.resolution) for declared in part.declared}
        return wanted

    @property
    def width(self) -> int:
        """Over how many legs its share is split."""
        return sum(len(part.declared) for part in self.parts)

    def legs(self) -> list[Leg]:
        """Return the legs of all parts."""
        return [leg for part in self.parts for leg in part.legs]


def build_strategy(name: str, kind: Kind, params: StrategyParams, generation: int) -> Strategy:
    """Return a strategy with its programs compiled and nothing warmed up. Raises ExpressionError."""
    size, window = declared_size(params)
    strategy = Strategy(
        name,
        kind,
        params,
        canonical(params),
        size,
        window,
        declared_guard(params),
        params.exits.max_holding or 0,
        declared_policy(params),
        getattr(params, "resolution", None) or "",
        declared_terms(params),
        generation,
    )
    columns = dict(kind.features(params))
    for number, declared in enumerate(kind.instruments(params)):
        timeframe = declared[0].feed.timeframe
        program = compile_program(columns | order_columns(params, timeframe), kind.lets(params), timeframe)
        strategy.parts.append(Part(name, number, kind, params, declared, program))
    return strategy
