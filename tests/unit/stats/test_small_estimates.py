"""Equivalence, bootstrap, Hodges-Lehmann and the isotonic crossing: each against a figure made another way."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import isotonic_regression

from loadlab.stats.bootstrap import mean_interval
from loadlab.stats.equivalence import equivalent, tost_p_value
from loadlab.stats.hodges_lehmann import hodges_lehmann
from loadlab.stats.isotonic import crossing_users, rising_fit


def test_tost_is_the_larger_of_two_one_sided_t_tests() -> None:
    logs = [0.01, -0.02, 0.03, 0.0, 0.015, -0.01]
    bound = math.log(1.05)
    below = stats.ttest_1samp(logs, -bound, alternative="greater").pvalue
    above = stats.ttest_1samp(logs, bound, alternative="less").pvalue
    assert tost_p_value(logs, 0.05) == pytest.approx(max(below, above))
    assert equivalent(logs, 0.05) is True
    assert equivalent([log + 0.04 for log in logs], 0.05) is False


def test_equal_blocks_are_equivalent_only_when_there_are_enough() -> None:
    assert tost_p_value([0.0] * 4, 0.05) is None
    assert equivalent([0.0] * 4, 0.05) is None
    assert equivalent([0.0] * 5, 0.05) is True
    assert equivalent([0.1] * 5, 0.05) is False
    assert equivalent([0.0], 0.05) is None


def test_the_bootstrap_is_refused_below_twelve_blocks_and_without_spread() -> None:
    assert mean_interval(list(range(11)), seed=1) is None
    assert mean_interval([1.0] * 12, seed=1) is None


def test_the_bootstrap_agrees_with_scipy_s_bca_on_skewed_blocks() -> None:
    blocks = np.random.default_rng(3).exponential(size=14)
    ours = mean_interval(blocks.tolist(), seed=1, draws=20_000)
    theirs = stats.bootstrap((blocks,), np.mean, n_resamples=20_000, rng=np.random.default_rng(2)).confidence_interval
    assert ours is not None
    assert (ours.lower, ours.upper) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_the_same_seed_gives_the_same_bootstrap() -> None:
    blocks = np.random.default_rng(3).normal(size=12).tolist()
    assert mean_interval(blocks, seed=9) == mean_interval(blocks, seed=9)
    assert mean_interval(blocks, seed=9) != mean_interval(blocks, seed=10)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12))
def test_hodges_lehmann_is_the_median_of_pairwise_means(values: list[float]) -> None:
    walsh = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2)]
    assert hodges_lehmann(values) == pytest.approx(statistics.median(walsh), abs=1e-12)


def test_one_wild_block_hardly_moves_hodges_lehmann() -> None:
    assert hodges_lehmann([0.0, 0.01, -0.01, 0.0, 0.01, 50.0]) == pytest.approx(0.005, abs=0.006)
    assert hodges_lehmann([]) is None


def test_the_crossing_is_interpolated_in_the_logarithm_of_users() -> None:
    """Halfway in log ratio between 40 and 90 users is their geometric mean, 60."""
    bound = math.log(1.1)
    assert crossing_users([40, 90], [bound - 0.1, bound + 0.1], [4, 4], 0.10) == pytest.approx(60.0)


def test_levels_out_of_order_are_averaged_before_the_crossing_is_sought() -> None:
    """The rising fit pools 0.3 and -0.1 to 0.1 over both levels: above log(1.05) from the first of them on."""
    found = crossing_users([10, 20, 40, 80], [0.0, 0.3, -0.1, 0.4], [4, 4, 4, 4], 0.05)
    assert found == pytest.approx(10 * 2 ** (math.log(1.05) / 0.1))


@pytest.mark.parametrize("means", [[0.5, 0.6, 0.7], [0.0, 0.01, 0.02]])
def test_a_curve_that_does_not_cross_between_levels_has_no_crossing(means: list[float]) -> None:
    assert crossing_users([10, 20, 30], means, [4, 4, 4], 0.10) is None
    assert crossing_users([10], means[:1], [4], 0.10) is None


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(1, 12)), min_size=1, max_size=20))
def test_the_rising_fit_is_the_isotonic_regression(levels: list[tuple[float, int]]) -> None:
    values, weights = [value for value, _ in levels], [weight for _, weight in levels]
    oracle = isotonic_regression(np.array(values), weights=np.array(weights, dtype=np.float64)).x
    assert rising_fit(values, weights) == pytest.approx(oracle, abs=1e-12)
