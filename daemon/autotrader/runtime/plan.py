"""What a reload would do to the running daemon, before it does it. Pure: it reads the loop and touches nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from autotrader.config.diff import Diff
from autotrader.config.load import Declarations
from autotrader.execution.leg import REMOVED
from autotrader.risk.limits import loosened
from autotrader.runtime.loop import TradingLoop
from autotrader.runtime.settings import limits_of
from autotrader.runtime.strategy import declared_guard

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
    touched = {*strategies.removed, *strategies.changed}
    legs = [leg for leg in loop.desk.legs.values() if leg.owner.removeprefix(REMOVED) in touched]
    cancels = [
        {"strategy": leg.owner, "client_id": order.client_id, "symbol": leg.symbol}
        for leg in legs
        for order in leg.working("entry")
    ]
    moved = []
    for leg in legs:
        if leg.owner in strategies.changed and leg.position.amount:
            guard = declared_guard(new.strategies[leg.owner])
            if guard != leg.guard:
                moved.append({"strategy": leg.owner, "symbol": leg.symbol, "from": str(leg.guard), "to": str(guard)})
    adopted = {params.adopts: name for name, params in new.strategies.items() if params.adopts}
    positions = [
        {
            "strategy": leg.owner,
            "symbol": leg.symbol,
            "amount": str(leg.position.amount),
            "fate": _fate(leg.owner, leg.on_remove, adopted) if leg.owner in strategies.removed else "kept",
        }
        for leg in legs
        if leg.position.amount
    ]
    looser = list(loosened(loop.trader.limits, limits_of(new), loop.trader.equity()))
    confirm = []
    mode = new.daemon.reload.confirm
    if mode == "loosening" and looser:
        confirm.append(f"it loosens {', '.join(looser)}")
    if mode == "always" and difference:
        confirm.append("every reload is to be confirmed (reload.confirm: always)")
    changes = lines(difference)
    shares = (sum((p.capital for p in one.strategies.values()), ZERO) for one in (old, new))
    before, after = (f"{share:.2%}" for share in shares)
    bound = [generation, new.hash, changes, positions, cancels, sorted(waiting)]
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
        {"capital_before": before, "capital_after": after, "loosened": ", ".join(looser)},
        confirm,
        restart_only(difference),
        [f"{name}: {why}" for name, why in sorted(waiting.items())],
    )


def _fate(owner: str, on_remove: str, adopted: Mapping[str, str]) -> str:
    if owner in adopted:
        return f"adopted by {adopted[owner]}"
    return {"close": "closed", "hold": f"held as {REMOVED}{owner}", "adopt": f"held as {REMOVED}{owner} until adopted"}[
        on_remove
    ]


LIVE_EXCHANGE_KEYS = frozenset({"fees", "slippage", "latency", "min_notional", "replay.speed", "generate.speed"})
LIVE_DAEMON_KEYS = frozenset({"risk", "reload", "reload.confirm"})


def lines(difference: Diff) -> list[str]:
    """Return what changed as sentences, one an object or value."""
    found = [f"autotrader.yaml: {change}" for change in difference.daemon]
    for folder in ("strategies", "exchanges", "risk"):
        section = getattr(difference, folder)
        found += [f"{folder}.d/{name}: added" for name in section.added]
        found += [f"{folder}.d/{name}: removed" for name in section.removed]
        found += [f"{folder}.d/{name}: {'; '.join(map(str, many))}" for name, many in section.changed.items()]
    return found


def restart_only(difference: Diff) -> list[str]:
    """Return the changes that only a restart may make, as sentences."""
    refused = [
        f"autotrader.yaml: '{change.path}' changes only by a restart"
        for change in difference.daemon
        if change.path not in LIVE_DAEMON_KEYS
    ]
    for name, changes in difference.exchanges.changed.items():
        refused += [
            f"exchanges.d/{name}.yaml: '{change.path}' changes only by a restart"
            for change in changes
            if not any(change.path == key or change.path.startswith(f"{key}.") for key in LIVE_EXCHANGE_KEYS)
        ]
    return refused


def plain(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON shows it."""
    return plan._asdict()
