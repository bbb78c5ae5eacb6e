"""A program live and over columns: the same bits, nothing from the future, independent of where history began."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.errors import ExpressionError
from autotrader.core.events import Bar
from autotrader.core.units import timeframe_ms
from autotrader.features.catalogue import CATALOGUE
from autotrader.features.graph import SeriesKey
from autotrader.features.program import MAX_HISTORY, compile_program
from support.columns import batch
from support.kernels import shorts

OWN, HOUR, DAY = SeriesKey("", "5m"), SeriesKey("", "1h"), SeriesKey("", "1d")
OTHER, OTHER_HOUR = SeriesKey("ETH/USDT", "5m"), SeriesKey("ETH/USDT", "1h")
FUNDING = SeriesKey("", "8h", "", "funding")
FEAR = SeriesKey("value", "1d", "sentiment/fear_greed", "metric")
FROM_OUTSIDE = ['close(exchange="perp")', "funding()", 'sentiment("fear_greed")']
TREND = {
    "fast": "ema(close, 12)",
    "slow": "ema(close, 26)",
    "strength": "rsi(close, 14)",
    "daily": 'ema(close, 2, timeframe="1d")',
}
RULES = {
    "enter_long": "crosses_above(fast, slow) and strength < 70 and close > daily",
    "exit_long": "crosses_below(fast, slow)",
}
NUMBERS = sorted(
    name for name, f in CATALOGUE.items() if f.result == "number" and 1 <= len(f.inputs) + len(f.reads) <= 3
)
"""Features that give a number, of the one to three arguments that a node may have."""


def longer(bars, length_ms):
    """Fold bars into longer ones that are complete, whatever is missing inside them."""
    rows = []
    last_close = bars[-1, 0] + 300_000
    for start in np.unique(bars[:, 0] // length_ms * length_ms):
        if start + length_ms > last_close:
            continue
        part = bars[(bars[:, 0] >= start) & (bars[:, 0] < start + length_ms)]
        rows.append((start, part[0, 1], part[:, 2].max(), part[:, 3].min(), part[-1, 4], part[:, 5].sum()))
    return np.array(rows).reshape(-1, 6)


class Market(dict):
    """Bars by series, too many to be shown where a property fails."""

    def __repr__(self):
        return "the market"


@pytest.fixture(scope="module")
def market(generated):
    """Series with gaps: own 5m, 1h and 1d bars, another symbol's and another exchange's, and three from outside."""
    own = np.delete(generated, [40, 41, 42, 300, 301, 777], axis=0)
    other = generated[::-1].copy()
    other[:, 0] = generated[:, 0]
    other = np.delete(other, range(100, 160), axis=0)
    series = {
        OWN: own,
        HOUR: longer(own, 3_600_000),
        DAY: longer(own, 86_400_000),
        OTHER: other,
        OTHER_HOUR: longer(other, 3_600_000),
        FUNDING: valued(own[0, 0] - 4 * 28_800_000 + 1_000 + np.arange(20) * 28_800_000, 1e-4),
        FEAR: valued(own[0, 0] - 86_400_000 * np.array([9, 8, 7, 6, 3, 2, 1, 0, -1, -3]), 50.0),
    }
    for key in (OWN, HOUR, OTHER, OTHER_HOUR):
        moved = np.delete(series[key] + np.array([0, 5, 5, 5, 5, 0]), range(20, 25), axis=0)
        series[key._replace(source="perp")] = moved
    series[FUNDING._replace(symbol="ETH/USDT")] = series[FUNDING] * np.array([1, 2, 2, 2, 2, 0])
    return Market(series)


def valued(ts, scale):
    """Return rows from outside as the bars that they come as."""
    rows = np.zeros((len(ts), 6))
    rows[:, 0] = ts
    rows[:, 1:5] = (scale * (1 + np.sin(np.arange(len(ts)))))[:, None]
    rows[len(ts) // 2, 1:5] = np.nan
    return rows


def cut(market, close_ms):
    """Return the market as it was known at a moment."""
    return {key: bars[bars[:, 0] + timeframe_ms(key[1]) <= close_ms] for key, bars in market.items()}


def stream(program, market, keys=None):
    """Return the columns at each own bar, from bars fed one by one."""
    order = {key: place for place, key in enumerate(program.series)}
    events = sorted(
        (row[0] + timeframe_ms(key[1]), order[key], key, row)
        for key in program.series
        for row in map(tuple, market[key].tolist())
    )
    live, rows = program.live(), []
    for _, _, key, row in events:
        live.update(key, Bar(*row))
        if key == OWN:
            rows.append(list(live.values()))
    return np.array(rows).reshape(-1, len(program.columns))


def where(draw_from):
    return st.sampled_from(
        ["", ', timeframe="1h"', ', symbol="ETH/USDT"', ', timeframe="1h", symbol="ETH/USDT"'][:draw_from]
    )


@st.composite
def numbers(draw, depth=3):
    if depth == 0:
        return draw(
            st.sampled_from(["open", "high", "low", "close", "volume", "2", "0.5", "(high - low)", *FROM_OUTSIDE])
        )
    inner = numbers(depth - 1)
    kind = draw(st.sampled_from(["leaf", "feature", "feature", "sum", "power", "if", "price"]))
    if kind == "leaf":
        return draw(numbers(0))
    if kind == "price":
        return f"close({draw(where(4))[2:]})"
    if kind == "sum":
        return f"({draw(inner)} {draw(st.sampled_from('+-*/'))} {draw(inner)})"
    if kind == "power":
        return f"{draw(numbers(0))} ** {draw(st.sampled_from(['2', '0.5', '-1', '0.3']))}"
    if kind == "if":
        return f"if({draw(conditions(depth - 1))}, {draw(inner)}, {draw(inner)})"
    feature = CATALOGUE[draw(st.sampled_from(NUMBERS))]
    series = ["close" if draw(st.booleans()) else draw(inner) + " + close" for _ in feature.inputs]
    args = [*series, *(f"{value:g}" for value in shorts(feature))]
    elsewhere = draw(where(4))
    return f"{feature.name}({', '.join(args) + elsewhere if args else elsewhere[2:]})"


@st.composite
def conditions(draw, depth=2):
    kind = draw(st.sampled_from(["compare", "cross", "and", "or", "not"])) if depth else "compare"
    number = numbers(max(0, depth - 1))
    if kind == "compare":
        return f"({draw(number)} {draw(st.sampled_from(['<', '<=', '>', '>=', '==', '!=']))} {draw(number)})"
    if kind == "cross":
        return f"crosses_above({draw(number)} + close, {draw(number)} + close)"
    if kind == "not":
        return f"(not {draw(conditions(depth - 1))})"
    return f"({draw(conditions(depth - 1))} {kind} {draw(conditions(depth - 1))})"


def compiled_or_rejected(columns, lets=None):
    try:
        return compile_program(columns, lets or {}, "5m")
    except ExpressionError as error:
        # Random text may name a nested series that the language refuses, or a constant without a value.
        assert any(word in error.message for word in ("cannot look into", "no value", "shorter", "no meaning"))  # noqa: PT017
        return None


def equal(a, b):
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


@given(st.lists(st.one_of(numbers(), conditions()), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_batch_and_stream_give_the_same_bits(market, texts):
    program = compiled_or_rejected({f"c{i}": text for i, text in enumerate(texts)})
    if program is not None:
        short = cut(market, market[OWN][0, 0] + 500 * 300_000)
        assert equal(batch(program, short), stream(program, short))


@given(st.one_of(numbers(), conditions()), st.integers(0, 500))
@settings(max_examples=100, deadline=None)
def test_no_value_depends_on_what_comes_later(market, text, bars):
    program = compiled_or_rejected({"x": text})
    if program is not None:
        start = market[OWN][0, 0]
        whole = batch(program, cut(market, start + 500 * 300_000))
        part = batch(program, cut(market, start + bars * 300_000))
        assert equal(part, whole[: len(part)])


@given(st.one_of(numbers(), conditions()))
@settings(max_examples=100, deadline=None)
def test_every_value_is_finite_or_nan_and_a_condition_is_three_valued(market, text):
    program = compiled_or_rejected({"x": text})
    if program is not None:
        values = batch(program, cut(market, market[OWN][0, 0] + 300 * 300_000))
        assert not np.isinf(values).any()
        if program.nodes[program.outputs[0]].type == "condition":
            assert np.isin(values[~np.isnan(values)], (0.0, 1.0)).all()


@pytest.mark.parametrize(
    "text", ["fast", "slow", "strength", "macd_hist(close)", "atr(14)", 'atr(5, symbol="ETH/USDT")']
)
def test_history_loaded_as_asked_gives_the_value_of_a_longer_history(market, text):
    program = compile_program({"x": text}, TREND, "5m")
    whole = batch(program, market)[-1, 0]
    loaded = {key: market[key][-program.warmup(key) :] for key in program.series}
    assert batch(program, loaded)[-1, 0] == pytest.approx(whole, rel=1e-9)


def test_conditions_need_as_much_history_as_what_they_are_made_of():
    program = compile_program(RULES, TREND, "5m")
    assert program.warmup(OWN) == CATALOGUE["rsi"].memory(14)
    assert program.warmup(DAY) == CATALOGUE["ema"].memory(2)


def test_a_crossing_asks_for_one_bar_more_than_its_lines():
    program = compile_program({"x": RULES["exit_long"]}, TREND, "5m")
    assert program.warmup(OWN) == CATALOGUE["ema"].memory(26) + 1


def test_a_window_over_a_longer_series_asks_for_the_days_that_it_spans():
    program = compile_program({"x": 'sma(close(timeframe="1d"), 289)'}, {}, "5m")
    assert (program.warmup(OWN), program.warmup(DAY)) == (289, 2)


def test_windows_in_windows_add_up():
    assert compile_program({"x": "sma(sma(close, 10), 20)"}, {}, "5m").warmup(OWN) == 29


def test_history_is_bounded():
    assert compile_program({"x": "rsi(close, 4000)"}, {}, "5m").warmup(OWN) == MAX_HISTORY


def test_a_daily_value_is_seen_only_after_the_day_has_closed(market):
    program = compile_program({"x": 'close(timeframe="1d")'}, {}, "5m")
    values = batch(program, market)[:, 0]
    closes = market[OWN][:, 0] + 300_000
    first_day_ends = market[DAY][0, 0] + 86_400_000
    assert np.isnan(values[closes < first_day_ends]).all()
    assert values[closes == first_day_ends].tolist() == [market[DAY][0, 4]]
    second = (closes >= first_day_ends) & (closes < first_day_ends + 86_400_000)
    assert (values[second] == market[DAY][0, 4]).all()


def test_another_symbol_s_bar_of_the_same_close_is_seen_and_then_held(market):
    program = compile_program({"x": 'close(symbol="ETH/USDT")'}, {}, "5m")
    values = batch(program, market)[:, 0]
    other = dict(zip(market[OTHER][:, 0], market[OTHER][:, 4], strict=True))
    last = math.nan
    for ts, value in zip(market[OWN][:, 0], values, strict=True):
        last = other.get(ts, last)
        assert value == last


def test_columns_may_use_one_another():
    program = compile_program({"above": "close > line", "line": "sma(close, 3)"}, {}, "5m")
    live = program.live()
    for close in (1.0, 2.0, 6.0):
        live.update(OWN, Bar(0, close, close, close, close, 1.0))
    assert live.values() == [1.0, 3.0]


def test_two_lives_of_one_program_know_nothing_of_each_other():
    program = compile_program({"x": "prev(close, 1)"}, {}, "5m")
    one, two = program.live(), program.live()
    one.update(OWN, Bar(0, 1.0, 1.0, 1.0, 1.0, 1.0))
    two.update(OWN, Bar(0, 5.0, 5.0, 5.0, 5.0, 1.0))
    one.update(OWN, Bar(1, 2.0, 2.0, 2.0, 2.0, 1.0))
    assert one.values() == [1.0]


def test_constants_are_columns_too():
    program = compile_program({"x": "2 ** 0.5"}, {}, "5m")
    assert program.live().values() == [math.sqrt(2)]
    assert batch(program, {OWN: np.zeros((2, 6))}).tolist() == [[math.sqrt(2)]] * 2


def test_an_empty_history_gives_empty_columns():
    program = compile_program({"x": "ema(close, 3)"}, {}, "5m")
    assert batch(program, {OWN: np.zeros((0, 6))}).shape == (0, 1)


def test_a_bad_timeframe_is_refused():
    with pytest.raises(ValueError, match="'5x' is not a timeframe"):
        compile_program({"x": "close"}, {}, "5x")


def test_an_error_names_its_column():
    with pytest.raises(ExpressionError) as caught:
        compile_program({"good": "close", "bad": "clos"}, {}, "5m")
    assert caught.value.source == "bad"


def test_the_module_is_light_to_import():
    heavy = "{'numba', 'pandas', 'ta', 'numpy'}"
    code = f"import sys, autotrader.features.program; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
