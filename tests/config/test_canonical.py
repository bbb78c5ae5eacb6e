"""One meaning, one text: spelling, order and comments make no difference, and every difference in meaning does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.config.canonical import canonical, digest, tree
from autotrader.config.exchange import SimulatedExchange
from autotrader.config.risk import RiskLimits
from autotrader.config.strategy import Exits


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeframe: 1h", "timeframe: 60m"),
        ("capital: 2%", "capital: 200bps"),
        ("capital: 20%", "capital: 20.00 %"),
        ("symbols: [BTC/USDT]", "symbols:\n  - BTC/USDT   # the first"),
        ("exits: {max_holding: 1d, stop_loss: 2%}", "exits: {stop_loss: 2.0%, max_holding: 24h}"),
        ("size: {kind: fixed, amount: 0.5}", "size: {amount: 5e-1, kind: fixed}"),
        ("size: {kind: notional, amount: 500 USDT}", "size: {kind: notional, amount: 500.00 USDT}"),
        ("exits: {}", "size: {kind: percent}"),
        ("execution: {kind: limit}", "execution: {kind: limit, timeout: 30s}"),
    ],
)
def test_two_spellings_of_one_meaning_are_one(folder, loading, rules_text, one, other):
    def with_(text):
        key = text.partition(":")[0] + ":"
        kept = [line for line in rules_text.splitlines() if not line.startswith(key)]
        return loading(folder({"strategies.d/a.yaml": "\n".join([*kept, text, ""])})).declarations.hash

    assert with_(one) == with_(other)


def test_the_order_of_keys_makes_no_difference(folder, loading, rules_text):
    turned = "\n".join(reversed(rules_text.splitlines())) + "\n"
    first = loading(folder({"strategies.d/a.yaml": rules_text})).declarations
    assert loading(folder({"strategies.d/a.yaml": turned})).declarations.hash == first.hash


def test_a_rename_is_a_difference(folder, loading, rules_text):
    root = folder({"strategies.d/a.yaml": rules_text})
    before = loading(root).declarations.hash
    (root / "strategies.d" / "a.yaml").rename(root / "strategies.d" / "b.yaml")
    assert loading(root).declarations.hash != before


def test_quantities_are_shown_as_people_write_them():
    assert tree(Exits.model_validate({"stop_loss": "200bps", "max_holding": "36h"})) == {
        "stop_loss": "2%",
        "max_holding": "36h",
    }


def test_the_default_market_is_the_generated_one():
    written = SimulatedExchange.model_validate({"generate": {"seed": 7}})
    assert canonical(SimulatedExchange.model_validate({})) == canonical(written)


SHARES = st.integers(1, 9_999).map(lambda bps: f"{bps}bps")
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "max_order": st.integers(1, 10**9).map(lambda amount: f"{amount} USDT") | SHARES,
        "max_position": SHARES,
        "price_collar": SHARES,
        "max_drawdown": SHARES,
        "stale_data": st.integers(1, 10**9).map(lambda ms: f"{ms}ms"),
        "max_open_positions": st.integers(1, 10_000),
        "on_breach": st.sampled_from(["pause", "close"]),
    },
)


@settings(deadline=None)
@given(LIMITS)
def test_a_canonical_form_validates_to_itself(limits):
    declared = RiskLimits.model_validate(limits)
    again = RiskLimits.model_validate(json.loads(canonical(declared)))
    assert again == declared
    assert canonical(again) == canonical(declared)


@settings(deadline=None)
@given(LIMITS, LIMITS)
def test_forms_are_equal_exactly_when_the_meanings_are(one, other):
    first, second = RiskLimits.model_validate(one), RiskLimits.model_validate(other)
    assert (canonical(first) == canonical(second)) == (first == second)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_the_hash_does_not_depend_on_order(forms):
    assert digest(dict(reversed(forms.items()))) == digest(forms)


def test_the_hash_keeps_names_and_texts_apart():
    assert digest({"a": "bc"}) != digest({"ab": "c"})
