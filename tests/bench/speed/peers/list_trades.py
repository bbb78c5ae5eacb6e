"""Write the closed trades of a peer on given bars: `list_trades.py ENGINE RULE BARS.npy TRADES.csv`.

RULE is `cross` (W1) or `stops` (W2). One trade a line: entry_ts, entry_price, exit_ts, exit_price; ms UTC.
"""

from __future__ import annotations

import csv
import sys

import numpy as np

import market


def backtesting(bars: market.Bars, rule: str) -> np.ndarray:
    import with_backtesting as peer

    strategy = peer.Cross if rule == "cross" else peer.GuardedCross
    made = peer.backtest(peer.frame(bars), strategy)["_trades"]
    return made[["EntryBar", "EntryPrice", "ExitBar", "ExitPrice"]].to_numpy()


def vectorbt(bars: market.Bars, rule: str) -> np.ndarray:
    import with_vectorbt as peer

    portfolio = peer.crossed(bars) if rule == "cross" else peer.guarded(bars)
    made = portfolio.trades.closed.records
    return made[["entry_idx", "entry_price", "exit_idx", "exit_price"]].to_numpy()


PEERS = {"backtesting": backtesting, "vectorbt": vectorbt}


def main() -> None:
    engine, rule, source, target = sys.argv[1:]
    bars = market.table_bars(np.load(source))
    with open(target, "w", newline="", encoding="utf-8") as file:  # noqa: PTH123 - a path from the command line
        lines = csv.writer(file)
        lines.writerow(("entry_ts", "entry_price", "exit_ts", "exit_price"))
        for entered, bought, left, sold in PEERS[engine](bars, rule):
            lines.writerow((bars.ts[int(entered)], repr(float(bought)), bars.ts[int(left)], repr(float(sold))))


if __name__ == "__main__":
    main()
