"""The adapters of the local target, built and ended together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from loadlab.errors import UsageError
from loadlab.execute.activity import left_over_processes
from loadlab.execute.clock import SystemClock
from loadlab.execute.cores import Cores, split_cores
from loadlab.execute.local import LocalDeployer
from loadlab.execute.locust import LocustGenerator
from loadlab.execute.locust_processes import LocalLocust
from loadlab.execute.machine import Machine
from loadlab.execute.process_probe import ProcessProbe
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.prometheus import MetricsProbe
from loadlab.execute.scrape_targets import ScrapeTargets
from loadlab.execute.store import BundleStore
from loadlab.execute.wakefulness import KeptAwake, check_quota
from loadlab.model.experiment import Experiment, Scenario
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.rig import Rig
from loadlab.report.live import Progress

MOST_NAMED = 3
MOST_SIGN = 0xFF
"""The last sign of Latin-1, which headers are sent in."""


@contextmanager
def local_rig(experiment: Experiment, layout: Layout, store: BundleStore, progress: Progress) -> Iterator[Rig]:
    """Everything a run needs on this machine; all that it started is ended when the block is left."""
    load = experiment.load
    clock, cores, targets = SystemClock(), cores_for(experiment), ScrapeTargets(layout.targets)
    _tell_of_disturbance(progress, cores)
    with ChildProcesses() as children:
        deployer = LocalDeployer(
            experiment,
            cores=cores,
            children=children,
            services=layout.services,
            logs=store.logs,
            clock=clock,
            targets=targets,
            awake=_awake(experiment, children, cores, store.logs),
        )
        locust = LocalLocust(
            files=locust_files(load.scenario, layout.locustfiles),
            cpus=cores.rest,
            env=_env_of_locust(load.scenario),
            children=children,
            logs=store.logs,
            targets=targets,
        )
        generator, metrics = LocustGenerator(locust, clock), MetricsProbe(deployer.endpoint, clock)
        try:
            with _kept_on(cores.rest):
                yield Rig(
                    experiment=experiment,
                    load=load,
                    deployer=deployer,
                    generator=generator,
                    probe=ProcessProbe(metrics, deployer.root_pid),
                    store=store,
                    clock=clock,
                    progress=progress,
                )
        finally:
            generator.close()
            deployer.close()


def _env_of_locust(scenario: Scenario) -> Mapping[str, str]:
    return {"LAB_HEADERS_JSON": orjson.dumps(headers(scenario)).decode(), "PYTHONWARNINGS": "ignore"}


def _awake(experiment: Experiment, children: ChildProcesses, cores: Cores, logs: Path) -> KeptAwake | None:
    return KeptAwake(children, cores.sut | cores.rest, logs) if experiment.window.is_kept_awake else None


@contextmanager
def _kept_on(cpus: frozenset[int]) -> Iterator[None]:
    """The engine itself runs there meanwhile."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def sharing(cores: Cores) -> str | None:
    """What stack and load generator share and what to do, in a line; None when they share nothing."""
    if not cores.shared:
        return None
    asked, named = len(cores.sut), ", ".join(map(str, sorted(cores.sut)))
    lower = f"set resources.cpu = {asked - 1} or lower, or " if asked > 1 else ""
    return (
        f"load generator and stack share {'cores' if asked > 1 else 'core'} {named}, because resources.cpu = {asked} "
        f"leaves none for the load generator, so gates may refuse most windows; {lower}use a machine with more cores"
    )


def _tell_of_disturbance(progress: Progress, cores: Cores) -> None:
    """The load generator disturbs a stack on its cores, and two runs at once measure each other."""
    if shared := sharing(cores):
        progress.message(shared)
    if others := left_over_processes():
        names = ", ".join(f"{each.name} (pid {each.pid})" for each in others[:MOST_NAMED])
        more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
        contained = " (in containers: a lab that is up)" if all(each.contained for each in others) else ""
        progress.message(
            f"not of this run, but of the lab: {names}{more}{contained}; two runs at the same time disturb each other"
        )


def cores_for(experiment: Experiment) -> Cores:
    """Whole cores, one replica of each stack, and no quota that keeping cores awake would use up; else UsageError."""
    for stack in experiment.stacks:
        if stack.replicas > 1:
            raise UsageError(
                f"{experiment.source}: stack {stack.name}: replicas: got {stack.replicas}, but the local target runs "
                "one; use --target kubernetes, or set replicas = 1"
            )
    asked = experiment.resources.cpu
    if asked != int(asked):
        raise UsageError(
            f"{experiment.source}: resources.cpu: got {asked}, but the local target gives whole cores only; "
            "use a whole number, or --target kubernetes for a quota"
        )
    available = frozenset(os.sched_getaffinity(0))
    if experiment.window.is_kept_awake:
        check_quota(f"{experiment.source}: window.keep_awake", len(available), Machine().cpu_quota_cores())
    return split_cores(available, int(asked))


def locust_files(scenario: Scenario, lab: Path) -> list[Path]:
    """Every lab scenario, or somebody's own locustfile with the lab's hooks beside it."""
    ours = sorted(f for f in lab.glob("*.py") if not f.name.startswith("_"))
    if scenario.locustfile.resolve() in {f.resolve() for f in ours}:
        return ours
    return [scenario.locustfile, lab / "lab_plugin.py"]


def headers(scenario: Scenario) -> Mapping[str, str]:
    """The scenario's headers with their values out of the environment. Raises UsageError for one that is not set."""
    values = {}
    for header, variable in scenario.headers_from_env.items():
        if variable not in os.environ:
            raise UsageError(f"header {header}: environment variable {variable} is not set; set it and run again")
        values[header] = _sendable(header, variable, os.environ[variable])
    return values


def _sendable(header: str, variable: str, value: str) -> str:
    """The value, which is not shown: it may be a secret."""
    if not value.isprintable() or any(ord(sign) > MOST_SIGN for sign in value):
        raise UsageError(
            f"header {header}: environment variable {variable} holds line ends or signs that no header can carry "
            "(often a line end at its end); set it to one line of Latin-1 text"
        )
    return value
