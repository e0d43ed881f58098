"""Simulated runs through the code that judges real ones: what the simulator says of the bounds holds for verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from loadlab.analysis.compare import Curve, Figures
from loadlab.analysis.threshold import judge_claim, judge_curve
from loadlab.model.experiment import DecisionRule
from loadlab.model.result import Bracket
from loadlab.stats import simulation
from loadlab.stats.level_bounds import Floats
from loadlab.stats.simulation import PlanShape, draw_noise, kink, least_favourable_curves, simulate, true_threshold

RUNS, SEED = 400, 5
PLAN = PlanShape(users=(39, 47, 56, 67, 81), blocks=4, sd_log=0.03)
CURVES = {"kink": kink(53.0, 0.10), **least_favourable_curves(PLAN.users)}


def drawn(curve: simulation.Curve, plan: PlanShape) -> Floats:
    """The log ratios that ``simulate`` draws: (runs, blocks, levels)."""
    truth = np.log([curve(users) for users in plan.users])
    return truth + draw_noise(plan, RUNS, np.random.default_rng(SEED))


def judged(table: Floats, plan: PlanShape, *, stage_alpha: float | None = None) -> Bracket:
    """The bracket of one run, as an analysis finds it; nan is a pair that is missing."""
    rows = tuple(tuple(None if math.isnan(value) else float(value) for value in row) for row in table)
    levels = len(plan.users)
    curve = Curve(
        figures=Figures(statistic="goodput", by_window={}),
        users=plan.users,
        log_ratios=rows,
        repeats=(0,) * levels,
        stages=(1,) * levels,
        planned=(plan.blocks,) * levels,
    )
    rule = DecisionRule(margin_ratio=plan.margin_ratio)
    return judge_curve(curve, rule, stage_alpha).bracket.bracket


def covered_ratio(brackets: Sequence[Bracket], threshold: float) -> float:
    ends = [(bracket.lower_users or 0, bracket.upper_users or math.inf) for bracket in brackets]
    return float(np.mean([lower < threshold <= upper for lower, upper in ends]))


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("stage_alpha", [None, 0.0125])
def test_the_brackets_of_an_analysis_are_those_of_the_simulation(name: str, stage_alpha: float | None) -> None:
    """At the rule's alpha, and at the half of it that a stage of two has."""
    plan = replace(PLAN, alpha=stage_alpha or 0.025)
    brackets = [judged(table, plan, stage_alpha=stage_alpha) for table in drawn(CURVES[name], plan)]
    threshold = true_threshold(CURVES[name], plan.margin_ratio, plan.users[-1])
    seen = simulate(CURVES[name], plan, runs=RUNS, seed=SEED)
    assert covered_ratio(brackets, threshold) == pytest.approx(seen.covered_ratio)
    closed = [bracket for bracket in brackets if bracket.lower_users and bracket.upper_users]
    assert len(closed) > 0 or name != "kink"


def test_a_true_claim_is_refuted_as_seldom_as_the_bracket_errs() -> None:
    """Of the noise that errs most often: a claim of the true threshold is refuted in exactly the runs that miss it."""
    curve, threshold = CURVES["step_just_over"], true_threshold(CURVES["step_just_over"], 0.10, PLAN.users[-1])
    brackets = [judged(table, PLAN) for table in drawn(curve, PLAN)]
    answers = [judge_claim(int(threshold), bracket).answer for bracket in brackets]
    refuted = np.mean([answer in ("refuted_earlier", "refuted_later") for answer in answers])
    assert refuted == pytest.approx(1 - covered_ratio(brackets, threshold))
    assert 0 < refuted < 0.025 + 3 * math.sqrt(0.025 * 0.975 / RUNS)


@pytest.mark.parametrize("name", CURVES)
def test_missing_pairs_cost_power_and_no_coverage(name: str) -> None:
    """Up to a quarter of a level's pairs, here any one of four, at random."""
    table = drawn(CURVES[name], PLAN)
    rng = np.random.default_rng(SEED + 1)
    missing = rng.random((RUNS, len(PLAN.users))) < 0.5
    block = rng.integers(PLAN.blocks, size=missing.shape)
    table[np.where(missing)[0], block[missing], np.where(missing)[1]] = np.nan
    brackets = [judged(run, PLAN) for run in table]
    threshold = true_threshold(CURVES[name], PLAN.margin_ratio, PLAN.users[-1])
    assert covered_ratio(brackets, threshold) > 0.975 - 3 * math.sqrt(0.025 * 0.975 / RUNS)
    assert {bracket.kind for bracket in brackets}.isdisjoint({"invalid"})


def test_a_run_whose_end_lacks_more_pairs_is_invalid_and_refutes_nothing() -> None:
    table = drawn(CURVES["kink"], replace(PLAN, sd_log=0.001))
    table[:, :2, :] = np.nan
    for run in table[:20]:
        bracket = judged(run, PLAN)
        assert bracket.kind == "invalid"
        assert judge_claim(5, bracket).answer == "invalid"
