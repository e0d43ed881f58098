"""Counts of one worker since its process began: they never fall, so that Prometheus can take rates of them.

Trials and windows begin anew; these do not. They travel with every pulse and every answer, and the master adds what is
new to the stack that is under load (`_ledger.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from _arrival_tally import DROPPED
from _histogram import Floats
from _tally import CODE, END, INTENDED, LATENCY_MS, OK, START, UNJUDGED, VERDICT, Slice

BOUNDS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0),
)
"""Upper bounds of the buckets of response times; the services' own, so that both can be laid over each other."""


class Totals:
    """good_within_s: an answered request is good within it, in an open load from its intended start; may be changed
    between trials.
    """

    def __init__(self, good_within_s: float) -> None:
        self.good_within_s = good_within_s
        self._sent = 0
        self._good = 0
        self._failed = 0
        self._dropped: int | None = None
        self._codes: Counter[int] = Counter()
        self._latency_sum_s = 0.0
        self._buckets = np.zeros(len(BOUNDS_S) + 1, dtype=np.int64)

    def fold(self, piece: Slice) -> None:
        """Add a slice. Slices must come in order and without gaps."""
        if piece.planned is not None or len(piece.arrivals):
            self._dropped = (self._dropped or 0) + int(np.count_nonzero(piece.arrivals[:, 1] == DROPPED))
        starts = np.concatenate((piece.rows[:, START], piece.flights))
        self._sent += int(np.count_nonzero(starts >= piece.lo_s))
        is_open = piece.planned is not None
        ended = piece.rows[piece.rows[:, VERDICT] != UNJUDGED]
        if not len(ended):
            return
        self._failed += int(np.count_nonzero(ended[:, VERDICT] != OK))
        codes, counts = np.unique(ended[:, CODE].astype(np.int64), return_counts=True)
        self._codes.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))
        well = ended[ended[:, VERDICT] == OK]
        latencies_s = well[:, LATENCY_MS] / 1e3
        judged_s = well[:, END] - well[:, INTENDED] if is_open else latencies_s
        self._good += int(np.count_nonzero(judged_s <= self.good_within_s))
        self._respond(latencies_s)

    def _respond(self, latencies_s: Floats) -> None:
        self._latency_sum_s += float(latencies_s.sum())
        places = np.searchsorted(BOUNDS_S, latencies_s, side="left")
        self._buckets += np.bincount(places, minlength=len(self._buckets))

    def message(self, name_of: Callable[[int], str]) -> dict[str, Any]:
        """The counts as a message to the master.

        Buckets each count their own span only; dropped is None while no load was open.
        """
        return {
            "sent": self._sent,
            "good": self._good,
            "failed": self._failed,
            "dropped": self._dropped,
            "ended": {name_of(code): count for code, count in sorted(self._codes.items())},
            "latency_sum_s": self._latency_sum_s,
            "buckets": self._buckets.tolist(),
        }
