"""What can be run and what has been run."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

from loadlab.config import list_experiments
from loadlab.errors import PROGRAM, BundleError
from loadlab.execute.clock import SystemClock
from loadlab.execute.store import BundleStore, writer
from loadlab.pipeline.bundle import EXPERIMENT, RESULTS
from loadlab.pipeline.finish import is_current
from loadlab.pipeline.layout import Layout
from loadlab.units import one_line


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownExperiment:
    """An experiment file. name: what `loadlab run` takes."""

    name: str
    id: str
    question: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownRun:
    """A run bundle.

    state: "reported"; "running", with the process that writes it; "unfinished", with the command that goes on with it;
    "failed at start", when it ended before anything was measured, so that nothing is lost by starting anew;
    "unreadable", when report and compare refuse it, with why.
    """

    id: str
    experiment: str
    state: str
    verdict: str
    next_step: str
    pid: int | None = None
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Everything there is."""

    experiments: tuple[KnownExperiment, ...]
    runs: tuple[KnownRun, ...]


def listing(layout: Layout) -> Listing:
    """Read the experiment folder and the runs folder; a damaged run is listed as such, never an error."""
    experiments = tuple(KnownExperiment(**entry._asdict()) for entry in list_experiments())
    folders = sorted(p.parent for p in layout.runs.glob("*/experiment.toml") if not p.parent.is_symlink())
    return Listing(experiments=experiments, runs=tuple(_known(folder) for folder in folders))


def _known(folder: Path) -> KnownRun:
    results, pid = _results(folder / RESULTS), writer(folder)
    found = KnownRun(
        id=folder.name,
        experiment=_experiment_id(folder) if results is None else str((results.get("experiment") or {}).get("id", "")),
        state="running",
        verdict=_short(results) if results is not None else "",
        next_step="",
        pid=pid,
    )
    return found if pid is not None else _at_rest(found, folder, results)


def _at_rest(run: KnownRun, folder: Path, results: dict[str, Any] | None) -> KnownRun:
    """A run that nobody writes: how it stands, and what to do about it."""
    if results is None and not _is_begun(folder):
        return replace(run, state="failed at start")
    if fault := _fault(folder):
        return replace(run, state="unreadable", verdict="", fault=fault)
    whole = results is not None and not any(
        finding.get("code") == "run_incomplete" for finding in results.get("findings") or ()
    )
    return replace(run, state="reported") if whole else replace(run, state="unfinished", next_step=_resume(folder))


def _is_begun(folder: Path) -> bool:
    return (folder / "demands.json").exists() or any(folder.glob("windows/*.json"))


def _fault(folder: Path) -> str:
    """Why report, compare or a resume would refuse it; empty when they would not."""
    try:
        if not is_current(folder):
            BundleStore(folder, SystemClock()).provenance()
    except BundleError as error:
        return str(error)
    return ""


def _experiment_id(folder: Path) -> str:
    try:
        found = tomllib.loads((folder / EXPERIMENT).read_text(encoding="utf-8")).get("id")
    except (OSError, ValueError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _resume(folder: Path) -> str:
    return f"{PROGRAM} run --resume {folder}"


def _short(results: dict[str, Any]) -> str:
    """The verdict in a few words: its kind, the bracket, the answer to the claim."""
    bracket, claim = results.get("bracket") or {}, results.get("claim") or {}
    words = [str(results["verdict"].get("kind", "")).replace("_", " ")]
    ends = (bracket.get("lower_users"), bracket.get("upper_users"))
    if None not in ends:
        is_open = (results.get("experiment") or {}).get("load_kind") == "open"
        words.append(f"in ({ends[0]}, {ends[1]}] {'req/s' if is_open else 'users'}")
    if claim.get("users") is not None:
        words.append(f"claim of {claim['users']} {str(claim.get('answer')).replace('_', ' ')}")
    return ", ".join(words)


def _results(path: Path) -> dict[str, Any] | None:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) and _is_whole(found) else None


def _is_whole(found: dict[str, Any]) -> bool:
    """Whether what the list shows is where it belongs."""
    tables = [found.get("verdict"), *(found.get(key) or {} for key in ("experiment", "bracket", "claim"))]
    findings = found.get("findings") or []
    return isinstance(findings, list) and all(isinstance(each, dict) for each in (*tables, *findings))


def show_listing(found: Listing, console: Console) -> None:
    """Two lists of whole lines: nothing is cut off, however narrow the terminal, and a pipe gets one line for each."""
    width = max((len(one.name) for one in found.experiments), default=0)
    _line(console, Text("experiments (loadlab run NAME)", style="italic"))
    for one in found.experiments:
        _line(console, Text.assemble((f"{one.name:<{width}}", "bold"), "  ", one_line(one.question)))
    if not found.runs:
        _line(console, Text("runs: none yet; start with: make quick"))
        return
    _line(console, Text("runs", style="italic"))
    width = max(len(run.id) for run in found.runs)
    for run in found.runs:
        _line(console, Text(one_line(f"{run.id:<{width}}  {_told(run)}")))


def _told(run: KnownRun) -> str:
    state = f"running, process {run.pid}" if run.pid is not None else run.state
    notes = {"failed at start": "nothing was measured, logs are in its folder; start anew"}
    words = (state, run.verdict, run.fault, run.next_step and f"next: {run.next_step}", notes.get(run.state, ""))
    return "; ".join(word for word in words if word)


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True, highlight=False)
