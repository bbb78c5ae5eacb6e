"""Every feature by its name: those that are built, and those that are known and come later."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from autotrader.features import momentum, series, trend, volatility
from autotrader.features.feature import PRICES, Feature

CATALOGUE: Mapping[str, Feature] = MappingProxyType(
    {feature.name: feature for family in (trend, momentum, volatility, series) for feature in family.FEATURES}
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

_WITH_THE_CATALOGUE = """
    adi adx adx_neg adx_pos aroon_down aroon_up awesome_oscillator cci cmf cumulative_return donchian_high donchian_low
    donchian_mid donchian_pct donchian_width dpo ease_of_movement force_index ichimoku_a ichimoku_b ichimoku_base
    ichimoku_conversion kama keltner_lower keltner_mid keltner_pct keltner_upper keltner_width kst kst_signal log_return
    mass_index mfi nvi obv ppo ppo_hist ppo_signal psar psar_down psar_up pvo pvo_hist pvo_signal roc stc stoch
    stoch_signal stochrsi stochrsi_d stochrsi_k trix tsi ulcer_index ultimate_oscillator vortex_neg vortex_pos vpt vwap
    williams_r wma
"""

PLANNED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_WITH_THE_CATALOGUE.split(), "it comes with the feature catalogue"),
        "model": "it comes with the models",
        "onchain": "it comes with the on-chain data",
        "sentiment": "it comes with the sentiment data",
    }
)
"""Names that are known and not built yet, each with what brings it."""

FAMILIES_OF_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "bollinger": "choose bollinger_upper, bollinger_mid, bollinger_lower, bollinger_pct or bollinger_width",
        "macd_diff": "it is called macd_hist here",
        "min": "the least of a window is lowest(x, n)",
        "max": "the greatest of a window is highest(x, n)",
        "std": "it is called stdev here",
        "shift": "it is called prev here",
    }
)
"""Names that people bring along from elsewhere, each with what to write instead."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""


def known_functions() -> set[str]:
    """Return every name that may be called, built or planned."""
    return {*CATALOGUE, *PLANNED, *PRICES, "if"}
