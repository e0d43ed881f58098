"""Latency histograms: decoded, merged and asked for quantiles, without the samples.

The wire form is HdrHistogram's V2 compressed encoding in base64; values are microseconds. With three
significant digits a quantile is within 0.1 % of the sample's own (each bucket answers with its middle).
"""

from __future__ import annotations

import binascii
import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from loadlab.errors import BundleError

P99_MIN_COUNT = 1000
P95_MIN_COUNT = 20
_US_PER_S = 1e6
_BROKEN = (
    binascii.Error,
    zlib.error,
    HdrCookieException,
    HdrHistogramSettingsException,
    HdrLengthException,
    ValueError,
    TypeError,
    IndexError,
)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Counts per bucket. ``values_s`` (ascending, seconds) and ``counts`` hold the non-empty buckets only."""

    values_s: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """How many requests were recorded."""
        return int(self.counts.sum())

    @property
    def mean_s(self) -> float | None:
        """The mean; None when nothing was recorded."""
        total = self.total
        return float(self.values_s @ self.counts) / total if total else None

    @property
    def sd_s(self) -> float | None:
        """The standard deviation between requests; None for fewer than two."""
        mean_s, total = self.mean_s, self.total
        if mean_s is None or total < 2:
            return None
        return math.sqrt(float(((self.values_s - mean_s) ** 2) @ self.counts) / (total - 1))

    def quantile_s(self, q: float, min_count: int = 1) -> float | None:
        """Return the smallest value with at least ceil(q n) requests at or below it (inverse of the ECDF).

        None when fewer than ``min_count`` requests were recorded: absent, not a guess.
        """
        total = self.total
        if total < max(1, min_count):
            return None
        rank = max(1, math.ceil(q * total - 1e-9))
        return float(self.values_s[np.searchsorted(np.cumsum(self.counts), rank)])

    @property
    def p50_s(self) -> float | None:
        """The median."""
        return self.quantile_s(0.50)

    @property
    def p95_s(self) -> float | None:
        """The 95th percentile; None below 20 requests, where it would be the largest."""
        return self.quantile_s(0.95, P95_MIN_COUNT)

    @property
    def p99_s(self) -> float | None:
        """The 99th percentile; None below 1000 requests (docs/method.md, latency)."""
        return self.quantile_s(0.99, P99_MIN_COUNT)


def decode(encoded: str, where: str = "a window's latency histogram", expected: int | None = None) -> Latencies:
    """Read one encoded histogram; ``where`` names it in errors, ``expected`` is how many requests it has to hold.

    Raises BundleError when the text is not an HdrHistogram V2 in base64, or holds another number.
    """
    try:
        histogram = HdrHistogram.decode(encoded)  # type: ignore[no-untyped-call]
    except _BROKEN as problem:
        raise BundleError(
            f"{where} cannot be read: got {encoded[:24]!r} ({problem}), expected an "
            "HdrHistogram V2 in base64; the bundle is damaged: restore it or measure again"
        ) from problem
    counts = np.ctypeslib.as_array(histogram.counts).astype(np.int64)
    total = int(counts.sum())
    if counts.min() < 0 or expected not in (None, total):
        raise BundleError(
            f"{where} does not fit: got {total} requests, expected {expected}, the ok requests of its window; "
            "the bundle is damaged: restore it or measure again"
        )
    used = np.flatnonzero(counts)
    middles_us = _bucket_middles_us(used, histogram.sub_bucket_half_count_magnitude, histogram.unit_magnitude)
    return Latencies(middles_us / _US_PER_S, counts[used])


def merge(parts: Iterable[Latencies]) -> Latencies:
    """Add histograms up. Shapes may differ; nothing merged is an empty histogram."""
    kept = [part for part in parts if part.counts.size]
    if not kept:
        return Latencies(np.empty(0), np.empty(0, dtype=np.int64))
    values_s, position = np.unique(np.concatenate([part.values_s for part in kept]), return_inverse=True)
    counts = np.zeros(values_s.size, dtype=np.int64)
    np.add.at(counts, position, np.concatenate([part.counts for part in kept]))
    return Latencies(values_s, counts)


def _bucket_middles_us(index: NDArray[np.int64], half_magnitude: int, unit_magnitude: int) -> NDArray[np.float64]:
    """Middle of each bucket, from HdrHistogram's layout: halves of sub-buckets, doubling in width."""
    half = 1 << half_magnitude
    bucket = (index >> half_magnitude) - 1
    sub = (index & (half - 1)) + half
    first = bucket < 0
    sub = np.where(first, sub - half, sub)
    width = np.left_shift(np.int64(1), np.where(first, 0, bucket) + unit_magnitude)
    lowest = sub * width
    return np.asarray(lowest + (width - 1) / 2.0, dtype=np.float64)
