from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from loadlab.stats.paired import estimate, log_ratios, ratio_estimate, t_interval

LOGS = st.lists(st.floats(-2, 2), min_size=2, max_size=20)


def test_a_hand_computed_interval() -> None:
    """Mean 2, sd 1, n 3: 2 +- 4.302653 / sqrt(3)."""
    found = estimate([1.0, 2.0, 3.0])
    assert found is not None
    assert found.interval is not None
    assert (found.value, found.n) == (2.0, 3)
    assert found.interval.upper - 2 == pytest.approx(4.30265273 / math.sqrt(3), rel=1e-8)


@given(LOGS, st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_are_those_of_scipy(logs: list[float], level: float) -> None:
    if np.std(logs) < 1e-6:
        return
    found = t_interval(logs, level)
    expected = stats.ttest_1samp(logs, 0.0).confidence_interval(level)
    assert found is not None
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("blocks", "known"), [(1, False), (2, False), (5, False), (6, True), (8, True)])
def test_equal_blocks_prove_nothing_until_there_are_six(blocks: int, known: bool) -> None:
    """Six equal blocks leave a two-sided error of 2 * 2**-6 = 3 %, five 6 %."""
    assert (t_interval([0.25] * blocks) is not None) == known


def test_ratios_are_geometric_means() -> None:
    found = ratio_estimate([math.log(2), math.log(8)])
    assert found is not None
    assert found.value == pytest.approx(4)


@pytest.mark.parametrize("pair", [(None, 1.0), (1.0, None), (0.0, 1.0), (1.0, -1.0), (math.inf, 1.0), (math.nan, 1.0)])
def test_a_pair_with_an_absent_or_impossible_side_is_missing(pair: tuple[float | None, float | None]) -> None:
    missing, whole = log_ratios([pair, (4.0, 2.0)])
    assert missing is None
    assert whole == pytest.approx(math.log(2))


def test_no_blocks_give_no_estimate() -> None:
    assert estimate([]) is None
    assert ratio_estimate([]) is None
