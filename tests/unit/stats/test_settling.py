from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from loadlab.stats.settling import blocks_by_sign, blocks_by_t


def test_the_blocks_asked_for_settle_the_level_about_as_often_as_promised() -> None:
    """Simulated: 3000 levels with the number of blocks asked for; four of five are settled, give or take."""
    gap, sd, alpha = 0.06, 0.05, 0.005
    n = blocks_by_t(gap, sd, alpha)
    assert n is not None
    drawn = np.random.default_rng(4).normal(gap, sd, size=(3000, n))
    settled = stats.ttest_1samp(drawn, 0.0, axis=1, alternative="greater").pvalue < alpha
    assert 0.78 < np.mean(settled) < 0.90
    fewer = stats.ttest_1samp(drawn[:, : n - 2], 0.0, axis=1, alternative="greater").pvalue < alpha
    assert np.mean(fewer) < 0.8


@pytest.mark.parametrize("gap", [0.0, 1e-6])
def test_a_level_on_the_margin_is_never_settled(gap: float) -> None:
    assert blocks_by_t(gap, 0.05, 0.025) is None


def test_pooled_levels_need_fewer_blocks() -> None:
    alone, pooled = blocks_by_t(0.1, 0.05, 0.005), blocks_by_t(0.1, 0.05, 0.005, levels_pooled=3)
    assert alone is not None
    assert pooled is not None
    assert pooled < alone


def test_unanimous_steps_need_as_many_blocks_as_the_sign_test() -> None:
    assert blocks_by_sign(0.0, 0.025) == 6
    assert blocks_by_sign(0.0, 0.005) == 8


def test_split_steps_need_more_blocks_and_even_ones_never_settle() -> None:
    some = blocks_by_sign(0.1, 0.025)
    assert some is not None
    assert some > 6
    assert blocks_by_sign(0.5, 0.025) is None
