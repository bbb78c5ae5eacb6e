"""Luck and skill: the figures of the papers, and what must hold whatever the returns."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.backtest.overfit import (
    Moments,
    deflated_sharpe,
    expected_best,
    moments,
    overfitting,
    probabilistic_sharpe,
)

# Bailey and Lopez de Prado (2014), "A numerical example": 2.5 a year over five years of 250 days, skewed and fat-tailed
PAPER = Moments(1250, 2.5 / math.sqrt(250), 1.0, -3.0, 10.0)
VARIANCE = 0.5 / 250


def test_the_best_of_a_hundred_trials_is_the_papers():
    assert expected_best(100, VARIANCE) == pytest.approx(0.1132, abs=5e-5)


def test_the_deflated_sharpe_ratio_is_the_papers():
    assert deflated_sharpe(PAPER, 100, VARIANCE) == pytest.approx(0.9004, abs=1e-4)


def test_fewer_trials_pass_the_papers_95_percent():
    assert deflated_sharpe(PAPER, 46, VARIANCE) == pytest.approx(0.9505, abs=1e-4)


def test_normal_returns_allow_the_papers_88_trials():
    assert deflated_sharpe(PAPER._replace(skewness=0.0, kurtosis=3.0), 88, VARIANCE) == pytest.approx(0.9505, abs=1e-4)


@given(st.floats(-0.3, 0.3), st.integers(2, 5000), st.floats(-1, 1), st.floats(3, 20))
def test_one_trial_is_judged_against_zero(ratio, count, skewness, kurtosis):
    of = Moments(count, ratio, 1.0, skewness, kurtosis)
    assert deflated_sharpe(of, 1, 0.3) == probabilistic_sharpe(of, 0.0)


@given(st.integers(1, 10_000), st.floats(0.0, 0.1))
def test_more_trials_never_make_a_result_more_credible(trials, variance):
    assert expected_best(trials + 1, variance) >= expected_best(trials, variance)
    assert deflated_sharpe(PAPER, trials + 1, variance) <= deflated_sharpe(PAPER, trials, variance)


@pytest.mark.parametrize(("trials", "variance"), [(0, 0.1), (1, -0.1), (2, math.nan)])
def test_nonsense_trials_are_refused(trials, variance):
    with pytest.raises(ValueError, match="cannot be"):
        expected_best(trials, variance)


@given(st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=60).filter(lambda x: max(x) - min(x) > 1e-3))
def test_moments_are_scipys(values):
    from scipy import stats

    found = moments(np.array(values))
    assert found.skewness == pytest.approx(stats.skew(values), abs=1e-9)
    assert found.kurtosis == pytest.approx(stats.kurtosis(values, fisher=False), rel=1e-9)
    assert found.deviation == pytest.approx(np.std(values, ddof=1), rel=1e-9)


def by_hand(returns, blocks):
    """The paper's steps as it tells them: split, choose the best, rank it in the other half."""
    parts = np.split(returns, blocks)
    logits = []
    for split in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[i] for i in split])
        outside = np.concatenate([parts[i] for i in range(blocks) if i not in split])
        sharpes = [half.mean(axis=0) / half.std(axis=0, ddof=1) for half in (inside, outside)]
        best = int(np.argmax(sharpes[0]))
        rank = int((sharpes[1] <= sharpes[1][best]).sum()) / (returns.shape[1] + 1)
        logits.append(math.log(rank / (1 - rank)))
    return np.array(logits)


@pytest.mark.parametrize("seed", range(5))
def test_overfitting_follows_the_papers_steps(seed):
    returns = np.random.default_rng(seed).normal(0.0, 0.01, (96, 9))
    found, told = overfitting(returns, 8), by_hand(returns, 8)
    np.testing.assert_allclose(found.logits, told, atol=1e-12)
    assert found.probability == np.mean(told <= 0)


def test_a_trial_with_skill_is_not_overfit():
    returns = np.random.default_rng(1).normal(0.0, 0.01, (800, 20))
    returns[:, 4] += 0.005
    found = overfitting(returns)
    assert found.probability == 0.0
    assert found.loss == 0.0


def test_the_choice_among_noise_is_overfit_about_half_the_time():
    probabilities = [
        overfitting(np.random.default_rng(seed).normal(0.0, 0.01, (320, 50)), 10).probability for seed in range(20)
    ]
    assert 0.35 < np.mean(probabilities) < 0.65


def test_what_wins_only_because_the_others_lose_there_is_surely_overfit():
    rng = np.random.default_rng(3)
    halves = np.repeat([1.0, -1.0], 50)[:, None]
    returns = rng.normal(0.0, 1e-3, (100, 2)) + halves * np.array([0.01, -0.01])
    assert overfitting(returns, 2).probability == 1.0


def test_the_chunks_of_the_splits_change_nothing(monkeypatch):
    returns = np.random.default_rng(5).normal(0.0, 0.01, (100, 7))
    whole = overfitting(returns, 10)
    monkeypatch.setattr("autotrader.backtest.overfit.CHUNK", 50)
    np.testing.assert_array_equal(overfitting(returns, 10).logits, whole.logits)


@pytest.mark.parametrize(("shape", "blocks"), [((99, 1), 10), ((99,), 10), ((99, 3), 7), ((99, 3), 22), ((10, 3), 8)])
def test_what_cannot_be_split_is_refused(shape, blocks):
    with pytest.raises(ValueError, match=r"trials|blocks"):
        overfitting(np.zeros(shape), blocks)


def test_trials_that_never_trade_are_no_fault():
    found = overfitting(np.zeros((64, 3)), 8)
    assert 0.0 <= found.probability <= 1.0
