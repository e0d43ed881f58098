"""The names, labels and buckets of what the services count, and how counted cells become Prometheus samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

Labels = tuple[str, ...]

REQUEST_BUCKETS_S: Final = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0),
)
LAG_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """One metric. A counter or gauge has one cell per set of labels; a histogram has its sum, then one cell
    for each of `bounds` and one for what lies above, each counting only its own bucket."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    documentation: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def cells(self) -> int:
        """Cells per set of labels."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1

    def metric(self, rows: Mapping[Labels, list[float]]) -> Metric:
        """The Prometheus metric of these rows, label values to cells."""
        if self.kind == "histogram":
            return self._histogram(rows)
        kind = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = kind(self.name, self.documentation, labels=self.labels)
        for labels, (value,) in rows.items():
            family.add_metric(labels, value)
        return family

    def _histogram(self, rows: Mapping[Labels, list[float]]) -> Metric:
        family = HistogramMetricFamily(self.name, self.documentation, labels=self.labels)
        bounds = [*(str(bound) for bound in self.bounds), "+Inf"]
        for labels, (total, *counts) in rows.items():
            buckets = list(zip(bounds, itertools.accumulate(counts), strict=True))
            family.add_metric(labels, buckets, total)
        return family


REQUESTS: Final = Family(
    name="http_requests",
    kind="counter",
    documentation="Answered requests; status 499 when the client broke off first.",
    labels=("method", "route", "status"),
)
DURATION: Final = Family(
    name="http_request_duration_seconds",
    kind="histogram",
    documentation="From the service taking up a request to its response being sent.",
    labels=("method", "route"),
    bounds=REQUEST_BUCKETS_S,
)
IN_FLIGHT: Final = Family(
    name="http_requests_in_flight", kind="gauge", documentation="Requests taken up and not yet answered."
)
QUEUE: Final = Family(
    name="request_queue_seconds",
    kind="histogram",
    documentation="From X-Request-Start, set by the client, to the service taking up the request.",
    bounds=REQUEST_BUCKETS_S,
)
SLOTS_BUSY: Final = Family(
    name="worker_slots_busy",
    kind="gauge",
    documentation="Request slots of a worker that are at work.",
    labels=("pid",),
)
LOOP_LAG: Final = Family(
    name="event_loop_lag_seconds",
    kind="histogram",
    documentation="How much later than asked the event loop woke a sleeping task.",
    bounds=LAG_BUCKETS_S,
)
UPSTREAM_IN_FLIGHT: Final = Family(
    name="upstream_requests_in_flight", kind="gauge", documentation="Outbound calls waiting for the upstream."
)
UPSTREAM_REQUESTS: Final = Family(
    name="upstream_requests",
    kind="counter",
    documentation="Outbound calls by how they ended.",
    labels=("outcome",),
)

COUNTED: Final = {
    family.name: family
    for family in (
        *(REQUESTS, DURATION, IN_FLIGHT, QUEUE),
        *(LOOP_LAG, UPSTREAM_IN_FLIGHT, UPSTREAM_REQUESTS),
    )
}
"""What a process counts in cells, by name."""


def summed(rows: Iterable[tuple[str, Labels, list[float]]]) -> dict[str, dict[Labels, list[float]]]:
    """Add up rows of the same metric and labels, cell by cell."""
    totals: dict[str, dict[Labels, list[float]]] = {}
    for name, labels, values in rows:
        by_labels = totals.setdefault(name, {})
        before = by_labels.get(labels)
        by_labels[labels] = values if before is None else [a + b for a, b in zip(before, values, strict=True)]
    return totals
