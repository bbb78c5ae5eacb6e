"""Order books replayed from what changed in them."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.core.errors import HistoryError
from autotrader.market import book
from autotrader.market.book import NO_LEVEL, Changes
from autotrader.market.history import History
from conftest import data_folder
from support.feeds import START_MS, changes

SNAPSHOT = (True, [("bid", 99.0, 1.0), ("bid", 98.0, 2.0), ("ask", 101.0, 3.0)])


def told(*messages, ids=None):
    """Return messages as a recording: (is it a snapshot, [(side, price, amount), ...])."""
    rows = [(n, whole, *row) for n, (whole, changed) in enumerate(messages) for row in changed]
    msg, whole, side, price, amount = map(np.array, zip(*rows, strict=True))
    numbers = [(-1, -1, -1)] * len(messages) if ids is None else ids
    first, final, prev = np.array([one if isinstance(one, tuple) else (-1, one, -1) for one in numbers])[msg].T
    return Changes(START_MS + msg, msg, whole, side == "bid", price, amount, first, final, prev)


def replay(changes, depth=20):
    return book.replay(changes, depth).levels


def bids(levels, depth=2):
    return levels.bids[:, :depth].tolist()


def test_a_snapshot_is_shown_with_the_best_levels_first():
    shown = replay(told(SNAPSHOT), depth=3)
    assert shown.bids[0, :2].tolist() == [[99.0, 1.0], [98.0, 2.0]]
    assert shown.asks[0, 0].tolist() == [101.0, 3.0]
    assert math.isnan(shown.asks[0, 1, 0])
    assert shown.asks[0, 1, 1] == NO_LEVEL[1] == 0


def test_a_message_changes_adds_and_removes_levels():
    change = (False, [("bid", 99.0, 0.0), ("bid", 98.5, 4.0), ("bid", 98.0, 5.0)])
    assert bids(replay(told(SNAPSHOT, change)))[1] == [[98.5, 4.0], [98.0, 5.0]]


def test_removing_a_level_that_is_not_there_changes_nothing():
    one, other = replay(told(SNAPSHOT, (False, [("bid", 50.0, 0.0)]))).bids[:, :2]
    assert one.tolist() == other.tolist()


def test_what_came_before_the_snapshot_counts_only_beyond_it():
    older, newer = (False, [("bid", 99.0, 7.0)]), (False, [("bid", 98.0, 8.0)])
    shown = replay(told(older, newer, SNAPSHOT, ids=[4, 6, 5]))
    assert bids(shown) == [[[99.0, 1.0], [98.0, 8.0]]]
    assert shown.ts.tolist() == [START_MS + 2]


def test_what_a_snapshot_holds_already_is_passed_over():
    held, next_one = (False, [("bid", 99.0, 7.0)]), (False, [("bid", 98.0, 8.0)])
    shown = replay(told(SNAPSHOT, held, next_one, ids=[5, 5, 6]))
    assert bids(shown) == [[[99.0, 1.0], [98.0, 2.0]], [[99.0, 1.0], [98.0, 8.0]]]


def test_another_snapshot_replaces_the_book():
    other = (True, [("bid", 90.0, 1.0), ("bid", 89.0, 1.0), ("ask", 91.0, 1.0)])
    assert bids(replay(told(SNAPSHOT, other)))[1] == [[90.0, 1.0], [89.0, 1.0]]


ONE, TWO, THREE = ((False, [("bid", 98.0, size)]) for size in (5.0, 6.0, 7.0))


@pytest.mark.parametrize(
    "ids",
    [
        [(-1, 10, -1), (11, 12, -1), (13, 13, -1), (14, 20, -1)],
        [(-1, 10, -1), (9, 12, 8), (15, 16, 12), (17, 20, 16)],
        [(-1, 10, -1), (5, 12, -1), (13, 13, -1), (-1, 15, -1)],
        [(-1, -1, -1), (50, 51, -1), (52, 60, -1), (61, 61, -1)],
    ],
    ids=["spot", "futures", "untold", "after a snapshot without a number"],
)
def test_messages_that_follow_one_another_are_shown(ids):
    told_all = book.replay(told(SNAPSHOT, ONE, TWO, THREE, ids=ids))
    assert told_all.gap == -1
    assert len(told_all.rows) == 4


@pytest.mark.parametrize(
    ("ids", "gap"),
    [
        ([(-1, 10, -1), (12, 13, -1), (14, 15, -1), (16, 16, -1)], 1),
        ([(-1, 10, -1), (11, 13, -1), (15, 15, -1), (16, 16, -1)], 2),
        ([(-1, 10, -1), (9, 13, 8), (15, 16, 13), (17, 20, 14)], 3),
    ],
    ids=["after the snapshot", "spot", "futures"],
)
def test_a_message_that_leaves_one_out_is_a_gap(ids, gap):
    shown = book.replay(told(SNAPSHOT, ONE, TWO, THREE, ids=ids))
    assert shown.gap == gap
    assert len(shown.rows) == gap


def test_a_snapshot_mends_a_gap_and_nothing_is_shown_in_between():
    other = (True, [("bid", 90.0, 1.0), ("ask", 91.0, 1.0)])
    ids = [(-1, 10, -1), (12, 13, -1), (14, 15, -1), (-1, 14, -1), (16, 16, -1)]
    shown = book.replay(told(SNAPSHOT, ONE, TWO, other, THREE, ids=ids))
    assert shown.gap == -1
    assert shown.levels.ts.tolist() == [START_MS, START_MS + 3, START_MS + 4]
    assert bids(shown.levels)[1] == [[98.0, 6.0], [90.0, 1.0]]  # what goes beyond the snapshot is applied on it


def test_a_book_with_an_empty_side_is_no_event():
    gone, back = (False, [("ask", 101.0, 0.0)]), (False, [("ask", 102.0, 1.0)])
    assert replay(told(SNAPSHOT, gone, back)).asks[:, 0].tolist() == [[101.0, 3.0], [102.0, 1.0]]


sides = st.dictionaries(st.integers(1, 30), st.integers(1, 9), min_size=1, max_size=6)


@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=20))
def test_the_book_after_each_message_is_what_was_recorded(drawn):
    meant = [(n, below, {31 + price: size for price, size in above.items()}) for n, (below, above) in enumerate(drawn)]
    columns = {name: np.array(column) for name, column in changes(meant).items()}
    shown = replay(
        Changes(
            columns["ts"], columns["msg"], columns["is_snapshot"], columns["side"] == "bid",
            columns["price"].astype(float), columns["amount"].astype(float),
            *[np.full(len(columns["ts"]), -1)] * 3,
        )
    )  # fmt: skip
    for row, (_, below, above) in enumerate(meant):
        assert [level for level in shown.bids[row].tolist() if level[1]] == [
            [*one] for one in sorted(below.items())[::-1]
        ]
        assert [level for level in shown.asks[row].tolist() if level[1]] == [[*one] for one in sorted(above.items())]


def recorded(root, rows):
    path = root / "book" / "lab" / "BTC-USDT.parquet"
    path.parent.mkdir(parents=True)
    names = ("ts", "msg", "is_snapshot", "side", "price", "amount")
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), path)
    return History(root, "lab")


BID, ASK = (5, 0, True, "bid", 99.0, 1.0), (5, 0, True, "ask", 101.0, 2.0)


def test_a_book_is_a_bar_of_its_best_levels(tmp_path):
    history = recorded(tmp_path, [BID, ASK, (7, 1, False, "ask", 100.0, 4.0)])
    assert history.bars("BTC/USDT", "book").rows() == [
        (5, 100.0, 101.0, 99.0, 100.0, 0.0),
        (7, 100.0, 100.0, 99.0, 100.0, 0.0),
    ]
    assert history.levels("BTC/USDT", "book", 6, 9).asks[:, :2].tolist() == [[[100.0, 4.0], [101.0, 2.0]]]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([BID, ASK, (7, 1, False, "bid", 101.0, 1.0)], "a bid reaches the asks at ts 7"),
        ([(*BID[:2], False, *BID[3:])], "no snapshot in it"),
        ([BID, (5, 0, True, "sell", 101.0, 2.0)], "a side must be bid or ask; row 1"),
        ([BID, (5, 0, True, "ask", 101.0, -2.0)], "amounts must not be below zero; row 1"),
        ([BID, (4, 0, True, "ask", 101.0, 2.0)], "times must not go back; row 1"),
    ],
)
def test_a_faulty_book_is_refused_with_its_place(tmp_path, rows, said):
    with pytest.raises(HistoryError, match=said):
        recorded(tmp_path, rows).bars("BTC/USDT", "book")


def test_a_gap_is_refused_with_its_file_and_message(tmp_path):
    history = recorded(tmp_path, [BID, ASK, (7, 4, False, "bid", 98.0, 1.0)])
    path = tmp_path / "book" / "lab" / "BTC-USDT.parquet"
    numbered = pq.read_table(path).append_column("first_id", pa.array([-1, -1, 9]))
    pq.write_table(numbered.append_column("final_id", pa.array([5, 5, 9])), path)
    with pytest.raises(HistoryError, match=r"book/lab/BTC-USDT.parquet: message 4 does not follow the one before it"):
        history.bars("BTC/USDT", "book")


@pytest.mark.parametrize("exchange", ["binance", "binance-perp"])
def test_the_best_of_a_recorded_book_are_the_quotes_recorded_beside_it(exchange):
    if not (data_folder() / "book" / exchange).is_dir():
        pytest.skip("no recorded book here")
    history = History(data_folder(), exchange)
    book, quotes = (history.bars("ETH/USDT", feed) for feed in ("book", "quotes"))
    for row in range(0, len(book.ts), 50):
        # the two streams are told apart, some hundred milliseconds at most
        near = slice(*np.searchsorted(quotes.ts, [book.ts[row] - 500, book.ts[row] + 500]))
        assert ((quotes.high[near] == book.high[row]) & (quotes.low[near] == book.low[row])).any()
