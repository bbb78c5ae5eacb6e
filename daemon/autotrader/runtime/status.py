"""The daemon's state as plain data: what `status`, the dashboard and the API show."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from autotrader.config.exchanges import equity_currency
from autotrader.core.units import shown
from autotrader.execution.leg import REMOVED, Leg
from autotrader.risk.breakers import Breakers, closed
from autotrader.risk.limits import Limits
from autotrader.runtime.loop import TradingLoop
from autotrader.runtime.rates import shown_rates
from autotrader.runtime.trial import told

if TYPE_CHECKING:
    from autotrader.runtime.daemon import Daemon

ZERO = Decimal(0)


def status(daemon: Daemon) -> dict[str, Any]:
    """Return the whole status document of CONTRACT.md."""
    loop, reloader = daemon.loop, daemon.reloader
    last, currency = reloader.last, equity_currency(reloader.current)
    return {
        "mode": reloader.current.daemon.mode,
        "generation": reloader.generation,
        "uptime_s": round(daemon.seams.clock.monotonic_s() - daemon.started_s, 1),
        "market_time": max((account.market_ms for account in loop.accounts.values()), default=0),
        "equity": shown(loop.trader.equity()),
        "currency": currency,
        "rates": shown_rates(loop.accounts, currency),
        "dashboard": daemon.page_url,
        "strategies": [_strategy(loop, name) for name in sorted(loop.strategies)]
        + [_failed(name, why) for name, why in sorted(loop.failed.items())]
        + _orphans(loop),
        "exchanges": [
            {
                "name": name,
                "market": account.market,
                "state": "idle" if account.idle else "open",
                "market_time": account.market_ms,
                "equity": shown(account.equity()),
                "cash": shown(account.cash),
                "currency": account.quote,
            }
            for name, account in sorted(loop.accounts.items())
        ],
        "models": [],
        "risk": risk(loop),
        "reload": {
            "ok": last.ok,
            "at": last.at_ms,
            "error": "" if last.ok else last.message,
            "status": last.status,
            "message": last.message,
            "plan": last.plan,
            "waiting": list(last.waiting),
            "probation": told(loop.trader.trial, loop.desk.rejected),
        },
    }


def risk(loop: TradingLoop) -> dict[str, Any]:
    """Return what the gate and the breakers say now, of the account and (`own`) of strategies with their own limits."""
    trader = loop.trader
    equity = trader.equity()
    return {
        "killed": trader.killed,
        "paused": dict(trader.paused),
        "exits_only": trader.exits_only,
        **_standing(loop, trader.limits, trader.breakers, equity, equity),
        "own": _own(loop),
    }


def _own(loop: TradingLoop) -> dict[str, dict[str, Any]]:
    trader, found = loop.trader, {}
    profits = trader.profits()
    for name, one in sorted(trader.own.items()):
        profit = profits.get(name, ZERO) + one.settled
        standing = _standing(loop, one.limits, one.breakers, profit, trader.own_equity(name), name)
        found[name] = {"locked": _closed(loop, name), "profit": shown(profit), **standing}
    return found


def _closed(loop: TradingLoop, name: str) -> str:
    """Return why a strategy's own breakers stop its entries now; empty where they do not."""
    one = loop.trader.own.get(name)
    now_ms = max((loop.accounts[each].market_ms for each in one.exchanges), default=0) if one else 0
    refusal = closed(one.breakers, now_ms) if one else None
    return f"{refusal.value} ({refusal.limit})" if refusal else ""


def _standing(
    loop: TradingLoop, limits: Limits, breakers: Breakers, value: Decimal, equity: Decimal, owner: str = ""
) -> dict[str, Any]:
    """Return limits, what their breakers hold and how much of each is used, of the account or of one owner."""
    return {
        "drawdown_locked": breakers.drawdown_locked,
        "daily_loss_day": breakers.daily_loss_day,
        "cooldown_until": breakers.cooldown_until_ms,
        "day_start_equity": shown(equity - value + breakers.day_start),
        "peak_equity": shown(equity - value + breakers.peak),
        "limits": {
            key: str(value) for key, value in limits._asdict().items() if value is not None and key != "on_breach"
        },
        "on_breach": limits.on_breach,
        "used": _used(loop, limits, breakers, value, equity, owner),
    }


def _used(
    loop: TradingLoop, limits: Limits, breakers: Breakers, value: Decimal, equity: Decimal, owner: str
) -> dict[str, dict[str, str | None]]:
    """Return what limits are measured on, each with its bound now; None where none is declared."""
    legs = (leg for leg in loop.desk.legs.values() if not owner or leg.owner == owner)
    held = {(leg.exchange, leg.symbol) for leg in legs if leg.position.amount}
    gross = sum((account.worth(account.gross(owner)) for account in loop.accounts.values()), ZERO)
    today, fallen = max(ZERO, breakers.day_start - value), max(ZERO, breakers.peak - value)
    measured = {
        "max_daily_loss": (today, limits.max_daily_loss, equity + breakers.day_start - value),
        "max_drawdown": (fallen, limits.max_drawdown, equity + fallen),
        "max_exposure": (gross, limits.max_exposure, equity),
    }
    used: dict[str, dict[str, str | None]] = {
        key: {"value": shown(told), "bound": shown(cap.of(base)) if cap else None}
        for key, (told, cap, base) in measured.items()
    }
    most = limits.max_open_positions
    used["max_open_positions"] = {"value": str(len(held)), "bound": str(most) if most else None}
    return used


def positions(loop: TradingLoop) -> list[dict[str, Any]]:
    """Return every open position, the removed strategies' included."""
    found = []
    for leg in loop.desk.legs.values():
        if not leg.position.amount:
            continue
        price = loop.accounts[leg.exchange].prices.get(leg.symbol)
        entry = leg.position.entry_price or ZERO
        side = 1 if leg.position.amount > 0 else -1
        found.append(
            {
                "strategy": leg.owner,
                "exchange": leg.exchange,
                "symbol": leg.symbol,
                "amount": shown(leg.position.amount),
                "entry_price": shown(entry),
                "last_price": shown(price) if price is not None else None,
                "unrealized": shown(leg.position.unrealized(price if price is not None else entry)),
                "realized": shown(leg.position.banked()),
                "stop": shown(entry * (1 - side * leg.guard.stop_loss)) if leg.guard.stop_loss else None,
                "take": shown(entry * (1 + side * leg.guard.take_profit)) if leg.guard.take_profit else None,
                "opened": leg.position.opened_ms,
                "locked": leg.locked,
            }
        )
    return found


def _strategy(loop: TradingLoop, name: str) -> dict[str, Any]:
    strategy = loop.strategies[name]
    legs = strategy.legs()
    return {
        "name": name,
        "kind": strategy.params.kind,
        "state": _state(loop, name, legs),
        "symbols": sorted({leg.symbol for leg in legs}),
        "position": {leg.symbol: shown(leg.position.amount) for leg in legs if leg.position.amount},
        "open_orders": sum(len(leg.orders) for leg in legs),
        "pnl": shown(_pnl(loop, legs)),
        "last_decision": strategy.last_decision,
        "error": strategy.error,
        "generation": strategy.generation,
    }


def _failed(name: str, why: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"position": {}, "open_orders": 0, "pnl": "0", "last_decision": "", "generation": 0}
    return {"name": name, "kind": "", "state": "failed", "symbols": [], "error": why} | empty


def _orphans(loop: TradingLoop) -> list[dict[str, Any]]:
    owners: dict[str, list[Leg]] = {}
    for leg in loop.desk.legs.values():
        if leg.owner.startswith(REMOVED):
            owners.setdefault(leg.owner, []).append(leg)
    return [
        {
            "name": owner,
            "kind": "",
            "state": "closing" if any(leg.exit_reason for leg in legs) else "held",
            "symbols": sorted({leg.symbol for leg in legs}),
            "position": {leg.symbol: shown(leg.position.amount) for leg in legs if leg.position.amount},
            "open_orders": sum(len(leg.orders) for leg in legs),
            "pnl": shown(_pnl(loop, legs)),
            "last_decision": "",
            "error": "",
            "generation": 0,
        }
        for owner, legs in sorted(owners.items())
    ]


def _pnl(loop: TradingLoop, legs: list[Leg]) -> Decimal:
    total = ZERO
    for leg in legs:
        total += leg.position.banked()
        price = loop.accounts[leg.exchange].prices.get(leg.symbol)
        if price is not None:
            total += leg.position.unrealized(price)
    return total


def _state(loop: TradingLoop, name: str, legs: list[Leg]) -> str:
    if loop.strategies[name].error:
        return "failed"
    if loop.trader.killed:
        return "killed"
    if "" in loop.trader.paused or name in loop.trader.paused or loop.trader.exits_only:
        return "paused"
    if any(leg.locked for leg in legs) or _closed(loop, name):
        return "locked"
    return "in position" if any(leg.position.amount for leg in legs) else "watching"
