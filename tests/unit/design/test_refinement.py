"""A second stage stands inside of the first one's bracket, by rules that leave nothing to choose afterwards."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import make_experiment
from loadlab.design.plan import make_plan
from loadlab.design.refinement import levels_between, refinement_of, second_levels
from loadlab.model.experiment import RefinePlan
from loadlab.model.plan import Plan
from loadlab.model.result import Bracket

RULE = RefinePlan(levels=3, count=2, width_ratio=1.5)
LEVELS = (31, 44, 62, 87)


def _plan() -> Plan:
    return make_plan(replace(make_experiment(users=LEVELS, blocks=3), refine=RULE), LEVELS, seed=7)


def _bracket(lower: int | None, upper: int | None) -> Bracket:
    return Bracket(lower_users=lower, upper_users=upper, kind="diverges")


@pytest.mark.parametrize(
    ("lower", "upper", "outcome"),
    [
        (44, 62, "narrow"),
        (44, 66, "narrow"),
        (31, 62, "refined"),
        (None, 62, "no_bracket"),
        (44, None, "no_bracket"),
        (None, None, "no_bracket"),
    ],
)
def test_a_second_stage_follows_a_closed_bracket_that_is_too_wide_and_no_other(
    lower: int | None, upper: int | None, outcome: str
) -> None:
    got, levels = second_levels(RULE, LEVELS, lower, upper)
    assert got == outcome
    assert bool(levels) == (outcome == "refined")


def test_a_level_that_straddled_is_straddled_and_not_measured_again() -> None:
    assert second_levels(RULE, LEVELS, 31, 62) == ("refined", (35, 39, 52))


def test_a_bracket_whose_numbers_were_all_tested_is_left_as_it_is() -> None:
    assert second_levels(RULE, (1, 2, 3), 1, 3) == ("no_level_left", ())
    assert second_levels(RULE, (1, 4), 1, 4) == ("refined", (2, 3))


@given(
    st.sets(st.integers(1, 400), min_size=2, max_size=6).map(sorted),
    st.integers(1, 8),
)
def test_levels_are_whole_new_ascending_and_inside(tested: list[int], count: int) -> None:
    found = levels_between(tested, count=count)
    room = tested[-1] - tested[0] - 1 - (len(tested) - 2)
    assert list(found) == sorted(set(found) - set(tested))
    assert all(tested[0] < users < tested[-1] for users in found)
    assert len(found) == min(count, room)


@given(st.integers(20, 300), st.floats(1.6, 4.0), st.integers(1, 5))
def test_the_widest_step_shrinks_as_evenly_as_whole_users_allow(lower: int, ratio: float, count: int) -> None:
    upper = round(lower * ratio)
    steps = [math.log(b / a) for a, b in pairwise((lower, *levels_between((lower, upper), count=count), upper))]
    assert max(steps) <= math.log(upper / lower) / (count + 1) + 1 / lower


def test_the_second_stage_has_blocks_and_windows_of_its_own() -> None:
    plan = _plan()
    got = refinement_of(RULE, make_experiment(users=LEVELS, blocks=3), plan, _bracket(31, 62), predicted_users=48.0)
    assert got.plan is not None
    assert (got.outcome, got.lower_users, got.upper_users) == ("refined", 31, 62)
    assert [block.number for block in got.plan.blocks] == [4, 5]
    assert not set(got.plan.levels) & set(plan.levels)
    ids = [trial.id for part in (plan, got.plan) for block in part.blocks for trial in block.trials]
    assert len(ids) == len(set(ids))
    assert got.plan.aa_users == 39


def test_the_same_bracket_gives_the_same_second_stage() -> None:
    experiment, plan = make_experiment(users=LEVELS, blocks=3), _plan()
    one, two = (refinement_of(RULE, experiment, plan, _bracket(31, 62), predicted_users=48.0) for _ in range(2))
    assert one == two


def test_a_bracket_that_rests_on_an_invalid_level_is_not_refined() -> None:
    bracket = Bracket(lower_users=31, upper_users=62, kind="invalid", reason="pairs are missing")
    got = refinement_of(RULE, make_experiment(), _plan(), bracket)
    assert (got.outcome, got.plan) == ("invalid_end", None)
