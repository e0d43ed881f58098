"""Axes put values where they belong and labels where they can be read."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadlab.report.scale import nice_ticks, spread, thin_labels, tick_decimals, users_scale


def test_levels_that_span_widely_get_a_logarithmic_axis_and_others_a_linear_one() -> None:
    assert users_scale([1, 10, 100], 0, 300).is_log
    linear = users_scale([37, 77], 0, 300)
    assert not linear.is_log
    assert linear.at(57) == pytest.approx(150)


def test_a_logarithmic_axis_gives_equal_ratios_equal_room() -> None:
    scale = users_scale([1, 10, 100], 0, 300)
    assert scale.at(10) - scale.at(1) == pytest.approx(scale.at(100) - scale.at(10))


def test_a_single_level_stands_inside_its_axis() -> None:
    scale = users_scale([50], 10, 110)
    assert scale.at(50) == pytest.approx(60)


def test_values_outside_the_axis_are_clipped_to_the_frame() -> None:
    scale = users_scale([10, 20], 0, 100)
    assert scale.at(-1e9) == 0
    assert scale.at(1e9) == 100
    assert not scale.holds(1e9)


@given(st.floats(0, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_evenly_spaced_few_and_cover_the_data(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + step * 1e-6
    assert ticks[-1] >= low + span - step * 1e-6
    assert 2 <= len(ticks) <= 8
    assert all(b - a == pytest.approx(step, rel=1e-3) for a, b in itertools.pairwise(ticks))


def test_data_without_any_span_still_gets_an_axis_around_it() -> None:
    ticks = nice_ticks(0.0, 0.0)
    assert ticks[0] < 0.0 < ticks[-1]


@pytest.mark.parametrize(
    ("ticks", "decimals"), [((0.0, 0.25), 2), ((0.0, 100.0), 0), ((0.0, 0.002), 3), ((0.0, 2.5), 1)]
)
def test_ticks_show_just_the_decimals_that_tell_them_apart(ticks: tuple[float, ...], decimals: int) -> None:
    assert tick_decimals(ticks) == decimals


@given(st.lists(st.floats(0, 500), min_size=1, max_size=20, unique=True))
def test_drawn_labels_never_overlap_and_the_last_level_is_always_named(positions: list[float]) -> None:
    positions.sort()
    kept = thin_labels(positions, [14.0] * len(positions))
    assert kept[-1] == len(positions) - 1
    assert all(positions[b] - positions[a] >= 20 for a, b in itertools.pairwise(kept))


@given(st.lists(st.floats(0, 200), min_size=1, max_size=6))
def test_end_labels_are_pushed_apart_in_their_order(heights: list[float]) -> None:
    placed = spread(heights, 13.0, 0.0, 200.0)
    ranked = sorted(range(len(heights)), key=lambda index: heights[index])
    rows = [placed[index] for index in ranked]
    assert all(b - a >= 13.0 - 1e-6 for a, b in itertools.pairwise(rows))
    assert min(placed) >= -1e-6
    assert max(placed) <= 200 + 1e-6
