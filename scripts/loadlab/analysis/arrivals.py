"""The three times of an open load, and its counts: of one window, and of a stack at a rate over its windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypedDict

from loadlab.model.result import Estimate, WindowSummary
from loadlab.model.run import ArrivalWindow
from loadlab.stats.histogram import P95_MIN_COUNT, P99_MIN_COUNT, decode
from loadlab.stats.paired import estimate

Figure = Callable[[WindowSummary], float | None]


class OfWindow(TypedDict, total=False):
    """The keys of a WindowSummary that an open load fills."""

    planned: int
    started: int
    dropped: int
    response_p50_s: float | None
    response_p95_s: float | None
    response_p99_s: float | None
    dispatch_lag_p50_s: float | None
    dispatch_lag_p99_s: float | None


class OfLevel(TypedDict, total=False):
    """The keys of a LevelSummary that an open load fills."""

    planned: int
    started: int
    dropped: int
    response_p50_s: Estimate | None
    response_p95_s: Estimate | None
    response_p99_s: Estimate | None
    dispatch_lag_p50_s: Estimate | None
    dispatch_lag_p99_s: Estimate | None


def over(windows: Sequence[WindowSummary], figure: Figure) -> Estimate | None:
    """A figure of windows of one stack at one level, over their blocks; None where none has it.

    Such a figure is never negative, and so is no end of its interval.
    """
    found = estimate([value for w in windows if (value := figure(w)) is not None])
    if found is None or found.interval is None:
        return found
    return replace(found, interval=replace(found.interval, lower=max(0.0, found.interval.lower)))


def of_window(arrivals: ArrivalWindow | None) -> OfWindow:
    """Empty for a closed load. Raises BundleError when a histogram cannot be read."""
    if arrivals is None:
        return {}
    responses, lags = decode(arrivals.response_histogram), decode(arrivals.dispatch_histogram)
    return {
        "planned": arrivals.planned,
        "started": arrivals.started,
        "dropped": arrivals.dropped,
        "response_p50_s": responses.quantile_s(0.50),
        "response_p95_s": responses.quantile_s(0.95, P95_MIN_COUNT),
        "response_p99_s": responses.quantile_s(0.99, P99_MIN_COUNT),
        "dispatch_lag_p50_s": lags.quantile_s(0.50),
        "dispatch_lag_p99_s": lags.quantile_s(0.99, P99_MIN_COUNT),
    }


def of_level(windows: Sequence[WindowSummary]) -> OfLevel:
    """Sums and estimates over the windows; empty where their load was closed."""
    if any(window.planned is None for window in windows):
        return {}
    return {
        "planned": sum(w.planned or 0 for w in windows),
        "started": sum(w.started or 0 for w in windows),
        "dropped": sum(w.dropped or 0 for w in windows),
        "response_p50_s": over(windows, lambda w: w.response_p50_s),
        "response_p95_s": over(windows, lambda w: w.response_p95_s),
        "response_p99_s": over(windows, lambda w: w.response_p99_s),
        "dispatch_lag_p50_s": over(windows, lambda w: w.dispatch_lag_p50_s),
        "dispatch_lag_p99_s": over(windows, lambda w: w.dispatch_lag_p99_s),
    }
