"""Student's t, by scipy.special alone: importing scipy.stats takes longer than a whole analysis."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit


def t_quantile(df: ArrayLike, probability: ArrayLike) -> NDArray[np.float64]:
    """Quantile of Student's t; arrays broadcast; nan where ``df`` is below 1."""
    freedom = np.asarray(df, dtype=np.float64)
    safe = np.where(freedom >= 1, freedom, 1.0)
    return np.where(freedom >= 1, stdtrit(safe, np.asarray(probability, dtype=np.float64)), np.nan)


def t_tail(df: ArrayLike, statistic: ArrayLike) -> NDArray[np.float64]:
    """P(T > statistic); arrays broadcast; nan where ``df`` is below 1."""
    freedom = np.asarray(df, dtype=np.float64)
    safe = np.where(freedom >= 1, freedom, 1.0)
    tail = np.asarray(stdtr(safe, -np.asarray(statistic, dtype=np.float64)), dtype=np.float64)
    return np.where(freedom >= 1, tail, np.nan)
