"""When the arrivals of an open load are due by its definition, apart from the code that sends them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONSTANT, POISSON = "constant", "poisson"


def due_s(pattern: str, *, rate_rps: float, seed: int, count: int) -> NDArray[np.float64]:
    """Of the first ``count`` arrivals, seconds from the start of the schedule, shape (count,).

    Evenly spaced from 0 on, or a Poisson process by the inverse of its gaps' distribution (Devroye 1986, *Non-Uniform
    Random Variate Generation*, section VI.1), drawn by PCG64 of (seed, 0).

    Raises:
        ValueError: another pattern, as one with steps.
    """
    if pattern == CONSTANT:
        return np.arange(count, dtype=np.float64) / rate_rps
    if pattern != POISSON:
        raise ValueError(f"arrivals {pattern!r}: expected {CONSTANT} or {POISSON}")
    drawn = np.random.Generator(np.random.PCG64([seed, 0])).random(count)
    due: NDArray[np.float64] = np.cumsum(-np.log1p(-drawn)) / rate_rps
    return due
