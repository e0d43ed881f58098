"""Distribution-free bounds of a median from order statistics (the sign test turned round).

For figures that move in steps (whole replicas) all blocks often agree exactly. Student's t would then
claim certainty from two blocks; here n unanimous blocks are worth a one-sided error of 2**-n, no less.
Source: Hollander, Wolfe & Chicken (2014), Nonparametric Statistical Methods, section 3.6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import count


@cache
def order_rank(n: int, alpha: float) -> int:
    """Return the largest k with P(Binomial(n, 1/2) <= k - 1) <= alpha; 0 where even k = 1 is too much.

    The k-th smallest of n values is then a lower bound of the median with confidence 1 - alpha.
    """
    total, cumulated, rank = 2**n, 0, 0
    while rank < n:
        cumulated += math.comb(n, rank)
        if cumulated / total > alpha:
            break
        rank += 1
    return rank


def blocks_for_bound(alpha: float) -> int:
    """The fewest blocks that have any one-sided bound of the median at this error: 2**-n is at most alpha."""
    return next(n for n in count(1) if order_rank(n, alpha))


def median_bounds(values: Sequence[float], alpha_lower: float, alpha_upper: float) -> tuple[float | None, float | None]:
    """One-sided bounds of the median, each with its own error; None where there are too few values."""
    ordered = sorted(values)
    below, above = order_rank(len(ordered), alpha_lower), order_rank(len(ordered), alpha_upper)
    return (ordered[below - 1] if below else None, ordered[-above] if above else None)
