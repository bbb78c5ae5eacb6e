"""What the simulated daemon is told to do: strategies that trade often, under limits that bind."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NamedTuple

from simulation.invariants import Bounds

D = Decimal
BOUNDS = Bounds(D(900), D(1500), D("0.25"), 2, 6, D("0.02"))

DAEMON = "risk: default\n"

EXCHANGE = """\
kind: simulated
market: {market}
generate: {{seed: 1, symbols: [BTC/USDT, ETH/USDT, SOL/USDT], speed: 1x}}
balances: {{USDT: 10000}}
fees: {{maker: 0.1%, taker: 0.1%}}
slippage: 5bps
min_notional: 5 USDT
"""

RISK = f"""\
max_order: {BOUNDS.max_order} USDT
max_position: {BOUNDS.max_position} USDT
max_exposure: {BOUNDS.max_exposure * 100:.0f}%
max_open_positions: {BOUNDS.max_open_positions}
max_orders_per_minute: {BOUNDS.max_orders_per_minute}
price_collar: 2%
stale_data: 30s
"""

COMMON = "exchange: sim\ntimeframe: 1m\non_remove: close\n"


def crosses(fast: int, slow: int, symbols: str, more: str) -> str:
    """Return rules that enter and leave where two averages cross."""
    return (
        f"kind: rules\n{COMMON}symbols: [{symbols}]\n"
        f"enter_long: crosses_above(ema(close, {fast}), ema(close, {slow}))\n"
        f"exit_long: crosses_below(ema(close, {fast}), ema(close, {slow}))\n{more}"
    )


EVEN_S = 20
"""When giving back begins at the latest, in a trade of two coins of which one failed."""


class Exits(NamedTuple):
    """The protective exits of one run, as fractions: what a reload changes are other things."""

    trend: Decimal | None
    dip: Decimal
    take: Decimal
    trail: Decimal

    @property
    def stops(self) -> dict[str, Decimal]:
        """Return the stop that each strategy has."""
        return {"dip": self.dip} | ({"trend": self.trend} if self.trend is not None else {})


def exits(rng: Random) -> Exits:
    """Draw the protective exits of a run, near enough to be touched now and then."""
    trend = D(rng.randint(4, 12)) / 1000 if rng.random() < 0.5 else None
    return Exits(trend, D(rng.randint(3, 8)) / 1000, D(rng.randint(4, 10)) / 1000, D(rng.randint(3, 8)) / 1000)


def strategies(rng: Random, own: Exits) -> dict[str, str]:
    """Return the strategies' files by name."""
    stop = f"exits: {{stop_loss: {own.trend * 100:f}%}}\n" if own.trend is not None else ""
    trail = f"exits: {{trailing_stop: {own.trail * 100:f}%}}\n"
    amount = f"size: {{kind: notional, amount: {rng.randint(300, 1_000)} USDT}}\n"
    return {
        "trend": crosses(2, rng.randint(3, 5), "BTC/USDT, ETH/USDT", f"capital: 40%\n{amount}{stop}"),
        "dip": (
            f"kind: rules\n{COMMON}symbols: [ETH/USDT, SOL/USDT]\ncapital: 30%\n"
            f"enter_long: close < prev(close, 1)\nexit_long: close > prev(close, {rng.randint(2, 4)})\n"
            f"size: {{kind: notional, amount: {rng.randint(100, 700)} USDT}}\n"
            f"execution: {{kind: limit, timeout: {rng.randint(2, 5)}m}}\n"
            f"exits: {{max_holding: {rng.randint(4, 12)}m, stop_loss: {own.dip * 100:f}%, "
            f"take_profit: {own.take * 100:f}%}}\n"
        ),
        "grid": (
            f"kind: grid\n{COMMON}symbols: [SOL/USDT]\ncapital: {rng.randint(5, 12)}%\n"
            f"params: {{levels: {rng.randint(4, 8)}, range: {rng.choice(['0.8%', '1.5%', '2.5%'])}, "
            "stop_outside: true}\n"
        ),
        "pair": (
            f"kind: basket\n{COMMON}symbols: [ETH/USDT, SOL/USDT]\ncapital: 15%\nquote: {rng.randint(100, 500)}\n"
            f"rest: {rng.randint(1, 4)}\nhold: {rng.randint(2, 6)}\naside: {rng.choice([0, 0, 2, 20])}\n"
            f"legs: {{on_failure: {rng.choice(['unwind', 'complete_or_unwind'])}, bound: {rng.choice(['5', '30'])}bps, "
            f"deadline: {EVEN_S}s}}\n"
        ),
        "swing": crosses(3, rng.randint(6, 9), "BTC/USDT", f"capital: 8%\n{trail}"),
    }


def write_folder(root: Path, rng: Random, own: Exits, market: str) -> None:
    """Write a whole configuration."""
    exchange = EXCHANGE.format(market=market)
    files = {"autotrader.yaml": DAEMON, "exchanges.d/sim.yaml": exchange, "risk.d/default.yaml": RISK}
    files |= {f"strategies.d/{name}.yaml": text for name, text in strategies(rng, own).items()}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def changed(root: Path, rng: Random, own: Exits, name: str = "") -> None:
    """Write one strategy's file anew, with other numbers; any of them where none is named."""
    name = name or rng.choice(["trend", "dip", "grid", "swing", "pair"])
    (root / "strategies.d" / f"{name}.yaml").write_text(strategies(rng, own)[name], encoding="utf-8")
