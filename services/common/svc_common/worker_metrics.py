"""What gunicorn's workers have counted, gathered by the arbiter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from svc_common.cells import read_folder
from svc_common.metric_families import COUNTED, IN_FLIGHT, SLOTS_BUSY, Labels, summed


class WorkerMetricsCollector(Collector):
    """Sums the workers' cells: counts of every worker there ever was, gauges of those that live.

    A request in flight keeps a slot busy, so a worker's requests in flight are its `worker_slots_busy`,
    one row for each worker that lives, 0 before its first request.
    """

    def __init__(self, folder: Path, worker_pids: Callable[[], list[int]]) -> None:
        self._folder = folder
        self._worker_pids = worker_pids

    def collect(self) -> Iterator[Metric]:
        """Read every worker's cells once."""
        busy: dict[Labels, list[float]] = {(str(pid),): [0.0] for pid in self._worker_pids()}
        rows = []
        for pid, block, values in read_folder(self._folder):
            is_alive = (str(pid),) in busy
            if block.name == IN_FLIGHT.name:
                busy.update({(str(pid),): values} if is_alive else {})
            elif is_alive or COUNTED[block.name].kind != "gauge":
                rows.append((block.name, block.labels, values))
        yield SLOTS_BUSY.metric(busy)
        yield IN_FLIGHT.metric({(): [sum(value for (value,) in busy.values())]})
        for name, by_labels in summed(rows).items():
            yield COUNTED[name].metric(by_labels)
