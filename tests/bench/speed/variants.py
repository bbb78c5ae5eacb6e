"""W2 under the rules of the peers, to prove where a difference in trades comes from: the yardstick with switches.

`variants.py` prints final equities over the bench's market: each peer's W2 is one of them to the last digit.

Three things are decided differently by engines that know only bars. Ours does all three.
  entry bar   levels guard the bar of the entry's fill too, as the fill was at its open
  best        the entry bar's high is part of the best price that the trailing stop is measured from
  open first  an exit that was decided at the close before fills at the open, before a level inside the bar is looked at
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from workloads import FAST, FEE, RSI, RSI_BELOW, SLOW, START_CASH, STOP, TAKE, TRAIL

import market

SIGNAL, STOPPED, TRAILED, TAKEN = "signal", "stop_loss", "trailing_stop", "take_profit"
REASONS = (SIGNAL, STOPPED, TRAILED, TAKEN)


class Variant(NamedTuple):
    """Which of the three rules hold, and whether W2's filter and exits are there at all."""

    guarded: bool = True
    entry_bar: bool = True
    best: bool = True
    open_first: bool = True


OURS = Variant()
CROSS = Variant(guarded=False)
BACKTESTING = Variant(entry_bar=False, open_first=False)
VECTORBT = Variant(entry_bar=False, best=False, open_first=False)


@njit(cache=True)
def _level(entry, best, open_, high, low):
    """Return the price at which a guarded position leaves in a bar, 0.0 if it stays, and the reason's number."""
    stop, trailing, take = entry * (1.0 - STOP), best * (1.0 - TRAIL), entry * (1.0 + TAKE)
    reason = 1
    if trailing > stop:
        stop, reason = trailing, 2
    if open_ <= stop:
        return open_, reason
    if open_ >= take:
        return open_, 3
    if low <= stop:
        return stop, reason
    if high >= take:
        return take, 3
    return 0.0, 0


@njit(cache=True)
def trades(open_, high, low, close, variant):
    """Return closed trades, one a row (entry bar, entry price, exit bar, exit price, reason), and the final equity."""
    a, b, w = 2.0 / (FAST + 1.0), 2.0 / (SLOW + 1.0), 1.0 / RSI
    f = s = close[0]
    up = down = before = entry = best = 0.0
    enter = leave = False
    count, since, cash = len(close), 0, START_CASH
    made = np.empty((count, 5))
    closed = 0
    for i in range(1, count):
        left, reason = 0.0, 0
        if enter:
            entry = best = open_[i]
            cash -= entry * (1.0 + FEE)
            since = i
        if leave and variant.open_first:
            left = open_[i]
        elif entry > 0.0 and variant.guarded and (variant.entry_bar or i > since):
            left, reason = _level(entry, best, open_[i], high[i], low[i])
        if left == 0.0 and leave:
            left = open_[i]
        enter = leave = False
        if left > 0.0:
            made[closed] = np.array((float(since), entry, float(i), left, float(reason)))
            closed += 1
            cash += left * (1.0 - FEE)
            entry = 0.0
        elif entry > 0.0 and (variant.best or i > since):
            best = max(best, high[i])
        change = close[i] - close[i - 1]
        up = w * max(change, 0.0) + (1.0 - w) * up
        down = w * max(-change, 0.0) + (1.0 - w) * down
        f = a * close[i] + (1.0 - a) * f
        s = b * close[i] + (1.0 - b) * s
        now = f - s
        if i >= max(FAST, SLOW) and i < count - 1:
            if entry == 0.0 and before <= 0.0 and now > 0.0:
                enter = not variant.guarded or (down > 0.0 and up < RSI_BELOW / 100.0 * (up + down))
            leave = entry > 0.0 and before >= 0.0 and now < 0.0
        before = now
    return made[:closed], cash + (close[count - 1] if entry > 0.0 else 0.0)


def of(bars: market.Bars, variant: Variant) -> tuple[np.ndarray, float]:
    """Return the trades and the final equity of some bars under a variant."""
    return trades(bars.open, bars.high, bars.low, bars.close, variant)


def main() -> None:
    bars = market.bars()
    for name, variant in (("ours", OURS), ("backtesting.py", BACKTESTING), ("vectorbt", VECTORBT)):
        made, equity = of(bars, variant)
        print(f"{name:<16} {len(made):8} trades {equity:16.4f}")


if __name__ == "__main__":
    main()
