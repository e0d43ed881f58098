"""Simulated runs of known curves: small here, of full size in tests/bench/bench_coverage.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loadlab.stats.bracket import find_bracket
from loadlab.stats.level_bounds import level_bounds
from loadlab.stats.simulation import (
    Noise,
    PlanShape,
    kink,
    least_favourable_curves,
    simulate,
    true_threshold,
    usual_curves,
)

QUICK = (37, 44, 53, 64, 77)
FULL = (20, 30, 40, 48, 58, 70, 85, 100)
RUNS = 2000
SLACK = 3 * math.sqrt(0.025 * 0.975 / RUNS)
"""Three standard errors of a share of 2.5 % in so many runs."""
PLANS = [(QUICK, 4), (FULL, 6), (FULL, 12)]


@pytest.mark.parametrize("sd_log", [0.02, 0.05, 0.10])
@pytest.mark.parametrize(("users", "blocks"), PLANS)
def test_brackets_of_usual_curves_are_right_and_cry_no_wolf(users: tuple[int, ...], blocks: int, sd_log: float) -> None:
    plan = PlanShape(users=users, blocks=blocks, sd_log=sd_log)
    for name, curve in usual_curves(users).items():
        seen = simulate(curve, plan, runs=RUNS, seed=11)
        assert seen.covered_ratio >= 0.975 - SLACK, name
        assert seen.false_alarm_ratio <= 0.025 + SLACK, name


@pytest.mark.parametrize(("users", "blocks"), PLANS)
def test_on_the_margin_itself_errors_are_no_more_than_alpha_allows(users: tuple[int, ...], blocks: int) -> None:
    """And some there are: a simulation that could not fail would show none."""
    plan = PlanShape(users=users, blocks=blocks, sd_log=0.03)
    for name, curve in least_favourable_curves(users).items():
        seen = simulate(curve, plan, runs=RUNS, seed=12)
        assert 0.975 - SLACK <= seen.covered_ratio <= 0.997, name


@pytest.mark.parametrize("noise", ["heavy", "growing", "lone", "shared"])
@pytest.mark.parametrize(("users", "blocks"), PLANS)
def test_noise_that_differs_between_levels_costs_no_coverage(users: tuple[int, ...], blocks: int, noise: Noise) -> None:
    """Pooled degrees of freedom for a level's own variance covered 94.7 % where one level had three times the SD."""
    plan = PlanShape(users=users, blocks=blocks, sd_log=0.02, noise=noise)
    for name, curve in {**usual_curves(users), **least_favourable_curves(users)}.items():
        seen = simulate(curve, plan, runs=RUNS, seed=16)
        assert seen.covered_ratio >= 0.975 - SLACK, name
        assert seen.false_alarm_ratio <= 0.025 + SLACK, name


@pytest.mark.parametrize("factor", [1.5, 3.0, 10.0])
def test_a_noisy_level_errs_no_more_than_alpha_however_noisy_it_is(factor: float) -> None:
    """One-sided errors of the middle of three levels, four blocks, truth on the margin: against the nominal."""
    runs = 20_000
    drawn = np.random.default_rng(17).standard_normal((runs, 4, 3)) * np.array([1.0, factor, 1.0])
    bounds = level_bounds(drawn, 0.025)
    slack = 3 * math.sqrt(0.025 * 0.975 / runs)
    assert np.mean(bounds.upper[:, 1] < 0) <= 0.025 + slack
    assert np.mean(bounds.lower[:, 1] > 0) <= 0.025 / 3 + slack
    assert np.mean(bounds.upper[:, 1] < 0) >= 0.015


@pytest.mark.parametrize("sd_log", [0.01, 0.02])
def test_the_quick_plan_decides_on_a_quiet_machine(sd_log: float) -> None:
    seen = simulate(kink(52.8, 0.10), PlanShape(users=QUICK, blocks=4, sd_log=sd_log), runs=500, seed=13)
    assert seen.conclusive_ratio > 0.97


def test_a_naive_reading_raises_the_false_alarms_that_the_bracket_avoids() -> None:
    """The alternative that method.md rejects: the first level whose own interval excludes the margin."""
    rng = np.random.default_rng(14)
    drawn = rng.normal(math.log(1.1) - 1e-9, 0.05, size=(1500, 8, 12))
    means, errors = drawn.mean(axis=1), drawn.std(axis=1, ddof=1) / math.sqrt(8)
    naive = ((means - 1.895 * errors) > math.log(1.1)).any(axis=1).mean()
    ours = np.mean(
        [find_bracket(range(1, 13), run.tolist(), margin_ratio=0.1).upper_users is not None for run in drawn[:300]]
    )
    assert naive > 0.2
    assert ours <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 300)


def test_thousands_of_runs_at_once_are_judged_as_each_alone() -> None:
    """The simulation and the analysis of a run share their arithmetic: same draws, same share of alarms."""
    curve = kink(50.5, 0.10)
    plan = PlanShape(users=QUICK, blocks=4, sd_log=0.05)
    seen = simulate(curve, plan, runs=200, seed=15)
    noise = np.random.default_rng(15).standard_normal((200, 4, 5)) * 0.05
    alone = [find_bracket(QUICK, run.tolist(), margin_ratio=0.10) for run in np.log([curve(n) for n in QUICK]) + noise]
    decided = np.mean([found.kind != "inconclusive" for found in alone])
    covered = np.mean([(a.lower_users or 0) < 51 <= (a.upper_users or 10**9) for a in alone])
    assert seen.conclusive_ratio == pytest.approx(float(decided))
    assert seen.covered_ratio == pytest.approx(float(covered))


def test_thresholds_of_curves_are_whole_numbers_of_users() -> None:
    assert true_threshold(kink(52.8, 0.10), 0.10, 100) == 53
    assert true_threshold(kink(200, 0.10), 0.10, 100) == math.inf
