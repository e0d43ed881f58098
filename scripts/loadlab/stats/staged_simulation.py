"""Simulated runs of two stages: a coarse set of levels, then fresh blocks inside of its bracket or beyond it.

Bounds and ends come from the code that judges a run; where the second stage measures is asked of whoever plans it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from loadlab.stats.bracket import outermost
from loadlab.stats.level_bounds import Floats, bracket_ends, staged_bounds
from loadlab.stats.simulation import Coverage, Curve, PlanShape, draw_noise, true_threshold

Place = Callable[[int | None, int | None], tuple[int, ...]]
"""The ends of the first stage's bracket (None: absent) to the levels of the second; none: the run ends there."""
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedShape:
    """A plan of two stages; ``first`` has the alpha of the whole, of which each stage gets half."""

    first: PlanShape
    blocks: int
    """Of the second stage."""
    place: Place
    width_ratio: float
    """A closed bracket at most so wide is narrow enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedCoverage:
    """Shares of simulated runs: how right they are, how many end narrow enough, how many needed a second stage.

    second_ratios: the share of all runs whose second stage has so many levels, by that number.
    """

    coverage: Coverage
    narrow_ratio: float
    second_ratios: Mapping[int, float]

    @property
    def second_ratio(self) -> float:
        """The share of runs that have a second stage."""
        return sum(self.second_ratios.values())


@dataclass(frozen=True, slots=True, eq=False)
class _Ended:
    """Some runs at their end. lower and upper: their ends, 0 and inf where absent. false: N_U within the margin.

    top: their last level. fresh: how many levels their second stage has.
    """

    lower: Floats
    upper: Floats
    decided: NDArray[np.bool_]
    false: NDArray[np.bool_]
    top: int
    fresh: int


def simulate_staged(curve: Curve, plan: StagedShape, *, runs: int, seed: int) -> StagedCoverage:
    """Draw ``runs`` runs of a plan on a curve and judge the bracket of each at its end."""
    first, rng = plan.first, np.random.default_rng(seed)
    table = np.log([curve(n) for n in first.users]) + draw_noise(first, runs, rng)
    ends = np.stack(_ends(table, (1,) * len(first.users), first), axis=-1)
    done = [_finish(curve, plan, table[(ends == pair).all(axis=-1)], pair, rng) for pair in np.unique(ends, axis=0)]
    threshold = true_threshold(curve, first.margin_ratio, max(part.top for part in done))
    lower, upper, decided, false = (
        np.concatenate([getattr(part, name) for part in done]) for name in ("lower", "upper", "decided", "false")
    )
    return StagedCoverage(
        coverage=Coverage(
            covered_ratio=float(np.mean((lower < threshold) & (threshold <= upper))),
            false_alarm_ratio=float(np.mean(false)),
            conclusive_ratio=float(np.mean(decided)),
            runs=runs,
        ),
        narrow_ratio=float(np.mean((lower > 0) & (upper <= plan.width_ratio * lower))),
        second_ratios={
            fresh: sum(len(part.lower) for part in done if part.fresh == fresh) / runs
            for fresh in sorted({part.fresh for part in done} - {0})
        },
    )


def _finish(curve: Curve, plan: StagedShape, table: Floats, ends: Indices, rng: np.random.Generator) -> _Ended:
    """Runs whose first stage ended alike, which therefore go on alike: with a second stage, or not."""
    first = plan.first
    low, high = int(ends[0]), int(ends[1])
    lower = first.users[low] if low >= 0 else None
    upper = first.users[high] if high < len(first.users) else None
    levels = plan.place(lower, upper)
    if not levels:
        alike = np.full(len(table), low), np.full(len(table), high)
        return _ended(curve, first.users, (1,) * len(first.users), alike, first.margin_ratio)
    shape = replace(first, users=levels, blocks=plan.blocks, sd_factors=_grown(first, levels))
    fresh = np.log([curve(n) for n in levels]) + draw_noise(shape, len(table), rng)
    users, stages, whole = _joined(first.users, levels, table, fresh)
    return _ended(curve, users, stages, _ends(whole, stages, first), first.margin_ratio)


def _grown(first: PlanShape, levels: Sequence[int]) -> tuple[float, ...]:
    """What a standard deviation that doubles from the first stage's first level to its last one is at other levels."""
    doubling = math.log(first.users[-1] / first.users[0])
    return tuple(2 ** (math.log(n / first.users[0]) / doubling) for n in levels) if doubling else ()


def _joined(
    before: Sequence[int], levels: Sequence[int], table: Floats, fresh: Floats
) -> tuple[tuple[int, ...], tuple[int, ...], Floats]:
    """Levels, their stages and log ratios of both stages in ascending order; nan where a block belongs to the other."""
    order = np.argsort([*before, *levels])
    runs, blocks = len(table), table.shape[1] + fresh.shape[1]
    whole = np.full((runs, blocks, len(order)), np.nan)
    whole[:, : table.shape[1], : len(before)] = table
    whole[:, table.shape[1] :, len(before) :] = fresh
    stages = (1,) * len(before) + (2,) * len(levels)
    users = (*before, *levels)
    return tuple(users[i] for i in order), tuple(stages[i] for i in order), whole[..., order]


def _ends(table: Floats, stages: Sequence[int], plan: PlanShape) -> tuple[Indices, Indices]:
    return bracket_ends(staged_bounds(table, stages, plan.alpha / 2), math.log1p(plan.margin_ratio))


def _ended(
    curve: Curve, users: Sequence[int], stages: Sequence[int], ends: tuple[Indices, Indices], margin_ratio: float
) -> _Ended:
    low, high = ends
    bottom, top = outermost(stages)
    places = np.array([0.0, *users, math.inf])
    harmless = np.array([*(curve(n) <= 1 + margin_ratio for n in users), False])
    called = high < len(users)
    return _Ended(
        lower=places[low + 1],
        upper=places[high + 1],
        decided=np.where(called, (low >= 0) | (high <= bottom), low >= top),
        false=harmless[high],
        top=users[-1],
        fresh=stages.count(2),
    )
