"""A plan visits everything once a block, keeps stacks adjacent, balances the lead, and depends on the seed only."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from builders_cost import experiment
from loadlab.design.order import visits
from loadlab.design.plan import control_level, make_plan, make_repeat, owed_repeats
from loadlab.model.plan import Block, Plan

LEVELS = (40, 48, 58, 69, 83)


def plan(seed: int = 1, blocks: int = 4, stacks: tuple[str, ...] = ("flask", "fastapi")) -> Plan:
    return make_plan(experiment(stacks=stacks, blocks=blocks), LEVELS, seed=seed, predicted_users=52.8)


def leads(block: Block) -> dict[int, str]:
    """Which stack went first at each level, in the order of the block."""
    first: dict[int, str] = {}
    for trial in block.trials:
        if trial.role == "sweep":
            first.setdefault(trial.users, trial.stack)
    return first


def test_the_quick_plan_has_44_windows() -> None:
    assert sum(len(block.trials) for block in plan().blocks) == 44


def test_every_block_visits_each_stack_and_level_once() -> None:
    for block in plan(blocks=5).blocks:
        swept = Counter((t.stack, t.users) for t in block.trials if t.role == "sweep")
        assert swept == Counter({(stack, users): 1 for stack in ("flask", "fastapi") for users in LEVELS})


@pytest.mark.parametrize("seed", range(5))
def test_the_stacks_of_a_level_are_adjacent_and_so_is_the_control(seed: int) -> None:
    for block in plan(seed).blocks:
        place = {(t.stack, t.users, t.role): n for n, t in enumerate(block.trials)}
        for users in LEVELS:
            assert abs(place["flask", users, "sweep"] - place["fastapi", users, "sweep"]) == 1
        (twin,) = (t for t in block.trials if t.role == "aa")
        assert abs(place[twin.stack, 48, "aa"] - place[twin.stack, 48, "sweep"]) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_lead_alternates_within_a_block_and_from_block_to_block(seed: int) -> None:
    blocks = plan(seed).blocks
    for block in blocks:
        order = list(leads(block).values())
        assert all(here != there for here, there in pairwise(order))
    starts = [next(iter(leads(block).values())) for block in blocks]
    assert all(here != there for here, there in pairwise(starts))


@pytest.mark.parametrize("seed", range(5))
def test_each_level_has_either_lead_equally_often_over_an_even_number_of_blocks(seed: int) -> None:
    lead = Counter((users, stack) for block in plan(seed).blocks for users, stack in leads(block).items())
    assert lead == Counter({(users, stack): 2 for users in LEVELS for stack in ("flask", "fastapi")})


@pytest.mark.parametrize("seed", range(5))
def test_over_four_blocks_either_stack_is_doubled_and_comes_first_or_last_equally_often(seed: int) -> None:
    """What befalls a process once, at its first or second window, befalls the windows of both stacks equally often."""
    for blocks in (plan(seed, blocks=8).blocks[:4], plan(seed, blocks=8).blocks[4:]):
        twins = [next(t.stack for t in block.trials if t.role == "aa") for block in blocks]
        assert Counter(twins) == Counter({"flask": 2, "fastapi": 2})
        first = Counter(
            next((t.stack, t.role) for t in block.trials if (t.users, t.stack) == (48, twin))
            for block, twin in zip(blocks, twins, strict=True)
        )
        assert set(first.values()) == {1}
        assert len(first) == 4


@pytest.mark.parametrize("blocks", [1, 2, 3, 5, 7])
def test_of_any_number_of_blocks_a_stack_is_doubled_in_two_more_at_most(blocks: int) -> None:
    twins = Counter(t.stack for block in plan(blocks=blocks).blocks for t in block.trials if t.role == "aa")
    assert twins.total() == blocks
    assert abs(twins["flask"] - twins["fastapi"]) <= 2


@pytest.mark.parametrize("count", [4, 5, 6, 7, 8])
def test_a_second_stage_takes_up_the_turns_where_the_first_left_them(count: int) -> None:
    second = make_plan(experiment(blocks=count), (44, 48), seed=2, predicted_users=52.8, first_block=count + 1)
    both = [*plan(blocks=count).blocks, *second.blocks]
    twins = Counter(t.stack for block in both for t in block.trials if t.role == "aa")
    assert abs(twins["flask"] - twins["fastapi"]) <= 2 * (count % 2)


@pytest.mark.parametrize("twin", [0, 1])
def test_levels_are_shuffled_anew_in_every_block(twin: int) -> None:
    """In the first and in the second blocks of twins alike, each level stands at each place about equally often."""
    planned = visits(LEVELS, 2000, Random(3))[twin::2]
    at = Counter((place, visit.users) for block in planned for place, visit in enumerate(block))
    assert all(140 < at[place, users] < 260 for place in range(5) for users in LEVELS)
    places = [tuple(visit.users for visit in block) for block in visits(LEVELS, 2000, Random(3))]
    moved = Counter(
        place for a, b in zip(places[::2], places[1::2], strict=True) for place in range(5) if a[place] != b[place]
    )
    assert all(moved[place] > 400 for place in range(5))


def test_the_same_seed_gives_the_same_plan_and_another_does_not() -> None:
    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


def test_ids_are_unique_and_readable() -> None:
    ids = [trial.id for block in plan(blocks=12).blocks for trial in block.trials]
    assert len(set(ids)) == len(ids)
    assert "b02-058-flask" in ids
    assert {"b10-048-flask-aa", "b12-048-fastapi-aa"} <= set(ids)


def test_ids_name_files_whatever_a_stack_is_called() -> None:
    made = make_plan(experiment(stacks=("../my app", "b"), blocks=1), (5,), seed=1)
    assert {t.id for t in made.blocks[0].trials} == {"b01-005--my-app", "b01-005--my-app-aa", "b01-005-b"}


def test_one_stack_alone_is_planned_with_its_control() -> None:
    made = plan(stacks=("flask",))
    assert all(len(block.trials) == len(LEVELS) + 1 for block in made.blocks)
    for block in made.blocks:
        roles = [t.role for t in block.trials if t.users == 48]
        assert sorted(roles) == ["aa", "sweep"]


@pytest.mark.parametrize(
    ("predicted", "claimed", "control"),
    [(52.8, 60, 48), (None, 60, 58), (None, None, 58), (30.0, None, 40), (500.0, None, 83), (58.0, None, 58)],
)
def test_the_control_stands_below_the_prediction_else_the_claim(
    predicted: float | None, claimed: int | None, control: int
) -> None:
    assert control_level(LEVELS, predicted, claimed) == control
    made = make_plan(experiment(claimed_users=claimed), LEVELS, seed=1, predicted_users=predicted)
    assert (made.aa_users, made.aa_stack) == (control, "flask")


@pytest.mark.parametrize("levels", [(), (5, 5), (8, 5), (0, 5)])
def test_levels_out_of_order_are_refused(levels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not unique, ascending and at least 1"):
        make_plan(experiment(), levels, seed=1)


@pytest.mark.parametrize("number", [1, 3])
def test_a_repeat_names_its_origin_and_is_never_repeated(number: int) -> None:
    trial = plan().blocks[0].trials[0]
    repeat = make_repeat(trial, number)
    assert (repeat.id, repeat.role, repeat.repeats) == (f"{trial.id}-r{number}", "repeat", trial.id)
    assert (repeat.block, repeat.stack, repeat.users) == (trial.block, trial.stack, trial.users)
    with pytest.raises(ValueError, match="only planned ones are"):
        make_repeat(repeat, number + 1)


def test_repeats_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="repeat 0 of a trial"):
        make_repeat(plan().blocks[0].trials[0], 0)


@pytest.mark.parametrize(
    ("failed", "owed"),
    [
        ((), set()),
        (("b01-058-flask",), {"b01-058-flask", "b01-058-fastapi"}),
        (("b01-048-fastapi",), {"b01-048-flask", "b01-048-fastapi"}),
        (("b01-048-flask",), {"b01-048-flask", "b01-048-fastapi", "b01-048-flask-aa"}),
        (("b01-048-flask-aa",), {"b01-048-flask", "b01-048-flask-aa"}),
        (("b01-083-flask", "b01-083-fastapi"), {"b01-083-flask", "b01-083-fastapi"}),
    ],
)
def test_a_window_that_failed_owes_its_whole_pair_and_the_control_its_twin(
    failed: tuple[str, ...], owed: set[str]
) -> None:
    assert owed_repeats(plan().blocks[0].trials, failed) == owed
