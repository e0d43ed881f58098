"""`/metrics` on Locust's web application: the load generator as Prometheus sees it, and what the engine is doing.

Nothing that is not known has a sample. Counters belong to this master: a new one begins at zero. A
stack's are there, at zero, once the engine has named it: a rate takes no notice of what a series is born with.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from _ledger import Account, Ledger
from _levels import Levels
from _totals import BOUNDS_S
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

USUAL_OUTCOME = "200"
PHASE_LABELS = ("experiment", "run", "trial", "window", "stack", "users", "block", "role")
DECLARED = {
    "claimed_users": ("loadlab_claimed_users", "Users at which the experiment's claim says that the costs part."),
    "margin_ratio": ("loadlab_margin_ratio", "The first stack must be dearer by more than this share."),
    "objective_latency_s": ("loadlab_objective_latency_seconds", "A request answered within it is good."),
    "users": ("loadlab_trial_users", "Users that the current trial asks for."),
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A window that has opened. stack, users: "" where nobody named them."""

    window: str
    unix_s: float
    stack: str
    users: str


@dataclass(frozen=True, slots=True)
class Now:
    """What goes on. Figures are None where nothing is known."""

    users: int
    users_wanted: int
    workers: int
    workers_expected: int
    in_flight: int
    lag_p50_s: float | None
    lag_p99_s: float | None
    cpu_cores: float | None
    steal_ratio: float | None
    throttled_s: float | None
    dropped: int | None
    is_open: bool
    """Whether the load comes by a schedule: the users are then those that lead it, one on each worker."""
    phase: Mapping[str, Any]
    open_stack: str | None
    """The stack whose window is open; "" when the engine did not say which, None when no window is open."""
    opened: Sequence[Opened]
    """The windows that opened lately, whether or not they are open still."""


class Exporter(Collector):
    """now: asked at every scrape."""

    def __init__(self, now: Callable[[], Now], ledger: Ledger, began_unix_s: float) -> None:
        self._now = now
        self._began_unix_s = began_unix_s
        self._ledger = ledger
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self.levels = Levels()

    def text(self, *, with_levels: bool = True) -> bytes:
        """The exposition."""
        return generate_latest(self._registry) + (self.levels.text if with_levels else b"")

    def collect(self) -> Iterator[Metric]:
        """Every metric of the generator, except what was told of levels."""
        now = self._now()
        yield _gauge("locust_start_time_seconds", "When this master's counters began, since 1970.", self._began_unix_s)
        yield from _generator(now)
        yield from _accounts(self._ledger)
        yield from _phase(now)


def _generator(now: Now) -> Iterator[Metric]:
    figures: Iterable[tuple[str, str, float | None]] = (
        ("locust_users", "Users that are running.", now.users),
        ("locust_users_wanted", "Users that were asked for.", now.users_wanted),
        ("locust_workers", "Worker processes that spoke lately.", now.workers),
        ("locust_workers_expected", "Worker processes that there should be.", now.workers_expected),
        ("locust_requests_in_flight", "Requests sent and not yet answered.", now.in_flight),
        ("locust_generator_cpu_cores", "Processor seconds per second of all workers.", now.cpu_cores),
        ("locust_generator_cores", "Processors that they may use, one each.", now.workers),
        ("locust_generator_steal_ratio", "Share of processor time taken by other machines.", now.steal_ratio),
    )
    for name, meaning, value in figures:
        yield _gauge(name, meaning, value)
    kind = GaugeMetricFamily("locust_load_info", "Of which kind the load is, or was; 1.", labels=("kind",))
    kind.add_metric(("open" if now.is_open else "closed",), 1)
    yield kind
    lag = GaugeMetricFamily(
        "locust_generator_lag_seconds",
        "How late a greenlet that asked to wake every 10 ms woke, over the last two seconds.",
        labels=("quantile",),
    )
    for quantile, value in (("0.5", now.lag_p50_s), ("0.99", now.lag_p99_s)):
        if value is not None:
            lag.add_metric((quantile,), value)
    yield lag
    yield _counter("locust_generator_throttled_seconds", "Time workers were kept off the processor.", now.throttled_s)
    yield _counter("locust_arrivals_dropped", "Due arrivals that were not sent.", now.dropped)


def _accounts(ledger: Ledger) -> Iterator[Metric]:
    sent = CounterMetricFamily("locust_requests_sent", "Requests sent.", labels=("stack",))
    good = CounterMetricFamily("locust_requests_good", "Answered as expected within the objective.", labels=("stack",))
    failed = CounterMetricFamily("locust_requests_failed", "Not answered as expected.", labels=("stack",))
    ended = CounterMetricFamily("locust_requests_ended", "Requests by what came of them.", labels=("stack", "outcome"))
    times = HistogramMetricFamily(
        "locust_response_seconds", "Response times of requests answered as expected.", labels=("stack",)
    )
    for stack, account in sorted(ledger.accounts.items()):
        if not stack and not account.counts:
            continue
        sent.add_metric((stack,), account.sent)
        good.add_metric((stack,), account.good)
        failed.add_metric((stack,), account.failed)
        for outcome, count in sorted({USUAL_OUTCOME: 0, **account.ended}.items()):
            ended.add_metric((stack, outcome), count)
        times.add_metric((stack,), _buckets(account), account.latency_sum_s)
    yield from (sent, good, failed, ended, times)


def _buckets(account: Account) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    return list(zip(bounds, map(float, itertools.accumulate(account.buckets)), strict=True))


def _phase(now: Now) -> Iterator[Metric]:
    info = GaugeMetricFamily("loadlab_phase_info", "What the engine is doing; 1.", labels=PHASE_LABELS)
    if now.phase:
        info.add_metric([str(now.phase.get(label, "")) for label in PHASE_LABELS], 1)
    yield info
    for key, (name, meaning) in DECLARED.items():
        yield _gauge(name, meaning, now.phase.get(key))
    place = GaugeMetricFamily(
        "loadlab_stack_place", "1 for the stack called dearer, 2 for the other.", labels=("stack",)
    )
    for number, stack in enumerate(now.phase.get("stacks", ()), start=1):
        place.add_metric((stack,), number)
    yield place
    opened = GaugeMetricFamily("loadlab_window_open", "1 while a measurement window is open.", labels=("stack",))
    if now.open_stack is not None:
        opened.add_metric((now.open_stack,), 1)
    yield opened
    began = GaugeMetricFamily(
        "loadlab_window_opened_seconds",
        "When a window opened, since 1970; of the last twenty seconds.",
        labels=("window", "stack", "users"),
    )
    for one in now.opened:
        began.add_metric((one.window, one.stack, one.users), one.unix_s)
    yield began
    yield from _given(now.phase)
    yield from _billed(now.phase.get("billed", ()))


def _given(phase: Mapping[str, Any]) -> Iterator[Metric]:
    cores = GaugeMetricFamily(
        "loadlab_stack_cores", "Processors that a stack is given, all replicas together.", labels=("stack",)
    )
    for stack, value in phase.get("cores", {}).items():
        cores.add_metric((stack,), float(value))
    yield cores
    price = GaugeMetricFamily("loadlab_price_named", "1 for each price of the experiment.", labels=("list", "billing"))
    for row in phase.get("prices", ()):
        price.add_metric((str(row["list"]), str(row["billing"])), 1)
    yield price


def _billed(rows: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    """What the price lists bill for a stack's deployment: sizes that are sold, times replicas."""
    labels = ("stack", "list", "billing")
    cores = GaugeMetricFamily("loadlab_billed_cpu_cores", "Processors billed, all replicas together.", labels=labels)
    memory = GaugeMetricFamily("loadlab_billed_memory_gib", "GiB billed, all replicas together.", labels=labels)
    for row in rows:
        values = [str(row[label]) for label in labels]
        cores.add_metric(values, float(row["cpu_cores"]))
        memory.add_metric(values, float(row["memory_gib"]))
    yield from (cores, memory)


def _gauge(name: str, meaning: str, value: float | None) -> Metric:
    family = GaugeMetricFamily(name, meaning)
    if value is not None:
        family.add_metric((), float(value))
    return family


def _counter(name: str, meaning: str, value: float | None) -> Metric:
    family = CounterMetricFamily(name, meaning)
    if value is not None:
        family.add_metric((), float(value))
    return family
