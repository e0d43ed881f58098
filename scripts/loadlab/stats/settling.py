"""How many blocks would settle a level that decides neither way, at the ratio and the noise seen so far."""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np

from loadlab.stats.beta import binomial_at_most
from loadlab.stats.level_bounds import Floats, LevelBounds
from loadlab.stats.sign import order_rank
from loadlab.stats.student import t_quantile_of

POWER = 0.8
MAX_BLOCKS = 500
"""Beyond this a level counts as lying on the margin: no affordable number of blocks settles it."""


def blocks_to_settle(
    column: Floats,
    bounds: LevelBounds,
    i: int,
    *,
    margin_log: float,
    alpha_over: float,
    alpha_under: float,
) -> int | None:
    """Return the smallest number of blocks that settles level ``i`` with a power of 0.8.

    ``column``: the level's log ratios, nan where missing. ``alpha_over`` and ``alpha_under``: the one-sided
    errors for calling it over and under the margin. None when 500 blocks would not do.
    """
    gap = float(bounds.centre[i]) - margin_log
    alpha = alpha_over if gap > 0 else alpha_under
    if bounds.by_sign[i]:
        seen = column[~np.isnan(column)]
        against = float(np.mean(seen <= margin_log if gap > 0 else seen >= margin_log))
        return blocks_by_sign(against, alpha)
    pooled = float(bounds.pooled_df[i]) / max(int(bounds.blocks[i]) - 1, 1)
    own = blocks_by_t(abs(gap), float(bounds.own_sd[i]), alpha)
    shared = blocks_by_t(abs(gap), float(bounds.pooled_sd[i]), alpha, levels_pooled=pooled)
    return None if own is None or shared is None else max(own, shared)


def blocks_by_t(
    gap_log: float, sd_log: float, alpha: float, *, levels_pooled: float = 1.0, power: float = POWER
) -> int | None:
    """Blocks until (t(1 - alpha) + t(power)) sd / sqrt(n) fits into the gap; None beyond 500."""

    def enough(blocks: int) -> bool:
        df = levels_pooled * (blocks - 1)
        reach = (t_quantile_of(df, 1 - alpha) + t_quantile_of(df, power)) * sd_log / math.sqrt(blocks)
        return reach <= gap_log

    found = 2 + bisect_left(range(2, MAX_BLOCKS + 1), True, key=enough)
    return found if gap_log > 0 and found <= MAX_BLOCKS else None


def blocks_by_sign(against_ratio: float, alpha: float, power: float = POWER) -> int | None:
    """Blocks until the order-statistic bound clears the margin when this share of blocks speaks against it."""
    if against_ratio >= 0.5 or math.isnan(against_ratio):
        return None
    for n in range(1, MAX_BLOCKS + 1):
        rank = order_rank(n, alpha)
        if rank and binomial_at_most(rank - 1, n, against_ratio) >= power:
            return n
    return None
