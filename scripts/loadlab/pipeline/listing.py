"""What can be run and what has been run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from loadlab.config import list_experiments
from loadlab.errors import PROGRAM
from loadlab.pipeline.layout import Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownExperiment:
    """An experiment file."""

    id: str
    question: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownRun:
    """A run bundle; state is "reported", or "unfinished" with the command that goes on with it."""

    id: str
    experiment: str
    state: str
    verdict: str
    next_step: str


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
    if results is None:
        return KnownRun(id=folder.name, experiment="", state="unfinished", verdict="", next_step=_resume(folder))
    whole = not any(finding.get("code") == "run_incomplete" for finding in results.get("findings", ()))
    return KnownRun(
        id=folder.name,
        experiment=results.get("experiment", {}).get("id", ""),
        state="reported" if whole else "unfinished",
        verdict=_short(results),
        next_step="" if whole else _resume(folder),
    )


def _resume(folder: Path) -> str:
    return f"{PROGRAM} run --resume {folder}"


def _short(results: dict[str, Any]) -> str:
    """The verdict in a few words: its kind, the bracket, the answer to the claim."""
    bracket, claim = results.get("bracket") or {}, results.get("claim") or {}
    words = [str(results["verdict"].get("kind", "")).replace("_", " ")]
    ends = (bracket.get("lower_users"), bracket.get("upper_users"))
    if None not in ends:
        words.append(f"in ({ends[0]}, {ends[1]}] users")
    if claim.get("users") is not None:
        words.append(f"claim of {claim['users']} {str(claim.get('answer')).replace('_', ' ')}")
    return ", ".join(words)


def _results(path: Path) -> dict[str, Any] | None:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("verdict"), dict) else None


def show_listing(found: Listing, console: Console) -> None:
    """Two tables."""
    experiments = Table("experiment", "question", title="experiments", title_justify="left", box=None)
    for one in found.experiments:
        experiments.add_row(one.id, one.question)
    console.print(experiments)
    runs = Table("run", "state", "verdict", "next", title="runs", title_justify="left", box=None)
    for run in found.runs:
        runs.add_row(run.id, run.state, run.verdict, run.next_step)
    console.print(runs if found.runs else "runs: none yet; start with: make quick")
