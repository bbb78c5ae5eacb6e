"""The registry finds what keeps the contract, names what is planned, and refuses what is broken."""

import types

import pytest

from autotrader.core.errors import BrokenInvariant
from autotrader.strategies import rules
from autotrader.strategies.registry import PLANNED, checked, kinds, params


def broken(**changes):
    module = types.ModuleType("autotrader.strategies.rules")
    members = {name: value for name, value in vars(rules).items() if not name.startswith("__")}
    for name, value in {**members, **changes}.items():
        if value is not None:
            setattr(module, name, value)
    return module


def test_rules_is_found():
    assert kinds()["rules"] is rules
    assert params()["rules"] is rules.Params


def test_all_seven_kinds_of_the_roadmap_are_built_or_planned():
    roadmap = {"arbitrage", "scalping", "mean_reversion", "momentum", "grid", "volume_weighted", "pairs_trading"}
    assert roadmap <= PLANNED | set(kinds())
    assert not PLANNED & set(kinds())


def test_a_kind_that_lacks_a_member_is_told_which():
    with pytest.raises(BrokenInvariant, match=r"strategy kind autotrader.strategies.rules lacks wakes, step"):
        checked(broken(step=None, wakes=None))


def test_a_kind_that_is_not_named_after_its_file_is_refused():
    module = broken()
    module.__name__ = "autotrader.strategies.other"
    with pytest.raises(BrokenInvariant, match="calls itself 'rules'; name its file after it"):
        checked(module)


def test_params_outside_the_family_are_refused():
    with pytest.raises(BrokenInvariant, match="must extend StrategyParams"):
        checked(broken(Params=dict))


def test_a_state_that_is_no_record_is_refused():
    with pytest.raises(BrokenInvariant, match=r"dict of strategy kind .* must be a NamedTuple"):
        checked(broken(State=dict))
