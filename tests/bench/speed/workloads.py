"""The five workloads of the speed bench: their rules, their figures and their bounds, for every engine alike.

All of them: decisions at a bar's close (W5: at a trade), market orders at the next bar's open (W5: the next trade), fee
0.1 % a side, no slippage, long only, START_CASH at the beginning. What is open at the end is marked at the last price
and not counted. `trades` counts closed round trips (W5: fills of the grid's limit orders).

W1  Long while EMA(12) is above EMA(26): enter when it crosses above (before <=, now >), leave when it crosses below
    (before >=, now <). One unit a time. An EMA starts at the first close (`adjust=False`) and is defined from its
    n-th bar on; a cross needs both defined now and one bar before.
W2  W1, entering only while RSI(14) < 70 (Wilder, as the package `ta`: alpha 1/14, `adjust=False`, defined from the
    14th bar on). From the entry's fill on, its bar included, guarded by a stop-loss of 2 % and a take-profit of 4 %
    from the fill's price and a trailing stop of 1.5 % from the best price before the bar. A bar that opens beyond a
    level fills at its open; inside a bar the stops come before the take-profit.
W3  W1 for each of 25 fast spans with each of 20 slow ones over the first 200,000 bars, on two cores. `trades` is the
    sum over the pairs and `final_equity` their mean.
W4  W1 for 20 symbols on one clock and one account. An entry buys STAKE of quote money at the deciding close, rounded
    down to LOT. At most MAX_OPEN symbols are held or on their way; where more would enter at one close, the order of
    their names decides. A position whose exit is decided keeps its place until that exit has filled at the next open.
W5  A geometric grid on trades. Levels are numbered -20 to 20; level k lies at P * (1 + GRID_STEP) ** k, rounded to
    the nearest tick (half up), where P is the first trade's price. At the first trade a market order buys 20 units;
    it fills at the second trade's price. At that fill rest a buy order of one unit at every level below 0 and a sell
    order of one unit at every level above 0, 40 in all. From the third trade on an order fills as a whole at its
    limit when a trade's price lies *through* it (a buy: below its limit; a sell: above); the nearest level first,
    where one trade passes several. Each fill places one order of the other side one level away: a buy filled at k a
    sell at k + 1, a sell filled at k a buy at k - 1; an order placed at a trade can fill from the next trade on. So
    exactly one level is empty at any time, buys rest below it and sells above. The grid is never moved. Every fill
    pays 0.1 %; equity is cash plus the units held at the last trade's price.
"""

from __future__ import annotations

from typing import NamedTuple

START_CASH = 1_000_000.0
FEE = 0.001
FAST, SLOW = 12, 26

RSI, RSI_BELOW = 14, 70.0
STOP, TAKE, TRAIL = 0.02, 0.04, 0.015

FASTS, SLOWS = range(5, 30), range(31, 51)

SYMBOLS = tuple(f"S{number:02}" for number in range(20))
STAKE, LOT, MAX_OPEN = 1_000.0, 1e-8, 5

GRID_LEVELS, GRID_STEP, TICK = 20, 0.005, 0.01


class Workload(NamedTuple):
    """What a workload is called, how much it reads, and how many times the fused loop an engine of ours may take."""

    name: str
    rule: str
    bars: int
    must: float
    aim: float


WORKLOADS = {
    one.name: one
    for one in (
        Workload("W1", "EMA 12/26 cross", 1_000_000, 5, 2),
        Workload("W2", "W1 with RSI, stop, take, trail", 1_000_000, 4, 2),
        Workload("W3", "W1 for 500 pairs, 2 cores", 200_000, 4, 1),
        Workload("W4", "20 symbols, at most 5 open", 100_000, 5, 2),
        Workload("W5", "geometric grid, 20 + 20 orders", 1_000_000, 10, 4),
    )
}


AVERAGES, AVERAGES_MUST = "W1-averages", 1.5
"""W1 with a simple and an adaptive mean, and how many times as long as W1 an engine of ours may take for it."""


class Outcome(NamedTuple):
    """What a run ends with: closed round trips (W5: fills) and cash plus what is open at the last price."""

    trades: int
    final_equity: float
