"""The difference of two independent means with unequal variances (Welch 1947, Biometrika 34:28)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadlab.model.result import Interval
from loadlab.stats.student import t_quantile_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """A mean with its standard error, from ``n`` independent values (2 or more)."""

    value: float
    error: float
    n: int


def difference_interval(first: Mean, second: Mean, level: float = 0.95) -> Interval:
    """Two-sided interval of first minus second; degrees of freedom after Welch and Satterthwaite."""
    difference = first.value - second.value
    squares = (first.error**2, second.error**2)
    if sum(squares) == 0:
        return Interval(lower=difference, upper=difference, level=level)
    freedom = sum(squares) ** 2 / sum(s**2 / (m.n - 1) for s, m in zip(squares, (first, second), strict=True))
    half = t_quantile_of(freedom, (1 + level) / 2) * math.sqrt(sum(squares))
    return Interval(lower=difference - half, upper=difference + half, level=level)
