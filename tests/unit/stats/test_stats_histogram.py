from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlab.errors import BundleError
from loadlab.stats.histogram import decode, merge


def _encoded(values_us: list[int]) -> str:
    recorded: Any = HdrHistogram(1, 600_000_000, 3)  # type: ignore[no-untyped-call]
    for value in values_us:
        assert recorded.record_value(value)
    return str(recorded.encode().decode())


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 600_000_000), min_size=1, max_size=300),
    st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]),
)
def test_a_quantile_is_within_a_thousandth_of_the_sample_s_own(values_us: list[int], q: float) -> None:
    exact_us = float(np.quantile(values_us, q, method="inverted_cdf"))
    found_s = decode(_encoded(values_us)).quantile_s(q)
    assert found_s is not None
    assert found_s * 1e6 == pytest.approx(exact_us, rel=1e-3, abs=1e-9)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 10_000_000), max_size=100), st.lists(st.integers(1, 10_000_000), max_size=100))
def test_merged_histograms_are_the_histogram_of_all(first: list[int], second: list[int]) -> None:
    merged = merge([decode(_encoded(first)), decode(_encoded(second))])
    whole = decode(_encoded(first + second))
    np.testing.assert_array_equal(merged.counts, whole.counts)
    np.testing.assert_array_equal(merged.values_s, whole.values_s)


def test_mean_and_spread_are_those_of_the_samples() -> None:
    values_us = np.random.default_rng(5).lognormal(12, 0.4, 3000).astype(int)
    found = decode(_encoded(values_us.tolist()))
    assert found.total == 3000
    assert found.mean_s == pytest.approx(values_us.mean() / 1e6, rel=5e-4)
    assert found.sd_s == pytest.approx(values_us.std(ddof=1) / 1e6, rel=5e-3)


@pytest.mark.parametrize(("count", "known"), [(999, False), (1000, True)])
def test_p99_needs_a_thousand_requests(count: int, known: bool) -> None:
    found = decode(_encoded([200_000] * count))
    assert (found.p99_s is not None) == known
    assert found.p95_s == pytest.approx(0.2, rel=1e-3)


def test_p95_of_fewer_than_twenty_requests_is_absent_and_the_median_is_not() -> None:
    found = decode(_encoded([1000] * 19))
    assert found.p95_s is None
    assert found.p50_s == pytest.approx(0.001)


def test_an_empty_histogram_has_no_figures() -> None:
    found = decode(_encoded([]))
    assert (found.total, found.p50_s, found.mean_s, found.sd_s) == (0, None, None, None)
    assert merge([]).total == 0


@pytest.mark.parametrize("broken", ["", "abcd", "HISTFAAAABx4nJNpmSzMgAD", "not base64 at all!", "AAAA" * 20])
def test_a_damaged_histogram_is_one_clear_line(broken: str) -> None:
    with pytest.raises(BundleError, match=r"cannot be read: got .*expected an HdrHistogram V2 in base64") as caught:
        decode(broken)
    assert "\n" not in str(caught.value)
