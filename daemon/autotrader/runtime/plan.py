"""What a reload would do to the running daemon, before it does it. Pure: it reads the loop and touches nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from autotrader.config.diff import Diff
from autotrader.config.exchanges import currency_of
from autotrader.config.load import Declarations
from autotrader.config.strategy import StrategyParams
from autotrader.core.units import plain as plain_number
from autotrader.execution.declared import Rules, declared_guard, rules_of
from autotrader.execution.leg import REMOVED, Leg
from autotrader.execution.orders import Guard
from autotrader.risk.limits import Limits, loosened
from autotrader.runtime.loop import TradingLoop

ZERO = Decimal(0)


class Plan(NamedTuple):
    """A reload's consequences. `confirm` says why a person must agree first; empty where nobody must."""

    hash: str
    generation: int
    changes: list[str]
    starts: list[str]
    stops: list[str]
    restarts: list[str]
    cancels: list[dict[str, str]]
    stops_moved: list[dict[str, str]]
    positions: list[dict[str, str]]
    exposure: dict[str, str]
    confirm: list[str]
    refused: list[str]
    waiting: list[str]


def make_plan(
    loop: TradingLoop,
    generation: int,
    old: Declarations,
    new: Declarations,
    difference: Diff,
    waiting: Mapping[str, str],
) -> Plan:
    """Return the plan from the running declarations to the new ones.

    `waiting` names removals that do not take effect yet, each with the reason; they are not part of `difference`.
    """
    strategies = difference.strategies
    touched = {*strategies.added, *strategies.removed, *strategies.changed}
    heirs = {params.adopts: name for name, params in new.strategies.items() if params.adopts and name in touched}
    legs = [leg for leg in loop.desk.legs.values() if {leg.owner.removeprefix(REMOVED)} & {*touched, *heirs}]
    cancels = [
        {"strategy": leg.owner, "client_id": order.client_id, "symbol": leg.symbol}
        for leg in legs
        for order in leg.working("entry")
    ]
    moved = []
    for leg in legs:
        heir = new.strategies.get(_heir(leg, new, heirs))
        if heir is not None and leg.position.amount:
            guard = declared_guard(heir)
            if guard != leg.guard:
                moved.append({"strategy": leg.owner, "symbol": leg.symbol, "from": told(leg.guard), "to": told(guard)})
    positions = [
        {
            "strategy": leg.owner,
            "symbol": leg.symbol,
            "amount": plain_number(leg.position.amount),
            "fate": _fate(leg, new, heirs),
        }
        for leg in legs
        if leg.position.amount
    ]
    looser = _loosened(loop, rules_of(new), new)
    confirm = []
    before, after = old.daemon.reload.confirm, new.daemon.reload.confirm
    if before == "loosening" and looser:  # as it was agreed before: a file cannot excuse itself
        confirm.append(f"it loosens {', '.join(looser)}")
    if STRICTNESS[after] < STRICTNESS[before]:
        confirm.append(f"it asks for less confirmation (reload.confirm: {before} -> {after})")
    if before == "always" and difference:
        confirm.append("every reload is to be confirmed (reload.confirm: always)")
    changes = lines(difference)
    shares = (sum((p.capital for p in one.strategies.values()), ZERO) for one in (old, new))
    had, has = (f"{share:.2%}" for share in shares)
    bound = [generation, new.hash, changes, positions, cancels, moved, looser, sorted(waiting)]
    digest = hashlib.sha256(orjson.dumps(bound)).hexdigest()[:16]
    return Plan(
        digest,
        generation,
        changes,
        sorted(strategies.added),
        sorted(strategies.removed),
        sorted(strategies.changed),
        cancels,
        moved,
        positions,
        {"capital_before": had, "capital_after": has, "loosened": ", ".join(looser)},
        confirm,
        [*restart_only(difference, new), *_recounted(loop, new)],
        [f"{name}: {why}" for name, why in sorted(waiting.items())],
    )


def _loosened(loop: TradingLoop, rules: Rules, new: Declarations) -> list[str]:
    """Return the limits that would allow more than now: the account's, then those of strategies that stay."""
    trader = loop.trader
    looser = list(loosened(trader.limits, rules.account, trader.equity()))
    for name, one in sorted(trader.own.items()):
        if name in new.strategies:
            own = loosened(one.limits, rules.own.get(name, Limits()), trader.own_equity(name))
            looser += [f"{key} of {name}" for key in own]
    return looser


STRICTNESS = {"never": 0, "loosening": 1, "always": 2}


def told(guard: Guard) -> str:
    """Return protective exits as they are declared: `stop_loss 2%, take_profit 4%`."""
    parts = (f"{name} {plain_number(value * 100)}%" for name, value in guard._asdict().items() if value is not None)
    return ", ".join(parts) or "none"


def _heir(leg: Leg, new: Declarations, heirs: Mapping[str, str]) -> str:
    """Return which declared strategy a leg belongs to afterwards; empty where none takes it.

    Its own name comes first, then who adopts it; either must still trade its symbol there.
    """
    name = leg.owner.removeprefix(REMOVED)
    for heir in (name, heirs.get(name, "")):
        params = new.strategies.get(heir)
        if params is not None and (leg.exchange, leg.symbol) in _traded(params):
            return heir
    return ""


def _traded(params: StrategyParams) -> set[tuple[str, str]]:
    symbols = getattr(params, "symbols", ())
    return {(exchange, symbol) for _, exchange in params.exchanges() for symbol in symbols}


def _fate(leg: Leg, new: Declarations, heirs: Mapping[str, str]) -> str:
    heir, name = _heir(leg, new, heirs), leg.owner.removeprefix(REMOVED)
    if heir:
        if heir == leg.owner:
            return "kept"
        return f"taken up again by {heir}" if heir == name else f"adopted by {heir}"
    if leg.owner.startswith(REMOVED):
        return f"held as {leg.owner}"
    held = f"held as {REMOVED}{name}"
    if name in heirs:
        return f"{held}: {heirs[name]} does not trade it"
    on_remove = new.strategies[name].on_remove if name in new.strategies else leg.on_remove
    return {"close": "closed", "hold": held, "adopt": f"{held} until adopted"}[on_remove]


LIVE_EXCHANGE_KEYS = frozenset({"fees", "slippage", "latency", "min_notional", "replay.speed", "generate.speed"})
"""What changes while an embedded market runs; of a real exchange nothing does."""

LIVE_DAEMON_KEYS = frozenset({"risk", "reload", "reload.confirm", "reload.probation"})


def lines(difference: Diff) -> list[str]:
    """Return what changed as sentences, one an object or value."""
    found = [f"autotrader.yaml: {change}" for change in difference.daemon]
    for folder in ("strategies", "exchanges", "risk"):
        section = getattr(difference, folder)
        found += [f"{folder}.d/{name}: added" for name in section.added]
        found += [f"{folder}.d/{name}: removed" for name in section.removed]
        found += [f"{folder}.d/{name}: {'; '.join(map(str, many))}" for name, many in section.changed.items()]
    return found


def restart_only(difference: Diff, new: Declarations) -> list[str]:
    """Return the changes that only a restart may make, as sentences."""
    refused = [
        f"autotrader.yaml: '{change.path}' changes only by a restart"
        for change in difference.daemon
        if change.path not in LIVE_DAEMON_KEYS
    ]
    for name, changes in difference.exchanges.changed.items():
        live = LIVE_EXCHANGE_KEYS if new.exchanges[name].kind == "simulated" else ()
        refused += [
            f"exchanges.d/{name}.yaml: '{change.path}' changes only by a restart"
            for change in changes
            if not any(change.path == key or change.path.startswith(f"{key}.") for key in live)
        ]
    return refused


def _recounted(loop: TradingLoop, new: Declarations) -> list[str]:
    """Return the exchanges whose money would be counted in another currency than that of their account, as sentences.

    Of a live account without a budget that is the currency in which its strategies' symbols are paid.
    """
    used = {name for one in new.strategies.values() for _, name in one.exchanges()}
    return [
        f"exchanges.d/{name}.yaml: its money is counted in {account.quote}; in {own} it is only after a restart"
        for name, account in sorted(loop.accounts.items())
        if name in used and name in new.exchanges and (own := currency_of(name, new)) != account.quote
    ]


def plain(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON shows it."""
    return plan._asdict()
