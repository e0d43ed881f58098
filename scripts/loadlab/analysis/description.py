"""The experiment and its stacks in the words that the verdict and the report use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from loadlab.analysis.replicas import held_level_of, tested_levels
from loadlab.analysis.stages import planned_levels
from loadlab.model.experiment import (
    ClosedLoad,
    CommandService,
    Experiment,
    ImageService,
    Objective,
    OurService,
    Service,
    Spread,
    Stack,
    UrlService,
)
from loadlab.model.plan import Plan
from loadlab.model.result import ExperimentDescription, StackDescription
from loadlab.model.run import RunData, Window

DEFAULT_CLIENTS: Mapping[str, str] = {"flask_gunicorn": "pooled_urllib3", "fastapi_uvicorn": "pooled_aiohttp"}

SPREADS: Mapping[Spread, str] = {"even": "address, evenly", "service": "the Service"}


def describe_experiment(experiment: Experiment, plan: Plan, run: RunData, toml: str) -> ExperimentDescription:
    """What the report shows of the experiment beside its file."""
    load = experiment.load
    return ExperimentDescription(
        id=experiment.id,
        question=experiment.question,
        statistic=experiment.decision.statistic,
        margin_ratio=experiment.decision.margin_ratio,
        alpha=experiment.decision.alpha,
        objective_latency_s=experiment.objective.latency_s,
        objective_good_ratio=experiment.objective.good_ratio,
        scenario=load.scenario.user_class,
        think_s=load.think_s,
        upstream_latency=experiment.upstream.latency if experiment.upstream else None,
        warmup_s=experiment.window.warmup_s,
        measure_s=experiment.window.measure_s,
        blocks=experiment.blocks.count,
        seed=experiment.blocks.seed,
        levels=planned_levels(plan, run),
        levels_from="law" if isinstance(load, ClosedLoad) and load.users is None else "file",
        prices=tuple(f"{price.list_id} ({price.billing})" for price in experiment.prices),
        resources=f"{experiment.resources.cpu} vCPU + {experiment.resources.memory_gib} GiB",
        toml=toml,
        load_kind="closed" if isinstance(load, ClosedLoad) else "open",
        arrivals=None if isinstance(load, ClosedLoad) else load.arrivals,
        in_flight_max=None if isinstance(load, ClosedLoad) else load.in_flight_max,
        load_seed=None if isinstance(load, ClosedLoad) else load.seed,
        own_waits=own_waits(run),
        keep_awake=experiment.window.is_kept_awake or None,
    )


def own_waits(run: RunData) -> tuple[str, ...]:
    """User classes that waited as their own wait_time says, in any window."""
    return tuple(sorted({name for window in run.windows for name in window.load.own_waits}))


def describe_stacks(experiment: Experiment, run: RunData, counted: Sequence[Window]) -> tuple[StackDescription, ...]:
    """Each stack as it ran, with its demand and the users that one replica holds in the windows that count."""
    asked_s, objective, planned = experiment.load.think_s, experiment.objective, tested_levels(run.windows)
    return tuple(
        _describe(stack, run, asked_s, _held([w for w in counted if w.stack == stack.name], objective, planned))
        for stack in experiment.stacks
    )


def _held(windows: Sequence[Window], objective: Objective, planned: Collection[int]) -> int | None:
    """Users of one replica where the objective holds; prices have no say in it."""
    held = held_level_of(windows, objective, planned)
    return None if held.users is None else held.users // windows[0].replicas


def _describe(stack: Stack, run: RunData, asked_s: float, held: int | None) -> StackDescription:
    demand = next((d for d in run.demands if d.stack == stack.name), None)
    return StackDescription(
        name=stack.name,
        service=_service(stack.service),
        settings=run.provenance.stack_settings.get(stack.name, {}),
        label=", ".join((_service(stack.service), *_details(stack))),
        slots=stack.processes * stack.slots_per_worker if stack.slots_per_worker else None,
        slots_per_worker=stack.slots_per_worker,
        pool=stack.pool,
        demand_think_s=demand.think_time_s(asked_s) if demand else None,
        demand_service_s=demand.service_s if demand else None,
        demand_cpu_s_per_request=demand.cpu_s_per_request if demand else None,
        users_per_replica=held,
    )


def _service(service: Service) -> str:
    match service:
        case OurService(service=name):
            return name
        case CommandService(command=command):
            return " ".join(command)
        case ImageService(image=image):
            return image
        case UrlService(url=url):
            return url


def _details(stack: Stack) -> list[str]:
    """Pool and client first, then every other setting that the experiment chose."""
    details = [] if stack.replicas == 1 else [f"{stack.replicas} replicas, load spread by {SPREADS[stack.spread]}"]
    if stack.slots_per_worker:
        plural = "worker" if stack.workers == 1 else "workers"
        details.append(f"{stack.workers} {plural} x {stack.slots_per_worker} threads")
    if not isinstance(stack.service, OurService):
        return details
    settings = dict(stack.service.settings)
    for told in ("workers", "threads"):
        settings.pop(told, None)
    details.append(str(settings.pop("client", DEFAULT_CLIENTS[stack.service.service])))
    return [*details, *(f"{key}={value}".lower() for key, value in sorted(settings.items()))]
