"""What a report says of an open load alone: its arrivals and the three times of each request."""

from __future__ import annotations

from loadlab.analysis.gate_bounds import GateBounds
from loadlab.report.cells import Cell, Table, columns, estimate, figure, words
from loadlab.report.results import Results
from loadlab.report.words import NO_P99
from loadlab.units import format_count, format_percent, format_s

BOUNDS = GateBounds()
"""No calibration changes those of the dispatch lag."""


def is_open(results: Results) -> bool:
    """Whether the load was open."""
    return bool(results["experiment"].get("load_kind") == "open")


def latency_field(results: Results, field: str) -> str:
    """The key of a latency as whoever waits sees it: in an open load from the intended start."""
    return f"response_{field}" if is_open(results) else field


def arrival_tables(results: Results) -> tuple[Table, ...]:
    """One table for an open load, none for a closed one."""
    if not is_open(results):
        return ()
    titles = (
        *("Rate", "'Stack", "Planned", "Begun", "Dropped", "Response p50", "Response p95", "Response p99"),
        *("Service p50", "Service p95", "Service p99", "Dispatch lag p50", "Dispatch lag p99"),
    )
    caption = (
        "Open loop: arrivals, response time from the intended start, service time from the send, and the dispatch lag "
        "between the two; estimate over blocks, its interval below. A window does not count where the dispatch lag's "
        f"p99 is above {format_s(BOUNDS.dispatch_lag_s)} and above "
        f"{format_percent(BOUNDS.dispatch_lag_of_measured_ratio)} of the service time's p99, or its median above "
        f"{format_s(BOUNDS.dispatch_lag_p50_s)}"
    )
    return (Table(caption=caption, columns=columns(*titles), rows=tuple(_row(one) for one in results["levels"])),)


def _row(level: Results) -> tuple[Cell, ...]:
    times = ("response_p50_s", "response_p95_s", "response_p99_s", "p50_s", "p95_s", "p99_s")
    return (
        figure(str(level["users"])),
        words(level["stack"]),
        *(figure(format_count(level[name])) for name in ("planned", "started", "dropped")),
        *(estimate(level[name], format_s, NO_P99) for name in (*times, "dispatch_lag_p50_s", "dispatch_lag_p99_s")),
    )
