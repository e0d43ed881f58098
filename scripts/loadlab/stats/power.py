"""What a plan can see before it is run: the excess that it finds, and the blocks that a wanted one takes.

Draws the noise of whole runs and puts it through the same bounds that decide (level_bounds), at the middle level. The
bounds move with the data, so one set of draws answers for every excess: a level is called over the margin exactly
when its excess is larger than how far the bound of the noise alone lies below zero.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache

import numpy as np

from loadlab.stats.level_bounds import MIN_BLOCKS, Floats, level_bounds

POWER = 0.8
MAX_BLOCKS = 200
_RUNS = 4000
_SEED = 20261126


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What a plan can see at one level, as logs of the cost ratio beyond the margin.

    excess_log: found with ``power``. None where the plan has fewer than two blocks.
    """

    blocks: int
    levels: int
    sd_log: float
    power: float
    excess_log: float | None


def sight(*, blocks: int, levels: int, sd_log: float, alpha: float = 0.025, power: float = POWER) -> Sight:
    """The smallest excess beyond the margin that ``blocks`` paired blocks at ``levels`` levels find with ``power``.

    sd_log: standard deviation of one block's log ratio, equal at all levels. alpha: one-sided, of the whole family.

    Raises:
        ValueError: sd_log is negative, or alpha or power is not between 0 and 1.
    """
    if sd_log < 0 or not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError(f"sd_log {sd_log}, alpha {alpha} or power {power} is out of range")
    found = None if blocks < MIN_BLOCKS else sd_log * float(np.quantile(_reach_sd(blocks, levels, alpha), power))
    return Sight(blocks=blocks, levels=levels, sd_log=sd_log, power=power, excess_log=found)


def found_ratio(excess_log: float, *, blocks: int, levels: int, sd_log: float, alpha: float = 0.025) -> float:
    """Share of runs that call a level over the margin whose ratio lies ``excess_log`` beyond it."""
    if sd_log <= 0:
        raise ValueError(f"sd_log {sd_log}: noise must be above zero")
    return float(np.mean(_reach_sd(blocks, levels, alpha) < excess_log / sd_log))


def blocks_to_see(
    excess_log: float, *, levels: int, sd_log: float, alpha: float = 0.025, power: float = POWER
) -> int | None:
    """Fewest blocks that find ``excess_log`` beyond the margin with ``power``; None when 200 would not do."""
    if excess_log <= 0:
        return None

    def enough(blocks: int) -> bool:
        reach = sight(blocks=blocks, levels=levels, sd_log=sd_log, alpha=alpha, power=power).excess_log
        return reach is not None and reach <= excess_log

    found = MIN_BLOCKS + bisect_left(range(MIN_BLOCKS, MAX_BLOCKS + 1), True, key=enough)
    return found if found <= MAX_BLOCKS else None


@cache
def _reach_sd(blocks: int, levels: int, alpha: float) -> Floats:
    """Per drawn run: the excess, in block standard deviations, from which the middle level is called over."""
    drawn = np.random.default_rng(_SEED).standard_normal((_RUNS, blocks, min(levels, _NEIGHBOURHOOD)))
    spare = alpha * drawn.shape[-1] / levels
    """Bonferroni over all levels of the plan; only the neighbours of the middle level are drawn."""
    return -level_bounds(drawn, spare).lower[..., drawn.shape[-1] // 2]


_NEIGHBOURHOOD = 3
"""A level and the two whose variance it shares: levels further off do not touch its bounds."""
