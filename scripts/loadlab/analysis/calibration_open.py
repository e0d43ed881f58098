"""An open step against the golden log: arrivals begun of those planned, and response times from the intended start.

The truth of a response time is the departure by the golden log less the intended start by the schedule. Times of the
schedule are the generator's own, but they were fixed before any request was sent.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from loadlab.analysis.calibration_logs import (
    DEPARTURE_NS,
    END_S,
    INTENDED_S,
    SEND_S,
    Joined,
    StepLogs,
    quantiles,
    reported,
)
from loadlab.model.calibration import OpenFigures
from loadlab.model.run import ArrivalWindow
from loadlab.units import format_count, format_percent

STARTED_LEAST_RATIO = 0.99
"""As the runs' gate ``schedule`` has it."""
EDGE = 2
"""Arrivals at both edges of the window that the two clocks it is told on may put on different sides."""


def open_figures(logs: StepLogs, found: Joined, arrivals: ArrivalWindow) -> OpenFigures:
    """found: of the whole step, so that requests which end after the window count among those that arrived."""
    inside = found.ended_in(logs.opened_s, logs.closed_s)
    intended_s, due_s = inside.requests[:, INTENDED_S], found.requests[:, INTENDED_S]
    truth_s = inside.golden[:, DEPARTURE_NS] / 1e9 - intended_s
    return OpenFigures(
        planned=arrivals.planned,
        started=arrivals.started,
        dropped=arrivals.dropped,
        arrived=int(np.count_nonzero((due_s >= logs.opened_s) & (due_s < logs.closed_s))),
        truth=quantiles(truth_s),
        recorded=reported(arrivals.response_histogram),
        errors=quantiles(inside.requests[:, END_S] - intended_s - truth_s),
        dispatch_lag=quantiles(inside.requests[:, SEND_S] - intended_s),
    )


def open_faults(figures: OpenFigures | None) -> Iterator[str]:
    """What of the arrivals does not hold; figures: None where the window counted none."""
    if figures is None:
        yield "the window counted no arrivals of an open load"
        return
    planned, started, dropped = figures.planned, figures.started, figures.dropped
    if started < STARTED_LEAST_RATIO * planned or dropped:
        yield (
            f"{format_count(started)} of {format_count(planned)} planned arrivals begun, {format_count(dropped)} "
            f"dropped; at least {format_percent(STARTED_LEAST_RATIO)} begun, none dropped expected"
        )
    if not started - EDGE <= figures.arrived <= planned - dropped + EDGE:
        yield (
            f"{format_count(figures.arrived)} requests that were intended in the window are in the golden log, "
            f"{format_count(started)} to {format_count(planned - dropped)} expected"
        )
