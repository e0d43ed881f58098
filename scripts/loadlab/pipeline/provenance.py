"""Where, when and with what a run is made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version

from loadlab.analysis.calibration_use import standing
from loadlab.config import without_values
from loadlab.execute.calibration_file import identity, read_calibration
from loadlab.execute.machine import Machine, git_state, measuring_sha256, package_versions
from loadlab.execute.ports import Clock, Isolation
from loadlab.model.cluster import ClusterFacts
from loadlab.model.experiment import CommandService, Experiment, ImageService, OpenLoad, OurService, Stack, UrlService
from loadlab.model.run import Provenance
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.shell import scenario_options

IN_CLUSTER = "uncalibrated: the load generator ran in a cluster, which `loadlab calibrate` does not measure"
SOURCES_DIGITS = 16
NOT_YET_KNOWN = Isolation(level="shared", detail="not known yet: the deployer says it when it starts")


def describe(
    experiment: Experiment, layout: Layout, clock: Clock, *, target: str, allowed_hosts: tuple[str, ...] = ()
) -> Provenance:
    """Everything that can be said before anything is started; the deployer adds the isolation."""
    machine, git = Machine(), git_state(layout.root)
    is_awake = experiment.window.is_kept_awake
    made_with = identity(machine, layout.root, keep_awake=is_awake)
    calibrated = standing(read_calibration(layout.state, keep_awake=is_awake), made_with, clock.unix_s())
    return Provenance(
        started_unix_s=clock.unix_s(),
        loadlab_version=version("loadlab"),
        git_revision=git.revision,
        git_dirty=git.is_dirty,
        machine_id=machine.machine_id(),
        machine=machine.facts(),
        packages=package_versions(),
        target=target,
        allowed_hosts=allowed_hosts,
        isolation=NOT_YET_KNOWN.level,
        isolation_detail=NOT_YET_KNOWN.detail,
        calibration=calibrated.text,
        truthful=calibrated.truthful,
        stack_settings={stack.name: _settings(stack) for stack in experiment.stacks},
        load=_load(experiment, target),
        sources=measuring_sha256(layout.root)[:SOURCES_DIGITS],
    )


def _load(experiment: Experiment, target: str) -> Mapping[str, str | int] | None:
    """What the load is made of beside the experiment; a cluster's Locust knows nothing of this shell."""
    return {**_schedules(experiment), **(scenario_options(os.environ) if target == "local" else {})} or None


def _schedules(experiment: Experiment) -> Mapping[str, str | int]:
    """What makes the schedules of an open load: block b has the seed and b as its own."""
    load = experiment.load
    if not isinstance(load, OpenLoad):
        return {}
    seed = experiment.blocks.seed if load.seed is None else load.seed
    return {"kind": "open", "arrivals": load.arrivals, "seed": seed, "in_flight_max": load.in_flight_max}


def on_cluster(known: Provenance, facts: ClusterFacts) -> Provenance:
    """A run on a cluster is a run on another machine: figures of the two cannot be told apart from the machines."""
    identity = known.machine_id if facts.kind == "kind" else facts.uid
    machine_id = hashlib.sha256(f"loadlab-cluster-1\n{facts.kind}\n{identity}".encode()).hexdigest()[:16]
    return replace(known, machine_id=machine_id, cluster=facts, calibration=IN_CLUSTER, truthful=None)


def _settings(stack: Stack) -> Mapping[str, str]:
    match stack.service:
        case OurService(settings=settings):
            return {key: str(value).lower() for key, value in settings.items()}
        case CommandService(env=env) | ImageService(env=env):
            return without_values(env)
        case UrlService():
            return {}
