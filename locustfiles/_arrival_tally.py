"""What one window adds up of an open load: arrivals planned, started and dropped, and times from the intended start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from _histogram import Floats, LatencyCounts

DROPPED, STARTED = 0.0, 1.0
COUNTED = ("planned", "started", "dropped")


@dataclass(slots=True)
class ArrivalTally:
    """Arrivals whose planned instant is inside the window.

    planned: what the schedule says. started: of these, those that were begun before the window was added up, 2 ms after
    its end or, where scenarios still judge answers, 0.25 s; dropped: those for which the cap left no place. What is
    missing was late. Of the requests that ended in the window, responses:
    from the intended start to the end, of ok ones; lags: from the intended start to the send, of all.
    """

    planned: int = 0
    started: int = 0
    dropped: int = 0
    half_planned: list[int] = field(default_factory=lambda: [0, 0])
    responses: LatencyCounts = field(default_factory=LatencyCounts)
    lags: LatencyCounts = field(default_factory=LatencyCounts)

    def fold(self, planned_s: Floats, arrivals: Floats, middle_s: float) -> None:
        """Add what was due (shape n) and what was done (shape a x 2) inside the window in one slice."""
        first = int(np.count_nonzero(planned_s < middle_s))
        self.planned += len(planned_s)
        self.half_planned[0] += first
        self.half_planned[1] += len(planned_s) - first
        fate = arrivals[:, 1]
        self.started += int(np.count_nonzero(fate == STARTED))
        self.dropped += int(np.count_nonzero(fate == DROPPED))

    def part(self) -> dict[str, Any]:
        """The sums as a message to the master."""
        return {
            **{name: getattr(self, name) for name in COUNTED},
            "half_planned": self.half_planned,
            "responses": self.responses.sparse(),
            "lags": self.lags.sparse(),
        }


def merge_arrivals(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The arrivals of a window over all workers; None where the load was closed."""
    if not parts:
        return None
    responses, lags = LatencyCounts(), LatencyCounts()
    for part in parts:
        responses.merge(part["responses"])
        lags.merge(part["lags"])
    return {
        **{name: sum(part[name] for part in parts) for name in COUNTED},
        "half_planned": [sum(part["half_planned"][half] for part in parts) for half in (0, 1)],
        "response_histogram": responses.encode(),
        "dispatch_histogram": lags.encode(),
    }
