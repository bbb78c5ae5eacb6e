"""Small worlds for parity properties: drawn markets written as Parquet, and drawn strategies, limits and costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from support.folders import write

BEGIN_MS = 1_704_063_600_000
"""An hour before midnight, so that a day ends in every world."""

BASE_MS = 300_000
PRICES = ((100.0, 2), (30_000.0, 1), (0.05, 5), (0.0312, 6), (0.0003, 8), (2.5, 1), (900_000.0, 0))
"""Prices with their decimals."""

SYMBOLS = ("BTC/USDT", "ETH/USDT")


class World(NamedTuple):
    """A configuration as files, and each symbol's bars as (seed, count, first bar, price, decimals, shape).

    From `altered_ms` on, if it is set, every price is another one.
    """

    files: dict[str, str]
    markets: tuple[tuple[str, tuple[Any, ...]], ...]
    swap: bool
    altered_ms: int = 0

    def written(self, root: Path) -> Path:
        """Write the configuration and its history into a folder, and return it."""
        for symbol, market in self.markets:
            made = bars(*market)
            if self.altered_ms:
                made[made[:, 0] >= self.altered_ms, 1:5] += 1.0
            save(root / "data", symbol, made)
            if self.swap:
                settle(root / "data", symbol, market[0])
        return write(root, self.files)


def bars(seed: int, count: int, first: int, price: float, decimals: int, shape: str) -> np.ndarray:
    """Return bars of five minutes, shape (n, 6): calm, wild, jumping or flat, some of them missing."""
    rng = np.random.default_rng(seed)
    step = {"calm": 0.001, "wild": 0.012, "jumps": 0.004, "flat": 0.002}[shape]
    moves = rng.normal(0.0, step, count)
    if shape == "jumps":
        moves[rng.random(count) < 0.05] *= 12
    if shape == "flat":
        moves[rng.random(count) < 0.5] = 0.0
    closes = price * np.exp(np.cumsum(moves))
    least = 10.0**-decimals
    closes = np.maximum(np.round(closes, decimals), least)
    opens = np.concatenate(([closes[0]], closes[:-1]))
    gapped = rng.random(count) < 0.3
    opens = np.where(gapped, np.maximum(np.round(opens * (1 + rng.normal(0, step, count)), decimals), least), opens)
    wick = np.abs(rng.normal(0, step / 2, (2, count))) * (moves != 0.0)
    highs = np.round(np.maximum(opens, closes) * (1 + wick[0]), decimals)
    lows = np.maximum(np.round(np.minimum(opens, closes) * (1 - wick[1]), decimals), least)
    highs, lows = np.maximum(highs, np.maximum(opens, closes)), np.minimum(lows, np.minimum(opens, closes))
    ts = BEGIN_MS + (first + np.arange(count)) * BASE_MS
    made = np.column_stack((ts, opens, highs, lows, closes, rng.integers(0, 9, count)))
    keep = rng.random(count) > rng.choice([0.0, 0.0, 0.1, 0.4])
    if count > 40 and rng.random() < 0.3:
        at = int(rng.integers(10, count - 20))
        keep[at : at + int(rng.integers(3, 20))] = False
    keep[0] = keep[-1] = True
    return made[keep]


def save(data: Path, symbol: str, made: np.ndarray) -> None:
    """Write bars as recorded history of the exchange `drawn`."""
    names = ("ts", "open", "high", "low", "close", "volume")
    path = data / "candles" / "drawn" / symbol.replace("/", "-") / "5m.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: made[:, at].astype(np.int64 if name == "ts" else np.float64) for at, name in enumerate(names)}
    pq.write_table(pa.table(columns), path)


def settle(data: Path, symbol: str, seed: int) -> None:
    """Write funding for a symbol: at odd moments too, between bars."""
    rng = np.random.default_rng(seed)
    ts = BEGIN_MS + np.cumsum(rng.integers(1, 60, 40)) * 60_000
    path = data / "funding" / "drawn" / f"{symbol.replace('/', '-')}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"ts": ts.astype(np.int64), "rate": np.round(rng.normal(0, 0.002, len(ts)), 6)}), path)


CONDITIONS = st.sampled_from(
    [
        "close > open",
        "close < open",
        "crosses_above(close, ema(close, 3))",
        "crosses_below(close, ema(close, 4))",
        "close > highest(prev(high, 1), 4)",
        "close < lowest(prev(low, 1), 5)",
        "rsi(close, 3) < 40",
        "rsi(close, 3) > 55",
        'close > ema(close, 2, timeframe="1h")',
        'close < ema(close, 2, timeframe="1h")',
        "close >= close",
        "close != close",
    ]
)
EXPOSURES = st.sampled_from(
    [
        "if(close > open, 1, 0)",
        "if(close > open, 1, 0.4)",
        "(rsi(close, 3) - 50) / 50",
        "if(rsi(close, 3) < 35, 1, if(rsi(close, 3) > 60, 0, 0.5))",
        "if(close > ema(close, 5), 0.9, -0.9)",
        "if(close > open, 0.3, -1)",
    ]
)
EXECUTIONS = st.sampled_from(
    [
        "",
        "{kind: limit}",
        "{kind: limit, timeout: 16m}",
        "{kind: limit, timeout: 2h}",
        "{kind: limit, timeout: 2h, chase: 0}",
        "{kind: limit, timeout: 2h, chase: 2}",
        "{kind: limit, timeout: 2h, post_only: true}",
        "{kind: limit, timeout: 20m, post_only: true, chase: 0}",
        "{kind: limit, timeout: 2h, post_only: true, chase: 1}",
        "{kind: limit, timeout: 5h, post_only: true, chase: 3}",
        "{kind: limit, timeout: 40m, time_in_force: ioc}",
        "{kind: limit, timeout: 40m, time_in_force: fok}",
        "{kind: iceberg, show: 30%, timeout: 2h}",
        "{kind: iceberg, show: 7%, timeout: 30m}",
        "{kind: twap, over: 20m, slices: 4}",
        "{kind: twap, over: 2h, slices: 7}",
        "{kind: twap, over: 3h, slices: 40}",
        "{kind: vwap, over: 40m, slices: 4}",
        "{kind: vwap, over: 95m, slices: 24}",
    ]
)
PERCENTS = st.sampled_from(["0.1%", "0.3%", "0.5%", "1%", "3%"])


@st.composite
def strategies(draw: st.DrawFn, swap: bool, symbols: tuple[str, ...]) -> str:
    """Draw one strategy's file."""
    timeframe = draw(st.sampled_from(["5m", "5m", "15m", "30m", "1h"]))
    mine = draw(st.lists(st.sampled_from(symbols), min_size=1, max_size=2, unique=True))
    lines = {
        "kind": "rules",
        "exchange": "drawn",
        "symbols": f"[{', '.join(mine)}]",
        "timeframe": timeframe,
        "capital": draw(st.sampled_from(["100%", "60%", "25%", "3%"])),
        "size": draw(
            st.sampled_from(
                [
                    "{kind: percent, percent: 100%}",
                    "{kind: percent, percent: 37%}",
                    "{kind: fixed, amount: 0.05}",
                    "{kind: notional, amount: 333.33 USDT}",
                    "{kind: volatility, risk: 0.7%, atr: 3}",
                ]
            )
        ),
        "on_remove": "hold",
    }
    exits = {
        name: draw(st.one_of(st.none(), st.none(), PERCENTS)) for name in ("stop_loss", "take_profit", "trailing_stop")
    }
    exits["max_holding"] = draw(st.sampled_from([None, None, "7m", "20m", "1h"]))
    if timeframe != "5m" and draw(st.booleans()):
        lines["resolution"] = "5m"
    execution = draw(EXECUTIONS)
    if execution:
        lines["execution"] = execution
    if draw(st.booleans()) and draw(st.booleans()):
        lines["exposure"] = draw(EXPOSURES)
    else:
        if not any(exits.values()):
            exits["stop_loss"] = "2%"
        lines["enter_long"] = draw(CONDITIONS)
        if draw(st.booleans()):
            lines["exit_long"] = draw(CONDITIONS)
        if swap and draw(st.booleans()):
            lines["enter_short"] = draw(CONDITIONS)
            if draw(st.booleans()):
                lines["exit_short"] = draw(CONDITIONS)
    if draw(st.sampled_from([False, False, True])):
        lines["filters"] = "['" + draw(CONDITIONS) + "']"
    lines["exits"] = "{" + ", ".join(f"{name}: {value}" for name, value in exits.items() if value) + "}"
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


RISKS = {
    "max_order": ["800 USDT", "20%"],
    "max_position": ["30%", "2000 USDT"],
    "max_exposure": ["90%", "50%"],
    "max_open_positions": ["1"],
    "max_orders_per_minute": ["1", "3"],
    "price_collar": ["2%"],
    "max_daily_loss": ["0.3%", "1%"],
    "max_drawdown": ["1%", "3%"],
    "stale_data": ["30s"],
    "cooldown": ["{losses: 2, within: 2h, pause: 40m}", "{losses: 1, within: 1h, pause: 1h}"],
    "on_breach": ["close", "close", "pause"],
}


@st.composite
def worlds(draw: st.DrawFn, most: int = 3, *, alone: bool = False) -> World:
    """Draw a whole configuration of up to `most` strategies and its markets; `alone` draws one spot symbol."""
    swap = draw(st.booleans()) and not alone
    symbols = SYMBOLS[: 1 if alone else draw(st.sampled_from([1, 2, 2]))]
    markets = tuple(
        (
            symbol,
            (
                draw(st.integers(0, 2**31)),
                draw(st.integers(30, 180)),
                draw(st.sampled_from([0, 0, 0, 5, 17])),
                *draw(st.sampled_from(PRICES)),
                draw(st.sampled_from(["calm", "wild", "jumps", "flat"])),
            ),
        )
        for symbol in symbols
    )
    exchange = {
        "kind": "simulated",
        "market": "swap" if swap else "spot",
        "balances": "{USDT: " + draw(st.sampled_from(["10000", "500", "7.77"])) + "}",
        "fees": draw(
            st.sampled_from(["{maker: 0.1%, taker: 0.1%}", "{maker: 0%, taker: 0%}", "{maker: 0.02%, taker: 0.05%}"])
        ),
        "slippage": draw(st.sampled_from(["2bps", "0%", "1%"])),
        "latency": draw(st.sampled_from(["50ms", "50ms", "50ms", "0s", "6m", "20m"])),
        "replay": "{data: data, exchange: drawn, speed: max"
        + draw(st.sampled_from(["", "", ", from: 2024-01-01", ', from: "2023-12-31T23:20:00Z"']))
        + "}",
    }
    if draw(st.booleans()):
        exchange["min_notional"] = draw(st.sampled_from(["5 USDT", "100 USDT"]))
    if draw(st.sampled_from([False, False, True])):
        exchange["budget"] = "400 USDT"
    files = {
        "autotrader.yaml": "dashboard: {port: 0}\ndata: data\n",
        "exchanges.d/drawn.yaml": "".join(f"{key}: {value}\n" for key, value in exchange.items()),
    }
    count = draw(st.integers(1, most))
    for number in range(count):
        files[f"strategies.d/{'abc'[number]}.yaml"] = draw(strategies(swap, symbols))
    mine = {name: draw(st.one_of(st.none(), st.sampled_from(values))) for name, values in RISKS.items()}
    for name in [name for name in files if name.startswith("strategies.d/")]:
        if any(mine.values()) and draw(st.sampled_from([False, False, True])):
            files[name] += "risk: own\n"
            files["risk.d/own.yaml"] = "".join(f"{key}: {value}\n" for key, value in mine.items() if value)
    risk = {name: draw(st.one_of(st.none(), st.none(), st.sampled_from(values))) for name, values in RISKS.items()}
    if any(risk.values()):
        files["risk.d/default.yaml"] = "".join(f"{key}: {value}\n" for key, value in risk.items() if value)
    return World(files, markets, swap)
