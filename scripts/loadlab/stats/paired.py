"""Paired log ratios over blocks: d = log(first) - log(second), its mean and t interval.

A block measures both stacks next to each other, so what disturbs a block disturbs both and cancels in d.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadlab.model.result import Estimate, Interval
from loadlab.stats.sign import median_bounds
from loadlab.stats.student import t_quantile_of

NO_SPREAD = 1e-9
"""Standard deviations below this are no spread at all: the values are equal but for rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Mean and standard deviation between ``n`` independent blocks; sd None for fewer than two."""

    mean: float
    sd: float | None
    n: int

    @property
    def spread(self) -> bool:
        """Whether a t interval can be made: two blocks or more, and they are not all alike."""
        return self.sd is not None and self.sd > NO_SPREAD * max(1.0, abs(self.mean))


def sample(values: Sequence[float]) -> Sample | None:
    """Mean and sd of the blocks; None when there are none."""
    if not values:
        return None
    n = len(values)
    mean = math.fsum(values) / n
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1)) if n > 1 else None
    return Sample(mean=mean, sd=sd, n=n)


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """Two-sided interval of the mean at ``level``.

    Where all blocks gave the same value, t knows no width: the distribution-free interval of the median
    is given instead, which has zero width and exists from 1 + log2(1 / (1 - level)) blocks on. None: too few.
    """
    got = sample(values)
    if got is None or got.sd is None:
        return None
    if not got.spread:
        lower, upper = median_bounds(values, (1 - level) / 2, (1 - level) / 2)
        return None if lower is None or upper is None else Interval(lower=lower, upper=upper, level=level)
    half = t_quantile_of(got.n - 1, (1 + level) / 2) * got.sd / math.sqrt(got.n)
    return Interval(lower=got.mean - half, upper=got.mean + half, level=level)


def estimate(values: Sequence[float], level: float = 0.95) -> Estimate | None:
    """Mean over blocks with its t interval; None when there are no values."""
    got = sample(values)
    return None if got is None else Estimate(value=got.mean, interval=t_interval(values, level), n=got.n)


def log_ratios(pairs: Sequence[tuple[float | None, float | None]]) -> tuple[float | None, ...]:
    """log(first) - log(second) of each pair; None where a side is absent, zero or below, or not finite."""
    return tuple(_log_ratio(first, second) for first, second in pairs)


def ratio_estimate(logs: Sequence[float], level: float = 0.95) -> Estimate | None:
    """The ratio behind log ratios: geometric mean, and the t interval of the log carried back."""
    got = estimate(logs, level)
    if got is None:
        return None
    interval = got.interval and Interval(
        lower=math.exp(got.interval.lower), upper=math.exp(got.interval.upper), level=level
    )
    return Estimate(value=math.exp(got.value), interval=interval, n=got.n)


def _log_ratio(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return None
    if not (first > 0 and second > 0 and math.isfinite(first) and math.isfinite(second)):
        return None
    return math.log(first) - math.log(second)
