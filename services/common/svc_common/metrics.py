"""The per-request instruments of the services."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from svc_common import metric_families as families
from svc_common.cells import CellStore
from svc_common.metric_families import COUNTED, Family, Labels, summed
from svc_common.multiprocess_dir import VARIABLE
from svc_common.settings import Stack

UpstreamOutcome = Literal["ok", "failed", "timeout", "quota"]

UNMATCHED_ROUTE: Final = "(unmatched)"
OTHER_METHOD: Final = "OTHER"
CLIENT_GONE: Final = 499
MAX_QUEUE_S: Final = 3_600.0
_QUEUE_PREFIXES: Final = ("t=", b"t=")
_BOUNDS_S: Final = families.REQUEST_BUCKETS_S
KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class Tally:
    """A number that is added to: one row of a counter or gauge."""

    def __init__(self, store: CellStore, family: Family, labels: Labels = ()) -> None:
        self._store = store
        self._at = store.block(family.name, labels, family.cells)

    def add(self, amount: float) -> None:
        """Add an amount; a gauge takes negative ones."""
        with self._store.lock:
            self._store.cells[self._at] += amount


class Distribution:
    """A histogram without labels."""

    def __init__(self, store: CellStore, family: Family) -> None:
        self._store = store
        self._bounds = family.bounds
        self._at = store.block(family.name, (), family.cells)

    def observe(self, value: float) -> None:
        """Count one value."""
        bucket = self._at + 1 + bisect_left(self._bounds, value)
        with self._store.lock:
            cells = self._store.cells
            cells[self._at] += value
            cells[bucket] += 1.0


class UpstreamMeter:
    """Counts outbound calls: call `started`, then `finished` exactly once per call, whatever happened."""

    def __init__(self, store: CellStore) -> None:
        self._in_flight = Tally(store, families.UPSTREAM_IN_FLIGHT)
        outcomes: tuple[UpstreamOutcome, ...] = ("ok", "failed", "timeout", "quota")
        self._outcomes: dict[UpstreamOutcome, Tally] = {
            outcome: Tally(store, families.UPSTREAM_REQUESTS, (outcome,)) for outcome in outcomes
        }

    def started(self) -> None:
        """An outbound call begins."""
        self._in_flight.add(1.0)

    def finished(self, outcome: UpstreamOutcome) -> None:
        """The outbound call ended so."""
        self._outcomes[outcome].add(1.0)
        self._in_flight.add(-1.0)


class ServiceMetrics:
    """The instruments of one process; make one per process and hand it to the middleware and the clients.

    The sync stack's workers count in the folder of `multiprocess_dir`, where there is one, for the arbiter
    to read; otherwise the counts are in memory. Threads may use it at the same time.

    Attributes:
        registry: this process's own counts, for `metrics_server`.
        upstream: for the outbound clients.
        loop_lag: for `loop_lag.watch_loop`; None for the sync stack.
    """

    def __init__(self, *, stack: Stack) -> None:
        folder = os.environ.get(VARIABLE) if stack == "sync" else None
        self._store = CellStore(None if folder is None else Path(folder))
        self._in_flight_at = self._store.block(families.IN_FLIGHT.name, (), families.IN_FLIGHT.cells)
        self._queue_at = self._store.block(families.QUEUE.name, (), families.QUEUE.cells)
        self._rows: dict[tuple[str, str, int], tuple[int, int]] = {}
        self.upstream = UpstreamMeter(self._store)
        self.loop_lag = Distribution(self._store, families.LOOP_LAG) if stack == "async" else None
        self._flushes: list[Callable[[], None]] = []
        self.registry = CollectorRegistry()
        self.registry.register(_StoreCollector(self._store, self._flushes))

    def request_started(self) -> None:
        """A request is taken up."""
        store = self._store
        with store.lock:
            store.cells[self._in_flight_at] += 1.0

    def request_finished(
        self,
        method: str,
        route: str,
        status: int,
        duration_s: float,
        *,
        queued_s: float | None = None,
        in_flight_change: float = -1.0,
    ) -> None:
        """Count a request that was started.

        `route` is the template ("/items/{id}"), "" when none matched; `queued_s` is of `queued_s`. A caller that
        keeps the number in flight by itself says `in_flight_change=0.0`.
        """
        row = self._rows.get((method, route, status))
        if row is None:
            row = self._new_row(method, route, status)
        total_at, duration_at = row
        bucket = duration_at + 1 + bisect_left(_BOUNDS_S, duration_s)
        store = self._store
        with store.lock:
            cells = store.cells
            cells[total_at] += 1.0
            cells[duration_at] += duration_s
            cells[bucket] += 1.0
            if in_flight_change:
                cells[self._in_flight_at] += in_flight_change
            if queued_s is not None:
                queue_at = self._queue_at
                cells[queue_at] += queued_s
                cells[queue_at + 1 + bisect_left(_BOUNDS_S, queued_s)] += 1.0

    def set_in_flight(self, requests: int) -> None:
        """The number in flight, from a caller that keeps it by itself."""
        self._store.cells[self._in_flight_at] = float(requests)

    def before_reading(self, flush: Callable[[], None]) -> None:
        """Have `flush` called before each reading of the registry, from the reading thread."""
        self._flushes.append(flush)

    def _new_row(self, method: str, route: str, status: int) -> tuple[int, int]:
        known = method in KNOWN_METHODS
        method_label = method if known else OTHER_METHOD
        # Frameworks disagree on whether a wrong method (405) has matched a route; here it has not.
        route_label = UNMATCHED_ROUTE if not route or status == 405 else route
        total, duration = families.REQUESTS, families.DURATION
        row = (
            self._store.block(total.name, (method_label, route_label, str(status)), total.cells),
            self._store.block(duration.name, (method_label, route_label), duration.cells),
        )
        if known:
            self._rows[method, route, status] = row
        return row


def queued_s(header: str | bytes, taken_up_s: float) -> float | None:
    """How long a request had waited when it was taken up, at `taken_up_s` in unix seconds.

    The header `X-Request-Start` says `t=<unix seconds>`; with anything else, a start in the future or more than
    an hour ago it is not known.
    """
    if header[:2] not in _QUEUE_PREFIXES:
        return None
    try:
        waited_s = taken_up_s - float(header[2:])
    except ValueError:
        return None
    return waited_s if 0.0 <= waited_s <= MAX_QUEUE_S else None


class _StoreCollector(Collector):
    def __init__(self, store: CellStore, flushes: list[Callable[[], None]]) -> None:
        self._store = store
        self._flushes = flushes

    def collect(self) -> Iterator[Metric]:
        for flush in self._flushes:
            flush()
        rows = summed((block.name, block.labels, values) for block, values in self._store.blocks())
        return (COUNTED[name].metric(by_labels) for name, by_labels in rows.items())
