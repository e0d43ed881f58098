"""What an open load of this process came to, in one line of its log when it stops.

Locust's own table shows service times alone, and nothing of an arrival that was dropped: whoever runs the plain command
without its web page would see neither.
"""

from __future__ import annotations

import logging

import numpy as np
from _arrival_tally import DROPPED, STARTED
from _histogram import LatencyCounts
from _tally import END, INTENDED, LATENCY_MS, OK, UNJUDGED, VERDICT, Slice

logger = logging.getLogger(__name__)

QUANTILES = (("p50", 0.5, 1), ("p95", 0.95, 20), ("p99", 0.99, 1000))
"""Name, share, and the fewest requests that tell it, as in a report."""


class OpenSummary:
    """Arrivals begun and dropped, and the three times of requests; nothing of a closed load."""

    def __init__(self) -> None:
        self._begun = 0
        self._dropped = 0
        self._failed = 0
        self._responses, self._services, self._lags = LatencyCounts(), LatencyCounts(), LatencyCounts()

    def fold(self, piece: Slice) -> None:
        """Add a slice. Slices must come in order and without gaps."""
        if piece.planned is None:
            return
        fate = piece.arrivals[:, 1]
        self._begun += int(np.count_nonzero(fate == STARTED))
        self._dropped += int(np.count_nonzero(fate == DROPPED))
        ended = piece.rows[piece.rows[:, VERDICT] != UNJUDGED]
        well = ended[ended[:, VERDICT] == OK]
        self._failed += len(ended) - len(well)
        responses_s, services_s = well[:, END] - well[:, INTENDED], well[:, LATENCY_MS] / 1e3
        self._responses.record(responses_s)
        self._services.record(services_s)
        self._lags.record(responses_s - services_s)

    def tell(self) -> None:
        """Log what there is, as a warning where arrivals were dropped."""
        if self._begun or self._dropped:
            logger.log(logging.WARNING if self._dropped else logging.INFO, self._text())

    def _text(self) -> str:
        return (
            f"open load of this process: {self._begun} arrivals begun, {self._dropped} dropped; "
            f"{self._failed} requests failed; of the {self._services.total} others: "
            f"response time from the intended start {_quantiles(self._responses)}; "
            f"service time {_quantiles(self._services)}; dispatch lag {_quantiles(self._lags)}"
        )


def _quantiles(counts: LatencyCounts) -> str:
    total = counts.total
    known = ((name, counts.quantile_s(share)) for name, share, least in QUANTILES if total >= least)
    return ", ".join(f"{name} {value_s * 1e3:.1f} ms" for name, value_s in known if value_s is not None) or "absent"
