"""The per-request instruments of the services: Prometheus names, labels, buckets and how they are counted.

They are plain `prometheus_client` metrics. Under gunicorn its multiprocess mode (see `multiprocess_dir`)
keeps every value in a file that outlives the worker, so counts stay exact when a worker is stopped or killed.
"""

from __future__ import annotations

import os
import time
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from svc_common.settings import Stack

UpstreamOutcome = Literal["ok", "failed", "timeout", "quota"]

UNMATCHED_ROUTE: Final = "(unmatched)"
OTHER_METHOD: Final = "OTHER"
CLIENT_GONE: Final = 499
MAX_QUEUE_S: Final = 3_600.0
KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

REQUEST_BUCKETS_S: Final = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0),
)  # fmt: skip
LAG_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class UpstreamMeter:
    """Counts outbound calls: call `started`, then `finished` exactly once per call, whatever happened."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._in_flight = Gauge(
            "upstream_requests_in_flight",
            "Outbound calls waiting for the upstream.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        total = Counter("upstream_requests", "Outbound calls by how they ended.", ["outcome"], registry=registry)
        outcomes: tuple[UpstreamOutcome, ...] = ("ok", "failed", "timeout", "quota")
        self._outcomes: dict[UpstreamOutcome, Counter] = {name: total.labels(name) for name in outcomes}

    def started(self) -> None:
        """An outbound call begins."""
        self._in_flight.inc()

    def finished(self, outcome: UpstreamOutcome) -> None:
        """The outbound call ended so."""
        self._in_flight.dec()
        self._outcomes[outcome].inc()


class ServiceMetrics:
    """The instruments of one process; make one per process and hand it to the middleware and the clients.

    Attributes:
        registry: where they are registered; `metrics_server` serves it.
        upstream: for the outbound clients.
        in_flight: requests being answered now; None for the sync stack, where the arbiter sums `slots_busy`.
        slots_busy: request slots of this worker at work; None for the async stack, which has no slots.
        loop_lag: for `loop_lag.watch_loop`; None for the sync stack.
    """

    def __init__(self, *, stack: Stack, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self.upstream = UpstreamMeter(self.registry)
        self.in_flight: Gauge | None = None
        self.slots_busy: Gauge | None = None
        self.loop_lag: Histogram | None = None
        if stack == "sync":
            self.slots_busy = _slots_busy(self.registry)
        else:
            self.in_flight = _in_flight(self.registry)
            self.loop_lag = _loop_lag(self.registry)
        self._total = Counter(
            "http_requests",
            "Answered requests; status 499 when the client broke off first.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._duration = Histogram(
            "http_request_duration_seconds",
            "From the service taking up a request to its response being sent.",
            ["method", "route"],
            registry=self.registry,
            buckets=REQUEST_BUCKETS_S,
        )
        self._queue = Histogram(
            "request_queue_seconds",
            "From X-Request-Start, set by the client, to the service taking up the request.",
            registry=self.registry,
            buckets=REQUEST_BUCKETS_S,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe_queue(self, header: str | bytes) -> None:
        """Record how long a request has waited, from its `X-Request-Start: t=<unix seconds>`.

        Anything else in the header, a start in the future or more than an hour ago is ignored.
        """
        raw = header[2:] if header[:2] in ("t=", b"t=") else b""
        try:
            waited_s = time.time() - float(raw)
        except ValueError:
            return
        if 0.0 <= waited_s <= MAX_QUEUE_S:
            self._queue.observe(waited_s)

    def observe_request(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one finished request. `route` is the template ("/items/{id}"), "" when none matched."""
        children = self._children.get((method, route, status))
        if children is None:
            children = self._new_children(method, route, status)
        children[0].inc()
        children[1].observe(duration_s)

    def _new_children(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        known = method in KNOWN_METHODS
        method_label = method if known else OTHER_METHOD
        # Frameworks disagree on whether a wrong method (405) has matched a route; here it has not.
        route_label = UNMATCHED_ROUTE if not route or status == 405 else route
        children = (
            self._total.labels(method_label, route_label, str(status)),
            self._duration.labels(method_label, route_label),
        )
        if known:
            self._children[method, route, status] = children
        return children


def _in_flight(registry: CollectorRegistry) -> Gauge:
    return Gauge(
        "http_requests_in_flight",
        "Requests taken up and not yet answered.",
        registry=registry,
        multiprocess_mode="livesum",
    )


def _slots_busy(registry: CollectorRegistry) -> Gauge:
    """A gauge with one row per process; multiprocess mode adds the `pid` label itself."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        return Gauge(
            "worker_slots_busy",
            "Request slots of a worker that are at work.",
            registry=registry,
            multiprocess_mode="liveall",
        )
    by_pid = Gauge("worker_slots_busy", "Request slots of a worker that are at work.", ["pid"], registry=registry)
    return by_pid.labels(str(os.getpid()))


def _loop_lag(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "event_loop_lag_seconds",
        "How much later than asked the event loop woke a sleeping task.",
        registry=registry,
        buckets=LAG_BUCKETS_S,
    )
