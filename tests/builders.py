"""Whole, valid records to vary in a test with ``dataclasses.replace`` or the arguments given here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from loadlab.model.experiment import (
    AbortRule,
    BlockPlan,
    ClosedLoad,
    DecisionRule,
    Experiment,
    Objective,
    OurService,
    PriceRef,
    Resources,
    Scenario,
    Service,
    Stack,
    Upstream,
    WindowPlan,
)
from loadlab.model.plan import Block, Plan, Role, Trial
from loadlab.model.run import (
    Demand,
    GeneratorHealth,
    LoadWindow,
    Provenance,
    ResourceSample,
    TrialBooks,
    Window,
    WorkerSample,
)

HDR_LOWEST_US, HDR_HIGHEST_US, HDR_DIGITS = 1, 600_000_000, 3
LOCUSTFILES = Path(__file__).parents[1] / "locustfiles"
UNIX_S = 1_790_000_000.0
_Histogram: Any = HdrHistogram


@lru_cache(maxsize=1024)
def histogram(latency_us: int, count: int) -> str:
    """An encoded HdrHistogram of ``count`` requests that all took as long."""
    recorded = _Histogram(HDR_LOWEST_US, HDR_HIGHEST_US, HDR_DIGITS)
    if count:
        recorded.record_value(latency_us, count)
    encoded: bytes = recorded.encode()
    return encoded.decode()


def make_health(*, workers: int = 1, workers_expected: int = 1) -> GeneratorHealth:
    """A generator at ease."""
    return GeneratorHealth(
        lag_p50_s=0.0001,
        lag_p99_s=0.001,
        cpu_cores=0.1,
        cores=workers_expected,
        steal_ratio=0.0,
        throttled_s=0.0,
        in_flight_max=8,
        workers=workers,
        workers_expected=workers_expected,
    )


def make_load_window(
    *,
    ok: int = 40,
    latency_s: float = 0.2,
    measure_s: float = 1.0,
    users: int = 8,
    failed: int = 0,
    good_within_s: float = 1.0,
) -> LoadWindow:
    """A settled window of a closed loop without think time."""
    half = ok // 2
    return LoadWindow(
        state="complete",
        holes=(),
        opened_unix_s=UNIX_S,
        measure_s=measure_s,
        sent=ok + failed,
        ok=ok,
        failed=failed,
        good=ok if latency_s <= good_within_s else 0,
        outcomes={"200": ok, **({"error:ConnectionRefusedError": failed} if failed else {})},
        half_ok=(half, ok - half),
        half_latency_mean_s=(latency_s, latency_s) if ok > 1 else (None, None),
        latency_sum_s=(ok + failed) * latency_s,
        latency_ceil_ms_sum=(ok + failed) * math.ceil(latency_s * 1000),
        user_time_s=users * measure_s,
        request_time_s=users * measure_s,
        active_s=measure_s,
        histogram=histogram(round(latency_s * 1e6), ok),
        health=make_health(),
    )


def make_sample(
    unix_s: float = UNIX_S, *, cpu_s: float | None = 1.0, served: int | None = 100, workers: int = 1
) -> ResourceSample:
    """A sample in which everything could be read."""
    return ResourceSample(
        unix_s=unix_s,
        cpu_s=cpu_s,
        pss_bytes=90_000_000,
        rss_bytes=120_000_000,
        throttled_s=0.0,
        served=served,
        in_flight=8.0,
        slots=8.0,
        loop_lag_mean_s=None,
        workers=tuple(make_worker(pid=100 + n) for n in range(workers)),
    )


def make_worker(*, pid: int = 100, role: str = "worker", connections: int | None = 8) -> WorkerSample:
    """One worker process."""
    return WorkerSample(
        pid=pid,
        role=role,
        cpu_s=1.0,
        pss_bytes=90_000_000,
        rss_bytes=120_000_000,
        uss_bytes=80_000_000,
        slots_busy=8.0,
        connections=connections,
    )


def make_window(
    window_id: str = "b01-008-pool",
    *,
    block: int = 1,
    stack: str = "pool",
    users: int = 8,
    role: Role = "sweep",
    repeats: str | None = None,
    load: LoadWindow | None = None,
    resources: Sequence[ResourceSample] | None = None,
    notes: tuple[str, ...] = (),
) -> Window:
    """A window that every gate lets pass."""
    sent = 60
    return Window(
        id=window_id,
        block=block,
        stack=stack,
        users=users,
        role=role,
        repeats=repeats,
        load=load or make_load_window(users=users),
        resources=tuple(resources) if resources is not None else (make_sample(), make_sample(UNIX_S + 1, cpu_s=1.1)),
        idle_cpu_cores=0.001,
        books=TrialBooks(sent=sent, answered=sent, failed=0, served=sent, upstream_arrivals=sent),
        notes=notes,
    )


def make_demand(stack: str = "pool", *, slots: int | None = 8, workers: int = 1, service_s: float = 0.2) -> Demand:
    """What one stack asks of the machine."""
    return Demand(
        stack=stack,
        service_s=service_s,
        service_requests=24,
        cpu_s_per_request=0.001,
        idle_cpu_cores=0.0,
        workers=workers,
        slots_per_worker=slots,
    )


def make_plan(blocks: int = 2, levels: tuple[int, ...] = (8,), stacks: tuple[str, ...] = ("pool", "loop")) -> Plan:
    """Every block visits each (stack, level) once, in order, without a control."""
    return Plan(
        levels=levels,
        blocks=tuple(
            Block(
                number=number,
                trials=tuple(
                    Trial(id=f"b{number:02d}-{users:03d}-{stack}", block=number, stack=stack, users=users)
                    for users in levels
                    for stack in stacks
                ),
            )
            for number in range(1, blocks + 1)
        ),
        aa_users=levels[0],
        aa_stack=stacks[0],
        seed=7,
    )


def make_provenance(*, machine_id: str = "machine-a") -> Provenance:
    """Where a run was made."""
    return Provenance(
        started_unix_s=UNIX_S,
        loadlab_version="0.1.0",
        git_revision=None,
        git_dirty=None,
        machine_id=machine_id,
        machine={"cores": 2, "cpu": "Example CPU", "governor": None},
        packages={"locust": "2.47"},
        target="local",
        isolation="pinned",
        isolation_detail="the stack alone on core 1",
        calibration="uncalibrated",
        stack_settings={"pool": {"threads": "8"}, "loop": {}},
    )


def make_experiment(
    *,
    services: Mapping[str, Service] | None = None,
    users: tuple[int, ...] | None = (6, 8, 10, 12),
    blocks: int = 2,
    measure_s: float = 1.0,
    warmup_s: float = 1.0,
    upstream: Upstream | None = None,
    abort: AbortRule | None = None,
    prices: tuple[PriceRef, ...] = (PriceRef(list_id="aws-fargate-x86", billing="provisioned"),),
    source: Path = Path("unit.toml"),
) -> Experiment:
    """Two stacks, the first with a pool of 8 slots, unless told otherwise."""
    named = services or {
        "pool": OurService(service="flask_gunicorn", settings={"workers": 1, "threads": 8}),
        "loop": OurService(service="fastapi_uvicorn"),
    }
    return Experiment(
        id="unit",
        question="From how many users on does the pool cost more?",
        decision=DecisionRule(claimed_users=9),
        stacks=tuple(
            Stack(name=name, service=service, workers=1, slots_per_worker=8 if name == "pool" else None)
            for name, service in named.items()
        ),
        upstream=upstream,
        load=ClosedLoad(
            scenario=Scenario(user_class="IoBoundUser", locustfile=LOCUSTFILES / "io_bound.py"),
            users=users,
            think_s=0.0,
        ),
        window=WindowPlan(warmup_s=warmup_s, measure_s=measure_s),
        blocks=BlockPlan(count=blocks, seed=7),
        objective=Objective(latency_s=1.0, good_ratio=0.95),
        prices=prices,
        resources=Resources(),
        abort=abort or AbortRule(),
        source=source,
    )
