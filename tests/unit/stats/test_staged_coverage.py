"""Simulated runs of two stages: small here, of full size in tests/bench/bench_coverage.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from loadlab.stats.bracket import BracketAnswer, find_bracket
from loadlab.stats.level_bounds import Floats, level_bounds, staged_bounds
from loadlab.stats.simulation import Curve, Noise, PlanShape, constant, kink, least_favourable_curves, usual_curves
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


def _either_way(lower: int | None, upper: int | None) -> tuple[int, ...]:
    """One level beyond an open end, half as far again, and none inside."""
    if lower is not None and upper is None:
        return (int(1.5 * lower),) if 1.5 * lower > COARSE[-1] else ()
    if upper is not None and lower is None:
        return (math.ceil(upper / 1.5),) if upper / 1.5 < COARSE[0] else ()
    return ()


def test_a_second_stage_beyond_the_levels_closes_a_bracket_that_was_open() -> None:
    first = _shape(0.017).first
    beyond = StagedShape(first=first, blocks=6, place=_either_way, width_ratio=1.5)
    for threshold in (26.0, 105.0):
        seen = simulate_staged(kink(threshold, 0.10), beyond, runs=500, seed=27)
        assert seen.second_ratios == {1: pytest.approx(seen.second_ratio)}
        assert seen.second_ratio > 0.97, threshold
        assert seen.narrow_ratio > 0.97, threshold
        assert seen.coverage.covered_ratio >= 0.975 - SLACK, threshold


@pytest.mark.parametrize("sd_log", [0.02, 0.05])
@pytest.mark.parametrize("upwards", [True, False])
def test_on_the_margin_beyond_the_levels_the_second_stage_errs_no_more_often_than_its_half(
    sd_log: float, upwards: bool
) -> None:
    """The ratio is on the margin only where the second stage alone measures, which is where it was sent to look."""
    plan = StagedShape(first=_shape(sd_log).first, blocks=6, place=_either_way, width_ratio=1.5)
    half, slack = 0.0125, 3 * math.sqrt(0.0125 / RUNS)

    def on_the_margin(by: float) -> Curve:
        ends = (1.0, 1.1 * (1 + by)) if upwards else (1.1 * (1 + by), 1.5)
        return lambda users: ends[users >= (100.0 if upwards else COARSE[0])]

    seen = simulate_staged(on_the_margin(-1e-9), plan, runs=RUNS, seed=28).coverage
    assert 0 < seen.false_alarm_ratio <= half + slack
    seen = simulate_staged(on_the_margin(1e-9), plan, runs=RUNS, seed=29).coverage
    assert 1 - half - slack <= seen.covered_ratio < 1


def test_a_second_stage_beyond_takes_no_conclusion_away() -> None:
    for curve in (constant(1.0), kink(32.0, 0.10), kink(80.0, 0.10)):
        for sd_log in (0.02, 0.05):
            first = _shape(sd_log).first
            shares = [
                simulate_staged(
                    curve, StagedShape(first=first, blocks=6, place=place, width_ratio=1.5), runs=RUNS, seed=30
                ).coverage.conclusive_ratio
                for place in (_either_way, lambda *_: ())
            ]
            assert shares[0] >= shares[1] > 0


def test_thousands_of_runs_at_once_are_judged_as_each_alone() -> None:
    """Runs whose first stages end alike share a second one; each of them, judged by itself, says the same."""
    curve, plan = kink(47.5, 0.10), _two_sets(sd_log=0.05)
    seen = simulate_staged(curve, plan, runs=60, seed=25)
    alone = _one_by_one(curve, plan, runs=60, seed=25)
    sets = [found.levels for found in alone]
    assert all(any({level.users for level in levels} >= set(chosen) for levels in sets) for chosen in (LOW, HIGH))
    assert any(len(levels) == len(COARSE) for levels in sets), "some runs end with their first stage"
    ends = [(found.lower_users or 0, found.upper_users or math.inf) for found in alone]
    assert seen.coverage.conclusive_ratio == pytest.approx(np.mean([found.kind != "inconclusive" for found in alone]))
    assert seen.coverage.covered_ratio == pytest.approx(np.mean([low < 48 <= high for low, high in ends]))
    assert seen.coverage.false_alarm_ratio == pytest.approx(np.mean([high < 48 for _, high in ends]))
    assert seen.narrow_ratio == pytest.approx(np.mean([low > 0 and high <= 1.5 * low for low, high in ends]))
    assert seen.second_ratio == pytest.approx(np.mean([len(levels) > len(COARSE) for levels in sets]))
    shares = (seen.coverage.conclusive_ratio, seen.narrow_ratio, seen.second_ratio)
    assert all(0 < share < 1 for share in shares), "a share of none or of all would agree by chance"


LOW, HIGH = (38, 52), (49, 55, 58)
"""Two sets of levels of unlike size, by where the first stage's bracket begins."""


def _two_sets(sd_log: float) -> StagedShape:
    def place(lower: int | None, upper: int | None) -> tuple[int, ...]:
        if lower is None or upper is None:
            return ()
        return LOW if lower == 32 else HIGH

    first = PlanShape(users=COARSE, blocks=6, sd_log=sd_log)
    return StagedShape(first=first, blocks=5, place=place, width_ratio=1.5)


def test_runs_that_go_beyond_their_levels_are_judged_as_each_alone() -> None:
    """Some beyond above, some below, some not at all, and among them some whose further level does not decide."""
    undecided: set[str] = set()
    for threshold in (26.0, 34.0, 84.0, 105.0, 125.0):
        curve = kink(threshold, 0.10)
        plan = StagedShape(first=_shape(0.05).first, blocks=5, place=_either_way, width_ratio=1.5)
        seen = simulate_staged(curve, plan, runs=60, seed=31)
        alone = _one_by_one(curve, plan, runs=60, seed=31)
        whole = math.ceil(threshold) if threshold % 1 else threshold + 1
        ends = [(found.lower_users or 0, found.upper_users or math.inf) for found in alone]
        assert seen.coverage.conclusive_ratio == pytest.approx(np.mean([f.kind != "inconclusive" for f in alone]))
        assert seen.coverage.covered_ratio == pytest.approx(np.mean([low < whole <= high for low, high in ends]))
        assert seen.second_ratio == pytest.approx(np.mean([len(f.levels) > len(COARSE) for f in alone]))
        undecided |= {f.kind for f in alone if f.straddling}
    assert undecided >= {"no_divergence", "diverged_at_first"}


def _one_by_one(curve: Curve, plan: StagedShape, *, runs: int, seed: int) -> list[BracketAnswer]:
    """The same draws as simulate_staged, each run through the code that judges one.

    Runs whose first bracket is alike draw their second stage together, in the order of the brackets.
    """
    first, rng = plan.first, np.random.default_rng(seed)
    tables = np.log([curve(n) for n in COARSE]) + first.sd_log * rng.standard_normal((runs, first.blocks, len(COARSE)))
    groups: dict[tuple[float, float], list[Floats]] = {}
    for table in tables:
        found = _judged(COARSE, (1,) * len(COARSE), table)
        groups.setdefault((found.lower_users or 0, found.upper_users or math.inf), []).append(table)
    answers: list[BracketAnswer] = []
    for (low, high), members in sorted(groups.items()):
        levels = plan.place(int(low) or None, int(high) if math.isfinite(high) else None)
        drawn = rng.standard_normal((len(members), plan.blocks, len(levels))) if levels else [None] * len(members)
        for table, fresh in zip(members, drawn, strict=True):
            if fresh is None:
                answers.append(_judged(COARSE, (1,) * len(COARSE), table))
            else:
                answers.append(_of_both(levels, table, np.log([curve(n) for n in levels]) + first.sd_log * fresh))
    return answers


def _of_both(levels: tuple[int, ...], table: Floats, fresh: Floats) -> BracketAnswer:
    users = sorted((*COARSE, *levels))
    whole = np.full((len(table) + len(fresh), len(users)), np.nan)
    whole[: len(table), [users.index(n) for n in COARSE]] = table
    whole[len(table) :, [users.index(n) for n in levels]] = fresh
    return _judged(users, [1 if n in COARSE else 2 for n in users], whole)


def _judged(users: Sequence[int], stages: Sequence[int], table: Floats) -> BracketAnswer:
    rows = [[None if math.isnan(value) else float(value) for value in row] for row in table]
    return find_bracket(users, rows, margin_ratio=0.10, alpha=0.0125, stages=stages)


def test_each_stage_is_bounded_by_its_own_blocks_alone() -> None:
    drawn = np.random.default_rng(26).standard_normal((9, 5)) * 0.05
    drawn[:4, [1, 3]] = np.nan
    drawn[4:, [0, 2, 4]] = np.nan
    both = staged_bounds(drawn, (1, 2, 1, 2, 1), 0.0125)
    for places in ([0, 2, 4], [1, 3]):
        alone = level_bounds(drawn[:, places], 0.0125)
        assert both.lower[places] == pytest.approx(alone.lower)
        assert both.upper[places] == pytest.approx(alone.upper)
