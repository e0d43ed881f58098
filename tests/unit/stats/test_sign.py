from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from loadlab.stats.sign import median_bounds, order_rank


@given(st.integers(1, 60), st.floats(0.0005, 0.4))
def test_the_rank_is_the_largest_that_the_binomial_allows(n: int, alpha: float) -> None:
    rank = order_rank(n, alpha)
    assert rank == 0 or stats.binom.cdf(rank - 1, n, 0.5) <= alpha * (1 + 1e-9)
    assert rank == n or stats.binom.cdf(rank, n, 0.5) > alpha * (1 - 1e-9)


def test_tabled_bounds_of_the_median() -> None:
    """n = 8: the extremes hold with 2**-8 each; n = 9 at .025: the second and the eighth."""
    assert median_bounds(range(8), 0.004, 0.004) == (0, 7)
    assert median_bounds(range(9), 0.025, 0.025) == (1, 7)
    assert median_bounds(range(4), 0.025, 0.1) == (None, 3)


@pytest.mark.parametrize(("alpha", "blocks"), [(0.025, 6), (0.005, 8), (0.5, 1)])
def test_how_many_equal_blocks_are_enough(alpha: float, blocks: int) -> None:
    assert order_rank(blocks, alpha) == 1
    assert order_rank(blocks - 1, alpha) == 0
