"""What gunicorn's workers have counted, gathered by the arbiter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

BUSY = "worker_slots_busy"


class WorkerMetricsCollector(Collector):
    """The workers' metrics out of the multiprocess folder.

    `worker_slots_busy` gets one row for each worker that lives and none for any other process, 0 before a
    worker's first request; `http_requests_in_flight` is their sum, since a busy slot is a request in flight.
    """

    def __init__(self, folder: Path, worker_pids: Callable[[], list[int]]) -> None:
        self._files = MultiProcessCollector(CollectorRegistry(), path=str(folder))  # type: ignore[no-untyped-call]
        self._worker_pids = worker_pids

    def collect(self) -> Iterator[Metric]:
        """Read every worker's files once."""
        busy_by_pid: dict[str, float] = {}
        for metric in self._files.collect():  # type: ignore[no-untyped-call]
            if metric.name == BUSY:
                busy_by_pid = {sample.labels["pid"]: sample.value for sample in metric.samples}
            else:
                yield metric
        yield from _slots_busy({str(pid): busy_by_pid.get(str(pid), 0.0) for pid in self._worker_pids()})


def _slots_busy(busy_by_pid: dict[str, float]) -> Iterator[Metric]:
    family = GaugeMetricFamily(BUSY, "Request slots of a worker that are at work.", labels=["pid"])
    for pid, busy in busy_by_pid.items():
        family.add_metric([pid], busy)
    yield family
    yield GaugeMetricFamily(
        "http_requests_in_flight", "Requests taken up and not yet answered.", value=sum(busy_by_pid.values())
    )
