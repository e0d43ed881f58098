"""What the run is doing, told to the load generator, whose web application shows it to Prometheus.

Telling is a courtesy: one that fails is an event in the bundle, and neither ends nor lengthens a window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from loadlab.analysis.billing import Tariff
from loadlab.model.experiment import Experiment, UrlService
from loadlab.model.plan import Role, Trial
from loadlab.model.price import PerRequestMemory
from loadlab.model.run import Window
from loadlab.pipeline.rig import Rig

PhaseRole = Role | Literal["warmup", "demand", ""]
CONTROL = re.compile(r"-aa-r\d+$")
"""End of the id of a control that is repeated: it stays a control."""


def declared(
    experiment: Experiment, run_id: str, tariffs: Sequence[Tariff], cores: float | None = None
) -> Mapping[str, object]:
    """What holds for the whole run: names, margin, objective, prices, and what each stack is given and billed for.

    cores: of one replica, where it is given another number than the experiment asks for. What runs elsewhere already
    was given nobody knows what.
    """
    claim = experiment.decision.claimed_users
    each = float(experiment.resources.cpu) if cores is None else cores
    return {
        "experiment": experiment.id,
        "run": run_id,
        "stacks": [stack.name for stack in experiment.stacks],
        "margin_ratio": experiment.decision.margin_ratio,
        "objective_latency_s": experiment.objective.latency_s,
        **({} if claim is None else {"claimed_users": claim}),
        "cores": {
            stack.name: each * stack.replicas
            for stack in experiment.stacks
            if not isinstance(stack.service, UrlService)
        },
        "prices": [{"list": tariff.list_id, "billing": tariff.billing} for tariff in tariffs],
        "billed": list(billed(experiment, tariffs)),
    }


def billed(experiment: Experiment, tariffs: Sequence[Tariff]) -> Iterator[Mapping[str, object]]:
    """Sizes that are sold, times replicas; not of lists that bill each request by itself."""
    for tariff in tariffs:
        if isinstance(tariff.model, PerRequestMemory):
            continue
        for stack in experiment.stacks:
            yield {
                "stack": stack.name,
                "list": tariff.list_id,
                "billing": tariff.billing,
                "cpu_cores": float(tariff.size.vcpu * stack.replicas),
                "memory_gib": float(tariff.size.gib * stack.replicas),
            }


def tell(rig: Rig, trial: Trial | None = None, role: PhaseRole = "", *, window: str = "") -> None:
    """Say which trial begins, or that none is under way."""
    phase = {**rig.declared, "levels": rig.levels.rows, **({} if trial is None else _of(trial, role, window))}
    if (why_not := rig.generator.tell(phase)) is not None:
        rig.store.event("phase_not_told", {"trial": None if trial is None else trial.id, "reason": why_not})


def _of(trial: Trial, role: PhaseRole, window: str) -> Mapping[str, object]:
    return {
        "trial": trial.id,
        "window": window,
        "stack": trial.stack,
        "users": trial.users,
        "block": trial.block,
        "role": role or role_of(trial),
    }


def role_of(trial: Trial | Window) -> PhaseRole:
    """A trial's role as boards see it: one before the first block measures a demand."""
    if trial.block == 0:
        return "demand"
    return "aa" if CONTROL.search(trial.id) else trial.role
