"""Every feature by its name: those that are built, and those that are known and come later."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from autotrader.features import (
    arbitrage,
    averages,
    channels,
    composite,
    macd,
    momentum,
    series,
    statistic,
    stops,
    trend,
    volatility,
    volume,
)
from autotrader.features.feature import PRICES, Feature
from autotrader.features.outside import CALLS

FAMILIES = (
    averages,
    macd,
    trend,
    stops,
    momentum,
    volatility,
    channels,
    volume,
    statistic,
    series,
    composite,
    arbitrage,
)
"""The modules that hold the features, in the order of the documentation."""

CATALOGUE: Mapping[str, Feature] = MappingProxyType(
    {feature.name: feature for family in FAMILIES for feature in family.FEATURES}
)

PRICE_DOCS: Mapping[str, str] = MappingProxyType(
    {
        "open": "The bar's first price.",
        "high": "The bar's highest price.",
        "low": "The bar's lowest price.",
        "close": "The bar's last price.",
        "volume": "What was traded in the bar, in base units.",
    }
)

PLANNED: Mapping[str, str] = MappingProxyType(
    {
        "model": "it comes with the models",
    }
)
"""Names that are known and not built yet, each with what brings it."""

FAMILIES_OF_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "bollinger": "choose bollinger_upper, bollinger_mid, bollinger_lower, bollinger_pct or bollinger_width",
        "donchian": "choose donchian_high, donchian_mid, donchian_low, donchian_pct or donchian_width",
        "keltner": "choose keltner_upper, keltner_mid, keltner_lower, keltner_pct or keltner_width",
        "ichimoku": "choose ichimoku_conversion, ichimoku_base, ichimoku_a or ichimoku_b",
        "vortex": "choose vortex_pos or vortex_neg",
        "ad": "it is called adi here",
        "aroonosc": "it is called aroon here",
        "linearreg": "it is called linreg here",
        "macd_diff": "it is called macd_hist here",
        "max": "the greatest of a window is highest(x, n)",
        "min": "the least of a window is lowest(x, n)",
        "minus_di": "it is called adx_neg here",
        "plus_di": "it is called adx_pos here",
        "rocp": "it is called returns here",
        "sar": "it is called psar here",
        "shift": "it is called prev here",
        "std": "it is called stdev here",
        "sum": "the sum of a window is window_sum(x, n)",
        "tsf": "it is called linreg_forecast here",
        "uo": "it is called ultimate_oscillator here",
        "willr": "it is called williams_r here",
    }
)
"""Names that people bring along from elsewhere, each with what to write instead."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""


def known_functions() -> set[str]:
    """Return every name that may be called, built or planned."""
    return {*CATALOGUE, *CALLS, *PLANNED, *PRICES, "if"}
