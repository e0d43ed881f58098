"""How exactly the server kept its own schedule: departure less due, counted by the microsecond."""

from __future__ import annotations

import bisect
from array import array
from itertools import accumulate

_BUCKETS = 20_000
QUANTILES = (0.5, 0.99, 0.999)


class Accuracy:
    """Counts of scheduling errors; those beyond 20 ms are in the last bucket, the largest one is kept exactly."""

    def __init__(self) -> None:
        self._counts = array("q", bytes(8 * _BUCKETS))
        self._largest_ns = 0

    def record(self, error_ns: int) -> None:
        """One answer that left so long after it was due."""
        if error_ns > self._largest_ns:
            self._largest_ns = error_ns
        bucket = error_ns // 1_000
        self._counts[bucket if bucket < _BUCKETS else _BUCKETS - 1] += 1

    @property
    def total(self) -> int:
        """Answers so far."""
        return sum(self._counts)

    @property
    def max_s(self) -> float | None:
        """The largest error; None before the first answer."""
        return self._largest_ns / 1e9 if self.total else None

    def quantile_s(self, share: float) -> float | None:
        """The upper end of the microsecond within which ``share`` of the errors lie; None before the first answer."""
        total = self.total
        if not total:
            return None
        rank = max(1, round(share * total))
        bucket = bisect.bisect_left([*accumulate(self._counts)], rank)
        return min((bucket + 1) * 1_000, self._largest_ns) / 1e9
