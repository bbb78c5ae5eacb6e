"""The generated market: the same for a seed, plausible, endless."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.clock import DAY_MS
from autotrader.core.errors import HistoryError
from autotrader.market.bars import aggregate
from autotrader.market.generate import BEGIN_MS, GENESIS_MS, Generated

SYMBOLS = ["BTC/USDT", "ETH/USDT", "ETH/BTC"]


@pytest.fixture(scope="module")
def market():
    return Generated(7, SYMBOLS)


def returns(market, symbol, days=1000):
    return np.diff(np.log(market.after(symbol, "1d", GENESIS_MS, days).close))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 900), st.integers(1, 3000), st.permutations(SYMBOLS))
def test_bars_do_not_depend_on_what_was_read_before_or_beside_them(day, limit, symbols):
    start = GENESIS_MS + day * DAY_MS + 17 * 60_000
    fresh, used = Generated(3, ["BTC/USDT"]), Generated(3, symbols)
    for symbol in symbols:
        used.after(symbol, "1m", BEGIN_MS, 10)
    assert fresh.after("BTC/USDT", "1m", start, limit).rows() == used.after("BTC/USDT", "1m", start, limit).rows()


def test_another_seed_is_another_market(market):
    other = Generated(8, SYMBOLS)
    assert other.after("BTC/USDT", "1m", BEGIN_MS, 5).rows() != market.after("BTC/USDT", "1m", BEGIN_MS, 5).rows()
    assert other.fingerprint != market.fingerprint


def test_each_bar_opens_where_the_last_one_closed_across_days_too(market):
    bars = market.after("BTC/USDT", "1m", BEGIN_MS - 3 * DAY_MS, 6000)
    assert (bars.open[1:] == bars.close[:-1]).all()
    assert (np.diff(bars.ts) == 60_000).all()


def test_bars_are_sound_and_on_their_tick(market):
    for symbol in SYMBOLS:
        bars = market.after(symbol, "1m", BEGIN_MS, 5000)
        assert (bars.low > 0).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.volume > 0).all()
        ticks = bars.close * float(1 / market.tick(symbol))
        assert np.abs(ticks - np.rint(ticks)).max() < 1e-3


def test_longer_bars_are_those_of_the_minutes(market):
    minutes = market.after("ETH/USDT", "1m", BEGIN_MS, 3 * 1440)
    assert market.after("ETH/USDT", "4h", BEGIN_MS, 18).rows() == aggregate(minutes, "1m", "4h").rows()


def test_before_and_after_meet(market):
    before = market.before("BTC/USDT", "1h", BEGIN_MS + 3_600_000, 2)
    after = market.after("BTC/USDT", "1h", BEGIN_MS - 3_600_000, 2)
    assert before.rows() == after.rows()


def test_there_is_nothing_before_genesis(market):
    assert len(market.before("BTC/USDT", "1h", GENESIS_MS, 5).ts) == 0
    assert market.after("BTC/USDT", "1w", 0, 1).ts[0] >= GENESIS_MS


def test_it_goes_on_for_decades(market):
    assert len(market.after("BTC/USDT", "1m", BEGIN_MS + 40 * 365 * DAY_MS, 3).ts) == 3


def test_prices_stay_plausible(market):
    closes = market.after("BTC/USDT", "1d", GENESIS_MS, 1500).close
    assert 10_000 < closes.min() < closes.max() < 400_000
    assert market.tick("BTC/USDT") == Decimal("0.01")


def test_symbols_move_together(market):
    assert np.corrcoef(returns(market, "BTC/USDT"), returns(market, "ETH/USDT"))[0, 1] > 0.7


def test_volatility_clusters(market):
    size = np.abs(returns(market, "BTC/USDT"))
    assert np.corrcoef(size[1:], size[:-1])[0, 1] > 0.1


def test_a_triangle_fits_together(market):
    prices = {symbol: market.after(symbol, "1m", BEGIN_MS, 500).close for symbol in SYMBOLS}
    assert np.allclose(prices["ETH/USDT"], prices["ETH/BTC"] * prices["BTC/USDT"], rtol=1e-5)


def test_what_is_not_made_is_told(market):
    with pytest.raises(HistoryError, match="has no XRP/USDT; it has BTC/USDT, ETH/BTC, ETH/USDT"):
        market.tick("XRP/USDT")
    with pytest.raises(HistoryError, match="whole minutes up to 28d, not of 30s"):
        market.after("BTC/USDT", "30s", 0, 1)


def test_a_currency_without_a_listed_price_gets_one_of_its_own():
    made = Generated(1, ["AAA/USDT", "BBB/USDT"])
    first, second = (made.after(symbol, "1m", BEGIN_MS, 1).close[0] for symbol in made.symbols())
    assert first != second


@pytest.mark.parametrize("feed", ["quotes", "book"])
def test_a_generated_market_has_no_levels(market, feed):
    with pytest.raises(HistoryError, match=f"has no {feed}"):
        market.levels("BTC/USDT", feed, 0, 1)
