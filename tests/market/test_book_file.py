"""Trades recorded beside a book: each belongs to the first event that is not before it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.errors import HistoryError
from autotrader.market.book import Levels
from autotrader.market.book_file import Book, read_prints
from autotrader.market.history import History
from conftest import data_folder

NS = 1_704_067_200_000_000_000
T0 = NS // 1_000_000


def recorded(root, events, trades, *, exch=None, trades_exch=None):
    """Write a book of (ns after the start) and trades of (ns after the start, side)."""
    rows = [(NS + at, n, n == 0, side, price, 1.0) for n, at in enumerate(events) for side, price in SIDES]
    ts, msg, whole, side, price, amount = map(list, zip(*rows, strict=True))
    book = {"ts": ts, "msg": msg, "is_snapshot": whole, "side": side, "price": price, "amount": amount}
    if exch is not None:
        book["ts_exch"] = [T0 + exch[n] if exch[n] >= 0 else -1 for n in msg]
    at, side = map(list, zip(*trades, strict=True))
    made = {"ts": [NS + one for one in at], "price": [100.0 + n for n in range(len(at))], "amount": [1.0] * len(at)}
    made["side"] = side
    if trades_exch is not None:
        made["ts_exch"] = [T0 + one for one in trades_exch]
    for feed, columns in (("book", book), ("trades", made)):
        path = root / feed / "lab" / "BTC-USDT.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
    return History(root, "lab")


SIDES = (("bid", 99.0), ("ask", 101.0))


def by_event(history, start_ms=0, limit=100):
    """Return the prices of the trades at each event, less 100."""
    prints = history.prints("BTC/USDT", "book", start_ms, limit)
    bounds = zip(prints.first[:-1].tolist(), prints.first[1:].tolist(), strict=True)
    return [[int(price - 100) for price in prints.price[first:stop]] for first, stop in bounds]


def test_a_trade_belongs_to_the_first_event_received_no_earlier_to_the_nanosecond(tmp_path):
    trades = [(5, "buy"), (10, "sell"), (11, "buy"), (20, "buy"), (20, "sell"), (31, "buy")]
    assert by_event(recorded(tmp_path, [10, 20, 30], trades)) == [[1], [2, 3, 4], []]


def test_of_events_at_one_time_the_first_has_the_trades(tmp_path):
    assert by_event(recorded(tmp_path, [0, 10, 10], [(1, "buy"), (10, "buy")])) == [[], [0, 1], []]


def test_the_exchanges_times_count_where_both_files_give_them(tmp_path):
    history = recorded(
        tmp_path, [10, 20, 30], [(25, "buy"), (26, "buy")], exch=[1, 2, 3], trades_exch=[2, 3]
    )  # fmt: skip
    assert by_event(history) == [[], [0], [1]]


def test_an_event_without_a_time_of_the_exchange_has_no_trades(tmp_path):
    history = recorded(tmp_path, [10, 20, 30], [(1, "buy"), (2, "buy")], exch=[1, -1, 3], trades_exch=[1, 2])
    assert by_event(history) == [[0], [], [1]]


def test_receipt_counts_where_one_file_gives_no_time_of_the_exchange(tmp_path):
    history = recorded(tmp_path, [10, 20, 30], [(15, "buy"), (25, "buy")], exch=[-1, -1, -1], trades_exch=[0, 0])
    assert by_event(history) == [[], [0], [1]]


def test_takers_are_told_by_their_side(tmp_path):
    history = recorded(tmp_path, [0, 10], [(1, "buy"), (2, "sell")])
    assert history.prints("BTC/USDT", "book", 0, 9).taker.tolist() == [1, -1]


def test_trades_are_cut_as_their_events_are(tmp_path):
    history = recorded(tmp_path, [0, 2_000_000, 3_000_000], [(1, "buy"), (2_000_001, "buy"), (2_000_002, "buy")])
    assert by_event(history, T0 + 2) == [[0], [1, 2]]
    assert by_event(history, T0 + 2, 1) == [[0]]
    assert by_event(history, T0 + 4) == []


def test_a_book_without_trades_beside_it_has_none(tmp_path):
    history = recorded(tmp_path, [0, 10], [(1, "buy")])
    (tmp_path / "trades" / "lab" / "BTC-USDT.parquet").unlink()
    assert by_event(history) == [[], []]


def test_quotes_have_none(tmp_path):
    path = tmp_path / "quotes" / "lab" / "BTC-USDT.parquet"
    path.parent.mkdir(parents=True)
    sides = {"bid": [99.0], "bid_size": [1.0], "ask": [101.0], "ask_size": [1.0]}
    pq.write_table(pa.table({"ts": [T0], **sides}), path)
    assert History(tmp_path, "lab").prints("BTC/USDT", "quotes", 0, 9).first.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("trades", "said"),
    [
        ([(1, "buy"), (2, "bid")], "trades/lab/BTC-USDT.parquet: a side must be buy or sell; row 1"),
        ([(2, "buy"), (1, "sell")], "times must not go back; row 1"),
    ],
)
def test_faulty_trades_are_refused_with_their_place(tmp_path, trades, said):
    with pytest.raises(HistoryError, match=said):
        by_event(recorded(tmp_path, [0, 10], trades))


times = st.lists(st.integers(0, 30), min_size=1, max_size=12)


@given(times, times, st.booleans())
def test_trades_are_those_of_the_plain_definition(tmp_path_factory, events, trades, timed):
    path = tmp_path_factory.mktemp("trades") / "a.parquet"
    trades = sorted(trades) if not timed else trades
    events = sorted(events) if not timed else [one if one % 5 else -1 for one in events]
    count = len(trades)
    columns = {"ts": list(range(NS, NS + count)) if timed else [NS + one for one in trades]}
    columns |= {"price": [float(n + 1) for n in range(count)], "amount": [1.0] * count, "side": ["buy"] * count}
    if timed:
        columns["ts_exch"] = trades
    pq.write_table(pa.table(columns), path)
    empty = np.zeros((len(events), 0, 2))
    made = np.array(events if timed else [-1] * len(events))
    received = np.array(range(len(events)) if timed else [NS + one for one in events])
    given_times = not timed or (made >= 0).any()
    prints = read_prints(path, Book(Levels(received, empty, empty), received, made))
    if not given_times:
        return
    expected = [[] for _ in events]
    for number, at in enumerate(trades):
        place = next((n for n, event in enumerate(events) if event >= at), None)
        if place is not None and (place > 0 or events[0] == at):
            expected[place].append(float(number + 1))
    bounds = zip(prints.first[:-1], prints.first[1:], strict=True)
    assert [prints.price[first:stop].tolist() for first, stop in bounds] == expected


@pytest.mark.parametrize("exchange", ["binance", "binance-perp"])
def test_trades_recorded_beside_a_book_are_made_near_its_best_levels(exchange):
    if not (data_folder() / "book" / exchange).is_dir():
        pytest.skip("no recorded book here")
    history = History(data_folder(), exchange)
    levels, prints = (ask("BTC/USDT", "book", 0, 10**9) for ask in (history.levels, history.prints))
    assert len(prints.taker) > 19_000
    event = np.repeat(np.arange(len(levels.ts)), np.diff(prints.first))
    after = event > 0
    best = np.where(prints.taker > 0, levels.asks[event - 1, 0, 0], levels.bids[event - 1, 0, 0])
    assert (np.abs(prints.price / best - 1)[after] < 0.001).mean() > 0.97
