"""The bracket (N_L, N_U] of the threshold: the smallest number of users at which a cost ratio exceeds 1 + delta.

This is the minimum-effective-dose problem: Hsu & Berger (1999), JASA 94:468; Tamhane, Hochberg & Dunnett (1996),
Biometrics 52:21. N_U is found with all levels tested at once (Bonferroni), N_L by a fixed sequence upward from
the first level, which needs no correction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from loadlab.stats.isotonic import crossing_users
from loadlab.stats.level_bounds import MIN_BLOCKS, Floats, LevelBounds, Method, bracket_ends, staged_bounds
from loadlab.stats.settling import blocks_to_settle

BracketKind = Literal["diverges", "diverged_at_first", "no_divergence", "inconclusive"]
LevelAnswer = Literal["under", "over", "straddles", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sides:
    """Something that may hold for the first stack, for the second, for both or neither."""

    first: bool = False
    second: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelDecision:
    """One level. Logs of the ratio; a bound is None where the blocks give none.

    sd_log: the larger of its own and that pooled with its neighbours.
    """

    users: int
    blocks: int
    centre_log: float | None
    lower_log: float | None
    upper_log: float | None
    sd_log: float | None
    answer: LevelAnswer
    blocks_needed: int | None
    """To settle it at the ratio and noise seen, with a power of 0.8; None when settled or out of reach."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BracketAnswer:
    """Where the threshold lies: in (lower_users, upper_users]; an absent end is None.

    straddling: levels below upper_users that decide neither way; whatever those above said, both ends would stay.
    blocks_needed: to settle them all. back_under: levels above upper_users that are under the margin again, so that
    the curve is not rising.
    """

    kind: BracketKind
    lower_users: int | None
    upper_users: int | None
    levels: tuple[LevelDecision, ...]
    straddling: tuple[int, ...]
    back_under: tuple[int, ...]
    blocks_needed: int | None
    estimate_users: float | None


def find_bracket(
    users: Sequence[int],
    log_ratios: Sequence[Sequence[float | None]],
    *,
    margin_ratio: float,
    alpha: float = 0.025,
    method: Method = "t",
    stages: Sequence[int] | None = None,
    endless: Sequence[Sides] | None = None,
) -> BracketAnswer:
    """Find the bracket of one run.

    ``users``: the tested levels, ascending. ``log_ratios[b][i]``: log(cost of the first stack) - log(cost of the
    second) of block b at level i; None where the pair is missing. ``margin_ratio``: delta. ``alpha``: one-sided, of
    each stage. ``stages``: which stage measured each level, where there were several. ``endless``: of each level
    whether a pair that is None was infinitely dear on one side, which no number of other blocks can make up for: the
    level's bound on that side is then infinite, so that it is not under the margin, or not over it.
    A second stage's levels beyond the first's that decide nothing do not unsay "at its first level" or "not up to its
    last one", but for an N_L that such a level is below.
    Levels with fewer than two blocks get no bounds, and decide nothing.
    """
    if len(users) == 0 or len(log_ratios) == 0:
        return _nothing(users)
    table = np.array([[math.nan if value is None else value for value in row] for row in log_ratios], dtype=np.float64)
    stages = stages or (1,) * len(users)
    bounds = _opened(staged_bounds(table, stages, alpha, method), endless)
    margin_log = math.log1p(margin_ratio)
    low, high = (int(end) for end in bracket_ends(bounds, margin_log))
    levels = _unsettled(_decide(users, table, bounds, margin_log, alpha, stages), endless)
    undecided = [level for level in levels[:high] if level.answer in ("straddles", "unknown")]
    return BracketAnswer(
        kind=_kind(low, high, stages),
        lower_users=users[low] if low >= 0 else None,
        upper_users=users[high] if high < len(users) else None,
        levels=levels,
        straddling=tuple(level.users for level in undecided),
        back_under=tuple(level.users for level in levels[high + 1 :] if level.answer == "under"),
        blocks_needed=_needed([level.blocks_needed for level in undecided]),
        estimate_users=_estimate(levels, margin_ratio),
    )


def _opened(bounds: LevelBounds, endless: Sequence[Sides] | None) -> LevelBounds:
    if not endless:
        return bounds
    return replace(
        bounds,
        upper=np.where([one.first for one in endless], np.inf, bounds.upper),
        lower=np.where([one.second for one in endless], -np.inf, bounds.lower),
    )


def _unsettled(levels: tuple[LevelDecision, ...], endless: Sequence[Sides] | None) -> tuple[LevelDecision, ...]:
    """More blocks do not settle what one block has left open for ever."""
    if not endless:
        return levels
    return tuple(
        replace(level, blocks_needed=None) if one.first or one.second else level
        for level, one in zip(levels, endless, strict=True)
    )


def _needed(per_level: Sequence[int | None]) -> int | None:
    known = [blocks for blocks in per_level if blocks is not None]
    return max(known, default=None) if len(known) == len(per_level) else None


def _estimate(levels: Sequence[LevelDecision], margin_ratio: float) -> float | None:
    known = [(level.users, level.centre_log, level.blocks) for level in levels if level.centre_log is not None]
    return crossing_users(
        [users for users, _, _ in known], [mean for _, mean, _ in known], [n for _, _, n in known], margin_ratio
    )


def _nothing(users: Sequence[int]) -> BracketAnswer:
    return BracketAnswer(
        kind="inconclusive",
        lower_users=None,
        upper_users=None,
        levels=(),
        straddling=tuple(users),
        back_under=(),
        blocks_needed=None,
        estimate_users=None,
    )


def _kind(low: int, high: int, stages: Sequence[int]) -> BracketKind:
    bottom, top = outermost(stages)
    if high < len(stages) and low >= 0:
        return "diverges"
    if high <= bottom:
        return "diverged_at_first"
    if high == len(stages) and low >= top:
        return "no_divergence"
    return "inconclusive"


def outermost(stages: Sequence[int]) -> tuple[int, int]:
    """Where the first and the last level of the first stage are among the levels of all stages."""
    first = min(stages)
    return stages.index(first), len(stages) - 1 - stages[::-1].index(first)


def _decide(
    users: Sequence[int],
    table: Floats,
    bounds: LevelBounds,
    margin_log: float,
    alpha: float,
    stages: Sequence[int],
) -> tuple[LevelDecision, ...]:
    decisions = []
    for i, level_users in enumerate(users):
        answer = _answer(bounds, i, margin_log)
        needed = None
        if answer == "straddles":
            alpha_over = alpha / stages.count(stages[i])
            needed = blocks_to_settle(
                table[:, i], bounds, i, margin_log=margin_log, alpha_over=alpha_over, alpha_under=alpha
            )
        decisions.append(
            LevelDecision(
                users=level_users,
                blocks=int(bounds.blocks[i]),
                centre_log=_finite(bounds.centre[i]),
                lower_log=_finite(bounds.lower[i]),
                upper_log=_finite(bounds.upper[i]),
                sd_log=_finite(bounds.sd[i]),
                answer=answer,
                blocks_needed=needed,
            )
        )
    return tuple(decisions)


def _answer(bounds: LevelBounds, i: int, margin_log: float) -> LevelAnswer:
    if bounds.blocks[i] < MIN_BLOCKS:
        return "unknown"
    if bounds.lower[i] > margin_log:
        return "over"
    return "under" if bounds.upper[i] < margin_log else "straddles"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
