"""Exact latency counts: the layout of HdrHistogram (1 us to 600 s, 3 digits), filled in batches with numpy.

HdrHistogram records one value at a time in Python (about 1.2 us each). The same buckets are computed here for
a whole batch at once; the encoded form is HdrHistogram's own V2 and decodes with any of its libraries.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

LOWEST_US = 1
HIGHEST_US = 600_000_000
DIGITS = 3

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def empty_hdr() -> HdrHistogram:
    """An HdrHistogram of the range and precision that every window uses."""
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


_EMPTY = empty_hdr()
_LENGTH: int = _EMPTY.counts_len
_HALF_BITS: int = _EMPTY.sub_bucket_half_count_magnitude
_HALF = 1 << _HALF_BITS
_MASK = 2 * _HALF - 1
FEW = 2000
"""Values are added one by one below so many: a histogram has some twenty thousand buckets."""


def bucket_of(values_us: Ints) -> Ints:
    """Index in HdrHistogram's counts array of each value (shape n, microseconds, at least 1)."""
    _, bits = np.frexp((values_us | _MASK).astype(np.float64))
    bucket = bits.astype(np.int64) - (_HALF_BITS + 1)
    return ((bucket + 1) << _HALF_BITS) + (values_us >> bucket) - _HALF


def highest_equivalent_us(index: int) -> int:
    """The largest microsecond value that falls into the bucket with this index."""
    bucket = (index >> _HALF_BITS) - 1
    sub = (index & (_HALF - 1)) + _HALF
    if bucket < 0:
        return sub - _HALF
    return ((sub + 1) << bucket) - 1


def sparse_of(values_s: Floats) -> dict[str, bytes]:
    """What ``LatencyCounts.sparse`` says of these values alone, without a histogram."""
    return _message(*np.unique(_buckets(values_s), return_counts=True))


def _buckets(values_s: Floats) -> Ints:
    return bucket_of(np.rint(np.clip(values_s * 1e6, LOWEST_US, HIGHEST_US)).astype(np.int64))


def _message(indices: Ints, counts: Ints) -> dict[str, bytes]:
    return {"i": indices.astype("<u4").tobytes(), "n": counts.astype("<u8").tobytes()}


class LatencyCounts:
    """A histogram of seconds that merges by addition."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Ints = np.zeros(_LENGTH, dtype=np.int64)

    @property
    def total(self) -> int:
        """How many values were recorded."""
        return int(self._counts.sum())

    def record(self, values_s: Floats) -> None:
        """Add values (shape n, seconds); what is outside 1 us to 600 s is counted at the nearer end."""
        if values_s.size:
            buckets = _buckets(values_s)
            if values_s.size < FEW:
                np.add.at(self._counts, buckets, 1)
            else:
                self._counts += np.bincount(buckets, minlength=_LENGTH)

    def sparse(self) -> dict[str, bytes]:
        """The counts as a small message: indices and counts of the buckets that are not empty."""
        indices = np.flatnonzero(self._counts)
        return _message(indices, self._counts[indices])

    def merge(self, sparse: Mapping[str, Any]) -> None:
        """Add the counts of a message made by ``sparse``."""
        indices = np.frombuffer(sparse["i"], dtype="<u4")
        self._counts[indices] += np.frombuffer(sparse["n"], dtype="<u8").astype(np.int64)

    def quantile_s(self, share: float) -> float | None:
        """The value below or at which ``share`` of the records lie, as HdrHistogram defines it; None if empty."""
        total = self.total
        if total == 0:
            return None
        rank = max(1, math.floor(share * total + 0.5))
        index = int(np.searchsorted(np.cumsum(self._counts), rank))
        return highest_equivalent_us(index) / 1e6

    def encode(self) -> str:
        """HdrHistogram V2, compressed, base64."""
        hdr = empty_hdr()
        filled = np.flatnonzero(self._counts)
        if filled.size:
            np.frombuffer(hdr.counts, dtype=np.uint64)[:] = self._counts
            hdr.set_internal_tacking_values(int(filled[0]), int(filled[-1]), self.total)
        encoded: bytes = hdr.encode()
        return encoded.decode("ascii")
