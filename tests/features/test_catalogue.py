"""Every definition in the catalogue: causal, compilable, bit-identical, with a true warm-up and memory."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.features.catalogue import CATALOGUE, FAMILIES_OF_NAMES, PLANNED, known_functions, suggestion
from autotrader.features.feature import PRICES, forgotten_after
from support import kernels
from support.kernels import inputs_of, same, variants

TOTALS = {"obv", "adi", "vpt", "nvi", "pvi", "cumulative_return"}
"""Running totals: they never forget where history began."""
SQUARES = {
    *("stdev", "var", "zscore", "bollinger_upper", "bollinger_lower", "bollinger_width", "bollinger_pct"),
    *("correl", "covariance", "beta", "hedge_ratio", "spread_zscore", "half_life"),
}
"""Windows of squares: what a window has seen before shows in the last digits, below 1e-12 of the value."""
SOMETIMES = {"psar_up", "psar_down", "stc", "stochrsi", "stochrsi_k", "stochrsi_d", "half_life"}
"""Undefined for a while by nature: the other side's turn, or a range of nothing."""
CASES = [
    pytest.param(feature, params, id=f"{name}{params}")
    for name, feature in CATALOGUE.items()
    for params in variants(feature)
]
FEATURES = [pytest.param(feature, id=name) for name, feature in CATALOGUE.items()]


def fold(feature, params, columns, kernel=None):
    return kernels.fold(feature, params, columns, kernel)


def holed(feature, bars):
    """Return columns with stretches of undefined values and one value that is too large for anything."""
    rng = random.Random(3)
    columns = [column.copy() for column in inputs_of(feature, bars)]
    for column in columns:
        for _ in range(4):
            at = rng.randrange(len(column))
            column[at : at + rng.choice((1, 2, 9))] = math.nan
        column[rng.randrange(len(column))] = 1e308
    return columns


@pytest.mark.parametrize(("feature", "params"), CASES)
def test_plain_and_compiled_kernels_give_the_same_bits(feature, params, btc, generated, twin):
    for columns in (inputs_of(feature, btc[:700]), holed(feature, generated[:400])):
        plain = fold(feature, params, columns)
        assert same(plain, fold(feature, params, columns, twin(feature.kernel)))


@pytest.mark.parametrize(("feature", "params"), CASES)
def test_a_value_never_depends_on_what_comes_later(feature, params, generated):
    columns = inputs_of(feature, generated[:300])
    whole = fold(feature, params, columns)
    for cut in (1, 2, 37, 200, 299):
        assert same(fold(feature, params, [column[:cut] for column in columns]), whole[:cut])


@pytest.mark.parametrize(("feature", "params"), CASES)
def test_the_first_value_comes_at_the_end_of_the_warm_up(feature, params, generated):
    moving = generated[1:][np.diff(generated[:, 4]) != 0]
    values = fold(feature, params, inputs_of(feature, moving[moving[:, 5] > 0]))
    first = int(np.argmax(np.isfinite(values))) + 1
    assert first == feature.warmup(*params) if feature.name not in SOMETIMES else first >= feature.warmup(*params)


@pytest.mark.parametrize(("feature", "params"), CASES)
def test_after_its_memory_a_value_no_longer_depends_on_where_history_began(feature, params, btc):
    if feature.name in TOTALS:
        return
    memory = feature.memory(*params)
    columns = inputs_of(feature, btc[: memory + 700])
    early = fold(feature, params, columns)
    exact = memory <= feature.warmup(*params) + 1 and feature.name not in SQUARES
    scale = np.nanmax(np.abs(early))
    for start in (1, 313):
        late = fold(feature, params, [column[start:] for column in columns])
        a, b = early[start + memory - 1 :], late[memory - 1 :]
        if exact:
            assert same(a, b)
        else:
            assert np.allclose(a, b, rtol=1e-9, atol=1e-10 * scale, equal_nan=True)


@pytest.mark.parametrize("name", sorted(TOTALS))
def test_a_running_total_differs_by_its_start_alone(name, btc):
    feature = CATALOGUE[name]
    columns = inputs_of(feature, btc[:600])
    early = fold(feature, (), columns)[120:]
    late = fold(feature, (), [column[100:] for column in columns])[20:]
    if name in {"nvi", "pvi", "cumulative_return"}:
        early, late = (np.log(values if name != "cumulative_return" else 100 + values) for values in (early, late))
    assert np.allclose(np.diff(early), np.diff(late), rtol=1e-6, atol=1e-9)


def raw(feature, params, columns):
    state = [math.nan] * feature.size(*params)
    return [feature.kernel(state, *params, *row) for row in zip(*(c.tolist() for c in columns), strict=True)]


@pytest.mark.parametrize("feature", FEATURES)
def test_nothing_that_a_market_does_raises_or_gives_infinity(feature, generated):
    flat = np.tile([0.0, 0.1, 0.1, 0.1, 0.1, 0.0], (150, 1))
    still = generated[:150].copy()
    still[40:90, 1:5] = still[40, 4]
    still[40:90, 5] = 0.0
    gap = generated[:150].copy()
    gap[50:60, 1:] = math.nan
    zero = np.zeros((150, 6))
    for bars in (flat, still, gap, zero):
        for params in variants(feature):
            values = raw(feature, params, inputs_of(feature, bars))
            assert not any(map(math.isinf, values))
            assert all(isinstance(value, float) for value in values)


price = st.one_of(st.floats(0.01, 1e6), st.just(math.nan), st.sampled_from([0.0, 0.1, 100.0]))


@settings(max_examples=6)
@given(rows=st.lists(st.tuples(price, price, price, price, price), min_size=30, max_size=60))
@pytest.mark.parametrize("feature", FEATURES)
def test_any_bars_at_all_can_be_folded(feature, rows):
    bars = np.array([(0.0, *row) for row in rows])
    raw(feature, variants(feature)[0], inputs_of(feature, bars))


@pytest.mark.parametrize("name", ["sma", "stdev", "highest", "lowest", "zscore", "returns", "prev", "bollinger_upper"])
def test_an_undefined_value_leaves_a_window_without_a_trace(name, generated):
    feature = CATALOGUE[name]
    params = (20, 2.0) if name.startswith("bollinger") else (14,)
    column = generated[:200, 4].copy()
    column[50] = math.nan
    values = fold(feature, params, [column])
    clean = fold(feature, params, [generated[51:200, 4]])
    after = feature.memory(*params) - 1
    assert np.allclose(values[51 + after :], clean[after:], rtol=0 if name not in SQUARES else 1e-12, atol=0)


def test_a_huge_value_leaves_a_window_without_a_trace():
    column = np.array([1e300, *([0.1] * 10)])
    sma = fold(CATALOGUE["sma"], (3,), [column])
    assert sma[-1] == 0.1


def test_a_flat_market_has_exactly_its_price_as_mean_and_no_spread():
    column = np.full(100, 0.1)
    assert fold(CATALOGUE["sma"], (7,), [column])[-1] == 0.1
    assert fold(CATALOGUE["stdev"], (7,), [column])[-1] == 0.0
    assert math.isnan(fold(CATALOGUE["zscore"], (7,), [column])[-1])
    assert fold(CATALOGUE["ema"], (7,), [column])[-1] == 0.1


def test_a_recursive_mean_passes_over_an_undefined_value():
    ema = CATALOGUE["ema"]
    holed = fold(ema, (3,), [np.array([1.0, 2.0, 3.0, math.nan, 4.0])])
    whole = fold(ema, (3,), [np.array([1.0, 2.0, 3.0, 4.0])])
    assert math.isnan(holed[3])
    assert holed[4] == whole[3]


def test_rsi_is_100_where_nothing_fell():
    rsi = CATALOGUE["rsi"]
    assert fold(rsi, (14,), [np.arange(1.0, 40.0)])[-1] == 100.0


def crossing(name, a, b):
    feature = CATALOGUE[name]
    return fold(feature, (), [np.array(a, dtype=float), np.array(b, dtype=float)]).tolist()[1:]


def test_a_touch_counts_as_before_the_crossing():
    assert crossing("crosses_above", [1, 2, 3, 4], [2, 2, 2, 2]) == [0.0, 1.0, 0.0]
    assert crossing("crosses_below", [3, 2, 1, 0], [2, 2, 2, 2]) == [0.0, 1.0, 0.0]


def test_a_crossing_next_to_an_undefined_value_is_undefined():
    assert [math.isnan(v) for v in crossing("crosses_above", [1, math.nan, 3, 4], [2, 2, 2, 2])] == [True, True, False]


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
