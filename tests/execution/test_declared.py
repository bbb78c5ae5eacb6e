"""From YAML to the values of the pure layers: each key of limits, size, exits, execution and legs where it belongs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from autotrader.config.load import Declarations, load
from autotrader.config.strategy import Legs, SingleExchange
from autotrader.execution.declared import (
    declared_guard,
    declared_policy,
    declared_size,
    declared_terms,
    limits_of,
    own_limits,
    profiles_of,
    rules_of,
)
from autotrader.execution.leg import NO_BOUND, Policy
from autotrader.execution.orders import Guard
from autotrader.execution.sizing import Kelly, Size
from autotrader.execution.together import Terms
from autotrader.market.fills import RATE
from autotrader.risk.limits import Cap, Cooldown, Limits
from support.folders import folder

D = Decimal


class Plain(SingleExchange):
    kind: Literal["plain"]


class Pair(SingleExchange):
    kind: Literal["pair"]
    legs: Legs = Legs()


def declared(root: Path, *, kind="plain", risk_files: dict[str, str] | None = None, **keys: str) -> Declarations:
    """Return what a folder with one strategy, `a`, and files in risk.d declares."""
    lines = {
        "kind": kind, "exchange": "paper", "symbols": "[BTC/USDT]", "timeframe": "5m", "capital": "8%",
        "on_remove": "close",
    }  # fmt: skip
    text = "".join(f"{key}: {value}\n" for key, value in (lines | keys).items())
    files = {f"risk.d/{name}.yaml": one for name, one in (risk_files or {}).items()}
    loaded = load(folder(root, {"a": text}, recorded=False, **files), {"plain": Plain, "pair": Pair}, environ={})
    assert loaded.declarations is not None, loaded.problems
    return loaded.declarations


def strategy(root: Path, **keys: str) -> SingleExchange:
    return declared(root, **keys).strategies["a"]


LIMITS = """
max_order: 1000 USDT
max_position: 25%
max_exposure: 90%
max_open_positions: 8
max_orders_per_minute: 60
price_collar: 2%
max_daily_loss: 3%
max_drawdown: 12%
stale_data: 30s
cooldown: {losses: 3, within: 6h, pause: 2h}
on_breach: close
"""


def test_every_limit_of_a_file_is_a_limit_of_the_account(tmp_path) -> None:
    assert limits_of(declared(tmp_path, risk_files={"default": LIMITS})) == Limits(
        max_order=Cap(amount=D(1000), currency="USDT"),
        max_position=Cap(share=D("0.25"), currency="USDT"),
        max_exposure=Cap(share=D("0.9"), currency="USDT"),
        max_open_positions=8,
        max_orders_per_minute=60,
        price_collar=D("0.02"),
        max_daily_loss=Cap(share=D("0.03"), currency="USDT"),
        max_drawdown=Cap(share=D("0.12"), currency="USDT"),
        stale_data_ms=30_000,
        cooldown=Cooldown(losses=3, within_ms=21_600_000, pause_ms=7_200_000),
        on_breach="close",
    )


def test_without_a_file_there_are_no_limits_and_a_key_left_out_sets_none(tmp_path) -> None:
    assert limits_of(declared(tmp_path / "none")) == Limits()
    one = declared(tmp_path / "one", risk_files={"default": "max_open_positions: 1\n"})
    assert limits_of(one) == Limits(max_open_positions=1)


def test_a_strategy_has_limits_of_its_own_where_its_file_names_some(tmp_path) -> None:
    files = {"default": "max_open_positions: 5\n", "tight": "max_open_positions: 1\n"}
    with_own = declared(tmp_path / "own", risk_files=files, risk="tight")
    without = declared(tmp_path / "none", risk_files=files)
    tight, account = Limits(max_open_positions=1), Limits(max_open_positions=5)
    assert own_limits(with_own, with_own.strategies["a"]) == tight
    assert own_limits(without, without.strategies["a"]) == Limits()
    assert rules_of(with_own) == (account, {"a": tight})
    assert rules_of(without) == (account, {})
    assert profiles_of(without) == {"default": account, "tight": tight}


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("{kind: market}", Policy("market")),
        ("{kind: limit, timeout: 10s}", Policy("limit", 10_000, chase=NO_BOUND)),
        ("{kind: limit, timeout: 10s, post_only: true, chase: 0}", Policy("limit", 10_000, post_only=True, chase=0)),
        ("{kind: limit, timeout: 10s, time_in_force: ioc}", Policy("limit", 10_000, force="ioc")),
        ("{kind: iceberg, show: 10%, timeout: 1h}", Policy("iceberg", 3_600_000, show=RATE // 10)),
        ("{kind: twap, over: 1h, slices: 6}", Policy("twap", 3_600_000, slices=6)),
    ],
)
def test_how_orders_are_sent(tmp_path, text, policy) -> None:
    assert declared_policy(strategy(tmp_path, execution=text)) == policy


def test_protective_exits(tmp_path) -> None:
    one = strategy(tmp_path, exits="{stop_loss: 1%, take_profit: 2%, trailing_stop: 3%}")
    assert declared_guard(one) == Guard(stop_loss=D("0.01"), take_profit=D("0.02"), trailing_stop=D("0.03"))
    assert declared_guard(strategy(tmp_path)) == Guard()


@pytest.mark.parametrize(
    ("text", "size", "atr"),
    [
        ("{kind: percent, percent: 50%}", Size("percent", D("0.5")), 0),
        ("{kind: fixed, amount: 0.01}", Size("fixed", D("0.01")), 0),
        ("{kind: notional, amount: 500 USDT}", Size("notional", D(500)), 0),
        ("{kind: volatility, risk: 0.5%, atr: 20}", Size("volatility", D("0.005")), 20),
        (
            "{kind: kelly, fraction: 40%, cap: 30%, start: 6%, min_trades: 25}",
            Size("kelly", D(0), Kelly(D("0.4"), D("0.3"), D("0.06"), 25)),
            0,
        ),
    ],
)
def test_a_size_and_the_window_of_its_atr(tmp_path, text, size, atr) -> None:
    assert declared_size(strategy(tmp_path, size=text)) == (size, atr)


def test_terms_of_several_legs_are_those_of_the_file_else_the_defaults(tmp_path) -> None:
    usual = Terms(completes=True, bound=D("0.003"), deadline_ms=5_000)
    assert declared_terms(strategy(tmp_path)) == usual
    assert declared_terms(strategy(tmp_path, kind="pair")) == usual
    one = strategy(tmp_path, kind="pair", legs="{on_failure: unwind, bound: 20bps, deadline: 9s}")
    assert declared_terms(one) == Terms(completes=False, bound=D("0.002"), deadline_ms=9_000)
