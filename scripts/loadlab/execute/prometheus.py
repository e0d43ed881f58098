"""Reads a service's own metrics port: the exposition becomes a ResourceSample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from loadlab.execute.ports import Clock, Endpoint
from loadlab.model.run import ResourceSample, WorkerSample

SCRAPE_TIMEOUT_S = 5.0
UNCOUNTED_ROUTES = frozenset({"/livez", "/readyz", "/openapi.json", "/docs", "/metrics"})
ROUTE_LABELS = ("route", "handler", "path", "path_template", "endpoint", "http_route")
"""What a route is called by the lab's services, and by exporters that count under the same name."""
WANTED = (
    "http_requests_total",
    "http_requests_in_flight",
    "upstream_requests_total",
    "worker_",
    "process_tree_",
    "cgroup_cpu_throttled_",
    "event_loop_lag_seconds_sum",
    "event_loop_lag_seconds_count",
)

Labels = Mapping[str, str]


@dataclass(slots=True)
class Exposition:
    """Samples of one scrape by name."""

    samples: dict[str, list[tuple[Labels, float]]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Exposition:
        """Keep the families that a ResourceSample needs. Raises ValueError for what is no exposition."""
        lines = (line for line in text.splitlines() if line.startswith(WANTED))
        parsed = cls()
        for family in text_string_to_metric_families("\n".join(lines) + "\n"):
            for sample in family.samples:
                parsed.samples.setdefault(sample.name, []).append((sample.labels, sample.value))
        return parsed

    def one(self, name: str) -> float | None:
        """The sum over all label sets of a metric; None when there is no such sample."""
        found = self.samples.get(name)
        return None if not found else sum(value for _, value in found)

    def by_pid(self, name: str) -> dict[str, float]:
        """Values by their pid label."""
        return {labels["pid"]: value for labels, value in self.samples.get(name, []) if "pid" in labels}

    def served(self) -> int | None:
        """Requests counted on every route but the probes and /metrics, which is asked by the lab itself."""
        found = self.samples.get("http_requests_total")
        if found is None:
            return None
        return round(sum(value for labels, value in found if _route(labels) not in UNCOUNTED_ROUTES))


def _route(labels: Labels) -> str | None:
    return next((labels[name] for name in ROUTE_LABELS if name in labels), None)


LagTotals = tuple[float, float]
"""Seconds of event-loop lag and how many observations, since the process began."""


def lag_totals(metrics: Exposition) -> LagTotals | None:
    """The event loop's lag so far; None for a service that has no loop."""
    total, count = metrics.one("event_loop_lag_seconds_sum"), metrics.one("event_loop_lag_seconds_count")
    return None if total is None or count is None else (total, count)


def to_sample(metrics: Exposition, unix_s: float, before: LagTotals | None = None) -> ResourceSample:
    """One exposition as a ResourceSample; whatever the service does not export is None.

    before: the loop's lag at the previous sample; the mean is over what came since.
    """
    now = lag_totals(metrics)
    base = before or (0.0, 0.0)
    lag = (now[0] - base[0]) / (now[1] - base[1]) if now and now[1] > base[1] else None
    return ResourceSample(
        unix_s=unix_s,
        cpu_s=metrics.one("process_tree_cpu_seconds_total"),
        pss_bytes=_whole(metrics.one("process_tree_pss_bytes")),
        rss_bytes=_whole(metrics.one("process_tree_rss_bytes")),
        throttled_s=metrics.one("cgroup_cpu_throttled_seconds_total"),
        served=metrics.served(),
        in_flight=metrics.one("http_requests_in_flight"),
        slots=metrics.one("worker_slots"),
        loop_lag_mean_s=lag,
        workers=tuple(_workers(metrics)),
        upstream_calls=_whole(metrics.one("upstream_requests_total")),
        throttled_periods=_whole(metrics.one("cgroup_cpu_throttled_periods_total")),
    )


def _workers(metrics: Exposition) -> Iterable[WorkerSample]:
    roles = {labels["pid"]: labels.get("role", "worker") for labels, _ in metrics.samples.get("worker_rss_bytes", [])}
    columns = {
        name: metrics.by_pid(f"worker_{name}")
        for name in ("cpu_seconds_total", "pss_bytes", "rss_bytes", "uss_bytes", "slots_busy", "connections")
    }
    for pid in sorted(roles, key=int):
        values = {name: column.get(pid) for name, column in columns.items()}
        yield WorkerSample(
            pid=int(pid),
            role=roles[pid],
            cpu_s=values["cpu_seconds_total"],
            pss_bytes=_whole(values["pss_bytes"]),
            rss_bytes=_whole(values["rss_bytes"]),
            uss_bytes=_whole(values["uss_bytes"]),
            slots_busy=values["slots_busy"],
            connections=_whole(values["connections"]),
        )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


class MetricsProbe:
    """ResourceProbe over the stacks' metrics ports; scrapes are kept as OpenMetrics-like text for the bundle."""

    def __init__(self, endpoint: Callable[[str], Endpoint], clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._http = urllib3.PoolManager(retries=False, timeout=SCRAPE_TIMEOUT_S)
        self._scrapes: dict[str, list[str]] = {}
        self._lag: dict[str, LagTotals | None] = {}

    def sample(self, stack: str) -> ResourceSample:
        """Scrape now; an endpoint that does not answer, or not with an exposition, gives a sample of absent figures."""
        monotonic_s = self._clock.monotonic_s()
        return replace(self._sample(stack), monotonic_s=monotonic_s)

    def _sample(self, stack: str) -> ResourceSample:
        now = self._clock.unix_s()
        text = self._scrape(stack)
        if text is None:
            return absent_sample(now)
        self._scrapes.setdefault(stack, []).append(f"# scraped {now:.6f}\n{text}")
        try:
            metrics = Exposition.parse(text)
            sample = to_sample(metrics, now, self._lag.get(stack))
        except (ValueError, OverflowError):
            return absent_sample(now)
        self._lag[stack] = lag_totals(metrics)
        return sample

    def take_scrapes(self, stack: str) -> str:
        """What was scraped since the last call."""
        return "".join(self._scrapes.pop(stack, []))

    def _scrape(self, stack: str) -> str | None:
        url = self._endpoint(stack).metrics_url
        if url is None:
            return None
        try:
            answer = self._http.request("GET", url)
        except urllib3.exceptions.HTTPError:
            return None
        return answer.data.decode(errors="replace") if answer.status == 200 else None


def absent_sample(unix_s: float) -> ResourceSample:
    """A sample of which nothing could be read."""
    return ResourceSample(
        unix_s=unix_s,
        cpu_s=None,
        pss_bytes=None,
        rss_bytes=None,
        throttled_s=None,
        served=None,
        in_flight=None,
        slots=None,
        loop_lag_mean_s=None,
    )
