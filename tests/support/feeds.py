"""Recorded events for tests: written as they are kept on disk, and an exchange that replays them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from support.folders import write

START_MS = 1_704_067_200_000
FIELDS = {"trades": ("price", "amount"), "quotes": ("bid", "bid_size", "ask", "ask_size")}

Rows = Sequence[Sequence[Any]]


Books = Sequence[tuple[int, Mapping[float, float], Mapping[float, float]]]
"""What stood at some times: (ms, bids, asks), each side from price to amount."""


def changes(books: Books) -> dict[str, Any]:
    """Return the columns of a recording of books: a snapshot, then what each message changes."""
    rows: list[tuple[int, int, bool, str, float, float]] = []
    before: dict[str, Mapping[float, float]] = {"bid": {}, "ask": {}}
    for msg, (ms, bids, asks) in enumerate(books):
        for side, now in (("bid", bids), ("ask", asks)):
            gone = dict.fromkeys(before[side].keys() - now.keys(), 0.0)
            moved = {price: amount for price, amount in now.items() if before[side].get(price) != amount}
            # a level that stays is told again where nothing changed, for a message has rows
            told = {**gone, **moved} or dict([next(iter(now.items()))])
            rows += [(ms, msg, msg == 0, side, price, amount) for price, amount in told.items()]
            before[side] = now
    names = ("ts", "msg", "is_snapshot", "side", "price", "amount")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def record(data: Path, feed: str, rows: Rows | Books, symbol: str = "BTC/USDT") -> None:
    """Write events of one symbol of `made`: (ms, price, amount), or (ms, bid, bid size, ask, ask size), or books.

    A trade may say who took as its fourth, "buy" or "sell"; the others are taken in turn.
    """
    path = data / feed / "made" / f"{symbol.replace('/', '-')}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    if feed == "book":
        pq.write_table(pa.table(changes(rows)), path)  # type: ignore[arg-type]
        return
    columns = {"ts": pa.array([int(row[0]) for row in rows], pa.int64())}
    for place, name in enumerate(FIELDS[feed], 1):
        columns[name] = pa.array([float(row[place]) for row in rows], pa.float64())
    if feed == "trades":
        columns["side"] = pa.array([row[3] if len(row) > 3 else ("sell", "buy")[n % 2] for n, row in enumerate(rows)])
    pq.write_table(pa.table(columns), path)


def record_bars(data: Path, rows: Rows, symbol: str = "BTC/USDT", timeframe: str = "1m") -> None:
    """Write candles of one symbol of `made`: (ms, open, high, low, close)."""
    path = data / "candles" / "made" / symbol.replace("/", "-") / f"{timeframe}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"ts": pa.array([int(row[0]) for row in rows], pa.int64())}
    for place, name in enumerate(("open", "high", "low", "close"), 1):
        columns[name] = pa.array([float(row[place]) for row in rows], pa.float64())
    columns["volume"] = pa.array([1.0] * len(rows), pa.float64())
    pq.write_table(pa.table(columns), path)


def wandering(seed: int, count: int, price: float = 100.0) -> Iterator[tuple[int, float]]:
    """Yield times and prices of a market in cents that wanders, several often in one millisecond."""
    rng = random.Random(seed)
    cents, ms = round(price * 100), START_MS
    for _ in range(count):
        yield ms, cents / 100
        ms += rng.choice((0, 0, 1, 7, 400, 3_000))
        cents = max(cents + rng.choice((-9, -4, -1, 0, 0, 1, 4, 9)), 100)


def trades(seed: int, count: int, price: float = 100.0) -> list[tuple[int, float, float]]:
    """Return made-up trades."""
    return [(ms, one, 0.5) for ms, one in wandering(seed, count, price)]


def quotes(seed: int, count: int, price: float = 100.0) -> list[tuple[int, float, float, float, float]]:
    """Return made-up quotes, one to four cents wide."""
    rng = random.Random(seed + 1)
    return [(ms, one, 1.0, round(one + rng.randint(1, 4) / 100, 2), 1.0) for ms, one in wandering(seed, count, price)]


def books(seed: int, count: int, price: float = 100.0) -> list[tuple[int, dict[float, float], dict[float, float]]]:
    """Return made-up books of one to five levels a side, one to four cents wide."""
    rng = random.Random(seed + 2)
    made = []
    for ms, one in wandering(seed, count, price):
        ask = one + rng.randint(1, 4) / 100
        bids, asks = (
            {round(best + sign * level / 100, 2): rng.randint(1, 9) / 4 for level in range(rng.randint(1, 5))}
            for best, sign in ((one, -1), (ask, 1))
        )
        made.append((ms, bids, asks))
    return made


def bars(seed: int, count: int, price: float = 100.0) -> list[tuple[int, float, float, float, float]]:
    """Return made-up one-minute bars."""
    prices = [one for _, one in wandering(seed, 4 * count, price)]
    each = (prices[4 * n : 4 * n + 4] for n in range(count))
    return [(START_MS + 60_000 * n, one[0], max(one), min(one), one[3]) for n, one in enumerate(each)]


def replayed(
    root: Path,
    strategies: Mapping[str, str],
    feeds: Mapping[str, Mapping[str, Any]],
    *,
    speed: str = "max",
    market: str = "spot",
    more: str = "",
    **files: Any,
) -> Path:
    """Write a folder whose paper exchange replays events: {symbol: {feed: rows}}."""
    for symbol, recorded in feeds.items():
        for feed, rows in recorded.items():
            if feed == "bars":
                record_bars(root / "data", rows, symbol)
            else:
                record(root / "data", feed, rows, symbol)
    paper = (
        f"kind: simulated\nmarket: {market}\nbalances: {{USDT: 10000}}\nfees: {{maker: 0.02%, taker: 0.05%}}\n"
        f"slippage: 1bps\nreplay: {{data: data, exchange: made, speed: {speed}}}\n{more}"
    )
    written = {"autotrader.yaml": "dashboard: {port: 0}\n", "exchanges.d/paper.yaml": paper}
    written |= {f"strategies.d/{name}.yaml": text for name, text in strategies.items()}
    return write(root, written | files)
