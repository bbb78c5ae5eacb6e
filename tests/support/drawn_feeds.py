"""Small worlds of recorded events for parity properties: drawn tapes, and strategies that live on them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from support.drawn import BEGIN_MS, EXPOSURES, RISKS, bars, save
from support.feeds import changes
from support.folders import write

FEED_SYMBOLS = ("BTC/USDT", "ETH/USDT")


class FeedWorld(NamedTuple):
    """A configuration as files; each tape as (symbol, feed, seed, count, price, decimals); the symbols with bars.

    Beside the books of the symbols in `printed` lie trades that are made of them.
    """

    files: dict[str, str]
    tapes: tuple[tuple[str, str, int, int, float, int], ...]
    barred: tuple[str, ...]
    printed: tuple[str, ...] = ()

    def written(self, root: Path) -> Path:
        """Write the configuration and its recordings into a folder, and return it."""
        for symbol, feed, *drawn in self.tapes:
            path = root / "data" / feed / "drawn" / f"{symbol.replace('/', '-')}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            if feed != "trades" or symbol not in self.printed:
                pq.write_table(pa.table(tape(feed, *drawn)), path)
            if feed == "book" and symbol in self.printed:
                beside = root / "data" / "trades" / "drawn" / path.name
                beside.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.table(prints(*drawn)), beside)
        for symbol in self.barred:
            _, _, seed, _, price, decimals = next(one for one in self.tapes if one[0] == symbol)
            save(root / "data", symbol, bars(seed, 60, 0, price, decimals, "calm"))
        return write(root, self.files)


def tape(feed: str, seed: int, count: int, price: float, decimals: int) -> dict[str, Any]:
    """Return the columns of a recording: many events share a moment, some of them minutes apart."""
    rng = np.random.default_rng(seed)
    ts = BEGIN_MS + np.cumsum(rng.choice([0, 0, 0, 1, 40, 900, 20_000, 200_000], count))
    least = 10.0**-decimals
    middle = price * np.exp(np.cumsum(rng.normal(0.0, rng.choice([0.0003, 0.002, 0.01]), count)))
    ticks = np.maximum(np.round(middle / least), 3)
    amounts = np.round(rng.uniform(0.001, 3, (2, count)), 3)
    if feed == "trades":
        side = rng.choice(["buy", "sell"], count)
        return {"ts": ts, "price": np.round(ticks * least, decimals), "amount": amounts[0], "side": side.tolist()}
    ask = ticks + rng.choice([1, 1, 2, 7], count)
    if feed == "book":
        return changes(books(seed, count, price, decimals))
    sides = {"bid": np.round(ticks * least, decimals), "ask": np.round(ask * least, decimals)}
    return {"ts": ts, **sides, "bid_size": amounts[0], "ask_size": amounts[1]}


def books(
    seed: int, count: int, price: float, decimals: int
) -> list[tuple[int, dict[float, float], dict[float, float]]]:
    """Return books as (ms, bids, asks): of a few levels, or of more than are kept; best prices often stay a while."""
    rng = np.random.default_rng([seed, 1])
    least = 10.0**-decimals
    unit = rng.choice([0.3, 30.0, 3_000.0]) / price
    deepest = rng.choice([2, 5, 30])
    made = []
    ms, best = BEGIN_MS, max(round(price / least), 100)
    for _ in range(count):
        ms += int(rng.choice([0, 0, 0, 1, 40, 900, 20_000, 200_000]))
        best = max(best + int(rng.choice([0, 0, 0, 0, 1, -1, 3, -3, 40, -40])), 50)
        bests = (best, -1), (best + int(rng.choice([1, 1, 2, 7])), 1)
        sides = (
            {
                round((one + sign * level) * least, decimals): max(round(rng.uniform(0.01, 3) * unit, 8), 1e-8)
                for level in range(int(rng.integers(1, deepest)))
                if level == 0 or rng.random() < 0.8
            }
            for one, sign in bests
        )
        made.append((ms, *sides))
    return made


def prints(seed: int, count: int, price: float, decimals: int) -> dict[str, Any]:
    """Return the columns of trades beside such a book: at its best prices, behind them, and of any size."""
    rng = np.random.default_rng([seed, 2])
    told = books(seed, count, price, decimals)
    rows = []
    for (before_ms, *sides), (ms, *_) in pairwise(told):
        for at in sorted(rng.integers(before_ms, ms + 1, int(rng.choice([0, 0, 1, 2, 5]))).tolist()):
            taker = int(rng.integers(0, 2))  # of a bid, or of an ask
            levels = sorted(sides[taker].items(), reverse=taker == 0)
            deal, size = levels[min(int(rng.choice([0, 0, 0, 1, 2])), len(levels) - 1)]
            rows.append(
                (at, deal, max(round(size * rng.choice([0.1, 0.5, 1.0, 2.0]), 8), 1e-8), ("sell", "buy")[taker])
            )
    rows = rows or [(told[0][0], price, 1.0, "buy")]
    return dict(zip(("ts", "price", "amount", "side"), map(list, zip(*rows, strict=True)), strict=True))


CONDITIONS = st.sampled_from(
    [
        "close > prev(close, 1)",
        "close < prev(close, 1)",
        "crosses_above(close, ema(close, 5))",
        "crosses_below(close, ema(close, 9))",
        "close > highest(prev(close, 1), 4)",
        "rsi(close, 3) < 30",
        "rsi(close, 3) > 55",
        "high - low > 0",
        "close >= close",
        "volume > 1.5",
    ]
)
EXECUTIONS = [
    "",
    "{kind: limit}",
    "{kind: limit, timeout: 1s}",
    "{kind: limit, timeout: 5m, chase: 3}",
    "{kind: limit, timeout: 5m, post_only: true}",
    "{kind: limit, timeout: 1h, post_only: true, chase: 2}",
    "{kind: limit, time_in_force: ioc}",
    "{kind: limit, time_in_force: fok}",
    "{kind: iceberg, show: 40%, timeout: 5m}",
    "{kind: twap, over: 3m, slices: 6}",
]
PERCENTS = st.sampled_from(["0.05%", "0.3%", "1%", "3%"])


@st.composite
def rules(draw: st.DrawFn, feed: str, symbols: tuple[str, ...], *, swap: bool) -> str:
    """Draw rules that decide on each event of a feed."""
    mine = draw(st.lists(st.sampled_from(symbols), min_size=1, max_size=2, unique=True))
    sizes = ["{kind: percent, percent: 100%}", "{kind: percent, percent: 37%}", "{kind: fixed, amount: 0.05}"]
    sizes += ["{kind: notional, amount: 333.33 USDT}", "{kind: volatility, risk: 0.7%, atr: 3}"]
    lines = {
        "kind": "rules",
        "exchange": "drawn",
        "symbols": f"[{', '.join(mine)}]",
        "feed": feed,
        "capital": draw(st.sampled_from(["100%", "60%", "3%"])),
        "size": draw(st.sampled_from(sizes)),
        "on_remove": "hold",
    }
    exits = {name: draw(st.one_of(st.none(), PERCENTS)) for name in ("stop_loss", "take_profit", "trailing_stop")}
    exits["max_holding"] = draw(st.sampled_from([None, None, "1s", "2m"]))
    execution = draw(st.sampled_from(EXECUTIONS))
    if execution:
        lines["execution"] = execution
    if draw(st.sampled_from([False, False, True])):
        lines["exposure"] = draw(EXPOSURES)
    else:
        if not any(exits.values()):
            exits["stop_loss"] = "0.5%"
        lines["enter_long"] = draw(CONDITIONS)
        if draw(st.booleans()):
            lines["exit_long"] = draw(CONDITIONS)
        if swap and draw(st.booleans()):
            lines["enter_short"] = draw(CONDITIONS)
            lines["exit_short"] = draw(CONDITIONS)
    lines["exits"] = "{" + ", ".join(f"{name}: {value}" for name, value in exits.items() if value) + "}"
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


@st.composite
def grids(draw: st.DrawFn, clock: str, symbols: tuple[str, ...], price: float) -> str:
    """Draw a grid on a feed or on bars."""
    spread = draw(st.sampled_from(["step: 0.05%", "step: 0.4%", "range: 1%", "range: 8%", "bounds"]))
    if spread == "bounds":
        spread = f"lower: {price * 0.97:.6f}, upper: {price * 1.02:.6f}"
    lines = {
        "kind": "grid",
        "exchange": "drawn",
        "symbols": f"[{symbols[0]}]",
        **({"timeframe": "5m"} if clock == "bars" else {"feed": clock}),
        "capital": draw(st.sampled_from(["100%", "60%", "10%"])),
        "size": draw(st.sampled_from(["{kind: percent, percent: 95%}", "{kind: percent, percent: 40%}"])),
        "params": "{" + f"levels: {draw(st.integers(2, 12))}, "
        f"spacing: {draw(st.sampled_from(['geometric', 'arithmetic']))}, {spread}, "
        f"stop_outside: {draw(st.sampled_from(['true', 'false']))}" + "}",
        "on_remove": "hold",
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


@st.composite
def feed_worlds(draw: st.DrawFn, most: int = 3, *, alone: bool = False, beside: bool = False) -> FeedWorld:
    """Draw a configuration of up to `most` strategies on recorded events.

    `alone` draws one feed of one symbol, `beside` a grid on bars of a symbol first, then whatever lives on its feeds.
    """
    swap = draw(st.sampled_from([False, False, True]))
    symbols = FEED_SYMBOLS[: 1 if alone else draw(st.sampled_from([1, 2]))]
    price, decimals = draw(st.sampled_from([(100.0, 2), (30_000.0, 1), (0.0312, 6), (0.0003, 8), (2.5, 3)]))
    all_feeds = ["trades", "quotes", "book"]
    feeds = draw(st.lists(st.sampled_from(all_feeds), min_size=1, max_size=1 if alone else 2, unique=True))
    tapes = tuple(
        (symbol, feed, draw(st.integers(0, 2**31)), draw(st.integers(20, 250)), price, decimals)
        for symbol in symbols
        for feed in feeds
    )
    printed = tuple(one for one in symbols if "book" in feeds and draw(st.sampled_from([True, True, False])))
    barred = symbols if beside or (not alone and draw(st.booleans())) else ()
    exchange = {
        "kind": "simulated",
        "market": "swap" if swap else "spot",
        "balances": "{USDT: " + draw(st.sampled_from(["10000", "500"])) + "}",
        "fees": draw(st.sampled_from(["{maker: 0.1%, taker: 0.1%}", "{maker: 0%, taker: 0.05%}"])),
        "slippage": draw(st.sampled_from(["2bps", "0%", "1%"])),
        "latency": draw(st.sampled_from(["0s", "50ms", "1s", "1m"])),
        "replay": "{data: data, exchange: drawn, speed: max}",
    }
    files = {
        "autotrader.yaml": "dashboard: {port: 0}\ndata: data\n",
        "exchanges.d/drawn.yaml": "".join(f"{key}: {value}\n" for key, value in exchange.items()),
    }
    for number in range(1 if alone else draw(st.integers(2 if beside else 1, most))):
        clock = draw(st.sampled_from([*feeds, *(["bars"] if barred and not beside else [])]))
        clock = "bars" if beside and number == 0 else clock
        grid = clock == "bars" or draw(st.booleans())
        made = grids(clock, symbols, price) if grid else rules(clock, symbols, swap=swap)
        files[f"strategies.d/{'abc'[number]}.yaml"] = draw(made)
    risk = {name: draw(st.one_of(st.none(), st.none(), st.sampled_from(values))) for name, values in RISKS.items()}
    if any(risk.values()):
        files["risk.d/default.yaml"] = "".join(f"{key}: {value}\n" for key, value in risk.items() if value)
    return FeedWorld(files, tapes, barred, printed)
