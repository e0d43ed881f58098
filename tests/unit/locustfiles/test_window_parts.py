"""Parts of several workers merged into one window."""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _histogram import LatencyCounts
from _merge import merge_parts, notes_of
from hdrh.histogram import HdrHistogram


def part(**changes: Any) -> dict[str, Any]:
    latencies, lags = LatencyCounts(), LatencyCounts()
    latencies.record(np.array(changes.pop("latencies_s", [0.1, 0.2])))
    lags.record(np.array(changes.pop("lags_s", [0.001])))
    gaps = np.array(changes.pop("gaps_s", [[1.0, 2.0]]), dtype=float).reshape(-1, 2)
    health = {"cpu_cores": 0.25, "steal_ratio": 0.01, "throttled_s": 0.5, "group": "host:a"}
    whole: dict[str, Any] = {
        "sent": 3,
        "ok": 2,
        "failed": 1,
        "good": 1,
        "ends_read": 1,
        "outcomes": {"200": 2, "503": 1},
        "half_ok": [2, 0],
        "half_latency_sum_s": [0.3, 0.0],
        "latency_sum_s": 0.4,
        "latency_ceil_ms_sum": 400,
        "user_time_s": 8.0,
        "request_time_s": 0.5,
        "chores_s": 0.25,
        "in_flight_max": 2,
        "idle_s": float((gaps[:, 1] - gaps[:, 0]).sum()),
        "gaps": gaps.tobytes(),
        "gaps_dropped_s": 0.0,
        "latencies": latencies.sparse(),
        "lags": lags.sparse(),
        "dispatch_lags": lags.sparse(),
        "open": None,
        "own_waits": [],
        "early": False,
        "ended_s": 4.0,
        "unjudged": 0,
        "health": {**health, **changes.pop("health", {})},
    }
    return {**whole, **changes}


def test_counts_integrals_and_histograms_add_up() -> None:
    merged = merge_parts([part(), part(latencies_s=[0.3], outcomes={"200": 1, "error:OSError": 2})], 4.0)
    assert (merged["sent"], merged["ok"], merged["failed"], merged["good"]) == (6, 4, 2, 2)
    assert (merged["ends_read"], merged["chores_s"]) == (2, 0.5)
    assert merged["outcomes"] == {"200": 3, "503": 1, "error:OSError": 2}
    assert (merged["user_time_s"], merged["request_time_s"], merged["latency_ceil_ms_sum"]) == (16.0, 1.0, 800)
    assert HdrHistogram.decode(merged["histogram"]).get_total_count() == 3


def test_half_means_weigh_by_requests_and_an_empty_half_has_none() -> None:
    merged = merge_parts([part(), part(half_ok=[1, 0], half_latency_sum_s=[0.9, 0.0])], 4.0)
    assert merged["half_ok"] == [3, 0]
    assert merged["half_latency_mean_s"] == [pytest.approx(0.4), None]


def test_active_is_the_union_over_workers() -> None:
    assert merge_parts([part(), part(gaps_s=[[1.5, 3.0]])], 4.0)["active_s"] == pytest.approx(3.5)
    assert merge_parts([part(), part(gaps_s=[[3.0, 4.0]])], 4.0)["active_s"] == pytest.approx(4.0)


def test_one_workers_sum_of_gaps_is_exact_whatever_was_dropped() -> None:
    assert merge_parts([part(idle_s=3.25, gaps_dropped_s=2.25)], 4.0)["active_s"] == pytest.approx(0.75)


def test_a_worker_that_quit_is_idle_from_then_on() -> None:
    quitter = part(gaps_s=[], early=True, ended_s=1.0)
    merged = merge_parts([quitter, part(gaps_s=[[2.0, 4.0]])], 4.0)
    assert merged["active_s"] == pytest.approx(2.0)
    assert merged["health"]["workers"] == 1


def test_health_takes_the_worst_steal_and_counts_a_shared_group_once() -> None:
    parts = [
        part(lags_s=[0.001] * 98),
        part(lags_s=[0.050] * 2, health={"steal_ratio": 0.2, "throttled_s": 0.7}),
        part(lags_s=[], health={"steal_ratio": None, "throttled_s": 1.0, "group": "host:b"}),
    ]
    health = merge_parts(parts, 4.0)["health"]
    assert health["lag_p50_s"] == pytest.approx(0.001, rel=1e-3)
    assert health["lag_p99_s"] == pytest.approx(0.050, rel=1e-3)
    assert (health["cpu_cores"], health["cores"], health["in_flight_max"]) == (0.75, 3, 6)
    assert (health["steal_ratio"], health["throttled_s"]) == (0.2, pytest.approx(1.7))


def test_what_cannot_be_known_is_absent_and_not_zero() -> None:
    health = merge_parts([part(health={"steal_ratio": None, "throttled_s": None}, lags_s=[])], 4.0)["health"]
    assert (health["steal_ratio"], health["throttled_s"], health["lag_p99_s"]) == (None, None, None)


def test_notes_say_what_is_known_less_well() -> None:
    assert notes_of(part(), "worker a") == []
    gaps, unjudged = notes_of(part(gaps_dropped_s=0.5, unjudged=3), "worker a")
    assert "worker a: idle gaps of together 0.500 s" in gaps
    assert "worker a: 3 requests" in unjudged
