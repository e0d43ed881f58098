"""Bounds of the log cost ratio at each level, from paired blocks; one run or thousands at once.

The last two axes of every input are (blocks, levels); nan marks a missing pair. Methods:

* ``t``: the mean, with the wider of two Student's bounds: by the level's own variance with its own degrees of
  freedom (blocks - 1), and by the variance pooled over the level and its two neighbours (one at the edges) with
  theirs. The first holds however unlike the neighbours' noise is; the second keeps four blocks that happen to agree
  from being taken for certainty. Where the pooled blocks do not differ at all, ``sign`` takes over.
* ``sign``: the median, with bounds from order statistics (stats/sign.py), for figures that move in steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadlab.stats.paired import NO_SPREAD
from loadlab.stats.sign import order_rank
from loadlab.stats.student import t_quantile

Method = Literal["t", "sign"]
Floats = NDArray[np.float64]
MIN_BLOCKS = 2


@dataclass(frozen=True, slots=True, eq=False)
class LevelBounds:
    """Arrays over (..., levels). lower and upper are one-sided; -inf and +inf where there is no bound.

    lower holds for all levels at once (Bonferroni), upper for each level alone. own_sd and pooled_sd are the
    standard deviations of both bounds (nan without one), pooled_df the degrees of freedom of the second; by_sign:
    whether order statistics made the bounds.
    """

    centre: Floats
    lower: Floats
    upper: Floats
    own_sd: Floats
    pooled_sd: Floats
    pooled_df: Floats
    blocks: NDArray[np.int64]
    by_sign: NDArray[np.bool_]

    @property
    def sd(self) -> Floats:
        """The larger of both standard deviations."""
        return np.fmax(self.own_sd, self.pooled_sd)


def level_bounds(log_ratios: Floats, alpha: float, method: Method = "t") -> LevelBounds:
    """Bound every level; ``alpha`` is the one-sided error of the family below and of each level above."""
    blocks = np.count_nonzero(~np.isnan(log_ratios), axis=-2)
    divisor = np.maximum(blocks, 1)
    mean = np.where(blocks > 0, np.nansum(log_ratios, axis=-2) / divisor, np.nan)
    squares = np.nansum((log_ratios - mean[..., None, :]) ** 2, axis=-2)
    own_df = np.maximum(blocks - 1, 0).astype(np.float64)
    df = _with_neighbours(own_df)
    pooled_sd = np.sqrt(_with_neighbours(squares) / np.where(df > 0, df, np.nan))
    own_sd = np.sqrt(squares / np.where(own_df > 0, own_df, np.nan))
    alpha_lower = alpha / log_ratios.shape[-1]
    alike = ~(np.fmax(own_sd, pooled_sd) > NO_SPREAD * np.maximum(1.0, np.abs(mean)))
    by_sign = np.full(mean.shape, True) if method == "sign" else alike & (df > 0)
    lower, upper = (
        mean
        + side
        * np.fmax(t_quantile(own_df, 1 - error) * own_sd, t_quantile(df, 1 - error) * pooled_sd)
        / np.sqrt(divisor)
        for side, error in ((-1, alpha_lower), (1, alpha))
    )
    centre = mean
    if by_sign.any():
        median, low, high = _order_bounds(log_ratios, blocks, alpha_lower, alpha)
        centre = np.where(by_sign, median, mean)
        lower, upper = np.where(by_sign, low, lower), np.where(by_sign, high, upper)
    known = (blocks >= MIN_BLOCKS) & ~np.isnan(lower)
    return LevelBounds(
        centre=centre,
        lower=np.where(known, lower, -np.inf),
        upper=np.where(known, upper, np.inf),
        own_sd=own_sd,
        pooled_sd=pooled_sd,
        pooled_df=df,
        blocks=blocks,
        by_sign=by_sign,
    )


def staged_bounds(log_ratios: Floats, stages: Sequence[int], alpha: float, method: Method = "t") -> LevelBounds:
    """Bound the levels of several stages, each stage by its own blocks alone and at an error ``alpha`` of its own.

    ``stages``: which stage each level belongs to. Nothing is pooled over stages, since the levels of a later one were
    chosen by what an earlier one showed: its blocks are fresh, and given what was seen its bounds err by ``alpha``
    whatever was chosen. All stages together err by the sum.
    """
    places = [np.flatnonzero(np.asarray(stages) == stage) for stage in sorted(set(stages))]
    if len(places) == 1:
        return level_bounds(log_ratios, alpha, method)
    parts = [level_bounds(log_ratios[..., place], alpha, method) for place in places]
    order = np.argsort(np.concatenate(places))
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts], axis=-1)[..., order]
        for field in fields(LevelBounds)
    }
    return LevelBounds(**joined)


def bracket_ends(bounds: LevelBounds, margin_log: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of N_L and N_U in the levels.

    N_L: the last level such that it and all before it have their upper bound under the margin; -1 if none.
    N_U: the first level whose simultaneous lower bound lies above it; the number of levels if none.
    N_L < N_U always: no level's lower bound exceeds its own upper bound.
    """
    under = np.logical_and.accumulate(bounds.upper < margin_log, axis=-1)
    over = bounds.lower > margin_log
    levels = over.shape[-1]
    first_over = np.where(over.any(axis=-1), np.argmax(over, axis=-1), levels)
    return np.count_nonzero(under, axis=-1) - 1, first_over


def _with_neighbours(per_level: Floats) -> Floats:
    total = per_level.copy()
    total[..., 1:] += per_level[..., :-1]
    total[..., :-1] += per_level[..., 1:]
    return total


def _order_bounds(
    log_ratios: Floats, blocks: NDArray[np.int64], alpha_lower: float, alpha_upper: float
) -> tuple[Floats, Floats, Floats]:
    """Median and its bounds per level; nan sorts last, so the first ``blocks`` entries are the values."""
    ordered = np.sort(log_ratios, axis=-2)
    median = (_pick(ordered, (blocks - 1) // 2) + _pick(ordered, blocks // 2)) / 2
    sizes = range(log_ratios.shape[-2] + 1)
    below = np.array([order_rank(n, alpha_lower) for n in sizes])[blocks]
    above = np.array([order_rank(n, alpha_upper) for n in sizes])[blocks]
    low = np.where(below > 0, _pick(ordered, below - 1), -np.inf)
    high = np.where(above > 0, _pick(ordered, blocks - above), np.inf)
    return median, low, high


def _pick(ordered: Floats, position: NDArray[np.int64]) -> Floats:
    inside = np.clip(position, 0, ordered.shape[-2] - 1)
    return np.take_along_axis(ordered, inside[..., None, :], axis=-2)[..., 0, :]
