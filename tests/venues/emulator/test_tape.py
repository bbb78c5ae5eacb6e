"""The trades that stand for a bar."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autotrader.venues.emulator.tape import Candle, fold, joined, prints_of

MINUTE = 60_000


@st.composite
def candles(draw):
    low = draw(st.integers(1, 10**6))
    high = low + draw(st.integers(0, 10**4))
    first, last = (draw(st.integers(low, high)) for _ in range(2))
    return Candle(draw(st.integers(0, 10**7)) * MINUTE, first, high, low, last, draw(st.integers(4, 10**14)))


@given(candles(), st.sampled_from([MINUTE, 5 * MINUTE, 60 * MINUTE]), st.sampled_from([1, 1000, 10**8]))
def test_the_bar_is_rebuilt_from_its_trades(candle, length_ms, lot_units):
    made = prints_of(candle, length_ms, lot_units, "BTCUSDT")
    assert fold(made, candle.ts_ms)[:6] == candle
    assert [one.ts_ms for one in made] == sorted(one.ts_ms for one in made)
    assert all(candle.ts_ms <= one.ts_ms < candle.ts_ms + length_ms for one in made)
    assert all(one.units > 0 for one in made)
    assert len({one.id for one in made}) == len(made)


@given(candles())
def test_the_same_bar_has_the_same_trades(candle):
    assert prints_of(candle, MINUTE, 1, "BTCUSDT") == prints_of(candle, MINUTE, 1, "BTCUSDT")


@given(candles(), st.integers(0, 60))
def test_two_parts_of_a_bar_join_to_the_whole(candle, at):
    made = prints_of(candle, MINUTE, 1, "BTCUSDT")
    first, then = fold(made[:at], candle.ts_ms), fold(made[at:], candle.ts_ms)
    assert joined(first, then) == fold(made, candle.ts_ms)


def test_a_bar_that_rises_sees_its_low_first_and_one_that_falls_its_high():
    rising = [one.ticks for one in prints_of(Candle(0, 100, 200, 50, 150, 10**9), MINUTE, 1, "A")]
    falling = [one.ticks for one in prints_of(Candle(0, 150, 200, 50, 100, 10**9), MINUTE, 1, "A")]
    assert rising.index(50) < rising.index(200)
    assert falling.index(200) < falling.index(50)


def test_a_bar_without_volume_has_no_trades():
    assert prints_of(Candle(0, 100, 100, 100, 100, 0), MINUTE, 1, "A") == ()
