"""A recorded order book and the trades recorded beside it: each trade belongs to the event that shows what it left."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from autotrader.core.errors import HistoryError
from autotrader.market.bars import Ints
from autotrader.market.book import Changes, Levels, Prints, no_prints, replay
from autotrader.market.parquet import demand, event_ms, event_ns, floats, given, ints, read, where

PRICED = ("price", "amount")
IDS = ("first_id", "final_id", "prev_id")


class Book(NamedTuple):
    """What a recorded book offers, and when each event was received (ns) and made (ms, -1 where nobody says)."""

    levels: Levels
    received: Ints
    made: Ints


def read_book(path: Path) -> Book:
    """Return what a recorded order book offers after each of its messages. Raises HistoryError where it is faulty."""
    table = read(path, PRICED, ("msg", "is_snapshot", "side"), ("ts_exch", *IDS))
    ts, msg, (price, amount) = event_ms(table), ints(table, "msg"), (floats(table, one) for one in PRICED)
    is_bid, is_ask = (where(table, "side", side) for side in ("bid", "ask"))
    demand(
        path,
        ("times must not go back", np.concatenate(([False], np.diff(ts) < 0))),
        ("prices must be above zero", ~(price > 0)),
        ("amounts must not be below zero", ~(amount >= 0)),
        ("numbers must be finite", ~np.isfinite(price + amount)),
        ("a side must be bid or ask", ~(is_bid | is_ask)),
    )
    ids = (given(table, name) for name in IDS)
    levels, rows, gap = replay(Changes(ts, msg, where(table, "is_snapshot", True), is_bid, price, amount, *ids))
    if gap >= 0:
        raise HistoryError(
            f"{path}: message {gap} does not follow the one before it, and no snapshot comes after it; "
            "remove the rows from there on"
        )
    if not len(levels.ts):
        raise HistoryError(f"{path}: no snapshot in it, or only ones with an empty side; a book begins with a snapshot")
    crossed = levels.bids[:, 0, 0] >= levels.asks[:, 0, 0]
    if crossed.any():
        ms = int(levels.ts[np.argmax(crossed)])
        raise HistoryError(
            f"{path}: a bid reaches the asks at ts {ms}, so a message before it is missing; "
            "remove the rows up to the next snapshot"
        )
    return Book(levels, event_ns(table)[rows], given(table, "ts_exch")[rows])


def read_prints(path: Path, book: Book) -> Prints:
    """Return the trades recorded beside a book, none where there is no such file. Raises HistoryError if it is faulty.

    A trade belongs to the first event of the book that is not before it, by the exchange's times where both files give
    them, else by those of receipt. One after the last event, or before the first, is left out.
    """
    if not path.is_file():
        return no_prints(len(book.received))
    table = read(path, PRICED, ("side",), ("ts_exch",))
    received, made, (price, amount) = event_ns(table), given(table, "ts_exch"), (floats(table, one) for one in PRICED)
    buys, sells = (where(table, "side", side) for side in ("buy", "sell"))
    demand(
        path,
        ("times must not go back", np.concatenate(([False], np.diff(received) < 0))),
        ("prices and amounts must be above zero", ~(np.minimum(price, amount) > 0)),
        ("numbers must be finite", ~np.isfinite(price + amount)),
        ("a side must be buy or sell", ~(buys | sells)),
    )
    timed = bool((book.made >= 0).any() and (made >= 0).all())
    at, times = (made, book.made) if timed else (received, book.received)
    # Of an event that gives no time, and of one whose time goes back, the time is that of those before it: no trade is
    # the first that it is not before.
    event = np.searchsorted(np.maximum.accumulate(times), at)
    kept = np.flatnonzero((event < len(times)) & ((event > 0) | (at == times[0])))
    kept = kept[np.argsort(event[kept], kind="stable")]
    first = np.searchsorted(event[kept], np.arange(len(times) + 1))
    return Prints(first, np.where(buys[kept], 1, -1), price[kept], amount[kept])
