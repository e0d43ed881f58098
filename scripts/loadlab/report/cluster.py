"""What a report says of the cluster that a run was made on."""

from __future__ import annotations

from collections.abc import Iterator

from loadlab.report.cells import Cell, Table, columns, figure, words
from loadlab.report.results import Results
from loadlab.units import format_bytes, format_count, format_percent, format_ratio, format_s

_CHECK_COLUMNS = (
    *("Block", "'Stack", "Seen by both", "CPU, own", "CPU, cAdvisor", "cAdvisor / own"),
    *("Throttled periods, own", "Throttled periods, cAdvisor", "Working set", "Restarts"),
)
_NOT_TOLD = "the service or the cluster does not tell"


def cluster_differences(results: Results) -> tuple[str, ...]:
    """How the run differs from one on pinned processes; empty for one that was made there."""
    found = results.get("cluster")
    return tuple(found["differences"]) if found else ()


def cluster_tables(results: Results) -> tuple[Table, ...]:
    """Cross-check, starts, throttling and shares; empty for a run that was not made on a cluster."""
    found = results.get("cluster")
    return tuple(table for table in _tables(found) if table.rows) if found else ()


def _tables(found: Results) -> Iterator[Table]:
    yield Table(
        caption="Cross-check of each block: the service's own figures beside cAdvisor's, out of Prometheus",
        columns=columns(*_CHECK_COLUMNS),
        rows=tuple(_check_row(row) for row in found["checks"]),
    )
    yield Table(
        caption="Pods: from scheduled to ready, within a second",
        columns=columns("'Stack", "Pods", "Median start", "Longest start", "'Nodes", "'Image", "'Image id"),
        rows=tuple(_start_row(row) for row in found["starts"]),
    )
    yield Table(
        caption="How much of its windows the processor quota kept each stack waiting",
        columns=columns("Users", "'Stack", "Throttled", "Periods of 100 ms"),
        rows=tuple(_throttled_row(row) for row in found["throttled"]),
    )
    yield Table(
        caption="How the load spread over the replicas: share of the requests, largest first",
        columns=columns("Users", "'Stack", "'Shares"),
        rows=tuple(_share_row(row) for row in found["shares"]),
    )


def _throttled_row(row: Results) -> tuple[Cell, ...]:
    return (
        figure(str(row["users"])),
        words(row["stack"]),
        figure(format_percent(row["throttled_ratio"]), _NOT_TOLD),
        figure(format_count(row["throttled_periods"]), _NOT_TOLD),
    )


def _share_row(row: Results) -> tuple[Cell, ...]:
    shares = ", ".join(format_percent(share) for share in row["shares"])
    return (figure(str(row["users"])), words(row["stack"]), words(shares))


def _check_row(row: Results) -> tuple[Cell, ...]:
    reason = row["reason"] or _NOT_TOLD
    return (
        figure(str(row["block"])),
        words(row["stack"]),
        figure(format_s(row["span_s"]), reason),
        figure(format_s(row["own_cpu_s"]), reason),
        figure(format_s(row["cadvisor_cpu_s"]), reason),
        figure(format_ratio(row["ratio"]), reason),
        figure(format_count(row["own_throttled_periods"]), reason),
        figure(format_count(row["cadvisor_throttled_periods"]), reason),
        figure(format_bytes(row["working_set_bytes"]), reason),
        figure(format_count(row["restarts"]), reason),
    )


def _start_row(row: Results) -> tuple[Cell, ...]:
    return (
        words(row["stack"]),
        figure(format_count(row["pods"])),
        figure(format_s(row["median_s"]), _NOT_TOLD),
        figure(format_s(row["longest_s"]), _NOT_TOLD),
        words(", ".join(row["nodes"])),
        words(row["image"]),
        words(row["image_id"]),
    )
