"""How many levels of a book a leg sees."""

from __future__ import annotations

import pytest

from autotrader.core.errors import BrokenInvariant
from autotrader.core.units import BOOK_DEPTH
from autotrader.strategies.contract import Feed, levels_of


@pytest.mark.parametrize(
    ("feed", "levels"),
    [
        (Feed("bars", "5m"), 0),
        (Feed("trades", "trades"), 0),
        (Feed("quotes", "quotes"), 1),
        (Feed("book", "book", 7), 7),
    ],
)
def test_quotes_show_one_level_and_a_book_as_many_as_are_asked_for(feed, levels):
    assert levels_of(feed) == levels


def test_a_kind_that_asks_for_more_levels_than_are_kept_is_refused():
    with pytest.raises(BrokenInvariant, match="asks for 21 levels of a book; there are 20"):
        levels_of(Feed("book", "book", BOOK_DEPTH + 1))
