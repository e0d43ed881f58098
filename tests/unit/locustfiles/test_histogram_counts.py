"""The batch histogram is HdrHistogram, bucket for bucket."""

# mypy: allow-untyped-calls

from __future__ import annotations

import numpy as np
import pytest
from _histogram import FEW, HIGHEST_US, LatencyCounts, bucket_of, empty_hdr, highest_equivalent_us, sparse_of
from hdrh.histogram import HdrHistogram


def spread_us(seed: int, size: int) -> np.ndarray:
    exponents = np.random.default_rng(seed).uniform(0, np.log(HIGHEST_US), size)
    return np.clip(np.rint(np.exp(exponents)).astype(np.int64), 1, HIGHEST_US)


def test_every_value_falls_into_the_bucket_that_hdrhistogram_chooses() -> None:
    hdr = empty_hdr()
    edges = [1, 2, 1023, 1024, 2047, 2048, 2049, 4095, 4096, 10**6, HIGHEST_US - 1, HIGHEST_US]
    values = np.concatenate((np.array(edges), spread_us(1, 2000)))
    expected = [hdr.get_counts_array_index(int(value)) for value in values]
    assert bucket_of(values).tolist() == expected


def test_the_largest_value_of_a_bucket_is_hdrhistograms() -> None:
    hdr = empty_hdr()
    for value in spread_us(2, 500).tolist():
        index = hdr.get_counts_array_index(value)
        assert highest_equivalent_us(index) == hdr.get_highest_equivalent_value(value)


def test_the_encoded_form_decodes_to_what_recording_one_by_one_gives() -> None:
    values = spread_us(3, 3000)
    one_by_one = empty_hdr()
    for value in values.tolist():
        one_by_one.record_value(value)
    counts = LatencyCounts()
    counts.record(values / 1e6)
    decoded = HdrHistogram.decode(counts.encode())
    assert decoded.get_total_count() == 3000
    assert list(decoded.counts) == list(one_by_one.counts)
    for percentile in (0.1, 50, 95, 99, 99.9, 100):
        truth = one_by_one.get_value_at_percentile(percentile)
        assert decoded.get_value_at_percentile(percentile) == truth
        assert counts.quantile_s(percentile / 100) == pytest.approx(truth / 1e6)


def test_few_values_and_many_are_counted_alike() -> None:
    values_s = spread_us(4, FEW) / 1e6
    at_once, in_parts = LatencyCounts(), LatencyCounts()
    at_once.record(values_s)
    for part in np.array_split(values_s, 7):
        in_parts.record(part)
    assert in_parts.sparse() == at_once.sparse() == sparse_of(values_s)
    assert sparse_of(np.empty(0)) == LatencyCounts().sparse()


def test_merging_messages_equals_recording_everything_in_one_place() -> None:
    left, right, both, merged = (LatencyCounts() for _ in range(4))
    left.record(np.array([0.001, 0.2, 0.2]))
    right.record(np.array([0.2, 30.0]))
    both.record(np.array([0.001, 0.2, 0.2, 0.2, 30.0]))
    merged.merge(left.sparse())
    merged.merge(right.sparse())
    assert merged.encode() == both.encode()
    assert merged.total == 5


def test_an_empty_histogram_has_no_quantile_and_still_encodes() -> None:
    empty = LatencyCounts()
    empty.record(np.array([]))
    assert empty.quantile_s(0.5) is None
    assert HdrHistogram.decode(empty.encode()).get_total_count() == 0


def test_values_outside_the_range_are_counted_at_its_ends() -> None:
    counts = LatencyCounts()
    counts.record(np.array([0.0, 1e-9, 7200.0]))
    decoded = HdrHistogram.decode(counts.encode())
    assert decoded.get_total_count() == 3
    assert decoded.get_count_at_value(1) == 2
    assert decoded.get_count_at_value(HIGHEST_US) == 1
