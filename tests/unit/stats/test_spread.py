from __future__ import annotations

import numpy as np

from loadlab.stats.spread import uneven_levels


def test_a_level_far_noisier_than_its_neighbours_is_found() -> None:
    drawn = np.random.default_rng(1).normal(0, 0.01, size=(5, 8))
    drawn[2] *= 8
    assert uneven_levels(drawn.tolist()) == (2,)


def test_even_levels_are_blamed_at_most_as_often_as_promised() -> None:
    drawn = np.random.default_rng(2).normal(0, 0.01, size=(1000, 5, 6))
    blamed = sum(bool(uneven_levels(run.tolist())) for run in drawn)
    assert blamed <= 20


def test_steps_among_still_levels_are_uneven_and_missing_blocks_are_left_out() -> None:
    assert uneven_levels([[0.0] * 6, [0.0, 0.3] * 3, [0.0] * 6]) == (1,)
    assert uneven_levels([[0.1], [], [0.2, 0.3]]) == ()
    assert uneven_levels([[0.0] * 6, [0.0] * 6]) == ()
