"""What else could have come of the same trades."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.backtest import montecarlo
from autotrader.backtest.montecarlo import monte_carlo
from support import results

START = 10_000.0
profits = st.lists(st.integers(-(10**11), 10**11), min_size=1, max_size=40)


def trades(pnl):
    return results.trades([(0, 1, 0, 1, 10**8, 100, 100, -one, 1) for one in pnl])


@given(profits, st.sampled_from(["resample", "reshuffle"]), st.booleans())
def test_the_same_seed_gives_the_same_paths(pnl, method, compound):
    one, two = (monte_carlo(trades(pnl), START, method=method, compound=compound, paths=20, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.final, two.final)
    np.testing.assert_array_equal(one.fan, two.fan)


@given(profits, st.booleans())
def test_a_reshuffle_ends_where_the_backtest_ended(pnl, compound):
    gains = np.array(pnl) * 1e-8
    if (START + np.cumsum(gains)).min() <= 0:
        return
    found = monte_carlo(trades(pnl), START, method="reshuffle", paths=15, compound=compound)
    np.testing.assert_allclose(found.final, START + gains.sum(), rtol=1e-9)


@given(profits, st.sampled_from(["resample", "reshuffle"]))
def test_fans_and_shares_are_in_order(pnl, method):
    found = monte_carlo(trades(pnl), START, method=method, paths=50)
    assert (np.diff(found.fan, axis=0) >= -1e-9).all()
    assert 0.0 <= found.ruin <= 1.0
    assert 0.0 <= found.loss <= 1.0
    assert ((found.max_drawdown >= 0.0) & (found.max_drawdown <= 1.0)).all()
    assert (found.fan[:, 0] == START).all()


def test_a_resample_draws_about_the_mean():
    pnl = np.random.default_rng(1).normal(5e8, 5e9, 200).astype(np.int64)
    found = monte_carlo(trades(pnl), START, compound=False, paths=4_000)
    assert found.final.mean() == pytest.approx(START + pnl.sum() * 1e-8, abs=4 * 50 * np.sqrt(200) / np.sqrt(4_000))


def test_only_winners_never_lose():
    found = monte_carlo(trades([10**9] * 30), START)
    assert (found.loss, found.ruin) == (0.0, 0.0)
    assert found.max_drawdown.max() == 0.0


def test_what_is_lost_stays_lost():
    found = monte_carlo(trades([-2 * 10**12, 10**10]), START, method="reshuffle", paths=200)
    assert (found.final == 0.0).all()
    assert found.ruin == 1.0


def test_no_trade_and_no_money_have_no_paths():
    assert monte_carlo(trades([]), START) is None
    assert monte_carlo(trades([1]), 0.0) is None


def test_chunks_change_neither_draws_nor_bounds(monkeypatch):
    monkeypatch.setattr(montecarlo, "MAX_DRAWS", 3_000)
    found = monte_carlo(trades(range(100)), START, paths=1_000)
    assert len(found.final) == montecarlo.MIN_PATHS
    monkeypatch.setattr(montecarlo, "CHUNK", 150)
    np.testing.assert_array_equal(monte_carlo(trades(range(100)), START, paths=1_000).final, found.final)


@pytest.mark.parametrize("keys", [{"paths": 0}, {"ruin_level": 1.0}, {"ruin_level": -0.1}])
def test_nonsense_is_refused(keys):
    with pytest.raises(ValueError, match="paths"):
        monte_carlo(trades([1]), START, **keys)
