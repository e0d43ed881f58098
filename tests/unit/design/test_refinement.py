"""A second stage stands inside of the first one's bracket, by rules that leave nothing to choose afterwards."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import make_experiment
from loadlab.config import load_experiment
from loadlab.design.levels import levels_around
from loadlab.design.plan import make_plan
from loadlab.design.refinement import levels_between, levels_beyond, refinement_of, second_levels
from loadlab.model.experiment import RefinePlan
from loadlab.model.plan import Plan
from loadlab.model.result import Bracket

RULE = RefinePlan(levels=3, count=2, width_ratio=1.5)
LEVELS = (31, 44, 62, 87)
PLACED = load_experiment("threshold-50-placed")


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


@pytest.mark.parametrize(
    ("lower", "upper", "further"),
    [
        (87, None, (130, 195)),  # no divergence up to the last level
        (72, None, (108, 162)),  # the last level straddles: 72 x 1.5 is narrow enough, and far enough from 87
        (62, None, (99, 149)),  # 62 x 1.5 would be beside 87, which straddled
        (31, None, (99, 149)),
        (None, 31, (14, 21)),  # diverged at the first level
        (None, 37, (17, 25)),  # the first level straddles
        (None, 44, (19, 28)),
        (None, 87, (19, 28)),
        (None, None, ()),
    ],
)
def test_beyond_an_open_end_levels_stand_where_the_bracket_would_be_narrow(
    lower: int | None, upper: int | None, further: tuple[int, ...]
) -> None:
    rule = replace(RULE, beyond=2)
    assert second_levels(rule, LEVELS, lower, upper) == (("extended", further) if further else ("no_bracket", ()))


def test_below_one_user_there_is_nothing_to_measure() -> None:
    rule = replace(RULE, beyond=3)
    assert second_levels(rule, (1, 2), None, 1) == ("no_bracket", ())
    assert second_levels(rule, (3, 5), None, 3) == ("extended", (1, 2))
    assert second_levels(rule, (1, 2), 2, None) == ("extended", (3, 4, 6))
    assert second_levels(rule, (1,), 1, None) == ("extended", (2, 3, 4))


@given(
    st.sets(st.integers(1, 400), min_size=1, max_size=6).map(sorted),
    st.floats(1.05, 4.0),
    st.integers(1, 6),
    st.booleans(),
    st.data(),
)
def test_levels_beyond_are_new_whole_ascending_and_on_the_open_side(
    tested: list[int], ratio: float, count: int, upwards: bool, data: st.DataObject
) -> None:
    rule, end = replace(RULE, beyond=count, width_ratio=ratio), data.draw(st.sampled_from(tested))
    found = levels_beyond(rule, tested, *((end, None) if upwards else (None, end)))
    assert list(found) == sorted(set(found))
    outermost = tested[-1] if upwards else tested[0]
    outwards = found if upwards else found[::-1]
    nearest = (
        max(end * ratio, outermost * math.cbrt(ratio)) if upwards else min(end / ratio, outermost / math.cbrt(ratio))
    )
    assert len(found) == count if upwards else len(found) <= min(count, outermost - 1)
    assert bool(found) == (upwards or outermost > 1)
    assert all(users > outermost if upwards else 1 <= users < outermost for users in found)
    for step, users in enumerate(outwards):
        wanted = nearest * ratio**step if upwards else nearest / ratio**step
        assert abs(users - wanted) < 1 + step or abs(users - outermost) == step + 1, "pushed off by a whole number"


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


@pytest.mark.parametrize("predicted", [tenths / 10 for tenths in range(200, 1200)])
def test_in_the_shipped_plan_two_steps_are_narrow_enough_and_three_get_a_level_in_either_end_gap(
    predicted: float,
) -> None:
    """Docs/adr/0022: wherever the law puts the threshold, and however whole numbers of users round."""
    plan, rule = PLACED.blocks, PLACED.refine
    assert rule is not None
    users = levels_around(predicted, count=plan.levels, step_ratio=plan.level_step_ratio)
    for lower, upper in ((0, 2), (1, 3)):
        assert second_levels(rule, users, users[lower], users[upper])[0] == "narrow", users
    outcome, (one, two) = second_levels(rule, users, users[0], users[3])
    assert outcome == "refined"
    assert users[0] < one < users[1]
    assert users[2] < two < users[3]
    for lower_users, upper_users in ((users[3], None), (users[2], None), (None, users[0]), (None, users[1])):
        outcome, (beyond,) = second_levels(rule, users, lower_users, upper_users)
        assert outcome == "extended"
        assert max(beyond, upper_users or 0) <= 1.5 * min(beyond, lower_users or beyond)


def test_nothing_follows_beyond_a_level_that_could_not_be_measured() -> None:
    rule, experiment, plan = replace(RULE, beyond=1), make_experiment(users=LEVELS, blocks=3), _plan()
    for bracket, outermost in ((_bracket(62, None), 87), (_bracket(None, 44), 31)):
        got = refinement_of(rule, experiment, plan, bracket, invalid_levels=(outermost,))
        assert (got.outcome, got.plan) == ("invalid_end", None)
        elsewhere = tuple({31, 44, 62, 87} - {outermost})
        assert refinement_of(rule, experiment, plan, bracket, invalid_levels=elsewhere).outcome == "extended"


def test_a_second_stage_beyond_has_its_control_there() -> None:
    plan = _plan()
    got = refinement_of(replace(RULE, beyond=1), make_experiment(users=LEVELS, blocks=3), plan, _bracket(87, None))
    assert got.plan is not None
    assert (got.outcome, got.plan.levels, got.plan.aa_users) == ("extended", (130,), 130)


def test_the_same_bracket_gives_the_same_second_stage() -> None:
    experiment, plan = make_experiment(users=LEVELS, blocks=3), _plan()
    one, two = (refinement_of(RULE, experiment, plan, _bracket(31, 62), predicted_users=48.0) for _ in range(2))
    assert one == two


def test_a_bracket_that_rests_on_an_invalid_level_is_not_refined() -> None:
    bracket = Bracket(lower_users=31, upper_users=62, kind="invalid", reason="pairs are missing")
    got = refinement_of(RULE, make_experiment(), _plan(), bracket)
    assert (got.outcome, got.plan) == ("invalid_end", None)
