"""How far a good backtest may be luck: the probabilistic and the deflated Sharpe ratio, and backtest overfitting.

Sources: Bailey and Lopez de Prado, "The Sharpe Ratio Efficient Frontier" (2012) and "The Deflated Sharpe Ratio" (2014);
Bailey, Borwein, Lopez de Prado and Zhu, "The Probability of Backtest Overfitting" (2015). Sharpe ratios here are of one
period (a day), not annualised.
"""

from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autotrader.market.bars import Floats

NOISE = 1e-12
"""A standard deviation of returns below this is rounding, not risk."""

EULER = 0.5772156649015329
"""The Euler-Mascheroni constant."""

MAX_BLOCKS = 20
"""C(20, 10) is 184,756 ways to split; more blocks take minutes and change little."""

CHUNK = 4_000_000
"""Floats that the splits of `overfitting` hold at once."""

_NORMAL = NormalDist()


class Moments(NamedTuple):
    """Of one period's returns: how many, mean, standard deviation (n - 1), skewness and kurtosis (normal: 3)."""

    periods: int
    mean: float
    deviation: float
    skewness: float
    kurtosis: float

    @property
    def sharpe(self) -> float | None:
        """The Sharpe ratio of one period; None where returns do not vary."""
        return self.mean / self.deviation if self.deviation > NOISE else None


def mean(values: Floats) -> float:
    """Return the mean of some values, at least one; NumPy's own takes longer to begin than to add up a few hundred."""
    return float(np.add.reduce(values)) / len(values)


def moments(returns: Floats) -> Moments | None:
    """Return the moments of some returns; None for fewer than two, or where they are too large to count with."""
    if len(returns) < 2:
        return None
    middle = mean(returns)
    apart = returns - middle
    square = apart * apart
    second = mean(square)
    if not math.isfinite(second * second):
        return None
    deviation = math.sqrt(second * len(returns) / (len(returns) - 1))
    if deviation <= NOISE:
        return Moments(len(returns), middle, deviation, 0.0, 3.0)
    skewness = mean(square * apart) / second**1.5
    return Moments(len(returns), middle, deviation, skewness, mean(square * square) / (second * second))


def probabilistic_sharpe(of: Moments, benchmark: float = 0.0) -> float | None:
    """Return the probability that the true Sharpe ratio of one period exceeds a benchmark; None where undefined."""
    ratio = of.sharpe
    if ratio is None:
        return None
    spread = 1.0 - of.skewness * ratio + (of.kurtosis - 1.0) / 4.0 * ratio * ratio
    if not spread > 0.0:
        return None
    return _NORMAL.cdf((ratio - benchmark) * math.sqrt(of.periods - 1) / math.sqrt(spread))


def expected_best(trials: int, variance: float) -> float:
    """Return the Sharpe ratio that the best of some trials without any skill is expected to show.

    `variance` is that of the trials' Sharpe ratios of one period. Raises ValueError for no trial or a variance below 0.
    """
    if trials < 1 or not variance >= 0.0:
        raise ValueError(
            f"{trials} trials with a variance of {variance} cannot be; there is at least one, and it is >= 0"
        )
    if trials == 1:
        return 0.0
    quantile = _NORMAL.inv_cdf
    best = (1.0 - EULER) * quantile(1.0 - 1.0 / trials) + EULER * quantile(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * best


def deflated_sharpe(of: Moments, trials: int = 1, variance: float = 0.0) -> float | None:
    """Return the probability that a Sharpe ratio is skill after that many trials; of one, that it is above zero.

    None where it is undefined. Raises ValueError as `expected_best` does.
    """
    return probabilistic_sharpe(of, expected_best(trials, variance))


class Overfitting(NamedTuple):
    """What combinatorially symmetric cross-validation finds over all splits of the history into two halves.

    `probability` (PBO): how often the trial that is best in one half is below the median in the other.
    `loss`: how often that trial loses there. `slope` and `intercept`: the line of its Sharpe ratio there over that
    in its own half. `logits`: of its relative rank there, one a split; below zero is overfit.
    """

    probability: float
    loss: float
    slope: float
    intercept: float
    logits: Floats


def overfitting(returns: npt.NDArray[np.float64], blocks: int = 16) -> Overfitting:
    """Return the probability of backtest overfitting from a matrix of returns, one row a period, one column a trial.

    Trials are compared by Sharpe ratio (zero where returns do not vary). Rows that do not fill a block are left out at
    the start. Raises ValueError for fewer than two trials, an odd number of blocks or fewer than two rows a block.
    """
    periods, trials = returns.shape if returns.ndim == 2 else (0, 0)
    if trials < 2:
        raise ValueError("overfitting is a matter of choice: give at least two trials, one a column")
    if blocks % 2 or not 2 <= blocks <= MAX_BLOCKS:
        raise ValueError(f"{blocks} blocks cannot be halved evenly; use an even number from 2 to {MAX_BLOCKS}")
    length = periods // blocks
    if length < 2:
        raise ValueError(f"{periods} periods are too few for {blocks} blocks; use fewer blocks or a longer history")
    parts = returns[periods - length * blocks :].reshape(blocks, length, trials)
    sums, squares = parts.sum(axis=1), np.square(parts).sum(axis=1)
    chosen = np.zeros((math.comb(blocks, blocks // 2), blocks))
    for row, split in enumerate(combinations(range(blocks), blocks // 2)):
        chosen[row, list(split)] = 1.0
    step = max(1, CHUNK // trials)
    found = [_judged(chosen[at : at + step], sums, squares, length * blocks // 2) for at in range(0, len(chosen), step)]
    logits, inside, outside = (np.concatenate(column) for column in zip(*found, strict=True))
    slope, intercept = _line(inside, outside)
    return Overfitting(float(np.mean(logits <= 0.0)), float(np.mean(outside < 0.0)), slope, intercept, logits)


def _judged(chosen: Floats, sums: Floats, squares: Floats, count: int) -> tuple[Floats, Floats, Floats]:
    """Return, for each split, the logit of the winner's rank outside, and its Sharpe ratio inside and outside."""
    within = _sharpes(chosen @ sums, chosen @ squares, count)
    beyond = _sharpes((1.0 - chosen) @ sums, (1.0 - chosen) @ squares, count)
    best = within.argmax(axis=1)
    rows = np.arange(len(best))
    score = beyond[rows, best]
    below = (beyond < score[:, None]).sum(axis=1)
    equal = (beyond == score[:, None]).sum(axis=1)
    rank = (below + (equal + 1.0) / 2.0) / (beyond.shape[1] + 1.0)
    return np.log(rank / (1.0 - rank)), within[rows, best], score


def _sharpes(sums: Floats, squares: Floats, count: int) -> Floats:
    mean = sums / count
    deviation = np.sqrt(np.maximum(squares / count - mean * mean, 0.0) * count / (count - 1))
    ratios: Floats = np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 1e-9)
    return ratios


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    spread = float(np.mean(np.square(x - x.mean())))
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > NOISE else 0.0
    return slope, float(y.mean()) - slope * float(x.mean())
