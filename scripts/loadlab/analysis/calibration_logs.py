"""The two logs of one step and how they are joined: what the golden server did and what the recorder noted of it.

Both are on CLOCK_MONOTONIC, request by request with the same id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadlab.model.calibration import Quantiles
from loadlab.model.run import LoadWindow
from loadlab.stats.histogram import decode

P95_LEAST, P99_LEAST, P999_LEAST = 20, 1_000, 10_000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ID, ARRIVAL_NS, DUE_NS, DEPARTURE_NS, STATUS = range(5)
REQUEST_ID, INTENDED_S, SEND_S, END_S, CODE = range(5)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepLogs:
    """What a step left behind. golden: n x 5 (columns above); requests: m x 5; opened_s: on CLOCK_MONOTONIC."""

    golden: Ints
    requests: Floats
    window: LoadWindow
    opened_s: float

    @property
    def closed_s(self) -> float:
        """When the window closed, on CLOCK_MONOTONIC."""
        return self.opened_s + self.window.measure_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """Rows of both logs with the same id, in order of id; unmatched: rows that have no partner, or no answer."""

    golden: Ints
    requests: Floats
    unmatched: int

    def ended_in(self, opened_s: float, closed_s: float) -> Joined:
        """Those whose answer was complete inside [opened, closed)."""
        inside = (self.requests[:, END_S] >= opened_s) & (self.requests[:, END_S] < closed_s)
        return Joined(golden=self.golden[inside], requests=self.requests[inside], unmatched=self.unmatched)


def join(golden: Ints, requests: Floats) -> Joined:
    """Both logs by their ids."""
    answered = golden[golden[:, STATUS] != 0]
    ids = requests[:, REQUEST_ID].astype(np.int64)
    _, mine, theirs = np.intersect1d(answered[:, ID], ids, assume_unique=True, return_indices=True)
    unmatched = len(golden) + len(requests) - 2 * len(mine)
    return Joined(golden=answered[mine], requests=requests[theirs], unmatched=unmatched)


def quantiles(values_s: Floats) -> Quantiles:
    """Order statistics (inverse of the empirical distribution); those with too few values behind them are absent."""

    def at(share: float, least: int) -> float | None:
        return float(np.quantile(values_s, share, method="inverted_cdf")) if len(values_s) >= least else None

    return Quantiles(
        p50_s=at(0.5, 1), p95_s=at(0.95, P95_LEAST), p99_s=at(0.99, P99_LEAST), p999_s=at(0.999, P999_LEAST)
    )


def reported(histogram: str) -> Quantiles:
    """What a run would report out of a window's histogram. Raises BundleError when it cannot be read."""
    seen = decode(histogram)
    return Quantiles(
        p50_s=seen.quantile_s(0.5),
        p95_s=seen.quantile_s(0.95, P95_LEAST),
        p99_s=seen.quantile_s(0.99, P99_LEAST),
        p999_s=seen.quantile_s(0.999, P999_LEAST),
    )
