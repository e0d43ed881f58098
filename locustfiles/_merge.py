"""Parts of a window, one per worker, merged into the record that the engine reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from _arrival_tally import merge_arrivals
from _histogram import Floats, LatencyCounts
from _spans import union_active_s

SUMMED = (
    "sent",
    "ok",
    "failed",
    "good",
    "ends_read",
    "latency_sum_s",
    "latency_ceil_ms_sum",
    "user_time_s",
    "request_time_s",
    "chores_s",
)

Part = Mapping[str, Any]


def merge_parts(parts: Sequence[Part], measure_s: float) -> dict[str, Any]:
    """The figures of one window out of its parts; latencies, counts and integrals add up exactly.

    ``in_flight_max`` in the health is the sum of the workers' own peaks, so an upper bound with several workers.
    ``active_s`` is the union over the workers; gaps too short to be kept (a worker keeps 10 000) count as active
    unless there is only one worker, whose sum of gaps is exact.
    """
    merged: dict[str, Any] = {name: sum(part[name] for part in parts) for name in SUMMED}
    outcomes: Counter[str] = Counter()
    latencies = LatencyCounts()
    for part in parts:
        outcomes.update(part["outcomes"])
        latencies.merge(part["latencies"])
    merged["outcomes"] = dict(sorted(outcomes.items()))
    merged["half_ok"] = [sum(part["half_ok"][half] for part in parts) for half in (0, 1)]
    sums_s = [sum(part["half_latency_sum_s"][half] for part in parts) for half in (0, 1)]
    merged["half_latency_mean_s"] = [
        total_s / count if count else None for total_s, count in zip(sums_s, merged["half_ok"], strict=True)
    ]
    merged["active_s"] = _active_s(parts, measure_s)
    merged["histogram"] = latencies.encode()
    merged["own_waits"] = sorted({name for part in parts for name in part["own_waits"]})
    dispatch_lags = LatencyCounts()
    for part in parts:
        dispatch_lags.merge(part["dispatch_lags"])
    merged["dispatch_lag_p50_s"] = dispatch_lags.quantile_s(0.50)
    merged["dispatch_lag_p99_s"] = dispatch_lags.quantile_s(0.99)
    merged["arrivals"] = merge_arrivals([part["open"] for part in parts if part["open"]])
    merged["health"] = _merge_health(parts)
    return merged


def notes_of(part: Part, label: str) -> list[str]:
    """What is known less well than the figures say, without anything missing."""
    notes = []
    if part["gaps_dropped_s"]:
        notes.append(
            f"{label}: idle gaps of together {part['gaps_dropped_s']:.3f} s were too many to keep; with other"
            " workers they count as active"
        )
    if part["own_waits"]:
        notes.append(
            f"{label}: {', '.join(part['own_waits'])} waits as its own wait_time says, because think_s is 0; what it"
            " waited is user_time_s less request_time_s"
        )
    if part["unjudged"]:
        notes.append(
            f"{label}: {part['unjudged']} requests ended in the window and were never judged by their scenario"
            " (catch_response without a verdict); they count as failed"
        )
    return notes


def _gaps(part: Part, measure_s: float) -> Floats:
    gaps = np.frombuffer(part["gaps"], dtype="<f8").reshape(-1, 2)
    if part["early"]:
        gaps = np.concatenate((gaps, [[part["ended_s"], measure_s]]))
    clipped: Floats = np.clip(gaps, 0.0, measure_s)
    return clipped


def _active_s(parts: Sequence[Part], measure_s: float) -> float:
    if len(parts) == 1 and not parts[0]["early"]:
        return max(0.0, measure_s - float(parts[0]["idle_s"]))
    return union_active_s([_gaps(part, measure_s) for part in parts], measure_s)


def _merge_health(parts: Sequence[Part]) -> dict[str, Any]:
    lags = LatencyCounts()
    throttled: dict[str, float] = {}
    steals = [part["health"]["steal_ratio"] for part in parts]
    for part in parts:
        lags.merge(part["lags"])
        if part["health"]["throttled_s"] is not None:
            group = part["health"]["group"]
            throttled[group] = max(throttled.get(group, 0.0), part["health"]["throttled_s"])
    return {
        "lag_p50_s": lags.quantile_s(0.50),
        "lag_p99_s": lags.quantile_s(0.99),
        "cpu_cores": sum(part["health"]["cpu_cores"] for part in parts),
        "cores": len(parts),
        "steal_ratio": max((steal for steal in steals if steal is not None), default=None),
        "throttled_s": sum(throttled.values()) if throttled else None,
        "in_flight_max": sum(part["in_flight_max"] for part in parts),
        "workers": sum(not part["early"] for part in parts),
    }
