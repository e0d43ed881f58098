"""Equivalence by two one-sided tests (Schuirmann 1987, J. Pharmacokin. Biopharm. 15:657)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from loadlab.stats.paired import sample
from loadlab.stats.sign import median_bounds
from loadlab.stats.student import t_tail


def tost_p_value(logs: Sequence[float], margin_ratio: float) -> float | None:
    """Return the p value of "the ratio lies outside [1/(1+margin), 1+margin]"; small means equivalent.

    ``logs`` are paired log ratios, one per block. None with fewer than two blocks or without any spread.
    """
    got = sample(logs)
    if got is None or got.sd is None or not got.spread:
        return None
    error, bound = got.sd / math.sqrt(got.n), math.log1p(margin_ratio)
    below = float(t_tail(got.n - 1, (got.mean + bound) / error))
    above = float(t_tail(got.n - 1, (bound - got.mean) / error))
    return max(below, above)


def equivalent(logs: Sequence[float], margin_ratio: float, alpha: float = 0.05) -> bool | None:
    """Whether the blocks show a ratio within the margin; None when they cannot tell (too few).

    Blocks without any spread are judged by the order-statistic bounds of the median.
    """
    p_value = tost_p_value(logs, margin_ratio)
    if p_value is not None:
        return p_value <= alpha
    lower, upper = median_bounds(logs, alpha, alpha)
    if lower is None or upper is None:
        return None
    return -math.log1p(margin_ratio) < lower and upper < math.log1p(margin_ratio)
