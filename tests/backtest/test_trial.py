"""What a search keeps in memory of its market."""

from __future__ import annotations

from autotrader.backtest.trial import Held
from autotrader.market.history import History
from support.feeds import START_MS, quotes, record


def test_events_up_to_a_moment_are_held_and_answered_like_the_source_does(tmp_path):
    record(tmp_path, "quotes", quotes(1, 50))
    source = History(tmp_path, "made")
    held = Held(source, START_MS + 10_000)
    for begin_ms in (START_MS, START_MS + 4_000):
        one, other = (each.after("BTC/USDT", "quotes", begin_ms, 5) for each in (held, source))
        assert one.rows() == other.rows()
        one, other = (each.levels("BTC/USDT", "quotes", begin_ms, 5) for each in (held, source))
        assert one.bids.tolist() == other.bids.tolist()
