"""An approximate point estimate of the threshold: a rising curve through the levels, crossed in log N.

It stands beside the bracket and never replaces it: it has no interval, and it leans on the shape between
the tested levels, which nobody measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def crossing_users(
    users: Sequence[int], mean_log_ratios: Sequence[float], blocks: Sequence[int], margin_ratio: float
) -> float | None:
    """Return the real-valued N at which the rising fit passes log(1 + margin_ratio); approximate.

    ``users`` ascending; ``mean_log_ratios`` per level; ``blocks`` weight the levels. None where the fit starts
    above the margin or never passes it: there is nothing to interpolate between.
    """
    if len(users) < 2:
        return None
    bound = math.log1p(margin_ratio)
    fit = rising_fit(mean_log_ratios, blocks)
    right = next((i for i, level in enumerate(fit) if level > bound), 0)
    if right == 0:
        return None
    share = (bound - fit[right - 1]) / (fit[right] - fit[right - 1])
    low, high = math.log(users[right - 1]), math.log(users[right])
    return math.exp(low + share * (high - low))


def rising_fit(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the weighted least-squares fit of ``values`` that never falls; weights above zero.

    Pool adjacent violators (Barlow et al. 1972). The same as scipy.optimize.isotonic_regression, which the tests
    hold it against and whose import takes longer than a whole analysis.
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pool = (float(value), float(weight), 1)
        while pools and pools[-1][0] >= pool[0]:
            mean, mass, size = pools.pop()
            whole = mass + pool[1]
            pool = ((mean * mass + pool[0] * pool[1]) / whole, whole, size + pool[2])
        pools.append(pool)
    return [mean for mean, _, size in pools for _ in range(size)]
