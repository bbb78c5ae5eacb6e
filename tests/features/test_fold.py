"""Columns folded by machine code are what the live program says bar by bar, bit for bit, in blocks of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.events import Bar
from autotrader.core.units import timeframe_ms
from autotrader.features.catalogue import CATALOGUE
from autotrader.features.fold import Folder
from autotrader.features.graph import SeriesKey
from autotrader.features.program import compile_program
from autotrader.features.shared import Shared
from autotrader.market.bars import Columns, aggregate

EXPRESSIONS = {
    "cross": "crosses_above(ema(close, 5), sma(close, 9)) and rsi(close, 7) < 70",
    "range": "atr(5) / close * (high - low) ** 1.5",
    "longer": 'close > ema(close, 3, timeframe="15m") and highest(high, 4, timeframe="1h") > close',
    "other": 'zscore(close / close(symbol="ETH/USDT"), 12)',
    "both": 'returns(close(symbol="ETH/USDT", timeframe="15m"), 2) - returns(close, 3)',
    "constant": "1 < 2",
    "number": "3 * 7",
    "undefined": "1 / (close - close)",
}


def columns(array: np.ndarray) -> Columns:
    ts = array[:, 0].astype(np.int64)
    return Columns(ts, *(np.ascontiguousarray(array[:, n]) for n in range(1, 6)))


def market(own: Columns, other: Columns, keys) -> dict[SeriesKey, Columns]:
    made = {}
    for key in keys:
        bars = other if key.symbol else own
        made[key] = bars if key.timeframe == "5m" else aggregate(bars, "5m", key.timeframe)
    return made


def streamed(program, bars: dict[SeriesKey, Columns]) -> np.ndarray:
    live = program.live()
    place = {key: order for order, key in enumerate(program.series)}
    rows = [
        (int(bar.ts_ms) + timeframe_ms(key.timeframe), place[key], key, bar)
        for key, series in bars.items()
        for bar in series.rows()
    ]
    found = []
    for _, _, key, bar in sorted(rows, key=lambda row: row[:2]):
        live.update(key, Bar(*bar))
        if key == program.own:
            found.append(list(live.values()))
    return np.array(found)


def folded(program, bars: dict[SeriesKey, Columns], block: int, shared: Shared | None = None) -> np.ndarray:
    folder = Folder(program, bars, shared)
    count = len(bars[program.own].ts)
    out, made = np.empty((count, folder.width)), np.empty((folder.width, block))
    for place, value in folder.still:
        made[place] = value
    for start in range(0, count, block):
        stop = min(start + block, count)
        folder.rows(start, stop, made)
        out[start:stop] = made[:, : stop - start].T
    return out


@pytest.fixture(scope="module")
def program():
    return compile_program(EXPRESSIONS, {}, "5m")


@given(st.integers(1, 700), st.integers(0, 60), st.integers(0, 9))
@settings(max_examples=15)
def test_in_blocks_of_any_size_it_is_the_stream(btc, generated, program, block, missing, seed) -> None:
    rng = np.random.default_rng(seed)
    own = btc[:600]
    other = generated[:600].copy()
    other[:, 0] = own[:, 0]
    own = own[np.sort(rng.choice(600, 600 - missing, replace=False))]
    other = other[np.sort(rng.choice(600, 600 - missing, replace=False))]
    bars = market(columns(own), columns(other), program.series)
    assert folded(program, bars, block).tobytes() == streamed(program, bars).tobytes()


HELD = {
    **{
        f"{name}": f"{name}(close, 6)"
        for name in ("sma", "kama", "prev", "returns", "window_sum", "mom", "roc", "rocr")
    },
    "log": "log_return(close, 1)",
    "middle": "bollinger_mid(close, 5)",
    "below": "crosses_below(ema(close, 3), rma(close, 5))",
    "strength": "rsi(close, 4) + atr(5)",
}


def test_a_state_whose_first_places_are_held_is_the_stream_s(btc) -> None:
    held = compile_program(HELD, {}, "5m")
    bars = {held.own: columns(btc[:500])}
    assert folded(held, bars, 37).tobytes() == streamed(held, bars).tobytes()


@pytest.mark.parametrize("feature", CATALOGUE.values(), ids=lambda feature: feature.name)
def test_the_places_that_are_held_are_in_the_smallest_state(feature) -> None:
    assert feature.scalars <= feature.size(*(param.low for param in feature.params))


def test_a_changed_number_is_the_same_text(monkeypatch) -> None:
    from autotrader.features import fold

    texts = set()
    for fast, level in ((5, 30.0), (12, 71.5)):
        program = compile_program({"x": f"ema(close, {fast}) > {level}"}, {}, "1h")
        texts.add(fold._text(program.nodes, fold._parts(program)[-1]))
    assert len(texts) == 1


def test_nothing_later_is_seen(btc, generated, program) -> None:
    other = generated[:400].copy()
    other[:, 0] = btc[:400, 0]
    whole = folded(program, market(columns(btc[:400]), columns(other), program.series), 64)
    changed = btc[:400].copy()
    changed[300:, 1:5] *= 1.5
    after = folded(program, market(columns(changed), columns(other), program.series), 64)
    assert whole[:300].tobytes() == after[:300].tobytes()
    assert whole[300:].tobytes() != after[300:].tobytes()
