"""The gate of an open load: its requests leave when their arrivals are due, not when the generator comes to it."""

from __future__ import annotations

from loadlab.analysis.codes import finding
from loadlab.analysis.gate_bounds import GateBounds
from loadlab.model.result import Finding
from loadlab.model.run import Window
from loadlab.stats.histogram import P95_MIN_COUNT, P99_MIN_COUNT, Latencies, decode
from loadlab.units import format_s

HIGH_QUANTILES = (("p99", 0.99, P99_MIN_COUNT), ("p95", 0.95, P95_MIN_COUNT))
"""The one that is judged: the first that the window has requests enough for."""


def dispatch_lag(window: Window, latencies: Latencies, bounds: GateBounds) -> Finding | None:
    """From the intended start to the send: p99 within 5 ms or 5 % of the service time's p99, median within 1 ms.

    Below 1000 requests the p95 takes the place of the p99, as in every other figure; below 20 none is judged. The
    share is of the time from the send, which a late dispatcher does not lengthen.
    """
    arrivals = window.load.arrivals
    lags = None if arrivals is None else decode(arrivals.dispatch_histogram, "a window's dispatch lags")
    judged = None if lags is None else next((one for one in HIGH_QUANTILES if lags.total >= one[2]), None)
    if lags is None or judged is None:
        what = "dispatch lag of an open load" if lags is None else f"dispatch lag of {lags.total} requests"
        return finding("dispatch_lag", "not_available", window.id, got=f"{what}: not known", expected="a figure")
    name, share, _ = judged
    high_s, median_s = lags.quantile_s(share) or 0.0, lags.quantile_s(0.50) or 0.0
    allowed_s = allowed_lag_s(latencies.quantile_s(share), bounds)
    if high_s <= allowed_s and median_s <= bounds.dispatch_lag_p50_s:
        return None
    return finding(
        "dispatch_lag",
        "invalid",
        window.id,
        got=f"{name} {format_s(high_s)}, median {format_s(median_s)}",
        expected=f"{name} at most {format_s(allowed_s)}, median at most {format_s(bounds.dispatch_lag_p50_s)}",
        next_step="lower load.rate_rps, or give the load generator more cores; "
        "a task that waits before its first request is late by as much",
    )


def allowed_lag_s(measured_s: float | None, bounds: GateBounds) -> float:
    """How late a high quantile of the sends may be, by the same quantile of the service time."""
    return max(bounds.dispatch_lag_s, bounds.dispatch_lag_of_measured_ratio * (measured_s or 0.0))
