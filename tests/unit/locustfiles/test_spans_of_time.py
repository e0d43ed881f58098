"""Integrals, peaks and gaps of overlapping spans, by hand and against a slow oracle."""

from __future__ import annotations

import numpy as np
import pytest
from _spans import MAX_GAPS, GapList, clipped_sum_s, peak_and_gaps, union_active_s


def spans(*pairs: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def test_only_what_lies_inside_the_window_is_summed() -> None:
    starts, ends = spans((0, 1), (0.5, 2), (1.5, 9), (3, 4), (0, 9))
    assert clipped_sum_s(starts, ends, 1.0, 3.0) == 0.0 + 1.0 + 1.5 + 0.0 + 2.0


def test_a_span_without_end_reaches_to_the_edge() -> None:
    assert clipped_sum_s(np.array([2.0]), np.array([np.inf]), 0.0, 5.0) == 3.0


def test_a_window_of_no_length_sums_to_zero() -> None:
    assert clipped_sum_s(*spans((0, 9)), 3.0, 3.0) == 0.0


def test_peak_and_gaps_by_hand() -> None:
    peak, gaps = peak_and_gaps(*spans((0, 2), (1, 3), (1.5, 1.75), (5, 6), (8, 20)), 1.0, 10.0)
    assert peak == 3
    assert gaps.tolist() == [[3, 5], [6, 8]]


def test_a_request_that_begins_when_another_ends_is_not_a_second_one() -> None:
    peak, gaps = peak_and_gaps(*spans((0, 1), (1, 2)), 0.0, 2.0)
    assert peak == 1
    assert gaps.size == 0


def test_nothing_under_way_is_one_gap() -> None:
    assert peak_and_gaps(*spans((0, 1), (9, 10)), 2.0, 8.0)[1].tolist() == [[2.0, 8.0]]


@pytest.mark.parametrize("seed", range(20))
def test_peak_and_gaps_agree_with_a_walk_along_a_grid(seed: int) -> None:
    random = np.random.default_rng(seed)
    starts = random.integers(0, 100, 12).astype(float)
    ends = starts + random.integers(1, 15, 12).astype(float)
    lo, hi = 20.0, 90.0
    under_way = [int(((starts <= cell) & (ends > cell)).sum()) for cell in np.arange(lo, hi) + 0.0]
    peak, gaps = peak_and_gaps(starts, ends, lo, hi)
    assert peak == max(under_way)
    assert (gaps[:, 1] - gaps[:, 0]).sum() == under_way.count(0)
    assert clipped_sum_s(starts, ends, lo, hi) == sum(under_way)


def test_a_gap_that_goes_on_in_the_next_slice_stays_one_gap() -> None:
    known = GapList.empty()
    known.append(np.array([[0.0, 1.0], [2.0, 3.0]]))
    known.append(np.array([[3.0, 4.0], [6.0, 7.0]]))
    assert known.gaps.tolist() == [[0.0, 1.0], [2.0, 4.0], [6.0, 7.0]]
    assert known.idle_s == 4.0


def test_too_many_gaps_lose_the_shortest_and_keep_the_exact_sum() -> None:
    starts = np.arange(MAX_GAPS + 2, dtype=float)
    lengths = np.where(starts % 10 == 0, 0.5, 0.01)
    known = GapList.empty()
    known.append(np.column_stack((starts, starts + lengths)))
    kept_s = (known.gaps[:, 1] - known.gaps[:, 0]).sum()
    assert len(known.gaps) <= MAX_GAPS
    assert np.count_nonzero(known.gaps[:, 1] - known.gaps[:, 0] > 0.1) == np.count_nonzero(lengths > 0.1)
    assert known.idle_s == pytest.approx(lengths.sum())
    assert known.dropped_s == pytest.approx(lengths.sum() - kept_s)
    assert (np.diff(known.gaps[:, 0]) > 0).all()


def test_workers_together_are_idle_only_where_all_are() -> None:
    left = np.array([[0.0, 4.0], [6.0, 10.0]])
    right = np.array([[2.0, 8.0]])
    assert union_active_s([left, right], 10.0) == pytest.approx(10.0 - 2.0 - 2.0)
    assert union_active_s([np.empty((0, 2))], 10.0) == 10.0
    assert union_active_s([], 10.0) == 0.0
