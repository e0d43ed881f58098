"""Levels surround the prediction without standing on it, or spread wide where there is none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadlab.design.levels import levels_around, levels_without_prediction


@pytest.mark.parametrize(
    ("predicted", "levels"),
    [(52.8, (40, 48, 58, 69, 83)), (17.6, (13, 16, 19, 23, 28)), (33.0, (25, 30, 36, 43, 52)), (1.0, (1, 2, 3, 4, 5))],
)
def test_five_levels_of_the_quick_plan(predicted: float, levels: tuple[int, ...]) -> None:
    assert levels_around(predicted, count=5, step_ratio=1.2) == levels


@given(st.floats(1, 3000), st.integers(1, 14), st.floats(1.05, 2.0))
def test_levels_are_unique_ascending_and_at_least_one(predicted: float, count: int, step: float) -> None:
    levels = levels_around(predicted, count=count, step_ratio=step)
    assert len(levels) == count
    assert levels[0] >= 1
    assert all(low < high for low, high in pairwise(levels))


@given(st.floats(15, 3000))
def test_a_prediction_that_is_off_by_a_quarter_still_lies_between_two_levels(predicted: float) -> None:
    levels = levels_around(predicted, count=5, step_ratio=1.2)
    assert levels[0] < predicted / 1.25
    assert levels[-1] > predicted * 1.25


@given(st.floats(40, 3000))
def test_neighbours_of_the_prediction_leave_room_for_a_claim(predicted: float) -> None:
    """One straddling level must leave the bracket within a factor of 1.5."""
    levels = levels_around(predicted, count=5, step_ratio=1.2)
    assert max(high / low for low, high in zip(levels, levels[2:], strict=False)) <= 1.5


def test_a_bound_on_users_cuts_levels_off() -> None:
    assert levels_around(52.8, count=5, step_ratio=1.2, users_max=60) == (40, 48, 58)


@pytest.mark.parametrize(
    ("slots", "count", "levels"),
    [(48, 5, (1, 4, 14, 53, 200)), (None, 4, (1, 6, 34, 200)), (200, 3, (1, 20, 400)), (48, 1, (200,))],
)
def test_without_prediction_levels_are_geometric_up_to_twice_the_slots(
    slots: int | None, count: int, levels: tuple[int, ...]
) -> None:
    assert levels_without_prediction(slots, count=count) == levels


@pytest.mark.parametrize(("predicted", "count", "step"), [(0.0, 5, 1.2), (50.0, 0, 1.2), (50.0, 5, 1.0)])
def test_levels_that_cannot_be_placed_are_refused(predicted: float, count: int, step: float) -> None:
    with pytest.raises(ValueError, match="cannot place"):
        levels_around(predicted, count=count, step_ratio=step)
