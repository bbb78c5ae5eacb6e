"""Every definition in the catalogue: causal, compilable, bit-identical, with a true warm-up and memory."""

import math
import random

import numpy as np
import pytest

from autotrader.features.catalogue import CATALOGUE, FAMILIES_OF_NAMES, PLANNED, known_functions, suggestion
from autotrader.features.feature import PRICES, forgotten_after

EXAMPLES = {
    "macd": [(12, 26, 9), (2, 3, 2)],
    "macd_signal": [(12, 26, 9), (2, 3, 2)],
    "macd_hist": [(12, 26, 9), (2, 3, 2)],
    "crosses_above": [()],
    "crosses_below": [()],
    **{name: [(20, 2.0), (2, 0.5)] for name in CATALOGUE if name.startswith("bollinger")},
}
SPREADS = {"stdev", "zscore", "bollinger_upper", "bollinger_lower", "bollinger_width", "bollinger_pct"}
"""Windows of squares: what a window has seen before shows in the last digits, below 1e-12 of the value."""
CASES = [
    pytest.param(feature, params, id=f"{name}{params}")
    for name, feature in CATALOGUE.items()
    for params in EXAMPLES.get(name, [(2,), (14,), (96,)])
]


def inputs_of(feature, bars):
    """Columns for a feature's inputs: close and a slower line that it crosses, then the prices that it reads."""
    close = bars[:, 4]
    slow = np.concatenate([[close[0]], close[:-1] * 0.5 + close[1:] * 0.5])
    columns = [close, slow][: len(feature.inputs)]
    return [*columns, *(bars[:, 1 + PRICES.index(name)] for name in feature.reads)]


def fold(kernel, feature, params, columns, *, array=False):
    size = feature.size(*params)
    state = np.full(size, np.nan) if array else [math.nan] * size
    lists = [column.tolist() for column in columns]
    return np.array([kernel(state, *params, *row) for row in zip(*lists, strict=True)])


def same(a, b):
    return a.tobytes() == b.tobytes() or np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize(("feature", "params"), CASES)
def test_plain_and_compiled_kernels_give_the_same_bits(feature, params, btc, twin):
    columns = inputs_of(feature, btc[:1_200])
    plain = fold(feature.kernel, feature, params, columns)
    assert same(plain, fold(twin(feature.kernel), feature, params, columns, array=True))
    assert np.isfinite(plain[-1])


@pytest.mark.parametrize(("feature", "params"), CASES)
def test_undefined_inputs_are_handled_alike_plain_and_compiled(feature, params, generated, twin):
    rng = random.Random(3)
    columns = [column.copy() for column in inputs_of(feature, generated[:400])]
    for column in columns:
        for _ in range(6):
            column[rng.randrange(len(column))] = math.nan
        column[rng.randrange(len(column))] = 1e308
    plain = fold(feature.kernel, feature, params, columns)
    assert same(plain, fold(twin(feature.kernel), feature, params, columns, array=True))


@pytest.mark.parametrize(("feature", "params"), CASES)
def test_a_value_never_depends_on_what_comes_later(feature, params, generated):
    columns = inputs_of(feature, generated[:400])
    whole = fold(feature.kernel, feature, params, columns)
    for cut in (1, 2, 37, 200, 399):
        part = fold(feature.kernel, feature, params, [column[:cut] for column in columns])
        assert same(part, whole[:cut])


@pytest.mark.parametrize(("feature", "params"), CASES)
def test_the_first_value_comes_at_the_end_of_the_warm_up(feature, params, generated):
    values = fold(feature.kernel, feature, params, inputs_of(feature, generated[:400]))
    first = int(np.argmax(np.isfinite(values)))
    assert first + 1 == feature.warmup(*params)


@pytest.mark.parametrize(("feature", "params"), CASES)
def test_after_its_memory_a_value_no_longer_depends_on_where_history_began(feature, params, btc):
    memory = feature.memory(*params)
    columns = inputs_of(feature, btc[: memory + 700])
    early = fold(feature.kernel, feature, params, columns)
    exact = memory == feature.warmup(*params) and feature.name not in SPREADS
    for start in (1, 2, 313):
        late = fold(feature.kernel, feature, params, [column[start:] for column in columns])
        a, b = early[start + memory - 1 :], late[memory - 1 :]
        if exact:
            assert same(a, b)
        else:
            scale = max(np.abs(column).max() for column in columns) if feature.unit != "0 to 100" else 100.0
            assert np.allclose(a, b, rtol=0, atol=1e-10 * scale)


@pytest.mark.parametrize("name", ["sma", "stdev", "highest", "lowest", "zscore", "returns", "prev", "bollinger_upper"])
def test_an_undefined_value_leaves_a_window_without_a_trace(name, generated):
    feature = CATALOGUE[name]
    params = EXAMPLES.get(name, [(14,)])[0]
    column = generated[:200, 4].copy()
    column[50] = math.nan
    values = fold(feature.kernel, feature, params, [column])
    clean = fold(feature.kernel, feature, params, [generated[51:200, 4]])
    assert same(values[51 + feature.memory(*params) - 1 :], clean[feature.memory(*params) - 1 :])


def test_a_huge_value_leaves_a_window_without_a_trace():
    column = np.array([1e300, *([0.1] * 10)])
    sma = fold(CATALOGUE["sma"].kernel, CATALOGUE["sma"], (3,), [column])
    assert sma[-1] == 0.1


def test_a_flat_market_has_exactly_its_price_as_mean_and_no_spread():
    column = np.full(100, 0.1)
    assert fold(CATALOGUE["sma"].kernel, CATALOGUE["sma"], (7,), [column])[-1] == 0.1
    assert fold(CATALOGUE["stdev"].kernel, CATALOGUE["stdev"], (7,), [column])[-1] == 0.0
    assert math.isnan(fold(CATALOGUE["zscore"].kernel, CATALOGUE["zscore"], (7,), [column])[-1])
    assert fold(CATALOGUE["ema"].kernel, CATALOGUE["ema"], (7,), [column])[-1] == 0.1


def test_a_recursive_mean_passes_over_an_undefined_value():
    ema = CATALOGUE["ema"]
    holed = fold(ema.kernel, ema, (3,), [np.array([1.0, 2.0, 3.0, math.nan, 4.0])])
    whole = fold(ema.kernel, ema, (3,), [np.array([1.0, 2.0, 3.0, 4.0])])
    assert math.isnan(holed[3])
    assert holed[4] == whole[3]


def test_rsi_is_100_where_nothing_fell():
    rsi = CATALOGUE["rsi"]
    assert fold(rsi.kernel, rsi, (14,), [np.arange(1.0, 40.0)])[-1] == 100.0


def crossing(name, a, b):
    feature = CATALOGUE[name]
    return fold(feature.kernel, feature, (), [np.array(a, dtype=float), np.array(b, dtype=float)]).tolist()[1:]


def test_a_touch_counts_as_before_the_crossing():
    assert crossing("crosses_above", [1, 2, 3, 4], [2, 2, 2, 2]) == [0.0, 1.0, 0.0]
    assert crossing("crosses_below", [3, 2, 1, 0], [2, 2, 2, 2]) == [0.0, 1.0, 0.0]


def test_a_crossing_next_to_an_undefined_value_is_undefined():
    assert [math.isnan(v) for v in crossing("crosses_above", [1, math.nan, 3, 4], [2, 2, 2, 2])] == [True, True, False]


def test_definitions_follow_ta(btc):
    pd = pytest.importorskip("pandas")
    ta = pytest.importorskip("ta")
    high, low, close = (pd.Series(btc[:, i]) for i in (2, 3, 4))
    bands = ta.volatility.BollingerBands(close, 20, 2)
    macd = ta.trend.MACD(close, 26, 12, 9)
    atr = ta.volatility.AverageTrueRange(high, low, close, 14).average_true_range()
    atr[:13] = np.nan  # ta fills its warm-up with zeros
    expected = {
        ("sma", (20,)): ta.trend.sma_indicator(close, 20),
        ("ema", (26,)): ta.trend.ema_indicator(close, 26),
        ("rsi", (14,)): ta.momentum.rsi(close, 14),
        ("macd", (12, 26, 9)): macd.macd(),
        ("macd_signal", (12, 26, 9)): macd.macd_signal(),
        ("macd_hist", (12, 26, 9)): macd.macd_diff(),
        ("atr", (14,)): atr,
        ("bollinger_mid", (20, 2.0)): bands.bollinger_mavg(),
        ("bollinger_upper", (20, 2.0)): bands.bollinger_hband(),
        ("bollinger_lower", (20, 2.0)): bands.bollinger_lband(),
        ("bollinger_width", (20, 2.0)): bands.bollinger_wband(),
        ("bollinger_pct", (20, 2.0)): bands.bollinger_pband(),
        ("stdev", (20,)): close.rolling(20).std(ddof=0),
        ("highest", (20,)): close.rolling(20).max(),
        ("lowest", (20,)): close.rolling(20).min(),
        ("prev", (5,)): close.shift(5),
        ("returns", (5,)): close.pct_change(5),
        ("zscore", (20,)): (close - close.rolling(20).mean()) / close.rolling(20).std(ddof=0),
    }
    assert {name for name, _ in expected} == set(CATALOGUE) - {"crosses_above", "crosses_below"}
    for (name, params), theirs in expected.items():
        feature = CATALOGUE[name]
        ours = fold(feature.kernel, feature, params, inputs_of(feature, btc))
        # A difference of two prices carries the rounding of the prices, not of itself.
        floor = 1e-9 if name in {"macd", "macd_signal", "macd_hist"} else 1e-11
        tolerance = 1e-6 if name in {"stdev", "zscore", "bollinger_width", "bollinger_pct"} else 1e-9
        assert np.array_equal(np.isnan(ours), np.isnan(theirs.to_numpy())), name
        np.testing.assert_allclose(ours, theirs.to_numpy(), rtol=tolerance, atol=floor * 10, err_msg=name)


def test_the_weight_of_the_start_is_gone_when_it_is_said_to_be():
    alpha = 2.0 / 27.0
    assert (1 - alpha) ** forgotten_after(alpha) <= 1e-12 < (1 - alpha) ** (forgotten_after(alpha) - 1)


@pytest.mark.parametrize("feature", CATALOGUE.values(), ids=CATALOGUE)
def test_every_feature_documents_itself(feature):
    assert all((feature.summary, feature.formula, feature.unit, feature.source))
    assert all(param.doc for param in feature.params)


def test_no_name_is_both_built_and_planned():
    assert not set(CATALOGUE) & {*PLANNED, *PRICES, *FAMILIES_OF_NAMES}
    assert not set(PLANNED) & set(FAMILIES_OF_NAMES)


def test_a_misspelt_name_is_answered_with_the_nearest():
    assert suggestion("bolinger_uper", known_functions()) == "did you mean 'bollinger_upper'?"
    assert suggestion("adxx", known_functions()) == "did you mean 'adx'?"
    assert suggestion("qqqqqq", known_functions()) == ""
