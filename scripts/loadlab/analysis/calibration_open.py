"""An open step against the golden log: arrivals begun of those planned, and response times from the intended start.

The truth of a response time is the departure by the golden log less the intended start. That is what the generator
noted, so it is held against the schedule as it is defined (``stats/schedule.py``); the generator has code of its own.
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
from loadlab.analysis.dispatch_gate import allowed_lag_s
from loadlab.analysis.gate_bounds import GateBounds
from loadlab.model.calibration import OpenFigures, Order
from loadlab.model.run import ArrivalWindow
from loadlab.stats.schedule import due_s
from loadlab.units import format_count, format_percent, format_s

STARTED_LEAST_RATIO = 0.99
"""As the runs' gate ``schedule`` has it."""
OFF_SCHEDULE_S = 0.001
"""What the offsets between the clocks of workers may be off by."""
EDGE = 2
"""Arrivals at both edges of the window that the two clocks it is told on may put on different sides."""


def open_figures(order: Order, logs: StepLogs, found: Joined, arrivals: ArrivalWindow) -> OpenFigures:
    """found: of the whole step, so that requests which end after the window count among those that arrived."""
    inside = found.ended_in(logs.opened_s, logs.closed_s)
    intended_s, all_s = inside.requests[:, INTENDED_S], found.requests[:, INTENDED_S]
    truth_s = inside.golden[:, DEPARTURE_NS] / 1e9 - intended_s
    return OpenFigures(
        planned=arrivals.planned,
        started=arrivals.started,
        dropped=arrivals.dropped,
        arrived=int(np.count_nonzero((all_s >= logs.opened_s) & (all_s < logs.closed_s))),
        truth=quantiles(truth_s),
        recorded=reported(arrivals.response_histogram),
        errors=quantiles(inside.requests[:, END_S] - intended_s - truth_s),
        dispatch_lag=quantiles(inside.requests[:, SEND_S] - intended_s),
        off_schedule_s=None if arrivals.dropped else _off_schedule_s(order, logs),
    )


def _off_schedule_s(order: Order, logs: StepLogs) -> float | None:
    """Of all arrivals up to the end of the window, in order; workers share one schedule. None without arrivals."""
    intended_s = np.sort(logs.requests[:, INTENDED_S])
    intended_s = intended_s[intended_s < logs.closed_s]
    if order.rate_rps is None or not len(intended_s):
        return None
    off_s = intended_s - due_s(order.pattern, rate_rps=order.rate_rps, seed=order.seed, count=len(intended_s))
    return float(np.abs(off_s - np.median(off_s)).max())


def late_faults(figures: OpenFigures | None, service_p99_s: float | None) -> Iterator[str]:
    """Sends later than the gate ``dispatch_lag`` lets a run have them: its response times are true, its load is not."""
    if figures is None:
        return
    bounds, lag = GateBounds(), figures.dispatch_lag
    allowed_s = {"p99": allowed_lag_s(service_p99_s, bounds), "median": bounds.dispatch_lag_p50_s}
    for name, late_s in (("p99", lag.p99_s), ("median", lag.p50_s)):
        if late_s is not None and late_s > allowed_s[name]:
            yield (
                f"sends are late by {format_s(late_s)} ({name}), at most {format_s(allowed_s[name])} expected, as in "
                "a run"
            )


def open_faults(figures: OpenFigures | None) -> Iterator[str]:
    """What of the arrivals does not hold; figures: None where the window counted none."""
    if figures is None:
        yield "the window counted no arrivals of an open load"
        return
    if figures.off_schedule_s is not None and figures.off_schedule_s > OFF_SCHEDULE_S:
        yield (
            f"intended starts are up to {format_s(figures.off_schedule_s)} off the schedule, at most "
            f"{format_s(OFF_SCHEDULE_S)} expected"
        )
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
