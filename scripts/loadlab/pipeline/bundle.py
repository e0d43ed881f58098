"""A run bundle as a run begins it, and as it is found and read back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from loadlab.config import Catalogue, dump_experiment, load_experiment, redacted
from loadlab.errors import PROGRAM, BundleError
from loadlab.execute.bounds import Fault
from loadlab.execute.bundle_file import damaged
from loadlab.execute.cluster.state import WORKERS
from loadlab.execute.store import BundleStore
from loadlab.model.cluster import ClusterFacts
from loadlab.model.experiment import Experiment, RefinePlan
from loadlab.model.plan import Plan
from loadlab.model.run import Provenance
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.shell import SCENARIO_OPTIONS
from loadlab.report.render import REPORT_FILES

EXPERIMENT = "experiment.toml"
FOR_RESUME = ".resume.toml"
"""The experiment with its secrets, readable by its owner alone, while the run is not complete."""
PRICES = "prices"
RESULTS = "results.json"
QUERIES = "queries"
SURROUNDINGS = ("kernel", "python", "cores_allowed", "cpu_quota_cores")
"""Facts of the machine that may change between two sessions on it, and would be another run."""


def find_run(name: str, layout: Layout) -> Path:
    """The folder of a run given by path or by its name below runs/. Raises BundleError."""
    for folder in (Path(name), layout.runs / name):
        with contextlib.suppress(OSError):  # a name that no file system takes is no run either
            if (folder / EXPERIMENT).exists():
                return folder.resolve()
    raise BundleError(f"{name}: no run bundle there (no {EXPERIMENT}); `{PROGRAM} list` names the runs here")


def begin(store: BundleStore, experiment: Experiment, fresh: Provenance, layout: Layout) -> None:
    """What a bundle starts with; experiment.toml comes last and makes it one, so that no half of it is ever found."""
    for list_id in sorted({ref.list_id for ref in experiment.prices}):
        text = (layout.prices / f"{list_id}.toml").read_text(encoding="utf-8")
        store.put_text(f"{PRICES}/{list_id}.toml", text)
    kept = redacted(experiment)
    if kept != experiment:
        store.put_text(FOR_RESUME, dump_experiment(experiment), private=True)
    store.put_provenance(fresh)
    store.put_text(EXPERIMENT, dump_experiment(kept))


def begin_again(store: BundleStore, fresh: Provenance) -> None:
    """A resume: on the same machine, with the same software and load only; reports of before do not hold any more."""
    old = store.provenance()
    if old.machine_id != fresh.machine_id:
        raise BundleError(
            f"{store.folder}: this run was begun on another machine; blocks of two machines cannot be one run. "
            "Resume it there, or start a new run here"
        )
    _refuse_changes(store.folder, _options(old), _options(fresh), "the environment makes another load", "loads")
    was, now = _software(old), _software(fresh)
    known = {name: now[name] for name in was.keys() & now.keys()}  # bundles of before do not tell of all of it
    _refuse_changes(store.folder, {name: was[name] for name in known}, known, "other software or cores", "surroundings")
    if old.cluster is not None and fresh.cluster is not None:
        was, now = _ground(old.cluster), _ground(fresh.cluster)
        was |= {name: now[name] for name, value in was.items() if value is None}
        _refuse_changes(store.folder, was, now, "another cluster or load generator", "clusters")
    resumed = (*old.resumed, fresh.started_unix_s)
    dirty = _is_dirty(old, fresh)
    store.put_provenance(replace(old, git_dirty=dirty, resumed=resumed, allowed_hosts=fresh.allowed_hosts))
    kept = sorted(path.name for path in (store.folder / QUERIES).glob("*.json"))
    store.drop(RESULTS, *REPORT_FILES, *(f"{QUERIES}/{name}" for name in kept))


def _options(provenance: Provenance) -> Mapping[str, object]:
    return {name: value for name, value in (provenance.load or {}).items() if name in SCENARIO_OPTIONS}


def _software(provenance: Provenance) -> Mapping[str, object]:
    """What windows are made with and on, beside the machine itself."""
    facts = {name: value for name, value in provenance.machine.items() if name in SURROUNDINGS}
    own = {} if provenance.sources is None else {"the lab's own sources": provenance.sources}
    return {**facts, **provenance.packages, **own, "loadlab": provenance.loadlab_version}


def _ground(cluster: ClusterFacts) -> dict[str, object]:
    """What windows on a cluster stand on; a node may be replaced by one of its kind."""
    nodes = [
        f"{node.role}: {node.cores:g} cores, kernel {node.kernel}, kubelet {node.kubelet}, {node.architecture}"
        for node in cluster.nodes
        if node.role in ("sut", "loadgen")
    ]
    return {
        "Kubernetes": cluster.server_version,
        "a replica's cores": cluster.cpu_limit_cores,
        "nodes": " + ".join(sorted(nodes)),
        WORKERS: cluster.workers,
    }


def _refuse_changes(folder: Path, was: Mapping[str, object], now: Mapping[str, object], what: str, of_two: str) -> None:
    changed = sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
    if changed:
        got, expected = (
            ", ".join(f"{name}={side[name]}" if name in side else f"no {name}" for name in changed)
            for side in (now, was)
        )
        raise BundleError(
            f"{folder}: {what} than at its start: got {got}, expected {expected}; blocks of two {of_two} cannot be one "
            "run. Set it as it was and resume, or start a new run"
        )


def _is_dirty(old: Provenance, fresh: Provenance) -> bool | None:
    """Whether any part of the run was made by other files than those of its revision; unknown as it was at first."""
    if None in (old.git_revision, fresh.git_revision):
        return old.git_dirty
    return old.git_dirty or fresh.git_dirty or old.git_revision != fresh.git_revision


def catalogue_of(folder: Path) -> Catalogue:
    """Names as the bundle means them."""
    repository = Catalogue.of_repository()
    return replace(repository, prices=prices_of(folder, repository.prices))


def prices_of(folder: Path, otherwise: Path) -> Path:
    """The bundle's own price lists, where it has some; bundles of before have none."""
    own = folder / PRICES
    return own if any(own.glob("*.toml")) else otherwise


def experiment_of(folder: Path) -> Experiment:
    """The experiment for judging: nothing outside the bundle is looked at."""
    return load_experiment(str(folder / EXPERIMENT), catalogue=catalogue_of(folder), check_files=False)


def experiment_to_resume(folder: Path) -> Experiment:
    """The experiment for going on, with the values that only its owner may read."""
    private = folder / FOR_RESUME
    path = private if private.exists() else folder / EXPERIMENT
    return load_experiment(str(path), catalogue=catalogue_of(folder))


def check_rules(folder: Path, experiment: Experiment, plan: Plan | None) -> None:
    """Raise BundleError where plan.json has not the rules of a second stage that the experiment has."""
    if plan is not None and plan.refine != experiment.refine:
        expected = f"{_rules(experiment.refine)}, as {EXPERIMENT} says"
        raise damaged(folder / "plan.json", Fault(key="refine", got=_rules(plan.refine), expected=expected))


def _rules(rule: RefinePlan | None) -> str:
    if rule is None:
        return "no second stage"
    return f"levels {rule.levels}, count {rule.count}, width_ratio {rule.width_ratio:g}, beyond {rule.beyond}"


def resume_command(folder: Path, allowed_hosts: tuple[str, ...], *, workers: str | None = None) -> str:
    """What to type to go on. workers: as the environment had it, which a run on a cluster needs again."""
    words = [f"{WORKERS}={workers}"] if workers else []
    return " ".join([*words, f"{PROGRAM} run --resume {folder}", *(f"--allow-target {host}" for host in allowed_hosts)])
