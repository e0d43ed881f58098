"""Simulated runs: how often the bracket is right, how often it cries wolf, how often it decides at all.

A plan (levels, blocks, alpha, margin) is judged before it is run, on curves whose threshold is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from loadlab.stats.level_bounds import Floats, bracket_ends, level_bounds

Curve = Callable[[float], float]
"""Users to the true cost ratio."""
Noise = Literal["normal", "heavy", "growing", "lone", "shared", "recorded"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanShape:
    """What of a plan matters to its statistics. sd_log: standard deviation of one block's log ratio."""

    users: tuple[int, ...]
    blocks: int
    sd_log: float
    margin_ratio: float = 0.10
    alpha: float = 0.025
    noise: Noise = "normal"
    """normal; heavy: t with 4 degrees of freedom; growing: sd doubles from first to last level; lone: the
    middle level has three times the sd of the others; shared: half of the variance is common to all levels of a
    block; recorded: each level is a run out of ``recorded``. All but the first break an assumption on purpose."""
    sd_factors: tuple[float, ...] = ()
    """Of ``growing``: what multiplies the sd of each level; left out, from 1 to 2 in even ratios."""
    recorded: tuple[tuple[float, ...], ...] = ()
    """What consecutive blocks of real runs were off, run by run, in any unit: they are brought to a root mean square
    of 1. Runs are drawn with replacement, and with them how blocks drift and what a whole run is off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """Shares of simulated runs. A bracket with absent ends is as wide as they leave it.

    covered: the true threshold lies in (N_L, N_U]. false_alarm: N_U was called at a level whose true ratio is
    within the margin. conclusive: the run decides (a closed bracket, or one of the two one-ended answers).
    """

    covered_ratio: float
    false_alarm_ratio: float
    conclusive_ratio: float
    runs: int


def constant(ratio: float) -> Curve:
    """The same ratio at every number of users."""
    return lambda users: ratio + 0.0 * users


def kink(threshold: float, margin_ratio: float, ceiling: float = math.inf, floor: float = 1.0) -> Curve:
    """Flat, then growing with the users, as behind a full pool; passes the margin at ``threshold`` users."""
    knee = threshold / (1 + margin_ratio)
    return lambda users: min(floor * max(1.0, users / knee), ceiling)


def step(at_users: float, height: float) -> Curve:
    """1 below ``at_users``, ``height`` from there on."""
    return lambda users: 1.0 if users < at_users else height


def bump(centre_users: float, height: float) -> Curve:
    """Rises by ``height`` around a number of users and falls back to 1."""
    return lambda users: 1.0 + height * math.exp(-((math.log(users / centre_users) / 0.15) ** 2))


def usual_curves(users: Sequence[int], margin_ratio: float = 0.10) -> Mapping[str, Curve]:
    """Shapes that machines show, by name, laid over a grid of levels."""
    first, middle, last = users[0], users[len(users) // 2], users[-1]
    return {
        "flat": constant(1.0),
        "flat_under_margin": constant((1 + margin_ratio) * 0.99),
        "kink_early": kink(users[1] * 1.05, margin_ratio),
        "kink_middle": kink(middle * 1.05, margin_ratio),
        "kink_late": kink(last * 0.985, margin_ratio),
        "step": step(middle, 1.5),
        "both_saturate": kink(middle * 1.05, margin_ratio, ceiling=1.25),
        "over_from_the_first": kink(first * 0.7, margin_ratio),
        "bump": bump(middle, 0.3),
    }


def least_favourable_curves(users: Sequence[int], margin_ratio: float = 0.10) -> Mapping[str, Curve]:
    """Shapes that sit on the margin itself: errors come as often as alpha allows, and no more."""
    return {
        "on_the_margin": constant(1 + margin_ratio),
        "step_just_over": step(users[len(users) // 2], (1 + margin_ratio) * (1 + 1e-9)),
    }


def true_threshold(curve: Curve, margin_ratio: float, search_to: int) -> float:
    """Return the smallest whole number of users whose ratio exceeds the margin; inf when there is none."""
    over = (n for n in range(1, search_to + 1) if curve(n) > 1 + margin_ratio)
    return float(next(over, math.inf))


def simulate(curve: Curve, plan: PlanShape, *, runs: int, seed: int) -> Coverage:
    """Draw ``runs`` runs of a plan on a curve and judge the bracket of each."""
    ratios = np.array([curve(n) for n in plan.users])
    drawn = np.log(ratios) + draw_noise(plan, runs, np.random.default_rng(seed))
    low, high = bracket_ends(level_bounds(drawn, plan.alpha), math.log1p(plan.margin_ratio))
    threshold = true_threshold(curve, plan.margin_ratio, plan.users[-1])
    ends = np.array([0.0, *plan.users, math.inf])
    called = high < len(plan.users)
    harmless = np.append(ratios > 1 + plan.margin_ratio, True)
    decided = (called & ((low >= 0) | (high == 0))) | (low == len(plan.users) - 1)
    return Coverage(
        covered_ratio=float(np.mean((ends[low + 1] < threshold) & (threshold <= ends[high + 1]))),
        false_alarm_ratio=float(np.mean(~harmless[high])),
        conclusive_ratio=float(np.mean(decided)),
        runs=runs,
    )


def called_ratio(excess_log: float, plan: PlanShape, *, runs: int, seed: int) -> float:
    """Share of runs that call the middle level over the margin when its ratio lies ``excess_log`` beyond it."""
    middle = len(plan.users) // 2
    drawn = draw_noise(plan, runs, np.random.default_rng(seed))
    lower = level_bounds(drawn, plan.alpha).lower[..., middle]
    return float(np.mean(lower + excess_log > 0))


def narrow_ratio(curve: Curve, plan: PlanShape, width_ratio: float, *, runs: int, seed: int) -> float:
    """Share of runs whose bracket is closed and at most ``width_ratio`` wide, upper over lower end."""
    drawn = np.log([curve(n) for n in plan.users]) + draw_noise(plan, runs, np.random.default_rng(seed))
    low, high = bracket_ends(level_bounds(drawn, plan.alpha), math.log1p(plan.margin_ratio))
    ends = np.array([0.0, *plan.users, math.inf])
    lower, upper = ends[low + 1], ends[high + 1]
    return float(np.mean((lower > 0) & (upper <= width_ratio * lower)))


def draw_noise(plan: PlanShape, runs: int, rng: np.random.Generator) -> Floats:
    """Log ratios about the truth: (runs, blocks, levels)."""
    shape = (runs, plan.blocks, len(plan.users))
    if plan.noise == "recorded":
        return plan.sd_log * _real_runs(plan.recorded, shape, rng)
    if plan.noise == "heavy":
        return np.asarray(rng.standard_t(4, size=shape) * (plan.sd_log / math.sqrt(2)))
    drawn = rng.standard_normal(shape)
    if plan.noise == "growing":
        drawn = drawn * (plan.sd_factors or np.geomspace(1.0, 2.0, len(plan.users)))
    if plan.noise == "lone":
        drawn[..., len(plan.users) // 2] *= 3.0
    if plan.noise == "shared":
        drawn = (drawn + rng.standard_normal((runs, plan.blocks, 1))) / math.sqrt(2)
    return np.asarray(drawn * plan.sd_log)


def _real_runs(recorded: Sequence[Sequence[float]], shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """Errors of real blocks: (runs, blocks, levels). A level has a run's blocks in their order, from any of them round.

    Where it has more blocks than a run, another run goes on. A circular block bootstrap (Politis and Romano 1992) with
    blocks as long as a run.
    """
    pool = _standardised(recorded)
    runs, blocks, levels = shape
    length = pool.shape[1]
    parts = math.ceil(blocks / length)
    which = rng.integers(len(pool), size=(runs, levels, parts, 1))
    begin = rng.integers(length, size=(runs, levels, parts, 1))
    drawn = pool[which, (begin + np.arange(length)) % length].reshape(runs, levels, parts * length)
    return np.asarray(np.moveaxis(drawn[..., :blocks], 1, 2))


def _standardised(recorded: Sequence[Sequence[float]]) -> Floats:
    if len({len(blocks) for blocks in recorded}) > 1:
        raise ValueError("recorded noise: got runs of unlike length, expected as many blocks of each")
    seen = np.asarray(recorded, dtype=np.float64)
    size = math.sqrt(float(np.mean(seen**2))) if seen.size else 0.0
    if not size > 0:
        raise ValueError(f"recorded noise: got {seen.size} blocks without errors, expected some that are off")
    return np.asarray(seen / size)
