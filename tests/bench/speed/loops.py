"""The yardsticks: each workload as one loop written by hand, with nothing in it that its rule does not need.

Money is float, no order or trade is kept, and fills are booked where they are decided, at the next bar's open. numba
compiles without fastmath, so that the averages are those of the engines that they are compared with.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from workloads import FEE, LOT, MAX_OPEN, RSI, RSI_BELOW, STAKE, STOP, TAKE, TRAIL

BLOCK = 1_024


@njit(cache=True)
def cross(open_, close, fast, slow, cash):
    """Return trades and final equity of W1; an EMA is its mean plus alpha times what the close differs from it."""
    a, b = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    f = s = close[0]
    count, warm, trades, held = len(close), max(fast, slow), 0, False
    before = 0.0
    for i in range(1, count - 1):
        f = a * close[i] + (1.0 - a) * f
        s = b * close[i] + (1.0 - b) * s
        now = f - s
        if i >= warm:
            if not held and before <= 0.0 and now > 0.0:
                cash -= open_[i + 1] * (1.0 + FEE)
                held = True
            elif held and before >= 0.0 and now < 0.0:
                cash += open_[i + 1] * (1.0 - FEE)
                held = False
                trades += 1
        before = now
    return trades, cash + (close[count - 1] if held else 0.0)


@njit(cache=True)
def guarded_cross(open_, high, low, close, fast, slow, cash):
    """Return trades and final equity of W2."""
    a, b, w = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0), 1.0 / RSI
    f = s = close[0]
    up = down = before = entry = best = 0.0
    count, warm, trades = len(close), max(fast, slow, RSI), 0
    for i in range(1, count):
        if entry > 0.0:
            stop = max(entry * (1.0 - STOP), best * (1.0 - TRAIL))
            take = entry * (1.0 + TAKE)
            left = 0.0
            if open_[i] <= stop or open_[i] >= take:
                left = open_[i]
            elif low[i] <= stop:
                left = stop
            elif high[i] >= take:
                left = take
            if left > 0.0:
                cash += left * (1.0 - FEE)
                entry = 0.0
                trades += 1
            else:
                best = max(best, high[i])
        change = close[i] - close[i - 1]
        up = w * max(change, 0.0) + (1.0 - w) * up
        down = w * max(-change, 0.0) + (1.0 - w) * down
        f = a * close[i] + (1.0 - a) * f
        s = b * close[i] + (1.0 - b) * s
        now = f - s
        if i >= warm and i < count - 1:
            if entry == 0.0 and before <= 0.0 and now > 0.0:
                if down > 0.0 and up < RSI_BELOW / 100.0 * (up + down):
                    entry = best = open_[i + 1]
                    cash -= entry * (1.0 + FEE)
            elif entry > 0.0 and before >= 0.0 and now < 0.0:
                cash += open_[i + 1] * (1.0 - FEE)
                entry = 0.0
                trades += 1
        before = now
    return trades, cash + (close[count - 1] if entry > 0.0 else 0.0)


@njit(cache=True, parallel=True)
def pairs(open_, close, fasts, slows, cash):
    """Return trades and final equity of each pair of W3, every pair on its own; shape (pairs, 2)."""
    result = np.empty((len(fasts) * len(slows), 2))
    for pair in prange(len(result)):
        trades, equity = cross(open_, close, fasts[pair // len(slows)], slows[pair % len(slows)], cash)
        result[pair, 0] = trades
        result[pair, 1] = equity
    return result


@njit(cache=True)
def means(close, spans, state, block):
    """Fill a block of (spans, bars) with EMAs; `state` carries them from block to block.

    Bars are the outer loop: the spans do not wait for each other, one EMA's bars do.
    """
    alpha = 2.0 / (spans + 1.0)
    for t in range(len(close)):
        for j in range(len(spans)):
            state[j] = alpha[j] * close[t] + (1.0 - alpha[j]) * state[j]
        for j in range(len(spans)):
            block[j, t] = state[j]


@njit(cache=True)
def signs(fast, slow, sign, count):
    """Tell of each bar whether the fast mean lies above (1), below (-1) or on (0) the slow one; compiles to SIMD."""
    for t in range(count):
        sign[t] = np.int8(fast[t] > slow[t]) - np.int8(fast[t] < slow[t])


@njit(cache=True)
def _pairs_of_some(open_, close, fasts, slows, cash, result):
    """Do what `pairs` does for some fast spans, block by block, so that a block of averages stays in the cache."""
    rows, count = len(fasts) * len(slows), len(close)
    quick, lazy = np.full(len(fasts), close[0]), np.full(len(slows), close[0])
    f_block, s_block = np.empty((len(fasts), BLOCK)), np.empty((len(slows), BLOCK))
    sign = np.zeros(BLOCK, np.int8)
    words = sign.view(np.int64)
    last, held = np.zeros(rows, np.int8), np.zeros(rows, np.bool_)
    trades, money = np.zeros(rows, np.int64), np.full(rows, cash)
    for begin in range(0, count - 1, BLOCK):
        size = min(BLOCK, count - 1 - begin)
        part = close[begin : begin + size]
        means(part, fasts, quick, f_block)
        means(part, slows, lazy, s_block)
        for pair in range(rows):
            f, s = pair // len(slows), pair % len(slows)
            warm = max(fasts[f], slows[s])
            signs(f_block[f], s_block[s], sign, size)
            before = last[pair]
            spread = np.int64(before & 0xFF) * np.int64(0x0101010101010101)
            for word in range((size + 7) // 8):
                if words[word] == spread:
                    continue
                for t in range(word * 8, min(word * 8 + 8, size)):
                    now = sign[t]
                    if now == before:
                        continue
                    before = now
                    at = begin + t
                    if at < warm:
                        continue
                    if now > 0 and not held[pair]:
                        money[pair] -= open_[at + 1] * (1.0 + FEE)
                        held[pair] = True
                    elif now < 0 and held[pair]:
                        money[pair] += open_[at + 1] * (1.0 - FEE)
                        held[pair] = False
                        trades[pair] += 1
                spread = np.int64(before & 0xFF) * np.int64(0x0101010101010101)
            last[pair] = before
    for pair in range(rows):
        result[pair, 0] = trades[pair]
        result[pair, 1] = money[pair] + (close[count - 1] if held[pair] else 0.0)


@njit(cache=True, parallel=True)
def shared_pairs(open_, close, fasts, slows, cash, workers):
    """Do what `pairs` does with every EMA computed once a worker, and crossings found eight bars at a time."""
    result = np.empty((len(fasts) * len(slows), 2))
    for worker in prange(workers):
        begin, end = len(fasts) * worker // workers, len(fasts) * (worker + 1) // workers
        rows = result[begin * len(slows) : end * len(slows)]
        _pairs_of_some(open_, close, fasts[begin:end], slows, cash, rows)
    return result


@njit(cache=True)
def portfolio(open_, close, fast, slow, cash):
    """Return trades and final equity of W4; the arrays have shape (bars, symbols), symbols in order of their names."""
    a, b = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    count, symbols = close.shape
    f, s, now, before = close[0].copy(), close[0].copy(), np.zeros(symbols), np.zeros(symbols)
    lots = np.zeros(symbols)
    warm, trades, places = max(fast, slow), 0, MAX_OPEN
    for i in range(1, count - 1):
        crossed = False
        for k in range(symbols):
            f[k] = a * close[i, k] + (1.0 - a) * f[k]
            s[k] = b * close[i, k] + (1.0 - b) * s[k]
            now[k] = f[k] - s[k]
            crossed |= (now[k] > 0.0) & (before[k] <= 0.0) | (now[k] < 0.0) & (before[k] >= 0.0)
        if crossed and i >= warm:
            freed = 0
            for k in range(symbols):
                if lots[k] == 0.0 and places > 0 and before[k] <= 0.0 and now[k] > 0.0:
                    lots[k] = np.floor(STAKE / close[i, k] / LOT) * LOT
                    cash -= lots[k] * open_[i + 1, k] * (1.0 + FEE)
                    places -= 1
                elif lots[k] > 0.0 and before[k] >= 0.0 and now[k] < 0.0:
                    cash += lots[k] * open_[i + 1, k] * (1.0 - FEE)
                    lots[k] = 0.0
                    trades += 1
                    freed += 1
            places += freed
        now, before = before, now
    for k in range(symbols):
        cash += lots[k] * close[count - 1, k]
    return trades, cash


@njit(cache=True)
def grid(price, levels, cash):
    """Return fills and final equity of W5; `levels` holds the prices of -20 to 20, and one level is always empty."""
    last = len(levels) - 1
    empty = last // 2
    units = float(last - empty)
    cash -= units * price[1] * (1.0 + FEE)
    fills = 0
    for i in range(2, len(price)):
        while empty > 0 and price[i] < levels[empty - 1]:
            empty -= 1
            cash -= levels[empty] * (1.0 + FEE)
            units += 1.0
            fills += 1
        while empty < last and price[i] > levels[empty + 1]:
            empty += 1
            cash += levels[empty] * (1.0 - FEE)
            units -= 1.0
            fills += 1
    return fills, cash + units * price[-1]
