"""Our trades beside the peers' on real bars: a table of every difference, each with its reason.

    agree.py [--rule stops] [--timeframe 1h]

Ours are those of `autotrader backtest --trades` on YAML files. Rules: `cross` is W1, `stops` is W2 (see `workloads`),
one unit, on binance BTC-USDT. A reason is given only where it is proved: the trade is exactly what `variants` makes of
the peer's own rule.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import ours
import variants
from engines import ENGINES, EXTRA, HERE
from measure import measure
from variants import BACKTESTING, CROSS, OURS, VECTORBT, Variant

import market
from autotrader.app import run_backtest
from autotrader.backtest import summary

PEERS = {"backtesting": BACKTESTING, "vectorbt": VECTORBT}
TIMEFRAMES_MS = {"1h": 3_600_000, "5m": 300_000}
RULES = {"cross": CROSS, "stops": OURS}
NEAR = 3e-6
"""Prices this near, as a part of the price, are the same: ours are rounded to the history's tick."""
SHOWN = 12


class Trade(NamedTuple):
    """A closed round trip: the opens of the bars of its fills in ms UTC, and their prices."""

    entry_ts: int
    entry_price: float
    exit_ts: int
    exit_price: float


Trades = dict[int, Trade]
"""By the bar of their entry; one symbol and one unit, so there is one."""


def read(path: Path, bar_ms: int, symbol: str | None = None) -> Trades:
    """Read the trades of one symbol from a CSV, their times moved back to their bars' opens."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if symbol is None or row.get("symbol", symbol) == symbol]
    made = (
        Trade(
            int(row["entry_ts"]) // bar_ms * bar_ms,
            float(row["entry_price"]),
            int(row["exit_ts"]) // bar_ms * bar_ms,
            float(row["exit_price"]),
        )
        for row in rows
    )
    return {trade.entry_ts: trade for trade in made}


def our_trades(rule: str, timeframe: str, bars: market.Bars, folder: Path) -> Trades:
    """Run our backtest on YAML files. An exit inside a bar is known at its close: it is moved back to the bar."""
    bar_ms = TIMEFRAMES_MS[timeframe]
    texts = ours.files(ours.RULES if rule == "cross" else ours.GUARDED, "", ["BTC/USDT"], timeframe)
    with tempfile.TemporaryDirectory() as scratch:
        root = ours.written(Path(scratch), texts, f"{{data: {folder}, exchange: binance, speed: max}}", "USDT")
        path = root / "trades.csv"
        summary.write_trades(run_backtest(root), path)
        found = read(path, bar_ms)
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["reason"] != "exit"]
    opens = dict(zip(bars.ts.astype(np.int64).tolist(), bars.open.tolist(), strict=True))
    for entry_ts in (int(row["entry_ts"]) // bar_ms * bar_ms for row in rows):
        trade = found[entry_ts]
        if opens.get(trade.exit_ts) != trade.exit_price:
            found[entry_ts] = trade._replace(exit_ts=trade.exit_ts - bar_ms)
    return found


def expected(bars: market.Bars, variant: Variant) -> Trades:
    """Return the trades of a variant of the yardstick."""
    made, _ = variants.of(bars, variant)
    trades = (Trade(int(bars.ts[int(a)]), buy, int(bars.ts[int(b)]), sell) for a, buy, b, sell, _ in made.tolist())
    return {trade.entry_ts: trade for trade in trades}


def same(one: Trade | None, other: Trade | None) -> bool:
    """Tell whether two trades are one; prices may differ by rounding."""
    if one is None or other is None:
        return one is other
    prices = (one.entry_price, one.exit_price), (other.entry_price, other.exit_price)
    return (one.entry_ts, one.exit_ts) == (other.entry_ts, other.exit_ts) and np.allclose(*prices, rtol=NEAR, atol=0.0)


def switched(rule: Variant, peer: Variant) -> Mapping[str, Variant]:
    """Return our rule with each of the peer's departures alone, then with all of them, each with its reason."""
    if not rule.guarded:
        return {}
    reasons = {
        "open_first": "an exit was due at this bar's open; the peer lets a level inside the bar come first",
        "entry_bar": "the level was touched in the entry's own bar, which the peer does not guard",
        "best": "the entry bar's high is no part of the peer's best price",
    }
    alone = {why: rule._replace(**{name: False}) for name, why in reasons.items() if not getattr(peer, name)}
    return alone | {"several of the peer's rules together": peer}


def differences(ours: Trades, theirs: Trades, because: Mapping[str, Trades]) -> list[tuple[int, str]]:
    """Return each entry at which two lists differ, and why: the first variant that makes the peer's trade of it."""
    found = []
    for ts in sorted(ours.keys() | theirs.keys()):
        if same(ours.get(ts), theirs.get(ts)):
            continue
        reasons = (why for why, made in because.items() if same(made.get(ts), theirs.get(ts)))
        found.append((ts, next(reasons, "NOT EXPLAINED")))
    return found


def peer_trades(engine: str, rule: str, table: Path, bar_ms: int) -> Trades:
    """Run a peer in its own environment and read what it traded. Raises RuntimeError where it fails."""
    of_extra = next(one for one in ENGINES if one.environment == EXTRA)
    target = table.with_suffix(f".{engine}.{rule}.csv")
    words = [str(HERE / "peers" / "list_trades.py"), engine, rule, str(table), str(target)]
    done = measure([str(of_extra.interpreter()), *words], of_extra.surroundings(), 600.0)
    if done.status:
        raise RuntimeError(f"{engine} failed: {done.complained[-500:]}")
    return read(target, bar_ms)


def told(trade: Trade | None) -> str:
    """Return a trade as a cell of the table."""
    if trade is None:
        return "none"
    return f"{trade.entry_price:.2f} -> {np.datetime64(trade.exit_ts, 'ms')} {trade.exit_price:.2f}"


def report(title: str, ours: Trades, theirs: Trades, found: Iterable[tuple[int, str]]) -> None:
    """Print how many trades agree, the reasons with their counts, and the first differences."""
    found = list(found)
    agree = len(ours.keys() | theirs.keys()) - len(found)
    print(f"\n{title}: {len(ours)} of ours, {len(theirs)} of the peer's, {agree} the same, {len(found)} differ")
    for why, count in Counter(why for _, why in found).most_common():
        print(f"  {count:6}  {why}")
    for ts, why in found[:SHOWN]:
        entry = np.datetime64(ts, "ms")
        print(f"    {entry}  ours {told(ours.get(ts))}  |  the peer's {told(theirs.get(ts))}  |  {why}")


def compare(rule: str, timeframe: str, folder: Path) -> bool:
    """Compare ours with every peer on one rule and timeframe; True where every difference is explained."""
    from pyarrow import parquet

    bar_ms = TIMEFRAMES_MS[timeframe]
    read_table = parquet.read_table(folder / "candles" / "binance" / "BTC-USDT" / f"{timeframe}.parquet")
    table = np.array([read_table[name].to_numpy().astype(np.float64) for name in market.COLUMNS])
    path = market.CACHE / f"agree-{timeframe}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, table)
    bars = market.table_bars(table)
    yardstick = expected(bars, RULES[rule])
    mine = our_trades(rule, timeframe, bars, folder)
    found = differences(mine, yardstick, {})
    report(f"{rule} {timeframe}, ours and the yardstick", mine, yardstick, found)
    explained = not found
    for engine, variant in PEERS.items():
        theirs = peer_trades(engine, rule, path, bar_ms)
        because = {why: expected(bars, one) for why, one in switched(RULES[rule], variant).items()}
        found = differences(mine, theirs, because)
        report(f"{rule} {timeframe}, ours and {engine}", mine, theirs, found)
        explained &= all(why != "NOT EXPLAINED" for _, why in found)
    return explained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder of history; default the recorded one")
    parser.add_argument("--rule", choices=RULES, action="append")
    parser.add_argument("--timeframe", choices=TIMEFRAMES_MS, action="append")
    wanted = parser.parse_args()
    folder = wanted.data or (market.recorded().parents[1] if market.recorded() else None)
    if folder is None:
        sys.exit("there is no recorded history here; name it with --data")
    if not next(one for one in ENGINES if one.environment == EXTRA).interpreter().exists():
        sys.exit("the peers are not installed: tests/bench/speed/install.py extra")
    good = True
    for rule in wanted.rule or RULES:
        for timeframe in wanted.timeframe or TIMEFRAMES_MS:
            good &= compare(rule, timeframe, folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
