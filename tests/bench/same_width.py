"""How many blocks a fixed grid of levels and levels that the law places need to end as narrow, simulated.

A plan is fixed before it is run, so that of each the fewest blocks are asked for with which nearly all runs end narrow
enough: neither is charged for blocks that it could do without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bench.recorded_noise import stored_noise
from bench.staged_coverage import PREDICTED_USERS, placed_plan, thresholds
from loadlab.config import load_experiment
from loadlab.design.levels import levels_around
from loadlab.stats.simulation import PlanShape, kink, narrow_ratio
from loadlab.stats.staged_simulation import simulate_staged

GRID = "threshold-50"
NEARLY_ALL = 0.95
BLOCKS = range(2, 25)
ASSUMED_SD_LOG = 0.05
"""What a dry run assumes of a machine of which it knows nothing."""
RUNS, SEED = 2_000, 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """blocks: the fewest, of each stage. second_ratios: of runs, by how many levels their second stage has."""

    blocks: int
    second_ratios: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A noise and where the threshold is; None: no number of blocks in reach suffices."""

    name: str
    grid: Need | None
    placed: Need | None


def same_width_cases() -> Iterator[Case]:
    """With the errors of real runs and with a noisier machine's; thresholds as predicted, on a level, and far off."""
    recorded = stored_noise()
    own = PlanShape(users=(1,), blocks=2, sd_log=recorded.sd_log, noise="recorded", recorded=recorded.blocks)
    noises: Mapping[str, PlanShape] = {
        "errors of real runs": own,
        f"block SD {ASSUMED_SD_LOG:.0%}": PlanShape(users=(1,), blocks=2, sd_log=ASSUMED_SD_LOG),
    }
    for noise_name, noise in noises.items():
        for where, threshold in thresholds(placed_plan()[0]).items():
            yield Case(
                name=f"{noise_name}, threshold {where}",
                grid=_grid_need(noise, threshold),
                placed=_placed_need(noise, threshold),
            )


def _grid_need(noise: PlanShape, threshold: float) -> Need | None:
    experiment = load_experiment(GRID)
    plan, rule = experiment.blocks, placed_plan()[0]
    users = levels_around(PREDICTED_USERS, count=plan.levels, step_ratio=plan.level_step_ratio)
    for blocks in BLOCKS:
        shape = replace(noise, users=users, blocks=blocks, alpha=experiment.decision.alpha)
        curve = kink(threshold, shape.margin_ratio)
        if narrow_ratio(curve, shape, rule.width_ratio, runs=RUNS, seed=SEED) >= NEARLY_ALL:
            return Need(blocks=blocks)
    return None


def _placed_need(noise: PlanShape, threshold: float) -> Need | None:
    plan = placed_plan()[0]
    for blocks in BLOCKS:
        first = replace(noise, users=plan.first.users, blocks=blocks, alpha=plan.first.alpha)
        shape = replace(plan, first=first, blocks=blocks)
        seen = simulate_staged(kink(threshold, first.margin_ratio), shape, runs=RUNS, seed=SEED)
        if seen.narrow_ratio >= NEARLY_ALL:
            return Need(blocks=blocks, second_ratios=seen.second_ratios)
    return None
