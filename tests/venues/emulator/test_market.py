"""Where the market stands, and what it tells as time goes on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from autotrader.core.clock import DAY_MS, ManualClock
from autotrader.core.errors import HistoryError
from autotrader.venues.emulator.market import LEFT_MS, Market
from autotrader.venues.emulator.tape import fold
from support.exchange import BEGIN_MS, MINUTES, NOW_MS, SERIES, SHIFT_MS, walk, write_history

END_MS = BEGIN_MS + MINUTES * 60_000
DATA = Path(os.environ.get("AUTOTRADER_DATA") or Path(__file__).parents[3] / ".." / "shared" / "data")


@pytest.mark.parametrize("hour", range(0, 24, 5))
def test_it_stands_late_in_the_history_with_hours_left_at_any_time_of_the_day(recorded, hour):
    clock = ManualClock(BEGIN_MS + 500 * DAY_MS + hour * 3_600_000 + 1)
    market = Market(recorded, "binance", clock)
    moment = clock.now_ms() - market.shift_ms
    assert market.shift_ms % DAY_MS == 0
    assert LEFT_MS <= END_MS - moment <= LEFT_MS + DAY_MS


def test_a_history_that_is_too_short_is_refused(tmp_path):
    columns = {name: column[:60] for name, column in walk(3, 100_000).items()}
    write_history(tmp_path, {"BTC/USDT": columns})
    with pytest.raises(HistoryError, match="too short"):
        Market(tmp_path, "binance", ManualClock(BEGIN_MS + 500 * DAY_MS + 7 * 3_600_000))


def test_a_folder_without_the_exchange_is_refused(tmp_path):
    with pytest.raises(HistoryError, match="no candles"):
        Market(tmp_path, "binance", ManualClock(NOW_MS))


def test_every_bar_of_an_hour_is_made_of_the_trades_that_were_told_in_it(recorded):
    clock = ManualClock(NOW_MS)
    market = Market(recorded, "binance", clock)
    one = market.traded["BTCUSDT"]
    begin = NOW_MS - NOW_MS % 60_000 - 3_600_000
    told = market.klines(one, "1m", begin, begin + 3_540_000, 100)
    assert len(told) == 60
    for bar in told:
        made = fold(market.prints(one, bar.ts_ms - 1, bar.ts_ms + 59_999), bar.ts_ms)
        assert made[:6] == bar[:6]


def test_trades_are_told_once_however_time_is_cut(recorded):
    clock = ManualClock(NOW_MS)
    market = Market(recorded, "binance", clock)
    one = market.traded["BTCUSDT"]
    whole = market.prints(one, NOW_MS - 300_000, NOW_MS)
    parts = [
        made
        for begin in range(NOW_MS - 300_000, NOW_MS, 7_919)
        for made in market.prints(one, begin, min(begin + 7_919, NOW_MS))
    ]
    assert parts == whole
    assert 299 <= len(whole) <= 301


@pytest.mark.parametrize("timeframe", ["1m", "5m", "15m", "1h"])
def test_bars_shorter_than_the_recorded_ones_join_to_them(tmp_path, timeframe):
    columns = walk(4, 300_000, 3 * 288)
    columns["ts"] = BEGIN_MS + 300_000 * np.arange(3 * 288)
    write_history(tmp_path, {"ETH/USDT": columns}, "5m")
    market = Market(tmp_path, "binance", ManualClock(NOW_MS))
    one = market.traded["ETHUSDT"]
    begin = NOW_MS - NOW_MS % 3_600_000 - 7_200_000
    bars = market.klines(one, timeframe, begin, begin + 3_599_999, 1000)
    at = int(np.searchsorted(columns["ts"], begin - market.shift_ms))
    assert max(bar.high for bar in bars) == round(columns["high"][at : at + 12].max() * 100)
    assert min(bar.low for bar in bars) == round(columns["low"][at : at + 12].min() * 100)
    assert (bars[0].open, bars[-1].close) == tuple(
        round(price * 100) for price in (columns["open"][at], columns["close"][at + 11])
    )
    assert sum(bar.units for bar in bars) == round(columns["volume"][at : at + 12].sum() * 10**8)


def test_no_bar_tells_of_what_is_still_to_come(recorded):
    clock = ManualClock(NOW_MS)
    market = Market(recorded, "binance", clock)
    one = market.traded["BTCUSDT"]
    last = market.klines(one, "1h", NOW_MS - 7_200_000, NOW_MS + DAY_MS, 1000)[-1]
    made = fold(market.prints(one, last.ts_ms - 1, NOW_MS), last.ts_ms)
    assert last[:6] == made[:6]


def test_the_market_ends_with_its_history(recorded):
    clock = ManualClock(NOW_MS)
    market = Market(recorded, "binance", clock)
    assert not market.over
    clock.advance((END_MS + SHIFT_MS - NOW_MS) / 1000 + 1)
    assert market.over
    assert market.prints(market.traded["BTCUSDT"], clock.now_ms() - 100, clock.now_ms()) == []
    assert market.last(market.traded["BTCUSDT"]).ticks == round(SERIES["BTC/USDT"]["close"][-1] * 100)


def test_the_recorded_market_stands_where_most_symbols_trade():
    if not (DATA / "candles" / "binance").is_dir():
        return
    market = Market(DATA, "binance", ManualClock(NOW_MS + 1000 * DAY_MS))
    assert {"BTCUSDT", "ETHUSDT", "SOLUSDT"} <= set(market.traded)
    assert len(market.traded) >= 10
    for one in market.traded.values():
        bars = market.latest(one, "1m", 3, market.now_ms())
        assert len(bars) == 3
        assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
