"""vectorbt, with its numba kernels, or with `--rust` its Rust ones where it has them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from multiprocessing import get_context

import numpy as np
import pandas as pd
import rules
import vectorbt as vbt
from harness import Run, serve
from numba import njit
from vectorbt.portfolio import nb
from workloads import (
    FAST,
    FASTS,
    FEE,
    LOT,
    MAX_OPEN,
    RSI_BELOW,
    SLOW,
    SLOWS,
    STAKE,
    START_CASH,
    TAKE,
    TRAIL,
    WORKLOADS,
    Outcome,
)

import market

RUST = "--rust"
MONEY = {"init_cash": START_CASH, "fees": FEE, "freq": "1min"}
CORES = 2


def outcome(portfolio: vbt.Portfolio) -> Outcome:
    portfolio.stats()
    return Outcome(portfolio.trades.closed.count(), portfolio.final_value())


def series(bars: market.Bars) -> tuple[pd.Series, ...]:
    index = pd.DatetimeIndex(bars.ts * 1_000_000)
    return tuple(pd.Series(column, index) for column in (bars.open, bars.high, bars.low, bars.close))


def mean(close: pd.Series, span: int) -> np.ndarray:
    return vbt.MA.run(close, span, ewm=True).ma.to_numpy()


def crossed(bars: market.Bars) -> vbt.Portfolio:
    """Trade W1's rule on some bars."""
    open_, _, _, close = series(bars)
    enter, leave = rules.crossings(mean(close, FAST), mean(close, SLOW))
    return vbt.Portfolio.from_signals(
        close, rules.next_bar(enter), rules.next_bar(leave), price=open_, size=1.0, **MONEY
    )


def guarded(bars: market.Bars) -> vbt.Portfolio:
    """Trade W2's rule on some bars."""
    open_, high, low, close = series(bars)
    enter, leave = rules.crossings(mean(close, FAST), mean(close, SLOW))
    enter &= rules.rsi(close).to_numpy() < RSI_BELOW
    return vbt.Portfolio.from_signals(
        close,
        rules.next_bar(enter),
        rules.next_bar(leave),
        open=open_,
        high=high,
        low=low,
        price=open_,
        size=1.0,
        sl_stop=TRAIL,  # from the fill's price on, so the fixed stop of 2 % is never the nearer one
        sl_trail=True,
        tp_stop=TAKE,
        stop_entry_price="fillprice",
        **MONEY,
    )


def prepared(trade: Callable[[market.Bars], vbt.Portfolio]) -> Run:
    bars = market.bars()
    return lambda: outcome(trade(bars))


def _one_fast(fast: int) -> tuple[int, float]:
    """Trade one fast span against all slow ones; 500 columns at once would not fit the memory."""
    open_, _, _, close = series(market.bars(WORKLOADS["W3"].bars))
    slow = vbt.MA.run(close, list(SLOWS), ewm=True).ma.to_numpy()
    enter, leave = rules.crossings(mean(close, fast)[:, None], slow)
    portfolio = vbt.Portfolio.from_signals(
        close, rules.next_bar(enter), rules.next_bar(leave), price=open_, size=1.0, **MONEY
    )
    return int(portfolio.trades.closed.count().sum()), float(portfolio.final_value().sum())


def w3() -> Run:
    pool = get_context("fork").Pool(CORES)

    def run() -> Outcome:
        made = pool.map(_one_fast, FASTS, chunksize=1)
        return Outcome(sum(trades for trades, _ in made), sum(money for _, money in made) / len(FASTS) / len(SLOWS))

    return run


@njit(cache=True)
def count_open(c, places):
    """Tell the orders of this bar how many symbols were held when they were decided, at the close before."""
    places[0] = MAX_OPEN - np.sum(c.last_position > 0.0)
    return ()


@njit(cache=True)
def order(c, open_, close, enter, leave, places):
    """Enter while there is a place, leave when told to; both at the open, decided one bar before."""
    held = c.position_now
    if enter[c.i, c.col] and held == 0.0 and places[0] > 0:
        places[0] -= 1
        size = np.floor(STAKE / close[c.i - 1, c.col] / LOT) * LOT
        return nb.order_nb(size, open_[c.i, c.col], fees=FEE)
    if leave[c.i, c.col] and held > 0.0:
        return nb.order_nb(-held, open_[c.i, c.col], fees=FEE)
    return nb.order_nothing_nb()


def w4() -> Run:
    symbols = market.slices()
    index = pd.DatetimeIndex(next(iter(symbols.values())).ts * 1_000_000)
    open_, close = (
        pd.DataFrame({name: getattr(bars, column) for name, bars in symbols.items()}, index)
        for column in ("open", "close")
    )

    def run() -> Outcome:
        means = [vbt.MA.run(close, span, ewm=True).ma.to_numpy() for span in (FAST, SLOW)]
        enter, leave = (rules.next_bar(signal) for signal in rules.crossings(*means))
        places = np.zeros(1, np.int64)
        portfolio = vbt.Portfolio.from_order_func(
            close,
            order,
            open_.to_numpy(),
            close.to_numpy(),
            enter,
            leave,
            places,
            pre_segment_func_nb=count_open,
            pre_segment_args=(places,),
            group_by=True,
            cash_sharing=True,
            init_cash=START_CASH,
            freq="1min",
        )
        return outcome(portfolio)

    return run


NOTES = {
    "W2": "variants.py to the last digit: the entry bar neither guarded nor part of the best, a level before the open",
    "W3": "one fast span at a time in two processes",
    "W4": "places by an order function of the bench's own",
}

if __name__ == "__main__":
    rust = RUST in sys.argv
    sys.argv = [word for word in sys.argv if word != RUST]
    vbt.settings["engine"] = "rust" if rust else "numba"
    prepare = {"W1": lambda: prepared(crossed), "W2": lambda: prepared(guarded), "W3": w3} | (
        {} if rust else {"W4": w4}
    )
    serve("vectorbt, Rust" if rust else "vectorbt", prepare, NOTES)
