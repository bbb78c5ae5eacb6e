"""hftbacktest: the grid of W5 as resting orders that are matched by trades alone, without a book or latency."""

from __future__ import annotations

import numpy as np
from harness import Run, serve
from hftbacktest import (
    BUY_EVENT,
    EXCH_EVENT,
    FILLED,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    SELL,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.types import event_dtype
from numba import njit
from workloads import FEE, GRID_LEVELS, GRID_STEP, START_CASH, TICK, Outcome

import market

MS_NS = 1_000_000
DAY_NS = 86_400_000 * MS_NS
END, ANSWER = 1, 3


@njit
def place(hbt, level, empty, prices):
    if level < empty:
        hbt.submit_buy_order(0, level, prices[level], 1.0, GTC, LIMIT, False)
    else:
        hbt.submit_sell_order(0, level, prices[level], 1.0, GTC, LIMIT, False)


@njit
def trade(hbt, prices):
    """Keep a grid until the data ends; an order's id is its level, lowest first. Return the number of fills."""
    hbt.wait_next_feed(False, DAY_NS)
    hbt.wait_next_feed(False, DAY_NS)
    empty, fills = len(prices) // 2, 0
    for level in range(len(prices)):
        if level != empty:
            place(hbt, level, empty, prices)
    while True:
        came = hbt.wait_next_feed(True, DAY_NS)
        if came == END:
            return fills
        if came != ANSWER:
            continue
        filled, moved = 0, 0
        orders = hbt.orders(0).values()
        while orders.has_next():
            order = orders.get()
            if order.status == FILLED:
                filled += 1
                moved += 1 if order.side == SELL else -1
        if filled == 0:
            continue
        hbt.clear_inactive_orders(0)
        fills += filled
        before, empty = empty, empty + moved
        for level in range(min(before, empty), max(before, empty) + 1):
            if level != empty:
                place(hbt, level, empty, prices)


def w5() -> Run:
    trades = market.trades()
    events = np.zeros(len(trades.ts), event_dtype)
    taker = np.where(trades.side > 0, np.uint64(BUY_EVENT), np.uint64(SELL_EVENT))
    events["ev"] = np.uint64(TRADE_EVENT | EXCH_EVENT | LOCAL_EVENT) | taker
    events["exch_ts"] = events["local_ts"] = trades.ts * MS_NS
    events["px"] = (
        trades.price
    )  # of no amount, so that a touch does not use the queue up and only a trade through fills
    first, second, last = trades.price[0], trades.price[1], trades.price[-1]
    numbers = np.arange(-GRID_LEVELS, GRID_LEVELS + 1)
    prices = np.floor(first / TICK * (1.0 + GRID_STEP) ** numbers + 0.5) * TICK

    def run() -> Outcome:
        asset = (
            BacktestAsset()
            .data([events])
            .linear_asset(1.0)
            .constant_order_latency(0, 0)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(FEE, FEE)
            .tick_size(TICK)
            .lot_size(1.0)
        )
        hbt = HashMapMarketDepthBacktest([asset])
        fills = trade(hbt, prices)
        state = hbt.state_values(0)
        money = START_CASH - GRID_LEVELS * second * (1.0 + FEE) + state.balance - state.fee
        equity = money + (GRID_LEVELS + state.position) * last
        hbt.close()
        return Outcome(fills, equity)

    return run


NOTES = {"W5": "the 20 units bought at the start are added to its account: without a book it fills no market order"}

if __name__ == "__main__":
    serve("hftbacktest", {"W5": w5}, NOTES)
