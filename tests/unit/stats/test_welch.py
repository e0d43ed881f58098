"""The interval of a difference of two means is scipy's, and covers what it says it covers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from loadlab.stats.welch import Mean, difference_interval


def _mean(values: np.ndarray) -> Mean:
    return Mean(value=float(values.mean()), error=float(values.std(ddof=1)) / math.sqrt(values.size), n=values.size)


@pytest.mark.parametrize("sizes", [(24, 24), (5, 40), (2, 3)])
def test_the_interval_is_that_of_welch_s_test(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(1.0, 0.3, sizes[0]), rng.normal(0.5, 1.2, sizes[1])
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    found = difference_interval(_mean(first), _mean(second))
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high))


def test_values_that_do_not_scatter_leave_no_width() -> None:
    found = difference_interval(Mean(value=3.0, error=0.0, n=24), Mean(value=1.0, error=0.0, n=24))
    assert (found.lower, found.upper) == (2.0, 2.0)
