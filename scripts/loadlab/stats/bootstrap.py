"""Bootstrap over blocks, bias-corrected and accelerated; only where there are blocks enough for it.

Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 14.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from loadlab.model.result import Interval

MIN_BLOCKS = 12
"""Below this its intervals are too short; the paired t interval holds from two blocks on."""


def mean_interval(values: Sequence[float], *, seed: int, level: float = 0.95, draws: int = 4000) -> Interval | None:
    """BCa interval of the mean over blocks. None below 12 blocks or where all blocks are alike."""
    data = np.asarray(values, dtype=np.float64)
    if data.size < MIN_BLOCKS or np.ptp(data) == 0:
        return None
    picks = np.random.default_rng(seed).integers(0, data.size, size=(draws, data.size))
    means = np.sort(data[picks].mean(axis=1))
    lower, upper = np.quantile(means, _bca_levels(data, means, level))
    return Interval(lower=float(lower), upper=float(upper), level=level)


def _bca_levels(data: NDArray[np.float64], means: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    below = np.clip(np.mean(means < data.mean()), 1 / means.size, 1 - 1 / means.size)
    bias = ndtri(below)
    jackknife = (data.sum() - data) / (data.size - 1)
    pulls = jackknife.mean() - jackknife
    acceleration = (pulls**3).sum() / (6 * (pulls**2).sum() ** 1.5)
    z = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    return np.asarray(ndtr(bias + z / (1 - acceleration * z)), dtype=np.float64)
