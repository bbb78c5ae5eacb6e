"""The swap of a reload: strategies leave, change and come, and every position keeps exactly one owner.

`install` runs inside the trading loop's turn and one durable transaction. Where it fails, everything is as it was.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from autotrader.core.units import timeframe_ms
from autotrader.execution.declared import Rules
from autotrader.execution.leg import REMOVED, Leg
from autotrader.execution.orders import Guard, Reason
from autotrader.execution.reconcile import Steps
from autotrader.execution.slots import Slot, Wish
from autotrader.runtime import together
from autotrader.runtime.loop import TradingLoop
from autotrader.runtime.part import Part
from autotrader.runtime.strategy import Strategy
from autotrader.runtime.warm import Prepared
from autotrader.store.journal import StateRow

ZERO = Decimal(0)


@contextmanager
def undone_on_failure(loop: TradingLoop) -> Iterator[None]:
    """Put legs, strategies, limits and routes back as they were when the body fails."""
    desk = loop.desk
    legs, groups, strategies = dict(desk.legs), dict(desk.groups), dict(loop.strategies)
    seats = {name: dict(account.legs) for name, account in loop.accounts.items()}
    values = [(leg, {slot: copy.copy(getattr(leg, slot)) for slot in Leg.__slots__}) for leg in legs.values()]
    limits, own, drafts, failed = loop.trader.limits, loop.trader.own, list(desk.drafts), dict(loop.failed)
    try:
        yield
    except BaseException:
        desk.legs, desk.groups, desk.drafts, loop.strategies, loop.trader.limits = (
            legs,
            groups,
            drafts,
            strategies,
            limits,
        )
        loop.failed, loop.trader.own = failed, own
        for name, kept in seats.items():
            loop.accounts[name].seat(kept)
        for leg, kept_values in values:
            for slot, value in kept_values.items():
                setattr(leg, slot, value)
        loop.rewire()
        raise


def install(
    loop: TradingLoop,
    prepared: Prepared,
    removed: Iterable[str],
    rules: Rules,
    states: Mapping[tuple[str, int], StateRow],
    now_ms: int,
) -> list[tuple[Leg, Guard]]:
    """Swap, and return the legs whose venue must be told of new protective exits.

    `states` are those that a restart may take back; a reload passes none, so a changed strategy starts anew.
    """
    moved: list[tuple[Leg, Guard]] = []
    before = loop.trader.profits()
    adopted = {s.params.adopts: name for name, s in prepared.strategies.items() if s.params.adopts}
    for name in removed:
        strategy = loop.strategies.pop(name, None)
        loop.failed.pop(name, None)
        loop.journal.forget_states(name)
        halves = together.halves(strategy) if strategy is not None else set()
        for leg in [leg for leg in loop.desk.legs.values() if leg.owner == name]:
            fate = strategy.params.on_remove if strategy is not None else leg.on_remove
            fate = "close" if leg.key in halves else fate
            retire(loop, leg, "adopt" if name in adopted else fate, now_ms)
    for name in sorted(prepared.strategies):
        loop.failed.pop(name, None)
        moved += _seat(loop, prepared.strategies[name], prepared, states, now_ms)
    loop.trader.take_rules(rules, loop.strategies, before)
    loop.rewire()
    return moved


def retire(loop: TradingLoop, leg: Leg, fate: str, now_ms: int) -> None:
    """Take a leg from its strategy: its entry is canceled; its position is held under another name, or closed.

    What may be half of a trade is always closed.
    """
    if not leg.position.amount and not leg.orders:
        loop.desk.drop(leg)
        return
    _cancel_entry(loop, leg, now_ms)
    loop.desk.rename(leg, REMOVED + leg.owner.removeprefix(REMOVED))
    if fate == "close":
        loop.trader.leave(leg, Reason.REMOVED, now_ms)


def _cancel_entry(loop: TradingLoop, leg: Leg, now_ms: int) -> None:
    under_way = bool(leg.left)
    leg.slots, leg.filled, leg.left = {}, 0, ZERO
    if orders := tuple(order.client_id for order in (*leg.working("entry"), *leg.slotted())):
        loop.desk.draft(leg, Steps(orders), now_ms, "cancel", {"why": "the declaration changed"})
    elif under_way:
        loop.desk.come_to_rest(leg)


def _seat(
    loop: TradingLoop,
    strategy: Strategy,
    prepared: Prepared,
    states: Mapping[tuple[str, int], StateRow],
    now_ms: int,
) -> list[tuple[Leg, Guard]]:
    moved: list[tuple[Leg, Guard]] = []
    restored = all(_fits(states.get((strategy.name, part.number)), strategy) for part in strategy.parts)
    if not restored:
        loop.journal.forget_states(strategy.name)
    seated: set[tuple[str, str, str]] = set()
    for part in strategy.parts:
        part.legs.clear()
        for declared in part.declared:
            leg = _leg(loop, strategy, declared.exchange, declared.symbol, prepared)
            if leg.guard != strategy.guard and leg.position.amount:
                moved.append((leg, strategy.guard))
            settings: dict[str, Any] = {
                "timeframe": declared.feed.timeframe,
                "resolution": strategy.resolution or declared.feed.timeframe,
                "guard": strategy.guard,
                "max_holding_ms": strategy.max_holding_ms,
                "policy": strategy.policy,
                "look_ms": 0 if loop.desk.venues[declared.exchange].remote else timeframe_ms(declared.feed.timeframe),
                "on_remove": strategy.params.on_remove,
            }
            for slot, value in settings.items():
                setattr(leg, slot, value)
            if not restored:
                _cancel_entry(loop, leg, now_ms)
            loop.desk.save(leg)
            part.legs.append(leg)
            seated.add(leg.key)
        row = states.get((strategy.name, part.number)) if restored else None
        if row is not None:
            part.restore(row.state, row.out, row.ts_ms)
            part.anchor_ms = row.anchor_ms
            _restore_slots(loop, part, row)
        else:
            part.adopt_legs()
            part.ts_ms = now_ms  # it decides on what closes from now on
            loop.remember(strategy, part)
    if not restored:
        together.carry(loop.trader, strategy.name, strategy.parts)
    for leg in [leg for leg in loop.desk.legs.values() if leg.owner == strategy.name and leg.key not in seated]:
        retire(loop, leg, strategy.params.on_remove, now_ms)
    loop.strategies[strategy.name] = strategy
    return moved


def _restore_slots(loop: TradingLoop, part: Part, row: StateRow) -> None:
    """Give a part's slots their orders back, and the place of the last event that it stepped on."""
    part.stepped = [(ts_ms, place) for ts_ms, place in row.stepped] or part.stepped
    for slot, (wish, identity) in enumerate(row.slots):
        part.slots[slot] = Slot(Wish(*wish), identity)
        order = loop.journal.find_order(identity) if identity else None
        if order is not None:
            part.legs[part.slots[slot].wish.leg].slots[identity] = order
    kept = loop.journal.flags().get(f"together {part.strategy} {part.number}", {})
    part.trades_kept = bool(kept)
    together.restore(loop.trader, part, kept)


def _fits(row: StateRow | None, strategy: Strategy) -> bool:
    return row is not None and row.spec == strategy.spec


def _leg(loop: TradingLoop, strategy: Strategy, exchange: str, symbol: str, prepared: Prepared) -> Leg:
    """Return the strategy's leg: its own, the one it adopts, the one it left behind, or a new one."""
    owners = [strategy.name, REMOVED + strategy.name]
    if strategy.params.adopts:
        owners.insert(1, REMOVED + strategy.params.adopts)
    for owner in owners:
        leg = loop.desk.legs.get((owner, exchange, symbol))
        if leg is None:
            continue
        if owner != strategy.name:
            loop.desk.rename(leg, strategy.name)
            if leg.exit_reason == Reason.REMOVED:
                leg.exit_reason = ""
        return leg
    instrument = prepared.instruments[exchange, symbol]
    leg = Leg(strategy.name, exchange, symbol, "", "", instrument)
    loop.desk.add(leg)
    return leg
