"""Recorded trades and quotes as bars of one moment."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotrader.core.errors import HistoryError
from autotrader.core.events import BookChanged, QuoteChanged, TradePrinted
from autotrader.market.events import as_bar, middle
from autotrader.market.history import History


def recorded(root, feed, **columns):
    path = root / feed / "lab" / "BTC-USDT.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return History(root, "lab")


def trades(root, ts, price=(100.5, 101.0, 100.25)):
    return recorded(root, "trades", ts=pa.array(ts, pa.int64()), price=list(price), amount=[1.0, 2.0, 3.0])


def test_a_trade_is_a_bar_whose_four_prices_are_its_price(tmp_path):
    bars = trades(tmp_path, [5, 5, 9]).bars("BTC/USDT", "trades")
    assert bars.rows()[1] == (5, 101.0, 101.0, 101.0, 101.0, 2.0)
    assert bars.ts.tolist() == [5, 5, 9]


def test_a_quote_is_what_a_buyer_pays_and_a_seller_gets(tmp_path):
    one = {"bid": [99.0], "bid_size": [1.0], "ask": [101.0], "ask_size": [2.0]}
    bars = recorded(tmp_path, "quotes", ts=pa.array([5], pa.int64()), **one).bars("BTC/USDT", "quotes")
    assert bars.rows() == [(5, 100.0, 101.0, 99.0, 100.0, 0.0)]


def test_the_price_of_a_quote_is_the_middle_to_the_nearest_tick(tmp_path):
    one = {"bid": [99.01, 99.0], "bid_size": [1.0, 1.0], "ask": [99.02, 99.01], "ask_size": [2.0, 1.0]}
    history = recorded(tmp_path, "quotes", ts=pa.array([5, 6], pa.int64()), **one)
    assert history.tick("BTC/USDT") == Decimal("0.01")
    assert (
        history.bars("BTC/USDT", "quotes").close.tolist()
        == [99.02, 99.01]
        == [
            middle(99.01, 99.02, 100.0),
            middle(99.0, 99.01, 100.0),
        ]
    )


def test_nanoseconds_become_milliseconds(tmp_path):
    at = 1_723_161_255_030_314_667
    bars = trades(tmp_path, [at, at + 1, at + 999_999]).bars("BTC/USDT", "trades")
    assert bars.ts.tolist() == [at // 10**6, at // 10**6, at // 10**6 + 1]


def test_a_market_of_trades_alone_has_symbols_and_a_price_step(tmp_path):
    history = trades(tmp_path, [5, 6, 9])
    assert history.symbols() == ("BTC/USDT",)
    assert history.tick("BTC/USDT") == Decimal("0.01")


def test_events_are_told_up_to_a_moment(tmp_path):
    history = trades(tmp_path, [5, 6, 9])
    assert history.before("BTC/USDT", "trades", 6, 10).ts.tolist() == [5, 6]
    assert history.after("BTC/USDT", "trades", 6, 10).ts.tolist() == [6, 9]


@pytest.mark.parametrize(
    ("ts", "price", "said"),
    [
        ([5, 4, 9], (1.0, 1.0, 1.0), "times must not go back; row 1"),
        ([5, 6, 9], (1.0, 0.0, 1.0), "prices and amounts must be above zero; row 1"),
        ([5, 6, 9], (1.0, 1.0, np.inf), "numbers must be finite; row 2"),
    ],
)
def test_a_faulty_recording_is_refused_with_its_row(tmp_path, ts, price, said):
    with pytest.raises(HistoryError, match=said):
        trades(tmp_path, ts, price).bars("BTC/USDT", "trades")


def test_a_feed_that_is_not_recorded_names_those_that_are(tmp_path):
    with pytest.raises(HistoryError, match=r"no quotes of BTC/USDT .* recorded of it: trades"):
        trades(tmp_path, [5, 6, 9]).bars("BTC/USDT", "quotes")


def test_a_told_event_is_the_same_bar_as_the_recorded_one():
    assert as_bar(TradePrinted(5, "lab", "BTC/USDT", 101.0, 2.0, 1), 100.0) == (5, 101.0, 101.0, 101.0, 101.0, 2.0)
    quote = QuoteChanged(5, "lab", "BTC/USDT", 99.0, 1.0, 101.0, 2.0)
    assert as_bar(quote, 100.0) == (
        5,
        100.0,
        101.0,
        99.0,
        100.0,
        0.0,
    )
    book = BookChanged(5, "lab", "BTC/USDT", ((99.0, 1.0),), ((101.0, 2.0),))
    assert as_bar(book, 100.0) == (5, 100.0, 101.0, 99.0, 100.0, 0.0)
    assert as_bar(book._replace(asks=()), 100.0) is None
