"""Resource samples as one table: a row for the tree (pid null) and one for each of its processes, per instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow

from loadlab.model.run import ResourceSample, WorkerSample

COLUMNS: dict[str, pyarrow.DataType] = {
    "unix_s": pyarrow.float64(),
    "monotonic_s": pyarrow.float64(),
    "pid": pyarrow.int64(),
    "role": pyarrow.string(),
    "cpu_s": pyarrow.float64(),
    "pss_bytes": pyarrow.int64(),
    "rss_bytes": pyarrow.int64(),
    "uss_bytes": pyarrow.int64(),
    "slots_busy": pyarrow.float64(),
    "connections": pyarrow.int64(),
    "throttled_s": pyarrow.float64(),
    "served": pyarrow.int64(),
    "in_flight": pyarrow.float64(),
    "slots": pyarrow.float64(),
    "loop_lag_mean_s": pyarrow.float64(),
    "upstream_calls": pyarrow.int64(),
    "throttled_periods": pyarrow.int64(),
    "served_by_replica": pyarrow.list_(pyarrow.int64()),
}
SCHEMA = pyarrow.schema(COLUMNS)
TREE = (
    "cpu_s",
    "pss_bytes",
    "rss_bytes",
    "throttled_s",
    "served",
    "in_flight",
    "slots",
    "loop_lag_mean_s",
    "upstream_calls",
)
LATER = ("throttled_periods", "served_by_replica")
"""Columns that bundles of the first version do not have."""
WORKER = ("pid", "role", "cpu_s", "pss_bytes", "rss_bytes", "uss_bytes", "slots_busy", "connections")


def to_table(samples: Sequence[ResourceSample]) -> pyarrow.Table:
    """Samples in, table out (SCHEMA); nulls stay null."""
    return pyarrow.Table.from_pylist(list(_rows(samples)), schema=SCHEMA)


def _rows(samples: Sequence[ResourceSample]) -> Iterator[dict[str, Any]]:
    for sample in samples:
        at = {"unix_s": sample.unix_s, "monotonic_s": sample.monotonic_s}
        yield {**at, **{name: getattr(sample, name) for name in (*TREE, *LATER)}}
        for worker in sample.workers:
            yield {**at, **{name: getattr(worker, name) for name in WORKER}}


def from_rows(rows: Sequence[dict[str, Any]]) -> tuple[ResourceSample, ...]:
    """The way back from a table's rows; samples in the order they were taken."""
    trees: list[dict[str, Any]] = []
    workers: list[list[WorkerSample]] = []
    for row in rows:
        if row["pid"] is None:
            trees.append(row)
            workers.append([])
        else:
            workers[-1].append(WorkerSample(**{name: row[name] for name in WORKER}))
    return tuple(
        ResourceSample(
            unix_s=tree["unix_s"],
            monotonic_s=tree.get("monotonic_s"),
            workers=tuple(mine),
            **{name: tree[name] for name in TREE},
            throttled_periods=tree.get("throttled_periods"),
            served_by_replica=None if (shares := tree.get("served_by_replica")) is None else tuple(shares),
        )
        for tree, mine in zip(trees, workers, strict=True)
    )
