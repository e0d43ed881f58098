"""What each window and each level came to, as results.json lists them (see ``loadlab.model.result``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A two-sided interval; ``level`` such as 0.95."""

    lower: float
    upper: float
    level: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A figure with its interval; ``n`` independent repeats (blocks) behind it. interval None: too few."""

    value: float
    interval: Interval | None
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowSummary:
    """One window as results.json lists it; its role tells the sweep from controls and repeats."""

    id: str
    block: int
    stack: str
    users: int
    role: str
    valid: bool
    used: bool
    """Whether the comparisons count it (valid, and not replaced by its repeat, and its pair is there)."""
    reasons: tuple[str, ...]
    """Codes of the gates that failed."""
    not_available: tuple[str, ...]
    """Codes of the gates that could not be judged."""
    measure_s: float
    sent: int
    ok: int
    failed: int
    good: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    mean_s: float | None
    throughput_rps: float
    goodput_rps: float
    cpu_s_per_request: float | None
    cpu_cores: float | None
    pss_bytes: int | None
    """Peak sum of PSS over the process tree."""
    rss_bytes: int | None
    in_flight_mean: float | None
    slots_busy_by_worker: tuple[float, ...]
    """Mean busy slots of each worker process, largest first; empty where a stack has no slots."""
    connections_by_worker: tuple[float, ...]
    loop_lag_mean_s: float | None
    generator_lag_p99_s: float
    generator_cpu_ratio: float
    steal_ratio: float | None
    idle_cpu_cores: float | None
    objective_held: bool
    outcomes: Mapping[str, int]
    planned: int | None = None
    """Of an open load, as all that follows: arrivals that the schedule has in the window."""
    started: int | None = None
    dropped: int | None = None
    response_p50_s: float | None = None
    """From the intended start, of ok requests; p50_s, p95_s and p99_s are from the send."""
    response_p95_s: float | None = None
    response_p99_s: float | None = None
    dispatch_lag_p50_s: float | None = None
    """From the intended start to the send."""
    dispatch_lag_p99_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelSummary:
    """One stack at one level over its used windows: every figure an estimate over blocks.

    p99_pooled_s: of the ok requests of all these windows together (pooled_requests of them), for levels whose single
    windows are too short for a p99; it has no interval, since requests are no independent repeats.
    """

    stack: str
    users: int
    blocks: int
    goodput_rps: Estimate | None
    throughput_rps: Estimate | None
    p50_s: Estimate | None
    p95_s: Estimate | None
    p99_s: Estimate | None
    cpu_s_per_request: Estimate | None
    cpu_cores: Estimate | None
    pss_bytes: Estimate | None
    slots_busy_by_worker: tuple[float, ...]
    connections_by_worker: tuple[float, ...]
    loop_lag_mean_s: float | None
    objective_held: bool
    p99_pooled_s: float | None = None
    pooled_requests: int = 0
    planned: int | None = None
    """Of an open load, as all that follows: sums over the windows."""
    started: int | None = None
    dropped: int | None = None
    response_p50_s: Estimate | None = None
    response_p95_s: Estimate | None = None
    response_p99_s: Estimate | None = None
    dispatch_lag_p50_s: Estimate | None = None
    dispatch_lag_p99_s: Estimate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelTally:
    """One stack at one level that was asked for or measured, whether anything of it counts or not.

    windows: measured for the comparison, repeats included; used: those that count. reasons: how many of them failed
    each gate. invalid: more than a quarter of the level's pairs are missing.
    """

    stack: str
    users: int
    windows: int
    used: int
    reasons: Mapping[str, int]
    invalid: bool
