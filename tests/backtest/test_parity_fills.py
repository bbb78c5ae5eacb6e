"""Who wakes on what a bar's close fills has not seen that bar: nor its price, nor that the data came at all.

The daemon hears of the fills of a moment before its bars (see `docs/strategies.md`), and its gate knows no more then.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from autotrader.app import replay_run
from autotrader.backtest.run import fills_of
from support.drawn import BASE_MS, BEGIN_MS, save
from support.drawn_feeds import FeedWorld
from support.folders import write
from support.lived import lived, outcome, told, written

DAEMON = "dashboard: {port: 0}\ndata: data\n"
EXCHANGE = (
    "kind: simulated\nmarket: spot\nbalances: {USDT: 10000}\nfees: {maker: 0.1%, taker: 0.1%}\nslippage: 2bps\n"
    "latency: 0s\nreplay: {data: data, exchange: drawn, speed: max}\n"
)
COMMON = "exchange: drawn\nsymbols: [BTC/USDT]\ncapital: 100%\non_remove: hold\n"
GRID = f"kind: grid\n{COMMON}size: {{kind: percent, percent: 95%}}\n"


FALLS_MS = BEGIN_MS + 9 * BASE_MS


def climbing(root: Path, risk: str) -> Path:
    """Write a market that stands, is silent for ten minutes, climbs within a bar and comes back, under a grid."""
    rows = [(row, 100.0, 100.0, 100.0, 100.0) for row in range(5)]
    rows += [(7, 100.0, 104.0, 100.0, 104.0), (8, 104.0, 104.0, 98.5, 99.0)]
    rows += [(row, 99.0, 99.0, 99.0, 99.0) for row in range(9, 14)]
    made = np.array([(BEGIN_MS + row * BASE_MS, *prices, 1.0) for row, *prices in rows])
    save(root / "data", "BTC/USDT", made)
    files = {
        "autotrader.yaml": DAEMON,
        "exchanges.d/drawn.yaml": EXCHANGE,
        "strategies.d/a.yaml": f"{GRID}timeframe: 5m\n"
        "params: {levels: 6, spacing: arithmetic, lower: 97, upper: 103}\n",
        "risk.d/default.yaml": risk,
    }
    return write(root, files)


@pytest.mark.parametrize(
    ("risk", "answered"),
    [
        pytest.param("stale_data: 30s\n", 0, id="late-data-refuses-the-answers"),
        pytest.param("price_collar: 2%\n", 3, id="answers-lie-near-the-price-before"),
    ],
)
async def test_what_a_close_fills_is_answered_before_the_bar_is_seen(tmp_path, risk, answered) -> None:
    root = climbing(tmp_path, risk)
    daemon = told(await lived(root))
    assert sum(1 for _, _, ts, side, price, *_ in daemon if ts == FALLS_MS and side > 0 and price > 99) == answered
    assert told(fills_of(outcome(root))) == daemon
    assert replay_run(root).differences == ()


TRADES = FeedWorld(
    {
        "autotrader.yaml": DAEMON,
        "exchanges.d/drawn.yaml": EXCHANGE,
        "strategies.d/a.yaml": f"{GRID}timeframe: 5m\n"
        "params: {levels: 11, spacing: geometric, lower: 97, upper: 102, stop_outside: true}\n",
        "strategies.d/b.yaml": f"kind: rules\n{COMMON}feed: trades\nsize: {{kind: percent, percent: 37%}}\n"
        "enter_long: close > prev(close, 1)\nexits: {stop_loss: 0.5%}\n",
        "risk.d/default.yaml": "stale_data: 30s\n",
    },
    (("BTC/USDT", "trades", 81, 20, 100.0, 2),),
    ("BTC/USDT",),
)
BOOK = FeedWorld(
    {
        "autotrader.yaml": DAEMON,
        "exchanges.d/drawn.yaml": EXCHANGE,
        "strategies.d/a.yaml": f"{GRID}feed: book\nparams: {{levels: 2, step: 0.05%, stop_outside: true}}\n",
        "strategies.d/b.yaml": f"{GRID}timeframe: 5m\nparams: {{levels: 3, step: 0.4%}}\n",
        "risk.d/default.yaml": "price_collar: 2%\n",
    },
    (("BTC/USDT", "trades", 409_768, 20, 100.0, 2), ("BTC/USDT", "book", 0, 157, 100.0, 2)),
    ("BTC/USDT",),
    ("BTC/USDT",),
)


@pytest.mark.parametrize("world", [pytest.param(TRADES, id="trades"), pytest.param(BOOK, id="book")])
def test_one_symbol_on_bars_and_on_a_feed_fills_as_the_daemon_does(world: FeedWorld) -> None:
    with written(world) as root:
        daemon = told(asyncio.run(lived(root)))
        assert told(fills_of(outcome(root))) == daemon
        assert replay_run(root).differences == ()
