"""`loadlab run`: a fresh run, a resumed one, a dry one."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count
from pathlib import Path

from loadlab.analysis.billing import make_tariffs
from loadlab.analysis.validity import bounds_of
from loadlab.config import check_targets, load_experiment
from loadlab.config.prices import load_price_lists
from loadlab.errors import PROGRAM, BundleError, Interrupted, LoadlabError, UsageError
from loadlab.execute.clock import SystemClock
from loadlab.execute.cluster.state import WORKERS
from loadlab.execute.store import BundleStore, latest_link
from loadlab.model.experiment import Experiment
from loadlab.pipeline.advice import decided
from loadlab.pipeline.bundle import (
    FOR_RESUME,
    begin,
    begin_again,
    check_rules,
    experiment_of,
    experiment_to_resume,
    find_run,
    prices_of,
    resume_command,
)
from loadlab.pipeline.ending import Ending
from loadlab.pipeline.finish import Report, is_current
from loadlab.pipeline.kubernetes_rig import Reached, kubernetes_rig, reach
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.level_board import measured_levels
from loadlab.pipeline.local_rig import local_rig
from loadlab.pipeline.phase import declared
from loadlab.pipeline.preflight import check_local
from loadlab.pipeline.provenance import describe, on_cluster
from loadlab.pipeline.replay import keep_live_queries
from loadlab.pipeline.rig import Rig
from loadlab.pipeline.session import run_session
from loadlab.report.live import Progress

TARGETS = ("local", "kubernetes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What was typed. Either experiment or resume is given."""

    experiment: str | None
    resume: Path | None = None
    overrides: tuple[str, ...] = ()
    target: str = "local"
    allowed_hosts: tuple[str, ...] = ()
    keeps_queries: bool = True
    """What the boards show of the run goes into its bundle."""


def run(request: Request, layout: Layout, progress: Progress, tell: Callable[[Report], None]) -> Report:
    """Run an experiment to its report. A resumed run that is complete and lacks its report only gets that.

    Everything that can be found wrong beforehand is, before a bundle is made. tell: shows the report as soon as there
    is one; what is done to the bundle afterwards does not change how the run ended.

    Raises:
        Interrupted: the user stopped it; what is finished is reported, and the message says how to go on.
        LoadlabError: it could not be run to its end; what is finished is reported if any block is.
    """
    if request.resume is None:
        experiment, folder = _fresh(request, layout)
    else:
        folder = _to_resume(request, layout)
        request, is_complete = _held(request, folder)
        experiment = experiment_of(folder) if is_complete else experiment_to_resume(folder)
        if is_complete:
            with BundleStore(folder, SystemClock()) as store:
                return _only_reported(_ending(store, experiment, request, layout, progress, tell))
    check_targets(experiment, request.allowed_hosts)
    reached = _reached(experiment, request, layout)
    experiment = decided(experiment, request.target, progress)
    with BundleStore(folder, SystemClock()) as store:
        _begin(store, experiment, request, layout, reached)
        latest_link(layout.runs, folder)
        ending = _ending(store, experiment, request, layout, progress, tell)
        return ending.after(partial(_carried_out, experiment, request, reached, ending))


def _ending(
    store: BundleStore,
    experiment: Experiment,
    request: Request,
    layout: Layout,
    progress: Progress,
    tell: Callable[[Report], None],
) -> Ending:
    workers = os.environ.get(WORKERS) if request.target == "kubernetes" else None
    return Ending(
        store=store,
        layout=layout,
        progress=progress,
        tell=tell,
        how_on=resume_command(store.folder, request.allowed_hosts, workers=workers),
        source=f"the experiment ({experiment.source})" if request.resume is None else "your experiment file",
    )


def _carried_out(experiment: Experiment, request: Request, reached: Reached | None, ending: Ending) -> None:
    """The session, its report, and only then what the run can do without."""
    store, layout = ending.store, ending.layout
    try:
        with _rig(experiment, layout, store, ending.progress, reached) as rig:
            rig = _knowing(rig, store, layout)
            run_session(rig, store.progress())
            ending.report()
            if request.keeps_queries:
                keep_live_queries(rig, store.folder, layout)
    except Interrupted:
        raise
    except (KeyboardInterrupt, LoadlabError) as error:
        ending.early(error)


def _held(request: Request, folder: Path) -> tuple[Request, bool]:
    """The request at the target that the bundle was begun on, and whether the bundle is complete.

    Raises:
        LoadlabError: the bundle's plan is not that of its experiment.
    """
    held = BundleStore(folder, SystemClock())
    request = replace(request, target=held.provenance().target)
    is_complete = held.load().complete
    check_rules(folder, experiment_of(folder), held.progress().plan)
    return request, is_complete


def _fresh(request: Request, layout: Layout) -> tuple[Experiment, Path]:
    if request.experiment is None:
        raise UsageError(
            f"run: name an experiment, or a run to go on with by --resume RUN; `{PROGRAM} list` shows both"
        )
    experiment = load_experiment(request.experiment, request.overrides)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return experiment, _new_folder(layout.runs, f"{experiment.id}-{stamp}")


def _new_folder(runs: Path, name: str) -> Path:
    """A folder that no run begun in the same second has."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(runs / each for each in names if not (runs / each).exists())


def _to_resume(request: Request, layout: Layout) -> Path:
    """The folder to go on in; a bundle of a newer program is refused before anything else of it is read."""
    if request.experiment or request.overrides:
        raise UsageError(
            "--resume goes on with the experiment that is in the run; name no experiment and no --set with it"
        )
    folder = find_run(str(request.resume), layout)
    BundleStore(folder, SystemClock()).provenance()
    return folder


def _only_reported(ending: Ending) -> Report:
    folder = ending.store.folder
    ending.store.drop(FOR_RESUME)
    if is_current(folder):
        raise BundleError(f"{folder}: this run is complete; show it with: {PROGRAM} report {folder}")
    return ending.after(ending.report)


def _reached(experiment: Experiment, request: Request, layout: Layout) -> Reached | None:
    """The checks of the target that was asked for, and the way to its cluster if it is one."""
    check_target(request.target)
    if request.target == "kubernetes":
        return reach(experiment, layout)
    check_local(experiment, layout.prices)
    return None


def check_target(target: str) -> None:
    """Raises UsageError for a target that there is not."""
    if target not in TARGETS:
        raise UsageError(f"--target: got {target}, expected {' or '.join(TARGETS)}")


def _rig(
    experiment: Experiment, layout: Layout, store: BundleStore, progress: Progress, reached: Reached | None
) -> AbstractContextManager[Rig]:
    if reached is None:
        return local_rig(experiment, layout, store, progress)
    return kubernetes_rig(experiment, layout, store, progress, reached)


def _begin(
    store: BundleStore, experiment: Experiment, request: Request, layout: Layout, reached: Reached | None
) -> None:
    """Provenance, so that a bundle can always say where it comes from; a resume must be on the same machine."""
    fresh = describe(experiment, layout, SystemClock(), target=request.target, allowed_hosts=request.allowed_hosts)
    if reached is not None:
        fresh = on_cluster(fresh, reached.facts)
    if request.resume is None:
        begin(store, experiment, fresh, layout)
    else:
        begin_again(store, fresh)


def _knowing(rig: Rig, store: BundleStore, layout: Layout) -> Rig:
    """Put down what only the deployer knows; the rig that comes back knows what to tell of the run."""
    known = store.provenance()
    isolation = rig.deployer.isolation()
    store.put_provenance(replace(known, isolation=isolation.level, isolation_detail=isolation.detail))
    lists = load_price_lists(prices_of(store.folder, layout.prices))
    tariffs = make_tariffs(rig.experiment.prices, lists, rig.experiment.resources)
    told = declared(rig.experiment, store.folder.name, tariffs, isolation.cores)
    levels = measured_levels(rig.experiment, store.load(), tariffs)
    return replace(rig, bounds=bounds_of(known), declared=told, levels=levels, prices=lists)
