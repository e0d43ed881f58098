"""Windows, demands and experiments for the tests of cost, prediction and design."""

from __future__ import annotations

from pathlib import Path

from loadlab.model.experiment import (
    AbortRule,
    BlockPlan,
    ClosedLoad,
    DecisionRule,
    Experiment,
    Objective,
    OurService,
    Resources,
    Scenario,
    Stack,
    WindowPlan,
)
from loadlab.model.run import Demand, GeneratorHealth, LoadWindow, ResourceSample, Window

_HEALTH = GeneratorHealth(
    lag_p50_s=0.0,
    lag_p99_s=0.001,
    cpu_cores=0.1,
    cores=1,
    steal_ratio=0.0,
    throttled_s=0.0,
    in_flight_max=1,
    workers=1,
    workers_expected=1,
)


def load_window(
    *, good: int, ok: int | None = None, failed: int = 0, measure_s: float, active_s: float, ceil_ms: int
) -> LoadWindow:
    answered = good if ok is None else ok
    return LoadWindow(
        state="complete",
        holes=(),
        opened_unix_s=0.0,
        measure_s=measure_s,
        sent=answered + failed,
        ok=answered,
        failed=failed,
        good=good,
        outcomes={},
        half_ok=(0, 0),
        half_latency_mean_s=(None, None),
        latency_sum_s=0.0,
        latency_ceil_ms_sum=ceil_ms,
        user_time_s=0.0,
        request_time_s=0.0,
        active_s=active_s,
        histogram="",
        health=_HEALTH,
    )


def sample(unix_s: float, *, cpu_s: float | None, pss_bytes: int | None) -> ResourceSample:
    return ResourceSample(
        unix_s=unix_s,
        cpu_s=cpu_s,
        pss_bytes=pss_bytes,
        rss_bytes=None,
        throttled_s=None,
        served=None,
        in_flight=None,
        slots=None,
        loop_lag_mean_s=None,
    )


def window(
    *,
    stack: str = "flask",
    users: int = 40,
    block: int = 1,
    good: int = 1000,
    ok: int | None = None,
    failed: int = 0,
    measure_s: float = 3.0,
    active_s: float = 3.0,
    ceil_ms: int = 200_000,
    resources: tuple[ResourceSample, ...] = (),
) -> Window:
    load = load_window(good=good, ok=ok, failed=failed, measure_s=measure_s, active_s=active_s, ceil_ms=ceil_ms)
    return Window(
        id=f"b{block:02d}-{users:03d}-{stack}",
        block=block,
        stack=stack,
        users=users,
        role="sweep",
        repeats=None,
        load=load,
        resources=resources,
        idle_cpu_cores=None,
        books=None,
    )


def demand(
    *,
    stack: str = "flask",
    service_s: float = 0.2,
    cpu_s: float | None = 0.001,
    workers: int = 1,
    slots: int | None = None,
    shares: tuple[tuple[float, ...], ...] = (),
) -> Demand:
    return Demand(
        stack=stack,
        service_s=service_s,
        service_requests=20,
        cpu_s_per_request=cpu_s,
        idle_cpu_cores=0.0,
        workers=workers,
        slots_per_worker=slots,
        connection_shares=shares,
    )


def experiment(
    *, stacks: tuple[str, ...] = ("flask", "fastapi"), blocks: int = 4, claimed_users: int | None = None
) -> Experiment:
    return Experiment(
        id="unit",
        question="From how many users on?",
        decision=DecisionRule(claimed_users=claimed_users),
        stacks=tuple(Stack(name=name, service=OurService(service=name)) for name in stacks),
        upstream=None,
        load=ClosedLoad(
            scenario=Scenario(user_class="IoBoundUser", locustfile=Path("io_bound.py")), users=None, think_s=0.0
        ),
        window=WindowPlan(warmup_s=3.0, measure_s=3.0),
        blocks=BlockPlan(count=blocks, seed=7),
        objective=Objective(latency_s=1.0, good_ratio=0.95),
        prices=(),
        resources=Resources(),
        abort=AbortRule(),
        source=Path("unit.toml"),
    )
