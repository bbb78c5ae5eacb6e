"""Finds the strategy kinds: every module of this package that declares Params is one, and must keep the contract."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, ModuleType
from typing import cast

from autotrader import strategies
from autotrader.config.strategy import StrategyParams
from autotrader.core.errors import BrokenInvariant
from autotrader.strategies.contract import Kind

PLANNED = frozenset({"arbitrage", "scalping", "mean_reversion", "momentum", "volume_weighted", "pairs_trading"})
"""Kinds that are known and not built yet."""

_MEMBERS = ("Params", "Constants", "State", "constants", "instruments", "wakes", "features", "lets", "slots", "step")


@cache
def kinds() -> Mapping[str, Kind]:
    """Return every kind by its name. Raises BrokenInvariant where a module breaks the contract."""
    found: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(strategies.__path__, f"{strategies.__name__}."):
        loaded = importlib.import_module(module.name)
        if hasattr(loaded, "Params"):
            kind = checked(loaded)
            found[loaded.Params.model_fields["kind"].default] = kind
    return MappingProxyType(found)


def params() -> Mapping[str, type[StrategyParams]]:
    """Return the schema of every kind's file by the kind's name, as the configuration reads it."""
    return {name: kind.Params for name, kind in kinds().items()}


def checked(module: ModuleType) -> Kind:
    """Return a module as a kind. Raises BrokenInvariant that names what it lacks."""
    missing = [name for name in _MEMBERS if not hasattr(module, name)]
    if missing:
        raise BrokenInvariant(
            f"strategy kind {module.__name__} lacks {', '.join(missing)}; see autotrader/strategies/contract.py"
        )
    if not issubclass(module.Params, StrategyParams):
        raise BrokenInvariant(f"Params of strategy kind {module.__name__} must extend StrategyParams")
    name = module.__name__.rpartition(".")[2]
    declared = module.Params.model_fields["kind"].default
    if declared != name:
        raise BrokenInvariant(f"strategy kind {module.__name__} calls itself '{declared}'; name its file after it")
    for record in (module.Constants, module.State):
        if not hasattr(record, "_fields"):
            raise BrokenInvariant(f"{record.__name__} of strategy kind {module.__name__} must be a NamedTuple")
    return cast("Kind", module)
