"""What a backtest says of the data that it ran on."""

from __future__ import annotations

import pytest

from autotrader.backtest.run import data_hash
from support.feeds import START_MS, quotes, replayed
from support.lived import plan_of

RULES = (
    "kind: rules\nexchange: paper\nsymbols: [BTC/USDT]\ncapital: 50%\non_remove: hold\nexposure: if(close > 0, 1, 0)\n"
)
BOOKS = [(START_MS + ms, {99.0: 1.0, 98.5: 2.0}, {101.0: 1.0}) for ms in (0, 10, 20)]
TRADES = [(START_MS + 5, 99.0, 1.0, "sell")]


def hashed(root, feed, rows, **beside):
    recorded = {"BTC/USDT": {feed: rows, **beside}}
    return data_hash(plan_of(replayed(root, {"a": f"{RULES}feed: {feed}\n"}, recorded)))


@pytest.mark.parametrize(
    "other",
    [
        {"rows": [*BOOKS[:2], (START_MS + 20, {99.0: 1.5, 98.5: 2.0}, {101.0: 1.0})]},
        {"rows": [*BOOKS[:2], (START_MS + 20, {99.0: 1.0, 98.0: 2.0}, {101.0: 1.0})]},
        {"trades": [(START_MS + 5, 99.0, 1.0, "buy")]},
        {"trades": [(START_MS + 15, 99.0, 1.0, "sell")]},
        {"trades": [(START_MS + 5, 99.0, 1.1, "sell")]},
    ],
    ids=["size", "level", "taker", "event", "amount"],
)
def test_the_hash_of_a_book_covers_its_levels_and_the_trades_beside_it(tmp_path, other):
    told = {"rows": BOOKS, "trades": TRADES}
    one = hashed(tmp_path / "one", "book", **told)
    assert hashed(tmp_path / "same", "book", **told) == one
    assert hashed(tmp_path / "other", "book", **(told | other)) != one


def test_the_hash_of_quotes_covers_their_sizes(tmp_path):
    made = quotes(3, 20)
    other = [(ms, bid, size + 1, ask, ask_size) for ms, bid, size, ask, ask_size in made]
    assert hashed(tmp_path / "one", "quotes", made) != hashed(tmp_path / "other", "quotes", other)
