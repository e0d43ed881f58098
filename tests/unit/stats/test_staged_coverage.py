"""Simulated runs of two stages: small here, of full size in tests/bench/bench_coverage.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loadlab.stats.bracket import find_bracket
from loadlab.stats.level_bounds import level_bounds, staged_bounds
from loadlab.stats.simulation import Noise, PlanShape, kink, least_favourable_curves, usual_curves
from loadlab.stats.staged_simulation import StagedShape, simulate_staged

COARSE = (32, 45, 62, 87)
RUNS = 2000
SLACK = 3 * math.sqrt(0.025 * 0.975 / RUNS)
"""Three standard errors of a share of 2.5 % in so many runs."""


def _between(lower: int | None, upper: int | None) -> tuple[int, ...]:
    """Three levels inside of any closed bracket wider than 1.3, beside those of the first stage."""
    if lower is None or upper is None or upper <= 1.3 * lower:
        return ()
    wanted = {round(lower * (upper / lower) ** (step / 4)) for step in (1, 2, 3)}
    return tuple(sorted(wanted - set(COARSE)))


def _shape(sd_log: float, noise: Noise = "normal") -> StagedShape:
    first = PlanShape(users=COARSE, blocks=6, sd_log=sd_log, noise=noise)
    return StagedShape(first=first, blocks=6, place=_between, width_ratio=1.5)


@pytest.mark.parametrize("sd_log", [0.02, 0.05, 0.10])
def test_brackets_of_two_stages_are_right_and_cry_no_wolf(sd_log: float) -> None:
    for name, curve in usual_curves(COARSE).items():
        seen = simulate_staged(curve, _shape(sd_log), runs=RUNS, seed=21).coverage
        assert seen.covered_ratio >= 0.975 - SLACK, name
        assert seen.false_alarm_ratio <= 0.025 + SLACK, name


@pytest.mark.parametrize("noise", ["normal", "heavy", "growing", "lone", "shared"])
def test_two_stages_on_the_margin_err_no_more_than_one_may(noise: Noise) -> None:
    for name, curve in least_favourable_curves(COARSE).items():
        seen = simulate_staged(curve, _shape(0.02, noise), runs=RUNS, seed=22).coverage
        assert seen.covered_ratio >= 0.975 - SLACK, name
        assert seen.false_alarm_ratio <= 0.025 + SLACK, name


def test_errors_are_there_where_alpha_allows_them() -> None:
    """A simulation that could not fail would show none."""
    loose = StagedShape(
        first=PlanShape(users=COARSE, blocks=6, sd_log=0.02, alpha=0.5), blocks=6, place=_between, width_ratio=1.5
    )
    seen = simulate_staged(least_favourable_curves(COARSE)["on_the_margin"], loose, runs=RUNS, seed=23)
    assert seen.coverage.false_alarm_ratio > 0.1


def test_a_second_stage_narrows_what_the_first_left_wide() -> None:
    """A threshold on a level makes that level straddle: one stage leaves two steps, 62 / 32 = 1.9 or wider."""
    seen = simulate_staged(kink(45.0, 0.10), _shape(0.017), runs=500, seed=24)
    assert seen.second_ratio > 0.9
    assert seen.narrow_ratio > 0.97
    stopped = StagedShape(first=_shape(0.017).first, blocks=6, place=lambda *_: (), width_ratio=1.5)
    alone = simulate_staged(kink(45.0, 0.10), stopped, runs=500, seed=24)
    assert alone.second_ratio == 0
    assert alone.narrow_ratio < 0.2


def test_thousands_of_runs_at_once_are_judged_as_each_alone() -> None:
    """The simulation and the analysis of a run share their arithmetic: a second stage of fixed levels, run by run."""
    first = PlanShape(users=COARSE, blocks=6, sd_log=0.03)
    shape = StagedShape(first=first, blocks=5, place=lambda *_: (38, 52), width_ratio=1.5)
    curve, users, stages = kink(47.0, 0.10), (32, 38, 45, 52, 62, 87), (1, 2, 1, 2, 1, 1)
    seen = simulate_staged(curve, shape, runs=1, seed=25)
    rng = np.random.default_rng(25)
    table = np.full((11, 6), np.nan)
    table[:6, [0, 2, 4, 5]] = np.log([curve(n) for n in COARSE]) + 0.03 * rng.standard_normal((6, 4))
    table[6:, [1, 3]] = np.log([curve(n) for n in (38, 52)]) + 0.03 * rng.standard_normal((5, 2))
    rows = [[None if math.isnan(value) else float(value) for value in row] for row in table]
    alone = find_bracket(users, rows, margin_ratio=0.10, alpha=0.0125, stages=stages)
    assert seen.coverage.conclusive_ratio == (alone.kind != "inconclusive")
    assert seen.coverage.covered_ratio == ((alone.lower_users or 0) < 47 <= (alone.upper_users or math.inf))
    assert seen.narrow_ratio == ((alone.upper_users or math.inf) <= 1.5 * (alone.lower_users or 0))


def test_each_stage_is_bounded_by_its_own_blocks_alone() -> None:
    drawn = np.random.default_rng(26).standard_normal((9, 5)) * 0.05
    drawn[:4, [1, 3]] = np.nan
    drawn[4:, [0, 2, 4]] = np.nan
    both = staged_bounds(drawn, (1, 2, 1, 2, 1), 0.0125)
    for places in ([0, 2, 4], [1, 3]):
        alone = level_bounds(drawn[:, places], 0.0125)
        assert both.lower[places] == pytest.approx(alone.lower)
        assert both.upper[places] == pytest.approx(alone.upper)
