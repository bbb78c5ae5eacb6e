"""A difference is told by name and by value, on meanings, and tells nothing that is not one."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.config.diff import changes, diff


@pytest.fixture
def declared(folder, loading, rules_text):
    def load(files):
        root = folder(files)
        result = loading(root)
        assert not result.problems
        for name in files:
            (root / name).unlink()
        return result.declarations

    return load


def test_names_are_added_removed_changed_and_unchanged(declared, rules_text):
    old = declared({f"strategies.d/{name}.yaml": rules_text for name in ("a", "b", "c")})
    new = declared(
        {
            "strategies.d/b.yaml": rules_text + "exits: {stop_loss: 2%}\n",
            "strategies.d/c.yaml": "# a comment\n" + rules_text,
            "strategies.d/d.yaml": rules_text,
        }
    )
    found = diff(old, new)
    assert found.strategies.added == ("d",)
    assert found.strategies.removed == ("a",)
    assert found.strategies.unchanged == ("c",)
    assert [str(change) for change in found.strategies.changed["b"]] == ["exits.stop_loss: 2% (new)"]
    assert found.exchanges.unchanged == ("paper",)
    assert found


def test_a_change_shows_both_sides_as_they_are_written(declared, rules_text):
    old = declared({"strategies.d/a.yaml": rules_text + "exits: {stop_loss: 2%, max_holding: 24h}\n"})
    new = declared(
        {"strategies.d/a.yaml": rules_text.replace("[BTC/USDT]", "[ETH/USDT, BTC/USDT]") + "exits: {stop_loss: 3%}\n"}
    )
    assert [str(change) for change in diff(old, new).strategies.changed["a"]] == [
        "exits.max_holding: 1d -> (gone)",
        "exits.stop_loss: 2% -> 3%",
        "symbols: [BTC/USDT] -> [ETH/USDT, BTC/USDT]",
    ]


def test_the_daemons_own_settings_are_compared(declared):
    old, new = declared({}), declared({"autotrader.yaml": "language: ko\nreload: {confirm: always}\n"})
    assert [str(change) for change in diff(old, new).daemon] == [
        "language: en -> ko",
        "reload.confirm: never -> always",
    ]


def test_without_an_old_one_everything_is_added(declared, rules_text):
    found = diff(None, declared({"strategies.d/a.yaml": rules_text}))
    assert (found.strategies.added, found.exchanges.added, found.daemon) == (("a",), ("paper",), ())


TREES = st.recursive(
    st.text(max_size=3) | st.integers(),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("xyz"), TREES, max_size=3))
def test_nothing_differs_from_itself(tree):
    forms = {"autotrader": "{}", "strategies/a": json.dumps(tree)}
    found = diff(SimpleNamespace(forms=forms), SimpleNamespace(forms=dict(forms)))
    assert not found
    assert found.strategies.unchanged == ("a",)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("xyz"), TREES), st.dictionaries(st.sampled_from("xyz"), TREES))
def test_two_texts_differ_in_some_value_exactly_when_they_differ(one, other):
    assert bool(changes(json.dumps(one), json.dumps(other))) == (one != other)
