"""What can be run and what has been run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from loadlab.config import list_experiments
from loadlab.pipeline.layout import Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownExperiment:
    """An experiment file."""

    id: str
    question: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownRun:
    """A run bundle; state is "reported", or "unfinished" when it has no results of a complete run."""

    id: str
    experiment: str
    state: str
    verdict: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Everything there is."""

    experiments: tuple[KnownExperiment, ...]
    runs: tuple[KnownRun, ...]


def listing(layout: Layout) -> Listing:
    """Read the experiment folder and the runs folder; a damaged run is listed as such, never an error."""
    experiments = tuple(KnownExperiment(id=i, question=q, path=p) for i, q, p in list_experiments())
    folders = sorted(p.parent for p in layout.runs.glob("*/experiment.toml") if not p.parent.is_symlink())
    return Listing(experiments=experiments, runs=tuple(_known(folder) for folder in folders))


def _known(folder: Path) -> KnownRun:
    results = _results(folder / "results.json")
    verdict = results.get("verdict", {}) if results else {}
    experiment = results.get("experiment", {}).get("id", "") if results else ""
    return KnownRun(
        id=folder.name,
        experiment=experiment,
        state="reported" if verdict else "unfinished",
        verdict=verdict.get("sentence", "") or f"go on with: loadlab run --resume {folder.name}",
    )


def _results(path: Path) -> dict[str, Any] | None:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def show_listing(found: Listing, console: Console) -> None:
    """Two tables."""
    experiments = Table("experiment", "question", title="experiments", title_justify="left", box=None)
    for one in found.experiments:
        experiments.add_row(one.id, one.question)
    console.print(experiments)
    runs = Table("run", "state", "verdict", title="runs", title_justify="left", box=None)
    for run in found.runs:
        runs.add_row(run.id, run.state, run.verdict)
    console.print(runs if found.runs else "runs: none yet; start with: make quick")
