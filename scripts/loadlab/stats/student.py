"""Student's t."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadlab.stats.beta import incomplete_beta

_STEPS = 200
_PRECISION = 1e-12


def t_quantile(df: ArrayLike, probability: ArrayLike) -> NDArray[np.float64]:
    """Quantile of Student's t; arrays broadcast; nan where ``df`` is below 1."""
    return _each(t_quantile_of, df, probability)


def t_tail(df: ArrayLike, statistic: ArrayLike) -> NDArray[np.float64]:
    """P(T > statistic); arrays broadcast; nan where ``df`` is below 1."""
    return _each(_tail, df, statistic)


def _each(function: Callable[[float, float], float], df: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """``function`` of each pair; thousands of runs share a few degrees of freedom, and each is computed once."""
    (freedoms, row), (others, column) = (
        np.unique(np.asarray(values, np.float64), return_inverse=True) for values in (df, other)
    )
    table = np.array([[function(f, o) if f >= 1 else math.nan for o in others.tolist()] for f in freedoms.tolist()])
    return np.asarray(table[row.reshape(np.shape(df)), column.reshape(np.shape(other))], dtype=np.float64)


def _tail(df: float, statistic: float) -> float:
    square = statistic**2
    if square > 1.0:
        beyond = incomplete_beta(df / 2, 0.5, df / (df + square)) / 2
    else:
        beyond = 0.5 - incomplete_beta(0.5, df / 2, square / (df + square)) / 2
    return beyond if statistic >= 0 else 1.0 - beyond


@lru_cache(maxsize=4096)
def t_quantile_of(df: float, probability: float) -> float:
    """One quantile of Student's t; df at least 1.

    Newton's steps from the normal quantile, which lies below: the tail is convex, so they never overshoot.
    """
    if probability < 0.5:
        return -t_quantile_of(df, 1.0 - probability)
    quantile = NormalDist().inv_cdf(probability)
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)
    for _ in range(_STEPS):
        density = scale * math.exp(-(df + 1) / 2 * math.log1p(quantile**2 / df))
        step = (_tail(df, quantile) - (1.0 - probability)) / density
        quantile += step
        if abs(step) <= _PRECISION * max(1.0, quantile):
            break
    return quantile
