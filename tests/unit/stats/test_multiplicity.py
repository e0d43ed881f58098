from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadlab.stats.multiplicity import bonferroni, holm

FAMILY = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_holm_s_own_way_down() -> None:
    """alpha .05 of four: .01 <= .0125, .015 <= .0167, .03 > .025, so the rest stays, though .04 < .05."""
    np.testing.assert_array_equal(holm(np.array([0.01, 0.04, 0.03, 0.015]), 0.05), [True, False, False, True])
    np.testing.assert_array_equal(bonferroni(np.array([0.01, 0.04, 0.03, 0.015]), 0.05), [True, False, False, False])


@given(FAMILY)
def test_holm_is_what_its_definition_says_one_by_one(p_values: list[float]) -> None:
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    rejected = [False] * len(p_values)
    for step, index in enumerate(order):
        if p_values[index] > 0.1 / (len(p_values) - step):
            break
        rejected[index] = True
    np.testing.assert_array_equal(holm(np.array(p_values), 0.1), rejected)


@given(FAMILY)
def test_holm_never_rejects_less_than_bonferroni(p_values: list[float]) -> None:
    p = np.array(p_values)
    assert not np.any(bonferroni(p, 0.05) & ~holm(p, 0.05))


def test_absent_p_values_reject_nothing_and_keep_their_place_in_the_family() -> None:
    p = np.array([[0.02, np.nan], [0.03, np.nan]])
    np.testing.assert_array_equal(holm(p, 0.05), [[True, False], [False, False]])
    np.testing.assert_array_equal(bonferroni(p, 0.05), [[True, False], [False, False]])
