"""Arbitrage: how far two prices of one thing, or of two that belong together, lie apart."""

from __future__ import annotations

import math
from math import isnan

from autotrader.features.feature import WINDOW, Feature, Param, define, same
from autotrader.features.moments import center, moment, pair, pair_size, variance_size
from autotrader.features.numeric import LN_2, NAN, divide, log
from autotrader.features.windows import State


def spread(s: State, a: float, b: float) -> float:  # noqa: ARG001 - it has no memory
    """How much more a costs than b."""
    return a - b


def basis(s: State, spot: float, perp: float) -> float:  # noqa: ARG001 - it has no memory
    """The basis: how much more the perpetual or future costs than the spot."""
    return divide(perp - spot, spot)


def premium(s: State, a: float, b: float, rate: float) -> float:  # noqa: ARG001 - it has no memory
    """The premium of one exchange over another, b's price converted by the rate of the currencies."""
    there = b * rate
    return divide(a - there, there)


def hedge_ratio(s: State, n: int, a: float, b: float) -> float:
    """How much of b moves as one of a does: the slope of least squares over the window."""
    return divide(moment(s, 0, n, 2), moment(s, 0, n, 1)) if pair(s, 0, n, a, b) else NAN


def spread_zscore(s: State, n: int, a: float, b: float) -> float:
    """How far a lies from what b makes one expect, in the standard deviations of that distance over the window."""
    if not pair(s, 0, n, a, b):
        return NAN
    ratio = divide(moment(s, 0, n, 2), moment(s, 0, n, 1))
    unexplained = moment(s, 0, n, 0) - ratio * moment(s, 0, n, 2)
    if not unexplained > 1e-12 * moment(s, 0, n, 0):
        return NAN
    away = (a - center(s, 0, n, a)) - ratio * (b - center(s, variance_size(n), n, b))
    return away / math.sqrt(unexplained)


def half_life(s: State, n: int, x: float) -> float:
    """After how many bars half of a distance to the mean is gone; undefined where x does not return to one."""
    before = s[0]
    s[0] = x
    if not pair(s, 1, n, x - before, before):
        return NAN
    pull = divide(moment(s, 1, n, 2), moment(s, 1, n, 1))
    if isnan(pull) or not -1.0 < pull < 0.0:
        return NAN
    return -LN_2 / log(1.0 + pull)


def _one() -> int:
    return 1


FEATURES: tuple[Feature, ...] = (
    define(spread, (), "a - b", "that of a", "the difference", size=_one, warmup=_one, inputs=("a", "b")),
    define(
        basis,
        (),
        "perp / spot - 1",
        "a fraction: 0.01 is 1 %",
        "Hull, Options, Futures, and Other Derivatives",
        size=_one,
        warmup=_one,
        inputs=("spot", "perp"),
    ),
    define(
        premium,
        (),
        "a / (b rate) - 1",
        "a fraction: 0.01 is 1 %",
        "Makarov and Schoar, Journal of Financial Economics (2020)",
        size=_one,
        warmup=_one,
        inputs=("a", "b", "rate"),
    ),
    define(
        hedge_ratio,
        (WINDOW,),
        "covariance(a, b, n) / var(b, n)",
        "units of b for one of a",
        "Engle and Granger, Econometrica (1987)",
        size=pair_size,
        warmup=same,
        inputs=("a", "b"),
    ),
    define(
        spread_zscore,
        (Param("n", "Bars in the window.", low=3),),
        "(a - alpha - beta b) / stdev of it in the window, by least squares of a on b",
        "standard deviations",
        "Gatev, Goetzmann, Rouwenhorst, Review of Financial Studies (2006)",
        size=pair_size,
        warmup=same,
        inputs=("a", "b"),
    ),
    define(
        half_life,
        (Param("n", "Changes in the window.", low=10),),
        "-log(2) / log(1 + k), k the slope of x[0] - x[1] on x[1] over n changes",
        "bars",
        "Chan, Algorithmic Trading (2013)",
        size=lambda n: pair_size(n) + 1,
        warmup=lambda n: n + 1,
    ),
)
