"""`loadlab run`: a fresh run, a resumed one, a dry one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from loadlab.config import check_targets, dump_experiment, load_experiment
from loadlab.errors import BundleError, Interrupted, LoadlabError, UsageError
from loadlab.execute.clock import SystemClock
from loadlab.execute.store import BundleStore, latest_link
from loadlab.model.experiment import Experiment
from loadlab.pipeline.finish import Report, analyse_bundle
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.local_rig import closed_load, local_rig
from loadlab.pipeline.provenance import describe
from loadlab.pipeline.rig import Rig
from loadlab.pipeline.session import run_session
from loadlab.report.live import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What was typed. Either experiment or resume is given."""

    experiment: str | None
    resume: Path | None = None
    overrides: tuple[str, ...] = ()
    target: str = "local"
    allowed_hosts: tuple[str, ...] = ()


def run(request: Request, layout: Layout, progress: Progress) -> Report:
    """Run an experiment to its report.

    Raises:
        Interrupted: the user stopped it; what is finished is reported, and the message says how to go on.
        LoadlabError: it could not be run to its end; what is finished is reported if any block is.
    """
    experiment, folder = _opened(request, layout)
    check_targets(experiment, request.allowed_hosts)
    closed_load(experiment)
    if request.target != "local":
        raise UsageError(f"--target: got {request.target}, but this version runs on the local target only; use local")
    with BundleStore(folder, SystemClock()) as store:
        _begin(store, experiment, request, layout)
        latest_link(layout.runs, folder)
        try:
            with _stoppable(), local_rig(experiment, layout, store, progress) as rig:
                run_session(_with_provenance(rig, store), store.progress())
        except KeyboardInterrupt:
            progress.finished()
            raise Interrupted(_after(folder, layout, "interrupted")) from None
        except LoadlabError as error:
            progress.finished()
            raise _same_kind(error, _after(folder, layout, str(error))) from None
        progress.finished()
        return analyse_bundle(folder, layout)


def _opened(request: Request, layout: Layout) -> tuple[Experiment, Path]:
    if request.resume is None:
        if request.experiment is None:
            raise UsageError(
                "run: name an experiment, or a run to go on with by --resume RUN; `loadlab list` shows both"
            )
        experiment = load_experiment(request.experiment, request.overrides)
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        return experiment, layout.runs / f"{experiment.id}-{stamp}"
    if request.experiment or request.overrides:
        raise UsageError(
            "--resume goes on with the experiment that is in the run; name no experiment and no --set with it"
        )
    folder = find_run(str(request.resume), layout)
    return load_experiment(str(folder / "experiment.toml")), folder


def find_run(name: str, layout: Layout) -> Path:
    """The folder of a run given by path or by its name below runs/. Raises BundleError."""
    for folder in (Path(name), layout.runs / name):
        if (folder / "experiment.toml").exists():
            return folder.resolve()
    raise BundleError(f"{name}: no run bundle there (no experiment.toml); `loadlab list` names the runs here")


def _begin(store: BundleStore, experiment: Experiment, request: Request, layout: Layout) -> None:
    """Provenance, so that a bundle can always say where it comes from; a resume must be on the same machine."""
    fresh = describe(experiment, layout, SystemClock(), target=request.target)
    if request.resume is None:
        store.put_text("experiment.toml", dump_experiment(experiment))
        store.put_provenance(fresh)
        return
    old = store.provenance()
    if old.machine_id != fresh.machine_id:
        raise BundleError(
            f"{store.folder}: this run was begun on another machine; blocks of two machines cannot be one run. "
            "Resume it there, or start a new run here"
        )
    if store.load().complete:
        raise BundleError(f"{store.folder}: this run is complete; show it with: loadlab report {store.folder}")
    store.put_provenance(replace(old, resumed=(*old.resumed, fresh.started_unix_s)))


def _with_provenance(rig: Rig, store: BundleStore) -> Rig:
    """Add what only the deployer knows."""
    known = store.provenance()
    isolation = rig.deployer.isolation()
    store.put_provenance(replace(known, isolation=isolation.level, isolation_detail=isolation.detail))
    return rig


def _after(folder: Path, layout: Layout, what: str) -> str:
    """Report what there is, and say how to go on."""
    try:
        report = analyse_bundle(folder, layout)
        left = f"the finished blocks are reported in {report.html}; "
    except LoadlabError:
        left = "no block was finished yet; "
    return f"{what}; {left}go on with: loadlab run --resume {folder}"


def _same_kind(error: LoadlabError, message: str) -> LoadlabError:
    return type(error)(message if "--resume" not in str(error) else str(error))


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM stops a run as Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
