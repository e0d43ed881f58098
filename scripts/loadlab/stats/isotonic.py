"""An approximate point estimate of the threshold: a rising curve through the levels, crossed in log N.

It stands beside the bracket and never replaces it: it has no interval, and it leans on the shape between
the tested levels, which nobody measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression


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
    weights = np.asarray(blocks, dtype=np.float64)
    fit = isotonic_regression(np.asarray(mean_log_ratios, dtype=np.float64), weights=weights).x
    above = np.flatnonzero(fit > bound)
    if above.size == 0 or above[0] == 0:
        return None
    right = int(above[0])
    share = (bound - fit[right - 1]) / (fit[right] - fit[right - 1])
    low, high = math.log(users[right - 1]), math.log(users[right])
    return math.exp(low + float(share) * (high - low))
