"""What is asked: an experiment as declared before anything is measured. Units are in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

Statistic = Literal[
    "cost_per_million_good",
    "usd_per_hour_at_users",
    "goodput",
    "p95",
    "memory",
    "cpu_per_request",
]
Billing = Literal["provisioned", "request_billed", "per_request_memory", "usage"]
Expectation = Literal["conclusive", "diverges", "no_divergence"]
Spread = Literal["even", "service"]
PoolKind = Literal["slots", "none", "unknown"]
"""What a worker serves at once: so many slots, whatever comes (an event loop), or nobody said."""
SettingValue = str | int | float | bool


@dataclass(frozen=True, kw_only=True, slots=True)
class OurService:
    """One of the lab's own services (a folder of ``services/``)."""

    service: str
    settings: Mapping[str, SettingValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandService:
    """Anybody's own service, started here by a command; ``{port}`` in it is replaced by a free port."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ready_path: str = "/"
    ready_timeout_s: float | None = None
    """How long it may take to answer there; None: as long as any other service."""
    metrics_url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageService:
    """Anybody's own service as a container image (Kubernetes only)."""

    image: str
    port: int
    env: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/"
    ready_timeout_s: float | None = None
    """How long its pods may take to answer there, from the moment that they start; None: a minute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UrlService:
    """A service that already runs elsewhere."""

    url: str
    metrics_url: str | None = None


Service = OurService | CommandService | ImageService | UrlService


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """Framework + server + settings: the thing that is compared.

    Slots are None where a stack has no pool and, with ``pool_known`` False, where nobody said whether it has one.
    """

    name: str
    service: Service
    workers: int = 1
    """Worker processes of one replica."""
    slots_per_worker: int | None = None
    pool_known: bool = True
    replicas: int = 1
    """How many copies of it share the load (Kubernetes only)."""
    spread: Spread = "even"
    """Over several replicas: users in equal numbers on each, or all to the Service, where connections stick."""

    @property
    def processes(self) -> int:
        """Worker processes of all replicas together."""
        return self.workers * self.replicas

    @property
    def pool(self) -> PoolKind:
        """What is known of its pool."""
        if self.slots_per_worker is not None:
            return "slots"
        return "none" if self.pool_known else "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Which Locust user class sends the load. ``locustfile`` is None for the lab's own scenarios."""

    user_class: str
    locustfile: Path
    headers_from_env: Mapping[str, str] = field(default_factory=dict)
    """Header name to environment variable name: values never stand in the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedLoad:
    """N users, each waiting for its answer and then thinking. ``users`` is None for levels placed by the law."""

    scenario: Scenario
    users: tuple[int, ...] | None
    think_s: float

    @property
    def levels(self) -> tuple[int, ...] | None:
        """What the levels of a run are: numbers of users."""
        return self.users


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLoad:
    """Arrivals on a seeded schedule that never waits for answers; each does one task of the scenario.

    arrivals: poisson, constant, or either with steps of the rate, as in "steps(1@0s, 3@30s)".
    """

    scenario: Scenario
    rate_rps: tuple[int, ...]
    arrivals: str = "poisson"
    in_flight_max: int = 2000
    """Arrivals beyond so many in flight are dropped, and counted."""
    seed: int | None = None
    """Of the schedules; None: that of the blocks."""

    @property
    def levels(self) -> tuple[int, ...]:
        """What the levels of a run are: arrivals per second."""
        return self.rate_rps

    @property
    def think_s(self) -> float:
        """An arrival is one task, after which nobody thinks."""
        return 0.0


Load = ClosedLoad | OpenLoad


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """The slow third party. ``latency`` as in services/upstream, such as ``constant(200ms)``."""

    latency: str = "constant(200ms)"
    error_ratio: float = 0.0
    quota_rps: float | None = None
    quota_burst: int | None = None

    @property
    def is_stepped(self) -> bool:
        """Whether its latency depends on the time since a trial's start."""
        return self.latency.startswith("steps(")


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRule:
    """Declared before the run: what is compared, the margin, the claim, what exit code 0 asks for."""

    statistic: Statistic = "cost_per_million_good"
    margin_ratio: float = 0.10
    claimed_users: int | None = None
    alpha: float = 0.025
    expect: Expectation = "conclusive"


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowPlan:
    """warmup_s: load on each stack at the top level after a block's start. measure_s: length of each window.

    keep_awake: whether idle cores of this machine are kept from falling asleep (`execute.wakefulness`); "auto" until
    the run has looked whether that helps, which is before anything is measured.
    """

    warmup_s: float = 3.0
    measure_s: float = 8.0
    keep_awake: bool | Literal["auto"] = False

    @property
    def is_kept_awake(self) -> bool:
        """Whether they are, as far as it is decided."""
        return self.keep_awake is True


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockPlan:
    """How often everything is repeated, and the seed of every random choice."""

    count: int = 8
    seed: int = 1
    levels: int = 5
    """How many levels ``users = "auto"`` places."""
    level_step_ratio: float = 1.2
    """Spacing of the levels that ``users = "auto"`` places."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefinePlan:
    """A second stage: fresh blocks where the first stage's bracket is wider than asked for, or open at one end.

    Each stage is given half of alpha, whether the second one runs or not.
    """

    levels: int = 4
    """At most so many inside of a bracket that is closed."""
    count: int = 6
    """How many blocks."""
    width_ratio: float = 1.5
    """N_U / N_L up to which the first stage's bracket is narrow enough."""
    beyond: int = 0
    """How many levels lie beyond the tested ones, in steps of width_ratio, where the bracket is open at one end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """A request is good when answered as expected within latency_s; a level holds when good_ratio of them are."""

    latency_s: float = 1.0
    good_ratio: float = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceRef:
    """A price list by id, and which of its billing models."""

    list_id: str
    billing: Billing


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What one replica is given, and billed for."""

    cpu: Decimal = Decimal(1)
    memory_gib: Decimal = Decimal(2)


@dataclass(frozen=True, kw_only=True, slots=True)
class AbortRule:
    """Stops the load and ends the run when met for after_s seconds; a missing bound never aborts."""

    error_ratio: float | None = None
    p99_s: float | None = None
    after_s: float = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """Everything that decides a run. ``stacks`` has one or two entries; the first is the one called dearer."""

    id: str
    question: str
    decision: DecisionRule
    stacks: tuple[Stack, ...]
    upstream: Upstream | None
    load: Load
    window: WindowPlan
    blocks: BlockPlan
    objective: Objective
    prices: tuple[PriceRef, ...]
    resources: Resources
    abort: AbortRule
    source: Path
    """The file it came from."""
    refine: RefinePlan | None = None
    """None: one stage."""

    @property
    def stage_alpha(self) -> float:
        """The one-sided error of each stage; together they are the declared alpha."""
        return self.decision.alpha if self.refine is None else self.decision.alpha / 2
