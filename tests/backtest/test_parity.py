"""What the daemon does on the paper market, the backtest does too: every order and fill, to the last digit."""

from __future__ import annotations

from collections import Counter

import pytest

from autotrader.backtest.notes import notes
from autotrader.backtest.result import LOCK, MINIMUM
from autotrader.backtest.run import refusals, result_of
from autotrader.store.queries import DECISIONS, Reader
from support.folders import folder, history, rules, write
from support.lived import lived, outcome, simulated, told

HOUR_MS = 3_600_000
BEGIN_MS = 1_732_492_800_000 if history() else 1_704_067_200_000
"""2024-11-25, or where generated markets begin."""

SPAN_MS = 36 * HOUR_MS

CROSS = rules(5, 13)
KELLY = {
    "capital": "60%",
    "size": "{kind: kelly, fraction: 30%, min_trades: 3, cap: 60%, start: 7%}",
    "enter_long": "close < ema(close, 5)",
    "exit_long": "",
}
STRATEGIES = {
    "cross": CROSS,
    "fixed": rules(3, 8, symbols="BTC/USDT", size="{kind: fixed, amount: 0.01}", exits="{}"),
    "notional": rules(4, 9, symbols="ETH/USDT", size="{kind: notional, amount: 333.33 USDT}", timeframe="15m"),
    "volatile": rules(3, 10, capital="30%", size="{kind: volatility, risk: 0.5%, atr: 14}", exits="{max_holding: 40m}"),
    "kelly": rules(**KELLY, exits="{take_profit: 0.5%, stop_loss: 5%, max_holding: 4h}"),
    "kelly-slow": rules(**KELLY, exits="{take_profit: 0.5%, stop_loss: 5%, max_holding: 8h}"),
    "limit": rules(3, 7, execution="{kind: limit, timeout: 20m}", exits="{stop_loss: 0.3%, take_profit: 0.4%}"),
    "maker": rules(
        3, 7, execution="{kind: limit, post_only: true, chase: 3, timeout: 2h}", exits="{take_profit: 0.6%}"
    ),
    "fleeting": rules(3, 6, symbols="BTC/USDT", execution="{kind: limit, time_in_force: ioc}"),
    "iceberg": rules(5, 12, symbols="BTC/USDT", execution="{kind: iceberg, show: 30%}", exits="{stop_loss: 0.8%}"),
    "twap": rules(4, 11, symbols="ETH/USDT", execution="{kind: twap, over: 40m, slices: 6}", exits="{stop_loss: 1%}"),
    "vwap": rules(4, 11, symbols="ETH/USDT", execution="{kind: vwap, over: 70m, slices: 6}", exits="{stop_loss: 1%}"),
    "finer": rules(3, 9, symbols="BTC/USDT", timeframe="15m", resolution="5m", capital="25%"),
    "daily": rules(4, 11, more='filters: ["close > ema(close, 10, timeframe=\\"1h\\")"]\n'),
    "greedy": rules(3, 6, capital="100%", symbols="BTC/USDT, ETH/USDT", size="{kind: percent, percent: 100%}"),
    "exposed": """
kind: rules
exchange: paper
symbols: [BTC/USDT]
timeframe: 5m
capital: 50%
exposure: if(rsi(close, 7) < 35, 1, if(rsi(close, 7) > 60, 0, 0.4))
on_remove: hold
""",
}
RISK = """
max_order: 6000 USDT
max_position: 60%
max_exposure: 90%
max_open_positions: 2
max_orders_per_minute: 3
price_collar: 2%
max_daily_loss: 0.8%
max_drawdown: 5%
stale_data: 30s
cooldown: {losses: 3, within: 2h, pause: 1h}
on_breach: close
"""
PERP = """
kind: simulated
market: swap
balances: {USDT: 10000}
fees: {maker: 0.02%, taker: 0.05%}
slippage: 1bps
"""
BOTH_WAYS = """
kind: rules
exchange: perp
symbols: [BTC/USDT, ETH/USDT]
timeframe: 1h
capital: 100%
enter_long: crosses_above(ema(close, 3), ema(close, 8))
exit_long: crosses_below(ema(close, 3), ema(close, 8))
enter_short: crosses_below(ema(close, 3), ema(close, 8))
exit_short: crosses_above(ema(close, 3), ema(close, 8))
exits: {stop_loss: 1.2%, trailing_stop: 1%}
on_remove: close
"""


@pytest.mark.parametrize("risk", ["", RISK], ids=["free", "limited"])
@pytest.mark.parametrize(
    "names",
    [*([name] for name in STRATEGIES), list(STRATEGIES)],
    ids=lambda names: names[0] if len(names) == 1 else "all",
)
async def test_the_backtest_fills_what_the_daemon_fills(tmp_path, names, risk) -> None:
    root = folder(
        tmp_path, {name: STRATEGIES[name] for name in names}, speed="max, from: 2024-11-25" if history() else "max"
    )
    if risk:
        write(root, {"risk.d/default.yaml": risk})
    until_ms = BEGIN_MS + SPAN_MS
    daemon, engine = told(await lived(root, until_ms), until_ms), told(simulated(root, until_ms), until_ms)
    assert len(daemon) > 3
    assert engine == daemon


async def test_what_the_gate_refused_is_counted_as_the_daemon_wrote_it_down(tmp_path) -> None:
    root = folder(tmp_path, STRATEGIES, speed="max, from: 2024-11-25" if history() else "max")
    write(root, {"risk.d/default.yaml": RISK})
    until_ms = BEGIN_MS + SPAN_MS
    await lived(root, until_ms)
    reader = Reader(root / "var" / "autotrader.db")
    refused = [row for row in reader.rows(DECISIONS, 100_000) if row["kind"] == "refused" and row["ts"] <= until_ms]
    locks = {"max_daily_loss", "max_drawdown", "cooldown"}
    names = {"kelly": MINIMUM}
    names |= dict.fromkeys(locks, LOCK)
    counted = Counter(names.get(limit, limit) for limit in (row["detail"]["limit"] for row in refused))
    assert len(counted) > 2
    result = outcome(root, to_ms=until_ms)
    assert refusals(result) == counted
    told = notes(result_of(result))[-1]
    assert all(limit in told for limit in counted if limit not in {MINIMUM, LOCK})
    assert "a loss lock or cooldown (" in told


@pytest.mark.parametrize("leverage", [1, 3, 40])
async def test_on_a_swap_too_with_shorts_leverage_funding_and_liquidation(tmp_path, leverage) -> None:
    data = history()
    market = (
        f"replay: {{data: {data}, exchange: binance-perp, speed: max, from: 2024-11-05}}\n"
        if data
        else "generate: {speed: max}\n"
    )
    size = f"size: {{kind: percent, percent: {leverage * 90}%}}\n"
    text = (
        BOTH_WAYS if leverage < 40 else BOTH_WAYS.replace("exits: {stop_loss: 1.2%, trailing_stop: 1%}\n", "")
    ) + size
    root = folder(tmp_path, {"both": text}, speed="max")
    write(root, {"exchanges.d/perp.yaml": f"{PERP}{market}leverage: {leverage}\n"})
    begin_ms = 1_730_764_800_000 if data else BEGIN_MS
    until_ms = begin_ms + 20 * 24 * HOUR_MS
    daemon, engine = told(await lived(root, until_ms), until_ms), told(simulated(root, until_ms), until_ms)
    assert len(daemon) > 10
    assert {row[3] for row in daemon} == {1, -1}
    assert ("liquidation" in {row[8] for row in daemon}) == (leverage == 40)
    assert engine == daemon


@pytest.mark.parametrize("risk", ["", RISK], ids=["free", "limited"])
def test_the_plain_loop_and_the_compiled_one_fill_the_same(tmp_path, risk) -> None:
    root = folder(tmp_path, STRATEGIES, speed="max, from: 2024-11-25" if history() else "max")
    if risk:
        write(root, {"risk.d/default.yaml": risk})
    until_ms = BEGIN_MS + 12 * HOUR_MS
    assert simulated(root, until_ms, compiled=False) == simulated(root, until_ms)
