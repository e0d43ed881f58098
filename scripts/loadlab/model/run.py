"""What was measured. None means absent (could not be measured), never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from loadlab.model.calibration import TruthfulRange
from loadlab.model.cluster import ClusterFacts
from loadlab.model.plan import Refinement, Role


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorHealth:
    """The load generator over one window, all its workers together.

    lag_*: how late a greenlet that asked to wake every 10 ms woke up. cpu_cores: processor seconds per second
    over all worker processes; cores: how many they may use.
    """

    lag_p50_s: float
    lag_p99_s: float
    cpu_cores: float
    cores: int
    steal_ratio: float | None
    throttled_s: float | None
    in_flight_max: int
    workers: int
    workers_expected: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrivalWindow:
    """What an open load adds to a window.

    planned: arrivals that the schedule has in it. started: of these, those begun before it closed; dropped: those that
    the cap on arrivals in flight left no place for. half_planned: in its first and second half. response_histogram:
    of ok requests that ended in it, from the intended start; dispatch_histogram: of all requests that ended in it,
    from the intended start to the send. Both encoded as the window's own, which is from the send.
    """

    planned: int
    started: int
    dropped: int
    half_planned: tuple[int, int]
    response_histogram: str
    dispatch_histogram: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadWindow:
    """Requests that ended inside one window [open, close), merged over all workers.

    ok + failed = ended in the window; good = ok within the objective's latency, which in an open load counts from
    the intended start. sent = begun in the window.
    user_time_s: integral over the window of users in a request or thinking. request_time_s: the part in a
    request. active_s: time with at least one request in flight. latency_ceil_ms_sum: sum of each ok or failed
    request's latency rounded up to a whole millisecond (on a shared replica: it is in no bill).
    histogram: HdrHistogram (1 us to 600 s in microseconds, 3 digits) of ok requests, V2 compressed, base64.
    """

    state: Literal["complete", "partial"]
    holes: tuple[str, ...]
    opened_unix_s: float
    measure_s: float
    sent: int
    ok: int
    failed: int
    good: int
    outcomes: Mapping[str, int]
    half_ok: tuple[int, int]
    half_latency_mean_s: tuple[float | None, float | None]
    latency_sum_s: float
    latency_ceil_ms_sum: int
    user_time_s: float
    request_time_s: float
    active_s: float
    histogram: str
    health: GeneratorHealth
    own_waits: tuple[str, ...] = ()
    """User classes that wait as their own wait_time says, because the experiment's think_s is 0."""
    arrivals: ArrivalWindow | None = None
    """Of an open load."""
    ends_read: int | None = None
    """Of those that ended: how many answers end when they were read, for nothing told when they arrived; None in files
    of before."""
    chores_s: float | None = None
    """The part of user_time_s in which the generator was at work for its users, or should have been; None in files of
    before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialBooks:
    """The books of one trial, warm-up and drain included; they balance exactly or the window is invalid.

    sent, answered, failed: the load generator's. served: what the service counted. upstream_calls: how often the
    service says that it called the upstream; upstream_arrivals: what the upstream counted.
    """

    sent: int
    answered: int
    failed: int
    served: int | None
    upstream_arrivals: int | None
    upstream_calls: int | None = None
    abandoned: int = 0
    """Sent by a worker that quit before their answer came; whether a service answered them its own count tells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSample:
    """One process of a service at one instant; cpu_s and counters are cumulative.

    pid: in its own namespace; for the n-th replica from the second on, n - 1 times 2**22 is added.
    """

    pid: int
    role: str
    cpu_s: float | None
    pss_bytes: int | None
    rss_bytes: int | None
    uss_bytes: int | None
    slots_busy: float | None
    connections: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceSample:
    """A service's process tree at one instant; cpu_s, throttled_s, served and upstream_calls are cumulative."""

    unix_s: float
    cpu_s: float | None
    pss_bytes: int | None
    rss_bytes: int | None
    throttled_s: float | None
    served: int | None
    in_flight: float | None
    slots: float | None
    loop_lag_mean_s: float | None
    workers: tuple[WorkerSample, ...] = ()
    upstream_calls: int | None = None
    monotonic_s: float | None = None
    """The same instant on the engine's clock that never jumps; None in bundles of before."""
    throttled_periods: int | None = None
    served_by_replica: tuple[int, ...] | None = None
    """Of each replica in a fixed order, where there are several and each tells."""

    @property
    def is_told(self) -> bool:
        """Whether the service told anything: a look that failed has nothing at all."""
        return any(figure is not None for figure in (self.cpu_s, self.pss_bytes, self.served, self.in_flight))


def seconds_between(first: ResourceSample, last: ResourceSample) -> float:
    """Seconds from one sample to the other, by the wall clock only where nothing better was kept."""
    if first.monotonic_s is not None and last.monotonic_s is not None:
        return last.monotonic_s - first.monotonic_s
    return last.unix_s - first.unix_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One measured window with everything that judges it. ``resources`` starts at open and ends at close."""

    id: str
    block: int
    stack: str
    users: int
    role: Role
    repeats: str | None
    load: LoadWindow
    resources: tuple[ResourceSample, ...]
    idle_cpu_cores: float | None
    """Processor seconds per second of the stack that was to be idle."""
    books: TrialBooks | None
    replicas: int = 1
    """How many copies of the stack shared the load."""
    notes: tuple[str, ...] = ()
    """What went wrong meanwhile, one line each (a service died, an answer did not come); any note invalidates."""
    scrape_cpu_s: float | None = None
    """Processor seconds that each of the lab's own looks at the service costs it (Demand)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What one stack asks of the machine, measured before the sweep (method.md section 2).

    service_s: time of a request at one user, service_sd_s its standard deviation between requests (None in bundles
    made before it was recorded). cpu_s_per_request: at a quarter of the slots. connection_shares:
    for each probe the sorted shares of connections per worker; empty where a stack has one worker or no count.
    workers: of all replicas together.
    """

    stack: str
    service_s: float
    service_requests: int
    cpu_s_per_request: float | None
    idle_cpu_cores: float | None
    workers: int
    slots_per_worker: int | None
    connection_shares: tuple[tuple[float, ...], ...] = ()
    scrape_cpu_s: float | None = None
    """Processor seconds that one scrape costs the idle stack."""
    service_sd_s: float | None = None
    doubts: tuple[str, ...] = ()
    """Gates that its windows failed, also when they were measured again: the figures are not to be relied on."""
    replicas: int = 1
    cores: float | None = None
    """Of one replica, where the target gave another number than the experiment asks for."""
    own_waits: tuple[str, ...] = ()
    """User classes that waited as their own wait_time says, because the experiment's think_s is 0."""
    think_s: float | None = None
    """How long these waited for each request, on average; None where none did or no request ended."""
    think_requests: int = 0
    """Requests behind that."""
    service_ceil_s: float | None = None
    """Time of a request at one user, each rounded up to a whole millisecond, on average; None in bundles of before."""
    good_requests: int | None = None
    """Of the requests at one user those that were good by the objective; None in bundles of before."""
    ended_requests: int | None = None
    """Requests at one user, ok or failed; None in bundles of before."""

    def think_time_s(self, asked_s: float) -> float | None:
        """How long users think between requests: as asked, or as they did by themselves; None where nobody knows."""
        return self.think_s if self.own_waits else asked_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where, when and with what a run was made. ``machine_id`` is a hash: equal on one machine, names nobody."""

    started_unix_s: float
    loadlab_version: str
    git_revision: str | None
    git_dirty: bool | None
    machine_id: str
    machine: Mapping[str, str | int | float | None]
    packages: Mapping[str, str]
    target: str
    isolation: Literal["pinned", "quota", "shared"]
    isolation_detail: str
    calibration: str
    stack_settings: Mapping[str, Mapping[str, str]]
    cluster: ClusterFacts | None = None
    """Where the target was one."""
    resumed: tuple[float, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    """Hosts beside this machine that the user let the run put load on."""
    truthful: TruthfulRange | None = None
    """Up to where the load generator is known to be truthful here; None where ``calibration`` says uncalibrated."""
    load: Mapping[str, str | int] | None = None
    """What an open load's schedules are made of, and options of the scenario that the environment set, by their names
    there (``LAB_...``); None without either."""
    sources: str | None = None
    """Hash of the lab's own files that windows are made with; None in bundles of before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunData:
    """Everything that a run left behind; what analysis reads. Windows of unfinished blocks are left out of it."""

    run_id: str
    windows: tuple[Window, ...]
    demands: tuple[Demand, ...]
    provenance: Provenance
    complete: bool
    interrupted_blocks: tuple[int, ...] = ()
    ended_by: str | None = None
    """Why the run ended early (abort rule, interrupt, failure), one line."""
    events: tuple[Mapping[str, object], ...] = field(default=())
    refinement: Refinement | None = None
    """Of an experiment with a second stage, once its first is done."""
