"""Logs of a step and whole calibrations, to vary in a test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from builders import HDR_DIGITS, HDR_HIGHEST_US, HDR_LOWEST_US, UNIX_S, make_load_window
from loadlab.analysis.calibration_logs import StepLogs
from loadlab.model.calibration import (
    Calibration,
    CoreQuality,
    Doubling,
    OpenFigures,
    Order,
    Purpose,
    Quantiles,
    Reach,
    Step,
)
from loadlab.model.run import ArrivalWindow

IDENTITY = {
    "machine": "machine-a",
    "kernel": "6.1",
    "cores": "0-1",
    "python": "3.11.7",
    "locust": "2.47.0",
    "generator": "3f2a",
}
OPENED_S = 1000.0
EARLIER_S = 0.5
"""The window of an open step opens so much earlier, so that what is sent late in it was intended in it too."""
_Histogram: Any = HdrHistogram


def make_order(
    *, purpose: Purpose = "latency", delay_s: float = 0.01, users: int = 10, think_s: float = 0.0, generators: int = 1
) -> Order:
    """A step of two seconds."""
    return Order(
        id=f"{purpose}-{users}",
        purpose=purpose,
        delay_s=delay_s,
        users=users,
        measure_s=2.0,
        settle_s=0.5,
        think_s=think_s,
        generators=generators,
    )


def make_open_order(*, purpose: Purpose = "pace", delay_s: float = 0.01, rate_rps: int = 607) -> Order:
    """An open step of two seconds; at this rate ``make_logs`` has 1 200 requests of 10 ms in it."""
    closed = make_order(purpose=purpose, delay_s=delay_s, users=0)
    return replace(closed, id=f"{purpose}-{rate_rps}", rate_rps=rate_rps, pattern="constant")


def make_logs(truth_s: Sequence[float], extra_s: Sequence[float], *, measure_s: float = 2.0) -> StepLogs:
    """Logs of requests one after another over the window.

    truth_s: what the golden server took. extra_s: what the generator recorded on top, a quarter of it before the
    arrival and the rest after the departure.
    """
    count = len(truth_s)
    per_s = math.ceil(count / (measure_s - max(truth_s) - max(extra_s) - 0.01))
    sends_s = OPENED_S + np.arange(count) / per_s
    truth, extra = np.array(truth_s), np.array(extra_s)
    ends_s = sends_s + truth + extra
    arrivals_ns = np.round((sends_s + extra / 4) * 1e9).astype(np.int64)
    departures_ns = arrivals_ns + np.round(truth * 1e9).astype(np.int64)
    ids = np.arange(1, count + 1)
    golden = np.column_stack((ids, arrivals_ns, departures_ns - 1000, departures_ns, np.full(count, 200)))
    requests = np.column_stack((ids.astype(float), sends_s, sends_s, ends_s, np.full(count, 200.0)))
    window = replace(make_load_window(ok=count, measure_s=measure_s), histogram=_encoded(ends_s - sends_s))
    return StepLogs(golden=golden.astype(np.int64), requests=requests, window=window, opened_s=OPENED_S)


def make_open_logs(
    logs: StepLogs, lags_s: Sequence[float], *, started: int | None = None, dropped: int = 0
) -> StepLogs:
    """Those of an open step: each request was intended so long before it was sent, and there are no other arrivals.

    started: all unless given. dropped: planned besides, and begun by nobody.
    """
    requests = logs.requests.copy()
    requests[:, 1] = requests[:, 2] - np.array(lags_s)
    count = len(requests)
    arrivals = ArrivalWindow(
        planned=count + dropped,
        started=count if started is None else started,
        dropped=dropped,
        half_planned=(count // 2, count + dropped - count // 2),
        response_histogram=_encoded(requests[:, 3] - requests[:, 1]),
        dispatch_histogram=_encoded(np.array(lags_s)),
    )
    window = replace(logs.window, arrivals=arrivals, measure_s=logs.window.measure_s + EARLIER_S)
    return replace(logs, requests=requests, window=window, opened_s=logs.opened_s - EARLIER_S)


def _encoded(latencies_s: NDArray[np.float64]) -> str:
    recorded = _Histogram(HDR_LOWEST_US, HDR_HIGHEST_US, HDR_DIGITS)
    for latency_s in latencies_s:
        recorded.record_value(max(1, round(latency_s * 1e6)))
    text: str = recorded.encode().decode()
    return text


def alike(value_s: float) -> Quantiles:
    """Quantiles that are all alike."""
    return Quantiles(p50_s=value_s, p95_s=value_s, p99_s=value_s, p999_s=None)


def make_step(
    *,
    purpose: Purpose = "latency",
    users: int = 10,
    delivered_rps: float = 1000.0,
    truth_s: float = 0.01,
    recorded_s: float = 0.0101,
    faults: tuple[str, ...] = (),
    generators: int = 1,
) -> Step:
    """A step whose quantiles are all alike."""
    error_s = recorded_s - truth_s
    truth, recorded = (Quantiles(p50_s=v, p95_s=v, p99_s=v, p999_s=None) for v in (truth_s, recorded_s))
    return Step(
        order=make_order(purpose=purpose, users=users, delay_s=truth_s, generators=generators),
        requests=2000,
        asked_rps=delivered_rps,
        delivered_rps=delivered_rps,
        truth=truth,
        recorded=recorded,
        errors=alike(error_s),
        absolute_errors=alike(abs(error_s)),
        golden_late=Quantiles(p50_s=0.000002, p95_s=0.00001, p99_s=0.00003, p999_s=None),
        unmatched=0,
        failed=0,
        generator_cpu_ratio=0.2,
        lag_p99_s=0.0005,
        faults=faults,
    )


def make_open_step(
    *,
    purpose: Purpose = "rate",
    rate_rps: int = 1000,
    delivered_rps: float | None = None,
    response_s: float = 0.012,
    faults: tuple[str, ...] = (),
) -> Step:
    """A step of 10 ms answers, two seconds long, whose response quantiles are all alike and 0.1 ms too long."""
    truth, recorded = (Quantiles(p50_s=v, p95_s=v, p99_s=v, p999_s=None) for v in (response_s, response_s + 0.0001))
    error, lag = (Quantiles(p50_s=v, p95_s=v, p99_s=v, p999_s=None) for v in (0.0001, response_s - 0.01))
    delivered_rps = float(rate_rps) if delivered_rps is None else delivered_rps
    started = round(2 * delivered_rps)
    figures = OpenFigures(
        planned=2 * rate_rps,
        started=started,
        dropped=0,
        arrived=started,
        truth=truth,
        recorded=recorded,
        errors=error,
        dispatch_lag=lag,
        off_schedule_s=0.0,
    )
    step = make_step(purpose=purpose, delivered_rps=delivered_rps, faults=faults)
    order = make_open_order(purpose=purpose, rate_rps=rate_rps)
    return replace(step, order=order, asked_rps=float(rate_rps), open=figures)


def make_calibration(
    *, identity: Mapping[str, str] | None = None, made_unix_s: float = UNIX_S, failures: tuple[str, ...] = ()
) -> Calibration:
    """One of a machine with two cores, truthful unless failures are given."""
    return Calibration(
        made_unix_s=made_unix_s,
        took_s=118.0,
        identity=dict(IDENTITY if identity is None else identity),
        generator_cores=1,
        cores=(
            CoreQuality(
                core=0,
                clock_read_s=6e-08,
                clock_step_s=2e-08,
                paused_ratio=0.0004,
                longest_pause_s=0.002,
                sleep_late_p50_s=0.00006,
                sleep_late_p99_s=0.0004,
            ),
        ),
        steps=(
            make_step(),
            make_open_step(purpose="pace"),
            make_open_step(rate_rps=4100),
            make_open_step(rate_rps=5000, faults=("p99: recorded 9 ms, truth 5 ms",)),
            make_step(purpose="users", users=1000, truth_s=1.0, recorded_s=1.001),
            make_step(purpose="doubling", users=10),
            make_step(purpose="doubling", users=10, generators=2),
        ),
        rate=Reach(most=4100.0, beyond=5000.0),
        users=Reach(most=1000.0, beyond=None),
        doubling=Doubling(users=10, rate_ratio=0.998, p50_ratio=1.004, p99_ratio=1.02, agrees=True),
        bias_p50_ratio=0.004,
        bias_p99_ratio=0.012,
        small_bias_s=0.00009,
        failures=failures,
    )
